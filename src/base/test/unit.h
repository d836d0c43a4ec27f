// SPDX-License-Identifier: GPL-2.0-or-later
/* What every unit test needs: cmocka with the headers it wants first, and a seed to print. */
#ifndef COPSE_BASE_TEST_UNIT_H
#define COPSE_BASE_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* cmocka's macro of this name; ours is the error idiom of base/err.h. */
#undef fail

/*
 * The seed of a random test: COPSE_SEED when set, else the fixed one. Printed as a TAP comment, so
 * that a failure can be replayed.
 */
static inline uint64_t unit_seed(uint64_t fixed)
{
    const char *given = getenv("COPSE_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : fixed;

    printf("# COPSE_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

#endif
