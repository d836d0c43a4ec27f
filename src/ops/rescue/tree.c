// SPDX-License-Identifier: GPL-2.0-or-later
/* The items of a tree in order, with what is found in place of what is lost. */
#include <stdlib.h>

#include "ops/rescue/internal.h"

struct walk {
    struct rescue *r;
    struct rtree *tree;
    const struct key *lo, *hi; /* what is asked for */
    ritem_fn *fn;
    void *arg;
    unsigned guesses; /* how many blocks above are guesses */
    unsigned depth;   /* how many blocks are above */
};

/* Where a node stands, and the keys it stands for. */
struct stand {
    struct node_expect expect;
    struct key lo, hi;
};

static int walk_block(struct walk *walk, const struct stand *stand);

static bool overlap(const struct walk *walk, const struct key *lo, const struct key *hi)
{
    return key_cmp(lo, hi) <= 0 && key_cmp(hi, walk->lo) >= 0 && key_cmp(lo, walk->hi) <= 0;
}

static int walk_leaf(struct walk *walk, const struct stand *stand, const uint8_t *block)
{
    const disk_node_header *header = (const void *)block;
    const disk_leaf_item *items = (const void *)(block + NODE_HEADER_SIZE);
    uint32_t count = le32_get(header->nritems);

    for (uint32_t i = 0; i < count; i++) {
        struct ritem item = {.block = stand->expect.bytenr,
                             .generation = le64_get(header->generation),
                             .guessed = walk->guesses > 0};
        int ret;

        key_decode(&item.key, &items[i].key);
        if (!overlap(walk, &item.key, &item.key) || key_cmp(&item.key, &stand->lo) < 0 ||
            key_cmp(&item.key, &stand->hi) > 0)
            continue;
        item.data = block + NODE_HEADER_SIZE + le32_get(items[i].offset);
        item.size = le32_get(items[i].size);
        ret = walk->fn(walk->arg, &item);
        if (ret != 0)
            return ret;
    }
    return 0;
}

static int walk_node(struct walk *walk, const struct stand *stand, const uint8_t *block)
{
    const disk_node_header *header = (const void *)block;
    const disk_key_ptr *ptrs = (const void *)(block + NODE_HEADER_SIZE);
    uint32_t count = le32_get(header->nritems);

    for (uint32_t i = 0; i < count; i++) {
        struct stand child = {.hi = stand->hi};
        struct key next;
        int ret;

        child.expect = (struct node_expect){.bytenr = le64_get(ptrs[i].blockptr),
                                            .generation = le64_get(ptrs[i].generation),
                                            .owner = walk->tree->id,
                                            .level = header->level - 1,
                                            .has_first_key = true};
        key_decode(&child.expect.first_key, &ptrs[i].key);
        child.lo = child.expect.first_key;
        if (i + 1 < count) {
            key_decode(&next, &ptrs[i + 1].key);
            next = key_before(next);
            if (key_cmp(&next, &child.hi) < 0)
                child.hi = next;
        }
        if (key_cmp(&child.lo, &stand->lo) < 0)
            child.lo = stand->lo;
        if (!overlap(walk, &child.lo, &child.hi))
            continue;
        ret = walk_block(walk, &child);
        if (ret != 0)
            return ret;
    }
    return 0;
}

static int walk_pieces(struct walk *walk, const struct gap *gap)
{
    const struct piece *pieces;
    size_t count;
    int ret = 0;

    TRY(rescue_fill(walk->r, walk->tree, gap, &pieces, &count));
    walk->guesses++;
    for (size_t i = 0; i < count && ret == 0; i++) {
        const struct found_block *block = pieces[i].block;
        const struct stand stand = {.expect = {.bytenr = block->bytenr,
                                               .generation = block->generation,
                                               .level = block->level},
                                    .lo = pieces[i].lo,
                                    .hi = pieces[i].hi};

        if (overlap(walk, &stand.lo, &stand.hi))
            ret = walk_block(walk, &stand);
    }
    walk->guesses--;
    return ret;
}

static int walk_lost(struct walk *walk, const struct stand *stand)
{
    const struct gap gap = {.bytenr = stand->expect.bytenr,
                            .lo = stand->lo,
                            .hi = stand->hi,
                            .generation_max = stand->expect.generation,
                            .level_max = (uint8_t)stand->expect.level};

    walk->tree->damaged = true;
    walk->tree->leaf_damaged |= stand->expect.level == 0;
    return walk->tree->filled ? walk_pieces(walk, &gap) : 0;
}

/* Each level may be lost, found, and lost again below; more is a circle of damage. */
#define DEPTH_MAX (4 * TREE_LEVELS_MAX)

static int walk_block(struct walk *walk, const struct stand *stand)
{
    struct held *held;
    int ret = rescue_block(walk->r, &stand->expect, &held);

    if (ret == -ENOMEM || walk->depth == DEPTH_MAX) {
        if (ret == 0)
            held_put(held);
        return ret == -ENOMEM ? ret : 0;
    }
    walk->depth++;
    if (ret < 0) {
        ret = walk_lost(walk, stand);
        walk->depth--;
        return ret;
    }
    ret = stand->expect.level > 0 ? walk_node(walk, stand, held_bytes(held))
                                  : walk_leaf(walk, stand, held_bytes(held));
    held_put(held);
    walk->depth--;
    return ret;
}

int rtree_each(struct rescue *r, struct rtree *tree, const struct key *lo, const struct key *hi,
               ritem_fn *fn, void *arg)
{
    struct walk walk = {r, tree, lo, hi, fn, arg, 0, 0};
    const struct stand stand = {.expect = {.bytenr = tree->bytenr,
                                           .generation = tree->generation,
                                           .owner = tree->id,
                                           .level = tree->level},
                                .lo = KEY_FIRST,
                                .hi = KEY_LAST};
    const struct gap all = {
        .lo = KEY_FIRST, .hi = KEY_LAST, .generation_max = UINT64_MAX, .level_max = UINT8_MAX};

    if (tree->rooted)
        return walk_block(&walk, &stand);
    tree->damaged = true;
    return tree->filled ? walk_pieces(&walk, &all) : 0;
}
