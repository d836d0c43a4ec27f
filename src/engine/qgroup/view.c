// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Views: the trees as they are now, and as the last durable commit left them. Nothing that commit
 * reaches is overwritten before the next one is durable (I5), so its trees can be read beside those
 * of the running transaction.
 */
#include "engine/qgroup/internal.h"

static int open_durable(struct qgroups *q, struct view *view)
{
    const struct super *super = vol_super(q->engine->vol);
    struct root_item item;

    engine_root_set(q->engine, &view->root_tree, TREE_ROOT, super->root, super->generation,
                    super->root_level);
    int ret = roots_item_in(&view->root_tree, TREE_EXTENT, &item);
    if (ret < 0)
        return ret == -ENOENT ? fail(-EUCLEAN, "the last commit has no extent tree") : ret;
    engine_root_set(q->engine, &view->extent_tree, TREE_EXTENT, item.bytenr, item.generation,
                    item.level);
    return 0;
}

int view_open(struct qgroups *q, bool durable, struct view *out)
{
    struct view view = {.q = q, .durable = durable};

    if (durable) {
        TRY(open_durable(q, &view));
    } else {
        view.root_tree = q->engine->root_tree;
        view.extent_tree = q->engine->extent_tree;
    }
    *out = view;
    return 0;
}

static int load_durable(struct view *view, struct view_tree *tree)
{
    struct root_item item;
    int ret = roots_item_in(&view->root_tree, tree->id, &item);

    if (ret == -ENOENT) {
        fail_clear();
        tree->missing = true;
        return 0;
    }
    TRY(ret);
    engine_root_set(view->q->engine, &tree->root, tree->id, item.bytenr, item.generation,
                    item.level);
    tree->last_snapshot = item.last_snapshot;
    tree->deleting = item.refs == 0;
    tree->progress = item.drop_progress;
    return 0;
}

static int load_running(struct view *view, struct view_tree *tree)
{
    struct tree_handle *handle;
    int ret = roots_get(view->q->roots, tree->id, &handle);

    if (ret == -ENOENT) {
        fail_clear();
        tree->missing = true;
        return 0;
    }
    TRY(ret);
    tree->root = handle->root;
    tree->last_snapshot = handle->root.last_snapshot;
    tree->deleting = handle->item.refs == 0;
    tree->progress = handle->item.drop_progress;
    return 0;
}

int view_tree(struct view *view, uint64_t id, const struct view_tree **out)
{
    struct view_tree *tree;

    HASH_FIND(hh, view->trees, &id, sizeof(id), tree);
    if (!tree) {
        tree = calloc(1, sizeof(*tree));
        if (!tree)
            return fail(-ENOMEM, "quota groups: out of memory");
        tree->id = id;
        int ret = view->durable ? load_durable(view, tree) : load_running(view, tree);
        if (ret < 0) {
            free(tree);
            return ret;
        }
        HASH_ADD(hh, view->trees, id, sizeof(tree->id), tree);
        if (!HASH_ADDED(tree)) {
            free(tree);
            return fail(-ENOMEM, "quota groups: out of memory");
        }
    }
    *out = tree;
    return 0;
}
