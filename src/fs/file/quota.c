// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What dirty data means for quota groups: its bytes, which become an extent of their own whatever
 * they replace, and the tree blocks that the items of a new stretch may need. Asked for at the door
 * (promise 1); a sector that is dirty already has been asked for (promise 2).
 */
#include "fs/file/internal.h"

/* A new stretch may split a leaf and the node above, and copy the leaf of the inode. */
#define STRETCH_NODES 3

static struct qgroups *groups_of(const struct file_state *file)
{
    return file->inode->fs->store->qgroups;
}

static uint64_t tree_of(const struct file_state *file)
{
    return file->inode->tree->root.id;
}

/* Bytes of [start, end) that are not dirty, and in how many stretches they begin anew. */
static uint64_t missing(const struct file_state *file, uint64_t start, uint64_t end,
                        unsigned *stretches)
{
    uint64_t sum = 0;

    *stretches = 0;
    while (start < end) {
        const struct run *run = runs_after(&file->dirty, start);
        uint64_t gap_end = run ? MIN(end, run->start) : end;

        if (gap_end > start) {
            sum += gap_end - start;
            *stretches += start == 0 || !runs_sector_is_dirty(file, start - 1);
        }
        start = run ? run_end(run) : end;
    }
    return sum;
}

int quota_enter(struct file_state *file, uint64_t start, uint64_t end, struct quota_door *door)
{
    unsigned stretches;

    *door = (struct quota_door){0};
    pthread_mutex_lock(&file->lock);
    uint64_t bytes = missing(file, start, end, &stretches);
    pthread_mutex_unlock(&file->lock);
    if (bytes == 0)
        return 0;
    door->nodes = (uint64_t)stretches * STRETCH_NODES * file_engine(file->inode)->nodesize;
    TRY(store_quota_enter(file->inode->fs->store, tree_of(file), bytes + door->nodes));
    door->bytes = bytes;
    return 0;
}

void quota_leave(struct file_state *file, const struct quota_door *door)
{
    if (door->bytes == 0)
        return;
    pthread_mutex_lock(&file->lock);
    /* For as long as any of it is pending. */
    if (file->quota_pending > 0) {
        file->quota_nodes += door->nodes;
        qgroups_pending(groups_of(file), tree_of(file), (int64_t)door->nodes);
    }
    pthread_mutex_unlock(&file->lock);
    qgroups_leave(groups_of(file), tree_of(file), door->bytes + door->nodes);
}

void quota_pending_add(struct file_state *file, uint64_t bytes)
{
    file->quota_pending += bytes;
    qgroups_pending(groups_of(file), tree_of(file), (int64_t)bytes);
}

void quota_pending_sub(struct file_state *file, uint64_t bytes)
{
    INVARIANT(file->quota_pending >= bytes, "I2: pending bytes are counted once");
    file->quota_pending -= bytes;
    if (file->quota_pending == 0) {
        bytes += file->quota_nodes;
        file->quota_nodes = 0;
    }
    qgroups_pending(groups_of(file), tree_of(file), -(int64_t)bytes);
}
