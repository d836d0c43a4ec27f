/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kill may have left, and whether it did. */
#ifndef COPSE_TESTS_ENDURANCE_JUDGE_H
#define COPSE_TESTS_ENDURANCE_JUDGE_H

#include <stddef.h>

#include "tests/endurance/work.h"

/*
 * Opens the image, holds every file of every worker against what the operations begun and the
 * receipts (in the order they came) allow, and makes the plans go on from what is there. What is
 * wrong goes into shared->verdict.
 */
void judge(const char *image, struct shared *shared, const struct receipt *receipts, size_t count);

#endif
