// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A workload that has been run once on a recording device: every write and flush, and at which of
 * them what was promised to be durable.
 */
#ifndef COPSE_TESTS_CRASH_HISTORY_H
#define COPSE_TESTS_CRASH_HISTORY_H

#include "tests/model/ops.h"

/*
 * From entry `position` of the record on, a crash brings back at least this: all of it after a
 * commit, what was asked for (tests/model/moments.h) after an fsync that went into a log tree.
 */
struct promise_point {
    size_t position;
    uint64_t generation;
    bool logged;
    struct model model;
};

struct history {
    uint64_t seed;
    struct config config;
    uint64_t root_id;     /* of the subvolume that was worked in; 0: the default one */
    struct dev *start;    /* as it was before the first entry */
    struct dev *recorder; /* holds the log */
    size_t count;         /* of entries */
    struct promise_point *points;
    size_t point_count, point_cap;
    char error[4096]; /* of the workload itself */
};

/* Runs `ops` operations, told to trace when it is not NULL. -1: the workload already went wrong. */
int history_make(struct history *history, uint64_t seed, unsigned ops, FILE *trace) MUST_USE;
void history_free(struct history *history);

/* The last promise made before entry `position`. */
const struct promise_point *history_promised(const struct history *history, size_t position);
/* The promise that this generation keeps, seen from a crash at `position`; NULL: a commit that
 * nobody asked for. */
const struct promise_point *history_of_generation(const struct history *history, size_t position,
                                                  uint64_t generation);

/*
 * The moments (tests/model/moments.h) of that generation: the commit, and every fsync into a log
 * since, up to the first that was not durable at `position`. *sure: how many were. The list is
 * malloced. 0: a commit that nobody asked for.
 */
size_t history_moments(const struct history *history, size_t position, uint64_t generation,
                       struct model ***out, size_t *sure);

#endif
