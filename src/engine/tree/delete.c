// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Removing items, and keeping nodes from becoming small.
 *
 * A leaf less than a third full, or an internal node less than a quarter, takes over a neighbour
 * whole, if both together are at most three quarters full. The neighbour needs not be ours, only
 * private: its block is freed, no new one is needed, so deleting works on a full file system.
 */
#include "engine/tree/internal.h"

/* ---- merging
 * ------------------------------------------------------------------------------------- */

/* In bytes for leaves, in pointers for internal nodes. */
static uint32_t fill_of(const struct node *node)
{
    return level_of(node) ? items_of(node) : leaf_used(node);
}

static uint32_t capacity_of(const struct node *node)
{
    uint32_t nodesize = node->forest->nodesize;

    return level_of(node) ? node_capacity(nodesize) : leaf_capacity(nodesize);
}

static bool is_small(const struct node *node)
{
    return fill_of(node) < capacity_of(node) / (level_of(node) ? 4 : 3);
}

static bool in_order(const struct node *left, const struct node *right)
{
    struct key key;

    key_decode(&key, key_at(right, 0));
    return disk_key_cmp(key_at(left, items_of(left) - 1), &key) < 0;
}

static bool can_merge(const struct root *root, const struct node *node, const struct node *sibling,
                      bool left)
{
    if (fill_of(node) + fill_of(sibling) > capacity_of(node) / 4 * 3)
        return false;
    /* Neighbours of a damaged tree may overlap; they are left apart. */
    if (!(left ? in_order(sibling, node) : in_order(node, sibling)))
        return false;
    return node_is_private(root, sibling);
}

/* The node at `level` of the path takes over its neighbour; false: it does not. */
static bool merge(struct path *path, unsigned level, bool left)
{
    struct node *node = path->nodes[level], *parent = path->nodes[level + 1], *sibling;
    uint32_t slot = path->slots[level + 1];
    uint32_t sibling_slot = left ? slot - 1 : slot + 1;

    if (left ? slot == 0 : slot + 1 >= items_of(parent))
        return false;
    if (child_get(path->root, parent, sibling_slot, ANYWHERE, &sibling) < 0)
        return false;
    /* block_free lets go of the block, not of the memory: this hold keeps it. */
    node_get(sibling);
    if (!can_merge(path->root, node, sibling, left) || block_free(path->root, sibling) < 0) {
        node_put(sibling);
        node_put(sibling);
        return false;
    }
    node_copy_entries(node, left ? 0 : items_of(node), sibling, 0, items_of(sibling));
    node_remove_ptrs(parent, sibling_slot, 1);
    if (left) {
        path->slots[level] += items_of(sibling);
        path->slots[level + 1]--;
        path_fix_low_keys(path, level);
    }
    node_put(sibling);
    return true;
}

/* A root node with one child gives its place to the child. */
static int lower_root(struct root *root, struct node *top)
{
    struct node *child;

    TRY(child_get(root, top, 0, ANYWHERE, &child));
    int ret = node_cow(root, top, 0, &child);
    if (ret == 0) {
        node_get(top);
        ret = block_free(root, top);
        if (ret < 0)
            node_put(top);
    }
    if (ret == 0)
        root_set_node(root, child);
    node_put(child);
    return ret;
}

void path_balance(struct path *path, unsigned level)
{
    struct root *root = path->root;

    for (; !path_is_top(path, level); level++)
        if (!is_small(path->nodes[level]) ||
            !(merge(path, level, true) || merge(path, level, false)))
            break;
    path_release(path);
    while (root->level > 0) {
        struct node *top;

        if (root_node_get(root, &top) < 0)
            return;
        bool lowered = items_of(top) == 1 && node_is_ours(root, top) && lower_root(root, top) == 0;
        node_put(top);
        if (!lowered)
            return;
    }
}

/* ---- removing
 * ------------------------------------------------------------------------------------ */

/* The highest level up to which the nodes of the path have this one child. */
static unsigned only_child_levels(const struct path *path)
{
    unsigned level = 0;

    while (!path_is_top(path, level) && items_of(path->nodes[level + 1]) == 1)
        level++;
    return level;
}

/*
 * Frees the nodes of the path at levels [from, to]. Once the first is freed there is no way back:
 * what then fails is an error of the forest.
 */
static int free_levels(struct path *path, unsigned from, unsigned to)
{
    for (unsigned level = from; level <= to; level++) {
        int ret = block_free(path->root, path->nodes[level]);

        if (ret < 0 && level == from)
            return ret;
        if (ret < 0) {
            path->root->forest->error = ret;
            node_put(path->nodes[level]);
        }
        path->nodes[level] = NULL;
    }
    return 0;
}

/* Every item is deleted, the tree's last: the leaf stays as its root node. */
static int keep_leaf_as_root(struct path *path, unsigned top)
{
    struct node *leaf = path->nodes[0];

    TRY(free_levels(path, 1, top));
    leaf_remove(leaf, 0, items_of(leaf));
    root_set_node(path->root, leaf);
    return 0;
}

/* Every item of the leaf is deleted: it goes, and with it the nodes that have only it below. */
static int remove_leaf(struct path *path)
{
    unsigned top = only_child_levels(path);

    if (path_is_top(path, top))
        return keep_leaf_as_root(path, top);
    TRY(free_levels(path, 0, top));
    node_remove_ptrs(path->nodes[top + 1], path->slots[top + 1], 1);
    root_changed(path->root);
    if (path->slots[top + 1] == 0)
        path_fix_low_keys(path, top + 1);
    path_balance(path, top + 1);
    return 0;
}

static void remove_items(struct path *path, uint32_t count)
{
    leaf_remove(path->nodes[0], path->slots[0], count);
    root_changed(path->root);
    if (path->slots[0] == 0 && items_of(path->nodes[0]))
        path_fix_low_keys(path, 0);
    path_balance(path, 0);
}

int path_delete(struct path *path, uint32_t count)
{
    struct node *leaf = path_check_writable(path);
    int ret = 0;

    INVARIANT(count > 0 && path->slots[0] + count <= items_of(leaf), "what is deleted is there");
    if (count == items_of(leaf) && !path_is_top(path, 0))
        ret = remove_leaf(path);
    else
        remove_items(path, count);
    path_release(path);
    return ret;
}

int tree_delete(struct root *root, const struct key *key)
{
    AUTO_PATH struct path path = PATH_INIT;
    char buf[KEY_TEXT_MAX];
    int ret = tree_search_cow(root, key, -1, &path);

    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-ENOENT, "tree %llu: no item %s", LLU(root->id), key_text(key, buf));
    return path_delete(&path, 1);
}
