// SPDX-License-Identifier: GPL-2.0-or-later
/* What the log says of one inode: its item, its names, its attributes, and what is in it. */
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/fsync/write.h"

/* A larger part of the log than that is no faster than a commit. */
#define LOG_ROUND_NODES 24

static int list_add(uint64_t **list, size_t *count, size_t *cap, uint64_t value)
{
    if (*count == *cap) {
        size_t more = *cap ? 2 * *cap : 16;
        uint64_t *grown = realloc(*list, more * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "no memory for a log");
        *list = grown;
        *cap = more;
    }
    (*list)[(*count)++] = value;
    return 0;
}

int todo_add(struct logging *l, uint64_t ino)
{
    if (logged_is_fresh(l->fs, l->log->subvol, ino))
        return 0;
    for (size_t i = 0; i < l->todo_count; i++)
        if (l->todo[i] == ino)
            return 0;
    return list_add(&l->todo, &l->todo_count, &l->todo_cap, ino);
}

static int hold(struct logging *l, struct inode *inode)
{
    if (l->held_count == l->held_cap) {
        size_t cap = l->held_cap ? 2 * l->held_cap : 16;
        struct inode **more = realloc(l->held, cap * sizeof(struct inode *));

        if (!more)
            return fail(-ENOMEM, "no memory for a log");
        l->held = more;
        l->held_cap = cap;
    }
    l->held[l->held_count++] = inode_ref(inode);
    return 0;
}

/*
 * The reference that hold() takes outlives this one, so that the last is never put here: that would
 * delete an orphan.
 */
int log_find(struct logging *l, uint64_t ino, struct inode **out, bool *found)
{
    struct inode *inode;

    *found = false;
    int ret = inode_get_locked(l->fs, l->tree, ino, &inode);
    if (ret == -ENOENT) {
        fail_clear();
        return 0;
    }
    TRY(ret);
    ret = hold(l, inode);
    if (ret < 0)
        return ret; /* the reference stays: no memory is no time to delete anything */
    inode_put(inode);
    *found = !inode->deleted && inode->item.nlink > 0;
    *out = inode;
    return 0;
}

int durable_inode(struct logging *l, uint64_t ino, struct inode_item *item, bool *found)
{
    struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;

    *found = false;
    int ret = tree_search(&l->log->durable, &key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    if (path_size(&path) < sizeof(disk_inode_item))
        return fail(-EUCLEAN, "%s: too short for an inode", path_where(&path));
    inode_item_decode(item, path_data(&path));
    *found = true;
    return 0;
}

/*
 * Linux replays an item over that of the last commit by making that larger, and ends in a BUG where
 * both together are more than a leaf: it leaves such a leaf unsplit, as it could not be split so
 * that both fit.
 */
static int may_replace(struct logging *l, const struct key *key, uint32_t size)
{
    uint32_t most = l->engine->nodesize - NODE_HEADER_SIZE - LEAF_ITEM_SIZE;
    AUTO_PATH struct path path = PATH_INIT;

    if (2 * size <= most)
        return 0;
    int ret = tree_search(&l->log->durable, key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    return path_size(&path) < size && path_size(&path) + size > most ? FULL_COMMIT : 0;
}

/* Item, names and attributes: all of them, as replay takes away what the log does not have. */
static int wish_items(struct logging *l, struct inode *inode)
{
    struct key key = key_make(inode->ino, 0, 0);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_ge(&l->tree->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid != inode->ino)
            return 0;
        switch (key.type) {
        case KEY_INODE_REF:
            /* That the root of a subvolume is in itself is no name. */
            if (inode->ino == INO_SUBVOL_ROOT)
                continue;
            break;
        case KEY_INODE_ITEM:
        case KEY_XATTR_ITEM:
            break;
        case KEY_DIR_ITEM:
        case KEY_DIR_INDEX:
        case KEY_EXTENT_DATA:
            return 0;
        default:
            return FULL_COMMIT;
        }
        PASS(may_replace(l, &key, path_size(&path)));
        TRY(wish_add(l, &key, path_data(&path), path_size(&path)));
    }
    return MIN(ret, 0);
}

/* The inode of that number in the last commit is this one, and replay may lay the log over it. */
static bool may_follow(const struct inode_item *old, const struct inode_item *now)
{
    return old->generation == now->generation && old->nlink > 0 &&
           (old->mode & S_IFMT) == (now->mode & S_IFMT);
}

static int log_existing(struct logging *l, struct inode *inode)
{
    struct inode_item old;
    bool durable;

    TRY(inode_write(inode));
    TRY(durable_inode(l, inode->ino, &old, &durable));
    if (durable && !may_follow(&old, &inode->item))
        return FULL_COMMIT;
    PASS(wish_items(l, inode));
    PASS(names_need(l, inode, durable));
    PASS(inode_is_dir(inode) ? wish_entries(l, inode) : wish_extents(l, inode));
    return 0;
}

int log_inode(struct logging *l, uint64_t ino)
{
    uint64_t most = (uint64_t)LOG_ROUND_NODES * l->engine->nodesize;
    struct inode *inode;
    bool found;

    l->wishes.count = l->wishes.used = 0;
    TRY(log_find(l, ino, &inode, &found));
    if (found)
        PASS(log_existing(l, inode));
    l->bytes += l->wishes.used + l->wishes.count * LEAF_ITEM_SIZE;
    if (l->bytes > most)
        return FULL_COMMIT;
    TRY(wishes_put(l, ino));
    return found ? logged_add(l->fs, l->log->subvol, ino) : 0;
}
