// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: the front refuses what lies outside a device or would change a read-only one; memory
 * devices hold what was written, clones are independent, and both cost only what was written.
 */
#include "base/test/unit.h"

#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/env.h"
#include "disk/dev/dev.h"

static void bounds(void **state)
{
    struct dev *dev = dev_mem_new(100000);
    static const struct {
        uint64_t off;
        size_t len;
        int want;
    } cases[] = {
        {0, 100000, 0},        {99999, 1, 0},         {100000, 0, 0},
        {99999, 2, -EIO},      {100000, 1, -EIO},     {100001, 0, -EIO},
        {UINT64_MAX, 1, -EIO}, {UINT64_MAX, 0, -EIO}, {UINT64_MAX - 5, 100, -EIO},
        {1, SIZE_MAX, -EIO},   {0, 100001, -EIO},     {UINT64_MAX, SIZE_MAX, -EIO},
    };
    AUTO_FREE uint8_t *buf = calloc(1, 100000);

    (void)state;
    assert_non_null(buf);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fail_clear();
        assert_int_equal(dev_read(dev, cases[i].off, buf, cases[i].len), cases[i].want);
        assert_int_equal(dev_write(dev, cases[i].off, buf, cases[i].len), cases[i].want);
        assert_int_equal(dev_discard(dev, cases[i].off, cases[i].len), cases[i].want);
        assert_int_equal(fail_message()[0] != '\0', cases[i].want != 0);
    }
    dev_close(dev);
    dev_close(NULL);
}

static void readonly(void **state)
{
    struct dev *dev = dev_mem_new(4096);
    uint8_t byte = 1;

    (void)state;
    dev->readonly = true;
    struct dev *view = dev_borrow(dev);
    assert_true(view->readonly);
    assert_int_equal(dev_write(view, 0, &byte, 1), -EROFS);
    assert_int_equal(dev_discard(view, 0, 1), -EROFS);
    assert_int_equal(dev_flush(view), 0);
    assert_int_equal(dev_read(view, 0, &byte, 1), 0);
    assert_int_equal(byte, 0);
    dev_close(view);
    dev_close(dev);
}

/* A flat copy beside the device, under random writes, discards, clones and reads. */
static void against_flat_memory(void **state)
{
    enum { SIZE = 3 << 20, ROUNDS = 6000 };
    AUTO_FREE uint8_t *flat = calloc(1, SIZE), *old = calloc(1, SIZE), *buf = malloc(SIZE);
    struct dev *dev = dev_mem_new(SIZE), *clone = NULL;
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(1));
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t off = rng_below(&rng, SIZE), what = rng_below(&rng, 16);
        size_t len = rng_below(&rng, MIN(SIZE - off + 1, (uint64_t)100000));

        if (what < 7) {
            memset(buf, (int)rng_below(&rng, 256), len);
            memcpy(flat + off, buf, len);
            assert_int_equal(dev_write(dev, off, buf, len), 0);
        } else if (what < 10) {
            memset(flat + off, 0, len);
            assert_int_equal(dev_discard(dev, off, len), 0);
        } else if (what < 15) {
            assert_int_equal(dev_read(dev, off, buf, len), 0);
            assert_memory_equal(buf, flat + off, len);
        } else if (round % 5 == 0) {
            if (clone) {
                /* The clone kept what was there when it was made. */
                assert_int_equal(dev_read(clone, 0, buf, SIZE), 0);
                assert_memory_equal(buf, old, SIZE);
                /* Writing to it must not show in the original. */
                memset(buf, 0x77, len);
                assert_int_equal(dev_write(clone, off, buf, len), 0);
                dev_close(clone);
            }
            clone = dev_mem_clone(dev);
            assert_non_null(clone);
            memcpy(old, flat, SIZE);
        }
    }
    assert_int_equal(dev_read(dev, 0, buf, SIZE), 0);
    assert_memory_equal(buf, flat, SIZE);
    dev_close(dev);
    if (clone) {
        assert_int_equal(dev_read(clone, 0, buf, SIZE), 0);
        assert_memory_equal(buf, old, SIZE);
    }
    dev_close(clone);
}

static void large_is_cheap(void **state)
{
    const uint64_t size = 1ull << 40;
    struct dev *dev = dev_mem_new(size);
    uint64_t value = 42, back = 0;

    (void)state;
    assert_int_equal(dev_mem_used(dev), 0);
    assert_int_equal(dev_write(dev, size - 8, &value, 8), 0);
    assert_int_equal(dev_write(dev, size / 2 - 4, &value, 8), 0);
    assert_int_equal(dev_read(dev, size - 8, &back, 8), 0);
    assert_int_equal(back, 42);
    assert_in_range(dev_mem_used(dev), 24, 1 << 18);
    assert_int_equal(dev_discard(dev, 0, size), 0);
    assert_int_equal(dev_mem_used(dev), 0);
    assert_int_equal(dev_read(dev, size - 8, &back, 8), 0);
    assert_int_equal(back, 0);
    dev_close(dev);
}

struct share {
    struct dev *dev;
    uint64_t first;
};

/* Each thread has stretches of its own in pages that all share. */
static void *thread_work(void *arg)
{
    enum { STEP = 1000, STRETCHES = 2000 };
    struct share *share = arg;
    uint8_t buf[STEP / 4], back[STEP / 4];

    for (uint64_t i = 0; i < STRETCHES; i++) {
        uint64_t off = i * STEP + share->first * sizeof(buf);

        memset(buf, (int)(i + share->first), sizeof(buf));
        if (dev_write(share->dev, off, buf, sizeof(buf)) < 0 ||
            dev_read(share->dev, off, back, sizeof(back)) < 0 ||
            memcmp(buf, back, sizeof(buf)) != 0)
            return arg;
    }
    return NULL;
}

static void threads(void **state)
{
    struct dev *dev = dev_mem_new(2000000);
    struct share share[4];
    pthread_t thread[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        share[i] = (struct share){dev, (uint64_t)i};
        assert_int_equal(pthread_create(&thread[i], NULL, thread_work, &share[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *failed = &share[i];

        dev_close(dev_mem_clone(dev));
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    for (uint64_t off = 0; off < 2000000; off += 250) {
        uint8_t byte;

        assert_int_equal(dev_read(dev, off + 249, &byte, 1), 0);
        assert_int_equal(byte, (uint8_t)(off / 1000 + off % 1000 / 250));
    }
    dev_close(dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),
        cmocka_unit_test(readonly),
        cmocka_unit_test(against_flat_memory),
        cmocka_unit_test(large_is_cheap),
        cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests_name("dev/memory", tests, NULL, NULL);
}
