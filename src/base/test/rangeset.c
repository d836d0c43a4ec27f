// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: a rangeset is the set of bytes that were added and not removed, merged as far as
 * possible, and its searches find what a look at every byte would find.
 */
#include "base/test/unit.h"

#include <string.h>

#include "base/bits.h"
#include "base/env.h"
#include "base/rangeset.h"

/* The model: a byte of the set is a byte of the array. */
#define SPACE 300

static bool model_run(const uint8_t *model, uint64_t from, struct range *out)
{
    uint64_t start = from, end;

    while (start < SPACE && !model[start])
        start++;
    if (start == SPACE)
        return false;
    while (start > 0 && model[start - 1])
        start--;
    for (end = start; end < SPACE && model[end];)
        end++;
    *out = (struct range){start, end - start};
    return true;
}

static bool model_fit(const uint8_t *model, uint64_t from, uint64_t len, struct range *out)
{
    struct range run;

    for (uint64_t pos = from; model_run(model, pos, &run); pos = run.start + run.len) {
        uint64_t start = MAX(run.start, from);

        if (run.start + run.len - start >= len) {
            *out = (struct range){start, run.start + run.len - start};
            return true;
        }
    }
    return false;
}

static bool model_prev(const uint8_t *model, uint64_t before, struct range *out)
{
    bool found = false;
    struct range run;

    for (uint64_t pos = 0; model_run(model, pos, &run); pos = run.start + run.len) {
        if (run.start >= before)
            break;
        *out = run;
        found = true;
    }
    return found;
}

static void assert_same_answer(bool has, const struct range *got, bool want_has,
                               const struct range *want)
{
    assert_int_equal(has, want_has);
    if (!has)
        return;
    assert_int_equal(got->start, want->start);
    assert_int_equal(got->len, want->len);
}

static void compare_searches(const struct rangeset *set, const uint8_t *model, struct rng *rng)
{
    uint64_t at = rng_below(rng, SPACE), len = 1 + rng_below(rng, 20);
    struct range got = {0}, want = {0};
    bool has;

    has = rangeset_next(set, at, &got);
    assert_same_answer(has, &got, model_run(model, at, &want), &want);
    has = rangeset_prev(set, at, &got);
    assert_same_answer(has, &got, model_prev(model, at, &want), &want);
    has = rangeset_find_fit(set, at, len, &got);
    assert_same_answer(has, &got, model_fit(model, at, len, &want), &want);
}

static void compare_overlap(const struct rangeset *set, const uint8_t *model, struct rng *rng)
{
    uint64_t start = rng_below(rng, SPACE), len = rng_below(rng, SPACE - start + 1), inside = 0;

    for (uint64_t i = start; i < start + len; i++)
        inside += model[i];
    assert_int_equal(rangeset_overlap_bytes(set, start, len), inside);
    assert_int_equal(rangeset_overlaps(set, start, len), inside > 0);
    assert_int_equal(rangeset_contains(set, start, len), inside == len);
}

static void compare_all(const struct rangeset *set, const uint8_t *model)
{
    struct range run, got, longest = {0};
    uint64_t count = 0, bytes = 0;

    for (uint64_t pos = 0; model_run(model, pos, &run); pos = run.start + run.len) {
        assert_true(rangeset_next(set, pos, &got));
        assert_same_answer(true, &got, true, &run);
        if (run.len > longest.len)
            longest = run;
        count++;
        bytes += run.len;
    }
    assert_int_equal(set->count, count);
    assert_int_equal(set->bytes, bytes);
    assert_int_equal(rangeset_empty(set), count == 0);
    assert_int_equal(rangeset_largest(set, &got), count > 0);
    if (count) {
        assert_int_equal(got.start, longest.start);
        assert_int_equal(got.len, longest.len);
    }
}

static void change(struct rangeset *set, uint8_t *model, struct rng *rng)
{
    uint64_t start = rng_below(rng, SPACE);
    uint64_t len = rng_below(rng, MIN(SPACE - start, 12ULL) + 1);

    if (rng_below(rng, 2)) {
        assert_int_equal(rangeset_add(set, start, len), 0);
        memset(model + start, 1, len);
    } else {
        assert_int_equal(rangeset_remove(set, start, len), 0);
        memset(model + start, 0, len);
    }
}

static void equals_a_bitmap_after_any_changes(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(20240101));
    for (int round = 0; round < 40; round++) {
        struct rangeset set;
        uint8_t model[SPACE] = {0};

        rangeset_init(&set);
        for (int i = 0; i < 1000; i++) {
            change(&set, model, &rng);
            compare_searches(&set, model, &rng);
            compare_overlap(&set, model, &rng);
            if (i % 20 == 0)
                compare_all(&set, model);
        }
        compare_all(&set, model);
        rangeset_clear(&set);
        assert_true(rangeset_empty(&set));
    }
}

static void move_is_the_union(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(3));
    for (int round = 0; round < 300; round++) {
        struct rangeset a, b;
        uint8_t in_a[SPACE] = {0}, in_b[SPACE] = {0};

        rangeset_init(&a);
        rangeset_init(&b);
        for (int i = 0; i < 60; i++) {
            change(&a, in_a, &rng);
            change(&b, in_b, &rng);
        }
        assert_int_equal(rangeset_move(&a, &b), 0);
        for (int i = 0; i < SPACE; i++)
            in_a[i] |= in_b[i];
        compare_all(&a, in_a);
        assert_true(rangeset_empty(&b));
        rangeset_clear(&a);
    }
}

static void touching_ranges_merge(void **state)
{
    struct rangeset set;

    (void)state;
    rangeset_init(&set);
    assert_int_equal(rangeset_add(&set, 0, 10), 0);
    assert_int_equal(rangeset_add(&set, 20, 10), 0);
    assert_int_equal(set.count, 2);
    assert_int_equal(rangeset_add(&set, 10, 10), 0);
    assert_int_equal(set.count, 1);
    assert_true(rangeset_contains(&set, 0, 30));
    rangeset_clear(&set);
}

static void reaches_the_end_of_the_numbers(void **state)
{
    struct rangeset set;
    struct range got;

    (void)state;
    rangeset_init(&set);
    assert_int_equal(rangeset_add(&set, UINT64_MAX - 9, 10), 0);
    assert_int_equal(rangeset_add(&set, 0, 10), 0);
    assert_int_equal(set.count, 2);
    assert_true(rangeset_find_fit(&set, 5, 10, &got));
    assert_int_equal(got.start, UINT64_MAX - 9);
    assert_true(rangeset_find_fit(&set, UINT64_MAX, 1, &got));
    assert_int_equal(got.len, 1);
    assert_int_equal(rangeset_remove(&set, 5, UINT64_MAX - 5), 0);
    assert_int_equal(set.bytes, 6);
    assert_true(rangeset_contains(&set, UINT64_MAX, 1));
    assert_false(rangeset_find_fit(&set, 5, 2, &got));
    rangeset_clear(&set);
}

static void a_failed_search_leaves_out_alone(void **state)
{
    struct rangeset set;
    struct range out = {17, 4};

    (void)state;
    rangeset_init(&set);
    assert_false(rangeset_next(&set, 0, &out));
    assert_false(rangeset_prev(&set, UINT64_MAX, &out));
    assert_false(rangeset_find_fit(&set, 0, 1, &out));
    assert_false(rangeset_largest(&set, &out));
    assert_int_equal(out.start, 17);
    assert_int_equal(out.len, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_a_bitmap_after_any_changes),
        cmocka_unit_test(move_is_the_union),
        cmocka_unit_test(touching_ranges_merge),
        cmocka_unit_test(reaches_the_end_of_the_numbers),
        cmocka_unit_test(a_failed_search_leaves_out_alone),
    };

    return cmocka_run_group_tests_name("base/rangeset", tests, NULL, NULL);
}
