// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Directories. A name stands in three places: DIR_ITEM (by hash, for lookup), DIR_INDEX (in the
 * order of creation, for reading), and a back reference at what it names.
 */
#include "fs/inode/internal.h"

#include "base/cleanup.h"
#include "disk/csum/csum.h"

/* 0 and 1 stand for "." and ".." of old. */
#define FIRST_INDEX 2

struct key dir_item_key(const struct inode *dir, const void *name, uint16_t len)
{
    return key_make(dir->ino, KEY_DIR_ITEM, name_hash(name, len));
}

static bool names_subvol(const struct key *location)
{
    return location->type == KEY_ROOT_ITEM;
}

int dir_name_ok(const void *name, uint16_t len)
{
    if (len == 0)
        return fail(-ENOENT, "an empty name");
    if (len > NAME_MAX_BYTES)
        return fail(-ENAMETOOLONG, "a name of %u bytes", len);
    if (memchr(name, '/', len) || memchr(name, '\0', len))
        return fail(-EINVAL, "a name with '/' or NUL in it");
    return 0;
}

static int lookup(struct inode *dir, const void *name, uint16_t len, bool to_remove,
                  struct dir_entry *out)
{
    struct key key = dir_item_key(dir, name, len);
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;

    int ret = tree_search(&dir->tree->root, &key, &path);
    if (ret == 0)
        ret = packed_find(&path, name, len, &entry);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-ENOENT, "%.*s", (int)len, (const char *)name);
    const struct key *location = &entry.head.location;
    if (location->type != KEY_INODE_ITEM && location->type != KEY_ROOT_ITEM)
        return fail(-EUCLEAN, "%s: a name that points at no inode", path_where(&path));
    *out = (struct dir_entry){.location = *location, .type = entry.head.type};
    if (to_remove)
        path_fetch_tail(&path);
    return 0;
}

int dir_lookup(struct inode *dir, const void *name, uint16_t len, struct dir_entry *out)
{
    return lookup(dir, name, len, false, out);
}

int dir_lookup_to_remove(struct inode *dir, const void *name, uint16_t len, struct dir_entry *out)
{
    return lookup(dir, name, len, true, out);
}

int dir_next_index(struct inode *dir, uint64_t *index)
{
    if (dir->dir_next_index == 0) {
        struct key key = key_make(dir->ino, KEY_DIR_INDEX, UINT64_MAX);
        AUTO_PATH struct path path = PATH_INIT;

        int ret = tree_search_le(&dir->tree->root, &key, &path);
        if (ret < 0)
            return ret;
        dir->dir_next_index = FIRST_INDEX;
        if (ret == 0) {
            path_key(&path, &key);
            if (key.objectid == dir->ino && key.type == KEY_DIR_INDEX)
                dir->dir_next_index = MAX((uint64_t)FIRST_INDEX, key.offset + 1);
        }
    }
    if (dir->dir_next_index == UINT64_MAX)
        return fail(-ENOSPC, "directory %llu has used all its indexes",
                    (unsigned long long)dir->ino);
    *index = dir->dir_next_index;
    return 0;
}

int dir_name_is_free(struct inode *dir, const void *name, uint16_t len)
{
    struct key key = dir_item_key(dir, name, len);
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;

    TRY(dir_name_ok(name, len));
    int ret = tree_search(&dir->tree->root, &key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    ret = packed_find(&path, name, len, &entry);
    if (ret != 1)
        return ret < 0 ? ret : fail(-EEXIST, "%.*s", (int)len, (const char *)name);
    return packed_has_room(&path, len, 0);
}

static int add_back_ref(struct inode *dir, const void *name, uint16_t len,
                        const struct key *location, uint64_t index)
{
    logged_names_changed(dir->fs, dir->tree->root.id, location->objectid);
    if (names_subvol(location))
        return root_ref_add(&dir->fs->store->engine, dir->tree->root.id, location->objectid,
                            dir->ino, index, name, len);
    return ref_add(dir->tree, location->objectid, dir->ino, index, name, len);
}

struct wanted_name {
    const void *name;
    uint16_t len;
    uint64_t index; /* 0: not found */
};

static int match_name(void *arg, const struct dir_name *entry)
{
    struct wanted_name *wanted = arg;

    if (entry->len != wanted->len || memcmp(entry->name, wanted->name, wanted->len) != 0)
        return 0;
    wanted->index = entry->index;
    return 1;
}

/* Without a back reference only a look at every name finds the index. */
static int find_index(struct inode *dir, const void *name, uint16_t len, uint64_t *index)
{
    struct wanted_name wanted = {.name = name, .len = len};

    int ret = dir_each(dir, 0, match_name, &wanted);
    if (ret < 0)
        return ret;
    if (wanted.index == 0)
        return fail(-EUCLEAN, "tree %llu directory %llu: a name without index",
                    (unsigned long long)dir->tree->root.id, (unsigned long long)dir->ino);
    *index = wanted.index;
    return 0;
}

static int remove_back_ref(struct inode *dir, const void *name, uint16_t len,
                           const struct key *location, uint64_t *index)
{
    logged_names_changed(dir->fs, dir->tree->root.id, location->objectid);
    if (!names_subvol(location))
        return ref_remove(dir->tree, location->objectid, dir->ino, name, len, index);
    int ret = root_ref_del(&dir->fs->store->engine, dir->tree->root.id, location->objectid,
                           dir->ino, name, len, index);
    /* A snapshot keeps the names of subvolumes nested in its source, without the references. */
    if (ret == -ENOENT)
        ret = find_index(dir, name, len, index);
    return ret;
}

void dir_resize(struct inode *dir, int64_t name_bytes, const struct timestamp *now)
{
    pthread_mutex_lock(&dir->item_lock);
    /* Each name counts twice: once for DIR_ITEM, once for DIR_INDEX. */
    dir->item.size += (uint64_t)(2 * name_bytes);
    if (now)
        item_touch(&dir->item, now, true);
    pthread_mutex_unlock(&dir->item_lock);
    inode_mark_dirty(dir);
    logged_names_changed(dir->fs, dir->tree->root.id, dir->ino);
}

int dir_insert_index(struct inode *dir, const void *name, uint16_t len, const struct dir_item *head,
                     uint64_t index)
{
    struct key key = key_make(dir->ino, KEY_DIR_INDEX, index);
    uint8_t data[sizeof(disk_dir_item) + NAME_MAX_BYTES];

    dir_item_encode(data, head);
    memcpy(data + sizeof(disk_dir_item), name, len);
    return tree_insert(&dir->tree->root, &key, data, (uint32_t)sizeof(disk_dir_item) + len);
}

/* Takes a DIR_ITEM back that was added a moment ago. */
static int undo_item(struct inode *dir, const struct key *key, const void *name, uint16_t len)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;

    int ret = tree_search_cow(&dir->tree->root, key, -1, &path);
    if (ret == 0)
        ret = packed_find(&path, name, len, &entry);
    if (ret == 0)
        ret = packed_remove(&path, &entry);
    return ret == 0 ? 0 : txn_abort(&dir->fs->store->engine, ret < 0 ? ret : -EUCLEAN);
}

int dir_insert_name(struct inode *dir, const void *name, uint16_t len, const struct key *location,
                    uint8_t type, uint64_t index, bool back_ref)
{
    struct engine *engine = &dir->fs->store->engine;
    struct key key = dir_item_key(dir, name, len);
    struct dir_item head = {
        .location = *location,
        .transid = engine->txn.transid,
        .name_len = len,
        .type = type,
    };

    /* What can be refused is tried first; behind it only a failing device is left, and then half
     * a name must never become durable. */
    int ret = packed_add(&dir->tree->root, &key, &head, name, NULL);
    if (ret == -EOVERFLOW || ret == -EEXIST)
        return ret;
    if (ret == 0 && back_ref)
        ret = add_back_ref(dir, name, len, location, index);
    if (ret == -EMLINK) {
        TRY(undo_item(dir, &key, name, len));
        return ret;
    }
    if (ret == 0)
        ret = dir_insert_index(dir, name, len, &head, index);
    if (ret < 0)
        return txn_abort(engine, ret);
    if (dir->dir_next_index != 0 && index >= dir->dir_next_index)
        dir->dir_next_index = index + 1;
    dir_resize(dir, len, NULL);
    return 0;
}

int dir_add(struct inode *dir, const void *name, uint16_t len, const struct key *location,
            uint8_t type)
{
    uint64_t index;

    TRY(dir_name_ok(name, len));
    TRY(dir_next_index(dir, &index));
    TRY(dir_insert_name(dir, name, len, location, type, index, true));
    inode_touch(dir, true);
    return 0;
}

int dir_remove_item(struct inode *dir, const void *name, uint16_t len, struct dir_item *head)
{
    struct key key = dir_item_key(dir, name, len);
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;

    int ret = tree_search_cow(&dir->tree->root, &key, -1, &path);
    if (ret == 0)
        ret = packed_find(&path, name, len, &entry);
    if (ret == 1)
        return fail(-ENOENT, "%.*s", (int)len, (const char *)name);
    if (ret < 0)
        return ret;
    *head = entry.head;
    return packed_remove(&path, &entry);
}

int dir_remove_index(struct inode *dir, const void *name, uint16_t len, uint64_t index)
{
    struct key key = key_make(dir->ino, KEY_DIR_INDEX, index);
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;

    int ret = tree_search_cow(&dir->tree->root, &key, -1, &path);
    if (ret == 0)
        ret = packed_find(&path, name, len, &entry);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-EUCLEAN, "tree %llu directory %llu: index %llu does not hold its name",
                    (unsigned long long)dir->tree->root.id, (unsigned long long)dir->ino,
                    (unsigned long long)index);
    return path_delete(&path, 1);
}

int dir_remove_name(struct inode *dir, const void *name, uint16_t len, struct dir_entry *out)
{
    struct engine *engine = &dir->fs->store->engine;
    struct dir_item head;
    uint64_t index = 0;

    int ret = dir_remove_item(dir, name, len, &head);
    if (ret == -ENOENT)
        return ret;
    if (ret == 0)
        ret = remove_back_ref(dir, name, len, &head.location, &index);
    if (ret == 0)
        ret = dir_remove_index(dir, name, len, index);
    if (ret < 0)
        return txn_abort(engine, ret == -ENOENT ? -EUCLEAN : ret);
    dir_resize(dir, -(int64_t)len, NULL);
    if (out)
        *out = (struct dir_entry){.location = head.location, .index = index, .type = head.type};
    return 0;
}

int dir_remove(struct inode *dir, const void *name, uint16_t len, struct dir_entry *out)
{
    TRY(dir_remove_name(dir, name, len, out));
    inode_touch(dir, true);
    return 0;
}

int dir_entry_at(struct inode *dir, uint64_t index, char name[NAME_MAX_BYTES], uint16_t *len,
                 struct dir_entry *out)
{
    struct key key = key_make(dir->ino, KEY_DIR_INDEX, index);
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;

    int ret = tree_search(&dir->tree->root, &key, &path);
    if (ret == 0)
        ret = packed_entry_at(&path, 0, &entry);
    if (ret != 0)
        return ret < 0 ? ret : fail(-ENOENT, "no entry with that index");
    memcpy(name, entry.name, entry.head.name_len);
    *len = entry.head.name_len;
    *out = (struct dir_entry){
        .location = entry.head.location, .index = index, .type = entry.head.type};
    return 0;
}

int dir_each(struct inode *dir, uint64_t after, int (*fn)(void *arg, const struct dir_name *entry),
             void *arg)
{
    struct key key = key_make(dir->ino, KEY_DIR_INDEX, after + 1);
    AUTO_PATH struct path path = PATH_INIT;

    if (after == UINT64_MAX)
        return 0;
    int ret = tree_search_ge(&dir->tree->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct packed_entry entry;

        path_key(&path, &key);
        if (key.objectid != dir->ino || key.type != KEY_DIR_INDEX)
            return 0;
        ret = packed_entry_at(&path, 0, &entry);
        if (ret != 0)
            return ret < 0 ? ret : fail(-EUCLEAN, "%s: empty", path_where(&path));
        struct dir_name name = {
            .name = entry.name,
            .len = entry.head.name_len,
            .index = key.offset,
            .location = entry.head.location,
            .type = entry.head.type,
        };
        int stop = fn(arg, &name);
        if (stop != 0)
            return stop;
    }
    return ret < 0 ? ret : 0;
}

static int stop_at_first(void *arg, const struct dir_name *entry)
{
    (void)entry;
    *(bool *)arg = false;
    return 1;
}

int dir_is_empty(struct inode *dir, bool *empty)
{
    bool none = true;

    int ret = dir_each(dir, 0, stop_at_first, &none);
    if (ret < 0)
        return ret;
    *empty = none;
    return 0;
}

static int take_parent(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    (void)index;
    (void)name;
    (void)len;
    *(uint64_t *)arg = parent;
    return 1;
}

int dir_parent(struct inode *dir, uint64_t *parent)
{
    uint64_t found = 0;

    if (dir->ino == INO_SUBVOL_ROOT)
        return fail(-ENOENT, "the root of a subvolume has no parent inside it");
    int ret = inode_each_name(dir->tree, dir->ino, take_parent, &found);
    if (ret < 0)
        return ret;
    if (found == 0)
        return fail(-ENOENT, "directory %llu has no name", (unsigned long long)dir->ino);
    *parent = found;
    return 0;
}
