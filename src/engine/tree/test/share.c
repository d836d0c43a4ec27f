// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: trees that share nodes never see each other's changes, and the references that the
 * backing was told of are those that a walk over all trees finds, with key and by address.
 */
#include "engine/tree/test/fixture.h"

#define TREES_MAX 5

struct family {
    struct fixture fixture;
    struct root roots[TREES_MAX];
    struct model models[TREES_MAX];
    unsigned count;
    struct rng rng;
    uint64_t snapshots;
};

static void change(struct family *family, unsigned which)
{
    struct root *root = &family->roots[which];
    struct model *model = &family->models[which];
    struct key key = key_make(256 + rng_below(&family->rng, 20000), TEST_KEY_TYPE, 0);
    uint32_t size = (uint32_t)rng_below(&family->rng, 150);
    uint8_t data[150];
    bool found;
    size_t at = model_find(model, &key, &found);

    fill_pattern(data, size, rng_next(&family->rng));
    if (rng_below(&family->rng, 100) < 75) {
        assert_int_equal(tree_upsert(root, &key, data, size), 0);
        if (found)
            model_set(model, at, data, size);
        else
            model_insert(model, &key, data, size);
    } else if (at < model->count) {
        assert_int_equal(tree_delete(root, &model->items[at].key), 0);
        model_delete(model, at, 1);
    }
}

static void snapshot(struct family *family)
{
    unsigned from = (unsigned)rng_below(&family->rng, family->count), to = family->count;

    if (to == TREES_MAX)
        return;
    assert_int_equal(
        tree_copy_root(&family->roots[from], family->roots[0].id + to, &family->roots[to]), 0);
    assert_true(family->roots[to].dirty);
    assert_int_equal(family->roots[from].last_snapshot, forest_generation(family->fixture.forest));
    model_copy(&family->models[to], &family->models[from]);
    family->count++;
    family->snapshots++;
}

static void check(struct family *family)
{
    struct root *roots[TREES_MAX];

    for (unsigned i = 0; i < family->count; i++) {
        roots[i] = &family->roots[i];
        check_tree(roots[i], &family->models[i], NULL);
    }
    fixture_check_refs(&family->fixture, roots, family->count);
}

static void reopen(struct family *family)
{
    fixture_reopen(&family->fixture);
    for (unsigned i = 0; i < family->count; i++)
        family->roots[i].forest = family->fixture.forest;
}

static void run_family(uint64_t cache_bytes, unsigned steps, uint64_t seed)
{
    struct family *family = calloc(1, sizeof(*family));

    assert_non_null(family);
    fixture_init(&family->fixture, 4096, cache_bytes, NULL);
    rng_seed(&family->rng, seed);
    family->roots[0] = fixture_tree(&family->fixture, 256);
    family->count = 1;
    for (unsigned i = 0; i < steps; i++) {
        change(family, (unsigned)rng_below(&family->rng, family->count));
        if (rng_below(&family->rng, steps / 12) == 0)
            snapshot(family);
        if (rng_below(&family->rng, steps / 40) == 0)
            check(family);
        if (rng_below(&family->rng, steps / 20) == 0) {
            fixture_commit(&family->fixture);
            if (rng_below(&family->rng, 2))
                reopen(family);
        }
    }
    assert_int_equal(family->snapshots, TREES_MAX - 1);
    assert_true(family->roots[0].level >= 2);
    assert_true(family->fixture.made_full > 10 && family->fixture.left_full > 10 &&
                family->fixture.copied_from_other > 10);
    check(family);
    for (unsigned i = 0; i < TREES_MAX; i++)
        model_free(&family->models[i]);
    fixture_free(&family->fixture);
    free(family);
}

static void snapshots_are_apart_and_counted(void **state)
{
    (void)state;
    run_family(256 * MIB, 40000, unit_seed(11));
}

static void also_with_hardly_any_cache(void **state)
{
    (void)state;
    run_family(0, 40000, unit_seed(12));
}

static void a_node_is_copied_once_after_a_snapshot(void **state)
{
    struct forest_stats before, after;
    struct fixture fixture;
    struct root root, copy;
    struct key key = key_make(256, TEST_KEY_TYPE, 0);

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    assert_int_equal(tree_insert(&root, &key, "x", 1), 0);
    assert_int_equal(tree_copy_root(&root, 257, &copy), 0);
    forest_stats(fixture.forest, &before);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(tree_upsert(&root, &key, "y", 1), 0);
        assert_int_equal(tree_upsert(&copy, &key, "z", 1), 0);
    }
    forest_stats(fixture.forest, &after);
    /* The source's root node; that of the copy is its own from the beginning. */
    assert_int_equal(after.cows - before.cows, 1);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_are_apart_and_counted),
        cmocka_unit_test(also_with_hardly_any_cache),
        cmocka_unit_test(a_node_is_copied_once_after_a_snapshot),
    };

    return cmocka_run_group_tests_name("tree/share", tests, NULL, NULL);
}
