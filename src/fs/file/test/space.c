// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Space: it is refused at the door and kept afterwards (promise 1), given back to the byte
 * (promise 2), and a full file system can be emptied.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>

#define BLOCK (64 * KIB)

static uint8_t block[BLOCK];

static void make(struct world *world, uint64_t size, bool mixed)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    if (mixed) {
        options.features_on |= MKFS_MIXED_BG;
        options.nodesize = 4096;
    }
    world_new(world, size, &options);
}

/* Writes blocks of 64 KiB until there is no room; returns how many bytes. */
static uint64_t fill_up(struct world *world, unsigned f, uint64_t from)
{
    uint64_t pos = from;
    size_t done;
    int ret;

    do {
        memset(block, (int)(pos / BLOCK % 251) + 1, BLOCK);
        ret = file_write(world->file[f], block, BLOCK, pos, &done);
        pos += done;
    } while (ret == 0);
    assert_int_equal(ret, -ENOSPC);
    return pos - from;
}

static void check_blocks(struct world *world, unsigned f, uint64_t len)
{
    static uint8_t got[BLOCK];
    size_t done;

    for (uint64_t pos = 0; pos < len; pos += BLOCK) {
        ok(file_read(world->file[f], got, BLOCK, pos, &done));
        assert_int_equal(done, MIN(BLOCK, len - pos));
        memset(block, (int)(pos / BLOCK % 251) + 1, BLOCK);
        assert_memory_equal(got, block, done);
    }
}

static void fill_and_empty(uint64_t size, bool mixed)
{
    uint64_t first = 0;
    struct world world;

    make(&world, size, mixed);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t len = fill_up(&world, 0, 0);

        world_sync(&world);
        world_check_counters(&world);
        check_blocks(&world, 0, len);
        world_reopen(&world);
        check_blocks(&world, 0, len);
        if (round == 0)
            first = len;
        assert_true(len > size / 4);
        assert_true(len + first / 10 >= first);
        ok(file_truncate(world.file[0], 0));
        world_sync(&world);
        world_check_counters(&world);
    }
    world_free(&world);
}

static void what_was_accepted_stays(void **state)
{
    (void)state;
    fill_and_empty(256 * MIB, false);
}

static void what_was_accepted_stays_in_mixed_groups(void **state)
{
    (void)state;
    fill_and_empty(64 * MIB, true);
}

/* Scattered sectors cost more metadata than anything else. */
static void scattered_writes_until_full(void **state)
{
    struct world world;
    uint64_t sectors = 0;
    struct rng rng;
    size_t done;
    int ret;

    (void)state;
    make(&world, 128 * MIB, true);
    rng_seed(&rng, unit_seed(7));
    memset(block, 0x5a, sizeof(block));
    do {
        ret = file_write(world.file[0], block, 4096, rng_below(&rng, 1 << 20) * 8192, &done);
        sectors++;
    } while (ret == 0);
    assert_int_equal(ret, -ENOSPC);
    assert_true(sectors > 1000);
    world_sync(&world);
    world_check_counters(&world);
    ok(file_truncate(world.file[0], 1 << 20));
    ok(file_truncate(world.file[0], 0));
    world_sync(&world);
    world_check_counters(&world);
    world_free(&world);
}

/* Writing dirty bytes again asks for nothing. */
static void a_range_is_promised_once(void **state)
{
    struct space_totals before, after;
    struct world world;
    size_t done;

    (void)state;
    make(&world, 256 * MIB, false);
    ok(file_write(world.file[0], block, BLOCK, 0, &done));
    space_totals(world.store->space, SPACE_DATA, &before);
    assert_int_equal(before.promised, BLOCK);
    for (unsigned i = 0; i < 10; i++)
        ok(file_write(world.file[0], block, BLOCK - 100 * i, 50 * i, &done));
    space_totals(world.store->space, SPACE_DATA, &after);
    assert_int_equal(after.promised, BLOCK);
    ok(file_truncate(world.file[0], 5000));
    space_totals(world.store->space, SPACE_DATA, &after);
    assert_int_equal(after.promised, 8192);
    world_sync(&world);
    world_check_counters(&world);
    world_free(&world);
}

/* A preallocation that does not fit leaves nothing behind. */
static void too_much_is_refused_whole(void **state)
{
    struct world world;
    size_t done;

    (void)state;
    make(&world, 256 * MIB, false);
    assert_int_equal(file_fallocate(world.file[0], 0, 0, 1 * GIB), -ENOSPC);
    assert_int_equal(world.file[0]->item.size, 0);
    world_sync(&world);
    world_check_counters(&world);
    assert_int_equal(world.file[0]->item.nbytes, 0);
    ok(file_fallocate(world.file[0], FALLOC_FL_KEEP_SIZE, 0, 8 * MIB));
    assert_int_equal(world.file[0]->item.nbytes, 8 * MIB);
    assert_int_equal(world.file[0]->item.size, 0);
    ok(file_write(world.file[0], block, BLOCK, 0, &done));
    world_sync(&world);
    world_check_counters(&world);
    world_free(&world);
}

static void a_truncation_that_cannot_begin_changes_nothing(void **state)
{
    static uint8_t got[BLOCK];
    struct world world;
    size_t done;

    (void)state;
    make(&world, 256 * MIB, false);
    for (uint64_t pos = 0; pos < 4 * BLOCK; pos += BLOCK) {
        memset(block, (int)(pos / BLOCK % 251) + 1, BLOCK);
        ok(file_write(world.file[0], block, BLOCK, pos, &done));
        if (pos == BLOCK)
            world_sync(&world);
    }
    assert_int_equal(txn_abort(&world.store->engine, -EIO), -EIO);
    assert_true(file_truncate(world.file[0], 100) < 0);
    assert_int_equal(world.file[0]->item.size, 4 * BLOCK);
    ok(file_read(world.file[0], got, BLOCK, 3 * BLOCK, &done));
    assert_int_equal(done, BLOCK);
    memset(block, 4, BLOCK);
    assert_memory_equal(got, block, BLOCK);
    world_free(&world);
}

/* What fs-verity has sealed is read only, whoever asks. */
static void sealed_files_keep_their_content(void **state)
{
    struct world world;
    size_t done;

    (void)state;
    make(&world, 256 * MIB, false);
    ok(file_write(world.file[0], block, BLOCK, 0, &done));
    world.file[0]->item.flags |= INODE_RO_VERITY;
    assert_int_equal(file_write(world.file[0], block, BLOCK, BLOCK, &done), -EPERM);
    assert_int_equal(file_truncate(world.file[0], 0), -EPERM);
    assert_int_equal(file_fallocate(world.file[0], 0, 0, 2 * BLOCK), -EPERM);
    assert_int_equal(file_clone_range(world.file[1], 0, 0, world.file[0], 0), -EPERM);
    ok(file_clone_range(world.file[0], 0, 0, world.file[1], 0));
    assert_int_equal(world.file[0]->item.size, BLOCK);
    world_sync(&world);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_accepted_stays),
        cmocka_unit_test(what_was_accepted_stays_in_mixed_groups),
        cmocka_unit_test(scattered_writes_until_full),
        cmocka_unit_test(a_range_is_promised_once),
        cmocka_unit_test(too_much_is_refused_whole),
        cmocka_unit_test(sealed_files_keep_their_content),
        cmocka_unit_test(a_truncation_that_cannot_begin_changes_nothing),
    };

    return cmocka_run_group_tests_name("space of files", tests, NULL, NULL);
}
