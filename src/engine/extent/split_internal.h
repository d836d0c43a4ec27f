// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_ENGINE_EXTENT_SPLIT_INTERNAL_H
#define COPSE_ENGINE_EXTENT_SPLIT_INTERNAL_H

#include "engine/extent/sharing_internal.h"
#include "engine/extent/split.h"

/* A file extent item of the extent. */
struct split_item {
    uint64_t root, objectid;
    uint64_t pos;         /* in the file */
    uint64_t offset, len; /* in the extent */
    uint64_t leaf;        /* not 0: counted for this leaf, which must become the tree's own first */
};

struct split_plan {
    struct extents *extents;
    struct extent_id id;
    struct ref_list refs;
    struct split_item *items; /* by offset */
    size_t count, capacity;
    struct rangeset live; /* what they map, relative to the extent: the pieces */
    unsigned leaves;      /* of such items */
    /* While looking. */
    uint64_t checked_leaf;  /* nobody shares this one */
    uint64_t counting_leaf; /* what this one maps is counted for it */
    unsigned budget;
};

/*
 * The one tree that reaches a leaf which is counted for itself, as another tree made it. 1: there
 * are several.
 */
int split_tree_of_leaf(struct extents *extents, uint64_t bytenr, uint64_t *root_id) MUST_USE;

void split_plan_clear(struct split_plan *plan);
/* Why there is no plan. */
enum { SPLIT_NEVER = 1, SPLIT_NOT_NOW = 2 };
/* Fills in a plan; or SPLIT_NEVER: the extent is gone, all of it is used, or it has a form that is
 * not split; SPLIT_NOT_NOW: others share leaves that map it. */
int split_plan_make(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                    struct split_plan *plan) MUST_USE;

#endif
