// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Truncation. Shrinking drops from the end in steps, and the size on disk follows each step, so
 * that a crash in between leaves a file cut somewhere between its old size and the new one.
 */
#include "fs/file/internal.h"

static int shrink_step(struct inode *inode, uint64_t size, uint64_t from, unsigned items,
                       uint64_t *reached)
{
    if (size > 0 && size < file_sectorsize(inode))
        TRY(inline_truncate(inode, size));
    int ret = drop_tail_step(inode, from, items, reached);
    if (ret < 0)
        return change_failed(inode, ret);
    size_cut_disk(inode, *reached > from ? *reached : size);
    if (*reached > from)
        return 0;
    /* What was in the way of the size on disk may be gone. */
    ret = size_settle(inode, 0, 0, 0);
    return ret < 0 ? change_failed(inode, ret) : 0;
}

/* *reached: where the file ends on disk now, also on failure; UINT64_MAX: where it ended before. */
static int shrink_mapping(struct inode *inode, uint64_t size, uint64_t *reached)
{
    struct store *store = inode->fs->store;
    uint64_t from = round_up_to(size, file_sectorsize(inode));
    unsigned items = FILE_DROP_STEP_ITEMS;

    *reached = UINT64_MAX;
    while (*reached > from) {
        TRY(drop_begin(inode, &items));
        int ret = shrink_step(inode, size, from, items, reached);
        store_end(store);
        if (ret < 0)
            return ret;
    }
    return 0;
}

/*
 * Only tidy: nobody sees what lies behind the end, and it is zeroed again before the file grows.
 * So a full file system or quota is no reason to fail, and inline data has been cut already.
 */
static int zero_tail(struct inode *inode, uint64_t size, uint64_t len)
{
    struct mapping map;

    store_read_lock(inode->fs->store);
    int ret = map_find(inode, size, &map);
    store_read_unlock(inode->fs->store);
    if (ret < 0 || map.kind != MAP_REGULAR)
        return ret;
    ret = write_zeroes_in_sector(inode, size, len);
    if (ret == -ENOSPC || ret == -EDQUOT) {
        fail_clear();
        return 0;
    }
    return ret;
}

static int shrink(struct inode *inode, struct file_state *file, uint64_t size)
{
    uint64_t sector = file_sectorsize(inode);
    uint64_t from = round_up_to(size, sector), old = size_get(inode), reached;
    unsigned items = FILE_DROP_STEP_ITEMS;

    /* Where there is no room for even the first step nothing changes. */
    TRY(drop_begin(inode, &items));
    store_end(inode->fs->store);
    promise_expect(inode->fs);
    pthread_mutex_lock(&file->lock);
    struct promise freed = runs_cut(file, from);
    bool dirty = size < from && runs_zero_tail(file, size);
    size_set(inode, size);
    pthread_mutex_unlock(&file->lock);
    promise_give_back(inode->fs, freed);
    int ret = shrink_mapping(inode, size, &reached);
    if (ret < 0) {
        /* What was not dropped is still there, and shows. */
        uint64_t end = MIN(old, reached);

        size_set(inode, MAX(size, end));
        return ret;
    }
    return size < from && !dirty ? zero_tail(inode, size, from - size) : 0;
}

static int expand(struct inode *inode, uint64_t size)
{
    struct store *store = inode->fs->store;

    TRY(write_old_tail(inode));
    TRY(store_begin_in(store, inode->tree->root.id, STORE_CREATE, units_for_items(4)));
    uint64_t old = size_get(inode);
    size_set(inode, size);
    int ret = size_settle(inode, 0, 0, 0);
    if (ret < 0)
        size_set(inode, old);
    store_end(store);
    return ret;
}

static int truncate_locked(struct inode *inode, uint64_t size)
{
    struct file_state *file;

    TRY(file_check_regular(inode));
    TRY(content_may_change(inode, false));
    TRY(file_state_get(inode, &file));
    file_hold(file);
    int ret = size > size_get(inode) ? expand(inode, size) : shrink(inode, file, size);
    if (ret == 0)
        inode_touch(inode, true);
    file_unhold(file);
    return ret;
}

int file_truncate(struct inode *inode, uint64_t size)
{
    if (size > FILE_SIZE_MAX)
        return fail(-EINVAL, "inode %llu: size %llu is too large", LLU(inode->ino), LLU(size));
    files_enter(inode->fs);
    pthread_rwlock_wrlock(&inode->lock);
    int ret = truncate_locked(inode, size);
    pthread_rwlock_unlock(&inode->lock);
    files_leave(inode->fs);
    return ret;
}
