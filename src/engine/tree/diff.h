// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * diff: the items in which two trees differ, in order of key. What the trees share, node by node,
 * is not read.
 */
#ifndef COPSE_ENGINE_TREE_DIFF_H
#define COPSE_ENGINE_TREE_DIFF_H

#include "engine/tree/tree.h"

/* A position: an item of a leaf, or a child of an internal node that was not entered yet. */
struct diff_cursor {
    struct node *nodes[TREE_LEVELS_MAX];
    uint32_t slots[TREE_LEVELS_MAX];
    int level, top; /* level < 0: at the end */
    struct forest *forest;
    uint64_t owner;
};

struct diff {
    struct diff_cursor old_side, new_side;
    bool advance_old, advance_new; /* before the next answer: that item was handed out */
};

struct diff_item {
    struct key key;
    bool in_old, in_new; /* in both: with different data */
};

/* old NULL: an empty tree. The metadata lock is held, shared, in all of these. */
int diff_open(struct diff *diff, struct root *old_tree, struct root *new_tree) MUST_USE;
void diff_close(struct diff *diff);
/* 1: no more. */
int diff_next(struct diff *diff, struct diff_item *out) MUST_USE;
/* Goes on at the first difference whose key is at least `key`, which is not behind the last one. */
int diff_skip_to(struct diff *diff, const struct key *key) MUST_USE;

#endif
