// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A set of byte ranges [start, start + len), kept disjoint and merged: free space, pinned space,
 * dirty ranges. All operations are O(log n) in the number of ranges they meet.
 *
 * Not locked: the owner's lock protects it. Ranges never wrap past 2^64 (the caller has checked).
 * A length of 0 is the empty range: adding or removing it does nothing, it is contained everywhere
 * and overlaps nothing.
 */
#ifndef COPSE_BASE_RANGESET_H
#define COPSE_BASE_RANGESET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct range {
    uint64_t start;
    uint64_t len;
};

/* What RB_HEAD of <bsd/sys/tree.h> would declare, without making everyone include that. */
struct rangeset_tree {
    struct rangeset_node *rbh_root;
};

struct rangeset {
    struct rangeset_tree tree;
    uint64_t count; /* ranges */
    uint64_t bytes; /* sum of their lengths */
};

void rangeset_init(struct rangeset *set);
void rangeset_clear(struct rangeset *set);
bool rangeset_empty(const struct rangeset *set);

/* Adds the range; what of it is in the set already stays. -ENOMEM: nothing changed. */
int rangeset_add(struct rangeset *set, uint64_t start, uint64_t len) MUST_USE;

/* Takes the range out, as far as it is in. -ENOMEM (a split needs a node): nothing changed. */
int rangeset_remove(struct rangeset *set, uint64_t start, uint64_t len) MUST_USE;

/* Whether all / any of the range is in the set. */
bool rangeset_contains(const struct rangeset *set, uint64_t start, uint64_t len);
bool rangeset_overlaps(const struct rangeset *set, uint64_t start, uint64_t len);

/* How many bytes of the range are in the set. */
uint64_t rangeset_overlap_bytes(const struct rangeset *set, uint64_t start, uint64_t len);

/* The first range that ends after `from` (it may begin before it). False when there is none. */
bool rangeset_next(const struct rangeset *set, uint64_t from, struct range *out);

/* The last range that begins before `before`. False when there is none. */
bool rangeset_prev(const struct rangeset *set, uint64_t before, struct range *out);

/*
 * The first range at or after `from` with at least `len` bytes left from max(start, from) on;
 * *out is that part. O(log n): nodes carry the largest length below them.
 */
bool rangeset_find_fit(const struct rangeset *set, uint64_t from, uint64_t len, struct range *out);

/* The longest range; false when empty. */
bool rangeset_largest(const struct rangeset *set, struct range *out);

/* Moves everything from src into dst, and leaves src empty. Cannot fail: src's nodes are reused. */
int rangeset_move(struct rangeset *dst, struct rangeset *src) MUST_USE;

#endif
