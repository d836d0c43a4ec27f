// SPDX-License-Identifier: GPL-2.0-or-later
/* The registry of trees, and their root items. */
#include "engine/root/root.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/lock.h"

struct roots_entry {
    struct tree_handle tree; /* first member: a handle is its entry */
    UT_hash_handle hh;
    struct roots_entry *next_retired;
};

struct roots {
    struct engine *engine;
    struct roots_entry *by_id;
    struct roots_entry *retired; /* list through next_retired */
    struct tree_handle *dirty;   /* list through next_dirty */
    pthread_mutex_t lock;        /* by_id: readers open trees while sharing the metadata lock */
    uint64_t highest_id;         /* 0: not known yet */
};

int roots_open(struct engine *engine, struct roots **out)
{
    struct roots *roots = calloc(1, sizeof(*roots));
    if (!roots)
        return fail(-ENOMEM, "no memory for the table of trees");
    roots->engine = engine;
    lock_init(&roots->lock, RANK_ROOTS);
    *out = roots;
    return 0;
}

void roots_close(struct roots *roots)
{
    struct roots_entry *entry, *next;

    if (!roots)
        return;
    HASH_ITER (hh, roots->by_id, entry, next) {
        HASH_DEL(roots->by_id, entry);
        free(entry->tree.fs_data);
        free(entry);
    }
    while ((entry = roots->retired)) {
        roots->retired = entry->next_retired;
        free(entry->tree.fs_data);
        free(entry);
    }
    lock_destroy(&roots->lock);
    free(roots);
}

/*
 * The fields behind ROOT_ITEM_SIZE_V1 count only while generation_v2 follows generation: a kernel
 * that does not know them leaves generation_v2 behind.
 */
static void root_item_from_disk(const void *data, uint32_t size, struct root_item *out)
{
    disk_root_item disk = {0};

    memcpy(&disk, data, MIN(size, (uint32_t)sizeof(disk)));
    root_item_decode(out, &disk);
    if (size < sizeof(disk) || out->generation_v2 != out->generation) {
        memset(&disk.uuid, 0, sizeof(disk) - offsetof(disk_root_item, uuid));
        uint64_t generation = out->generation;
        root_item_decode(out, &disk);
        out->generation_v2 = generation;
    }
}

/* Stands on the root item of id; 1 when there is none. */
static int find_item_in(struct root *root_tree, uint64_t id, struct path *path)
{
    struct key key = key_make(id, KEY_ROOT_ITEM, UINT64_MAX);
    struct key found;

    int ret = tree_search_le(root_tree, &key, path);
    if (ret != 0)
        return ret;
    path_key(path, &found);
    return found.objectid == id && found.type == KEY_ROOT_ITEM ? 0 : 1;
}

static int find_item(struct roots *roots, uint64_t id, struct path *path)
{
    return find_item_in(&roots->engine->root_tree, id, path);
}

int roots_item_in(struct root *root_tree, uint64_t id, struct root_item *item)
{
    AUTO_PATH struct path path = PATH_INIT;
    int ret = find_item_in(root_tree, id, &path);

    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-ENOENT, "tree %llu: no such tree", (unsigned long long)id);
    root_item_from_disk(path_data(&path), path_size(&path), item);
    return 0;
}

static void on_dirty(struct root *root)
{
    roots_mark_dirty(root->owner);
}

static struct roots_entry *entry_new(struct roots *roots, const struct root *root,
                                     const struct root_item *item, uint64_t item_offset)
{
    struct roots_entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->tree.root = *root;
    entry->tree.root.owner = &entry->tree;
    entry->tree.root.on_dirty = on_dirty;
    entry->tree.root.shareable = is_fs_tree(root->id);
    entry->tree.root.last_snapshot = item->last_snapshot;
    entry->tree.item = *item;
    entry->tree.item_offset = item_offset;
    entry->tree.roots = roots;
    return entry;
}

/* With the lock. Frees it when that fails. */
static int entry_add(struct roots *roots, struct roots_entry *entry)
{
    uint64_t id = entry->tree.root.id;

    HASH_ADD(hh, roots->by_id, tree.root.id, sizeof(entry->tree.root.id), entry);
    if (HASH_ADDED(entry))
        return 0;
    free(entry);
    return fail(-ENOMEM, "no memory for tree %llu", (unsigned long long)id);
}

static int open_tree(struct roots *roots, uint64_t id, struct roots_entry **out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct root_item item;
    struct root root;
    struct key key;

    int ret = find_item(roots, id, &path);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-ENOENT, "tree %llu: no such tree", (unsigned long long)id);
    path_key(&path, &key);
    root_item_from_disk(path_data(&path), path_size(&path), &item);
    engine_root_set(roots->engine, &root, id, item.bytenr, item.generation, item.level);
    struct roots_entry *entry = entry_new(roots, &root, &item, key.offset);
    if (!entry)
        return fail(-ENOMEM, "no memory for tree %llu", (unsigned long long)id);
    *out = entry;
    return 0;
}

int roots_get(struct roots *roots, uint64_t id, struct tree_handle **out)
{
    struct roots_entry *entry;

    SCOPED_LOCK(&roots->lock);
    HASH_FIND(hh, roots->by_id, &id, sizeof(id), entry);
    if (entry && entry->tree.deleted)
        return fail(-ENOENT, "tree %llu: deleted", (unsigned long long)id);
    if (!entry) {
        TRY(open_tree(roots, id, &entry));
        TRY(entry_add(roots, entry));
    }
    *out = &entry->tree;
    return 0;
}

void roots_mark_dirty(struct tree_handle *tree)
{
    if (tree->dirty)
        return;
    tree->dirty = true;
    tree->next_dirty = tree->roots->dirty;
    tree->roots->dirty = tree;
}

/* Makes an item say where the tree is and what it takes. */
static void follow(struct root_item *item, struct root *root)
{
    item->bytenr = root->bytenr;
    item->level = root->level;
    item->generation = item->generation_v2 = root->generation;
    item->bytes_used += (uint64_t)(root->nodes_added * (int64_t)forest_nodesize(root->forest));
    root->nodes_added = 0;
    root->dirty = false;
}

int roots_insert(struct roots *roots, struct root *root, const struct root_item *item,
                 uint64_t key_offset, struct tree_handle **out)
{
    struct key key = key_make(root->id, KEY_ROOT_ITEM, key_offset);
    struct root_item full = *item;
    disk_root_item disk;

    follow(&full, root); /* then it says all of it */
    full.last_snapshot = root->last_snapshot;
    root_item_encode(&disk, &full);
    TRY(tree_insert(&roots->engine->root_tree, &key, &disk, sizeof(disk)));

    struct roots_entry *entry = entry_new(roots, root, &full, key_offset);
    if (!entry)
        return fail(-ENOMEM, "no memory for tree %llu", (unsigned long long)root->id);
    SCOPED_LOCK(&roots->lock);
    TRY(entry_add(roots, entry));
    *out = &entry->tree;
    return 0;
}

static void unlist_dirty(struct roots *roots, struct tree_handle *tree)
{
    for (struct tree_handle **link = &roots->dirty; *link; link = &(*link)->next_dirty) {
        if (*link == tree) {
            *link = tree->next_dirty;
            tree->next_dirty = NULL;
            tree->dirty = false;
            return;
        }
    }
}

static void mark_deleted(struct tree_handle *tree)
{
    __atomic_store_n(&tree->deleted, true, __ATOMIC_RELEASE);
}

static int learn_highest_id(struct roots *roots)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(OBJ_LAST_FREE, UINT8_MAX, UINT64_MAX);
    uint64_t highest = OBJ_FIRST_FREE - 1;

    if (roots->highest_id != 0)
        return 0;
    int ret = tree_search_le(&roots->engine->root_tree, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0) {
        path_key(&path, &key);
        highest = MAX(highest, key.objectid);
    }
    roots->highest_id = highest;
    return 0;
}

int roots_delete(struct roots *roots, struct tree_handle *tree)
{
    struct key key = key_make(tree->root.id, KEY_ROOT_ITEM, tree->item_offset);

    /* An id is not given twice while its first handle lives. */
    TRY(learn_highest_id(roots));
    TRY(tree_delete(&roots->engine->root_tree, &key));
    unlist_dirty(roots, tree);
    mark_deleted(tree);
    return 0;
}

bool tree_is_deleted(const struct tree_handle *tree)
{
    return __atomic_load_n(&tree->deleted, __ATOMIC_ACQUIRE);
}

int roots_new_id(struct roots *roots, uint64_t *id)
{
    TRY(learn_highest_id(roots));
    if (roots->highest_id >= OBJ_LAST_FREE)
        return fail(-ENOSPC, "no subvolume ids left");
    *id = ++roots->highest_id;
    return 0;
}

/* ---- writing items ------------------------------------------------------------------------------
 */

static int write_handle(struct roots *roots, struct tree_handle *tree)
{
    struct key key = key_make(tree->root.id, KEY_ROOT_ITEM, tree->item_offset);
    AUTO_PATH struct path path = PATH_INIT;
    disk_root_item disk;

    int ret = tree_search_cow(&roots->engine->root_tree, &key, 0, &path);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-EUCLEAN, "tree %llu: its root item is gone",
                    (unsigned long long)tree->root.id);
    if (path_size(&path) < sizeof(disk))
        TRY(path_resize(&path, sizeof(disk)));
    follow(&tree->item, &tree->root);
    tree->item.last_snapshot = tree->root.last_snapshot;
    root_item_encode(&disk, &tree->item);
    memcpy(path_data_mut(&path), &disk, sizeof(disk));
    return 0;
}

/* Changes the item of a tree that has no handle. */
static int change_item(struct roots *roots, uint64_t id,
                       void (*change)(struct root_item *item, void *arg), void *arg)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct root_item item;
    disk_root_item disk;
    struct key key;

    int ret = find_item(roots, id, &path);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-EUCLEAN, "tree %llu: its root item is gone", (unsigned long long)id);
    path_key(&path, &key);
    root_item_from_disk(path_data(&path), path_size(&path), &item);
    path_release(&path);

    ret = tree_search_cow(&roots->engine->root_tree, &key, 0, &path);
    if (ret != 0)
        return ret < 0 ? ret : fail(-EUCLEAN, "tree %llu: root item", (unsigned long long)id);
    if (path_size(&path) < sizeof(disk))
        TRY(path_resize(&path, sizeof(disk)));
    change(&item, arg);
    root_item_encode(&disk, &item);
    memcpy(path_data_mut(&path), &disk, sizeof(disk));
    return 0;
}

static void follow_root(struct root_item *item, void *arg)
{
    follow(item, arg);
}

/* A system tree: its item is pointed at the new root node. */
static int write_system(struct roots *roots, struct root *root, bool *changed)
{
    if (root->id == 0 || !root->dirty)
        return 0;
    TRY(change_item(roots, root->id, follow_root, root));
    *changed = true;
    return 0;
}

static void add_bytes(struct root_item *item, void *arg)
{
    item->bytes_used += *(const uint64_t *)arg;
}

int roots_adjust_bytes(struct roots *roots, uint64_t id, uint64_t by)
{
    struct tree_handle *tree;

    if (!is_fs_tree(id))
        return change_item(roots, id, add_bytes, &by);
    TRY(roots_get(roots, id, &tree));
    tree->item.bytes_used += by;
    roots_mark_dirty(tree);
    return 0;
}

int roots_retire(struct roots *roots, struct tree_handle *tree)
{
    struct roots_entry *entry = (struct roots_entry *)tree;

    TRY(write_handle(roots, tree));
    unlist_dirty(roots, tree);
    SCOPED_LOCK(&roots->lock);
    HASH_DEL(roots->by_id, entry);
    entry->next_retired = roots->retired;
    roots->retired = entry;
    mark_deleted(tree);
    tree->root.bytenr = 0;
    tree->root.changes++;
    return 0;
}

int roots_write_dirty(struct roots *roots, bool *changed)
{
    struct engine *e = roots->engine;
    struct root *system[] = {&e->extent_tree,     &e->dev_tree,  &e->csum_tree,
                             &e->free_space_tree, &e->uuid_tree, &e->quota_tree,
                             &e->block_group_tree};

    *changed = false;
    for (size_t i = 0; i < ARRAY_LEN(system); i++)
        TRY(write_system(roots, system[i], changed));
    while (roots->dirty) {
        struct tree_handle *tree = roots->dirty;
        roots->dirty = tree->next_dirty;
        tree->next_dirty = NULL;
        tree->dirty = false;
        TRY(write_handle(roots, tree));
        *changed = true;
    }
    return 0;
}

void roots_drop_dirty(struct roots *roots)
{
    while (roots->dirty)
        unlist_dirty(roots, roots->dirty);
}

int roots_each(struct roots *roots, uint64_t min_id,
               int (*fn)(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item),
               void *arg)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(min_id, KEY_ROOT_ITEM, 0);

    int ret = tree_search_ge(&roots->engine->root_tree, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct root_item item;

        path_key(&path, &key);
        if (key.type != KEY_ROOT_ITEM)
            continue;
        root_item_from_disk(path_data(&path), path_size(&path), &item);
        int stop = fn(arg, key.objectid, key.offset, &item);
        if (stop != 0)
            return stop;
    }
    return ret < 0 ? ret : 0;
}
