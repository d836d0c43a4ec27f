// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises: chunks are made where no other chunk lies and outside the reserved first MiB, sized as
 * Linux would; all items of a chunk come and go together; what a removed chunk leaves behind is
 * not used again before that is durable (I5).
 */
#include "engine/space/test/fixture.h"

#define EXTENT (16 * SECTOR)

static const struct fixture_options usual = {
    .device_bytes = 300 * MIB, .nodesize = 16384, .metadata_profile = BG_DUP};

static unsigned groups(struct fixture *f)
{
    struct space_group group;
    unsigned n = 0;

    for (uint64_t from = 0; space_next_group(f->space, from, &group); from = group.start + 1)
        n++;
    return n;
}

/* Puts the device extents of all chunks into a set; overlaps fail. */
static void collect_stripes(struct fixture *f, struct rangeset *out)
{
    struct chunk_map chunk;

    for (uint64_t from = 0; vol_next_chunk(f->vol, from, &chunk); from = chunk.logical + 1)
        for (unsigned i = 0; i < chunk.num_stripes; i++) {
            assert_true(chunk.stripes[i].offset >= DEV_RESERVED);
            assert_true(is_aligned(chunk.stripes[i].offset, STRIPE_LEN));
            assert_false(rangeset_overlaps(out, chunk.stripes[i].offset, chunk.length));
            assert_int_equal(rangeset_add(out, chunk.stripes[i].offset, chunk.length), 0);
        }
}

static void chunks_share_no_device_space(void **state)
{
    static const uint64_t flags[] = {BG_DATA,     BG_DATA | BG_DUP,   BG_METADATA | BG_DUP,
                                     BG_METADATA, BG_SYSTEM | BG_DUP, BG_SYSTEM};
    struct rangeset used;
    struct fixture f;
    struct rng rng;
    unsigned made = 0;
    int ret = 0;

    (void)state;
    rng_seed(&rng, unit_seed(41));
    rangeset_init(&used);
    fixture_init(&f, &usual);
    while (ret == 0) {
        ret = space_create_chunk(f.space, flags[rng_below(&rng, ARRAY_LEN(flags))], NULL);
        made += ret == 0;
    }
    assert_int_equal(ret, -ENOSPC);
    assert_true(made >= 5);
    model_learn_groups(&f);
    collect_stripes(&f, &used);
    assert_true(used.bytes > 300 * MIB - DEV_RESERVED - CHUNK_UNIT);
    rangeset_clear(&used);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_reopen(&f);
    fixture_check(&f);
    fixture_close(&f);
}

static void sizes_are_those_of_linux(void **state)
{
    struct fixture f;
    struct fixture_options options = {.device_bytes = 100 * GIB, .nodesize = 16384};
    struct range range;

    (void)state;
    fixture_init(&f, &usual);
    assert_int_equal(space_create_chunk(f.space, BG_DATA, &range), 0);
    assert_int_equal(range.len, 32 * MIB);
    assert_int_equal(space_create_chunk(f.space, BG_METADATA | BG_DUP, &range), 0);
    assert_int_equal(range.len, 32 * MIB);
    model_learn_groups(&f);
    fixture_close(&f);

    options.device_bytes = 40 * GIB;
    fixture_init(&f, &options);
    assert_int_equal(space_create_chunk(f.space, BG_DATA, &range), 0);
    assert_int_equal(range.len, GIB);
    assert_int_equal(space_create_chunk(f.space, BG_METADATA | BG_DUP, &range), 0);
    assert_int_equal(range.len, 256 * MIB);
    fixture_close(&f);

    options.device_bytes = 100 * GIB;
    fixture_init(&f, &options);
    assert_int_equal(space_create_chunk(f.space, BG_METADATA, &range), 0);
    assert_int_equal(range.len, GIB);
    fixture_close(&f);
}

static void types_that_cannot_be_are_refused(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, &usual);
    assert_int_equal(space_create_chunk(f.space, BG_DATA | BG_METADATA, NULL), -EUCLEAN);
    assert_int_equal(space_create_chunk(f.space, 0, NULL), -EUCLEAN);
    assert_int_equal(space_create_chunk(f.space, BG_DATA | BG_RAID1, NULL), -EOPNOTSUPP);
    fixture_close(&f);
}

/* Fills three data chunks; returns an extent in the last, the others in `rest`. */
static unsigned fill(struct fixture *f, struct range *out, unsigned room)
{
    unsigned n = 0, before = groups(f);

    while (n < room && groups(f) < before + 2) {
        assert_int_equal(fixture_alloc(f, 4 * MIB, 4 * MIB, 0, &out[n]), 0);
        fixture_use(f, &out[n++]);
    }
    return n;
}

static bool has_chunk_items(struct fixture *f, const struct chunk_map *chunk)
{
    bool chunk_item = fixture_has(
        &f->engine.chunk_tree, key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, chunk->logical));

    assert_int_equal(
        fixture_has(&f->engine.dev_tree, key_make(1, KEY_DEV_EXTENT, chunk->stripes[0].offset)),
        chunk_item);
    assert_int_equal(fixture_has(engine_block_group_tree(&f->engine),
                                 key_make(chunk->logical, KEY_BLOCK_GROUP_ITEM, chunk->length)),
                     chunk_item);
    assert_int_equal(fixture_has(&f->engine.free_space_tree,
                                 key_make(chunk->logical, KEY_FREE_SPACE_INFO, chunk->length)),
                     chunk_item);
    return chunk_item;
}

static void empty_groups_go_when_it_is_durable(void **state)
{
    struct range extents[64], again;
    struct chunk_map gone, now;
    struct fixture f;
    uint64_t unallocated;
    unsigned n, before;

    (void)state;
    fixture_init(&f, &usual);
    n = fill(&f, extents, ARRAY_LEN(extents));
    fixture_commit(&f);
    assert_int_equal(vol_find_chunk(f.vol, extents[n - 1].start, &gone), 0);
    assert_true(has_chunk_items(&f, &gone));
    before = groups(&f);
    for (unsigned i = 0; i < n; i++)
        fixture_free(&f, &extents[i]);
    unallocated = space_unallocated(f.space);

    assert_int_equal(space_remove_empty(f.space), 0);
    fixture_settle(&f);
    assert_false(has_chunk_items(&f, &gone));
    /* The last durable superblock still leads there. */
    assert_int_equal(vol_find_chunk(f.vol, gone.logical, &now), 0);
    assert_int_equal(space_create_chunk(f.space, BG_DATA, &again), 0);
    assert_int_equal(vol_find_chunk(f.vol, again.start, &now), 0);
    assert_true(now.stripes[0].offset >= gone.stripes[0].offset + gone.length);
    model_learn_groups(&f);
    fixture_settle(&f);
    fixture_durable(&f);

    assert_int_equal(groups(&f), before - 1); /* two of three went, one came */
    assert_int_equal(vol_find_chunk(f.vol, gone.logical, &now), -EUCLEAN);
    assert_true(space_unallocated(f.space) > unallocated);
    fixture_check(&f);
    fixture_reopen(&f);
    fixture_check(&f);
    fixture_close(&f);
}

static void one_empty_group_of_each_kind_stays(void **state)
{
    struct space_totals data, metadata;
    struct fixture f;

    (void)state;
    fixture_init(&f, &usual);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(space_create_chunk(f.space, BG_DATA, NULL), 0);
        model_learn_groups(&f);
        fixture_commit(&f);
        assert_int_equal(space_remove_empty(f.space), 0);
        fixture_commit(&f);
    }
    space_totals(f.space, SPACE_DATA, &data);
    space_totals(f.space, SPACE_METADATA, &metadata);
    assert_int_equal(data.total, 32 * MIB);
    assert_true(metadata.total > 0);
    fixture_check(&f);
    fixture_close(&f);
}

static void what_covers_a_promise_stays(void **state)
{
    struct space_totals data;
    struct fixture f;

    (void)state;
    fixture_init(&f, &usual);
    assert_int_equal(space_promise(f.space, SPACE_DATA, 50 * MIB, false), 0);
    assert_int_equal(space_prepare_chunks(f.space, SPACE_DATA), 0);
    model_learn_groups(&f);
    fixture_commit(&f);
    assert_int_equal(space_remove_empty(f.space), 0);
    fixture_commit(&f);
    space_totals(f.space, SPACE_DATA, &data);
    assert_int_equal(data.total, 64 * MIB);
    space_promise_release(f.space, SPACE_DATA, 50 * MIB);
    assert_int_equal(space_remove_empty(f.space), 0);
    fixture_commit(&f);
    space_totals(f.space, SPACE_DATA, &data);
    assert_int_equal(data.total, 32 * MIB);
    fixture_check(&f);
    fixture_close(&f);
}

/* Each chunk needs an item, so system chunks must come before the last of them is full. */
static void a_full_system_chunk_gets_company(void **state)
{
    struct space_totals before, after;
    struct range range;
    struct fixture f;

    (void)state;
    fixture_init(&f, &usual);
    space_totals(f.space, SPACE_SYSTEM, &before);
    while (f.space->kinds[SPACE_SYSTEM].free >= system_reserve(f.space)) {
        assert_int_equal(space_alloc(f.space, SPACE_SYSTEM, 16384, 16384, 0, &range), 0);
        model_set(&f, range.start, range.len, FREE, ALLOCATED);
    }
    assert_int_equal(space_promise(f.space, SPACE_DATA, 40 * MIB, false), 0);
    assert_int_equal(space_prepare_chunks(f.space, SPACE_DATA), 0);
    space_totals(f.space, SPACE_SYSTEM, &after);
    assert_true(after.total > before.total);
    model_learn_groups(&f);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

static unsigned discards(struct dev *recorder)
{
    unsigned n = 0;

    for (size_t i = 0; i < dev_record_count(recorder); i++)
        n += dev_record_entry(recorder, i).op == DEV_OP_DISCARD;
    return n;
}

/* I5, and trap 3: never before the superblock. */
static void discards_wait_for_the_superblock(void **state)
{
    struct range range;
    struct fixture f;

    (void)state;
    fixture_init(&f, &usual);
    assert_int_equal(fixture_alloc(&f, EXTENT, EXTENT, 0, &range), 0);
    fixture_use(&f, &range);
    fixture_commit(&f);
    dev_record_reset(f.dev);
    fixture_free(&f, &range);
    fixture_commit(&f);
    assert_int_equal(discards(f.dev), 0); /* nobody asked */

    space_set_discard(f.space, true);
    assert_int_equal(fixture_alloc(&f, EXTENT, EXTENT, 0, &range), 0);
    fixture_use(&f, &range);
    fixture_commit(&f);
    dev_record_reset(f.dev);
    fixture_free(&f, &range);
    fixture_settle(&f);
    assert_int_equal(discards(f.dev), 0);
    fixture_durable(&f);
    assert_true(discards(f.dev) > 0);
    fixture_close(&f);
}

/* A removed chunk may lie around a copy of the superblock, which is to stay a copy. */
static void discards_spare_the_superblocks(void **state)
{
    /* Chunks of 16 MiB behind 25 MiB: the third one for data lies around the copy at 64 MiB. */
    static const struct fixture_options small = {.device_bytes = 160 * MIB, .nodesize = 16384};
    struct range extents[64];
    bool around = false;
    struct fixture f;
    unsigned n;

    (void)state;
    fixture_init(&f, &small);
    space_set_discard(f.space, true);
    n = fill(&f, extents, ARRAY_LEN(extents));
    fixture_commit(&f);
    for (unsigned i = 0; i < n; i++)
        fixture_free(&f, &extents[i]);
    fixture_commit(&f);
    assert_int_equal(space_remove_empty(f.space), 0);
    fixture_settle(&f);
    dev_record_reset(f.dev);
    fixture_durable(&f);
    assert_true(discards(f.dev) > 0);
    for (size_t i = 0; i < dev_record_count(f.dev); i++) {
        struct dev_record entry = dev_record_entry(f.dev, i);
        uint64_t end = entry.off + entry.len;

        if (entry.op != DEV_OP_DISCARD)
            continue;
        assert_false(entry.off < super_offset(1) + SUPER_SIZE && end > super_offset(1));
        around |= end == super_offset(1);
    }
    assert_true(around);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_share_no_device_space),
        cmocka_unit_test(sizes_are_those_of_linux),
        cmocka_unit_test(types_that_cannot_be_are_refused),
        cmocka_unit_test(empty_groups_go_when_it_is_durable),
        cmocka_unit_test(one_empty_group_of_each_kind_stays),
        cmocka_unit_test(what_covers_a_promise_stays),
        cmocka_unit_test(a_full_system_chunk_gets_company),
        cmocka_unit_test(discards_wait_for_the_superblock),
        cmocka_unit_test(discards_spare_the_superblocks),
    };

    return cmocka_run_group_tests_name("space/chunk", tests, NULL, NULL);
}
