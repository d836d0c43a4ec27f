// SPDX-License-Identifier: GPL-2.0-or-later
/* What was found in a form that a program can act on: for ops/repair. */
#ifndef COPSE_OPS_CHECK_FINDINGS_H
#define COPSE_OPS_CHECK_FINDINGS_H

#include "ops/check/check.h"
#include "ops/check/ledger.h"
#include "ops/check/problems.h"

/* Every problem, also those that are only counted for people. What does not apply is 0. */
struct check_finding {
    enum check_code code;
    uint64_t tree, block, ino;
    uint64_t other;      /* the other inode of a name; the address of an extent, chunk or stripe */
    uint64_t start, len; /* bytes of a range */
};

/* An extent of which the extent tree says something else than the trees: all that refers to it. */
struct check_extent {
    uint64_t bytenr;
    bool full; /* a tree block with full back references */
    const struct reference *met, *listed;
    size_t met_count, listed_count;
};

struct check_sink {
    /* May be called from any thread, one at a time. 0, or what ends the check. */
    int (*finding)(void *arg, const struct check_finding *finding);
    int (*extent)(void *arg, const struct check_extent *extent);
    void *arg;
};

/* check_run, telling `sink` too. */
int check_run_for(struct env *env, struct dev *dev, const struct copse_check_options *options,
                  const struct check_sink *sink, struct copse_check_result *result) MUST_USE;

const char *check_code_name(enum check_code code);

#endif
