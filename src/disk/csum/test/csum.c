// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards: checksums and name hashes are byte for byte those that Linux computes. */
#include "base/test/unit.h"

#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/env.h"
#include "disk/csum/crc32c_table.h"
#include "disk/csum/csum.h"

struct vector {
    enum csum_type type;
    const char *input;
    const char *hex; /* as on disk: little-endian for the two numbers */
};

static const struct vector vectors[] = {
    {CSUM_CRC32C, "", "00000000"},
    {CSUM_CRC32C, "123456789", "839206e3"},
    {CSUM_XXHASH64, "", "99e9d85137db46ef"},
    {CSUM_XXHASH64, "abc", "990977adf52cbc44"},
    {CSUM_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {CSUM_BLAKE2B, "abc", "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"},
};

static void known_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t out[CSUM_MAX];
        char hex[2 * CSUM_MAX + 1] = "";
        uint32_t size = csum_size(vectors[i].type);

        memset(out, 0xa5, sizeof(out));
        csum_compute(vectors[i].type, vectors[i].input, strlen(vectors[i].input), out);
        for (uint32_t b = 0; b < size; b++)
            snprintf(hex + 2 * b, 3, "%02x", out[b]);
        assert_string_equal(hex, vectors[i].hex);
        for (uint32_t b = size; b < CSUM_MAX; b++)
            assert_int_equal(out[b], 0);
    }
}

static void names_and_sizes(void **state)
{
    static const uint32_t sizes[] = {4, 8, 32, 32};

    (void)state;
    for (uint16_t type = 0; type < 4; type++) {
        enum csum_type back = (enum csum_type)((type + 1) % 4);

        assert_true(csum_type_known(type));
        assert_int_equal(csum_size((enum csum_type)type), sizes[type]);
        assert_int_equal(csum_by_name(csum_name((enum csum_type)type), &back), 0);
        assert_int_equal(back, type);
    }
    assert_false(csum_type_known(4));
    assert_false(csum_type_known(0xffff));

    enum csum_type untouched = CSUM_SHA256;
    assert_int_equal(csum_by_name("md5", &untouched), -EINVAL);
    assert_int_equal(untouched, CSUM_SHA256);
    assert_int_equal(csum_by_name("xxhash", &untouched), 0);
    assert_int_equal(untouched, CSUM_XXHASH64);
    assert_int_equal(csum_by_name("blake2", &untouched), 0);
    assert_int_equal(untouched, CSUM_BLAKE2B);
}

/* "default" hashes to the offset every btrfs root tree shows. */
static void name_hashes(void **state)
{
    (void)state;
    assert_int_equal(name_hash("default", 7), 2378154706u);
    assert_int_equal(extref_hash(257, "foo", 3), 0x1943076e);
    /* Only the low half of the parent enters the hash. */
    assert_int_equal(extref_hash(0x500000000ull | 257, "foo", 3), 0x1943076e);
}

static void fill(struct rng *rng, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rng_next(rng);
}

/* Every length and alignment around the table's step, and large ones, carried in two parts. */
static void table_agrees(void **state)
{
    uint64_t seed = unit_seed(0x5eed0c5c);
    size_t cap = 70000;
    AUTO_FREE uint8_t *data = malloc(cap);
    struct rng rng;

    (void)state;
    assert_non_null(data);
    rng_seed(&rng, seed);
    fill(&rng, data, cap);
    for (int round = 0; round < 3000; round++) {
        size_t start = rng_below(&rng, 16);
        size_t len = round < 1000 ? rng_below(&rng, 300) : rng_below(&rng, cap - start);
        size_t cut = rng_below(&rng, len + 1);
        uint32_t init = (uint32_t)rng_next(&rng);
        uint32_t whole = crc32c_raw(init, data + start, len);

        assert_int_equal(crc32c_table(init, data + start, len), whole);
        assert_int_equal(
            crc32c_raw(crc32c_raw(init, data + start, cut), data + start + cut, len - cut), whole);
    }
    printf("# crc32c by %s\n", crc32c_backend());
}

static void blocks_are_packed(void **state)
{
    enum { BLOCK = 4096, COUNT = 5 };
    AUTO_FREE uint8_t *data = malloc(BLOCK * COUNT);
    struct rng rng;

    (void)state;
    assert_non_null(data);
    rng_seed(&rng, 7);
    fill(&rng, data, BLOCK * COUNT);
    for (uint16_t type = 0; type < 4; type++) {
        uint32_t size = csum_size((enum csum_type)type);
        uint8_t packed[COUNT * CSUM_MAX + 1], one[CSUM_MAX];

        memset(packed, 0x5a, sizeof(packed));
        csum_blocks((enum csum_type)type, data, BLOCK, COUNT, packed);
        for (int i = 0; i < COUNT; i++) {
            csum_compute((enum csum_type)type, data + i * BLOCK, BLOCK, one);
            assert_memory_equal(packed + (size_t)i * size, one, size);
        }
        assert_int_equal(packed[COUNT * size], 0x5a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),     cmocka_unit_test(names_and_sizes),
        cmocka_unit_test(name_hashes),       cmocka_unit_test(table_agrees),
        cmocka_unit_test(blocks_are_packed),
    };

    return cmocka_run_group_tests_name("csum", tests, NULL, NULL);
}
