// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Double-entry bookkeeping of references, without keeping them.
 *
 * Every reference that the extent tree lists is added, every one that is met in the trees is taken
 * away, each as a number drawn from all its fields with a secret of this run. Where both sides are
 * the same the sums are zero; where they are not, they are zero by chance once in 2^64. Sums are
 * kept per group of extents, so that only the groups with a difference have to be looked at again,
 * reference by reference.
 */
#ifndef COPSE_OPS_CHECK_LEDGER_H
#define COPSE_OPS_CHECK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_SLOTS 65536u

/* One reference to an extent, or several equal ones. */
struct reference {
    uint64_t bytenr;
    uint64_t size; /* of data: bytes; of a tree block: generation << 8 | level */
    uint64_t root; /* tree, or parent block */
    uint64_t objectid, offset;
    uint32_t count;
    uint8_t type; /* KEY_*_REF */
};

/* A number drawn from numbers; `seed` is the secret of this run. */
static inline uint64_t blend(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t draw(uint64_t seed, const uint64_t *fields, size_t count);
uint64_t draw_bytes(uint64_t seed, const void *bytes, size_t len);

#define DRAW(seed, ...)                                                                            \
    draw(seed, (const uint64_t[]){__VA_ARGS__},                                                    \
         sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

unsigned ledger_slot(uint64_t seed, uint64_t bytenr);
/* Adds (sign 1) or takes away (-1). */
void ledger_post(uint64_t *slots, uint64_t seed, const struct reference *ref, int sign);

#endif
