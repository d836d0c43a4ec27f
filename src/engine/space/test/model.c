// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises: no byte is handed out twice or while it is pinned (I5); after every commit block
 * groups, free-space tree, device items and sums say what a map of all sectors says, and opening
 * anew finds the same.
 */
#include "engine/space/test/fixture.h"

#include <string.h>

#define EXTENTS_MAX 4096

struct run {
    struct fixture f;
    struct rng rng;
    struct range used[EXTENTS_MAX];
    struct range fresh[EXTENTS_MAX]; /* allocated, not used */
    unsigned used_count, fresh_count;
    bool full;
};

static struct range take(struct run *run, struct range *list, unsigned *count)
{
    unsigned i = (unsigned)rng_below(&run->rng, *count);
    struct range range = list[i];

    list[i] = list[--*count];
    return range;
}

static void allocate(struct run *run)
{
    uint64_t want = SECTOR * (1 + rng_below(&run->rng, rng_below(&run->rng, 10) ? 16 : 2000));
    uint64_t min = rng_below(&run->rng, 2) ? want : SECTOR;
    uint64_t hint = run->used_count ? run->used[rng_below(&run->rng, run->used_count)].start : 0;
    struct range range;
    int ret;

    if (run->fresh_count == EXTENTS_MAX || run->used_count == EXTENTS_MAX)
        return;
    ret = fixture_alloc(&run->f, want, min, hint, &range);
    run->full = ret == -ENOSPC;
    if (!run->full) {
        assert_int_equal(ret, 0);
        run->fresh[run->fresh_count++] = range;
    }
}

static void settle_fresh(struct run *run)
{
    struct range range;
    uint64_t dice = rng_below(&run->rng, 10);

    if (run->fresh_count == 0)
        return;
    range = take(run, run->fresh, &run->fresh_count);
    if (dice == 0) {
        fixture_undo(&run->f, &range);
    } else if (dice == 1) {
        fixture_pin(&run->f, &range);
    } else if (run->used_count < EXTENTS_MAX) {
        fixture_use(&run->f, &range);
        run->used[run->used_count++] = range;
    } else {
        fixture_undo(&run->f, &range);
    }
}

static void release(struct run *run)
{
    struct range range;

    if (run->used_count == 0)
        return;
    range = take(run, run->used, &run->used_count);
    fixture_free(&run->f, &range);
}

static void commit(struct run *run)
{
    if (rng_below(&run->rng, 4) == 0)
        assert_int_equal(space_remove_empty(run->f.space), 0);
    fixture_commit(&run->f);
}

/* Only what has an extent item outlives a reopen. */
static void reopen(struct run *run)
{
    while (run->fresh_count)
        settle_fresh(run);
    fixture_commit(&run->f);
    fixture_reopen(&run->f);
}

/* Growing fills the device; the other half of the time nearly all is given back. */
static void step(struct run *run, bool growing)
{
    uint64_t dice = rng_below(&run->rng, 1000);

    if (dice < 3) {
        reopen(run);
        fixture_check(&run->f);
    } else if (dice < 12) {
        commit(run);
        if (dice < 5)
            fixture_check(&run->f);
    } else if (dice < (growing ? 500 : 150)) {
        allocate(run);
    } else if (dice < (growing ? 900 : 400)) {
        settle_fresh(run);
    } else {
        release(run);
    }
}

static void go(const struct fixture_options *options, uint64_t seed, unsigned steps)
{
    static struct run run;

    memset(&run, 0, sizeof(run));
    rng_seed(&run.rng, seed);
    fixture_init(&run.f, options);
    fixture_check(&run.f);
    for (unsigned i = 0; i < steps; i++)
        step(&run, (i / 800) % 2 == 0);
    reopen(&run);
    fixture_check(&run.f);
    fixture_close(&run.f);
}

static void with_free_space_tree(void **state)
{
    struct fixture_options options = {.device_bytes = 300 * MIB, .nodesize = 4096};

    (void)state;
    options.metadata_profile = BG_DUP;
    go(&options, unit_seed(11), 6000);
}

static void with_both_trees(void **state)
{
    struct fixture_options options = {
        .device_bytes = 600 * MIB, .nodesize = 16384, .group_tree = true};

    (void)state;
    go(&options, unit_seed(12), 6000);
}

static void without_free_space_tree(void **state)
{
    struct fixture_options options = {
        .device_bytes = 300 * MIB, .nodesize = 4096, .no_tree = true, .data_profile = BG_DUP};

    (void)state;
    go(&options, unit_seed(13), 5000);
}

static void with_mixed_groups(void **state)
{
    struct fixture_options options = {.device_bytes = 200 * MIB, .nodesize = 4096, .mixed = true};

    (void)state;
    go(&options, unit_seed(14), 5000);
}

static void with_nodes_larger_than_sectors_among_data(void **state)
{
    struct fixture_options options = {.device_bytes = 200 * MIB, .nodesize = 16384, .mixed = true};

    (void)state;
    go(&options, unit_seed(15), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_free_space_tree),
        cmocka_unit_test(with_both_trees),
        cmocka_unit_test(without_free_space_tree),
        cmocka_unit_test(with_mixed_groups),
        cmocka_unit_test(with_nodes_larger_than_sectors_among_data),
    };

    return cmocka_run_group_tests_name("space/model", tests, NULL, NULL);
}
