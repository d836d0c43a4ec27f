// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards I11: what no file reaches any more is held by nobody. RECLAIM_SIZE=BYTES makes the file
 * that is overwritten at random so large.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>

#include "engine/extent/split.h"

static uint8_t buf[MIB];

static void make(struct world *world, uint64_t size)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    world_new(world, size, &options);
}

/* As mount_sync does it. */
static void settle(struct world *world)
{
    ok(files_writeback_all(&world->fs));
    files_reclaim_noted(&world->fs);
    ok(store_commit(world->store));
}

static uint64_t data_used(struct world *world)
{
    struct space_totals totals;

    space_totals(world->store->space, SPACE_DATA, &totals);
    return totals.used;
}

/* Every sector is filled with a byte of its own place and round. */
static uint8_t mark(uint64_t sector, unsigned round)
{
    return (uint8_t)(sector * 31 + round * 7 + 1);
}

static void write_sectors(struct world *world, unsigned f, uint64_t sector, uint64_t count,
                          unsigned round)
{
    size_t done;

    for (uint64_t i = 0; i < count; i++)
        memset(buf + i * 4096, mark(sector + i, round), 4096);
    ok(file_write(world->file[f], buf, count * 4096, sector * 4096, &done));
    assert_int_equal(done, count * 4096);
}

static void expect_sector(struct world *world, unsigned f, uint64_t sector, uint8_t byte)
{
    static uint8_t got[4096], want[4096];
    size_t done;

    memset(want, byte, sizeof(want));
    ok(file_read(world->file[f], got, sizeof(got), sector * 4096, &done));
    assert_int_equal(done, sizeof(got));
    assert_memory_equal(got, want, sizeof(got));
}

static void write_file(struct world *world, unsigned f, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += MIB)
        write_sectors(world, f, at / 4096, MIB / 4096, 0);
}

/* The sectors that have a checksum are those that a file maps. */
static void check_checksums(struct world *world)
{
    struct engine *engine = &world->store->engine;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    uint64_t sums = 0;
    int ret;

    for (ret = tree_search_ge(&engine->csum_tree, &key, &path); ret == 0; ret = path_next(&path))
        sums += path_size(&path) / engine->csum_size;
    assert_int_equal(ret, 1);
    assert_int_equal(sums * 4096, data_used(world));
}

static void punched_is_free_after_sync(void **state)
{
    struct world world;

    (void)state;
    make(&world, 256 * MIB);
    write_file(&world, 0, 12 * MIB);
    settle(&world);
    assert_int_equal(data_used(&world), 12 * MIB);
    ok(file_fallocate(world.file[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * MIB, 4 * MIB));
    settle(&world);
    assert_int_equal(data_used(&world), 8 * MIB);
    check_checksums(&world);
    world_check_counters(&world);
    world_reopen(&world);
    expect_sector(&world, 0, 1023, mark(1023, 0));
    expect_sector(&world, 0, 1024, 0);
    expect_sector(&world, 0, 2047, 0);
    expect_sector(&world, 0, 2048, mark(2048, 0));
    world_free(&world);
}

/* Written and punched before anything of it was durable. */
static void punched_at_once(void **state)
{
    struct world world;

    (void)state;
    make(&world, 256 * MIB);
    write_file(&world, 0, 12 * MIB);
    ok(files_writeback_all(&world.fs));
    ok(file_fallocate(world.file[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * MIB, 4 * MIB));
    settle(&world);
    assert_int_equal(data_used(&world), 8 * MIB);
    check_checksums(&world);
    world_free(&world);
}

static void truncated_is_free_after_sync(void **state)
{
    struct world world;

    (void)state;
    make(&world, 256 * MIB);
    write_file(&world, 0, 12 * MIB);
    settle(&world);
    ok(file_truncate(world.file[0], 5 * MIB));
    settle(&world);
    assert_int_equal(data_used(&world), 5 * MIB);
    check_checksums(&world);
    world_free(&world);
}

/* Rewritten in pieces, each made durable: a quarter of it may wait to be worth a split. */
static void rewriting_does_not_pile_up(void **state)
{
    const uint64_t size = 8 * MIB, piece = 64 * KIB;
    struct world world;
    uint64_t most = 0;

    (void)state;
    make(&world, 256 * MIB);
    write_file(&world, 0, size);
    settle(&world);
    for (uint64_t at = 0; at < size; at += piece) {
        write_sectors(&world, 0, at / 4096, piece / 4096, 1);
        ok(file_writeback(world.file[0]));
        settle(&world);
        most = MAX(most, data_used(&world));
    }
    print_message("# at most %llu KiB\n", (unsigned long long)(most / KIB));
    assert_true(most <= size + size / 4);
    assert_int_equal(data_used(&world), size);
    check_checksums(&world);
    for (uint64_t sector = 0; sector < size / 4096; sector++)
        expect_sector(&world, 0, sector, mark(sector, 1));
    world_free(&world);
}

/* Overwritten at random, with a clone that holds on to some of it for a while. */
static void random_overwrites_are_had_back(void **state)
{
    const char *given = getenv("RECLAIM_SIZE");
    uint64_t size = given ? strtoull(given, NULL, 0) : 16 * MIB;
    uint64_t sectors = size / 4096;
    struct space_totals metadata;
    AUTO_FREE uint8_t *round = calloc(sectors, 1);
    struct world world;
    struct rng rng;
    uint64_t freed;

    (void)state;
    rng_seed(&rng, unit_seed(11));
    make(&world, 4 * size + 256 * MIB);
    write_file(&world, 0, size);
    settle(&world);
    ok(file_clone_range(world.file[0], size / 4, size / 8, world.file[1], 0));
    for (unsigned turn = 1; turn <= 4; turn++) {
        for (uint64_t i = 0; i < sectors / 4; i++) {
            uint64_t sector = rng_below(&rng, sectors);

            write_sectors(&world, 0, sector, 1, turn);
            round[sector] = (uint8_t)turn;
        }
        if (turn == 3)
            ok(file_truncate(world.file[1], 0));
        ok(files_writeback_all(&world.fs));
        ok(files_reclaim_all(&world.fs, &freed));
        assert_true(freed > 0);
        ok(store_commit(world.store));
        space_totals(world.store->space, SPACE_METADATA, &metadata);
        print_message("# %llu KiB of data, %llu KiB of metadata\n",
                      (unsigned long long)(data_used(&world) / KIB),
                      (unsigned long long)(metadata.used / KIB));
        assert_true(data_used(&world) <= size + size / 8);
        assert_true(turn < 3 || data_used(&world) <= size + size / 10);
        check_checksums(&world);
    }
    for (uint64_t sector = 0; sector < sectors; sector++)
        expect_sector(&world, 0, sector, mark(sector, round[sector]));
    world_free(&world);
}

/* On a full file system what nobody reaches is found before a write is refused. */
static void reclaimed_before_enospc(void **state)
{
    struct world world;
    uint64_t written = 0;
    size_t done;
    int ret;

    (void)state;
    make(&world, 256 * MIB);
    memset(buf, 1, sizeof(buf));
    do {
        ret = file_write(world.file[0], buf, MIB, written, &done);
        written += done;
    } while (ret == 0);
    assert_int_equal(ret, -ENOSPC);
    settle(&world);
    /* Every other 32 KiB: too little in one place to be worth it before. */
    for (uint64_t at = 0; at + 64 * KIB <= written; at += 64 * KIB)
        ok(file_fallocate(world.file[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 32 * KIB));
    world_sync(&world);
    uint64_t more = 0;
    do {
        ret = file_write(world.file[1], buf, 64 * KIB, more, &done);
        more += done;
    } while (ret == 0);
    assert_int_equal(ret, -ENOSPC);
    print_message("# %llu MiB written, then %llu MiB more\n", (unsigned long long)(written / MIB),
                  (unsigned long long)(more / MIB));
    assert_true(more >= written / 2 - 2 * MIB);
    settle(&world);
    world_check_counters(&world);
    check_checksums(&world);
    world_free(&world);
}

/* Preallocated space that was cut out comes back too. */
static void unwritten_parts_come_back(void **state)
{
    struct world world;
    uint64_t freed;

    (void)state;
    make(&world, 256 * MIB);
    ok(file_fallocate(world.file[0], 0, 0, 8 * MIB));
    ok(file_fallocate(world.file[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, 4096));
    world_sync(&world);
    assert_int_equal(data_used(&world), 8 * MIB);
    ok(file_reclaim(world.file[0], &freed));
    assert_int_equal(freed, 4096);
    world_sync(&world);
    assert_int_equal(data_used(&world), 8 * MIB - 4096);
    world_free(&world);
}

/* What a log tree must not name is known until the next commit. */
static void splits_are_known_until_durable(void **state)
{
    struct world world;
    struct mapping map;
    uint64_t freed;

    (void)state;
    make(&world, 256 * MIB);
    write_file(&world, 0, 4 * MIB);
    world_sync(&world);
    ok(file_fallocate(world.file[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, MIB));
    world_sync(&world);
    ok(map_find(world.file[0], 2 * MIB, &map));
    assert_false(extent_was_split(world.store->extents, map.disk_bytenr));
    ok(file_reclaim(world.file[0], &freed));
    assert_int_equal(freed, MIB);
    ok(map_find(world.file[0], 2 * MIB, &map));
    assert_int_equal(map.offset, 0);
    assert_int_equal(map.ram_bytes, 2 * MIB);
    assert_true(extent_was_split(world.store->extents, map.disk_bytenr));
    ok(store_commit(world.store));
    assert_false(extent_was_split(world.store->extents, map.disk_bytenr));
    world_free(&world);
}

/* What is being sent stays as it is until that is done. */
static void sent_trees_wait(void **state)
{
    struct world world;
    uint64_t freed;

    (void)state;
    make(&world, 256 * MIB);
    write_file(&world, 0, 4 * MIB);
    world_sync(&world);
    ok(file_fallocate(world.file[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, 4096));
    world_sync(&world);
    world.root->tree->sends = 1;
    ok(file_reclaim(world.file[0], &freed));
    assert_int_equal(freed, 0);
    world.root->tree->sends = 0;
    ok(file_reclaim(world.file[0], &freed));
    assert_int_equal(freed, 4096);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(punched_is_free_after_sync),
        cmocka_unit_test(punched_at_once),
        cmocka_unit_test(truncated_is_free_after_sync),
        cmocka_unit_test(rewriting_does_not_pile_up),
        cmocka_unit_test(random_overwrites_are_had_back),
        cmocka_unit_test(reclaimed_before_enospc),
        cmocka_unit_test(unwritten_parts_come_back),
        cmocka_unit_test(splits_are_known_until_durable),
        cmocka_unit_test(sent_trees_wait),
    };

    return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
