// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Claims: what is unshared and may be overwritten goes to its place and needs no space (promise 3),
 * what is shared first is written first, and nobody's promise is lost or kept twice (promise 2).
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>

#define LEN (4 * MIB)
#define MAPS_MAX 64

static uint8_t data[LEN], got[LEN];

static void make(struct world *world, uint64_t flags)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    world_new(world, 512 * MIB, &options);
    pthread_mutex_lock(&world->file[0]->item_lock);
    world->file[0]->item.flags |= flags;
    pthread_mutex_unlock(&world->file[0]->item_lock);
    inode_mark_dirty(world->file[0]);
}

static void put(struct world *world, unsigned f, int byte, uint64_t offset, size_t len)
{
    size_t done;

    memset(data, byte, len);
    ok(file_write(world->file[f], data, len, offset, &done));
    assert_int_equal(done, len);
}

static void expect(struct world *world, unsigned f, int byte, uint64_t offset, size_t len)
{
    size_t done;

    memset(data, byte, len);
    ok(file_read(world->file[f], got, len, offset, &done));
    assert_int_equal(done, len);
    assert_memory_equal(got, data, len);
}

struct maps {
    struct file_map list[MAPS_MAX];
    size_t count;
};

static int take_map(void *arg, const struct file_map *map)
{
    struct maps *maps = arg;

    assert_true(maps->count < MAPS_MAX);
    maps->list[maps->count++] = *map;
    return 0;
}

static struct maps layout(struct world *world, unsigned f)
{
    struct maps maps = {.count = 0};

    ok(file_each_extent(world->file[f], 0, UINT64_MAX, take_map, &maps));
    return maps;
}

/* Where byte `offset` lies; 0: nowhere. */
static uint64_t place_of(struct world *world, unsigned f, uint64_t offset)
{
    struct maps maps = layout(world, f);

    for (size_t i = 0; i < maps.count; i++) {
        const struct file_map *map = &maps.list[i];

        if (!map->delalloc && map->offset <= offset && offset < map->offset + map->len)
            return map->address + (offset - map->offset);
    }
    return 0;
}

static struct store_promised promised(struct world *world)
{
    struct store_promised out;

    store_promised(world->store, &out);
    return out;
}

static struct file_counters counters(struct world *world)
{
    struct file_counters out;

    files_counters(&world->fs, &out);
    return out;
}

static void unwritten_space_is_filled_in_place(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_fallocate(world.file[0], 0, 0, LEN));
    uint64_t place = place_of(&world, 0, 0);
    for (uint64_t at = 0; at < LEN; at += 64 * KIB)
        put(&world, 0, 7, at, 64 * KIB);
    assert_int_equal(promised(&world).data_bytes, 0);
    assert_true(promised(&world).future_units > 0);
    assert_int_equal(file_dirty_bytes(world.file[0]), 0);
    world_sync(&world);
    world_check_counters(&world);
    assert_int_equal(counters(&world).in_place, LEN);
    assert_int_equal(counters(&world).copied, 0);
    struct maps maps = layout(&world, 0);
    assert_int_equal(maps.count, 1);
    assert_int_equal(maps.list[0].address, place);
    assert_false(maps.list[0].prealloc);
    world_reopen(&world);
    expect(&world, 0, 7, 0, LEN);
    world_free(&world);
}

/* Written parts that meet become one item again, in whatever order they are written. */
static void written_parts_join(void **state)
{
    static const unsigned order[] = {5, 1, 3, 0, 7, 6, 2, 4};
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_fallocate(world.file[0], 0, 0, 8 * 64 * KIB));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        put(&world, 0, (int)order[i], order[i] * 64 * KIB, 64 * KIB);
        ok(file_writeback(world.file[0]));
        if (i == 0)
            assert_int_equal(layout(&world, 0).count, 3);
    }
    assert_int_equal(layout(&world, 0).count, 1);
    world_sync(&world);
    world_reopen(&world);
    for (unsigned i = 0; i < 8; i++)
        expect(&world, 0, (int)i, i * 64 * KIB, 64 * KIB);
    world_free(&world);
}

static void nodatacow_is_overwritten_in_place(void **state)
{
    struct world world;

    (void)state;
    make(&world, INODE_NODATACOW | INODE_NODATASUM);
    put(&world, 0, 1, 0, LEN);
    world_sync(&world);
    uint64_t place = place_of(&world, 0, 0);
    put(&world, 0, 2, MIB, MIB);
    assert_int_equal(promised(&world).data_bytes, 0);
    assert_int_equal(promised(&world).future_units, 0);
    world_sync(&world);
    assert_int_equal(layout(&world, 0).count, 1);
    assert_int_equal(place_of(&world, 0, 0), place);
    world_reopen(&world);
    expect(&world, 0, 1, 0, MIB);
    expect(&world, 0, 2, MIB, MIB);
    expect(&world, 0, 1, 2 * MIB, 2 * MIB);
    world_free(&world);
}

/* Of one long dirty run only what the clone shares is written, and the rest keeps its claim. */
static void a_clone_writes_what_it_shares(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_fallocate(world.file[0], 0, 0, LEN));
    put(&world, 0, 3, 0, MIB);
    ok(file_clone_range(world.file[0], 256 * KIB, 64 * KIB, world.file[1], 0));
    assert_int_equal(counters(&world).cloned, 64 * KIB);
    assert_int_equal(counters(&world).in_place, 64 * KIB);
    put(&world, 0, 4, 256 * KIB, 4 * KIB);
    assert_int_equal(promised(&world).data_bytes, 4 * KIB);
    world_sync(&world);
    world_check_counters(&world);
    assert_int_equal(counters(&world).in_place, MIB);
    assert_int_equal(counters(&world).copied, 4 * KIB);
    world_reopen(&world);
    expect(&world, 0, 3, 0, 256 * KIB);
    expect(&world, 0, 4, 256 * KIB, 4 * KIB);
    expect(&world, 0, 3, 260 * KIB, MIB - 260 * KIB);
    expect(&world, 1, 3, 0, 64 * KIB);
    world_free(&world);
}

/* Nobody could see the difference now, but later everybody would. */
static void two_references_to_unwritten_space_share_it(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_fallocate(world.file[0], 0, 0, MIB));
    ok(file_clone_range(world.file[0], 0, MIB, world.file[1], 0));
    put(&world, 0, 5, 0, 64 * KIB);
    assert_int_equal(promised(&world).data_bytes, 64 * KIB);
    world_sync(&world);
    expect(&world, 1, 0, 0, MIB);
    assert_int_equal(counters(&world).in_place, 0);
    world_free(&world);
}

/* What fallocate promises holds for unwritten space that others have too: it gets its own. */
static void fallocate_promises_over_shared_space(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_fallocate(world.file[0], 0, 0, MIB));
    uint64_t place = place_of(&world, 0, 0);
    ok(file_clone_range(world.file[0], 256 * KIB, 64 * KIB, world.file[1], 0));
    ok(file_fallocate(world.file[0], 0, 0, MIB));
    assert_int_equal(place_of(&world, 1, 0), place + 256 * KIB);
    assert_int_not_equal(place_of(&world, 0, 256 * KIB), place + 256 * KIB);
    assert_int_equal(place_of(&world, 0, 0), place);
    assert_int_equal(place_of(&world, 0, 320 * KIB), place + 320 * KIB);
    put(&world, 0, 5, 0, MIB);
    assert_int_equal(promised(&world).data_bytes, 0);
    world_sync(&world);
    assert_int_equal(counters(&world).in_place, MIB);
    /* The clone's is its own again. */
    place = place_of(&world, 1, 0);
    ok(file_fallocate(world.file[1], FALLOC_FL_KEEP_SIZE, 0, 64 * KIB));
    assert_int_equal(place_of(&world, 1, 0), place);
    expect(&world, 1, 0, 0, 64 * KIB);
    world_free(&world);
}

static void what_is_cut_off_gives_back_what_it_was_promised(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    ok(file_fallocate(world.file[0], 0, 0, MIB));
    put(&world, 0, 6, 512 * KIB, MIB);
    assert_int_equal(promised(&world).data_bytes, 512 * KIB);
    ok(file_truncate(world.file[0], 768 * KIB));
    assert_int_equal(promised(&world).data_bytes, 0);
    ok(file_truncate(world.file[0], 0));
    assert_int_equal(promised(&world).data_bytes, 0);
    assert_int_equal(promised(&world).future_units, 0);
    world_sync(&world);
    world_check_counters(&world);
    world_free(&world);
}

/* What fills memory goes out as few extents. */
static void much_data_becomes_long_extents(void **state)
{
    struct world world;

    (void)state;
    make(&world, 0);
    for (uint64_t at = 0; at < 48 * MIB; at += LEN)
        put(&world, 0, 9, at, LEN);
    world_sync(&world);
    assert_int_equal(layout(&world, 0).count, 1);
    world_free(&world);
}

/* On the device when the call returns, without a commit: another reader of the device sees it. */
static void direct_writes_are_on_the_device(void **state)
{
    struct world world;
    size_t done;

    (void)state;
    make(&world, INODE_NODATACOW | INODE_NODATASUM);
    put(&world, 0, 1, 0, MIB);
    world_sync(&world);
    uint64_t place = place_of(&world, 0, 0);
    put(&world, 0, 2, 0, 64 * KIB);
    memset(data, 3, 64 * KIB);
    ok(file_write_direct(world.file[0], data, 64 * KIB, 128 * KIB, &done));
    assert_int_equal(files_dirty_bytes(&world.fs), 64 * KIB);
    ok(vol_read(world.store->engine.vol, laddr_of(place + 128 * KIB), got, 64 * KIB, 0));
    assert_memory_equal(got, data, 64 * KIB);
    expect(&world, 0, 2, 0, 64 * KIB);
    world_free(&world);
}

/* Each who has the file open is told once; who comes after somebody was told is not. */
static void errors_are_told_to_each_once(void **state)
{
    const struct dev_fault failure = {.ops = DEV_OP_WRITE, .nth = 1, .err = -EIO};
    struct world world;

    (void)state;
    make(&world, 0);
    world_sync(&world);
    world_close(&world);
    struct dev *fault = dev_fault_new(world.disk);
    assert_non_null(fault);
    world.disk = fault;
    world_open(&world);
    world_find_files(&world);
    ok(file_fallocate(world.file[0], 0, 0, MIB));
    world_sync(&world);
    uint64_t a = file_errors_seen(world.file[0]), b = a;
    put(&world, 0, 1, 0, 64 * KIB);
    dev_fault_arm(fault, &failure);
    assert_int_equal(files_writeback_all(&world.fs), -EIO);
    dev_fault_disarm(fault);
    uint64_t late = file_errors_seen(world.file[0]);
    assert_int_equal(file_writeback_for(world.file[0], &a), -EIO);
    ok(file_writeback_for(world.file[0], &a));
    assert_int_equal(file_new_error(world.file[0], &b), -EIO);
    ok(file_new_error(world.file[0], &b));
    assert_int_equal(file_new_error(world.file[0], &late), -EIO);
    uint64_t after = file_errors_seen(world.file[0]);
    ok(file_new_error(world.file[0], &after));
    expect(&world, 0, 0, 0, 64 * KIB);
    world_sync(&world);
    world_check_counters(&world);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unwritten_space_is_filled_in_place),
        cmocka_unit_test(written_parts_join),
        cmocka_unit_test(nodatacow_is_overwritten_in_place),
        cmocka_unit_test(a_clone_writes_what_it_shares),
        cmocka_unit_test(two_references_to_unwritten_space_share_it),
        cmocka_unit_test(fallocate_promises_over_shared_space),
        cmocka_unit_test(what_is_cut_off_gives_back_what_it_was_promised),
        cmocka_unit_test(much_data_becomes_long_extents),
        cmocka_unit_test(direct_writes_are_on_the_device),
        cmocka_unit_test(errors_are_told_to_each_once),
    };

    return cmocka_run_group_tests_name("claims", tests, NULL, NULL);
}
