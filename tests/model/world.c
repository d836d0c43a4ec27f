// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening, closing and crashing the file system of a run. */
#include "tests/model/world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/compare.h"
#include "tests/model/moments.h"
#include "tests/model/verify.h"

int wrong(struct world *world, const char *fmt, ...)
{
    va_list args;

    if (world->error[0])
        return -1;
    va_start(args, fmt);
    vsnprintf(world->error, sizeof(world->error), fmt, args);
    va_end(args);
    return -1;
}

void told(struct world *world, const char *fmt, ...)
{
    va_list args;

    if (!world->trace)
        return;
    va_start(args, fmt);
    vfprintf(world->trace, fmt, args);
    va_end(args);
    fflush(world->trace);
}

static int failed(struct world *world, const char *what, int ret)
{
    return wrong(world, "%s: %d: %s", what, ret, fail_message());
}

/* ---- the file system
 * -------------------------------------------------------------------------------------- */

int world_open(struct world *world, bool readonly)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(world->recorder ? world->recorder : world->disk);

    options.readonly = readonly;
    options.cache_bytes = world->config.cache_bytes;
    options.nodatacow = world->config.nodatacow;
    options.subvolid = world->root_id;
    options.notreelog = world->seed % 4 == 0;
    int ret = mount_open(world->env, &dev, 1, &options, &world->m);
    if (ret < 0) {
        world->m = NULL;
        return failed(world, "open", ret);
    }
    return 0;
}

int world_start(struct world *world, uint64_t seed, bool record)
{
    world->seed = seed;
    world->env = env_seeded_new(seed);
    world->disk = dev_mem_new(world->config.device_bytes);
    model_init(&world->now);
    told(world, "# %s\n", world->config.text);
    int ret = mkfs_run(world->env, world->disk, &world->config.mkfs, NULL);
    if (ret < 0)
        return failed(world, "mkfs", ret);
    if (world->config.subvols && world_start_subvol(world) < 0)
        return -1;
    if (record) {
        world->start = dev_mem_clone(world->disk);
        world->recorder = dev_record_new(world->disk);
    }
    if (world_open(world, false) < 0)
        return -1;
    world_set_durable(world);
    return 0;
}

void world_leave(struct world *world)
{
    if (world->m) {
        world_release_all(world);
        mount_crash(world->m);
    }
    model_free(&world->now);
    model_free(&world->durable);
    moments_free(world);
    snaps_free(&world->snaps);
    snaps_free(&world->durable_snaps);
    if (!world->recorder)
        dev_close(world->disk);
    env_seeded_free(world->env);
}

void world_end(struct world *world)
{
    world_leave(world);
    if (!world->recorder)
        return;
    dev_close(world->recorder);
    dev_close(world->start);
}

void world_release_all(struct world *world)
{
    for (size_t i = 0; i < WORLD_HELD; i++) {
        struct held *held = &world->held[i];

        if (!held->node)
            continue;
        held->node->held = false;
        mount_put(world->m, held->inode);
        model_drop(&world->now, held->node);
        *held = (struct held){0};
    }
}

void world_set_durable(struct world *world)
{
    model_free(&world->durable);
    model_new_moment(&world->now);
    (void)!moments_learn(world);
    model_copy(&world->durable, &world->now);
    snaps_copy(&world->durable_snaps, &world->snaps);
    world->durable_commits = store_commits(world->m->fs.store);
    moments_restart(world);
    if (world->on_durable)
        world->on_durable(world);
}

static int verify(struct world *world)
{
    char report[2048];

    if (verify_device(world->env, world->disk, VERIFY_CLOSED | VERIFY_COPIES, report,
                      sizeof(report)) == 0)
        return 0;
    return wrong(world, "structure: %s", report);
}

/* Promise 1: no change and no commit has taken more metadata than was promised for it. */
static int kept_promise(struct world *world)
{
    struct store_promised promised;

    store_promised(world->m->fs.store, &promised);
    if (promised.overdrawn == 0)
        return 0;
    return wrong(world, "%llu bytes of metadata more than promised",
                 (unsigned long long)promised.overdrawn);
}

int world_sync(struct world *world)
{
    int ret = mount_sync(world->m);

    if (ret < 0)
        return failed(world, "sync", ret);
    if (kept_promise(world) < 0)
        return -1;
    for (size_t i = 0; i < world->now.count; i++)
        model_is_durable(world->now.nodes[i]);
    world_set_durable(world);
    return 0;
}

int world_close(struct world *world)
{
    world_release_all(world);
    if (world_sync(world) < 0 || compare_all(world, false) < 0 || world_sync(world) < 0)
        return -1;
    int ret = mount_close(world->m);
    world->m = NULL;
    if (ret < 0)
        return failed(world, "close", ret);
    return verify(world);
}

int world_reopen(struct world *world)
{
    if (world_close(world) < 0 || world_open(world, true) < 0 || compare_all(world, false) < 0 ||
        snaps_compare(world) < 0)
        return -1;
    int ret = mount_close(world->m);
    world->m = NULL;
    if (ret < 0)
        return failed(world, "close of a read-only one", ret);
    if (world_open(world, false) < 0)
        return -1;
    for (size_t i = 0; i < world->now.count; i++)
        world->now.nodes[i]->has_stat = false;
    world_set_durable(world);
    return 0;
}

int world_crash(struct world *world)
{
    world_release_all(world);
    /* What was made durable for want of space, in the middle of operations, is known to nobody. */
    if (store_commits(world->m->fs.store) != world->durable_commits && world_sync(world) < 0)
        return -1;
    mount_crash(world->m);
    world->m = NULL;
    for (size_t i = 0; i < world->now.count; i++)
        model_remember(world->now.nodes[i]);
    model_free(&world->now);
    model_copy(&world->now, &world->durable);
    snaps_copy(&world->snaps, &world->durable_snaps);
    if (world_open(world, false) < 0)
        return -1;
    if (world->moments.count > 1) {
        if (moments_compare_own(world) < 0 || snaps_compare(world) < 0)
            return -1;
        world_set_durable(world);
        return 0;
    }
    for (size_t i = 0; i < world->now.count; i++)
        world->now.nodes[i]->has_stat = false;
    if (compare_all(world, true) < 0 || snaps_compare(world) < 0)
        return -1;
    world_set_durable(world);
    return 0;
}

/* ---- nodes
 * -------------------------------------------------------------------------------------- */

static int walk(struct world *world, const char *path, struct inode **out)
{
    struct inode *dir = inode_ref(world->m->root);

    while (*path == '/')
        path++;
    while (*path) {
        size_t len = strcspn(path, "/");
        struct inode *next;

        int ret = mount_lookup(world->m, dir, path, len, &next);
        mount_put(world->m, dir);
        if (ret < 0)
            return wrong(world, "lookup of %.*s: %d: %s", (int)len, path, ret, fail_message());
        dir = next;
        path += len;
        while (*path == '/')
            path++;
    }
    *out = dir;
    return 0;
}

int world_inode(struct world *world, struct mnode *node, struct inode **out)
{
    for (size_t i = 0; i < WORLD_HELD; i++) {
        if (world->held[i].node == node) {
            *out = inode_ref(world->held[i].inode);
            return 0;
        }
    }
    return walk(world, model_path(&world->now, node), out);
}
