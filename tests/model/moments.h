// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What may be there after a crash when fsyncs went into a log. The last commit and each fsync since
 * are moments, each with a copy of the model. What was fsynced at one is as it was then, or at a
 * later moment; everything else as it was at one of them. In each case all names of an inode
 * together, so that a rename is before or after, and all attributes.
 */
#ifndef COPSE_TESTS_MODEL_MOMENTS_H
#define COPSE_TESTS_MODEL_MOMENTS_H

#include "tests/model/world.h"

/* The numbers of inodes that are not known yet are asked for. */
int moments_learn(struct world *world) MUST_USE;
/* node was fsynced, and is in the log now. */
int moments_add(struct world *world, struct mnode *node) MUST_USE;
/* Everything is durable: one moment is left. */
void moments_restart(struct world *world);
void moments_free(struct world *world);

/*
 * world->m is open after a crash. Checks what is there against `count` moments, of which the last
 * need not have become durable if `sure` says less; makes it world->now.
 */
int moments_compare(struct world *world, struct model *const *moments, size_t count,
                    size_t sure) MUST_USE;
/* The same with world->moments. */
int moments_compare_own(struct world *world) MUST_USE;

#endif
