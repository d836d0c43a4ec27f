// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a commit makes durable of files with data that is not written back yet; what a failing
 * device takes away, and who is told; damage found while reading.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>

#define LEN (40 * KIB)

static uint8_t old_data[LEN], new_data[LEN], got[2 * LEN];

static void fill(void)
{
    for (size_t i = 0; i < LEN; i++) {
        old_data[i] = (uint8_t)(i * 7 + 1);
        new_data[i] = (uint8_t)(i * 5 + 2);
    }
}

static void write_all(struct world *world, unsigned f, const uint8_t *data, size_t len,
                      uint64_t offset)
{
    size_t done;

    ok(file_write(world->file[f], data, len, offset, &done));
    assert_int_equal(done, len);
}

static void expect(struct world *world, unsigned f, const uint8_t *data, size_t len)
{
    size_t done;

    ok(file_read(world->file[f], got, sizeof(got), 0, &done));
    assert_int_equal(done, len);
    assert_memory_equal(got, data, len);
}

static void make(struct world *world)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    fill();
    world_new(world, 256 * MIB, &options);
}

/* A commit between a write and its writeback: all of the old content, none of the new. */
static void overwriting_is_all_or_nothing(void **state)
{
    struct world world;

    (void)state;
    make(&world);
    write_all(&world, 0, old_data, LEN, 0);
    world_sync(&world);
    write_all(&world, 0, new_data, LEN, 0);
    ok(store_commit(world.store));
    expect(&world, 0, new_data, LEN);
    world_reopen(&world);
    expect(&world, 0, old_data, LEN);
    world_free(&world);
}

/* The size on disk never covers bytes that are in memory only. */
static void the_size_waits_for_the_data(void **state)
{
    struct world world;

    (void)state;
    make(&world);
    write_all(&world, 0, old_data, 10000, 0);
    world_sync(&world);
    write_all(&world, 0, old_data + 10000, LEN - 10000, 10000);
    write_all(&world, 1, new_data, LEN, 0);
    ok(store_commit(world.store));
    world_reopen(&world);
    expect(&world, 0, old_data, 10000);
    expect(&world, 1, NULL, 0);
    write_all(&world, 1, new_data, LEN, 0);
    ok(file_writeback(world.file[1]));
    ok(store_commit(world.store));
    world_reopen(&world);
    expect(&world, 1, new_data, LEN);
    world_free(&world);
}

/* ---- a failing device ------------------------------------------------------------------------ */

static struct dev *add_faults(struct world *world)
{
    struct dev *fault = dev_fault_new(world->disk);

    assert_non_null(fault);
    world->disk = fault;
    return fault;
}

/* The old content stays, the one who asks is told once, and the file can be written again. */
static void a_failing_write_is_reported_once(void **state)
{
    const struct dev_fault failure = {.ops = DEV_OP_WRITE, .nth = 1, .err = -EIO};
    struct world world;

    (void)state;
    make(&world);
    world_sync(&world);
    world_close(&world);
    struct dev *fault = add_faults(&world);
    world_open(&world);
    world_find_files(&world);
    write_all(&world, 0, old_data, LEN, 0);
    world_sync(&world);
    write_all(&world, 0, new_data, LEN, 0);
    dev_fault_arm(fault, &failure);
    assert_int_equal(file_writeback(world.file[0]), -EIO);
    dev_fault_disarm(fault);
    ok(file_writeback(world.file[0]));
    ok(file_take_error(world.file[0]));
    expect(&world, 0, old_data, LEN);
    world_sync(&world);
    world_check_counters(&world);
    write_all(&world, 0, new_data, LEN, 0);
    world_sync(&world);
    world_reopen(&world);
    expect(&world, 0, new_data, LEN);
    world_free(&world);
}

/* Who does not ask for the file itself leaves the error to who does. */
static void an_error_waits_for_its_file(void **state)
{
    const struct dev_fault failure = {.ops = DEV_OP_WRITE, .nth = 1, .err = -EIO};
    struct world world;

    (void)state;
    make(&world);
    world_sync(&world);
    world_close(&world);
    struct dev *fault = add_faults(&world);
    world_open(&world);
    world_find_files(&world);
    write_all(&world, 0, old_data, LEN, 0);
    dev_fault_arm(fault, &failure);
    assert_int_equal(files_writeback_all(&world.fs), -EIO);
    dev_fault_disarm(fault);
    ok(files_writeback_all(&world.fs));
    ok(file_take_error(world.file[1]));
    assert_int_equal(file_take_error(world.file[0]), -EIO);
    ok(file_take_error(world.file[0]));
    world_sync(&world);
    world_check_counters(&world);
    world_free(&world);
}

/* What the background loses is told to its file, and to the next who asks for all of them (I6). */
static void what_the_background_loses_is_told(void **state)
{
    const struct dev_fault failure = {.ops = DEV_OP_WRITE, .nth = 1, .err = -EIO};
    struct world world;
    bool more;

    (void)state;
    make(&world);
    world_sync(&world);
    world_close(&world);
    struct dev *fault = add_faults(&world);
    world_open(&world);
    world_find_files(&world);
    write_all(&world, 0, old_data, LEN, 0);
    dev_fault_arm(fault, &failure);
    assert_int_equal(files_writeback_step(&world.fs, 0, &more), -EIO);
    dev_fault_disarm(fault);
    assert_int_equal(files_writeback_all(&world.fs), -EIO);
    ok(files_writeback_all(&world.fs));
    assert_int_equal(file_take_error(world.file[0]), -EIO);
    world_sync(&world);
    world_free(&world);
}

static bool holds(struct world *world, unsigned f, const uint8_t *data, size_t len)
{
    size_t done;

    ok(file_read(world->file[f], got, sizeof(got), 0, &done));
    return done == len && memcmp(got, data, len) == 0;
}

/* Changes of every kind, each of which may fail or be refused after another has failed. */
static int try_changes(struct world *world)
{
    size_t done;
    int ret = file_write(world->file[0], new_data, LEN, 0, &done);

    if (ret == 0)
        ret = file_writeback(world->file[0]);
    if (ret == 0)
        ret = file_clone_range(world->file[0], 0, 8192, world->file[1], 8192);
    if (ret == 0)
        ret = file_fallocate(world->file[1], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LEN);
    if (ret == 0)
        ret = file_fallocate(world->file[1], 0, LEN, LEN);
    if (ret == 0)
        ret = file_truncate(world->file[2], 100);
    return ret == 0 ? store_commit(world->store) : ret;
}

/* Each operation of the device fails once and for good: old or new, and everything is let go. */
static void fail_nth(uint64_t nth, bool *reached)
{
    const struct dev_fault failure = {
        .ops = DEV_OP_WRITE | DEV_OP_FLUSH | DEV_OP_READ,
        .nth = nth,
        .permanent = nth % 2,
        .torn = nth % 3 == 0,
        .err = -EIO,
    };
    struct world world;

    make(&world);
    for (unsigned f = 0; f < WORLD_FILES; f++)
        write_all(&world, f, old_data, LEN, 0);
    world_sync(&world);
    world_close(&world);
    struct dev *fault = add_faults(&world);
    world_open(&world);
    world_find_files(&world);
    dev_fault_arm(fault, &failure);
    int ret = try_changes(&world);
    *reached = dev_fault_hits(fault) > 0;
    assert_true(ret == 0 || *reached);
    dev_fault_disarm(fault);
    world_reopen(&world);
    assert_true(holds(&world, 0, old_data, LEN) || holds(&world, 0, new_data, LEN));
    assert_true(holds(&world, 2, old_data, LEN) || holds(&world, 2, old_data, 100));
    world_free(&world);
}

static void any_failure_leaves_old_or_new(void **state)
{
    bool reached = true;
    uint64_t nth = 1;

    (void)state;
    for (; reached; nth++)
        fail_nth(nth, &reached);
    assert_true(nth > 10);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static int take_address(void *arg, const struct file_map *map)
{
    *(uint64_t *)arg = map->address;
    return 1;
}

/* Where on the device the first byte of a file lies, in each copy. */
static void damage_copy(struct world *world, unsigned f, unsigned copy)
{
    struct chunk_map chunk;
    uint64_t address;
    uint8_t byte;

    assert_int_equal(file_each_extent(world->file[f], 0, LEN, take_address, &address), 1);
    ok(vol_find_chunk(world->store->engine.vol, address, &chunk));
    uint64_t at = chunk.stripes[copy].offset + (address - chunk.logical) + 5000;
    ok(dev_read(world->disk, at, &byte, 1));
    byte ^= 1;
    ok(dev_write(world->disk, at, &byte, 1));
}

static void damage_is_an_error(void **state)
{
    struct world world;
    size_t done;

    (void)state;
    make(&world);
    write_all(&world, 0, old_data, LEN, 0);
    world_sync(&world);
    damage_copy(&world, 0, 0);
    assert_int_equal(file_read(world.file[0], got, LEN, 0, &done), -EIO);
    assert_non_null(strstr(fail_message(), "checksum"));
    ok(file_read(world.file[0], got, 4096, 0, &done));
    assert_memory_equal(got, old_data, 4096);
    world_free(&world);
}

static void the_other_copy_helps_and_mends(void **state)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct world world;

    (void)state;
    fill();
    options.data = MKFS_PROFILE_DUP;
    world_new(&world, 512 * MIB, &options);
    write_all(&world, 0, old_data, LEN, 0);
    world_sync(&world);
    damage_copy(&world, 0, 0);
    unsigned notes = env_seeded_notes(world.env);
    expect(&world, 0, old_data, LEN);
    assert_int_equal(env_seeded_notes(world.env), notes + 1);
    damage_copy(&world, 0, 1);
    expect(&world, 0, old_data, LEN);
    assert_int_equal(env_seeded_notes(world.env), notes + 1);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwriting_is_all_or_nothing),
        cmocka_unit_test(the_size_waits_for_the_data),
        cmocka_unit_test(a_failing_write_is_reported_once),
        cmocka_unit_test(an_error_waits_for_its_file),
        cmocka_unit_test(what_the_background_loses_is_told),
        cmocka_unit_test(any_failure_leaves_old_or_new),
        cmocka_unit_test(damage_is_an_error),
        cmocka_unit_test(the_other_copy_helps_and_mends),
    };

    return cmocka_run_group_tests_name("durability of files", tests, NULL, NULL);
}
