// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Operations on subvolumes. The run works in one subvolume; snapshots of it stand beside it in the
 * top level, each with a copy of the model. Now and then the run goes on in a snapshot and leaves
 * the subvolume it was in to be deleted, so that everything else happens to shared trees.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/ops.h"

#define SNAPS_MAX 6

static const struct copse_cred cred;

/* ---- lists ----------------------------------------------------------------------------------- */

static void snap_put(struct snap *snap)
{
    if (--snap->refs > 0)
        return;
    model_free(&snap->model);
    free(snap);
}

void snaps_free(struct snaps *snaps)
{
    for (size_t i = 0; i < snaps->count; i++)
        snap_put(snaps->list[i]);
    free(snaps->list);
    *snaps = (struct snaps){0};
}

static void snaps_add(struct snaps *snaps, struct snap *snap)
{
    snaps->list = must_grow(snaps->list, snaps->count, &snaps->cap, sizeof(*snaps->list));
    snaps->list[snaps->count++] = snap;
    snap->refs++;
}

void snaps_copy(struct snaps *dst, const struct snaps *src)
{
    snaps_free(dst);
    for (size_t i = 0; i < src->count; i++)
        snaps_add(dst, src->list[i]);
}

static void snaps_remove(struct snaps *snaps, size_t at)
{
    struct snap *snap = snaps->list[at];

    memmove(snaps->list + at, snaps->list + at + 1, (--snaps->count - at) * sizeof(*snaps->list));
    snap_put(snap);
}

/* ---- making ---------------------------------------------------------------------------------- */

static int failed(struct world *world, const char *what, int ret)
{
    return wrong(world, "%s: %d: %s", what, ret, fail_message());
}

int world_start_subvol(struct world *world)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct inode *made;

    if (world_open(world, false) < 0)
        return -1;
    int ret = mount_subvol_create(world->m, world->m->root, "w", 1, &options, &cred, &made);
    if (ret < 0)
        return failed(world, "create a subvolume", ret);
    world->root_id = made->tree->root.id;
    mount_put(world->m, made);
    ret = mount_close(world->m);
    world->m = NULL;
    return ret < 0 ? failed(world, "close", ret) : 0;
}

/* What a snapshot has: all of it as if it had just been made durable. */
static struct snap *snap_of(struct world *world, bool readonly)
{
    struct snap *snap = must_alloc(sizeof(*snap));

    *snap = (struct snap){.readonly = readonly};
    snprintf(snap->name, sizeof(snap->name), "s%u", ++world->subvols_made);
    model_copy(&snap->model, &world->now);
    for (size_t i = 0; i < snap->model.count; i++) {
        model_is_durable(snap->model.nodes[i]);
        snap->model.nodes[i]->has_stat = false;
    }
    return snap;
}

static int snapshot_on_disk(struct world *world, struct snap *snap)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct inode *top, *made;

    options.readonly = snap->readonly;
    int ret = mount_subvol_root(world->m, TREE_FS, &top);
    if (ret < 0)
        return ret;
    ret = mount_subvol_snapshot(world->m, world->m->root, top, snap->name, strlen(snap->name),
                                &options, &made);
    mount_put(world->m, top);
    if (ret < 0)
        return ret;
    snap->id = made->tree->root.id;
    mount_put(world->m, made);
    return 0;
}

int op_snapshot(struct step *step)
{
    struct world *world = step->world;
    struct snap *snap;
    char text[64];

    if (!world->config.subvols || world->snaps.count == SNAPS_MAX)
        return 0;
    snap = snap_of(world, chance(step, 2));
    snap->refs = 1;
    snprintf(text, sizeof(text), "snapshot %s%s", snap->name, snap->readonly ? ", read-only" : "");
    int ret = answered(step, text, snapshot_on_disk(world, snap), 0);
    if (ret > 0)
        snaps_add(&world->snaps, snap);
    snap_put(snap);
    return MIN(ret, 0);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int compare_snap(struct world *world, struct snap *snap)
{
    struct inode *root;
    uint64_t flags = snap->readonly ? ROOT_SUBVOL_RDONLY : 0;

    int ret = mount_subvol_root(world->m, snap->id, &root);
    if (ret < 0)
        return failed(world, snap->name, ret);
    if (root->tree->item.flags != flags)
        wrong(world, "%s: flags %#llx", snap->name, (unsigned long long)root->tree->item.flags);
    for (size_t i = 0; i < snap->model.count; i++)
        snap->model.nodes[i]->has_stat = false;
    ret = compare_other(world, &snap->model, root);
    if (ret < 0)
        told(world, "in snapshot %s\n", snap->name);
    mount_put(world->m, root);
    return world->error[0] ? -1 : ret;
}

int snaps_compare(struct world *world)
{
    for (size_t i = 0; i < world->snaps.count; i++)
        if (compare_snap(world, world->snaps.list[i]) < 0)
            return -1;
    return 0;
}

int op_snapshots_compare(struct step *step)
{
    told(step->world, "compare snapshots\n");
    return snaps_compare(step->world);
}

/* ---- deleting -------------------------------------------------------------------------------- */

static int delete_name(struct world *world, const char *name)
{
    struct inode *top;

    int ret = mount_subvol_root(world->m, TREE_FS, &top);
    if (ret < 0)
        return ret;
    ret = mount_subvol_delete(world->m, top, name, strlen(name));
    mount_put(world->m, top);
    return ret;
}

int op_snapshot_drop(struct step *step)
{
    struct world *world = step->world;
    char text[64];

    if (world->snaps.count == 0)
        return 0;
    size_t at = pick(step, world->snaps.count);
    snprintf(text, sizeof(text), "delete %s", world->snaps.list[at]->name);
    int ret = answered_freeing(step, text, delete_name(world, world->snaps.list[at]->name), 0);
    if (ret > 0)
        snaps_remove(&world->snaps, at);
    return MIN(ret, 0);
}

int op_drop_step(struct step *step)
{
    bool more;

    if (!step->world->config.subvols)
        return 0;
    told(step->world, "drop a part of what is deleted\n");
    int ret = subvol_drop_step(&step->world->m->fs, &more);
    return ret < 0 && ret != -ENOSPC ? failed(step->world, "dropping", ret) : 0;
}

/* ---- going on elsewhere ---------------------------------------------------------------------- */

static int enter(struct world *world, size_t at)
{
    struct snap *snap = world->snaps.list[at];
    char old[16];

    snprintf(old, sizeof(old), "%s", world->root_name[0] ? world->root_name : "w");
    if (world_close(world) < 0)
        return -1;
    world->root_id = snap->id;
    snprintf(world->root_name, sizeof(world->root_name), "%s", snap->name);
    model_free(&world->now);
    model_copy(&world->now, &snap->model);
    snaps_remove(&world->snaps, at);
    if (world_open(world, false) < 0)
        return -1;
    int ret = delete_name(world, old);
    if (ret < 0)
        return failed(world, "delete what was worked in", ret);
    for (size_t i = 0; i < world->now.count; i++)
        world->now.nodes[i]->has_stat = false;
    return compare_all(world, false) < 0 ? -1 : world_sync(world);
}

int op_snapshot_enter(struct step *step)
{
    struct world *world = step->world;

    if (world->before_crash || world->snaps.count == 0)
        return 0;
    size_t at = pick(step, world->snaps.count);
    if (world->snaps.list[at]->readonly)
        return 0;
    told(world, "go on in %s\n", world->snaps.list[at]->name);
    return enter(world, at);
}
