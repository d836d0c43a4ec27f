// SPDX-License-Identifier: GPL-2.0-or-later
/* Is it worth the processor's time to try? */
#include <string.h>

#include "base/bits.h"
#include "disk/compress/compress.h"

/* So much in a row is looked at, and at most so many times, evenly spread. */
#define SAMPLE 16
#define SAMPLES_MAX 512

/* Below this, trying costs less than guessing. */
#define LEN_MIN 512

/* Samples seen before; a small table where a later one replaces an earlier one. */
struct seen {
    const uint8_t *at[1024];
};

static bool seen_before(struct seen *seen, const uint8_t *sample)
{
    uint64_t half[2];

    memcpy(half, sample, sizeof(half));
    /* Any odd number with well mixed bits spreads them; this is 2^64 over the golden ratio. */
    uint64_t hash = (half[0] ^ (half[1] << 1)) * 0x9e3779b97f4a7c15ull;
    const uint8_t **slot = &seen->at[hash % ARRAY_LEN(seen->at)];
    bool same = *slot && memcmp(*slot, sample, SAMPLE) == 0;
    *slot = sample;
    return same;
}

/*
 * Two bytes drawn from noise are equal once in 256 times; from anything an entropy coder can
 * shorten, more often. And whole samples that come back are what a dictionary coder lives on.
 */
bool compress_worth_trying(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint32_t count[256] = {0};
    struct seen seen = {0};
    size_t repeated = 0, samples = 0;

    if (len < LEN_MIN)
        return true;
    size_t step = MAX(len / SAMPLES_MAX & ~(size_t)(SAMPLE - 1), (size_t)SAMPLE);
    for (size_t at = 0; at + SAMPLE <= len && samples < SAMPLES_MAX; at += step, samples++) {
        for (size_t i = 0; i < SAMPLE; i++)
            count[bytes[at + i]]++;
        repeated += seen_before(&seen, bytes + at);
    }

    uint64_t equal_pairs = 0, drawn = samples * SAMPLE;
    for (size_t i = 0; i < ARRAY_LEN(count); i++)
        equal_pairs += (uint64_t)count[i] * (count[i] - (count[i] > 0));
    /* More than 1.25 times as many equal pairs as noise has, or an eighth of the samples. */
    return equal_pairs * 256 * 4 > drawn * (drawn - 1) * 5 || repeated * 8 > samples;
}
