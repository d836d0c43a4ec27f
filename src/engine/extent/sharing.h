// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sharing: whether a range of a data extent can be reached another way (promise 3).
 *
 * Reachable means: from the running trees with pending references applied, and from the last
 * durable commit, other than by the asking inode at the asking file offset. A reference dropped in
 * a transaction that is not durable yet still shares.
 */
#ifndef COPSE_ENGINE_EXTENT_SHARING_H
#define COPSE_ENGINE_EXTENT_SHARING_H

#include "engine/extent/extent.h"

/*
 * Where walks find trees; connected by engine/store. Without it every answer is "shared", and no
 * extent is split.
 */
struct extent_trees {
    /*
     * The tree with that id as it is now, or as the last durable commit has it, copied to *out (of
     * use until the next change). The extent tree is asked for as durable only. -ENOENT: there is
     * no such tree, or it is being deleted.
     */
    int (*find)(void *arg, uint64_t id, bool durable, struct root *out);
    /* That tree itself, to be changed. -ENOENT likewise; -EBUSY: it must stay as it is for now. */
    int (*open)(void *arg, uint64_t id, struct root **out);
};
void extents_set_trees(struct extents *extents, const struct extent_trees *trees, void *arg);

/* Part of a data extent, as one file maps it. */
struct extent_use {
    uint64_t bytenr, num_bytes; /* the whole extent */
    uint64_t start, len;        /* the part asked about, relative to bytenr */
    uint64_t root, objectid;    /* who asks: tree and inode ... */
    uint64_t position;          /* ... and the file offset where `start` is mapped */
    uint64_t generation;        /* of the file extent item (for short-cuts) */
};

/*
 * Whether the byte at use->start is shared; *same: for how many bytes from there on, at most
 * use->len and at least one, the answer holds. The metadata lock is held, shared suffices. Extents
 * with very many references answer "shared" (the walk has a budget).
 */
int extent_sharing_at(struct extents *extents, const struct extent_use *use, bool *shared,
                      uint64_t *same) MUST_USE;
/* The same for the whole range: whether any byte of it is shared. */
int extent_range_is_shared(struct extents *extents, const struct extent_use *use,
                           bool *shared) MUST_USE;

/*
 * A file extent item maps less than before, or elsewhere within the extent, though its reference
 * stays: answers for others than the owner of that reference are forgotten.
 */
void extent_sharing_trimmed(struct extents *extents, uint64_t bytenr, const struct data_ref *ref);

/*
 * Whether trees of the last commit were read since this was asked before: then blocks that no tree
 * has any more may be cached (space_forget_pinned). For the commit.
 */
bool extent_sharing_read_durable(struct extents *extents);

/* What the answers cost, since open. */
struct extent_sharing_counters {
    uint64_t asked;        /* questions */
    uint64_t item_lookups; /* extent items looked at */
    uint64_t walks;        /* back-reference walks */
};
void extent_sharing_counters(const struct extents *extents, struct extent_sharing_counters *out);

#endif
