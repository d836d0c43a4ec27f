// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs: a seed and a list of operations, tried in a process of their own. */
#ifndef COPSE_TESTS_MODEL_RUN_H
#define COPSE_TESTS_MODEL_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RUN_OPS_MAX 100000
#define RUN_ERROR_MAX 4096

struct run {
    uint64_t seed;
    unsigned *ops; /* numbers of operations; each has a seed of its own */
    size_t count;
    bool judge; /* by btrfs check, when all is well */
    bool full;  /* on a file system that is kept full, and emptied in the end */
    FILE *trace;
};

/* True when all is well; else error says what is wrong. */
bool run_try(const struct run *run, char error[RUN_ERROR_MAX]);

/* Leaves out operations as long as the run still fails. */
void run_shrink(struct run *run);

/* "0-57,60"; to be freed. */
char *run_ops_text(const struct run *run);
/* Exits when the text is no such list. */
void run_ops_parse(struct run *run, const char *text);

#endif
