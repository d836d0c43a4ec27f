// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/csum/crc32c_table.h"

#include <pthread.h>

#include "base/le.h"

/* Castagnoli's polynomial, lowest power in the highest bit. */
#define POLYNOMIAL 0x82f63b78u

/* Bytes folded a step; table[n][b] is what byte b does to the register n more bytes later. */
#define STEP 8

static uint32_t table[STEP][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_fill(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
        table[0][byte] = crc;
    }
    for (int n = 1; n < STEP; n++)
        for (uint32_t byte = 0; byte < 256; byte++)
            table[n][byte] = (table[n - 1][byte] >> 8) ^ table[0][table[n - 1][byte] & 0xff];
}

static uint32_t step(uint32_t crc, const uint8_t *p)
{
    le32 low, high;

    memcpy(&low, p, sizeof(low));
    memcpy(&high, p + sizeof(low), sizeof(high));
    uint32_t a = crc ^ le32_get(low);
    uint32_t b = le32_get(high);
    return table[7][a & 0xff] ^ table[6][(a >> 8) & 0xff] ^ table[5][(a >> 16) & 0xff] ^
           table[4][a >> 24] ^ table[3][b & 0xff] ^ table[2][(b >> 8) & 0xff] ^
           table[1][(b >> 16) & 0xff] ^ table[0][b >> 24];
}

uint32_t crc32c_table(uint32_t seed, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t crc = seed;

    pthread_once(&table_once, table_fill);
    for (; len >= STEP; len -= STEP, p += STEP)
        crc = step(crc, p);
    for (; len > 0; len--, p++)
        crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
    return crc;
}
