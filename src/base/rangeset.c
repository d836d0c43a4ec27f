// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A red-black tree of disjoint ranges that never touch, ordered by start. Each node knows the
 * longest range at or below it. Ends are kept as the last byte, so that a range may reach 2^64.
 */
#include "base/rangeset.h"

#include <stdlib.h>

#include "base/bits.h"

struct rangeset_node;
static void node_refresh(struct rangeset_node *node);
#define RB_AUGMENT(node) node_refresh(node)
#include "base/rbtree.h"

struct rangeset_node {
    RB_ENTRY(rangeset_node) link;
    uint64_t start;
    uint64_t len;
    uint64_t longest; /* length of the longest range in this subtree */
};

static int node_compare(const struct rangeset_node *a, const struct rangeset_node *b)
{
    return a->start < b->start ? -1 : a->start > b->start;
}

RB_GENERATE_LOCAL(rangeset_tree, rangeset_node, link, node_compare)

static void node_refresh(struct rangeset_node *node)
{
    const struct rangeset_node *left = RB_LEFT(node, link), *right = RB_RIGHT(node, link);

    node->longest = node->len;
    if (left && left->longest > node->longest)
        node->longest = left->longest;
    if (right && right->longest > node->longest)
        node->longest = right->longest;
}

static void refresh_upwards(struct rangeset_node *node)
{
    for (; node; node = RB_PARENT(node, link))
        node_refresh(node);
}

static uint64_t last_of(uint64_t start, uint64_t len)
{
    INVARIANT(start + (len - 1) >= start, "a range does not wrap");
    return start + (len - 1);
}

static uint64_t node_last(const struct rangeset_node *node)
{
    return node->start + (node->len - 1);
}

static void node_link(struct rangeset *set, struct rangeset_node *node, uint64_t start,
                      uint64_t last)
{
    node->start = start;
    node->len = last - start + 1;
    node->longest = node->len;
    RB_INSERT(rangeset_tree, &set->tree, node);
    refresh_upwards(node);
    set->count++;
    set->bytes += node->len;
}

static void node_unlink(struct rangeset *set, struct rangeset_node *node)
{
    bool inner = RB_LEFT(node, link) && RB_RIGHT(node, link);
    struct rangeset_node *parent = RB_PARENT(node, link);

    RB_REMOVE(rangeset_tree, &set->tree, node);
    if (!inner) /* with two children RB_REMOVE itself refreshes all the way up */
        refresh_upwards(parent);
    set->count--;
    set->bytes -= node->len;
}

/* Changes a linked node; the caller knows that its place in the order stays. */
static void node_resize(struct rangeset *set, struct rangeset_node *node, uint64_t start,
                        uint64_t last)
{
    set->bytes -= node->len;
    node->start = start;
    node->len = last - start + 1;
    set->bytes += node->len;
    refresh_upwards(node);
}

/* The first node whose last byte is at or after pos. */
static struct rangeset_node *first_reaching(const struct rangeset *set, uint64_t pos)
{
    struct rangeset_node *best = NULL;

    for (struct rangeset_node *node = set->tree.rbh_root; node;) {
        if (node_last(node) >= pos) {
            best = node;
            node = RB_LEFT(node, link);
        } else {
            node = RB_RIGHT(node, link);
        }
    }
    return best;
}

void rangeset_init(struct rangeset *set)
{
    *set = (struct rangeset){0};
}

void rangeset_clear(struct rangeset *set)
{
    struct rangeset_node *node = set->tree.rbh_root;

    while (node) { /* leaves first, without rebalancing */
        struct rangeset_node *parent = RB_PARENT(node, link);

        if (RB_LEFT(node, link)) {
            node = RB_LEFT(node, link);
        } else if (RB_RIGHT(node, link)) {
            node = RB_RIGHT(node, link);
        } else {
            if (parent && RB_LEFT(parent, link) == node)
                RB_LEFT(parent, link) = NULL;
            else if (parent)
                RB_RIGHT(parent, link) = NULL;
            free(node);
            node = parent;
        }
    }
    rangeset_init(set);
}

bool rangeset_empty(const struct rangeset *set)
{
    return set->count == 0;
}

/*
 * Makes `node` (which reaches at least to start - 1) cover [start, last] too, swallowing what
 * comes after it as far as it touches.
 */
static void grow_over(struct rangeset *set, struct rangeset_node *node, uint64_t start,
                      uint64_t last)
{
    uint64_t new_start = MIN(node->start, start);
    uint64_t new_last = MAX(node_last(node), last);
    struct rangeset_node *next;

    while ((next = RB_NEXT(rangeset_tree, &set->tree, node)) != NULL) {
        if (next->start > new_last && next->start - new_last > 1)
            break;
        new_last = MAX(new_last, node_last(next));
        node_unlink(set, next);
        free(next);
    }
    node_resize(set, node, new_start, new_last);
}

/* The first node that [start, last] overlaps or touches. */
static struct rangeset_node *first_touching(const struct rangeset *set, uint64_t start,
                                            uint64_t last)
{
    struct rangeset_node *node = first_reaching(set, start ? start - 1 : 0);

    if (!node || (node->start > last && node->start - last > 1))
        return NULL;
    return node;
}

int rangeset_add(struct rangeset *set, uint64_t start, uint64_t len)
{
    if (len == 0)
        return 0;

    uint64_t last = last_of(start, len);
    struct rangeset_node *node = first_touching(set, start, last);
    if (node) {
        grow_over(set, node, start, last);
        return 0;
    }
    node = calloc(1, sizeof(*node));
    if (!node)
        return fail(-ENOMEM, "out of memory for a range");
    node_link(set, node, start, last);
    return 0;
}

int rangeset_remove(struct rangeset *set, uint64_t start, uint64_t len)
{
    if (len == 0)
        return 0;

    uint64_t last = last_of(start, len);
    struct rangeset_node *node = first_reaching(set, start);
    if (node && node->start < start) {
        uint64_t old_last = node_last(node);
        struct rangeset_node *tail = NULL;

        if (old_last > last) {
            tail = calloc(1, sizeof(*tail));
            if (!tail)
                return fail(-ENOMEM, "out of memory for a range");
        }
        node_resize(set, node, node->start, start - 1);
        if (tail)
            node_link(set, tail, last + 1, old_last);
        node = RB_NEXT(rangeset_tree, &set->tree, node);
    }
    while (node && node->start <= last) {
        struct rangeset_node *next = RB_NEXT(rangeset_tree, &set->tree, node);

        if (node_last(node) > last) {
            node_resize(set, node, last + 1, node_last(node));
            break;
        }
        node_unlink(set, node);
        free(node);
        node = next;
    }
    return 0;
}

bool rangeset_contains(const struct rangeset *set, uint64_t start, uint64_t len)
{
    if (len == 0)
        return true;

    const struct rangeset_node *node = first_reaching(set, start);
    return node && node->start <= start && node_last(node) >= last_of(start, len);
}

bool rangeset_overlaps(const struct rangeset *set, uint64_t start, uint64_t len)
{
    if (len == 0)
        return false;

    const struct rangeset_node *node = first_reaching(set, start);
    return node && node->start <= last_of(start, len);
}

uint64_t rangeset_overlap_bytes(const struct rangeset *set, uint64_t start, uint64_t len)
{
    if (len == 0)
        return 0;

    uint64_t last = last_of(start, len), bytes = 0;
    struct rangeset_node *node = first_reaching(set, start);
    for (; node && node->start <= last; node = RB_NEXT(rangeset_tree, &set->tree, node))
        bytes += MIN(node_last(node), last) - MAX(node->start, start) + 1;
    return bytes;
}

static bool give(const struct rangeset_node *node, struct range *out)
{
    if (!node)
        return false;
    *out = (struct range){.start = node->start, .len = node->len};
    return true;
}

bool rangeset_next(const struct rangeset *set, uint64_t from, struct range *out)
{
    return give(first_reaching(set, from), out);
}

bool rangeset_prev(const struct rangeset *set, uint64_t before, struct range *out)
{
    const struct rangeset_node *best = NULL;

    for (const struct rangeset_node *node = set->tree.rbh_root; node;) {
        if (node->start < before) {
            best = node;
            node = RB_RIGHT(node, link);
        } else {
            node = RB_LEFT(node, link);
        }
    }
    return give(best, out);
}

/*
 * The first node of the subtree that starts at or after `from` and is long enough. O(log n): a
 * left subtree can disappoint only on the path to `from`; beyond it `longest` tells the truth.
 */
static const struct rangeset_node *first_fit(const struct rangeset_node *node, uint64_t from,
                                             uint64_t len)
{
    while (node && node->longest >= len) {
        if (node->start >= from) {
            const struct rangeset_node *found = first_fit(RB_LEFT(node, link), from, len);
            if (found)
                return found;
            if (node->len >= len)
                return node;
        }
        node = RB_RIGHT(node, link);
    }
    return NULL;
}

bool rangeset_find_fit(const struct rangeset *set, uint64_t from, uint64_t len, struct range *out)
{
    const struct rangeset_node *node = first_reaching(set, from);

    if (!node)
        return false;
    if (node->start < from && node_last(node) - from >= len - 1 && len > 0) {
        *out = (struct range){.start = from, .len = node_last(node) - from + 1};
        return true;
    }
    return give(first_fit(set->tree.rbh_root, from, len), out);
}

bool rangeset_largest(const struct rangeset *set, struct range *out)
{
    const struct rangeset_node *root = set->tree.rbh_root;

    return give(root ? first_fit(root, 0, root->longest) : NULL, out);
}

int rangeset_move(struct rangeset *dst, struct rangeset *src)
{
    struct rangeset_node *node;

    INVARIANT(dst != src, "a set is not moved into itself");
    while ((node = src->tree.rbh_root) != NULL) {
        uint64_t start = node->start, last = node_last(node);
        struct rangeset_node *there = first_touching(dst, start, last);

        node_unlink(src, node);
        if (there) {
            grow_over(dst, there, start, last);
            free(node);
        } else {
            node_link(dst, node, start, last);
        }
    }
    return 0;
}
