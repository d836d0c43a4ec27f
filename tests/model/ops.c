// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of operations, and what they share. */
#include "tests/model/ops.h"

#include <string.h>

#include "base/bits.h"
#include "tests/model/moments.h"

/* ---- choosing
 * -------------------------------------------------------------------------------------- */

uint64_t pick(struct step *step, uint64_t bound)
{
    return rng_below(&step->rng, bound);
}

static struct mnode *pick_where(struct step *step, bool (*fits)(const struct mnode *node))
{
    const struct model *model = &step->world->now;
    size_t count = 0;

    for (size_t i = 0; i < model->count; i++)
        count += fits(model->nodes[i]);
    if (count == 0)
        return NULL;
    count = pick(step, count);
    for (size_t i = 0;; i++)
        if (fits(model->nodes[i]) && count-- == 0)
            return model->nodes[i];
}

static bool is_named_dir(const struct mnode *node)
{
    return S_ISDIR(node->mode) && node->nlink > 0;
}

static bool is_file(const struct mnode *node)
{
    return S_ISREG(node->mode);
}

static bool is_anything(const struct mnode *node)
{
    return node->nlink > 0 || node->held;
}

struct mnode *pick_dir(struct step *step)
{
    return chance(step, 2) ? model_root(&step->world->now) : pick_where(step, is_named_dir);
}

struct mnode *pick_file(struct step *step)
{
    return pick_where(step, is_file);
}

struct mnode *pick_node(struct step *step)
{
    return pick_where(step, is_anything);
}

/* Two pairs of names whose hashes are equal, so that they share an item. */
static const char *const colliding[] = {"ondzrey1", "rpjadgpl", "xpz3fees", "kehxdals"};

void pick_name(struct step *step, const struct mnode *dir, char name[MODEL_NAME_MAX + 1])
{
    uint64_t kind = pick(step, 32);

    if (kind < 8 && dir->name_count > 0) {
        memcpy(name, dir->names[pick(step, dir->name_count)].name, MODEL_NAME_MAX + 1);
    } else if (kind == 8) {
        memset(name, 'x', MODEL_NAME_MAX);
        name[MODEL_NAME_MAX - 1] = (char)('0' + pick(step, 8));
        name[MODEL_NAME_MAX] = '\0';
    } else if (kind == 9) {
        snprintf(name, MODEL_NAME_MAX, "\xff\xfe\n%llu", (unsigned long long)pick(step, 4));
    } else if (kind == 10) {
        snprintf(name, MODEL_NAME_MAX, "%s", colliding[pick(step, ARRAY_LEN(colliding))]);
    } else {
        snprintf(name, MODEL_NAME_MAX, "%c", (char)('a' + pick(step, 16)));
    }
}

struct mname *pick_entry(struct step *step, bool files, struct mnode **dir)
{
    for (unsigned tries = 0; tries < 8; tries++) {
        *dir = pick_dir(step);
        if ((*dir)->name_count == 0)
            continue;
        struct mname *name = &(*dir)->names[pick(step, (*dir)->name_count)];
        if (!files || !S_ISDIR(name->node->mode))
            return name;
    }
    return NULL;
}

int answered(struct step *step, const char *what, int ret, int expected)
{
    if (ret != -ENOSPC || expected == -ENOSPC || !step->world->config.tight)
        return answered_freeing(step, what, ret, expected);
    told(step->world, "%s = no space\n", what);
    return 0;
}

int answered_freeing(struct step *step, const char *what, int ret, int expected)
{
    struct world *world = step->world;

    told(world, "%s = %d%s%s\n", what, ret, ret < 0 ? ": " : "", ret < 0 ? fail_message() : "");
    if (ret == expected)
        return ret == 0;
    return wrong(world, "%s: answered %d (%s), should be %d", what, ret,
                 ret < 0 ? fail_message() : "", expected);
}

/* ---- the whole
 * -------------------------------------------------------------------------------------- */

static int op_sync(struct step *step)
{
    told(step->world, "sync\n");
    return world_sync(step->world);
}

/* Of one file, or all: a commit, and nobody sees another difference. */
static int op_reclaim(struct step *step)
{
    struct mnode *node = pick_file(step);
    struct world *world = step->world;
    struct inode *inode = NULL;
    uint64_t freed = 0;

    if (node && S_ISREG(node->mode) && chance(step, 2) && world_inode(world, node, &inode) < 0)
        return -1;
    int ret = mount_reclaim(world->m, inode, &freed);
    told(world, "reclaim %s: %llu bytes\n", inode ? model_path(&world->now, node) : "all",
         (unsigned long long)freed);
    if (inode)
        mount_put(world->m, inode);
    if (ret < 0)
        return wrong(world, "reclaim: %d: %s", ret, fail_message());
    return world_sync(world);
}

/* Into a log; or a whole commit, but of the other files only what has been written back anyway. */
static int op_fsync(struct step *step)
{
    struct mnode *node = chance(step, 3) ? pick_dir(step) : NULL;
    const struct model *model = &step->world->now;

    /* What is new has names that the last commit does not have. */
    if (!node && chance(step, 2))
        node = model->nodes[model->count - 1 - pick(step, MIN(model->count, (size_t)4))];
    if (!node || !is_anything(node))
        node = pick_node(step);
    struct inode *inode;

    told(step->world, "fsync %s\n", model_path(&step->world->now, node));
    if (world_inode(step->world, node, &inode) < 0)
        return -1;
    uint64_t commits = store_commits(step->world->m->fs.store);
    int ret = mount_fsync(step->world->m, inode, chance(step, 2));
    mount_put(step->world->m, inode);
    if (ret < 0)
        return failed_node(step->world, node, "fsync", ret);
    model_is_durable(node);
    if (store_commits(step->world->m->fs.store) == step->world->durable_commits)
        return moments_add(step->world, node);
    /* The log came after a commit for want of space, in the middle of some operation. */
    if (store_commits(step->world->m->fs.store) == commits)
        return world_sync(step->world);
    world_set_durable(step->world);
    return 0;
}

static int op_background(struct step *step)
{
    bool idle;

    told(step->world, "background step\n");
    int ret = mount_background_step(step->world->m, &idle);
    return ret < 0 ? wrong(step->world, "background step: %d: %s", ret, fail_message()) : 0;
}

static int op_reopen(struct step *step)
{
    if (step->world->before_crash)
        return world_sync(step->world);
    told(step->world, "reopen\n");
    return world_reopen(step->world);
}

static int op_crash(struct step *step)
{
    if (step->world->before_crash)
        return world_sync(step->world);
    told(step->world, "crash\n");
    return world_crash(step->world);
}

struct choice {
    op_fn *fn;
    unsigned weight;
};

static const struct choice table[] = {
    {op_create, 60},
    {op_mkdir, 20},
    {op_mknod, 5},
    {op_symlink, 10},
    {op_tmpfile, 8},
    {op_link, 25},
    {op_unlink, 40},
    {op_rmdir, 8},
    {op_rename, 50},
    {op_burst, 6},
    {op_purge, 4},
    {op_hold, 15},
    {op_release, 10},
    {op_write, 110},
    {op_append, 40},
    {op_write_big, 8},
    {op_truncate, 40},
    {op_fallocate, 60},
    {op_clone, 50},
    {op_read, 30},
    {op_seek, 20},
    {op_extents, 10},
    {op_writeback, 30},
    {op_chmod, 10},
    {op_chown, 10},
    {op_times, 5},
    {op_xattr_set, 30},
    {op_xattr_remove, 15},
    {op_flags, 8},
    {op_compression, 20},
    {op_readdir, 10},
    {op_sync, 30},
    {op_fsync, 20},
    {op_fill, 8},
    {op_many_links, 5},
    {op_background, 10},
    {op_reopen, 8},
    {op_crash, 8},
    {op_shift, 30},
    {op_dedupe, 40},
    {op_reclaim, 15},
    {op_write_prepared, 30},
    {op_snapshot, 25},
    {op_drop_step, 10},
    {op_snapshot_drop, 15},
    {op_snapshot_enter, 4},
    {op_snapshots_compare, 4},
};

/* Where there is no space: what takes it, what gives it back, and what makes it durable. */
static const struct choice full_table[] = {
    {op_create, 40},   {op_mkdir, 10},      {op_symlink, 5},        {op_tmpfile, 5},
    {op_link, 10},     {op_unlink, 60},     {op_rename, 20},        {op_burst, 10},
    {op_purge, 5},     {op_hold, 10},       {op_release, 10},       {op_write, 150},
    {op_append, 50},   {op_write_big, 40},  {op_truncate, 50},      {op_fallocate, 90},
    {op_shift, 20},    {op_clone, 90},      {op_read, 10},          {op_writeback, 40},
    {op_flags, 8},     {op_xattr_set, 30},  {op_compression, 10},   {op_sync, 30},
    {op_fsync, 60},    {op_background, 10}, {op_many_links, 5},     {op_reopen, 3},
    {op_crash, 3},     {op_dedupe, 30},     {op_reclaim, 5},        {op_write_prepared, 60},
    {op_snapshot, 30}, {op_drop_step, 15},  {op_snapshot_drop, 25}, {op_snapshot_enter, 3},
};

/* The numbers of operations mean the same on every run of a seed, whatever they find. */
static op_fn *choose(struct step *step, const struct choice *choices, size_t count)
{
    unsigned total = 0;

    for (size_t i = 0; i < count; i++)
        total += choices[i].weight;
    uint64_t at = pick(step, total);
    for (size_t i = 0;; i++) {
        if (at < choices[i].weight)
            return choices[i].fn;
        at -= choices[i].weight;
    }
}

int op_run(struct world *world, uint64_t op_seed)
{
    struct step step = {.world = world};

    rng_seed(&step.rng, op_seed);
    for (size_t i = 0; i < world->now.count; i++)
        world->now.nodes[i]->has_stat = false;
    if (world->before_crash && chance(&step, 6))
        return chance(&step, 4) ? op_sync(&step) : op_fsync(&step);
    if (world->config.full && full_top_up(&step) < 0)
        return -1;
    op_fn *fn = world->config.full ? choose(&step, full_table, ARRAY_LEN(full_table))
                                   : choose(&step, table, ARRAY_LEN(table));
    return fn(&step) < 0 ? -1 : 0;
}
