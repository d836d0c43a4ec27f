// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: whatever is done to a tree, it holds what a sorted array holds to which the same was
 * done, in memory and after a commit on the device, with nodes of every size, with memory for all
 * nodes or for few.
 */
#include "engine/tree/test/fixture.h"

struct run {
    struct fixture fixture;
    struct root root;
    struct model model;
    struct rng rng;
    uint64_t key_space;
    uint8_t buf[NODE_SIZE_MAX];
};

static struct key random_key(struct run *run)
{
    return key_make(256 + rng_below(&run->rng, run->key_space), TEST_KEY_TYPE,
                    rng_below(&run->rng, 4));
}

/* Mostly small, now and then up to the largest that fits. */
static uint32_t random_size(struct run *run)
{
    uint32_t most = item_data_max(run->fixture.nodesize);

    switch (rng_below(&run->rng, 100)) {
    case 0:
        return most - (uint32_t)rng_below(&run->rng, 30);
    case 1:
    case 2:
        return (uint32_t)rng_below(&run->rng, most + 1);
    default:
        return (uint32_t)rng_below(&run->rng, run->fixture.nodesize / 40);
    }
}

static void step_insert(struct run *run)
{
    struct key key = random_key(run);
    uint32_t size = random_size(run);
    bool found;

    model_find(&run->model, &key, &found);
    fill_pattern(run->buf, size, rng_next(&run->rng));
    if (rng_below(&run->rng, 2)) {
        assert_int_equal(tree_insert(&run->root, &key, run->buf, size), found ? -EEXIST : 0);
    } else {
        AUTO_PATH struct path path = PATH_INIT;
        void *data;
        int ret = tree_insert_path(&run->root, &key, size, &path, &data);

        assert_int_equal(ret, found ? -EEXIST : 0);
        assert_true(path_valid(&path));
        if (ret == 0)
            memcpy(data, run->buf, size);
    }
    if (!found)
        model_insert(&run->model, &key, run->buf, size);
}

static void step_upsert(struct run *run)
{
    struct key key = random_key(run);
    uint32_t size = random_size(run);
    bool found;
    size_t at = model_find(&run->model, &key, &found);

    fill_pattern(run->buf, size, rng_next(&run->rng));
    assert_int_equal(tree_upsert(&run->root, &key, run->buf, size), 0);
    if (found)
        model_set(&run->model, at, run->buf, size);
    else
        model_insert(&run->model, &key, run->buf, size);
}

static void step_delete(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = random_key(run);
    bool found;
    size_t at = model_find(&run->model, &key, &found);

    if (!found && at < run->model.count && rng_below(&run->rng, 4)) {
        key = run->model.items[at].key;
        found = true;
    }
    if (rng_below(&run->rng, 2)) {
        assert_int_equal(tree_delete(&run->root, &key), found ? 0 : -ENOENT);
        if (found)
            model_delete(&run->model, at, 1);
        return;
    }
    assert_int_equal(tree_search_cow(&run->root, &key, -1, &path), found ? 0 : 1);
    if (!path_valid(&path))
        return;
    uint32_t left = node_items(path_leaf(&path)) - path_slot(&path);
    uint32_t count = 1 + (uint32_t)rng_below(&run->rng, MIN(left, 5U));
    if (rng_below(&run->rng, 20) == 0)
        count = left;
    assert_int_equal(path_delete(&path, count), 0);
    model_delete(&run->model, at, count);
}

/* A path for changing some item; false: the tree is empty. */
static bool pick(struct run *run, int ins_len, struct path *path, size_t *at)
{
    struct key key = random_key(run);
    bool found;

    if (run->model.count == 0)
        return false;
    *at = model_find(&run->model, &key, &found);
    if (*at == run->model.count)
        --*at;
    assert_int_equal(tree_search_cow(&run->root, &run->model.items[*at].key, ins_len, path), 0);
    return true;
}

static void step_resize(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint32_t size = random_size(run);
    size_t at;

    if (!pick(run, rng_below(&run->rng, 2) ? (int)size : 0, &path, &at))
        return;
    assert_int_equal(path_resize(&path, size), 0);
    model_resize(&run->model, at, size);
    assert_int_equal(path_size(&path), size);
    assert_memory_equal(path_data(&path), run->model.items[at].data, size);
}

static void step_change(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    size_t at;

    if (!pick(run, 0, &path, &at))
        return;
    uint32_t size = run->model.items[at].size;
    fill_pattern(run->buf, size, rng_next(&run->rng));
    memcpy(path_data_mut(&path), run->buf, size);
    model_set(&run->model, at, run->buf, size);
}

static void step_cut_front(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    size_t at;

    if (!pick(run, 0, &path, &at))
        return;
    struct model_item *item = &run->model.items[at];
    uint32_t bytes = (uint32_t)rng_below(&run->rng, item->size + 1);
    path_cut_front(&path, bytes);
    memcpy(run->buf, item->data + bytes, item->size - bytes);
    model_set(&run->model, at, run->buf, item->size - bytes);
}

/* A key that fits right behind item at; false: there is none. */
static bool key_behind(const struct run *run, size_t at, struct key *key)
{
    *key = run->model.items[at].key;
    key->offset++;
    return at + 1 == run->model.count || key_cmp(key, &run->model.items[at + 1].key) < 0;
}

static void step_set_key(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key;
    size_t at;

    if (!pick(run, 0, &path, &at) || !key_behind(run, at, &key))
        return;
    path_set_key(&path, &key);
    run->model.items[at].key = key;
}

static void step_split(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key;
    size_t at;

    if (!pick(run, 0, &path, &at) || !key_behind(run, at, &key))
        return;
    struct model_item *item = &run->model.items[at];
    uint32_t size = item->size, cut = (uint32_t)rng_below(&run->rng, size + 1);
    bool fits = size + LEAF_ITEM_SIZE <= item_data_max(run->fixture.nodesize);
    assert_int_equal(path_split_item(&path, &key, cut), fits ? 0 : -EOVERFLOW);
    if (!fits)
        return;
    memcpy(run->buf, item->data, size);
    model_resize(&run->model, at, cut);
    model_insert(&run->model, &key, run->buf + cut, size - cut);
    assert_int_equal(path_size(&path), size - cut);
    assert_memory_equal(path_data(&path), run->buf + cut, size - cut);
}

static void step_duplicate(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key;
    size_t at;

    if (!pick(run, (int)random_size(run), &path, &at) || !key_behind(run, at, &key))
        return;
    struct model_item item = run->model.items[at];
    assert_int_equal(path_duplicate_item(&path, &key), 0);
    memcpy(run->buf, item.data, item.size);
    model_insert(&run->model, &key, run->buf, item.size);
    assert_int_equal(path_size(&path), item.size);
    memset(path_data_mut(&path), 7, item.size);
    memset(run->buf, 7, item.size);
    model_set(&run->model, at + 1, run->buf, item.size);
}

/* Right behind where the path stands, further behind, before it, or on an item: all must work. */
static void step_insert_behind(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint32_t size = random_size(run);
    struct key key;
    bool found;
    void *data;
    size_t at;

    if (!pick(run, 0, &path, &at))
        return;
    key = run->model.items[at].key;
    if (rng_below(&run->rng, 4))
        key.offset++;
    else
        key = random_key(run);
    model_find(&run->model, &key, &found);
    fill_pattern(run->buf, size, rng_next(&run->rng));
    assert_int_equal(path_insert_behind(&path, &key, size, &data), found ? -EEXIST : 0);
    assert_true(path_valid(&path));
    if (found)
        return;
    memcpy(data, run->buf, size);
    model_insert(&run->model, &key, run->buf, size);
}

/* ---- looking
 * ------------------------------------------------------------------------------------- */

static void assert_stands_on(const struct path *path, const struct model_item *item)
{
    struct key key;

    assert_true(path_valid(path));
    path_key(path, &key);
    assert_int_equal(key_cmp(&key, &item->key), 0);
    assert_int_equal(path_size(path), item->size);
    assert_memory_equal(path_data(path), item->data, item->size);
}

static void compare_searches(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct model *model = &run->model;
    struct key key = random_key(run);
    bool found;
    size_t at = model_find(model, &key, &found);

    assert_int_equal(tree_search(&run->root, &key, &path), found ? 0 : 1);
    if (found)
        assert_stands_on(&path, &model->items[at]);
    assert_int_equal(tree_search_ge(&run->root, &key, &path), at == model->count);
    if (at < model->count)
        assert_stands_on(&path, &model->items[at]);
    size_t le = found ? at + 1 : at;
    assert_int_equal(tree_search_le(&run->root, &key, &path), le == 0);
    if (le > 0)
        assert_stands_on(&path, &model->items[le - 1]);
}

static void compare_walks(struct run *run)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct model *model = &run->model;
    int ret = tree_search_ge(&run->root, &KEY_FIRST, &path);
    size_t at = 0;

    for (; ret == 0; ret = path_next(&path))
        assert_stands_on(&path, &model->items[at++]);
    assert_int_equal(ret, 1);
    assert_int_equal(at, model->count);
    ret = tree_search_le(&run->root, &KEY_LAST, &path);
    for (; ret == 0; ret = path_prev(&path))
        assert_stands_on(&path, &model->items[--at]);
    assert_int_equal(ret, 1);
    assert_int_equal(at, 0);
}

static void compare_all(struct run *run)
{
    struct root *roots[] = {&run->root};

    check_tree(&run->root, &run->model, NULL);
    compare_walks(run);
    fixture_check_refs(&run->fixture, roots, 1);
}

/* ---- running
 * ------------------------------------------------------------------------------------- */

/* Two phases in turn: mostly growing, mostly shrinking. */
static void step(struct run *run, bool shrink)
{
    static void (*const change[])(struct run *) = {
        step_resize, step_change,    step_cut_front, step_set_key,
        step_split,  step_duplicate, step_upsert,    step_insert_behind,
    };
    uint64_t dice = rng_below(&run->rng, 100);

    if (dice < 60)
        (shrink ? step_delete : step_insert)(run);
    else if (dice < 70)
        (shrink ? step_insert : step_delete)(run);
    else
        change[rng_below(&run->rng, shrink ? 4 : ARRAY_LEN(change))](run);
}

static void commit(struct run *run, bool reopen)
{
    fixture_commit(&run->fixture);
    if (!reopen)
        return;
    fixture_reopen(&run->fixture);
    run->root.forest = run->fixture.forest;
    compare_all(run);
}

/* height: a level that the tree must have reached, or the run was worth little. */
static void run_model(uint32_t nodesize, uint64_t cache_bytes, uint64_t key_space, unsigned steps,
                      uint64_t seed, uint8_t height)
{
    struct run *run = calloc(1, sizeof(*run));
    uint8_t highest = 0;

    assert_non_null(run);
    fixture_init(&run->fixture, nodesize, cache_bytes, NULL);
    run->root = fixture_tree(&run->fixture, 256);
    run->key_space = key_space;
    rng_seed(&run->rng, seed);
    for (unsigned i = 0; i < steps; i++) {
        /* Two long phases of growth, each followed by a shorter one of shrinking. */
        step(run, i % (steps / 2) > steps / 3);
        compare_searches(run);
        highest = MAX(highest, run->root.level);
        if (rng_below(&run->rng, 500) == 0)
            compare_all(run);
        if (rng_below(&run->rng, 300) == 0)
            commit(run, rng_below(&run->rng, 3) == 0);
    }
    assert_true(highest >= height);
    compare_all(run);
    commit(run, true);
    model_free(&run->model);
    fixture_free(&run->fixture);
    free(run);
}

static void equals_a_sorted_array_with_4k_nodes(void **state)
{
    (void)state;
    run_model(4096, 256 * MIB, 20000, 30000, unit_seed(1), 2);
}

static void equals_a_sorted_array_with_16k_nodes(void **state)
{
    (void)state;
    run_model(16384, 256 * MIB, 20000, 30000, unit_seed(2), 1);
}

static void equals_a_sorted_array_with_64k_nodes(void **state)
{
    (void)state;
    run_model(65536, 256 * MIB, 20000, 15000, unit_seed(3), 1);
}

static void equals_a_sorted_array_with_hardly_any_cache(void **state)
{
    (void)state;
    run_model(4096, 0, 20000, 30000, unit_seed(4), 2);
    run_model(16384, 0, 20000, 15000, unit_seed(5), 1);
}

static void a_small_tree_empties_and_fills_again(void **state)
{
    uint64_t seed = unit_seed(6);

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        run_model(4096, 1 * MIB, 12, 300, seed + i, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_a_sorted_array_with_4k_nodes),
        cmocka_unit_test(equals_a_sorted_array_with_16k_nodes),
        cmocka_unit_test(equals_a_sorted_array_with_64k_nodes),
        cmocka_unit_test(equals_a_sorted_array_with_hardly_any_cache),
        cmocka_unit_test(a_small_tree_empties_and_fills_again),
    };

    return cmocka_run_group_tests_name("tree/model", tests, NULL, NULL);
}
