// SPDX-License-Identifier: GPL-2.0-or-later
/* Inserting and changing one item. */
#include "engine/tree/internal.h"

static int check_size(const struct root *root, const struct key *key, uint64_t size)
{
    char buf[KEY_TEXT_MAX];

    if (size <= item_data_max(root->forest->nodesize))
        return 0;
    return fail(-EOVERFLOW, "tree %llu: item %s of %llu bytes does not fit into a leaf",
                LLU(root->id), key_text(key, buf), LLU(size));
}

/* The tree's structure changed through this path. */
static void path_changed(struct path *path)
{
    root_changed(path->root);
    path->changes_seen = path->root->changes;
}

/* A failed change leaves the path empty. */
static int settle(struct path *path, int ret)
{
    if (ret < 0)
        path_release(path);
    return ret;
}

/* ---- inserting
 * ----------------------------------------------------------------------------------- */

/* At the path's slot, where the key is not yet; the data is undefined. */
static int insert_at(struct path *path, const struct key *key, uint32_t size, uint8_t **data)
{
    const struct room room = {.bytes = size + (uint32_t)LEAF_ITEM_SIZE, .key = key};

    TRY(leaf_make_room(path, &room));
    *data = leaf_insert(path->nodes[0], path->slots[0], key, size);
    if (path->slots[0] == 0)
        path_fix_low_keys(path, 0);
    path_changed(path);
    return 0;
}

/* -EEXIST: the path stands on it. */
static int insert_path(struct root *root, const struct key *key, uint32_t size, struct path *path,
                       uint8_t **data)
{
    char buf[KEY_TEXT_MAX];

    TRY(check_size(root, key, size));
    int ret = tree_search_cow(root, key, 0, path);
    if (ret < 0)
        return ret;
    if (ret == 0)
        return fail(-EEXIST, "tree %llu: item %s exists", LLU(root->id), key_text(key, buf));
    return settle(path, insert_at(path, key, size, data));
}

int tree_insert_path(struct root *root, const struct key *key, uint32_t size, struct path *path,
                     void **data_out)
{
    uint8_t *data;

    TRY(insert_path(root, key, size, path, &data));
    memset(data, 0, size);
    *data_out = data;
    return 0;
}

/* Whether the nodes of the path show that nothing lies between its item and key. */
static bool fits_behind(const struct path *path, const struct key *key)
{
    unsigned level = 0;

    if (disk_key_cmp(key_at(path->nodes[0], path->slots[0]), key) >= 0)
        return false;
    while (path->slots[level] + 1 >= items_of(path->nodes[level])) {
        if (path_is_top(path, level))
            return true;
        level++;
    }
    return disk_key_cmp(key_at(path->nodes[level], path->slots[level] + 1), key) > 0;
}

int path_insert_behind(struct path *path, const struct key *key, uint32_t size, void **data_out)
{
    uint8_t *data;

    path_check_writable(path);
    if (!fits_behind(path, key))
        return tree_insert_path(path->root, key, size, path, data_out);
    TRY(settle(path, check_size(path->root, key, size)));
    path->slots[0]++;
    TRY(settle(path, insert_at(path, key, size, &data)));
    memset(data, 0, size);
    *data_out = data;
    return 0;
}

static void fill(uint8_t *to, const void *data, uint32_t size)
{
    if (!data)
        memset(to, 0, size);
    else if (size)
        memcpy(to, data, size);
}

int tree_insert(struct root *root, const struct key *key, const void *data, uint32_t size)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint8_t *to;

    TRY(insert_path(root, key, size, &path, &to));
    fill(to, data, size);
    return 0;
}

int tree_upsert(struct root *root, const struct key *key, const void *data, uint32_t size)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint8_t *to;

    TRY(check_size(root, key, size));
    int ret = tree_search_cow(root, key, 0, &path);
    if (ret < 0)
        return ret;
    if (ret == 1) {
        TRY(settle(&path, insert_at(&path, key, size, &to)));
    } else {
        if (path_size(&path) != size)
            TRY(path_resize(&path, size));
        to = path_data_mut(&path);
    }
    fill(to, data, size);
    return 0;
}

/* ---- changing
 * ------------------------------------------------------------------------------------ */

void *path_data_mut(struct path *path)
{
    struct node *leaf = path_check_writable(path);

    return node_bytes_mut(leaf) + NODE_HEADER_SIZE + item_offset(leaf, path->slots[0]);
}

int path_resize(struct path *path, uint32_t size)
{
    uint32_t old_size;
    struct key key;

    path_check_writable(path);
    old_size = path_size(path);
    path_key(path, &key);
    TRY(settle(path, check_size(path->root, &key, size)));
    if (size > old_size) {
        const struct room room = {.bytes = size - old_size};

        TRY(settle(path, leaf_make_room(path, &room)));
    }
    leaf_resize(path->nodes[0], path->slots[0], size);
    path_changed(path);
    return 0;
}

void path_cut_front(struct path *path, uint32_t bytes)
{
    leaf_cut_front(path_check_writable(path), path->slots[0], bytes);
    path_changed(path);
}

void path_set_key(struct path *path, const struct key *key)
{
    struct node *leaf = path_check_writable(path);
    uint32_t slot = path->slots[0];

    INVARIANT(slot == 0 || disk_key_cmp(key_at(leaf, slot - 1), key) < 0,
              "a changed key stays behind the one before");
    INVARIANT(slot + 1 == items_of(leaf) || disk_key_cmp(key_at(leaf, slot + 1), key) > 0,
              "a changed key stays before the next one");
    node_set_key(leaf, slot, key);
    if (slot == 0)
        path_fix_low_keys(path, 0);
    path_changed(path);
}

/* The key of an item that shall stand right behind the path's. */
static void check_behind(const struct path *path, const struct key *new_key)
{
    const struct node *leaf = path->nodes[0];
    uint32_t slot = path->slots[0];

    INVARIANT(disk_key_cmp(key_at(leaf, slot), new_key) < 0, "the new item stands behind");
    INVARIANT(slot + 1 == items_of(leaf) || disk_key_cmp(key_at(leaf, slot + 1), new_key) > 0,
              "the new item stands before the next");
}

int path_split_item(struct path *path, const struct key *new_key, uint32_t at)
{
    const struct room room = {.bytes = (uint32_t)LEAF_ITEM_SIZE};

    path_check_writable(path);
    check_behind(path, new_key);
    INVARIANT(at <= path_size(path), "an item is split inside");
    TRY(settle(path, check_size(path->root, new_key, path_size(path) + LEAF_ITEM_SIZE)));
    TRY(settle(path, leaf_make_room(path, &room)));
    leaf_split_item(path->nodes[0], path->slots[0], new_key, at);
    path->slots[0]++;
    path_changed(path);
    return 0;
}

int path_duplicate_item(struct path *path, const struct key *new_key)
{
    uint32_t size;
    uint8_t *to;

    path_check_writable(path);
    check_behind(path, new_key);
    size = path_size(path);
    AUTO_FREE uint8_t *copy = malloc(MAX(size, 1U));
    if (!copy)
        return settle(path, fail(-ENOMEM, "out of memory"));
    memcpy(copy, path_data(path), size);
    path->slots[0]++;
    TRY(settle(path, insert_at(path, new_key, size, &to)));
    memcpy(to, copy, size);
    return 0;
}
