// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: whatever was written through the wrapper, and wherever it was cut short, the undo file
 * gives back every byte; a file that is cut off, damaged or another's is refused and nothing is
 * written.
 */
#include "base/test/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/env.h"
#include "disk/dev/undo.h"

#define SIZE ((1u << 20) + 777)

static const uint8_t fsid[UNDO_FSID_SIZE] = "0123456789abcde";
static char path[64];

static int fresh_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/copse-undo-XXXXXX");
    int fd = mkstemp(path);

    if (fd < 0)
        return -1;
    close(fd);
    return unlink(path);
}

static int drop_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static struct dev *noise(void)
{
    struct dev *dev = dev_mem_new(SIZE);
    AUTO_FREE uint8_t *buf = malloc(SIZE);
    struct rng rng;

    rng_seed(&rng, 1);
    for (size_t i = 0; i < SIZE; i++)
        buf[i] = (uint8_t)rng_next(&rng);
    assert_int_equal(dev_write(dev, 0, buf, SIZE), 0);
    return dev;
}

static bool same(struct dev *a, struct dev *b)
{
    AUTO_FREE uint8_t *in_a = malloc(SIZE), *in_b = malloc(SIZE);

    assert_int_equal(dev_read(a, 0, in_a, SIZE), 0);
    assert_int_equal(dev_read(b, 0, in_b, SIZE), 0);
    return memcmp(in_a, in_b, SIZE) == 0;
}

/* Writes and flushes from a seed, until something fails. */
static int scribble(struct dev *dev, uint64_t seed)
{
    struct rng rng;
    uint8_t buf[10000];

    rng_seed(&rng, seed);
    for (unsigned i = 0; i < 60; i++) {
        size_t len = 1 + rng_next(&rng) % sizeof(buf);
        uint64_t off = rng_next(&rng) % (SIZE - len + 1);

        memset(buf, (int)rng_next(&rng), len);
        TRY(dev_write(dev, off, buf, len));
        if (rng_next(&rng) % 8 == 0)
            TRY(dev_flush(dev));
    }
    return dev_flush(dev);
}

static void undoes_everything(void **state)
{
    struct dev *before = noise(), *disk = dev_mem_clone(before), *plain = dev_mem_clone(before);
    struct dev *dev = dev_undo_new(dev_borrow(disk), path, fsid);
    struct undo_info info;

    (void)state;
    assert_int_equal(scribble(dev, 7), 0);
    assert_int_equal(scribble(plain, 7), 0);
    assert_true(same(dev, plain));
    assert_true(same(disk, plain));
    assert_true(dev_undo_begun(dev));
    dev_close(dev);
    assert_int_equal(undo_look(path, &info), 0);
    assert_int_equal(info.device_size, SIZE);
    assert_memory_equal(info.fsid, fsid, sizeof(fsid));
    assert_int_equal(undo_apply(path, disk), 0);
    assert_true(same(disk, before));
    assert_int_equal(undo_apply(path, disk), 0);
    assert_true(same(disk, before));
    dev_close(before);
    dev_close(disk);
    dev_close(plain);
}

/* The device fails at each of its writes in turn, half done: as a crash leaves it. */
static void undoes_what_was_cut_short(void **state)
{
    struct dev *before = noise();
    bool failed = true;

    for (unsigned nth = 1; failed; nth += 7) {
        struct dev *disk = dev_mem_clone(before);
        struct dev *fault = dev_fault_new(dev_borrow(disk));
        struct dev *dev = dev_undo_new(fault, path, fsid);
        const struct dev_fault plan = {
            .ops = DEV_OP_WRITE, .nth = nth, .permanent = true, .torn = true, .err = -EIO};

        dev_fault_arm(fault, &plan);
        failed = scribble(dev, 3) < 0;
        dev_close(dev);
        if (failed)
            assert_false(same(disk, before));
        assert_int_equal(undo_apply(path, disk), 0);
        assert_true(same(disk, before));
        dev_close(disk);
        assert_int_equal(drop_path(state), 0);
    }
    dev_close(before);
}

static void nothing_written_makes_no_file(void **state)
{
    struct dev *dev = dev_undo_new(noise(), path, fsid);

    (void)state;
    assert_int_equal(dev_flush(dev), 0);
    assert_int_equal(dev_discard(dev, 0, 4096), 0);
    assert_false(dev_undo_begun(dev));
    dev_close(dev);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_file_in_the_way(void **state)
{
    struct dev *before = noise(), *disk = dev_mem_clone(before);
    struct dev *dev = dev_undo_new(dev_borrow(disk), path, fsid);
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    fputs("of somebody else", file);
    fclose(file);
    assert_int_equal(dev_write(dev, 0, "x", 1), 0);
    assert_int_equal(dev_flush(dev), -EEXIST);
    dev_close(dev);
    assert_true(same(disk, before));
    assert_int_equal(undo_apply(path, disk), -EINVAL);
    assert_true(same(disk, before));
    dev_close(disk);
    dev_close(before);
}

static void bad_files_are_refused(void **state)
{
    struct dev *disk = noise(), *after;
    struct dev *dev = dev_undo_new(dev_borrow(disk), path, fsid);
    struct dev *longer = dev_mem_new(SIZE + 1);
    struct undo_info info;
    FILE *file;

    (void)state;
    assert_int_equal(scribble(dev, 5), 0);
    dev_close(dev);
    after = dev_mem_clone(disk);
    assert_int_equal(undo_apply(path, longer), -EINVAL);
    file = fopen(path, "r+");
    assert_non_null(file);
    /* A byte of an old page, then all behind the middle. */
    fseek(file, 8192 + 24 + 100, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 1, file);
    fflush(file);
    assert_int_equal(undo_apply(path, disk), -EUCLEAN);
    fseek(file, -1, SEEK_CUR);
    fputc(byte, file);
    fflush(file);
    assert_int_equal(undo_look(path, &info), 0);
    fseek(file, 0, SEEK_END);
    assert_int_equal(ftruncate(fileno(file), ftell(file) - 1), 0);
    assert_int_equal(undo_apply(path, disk), -EUCLEAN);
    assert_int_equal(ftruncate(fileno(file), 10), 0);
    assert_int_equal(undo_apply(path, disk), -EINVAL);
    fclose(file);
    assert_true(same(disk, after));
    dev_close(disk);
    dev_close(after);
    dev_close(longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(undoes_everything, fresh_path, drop_path),
        cmocka_unit_test_setup_teardown(undoes_what_was_cut_short, fresh_path, drop_path),
        cmocka_unit_test_setup_teardown(nothing_written_makes_no_file, fresh_path, drop_path),
        cmocka_unit_test_setup_teardown(a_file_in_the_way, fresh_path, drop_path),
        cmocka_unit_test_setup_teardown(bad_files_are_refused, fresh_path, drop_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
