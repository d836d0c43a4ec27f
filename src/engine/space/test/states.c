// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises: a byte goes only the ways that space.h names, anything else is refused and changes
 * nothing; allocations are near the hint, as long as can be had, aligned; nothing is handed out
 * under a copy of the superblock.
 */
#include "engine/space/test/fixture.h"

#define EXTENT (16 * SECTOR)

static const struct fixture_options usual = {
    .device_bytes = 300 * MIB, .nodesize = 16384, .metadata_profile = BG_DUP};

static struct range alloc(struct fixture *f, uint64_t want, uint64_t min, uint64_t hint)
{
    struct range range = {0, 0};

    assert_int_equal(fixture_alloc(f, want, min, hint, &range), 0);
    return range;
}

static void wrong_ways_are_refused(void **state)
{
    struct fixture f;
    struct range a;

    (void)state;
    fixture_init(&f, &usual);
    a = alloc(&f, EXTENT, EXTENT, 0);
    assert_int_equal(space_freed(f.space, a.start, a.len), -EUCLEAN);
    fixture_use(&f, &a);
    assert_int_equal(space_alloc_done(f.space, a.start, a.len), -EUCLEAN);
    assert_int_equal(space_alloc_undo(f.space, a.start, a.len), -EUCLEAN);
    assert_int_equal(space_alloc_pin(f.space, a.start, a.len), -EUCLEAN);
    assert_int_equal(space_claim(f.space, a.start, a.len), -EUCLEAN);
    assert_int_equal(space_freed(f.space, a.start, a.len + SECTOR), -EUCLEAN);
    assert_int_equal(space_freed(f.space, a.start + 1, SECTOR), -EUCLEAN);
    assert_int_equal(space_freed(f.space, 1ULL << 50, SECTOR), -EUCLEAN);
    assert_int_equal(space_freed(f.space, a.start, UINT64_MAX - SECTOR + 1), -EUCLEAN);
    fixture_free(&f, &a);
    assert_int_equal(space_freed(f.space, a.start, a.len), -EUCLEAN);
    assert_int_equal(space_claim(f.space, a.start, a.len), -EUCLEAN);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

/* I5. */
static void pinned_space_waits_for_the_superblock(void **state)
{
    struct fixture f;
    struct range a, b, c;

    (void)state;
    fixture_init(&f, &usual);
    a = alloc(&f, EXTENT, EXTENT, 0);
    fixture_use(&f, &a);
    fixture_commit(&f);
    fixture_free(&f, &a);
    b = alloc(&f, EXTENT, EXTENT, a.start);
    assert_true(b.start >= a.start + a.len);
    fixture_pin(&f, &b);
    fixture_settle(&f);
    c = alloc(&f, EXTENT, EXTENT, a.start);
    assert_true(c.start >= b.start + b.len);
    fixture_undo(&f, &c);
    fixture_durable(&f);
    c = alloc(&f, EXTENT, EXTENT, a.start);
    assert_int_equal(c.start, a.start);
    fixture_undo(&f, &c);
    fixture_check(&f);
    fixture_close(&f);
}

static void a_log_may_claim_what_is_free(void **state)
{
    struct fixture f;
    struct range a = {0, 0}, b;

    (void)state;
    fixture_init(&f, &usual);
    a = alloc(&f, EXTENT, EXTENT, 0);
    fixture_undo(&f, &a);
    assert_int_equal(space_claim(f.space, a.start, a.len), 0);
    model_set(&f, a.start, a.len, FREE, ALLOCATED);
    b = alloc(&f, EXTENT, EXTENT, a.start);
    assert_int_equal(b.start, a.start + a.len);
    fixture_use(&f, &a);
    /* Replay inserts extent items of what it never allocated. */
    fixture_undo(&f, &b);
    assert_int_equal(space_alloc_done(f.space, b.start, b.len), 0);
    assert_int_equal(space_freed(f.space, b.start, b.len), 0);
    model_set(&f, b.start, b.len, FREE, PINNED);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

static void the_longest_piece_is_found(void **state)
{
    struct fixture f;
    struct range all[64], longest, got;
    unsigned n = 0;

    (void)state;
    fixture_init(&f, &usual);
    while (n < ARRAY_LEN(all) && fixture_alloc(&f, 64 * MIB, SECTOR, 0, &all[n]) == 0)
        n++;
    assert_true(n > 3 && n < ARRAY_LEN(all));
    longest = (struct range){all[1].start + 5 * SECTOR, 7 * SECTOR};
    for (unsigned i = 1; i < 6; i++) { /* holes of 1 to 5 sectors, and one of 7 */
        struct range hole = {all[2].start + i * MIB, i * SECTOR};
        fixture_undo(&f, &hole);
    }
    fixture_undo(&f, &longest);
    got = alloc(&f, 64 * MIB, SECTOR, 0);
    assert_int_equal(got.start, longest.start);
    assert_int_equal(got.len, longest.len);
    got = alloc(&f, 64 * MIB, 5 * SECTOR, 0);
    assert_int_equal(got.len, 5 * SECTOR);
    assert_int_equal(space_alloc(f.space, SPACE_DATA, 5 * SECTOR, 5 * SECTOR, 0, &got), -ENOSPC);
    assert_int_equal(got.len, 5 * SECTOR); /* untouched on failure */
    fixture_close(&f);
}

static void too_much_in_one_piece_is_refused_at_once(void **state)
{
    struct fixture f;
    struct range range;
    uint64_t unallocated;

    (void)state;
    fixture_init(&f, &usual);
    unallocated = space_unallocated(f.space);
    assert_int_equal(space_alloc(f.space, SPACE_DATA, 64 * MIB, 64 * MIB, 0, &range), -ENOSPC);
    assert_true(space_unallocated(f.space) > unallocated / 2);
    model_learn_groups(&f);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

static void hints_are_followed(void **state)
{
    struct fixture f;
    struct range a, b, c;

    (void)state;
    fixture_init(&f, &usual);
    a = alloc(&f, EXTENT, EXTENT, 0);
    b = alloc(&f, EXTENT, EXTENT, 0);
    assert_int_equal(b.start, a.start + a.len);
    c = alloc(&f, EXTENT, EXTENT, a.start + 8 * MIB);
    assert_int_equal(c.start, a.start + 8 * MIB);
    fixture_undo(&f, &a);
    fixture_undo(&f, &b);
    fixture_undo(&f, &c);
    fixture_close(&f);
}

/* The copy at 64 MiB lies inside a chunk here. */
static void superblock_copies_belong_to_nobody(void **state)
{
    struct fixture f;
    struct range range;
    uint64_t supers = 0;

    (void)state;
    fixture_init(&f, &usual);
    while (fixture_alloc(&f, 128 * MIB, SECTOR, 0, &range) == 0)
        ; /* the model refuses sectors under a superblock */
    for (uint64_t n = 0; n < f.model_sectors; n++)
        supers += f.model[n] == SUPER;
    assert_int_equal(supers, STRIPE_LEN / SECTOR);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

static void totals_are_shown(void **state)
{
    struct fixture f;
    struct space_totals before, after;
    struct space_group group;
    struct range a;

    (void)state;
    fixture_init(&f, &usual);
    space_totals(f.space, SPACE_METADATA, &after);
    assert_int_equal(after.profile, BG_DUP);
    space_totals(f.space, SPACE_DATA, &before);
    assert_int_equal(before.profile, 0);
    a = alloc(&f, EXTENT, EXTENT, 0);
    space_totals(f.space, SPACE_DATA, &after);
    assert_int_equal(after.allocated, before.allocated + EXTENT);
    fixture_use(&f, &a);
    space_totals(f.space, SPACE_DATA, &after);
    assert_int_equal(after.used, before.used + EXTENT);
    fixture_free(&f, &a);
    space_totals(f.space, SPACE_DATA, &after);
    assert_int_equal(after.pinned, before.pinned + EXTENT);
    assert_int_equal(after.total, before.total);
    assert_true(space_next_group(f.space, 0, &group));
    assert_int_equal(group.flags, BG_SYSTEM | BG_DUP);
    assert_int_equal(space_flags_at(f.space, a.start), BG_DATA);
    assert_int_equal(space_flags_at(f.space, 1ULL << 50), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_ways_are_refused),
        cmocka_unit_test(pinned_space_waits_for_the_superblock),
        cmocka_unit_test(a_log_may_claim_what_is_free),
        cmocka_unit_test(the_longest_piece_is_found),
        cmocka_unit_test(too_much_in_one_piece_is_refused_at_once),
        cmocka_unit_test(hints_are_followed),
        cmocka_unit_test(superblock_copies_belong_to_nobody),
        cmocka_unit_test(totals_are_shown),
    };

    return cmocka_run_group_tests_name("space/states", tests, NULL, NULL);
}
