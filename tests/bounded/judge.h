/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be there after a crash, and whether it is. */
#ifndef COPSE_TESTS_BOUNDED_JUDGE_H
#define COPSE_TESTS_BOUNDED_JUDGE_H

#include "tests/bounded/shot.h"
#include "tests/bounded/steps.h"

#define MOMENTS_MAX 80 /* as it began, and after each step */

/* A sequence as it went: moment 0 is durable. */
struct course {
    struct shot moments[MOMENTS_MAX];
    struct {
        enum keep_kind kind;
        uint64_t ino;
    } kept[MOMENTS_MAX]; /* what was made durable at that moment */
    size_t count;        /* of moments */
};

/*
 * Promise 6, as Linux keeps it: what was synced is there with its content, its attributes and the
 * names it has (and no name that it had); of a directory its names; all else is as it was at some
 * moment since. 0, or -1 with what is wrong.
 */
int course_judge(const struct course *course, const struct shot *found, char *error, size_t cap);

#endif
