// SPDX-License-Identifier: GPL-2.0-or-later
#include "name_hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t CRC32C_POLY = 0x82f63b78; /* reflected */
static const uint32_t NAME_HASH_SEED = 0xfffffffe;

enum { CANDIDATES = 1 << 19 }; /* about 32 collisions by the birthday rule */

uint32_t name_hash(const void *name, size_t len)
{
    const unsigned char *p = name;
    uint32_t crc = NAME_HASH_SEED;

    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) ? CRC32C_POLY : 0);
    }
    return crc;
}

struct candidate {
    uint32_t hash, number;
};

/* Spreads a counter over eight letters and digits, so that the names look like names. */
static void name_of(uint32_t number, char *out)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
    uint64_t x = (number + 1) * 0x9e3779b97f4a7c15ULL;

    for (int i = 0; i < COLLIDE_LEN; i++) {
        out[i] = digits[x >> 59];
        x <<= 5;
    }
    out[COLLIDE_LEN] = '\0';
}

static int by_hash(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

size_t find_collisions(struct collision *out, size_t nr)
{
    struct candidate *all = malloc(CANDIDATES * sizeof(*all));
    size_t found = 0;

    if (!all)
        return 0;
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        char name[COLLIDE_LEN + 1];

        name_of(i, name);
        all[i] = (struct candidate){name_hash(name, COLLIDE_LEN), i};
    }
    qsort(all, CANDIDATES, sizeof(*all), by_hash);
    for (size_t i = 1; i < CANDIDATES && found < nr; i++) {
        if (all[i].hash != all[i - 1].hash)
            continue;
        name_of(all[i - 1].number, out[found].a);
        name_of(all[i].number, out[found].b);
        if (memcmp(out[found].a, out[found].b, COLLIDE_LEN) != 0)
            found++;
    }
    free(all);
    return found;
}

void collision_product(const struct collision *pairs, size_t nr, unsigned which, char *out)
{
    *out = '\0';
    for (size_t i = 0; i < nr; i++)
        out = stpcpy(out, which >> i & 1 ? pairs[i].b : pairs[i].a);
}
