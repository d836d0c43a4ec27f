// SPDX-License-Identifier: GPL-2.0-or-later
/* Two files at once, which may be one: locks and holds in the one order, by tree and inode. */
#include "fs/file/remap.h"

static bool comes_first(const struct inode *a, const struct inode *b)
{
    if (a->tree->root.id != b->tree->root.id)
        return a->tree->root.id < b->tree->root.id;
    return a->ino < b->ino;
}

struct file_pair pair_lock(struct inode *a, struct inode *b)
{
    bool ordered = comes_first(a, b);
    struct file_pair pair = {ordered ? a : b, ordered ? b : a};

    pthread_rwlock_wrlock(&pair.first->lock);
    if (pair.second != pair.first)
        pthread_rwlock_wrlock(&pair.second->lock);
    return pair;
}

void pair_unlock(const struct file_pair *pair)
{
    if (pair->second != pair->first)
        pthread_rwlock_unlock(&pair->second->lock);
    pthread_rwlock_unlock(&pair->first->lock);
}

static void hold_one(struct inode *inode, const struct clone *clone)
{
    struct hold_range ranges[2];
    size_t count = 0;

    if (inode == clone->src)
        ranges[count++] = (struct hold_range){clone->src_start, clone->src_start + clone->span};
    if (inode == clone->dst)
        ranges[count++] = (struct hold_range){clone->dst_start, clone->dst_start + clone->span};
    file_hold_ranges(inode->file, ranges, count);
}

void pair_hold(const struct file_pair *pair, const struct clone *clone)
{
    hold_one(pair->first, clone);
    if (pair->second != pair->first)
        hold_one(pair->second, clone);
}

void pair_unhold(const struct file_pair *pair)
{
    if (pair->second != pair->first)
        file_unhold_ranges(pair->second->file);
    file_unhold_ranges(pair->first->file);
}
