// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What lies on a device: constants, structures, and the checks that every block passes before
 * anybody looks into it. Names follow the public format documentation without its BTRFS_ prefix,
 * so that <linux/btrfs_tree.h> can be included beside this header (the tests compare both).
 */
#ifndef COPSE_DISK_FORMAT_FORMAT_H
#define COPSE_DISK_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/err.h"
#include "base/le.h"
#include "disk/format/fields.h"

/* ---- sizes and places ------------------------------------------------------------------- */

#define SUPER_OFFSET (64 * KIB)
#define SUPER_SIZE 4096
#define SUPER_COPIES 3
#define SUPER_MAGIC 0x4D5F53665248425FULL /* "_BHRfS_M" */
#define SUPER_SYSTEM_ARRAY_MAX 2048
#define SUPER_LABEL_MAX 256
#define SUPER_BACKUP_ROOTS 4
#define NODE_SIZE_MIN 4096
#define NODE_SIZE_MAX 65536
#define SECTOR_SIZE_MIN 4096
#define TREE_LEVELS_MAX 8
#define NAME_MAX_BYTES 255
#define DEV_RESERVED (1 * MIB) /* no chunk begins in the first MiB of a device */
#define CSUM_FIELD_SIZE 32
#define COMPRESSED_EXTENT_MAX (128 * KIB) /* file bytes in one compressed extent */
#define DATA_EXTENT_MAX (128 * MIB)       /* bytes in one plain extent */
#define FIRST_CHUNK_TREE_OBJECTID 256
#define STRIPE_LEN (64 * KIB)

/* Byte offset of superblock copy i (0, 1, 2): 64 KiB, 64 MiB, 256 GiB. */
static inline uint64_t super_offset(unsigned copy)
{
    return copy == 0 ? SUPER_OFFSET : (16 * KIB) << (12 * copy);
}

/* ---- object ids ------------------------------------------------------------------------- */

#define TREE_ROOT 1ULL
#define TREE_EXTENT 2ULL
#define TREE_CHUNK 3ULL
#define TREE_DEV 4ULL
#define TREE_FS 5ULL
#define ROOT_TREE_DIR 6ULL
#define TREE_CSUM 7ULL
#define TREE_QUOTA 8ULL
#define TREE_UUID 9ULL
#define TREE_FREE_SPACE 10ULL
#define TREE_BLOCK_GROUP 11ULL
#define TREE_RAID_STRIPE 12ULL
#define TREE_REMAP 13ULL
#define OBJ_DEV_STATS 0ULL
#define OBJ_DEV_ITEMS 1ULL
#define OBJ_BALANCE ((uint64_t)-4)
#define OBJ_ORPHAN ((uint64_t)-5)
#define TREE_LOG ((uint64_t)-6)
#define TREE_LOG_FIXUP ((uint64_t)-7)
#define TREE_RELOC ((uint64_t)-8)
#define TREE_DATA_RELOC ((uint64_t)-9)
#define OBJ_EXTENT_CSUM ((uint64_t)-10)
#define OBJ_FREE_SPACE ((uint64_t)-11)
#define OBJ_FREE_INO ((uint64_t)-12)
#define OBJ_CSUM_CHANGE ((uint64_t)-13)
#define OBJ_FIRST_FREE 256ULL
#define OBJ_LAST_FREE ((uint64_t)-256)
#define INO_SUBVOL_ROOT 256ULL    /* the root directory of every subvolume */
#define INO_EMPTY_SUBVOL_DIR 2ULL /* what a snapshot shows in place of a nested subvolume */

/* Whether id names a tree that holds files: the top level or a subvolume. */
static inline bool is_fs_tree(uint64_t id)
{
    return id == TREE_FS || (id >= OBJ_FIRST_FREE && id <= OBJ_LAST_FREE);
}

/* ---- key types -------------------------------------------------------------------------- */

/* K(NAME, number, "name as dump-tree prints it") */
#define KEY_TYPES(K)                                                                               \
    K(INODE_ITEM, 1, "INODE_ITEM")                                                                 \
    K(INODE_REF, 12, "INODE_REF")                                                                  \
    K(INODE_EXTREF, 13, "INODE_EXTREF")                                                            \
    K(XATTR_ITEM, 24, "XATTR_ITEM")                                                                \
    K(VERITY_DESC_ITEM, 36, "VERITY_DESC_ITEM")                                                    \
    K(VERITY_MERKLE_ITEM, 37, "VERITY_MERKLE_ITEM")                                                \
    K(ORPHAN_ITEM, 48, "ORPHAN_ITEM")                                                              \
    K(DIR_LOG_ITEM, 60, "DIR_LOG_ITEM")                                                            \
    K(DIR_LOG_INDEX, 72, "DIR_LOG_INDEX")                                                          \
    K(DIR_ITEM, 84, "DIR_ITEM")                                                                    \
    K(DIR_INDEX, 96, "DIR_INDEX")                                                                  \
    K(EXTENT_DATA, 108, "EXTENT_DATA")                                                             \
    K(EXTENT_CSUM, 128, "EXTENT_CSUM")                                                             \
    K(ROOT_ITEM, 132, "ROOT_ITEM")                                                                 \
    K(ROOT_BACKREF, 144, "ROOT_BACKREF")                                                           \
    K(ROOT_REF, 156, "ROOT_REF")                                                                   \
    K(EXTENT_ITEM, 168, "EXTENT_ITEM")                                                             \
    K(METADATA_ITEM, 169, "METADATA_ITEM")                                                         \
    K(EXTENT_OWNER_REF, 172, "EXTENT_OWNER_REF")                                                   \
    K(TREE_BLOCK_REF, 176, "TREE_BLOCK_REF")                                                       \
    K(EXTENT_DATA_REF, 178, "EXTENT_DATA_REF")                                                     \
    K(SHARED_BLOCK_REF, 182, "SHARED_BLOCK_REF")                                                   \
    K(SHARED_DATA_REF, 184, "SHARED_DATA_REF")                                                     \
    K(BLOCK_GROUP_ITEM, 192, "BLOCK_GROUP_ITEM")                                                   \
    K(FREE_SPACE_INFO, 198, "FREE_SPACE_INFO")                                                     \
    K(FREE_SPACE_EXTENT, 199, "FREE_SPACE_EXTENT")                                                 \
    K(FREE_SPACE_BITMAP, 200, "FREE_SPACE_BITMAP")                                                 \
    K(DEV_EXTENT, 204, "DEV_EXTENT")                                                               \
    K(DEV_ITEM, 216, "DEV_ITEM")                                                                   \
    K(CHUNK_ITEM, 228, "CHUNK_ITEM")                                                               \
    K(RAID_STRIPE, 230, "RAID_STRIPE")                                                             \
    K(QGROUP_STATUS, 240, "QGROUP_STATUS")                                                         \
    K(QGROUP_INFO, 242, "QGROUP_INFO")                                                             \
    K(QGROUP_LIMIT, 244, "QGROUP_LIMIT")                                                           \
    K(QGROUP_RELATION, 246, "QGROUP_RELATION")                                                     \
    K(TEMPORARY_ITEM, 248, "TEMPORARY_ITEM")                                                       \
    K(PERSISTENT_ITEM, 249, "PERSISTENT_ITEM")                                                     \
    K(DEV_REPLACE, 250, "DEV_REPLACE")                                                             \
    K(UUID_SUBVOL, 251, "UUID_KEY_SUBVOL")                                                         \
    K(UUID_RECEIVED, 252, "UUID_KEY_RECEIVED_SUBVOL")                                              \
    K(STRING_ITEM, 253, "STRING_ITEM")

enum key_type {
#define KEY_TYPE_ENUM(NAME, number, text) KEY_##NAME = number,
    KEY_TYPES(KEY_TYPE_ENUM)
#undef KEY_TYPE_ENUM
};

/* "INODE_ITEM" ...; NULL for a type we do not know. */
const char *key_type_name(uint8_t type);

/* ---- block group and chunk flags ---------------------------------------------------------- */

#define BG_DATA (1ULL << 0)
#define BG_SYSTEM (1ULL << 1)
#define BG_METADATA (1ULL << 2)
#define BG_RAID0 (1ULL << 3)
#define BG_RAID1 (1ULL << 4)
#define BG_DUP (1ULL << 5)
#define BG_RAID10 (1ULL << 6)
#define BG_RAID5 (1ULL << 7)
#define BG_RAID6 (1ULL << 8)
#define BG_RAID1C3 (1ULL << 9)
#define BG_RAID1C4 (1ULL << 10)
#define BG_REMAPPED (1ULL << 11)
#define BG_TYPE_MASK (BG_DATA | BG_SYSTEM | BG_METADATA)
#define BG_PROFILE_MASK                                                                            \
    (BG_RAID0 | BG_RAID1 | BG_DUP | BG_RAID10 | BG_RAID5 | BG_RAID6 | BG_RAID1C3 | BG_RAID1C4)

/* ---- feature bits: one table, with what each allows --------------------------------------- */

enum feature_use {
    FEATURE_WRITE, /* read and write */
    FEATURE_READ,  /* read only */
    FEATURE_NONE,  /* refuse */
};

/* B(NAME, bit number, "name as btrfs prints it", use) */
#define INCOMPAT_FEATURES(B)                                                                       \
    B(MIXED_BACKREF, 0, "mixed-backref", FEATURE_WRITE)                                            \
    B(DEFAULT_SUBVOL, 1, "default-subvol", FEATURE_WRITE)                                          \
    B(MIXED_GROUPS, 2, "mixed-bg", FEATURE_WRITE)                                                  \
    B(COMPRESS_LZO, 3, "compress-lzo", FEATURE_WRITE)                                              \
    B(COMPRESS_ZSTD, 4, "compress-zstd", FEATURE_WRITE)                                            \
    B(BIG_METADATA, 5, "big-metadata", FEATURE_WRITE)                                              \
    B(EXTENDED_IREF, 6, "extref", FEATURE_WRITE)                                                   \
    B(RAID56, 7, "raid56", FEATURE_NONE)                                                           \
    B(SKINNY_METADATA, 8, "skinny-metadata", FEATURE_WRITE)                                        \
    B(NO_HOLES, 9, "no-holes", FEATURE_WRITE)                                                      \
    B(METADATA_UUID, 10, "metadata-uuid", FEATURE_WRITE)                                           \
    B(RAID1C34, 11, "raid1c34", FEATURE_NONE)                                                      \
    B(ZONED, 12, "zoned", FEATURE_NONE)                                                            \
    B(EXTENT_TREE_V2, 13, "extent-tree-v2", FEATURE_NONE)                                          \
    B(RAID_STRIPE_TREE, 14, "raid-stripe-tree", FEATURE_NONE)                                      \
    B(SIMPLE_QUOTA, 16, "squota", FEATURE_WRITE)                                                   \
    B(REMAP_TREE, 17, "remap-tree", FEATURE_NONE)

#define COMPAT_RO_FEATURES(B)                                                                      \
    B(FREE_SPACE_TREE, 0, "free-space-tree", FEATURE_WRITE)                                        \
    B(FREE_SPACE_TREE_VALID, 1, "free-space-tree-valid", FEATURE_WRITE)                            \
    B(VERITY, 2, "verity", FEATURE_WRITE)                                                          \
    B(BLOCK_GROUP_TREE, 3, "block-group-tree", FEATURE_WRITE)

enum {
#define INCOMPAT_BIT(NAME, bit, text, use) INCOMPAT_##NAME = 1 << bit,
    INCOMPAT_FEATURES(INCOMPAT_BIT)
#undef INCOMPAT_BIT
};
enum {
#define COMPAT_RO_BIT(NAME, bit, text, use) COMPAT_RO_##NAME = 1 << bit,
    COMPAT_RO_FEATURES(COMPAT_RO_BIT)
#undef COMPAT_RO_BIT
};

struct feature {
    uint64_t bit; /* the mask, not the number */
    const char *name;
    enum feature_use use;
};

/* Tables ended by a row whose name is NULL. */
extern const struct feature incompat_features[];
extern const struct feature compat_ro_features[];

/*
 * Promise 8. Whether this build may open a file system with these bits; -EOPNOTSUPP names the first
 * bit that forbids it. *readonly is set when writing is out of the question, and the bit that says
 * so is recorded with fail().
 */
int features_check(uint64_t incompat, uint64_t compat_ro, bool *readonly) MUST_USE;

/* ---- inode modes, flags, kinds of file ----------------------------------------------------- */

#define INODE_NODATASUM (1U << 0)
#define INODE_NODATACOW (1U << 1)
#define INODE_READONLY (1U << 2)
#define INODE_NOCOMPRESS (1U << 3)
#define INODE_PREALLOC (1U << 4)
#define INODE_SYNC (1U << 5)
#define INODE_IMMUTABLE (1U << 6)
#define INODE_APPEND (1U << 7)
#define INODE_NODUMP (1U << 8)
#define INODE_NOATIME (1U << 9)
#define INODE_DIRSYNC (1U << 10)
#define INODE_COMPRESS (1U << 11)
#define INODE_ROOT_ITEM_INIT (1U << 31)
/* The upper 32 bits of inode_item.flags: read-only compatible flags. */
#define INODE_RO_VERITY (1ULL << 32)

#define FT_UNKNOWN 0
#define FT_REG_FILE 1
#define FT_DIR 2
#define FT_CHRDEV 3
#define FT_BLKDEV 4
#define FT_FIFO 5
#define FT_SOCK 6
#define FT_SYMLINK 7
#define FT_XATTR 8
#define FT_MAX 9
#define FT_ENCRYPTED 0x80

#define FILE_EXTENT_INLINE 0
#define FILE_EXTENT_REG 1
#define FILE_EXTENT_PREALLOC 2

#define EXTENT_FLAG_DATA (1ULL << 0)
#define EXTENT_FLAG_TREE_BLOCK (1ULL << 1)
#define BLOCK_FLAG_FULL_BACKREF (1ULL << 8)

#define HEADER_FLAG_WRITTEN (1ULL << 0)
#define HEADER_FLAG_RELOC (1ULL << 1)
#define HEADER_BACKREF_REV_SHIFT 56
#define MIXED_BACKREF_REV 1ULL

#define ROOT_SUBVOL_RDONLY (1ULL << 0)
#define ROOT_SUBVOL_DEAD (1ULL << 48)

#define FREE_SPACE_USING_BITMAPS (1U << 0)
#define FREE_SPACE_BITMAP_BITS (256 * 8) /* sectors one bitmap item covers */

#define SUPER_FLAG_WRITTEN (1ULL << 0)
#define SUPER_FLAG_RELOC (1ULL << 1)
#define SUPER_FLAG_ERROR (1ULL << 2)
#define SUPER_FLAG_SEEDING (1ULL << 32)
#define SUPER_FLAG_METADUMP (1ULL << 33)
#define SUPER_FLAG_METADUMP_V2 (1ULL << 34)
#define SUPER_FLAG_CHANGING_FSID (1ULL << 35)
#define SUPER_FLAG_CHANGING_FSID_V2 (1ULL << 36)

#define QGROUP_LEVEL_SHIFT 48 /* a qgroup id is its level, then the subvolume or a number */

#define QGROUP_STATUS_ON (1ULL << 0)
#define QGROUP_STATUS_RESCAN (1ULL << 1)
#define QGROUP_STATUS_INCONSISTENT (1ULL << 2)
#define QGROUP_STATUS_SIMPLE (1ULL << 3)

/* ---- structures ----------------------------------------------------------------------------- */

DEFINE_BYTES(uuid, 16)
DEFINE_BYTES(csum_field, CSUM_FIELD_SIZE)
DEFINE_BYTES(label, SUPER_LABEL_MAX)
DEFINE_BYTES(system_array, SUPER_SYSTEM_ARRAY_MAX)
DEFINE_BYTES(reserved_8, 8)
DEFINE_BYTES(reserved_16, 16)
DEFINE_BYTES(reserved_32, 32)
DEFINE_BYTES(reserved_48, 48)
DEFINE_BYTES(reserved_64, 64)
DEFINE_BYTES(super_reserved, 199)
DEFINE_BYTES(super_padding, 565)

#define FIELDS_key(F)                                                                              \
    F(u64, objectid, 0, "the object the item belongs to")                                          \
    F(u8, type, 8, "item type")                                                                    \
    F(u64, offset, 9, "meaning depends on the type")
DEFINE_ITEM(key, 17)

#define FIELDS_node_header(F)                                                                      \
    F(csum_field, csum, 0, "checksum of all that follows")                                         \
    F(uuid, fsid, 32, "file system (metadata_uuid where that feature is on)")                      \
    F(u64, bytenr, 48, "logical address of this block")                                            \
    F(u64, flags, 56, "HEADER_FLAG_*, top byte: back reference revision")                          \
    F(uuid, chunk_tree_uuid, 64, "chunk tree")                                                     \
    F(u64, generation, 80, "transaction that wrote the block")                                     \
    F(u64, owner, 88, "tree that allocated the block")                                             \
    F(u32, nritems, 96, "items or key pointers in use")                                            \
    F(u8, level, 100, "0: leaf")
DEFINE_ITEM(node_header, 101)

#define FIELDS_leaf_item(F)                                                                        \
    F(key, key, 0, "key")                                                                          \
    F(u32, offset, 17, "of the data, from the end of the header")                                  \
    F(u32, size, 21, "of the data")
DEFINE_ITEM(leaf_item, 25)

#define FIELDS_key_ptr(F)                                                                          \
    F(key, key, 0, "lowest key below")                                                             \
    F(u64, blockptr, 17, "logical address of the child")                                           \
    F(u64, generation, 25, "of the child")
DEFINE_ITEM(key_ptr, 33)

#define NODE_HEADER_SIZE sizeof(disk_node_header)
#define LEAF_ITEM_SIZE sizeof(disk_leaf_item)
#define KEY_PTR_SIZE sizeof(disk_key_ptr)

#define FIELDS_timestamp(F)                                                                        \
    F(u64, sec, 0, "seconds since 1970, signed")                                                   \
    F(u32, nsec, 8, "nanoseconds")
DEFINE_ITEM(timestamp, 12)

#define FIELDS_inode_item(F)                                                                       \
    F(u64, generation, 0, "transaction that created the inode")                                    \
    F(u64, transid, 8, "transaction that last changed it")                                         \
    F(u64, size, 16, "bytes; a directory: sum of its names' lengths, twice")                       \
    F(u64, nbytes, 24, "bytes of data held, decompressed, without holes")                          \
    F(u64, block_group, 32, "allocation hint, unused")                                             \
    F(u32, nlink, 40, "names")                                                                     \
    F(u32, uid, 44, "owner")                                                                       \
    F(u32, gid, 48, "group")                                                                       \
    F(u32, mode, 52, "type and permissions")                                                       \
    F(u64, rdev, 56, "device number")                                                              \
    F(u64, flags, 64, "INODE_*")                                                                   \
    F(u64, sequence, 72, "change counter")                                                         \
    F(reserved_32, reserved, 80, "zero")                                                           \
    F(timestamp, atime, 112, "read")                                                               \
    F(timestamp, ctime, 124, "inode changed")                                                      \
    F(timestamp, mtime, 136, "content changed")                                                    \
    F(timestamp, otime, 148, "created")
DEFINE_ITEM(inode_item, 160)

/* Followed by the name. */
#define FIELDS_inode_ref(F)                                                                        \
    F(u64, index, 0, "of the name in the directory")                                               \
    F(u16, name_len, 8, "bytes")
DEFINE_ITEM(inode_ref, 10)

/* Followed by the name. */
#define FIELDS_inode_extref(F)                                                                     \
    F(u64, parent, 0, "inode of the directory")                                                    \
    F(u64, index, 8, "of the name in the directory")                                               \
    F(u16, name_len, 16, "bytes")
DEFINE_ITEM(inode_extref, 18)

/* Followed by the name, then (xattrs) the value. */
#define FIELDS_dir_item(F)                                                                         \
    F(key, location, 0, "what the name points at")                                                 \
    F(u64, transid, 17, "transaction that made the name")                                          \
    F(u16, data_len, 25, "bytes of xattr value")                                                   \
    F(u16, name_len, 27, "bytes")                                                                  \
    F(u8, type, 29, "FT_*")
DEFINE_ITEM(dir_item, 30)

/* An inline extent has its data at offset 21; the other kinds have all fields. */
#define FIELDS_file_extent(F)                                                                      \
    F(u64, generation, 0, "transaction that allocated the extent")                                 \
    F(u64, ram_bytes, 8, "bytes of the whole extent, decompressed")                                \
    F(u8, compression, 16, "0 none, 1 zlib, 2 lzo, 3 zstd")                                        \
    F(u8, encryption, 17, "0")                                                                     \
    F(u16, other_encoding, 18, "0")                                                                \
    F(u8, type, 20, "FILE_EXTENT_*")                                                               \
    F(u64, disk_bytenr, 21, "logical address of the extent, 0: a hole")                            \
    F(u64, disk_num_bytes, 29, "bytes of the whole extent on disk")                                \
    F(u64, offset, 37, "into the decompressed extent")                                             \
    F(u64, num_bytes, 45, "bytes of the file")
DEFINE_ITEM(file_extent, 53)
#define FILE_EXTENT_INLINE_HEADER 21

#define FIELDS_root_item(F)                                                                        \
    F(inode_item, inode, 0, "of a tree without inodes: mostly zero")                               \
    F(u64, generation, 160, "of the root node")                                                    \
    F(u64, root_dirid, 168, "256 for file trees")                                                  \
    F(u64, bytenr, 176, "of the root node")                                                        \
    F(u64, byte_limit, 184, "unused")                                                              \
    F(u64, bytes_used, 192, "bytes of the tree's blocks; Linux sizes its reserve by it")           \
    F(u64, last_snapshot, 200, "generation of the last snapshot")                                  \
    F(u64, flags, 208, "ROOT_SUBVOL_*")                                                            \
    F(u32, refs, 216, "0: being deleted")                                                          \
    F(key, drop_progress, 220, "where deletion stands")                                            \
    F(u8, drop_level, 237, "where deletion stands")                                                \
    F(u8, level, 238, "of the root node")                                                          \
    F(u64, generation_v2, 239, "equal to generation when the fields below are valid")              \
    F(uuid, uuid, 247, "of the subvolume")                                                         \
    F(uuid, parent_uuid, 263, "of what it is a snapshot of")                                       \
    F(uuid, received_uuid, 279, "of what it was received from")                                    \
    F(u64, ctransid, 295, "last change")                                                           \
    F(u64, otransid, 303, "creation")                                                              \
    F(u64, stransid, 311, "sent")                                                                  \
    F(u64, rtransid, 319, "received")                                                              \
    F(timestamp, ctime, 327, "last change")                                                        \
    F(timestamp, otime, 339, "creation")                                                           \
    F(timestamp, stime, 351, "sent")                                                               \
    F(timestamp, rtime, 363, "received")                                                           \
    F(reserved_64, reserved, 375, "zero")
DEFINE_ITEM(root_item, 439)
#define ROOT_ITEM_SIZE_V1 239 /* before the uuid fields were added */

/* Followed by the name. */
#define FIELDS_root_ref(F)                                                                         \
    F(u64, dirid, 0, "inode of the directory that holds the name")                                 \
    F(u64, sequence, 8, "index of the name in that directory")                                     \
    F(u16, name_len, 16, "bytes")
DEFINE_ITEM(root_ref, 18)

#define FIELDS_extent_item(F)                                                                      \
    F(u64, refs, 0, "references")                                                                  \
    F(u64, generation, 8, "transaction that allocated it")                                         \
    F(u64, flags, 16, "EXTENT_FLAG_*, BLOCK_FLAG_*")
DEFINE_ITEM(extent_item, 24)

/* Follows an EXTENT_ITEM (not a METADATA_ITEM) of a tree block. */
#define FIELDS_tree_block_info(F)                                                                  \
    F(key, key, 0, "first key of the block")                                                       \
    F(u8, level, 17, "of the block")
DEFINE_ITEM(tree_block_info, 18)

/* Inline: follows the type byte directly, in place of the offset. */
#define FIELDS_extent_data_ref(F)                                                                  \
    F(u64, root, 0, "tree")                                                                        \
    F(u64, objectid, 8, "inode")                                                                   \
    F(u64, offset, 16, "file position minus offset into the extent")                               \
    F(u32, count, 24, "file extent items")
DEFINE_ITEM(extent_data_ref, 28)

#define FIELDS_shared_data_ref(F) F(u32, count, 0, "file extent items in that leaf")
DEFINE_ITEM(shared_data_ref, 4)

/* Then, for data, extent_data_ref in place of offset; for SHARED_DATA_REF shared_data_ref behind.
 */
#define FIELDS_extent_inline_ref(F)                                                                \
    F(u8, type, 0, "KEY_*_REF")                                                                    \
    F(u64, offset, 1, "tree or parent block")
DEFINE_ITEM(extent_inline_ref, 9)

#define FIELDS_extent_owner_ref(F) F(u64, root, 0, "tree that first owned the extent")
DEFINE_ITEM(extent_owner_ref, 8)

#define FIELDS_block_group_item(F)                                                                 \
    F(u64, used, 0, "bytes allocated")                                                             \
    F(u64, chunk_objectid, 8, "256")                                                               \
    F(u64, flags, 16, "BG_*")
DEFINE_ITEM(block_group_item, 24)

#define FIELDS_free_space_info(F)                                                                  \
    F(u32, extent_count, 0, "free ranges in the block group")                                      \
    F(u32, flags, 4, "FREE_SPACE_*")
DEFINE_ITEM(free_space_info, 8)

#define FIELDS_dev_extent(F)                                                                       \
    F(u64, chunk_tree, 0, "3")                                                                     \
    F(u64, chunk_objectid, 8, "256")                                                               \
    F(u64, chunk_offset, 16, "logical address of the chunk")                                       \
    F(u64, length, 24, "bytes on the device")                                                      \
    F(uuid, chunk_tree_uuid, 32, "")
DEFINE_ITEM(dev_extent, 48)

#define FIELDS_dev_item(F)                                                                         \
    F(u64, devid, 0, "number of the device")                                                       \
    F(u64, total_bytes, 8, "size")                                                                 \
    F(u64, bytes_used, 16, "in device extents")                                                    \
    F(u32, io_align, 24, "")                                                                       \
    F(u32, io_width, 28, "")                                                                       \
    F(u32, sector_size, 32, "")                                                                    \
    F(u64, type, 36, "0")                                                                          \
    F(u64, generation, 44, "")                                                                     \
    F(u64, start_offset, 52, "0")                                                                  \
    F(u32, dev_group, 60, "0")                                                                     \
    F(u8, seek_speed, 64, "0")                                                                     \
    F(u8, bandwidth, 65, "0")                                                                      \
    F(uuid, uuid, 66, "of the device")                                                             \
    F(uuid, fsid, 82, "of the file system")
DEFINE_ITEM(dev_item, 98)

#define FIELDS_stripe(F)                                                                           \
    F(u64, devid, 0, "device")                                                                     \
    F(u64, offset, 8, "byte on it")                                                                \
    F(uuid, dev_uuid, 16, "its uuid")
DEFINE_ITEM(stripe, 32)

/* Followed by num_stripes stripes. */
#define FIELDS_chunk(F)                                                                            \
    F(u64, length, 0, "logical bytes")                                                             \
    F(u64, owner, 8, "2, the extent tree")                                                         \
    F(u64, stripe_len, 16, "64 KiB")                                                               \
    F(u64, type, 24, "BG_*")                                                                       \
    F(u32, io_align, 32, "")                                                                       \
    F(u32, io_width, 36, "")                                                                       \
    F(u32, sector_size, 40, "")                                                                    \
    F(u16, num_stripes, 44, "")                                                                    \
    F(u16, sub_stripes, 46, "")
DEFINE_ITEM(chunk, 48)

#define FIELDS_backup_root(F)                                                                      \
    F(u64, tree_root, 0, "")                                                                       \
    F(u64, tree_root_gen, 8, "")                                                                   \
    F(u64, chunk_root, 16, "")                                                                     \
    F(u64, chunk_root_gen, 24, "")                                                                 \
    F(u64, extent_root, 32, "")                                                                    \
    F(u64, extent_root_gen, 40, "")                                                                \
    F(u64, fs_root, 48, "")                                                                        \
    F(u64, fs_root_gen, 56, "")                                                                    \
    F(u64, dev_root, 64, "")                                                                       \
    F(u64, dev_root_gen, 72, "")                                                                   \
    F(u64, csum_root, 80, "")                                                                      \
    F(u64, csum_root_gen, 88, "")                                                                  \
    F(u64, total_bytes, 96, "")                                                                    \
    F(u64, bytes_used, 104, "")                                                                    \
    F(u64, num_devices, 112, "")                                                                   \
    F(reserved_32, reserved, 120, "")                                                              \
    F(u8, tree_root_level, 152, "")                                                                \
    F(u8, chunk_root_level, 153, "")                                                               \
    F(u8, extent_root_level, 154, "")                                                              \
    F(u8, fs_root_level, 155, "")                                                                  \
    F(u8, dev_root_level, 156, "")                                                                 \
    F(u8, csum_root_level, 157, "")                                                                \
    F(u64, reserved_2a, 158, "")                                                                   \
    F(u16, reserved_2b, 166, "")
DEFINE_ITEM(backup_root, 168)

/* An array as a kind: the four backup roots. */
typedef struct PACKED disk_backup_roots {
    disk_backup_root r[SUPER_BACKUP_ROOTS];
} disk_backup_roots;
typedef struct backup_roots {
    n_backup_root r[SUPER_BACKUP_ROOTS];
} n_backup_roots;
static inline void backup_roots_decode(n_backup_roots *out, const disk_backup_roots *in)
{
    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++)
        backup_root_decode(&out->r[i], &in->r[i]);
}
static inline void backup_roots_encode(disk_backup_roots *out, const n_backup_roots *in)
{
    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++)
        backup_root_encode(&out->r[i], &in->r[i]);
}

#define FIELDS_super(F)                                                                            \
    F(csum_field, csum, 0, "checksum of all that follows")                                         \
    F(uuid, fsid, 32, "of the file system, as users see it")                                       \
    F(u64, bytenr, 48, "where this copy lies on the device")                                       \
    F(u64, flags, 56, "SUPER_FLAG_*")                                                              \
    F(u64, magic, 64, "_BHRfS_M")                                                                  \
    F(u64, generation, 72, "transaction")                                                          \
    F(u64, root, 80, "root tree")                                                                  \
    F(u64, chunk_root, 88, "chunk tree")                                                           \
    F(u64, log_root, 96, "log root tree, 0: none")                                                 \
    F(u64, log_root_transid, 104, "unused, 0")                                                     \
    F(u64, total_bytes, 112, "of all devices")                                                     \
    F(u64, bytes_used, 120, "in extents")                                                          \
    F(u64, root_dir_objectid, 128, "6")                                                            \
    F(u64, num_devices, 136, "")                                                                   \
    F(u32, sectorsize, 144, "")                                                                    \
    F(u32, nodesize, 148, "")                                                                      \
    F(u32, leafsize, 152, "equal to nodesize")                                                     \
    F(u32, stripesize, 156, "")                                                                    \
    F(u32, sys_chunk_array_size, 160, "bytes in use of the array below")                           \
    F(u64, chunk_root_generation, 164, "")                                                         \
    F(u64, compat_flags, 172, "")                                                                  \
    F(u64, compat_ro_flags, 180, "COMPAT_RO_*")                                                    \
    F(u64, incompat_flags, 188, "INCOMPAT_*")                                                      \
    F(u16, csum_type, 196, "0 crc32c, 1 xxhash64, 2 sha256, 3 blake2b")                            \
    F(u8, root_level, 198, "")                                                                     \
    F(u8, chunk_root_level, 199, "")                                                               \
    F(u8, log_root_level, 200, "")                                                                 \
    F(dev_item, dev_item, 201, "this device")                                                      \
    F(label, label, 299, "NUL-terminated")                                                         \
    F(u64, cache_generation, 555, "of the v1 space cache; 0 or -1: none")                          \
    F(u64, uuid_tree_generation, 563, "")                                                          \
    F(uuid, metadata_uuid, 571, "in tree blocks, with that feature")                               \
    F(u64, nr_global_roots, 587, "extent-tree-v2")                                                 \
    F(u64, remap_root, 595, "")                                                                    \
    F(u64, remap_root_generation, 603, "")                                                         \
    F(u8, remap_root_level, 611, "")                                                               \
    F(super_reserved, reserved, 612, "")                                                           \
    F(system_array, sys_chunk_array, 811, "chunks of the system block groups")                     \
    F(backup_roots, backups, 2859, "earlier roots")                                                \
    F(super_padding, padding, 3531, "")
DEFINE_ITEM(super, SUPER_SIZE)

#define FIELDS_qgroup_status(F)                                                                    \
    F(u64, version, 0, "1")                                                                        \
    F(u64, generation, 8, "last update")                                                           \
    F(u64, flags, 16, "QGROUP_STATUS_*")                                                           \
    F(u64, rescan, 24, "logical address a rescan has reached")
DEFINE_ITEM(qgroup_status, 32)
/* With simple quotas an enable_gen (u64) follows. */

#define FIELDS_qgroup_info(F)                                                                      \
    F(u64, generation, 0, "")                                                                      \
    F(u64, rfer, 8, "bytes referenced")                                                            \
    F(u64, rfer_cmpr, 16, "")                                                                      \
    F(u64, excl, 24, "bytes exclusive")                                                            \
    F(u64, excl_cmpr, 32, "")
DEFINE_ITEM(qgroup_info, 40)

#define FIELDS_qgroup_limit(F)                                                                     \
    F(u64, flags, 0, "which limits are set")                                                       \
    F(u64, max_rfer, 8, "")                                                                        \
    F(u64, max_excl, 16, "")                                                                       \
    F(u64, rsv_rfer, 24, "")                                                                       \
    F(u64, rsv_excl, 32, "")
DEFINE_ITEM(qgroup_limit, 40)

/* Followed, in the root tree, by nothing; the v1 cache file's header item. */
#define FIELDS_free_space_header(F)                                                                \
    F(key, location, 0, "inode of the cache file")                                                 \
    F(u64, generation, 17, "")                                                                     \
    F(u64, num_entries, 25, "")                                                                    \
    F(u64, num_bitmaps, 33, "")
DEFINE_ITEM(free_space_header, 41)

#define FIELDS_dir_log_item(F) F(u64, end, 0, "last index or hash the log knows completely")
DEFINE_ITEM(dir_log_item, 8)

/* May grow at the end. */
#define FIELDS_dev_stats(F)                                                                        \
    F(u64, write_errs, 0, "failed writes")                                                         \
    F(u64, read_errs, 8, "failed reads")                                                           \
    F(u64, flush_errs, 16, "failed flushes")                                                       \
    F(u64, corruption_errs, 24, "wrong checksums")                                                 \
    F(u64, generation_errs, 32, "blocks of another generation than expected")
DEFINE_ITEM(dev_stats, 40)

#define FIELDS_balance_args(F)                                                                     \
    F(u64, profiles, 0, "BG_* to work on")                                                         \
    F(u32, usage_min, 8, "percent; the low half of a 64-bit usage without range")                  \
    F(u32, usage_max, 12, "percent")                                                               \
    F(u64, devid, 16, "device")                                                                    \
    F(u64, pstart, 24, "range on the device")                                                      \
    F(u64, pend, 32, "")                                                                           \
    F(u64, vstart, 40, "logical range")                                                            \
    F(u64, vend, 48, "")                                                                           \
    F(u64, target, 56, "BG_* to convert to")                                                       \
    F(u64, flags, 64, "which of these count")                                                      \
    F(u32, limit_min, 72, "chunks; the low half of a 64-bit limit without range")                  \
    F(u32, limit_max, 76, "chunks")                                                                \
    F(u32, stripes_min, 80, "devices a chunk is on")                                               \
    F(u32, stripes_max, 84, "")                                                                    \
    F(reserved_48, reserved, 88, "zero")
DEFINE_ITEM(balance_args, 136)

#define FIELDS_balance_item(F)                                                                     \
    F(u64, flags, 0, "which kinds, and whether to convert")                                        \
    F(balance_args, data, 8, "data block groups")                                                  \
    F(balance_args, meta, 144, "metadata block groups")                                            \
    F(balance_args, sys, 280, "system block groups")                                               \
    F(reserved_32, reserved, 416, "zero")
DEFINE_ITEM(balance_item, 448)

/* The item at offset 1 and on hold the descriptor of that size itself. */
#define FIELDS_verity_descriptor(F)                                                                \
    F(u64, size, 0, "bytes of the descriptor")                                                     \
    F(reserved_16, reserved, 8, "zero")                                                            \
    F(u8, encryption, 24, "0")
DEFINE_ITEM(verity_descriptor, 25)

/* ---- keys -------------------------------------------------------------------------------------
 */

static inline struct key key_make(uint64_t objectid, uint8_t type, uint64_t offset)
{
    return (struct key){objectid, type, offset};
}

static inline int key_cmp(const struct key *a, const struct key *b)
{
    if (a->objectid != b->objectid)
        return a->objectid < b->objectid ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return 0;
}

#define KEY_FIRST ((struct key){0, 0, 0})
#define KEY_LAST ((struct key){UINT64_MAX, UINT8_MAX, UINT64_MAX})

/* "(256 INODE_ITEM 0)" into buf, as dump-tree writes keys; returns buf. */
#define KEY_TEXT_MAX 80
const char *key_text(const struct key *key, char buf[KEY_TEXT_MAX]);

/* The objectid of a key of that type (0: of a tree): "CSUM_TREE", "0/257", "256"; returns buf. */
#define OBJECTID_TEXT_MAX 40
const char *objectid_text(uint64_t objectid, uint8_t type, char buf[OBJECTID_TEXT_MAX]);

/* ---- geometry ----------------------------------------------------------------------------------
 */

/* Bytes for items and their data in a leaf. */
static inline uint32_t leaf_capacity(uint32_t nodesize)
{
    return nodesize - (uint32_t)NODE_HEADER_SIZE;
}

/* Key pointers in a node. */
static inline uint32_t node_capacity(uint32_t nodesize)
{
    return (uint32_t)((nodesize - NODE_HEADER_SIZE) / KEY_PTR_SIZE);
}

/* Largest item data a leaf takes. */
static inline uint32_t item_data_max(uint32_t nodesize)
{
    return leaf_capacity(nodesize) - (uint32_t)LEAF_ITEM_SIZE;
}

/* Largest xattr: name and value together. */
static inline uint32_t xattr_max(uint32_t nodesize)
{
    return item_data_max(nodesize) - (uint32_t)sizeof(disk_dir_item);
}

static inline void key_from_disk(struct key *out, const disk_key *in)
{
    key_decode(out, in);
}

/* ---- checks (promise 7)
 * -------------------------------------------------------------------------- */

/* What every validator may hold a block against. */
struct format_limits {
    uint32_t nodesize;
    uint32_t sectorsize;
    uint16_t csum_type;
    uint32_t csum_size;
    uint64_t incompat;
    uint64_t compat_ro;
    const struct uuid *metadata_uuid; /* expected in node headers */
};

/*
 * A superblock copy as read: magic, checksum, sizes, counts, array length, levels, csum type.
 * copy_offset is where it was read from. -EINVAL: no btrfs there; -EIO: the checksum is wrong (or
 * of a type that cannot be computed); -EUCLEAN: the checksum is right and something else is
 * damaged; -EOPNOTSUPP: a flag that we do not know. Feature bits: features_check.
 */
int super_validate(const void *bytes, uint64_t copy_offset) MUST_USE;

/* What the parent (or superblock, or root item) says a block is. */
struct node_expect {
    uint64_t bytenr;
    uint64_t generation; /* exact; 0: unknown */
    uint64_t owner;      /* for messages; 0: unknown */
    int level;           /* -1: unknown */
    bool has_first_key;
    struct key first_key;
    /*
     * NULL, or in: the node_print of a block that was valid here (0: none is known); out, unless it
     * fails: of this one. The very block that was valid before is only asked whether it is the one
     * that is meant.
     */
    uint64_t *print;
};

/* What tells a block from all others: a hash of all of it; never 0. */
uint64_t node_print(const void *block, const struct format_limits *limits);

/*
 * A tree block as read: checksum, address, fsid, generation, level, then everything inside that
 * can be wrong without looking elsewhere: item count, key order, item bounds (no overlap, no gap,
 * in descending order from the end of the block), child pointers aligned, and every item by its
 * type. -EIO: checksum; -EUCLEAN: the rest.
 */
int node_validate(const void *block, const struct format_limits *limits,
                  const struct node_expect *expect) MUST_USE;

/* The part of node_validate that looks inside; also run on blocks before they are written. */
int node_validate_inside(const void *block, const struct format_limits *limits) MUST_USE;

/*
 * One item of a leaf by itself; prev is the key before it or NULL. What Linux's own checker would
 * refuse is refused here; items of a type we do not know are fine (promise 8).
 */
int item_validate(const struct key *key, const void *data, uint32_t size,
                  const struct format_limits *limits, uint64_t owner,
                  const struct key *prev) MUST_USE;

/* Size of a chunk item with that many stripes. */
static inline uint32_t chunk_item_size(unsigned stripes)
{
    return (uint32_t)(sizeof(disk_chunk) + stripes * sizeof(disk_stripe));
}

/* A chunk item (also of the system array): lengths, alignment, stripes, profile. */
int chunk_validate(uint64_t logical, const void *data, uint32_t size,
                   const struct format_limits *limits) MUST_USE;

/* Whether a file may have that name: 1 to 255 bytes without '/' and NUL, not "." and "..". */
bool name_is_valid(const void *name, size_t len);

/* Orders inline data references within an extent item (traps: descending), and keys keyed ones. */
uint64_t extent_data_ref_hash(uint64_t root, uint64_t objectid, uint64_t offset);

/* Bytes of an inline reference of that type with its type byte; 0: no such type. */
uint32_t extent_inline_ref_size(uint8_t type);

/* ---- printing -------------------------------------------------------------------------------- */

/* Where text goes: the library itself never prints. */
struct text_sink {
    void (*put)(void *arg, const char *text, size_t len);
    void *arg;
};

/*
 * A superblock as `btrfs inspect-internal dump-super` (6.14) shows it from the line csum_type on;
 * full adds the system chunks and the backup roots. Needs no validation before.
 */
void print_super(const struct super *super, bool full, const struct text_sink *sink);

/*
 * A tree block as `btrfs inspect-internal dump-tree` (6.14) shows it, with times in UTC. Needs no
 * validation before: what is damaged is said in its place.
 */
void print_node(const void *block, const struct format_limits *limits,
                const struct text_sink *sink);

/* ---- device numbers ---------------------------------------------------------------------------
 */

/* The format stores what Linux has inside: 12 bits of major above 20 bits of minor. */
uint64_t rdev_to_disk(uint64_t dev);
uint64_t rdev_from_disk(uint64_t rdev);

/* ---- names of uuids
 * ------------------------------------------------------------------------------- */

#define UUID_TEXT_SIZE 37
const char *uuid_text(const struct uuid *uuid, char buf[UUID_TEXT_SIZE]);
int uuid_parse(const char *text, struct uuid *out) MUST_USE;
bool uuid_is_null(const struct uuid *uuid);
static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

#endif
