// SPDX-License-Identifier: GPL-2.0-or-later
/* From a key to a position. */
#include "engine/tree/internal.h"

/* Where to go on from an internal node: the last child that begins at or before the key. */
static uint32_t child_slot(const struct node *node, const struct key *key, double where)
{
    bool found;
    uint32_t slot = node_search(node, key, where, &found);

    return found || slot == 0 ? slot : slot - 1;
}

static int stand_in_leaf(struct path *path, const struct key *key, double where)
{
    bool found;

    path->slots[0] = node_search(path->nodes[0], key, where, &found);
    path->changes_seen = path->root->changes;
    return found ? 0 : 1;
}

int tree_search(struct root *root, const struct key *key, struct path *path)
{
    double where = ANYWHERE;
    struct node *node;

    path_release(path);
    if (root->bytenr == 0)
        return 1;
    TRY(root_node_get(root, &node));
    path->root = root;
    for (unsigned level = level_of(node);; level--) {
        path->nodes[level] = node;
        if (level == 0)
            return stand_in_leaf(path, key, where);
        path->slots[level] = child_slot(node, key, where);
        where = child_where(node, path->slots[level], key);
        int ret = child_get(root, node, path->slots[level], where, &node);
        if (ret < 0) {
            path_release(path);
            return ret;
        }
    }
}

int tree_search_ge(struct root *root, const struct key *key, struct path *path)
{
    int ret = tree_search(root, key, path);

    if (ret != 1 || path_valid(path))
        return ret < 0 ? ret : 0;
    return path_next(path);
}

int tree_search_le(struct root *root, const struct key *key, struct path *path)
{
    int ret = tree_search(root, key, path);

    return ret == 1 ? path_prev(path) : ret;
}

/* The root node and then each child, made ours before it is searched. */
static int descend_cow(struct root *root, const struct key *key, struct path *path)
{
    double where = ANYWHERE;
    struct node *node;

    TRY(root_node_get(root, &node));
    unsigned level = level_of(node);
    path->nodes[level] = node;
    TRY(node_cow(root, NULL, 0, &path->nodes[level]));
    for (; level > 0; level--) {
        struct node *parent = path->nodes[level];
        uint32_t slot = path->slots[level] = child_slot(parent, key, where);

        where = child_where(parent, slot, key);
        TRY(child_get(root, parent, slot, where, &path->nodes[level - 1]));
        TRY(node_cow(root, parent, slot, &path->nodes[level - 1]));
    }
    return stand_in_leaf(path, key, where);
}

/* Room for `bytes` more beside the item, where a leaf can hold both. */
static int room_beside(struct path *path, uint32_t bytes)
{
    const struct room room = {.bytes = bytes};

    if (path_size(path) + bytes > item_data_max(path->root->forest->nodesize))
        return 0;
    return leaf_make_room(path, &room);
}

int tree_search_cow(struct root *root, const struct key *key, int ins_len, struct path *path)
{
    path_release(path);
    TRY(forest_may_change(root->forest));
    if (root->bytenr == 0)
        return fail(-EINVAL, "tree %llu has no root node", LLU(root->id));
    TRY(write_early(root->forest));
    path->root = root;
    int ret = descend_cow(root, key, path);
    if (ret == 0 && ins_len > 0)
        ret = room_beside(path, (uint32_t)ins_len + (uint32_t)LEAF_ITEM_SIZE);
    if (ret < 0)
        path_release(path);
    return ret;
}
