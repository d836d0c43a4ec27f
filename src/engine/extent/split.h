// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * split: gives back the parts of a data extent that no file extent item maps any more (promise 11),
 * by making extents of their own out of the parts that are.
 *
 * Possible where the extent is not compressed and all items that map it stand in leaves that only
 * one tree reaches. What snapshots share waits for them. File extent items and references are
 * re-pointed in one transaction; addresses of data do not change, so that whoever reads or writes
 * by an address he has looked up is not disturbed. The log tree is: see extent_was_split.
 */
#ifndef COPSE_ENGINE_EXTENT_SPLIT_H
#define COPSE_ENGINE_EXTENT_SPLIT_H

#include "engine/extent/extent.h"

/* What splitting an extent takes and brings. */
struct extent_split {
    uint64_t frees;  /* bytes; 0: there is nothing to split, or it is not possible */
    unsigned items;  /* file extent items to be changed */
    unsigned pieces; /* extents it becomes */
    unsigned leaves; /* to be copied first, as another tree made them */
    bool later;      /* not possible now, perhaps when what shares it is gone */
};

/* The metadata lock is held, shared suffices. An extent that is gone by now frees nothing. */
int extent_split_look(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                      struct extent_split *out) MUST_USE;
/*
 * Splits; within store_begin, with units for items_max items and as many pieces. *freed: bytes that
 * are free when the transaction is durable; 0: nothing was done, as it would take more or is not
 * possible. What fails in between ends the transaction.
 */
int extent_split(struct extents *extents, uint64_t bytenr, uint64_t num_bytes, unsigned items_max,
                 uint64_t *freed) MUST_USE;

/*
 * Whether the extent at bytenr was split, or is a piece, in the running transaction. A log tree may
 * name an extent only as the last commit has it: an fsync of an inode that maps such an extent must
 * be a full commit.
 */
bool extent_was_split(const struct extents *extents, uint64_t bytenr);

/* Counts deletions in trees, since open: what they shared may be split from then on. */
uint64_t extent_tree_drops(const struct extents *extents);

#endif
