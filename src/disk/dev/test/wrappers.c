// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards: a record replays to the same device; a fault hits exactly the operation asked for. */
#include "base/test/unit.h"

#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/env.h"
#include "disk/dev/dev.h"

#define SIZE (1u << 20)

static void fill(struct dev *dev, uint64_t off, int value, size_t len)
{
    AUTO_FREE uint8_t *buf = malloc(len);

    memset(buf, value, len);
    assert_int_equal(dev_write(dev, off, buf, len), 0);
}

static void assert_same(struct dev *a, struct dev *b)
{
    AUTO_FREE uint8_t *in_a = malloc(SIZE), *in_b = malloc(SIZE);

    assert_int_equal(dev_read(a, 0, in_a, SIZE), 0);
    assert_int_equal(dev_read(b, 0, in_b, SIZE), 0);
    assert_memory_equal(in_a, in_b, SIZE);
}

static void record_in_order(void **state)
{
    struct dev *rec = dev_record_new(dev_mem_new(SIZE));
    struct dev *view = dev_borrow(rec);
    uint8_t byte;

    (void)state;
    fill(view, 100, 1, 50);
    assert_int_equal(dev_read(view, 100, &byte, 1), 0);
    assert_int_equal(byte, 1);
    assert_int_equal(dev_flush(view), 0);
    assert_int_equal(dev_discard(view, 0, 4096), 0);
    assert_int_equal(dev_write(view, SIZE, &byte, 1), -EIO); /* refused: not recorded */
    fill(view, 200, 2, 70);
    dev_close(view);

    assert_int_equal(dev_record_count(rec), 4);
    struct dev_record first = dev_record_entry(rec, 0);
    assert_int_equal(first.op, DEV_OP_WRITE);
    assert_int_equal(first.off, 100);
    assert_int_equal(first.len, 50);
    for (int i = 0; i < 50; i++)
        assert_int_equal(first.data[i], 1);
    assert_int_equal(dev_record_entry(rec, 1).op, DEV_OP_FLUSH);
    assert_int_equal(dev_record_entry(rec, 2).op, DEV_OP_DISCARD);
    assert_int_equal(dev_record_entry(rec, 2).len, 4096);
    assert_int_equal(dev_record_entry(rec, 3).data[69], 2);
    dev_record_reset(rec);
    assert_int_equal(dev_record_count(rec), 0);
    dev_close(rec);
}

static void record_replays(void **state)
{
    struct dev *mem = dev_mem_new(SIZE);
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(1));
    fill(mem, 0, 9, SIZE);
    struct dev *onto = dev_mem_clone(mem), *rec = dev_record_new(mem);
    for (int i = 0; i < 1000; i++) {
        uint64_t off = rng_below(&rng, SIZE);
        size_t len = rng_below(&rng, MIN((uint64_t)20000, SIZE - off)) + 1;

        switch (rng_below(&rng, 8)) {
        case 0:
            assert_int_equal(dev_flush(rec), 0);
            break;
        case 1:
            assert_int_equal(dev_discard(rec, off, len), 0);
            break;
        default:
            fill(rec, off, (int)rng_below(&rng, 256), len);
        }
    }
    assert_int_equal(dev_record_count(rec), 1000);
    for (size_t i = 0; i < dev_record_count(rec); i++) {
        struct dev_record entry = dev_record_entry(rec, i);

        assert_int_equal(dev_record_apply(&entry, onto), 0);
    }
    assert_same(rec, onto);
    dev_close(rec);
    dev_close(onto);
}

/* For each n: exactly the n-th write fails, once or from then on; reads are not counted. */
static void nth_write(void **state)
{
    uint8_t buf[16] = {0};

    (void)state;
    for (uint64_t n = 1; n <= 10; n++) {
        for (int permanent = 0; permanent < 2; permanent++) {
            struct dev *dev = dev_fault_new(dev_mem_new(SIZE));
            struct dev_fault fault = {
                .ops = DEV_OP_WRITE, .nth = n, .permanent = permanent, .err = -ENOSPC};

            assert_int_equal(dev_write(dev, 0, buf, 16), 0);
            dev_fault_arm(dev, &fault);
            for (uint64_t i = 1; i <= 10; i++) {
                bool fails = permanent ? i >= n : i == n;

                fail_clear();
                assert_int_equal(dev_write(dev, i * 16, buf, 16), fails ? -ENOSPC : 0);
                assert_int_equal(fail_message()[0] != '\0', fails);
                assert_int_equal(dev_read(dev, 0, buf, 16), 0);
            }
            assert_int_equal(dev_fault_hits(dev), permanent ? 11 - n : 1);
            assert_int_equal(dev_fault_count(dev, DEV_OP_WRITE), 11);
            assert_int_equal(dev_fault_count(dev, DEV_OP_WRITE | DEV_OP_READ), 21);
            dev_fault_disarm(dev);
            assert_int_equal(dev_write(dev, 0, buf, 16), 0);
            dev_close(dev);
        }
    }
}

static void each_operation(void **state)
{
    static const enum dev_op ops[] = {DEV_OP_READ, DEV_OP_WRITE, DEV_OP_FLUSH, DEV_OP_DISCARD};
    struct dev *dev = dev_fault_new(dev_mem_new(SIZE));
    uint8_t buf[16] = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        struct dev_fault fault = {.ops = ops[i], .nth = 1, .permanent = true, .err = -EIO};

        dev_fault_arm(dev, &fault);
        assert_int_equal(dev_read(dev, 0, buf, 16), ops[i] == DEV_OP_READ ? -EIO : 0);
        assert_int_equal(dev_write(dev, 0, buf, 16), ops[i] == DEV_OP_WRITE ? -EIO : 0);
        assert_int_equal(dev_flush(dev), ops[i] == DEV_OP_FLUSH ? -EIO : 0);
        assert_int_equal(dev_discard(dev, 0, 16), ops[i] == DEV_OP_DISCARD ? -EIO : 0);
    }
    dev_close(dev);
}

/* A bad stretch of the device, as one copy of a mirrored block can be. */
static void bad_range(void **state)
{
    struct dev *dev = dev_fault_new(dev_mem_new(SIZE));
    struct dev_fault fault = {.ops = DEV_OP_READ | DEV_OP_FLUSH,
                              .nth = 1,
                              .permanent = true,
                              .err = -EIO,
                              .off = 8192,
                              .len = 4096};
    uint8_t buf[4097];

    (void)state;
    dev_fault_arm(dev, &fault);
    assert_int_equal(dev_read(dev, 0, buf, 4096), 0);
    assert_int_equal(dev_read(dev, 4096, buf, 4096), 0);
    assert_int_equal(dev_read(dev, 4096, buf, 4097), -EIO);
    assert_int_equal(dev_read(dev, 12287, buf, 1), -EIO);
    assert_int_equal(dev_read(dev, 12288, buf, 4096), 0);
    assert_int_equal(dev_flush(dev), 0);
    dev_close(dev);
}

static void torn_write(void **state)
{
    struct dev *dev = dev_fault_new(dev_mem_new(SIZE));
    struct dev_fault fault = {.ops = DEV_OP_WRITE, .nth = 1, .torn = true, .err = -EIO};
    uint8_t buf[3000], back[3000];

    (void)state;
    fill(dev, 0, 1, sizeof(buf));
    memset(buf, 2, sizeof(buf));
    dev_fault_arm(dev, &fault);
    assert_int_equal(dev_write(dev, 0, buf, sizeof(buf)), -EIO);
    assert_int_equal(dev_read(dev, 0, back, sizeof(back)), 0);
    for (size_t i = 0; i < sizeof(back); i++)
        assert_int_equal(back[i], i < 1024 ? 2 : 1);
    dev_close(dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_in_order), cmocka_unit_test(record_replays),
        cmocka_unit_test(nth_write),       cmocka_unit_test(each_operation),
        cmocka_unit_test(bad_range),       cmocka_unit_test(torn_write),
    };

    return cmocka_run_group_tests_name("dev/wrappers", tests, NULL, NULL);
}
