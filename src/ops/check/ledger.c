// SPDX-License-Identifier: GPL-2.0-or-later
#include "ops/check/ledger.h"

#include <string.h>

#define ODD_1 0x9E3779B97F4A7C15ULL
#define ODD_2 0xD6E8FEB86659FD93ULL

uint64_t draw(uint64_t seed, const uint64_t *fields, size_t count)
{
    uint64_t h = seed;

    for (size_t i = 0; i < count; i++)
        h = blend(h ^ fields[i], ODD_1) + ODD_2;
    return blend(h ^ seed, ODD_2);
}

uint64_t draw_bytes(uint64_t seed, const void *bytes, size_t len)
{
    const char *at = bytes;
    uint64_t h = seed ^ len, part;

    for (; len >= sizeof(part); at += sizeof(part), len -= sizeof(part)) {
        memcpy(&part, at, sizeof(part));
        h = blend(h ^ part, ODD_1) + ODD_2;
    }
    part = 0;
    memcpy(&part, at, len);
    return blend(h ^ part, ODD_1) + ODD_2;
}

unsigned ledger_slot(uint64_t seed, uint64_t bytenr)
{
    return (unsigned)(blend(seed ^ bytenr, ODD_1) % LEDGER_SLOTS);
}

void ledger_post(uint64_t *slots, uint64_t seed, const struct reference *ref, int sign)
{
    /* Odd, so that no multiple below 2^64 is zero. */
    uint64_t number =
        DRAW(seed, ref->bytenr, ref->size, ref->type, ref->root, ref->objectid, ref->offset) | 1;

    slots[ledger_slot(seed, ref->bytenr)] += (uint64_t)sign * number * ref->count;
}
