// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which blocks were found valid, or written by us, since the file system was opened.
 *
 * A tree that is larger than the cache is read again and again, and looking at every item of a
 * block takes longer than reading it. So a hash of each block is kept when it has left the cache:
 * what is the same to the bit is as valid as it was. A block that is not, whoever changed it, is
 * looked at like any other (I7).
 *
 * A table without locks and without addresses: a block says its own address, which is compared with
 * where it was read from, so a hash that belongs to another block can only not match.
 */
#include "engine/tree/internal.h"

#define PRINTS_PER_NODE 4                     /* 32 bytes for a block in memory */
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL /* 2^64 / golden ratio: Fibonacci hashing */

int known_init(struct known *known, uint64_t nodes)
{
    known->bits = 8;
    while (known->bits < 28 && 1ULL << known->bits < PRINTS_PER_NODE * nodes)
        known->bits++;
    known->prints = calloc(1ULL << known->bits, sizeof(*known->prints));
    if (!known->prints)
        return fail(-ENOMEM, "out of memory for the hashes of %llu tree blocks", LLU(nodes));
    return 0;
}

void known_destroy(struct known *known)
{
    free(known->prints);
}

static _Atomic uint64_t *place_of(const struct known *known, uint64_t bytenr)
{
    return &known->prints[(bytenr * HASH_MULTIPLIER) >> (64 - known->bits)];
}

uint64_t known_get(const struct known *known, uint64_t bytenr)
{
    return atomic_load_explicit(place_of(known, bytenr), memory_order_relaxed);
}

void known_set(struct known *known, uint64_t bytenr, uint64_t print)
{
    atomic_store_explicit(place_of(known, bytenr), print, memory_order_relaxed);
}
