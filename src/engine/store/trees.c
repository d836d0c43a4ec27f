// SPDX-License-Identifier: GPL-2.0-or-later
/* Trees as they are, and as the last durable commit has them. */
#include "engine/store/internal.h"

static int now(struct store *store, uint64_t id, struct root *out)
{
    struct tree_handle *tree;

    TRY(roots_get(store->roots, id, &tree));
    if (tree->item.refs == 0)
        return fail(-ENOENT, "tree %llu: being deleted", (unsigned long long)id);
    *out = tree->root;
    return 0;
}

/* The blocks of the last commit stay as they are until the next one is durable. */
static int durable_tree(struct store *store, uint64_t id, struct root *out)
{
    struct engine *e = &store->engine;
    const struct super *super = vol_super(e->vol);
    struct root_item item;
    struct root root_tree;

    engine_root_set(e, &root_tree, TREE_ROOT, super->root, super->generation, super->root_level);
    TRY(roots_item_in(&root_tree, id, &item));
    if (is_fs_tree(id) && item.refs == 0)
        return fail(-ENOENT, "tree %llu: being deleted", (unsigned long long)id);
    engine_root_set(e, out, id, item.bytenr, item.generation, item.level);
    out->last_snapshot = item.last_snapshot;
    return 0;
}

static int find(void *arg, uint64_t id, bool durable, struct root *out)
{
    return durable ? durable_tree(arg, id, out) : now(arg, id, out);
}

static int open_tree(void *arg, uint64_t id, struct root **out)
{
    struct store *store = arg;
    struct tree_handle *tree;

    TRY(roots_get(store->roots, id, &tree));
    if (tree->item.refs == 0)
        return fail(-ENOENT, "tree %llu: being deleted", (unsigned long long)id);
    if (tree_is_sent(tree))
        return fail(-EBUSY, "tree %llu: being sent", (unsigned long long)id);
    *out = &tree->root;
    return 0;
}

const struct extent_trees store_trees = {.find = find, .open = open_tree};
