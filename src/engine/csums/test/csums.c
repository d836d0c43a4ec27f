// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: for every sector the tree answers with the checksum last inserted, or none; items never
 * overlap (trap 11), never exceed what Linux writes, and fill up when written in sequence.
 */
#include "base/test/unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "disk/dev/dev.h"
#include "engine/csums/csums.h"

#define CHUNK_AT (16 * MIB)
#define CHUNK_LEN (256 * MIB)
#define DATA_AT (1 * GIB)

struct world {
    struct env *env;
    struct vol *vol;
    struct engine engine;
    uint64_t next; /* block to hand out */
};

static int bump_alloc(void *ctx, const struct root *root, uint8_t level,
                      const struct key *first_key, uint64_t hint, uint64_t *bytenr)
{
    struct world *world = ctx;

    (void)root, (void)level, (void)first_key, (void)hint;
    if (world->next + world->engine.nodesize > CHUNK_AT + CHUNK_LEN)
        return fail(-ENOSPC, "no more blocks");
    *bytenr = world->next;
    world->next += world->engine.nodesize;
    return 0;
}

static int bump_free(void *ctx, const struct root *root, const struct node *old)
{
    (void)ctx, (void)root, (void)old;
    return 0;
}

static const struct forest_backing bump = {.alloc_block = bump_alloc, .free_block = bump_free};

static void world_open(struct world *world, uint32_t nodesize, enum csum_type type)
{
    struct super super = {
        .magic = SUPER_MAGIC,
        .generation = 1,
        .total_bytes = 512 * MIB,
        .num_devices = 1,
        .sectorsize = 4096,
        .nodesize = nodesize,
        .leafsize = nodesize,
        .csum_type = type,
        .incompat_flags = INCOMPAT_MIXED_BACKREF | INCOMPAT_SKINNY_METADATA | INCOMPAT_NO_HOLES,
        .dev_item = {.devid = 1, .total_bytes = 512 * MIB, .sector_size = 4096},
    };
    struct chunk_map chunk = {
        .logical = CHUNK_AT,
        .length = CHUNK_LEN,
        .type = BG_METADATA,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 1,
        .sub_stripes = 1,
        .stripes = {{1, CHUNK_AT}},
    };
    struct engine *engine = &world->engine;

    *world = (struct world){.env = env_seeded_new(1), .next = CHUNK_AT};
    assert_int_equal(vol_new(world->env, dev_mem_new(512 * MIB), &super, &world->vol), 0);
    assert_int_equal(vol_add_chunk(world->vol, &chunk), 0);
    assert_int_equal(engine_init(engine, world->vol, 16 * MIB), 0);
    forest_set_backing(engine->forest, &bump, world);
    engine->txn.transid = 2;
    forest_set_generation(engine->forest, 2);
    engine_root_set(engine, &engine->csum_tree, TREE_CSUM, 0, 0, 0);
    assert_int_equal(root_create(&engine->csum_tree), 0);
}

static void world_close(struct world *world)
{
    engine_release(&world->engine);
    vol_close(world->vol);
    env_seeded_free(world->env);
}

/* A later transaction on the same trees. */
static void world_commit(struct world *world)
{
    struct engine *engine = &world->engine;

    assert_int_equal(forest_write_dirty(engine->forest), 0);
    engine->txn.transid++;
    forest_set_generation(engine->forest, engine->txn.transid);
}

/* Walks all items: in order, no overlap, none too long. Returns how many. */
static unsigned check_items(struct world *world)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct engine *engine = &world->engine;
    struct key key = KEY_FIRST;
    uint32_t max = (leaf_capacity(engine->nodesize) - 50) / engine->csum_size - 1;
    uint64_t end = 0;
    unsigned count = 0;
    int ret;

    for (ret = tree_search_ge(&engine->csum_tree, &key, &path); ret == 0; ret = path_next(&path)) {
        uint32_t sums = path_size(&path) / engine->csum_size;

        path_key(&path, &key);
        assert_true(key.objectid == OBJ_EXTENT_CSUM && key.type == KEY_EXTENT_CSUM);
        assert_int_equal(path_size(&path) % engine->csum_size, 0);
        assert_true(sums > 0 && sums <= max && sums <= 4096);
        assert_true(key.offset >= end);
        end = key.offset + sums * 4096ULL;
        count++;
    }
    assert_int_equal(ret, 1);
    return count;
}

/* ---- against a model ------------------------------------------------------------------------ */

#define SECTORS ((uint64_t)6000)

struct model {
    bool have[SECTORS];
    uint64_t stamp[SECTORS]; /* a checksum is its stamp, repeated */
};

static void fill_sum(uint8_t *out, uint32_t size, uint64_t stamp)
{
    for (uint32_t i = 0; i < size; i++)
        out[i] = (uint8_t)(stamp >> (8 * (i % 8)));
}

static void do_insert(struct world *world, struct model *model, uint64_t at, uint64_t count,
                      uint64_t stamp)
{
    uint32_t size = world->engine.csum_size;
    AUTO_FREE uint8_t *sums = malloc(count * size);

    for (uint64_t i = 0; i < count; i++) {
        model->have[at + i] = true;
        model->stamp[at + i] = stamp + i;
        fill_sum(sums + i * size, size, stamp + i);
    }
    assert_int_equal(
        csums_insert(&world->engine, &world->engine.csum_tree, DATA_AT + at * 4096, sums, count),
        0);
}

static void do_delete(struct world *world, struct model *model, uint64_t at, uint64_t count)
{
    memset(model->have + at, 0, count);
    assert_int_equal(
        csums_delete(&world->engine, &world->engine.csum_tree, DATA_AT + at * 4096, count * 4096),
        0);
}

static void compare(struct world *world, const struct model *model, uint64_t at, uint64_t count)
{
    uint32_t size = world->engine.csum_size;
    AUTO_FREE uint8_t *sums = malloc(count * size + 1);
    AUTO_FREE bool *have = malloc(count + 1);
    struct root *root = &world->engine.csum_tree;
    bool any;
    bool expect_any = false;

    have[count] = true;
    assert_int_equal(
        csums_lookup(&world->engine, root, DATA_AT + at * 4096, count * 4096, sums, have), 0);
    assert_true(have[count]);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t expect[CSUM_MAX];

        expect_any = expect_any || model->have[at + i];
        assert_int_equal(have[i], model->have[at + i]);
        fill_sum(expect, size, model->stamp[at + i]);
        if (have[i])
            assert_memory_equal(sums + i * size, expect, size);
    }
    assert_int_equal(csums_any(&world->engine, root, DATA_AT + at * 4096, count * 4096, &any), 0);
    assert_int_equal(any, expect_any);
}

static void random_walk(uint64_t seed, uint32_t nodesize, enum csum_type type, unsigned steps)
{
    AUTO_FREE struct model *model = calloc(1, sizeof(*model));
    struct world world;
    struct rng rng;

    rng_seed(&rng, seed);
    world_open(&world, nodesize, type);
    for (unsigned step = 0; step < steps; step++) {
        uint64_t at = rng_below(&rng, SECTORS);
        uint64_t longest = rng_below(&rng, 4) ? 20 : SECTORS;
        uint64_t count = rng_below(&rng, MIN(longest, SECTORS - at) + 1);

        if (rng_below(&rng, 100) < 50)
            do_insert(&world, model, at, count, rng_next(&rng));
        else
            do_delete(&world, model, at, count);
        at = rng_below(&rng, SECTORS);
        compare(&world, model, at, rng_below(&rng, MIN((uint64_t)200, SECTORS - at) + 1));
        if (step % 64 == 63) {
            check_items(&world);
            compare(&world, model, 0, SECTORS);
            world_commit(&world);
        }
    }
    do_delete(&world, model, 0, SECTORS);
    assert_int_equal(check_items(&world), 0);
    world_close(&world);
}

static void model_4k(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 4; type++)
        random_walk(unit_seed(100 + type), 4096, (enum csum_type)type, 640);
}

static void model_16k(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 4; type++)
        random_walk(unit_seed(200 + type), 16384, (enum csum_type)type, 640);
}

static void model_64k(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 4; type++)
        random_walk(unit_seed(300 + type), 65536, (enum csum_type)type, 320);
}

/* ---- shape ---------------------------------------------------------------------------------- */

/* Items are as long as those that Linux wrote with the same node size and checksum. */
static void as_long_as_linux(void **state)
{
    static const struct {
        uint32_t nodesize;
        enum csum_type type;
        uint32_t bytes;
    } known[] = {
        {4096, CSUM_CRC32C, 3940},
        {16384, CSUM_CRC32C, 16228},
        {16384, CSUM_SHA256, 16192},
        {65536, CSUM_CRC32C, 16384},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        AUTO_FREE struct model *model = calloc(1, sizeof(*model));
        AUTO_PATH struct path path = PATH_INIT;
        struct world world;
        struct key key = key_make(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, DATA_AT);

        world_open(&world, known[i].nodesize, known[i].type);
        for (unsigned at = 0; at < SECTORS; at += 100)
            do_insert(&world, model, at, 100, at);
        assert_int_equal(tree_search(&world.engine.csum_tree, &key, &path), 0);
        assert_int_equal(path_size(&path), known[i].bytes);
        path_release(&path);
        check_items(&world);
        compare(&world, model, 0, SECTORS);
        world_close(&world);
    }
}

/* What is cut out of an item and put back becomes one item again. */
static void gaps_close(void **state)
{
    AUTO_FREE struct model *model = calloc(1, sizeof(*model));
    struct world world;

    (void)state;
    world_open(&world, 16384, CSUM_CRC32C);
    do_insert(&world, model, 0, 1000, 1);
    do_delete(&world, model, 400, 10);
    assert_int_equal(check_items(&world), 2);
    do_insert(&world, model, 400, 5, 7);
    assert_int_equal(check_items(&world), 2);
    do_insert(&world, model, 405, 5, 9);
    assert_int_equal(check_items(&world), 1);
    compare(&world, model, 0, SECTORS);
    world_close(&world);
}

/* Other items of a log tree around the checksums are neither touched nor taken for checksums. */
static void beside_other_items(void **state)
{
    AUTO_FREE struct model *model = calloc(1, sizeof(*model));
    struct world world;
    struct key before = key_make(256, KEY_ORPHAN_ITEM, 0);
    struct key after = key_make(OBJ_EXTENT_CSUM, KEY_STRING_ITEM, 0);

    (void)state;
    world_open(&world, 4096, CSUM_XXHASH64);

    struct root *root = &world.engine.csum_tree;

    assert_int_equal(tree_insert(root, &before, NULL, 0), 0);
    assert_int_equal(tree_insert(root, &after, "x", 1), 0);
    compare(&world, model, 0, SECTORS);
    do_insert(&world, model, 10, 900, 5);
    do_delete(&world, model, 100, 7);
    compare(&world, model, 0, SECTORS);
    do_delete(&world, model, 0, SECTORS);
    compare(&world, model, 0, SECTORS);
    assert_int_equal(tree_delete(root, &before), 0);
    assert_int_equal(tree_delete(root, &after), 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_4k),   cmocka_unit_test(model_16k),
        cmocka_unit_test(model_64k),  cmocka_unit_test(as_long_as_linux),
        cmocka_unit_test(gaps_close), cmocka_unit_test(beside_other_items),
    };

    return cmocka_run_group_tests_name("csums", tests, NULL, NULL);
}
