// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: after any mix of changes, snapshots and deletions of trees, every tree block and every
 * data extent that a tree reaches is counted exactly as often and in exactly the way the format
 * asks for (keyed by the owner, or by the parent where that has full back references), and nothing
 * else is counted.
 */
#include "engine/extent/test/drop_tree.h"

#define TREES 8
#define POSITIONS 4000
#define INODE 257

struct model {
    struct world world;
    struct rng rng;
    struct root trees[TREES]; /* id 0: none */
    /* What each holds: address of the data at each position; 0: nothing there. */
    uint64_t data[TREES][POSITIONS];
    uint64_t next_id;
};

/* Trees of files have at least one item. */
static const struct key never_empty = {OBJ_ORPHAN, KEY_ORPHAN_ITEM, 1};

static struct root *tree_of(struct model *model, uint64_t tree)
{
    return &model->trees[tree];
}

/* ---- changing ------------------------------------------------------------------------------- */

static struct key position_key(uint64_t position)
{
    return key_make(INODE, KEY_EXTENT_DATA, position * 4096);
}

static void put_extent(struct model *model, uint64_t tree, uint64_t position,
                       const struct file_extent *file)
{
    struct key key = position_key(position);
    disk_file_extent bytes;

    file_extent_encode(&bytes, file);
    ok(tree_insert(tree_of(model, tree), &key, &bytes, sizeof(bytes)));
    model->data[tree][position] = file->disk_bytenr;
}

static void read_extent(struct model *model, uint64_t tree, uint64_t position,
                        struct file_extent *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = position_key(position);

    assert_int_equal(tree_search(tree_of(model, tree), &key, &path), 0);
    file_extent_decode(out, path_data(&path));
    assert_int_equal(out->disk_bytenr, model->data[tree][position]);
}

static struct data_ref ref_at(struct model *model, uint64_t tree, uint64_t position,
                              const struct file_extent *file)
{
    return (struct data_ref){
        .root = tree_of(model, tree)->id,
        .objectid = INODE,
        .offset = position * 4096 - file->offset,
    };
}

/* A new extent of a few sectors, one of them at this position. */
static void write_new(struct model *model, uint64_t tree, uint64_t position)
{
    uint64_t sectors = 1 + rng_below(&model->rng, 4);
    struct file_extent file = {
        .generation = model->world.engine.txn.transid,
        .ram_bytes = sectors * 4096,
        .type = FILE_EXTENT_REG,
        .disk_num_bytes = sectors * 4096,
        .offset = 4096 * rng_below(&model->rng, sectors),
        .num_bytes = 4096,
    };
    struct data_ref ref = ref_at(model, tree, position, &file);
    struct range range;

    ok(extent_alloc_data(model->world.extents, sectors * 4096, sectors * 4096, 0, &range));
    file.disk_bytenr = range.start;
    ok(extent_add_new_data(model->world.extents, range.start, range.len, &ref));
    put_extent(model, tree, position, &file);
}

/* The extent of another position, of this or another tree. */
static void reflink(struct model *model, uint64_t tree, uint64_t position)
{
    uint64_t from = rng_below(&model->rng, TREES);
    uint64_t start = rng_below(&model->rng, POSITIONS);
    struct file_extent file;
    struct data_ref ref;

    for (uint64_t i = 0; tree_of(model, from)->id && i < 50; i++) {
        uint64_t at = (start + i) % POSITIONS;

        if (!model->data[from][at])
            continue;
        read_extent(model, from, at, &file);
        ref = ref_at(model, tree, position, &file);
        ok(extent_add_data_ref(model->world.extents, file.disk_bytenr, file.disk_num_bytes, &ref));
        put_extent(model, tree, position, &file);
        return;
    }
}

static void delete_extent(struct model *model, uint64_t tree, uint64_t position)
{
    struct key key = position_key(position);
    struct file_extent file;
    struct data_ref ref;

    read_extent(model, tree, position, &file);
    ok(tree_delete(tree_of(model, tree), &key));
    ref = ref_at(model, tree, position, &file);
    ok(extent_drop_data_ref(model->world.extents, file.disk_bytenr, file.disk_num_bytes, &ref));
    model->data[tree][position] = 0;
}

/* Changes some neighbouring positions of one tree. */
static void change(struct model *model, uint64_t tree)
{
    uint64_t start = rng_below(&model->rng, POSITIONS);
    uint64_t count = 1 + rng_below(&model->rng, 40);
    uint64_t what = rng_below(&model->rng, 3);

    for (uint64_t i = 0; i < count; i++) {
        uint64_t position = (start + i) % POSITIONS;

        if (model->data[tree][position])
            delete_extent(model, tree, position);
        else if (what == 0)
            reflink(model, tree, position);
        else
            write_new(model, tree, position);
    }
}

/* ---- whole trees ---------------------------------------------------------------------------- */

static void snapshot(struct model *model, uint64_t from, uint64_t to)
{
    ok(tree_copy_root(tree_of(model, from), model->next_id++, tree_of(model, to)));
    memcpy(model->data[to], model->data[from], sizeof(model->data[to]));
}

static void delete_tree(struct model *model, uint64_t tree)
{
    struct root *root = tree_of(model, tree);

    world_drop_tree(&model->world, root);
    memset(model->data[tree], 0, sizeof(model->data[tree]));
}

/*
 * A file system that got skinny metadata later has both kinds of items: turns some METADATA_ITEMs
 * into what they were before (trap 15).
 */
static void make_full_items(struct model *model)
{
    struct root *root = &model->world.engine.extent_tree;
    struct picture picture;

    world_look(&model->world, &picture);
    for (unsigned i = 0; i < 10; i++) {
        const struct seen *seen = &picture.extents[rng_below(&model->rng, picture.count)];
        struct key key = key_make(seen->bytenr, KEY_METADATA_ITEM, 0);
        AUTO_PATH struct path path = PATH_INIT;
        uint8_t bytes[4096];
        uint32_t size;

        if (!(seen->flags & EXTENT_FLAG_TREE_BLOCK) || tree_search_ge(root, &key, &path) != 0)
            continue;
        path_key(&path, &key);
        if (key.objectid != seen->bytenr || key.type != KEY_METADATA_ITEM)
            continue;

        struct tree_block_info info = {.level = (uint8_t)key.offset};

        size = path_size(&path);
        memcpy(bytes, path_data(&path), size);
        path_release(&path);
        memmove(bytes + 24 + 18, bytes + 24, size - 24);
        tree_block_info_encode(bytes + 24, &info);
        ok(tree_delete(root, &key));
        key = key_make(seen->bytenr, KEY_EXTENT_ITEM, model->world.engine.nodesize);
        ok(tree_insert(root, &key, bytes, size + 18));
    }
    picture_clear(&picture);
    world_settle(&model->world);
}

/* ---- judging -------------------------------------------------------------------------------- */

struct shape {
    unsigned full;   /* blocks with full back references */
    unsigned shared; /* blocks with several */
    uint8_t level;   /* of the highest tree */
};

static void check_content(struct model *model, uint64_t tree)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    uint64_t position = 0;
    int ret;

    for (ret = tree_search_ge(tree_of(model, tree), &key, &path); ret == 0;
         ret = path_next(&path)) {
        struct file_extent file;

        path_key(&path, &key);
        if (key.type != KEY_EXTENT_DATA)
            continue;
        for (; position < key.offset / 4096; position++)
            assert_int_equal(model->data[tree][position], 0);
        file_extent_decode(&file, path_data(&path));
        assert_int_equal(file.disk_bytenr, model->data[tree][position++]);
    }
    assert_int_equal(ret, 1);
    for (; position < POSITIONS; position++)
        assert_int_equal(model->data[tree][position], 0);
}

static void check_all(struct model *model, struct shape *shape)
{
    struct root *roots[TREES];
    struct picture picture;
    size_t count = 0;

    for (uint64_t i = 0; i < TREES; i++) {
        if (tree_of(model, i)->id == 0)
            continue;
        check_content(model, i);
        roots[count++] = tree_of(model, i);
        shape->level = MAX(shape->level, tree_of(model, i)->level);
    }
    world_look(&model->world, &picture);
    expect_forest(&model->world, &picture, roots, count, NULL);
    for (size_t i = 0; i < picture.count; i++) {
        const struct seen *seen = &picture.extents[i];

        shape->full += (seen->flags & BLOCK_FLAG_FULL_BACKREF) != 0;
        shape->shared += (seen->flags & EXTENT_FLAG_TREE_BLOCK) && seen->refs > 1;
    }
    picture_clear(&picture);
}

/* ---- the walk ------------------------------------------------------------------------------- */

static uint64_t pick_tree(struct model *model, bool there)
{
    uint64_t tree = rng_below(&model->rng, TREES);

    for (uint64_t i = 0; i < TREES; i++, tree = (tree + 1) % TREES) {
        if ((tree_of(model, tree)->id != 0) == there)
            return tree;
    }
    return TREES;
}

static void step(struct model *model)
{
    uint64_t dice = rng_below(&model->rng, 100);
    uint64_t from = pick_tree(model, true);
    uint64_t to = pick_tree(model, false);

    if (dice < 8 && to < TREES)
        snapshot(model, from, to);
    else if (dice < 12 && from != 0)
        delete_tree(model, from);
    else
        change(model, from);
}

static void random_walk(uint64_t seed, struct world_options options, unsigned steps, bool old_items)
{
    AUTO_FREE struct model *model = calloc(1, sizeof(*model));
    struct shape shape = {0};

    rng_seed(&model->rng, seed);
    world_open(&model->world, &options);
    model->next_id = 256;
    world_create_tree(&model->world, tree_of(model, 0), TREE_FS);
    tree_of(model, 0)->shareable = true;
    ok(tree_insert(tree_of(model, 0), &never_empty, NULL, 0));
    for (unsigned i = 0; i < steps; i++) {
        step(model);
        if (rng_below(&model->rng, 20) == 0)
            ok(extents_run(model->world.extents, 1 + rng_below(&model->rng, 100)));
        if (rng_below(&model->rng, 12) == 0)
            world_commit(&model->world);
        if (rng_below(&model->rng, 40) == 0) {
            world_settle(&model->world);
            check_all(model, &shape);
            if (old_items)
                make_full_items(model);
        }
    }
    /* Else it was no test. */
    assert_true(shape.full > 0 && shape.shared > 0 && shape.level >= 1);

    for (uint64_t i = 0; i < TREES; i++) {
        if (tree_of(model, i)->id)
            delete_tree(model, i);
    }
    world_commit(&model->world);
    check_all(model, &shape);

    struct space_totals totals;

    space_totals(model->world.space, SPACE_DATA, &totals);
    if (!options.mixed)
        assert_int_equal(totals.used + totals.pinned, 0);
    world_close(&model->world);
}

static void walk_small_nodes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        random_walk(unit_seed(10 + i), (struct world_options){4096, true, false}, 600, false);
}

static void walk_full_items(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        random_walk(unit_seed(20 + i), (struct world_options){4096, false, false}, 600, false);
}

static void walk_both_items(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        random_walk(unit_seed(50 + i), (struct world_options){4096, true, false}, 600, true);
}

static void walk_mixed(void **state)
{
    (void)state;
    random_walk(unit_seed(30), (struct world_options){4096, true, true}, 600, false);
}

static void walk_large_nodes(void **state)
{
    (void)state;
    random_walk(unit_seed(40), (struct world_options){16384, true, false}, 600, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_small_nodes), cmocka_unit_test(walk_full_items),
        cmocka_unit_test(walk_both_items),  cmocka_unit_test(walk_mixed),
        cmocka_unit_test(walk_large_nodes),
    };

    return cmocka_run_group_tests_name("snapshots", tests, NULL, NULL);
}
