// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where in a node a key is. The keys around its pointer in the parent tell about where, which saves
 * steps and lets the processor fetch that part of the block before it is looked at: in a directory
 * of a million names most of what a name costs is waiting for the leaf of its hash.
 */
#include "engine/tree/internal.h"

#define FIRST_STEP 2                 /* from a guess to the next slot that is looked at */
#define FETCHED (6 * LEAF_ITEM_SIZE) /* asked for on either side of a guess */

double child_where(const struct node *parent, uint32_t slot, const struct key *key)
{
    struct key low, high;

    if (slot + 1 >= items_of(parent))
        return ANYWHERE;
    key_decode(&low, key_at(parent, slot));
    key_decode(&high, key_at(parent, slot + 1));
    if (key_cmp(key, &low) <= 0)
        return 0;
    /* Hashes, indexes, numbers of inodes and addresses are spread evenly, or nearly. */
    if (low.objectid < high.objectid)
        return (double)(key->objectid - low.objectid) / (double)(high.objectid - low.objectid);
    if (low.type == high.type && low.offset < high.offset)
        return (double)(key->offset - low.offset) / (double)(high.offset - low.offset);
    return ANYWHERE;
}

void node_fetch_ahead(const struct node *node, double where)
{
    const uint8_t *items = node->data + NODE_HEADER_SIZE;
    size_t eighth = (size_t)(node->leaf_items / 8) * LEAF_ITEM_SIZE;

    __builtin_prefetch(node->data);
    __builtin_prefetch(items);
    if (where < 0) {
        for (unsigned i = 1; eighth && i < 8; i++)
            __builtin_prefetch(items + i * eighth);
        return;
    }
    size_t middle = (size_t)(where * node->leaf_items) * LEAF_ITEM_SIZE;
    for (size_t at = MAX(middle, (size_t)FETCHED) - FETCHED; at <= middle + FETCHED;
         at += CACHE_LINE)
        __builtin_prefetch(items + at);
}

static void fetch(const uint8_t *from, const uint8_t *to)
{
    for (; from < to; from += CACHE_LINE)
        __builtin_prefetch(from);
}

void node_fetch_tail(const struct node *node, uint32_t slot, uint32_t bytes)
{
    const uint8_t *items_end = (const uint8_t *)item_at(node, items_of(node));
    const uint8_t *data = node->data + NODE_HEADER_SIZE + item_offset(node, slot);

    fetch((const uint8_t *)item_at(node, slot), items_end);
    fetch(data - MIN(bytes, (uint32_t)(data - items_end)), data);
}

/* Where the first key that is not less is among: [low, high]. */
struct range {
    const uint8_t *base;
    size_t stride;
    uint32_t low, high;
};

/* Whether the key at `slot` is the one; if not, the range is narrower. */
static bool look(struct range *range, uint32_t slot, const struct key *key)
{
    int cmp = disk_key_cmp((const disk_key *)(range->base + slot * range->stride), key);

    if (cmp < 0)
        range->low = slot + 1;
    else
        range->high = slot;
    return cmp == 0;
}

/* Narrows the range around a guess, in steps that grow, so that a bad one costs little. */
static bool look_around(struct range *range, uint32_t guess, const struct key *key, uint32_t *slot)
{
    uint32_t end = range->high;

    *slot = guess;
    if (look(range, guess, key))
        return true;
    bool up = range->low > guess;
    for (uint32_t step = FIRST_STEP; range->low < range->high; step *= 4) {
        if (up ? guess + step >= end : guess < step)
            return false;
        *slot = guess = up ? guess + step : guess - step;
        if (look(range, guess, key))
            return true;
        if (up ? range->high == guess : range->low > guess)
            return false;
    }
    return false;
}

uint32_t node_search(const struct node *node, const struct key *key, double where, bool *found)
{
    uint32_t items = items_of(node), slot;
    struct range range = {
        .base = node->data + NODE_HEADER_SIZE,
        .stride = level_of(node) ? KEY_PTR_SIZE : LEAF_ITEM_SIZE,
        .high = items,
    };

    *found = items && where >= 0 &&
             look_around(&range, MIN((uint32_t)(where * items), items - 1), key, &slot);
    while (!*found && range.low < range.high) {
        slot = range.low + (range.high - range.low) / 2;
        *found = look(&range, slot, key);
    }
    return *found ? slot : range.low;
}
