// SPDX-License-Identifier: GPL-2.0-or-later
/* Every block of every tree, on every mirror. */
#include "tests/model/verify_internal.h"

#include "base/cleanup.h"

struct place {
    uint64_t tree;
    const struct node *parent; /* NULL: the root node */
    struct node_expect expect;
    struct key end; /* all keys are below */
    bool fresh;
    const struct root_item *dead; /* of a tree being deleted, on the path where that stands */
};

/* Both copies are the same: a mirror that was forgotten would be found on the day it is needed. */
static void compare_mirrors(struct verify *v, uint64_t addr, uint64_t len)
{
    unsigned mirrors = vol_mirrors(v->vol, laddr_of(addr));
    AUTO_FREE uint8_t *first = must_alloc(len);
    AUTO_FREE uint8_t *other = must_alloc(len);

    if (mirrors < 2 || vol_read(v->vol, laddr_of(addr), first, len, 0) < 0)
        return;
    for (unsigned i = 1; i < mirrors; i++)
        if (vol_read(v->vol, laddr_of(addr), other, len, i) < 0 || memcmp(first, other, len) != 0)
            bad(v, "tree block %llu: mirror %u differs", LLU(addr), i);
}

static void check_block(struct verify *v, const struct place *place, const struct node *node)
{
    const struct v_extent *extent = extent_at(v, node_bytenr(node));
    uint32_t items = node_items(node);
    struct key last;

    if (!extent)
        bad(v, "tree %llu block %llu: has no extent item", LLU(place->tree),
            LLU(node_bytenr(node)));
    else if (!(extent->flags & EXTENT_FLAG_TREE_BLOCK) || extent->level != node_level(node))
        bad(v, "tree %llu block %llu: the extent item is of something else", LLU(place->tree),
            LLU(node_bytenr(node)));
    else if (extent->generation != node_generation(node))
        bad(v, "tree %llu block %llu: generation %llu, %llu in the extent item", LLU(place->tree),
            LLU(node_bytenr(node)), LLU(node_generation(node)), LLU(extent->generation));
    if (items == 0 && place->parent)
        bad(v, "tree %llu block %llu is empty", LLU(place->tree), LLU(node_bytenr(node)));
    if (items == 0)
        return;
    node_key(node, items - 1, &last);
    if (key_cmp(&last, &place->end) >= 0)
        bad(v, "tree %llu block %llu: keys beyond the next block's", LLU(place->tree),
            LLU(node_bytenr(node)));
}

static void visit_items(struct verify *v, const struct place *place, const struct node *leaf)
{
    for (uint32_t i = 0; i < node_items(leaf); i++) {
        struct item_view item = {
            .tree = place->tree,
            .leaf = leaf,
            .fresh = place->fresh,
            .data = leaf_data(leaf, i),
            .size = leaf_size(leaf, i),
        };

        node_key(leaf, i, &item.key);
        if (v->files)
            files_item(v, &item);
        else if (place->tree == TREE_CSUM)
            csums_item(v, &item);
        else
            space_item(v, &item);
    }
}

static void walk(struct verify *v, const struct place *place);

/* The child where the deletion of the tree stands; those before it are gone. */
static uint32_t first_left(const struct place *place, const struct node *node)
{
    uint32_t slot = 0;
    struct key next;

    if (!place->dead)
        return 0;
    for (; slot + 1 < node_items(node); slot++) {
        node_key(node, slot + 1, &next);
        if (key_cmp(&next, &place->dead->drop_progress) > 0)
            break;
    }
    return slot;
}

static void visit_children(struct verify *v, const struct place *place, const struct node *node)
{
    uint32_t first = first_left(place, node);

    for (uint32_t i = first; i < node_items(node); i++) {
        struct place child = {
            .tree = place->tree,
            .parent = node,
            .expect = {.bytenr = node_child(node, i),
                       .generation = node_child_generation(node, i),
                       .level = node_level(node) - 1,
                       .has_first_key = true},
            .end = place->end,
            .fresh = place->fresh,
        };

        if (place->dead && i == first && node_level(node) > place->dead->drop_level)
            child.dead = place->dead;
        node_key(node, i, &child.expect.first_key);
        if (i + 1 < node_items(node))
            node_key(node, i + 1, &child.end);
        if (place->fresh)
            refs_meet_block(v, place->tree, node, child.expect.bytenr);
        walk(v, &child);
    }
}

static void walk(struct verify *v, const struct place *place)
{
    struct place here = *place;
    struct node *node;

    if (forest_read_node(v->forest, &place->expect, &node) < 0) {
        bad(v, "tree %llu: %s", LLU(place->tree), fail_message());
        return;
    }
    v->tree_bytes += v->super->nodesize;
    /* What a snapshot shares counts once, and its files for each. */
    here.fresh =
        place->fresh && !rangeset_contains(&v->reached, node_bytenr(node), v->super->nodesize);
    if (here.fresh) {
        if (rangeset_overlaps(&v->reached, node_bytenr(node), v->super->nodesize) ||
            rangeset_add(&v->reached, node_bytenr(node), v->super->nodesize) < 0)
            bad(v, "tree block %llu overlaps another", LLU(node_bytenr(node)));
        check_block(v, &here, node);
        compare_mirrors(v, node_bytenr(node), v->super->nodesize);
    }
    if (node_level(node) > 0)
        visit_children(v, &here, node);
    else
        visit_items(v, &here, node);
    node_put(node);
}

void walk_dead_tree(struct verify *v, uint64_t id, const struct root_item *item)
{
    const struct place place = {
        .tree = id,
        .expect = {.bytenr = item->bytenr, .generation = item->generation, .level = item->level},
        .end = KEY_LAST,
        .fresh = true,
        .dead = item->drop_level > 0 ? item : NULL,
    };

    refs_meet_block(v, id, NULL, item->bytenr);
    walk(v, &place);
}

void walk_tree(struct verify *v, uint64_t id, uint64_t bytenr, int level, uint64_t generation)
{
    const struct place place = {
        .tree = id,
        .expect = {.bytenr = bytenr, .generation = generation, .level = level},
        .end = KEY_LAST,
        .fresh = true,
    };

    v->tree_bytes = 0;
    refs_meet_block(v, id, NULL, bytenr);
    walk(v, &place);
}
