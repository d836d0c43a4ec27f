// SPDX-License-Identifier: GPL-2.0-or-later
/* Root nodes: the first one of a tree, a snapshot's, and the tree's record of which it is. */
#include "engine/tree/internal.h"

static void mark_dirty(struct root *root)
{
    if (root->dirty)
        return;
    root->dirty = true;
    if (root->on_dirty)
        root->on_dirty(root);
}

void root_count(struct root *root, int nodes)
{
    root->nodes_added += nodes;
    mark_dirty(root);
}

void root_set_node(struct root *root, const struct node *node)
{
    root->bytenr = node->bytenr;
    root->generation = generation_of(node);
    root->level = level_of(node);
    root_changed(root);
    mark_dirty(root);
}

int root_create(struct root *root)
{
    const struct key none = {0};
    struct node *node;

    INVARIANT(root->bytenr == 0, "a tree gets its first root node once");
    TRY(forest_may_change(root->forest));
    TRY(block_new(root, 0, &none, 0, &node));
    root_set_node(root, node);
    node_put(node);
    root->nodes_added = 0; /* an item is born with one */
    return 0;
}

/* A block for the copy, filled, with references of its own. */
static int copy_node(struct root *copy, const struct node *from, struct node **out)
{
    struct forest *forest = copy->forest;
    struct key first_key = {0};
    struct node *node;

    if (items_of(from))
        key_decode(&first_key, key_at(from, 0));
    TRY(block_new(copy, level_of(from), &first_key, from->bytenr, &node));
    node_copy_body(node, from);
    if (copy->id == TREE_RELOC)
        node_set_flag(node, HEADER_FLAG_RELOC, true);
    int ret = forest->backing->share_children(forest->backing_ctx, copy, node);
    if (ret < 0) {
        block_undo(copy, node);
        return ret;
    }
    *out = node;
    return 0;
}

int tree_copy_root(struct root *src, uint64_t new_id, struct root *out)
{
    struct forest *forest = src->forest;
    struct root copy = {.forest = forest, .id = new_id, .shareable = src->shareable};
    struct node *from, *node;

    TRY(forest_may_change(forest));
    TRY(root_node_get(src, &from));
    /* Before the copy is made: its root node is not shared. */
    forest->epoch++;
    int ret = copy_node(&copy, from, &node);
    node_put(from);
    if (ret < 0)
        return ret;
    root_set_node(&copy, node);
    node_put(node);
    copy.last_snapshot = src->last_snapshot = forest->generation;
    copy.nodes_added = src->nodes_added; /* as many as src has, whose item it begins with */
    root_changed(src);
    mark_dirty(src);
    *out = copy;
    return 0;
}
