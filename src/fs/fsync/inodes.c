// SPDX-License-Identifier: GPL-2.0-or-later
/* Stage 1: inode items, and what was deleted since the last commit. */
#include "fs/fsync/internal.h"

#include <sys/stat.h>

/* ---- attributes that the log no longer has
 * --------------------------------------------------------- */

/* Whether the XATTR_ITEM of the log under key holds that name. */
static int log_has_xattr(struct log *log, const struct key *key, const char *name, uint16_t len,
                         bool *has)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint32_t at = 0;

    *has = false;
    int ret = tree_search(&log->root, key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    while (path_size(&path) - at >= sizeof(disk_dir_item)) {
        const uint8_t *entry = (const uint8_t *)path_data(&path) + at;
        struct dir_item head;

        dir_item_decode(&head, entry);
        uint32_t size = (uint32_t)sizeof(disk_dir_item) + head.name_len + head.data_len;
        if (size > path_size(&path) - at)
            return fail(-EUCLEAN, "%s: an entry leaves the item", path_where(&path));
        if (head.name_len == len && memcmp(entry + sizeof(disk_dir_item), name, len) == 0) {
            *has = true;
            return 0;
        }
        at += size;
    }
    return 0;
}

/* Names are taken first and removed then: removing moves what a search stands on. */
static int delete_xattrs(struct log *log, struct inode *inode)
{
    AUTO_FREE char *names = NULL;
    size_t len;

    TRY(xattr_list(inode, NULL, 0, &len));
    if (len == 0)
        return 0;
    names = malloc(len);
    if (!names)
        return fail(-ENOMEM, "no memory for a list of attributes");
    TRY(xattr_list(inode, names, len, &len));
    for (const char *name = names; name < names + len; name += strlen(name) + 1) {
        struct key key = xattr_item_key(inode, name);
        bool has;

        TRY(log_has_xattr(log, &key, name, (uint16_t)strlen(name), &has));
        if (!has)
            TRY(xattr_remove(inode, name));
    }
    return 0;
}

/* ---- directory entries that the log no longer has
 * ---------------------------------------------------- */

static int log_has_index(struct log *log, uint64_t dir, uint64_t index, bool *has)
{
    struct key key = key_make(dir, KEY_DIR_INDEX, index);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search(&log->root, &key, &path);
    *has = ret == 0;
    return MIN(ret, 0);
}

struct next_entry {
    char name[NAME_MAX_BYTES];
    uint16_t len;
    uint64_t index; /* 0: none */
};

static int take_entry(void *arg, const struct dir_name *entry)
{
    struct next_entry *next = arg;

    memcpy(next->name, entry->name, entry->len);
    next->len = entry->len;
    next->index = entry->index;
    return 1;
}

/* The log knows all entries with indexes in [first, last]: others there are gone. */
static int delete_range(struct replay *replay, struct log *log, struct inode *dir, uint64_t first,
                        uint64_t last)
{
    uint64_t after = first > 0 ? first - 1 : 0;

    for (;;) {
        struct next_entry next = {0};
        bool has;

        int ret = dir_each(dir, after, take_entry, &next);
        if (ret < 0)
            return ret;
        if (next.index == 0 || next.index > last)
            return 0;
        TRY(log_has_index(log, dir->ino, next.index, &has));
        if (!has)
            TRY(replay_unlink(replay, dir, next.name, next.len));
        after = next.index;
    }
}

static int delete_entries(struct replay *replay, struct log *log, struct inode *dir)
{
    struct key key = key_make(dir->ino, KEY_DIR_LOG_INDEX, 0);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_ge(&log->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct dir_log_item range;

        path_key(&path, &key);
        if (key.objectid != dir->ino || key.type != KEY_DIR_LOG_INDEX)
            return 0;
        if (path_size(&path) < sizeof(disk_dir_log_item))
            return fail(-EUCLEAN, "%s: too short for a range of indexes", path_where(&path));
        dir_log_item_decode(&range, path_data(&path));
        TRY(delete_range(replay, log, dir, key.offset, range.end));
    }
    return MIN(ret, 0);
}

/* ---- the item itself
 * ------------------------------------------------------------------------------------ */

/*
 * Generation 0 marks an inode that was logged only because it exists (a directory's fsync brought
 * it in): what the subvolume knows of it is better, except for a size that says something.
 */
static bool only_exists(const struct inode_item *logged)
{
    return logged->generation == 0;
}

static void merge_item(struct inode *inode, const struct inode_item *logged)
{
    pthread_mutex_lock(&inode->item_lock);
    struct inode_item old = inode->item;
    if (only_exists(logged)) {
        if (S_ISREG(logged->mode) && S_ISREG(old.mode) && logged->size != 0)
            inode->item.size = logged->size;
    } else {
        inode->item = *logged;
        /* The extents that are replayed count themselves. */
        inode->item.nbytes = old.nbytes;
        /* So do the names. */
        if (S_ISDIR(logged->mode))
            inode->item.size = S_ISDIR(old.mode) ? old.size : 0;
    }
    inode->disk_size = inode->item.size;
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
}

static int insert_item(struct replay *replay, const struct log_item *item,
                       struct inode_item *logged)
{
    disk_inode_item disk;

    logged->nbytes = 0;
    if (S_ISDIR(logged->mode))
        logged->size = 0;
    if (only_exists(logged))
        logged->generation = replay->engine->txn.transid;
    inode_item_encode(&disk, logged);
    return tree_insert(&item->log->tree->root, &item->key, &disk, sizeof(disk));
}

static int replay_one_inode(struct replay *replay, const struct log_item *item,
                            const struct inode_item *logged, struct inode *inode)
{
    TRY(touch_inode(replay, inode));
    TRY(delete_xattrs(item->log, inode));
    if (S_ISDIR(logged->mode) && inode_is_dir(inode))
        TRY(delete_entries(replay, item->log, inode));
    merge_item(inode, logged);
    /* Extents beyond the size come back from the log if they are to stay (preallocation). */
    if (S_ISREG(logged->mode))
        TRY(file_drop_range(inode, round_up_to(inode->item.size, replay->engine->sectorsize),
                            UINT64_MAX));
    return 0;
}

int replay_inode_item(struct replay *replay, const struct log_item *item)
{
    struct inode_item logged;
    struct inode *inode;

    if (item->size < sizeof(disk_inode_item))
        return fail(-EUCLEAN, "%s: too short for an inode", path_where(item->path));
    inode_item_decode(&logged, item->data);
    int ret = inode_get_locked(replay->fs, item->log->tree, item->key.objectid, &inode);
    if (ret == -ENOENT) {
        fail_clear();
        TRY(insert_item(replay, item, &logged));
        ret = inode_get_locked(replay->fs, item->log->tree, item->key.objectid, &inode);
    }
    if (ret < 0)
        return ret;
    ret = replay_one_inode(replay, item, &logged, inode);
    inode_put(inode);
    return ret;
}
