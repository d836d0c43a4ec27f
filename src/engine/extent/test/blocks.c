// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards: what becomes of the space and the references of single tree blocks, and who is told. */
#include "engine/extent/test/world.h"

static const struct world_options plain = {16384, true, false};

static uint64_t allocated(struct world *world, enum space_kind kind)
{
    struct space_totals totals;

    space_totals(world->space, kind, &totals);
    return totals.allocated;
}

static uint64_t pinned(struct world *world, enum space_kind kind)
{
    struct space_totals totals;

    space_totals(world->space, kind, &totals);
    return totals.pinned;
}

static void put_orphan(struct root *root, uint64_t id)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, id);

    ok(tree_insert(root, &key, NULL, 0));
}

/* Chunk tree blocks lie in system block groups, all others in metadata ones. */
static void kinds_of_groups(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, &plain);
    world_commit(&world);
    assert_true(space_flags_at(world.space, world.engine.chunk_tree.bytenr) & BG_SYSTEM);
    assert_true(space_flags_at(world.space, world.engine.extent_tree.bytenr) & BG_METADATA);
    world_close(&world);
}

/*
 * A block given up by the transaction that made it is free at once when it was never written, and
 * pinned when it was: nothing durable may be overwritten (promise 5), nothing else is held.
 */
static void freed_young(void **state)
{
    struct world world;
    struct root root;

    (void)state;
    for (int written = 0; written < 2; written++) {
        uint64_t before;

        world_open(&world, &plain);
        world_commit(&world);
        before = allocated(&world, SPACE_METADATA);
        world_create_tree(&world, &root, 300);
        for (uint64_t i = 0; i < 2000; i++)
            put_orphan(&root, i);
        assert_int_equal(root.level, 1);
        assert_true(allocated(&world, SPACE_METADATA) > before);
        if (written)
            ok(forest_write_dirty_of(world.engine.forest, 300));
        for (uint64_t i = 0; i < 2000; i++) {
            struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, i);

            ok(tree_delete(&root, &key));
        }
        assert_int_equal(root.level, 0);
        assert_int_equal(allocated(&world, SPACE_METADATA), before + plain.nodesize);
        assert_true(written ? pinned(&world, SPACE_METADATA) > 0
                            : pinned(&world, SPACE_METADATA) == 0);
        world_close(&world);
    }
}

/* Blocks of log trees are not counted, and stay pinned when given up. */
static void log_trees(void **state)
{
    struct root root;
    struct world world;
    uint64_t held;
    uint64_t pending;

    (void)state;
    world_open(&world, &plain);
    world_commit(&world);
    held = allocated(&world, SPACE_METADATA);
    pending = extents_pending(world.extents);
    engine_root_set(&world.engine, &root, TREE_LOG, 0, 0, 0);
    root.is_log = true;
    ok(root_create(&root));
    for (uint64_t i = 0; i < 2000; i++)
        put_orphan(&root, i);
    assert_int_equal(extents_pending(world.extents), pending);
    assert_true(allocated(&world, SPACE_METADATA) >= held + 3 * plain.nodesize);
    for (uint64_t i = 0; i < 2000; i++) {
        struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, i);

        ok(tree_delete(&root, &key));
    }
    assert_int_equal(allocated(&world, SPACE_METADATA), held + plain.nodesize);
    assert_true(pinned(&world, SPACE_METADATA) >= 2 * plain.nodesize);
    world_close(&world);
}

/* ---- the listener --------------------------------------------------------------------------- */

struct heard {
    uint64_t bytenr; /* the extent to listen for */
    uint64_t added, dropped;
    bool fresh, freed;
};

static int hear(void *arg, const struct extent_event *event)
{
    struct heard *heard = arg;

    if (event->bytenr != heard->bytenr)
        return 0;
    assert_true(event->data);
    assert_int_equal(event->num_bytes, 8192);
    if (event->added)
        heard->added += event->ref->count;
    else
        heard->dropped += event->ref->count;
    heard->fresh = heard->fresh || event->fresh;
    heard->freed = heard->freed || event->freed;
    return 0;
}

static const struct extent_listener listener = {.changed = hear};

/* Every reference that reaches the extent tree is told once, when it does. */
static void told_when_run(void **state)
{
    struct data_ref a = {.root = TREE_FS, .objectid = 257};
    struct data_ref b = {.parent = 1 * MIB};
    struct heard heard = {0};
    struct world world;
    struct range range;

    (void)state;
    world_open(&world, &plain);
    extents_set_listener(world.extents, &listener, &heard);
    ok(extent_alloc_data(world.extents, 8192, 8192, 0, &range));
    heard.bytenr = range.start;
    ok(extent_add_new_data(world.extents, range.start, range.len, &a));
    ok(extent_add_data_ref(world.extents, range.start, range.len, &b));
    ok(extent_add_data_ref(world.extents, range.start, range.len, &b));
    assert_int_equal(heard.added, 0);
    world_settle(&world);
    assert_int_equal(heard.added, 3);
    assert_true(heard.fresh && !heard.freed);
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &b));
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &b));
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &a));
    world_settle(&world);
    assert_int_equal(heard.dropped, 3);
    assert_true(heard.freed);
    world_close(&world);
}

/* ---- what a balance leaves behind ----------------------------------------------------------- */

/* Rewrites the header of a clean block as if a relocation tree had made it. */
static void mark_relocated(struct world *world, uint64_t bytenr)
{
    AUTO_FREE uint8_t *block = malloc(plain.nodesize);
    disk_node_header *header = (void *)block;

    ok(vol_read(world->vol, laddr_of(bytenr), block, plain.nodesize, 0));
    header->owner = le64_of(TREE_RELOC);
    header->flags = le64_of(le64_get(header->flags) | HEADER_FLAG_RELOC);
    vol_seal_node(world->vol, block);
    ok(vol_write(world->vol, laddr_of(bytenr), block, plain.nodesize));
    forest_forget(world->engine.forest, bytenr);
}

static void put_data(struct world *world, struct root *root, uint64_t position)
{
    struct key key = key_make(257, KEY_EXTENT_DATA, position * 4096);
    struct data_ref ref = {.root = root->id, .objectid = 257, .offset = position * 4096};
    struct file_extent file = {.generation = world->engine.txn.transid,
                               .ram_bytes = 4096,
                               .type = FILE_EXTENT_REG,
                               .disk_num_bytes = 4096,
                               .num_bytes = 4096};
    disk_file_extent bytes;
    struct range range;

    ok(extent_alloc_data(world->extents, 4096, 4096, 0, &range));
    ok(extent_add_new_data(world->extents, range.start, range.len, &ref));
    file.disk_bytenr = range.start;
    file_extent_encode(&bytes, &file);
    ok(tree_insert(root, &key, &bytes, sizeof(bytes)));
}

static void check_tree(struct world *world, struct root *root)
{
    struct picture picture;

    world_settle(world);
    world_look(world, &picture);
    expect_forest(world, &picture, &root, 1, NULL);
    picture_clear(&picture);
}

/* The first leaf of a tree of two levels. */
static uint64_t first_leaf(struct root *root)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;

    assert_int_equal(root->level, 1);
    assert_int_equal(tree_search_ge(root, &key, &path), 0);
    return node_bytenr(path_leaf(&path));
}

/*
 * A block with full back references that this tree alone reaches but does not own (trap 5): its
 * copy takes the references over, keyed by the tree.
 */
static void full_block_of_another(void **state)
{
    struct node_expect expect = {.level = 0};
    struct world world;
    struct node *leaf;
    struct root root;
    struct key key = key_make(257, KEY_EXTENT_DATA, 0);

    (void)state;
    world_open(&world, &plain);
    world_create_tree(&world, &root, TREE_FS);
    root.shareable = true;
    for (uint64_t i = 0; i < 400; i++)
        put_data(&world, &root, i);
    world_commit(&world);

    expect.bytenr = first_leaf(&root);
    ok(forest_read_node(world.engine.forest, &expect, &leaf));
    ok(extent_ref_children(world.extents, TREE_FS, leaf, true, true));
    ok(extent_ref_children(world.extents, TREE_FS, leaf, false, false));
    ok(extent_set_full_backref(world.extents, expect.bytenr, 0));
    node_put(leaf);
    world_commit(&world);
    mark_relocated(&world, expect.bytenr);
    check_tree(&world, &root);

    struct file_extent file;
    {
        AUTO_PATH struct path path = PATH_INIT;

        assert_int_equal(tree_search(&root, &key, &path), 0);
        file_extent_decode(&file, path_data(&path));
    }
    ok(tree_delete(&root, &key));
    ok(extent_drop_data_ref(world.extents, file.disk_bytenr, 4096,
                            &(struct data_ref){.root = TREE_FS, .objectid = 257}));
    assert_int_not_equal(first_leaf(&root), expect.bytenr);
    check_tree(&world, &root);
    world_commit(&world);
    assert_int_equal(pinned(&world, SPACE_METADATA), 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_groups),
        cmocka_unit_test(freed_young),
        cmocka_unit_test(log_trees),
        cmocka_unit_test(told_when_run),
        cmocka_unit_test(full_block_of_another),
    };

    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
