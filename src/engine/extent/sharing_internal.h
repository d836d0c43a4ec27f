// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of sharing share. */
#ifndef COPSE_ENGINE_EXTENT_SHARING_INTERNAL_H
#define COPSE_ENGINE_EXTENT_SHARING_INTERNAL_H

#include "engine/extent/internal.h"

/* ---- what is known (sharing_record.c) ------------------------------------------------------- */

/* Who maps an extent: every byte of it has one place in a file for this key. */
struct mapper {
    uint64_t bytenr;
    uint64_t root, objectid;
    uint64_t offset; /* file position of the extent's first byte; may wrap below zero */
};

/* Which bytes of an extent are reachable by others than one mapper. */
struct others {
    struct rangeset ranges; /* relative to the extent */
    bool settled;           /* only this mapper has references, and had them in the last commit */
    bool by_leaf; /* of its items, some are counted for their leaf: another copy of it may stay */
};

/* Counters; atomic. */
void sharing_count(struct extents *extents, uint64_t asked, uint64_t item_lookups, uint64_t walks);

/* Trees of the last commit are read. */
void sharing_note_durable(struct extents *extents);

/* What of the last commit may be missing in the running trees. */
bool sharing_was_dropped(struct extents *extents, uint64_t bytenr);
bool sharing_trees_dropped(struct extents *extents);
/* A log tree may reach it where the running trees do not any more. */
bool sharing_log_has(struct extents *extents, uint64_t bytenr);

/* An extent is split, or is what a split left. */
void sharing_note_split(struct extents *extents, uint64_t bytenr);
/* Forgets all answers about an extent. */
void sharing_forget(struct extents *extents, uint64_t bytenr);

/* Part of the answer of `others` from `start` on; false: not known. */
bool sharing_recall(struct extents *extents, const struct mapper *mapper, uint64_t start,
                    uint64_t len, bool *shared, uint64_t *same, bool *settled);
/* Takes over *others. */
void sharing_remember(struct extents *extents, const struct mapper *mapper, struct others *others);
/* The answer that a set of ranges gives from `start` on. */
void sharing_read(const struct rangeset *ranges, uint64_t start, uint64_t len, bool *shared,
                  uint64_t *same);

/* ---- items (sharing_walk.c) ----------------------------------------------------------------- */

typedef int sharing_item_fn(void *arg, const struct path *path, const struct key *key,
                            const struct file_extent *file);
/*
 * Calls fn for the file extent items that a keyed reference of an extent stands for, until it
 * returns non-zero. Each item met takes one off the budget. 1: fn said so, or the budget is used
 * up.
 */
int sharing_each_item(struct root *tree, const struct extent_id *id, const struct extent_ref *ref,
                      unsigned *budget, sharing_item_fn *fn, void *arg) MUST_USE;
/* Whether any block of the path has another user. Blocks above a young one are as young. */
int sharing_path_is_shared(struct extents *extents, const struct view *view,
                           const struct path *path, bool *shared) MUST_USE;

/* ---- finding out (sharing_walk.c) ----------------------------------------------------------- */

/* Fills in *others (empty before) by walking back references. */
int sharing_find_others(struct extents *extents, const struct mapper *mapper, uint64_t num_bytes,
                        struct others *others) MUST_USE;
/*
 * Whether a tree block above the mapper's own file extent item for byte `start` of the extent
 * belongs to another tree as well. *same is lowered to where that answer ends.
 */
int sharing_of_path(struct extents *extents, const struct mapper *mapper, uint64_t start,
                    bool durable, bool *shared, uint64_t *same) MUST_USE;

#endif
