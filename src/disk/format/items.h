// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inside the module: one validator for each subject of items, and what they share. Each answers 0
 * or -EUCLEAN with a message that does not name the key; item_validate puts that in front.
 */
#ifndef COPSE_DISK_FORMAT_ITEMS_H
#define COPSE_DISK_FORMAT_ITEMS_H

#include "disk/format/format.h"

/* For the %llu of messages. */
#define LLU(v) ((unsigned long long)(v))

/* An item as it stands in a leaf, and what it is held against. */
struct item {
    struct key key;
    const uint8_t *data;
    uint32_t size;
};

struct item_context {
    const struct format_limits *limits;
    uint64_t owner;         /* of the leaf */
    const struct key *prev; /* key of the item before this one; NULL: none, or unknown */
};

typedef int item_check(const struct item *item, const struct item_context *context);

/* The check for an item of any type. */
item_check item_check_within;

/* items_inode.c */
item_check inode_item_check, inode_ref_check, inode_extref_check;
/* items_dir.c */
item_check dir_item_check, dir_log_check;
/* items_file.c */
item_check file_extent_check, csum_item_check, verity_check;
/* items_root.c */
item_check root_item_check, root_ref_check, uuid_item_check, orphan_check;
/* items_extent.c */
item_check extent_item_check, data_ref_check, empty_ref_check, shared_data_ref_check;
/* items_chunk.c */
item_check block_group_check, dev_extent_check, dev_item_check, chunk_item_check;
/* items_space.c */
item_check free_space_info_check, free_space_extent_check, free_space_bitmap_check, untyped_check;
/* items_quota.c */
item_check qgroup_status_check, qgroup_info_check, qgroup_limit_check, qgroup_relation_check;

/*
 * Whether item may stand behind prev in a leaf, as far as that needs the data of both: file
 * extents, checksums, extents and device extents must not overlap.
 */
int items_overlap_check(const struct item *prev, const struct item *item,
                        const struct format_limits *limits);

/* First byte behind the range that a file extent, checksum, extent or device extent covers. */
uint64_t file_extent_end(const struct item *item, const struct format_limits *limits);

/* -EUCLEAN unless the item has exactly that size. */
int item_size_check(const struct item *item, size_t size);

/* The same, for items that may grow at their end. */
int item_size_min_check(const struct item *item, size_t size);

/* -EUCLEAN unless value is a multiple of the sector size. */
int sector_aligned_check(const char *what, uint64_t value, const struct format_limits *limits);

/* Whether id is a tree that Linux lets data references and names point to. */
bool is_subvolume(uint64_t id);

/*
 * Items of an inode follow each other in a subvolume: something of the same inode must stand in
 * front. (Log trees leave items out.)
 */
int same_inode_check(const struct item *item, const struct item_context *context);

/* The inode numbers that exist: files, the root tree's directory, the old free-inode cache. */
bool is_inode_number(uint64_t ino);

#endif
