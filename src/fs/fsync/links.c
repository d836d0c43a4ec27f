// SPDX-License-Identifier: GPL-2.0-or-later
/* The end of a replay: every inode it touched gets the link count that its references say. */
#include "fs/fsync/internal.h"

int touch_inode(struct replay *replay, struct inode *inode)
{
    struct touched *touched;
    __typeof__(touched->key) key = {.tree = inode->tree->root.id, .ino = inode->ino};

    HASH_FIND(hh, replay->touched, &key, sizeof(key), touched);
    if (touched)
        return 0;
    touched = calloc(1, sizeof(*touched));
    if (!touched)
        return fail(-ENOMEM, "no memory for log replay");
    touched->key = key;
    touched->inode = inode_ref(inode);
    HASH_ADD(hh, replay->touched, key, sizeof(touched->key), touched);
    if (!HASH_ADDED(touched)) {
        inode_put(touched->inode);
        free(touched);
        return fail(-ENOMEM, "no memory for log replay");
    }
    return 0;
}

static int count_name(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    (void)parent;
    (void)index;
    (void)name;
    (void)len;
    ++*(uint32_t *)arg;
    return 0;
}

static int take_first(void *arg, const struct dir_name *entry)
{
    struct dir_name *first = arg;

    memcpy((char *)first->name, entry->name, entry->len);
    first->len = entry->len;
    return 1;
}

/* A directory that lost its name loses what is in it. */
static int empty_dir(struct replay *replay, struct inode *dir)
{
    char name[NAME_MAX_BYTES];

    for (;;) {
        struct dir_name first = {.name = name};

        int ret = dir_each(dir, 0, take_first, &first);
        if (ret < 0)
            return ret;
        if (first.len == 0)
            return 0;
        TRY(replay_unlink(replay, dir, name, first.len));
    }
}

static int fix_one(struct replay *replay, struct inode *inode)
{
    uint32_t names = 0;

    if (inode->ino == INO_SUBVOL_ROOT)
        return 0;
    int ret = inode_each_name(inode->tree, inode->ino, count_name, &names);
    if (ret < 0)
        return ret;
    pthread_mutex_lock(&inode->item_lock);
    bool changed = inode->item.nlink != names;
    inode->item.nlink = names;
    pthread_mutex_unlock(&inode->item_lock);
    if (changed)
        inode_mark_dirty(inode);
    if (names != 0)
        return 0;
    if (inode_is_dir(inode))
        TRY(empty_dir(replay, inode));
    ret = orphan_add(inode);
    if (ret == -EEXIST) { /* it was one before the crash */
        fail_clear();
        inode->orphan = true;
        return 0;
    }
    return ret;
}

int fix_links(struct replay *replay)
{
    /* Emptying a directory touches more inodes; uthash appends them, so this walk meets them. */
    for (struct touched *touched = replay->touched; touched; touched = touched->hh.next)
        TRY(fix_one(replay, touched->inode));
    return 0;
}

void release_touched(struct replay *replay)
{
    struct touched *touched, *next;

    HASH_ITER (hh, replay->touched, touched, next) {
        HASH_DEL(replay->touched, touched);
        inode_put(touched->inode);
        free(touched);
    }
}
