// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reflinks: the destination maps the extents of the source. Only what is dirty in the ranges
 * themselves is written first, since only what is mapped can be shared, and nothing that is shared
 * may be written in place. Each item is one change, and the
 * destination's size follows, so that a crash leaves a part of the clone and nothing odd.
 */
#include "fs/file/remap.h"

/* ---- one step -------------------------------------------------------------------------------- */

/* Maps [at, at + len) of the destination to what slice says about the source. */
static int put_mapping(struct clone *clone, const struct mapping *slice, uint64_t at)
{
    struct inode *dst = clone->dst;
    struct mapping map = *slice;

    map.start = at;
    TRY(file_drop_range(dst, at, at + map.len));
    if (map.kind == MAP_HOLE)
        return 0;
    struct data_ref ref = map_ref(dst, &map);
    TRY(map_insert(dst, &map));
    TRY(extent_add_data_ref(dst->fs->store->extents, map.disk_bytenr, map.disk_num_bytes, &ref));
    nbytes_add(dst, map.len);
    if (map.kind == MAP_PREALLOC)
        inode_change_flags(dst, 0, INODE_PREALLOC);
    return 0;
}

static int grow_destination(struct clone *clone, uint64_t end)
{
    struct inode *dst = clone->dst;

    if (end > size_get(dst))
        size_set(dst, end);
    TRY(size_settle(dst, 0, 0, 0));
    uint64_t eof = round_up_to(dst->disk_size, file_sectorsize(dst));
    return holes_fill(dst, clone->dst_start, MIN(clone->dst_start + clone->span, eof));
}

/* Extents of the source that lie in one item, from byte `done` of the clone on. */
static int clone_item_locked(struct clone *clone, uint64_t *done, bool *is_inline)
{
    uint64_t pos = clone->src_start + *done;
    struct mapping map;

    TRY(map_find(clone->src, pos, &map));
    *is_inline = map.kind == MAP_INLINE;
    if (*is_inline)
        return 0;
    uint64_t at = clone->dst_start + *done, end;
    map = map_slice(&map, pos, clone->src_start + clone->span);
    TRY(drop_stretch(clone->dst, at, at + map.len, FILE_DROP_STEP_ITEMS, &end));
    map = map_slice(&map, pos, pos + (end - at));
    int ret = put_mapping(clone, &map, at);
    if (ret == 0)
        ret = grow_destination(clone, clone->dst_start + MIN(*done + map.len, clone->len));
    if (ret < 0)
        return change_failed(clone->dst, ret);
    *done += map.len;
    inode_mark_dirty(clone->dst);
    return 0;
}

/* Inline data cannot be shared: it is copied. */
static int copy_inline(struct clone *clone, uint64_t *done)
{
    uint64_t n = MIN((uint64_t)file_sectorsize(clone->src), clone->len - *done);
    AUTO_FREE uint8_t *data = malloc(n);
    size_t written;

    if (!data)
        return fail(-ENOMEM, "no memory to clone");
    TRY(read_current(clone->src, clone->src_start + *done, data, n, size_get(clone->src)));
    TRY(write_range(clone->dst, data, n, clone->dst_start + *done, true, &written));
    *done += n;
    return 0;
}

static int note_sharer(void *arg, const struct extent_ref *ref)
{
    struct qgroup_sharers *have = arg;

    if (ref->type != KEY_EXTENT_DATA_REF)
        return 0;
    have->trees[have->count++] = ref->root;
    return have->count == QGROUP_SHARERS_MAX;
}

/* Another subvolume gets references to the whole extent, if it has none yet. Charged in the change
 * that adds them: no commit comes between. */
static int clone_charge(const struct clone *clone, uint64_t done)
{
    uint64_t src = clone->src->tree->root.id, dst = clone->dst->tree->root.id;
    struct store *store = clone->dst->fs->store;
    struct qgroup_sharers have = {{src}, 1};
    struct mapping map;

    if (src == dst)
        return 0;
    TRY(map_find(clone->src, clone->src_start + done, &map));
    if (map.kind == MAP_INLINE || map.disk_bytenr == 0)
        return 0;
    int ret =
        extent_each_ref(store->extents, map.disk_bytenr, map.disk_num_bytes, 0, note_sharer, &have);
    return ret < 0 ? ret : qgroups_share(store->qgroups, dst, &have, map.disk_num_bytes);
}

static int clone_begin(const struct clone *clone, uint64_t done)
{
    struct store *store = clone->dst->fs->store;

    for (unsigned settled = 0;; settled++) {
        TRY(store_begin_in(store, clone->dst->tree->root.id, STORE_CREATE,
                           units_for_items(FILE_DROP_STEP_ITEMS)));
        int ret = clone_charge(clone, done);
        if (ret == 0)
            return 0;
        store_end(store);
        if (ret != -EDQUOT || settled == STORE_SETTLE_TIMES)
            return ret;
        TRY(store_quota_settle(store, settled));
    }
}

static int clone_step(struct clone *clone, uint64_t *done)
{
    struct store *store = clone->dst->fs->store;
    bool is_inline = false;

    TRY(clone_begin(clone, *done));
    int ret = clone_item_locked(clone, done, &is_inline);
    store_end(store);
    if (ret == 0 && is_inline)
        ret = copy_inline(clone, done);
    return ret;
}

int write_before_sharing(struct file_state *file, uint64_t start, uint64_t len)
{
    struct file_shared *shared = file->inode->fs->files;
    struct written written = {0};

    int ret = writeback_range_counted(file, start, start + len, &written);
    SCOPED_LOCK(&shared->lock);
    shared->counters.cloned += written.bytes;
    shared->counters.cloned_outside += written.outside;
    return ret;
}

int clone_mapped(struct clone *clone)
{
    uint64_t done = 0;

    while (done < clone->len)
        TRY(clone_step(clone, &done));
    return 0;
}

static int clone_all(struct clone *clone)
{
    if (clone->dst_start > size_get(clone->dst))
        TRY(write_old_tail(clone->dst));
    TRY(write_before_sharing(clone->src_file, clone->src_start, clone->span));
    TRY(write_before_sharing(clone->dst_file, clone->dst_start, clone->span));
    return clone_mapped(clone);
}

/* ---- whether it may be ----------------------------------------------------------------------- */

int clone_check_kinds(const struct inode *src, const struct inode *dst)
{
    if (inode_is_dir(src) || inode_is_dir(dst))
        return fail(-EISDIR, "directories cannot be cloned");
    if (!inode_is_reg(src) || !inode_is_reg(dst))
        return fail(-EINVAL, "only regular files can be cloned");
    if (src->fs != dst->fs)
        return fail(-EXDEV, "not in one file system");
    return 0;
}

static int check_range(struct clone *clone)
{
    uint64_t sector = file_sectorsize(clone->src), size = size_get(clone->src);

    if (clone->src_start > size || (clone->len > 0 && clone->len > size - clone->src_start))
        return fail(-EINVAL, "the range ends behind the end of the source");
    if (clone->len == 0)
        clone->len = size - clone->src_start;
    uint64_t src_end = clone->src_start + clone->len;
    if (clone->dst_start > FILE_SIZE_MAX || clone->len > FILE_SIZE_MAX - clone->dst_start)
        return fail(-EINVAL, "the range ends behind the largest offset");
    if (!is_aligned(clone->src_start | clone->dst_start, sector))
        return fail(-EINVAL, "the range does not begin at a block");
    clone->span = round_up_to(clone->len, sector);
    uint64_t dst_size = size_get(clone->dst);
    if (clone->span != clone->len && (src_end != size || clone->dst_start + clone->len < dst_size))
        return fail(-EINVAL, "the range does not end at a block");
    if (clone->src == clone->dst && clone->src_start < clone->dst_start + clone->span &&
        clone->dst_start < clone->src_start + clone->span)
        return fail(-EINVAL, "the ranges overlap");
    return 0;
}

static int clone_locked(struct clone *clone)
{
    TRY(content_may_change(clone->dst, false));
    if ((inode_flags(clone->src) ^ inode_flags(clone->dst)) & INODE_NODATASUM)
        return fail(-EINVAL, "one of the files has checksums and the other has none");
    TRY(check_range(clone));
    if (clone->len == 0)
        return 0;
    TRY(file_state_get(clone->src, &clone->src_file));
    TRY(file_state_get(clone->dst, &clone->dst_file));
    return 1;
}

/* Locks both, holds both. */
static int clone_between(struct clone *clone)
{
    struct file_pair pair = pair_lock(clone->src, clone->dst);

    int ret = clone_locked(clone);
    if (ret == 1) {
        pair_hold(&pair, clone);
        ret = clone_all(clone);
        inode_touch(clone->dst, true);
        pair_unhold(&pair);
    }
    pair_unlock(&pair);
    return ret;
}

int file_clone_range(struct inode *src, uint64_t src_offset, uint64_t len, struct inode *dst,
                     uint64_t dst_offset)
{
    struct clone clone = {
        .src = src,
        .dst = dst,
        .src_start = src_offset,
        .dst_start = dst_offset,
        .len = len,
    };

    TRY(clone_check_kinds(src, dst));
    files_enter(src->fs);
    int ret = clone_between(&clone);
    files_leave(src->fs);
    return ret;
}
