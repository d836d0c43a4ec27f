// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: whatever references to data are added and dropped, in whatever portions they are run,
 * the extent tree holds exactly those that are left, in Linux's order; counts answered in between
 * are right; an extent without references is gone with its checksums, its space free after the
 * commit.
 */
#include "engine/extent/test/world.h"

#define EXTENTS 40
#define REFS 400

struct model_ref {
    struct data_ref ref;
    uint64_t count;
};

struct model_extent {
    uint64_t bytenr; /* 0: none */
    uint64_t num_bytes;
    uint64_t total;
    struct model_ref refs[REFS];
    size_t kinds;
};

struct model {
    struct world world;
    struct rng rng;
    struct model_extent extents[EXTENTS];
};

static struct data_ref random_ref(struct model *model)
{
    struct rng *rng = &model->rng;

    if (rng_below(rng, 3) == 0)
        return (struct data_ref){.parent = 4096 * (1000 + rng_below(rng, 100))};
    return (struct data_ref){
        .root = rng_below(rng, 3) ? TREE_FS : 256 + rng_below(rng, 5),
        .objectid = 257 + rng_below(rng, 30),
        .offset = 4096 * (rng_below(rng, 8) - 4),
    };
}

/* Its place in the model; NULL: there is no room for another. */
static struct model_ref *model_ref(struct model_extent *extent, const struct data_ref *ref)
{
    for (size_t i = 0; i < extent->kinds; i++) {
        if (memcmp(&extent->refs[i].ref, ref, sizeof(*ref)) == 0)
            return &extent->refs[i];
    }
    if (extent->kinds == REFS)
        return NULL;
    extent->refs[extent->kinds] = (struct model_ref){*ref, 0};
    return &extent->refs[extent->kinds++];
}

static void add_extent(struct model *model, struct model_extent *extent)
{
    struct engine *engine = &model->world.engine;
    struct data_ref ref = random_ref(model);
    uint64_t want = 4096 * (1 + rng_below(&model->rng, 16));
    uint8_t sums[16 * 4] = {0};
    struct range range;

    ok(extent_alloc_data(model->world.extents, want, 4096, 0, &range));
    if (rng_below(&model->rng, 8) == 0) {
        ok(extent_alloc_undo(model->world.extents, &range, rng_below(&model->rng, 2)));
        return;
    }
    ok(extent_add_new_data(model->world.extents, range.start, range.len, &ref));
    ok(csums_insert(engine, &engine->csum_tree, range.start, sums, range.len / 4096));
    *extent = (struct model_extent){.bytenr = range.start, .num_bytes = range.len, .total = 1};
    model_ref(extent, &ref)->count = 1;
}

static void add_ref(struct model *model, struct model_extent *extent)
{
    struct data_ref ref = random_ref(model);
    struct model_ref *own = model_ref(extent, &ref);

    if (!own)
        return;
    own->count++;
    extent->total++;
    ok(extent_add_data_ref(model->world.extents, extent->bytenr, extent->num_bytes, &ref));
}

static void drop_ref(struct model *model, struct model_extent *extent)
{
    size_t at = rng_below(&model->rng, extent->kinds);

    while (extent->refs[at].count == 0)
        at = (at + 1) % extent->kinds;
    extent->refs[at].count--;
    extent->total--;
    ok(extent_drop_data_ref(model->world.extents, extent->bytenr, extent->num_bytes,
                            &extent->refs[at].ref));
    if (extent->total == 0) {
        *extent = (struct model_extent){0};
        return;
    }
    if (extent->refs[at].count == 0)
        extent->refs[at] = extent->refs[--extent->kinds];
}

/* ---- judging -------------------------------------------------------------------------------- */

static void rows_of_extent(const struct model_extent *extent, struct rows *rows)
{
    for (size_t i = 0; i < extent->kinds; i++) {
        const struct data_ref *ref = &extent->refs[i].ref;
        struct row row = {extent->bytenr, KEY_EXTENT_DATA_REF, ref->root,
                          ref->objectid,  ref->offset,         extent->refs[i].count};

        if (ref->parent)
            row = (struct row){extent->bytenr, KEY_SHARED_DATA_REF, ref->parent, 0, 0, row.count};
        if (row.count > 0)
            rows_add(rows, row);
    }
}

static int collect(void *arg, const struct extent_ref *ref)
{
    struct row row = {0,           ref->type, ref->parent ? ref->parent : ref->root, ref->objectid,
                      ref->offset, ref->count};

    rows_add(arg, row);
    return 0;
}

/* What the module answers while things are pending. */
static void check_answers(struct model *model, const struct model_extent *extent)
{
    struct rows expected = {0};
    struct rows found = {0};
    uint64_t refs;

    ok(extent_data_refs(model->world.extents, extent->bytenr, extent->num_bytes, &refs));
    assert_int_equal(refs, extent->total);
    ok(extent_each_ref(model->world.extents, extent->bytenr, extent->num_bytes, 0, collect,
                       &found));
    rows_of_extent(extent, &expected);
    for (size_t i = 0; i < expected.count; i++)
        expected.row[i].bytenr = 0;
    rows_sort_and_sum(&expected);
    rows_sort_and_sum(&found);
    rows_equal(&expected, &found);
    rows_clear(&expected);
    rows_clear(&found);
}

static unsigned check_all(struct model *model)
{
    struct engine *engine = &model->world.engine;
    struct picture picture;
    struct rows rows = {0};
    uint64_t end = 0;
    unsigned keyed;
    bool any;

    world_look(&model->world, &picture);
    for (size_t i = 0; i < EXTENTS; i++)
        rows_of_extent(&model->extents[i], &rows);
    expect_forest(&model->world, &picture, NULL, 0, &rows);
    for (size_t i = 0; i < picture.count; i++) {
        if (!(picture.extents[i].flags & EXTENT_FLAG_DATA))
            continue;
        ok(csums_any(engine, &engine->csum_tree, end, picture.extents[i].bytenr - end, &any));
        assert_false(any);
        end = picture.extents[i].bytenr + picture.extents[i].len;
    }
    ok(csums_any(engine, &engine->csum_tree, end, DEVICE_SIZE, &any));
    assert_false(any);
    keyed = picture.keyed;
    rows_clear(&rows);
    picture_clear(&picture);
    return keyed;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static void step(struct model *model)
{
    /* A few extents get most references, so that these do not fit inline. */
    uint64_t which =
        rng_below(&model->rng, 2) ? rng_below(&model->rng, 3) : rng_below(&model->rng, EXTENTS);
    struct model_extent *extent = &model->extents[which];
    uint64_t dice = rng_below(&model->rng, 100);

    if (extent->bytenr == 0)
        add_extent(model, extent);
    else if (dice < (which < 3 ? 60 : 45))
        add_ref(model, extent);
    else
        drop_ref(model, extent);
    if (extent->bytenr && rng_below(&model->rng, 10) == 0)
        check_answers(model, extent);
}

static void random_walk(uint64_t seed, struct world_options options, unsigned steps)
{
    AUTO_FREE struct model *model = calloc(1, sizeof(*model));
    unsigned keyed = 0;

    rng_seed(&model->rng, seed);
    world_open(&model->world, &options);
    for (unsigned i = 0; i < steps; i++) {
        step(model);
        if (rng_below(&model->rng, 50) == 0)
            ok(extents_run(model->world.extents, 1 + rng_below(&model->rng, 20)));
        if (rng_below(&model->rng, 300) == 0) {
            world_commit(&model->world);
            keyed = MAX(keyed, check_all(model));
        }
    }
    assert_true(keyed > 0);
    for (size_t i = 0; i < EXTENTS; i++) {
        while (model->extents[i].bytenr)
            drop_ref(model, &model->extents[i]);
    }
    world_commit(&model->world);
    check_all(model);
    world_close(&model->world);
}

static void model_skinny(void **state)
{
    (void)state;
    random_walk(unit_seed(1), (struct world_options){16384, true, false}, 12000);
}

static void model_small_nodes(void **state)
{
    (void)state;
    random_walk(unit_seed(2), (struct world_options){4096, true, false}, 12000);
}

static void model_full_items(void **state)
{
    (void)state;
    random_walk(unit_seed(3), (struct world_options){4096, false, false}, 12000);
}

static void model_mixed(void **state)
{
    (void)state;
    random_walk(unit_seed(4), (struct world_options){4096, true, true}, 8000);
}

/* ---- single promises ------------------------------------------------------------------------ */

/* Space of an extent dropped before it was run is pinned, not free: it may have been written. */
static void dropped_before_run(void **state)
{
    struct data_ref ref = {.root = TREE_FS, .objectid = 257};
    struct space_totals before, after;
    struct world world;
    struct range range;

    (void)state;
    world_open(&world, &(struct world_options){16384, true, false});
    world_commit(&world);
    ok(extent_alloc_data(world.extents, 65536, 65536, 0, &range));
    ok(extent_add_new_data(world.extents, range.start, range.len, &ref));
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &ref));
    space_totals(world.space, SPACE_DATA, &before);
    assert_int_equal(before.allocated, 65536);
    world_settle(&world);
    space_totals(world.space, SPACE_DATA, &after);
    assert_int_equal(after.allocated, 0);
    assert_int_equal(after.pinned, 65536);
    assert_int_equal(after.used, 0);
    world_commit(&world);
    space_totals(world.space, SPACE_DATA, &after);
    assert_int_equal(after.pinned, 0);
    world_close(&world);
}

/* Adding and dropping the same reference leaves nothing to run. */
static void netted(void **state)
{
    struct data_ref a = {.root = TREE_FS, .objectid = 257};
    struct data_ref b = {.root = TREE_FS, .objectid = 258};
    struct world world;
    struct range range;

    (void)state;
    world_open(&world, &(struct world_options){16384, true, false});
    ok(extent_alloc_data(world.extents, 4096, 4096, 0, &range));
    ok(extent_add_new_data(world.extents, range.start, range.len, &a));
    world_commit(&world);
    assert_int_equal(extents_pending(world.extents), 0);
    ok(extent_add_data_ref(world.extents, range.start, range.len, &b));
    assert_int_equal(extents_pending(world.extents), 1);
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &b));
    assert_int_equal(extents_pending(world.extents), 0);
    world_close(&world);
}

/* ---- colliding hashes ----------------------------------------------------------------------- */

#define CANDIDATES 300000

struct candidate {
    uint64_t hash;
    uint64_t objectid;
};

static int candidate_cmp(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Two different references with one hash. */
static void find_collision(struct data_ref *a, struct data_ref *b)
{
    AUTO_FREE struct candidate *all = calloc(CANDIDATES, sizeof(*all));
    struct rng rng;

    rng_seed(&rng, 1);
    for (size_t i = 0; i < CANDIDATES; i++) {
        all[i].objectid = 257 + rng_below(&rng, 1ULL << 48);
        all[i].hash = extent_data_ref_hash(TREE_FS, all[i].objectid, 0);
    }
    qsort(all, CANDIDATES, sizeof(*all), candidate_cmp);
    for (size_t i = 1; i < CANDIDATES; i++) {
        if (all[i - 1].hash == all[i].hash && all[i - 1].objectid != all[i].objectid) {
            *a = (struct data_ref){.root = TREE_FS, .objectid = all[i - 1].objectid};
            *b = (struct data_ref){.root = TREE_FS, .objectid = all[i].objectid};
            return;
        }
    }
    assert_true(false);
}

static void expect_count(struct world *world, const struct range *range, const struct data_ref *ref,
                         uint64_t count)
{
    struct picture picture;
    uint64_t found = 0;

    world_settle(world);
    world_look(world, &picture);
    for (size_t i = 0; i < picture.rows.count; i++) {
        const struct row *row = &picture.rows.row[i];

        if (row->bytenr == range->start && row->type == KEY_EXTENT_DATA_REF &&
            row->objectid == ref->objectid)
            found += row->count;
    }
    assert_int_equal(found, count);
    picture_clear(&picture);
}

/* References whose hashes collide stand behind one another and are told apart. */
static void colliding_hashes(void **state)
{
    struct data_ref a, b;
    struct world world;
    struct range range;

    (void)state;
    find_collision(&a, &b);
    world_open(&world, &(struct world_options){4096, true, false});
    ok(extent_alloc_data(world.extents, 4096, 4096, 0, &range));
    for (uint64_t i = 0; i < 60; i++) {
        struct data_ref filler = {.root = TREE_FS, .objectid = 1000 + i};

        if (i == 0)
            ok(extent_add_new_data(world.extents, range.start, range.len, &filler));
        else
            ok(extent_add_data_ref(world.extents, range.start, range.len, &filler));
    }
    world_settle(&world);
    ok(extent_add_data_ref(world.extents, range.start, range.len, &a));
    ok(extent_add_data_ref(world.extents, range.start, range.len, &b));
    expect_count(&world, &range, &a, 1);
    expect_count(&world, &range, &b, 1);
    ok(extent_add_data_ref(world.extents, range.start, range.len, &b));
    expect_count(&world, &range, &b, 2);
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &a));
    expect_count(&world, &range, &a, 0);
    expect_count(&world, &range, &b, 2);
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &b));
    ok(extent_drop_data_ref(world.extents, range.start, range.len, &b));
    expect_count(&world, &range, &b, 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_skinny),       cmocka_unit_test(model_small_nodes),
        cmocka_unit_test(model_full_items),   cmocka_unit_test(model_mixed),
        cmocka_unit_test(dropped_before_run), cmocka_unit_test(netted),
        cmocka_unit_test(colliding_hashes),
    };

    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
