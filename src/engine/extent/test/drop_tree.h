// SPDX-License-Identifier: GPL-2.0-or-later
/* Deleting a whole tree, all at once. */
#ifndef COPSE_ENGINE_EXTENT_TEST_DROP_TREE_H
#define COPSE_ENGINE_EXTENT_TEST_DROP_TREE_H

#include "engine/extent/test/world.h"

static inline void read_block(struct world *world, uint64_t bytenr, int level, struct node **out)
{
    struct node_expect expect = {.bytenr = bytenr, .level = level};

    ok(forest_read_node(world->engine.forest, &expect, out));
}

/*
 * The tree that owns a block goes, others stay: what the block refers to, and what the blocks below
 * it that the tree owns refer to, must be keyed by the blocks from now on.
 */
static inline void hand_over(struct world *world, uint64_t id, uint64_t bytenr, uint8_t level)
{
    struct extents *extents = world->extents;
    struct node *node;
    uint64_t refs, flags;

    ok(extent_block_refs(extents, bytenr, level, &refs, &flags));
    read_block(world, bytenr, level, &node);
    if (node_owner(node) == id && !(flags & BLOCK_FLAG_FULL_BACKREF)) {
        ok(extent_ref_children(extents, id, node, true, true));
        ok(extent_ref_children(extents, id, node, false, false));
        ok(extent_set_full_backref(extents, bytenr, level));
        for (uint32_t slot = 0; level > 0 && slot < node_items(node); slot++)
            hand_over(world, id, node_child(node, slot), level - 1);
    }
    node_put(node);
}

/* Drops one reference of a block and, when it was the last, what the block refers to. */
static inline void drop_below(struct world *world, uint64_t id, uint64_t bytenr, uint8_t level,
                              uint64_t parent)
{
    struct extents *extents = world->extents;
    struct node *node;
    uint64_t refs, flags, generation;

    ok(extent_block_refs(extents, bytenr, level, &refs, &flags));
    read_block(world, bytenr, level, &node);
    generation = node_generation(node);
    if (refs > 1) {
        hand_over(world, id, bytenr, level);
    } else {
        bool full = flags & BLOCK_FLAG_FULL_BACKREF;

        for (uint32_t slot = 0; level > 0 && slot < node_items(node); slot++)
            drop_below(world, id, node_child(node, slot), level - 1, full ? bytenr : 0);
        if (level == 0)
            ok(extent_ref_children(extents, id, node, full, false));
    }
    node_put(node);
    ok(extent_drop_tree_ref(extents, bytenr, level, generation, id, parent));
}

static inline void world_drop_tree(struct world *world, struct root *root)
{
    drop_below(world, root->id, root->bytenr, root->level, 0);
    *root = (struct root){0};
}

#endif
