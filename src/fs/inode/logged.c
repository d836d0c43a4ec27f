// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which inodes the log trees of the running transaction describe, and which of them got or lost a
 * name since (directories: whose entries changed). fs/fsync asks; whoever changes names tells.
 * Under the metadata lock, held alone.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "fs/inode/inode.h"

struct logged_key {
    uint64_t tree;
    uint64_t ino;
};

struct logged {
    struct logged_key key;
    bool stale;
    struct logged *next_stale;
    UT_hash_handle hh;
};

struct logged_inodes {
    struct logged *all;
    struct logged *stale;
};

static struct logged *find(const struct fs *fs, uint64_t tree, uint64_t ino)
{
    const struct logged_key key = {.tree = tree, .ino = ino};
    struct logged *found = NULL;

    if (fs->logged)
        HASH_FIND(hh, fs->logged->all, &key, sizeof(key), found);
    return found;
}

int logged_add(struct fs *fs, uint64_t tree, uint64_t ino)
{
    if (find(fs, tree, ino))
        return 0;
    if (!fs->logged)
        fs->logged = calloc(1, sizeof(*fs->logged));
    struct logged *logged = fs->logged ? calloc(1, sizeof(*logged)) : NULL;
    if (!logged)
        return fail(-ENOMEM, "no memory for what is logged");
    logged->key = (struct logged_key){.tree = tree, .ino = ino};
    HASH_ADD(hh, fs->logged->all, key, sizeof(logged->key), logged);
    if (!HASH_ADDED(logged)) {
        free(logged);
        return fail(-ENOMEM, "no memory for what is logged");
    }
    return 0;
}

bool logged_has(const struct fs *fs, uint64_t tree, uint64_t ino)
{
    return find(fs, tree, ino) != NULL;
}

bool logged_is_fresh(const struct fs *fs, uint64_t tree, uint64_t ino)
{
    const struct logged *logged = find(fs, tree, ino);

    return logged && !logged->stale;
}

void logged_names_changed(struct fs *fs, uint64_t tree, uint64_t ino)
{
    struct logged *logged = find(fs, tree, ino);

    if (!logged || logged->stale)
        return;
    logged->stale = true;
    logged->next_stale = fs->logged->stale;
    fs->logged->stale = logged;
}

bool logged_take_stale(struct fs *fs, uint64_t tree, uint64_t *ino)
{
    struct logged **at = fs->logged ? &fs->logged->stale : NULL;

    while (at && *at && (*at)->key.tree != tree)
        at = &(*at)->next_stale;
    if (!at || !*at)
        return false;
    struct logged *logged = *at;
    *at = logged->next_stale;
    *ino = logged->key.ino;
    /* Until it is logged again, which adds it. */
    HASH_DEL(fs->logged->all, logged);
    free(logged);
    return true;
}

void logged_clear(struct fs *fs)
{
    struct logged *logged, *next;

    if (!fs->logged)
        return;
    HASH_ITER (hh, fs->logged->all, logged, next) {
        HASH_DEL(fs->logged->all, logged);
        free(logged);
    }
    free(fs->logged);
    fs->logged = NULL;
}
