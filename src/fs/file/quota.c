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

/* In how many stretches [start, end) is not dirty and does not go on from what is. */
static unsigned new_stretches(const struct file_state *file, uint64_t start, uint64_t end)
{
    unsigned stretches = 0;

    while (start < end) {
        const struct run *run = runs_after(&file->dirty, start);

        if (!run || run->start > start)
            stretches += start == 0 || !runs_sector_is_dirty(file, start - 1);
        start = run ? run_end(run) : end;
    }
    return stretches;
}

int quota_enter(struct file_state *file, uint64_t start, uint64_t end, uint64_t bytes,
                struct quota_door *door)
{
    *door = (struct quota_door){0};
    pthread_mutex_lock(&file->lock);
    uint64_t nodes = (uint64_t)new_stretches(file, start, end) * STRETCH_NODES;
    pthread_mutex_unlock(&file->lock);
    nodes *= file_engine(file->inode)->nodesize;
    if (bytes + nodes == 0)
        return 0;
    TRY(store_quota_enter(file->inode->fs->store, tree_of(file), bytes + nodes));
    *door = (struct quota_door){bytes, nodes};
    return 0;
}

void quota_leave(struct file_state *file, const struct quota_door *door)
{
    if (door->bytes + door->nodes == 0)
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

static uint64_t cut_bytes(const struct inode *inode)
{
    return STRETCH_NODES * (uint64_t)file_engine(inode)->nodesize;
}

int cut_enter(struct inode *inode)
{
    return store_quota_enter(inode->fs->store, inode->tree->root.id, cut_bytes(inode));
}

void cut_leave(struct inode *inode)
{
    qgroups_leave(inode->fs->store->qgroups, inode->tree->root.id, cut_bytes(inode));
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
