// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who may write a file back, and change its mapping other than by writing it back.
 *
 * One at a time has the file as a whole. While that one only writes back (file_let_in), one guest
 * may be at work beside it: a clone or dedupe, which is about a range or two of which nothing is in
 * flight, and which waits for nothing else. So sharing parts of a file that is written all the time
 * costs neither side more than those parts are worth. There is one guest at most, since it has
 * inode->lock alone; its runs fly in a tree of their own.
 *
 * A guest's ranges lie below the end that the inode has on disk: how far that may grow follows from
 * what is in flight, and the guest is not to be part of that.
 */
#include "fs/file/internal.h"

/* shared->lock held. */
static bool is_taken(const struct file_state *file)
{
    return file->held || file->guest;
}

void file_hold(struct file_state *file)
{
    struct file_shared *shared = file->inode->fs->files;

    SCOPED_LOCK(&shared->lock);
    while (is_taken(file))
        pthread_cond_wait(&shared->progress, &shared->lock);
    file->held = true;
}

bool file_hold_taken(struct file_state *file)
{
    if (is_taken(file))
        return false;
    file->held = true;
    return true;
}

bool file_try_hold(struct file_state *file)
{
    SCOPED_LOCK(&file->inode->fs->files->lock);
    return file_hold_taken(file);
}

/* Takes a file that is clean off the list; whether the list's reference is to be given back. */
static bool delist_when_clean(struct file_state *file)
{
    if (!file->listed || !runs_are_clean(file))
        return false;
    TAILQ_REMOVE(&file->inode->fs->files->dirty_files, file, entry);
    file->listed = false;
    return true;
}

static void let_go(struct file_state *file, bool guest)
{
    struct file_shared *shared = file->inode->fs->files;
    struct inode *inode = file->inode;

    pthread_mutex_lock(&file->lock);
    pthread_mutex_lock(&shared->lock);
    bool delisted = delist_when_clean(file);
    if (guest)
        file->guest = false;
    else
        file->held = file->lets_in = false;
    pthread_cond_broadcast(&shared->progress);
    pthread_mutex_unlock(&shared->lock);
    pthread_mutex_unlock(&file->lock);
    if (delisted)
        inode_put(inode);
}

void file_unhold(struct file_state *file)
{
    let_go(file, false);
}

void file_let_in(struct file_state *file)
{
    struct file_shared *shared = file->inode->fs->files;

    SCOPED_LOCK(&shared->lock);
    file->lets_in = true;
    pthread_cond_broadcast(&shared->progress);
}

void file_landed(struct file_state *file)
{
    struct file_shared *shared = file->inode->fs->files;

    SCOPED_LOCK(&shared->lock);
    if (file->lets_in)
        pthread_cond_broadcast(&shared->progress);
}

/* ---- guests ---------------------------------------------------------------------------------- */

/* Inline data is the whole of a file; and see above. */
static bool may_be_guest(const struct file_state *file, const struct hold_range ranges[],
                         size_t count)
{
    struct inode *inode = file->inode;

    SCOPED_LOCK(&inode->item_lock);
    for (size_t i = 0; i < count; i++)
        if (ranges[i].start < file_sectorsize(inode) || ranges[i].end > inode->disk_size)
            return false;
    return true;
}

static bool in_the_way(const struct file_state *file, const struct hold_range ranges[],
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct run *run = runs_after(&file->flight, ranges[i].start);

        if (run && run->start < ranges[i].end)
            return true;
    }
    return false;
}

/* What lands is taken off under file->lock, and told under shared->lock afterwards. */
static bool enter_or_wait(struct file_state *file, const struct hold_range ranges[], size_t count)
{
    struct file_shared *shared = file->inode->fs->files;

    pthread_mutex_lock(&file->lock);
    pthread_mutex_lock(&shared->lock);
    bool enters = !file->held || (file->lets_in && !in_the_way(file, ranges, count));
    pthread_mutex_unlock(&file->lock);
    if (enters)
        file->guest = true;
    else
        pthread_cond_wait(&shared->progress, &shared->lock);
    pthread_mutex_unlock(&shared->lock);
    return enters;
}

void file_hold_ranges(struct file_state *file, const struct hold_range ranges[], size_t count)
{
    if (!may_be_guest(file, ranges, count)) {
        file_hold(file);
        return;
    }
    while (!enter_or_wait(file, ranges, count))
        ;
}

void file_unhold_ranges(struct file_state *file)
{
    let_go(file, file->guest);
}
