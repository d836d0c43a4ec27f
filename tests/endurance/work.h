/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that is killed: carries out the plans of all workers, and says what is durable. */
#ifndef COPSE_TESTS_ENDURANCE_WORK_H
#define COPSE_TESTS_ENDURANCE_WORK_H

#include "tests/endurance/plan.h"

/* Said over a pipe once an fsync or sync has returned 0; shorter than PIPE_BUF, hence whole. */
struct receipt {
    uint32_t worker;
    uint32_t failed;   /* not 0: an operation went wrong, and this is no receipt */
    uint64_t number;   /* of the operation */
    char message[256]; /* what went wrong */
};

/* In memory that outlives the process. */
struct shared {
    struct plan plans[WORKERS]; /* as the round begins */
    uint64_t started[WORKERS];  /* the number of the operation last begun */
    char verdict[1024];         /* of the judge; "": all is well */
    uint64_t files, units;      /* looked at by the judge */
};

/* Makes the directories that the workers need. -1 with a message on standard error. */
int work_prepare(const char *image, bool quotas);
/* Never returns but by exit. */
_Noreturn void work(const char *image, struct shared *shared, int receipts, uint64_t seed);

#endif
