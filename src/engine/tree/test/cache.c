// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: memory stays within its limit however large the trees are, readers need not wait for
 * one another, nothing that a device says is believed without a look, and what was dropped or
 * freed is gone.
 */
#include "engine/tree/test/fixture.h"

#include <pthread.h>

static struct key number(uint64_t i)
{
    return key_make(256 + i, TEST_KEY_TYPE, 0);
}

static void insert_numbers(struct root *root, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct key key = number(i);

        assert_int_equal(tree_insert(root, &key, &i, sizeof(i)), 0);
    }
}

static void assert_holds_numbers(struct root *root, uint64_t from, uint64_t to)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint64_t i = from;
    int ret = tree_search_ge(root, &KEY_FIRST, &path);

    for (; ret == 0; ret = path_next(&path), i++)
        assert_memory_equal(path_data(&path), &i, sizeof(i));
    assert_int_equal(ret, 1);
    assert_int_equal(i, to);
}

/* ---- memory -------------------------------------------------------------------------------------
 */

/* Some more than the 64 nodes that are always kept, for what the clock's hand has not come to. */
#define FEW_NODES 80

static uint64_t cached(const struct fixture *fixture)
{
    struct forest_stats stats;

    forest_stats(fixture->forest, &stats);
    return stats.cached_nodes;
}

static void a_transaction_larger_than_the_cache_fits(void **state)
{
    struct fixture fixture;
    struct forest_stats stats;
    struct tree_shape shape;
    struct root root;
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(41));
    fixture_init(&fixture, 4096, 0, NULL);
    root = fixture_tree(&fixture, 256);
    for (uint64_t i = 0; i < 60000; i++) {
        struct key key = key_make(256 + rng_below(&rng, UINT32_MAX), TEST_KEY_TYPE, i);

        assert_int_equal(tree_insert(&root, &key, NULL, 40), 0);
        assert_true(cached(&fixture) <= FEW_NODES);
    }
    forest_stats(fixture.forest, &stats);
    assert_true(stats.writes > 1000);
    /* Written early and changed again, but never copied. */
    assert_int_equal(stats.cows, 0);
    fixture_commit(&fixture);
    fixture_reopen(&fixture);
    root.forest = fixture.forest;
    check_tree(&root, NULL, &shape);
    assert_int_equal(shape.items, 60000);
    assert_true(shape.leaves > 10 * FEW_NODES);
    assert_true(cached(&fixture) <= FEW_NODES);
    fixture_free(&fixture);
}

static void what_is_used_stays(void **state)
{
    struct fixture fixture;
    struct forest_stats before, after;
    struct root root;

    (void)state;
    fixture_init(&fixture, 4096, 0, NULL);
    root = fixture_tree(&fixture, 256);
    insert_numbers(&root, 0, 50000);
    fixture_commit(&fixture);
    for (unsigned round = 0; round < 50; round++) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key hot = number(77), cold = number(round * 1000);

        assert_int_equal(tree_search(&root, &hot, &path), 0);
        forest_stats(fixture.forest, &before);
        assert_int_equal(tree_search(&root, &hot, &path), 0);
        forest_stats(fixture.forest, &after);
        assert_int_equal(after.misses, before.misses);
        assert_int_equal(tree_search(&root, &cold, &path), 0);
    }
    /* Three levels, read anew for each cold key at the most once. */
    assert_true(after.misses < 50 + 50);
    fixture_free(&fixture);
}

static void a_path_keeps_its_nodes(void **state)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct fixture fixture;
    struct root root;
    struct key key = number(5);
    uint64_t five = 5;

    (void)state;
    fixture_init(&fixture, 4096, 0, NULL);
    root = fixture_tree(&fixture, 256);
    insert_numbers(&root, 0, 50000);
    fixture_commit(&fixture);
    assert_int_equal(tree_search(&root, &key, &path), 0);
    const void *data = path_data(&path);
    assert_holds_numbers(&root, 0, 50000);
    assert_ptr_equal(path_data(&path), data);
    assert_memory_equal(data, &five, sizeof(five));
    path_release(&path);
    fixture_free(&fixture);
}

/* ---- gone is gone
 * --------------------------------------------------------------------------------- */

static void dropping_a_transaction_leaves_the_one_before(void **state)
{
    struct fixture fixture;
    struct root root, before;

    (void)state;
    for (uint64_t cache_bytes = 0; cache_bytes <= 64 * MIB; cache_bytes += 64 * MIB) {
        fixture_init(&fixture, 4096, cache_bytes, NULL);
        root = fixture_tree(&fixture, 256);
        insert_numbers(&root, 0, 5000);
        fixture_commit(&fixture);
        before = root;
        insert_numbers(&root, 5000, 30000);
        /* Also when the transaction was ended first. */
        if (cache_bytes)
            forest_set_generation(fixture.forest, 0);
        forest_drop_dirty(fixture.forest);
        assert_int_equal(forest_dirty_bytes(fixture.forest), 0);
        assert_holds_numbers(&before, 0, 5000);
        fixture_free(&fixture);
    }
}

static void a_forgotten_node_is_read_again(void **state)
{
    struct fixture fixture;
    struct forest_stats before, after;
    struct root root;

    (void)state;
    fixture_init(&fixture, 4096, 64 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    insert_numbers(&root, 0, 10);
    fixture_commit(&fixture);
    forest_stats(fixture.forest, &before);
    forest_forget(fixture.forest, root.bytenr);
    forest_forget(fixture.forest, root.bytenr);
    assert_holds_numbers(&root, 0, 10);
    forest_stats(fixture.forest, &after);
    assert_int_equal(after.misses, before.misses + 1);
    fixture_free(&fixture);
}

static void unused_bytes_are_zero_on_the_device(void **state)
{
    struct fixture fixture;
    struct root root;
    uint8_t block[4096];

    (void)state;
    fixture_init(&fixture, 4096, 64 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    insert_numbers(&root, 0, 20);
    for (uint64_t i = 1; i < 20; i++) {
        struct key key = number(i);

        assert_int_equal(tree_delete(&root, &key), 0);
    }
    fixture_commit(&fixture);
    assert_int_equal(vol_read(fixture.vol, laddr_of(root.bytenr), block, sizeof(block), 0), 0);
    for (size_t i = NODE_HEADER_SIZE + LEAF_ITEM_SIZE; i < sizeof(block) - sizeof(uint64_t); i++)
        assert_int_equal(block[i], 0);
    fixture_free(&fixture);
}

/* ---- log trees
 * -------------------------------------------------------------------------------------- */

static void a_written_log_node_is_copied(void **state)
{
    struct fixture fixture;
    struct root log, plain;
    uint64_t log_bytenr, plain_bytenr;

    (void)state;
    fixture_init(&fixture, 4096, 64 * MIB, NULL);
    log = fixture_tree(&fixture, TREE_LOG);
    plain = fixture_tree(&fixture, 256);
    insert_numbers(&log, 0, 5);
    insert_numbers(&plain, 0, 5);
    log_bytenr = log.bytenr;
    plain_bytenr = plain.bytenr;
    assert_int_equal(forest_write_dirty_of(fixture.forest, TREE_LOG), 0);
    assert_int_equal(forest_dirty_bytes(fixture.forest), 4096);
    assert_int_equal(forest_write_dirty_of(fixture.forest, 256), 0);
    assert_int_equal(forest_dirty_bytes(fixture.forest), 0);
    insert_numbers(&log, 5, 10);
    insert_numbers(&plain, 5, 10);
    assert_true(log.bytenr != log_bytenr);
    assert_int_equal(plain.bytenr, plain_bytenr);
    assert_holds_numbers(&log, 0, 10);
    assert_holds_numbers(&plain, 0, 10);
    fixture_free(&fixture);
}

/* ---- what the device says
 * ------------------------------------------------------------------------------ */

/* Changes a block on the device behind the forest's back, with a good checksum. */
static void change_block(struct fixture *fixture, uint64_t bytenr,
                         void (*change)(uint8_t *block, uint64_t arg), uint64_t arg)
{
    uint8_t block[4096];

    assert_int_equal(vol_read(fixture->vol, laddr_of(bytenr), block, sizeof(block), 0), 0);
    change(block, arg);
    vol_seal_node(fixture->vol, block);
    assert_int_equal(vol_write(fixture->vol, laddr_of(bytenr), block, sizeof(block)), 0);
}

/* The same, and reopens. */
static void damage(struct fixture *fixture, struct root *root, uint64_t bytenr,
                   void (*change)(uint8_t *block, uint64_t arg), uint64_t arg)
{
    change_block(fixture, bytenr, change, arg);
    fixture_reopen(fixture);
    root->forest = fixture->forest;
}

static disk_key_ptr *ptr_of(uint8_t *block, uint32_t slot)
{
    return (disk_key_ptr *)(block + NODE_HEADER_SIZE) + slot;
}

static void second_child_is(uint8_t *block, uint64_t bytenr)
{
    ptr_of(block, 1)->blockptr = le64_of(bytenr);
}

static void second_child_is_the_third(uint8_t *block, uint64_t unused)
{
    (void)unused;
    ptr_of(block, 1)->blockptr = ptr_of(block, 2)->blockptr;
}

static void second_generation_is(uint8_t *block, uint64_t generation)
{
    ptr_of(block, 1)->generation = le64_of(generation);
}

static void second_key_is_lower(uint8_t *block, uint64_t by)
{
    disk_key *key = &ptr_of(block, 1)->key;

    key->objectid = le64_of(le64_get(key->objectid) - by);
}

static void level_is(uint8_t *block, uint64_t level)
{
    ((disk_node_header *)block)->level = (uint8_t)level;
}

static void item_count_is(uint8_t *block, uint64_t count)
{
    ((disk_node_header *)block)->nritems = le32_of((uint32_t)count);
}

static void last_key_is_high(uint8_t *block, uint64_t unused)
{
    uint32_t nritems = le32_get(((disk_node_header *)block)->nritems);
    disk_leaf_item *item = (disk_leaf_item *)(block + NODE_HEADER_SIZE) + nritems - 1;

    (void)unused;
    item->key.objectid = le64_of(UINT64_MAX - 1000);
}

/* A tree of two levels, on the device. */
static struct root damaged_tree(struct fixture *fixture)
{
    struct root root;

    fixture_init(fixture, 4096, 64 * MIB, NULL);
    root = fixture_tree(fixture, 256);
    insert_numbers(&root, 0, 2000);
    assert_int_equal(root.level, 1);
    fixture_commit(fixture);
    return root;
}

static uint64_t child_of(struct root *root, uint32_t slot)
{
    AUTO_PATH struct path path = PATH_INIT;

    assert_int_equal(tree_search_ge(root, &KEY_FIRST, &path), 0);
    return node_child(path.nodes[1], slot);
}

/* Walking over all ends, with an error that names the tree; changing all ends too. */
static void assert_found_out(struct root *root)
{
    AUTO_PATH struct path path = PATH_INIT;
    unsigned steps = 0;
    int ret = tree_search_ge(root, &KEY_FIRST, &path);

    while (ret == 0 && steps++ < 10000)
        ret = path_next(&path);
    assert_int_equal(ret, -EUCLEAN);
    assert_non_null(strstr(fail_message(), "tree 256"));
    assert_false(path_valid(&path));
    for (uint64_t i = 0; i < 2000; i++) {
        struct key key = number(i);

        ret = tree_delete(root, &key);
        assert_true(ret == 0 || ret == -ENOENT || ret == -EUCLEAN);
    }
}

static void damaged_trees_are_found_out(void **state)
{
    static const struct {
        void (*change)(uint8_t *block, uint64_t arg);
        uint64_t arg;
    } root_damage[] = {
        {second_child_is, 0},
        {second_child_is, UINT64_MAX - 4095},
        {second_child_is_the_third, 0},
        {second_generation_is, 9},
        {second_generation_is, UINT64_MAX},
        {second_key_is_lower, 1},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(root_damage); i++) {
        struct fixture fixture;
        struct root root = damaged_tree(&fixture);

        damage(&fixture, &root, root.bytenr, root_damage[i].change, root_damage[i].arg);
        assert_found_out(&root);
        fixture_free(&fixture);
    }
}

/* What was valid before is believed again only when it is the same to the bit. */
static void what_is_read_again_is_looked_at_when_it_changed(void **state)
{
    static const struct {
        void (*change)(uint8_t *block, uint64_t arg);
        uint64_t arg;
    } changes[] = {{last_key_is_high, 0}, {level_is, 1}, {item_count_is, 100000}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(changes); i++) {
        struct fixture fixture;
        struct root root = damaged_tree(&fixture);
        uint64_t leaf = child_of(&root, 1);
        struct forest_stats before, after;

        forest_forget(fixture.forest, leaf);
        forest_stats(fixture.forest, &before);
        assert_holds_numbers(&root, 0, 2000);
        forest_stats(fixture.forest, &after);
        assert_int_equal(after.known, before.known + 1);
        change_block(&fixture, leaf, changes[i].change, changes[i].arg);
        forest_forget(fixture.forest, leaf);
        assert_found_out(&root);
        forest_stats(fixture.forest, &before);
        assert_int_equal(after.known, before.known);
        fixture_free(&fixture);
    }
}

/* A block with a good checksum, but of another address, is not believed for being known. */
static void a_known_block_elsewhere_is_found_out(void **state)
{
    struct fixture fixture;
    struct root root = damaged_tree(&fixture);
    uint64_t second = child_of(&root, 1), third = child_of(&root, 2);
    uint8_t block[4096];

    (void)state;
    assert_int_equal(vol_read(fixture.vol, laddr_of(third), block, sizeof(block), 0), 0);
    assert_int_equal(vol_write(fixture.vol, laddr_of(second), block, sizeof(block)), 0);
    forest_forget(fixture.forest, second);
    assert_found_out(&root);
    fixture_free(&fixture);
}

static void a_loop_is_found_out(void **state)
{
    struct fixture fixture;
    struct root root = damaged_tree(&fixture);

    (void)state;
    damage(&fixture, &root, root.bytenr, second_child_is, root.bytenr);
    assert_found_out(&root);
    fixture_free(&fixture);
}

static void a_leaf_that_reaches_into_the_next_is_found_out(void **state)
{
    struct fixture fixture;
    struct root root = damaged_tree(&fixture);

    (void)state;
    damage(&fixture, &root, child_of(&root, 1), last_key_is_high, 0);
    assert_found_out(&root);
    fixture_free(&fixture);
}

static void a_wrong_level_is_found_out(void **state)
{
    struct fixture fixture;
    struct root root = damaged_tree(&fixture);

    (void)state;
    damage(&fixture, &root, child_of(&root, 1), level_is, 1);
    assert_found_out(&root);
    fixture_free(&fixture);
}

static void a_cached_node_is_held_against_each_parent(void **state)
{
    struct fixture fixture;
    struct root root = damaged_tree(&fixture);
    struct node_expect expect = {.bytenr = root.bytenr, .level = 1, .owner = 256};
    struct node *node;

    (void)state;
    assert_int_equal(forest_read_node(fixture.forest, &expect, &node), 0);
    node_put(node);
    expect.generation = root.generation + 1;
    assert_int_equal(forest_read_node(fixture.forest, &expect, &node), -EUCLEAN);
    expect.generation = root.generation;
    expect.level = 0;
    assert_int_equal(forest_read_node(fixture.forest, &expect, &node), -EUCLEAN);
    expect.level = 1;
    expect.has_first_key = true;
    expect.first_key = number(1);
    assert_int_equal(forest_read_node(fixture.forest, &expect, &node), -EUCLEAN);
    expect.first_key = number(0);
    assert_int_equal(forest_read_node(fixture.forest, &expect, &node), 0);
    node_put(node);
    expect.bytenr += 5;
    assert_int_equal(forest_read_node(fixture.forest, &expect, &node), -EUCLEAN);
    fixture_free(&fixture);
}

static void a_node_that_is_not_valid_is_not_written(void **state)
{
    struct fixture fixture;
    struct root root;
    struct key key = key_make(256, KEY_INODE_ITEM, 0);

    (void)state;
    fixture_init(&fixture, 4096, 64 * MIB, NULL);
    root = fixture_tree(&fixture, 256);
    assert_int_equal(tree_insert(&root, &key, "too short", 9), 0);
    assert_int_equal(forest_write_dirty(fixture.forest), -EUCLEAN);
    assert_non_null(strstr(fail_message(), "INODE_ITEM"));
    assert_int_equal(forest_dirty_bytes(fixture.forest), 4096);
    fixture_free(&fixture);
}

/* ---- readers side by side
 * ------------------------------------------------------------------------------- */

struct reader {
    pthread_t thread;
    struct root *root;
    uint64_t seed;
    unsigned wrong;
};

static void *read_at_random(void *arg)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct reader *reader = arg;
    struct rng rng;

    rng_seed(&rng, reader->seed);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t which = rng_below(&rng, 50000);
        struct key key = number(which);

        if (tree_search(reader->root, &key, &path) != 0 ||
            memcmp(path_data(&path), &which, sizeof(which)) != 0)
            reader->wrong++;
    }
    return NULL;
}

/* More nodes than the cache takes, so that nodes come and go while they are looked for. */
static void readers_do_not_disturb_each_other(void **state)
{
    struct reader readers[4] = {0};
    struct fixture fixture;
    struct root root;
    uint64_t seed = unit_seed(42);

    (void)state;
    fixture_init(&fixture, 4096, 100 * 4096, NULL);
    root = fixture_tree(&fixture, 256);
    insert_numbers(&root, 0, 50000);
    fixture_commit(&fixture);
    for (unsigned i = 0; i < ARRAY_LEN(readers); i++) {
        readers[i].root = &root;
        readers[i].seed = seed + i;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_at_random, &readers[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(readers); i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_int_equal(readers[i].wrong, 0);
    }
    assert_true(cached(&fixture) <= 120);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_larger_than_the_cache_fits),
        cmocka_unit_test(what_is_used_stays),
        cmocka_unit_test(a_path_keeps_its_nodes),
        cmocka_unit_test(dropping_a_transaction_leaves_the_one_before),
        cmocka_unit_test(a_forgotten_node_is_read_again),
        cmocka_unit_test(unused_bytes_are_zero_on_the_device),
        cmocka_unit_test(a_written_log_node_is_copied),
        cmocka_unit_test(damaged_trees_are_found_out),
        cmocka_unit_test(what_is_read_again_is_looked_at_when_it_changed),
        cmocka_unit_test(a_known_block_elsewhere_is_found_out),
        cmocka_unit_test(a_loop_is_found_out),
        cmocka_unit_test(a_leaf_that_reaches_into_the_next_is_found_out),
        cmocka_unit_test(a_wrong_level_is_found_out),
        cmocka_unit_test(a_cached_node_is_held_against_each_parent),
        cmocka_unit_test(a_node_that_is_not_valid_is_not_written),
        cmocka_unit_test(readers_do_not_disturb_each_other),
    };

    return cmocka_run_group_tests_name("tree/cache", tests, NULL, NULL);
}
