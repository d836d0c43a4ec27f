// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damage that `copse check --repair` is about and that a reader hardly notices: names of all three
 * kinds, snapshots that share what is wrong, subvolumes, uuids, orphans, checksums, superblocks.
 */
#include "base/test/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "kinds.h"

static void remove_item(struct image *image, uint64_t tree, uint64_t objectid, uint8_t type,
                        uint64_t offset)
{
    struct image_item item = kind_item(image, tree, objectid, type, offset);

    image_item_remove(image, &item);
}

static struct image_item inode_of(const struct image *image, enum base_kind base, const char *path)
{
    return kind_item(image, TREE_FS, kind_ino(base, path), KEY_INODE_ITEM, 0);
}

/* ---- names -------------------------------------------------------------------------------------
 */

static void drop_index(struct image *image, uint64_t dir, uint64_t ino)
{
    for (uint64_t index = 0;;) {
        struct image_item item = kind_item(image, TREE_FS, dir, KEY_DIR_INDEX, index);
        uint8_t block[NODE_SIZE_MAX];
        struct dir_item entry;

        image_block_read(image, item.block, block);
        dir_item_decode(&entry, block + item.offset);
        assert_int_equal(item.key.objectid, dir);
        if (entry.location.objectid == ino) {
            image_item_remove(image, &item);
            return;
        }
        index = item.key.offset + 1;
    }
}

static void drop_entry(struct image *image, uint64_t dir, const char *name)
{
    remove_item(image, TREE_FS, dir, KEY_DIR_ITEM, name_hash(name, strlen(name)));
}

/* All that leads to it. */
static void lose_name(struct image *image, const char *path)
{
    uint64_t ino = kind_ino(BASE_SNAPSHOTS, path), dir = INO_SUBVOL_ROOT;
    const char *name = strrchr(path, '/') + 1;

    if (name != path + 1)
        dir = kind_ino(BASE_SNAPSHOTS, "/dir");
    remove_item(image, TREE_FS, ino, KEY_INODE_REF, dir);
    drop_entry(image, dir, name);
    drop_index(image, dir, ino);
}

static void file_without_name(struct image *image)
{
    lose_name(image, "/zlib");
}
static void directory_without_name(struct image *image)
{
    lose_name(image, "/dir/sub");
}
/* Only its inode knows the name. */
static void name_in_inode_only(struct image *image)
{
    drop_entry(image, INO_SUBVOL_ROOT, "zlib");
    drop_index(image, INO_SUBVOL_ROOT, kind_ino(BASE_SNAPSHOTS, "/zlib"));
}
/* Only the directory does. */
static void name_in_directory_only(struct image *image)
{
    remove_item(image, TREE_FS, kind_ino(BASE_SNAPSHOTS, "/zlib"), KEY_INODE_REF, INO_SUBVOL_ROOT);
}
static void second_name_unknown(struct image *image)
{
    drop_entry(image, INO_SUBVOL_ROOT, "link");
}

/* ---- inodes ------------------------------------------------------------------------------------
 */

static void shared_nbytes(struct image *image)
{
    struct image_item item = inode_of(image, BASE_SNAPSHOTS, "/plain");

    ITEM_SET(image, &item, inode_item, nbytes, 4096);
}
static void shared_nlink(struct image *image)
{
    struct image_item item = inode_of(image, BASE_SNAPSHOTS, "/zlib");

    ITEM_SET(image, &item, inode_item, nlink, 5);
}
static void shared_dir_size(struct image *image)
{
    struct image_item item = inode_of(image, BASE_SNAPSHOTS, "/dir");

    ITEM_SET(image, &item, inode_item, size, 77);
}
static void from_the_future(struct image *image)
{
    struct image_item item = inode_of(image, BASE_SNAPSHOTS, "/plain");

    ITEM_SET(image, &item, inode_item, generation, 1ULL << 20);
}
static void changed_in_the_future(struct image *image)
{
    struct image_item item = inode_of(image, BASE_SNAPSHOTS, "/plain");

    ITEM_SET(image, &item, inode_item, transid, 1ULL << 20);
}
static void orphan_item_missing(struct image *image)
{
    remove_item(image, TREE_FS, OBJ_ORPHAN, KEY_ORPHAN_ITEM, 0);
}

/* ---- extents and checksums ----------------------------------------------------------------------
 */

static struct image_item extent_of(const struct image *image, enum base_kind base, const char *path,
                                   uint64_t offset, struct file_extent *out)
{
    struct image_item item =
        kind_item(image, TREE_FS, kind_ino(base, path), KEY_EXTENT_DATA, offset);
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item.block, block);
    file_extent_decode(out, block + item.offset);
    return item;
}

static void ram_bytes_lie(struct image *image)
{
    struct file_extent extent;
    struct image_item item = extent_of(image, BASE_SNAPSHOTS, "/plain", 0, &extent);

    ITEM_SET(image, &item, file_extent, ram_bytes, extent.disk_num_bytes + 4096);
}
/* With a hole item in front of its data. */
static void hole_missing(struct image *image)
{
    struct file_extent extent;
    struct image_item item = extent_of(image, BASE_OLD, "/sparse", 1, &extent);

    assert_int_equal(extent.disk_bytenr, 0);
    image_item_remove(image, &item);
}

/* The checksum item that ends where `end` is grows by some sectors; false: none ends there. */
static bool grow_csums(struct image *image, uint64_t end, uint32_t sectors)
{
    struct key key = key_make(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 0);
    struct image_item item;

    while (image_find(image, TREE_CSUM, &key, &item)) {
        uint32_t more = sectors * image->csum_size;
        uint8_t block[NODE_SIZE_MAX], data[NODE_SIZE_MAX] = {0};

        key.offset = item.key.offset + 1;
        if (item.key.offset + item.size / image->csum_size * image->sectorsize != end)
            continue;
        image_block_read(image, item.block, block);
        memcpy(data, block + item.offset, item.size);
        image_item_replace(image, &item, data, item.size + more);
        return true;
    }
    return false;
}

/* Behind the part of /prealloc that was written. */
static void csums_under_prealloc(struct image *image)
{
    struct file_extent extent;

    for (uint64_t at = 0;; at += extent.num_bytes) {
        (void)extent_of(image, BASE_SNAPSHOTS, "/prealloc", at, &extent);
        if (extent.type == FILE_EXTENT_PREALLOC)
            break;
    }
    assert_true(grow_csums(image, extent.disk_bytenr + extent.offset, 2));
}

static void csums_over_free_space(struct image *image)
{
    struct key key = key_make(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 0);
    struct image_item item;
    uint64_t end = 0;

    while (image_find(image, TREE_CSUM, &key, &item)) {
        end = item.key.offset + item.size / image->csum_size * image->sectorsize;
        key.offset = item.key.offset + 1;
    }
    /* Behind all data lies free space. */
    assert_true(grow_csums(image, end + 0, 3));
}

static void csum_of_one_sector_missing(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CSUM, OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 0);
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item.block, block);
    image_item_replace(image, &item, block + item.offset, item.size - image->csum_size);
}

/* ---- references that snapshots share ------------------------------------------------------------
 */

static void shared_data_unlisted(struct image *image)
{
    struct file_extent extent;

    (void)extent_of(image, BASE_SNAPSHOTS, "/plain", 0, &extent);
    remove_item(image, TREE_EXTENT, extent.disk_bytenr, KEY_EXTENT_ITEM, 0);
}
static void shared_block_unlisted(struct image *image)
{
    struct image_item item = inode_of(image, BASE_SNAPSHOTS, "/dir/sub/deep");

    remove_item(image, TREE_EXTENT, item.block, KEY_METADATA_ITEM, 0);
}
static void data_generation(struct image *image)
{
    struct file_extent extent;

    (void)extent_of(image, BASE_SNAPSHOTS, "/plain", 0, &extent);
    struct image_item item = kind_item(image, TREE_EXTENT, extent.disk_bytenr, KEY_EXTENT_ITEM, 0);
    ITEM_SET(image, &item, extent_item, refs, 40);
}

/* ---- subvolumes
 * ---------------------------------------------------------------------------------- */

static uint64_t subvol_id(const struct image *image)
{
    return kind_item(image, TREE_ROOT, TREE_FS, KEY_ROOT_REF, 0).key.offset;
}

static void subvol_without_ref(struct image *image)
{
    remove_item(image, TREE_ROOT, TREE_FS, KEY_ROOT_REF, subvol_id(image));
}
static void subvol_without_backref(struct image *image)
{
    remove_item(image, TREE_ROOT, subvol_id(image), KEY_ROOT_BACKREF, TREE_FS);
}
static void subvol_without_both(struct image *image)
{
    uint64_t id = subvol_id(image);

    subvol_without_ref(image);
    remove_item(image, TREE_ROOT, id, KEY_ROOT_BACKREF, TREE_FS);
}
static void subvol_without_entry(struct image *image)
{
    drop_entry(image, INO_SUBVOL_ROOT, "subvol");
    drop_index(image, INO_SUBVOL_ROOT, subvol_id(image));
}
static void subvol_without_anything(struct image *image)
{
    subvol_without_entry(image);
    subvol_without_both(image);
}
static void subvol_under_another_index(struct image *image)
{
    uint64_t id = subvol_id(image);
    struct image_item item = kind_item(image, TREE_ROOT, TREE_FS, KEY_ROOT_REF, id);

    ITEM_SET(image, &item, root_ref, sequence, 4711);
}
static void two_generations(struct image *image)
{
    struct image_item item = kind_item(image, TREE_ROOT, subvol_id(image), KEY_ROOT_ITEM, 0);

    ITEM_SET(image, &item, root_item, generation_v2, 3);
}
static void tree_below_zero(struct image *image)
{
    struct image_item item = kind_item(image, TREE_ROOT, TREE_EXTENT, KEY_ROOT_ITEM, 0);

    ITEM_SET(image, &item, root_item, bytes_used, -49152ULL);
}
static void subvolume_of_no_size(struct image *image)
{
    struct image_item item = kind_item(image, TREE_ROOT, subvol_id(image), KEY_ROOT_ITEM, 0);

    ITEM_SET(image, &item, root_item, bytes_used, 0);
}
static void uuid_missing(struct image *image)
{
    const uint64_t id = subvol_id(image);
    struct key key = key_make(0, KEY_UUID_SUBVOL, 0);
    struct image_item item;

    while (image_find(image, TREE_UUID, &key, &item)) {
        uint8_t block[NODE_SIZE_MAX];
        le64 found;

        image_block_read(image, item.block, block);
        memcpy(&found, block + item.offset, sizeof(found));
        if (le64_get(found) == id) {
            image_item_remove(image, &item);
            return;
        }
        key = key_make(item.key.objectid, KEY_UUID_SUBVOL, item.key.offset + 1);
    }
    assert_true(false);
}
static void uuid_of_another(struct image *image)
{
    struct image_item item = kind_item(image, TREE_UUID, 0, KEY_UUID_SUBVOL, 0);
    const le64 other = le64_of(4711);

    image_item_edit(image, &item, 0, &other, sizeof(other));
}
static void half_deleted_forgotten(struct image *image)
{
    remove_item(image, TREE_ROOT, OBJ_ORPHAN, KEY_ORPHAN_ITEM, 0);
}

/* ---- superblocks and devices
 * --------------------------------------------------------------------- */

static void second_super_flipped(struct image *image)
{
    uint8_t byte;

    image_read_raw(image, super_offset(1) + 1000, &byte, 1);
    byte ^= 0x10;
    image_write_raw(image, super_offset(1) + 1000, &byte, 1);
}
static void bytes_used_off(struct image *image)
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    assert_true(image_super_read(image, 0, bytes));
    super_decode(&super, bytes);
    SUPER_SET(image, bytes_used, super.bytes_used + 4096);
}
static void backup_leads_elsewhere(struct image *image)
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    assert_true(image_super_read(image, 0, bytes));
    super_decode(&super, bytes);
    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++) {
        if (super.backups.r[i].tree_root_gen != super.generation)
            continue;
        super.backups.r[i].tree_root += image->nodesize;
        super_encode(bytes, &super);
        image_super_write(image, 0, bytes);
        return;
    }
    assert_true(false);
}
static void device_use_off(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CHUNK, OBJ_DEV_ITEMS, KEY_DEV_ITEM, 0);
    uint8_t block[NODE_SIZE_MAX];
    struct dev_item device;

    image_block_read(image, item.block, block);
    dev_item_decode(&device, block + item.offset);
    ITEM_SET(image, &item, dev_item, bytes_used, device.bytes_used - 65536);
}

#define ROW(name, base, damage, ...)                                                               \
    {                                                                                              \
        name, base, damage, .repair_only = true, .harmed = { __VA_ARGS__ }                         \
    }

/* lost+found is an entry of the root directory. */
const struct kind kinds_repair[] = {
    ROW("file without a name", BASE_SNAPSHOTS, file_without_name, "/zlib", "."),
    ROW("directory without a name", BASE_SNAPSHOTS, directory_without_name, "/dir", "/snap", "."),
    ROW("name in the inode only", BASE_SNAPSHOTS, name_in_inode_only),
    ROW("name in the directory only", BASE_SNAPSHOTS, name_in_directory_only),
    ROW("second name by index only", BASE_SNAPSHOTS, second_name_unknown),
    ROW("wrong nbytes in snapshots", BASE_SNAPSHOTS, shared_nbytes, "/plain", "/link",
        "/snap/plain", "/snap/link"),
    ROW("wrong links in snapshots", BASE_SNAPSHOTS, shared_nlink),
    ROW("wrong size of a directory in snapshots", BASE_SNAPSHOTS, shared_dir_size),
    ROW("inode from the future", BASE_SNAPSHOTS, from_the_future),
    ROW("inode changed in the future", BASE_SNAPSHOTS, changed_in_the_future),
    ROW("missing orphan item", BASE_ORPHANS, orphan_item_missing),
    ROW("ram_bytes lie", BASE_SNAPSHOTS, ram_bytes_lie),
    ROW("missing hole", BASE_OLD, hole_missing),
    ROW("checksums under prealloc", BASE_SNAPSHOTS, csums_under_prealloc),
    ROW("checksums over free space", BASE_SNAPSHOTS, csums_over_free_space),
    ROW("one checksum missing", BASE_SNAPSHOTS, csum_of_one_sector_missing),
    ROW("shared data without extent item", BASE_SNAPSHOTS, shared_data_unlisted),
    ROW("shared block without extent item", BASE_SNAPSHOTS, shared_block_unlisted),
    ROW("shared data of 40 references", BASE_SNAPSHOTS, data_generation),
    ROW("subvolume without ROOT_REF", BASE_SNAPSHOTS, subvol_without_ref),
    ROW("subvolume without ROOT_BACKREF", BASE_SNAPSHOTS, subvol_without_backref),
    ROW("subvolume without either", BASE_SNAPSHOTS, subvol_without_both),
    ROW("subvolume without entry", BASE_SNAPSHOTS, subvol_without_entry, "."),
    ROW("subvolume without any name", BASE_SNAPSHOTS, subvol_without_anything, "/subvol",
        "/snap/subvol", "."),
    ROW("subvolume under another index", BASE_SNAPSHOTS, subvol_under_another_index),
    ROW("root item of two generations", BASE_SNAPSHOTS, two_generations),
    ROW("size of the extent tree below zero", BASE_SNAPSHOTS, tree_below_zero),
    ROW("size of a subvolume tree is off", BASE_SNAPSHOTS, subvolume_of_no_size),
    ROW("missing uuid", BASE_SNAPSHOTS, uuid_missing),
    ROW("uuid of another subvolume", BASE_SNAPSHOTS, uuid_of_another),
    ROW("forgotten half-deleted subvolume", BASE_HALF_DELETED, half_deleted_forgotten),
    ROW("flipped second superblock", BASE_SNAPSHOTS, second_super_flipped),
    ROW("bytes used are off", BASE_SNAPSHOTS, bytes_used_off),
    ROW("backup root leads elsewhere", BASE_SNAPSHOTS, backup_leads_elsewhere),
    ROW("use of the device is off", BASE_SNAPSHOTS, device_use_off),
    {NULL},
};
