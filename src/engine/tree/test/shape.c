// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: trees stay compact. Ascending keys fill their leaves, at the end of a tree and in its
 * middle; no order of keys makes leaves of a few items; what is deleted gives its blocks back; and
 * no key is looked at more often than a tree of that height needs.
 */
#include "engine/tree/test/fixture.h"

static void insert(struct root *root, uint64_t objectid, uint64_t offset)
{
    struct key key = key_make(objectid, TEST_KEY_TYPE, offset);

    assert_int_equal(tree_insert(root, &key, NULL, 60), 0);
}

static double fill_of(struct root *root, const struct fixture *fixture)
{
    struct tree_shape shape;

    check_tree(root, NULL, &shape);
    return (double)shape.leaf_bytes / (double)(shape.leaves * leaf_capacity(fixture->nodesize));
}

static void ascending_keys_fill_leaves(void **state)
{
    struct fixture fixture;
    struct root root;

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 20000; i++)
        insert(&root, 256 + i, 0);
    assert_true(fill_of(&root, &fixture) > 0.97);
    fixture_free(&fixture);
}

static void ascending_keys_in_the_middle_fill_leaves(void **state)
{
    struct fixture fixture;
    struct root root;

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 1000; i++)
        insert(&root, 256 + i, 0);
    for (uint64_t i = 1; i < 20000; i++)
        insert(&root, 700, i);
    assert_true(fill_of(&root, &fixture) > 0.95);
    fixture_free(&fixture);
}

static void two_ascending_runs_side_by_side_fill_leaves(void **state)
{
    struct fixture fixture;
    struct root root;

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 10000; i++) {
        insert(&root, 300, i);
        insert(&root, 400, i);
    }
    assert_true(fill_of(&root, &fixture) > 0.9);
    fixture_free(&fixture);
}

static void descending_keys_fill_leaves_half(void **state)
{
    struct fixture fixture;
    struct root root;

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 1000; i++)
        insert(&root, 256 + i, 0);
    for (uint64_t i = 20000; i > 0; i--) {
        insert(&root, 700, i);
        /* In the beginning each key comes in a transaction of its own. */
        if (i > 19900 || i % 50 == 0)
            fixture_commit(&fixture);
    }
    assert_true(fill_of(&root, &fixture) > 0.45);
    fixture_free(&fixture);
}

static void random_keys_fill_leaves_two_thirds(void **state)
{
    struct fixture fixture;
    struct root root;
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(31));
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 20000; i++)
        insert(&root, 256 + rng_below(&rng, UINT32_MAX), i);
    assert_true(fill_of(&root, &fixture) > 0.66);
    fixture_free(&fixture);
}

static void deleting_at_random_keeps_leaves_together(void **state)
{
    struct fixture fixture;
    struct root root;
    struct rng rng;
    uint64_t left = 20000;

    (void)state;
    rng_seed(&rng, unit_seed(32));
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < left; i++)
        insert(&root, 256 + i, 0);
    while (left > 2000) {
        struct key key = key_make(256 + rng_below(&rng, 20000), TEST_KEY_TYPE, 0);
        int ret = tree_delete(&root, &key);

        assert_true(ret == 0 || ret == -ENOENT);
        left -= ret == 0;
    }
    assert_true(fill_of(&root, &fixture) > 0.33);
    fixture_free(&fixture);
}

static void an_emptied_tree_is_one_leaf_and_has_no_other_block(void **state)
{
    struct fixture fixture;
    struct root root;
    struct root *roots[] = {&root};

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 10000; i++)
            insert(&root, 256 + i, 0);
        assert_true(root.level >= 2);
        fixture_commit(&fixture);
        for (uint64_t i = 0; i < 10000; i++) {
            /* From the front, from the back, from the middle outwards. */
            uint64_t which = round == 0 ? i : round == 1 ? 9999 - i : (i + 5000) % 10000;
            struct key key = key_make(256 + which, TEST_KEY_TYPE, 0);

            assert_int_equal(tree_delete(&root, &key), 0);
        }
        assert_int_equal(root.level, 0);
        fixture_check_refs(&fixture, roots, 1);
        fixture_commit(&fixture);
    }
    fixture_free(&fixture);
}

static void a_million_ascending_and_a_million_random_inserts(void **state)
{
    struct fixture fixture;
    struct root ascending, random;
    struct forest_stats stats;
    struct tree_shape shape;

    (void)state;
    fixture_init(&fixture, 16384, 1 * GIB, NULL);
    ascending = fixture_tree(&fixture, 256);
    random = fixture_tree(&fixture, 257);
    for (uint64_t i = 0; i < 1000000; i++) {
        insert(&ascending, 256 + i, 0);
        insert(&random, 256 + (i * 0x9E3779B97F4A7C15ULL >> 8), 0);
    }
    check_tree(&ascending, NULL, &shape);
    assert_int_equal(shape.items, 1000000);
    assert_int_equal(ascending.level, 2);
    check_tree(&random, NULL, &shape);
    assert_int_equal(shape.items, 1000000);
    assert_int_equal(random.level, 2);
    /* Nothing was copied, and an insertion looks up one node a level and, now and then, some
     * neighbours. */
    forest_stats(fixture.forest, &stats);
    assert_int_equal(stats.cows, 0);
    assert_true(stats.hits < 2 * 1000000 * 3 * 11 / 10);
    fixture_free(&fixture);
}

/* A search begins where even keys would lie; it must find those that lie anywhere else, too. */
static void uneven_keys_are_found(void **state)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct fixture fixture;
    struct root root;

    (void)state;
    fixture_init(&fixture, 4096, 0, NULL);
    root = fixture_tree(&fixture, 256);
    /* Few objects with many keys, and in each two dense runs with a gap of all numbers between. */
    for (uint64_t object = 0; object < 20; object++)
        for (uint64_t i = 0; i < 1000; i++) {
            struct key key = key_make(256 + (object << object), TEST_KEY_TYPE,
                                      i < 900 ? 2 * i : UINT64_MAX - 2 * i);

            assert_int_equal(tree_insert(&root, &key, &i, sizeof(i)), 0);
        }
    for (uint64_t object = 0; object < 20; object++)
        for (uint64_t i = 0; i < 1000; i++) {
            struct key key = key_make(256 + (object << object), TEST_KEY_TYPE,
                                      i < 900 ? 2 * i : UINT64_MAX - 2 * i);

            assert_int_equal(tree_search(&root, &key, &path), 0);
            assert_memory_equal(path_data(&path), &i, sizeof(i));
            key.offset++; /* in a gap: the next one is found */
            assert_int_equal(tree_search(&root, &key, &path), 1);
            assert_int_equal(tree_search_le(&root, &key, &path), 0);
            assert_memory_equal(path_data(&path), &i, sizeof(i));
        }
    path_release(&path);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascending_keys_fill_leaves),
        cmocka_unit_test(ascending_keys_in_the_middle_fill_leaves),
        cmocka_unit_test(two_ascending_runs_side_by_side_fill_leaves),
        cmocka_unit_test(descending_keys_fill_leaves_half),
        cmocka_unit_test(random_keys_fill_leaves_two_thirds),
        cmocka_unit_test(deleting_at_random_keeps_leaves_together),
        cmocka_unit_test(an_emptied_tree_is_one_leaf_and_has_no_other_block),
        cmocka_unit_test(uneven_keys_are_found),
        cmocka_unit_test(a_million_ascending_and_a_million_random_inserts),
    };

    return cmocka_run_group_tests_name("tree/shape", tests, NULL, NULL);
}
