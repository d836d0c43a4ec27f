// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fallocate: preallocation, punching, zeroing. What is dirty in the range is written back first, so
 * that only the mapping has to be looked at; the file is held meanwhile.
 */
#include "fs/file/internal.h"

#include <linux/falloc.h>
#include <sys/stat.h>

/* ---- preallocated extents -------------------------------------------------------------------- */

/* One new unwritten extent at start, at most up to end, in place of what is mapped there. */
static int put_prealloc(struct inode *inode, uint64_t start, uint64_t end, uint64_t *reached)
{
    struct extents *extents = inode->fs->store->extents;
    struct range space;

    TRY(extent_alloc_data(extents, end - start, file_sectorsize(inode), 0, &space));
    struct mapping map = {
        .start = start,
        .len = space.len,
        .kind = MAP_PREALLOC,
        .generation = file_engine(inode)->txn.transid,
        .disk_bytenr = space.start,
        .disk_num_bytes = space.len,
        .ram_bytes = space.len,
    };
    struct data_ref ref = map_ref(inode, &map);

    int ret = file_drop_range(inode, start, start + space.len);
    if (ret == 0)
        ret = map_insert(inode, &map);
    if (ret == 0)
        ret = extent_add_new_data(extents, space.start, space.len, &ref);
    if (ret < 0)
        return change_failed(inode, ret);
    nbytes_add(inode, space.len);
    inode_mark_dirty(inode);
    *reached = start + space.len;
    return 0;
}

/* Unwritten extents for [start, end), whatever is there; space comes out of the promise. */
static int prealloc_all(struct inode *inode, uint64_t start, uint64_t end, struct promise *promise)
{
    struct store *store = inode->fs->store;

    while (start < end) {
        uint64_t from = start, n = MIN(end - start, DATA_EXTENT_MAX);

        TRY(store_begin_in(store, inode->tree->root.id, STORE_CREATE, units_for_items(2)));
        int ret = put_prealloc(inode, start, start + n, &start);
        store_unpromise_data(store, start - from);
        promise->bytes -= start - from;
        store_end(store);
        if (ret < 0)
            return ret;
    }
    return 0;
}

/* What lies at pos, until where one answer holds. *ours: unwritten space that no other has. */
static int look_at(struct inode *inode, uint64_t pos, struct mapping *map, bool *ours)
{
    uint64_t end;

    *ours = false;
    TRY(map_find(inode, pos, map));
    *map = map_slice(map, pos, UINT64_MAX);
    if (map->kind != MAP_PREALLOC)
        return 0;
    TRY(claim_unwritten(inode, map, ours, &end));
    *map = map_slice(map, pos, end);
    return 0;
}

static int find(struct inode *inode, uint64_t pos, struct mapping *map, bool *ours)
{
    store_read_lock(inode->fs->store);
    int ret = look_at(inode, pos, map, ours);
    store_read_unlock(inode->fs->store);
    return ret;
}

/*
 * The first stretch at or after *start that is to be allocated: a hole, unwritten space that a
 * clone or snapshot shares (which would be copied when it is written, so it promises nothing), or
 * (over: true) anything that is not unwritten yet. *end: where it ends; both are `limit` when there
 * is none.
 */
static int next_missing(struct inode *inode, uint64_t *start, uint64_t limit, bool over,
                        uint64_t *end)
{
    uint64_t pos = *start;

    while (pos < limit) {
        struct mapping map;
        bool ours;

        TRY(find(inode, pos, &map, &ours));
        *end = MIN(mapping_end(&map), limit);
        *start = pos;
        if (map.kind == MAP_HOLE || (map.kind == MAP_PREALLOC && !ours) ||
            (over && map.kind != MAP_PREALLOC))
            return 0;
        pos = *end;
    }
    *start = *end = limit;
    return 0;
}

static int missing_bytes(struct inode *inode, uint64_t start, uint64_t limit, bool over,
                         uint64_t *bytes)
{
    uint64_t end;

    *bytes = 0;
    for (; start < limit; start = end) {
        TRY(next_missing(inode, &start, limit, over, &end));
        *bytes += end - start;
    }
    return 0;
}

/* Quotas and space are asked for so much, at the door. */
static int promise_bytes(struct inode *inode, uint64_t bytes)
{
    const struct promise want = {.bytes = bytes};
    uint64_t tree = inode->tree->root.id;

    TRY(store_quota_enter(inode->fs->store, tree, bytes));
    int ret = promise_take(inode->fs, &want);
    if (ret < 0)
        qgroups_leave(inode->fs->store->qgroups, tree, bytes);
    return ret;
}

static int promise_more(struct inode *inode, uint64_t bytes, struct promise *promise)
{
    TRY(promise_bytes(inode, bytes));
    promise->bytes += bytes;
    promise_give_back(inode->fs, (struct promise){0}); /* it is one with the first now */
    return 0;
}

/*
 * The stretches of [start, limit) one after another, out of the promise; `asked`, which grows with
 * it: what quotas were asked for. What is found may be more than what was counted: dropping one
 * part of an extent that a log tree names makes the others shared with that.
 */
static int prealloc_each(struct inode *inode, uint64_t start, uint64_t limit, bool over,
                         struct promise *promise, uint64_t *asked)
{
    uint64_t end;

    for (; start < limit; start = end) {
        TRY(next_missing(inode, &start, limit, over, &end));
        if (end - start > promise->bytes) {
            uint64_t lacking = end - start - promise->bytes;

            TRY(promise_more(inode, lacking, promise));
            *asked += lacking;
        }
        TRY(prealloc_all(inode, start, end, promise));
    }
    return 0;
}

/* Allocates all such stretches of [start, limit); none when there is no space for what was seen. */
static int prealloc_missing(struct inode *inode, uint64_t start, uint64_t limit, bool over)
{
    struct promise promise = {0};
    uint64_t asked;

    TRY(missing_bytes(inode, start, limit, over, &asked));
    if (asked == 0)
        return 0;
    TRY(promise_bytes(inode, asked));
    promise.bytes = asked;
    int ret = prealloc_each(inode, start, limit, over, &promise, &asked);
    promise_give_back(inode->fs, promise);
    qgroups_leave(inode->fs->store->qgroups, inode->tree->root.id, asked);
    return ret;
}

int prealloc_set_flag(struct inode *inode)
{
    if (inode_flags(inode) & INODE_PREALLOC)
        return 0;
    TRY(store_begin_in(inode->fs->store, inode->tree->root.id, STORE_CREATE, units_for_items(0)));
    inode_change_flags(inode, 0, INODE_PREALLOC);
    inode_mark_dirty(inode);
    store_end(inode->fs->store);
    return 0;
}

static int grow_to(struct inode *inode, uint64_t size)
{
    if (size <= size_get(inode))
        return 0;
    TRY(store_begin_in(inode->fs->store, inode->tree->root.id, STORE_CREATE, units_for_items(4)));
    size_set(inode, size);
    int ret = size_settle(inode, 0, 0, 0);
    store_end(inode->fs->store);
    return ret;
}

/* ---- the modes ------------------------------------------------------------------------------- */

struct falloc {
    struct file_state *file;
    uint64_t start, end;       /* as asked for */
    uint64_t inner, inner_end; /* whole sectors inside; inner >= inner_end: none */
    bool keep_size;
};

/* What lies in parts of sectors at the edges becomes zero. */
static int zero_edges(struct inode *inode, const struct falloc *fa)
{
    if (fa->inner > fa->inner_end) /* all in one sector */
        return write_zeroes_in_sector(inode, fa->start, fa->end - fa->start);
    TRY(write_zeroes_in_sector(inode, fa->start, fa->inner - fa->start));
    return write_zeroes_in_sector(inode, fa->inner_end, fa->end - fa->inner_end);
}

static int punch_locked(struct inode *inode, uint64_t start, uint64_t end, unsigned items,
                        uint64_t *reached)
{
    uint64_t eof = round_up_to(inode->disk_size, file_sectorsize(inode));

    TRY(drop_stretch(inode, start, end, items, &end));
    int ret = file_drop_range(inode, start, end);
    if (ret == 0)
        ret = holes_fill(inode, start, MIN(end, eof));
    if (ret < 0)
        return change_failed(inode, ret);
    *reached = end;
    return 0;
}

static int punch_range(struct inode *inode, uint64_t start, uint64_t end)
{
    unsigned items = FILE_DROP_STEP_ITEMS;

    while (start < end) {
        TRY(drop_begin(inode, &items));
        int ret = punch_locked(inode, start, end, items, &start);
        store_end(inode->fs->store);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int punch(struct inode *inode, const struct falloc *fa)
{
    TRY(zero_edges(inode, fa));
    if (fa->inner >= fa->inner_end)
        return 0;
    TRY(cut_enter(inode));
    int ret = punch_range(inode, fa->inner, fa->inner_end);
    cut_leave(inode);
    return ret;
}

static int zero_range(struct inode *inode, const struct falloc *fa)
{
    uint64_t size = size_get(inode);

    if (!fa->keep_size && fa->end > size) {
        TRY(write_old_tail(inode));
        TRY(writeback_range(fa->file, size, size + 1));
    }
    TRY(zero_edges(inode, fa));
    TRY(prealloc_set_flag(inode));
    if (fa->inner < fa->inner_end)
        TRY(prealloc_missing(inode, fa->inner, fa->inner_end, true));
    /* Edges that were holes get space too. */
    uint64_t sector = file_sectorsize(inode);
    TRY(prealloc_missing(inode, round_down_to(fa->start, sector), round_up_to(fa->end, sector),
                         false));
    return fa->keep_size ? 0 : grow_to(inode, fa->end);
}

static int allocate(struct inode *inode, const struct falloc *fa)
{
    uint64_t sector = file_sectorsize(inode), size = size_get(inode);

    if (!fa->keep_size && fa->end > size) {
        TRY(write_old_tail(inode));
        TRY(writeback_range(fa->file, size, size + 1));
    }
    TRY(prealloc_set_flag(inode));
    TRY(prealloc_missing(inode, round_down_to(fa->start, sector), round_up_to(fa->end, sector),
                         false));
    return fa->keep_size ? 0 : grow_to(inode, fa->end);
}

static int run_mode(struct inode *inode, int mode, const struct falloc *fa)
{
    bool shifts = mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);

    TRY(writeback_range(fa->file, shifts ? 0 : fa->start, shifts ? UINT64_MAX : fa->end));
    if (mode & FALLOC_FL_PUNCH_HOLE)
        return punch(inode, fa);
    if (mode & FALLOC_FL_ZERO_RANGE)
        return zero_range(inode, fa);
    if (shifts)
        return shift_range(fa->file, mode & FALLOC_FL_INSERT_RANGE, fa->start, fa->end - fa->start);
    return allocate(inode, fa);
}

static int fallocate_locked(struct inode *inode, int mode, struct falloc *fa)
{
    bool plain = (mode & ~FALLOC_FL_KEEP_SIZE) == 0;

    TRY(content_may_change(inode, plain));
    TRY(file_state_get(inode, &fa->file));
    file_hold(fa->file);
    int ret = run_mode(inode, mode, fa);
    if (ret == 0)
        inode_touch(inode, true);
    file_unhold(fa->file);
    return ret;
}

static int check_mode(int mode)
{
    switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_COLLAPSE_RANGE:
    case FALLOC_FL_INSERT_RANGE:
        return 0;
    default:
        return fail(-EOPNOTSUPP, "fallocate mode %#x is not supported", (unsigned)mode);
    }
}

static int check_range(uint64_t offset, uint64_t len)
{
    if (len == 0 || offset > FILE_SIZE_MAX || len > FILE_SIZE_MAX)
        return fail(-EINVAL, "fallocate of no range");
    return 0;
}

static int check_kind(const struct inode *inode)
{
    if (inode_is_reg(inode) || inode_is_dir(inode))
        return file_check_regular(inode);
    return fail((inode->item.mode & S_IFMT) == S_IFIFO ? -ESPIPE : -ENODEV,
                "inode %llu is no regular file", LLU(inode->ino));
}

int file_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t len)
{
    uint64_t sector = file_sectorsize(inode);
    struct falloc fa = {.start = offset, .end = offset + len};

    TRY(check_range(offset, len));
    TRY(check_mode(mode));
    TRY(check_kind(inode));
    if (len > FILE_SIZE_MAX - offset)
        return fail(-EFBIG, "fallocate beyond the largest offset");
    fa.inner = round_up_to(fa.start, sector);
    fa.inner_end = round_down_to(fa.end, sector);
    fa.keep_size = mode & FALLOC_FL_KEEP_SIZE;
    files_enter(inode->fs);
    pthread_rwlock_wrlock(&inode->lock);
    int ret = fallocate_locked(inode, mode, &fa);
    pthread_rwlock_unlock(&inode->lock);
    files_leave(inode->fs);
    return ret;
}
