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
/* States of which in one the power goes again while it is opened, and how often from there. */
#define AGAIN_EACH 3
#define AGAIN 4
#define CLEAN_STEPS 20
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

static int by_position(const void *a, const void *b)
{
    const struct state_id *x = a, *y = b;

    return x->position < y->position ? -1 : x->position > y->position;
}

struct state_id *states_choose(uint64_t seed, size_t entries, size_t count)
{
    struct state_id *ids = must_alloc(count * sizeof(*ids));
    struct rng rng;

    rng_seed(&rng, seed);
    for (size_t i = 0; i < count; i++)
        ids[i] = (struct state_id){
            .position = rng_below(&rng, entries + 1),
            .fate = (enum fate)rng_below(&rng, FATES),
            .seed = rng_below(&rng, 1000000),
        };
    qsort(ids, count, sizeof(*ids), by_position);
    return ids;
}

void cursor_advance(struct cursor *cursor, struct dev *recorder, size_t position)
{
    size_t flushed = cursor->flushed;

    for (size_t i = cursor->flushed; i < position; i++)
        if (dev_record_entry(recorder, i).op == DEV_OP_FLUSH)
            flushed = i + 1;
    for (; cursor->flushed < flushed; cursor->flushed++) {
        struct dev_record entry = dev_record_entry(recorder, cursor->flushed);

        must(dev_record_apply(&entry, cursor->disk), "apply");
    }
}

/* With one copy alone a superblock counts as written in one piece: nothing could mend it. */
static bool may_tear(const struct dev *disk, const struct dev_record *entry)
{
    bool super = entry->off == super_offset(0);

    return !super || super_offset(1) + SUPER_SIZE <= disk->size;
}

static void apply_torn(const struct dev_record *entry, struct dev *disk, struct rng *rng)
{
    if (entry->op != DEV_OP_WRITE || !may_tear(disk, entry)) {
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

static void apply_window(struct dev *recorder, size_t from, const struct state_id *id,
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
        struct dev_record entry = dev_record_entry(recorder, order[i]);

        if (id->fate != FATE_PREFIX && rng_below(&rng, 16) >= keep)
            continue;
        if (id->fate == FATE_TORN && rng_below(&rng, 4) == 0)
            apply_torn(&entry, disk, &rng);
        else
            must(dev_record_apply(&entry, disk), "apply");
    }
    free(order);
}

struct dev *state_make(struct dev *recorder, const struct cursor *cursor, const struct state_id *id)
{
    struct dev *disk = dev_mem_clone(cursor->disk);

    if (!disk)
        abort();
    apply_window(recorder, cursor->flushed, id, disk);
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

/* *known: whether the model now says what is there; else nobody asked for this commit. */
static int compare(const struct history *history, const struct state_id *id, uint64_t generation,
                   struct world *world, bool *known)
{
    const struct promise_point *promised = history_promised(history, id->position);
    const struct promise_point *kept = history_of_generation(history, id->position, generation);
    struct model **moments;
    size_t sure;

    if (generation < promised->generation)
        return wrong(world, "generation %llu, and %llu was promised", LLU(generation),
                     LLU(promised->generation));
    *known = kept != NULL;
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

static unsigned brief(const struct state_id *id)
{
    return id->seed % CHECKED_EACH == 0 ? 0 : VERIFY_BRIEF;
}

static int check(struct world *world, const struct state_id *id, unsigned flags, const char *when)
{
    char report[2048];

    if (verify_device(world->env, world->disk, flags | brief(id), report, sizeof(report)) < 0)
        return wrong(world, "structure%s: %s", when, report);
    return 0;
}

/* What the crash left behind is cleared up, and the result is as good as new. */
static int close_clean(struct world *world, const struct state_id *id)
{
    int ret = mount_close(world->m);

    world->m = NULL;
    if (ret < 0)
        return wrong(world, "close: %s", fail_message());
    return check(world, id, VERIFY_CLOSED, " afterwards");
}

/* ---- the power goes again while that is cleared up
 * -------------------------------------------------------------------------------------- */

/* Subvolumes half deleted go on, with commits between the steps. */
static int clean_up(struct world *world, const struct state_id *id)
{
    unsigned left = 1;
    struct rng rng;

    rng_seed(&rng, id->seed ^ 0x636c65616eULL);
    for (unsigned step = 0; left > 0 && step < CLEAN_STEPS; step++) {
        int ret = mount_subvol_clean(world->m, &left);

        if (ret == 0 && rng_below(&rng, 2) == 0)
            ret = mount_sync(world->m);
        if (ret < 0)
            return wrong(world, "cleaning up: %s", fail_message());
    }
    return 0;
}

/* first: the world after the first crash, its model what is there if that is known. */
static int judge_again(const struct world *first, bool known, uint64_t generation,
                       const struct state_id *id, struct world *world)
{
    if (check(world, id, 0, "") < 0)
        return -1;
    if (generation_of(world) < generation)
        return wrong(world, "the generation went back");
    if (world_open(world, false) < 0)
        return -1;
    if (known) {
        model_copy(&world->now, &first->now);
        if (compare_all(world, true) < 0)
            return -1;
    }
    return close_clean(world, id);
}

static void world_drop(struct world *world)
{
    if (world->m)
        mount_crash(world->m);
    model_free(&world->now);
    env_seeded_free(world->env);
}

static int crash_again(struct world *first, bool known, uint64_t generation,
                       const struct state_id *id, uint64_t *judged)
{
    size_t entries = dev_record_count(first->recorder);
    struct cursor cursor = {.disk = dev_mem_clone(first->start)};
    struct state_id *ids = states_choose(id->seed ^ 0x616761696eULL, entries, AGAIN);
    int ret = 0;

    for (size_t i = 0; i < AGAIN && ret == 0; i++) {
        struct world world = {.config = first->config, .root_id = first->root_id};

        cursor_advance(&cursor, first->recorder, ids[i].position);
        world.env = env_seeded_new(ids[i].seed);
        world.disk = state_make(first->recorder, &cursor, &ids[i]);
        ret = judge_again(first, known, generation, &ids[i], &world);
        if (ret < 0)
            wrong(first, "again at %zu:%d:%llu of %zu: %s", ids[i].position, (int)ids[i].fate,
                  LLU(ids[i].seed), entries, world.error);
        world_drop(&world);
        dev_close(world.disk);
        ++*judged;
    }
    free(ids);
    dev_close(cursor.disk);
    return ret;
}

static int judge(const struct history *history, const struct state_id *id, struct world *world,
                 uint64_t *judged)
{
    bool known = false;

    if (check(world, id, 0, "") < 0)
        return -1;
    uint64_t generation = generation_of(world);
    if (world_open(world, false) < 0 || compare(history, id, generation, world, &known) < 0)
        return -1;
    if (world->recorder && clean_up(world, id) < 0)
        return -1;
    if (close_clean(world, id) < 0)
        return -1;
    return world->recorder ? crash_again(world, known, generation, id, judged) : 0;
}

int state_judge(const struct history *history, const struct state_id *id, struct dev *disk,
                uint64_t *judged, char *error, size_t cap)
{
    struct world world = {.config = history->config, .disk = disk, .root_id = history->root_id};

    world.env = env_seeded_new(id->seed);
    if (id->seed % AGAIN_EACH == 0) {
        world.start = dev_mem_clone(disk);
        world.recorder = dev_record_new(dev_borrow(disk));
    }
    *judged = 1;
    int ret = judge(history, id, &world, judged);
    snprintf(error, cap, "%s", world.error);
    world_drop(&world);
    dev_close(world.recorder);
    dev_close(world.start);
    return ret;
}
