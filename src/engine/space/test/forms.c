// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: the free-space tree has a group as extents until bitmaps are smaller, as bitmaps until
 * extents are clearly so, by Linux's thresholds, and either form says exactly what is free.
 */
#include "engine/space/test/fixture.h"

/* A data chunk of 208 MiB: 26 bitmaps, so bitmaps above 292 free extents, extents below 192. */
static const struct fixture_options large = {.device_bytes = 2048 * MIB, .nodesize = 16384};
#define HIGH 292
#define LOW 192

static struct group *data_group(struct fixture *f)
{
    for (struct group *g = group_from(f->space, 0); g; g = group_next(g))
        if (g->kind == SPACE_DATA)
            return g;
    return NULL;
}

static bool uses_bitmaps(struct fixture *f, uint32_t *extents)
{
    struct free_space_info info;

    assert_int_equal(free_info_read(f->space, data_group(f), &info), 0);
    *extents = info.extent_count;
    return info.flags & FREE_SPACE_USING_BITMAPS;
}

/* Every other sector from the front is used: `count` free extents, the tail included. */
static void fragment(struct fixture *f, unsigned count)
{
    struct group *group = data_group(f);

    for (unsigned i = 0; i < count; i++) {
        struct range range = {group->start + 2ULL * i * SECTOR, SECTOR};

        if (!rangeset_contains(&group->free, range.start, SECTOR))
            continue;
        assert_int_equal(space_claim(f->space, range.start, SECTOR), 0);
        model_set(f, range.start, SECTOR, FREE, ALLOCATED);
        fixture_use(f, &range);
    }
}

static void mend(struct fixture *f, unsigned from, unsigned to)
{
    struct group *group = data_group(f);

    for (unsigned i = from; i < to; i++)
        fixture_free(f, &(struct range){group->start + 2ULL * i * SECTOR, SECTOR});
}

static void expect(struct fixture *f, bool bitmaps, uint32_t extents)
{
    uint32_t count;

    fixture_commit(f);
    assert_int_equal(uses_bitmaps(f, &count), bitmaps);
    assert_int_equal(count, extents);
    fixture_check(f);
    fixture_reopen(f);
    fixture_check(f);
}

static void forms_change_at_the_thresholds(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, &large);
    fragment(&f, HIGH);
    expect(&f, false, HIGH);
    fragment(&f, HIGH + 1);
    expect(&f, true, HIGH + 1);
    mend(&f, LOW, HIGH + 1);
    expect(&f, true, LOW);
    mend(&f, LOW - 1, LOW);
    expect(&f, false, LOW - 1);
    fixture_close(&f);
}

/* Runs of any length at any place, over the borders of bitmaps too, in a group of either form. */
static void either_form_follows_every_change(void **state)
{
    struct range used[400];
    struct fixture f;
    struct rng rng;
    unsigned count = 0;

    (void)state;
    rng_seed(&rng, unit_seed(21));
    fixture_init(&f, &large);
    for (unsigned round = 0; round < 40; round++) {
        if (round == 15)
            fragment(&f, 700);
        for (unsigned i = 0; i < 20; i++) {
            uint64_t len = SECTOR * (1 + rng_below(&rng, rng_below(&rng, 4) ? 30 : 3000));
            uint64_t hint = data_group(&f)->start + 8 * MIB + SECTOR * rng_below(&rng, 48000);

            if (count > 0 && rng_below(&rng, 2)) {
                unsigned n = (unsigned)rng_below(&rng, count);

                fixture_free(&f, &used[n]);
                used[n] = used[--count];
            } else if (count < ARRAY_LEN(used)) {
                assert_int_equal(fixture_alloc(&f, len, SECTOR, hint, &used[count]), 0);
                fixture_use(&f, &used[count++]);
            }
        }
        fixture_commit(&f);
        fixture_check(&f);
    }
    fixture_close(&f);
}

/* What is used and freed between two commits leaves no trace, whatever the order. */
static void changes_cancel_out(void **state)
{
    struct fixture f;
    struct range a, b;
    uint32_t before, after;
    bool changed;

    (void)state;
    fixture_init(&f, &large);
    assert_int_equal(fixture_alloc(&f, MIB, MIB, 0, &a), 0);
    fixture_use(&f, &a);
    fixture_commit(&f);
    uses_bitmaps(&f, &before);
    b = (struct range){a.start + a.len + 4 * SECTOR, 4 * SECTOR};
    assert_int_equal(space_alloc_done(f.space, b.start, b.len), 0);
    assert_int_equal(space_freed(f.space, b.start, b.len), 0);
    assert_int_equal(data_group(&f)->tree_add.count, 0);
    assert_int_equal(data_group(&f)->tree_remove.count, 0);
    assert_int_equal(space_write_items(f.space, &changed), 0);
    assert_false(changed);
    model_set(&f, b.start, b.len, FREE, PINNED);
    fixture_commit(&f);
    uses_bitmaps(&f, &after);
    assert_int_equal(before, after);
    fixture_check(&f);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_change_at_the_thresholds),
        cmocka_unit_test(either_form_follows_every_change),
        cmocka_unit_test(changes_cancel_out),
    };

    return cmocka_run_group_tests_name("space/forms", tests, NULL, NULL);
}
