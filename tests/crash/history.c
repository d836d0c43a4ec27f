// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/crash/history.h"

#include <stdlib.h>
#include <string.h>

static void remember(struct world *world, bool logged)
{
    struct history *history = world->arg;
    struct promise_point *point;

    history->points = must_grow(history->points, history->point_count, &history->point_cap,
                                sizeof(*history->points));
    point = &history->points[history->point_count++];
    point->position = dev_record_count(world->recorder);
    point->generation = world->m->fs.store->engine.durable_gen;
    point->logged = logged;
    if (logged)
        model_copy(&point->model, world->moments.list[world->moments.count - 1]);
    else
        model_copy(&point->model, &world->durable);
    told(world, "# durable: generation %llu%s from entry %zu on\n",
         (unsigned long long)point->generation, logged ? " and a log" : "", point->position);
}

static void remember_all(struct world *world)
{
    remember(world, false);
}

static void remember_log(struct world *world)
{
    remember(world, true);
}

static uint64_t op_seed(uint64_t seed, unsigned number)
{
    struct rng rng;

    rng_seed(&rng, seed * 1000003 + number);
    return rng_next(&rng);
}

int history_make(struct history *history, uint64_t seed, unsigned ops, FILE *trace)
{
    struct world world = {
        .before_crash = true,
        .on_durable = remember_all,
        .on_logged = remember_log,
        .arg = history,
    };

    *history = (struct history){.seed = seed};
    world.trace = trace;
    config_choose(&world.config, seed);
    int ret = world_start(&world, seed, true);
    for (unsigned i = 0; ret == 0 && i < ops; i++)
        ret = op_run(&world, op_seed(seed, i));
    if (ret == 0)
        ret = world_sync(&world);
    history->config = world.config;
    history->root_id = world.root_id;
    history->start = world.start;
    history->recorder = world.recorder;
    history->count = world.recorder ? dev_record_count(world.recorder) : 0;
    memcpy(history->error, world.error, sizeof(history->error));
    world_leave(&world);
    return ret;
}

void history_free(struct history *history)
{
    for (size_t i = 0; i < history->point_count; i++)
        model_free(&history->points[i].model);
    free(history->points);
    dev_close(history->start);
    dev_close(history->recorder);
}

const struct promise_point *history_promised(const struct history *history, size_t position)
{
    const struct promise_point *last = &history->points[0];

    for (size_t i = 0; i < history->point_count && history->points[i].position <= position; i++)
        last = &history->points[i];
    return last;
}

const struct promise_point *history_of_generation(const struct history *history, size_t position,
                                                  uint64_t generation)
{
    const struct promise_point *found = NULL;

    for (size_t i = 0; i < history->point_count; i++) {
        const struct promise_point *point = &history->points[i];

        if (!point->logged && point->generation == generation &&
            (point->position <= position || !found))
            found = point;
    }
    return found;
}

size_t history_moments(const struct history *history, size_t position, uint64_t generation,
                       struct model ***out, size_t *sure)
{
    const struct promise_point *first = history_of_generation(history, position, generation);
    const struct promise_point *end = history->points + history->point_count;
    size_t count = 0, cap = 0;

    *out = NULL;
    *sure = 0;
    for (const struct promise_point *point = first; point && point < end; point++) {
        if (point > first && (!point->logged || point->generation != generation))
            break;
        *out = must_grow(*out, count, &cap, sizeof(**out));
        (*out)[count++] = (struct model *)&point->model;
        if (point->position > position)
            break;
        *sure = count;
    }
    return count;
}
