// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: a change that fails leaves the tree with the items it had and valid, and the backing
 * with the blocks that the tree needs; where that cannot be, the forest writes nothing any more.
 */
#include "engine/tree/test/fixture.h"

struct bed {
    struct fixture fixture;
    struct root root, snapshot;
    struct model model, frozen;
    struct rng rng;
};

static struct key number(uint64_t i)
{
    return key_make(256 + i, TEST_KEY_TYPE, 0);
}

static void bed_make(struct bed *bed, uint64_t seed)
{
    uint8_t data[200] = {0};

    *bed = (struct bed){0};
    fixture_init(&bed->fixture, 4096, 256 * MIB, NULL);
    rng_seed(&bed->rng, seed);
    bed->root = fixture_tree(&bed->fixture, 256);
    for (uint64_t i = 0; i < 6000; i++) {
        struct key key = number(2 * i);
        uint32_t size = (uint32_t)rng_below(&bed->rng, sizeof(data));

        assert_int_equal(tree_insert(&bed->root, &key, data, size), 0);
        model_insert(&bed->model, &key, data, size);
    }
    assert_true(bed->root.level >= 2);
    assert_int_equal(tree_copy_root(&bed->root, 257, &bed->snapshot), 0);
    model_copy(&bed->frozen, &bed->model);
    fixture_commit(&bed->fixture);
}

static void bed_free(struct bed *bed)
{
    model_free(&bed->model);
    model_free(&bed->frozen);
    fixture_free(&bed->fixture);
}

static void bed_check(struct bed *bed)
{
    struct root *roots[] = {&bed->root, &bed->snapshot};

    check_tree(&bed->root, &bed->model, NULL);
    check_tree(&bed->snapshot, &bed->frozen, NULL);
    if (forest_error(bed->fixture.forest) == 0)
        fixture_check_refs(&bed->fixture, roots, 2);
}

/* ---- changes; each returns what the tree said, and tells the model when it was 0
 * ------------------ */

static int insert_large(struct bed *bed, uint64_t i)
{
    struct key key = number(2 * i + 1);
    int ret = tree_insert(&bed->root, &key, NULL, 3500);

    if (ret == 0)
        model_insert(&bed->model, &key, NULL, 3500);
    return ret;
}

static int delete_run(struct bed *bed, uint64_t i)
{
    AUTO_PATH struct path path = PATH_INIT;
    bool found;
    struct key key = number(2 * i);
    size_t at = model_find(&bed->model, &key, &found);

    if (at == bed->model.count)
        return 0;
    int ret = tree_search_cow(&bed->root, &bed->model.items[at].key, -1, &path);
    if (ret < 0)
        return ret;
    uint32_t count = node_items(path_leaf(&path)) - path_slot(&path);
    ret = path_delete(&path, count);
    if (ret == 0)
        model_delete(&bed->model, at, count);
    return ret;
}

static int grow(struct bed *bed, uint64_t i)
{
    AUTO_PATH struct path path = PATH_INIT;
    bool found;
    struct key key = number(2 * i);
    size_t at = model_find(&bed->model, &key, &found);

    if (!found)
        return 0;
    int ret = tree_search_cow(&bed->root, &key, 0, &path);
    if (ret == 0)
        ret = path_resize(&path, 3000);
    if (ret == 0)
        model_resize(&bed->model, at, 3000);
    assert_true(ret == 0 || !path_valid(&path));
    return ret;
}

static int duplicate(struct bed *bed, uint64_t i)
{
    AUTO_PATH struct path path = PATH_INIT;
    bool found;
    struct key key = number(2 * i), new_key = number(2 * i + 1);
    size_t at = model_find(&bed->model, &key, &found);

    model_find(&bed->model, &new_key, &found);
    if (found || at == bed->model.count || key_cmp(&bed->model.items[at].key, &key) != 0)
        return 0;
    int ret = tree_search_cow(&bed->root, &key, 3000, &path);
    if (ret == 0)
        ret = path_duplicate_item(&path, &new_key);
    if (ret == 0)
        model_insert(&bed->model, &new_key, bed->model.items[at].data, bed->model.items[at].size);
    return ret;
}

/* Fails the first call of the backing, then the second, until there is no call left to fail. */
static unsigned fail_each_call(struct bed *bed, int (*op)(struct bed *bed, uint64_t i), uint64_t i)
{
    unsigned failed = 0;

    for (int64_t calls = 0;; calls++) {
        bed->fixture.fail_after = calls;
        int ret = op(bed, i);
        bool reached = bed->fixture.fail_after < 0;

        bed->fixture.fail_after = -1;
        bed_check(bed);
        failed += ret < 0;
        if (ret == 0 || forest_error(bed->fixture.forest))
            return failed;
        assert_int_equal(ret, -ENOSPC);
        assert_true(reached);
    }
}

static void each_refusal_of_the_backing_leaves_the_tree(void **state)
{
    static int (*const ops[])(struct bed * bed, uint64_t i) = {insert_large, delete_run, grow,
                                                               duplicate};
    uint64_t seed = unit_seed(21);
    unsigned failed = 0;

    (void)state;
    for (unsigned which = 0; which < ARRAY_LEN(ops); which++) {
        struct bed bed;

        bed_make(&bed, seed + which);
        for (unsigned i = 0; i < 25; i++) {
            failed += fail_each_call(&bed, ops[which], rng_below(&bed.rng, 6000));
            if (i % 8 == 7)
                fixture_commit(&bed.fixture);
        }
        assert_int_equal(forest_error(bed.fixture.forest), 0);
        bed_free(&bed);
    }
    assert_true(failed > 100);
}

static int copy_it(struct bed *bed, uint64_t i)
{
    (void)i;
    return tree_copy_root(&bed->root, 258, &bed->snapshot);
}

static void a_snapshot_that_fails_leaves_nothing(void **state)
{
    struct bed bed;

    (void)state;
    bed_make(&bed, unit_seed(22));
    for (int64_t calls = 0; calls < 2; calls++) {
        bed.fixture.fail_after = calls;
        assert_int_equal(copy_it(&bed, 0), -ENOSPC);
        bed.fixture.fail_after = -1;
        bed_check(&bed);
    }
    bed_free(&bed);
}

/* The backing refuses everything from some call on: even taking back what was not needed. */
static int refuse_all(void *ctx, const struct root *root, const struct node *old)
{
    (void)ctx;
    (void)root;
    (void)old;
    return fail(-EIO, "refused");
}

static int alloc_any(void *ctx, const struct root *root, uint8_t level, const struct key *first_key,
                     uint64_t hint, uint64_t *bytenr)
{
    (void)ctx;
    (void)root;
    (void)level;
    (void)first_key;
    (void)hint;
    *bytenr = TEST_CHUNK_START + 1 * GIB;
    return 0;
}

static void what_cannot_be_undone_stops_all_writing(void **state)
{
    static const struct forest_backing broken = {.alloc_block = alloc_any,
                                                 .free_block = refuse_all};
    struct bed bed;
    struct key key = number(1);

    (void)state;
    bed_make(&bed, unit_seed(23));
    bed.root.shareable = false;
    forest_set_backing(bed.fixture.forest, &broken, NULL);
    assert_int_equal(tree_insert(&bed.root, &key, "x", 1), -EIO);
    check_tree(&bed.root, &bed.model, NULL);
    assert_int_equal(forest_error(bed.fixture.forest), -EIO);
    assert_int_equal(forest_write_dirty(bed.fixture.forest), -EIO);
    assert_int_equal(tree_insert(&bed.root, &key, "x", 1), -EIO);
    bed_free(&bed);
}

static void without_a_transaction_nothing_changes(void **state)
{
    struct bed bed;
    struct root copy;
    struct key key = number(1);

    (void)state;
    bed_make(&bed, unit_seed(24));
    forest_set_generation(bed.fixture.forest, 0);
    assert_int_equal(tree_insert(&bed.root, &key, "x", 1), -EROFS);
    key = number(2);
    assert_int_equal(tree_delete(&bed.root, &key), -EROFS);
    assert_int_equal(tree_copy_root(&bed.root, 300, &copy), -EROFS);
    forest_set_generation(bed.fixture.forest, 50);
    bed_check(&bed);
    bed_free(&bed);
}

/* ---- a device that fails
 * ---------------------------------------------------------------------------- */

static struct dev *fault_dev;

static struct dev *wrap_fault(struct dev *lower)
{
    fault_dev = dev_fault_new(lower);
    assert_non_null(fault_dev);
    return fault_dev;
}

static void a_failed_write_can_be_repeated(void **state)
{
    struct fixture fixture;
    struct model model = {0};
    struct root root;
    unsigned failed = 0;

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, wrap_fault);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 20000; i++) {
        struct key key = number(i);

        assert_int_equal(tree_insert(&root, &key, NULL, 100), 0);
        model_insert(&model, &key, NULL, 100);
    }
    for (uint64_t nth = 1;; nth++) {
        const struct dev_fault fault = {.ops = DEV_OP_WRITE, .nth = nth, .err = -EIO};

        dev_fault_arm(fault_dev, &fault);
        int ret = forest_write_dirty(fixture.forest);
        dev_fault_disarm(fault_dev);
        if (ret == 0)
            break;
        assert_int_equal(ret, -EIO);
        assert_true(forest_dirty_bytes(fixture.forest) > 0);
        failed++;
    }
    assert_true(failed > 0);
    fixture_commit(&fixture);
    fixture_reopen(&fixture);
    root.forest = fixture.forest;
    check_tree(&root, &model, NULL);
    model_free(&model);
    fixture_free(&fixture);
}

static void a_failed_read_fails_the_call_alone(void **state)
{
    const struct dev_fault fault = {.ops = DEV_OP_READ, .nth = 2, .permanent = true, .err = -EIO};
    struct fixture fixture;
    struct root root;
    struct key key;

    (void)state;
    fixture_init(&fixture, 4096, 256 * MIB, wrap_fault);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 1000; i++) {
        key = number(i);
        assert_int_equal(tree_insert(&root, &key, NULL, 100), 0);
    }
    fixture_commit(&fixture);
    fixture_reopen(&fixture);
    root.forest = fixture.forest;
    key = number(500);
    dev_fault_arm(fault_dev, &fault);
    {
        AUTO_PATH struct path path = PATH_INIT;

        assert_int_equal(tree_search(&root, &key, &path), -EIO);
        assert_false(path_valid(&path));
        assert_int_equal(tree_delete(&root, &key), -EIO);
        assert_int_equal(tree_insert(&root, &(struct key){256, TEST_KEY_TYPE, 5}, NULL, 1), -EIO);
    }
    dev_fault_disarm(fault_dev);
    struct tree_shape shape;
    check_tree(&root, NULL, &shape);
    assert_int_equal(shape.items, 1000);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_of_the_backing_leaves_the_tree),
        cmocka_unit_test(a_snapshot_that_fails_leaves_nothing),
        cmocka_unit_test(what_cannot_be_undone_stops_all_writing),
        cmocka_unit_test(without_a_transaction_nothing_changes),
        cmocka_unit_test(a_failed_write_can_be_repeated),
        cmocka_unit_test(a_failed_read_fails_the_call_alone),
    };

    return cmocka_run_group_tests_name("tree/faults", tests, NULL, NULL);
}
