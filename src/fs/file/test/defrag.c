// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Defragmentation leaves every byte and every sharing as it was, makes few extents of many, and
 * changes the compression when asked to.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>

#include "disk/compress/compress.h"

#define PIECE (16 * KIB)
#define PIECES 64

static uint8_t bytes[PIECES * PIECE], got[PIECES * PIECE];

struct seen {
    unsigned extents, compressed, shared;
};

static int see(void *arg, const struct file_map *map)
{
    struct seen *seen = arg;

    seen->extents++;
    seen->compressed += map->compressed;
    seen->shared += map->shared;
    return 0;
}

static struct seen look(struct world *world, unsigned f)
{
    struct seen seen = {0};

    ok(file_each_extent(world->file[f], 0, UINT64_MAX, see, &seen));
    return seen;
}

static void check_bytes(struct world *world, unsigned f, uint64_t len)
{
    size_t done;

    ok(file_read(world->file[f], got, len, 0, &done));
    assert_int_equal(done, len);
    assert_memory_equal(got, bytes, len);
}

/* One extent for each piece: two files take turns. */
static void make(struct world *world, uint64_t flags)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    size_t done;

    world_new(world, 256 * MIB, &options);
    world->file[0]->item.flags |= flags;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)('a' + i / 5000 % 20);
    for (unsigned i = 0; i < PIECES; i++) {
        for (unsigned f = 0; f < 2; f++) {
            ok(file_write(world->file[f], bytes + i * PIECE, PIECE, i * PIECE, &done));
            ok(file_writeback(world->file[f]));
        }
    }
    world_sync(world);
    assert_int_equal(look(world, 0).extents, PIECES);
}

static uint64_t defrag(struct world *world, bool recompress, uint8_t type)
{
    const struct file_defrag options = {
        .len = UINT64_MAX,
        .threshold = 32 * MIB,
        .recompress = recompress,
        .type = type,
    };
    uint64_t rewritten;

    ok(file_defragment(world->file[0], &options, &rewritten));
    world_sync(world);
    world_check_counters(world);
    check_bytes(world, 0, sizeof(bytes));
    return rewritten;
}

static void end(struct world *world)
{
    world_reopen(world);
    check_bytes(world, 0, sizeof(bytes));
    check_bytes(world, 1, sizeof(bytes));
    world_free(world);
}

static void many_become_one(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    assert_int_equal(defrag(&world, false, 0), sizeof(bytes));
    assert_int_equal(look(&world, 0).extents, 1);
    assert_int_equal(defrag(&world, false, 0), 0);
    end(&world);
}

static void what_is_shared_stays(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_clone_range(world.file[0], 16 * PIECE, 32 * PIECE, world.file[2], 0));
    world_sync(&world);
    assert_int_equal(defrag(&world, false, 0), sizeof(bytes) - 32 * PIECE);
    struct seen seen = look(&world, 0);
    assert_int_equal(seen.extents, 34);
    assert_int_equal(seen.shared, 32);
    end(&world);
}

static void holes_and_unwritten_space_stay(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_fallocate(world.file[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * PIECE, PIECE));
    ok(file_fallocate(world.file[0], FALLOC_FL_ZERO_RANGE, 24 * PIECE, PIECE));
    memset(bytes + 8 * PIECE, 0, PIECE);
    memset(bytes + 24 * PIECE, 0, PIECE);
    world_sync(&world);
    uint64_t nbytes = world.file[0]->item.nbytes;
    assert_int_equal(defrag(&world, false, 0), sizeof(bytes) - 2 * PIECE);
    assert_int_equal(look(&world, 0).extents, 4);
    assert_int_equal(world.file[0]->item.nbytes, nbytes);
    world_free(&world);
}

/* What is written in place otherwise moves now. */
static void nodatacow_files_too(void **state)
{
    struct world world;

    (void)state;
    make(&world, INODE_NODATACOW | INODE_NODATASUM);
    assert_int_equal(defrag(&world, false, 0), sizeof(bytes));
    assert_int_equal(look(&world, 0).extents, 1);
    assert_int_equal(defrag(&world, true, COMPRESS_ZSTD), 0);
    end(&world);
}

static void it_compresses_and_decompresses(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    defrag(&world, true, COMPRESS_ZSTD);
    assert_int_equal(look(&world, 0).compressed, sizeof(bytes) / (128 * KIB));
    assert_int_equal(defrag(&world, true, COMPRESS_ZSTD), 0);
    assert_int_equal(defrag(&world, false, 0), 0);
    defrag(&world, true, COMPRESS_NONE);
    assert_int_equal(look(&world, 0).compressed, 0);
    assert_int_equal(look(&world, 0).extents, 1);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_become_one),
        cmocka_unit_test(what_is_shared_stays),
        cmocka_unit_test(holes_and_unwritten_space_stay),
        cmocka_unit_test(nodatacow_files_too),
        cmocka_unit_test(it_compresses_and_decompresses),
    };

    return cmocka_run_group_tests_name("defragmentation", tests, NULL, NULL);
}
