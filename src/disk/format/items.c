// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds the check for an item, and what those checks share. */
#include "disk/format/items.h"

static item_check *const checks[256] = {
    [0] = untyped_check,
    [KEY_INODE_ITEM] = inode_item_check,
    [KEY_INODE_REF] = inode_ref_check,
    [KEY_INODE_EXTREF] = inode_extref_check,
    [KEY_XATTR_ITEM] = dir_item_check,
    [KEY_VERITY_DESC_ITEM] = verity_check,
    [KEY_ORPHAN_ITEM] = orphan_check,
    [KEY_DIR_LOG_ITEM] = dir_log_check,
    [KEY_DIR_LOG_INDEX] = dir_log_check,
    [KEY_DIR_ITEM] = dir_item_check,
    [KEY_DIR_INDEX] = dir_item_check,
    [KEY_EXTENT_DATA] = file_extent_check,
    [KEY_EXTENT_CSUM] = csum_item_check,
    [KEY_ROOT_ITEM] = root_item_check,
    [KEY_ROOT_BACKREF] = root_ref_check,
    [KEY_ROOT_REF] = root_ref_check,
    [KEY_EXTENT_ITEM] = extent_item_check,
    [KEY_METADATA_ITEM] = extent_item_check,
    [KEY_TREE_BLOCK_REF] = empty_ref_check,
    [KEY_EXTENT_DATA_REF] = data_ref_check,
    [KEY_SHARED_BLOCK_REF] = empty_ref_check,
    [KEY_SHARED_DATA_REF] = shared_data_ref_check,
    [KEY_BLOCK_GROUP_ITEM] = block_group_check,
    [KEY_FREE_SPACE_INFO] = free_space_info_check,
    [KEY_FREE_SPACE_EXTENT] = free_space_extent_check,
    [KEY_FREE_SPACE_BITMAP] = free_space_bitmap_check,
    [KEY_DEV_EXTENT] = dev_extent_check,
    [KEY_DEV_ITEM] = dev_item_check,
    [KEY_CHUNK_ITEM] = chunk_item_check,
    [KEY_QGROUP_STATUS] = qgroup_status_check,
    [KEY_QGROUP_INFO] = qgroup_info_check,
    [KEY_QGROUP_LIMIT] = qgroup_limit_check,
    [KEY_QGROUP_RELATION] = qgroup_relation_check,
    [KEY_UUID_SUBVOL] = uuid_item_check,
    [KEY_UUID_RECEIVED] = uuid_item_check,
};

int item_check_within(const struct item *item, const struct item_context *context)
{
    item_check *check = checks[item->key.type];
    char buf[KEY_TEXT_MAX];
    int ret = check ? check(item, context) : 0;

    return ret < 0 ? fail_context(ret, "%s", key_text(&item->key, buf)) : 0;
}

int item_validate(const struct key *key, const void *data, uint32_t size,
                  const struct format_limits *limits, uint64_t owner, const struct key *prev)
{
    const struct item item = {*key, data, size};
    const struct item_context context = {limits, owner, prev};

    return item_check_within(&item, &context);
}

int item_size_check(const struct item *item, size_t size)
{
    if (item->size != size)
        return fail(-EUCLEAN, "size is %u, expected %zu", item->size, size);
    return 0;
}

int item_size_min_check(const struct item *item, size_t size)
{
    if (item->size < size)
        return fail(-EUCLEAN, "size is %u, expected at least %zu", item->size, size);
    return 0;
}

int sector_aligned_check(const char *what, uint64_t value, const struct format_limits *limits)
{
    if (!is_aligned(value, limits->sectorsize))
        return fail(-EUCLEAN, "%s %llu is not a multiple of the sector size %u", what, LLU(value),
                    limits->sectorsize);
    return 0;
}

bool is_subvolume(uint64_t id)
{
    /* The high bits are the level of a qgroup, which subvolumes do not have. */
    return is_fs_tree(id) && id >> QGROUP_LEVEL_SHIFT == 0;
}

bool is_inode_number(uint64_t ino)
{
    return (ino >= OBJ_FIRST_FREE && ino <= OBJ_LAST_FREE) || ino == ROOT_TREE_DIR ||
           ino == OBJ_FREE_INO;
}

int same_inode_check(const struct item *item, const struct item_context *context)
{
    if (context->prev && context->prev->objectid != item->key.objectid &&
        is_subvolume(context->owner))
        return fail(-EUCLEAN, "stands behind an item of inode %llu, without an inode of its own",
                    LLU(context->prev->objectid));
    return 0;
}

/* ---- neighbours ------------------------------------------------------------------------------ */

static uint64_t extent_end(const struct item *item, const struct format_limits *limits)
{
    return item->key.objectid +
           (item->key.type == KEY_METADATA_ITEM ? limits->nodesize : item->key.offset);
}

static uint64_t csum_end(const struct item *item, const struct format_limits *limits)
{
    return item->key.offset + (uint64_t)(item->size / limits->csum_size) * limits->sectorsize;
}

static uint64_t dev_extent_end(const struct item *item)
{
    struct dev_extent extent;

    dev_extent_decode(&extent, item->data);
    return item->key.offset + extent.length;
}

static bool is_extent(uint8_t type)
{
    return type == KEY_EXTENT_ITEM || type == KEY_METADATA_ITEM;
}

int items_overlap_check(const struct item *prev, const struct item *item,
                        const struct format_limits *limits)
{
    uint64_t end = 0, start = item->key.offset;
    char buf[KEY_TEXT_MAX];

    if (is_extent(prev->key.type) && is_extent(item->key.type)) {
        end = extent_end(prev, limits);
        start = item->key.objectid;
    } else if (prev->key.type != item->key.type || prev->key.objectid != item->key.objectid) {
        return 0;
    } else if (item->key.type == KEY_EXTENT_DATA) {
        end = file_extent_end(prev, limits);
    } else if (item->key.type == KEY_EXTENT_CSUM) {
        end = csum_end(prev, limits);
    } else if (item->key.type == KEY_DEV_EXTENT) {
        end = dev_extent_end(prev);
    }
    if (end > start)
        return fail(-EUCLEAN, "%s begins before %llu, where the one before it ends",
                    key_text(&item->key, buf), LLU(end));
    return 0;
}
