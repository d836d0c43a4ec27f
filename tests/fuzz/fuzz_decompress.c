// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compressed extents made of anything. The first byte picks the type, sector size and claimed
 * length, the rest is the extent. What decodes must also survive being compressed again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/compress/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);
size_t LLVMFuzzerCustomMutator(uint8_t *input, size_t len, size_t cap, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *input, size_t len, size_t cap);

static enum compress_type type_of(uint8_t first)
{
    return (enum compress_type)(COMPRESS_ZLIB + first % 3);
}

static uint32_t sectorsize_of(uint8_t first)
{
    return 4096u << (first / 3 % 5);
}

/* Now and then turns the input into its valid compressed form, which chance would never find. */
size_t LLVMFuzzerCustomMutator(uint8_t *input, size_t len, size_t cap, unsigned seed)
{
    AUTO_FREE uint8_t *packed = malloc(cap);
    size_t packed_len;

    if (seed % 16 != 0 || len < 2 || !packed ||
        compress_extent(type_of(input[0]), COMPRESS_LEVEL_DEFAULT, sectorsize_of(input[0]),
                        input + 1, len - 1, packed, cap - 1, &packed_len) < 0)
        return LLVMFuzzerMutate(input, len, cap);
    memcpy(input + 1, packed, packed_len);
    return packed_len + 1;
}

/* Whether data comes back from the compression it came out of. */
static void check_round_trip(enum compress_type type, uint32_t sectorsize, const uint8_t *data,
                             size_t len)
{
    size_t cap = 2 * len + 1024, packed_len, back_len;
    AUTO_FREE uint8_t *packed = malloc(cap), *back = malloc(len);

    if (!packed || !back)
        return;
    int ret = compress_extent(type, COMPRESS_LEVEL_DEFAULT, sectorsize, data, len, packed, cap,
                              &packed_len);
    INVARIANT(ret == 0, "twice the room is enough");
    ret = decompress_extent(type, sectorsize, packed, packed_len, back, len, &back_len);
    INVARIANT(ret == 0 && back_len == len && memcmp(back, data, len) == 0,
              "what was compressed comes back");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    static const size_t claims[] = {0, 1, 100, 4096, 4097, 65536, COMPRESS_EXTENT_MAX};

    if (len < 1)
        return 0;
    enum compress_type type = type_of(input[0]);
    uint32_t sectorsize = sectorsize_of(input[0]);
    size_t claim = claims[input[0] / 15 % ARRAY_LEN(claims)], out_len;
    /* Exact sizes, so that the sanitizer sees one byte too far. */
    AUTO_FREE uint8_t *extent = malloc(len), *out = malloc(MAX(claim, (size_t)1));
    if (!extent || !out)
        return 0;
    memcpy(extent, input + 1, len - 1);
    int ret = decompress_extent(type, sectorsize, extent, len - 1, out, claim, &out_len);
    INVARIANT(ret == 0 || ret == -EIO, "refusals are -EIO");
    INVARIANT(ret != 0 || out_len <= claim, "no more than there is room for");
    if (ret == 0 && out_len > 0)
        check_round_trip(type, sectorsize, out, out_len);
    return 0;
}
