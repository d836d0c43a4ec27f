// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Collapse and insert: what lies behind a range moves down over it, or up to make room for a hole.
 *
 * A data reference is named by the position of its item minus the offset into the extent, so every
 * item that moves changes its key and its reference. All of them move in one transaction, whose
 * metadata is promised before the first does: a crash leaves the file as it was or as it shall be.
 * Keys change where they stand, in an order that keeps them sorted, so the tree does not grow.
 */
#include "fs/file/internal.h"

/* More items than that would keep everybody else waiting for too long. */
#define SHIFT_ITEMS_MAX (1U << 20)

struct shift {
    struct inode *inode;
    uint64_t start, len; /* the range that goes, or comes */
    bool insert;
    uint64_t first; /* what begins here or later moves */
    unsigned items; /* so many, and what is dropped */
};

/* ---- items by key ---------------------------------------------------------------------------- */

/* The first item that begins at or after pos. -ENOENT without a message: there is none. */
static int item_from(struct inode *inode, uint64_t pos, struct mapping *out)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, pos);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_ge(&inode->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0)
        path_key(&path, &key);
    if (ret == 1 || key.objectid != inode->ino || key.type != KEY_EXTENT_DATA)
        return -ENOENT;
    return map_decode(inode, &path, out);
}

/* The last item that begins before pos. -ENOENT likewise. */
static int item_before(struct inode *inode, uint64_t pos, struct mapping *out)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, pos - 1);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = pos > 0 ? tree_search_le(&inode->tree->root, &key, &path) : 1;
    if (ret < 0)
        return ret;
    if (ret == 0)
        path_key(&path, &key);
    if (ret == 1 || key.objectid != inode->ino || key.type != KEY_EXTENT_DATA)
        return -ENOENT;
    return map_decode(inode, &path, out);
}

static int move_item(const struct shift *shift, const struct mapping *map)
{
    struct inode *inode = shift->inode;
    struct extents *extents = inode->fs->store->extents;
    struct mapping moved = *map;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, map->start);

    moved.start = shift->insert ? map->start + shift->len : map->start - shift->len;
    struct data_ref from = map_ref(inode, map), to = map_ref(inode, &moved);

    if (map->kind == MAP_INLINE)
        return fail(-EUCLEAN, "tree %llu inode %llu: inline extent at %llu among others",
                    LLU(inode->tree->root.id), LLU(inode->ino), LLU(map->start));
    int ret = tree_search_cow(&inode->tree->root, &key, 0, &path);
    TRY(ret == 1 ? map_lost(inode, map->start) : ret);
    key.offset = moved.start;
    path_set_key(&path, &key);
    if (map->kind == MAP_HOLE)
        return 0;
    /* In this order, so that the extent is never without a reference. */
    TRY(extent_add_data_ref(extents, map->disk_bytenr, map->disk_num_bytes, &to));
    return extent_drop_data_ref(extents, map->disk_bytenr, map->disk_num_bytes, &from);
}

/* From the first on, into the gap. */
static int move_down(const struct shift *shift)
{
    uint64_t pos = shift->first;
    struct mapping map;
    int ret;

    while ((ret = item_from(shift->inode, pos, &map)) == 0) {
        TRY(move_item(shift, &map));
        pos = map.start + 1;
    }
    return ret == -ENOENT ? 0 : ret;
}

/* From the last on, so that none meets the next. */
static int move_up(const struct shift *shift)
{
    uint64_t before = UINT64_MAX;
    struct mapping map;
    int ret;

    while ((ret = item_before(shift->inode, before, &map)) == 0 && map.start >= shift->first) {
        TRY(move_item(shift, &map));
        before = map.start;
    }
    return ret == -ENOENT ? 0 : ret;
}

/* ---- the change ------------------------------------------------------------------------------ */

/* What is dropped may have been damaged in a way that leaves items behind: none is to be met. */
static int check_gap(const struct shift *shift)
{
    struct inode *inode = shift->inode;
    struct mapping map;

    int ret = item_from(inode, shift->start, &map);
    if (ret == 0 && map.start < shift->first)
        return fail(-EUCLEAN, "tree %llu inode %llu: extents overlap at %llu",
                    LLU(inode->tree->root.id), LLU(inode->ino), LLU(map.start));
    return ret == -ENOENT ? 0 : ret;
}

static void shift_sizes(const struct shift *shift)
{
    struct inode *inode = shift->inode;

    SCOPED_LOCK(&inode->item_lock);
    if (shift->insert) {
        inode->item.size += shift->len;
        if (inode->disk_size > shift->start)
            inode->disk_size += shift->len;
        return;
    }
    inode->item.size -= shift->len;
    if (inode->disk_size > shift->first)
        inode->disk_size -= shift->len;
    else
        inode->disk_size = MIN(inode->disk_size, shift->start);
}

static int collapse_locked(const struct shift *shift)
{
    TRY(file_drop_range(shift->inode, shift->start, shift->first));
    TRY(check_gap(shift));
    TRY(move_down(shift));
    shift_sizes(shift);
    return 0;
}

static int insert_locked(const struct shift *shift)
{
    struct inode *inode = shift->inode;

    TRY(drop_split(inode, shift->start));
    TRY(move_up(shift));
    shift_sizes(shift);
    uint64_t eof = round_up_to(inode->disk_size, file_sectorsize(inode));
    TRY(holes_fill(inode, shift->start, MIN(shift->start + shift->len, eof)));
    return size_settle(inode, 0, 0, 0);
}

static int shift_all(const struct shift *shift)
{
    struct store *store = shift->inode->fs->store;
    /* Taking away frees space, and may use the reserve as long as it is not much. */
    bool few = !shift->insert && shift->items <= FILE_DROP_STEP_ITEMS;

    TRY(cut_enter(shift->inode));
    int ret = store_begin(store, few ? STORE_RELEASE : STORE_CREATE, units_for_items(shift->items));
    if (ret < 0) {
        cut_leave(shift->inode);
        return ret;
    }
    ret = shift->insert ? insert_locked(shift) : collapse_locked(shift);
    if (ret < 0)
        ret = change_failed(shift->inode, ret);
    inode_mark_dirty(shift->inode);
    store_end(store);
    cut_leave(shift->inode);
    return ret;
}

/* ---- before it ------------------------------------------------------------------------------- */

/* Counts what is dropped and what moves, and finds out whether it may. */
static int count_locked(struct shift *shift)
{
    uint64_t pos = shift->start, end = 0;
    struct mapping map;
    int ret;

    shift->items = 2;
    while ((ret = item_from(shift->inode, pos, &map)) == 0) {
        if (++shift->items > SHIFT_ITEMS_MAX)
            return fail(-EFBIG, "inode %llu: more than %u extents would have to move",
                        LLU(shift->inode->ino), SHIFT_ITEMS_MAX);
        pos = map.start + 1;
        end = MAX(end, mapping_end(&map));
    }
    if (shift->insert && (end > FILE_SIZE_MAX || shift->len > FILE_SIZE_MAX - end))
        return fail(-EFBIG, "what is allocated would end behind the largest offset");
    return ret == -ENOENT ? 0 : ret;
}

static int count(struct shift *shift)
{
    store_read_lock(shift->inode->fs->store);
    int ret = count_locked(shift);
    store_read_unlock(shift->inode->fs->store);
    return ret;
}

/* Inline data cannot stand anywhere but at the beginning: it gets an extent, with the same bytes.
 */
static int leave_inline(struct file_state *file)
{
    struct inode *inode = file->inode;
    uint8_t byte;
    struct mapping map;
    size_t done;

    store_read_lock(inode->fs->store);
    int ret = map_find(inode, 0, &map);
    store_read_unlock(inode->fs->store);
    if (ret < 0 || map.kind != MAP_INLINE)
        return ret;
    TRY(prealloc_set_flag(inode)); /* no inline extent from now on */
    TRY(read_current(inode, 0, &byte, 1, size_get(inode)));
    TRY(write_range(inode, &byte, 1, 0, false, &done));
    return writeback_held(file);
}

static int check_range(const struct shift *shift)
{
    uint64_t size = size_get(shift->inode), sector = file_sectorsize(shift->inode);

    if (!is_aligned(shift->start | shift->len, sector))
        return fail(-EINVAL, "the range does not begin and end at blocks");
    if (shift->insert && shift->len > FILE_SIZE_MAX - size)
        return fail(-EFBIG, "the file would become too large");
    /* At the end it would be a truncation, which has a call of its own. */
    if (shift->insert ? shift->start >= size : shift->start + shift->len >= size)
        return fail(-EINVAL, "the range is not inside the file");
    return 0;
}

int shift_range(struct file_state *file, bool insert, uint64_t start, uint64_t len)
{
    struct shift shift = {
        .inode = file->inode,
        .start = start,
        .len = len,
        .insert = insert,
        .first = insert ? start : start + len,
    };

    TRY(check_range(&shift));
    TRY(leave_inline(file));
    TRY(count(&shift));
    return shift_all(&shift);
}
