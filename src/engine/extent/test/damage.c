// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: an extent tree that does not agree with what refers to it gives an error that names the
 * extent, never a count below zero (trap 6), a second item (trap 7) or a crash; and what we do not
 * know in an extent item stays as it is (promise 8).
 */
#include "engine/extent/test/world.h"

static const struct world_options small = {4096, true, false};
static const struct data_ref ours = {.root = TREE_FS, .objectid = 257};
static const struct data_ref other = {.root = TREE_FS, .objectid = 258};
static const struct data_ref shared = {.parent = 1 * MIB};

/* A world with one committed data extent, referred to by `ours`. */
static void with_extent(struct world *world, struct range *range)
{
    world_open(world, &small);
    ok(extent_alloc_data(world->extents, 8192, 8192, 0, range));
    ok(extent_add_new_data(world->extents, range->start, range->len, &ours));
    world_commit(world);
}

static void expect_damage(struct world *world, const struct range *range)
{
    char name[64];

    snprintf(name, sizeof(name), "data extent %llu+%llu", (unsigned long long)range->start,
             (unsigned long long)range->len);
    assert_int_equal(extents_run(world->extents, 0), -EUCLEAN);
    if (!strstr(fail_message(), name))
        print_error("message: %s\n", fail_message());
    assert_non_null(strstr(fail_message(), name));
    extents_drop(world->extents);
    assert_int_equal(extents_pending(world->extents), 0);
}

static void below_zero(void **state)
{
    struct world world;
    struct range range;
    uint64_t refs;

    (void)state;
    with_extent(&world, &range);
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &ours));
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &ours));
    assert_int_equal(extent_data_refs(world.extents, range.start, range.len, &refs), -EUCLEAN);
    expect_damage(&world, &range);
    world_close(&world);
}

/* As many are left, but not this one: inline, then among items of their own. */
static void wrong_reference(void **state)
{
    struct world world;
    struct range range;

    (void)state;
    for (unsigned fillers = 0; fillers <= 50; fillers += 50) {
        with_extent(&world, &range);
        for (uint64_t i = 0; i < fillers; i++) {
            struct data_ref filler = {.root = TREE_FS, .objectid = 1000 + i};

            ok(extent_add_data_ref(world.extents, range.start, range.len, &filler));
        }
        world_settle(&world);
        ok(extent_drop_data_ref(world.extents, range.start, range.len, &other));
        expect_damage(&world, &range);
        world_close(&world);
    }
}

static void shared_wrong_reference(void **state)
{
    struct world world;
    struct range range;

    (void)state;
    with_extent(&world, &range);
    ok(extent_add_data_ref(world.extents, range.start, range.len, &ours));
    world_settle(&world);
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &shared));
    expect_damage(&world, &range);
    world_close(&world);
}

static void no_item(void **state)
{
    struct world world;
    struct range range;
    struct key key;
    uint64_t refs;

    (void)state;
    with_extent(&world, &range);
    key = key_make(range.start, KEY_EXTENT_ITEM, range.len);
    ok(tree_delete(&world.engine.extent_tree, &key));
    assert_int_equal(extent_data_refs(world.extents, range.start, range.len, &refs), -ENOENT);
    ok(extent_add_data_ref(world.extents, range.start, range.len, &other));
    expect_damage(&world, &range);
    world_close(&world);
}

static void item_there_already(void **state)
{
    struct world world;
    struct range range;
    struct key key;
    uint8_t bytes[24] = {1};

    (void)state;
    world_open(&world, &small);
    ok(extent_alloc_data(world.extents, 8192, 8192, 0, &range));
    key = key_make(range.start, KEY_EXTENT_ITEM, range.len);
    ok(tree_insert(&world.engine.extent_tree, &key, bytes, sizeof(bytes)));
    ok(extent_add_new_data(world.extents, range.start, range.len, &ours));
    expect_damage(&world, &range);
    world_close(&world);
}

/* An item that is cut short, is of another kind, or lists what cannot be. */
static void strange_items(void **state)
{
    static const struct {
        uint32_t size;
        uint8_t refs, flags, ref_type;
    } items[] = {
        {10, 1, EXTENT_FLAG_DATA, 0},
        {24 + 9, 1, EXTENT_FLAG_TREE_BLOCK, KEY_TREE_BLOCK_REF},
        {24 + 9, 1, EXTENT_FLAG_DATA, 99},
        {24 + 9, 1, EXTENT_FLAG_DATA, KEY_EXTENT_DATA_REF},
        {24 + 13, 1, EXTENT_FLAG_DATA, KEY_SHARED_DATA_REF},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        struct world world;
        struct range range;
        struct key key;
        uint8_t bytes[64] = {0};

        with_extent(&world, &range);
        key = key_make(range.start, KEY_EXTENT_ITEM, range.len);
        bytes[0] = items[i].refs;
        bytes[16] = items[i].flags;
        bytes[24] = items[i].ref_type;
        ok(tree_upsert(&world.engine.extent_tree, &key, bytes, items[i].size));
        ok(extent_drop_data_ref(world.extents, range.start, range.len, &ours));
        expect_damage(&world, &range);
        world_close(&world);
    }
}

/* One address cannot be two extents. */
static void two_extents_at_one_place(void **state)
{
    struct world world;
    struct range range;

    (void)state;
    with_extent(&world, &range);
    ok(extent_add_data_ref(world.extents, range.start, range.len, &other));
    assert_int_equal(extent_add_data_ref(world.extents, range.start, 4096, &other), -EUCLEAN);
    assert_int_equal(extent_drop_tree_ref(world.extents, range.start, 0, 1, TREE_FS, 0), -EUCLEAN);
    assert_int_equal(extent_add_new_data(world.extents, range.start, range.len, &ours), -EUCLEAN);
    world_close(&world);
}

/* A snapshot's block that nothing counts: the copy fails, and changes nothing. */
static void uncounted_block(void **state)
{
    struct world world;
    struct root root, copy;
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, 0);
    struct key item;
    uint64_t leaf;

    (void)state;
    world_open(&world, &small);
    world_create_tree(&world, &root, TREE_FS);
    root.shareable = true;
    for (uint64_t i = 0; i < 1000; i++) {
        key.offset = i;
        ok(tree_insert(&root, &key, NULL, 0));
    }
    ok(tree_copy_root(&root, 256, &copy));
    world_commit(&world);
    {
        AUTO_PATH struct path path = PATH_INIT;

        assert_int_equal(tree_search(&root, &key, &path), 0);
        leaf = node_bytenr(path_leaf(&path));
    }
    item = key_make(leaf, KEY_METADATA_ITEM, 0);
    ok(tree_delete(&world.engine.extent_tree, &item));
    world_settle(&world);
    assert_int_equal(tree_delete(&root, &key), -EUCLEAN);

    uint64_t pending = extents_pending(world.extents);

    assert_int_equal(tree_delete(&root, &key), -EUCLEAN);
    assert_int_equal(extents_pending(world.extents), pending);
    world_close(&world);
}

static void put_file_extent(struct root *root, uint64_t position, uint64_t bytenr, uint64_t len)
{
    const struct key key = key_make(257, KEY_EXTENT_DATA, position);
    const struct file_extent file = {
        .generation = 1,
        .ram_bytes = len,
        .type = FILE_EXTENT_REG,
        .disk_bytenr = bytenr,
        .disk_num_bytes = len,
        .num_bytes = len,
    };
    disk_file_extent bytes;

    file_extent_encode(&bytes, &file);
    ok(tree_insert(root, &key, &bytes, sizeof(bytes)));
}

/* A leaf that names one extent in two sizes cannot be shared; what was begun is never durable. */
static void two_sizes_in_one_leaf(void **state)
{
    struct world world;
    struct range range;
    struct root root, copy;

    (void)state;
    with_extent(&world, &range);
    world_create_tree(&world, &root, TREE_FS);
    root.shareable = true;
    put_file_extent(&root, 0, range.start, 8192);
    put_file_extent(&root, 65536, range.start, 4096);
    assert_int_equal(tree_copy_root(&root, 256, &copy), -EUCLEAN);
    assert_non_null(strstr(fail_message(), "slot 1"));
    assert_int_equal(world.engine.txn.error, -EUCLEAN);
    world_close(&world);
}

/* The owner that simple quotas note in an item is no reference, and stays in its place. */
static void owner_stays(void **state)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct world world;
    struct range range;
    struct key key;
    uint8_t bytes[24 + 9 + 29];
    uint8_t owner[9] = {KEY_EXTENT_OWNER_REF, 5};
    struct space_totals totals;

    (void)state;
    with_extent(&world, &range);
    key = key_make(range.start, KEY_EXTENT_ITEM, range.len);
    assert_int_equal(tree_search(&world.engine.extent_tree, &key, &path), 0);
    assert_int_equal(path_size(&path), 24 + 29);
    memcpy(bytes, path_data(&path), 24);
    memcpy(bytes + 24 + 9, (const uint8_t *)path_data(&path) + 24, 29);
    memcpy(bytes + 24, owner, 9);
    path_release(&path);
    ok(tree_upsert(&world.engine.extent_tree, &key, bytes, sizeof(bytes)));
    ok(extent_add_data_ref(world.extents, range.start, range.len, &other));
    ok(extent_add_data_ref(world.extents, range.start, range.len, &shared));
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &ours));
    world_settle(&world);
    assert_int_equal(tree_search(&world.engine.extent_tree, &key, &path), 0);
    assert_int_equal(path_size(&path), 24 + 9 + 29 + 13);
    assert_memory_equal((const uint8_t *)path_data(&path) + 24, owner, 9);
    path_release(&path);
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &other));
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &shared));
    world_settle(&world);
    space_totals(world.space, SPACE_DATA, &totals);
    assert_int_equal(totals.used, 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_zero),
        cmocka_unit_test(wrong_reference),
        cmocka_unit_test(shared_wrong_reference),
        cmocka_unit_test(no_item),
        cmocka_unit_test(item_there_already),
        cmocka_unit_test(strange_items),
        cmocka_unit_test(two_extents_at_one_place),
        cmocka_unit_test(uncounted_block),
        cmocka_unit_test(two_sizes_in_one_leaf),
        cmocka_unit_test(owner_stays),
    };

    return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
