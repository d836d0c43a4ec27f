// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: what is compressed comes back; the lzo framing is the format's; damaged or lying input
 * is refused with a message and never makes a read or write outside the buffers (each buffer here
 * is an allocation of its exact size, so that a sanitizer build sees it).
 */
#include "base/test/unit.h"

#include <pthread.h>
#include <string.h>
#include <zstd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/env.h"
#include "base/le.h"
#include "disk/compress/compress.h"

#define SECTOR 4096u

static const enum compress_type types[] = {COMPRESS_ZLIB, COMPRESS_LZO, COMPRESS_ZSTD};

static uint8_t *alloc(size_t len)
{
    uint8_t *p = malloc(len ? len : 1);

    assert_non_null(p);
    return p;
}

static void fill_noise(struct rng *rng, uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)rng_next(rng);
}

/* Words of a small vocabulary: compresses about as well as text does. */
static void fill_text(struct rng *rng, uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint64_t word = rng_below(rng, 300) * 0x9e3779b97f4a7c15ull;

        for (int n = 0; n < 6 && i < len; n++, word >>= 5)
            p[i++] = (uint8_t)('a' + (word & 15));
        if (i < len)
            p[i++] = ' ';
    }
}

static int round_trip(enum compress_type type, int level, uint32_t sector, const uint8_t *data,
                      size_t len)
{
    AUTO_FREE uint8_t *packed = alloc(len), *back = alloc(len);
    size_t packed_len = 0, back_len = 0;

    int ret = compress_extent(type, level, sector, data, len, packed, len, &packed_len);
    if (ret < 0)
        return ret;
    assert_true(packed_len <= len);
    /* Exact input, then padded to a sector with zeros, as on a device. */
    size_t padded_len = round_up_to(packed_len, sector);
    AUTO_FREE uint8_t *exact = alloc(packed_len), *padded = alloc(padded_len);
    memcpy(exact, packed, packed_len);
    memset(padded, 0, padded_len);
    memcpy(padded, packed, packed_len);
    assert_int_equal(decompress_extent(type, sector, exact, packed_len, back, len, &back_len), 0);
    assert_int_equal(back_len, len);
    assert_memory_equal(back, data, len);
    memset(back, 0xee, len);
    assert_int_equal(decompress_extent(type, sector, padded, padded_len, back, len, &back_len), 0);
    assert_int_equal(back_len, len);
    assert_memory_equal(back, data, len);
    return 0;
}

static void sizes_and_levels(void **state)
{
    static const int levels[][8] = {{0, 1, 6, 9}, {0}, {0, -15, -1, 1, 3, 7, 11, 15}};
    static const uint32_t sectors[3] = {4096, 16384, 65536};
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(1));
    for (int round = 0; round < 40; round++) {
        size_t len = round < 20 ? 1500 + rng_below(&rng, 5000)
                                : rng_below(&rng, COMPRESS_EXTENT_MAX - 6500) + 6500;
        AUTO_FREE uint8_t *data = alloc(len);

        fill_text(&rng, data, len);
        for (size_t t = 0; t < ARRAY_LEN(types); t++)
            for (size_t l = 0; l < ARRAY_LEN(levels[t]) && (l == 0 || levels[t][l] != 0); l++) {
                int level = levels[t][l];
                int ret = round_trip(types[t], level, sectors[round % 3], data, len);

                /* The fast levels trade size for speed, down to nothing. */
                assert_true(ret == 0 || (level < 0 && ret == -E2BIG));
            }
    }
}

static void full_extent_of_zeros(void **state)
{
    AUTO_FREE uint8_t *data = calloc(1, COMPRESS_EXTENT_MAX);

    (void)state;
    assert_non_null(data);
    for (size_t t = 0; t < ARRAY_LEN(types); t++)
        assert_int_equal(round_trip(types[t], 0, SECTOR, data, COMPRESS_EXTENT_MAX), 0);
}

/* Noise does not shrink: -E2BIG, *out_len untouched, nothing written past dst_cap. */
static void noise_is_too_big(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(2));
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        for (size_t len = SECTOR; len <= COMPRESS_EXTENT_MAX; len *= 2) {
            AUTO_FREE uint8_t *data = alloc(len);

            fill_noise(&rng, data, len);
            for (size_t cap = 0; cap <= len; cap += len / 4) {
                AUTO_FREE uint8_t *packed = alloc(cap);
                size_t untouched = 77;

                assert_int_equal(
                    compress_extent(types[t], 0, SECTOR, data, len, packed, cap, &untouched),
                    -E2BIG);
                assert_int_equal(untouched, 77);
            }
        }
    }
}

/* A result is given exactly the room it needs, and one byte less is too little. */
static void room_is_exact(void **state)
{
    enum { LEN = 20000 };
    AUTO_FREE uint8_t *data = alloc(LEN), *packed = alloc(LEN);
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(3));
    fill_text(&rng, data, LEN);
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        size_t need, again;

        assert_int_equal(compress_extent(types[t], 0, SECTOR, data, LEN, packed, LEN, &need), 0);
        AUTO_FREE uint8_t *tight = alloc(need - 1);
        assert_int_equal(compress_extent(types[t], 0, SECTOR, data, LEN, tight, need - 1, &again),
                         -E2BIG);
    }
}

static uint32_t word_at(const uint8_t *p)
{
    le32 word;

    memcpy(word.b, p, sizeof(word));
    return le32_get(word);
}

/* Walks the frame by the rules of the format, independently of the decoder. */
static void lzo_framing(void **state)
{
    static const uint32_t sectors[] = {4096, 8192, 65536};
    struct rng rng;
    int pads = 0;

    (void)state;
    rng_seed(&rng, unit_seed(4));
    for (int round = 0; round < 2000; round++) {
        uint32_t sector = sectors[round % 3];
        size_t len = 1 + rng_below(&rng, COMPRESS_EXTENT_MAX), cap = 2 * COMPRESS_EXTENT_MAX;
        AUTO_FREE uint8_t *data = alloc(len), *packed = alloc(cap);
        size_t noise = rng_below(&rng, len + 1), packed_len, segments = 0;

        fill_text(&rng, data, len);
        fill_noise(&rng, data, noise);
        assert_int_equal(
            compress_extent(COMPRESS_LZO, 0, sector, data, len, packed, cap, &packed_len), 0);
        assert_int_equal(word_at(packed), packed_len);
        for (size_t at = 4; at < packed_len; segments++) {
            size_t left = sector - at % sector;

            if (left < 4) {
                for (; left > 0; left--)
                    assert_int_equal(packed[at++], 0);
                pads++;
            }
            at += 4 + word_at(packed + at);
            assert_true(at <= packed_len);
        }
        assert_int_equal(segments, (len + sector - 1) / sector);
    }
    assert_true(pads > 0);
}

/* An extent that expands beyond what its item claims is refused, by one byte already. */
static void lying_length(void **state)
{
    enum { LEN = 50000 };
    AUTO_FREE uint8_t *data = alloc(LEN), *packed = alloc(LEN);
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(5));
    fill_text(&rng, data, LEN);
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        size_t packed_len, out_len = 77;

        assert_int_equal(compress_extent(types[t], 0, SECTOR, data, LEN, packed, LEN, &packed_len),
                         0);
        for (size_t short_by = 1; short_by < LEN; short_by = short_by * 3 + 1) {
            AUTO_FREE uint8_t *back = alloc(LEN - short_by);

            fail_clear();
            assert_int_equal(decompress_extent(types[t], SECTOR, packed, packed_len, back,
                                               LEN - short_by, &out_len),
                             -EIO);
            assert_string_not_equal(fail_message(), "");
            assert_int_equal(out_len, 77);
        }
        /* A larger claim is not an error: the rest of the extent reads as zeros. */
        AUTO_FREE uint8_t *roomy = alloc(LEN + 1000);
        assert_int_equal(
            decompress_extent(types[t], SECTOR, packed, packed_len, roomy, LEN + 1000, &out_len),
            0);
        assert_int_equal(out_len, LEN);
    }
}

static void truncated(void **state)
{
    enum { LEN = 9000 };
    AUTO_FREE uint8_t *data = alloc(LEN), *packed = alloc(LEN), *back = alloc(LEN);
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(6));
    fill_text(&rng, data, LEN);
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        size_t packed_len, out_len;

        assert_int_equal(compress_extent(types[t], 0, SECTOR, data, LEN, packed, LEN, &packed_len),
                         0);
        /* zlib ends with a checksum of 4 bytes that Linux does not miss. */
        size_t vital = packed_len - (types[t] == COMPRESS_ZLIB ? 4 : 0);
        for (size_t len = 0; len < vital; len++) {
            AUTO_FREE uint8_t *cut = alloc(len);

            memcpy(cut, packed, len);
            fail_clear();
            assert_int_equal(decompress_extent(types[t], SECTOR, cut, len, back, LEN, &out_len),
                             -EIO);
            assert_string_not_equal(fail_message(), "");
        }
    }
}

/* Whatever the damage: an answer within the bounds, and a message with each refusal. */
static void damaged(void **state)
{
    enum { LEN = 16384, ROUNDS = 4000 };
    AUTO_FREE uint8_t *data = alloc(LEN), *packed = alloc(LEN), *back = alloc(LEN);
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(7));
    fill_text(&rng, data, LEN);
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        size_t packed_len;
        int refused = 0;

        assert_int_equal(compress_extent(types[t], 0, SECTOR, data, LEN, packed, LEN, &packed_len),
                         0);
        for (int round = 0; round < ROUNDS; round++) {
            AUTO_FREE uint8_t *bad = alloc(packed_len);
            size_t out_len = 0, begin = rng_below(&rng, packed_len);
            size_t count = 1 + rng_below(&rng, MIN(packed_len - begin, (size_t)32));

            memcpy(bad, packed, packed_len);
            if (round % 8 == 0)
                fill_noise(&rng, bad, packed_len);
            else if (round % 8 < 4)
                bad[begin] ^= (uint8_t)(1u << rng_below(&rng, 8));
            else
                fill_noise(&rng, bad + begin, count);
            fail_clear();
            int ret = decompress_extent(types[t], SECTOR, bad, packed_len, back, LEN, &out_len);
            assert_true(ret == 0 || ret == -EIO);
            assert_true(out_len <= LEN);
            if (ret < 0) {
                assert_string_not_equal(fail_message(), "");
                refused++;
            }
        }
        assert_true(refused > 0);
    }
}

/* Linux ignores the Adler checksum, so what only fails that is read. */
static void zlib_adler_is_ignored(void **state)
{
    enum { LEN = 30000 };
    AUTO_FREE uint8_t *data = alloc(LEN), *packed = alloc(LEN), *back = alloc(LEN);
    size_t packed_len, out_len;
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(8));
    fill_text(&rng, data, LEN);
    assert_int_equal(compress_extent(COMPRESS_ZLIB, 0, SECTOR, data, LEN, packed, LEN, &packed_len),
                     0);
    packed[packed_len - 1] ^= 0xff;
    assert_int_equal(
        decompress_extent(COMPRESS_ZLIB, SECTOR, packed, packed_len, back, LEN, &out_len), 0);
    assert_int_equal(out_len, LEN);
    assert_memory_equal(back, data, LEN);
    /* Nor does a missing one matter; but more data than claimed does, on this way too. */
    assert_int_equal(
        decompress_extent(COMPRESS_ZLIB, SECTOR, packed, packed_len - 4, back, LEN, &out_len), 0);
    assert_int_equal(
        decompress_extent(COMPRESS_ZLIB, SECTOR, packed, packed_len - 4, back, LEN - 1, &out_len),
        -EIO);
    /* A preset dictionary is nothing that an extent can have. */
    packed[1] ^= 0x20;
    assert_int_equal(
        decompress_extent(COMPRESS_ZLIB, SECTOR, packed, packed_len, back, LEN, &out_len), -EIO);
}

/* The window's size from a frame header, by the zstd specification. */
static uint64_t zstd_window(const uint8_t *frame)
{
    static const size_t content_bytes[] = {1, 2, 4, 8};
    uint8_t descriptor = frame[4];

    if (!(descriptor & 0x20)) {
        uint64_t base = 1ull << (10 + (frame[5] >> 3));

        return base + base / 8 * (frame[5] & 7);
    }
    /* A single segment: the window is the content, whose size follows. */
    uint64_t value = 0;
    for (size_t i = 0; i < content_bytes[descriptor >> 6]; i++)
        value |= (uint64_t)frame[5 + i] << (8 * i);
    return descriptor >> 6 == 1 ? value + 256 : value;
}

static void zstd_windows(void **state)
{
    size_t len = 4 << 20, packed_len, out_len;
    AUTO_FREE uint8_t *data = alloc(len), *packed = alloc(len), *back = alloc(len);
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(9));
    fill_text(&rng, data, len);
    for (int level = -15; level <= 15; level++) {
        assert_int_equal(compress_extent(COMPRESS_ZSTD, level, SECTOR, data, COMPRESS_EXTENT_MAX,
                                         packed, len, &packed_len),
                         0);
        assert_in_range(zstd_window(packed), 1, 1 << 17);
    }
    /* Written by others with larger windows. */
    for (int window_log = 18; window_log <= 21; window_log++) {
        ZSTD_CCtx *context = ZSTD_createCCtx();

        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
        packed_len = ZSTD_compress2(context, packed, len, data, len);
        ZSTD_freeCCtx(context);
        assert_false(ZSTD_isError(packed_len));
        assert_int_equal(zstd_window(packed), 1u << window_log);
        assert_int_equal(
            decompress_extent(COMPRESS_ZSTD, SECTOR, packed, packed_len, back, len, &out_len), 0);
        assert_int_equal(out_len, len);
        assert_memory_equal(back, data, len);
    }
}

static void names(void **state)
{
    static const struct {
        const char *spec;
        enum compress_type type;
        int level;
    } good[] = {
        {"none", COMPRESS_NONE, 0},       {"no", COMPRESS_NONE, 0},
        {"zlib", COMPRESS_ZLIB, 0},       {"zlib:9", COMPRESS_ZLIB, 9},
        {"zlib:0", COMPRESS_ZLIB, 0},     {"lzo", COMPRESS_LZO, 0},
        {"zstd", COMPRESS_ZSTD, 0},       {"zstd:15", COMPRESS_ZSTD, 15},
        {"zstd:-15", COMPRESS_ZSTD, -15},
    };
    static const char *const bad[] = {"",
                                      "zli",
                                      "zlibx",
                                      "zlib:",
                                      "zlib:10",
                                      "zlib:-1",
                                      "lzo:1",
                                      "zstd:16",
                                      "zstd:x",
                                      "zstd:3x",
                                      "lz4",
                                      "none:1",
                                      "zstd:99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        enum compress_type type = COMPRESS_NONE;
        int level = 99;

        assert_int_equal(compress_by_name(good[i].spec, &type, &level), 0);
        assert_int_equal(type, good[i].type);
        assert_int_equal(level, good[i].level);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        enum compress_type type = COMPRESS_LZO;
        int level = 99;

        assert_int_equal(compress_by_name(bad[i], &type, &level), -EINVAL);
        assert_int_equal(type, COMPRESS_LZO);
        assert_int_equal(level, 99);
    }
    for (uint8_t type = 0; type < 4; type++)
        assert_true(compress_type_known(type));
    assert_false(compress_type_known(4));
    assert_string_equal(compress_name(COMPRESS_NONE), "none");
    assert_string_equal(compress_name(COMPRESS_ZSTD), "zstd");
}

static void unknown_types(void **state)
{
    uint8_t data[64] = {0}, out[64];
    size_t out_len;

    (void)state;
    assert_int_equal(decompress_extent((enum compress_type)4, SECTOR, data, 64, out, 64, &out_len),
                     -EIO);
    assert_int_equal(decompress_extent(COMPRESS_NONE, SECTOR, data, 64, out, 64, &out_len), -EIO);
    assert_int_equal(compress_extent(COMPRESS_NONE, 0, SECTOR, data, 64, out, 64, &out_len),
                     -EINVAL);
    assert_int_equal(compress_extent(COMPRESS_ZLIB, 10, SECTOR, data, 64, out, 64, &out_len),
                     -EINVAL);
}

/* Noise is seen as noise at every size; text, zeros, counters and repeated noise are not. */
static void worth_trying(void **state)
{
    AUTO_FREE uint8_t *data = alloc(COMPRESS_EXTENT_MAX);
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(10));
    for (size_t len = 4096; len <= COMPRESS_EXTENT_MAX; len *= 2) {
        fill_noise(&rng, data, len);
        assert_false(compress_worth_trying(data, len));
        memcpy(data + len / 2, data, len / 2);
        assert_true(compress_worth_trying(data, len));
        fill_text(&rng, data, len);
        assert_true(compress_worth_trying(data, len));
        memset(data, 0, len);
        assert_true(compress_worth_trying(data, len));
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)i;
        assert_true(compress_worth_trying(data, len));
        for (size_t i = 0; i + 8 <= len; i += 8)
            memcpy(data + i, le64_of(i * 1000003).b, 8);
        assert_true(compress_worth_trying(data, len));
    }
    assert_true(compress_worth_trying(data, 0));
    assert_true(compress_worth_trying(data, 100));
}

static void *thread_work(void *arg)
{
    enum { LEN = 40000 };
    AUTO_FREE uint8_t *data = alloc(LEN);
    struct rng rng;

    rng_seed(&rng, *(uint64_t *)arg);
    for (int round = 0; round < 30; round++) {
        fill_text(&rng, data, LEN);
        for (size_t t = 0; t < ARRAY_LEN(types); t++)
            if (round_trip(types[t], 0, SECTOR, data, LEN) != 0)
                return arg;
    }
    return NULL;
}

static void threads(void **state)
{
    pthread_t thread[4];
    uint64_t seed[4] = {11, 12, 13, 14};

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, thread_work, &seed[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = &seed[i];

        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
}

/* Watched on Linux 6.18. */
static void options_are_read_as_linux_reads_them(void **state)
{
    static const struct {
        const char *spec;
        enum compress_type type;
        int level;
    } good[] = {{"zlib", COMPRESS_ZLIB, 0},       {"zlib:0", COMPRESS_ZLIB, 0},
                {"zlib:10", COMPRESS_ZLIB, 9},    {"zlib:-2", COMPRESS_ZLIB, 1},
                {"lzo:1", COMPRESS_LZO, 0},       {"zstd:-5", COMPRESS_ZSTD, -5},
                {"zstd:-16", COMPRESS_ZSTD, -15}, {"zstd:16", COMPRESS_ZSTD, 15},
                {"none", COMPRESS_NONE, 0},       {"no", COMPRESS_NONE, 0}};
    static const char *const bad[] = {
        "", "foo", "zstdx", "zstd:", "zstd:3x", "zlib:x", "ZSTD", ":3"};
    enum compress_type type;
    int level;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(compress_by_option(good[i].spec, &type, &level), 0);
        assert_int_equal(type, good[i].type);
        assert_int_equal(level, good[i].level);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(compress_by_option(bad[i], &type, &level), -EINVAL);
}

/* Linux stores whatever begins with a name, and reads no further. */
static void stored_properties_are_taken_by_their_beginning(void **state)
{
    enum compress_type type;
    int level;

    (void)state;
    assert_true(compress_by_property("zstd", 4, &type, &level));
    assert_int_equal(type, COMPRESS_ZSTD);
    assert_true(compress_by_property("zlib:9", 6, &type, &level));
    assert_int_equal(level, 9);
    assert_true(compress_by_property("zstd:99", 7, &type, &level));
    assert_int_equal(level, COMPRESS_LEVEL_DEFAULT);
    assert_true(compress_by_property("lzoo", 3, &type, &level));
    assert_int_equal(type, COMPRESS_LZO);
    assert_false(compress_by_property("none", 4, &type, &level));
    assert_false(compress_by_property("zl", 2, &type, &level));
    assert_false(compress_by_property("", 0, &type, &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_levels),
        cmocka_unit_test(full_extent_of_zeros),
        cmocka_unit_test(noise_is_too_big),
        cmocka_unit_test(room_is_exact),
        cmocka_unit_test(lzo_framing),
        cmocka_unit_test(lying_length),
        cmocka_unit_test(truncated),
        cmocka_unit_test(damaged),
        cmocka_unit_test(zlib_adler_is_ignored),
        cmocka_unit_test(zstd_windows),
        cmocka_unit_test(names),
        cmocka_unit_test(unknown_types),
        cmocka_unit_test(worth_trying),
        cmocka_unit_test(threads),
        cmocka_unit_test(options_are_read_as_linux_reads_them),
        cmocka_unit_test(stored_properties_are_taken_by_their_beginning),
    };

    return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}
