// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Dropping what a deleted subvolume refers to, in steps that any commit may come between.
 *
 * Where deletion stands is recorded as Linux does: drop_progress is the key, in a node of level
 * drop_level, of the child that is dropped next. All on its left is gone; the nodes from the root
 * down to that one are still there, and no other tree reaches them.
 */
#ifndef COPSE_FS_SUBVOL_DROP_H
#define COPSE_FS_SUBVOL_DROP_H

#include "fs/subvol/subvol.h"

/* A node that is being walked. */
struct drop_node {
    uint64_t bytenr, generation;
    uint32_t slot; /* what comes next */
    bool full;     /* has full back references */
};

struct drop {
    struct fs *fs;
    struct tree_handle *tree;
    struct drop_node path[TREE_LEVELS_MAX]; /* from the root down to `level` */
    uint8_t level;
    bool resumed; /* what comes next may have been dropped already, by whoever began this */
    /*
     * A subtree that others share, which the tree owns: what its blocks refer to gets keyed by the
     * blocks. Its nodes from `hand_top` down to `hand_level`; -1: none at work.
     */
    struct drop_node hand[TREE_LEVELS_MAX];
    int hand_top, hand_level;
    bool handed; /* the child that comes next needs no more of it */
};

/* Stands where the root item says. Metadata lock held. */
int drop_open(struct fs *fs, struct tree_handle *tree, struct drop *out) MUST_USE;
/* Visits up to `nodes` nodes. Within store_begin. *done: nothing is left but the root item. What
 * cannot be read ends it there; the transaction goes on. */
int drop_step(struct drop *drop, unsigned nodes, bool *done) MUST_USE;
/* Changes that a step makes at most. */
unsigned drop_units(unsigned nodesize, unsigned nodes);

#endif
