// SPDX-License-Identifier: GPL-2.0-or-later
/* File systems that are kept between 95 and 100 percent full. */
#include <linux/falloc.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/compare.h"
#include "tests/model/ops.h"

#define LLU(v) ((unsigned long long)(v))

static int available(struct world *world, uint64_t *bytes)
{
    struct copse_usage usage;

    int ret = mount_usage(world->m, &usage);
    if (ret < 0)
        return wrong(world, "usage: %d: %s", ret, fail_message());
    *bytes = usage.free_estimate;
    return 0;
}

/* Takes up to `bytes` behind the end of the file. */
static int take(struct world *world, struct mnode *node, uint64_t bytes)
{
    uint64_t end = round_up_to(node->content.size, MIB) + (1ULL << 32);
    struct inode *inode;
    int ret = 0;

    if (world_inode(world, node, &inode) < 0)
        return -1;
    for (uint64_t piece = 16 * MIB; piece >= 64 * KIB && bytes >= piece; piece /= 4) {
        for (ret = 0; ret == 0 && bytes >= piece; bytes -= piece, end += piece)
            ret = file_fallocate(inode, FALLOC_FL_KEEP_SIZE, end, piece);
        if (ret < 0 && ret != -ENOSPC)
            break;
    }
    mount_put(world->m, inode);
    if (ret < 0 && ret != -ENOSPC)
        return failed_node(world, node, "filling", ret);
    return 0;
}

int full_top_up(struct step *step)
{
    struct world *world = step->world;
    uint64_t room = world->config.device_bytes / 20, bytes = 0;
    struct mnode *node;

    if (available(world, &bytes) < 0)
        return -1;
    uint64_t leave = pick(step, chance(step, 3) ? room : 256 * KIB);
    if (bytes <= leave || (bytes <= room && !chance(step, 8)) || !(node = pick_file(step)))
        return 0;
    told(world, "fill %s but for %llu of %llu bytes\n", model_path(&world->now, node), LLU(leave),
         LLU(bytes));
    return take(world, node, bytes - leave);
}

static int nothing_reserved(struct world *world)
{
    struct copse_usage usage;

    int ret = mount_usage(world->m, &usage);
    if (ret < 0)
        return wrong(world, "usage: %d: %s", ret, fail_message());
    if (usage.data.reserved == 0 && usage.metadata.reserved == 0 && usage.system.reserved == 0)
        return 0;
    return wrong(world, "still reserved: %llu of data, %llu of metadata, %llu of system",
                 LLU(usage.data.reserved), LLU(usage.metadata.reserved),
                 LLU(usage.system.reserved));
}

static int empty(struct step *step, struct mnode *dir)
{
    while (dir->name_count > 0) {
        struct mname *entry = &dir->names[dir->name_count - 1];
        char name[MODEL_NAME_MAX + 1];

        memcpy(name, entry->name, sizeof(name));
        if (S_ISDIR(entry->node->mode) && empty(step, entry->node) < 0)
            return -1;
        if (remove_name(step, dir, name) < 0)
            return -1;
    }
    return 0;
}

/* Snapshots are deleted in steps, the last of them on what the ones before made free. */
static int finish_deletion(struct world *world)
{
    bool more = true;

    while (more) {
        if (world_sync(world) < 0)
            return -1;
        int ret = subvol_drop_step(&world->m->fs, &more);
        if (ret < 0)
            return wrong(world, "dropping: %d: %s", ret, fail_message());
    }
    return 0;
}

int full_end(struct world *world)
{
    struct step step = {.world = world};

    rng_seed(&step.rng, world->seed);
    world_release_all(world);
    if (world_sync(world) < 0 || nothing_reserved(world) < 0)
        return -1;
    /* Not of an emptier one: what is there must be there after opening it anew. */
    if (world_reopen(world) < 0 || empty(&step, model_root(&world->now)) < 0)
        return -1;
    while (world->snaps.count > 0)
        if (op_snapshot_drop(&step) < 0)
            return -1;
    if (finish_deletion(world) < 0)
        return -1;
    return world_sync(world) < 0 ? -1 : nothing_reserved(world);
}
