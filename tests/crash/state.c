// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/crash/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/moments.h"
#include "tests/model/verify.h"

#define TEAR_BYTES 512
/* States of which `copse check` judges one. */
#define CHECKED_EACH 16
#define LLU(v) ((unsigned long long)(v))

static void must(int ret, const char *what)
{
    if (ret < 0) {
        fprintf(stderr, "%s: %s\n", what, fail_message());
        abort();
    }
}

/* ---- making
 * -------------------------------------------------------------------------------------- */

void cursor_advance(struct cursor *cursor, const struct history *history, size_t position)
{
    size_t flushed = cursor->flushed;

    for (size_t i = cursor->flushed; i < position; i++)
        if (dev_record_entry(history->recorder, i).op == DEV_OP_FLUSH)
            flushed = i + 1;
    for (; cursor->flushed < flushed; cursor->flushed++) {
        struct dev_record entry = dev_record_entry(history->recorder, cursor->flushed);

        must(dev_record_apply(&entry, cursor->disk), "apply");
    }
}

/* With one copy alone a superblock counts as written in one piece: nothing could mend it. */
static bool may_tear(const struct history *history, const struct dev_record *entry)
{
    bool super = entry->off == super_offset(0);

    return !super || super_offset(1) + SUPER_SIZE <= history->start->size;
}

static void apply_torn(const struct history *history, const struct dev_record *entry,
                       struct dev *disk, struct rng *rng)
{
    if (entry->op != DEV_OP_WRITE || !may_tear(history, entry)) {
        must(dev_record_apply(entry, disk), "apply");
        return;
    }
    for (uint64_t at = 0; at < entry->len; at += TEAR_BYTES)
        if (rng_below(rng, 2) == 0)
            must(dev_write(disk, entry->off + at, entry->data + at,
                           MIN((uint64_t)TEAR_BYTES, entry->len - at)),
                 "write");
}

static void shuffle(size_t *order, size_t count, struct rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = rng_below(rng, i), swap = order[i - 1];

        order[i - 1] = order[other];
        order[other] = swap;
    }
}

static void apply_window(const struct history *history, size_t from, const struct state_id *id,
                         struct dev *disk)
{
    size_t count = id->position - from;
    size_t *order = must_alloc((count + 1) * sizeof(*order));
    struct rng rng;

    rng_seed(&rng, id->seed);
    for (size_t i = 0; i < count; i++)
        order[i] = from + i;
    if (id->fate == FATE_SHUFFLE)
        shuffle(order, count, &rng);
    /* How much is lost varies: now and then hardly anything, which is the harder case. */
    uint64_t keep = 1 + rng_below(&rng, 16);
    for (size_t i = 0; i < count; i++) {
        struct dev_record entry = dev_record_entry(history->recorder, order[i]);

        if (id->fate != FATE_PREFIX && rng_below(&rng, 16) >= keep)
            continue;
        if (id->fate == FATE_TORN && rng_below(&rng, 4) == 0)
            apply_torn(history, &entry, disk, &rng);
        else
            must(dev_record_apply(&entry, disk), "apply");
    }
    free(order);
}

struct dev *state_make(const struct history *history, const struct cursor *cursor,
                       const struct state_id *id)
{
    struct dev *disk = dev_mem_clone(cursor->disk);

    if (!disk)
        abort();
    apply_window(history, cursor->flushed, id, disk);
    return disk;
}

/* ---- judging
 * -------------------------------------------------------------------------------------- */

/* The superblock that counts. Asked before opening, which may commit. */
static bool read_super(struct env *env, struct dev *disk, struct super *out)
{
    const struct vol_open_options options = {.readonly = true};
    struct dev *dev = dev_borrow(disk);
    struct vol *vol;

    if (vol_open(env, &dev, 1, &options, &vol) < 0)
        return false;
    *out = *vol_super(vol);
    vol_close(vol);
    return true;
}

static uint64_t generation_of(const struct world *world)
{
    struct super super;

    return read_super(world->env, world->disk, &super) ? super.generation : 0;
}

bool state_has_log(struct dev *disk)
{
    struct env *env = env_seeded_new(1);
    struct super super;
    bool has = read_super(env, disk, &super) && super.log_root != 0;

    env_seeded_free(env);
    return has;
}

static int compare(const struct history *history, const struct state_id *id, uint64_t generation,
                   struct world *world)
{
    const struct promise_point *promised = history_promised(history, id->position);
    const struct promise_point *kept = history_of_generation(history, id->position, generation);
    struct model **moments;
    size_t sure;

    if (generation < promised->generation)
        return wrong(world, "generation %llu, and %llu was promised", LLU(generation),
                     LLU(promised->generation));
    if (!kept)
        return 0;
    size_t count = history_moments(history, id->position, generation, &moments, &sure);
    int ret = count > 1 ? moments_compare(world, moments, count, sure) : 0;
    free(moments);
    if (count > 1)
        return ret;
    model_copy(&world->now, &kept->model);
    for (size_t i = 0; i < world->now.count; i++)
        world->now.nodes[i]->has_stat = false;
    return compare_all(world, true);
}

static int judge(const struct history *history, const struct state_id *id, struct world *world)
{
    unsigned brief = id->seed % CHECKED_EACH == 0 ? 0 : VERIFY_BRIEF;
    char report[2048];

    if (verify_device(world->env, world->disk, brief, report, sizeof(report)) < 0)
        return wrong(world, "structure: %s", report);
    uint64_t generation = generation_of(world);
    if (world_open(world, false) < 0 || compare(history, id, generation, world) < 0)
        return -1;
    /* What the crash left behind is cleared up, and the result is as good as new. */
    int ret = mount_close(world->m);
    world->m = NULL;
    if (ret < 0)
        return wrong(world, "close: %s", fail_message());
    if (verify_device(world->env, world->disk, VERIFY_CLOSED | brief, report, sizeof(report)) < 0)
        return wrong(world, "structure afterwards: %s", report);
    return 0;
}

int state_judge(const struct history *history, const struct state_id *id, struct dev *disk,
                char *error, size_t cap)
{
    struct world world = {.config = history->config, .disk = disk, .root_id = history->root_id};

    world.env = env_seeded_new(id->seed);
    int ret = judge(history, id, &world);
    snprintf(error, cap, "%s", world.error);
    if (world.m)
        mount_crash(world.m);
    model_free(&world.now);
    env_seeded_free(world.env);
    return ret;
}
