// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two sizes of a file, and the bytes it holds. item.size is what users see; disk_size is what
 * the item on disk may say: a commit between a write and its writeback must not promise bytes that
 * are not there yet.
 */
#include "fs/file/internal.h"

uint64_t size_get(struct inode *inode)
{
    SCOPED_LOCK(&inode->item_lock);
    return inode->item.size;
}

void size_set(struct inode *inode, uint64_t size)
{
    SCOPED_LOCK(&inode->item_lock);
    inode->item.size = size;
}

/*
 * Where the first data lies that is in memory only, with all before `mapped` being on disk; and the
 * size, which a writer changes together with the data.
 */
static uint64_t first_unwritten(struct inode *inode, uint64_t mapped, uint64_t *size)
{
    struct file_state *file = file_state_peek(inode);

    if (!file) {
        *size = size_get(inode);
        return UINT64_MAX;
    }
    SCOPED_LOCK(&file->lock);
    *size = size_get(inode);
    return runs_first_unwritten(file, inode->disk_size, mapped);
}

int size_settle(struct inode *inode, uint64_t start, uint64_t end, uint64_t size)
{
    uint64_t sector = file_sectorsize(inode);
    uint64_t old = inode->disk_size, now;
    uint64_t first = first_unwritten(inode, end, &now);
    uint64_t new_size = first;

    /* Of what was just mapped a part may be dirty again; the rest of it counts. */
    if (first >= start && first < end)
        new_size = MIN(size, end);
    new_size = MIN(now, new_size);
    if (new_size <= old)
        return 0;
    TRY(holes_fill(inode, round_up_to(old, sector), round_up_to(new_size, sector)));
    pthread_mutex_lock(&inode->item_lock);
    inode->disk_size = new_size;
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
    return 0;
}

void size_cut_disk(struct inode *inode, uint64_t size)
{
    pthread_mutex_lock(&inode->item_lock);
    inode->disk_size = MIN(inode->disk_size, size);
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
}

void nbytes_add(struct inode *inode, uint64_t bytes)
{
    SCOPED_LOCK(&inode->item_lock);
    inode->item.nbytes += bytes;
}

/* A damaged item may say less than there is: it is mended at zero. */
void nbytes_sub(struct inode *inode, uint64_t bytes)
{
    SCOPED_LOCK(&inode->item_lock);
    inode->item.nbytes -= MIN(bytes, inode->item.nbytes);
}
