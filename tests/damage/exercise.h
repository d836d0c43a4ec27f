// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of all sorts to an open file system, from a stream of choices; failures are fine. */
#ifndef COPSE_TESTS_DAMAGE_EXERCISE_H
#define COPSE_TESTS_DAMAGE_EXERCISE_H

#include "fs/mount/mount.h"

/* Where choices come from: a fuzzer's bytes, or (bytes NULL) a generator. Zeroes when used up. */
struct choices {
    const uint8_t *bytes;
    size_t left;
    struct rng rng;
};

uint64_t choose(struct choices *choices, uint64_t bound); /* in [0, bound) */
bool choices_left(const struct choices *choices);

/* Does `count` operations on what is in the root and two more directories. */
void exercise(struct mount *m, struct choices *choices, unsigned count);

#endif
