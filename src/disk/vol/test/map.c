// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: a logical address is found where the chunk items say, and no chunk is taken that another
 * one or the device forbids (promise 7).
 */
#include "disk/vol/test/fixture.h"

#define SIZE (128 * MIB)

struct world {
    struct env *env;
    struct dev *dev;
    struct vol *vol;
};

static void setup(struct world *w)
{
    struct super super = fixture_super(SIZE);

    w->env = env_seeded_new(1);
    w->dev = dev_mem_new(SIZE);
    w->vol = fixture_vol(w->env, w->dev, &super);
}

static void teardown(struct world *w)
{
    vol_close(w->vol);
    dev_close(w->dev);
    env_seeded_free(w->env);
}

static struct chunk_map single_at(uint64_t logical, uint64_t length, uint64_t physical)
{
    return (struct chunk_map){
        .logical = logical,
        .length = length,
        .type = BG_DATA,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 1,
        .sub_stripes = 1,
        .stripes = {{1, physical}},
    };
}

static void finding(void **state)
{
    struct chunk_map found;
    struct world w;

    (void)state;
    setup(&w);
    assert_int_equal(vol_find_chunk(w.vol, META_AT, &found), 0);
    assert_int_equal(found.logical, META_AT);
    assert_int_equal(vol_find_chunk(w.vol, META_AT + META_LEN - 1, &found), 0);
    assert_int_equal(found.logical, META_AT);
    assert_int_equal(vol_find_chunk(w.vol, META_AT + META_LEN, &found), -EUCLEAN);
    assert_int_equal(vol_find_chunk(w.vol, META_AT - 1, &found), -EUCLEAN);
    assert_int_equal(vol_find_chunk(w.vol, UINT64_MAX, &found), -EUCLEAN);
    assert_int_equal(vol_mirrors(w.vol, laddr_of(SYSTEM_AT)), 1);
    assert_int_equal(vol_mirrors(w.vol, laddr_of(META_AT)), 2);
    assert_int_equal(vol_mirrors(w.vol, laddr_of(0)), 0);
    assert_true(vol_next_chunk(w.vol, 0, &found));
    assert_int_equal(found.logical, SYSTEM_AT);
    assert_true(vol_next_chunk(w.vol, SYSTEM_AT + 1, &found));
    assert_int_equal(found.logical, META_AT);
    assert_false(vol_next_chunk(w.vol, META_AT + 1, &found));
    vol_remove_chunk(w.vol, META_AT);
    assert_int_equal(vol_find_chunk(w.vol, META_AT, &found), -EUCLEAN);
    teardown(&w);
}

struct refusal {
    const char *what;
    struct chunk_map chunk;
    int err;
};

static void refusals(void **state)
{
    struct refusal table[] = {
        {"begins inside another", single_at(META_AT + 4096, MIB, 64 * MIB), -EUCLEAN},
        {"runs into another", single_at(META_AT - 4096, MIB, 64 * MIB), -EUCLEAN},
        {"swallows another", single_at(META_AT - MIB, 32 * MIB, 64 * MIB), -EUCLEAN},
        {"same place, other length", single_at(META_AT, MIB, 64 * MIB), -EUCLEAN},
        {"ends behind the device", single_at(GIB, 4 * MIB, SIZE - 2 * MIB), -EUCLEAN},
        {"begins behind the device", single_at(GIB, MIB, UINT64_MAX - 4095), -EUCLEAN},
        {"longer than the device", single_at(GIB, 4 * GIB, MIB), -EUCLEAN},
        {"wraps", single_at(UINT64_MAX - 4095, 8192, MIB), -EUCLEAN},
        {"empty", single_at(GIB, 0, MIB), -EUCLEAN},
        {"odd length", single_at(GIB, 5000, MIB), -EUCLEAN},
        {"no stripes", single_at(GIB, MIB, MIB), -EUCLEAN},
        {"missing device", single_at(GIB, MIB, MIB), -EUCLEAN},
        {"DUP with one stripe", single_at(GIB, MIB, MIB), -EUCLEAN},
        {"RAID0", single_at(GIB, MIB, MIB), -EOPNOTSUPP},
    };
    struct chunk_map found;
    struct world w;

    (void)state;
    setup(&w);
    table[10].chunk.num_stripes = 0;
    table[11].chunk.stripes[0].devid = 2;
    table[12].chunk.type |= BG_DUP;
    table[13].chunk.type |= BG_RAID0;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int err = vol_add_chunk(w.vol, &table[i].chunk);

        if (err != table[i].err)
            print_error("%s: %d\n", table[i].what, err);
        assert_int_equal(err, table[i].err);
    }
    assert_false(vol_next_chunk(w.vol, META_AT + 1, &found));
    teardown(&w);
}

static void adding_twice(void **state)
{
    struct chunk_map dup = fixture_dup();
    struct world w;

    (void)state;
    setup(&w);
    assert_int_equal(vol_add_chunk(w.vol, &dup), 0);
    dup.stripes[1].offset += MIB;
    assert_int_equal(vol_add_chunk(w.vol, &dup), -EUCLEAN);
    teardown(&w);
}

/* Many chunks, added and removed in random order, against a plain array of flags. */
static void many(void **state)
{
    enum { COUNT = 200 };
    bool there[COUNT] = {false};
    struct chunk_map found;
    struct rng rng;
    struct world w;

    (void)state;
    setup(&w);
    rng_seed(&rng, unit_seed(0xc0de));
    for (int round = 0; round < 4000; round++) {
        uint64_t i = rng_below(&rng, COUNT);
        struct chunk_map chunk = single_at(GIB + i * 64 * KIB, 64 * KIB, MIB);

        if (rng_below(&rng, 2)) {
            assert_int_equal(vol_add_chunk(w.vol, &chunk), 0);
            there[i] = true;
        } else {
            vol_remove_chunk(w.vol, chunk.logical);
            there[i] = false;
        }
        i = rng_below(&rng, COUNT);
        int err = vol_find_chunk(w.vol, GIB + i * 64 * KIB + rng_below(&rng, 64 * KIB), &found);
        assert_int_equal(err, there[i] ? 0 : -EUCLEAN);
        if (there[i])
            assert_int_equal(found.logical, GIB + i * 64 * KIB);
    }
    teardown(&w);
}

static void items_round_trip(void **state)
{
    struct chunk_map dup = fixture_dup(), back;
    uint8_t item[256];
    struct world w;
    uint32_t size;

    (void)state;
    setup(&w);
    memset(item, 0, sizeof(item));
    size = chunk_map_encode(w.vol, &dup, item);
    assert_int_equal(size, chunk_item_size(2));
    assert_int_equal(chunk_validate(META_AT, item, size, vol_limits(w.vol)), 0);
    assert_int_equal(chunk_map_decode(META_AT, item, size, &back), 0);
    assert_memory_equal(&dup, &back, sizeof(dup));
    assert_int_equal(chunk_map_decode(META_AT, item, size - 1, &back), -EUCLEAN);
    assert_int_equal(chunk_map_decode(META_AT, item, 10, &back), -EUCLEAN);
    teardown(&w);
}

static void system_array_full(void **state)
{
    struct super super = fixture_super(SIZE);
    struct world w;
    unsigned fit;

    (void)state;
    setup(&w);
    for (fit = 1; fit < 100; fit++) {
        struct chunk_map chunk = single_at(GIB + fit * MIB, MIB, MIB);

        if (vol_fill_system_array(w.vol, &super) < 0)
            break;
        assert_int_equal(super.sys_chunk_array_size, fit * (sizeof(disk_key) + chunk_item_size(1)));
        chunk.type = BG_SYSTEM;
        assert_int_equal(vol_add_chunk(w.vol, &chunk), 0);
    }
    assert_int_equal(vol_fill_system_array(w.vol, &super), -ENOSPC);
    assert_int_equal(fit, SUPER_SYSTEM_ARRAY_MAX / (sizeof(disk_key) + chunk_item_size(1)) + 1);
    teardown(&w);
}

/* The copy at 64 MiB shows on either stripe of a DUP chunk. */
static void under_superblocks(void **state)
{
    struct chunk_map dup = fixture_dup();
    uint64_t start, len;

    (void)state;
    assert_false(chunk_next_super_range(&dup, 0, &start, &len));
    dup.stripes[0].offset = 62 * MIB;
    dup.stripes[1].offset = 64 * MIB - 32 * KIB;
    assert_true(chunk_next_super_range(&dup, 0, &start, &len));
    assert_int_equal(start, META_AT + 32 * KIB);
    assert_int_equal(len, 64 * KIB);
    assert_true(chunk_next_super_range(&dup, start + len, &start, &len));
    assert_int_equal(start, META_AT + 2 * MIB);
    assert_int_equal(len, 64 * KIB);
    assert_false(chunk_next_super_range(&dup, start + len, &start, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding),           cmocka_unit_test(refusals),
        cmocka_unit_test(adding_twice),      cmocka_unit_test(many),
        cmocka_unit_test(items_round_trip),  cmocka_unit_test(system_array_full),
        cmocka_unit_test(under_superblocks),
    };

    return cmocka_run_group_tests_name("vol/map", tests, NULL, NULL);
}
