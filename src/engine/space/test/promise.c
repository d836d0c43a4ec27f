// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise I1: what is promised can be had, to the last byte, whatever else is promised beside it;
 * what cannot be had is refused by the one who asks, at once.
 */
#include "engine/space/test/fixture.h"

static const struct fixture_options usual = {
    .device_bytes = 300 * MIB, .nodesize = 4096, .metadata_profile = BG_DUP};

/* The most that can be promised, in steps of a sector. */
static uint64_t promise_all(struct fixture *f, enum space_kind kind, bool use_reserve)
{
    uint64_t total = 0;

    for (uint64_t step = 512 * MIB; step >= SECTOR; step /= 2)
        while (space_promise(f->space, kind, step, use_reserve) == 0)
            total += step;
    return total;
}

static uint64_t alloc_all(struct fixture *f, enum space_kind kind, uint64_t piece, uint64_t most)
{
    uint64_t total = 0;
    struct range range;

    while (total < most &&
           space_alloc(f->space, kind, MIN(piece, most - total), SECTOR, 0, &range) == 0) {
        model_learn_groups(f);
        model_set(f, range.start, range.len, FREE, ALLOCATED);
        total += range.len;
    }
    return total;
}

static void data_promises_are_kept_to_the_last_byte(void **state)
{
    struct fixture f;
    uint64_t promised;

    (void)state;
    fixture_init(&f, &usual);
    promised = promise_all(&f, SPACE_DATA, false);
    assert_true(promised > 200 * MIB);
    assert_int_equal(space_promise(f.space, SPACE_DATA, SECTOR, false), -ENOSPC);
    assert_int_equal(space_prepare_chunks(f.space, SPACE_DATA), 0);
    model_learn_groups(&f);
    assert_int_equal(alloc_all(&f, SPACE_DATA, 16 * MIB, promised), promised);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

/* What metadata was promised stays out of the reach of data, and the other way round. */
static void kinds_do_not_take_from_each_other(void **state)
{
    struct fixture f;
    struct rng rng;
    uint64_t promised[2] = {0, 0};

    (void)state;
    rng_seed(&rng, unit_seed(31));
    for (unsigned round = 0; round < 20; round++) {
        fixture_init(&f, &usual);
        promised[0] = promised[1] = 0;
        for (unsigned failures = 0; failures < 8;) {
            enum space_kind kind = rng_below(&rng, 2) ? SPACE_DATA : SPACE_METADATA;
            uint64_t bytes = SECTOR * (1 + rng_below(&rng, 4000));

            if (space_promise(f.space, kind, bytes, false) == 0)
                promised[kind] += bytes;
            else
                failures++;
            if (rng_below(&rng, 2))
                assert_int_equal(space_prepare_chunks(f.space, kind), 0);
        }
        model_learn_groups(&f);
        assert_int_equal(alloc_all(&f, SPACE_DATA, 16 * MIB, promised[0]), promised[0]);
        assert_int_equal(alloc_all(&f, SPACE_METADATA, SECTOR, promised[1]), promised[1]);
        fixture_close(&f);
    }
}

static void the_reserve_is_for_those_who_say_so(void **state)
{
    struct fixture f;
    uint64_t reserve, ordinary, more;

    (void)state;
    fixture_init(&f, &usual);
    reserve = space_global_reserve(f.space);
    assert_true(reserve >= MIB);
    ordinary = promise_all(&f, SPACE_METADATA, false);
    assert_true(ordinary > 50 * MIB);
    more = promise_all(&f, SPACE_METADATA, true);
    assert_true(more >= reserve);
    assert_int_equal(space_promise(f.space, SPACE_METADATA, SECTOR, true), -ENOSPC);
    space_promise_release(f.space, SPACE_METADATA, more);
    assert_int_equal(space_promise(f.space, SPACE_METADATA, SECTOR, false), -ENOSPC);
    assert_int_equal(space_promise(f.space, SPACE_METADATA, SECTOR, true), 0);
    fixture_close(&f);
}

static void pinned_space_is_worth_a_commit(void **state)
{
    struct fixture f;
    struct range range;
    uint64_t all;

    (void)state;
    fixture_init(&f, &usual);
    assert_int_equal(fixture_alloc(&f, 8 * MIB, 8 * MIB, 0, &range), 0);
    fixture_use(&f, &range);
    fixture_commit(&f);
    fixture_free(&f, &range);
    all = promise_all(&f, SPACE_DATA, false);
    assert_int_equal(space_promise(f.space, SPACE_DATA, 8 * MIB, false), -EAGAIN);
    assert_int_equal(space_promise(f.space, SPACE_DATA, 80 * MIB, false), -ENOSPC);
    fixture_commit(&f);
    assert_int_equal(space_promise(f.space, SPACE_DATA, 7 * MIB, false), 0);
    space_promise_release(f.space, SPACE_DATA, all + 7 * MIB);
    fixture_close(&f);
}

static void what_is_released_can_be_promised_again(void **state)
{
    struct fixture f;
    struct space_totals totals;
    uint64_t first, second;

    (void)state;
    fixture_init(&f, &usual);
    first = promise_all(&f, SPACE_DATA, false);
    space_totals(f.space, SPACE_DATA, &totals);
    assert_int_equal(totals.promised, first);
    assert_int_equal(space_data_available(f.space), 0);
    space_promise_release(f.space, SPACE_DATA, first);
    assert_int_equal(space_data_available(f.space), first);
    second = promise_all(&f, SPACE_DATA, false);
    assert_int_equal(first, second);
    assert_int_equal(space_promise(f.space, SPACE_DATA, UINT64_MAX, false), -ENOSPC);
    assert_int_equal(space_promise(f.space, SPACE_DATA, UINT64_MAX - first, true), -ENOSPC);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_promises_are_kept_to_the_last_byte),
        cmocka_unit_test(kinds_do_not_take_from_each_other),
        cmocka_unit_test(the_reserve_is_for_those_who_say_so),
        cmocka_unit_test(pinned_space_is_worth_a_commit),
        cmocka_unit_test(what_is_released_can_be_promised_again),
    };

    return cmocka_run_group_tests_name("space/promise", tests, NULL, NULL);
}
