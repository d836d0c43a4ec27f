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
};

struct split_plan {
    struct extents *extents;
    struct extent_id id;
    struct ref_list refs;
    struct split_item *items; /* by offset */
    size_t count, capacity;
    struct rangeset live; /* what they map, relative to the extent: the pieces */
    /* While looking. */
    uint64_t checked_leaf; /* nobody shares this one */
    unsigned budget;
};

void split_plan_clear(struct split_plan *plan);
/* Fills in a plan. 1: the extent is gone, or is not to be split. */
int split_plan_make(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                    struct split_plan *plan) MUST_USE;

#endif
