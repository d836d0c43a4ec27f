// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who gets compressed, as Linux decides it: the inode, its property, the mount, and how the data
 * looks. And that what came out of it reads as it was written.
 */
#include "fs/file/test/world.h"

#include "disk/compress/compress.h"

#define SIZE (1 * MIB)

enum kind { TEXT, NOISE, DECEPTIVE };

static uint8_t data[SIZE], got[SIZE];

/* DECEPTIVE: some of it looks as if it could be compressed, and what that gains is no sector. */
static void fill(enum kind kind)
{
    struct rng rng;

    rng_seed(&rng, unit_seed(5));
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (uint8_t)rng_next(&rng);
        if (kind == TEXT || (kind == DECEPTIVE && i % 256 < 16))
            data[i] = (uint8_t)('a' + data[i] % (kind == TEXT ? 4 : 32));
    }
}

struct seen {
    unsigned extents, compressed;
    uint64_t longest;
};

static int see(void *arg, const struct file_map *map)
{
    struct seen *seen = arg;

    seen->extents++;
    seen->compressed += map->compressed;
    seen->longest = MAX(seen->longest, map->len);
    return 0;
}

static struct seen look(struct world *world)
{
    struct seen seen = {0};

    ok(file_each_extent(world->file[0], 0, UINT64_MAX, see, &seen));
    return seen;
}

static void open_with(struct world *world, uint8_t type, bool force)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    world_new(world, 256 * MIB, &options);
    world->options.compress_type = type;
    world->options.compress_force = force;
    world->fs.options = world->options;
}

static void set_property(struct world *world, const char *value)
{
    ok(store_begin(world->store, STORE_CREATE, 8));
    ok(xattr_set(world->file[0], "btrfs.compression", value, strlen(value), 0));
    world->file[0]->item.flags |= INODE_COMPRESS;
    inode_mark_dirty(world->file[0]);
    store_end(world->store);
}

static struct seen write_and_look(struct world *world, enum kind kind, size_t len)
{
    size_t done;

    fill(kind);
    ok(file_write(world->file[0], data, len, 0, &done));
    world_sync(world);
    struct seen seen = look(world);
    world_reopen(world);
    ok(file_read(world->file[0], got, len, 0, &done));
    assert_int_equal(done, len);
    assert_memory_equal(got, data, len);
    world->fs.options = world->options;
    return seen;
}

static bool is_marked(struct world *world)
{
    return world->file[0]->item.flags & INODE_NOCOMPRESS;
}

static void the_mount_compresses(void **state)
{
    static const uint8_t types[] = {COMPRESS_ZLIB, COMPRESS_LZO, COMPRESS_ZSTD};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct world world;

        open_with(&world, types[i], false);
        struct seen seen = write_and_look(&world, TEXT, SIZE);
        assert_int_equal(seen.extents, 8);
        assert_int_equal(seen.compressed, 8);
        assert_int_equal(seen.longest, 128 * KIB);
        world_free(&world);
    }
}

static void small_files_are_compressed_into_their_item(void **state)
{
    struct world world;

    (void)state;
    open_with(&world, COMPRESS_ZSTD, false);
    struct seen seen = write_and_look(&world, TEXT, 4000);
    assert_int_equal(seen.extents, 1);
    assert_int_equal(seen.compressed, 1);
    assert_int_equal(world.file[0]->item.nbytes, 4000);
    world_free(&world);
}

static void nobody_asks(void **state)
{
    struct world world;

    (void)state;
    open_with(&world, COMPRESS_NONE, false);
    assert_int_equal(write_and_look(&world, TEXT, SIZE).compressed, 0);
    world_free(&world);
}

static void a_file_may_refuse(void **state)
{
    static const uint64_t flags[] = {INODE_NOCOMPRESS, INODE_NODATACOW | INODE_NODATASUM};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        for (unsigned force = 0; force < 2; force++) {
            struct world world;

            open_with(&world, COMPRESS_ZSTD, force);
            world.file[0]->item.flags |= flags[i];
            struct seen seen = write_and_look(&world, TEXT, SIZE);
            assert_int_equal(seen.compressed, force && i == 0 ? 8 : 0);
            world_free(&world);
        }
    }
}

/* Noise is not even tried; what was tried in vain is not tried again. */
static void what_does_not_shrink_is_marked(void **state)
{
    struct world world;

    (void)state;
    open_with(&world, COMPRESS_ZSTD, false);
    assert_int_equal(write_and_look(&world, NOISE, SIZE).compressed, 0);
    assert_false(is_marked(&world));
    assert_int_equal(write_and_look(&world, DECEPTIVE, SIZE).compressed, 0);
    assert_true(is_marked(&world));
    assert_int_equal(write_and_look(&world, TEXT, SIZE).compressed, 0);
    world_free(&world);
}

static void but_not_by_force(void **state)
{
    struct world world;

    (void)state;
    open_with(&world, COMPRESS_ZSTD, true);
    assert_int_equal(write_and_look(&world, DECEPTIVE, SIZE).compressed, 0);
    assert_false(is_marked(&world));
    assert_int_equal(write_and_look(&world, TEXT, SIZE).compressed, 8);
    world_free(&world);
}

static void nor_by_property(void **state)
{
    struct world world;

    (void)state;
    open_with(&world, COMPRESS_NONE, false);
    set_property(&world, "lzo");
    assert_int_equal(write_and_look(&world, DECEPTIVE, SIZE).compressed, 0);
    assert_false(is_marked(&world));
    assert_int_equal(write_and_look(&world, TEXT, SIZE).compressed, 8);
    world_free(&world);
}

static uint8_t type_at_start(struct world *world)
{
    struct mapping map;

    store_read_lock(world->store);
    ok(map_find(world->file[0], 0, &map));
    store_read_unlock(world->store);
    return map.compression;
}

static void the_property_says_which(void **state)
{
    static const struct {
        const char *value;
        uint8_t type;
    } rows[] = {{"zlib", COMPRESS_ZLIB},    {"lzo", COMPRESS_LZO},       {"zstd:15", COMPRESS_ZSTD},
                {"zlib:9", COMPRESS_ZLIB},  {"zstd:-15", COMPRESS_ZSTD}, {"lzo:3", COMPRESS_LZO},
                {"zlibrary", COMPRESS_ZLIB}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world world;

        open_with(&world, COMPRESS_ZSTD, i % 2);
        set_property(&world, rows[i].value);
        assert_int_equal(write_and_look(&world, TEXT, SIZE).compressed, 8);
        assert_int_equal(type_at_start(&world), rows[i].type);
        world_free(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mount_compresses),
        cmocka_unit_test(small_files_are_compressed_into_their_item),
        cmocka_unit_test(nobody_asks),
        cmocka_unit_test(a_file_may_refuse),
        cmocka_unit_test(what_does_not_shrink_is_marked),
        cmocka_unit_test(but_not_by_force),
        cmocka_unit_test(nor_by_property),
        cmocka_unit_test(the_property_says_which),
    };

    return cmocka_run_group_tests_name("compression on write", tests, NULL, NULL);
}
