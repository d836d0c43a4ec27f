// SPDX-License-Identifier: GPL-2.0-or-later
/* The order of making a file system. */
#include "ops/mkfs/mkfs.h"

#include <string.h>

#include "base/cleanup.h"
#include "ops/mkfs/internal.h"

/* All nodes of an empty file system, many times over. */
#define CACHE_BYTES (16 * MIB)

static const struct {
    uint64_t id;
    bool shareable;
    uint32_t feature; /* the tree exists with it only; 0: always */
} tree_table[TREES] = {
    [T_ROOT] = {TREE_ROOT, false, 0},
    [T_EXTENT] = {TREE_EXTENT, false, 0},
    [T_CHUNK] = {TREE_CHUNK, false, 0},
    [T_DEV] = {TREE_DEV, false, 0},
    [T_FS] = {TREE_FS, true, 0},
    [T_CSUM] = {TREE_CSUM, false, 0},
    [T_UUID] = {TREE_UUID, false, 0},
    [T_QUOTA] = {TREE_QUOTA, false, MKFS_QUOTA | MKFS_SIMPLE_QUOTA},
    [T_FREE_SPACE] = {TREE_FREE_SPACE, false, MKFS_FREE_SPACE_TREE},
    [T_BLOCK_GROUP] = {TREE_BLOCK_GROUP, false, MKFS_BLOCK_GROUP_TREE},
    [T_DATA_RELOC] = {TREE_DATA_RELOC, true, 0},
};

bool maker_has_tree(const struct maker *maker, enum tree_index tree)
{
    return tree_table[tree].feature == 0 || plan_has(&maker->plan, tree_table[tree].feature);
}

static void maker_release(struct maker *maker)
{
    for (unsigned i = 0; i < MKFS_CHUNKS_MAX; i++)
        rangeset_clear(&maker->listed_free[i]);
    if (maker->forest)
        forest_free(maker->forest);
    bootstrap_release(&maker->bootstrap);
    vol_close(maker->vol);
}

/* A volume with the planned chunks on dev, and a forest without trees in it. */
static int set_up(struct env *env, struct dev *dev, struct maker *maker)
{
    struct super super = plan_super(&maker->plan);
    struct forest_options options = {.cache_bytes = CACHE_BYTES};
    struct dev *view = dev_borrow(dev);

    if (!view)
        return fail(-ENOMEM, "out of memory");
    TRY(vol_new(env, view, &super, &maker->vol));
    for (unsigned i = 0; i < maker->plan.chunk_count; i++)
        TRY(vol_add_chunk(maker->vol, &maker->plan.chunks[i]));
    maker->bootstrap.vol = maker->vol;
    TRY(forest_new(maker->vol, &options, &maker->forest));
    forest_set_backing(maker->forest, &bootstrap_backing, &maker->bootstrap);
    forest_set_chunk_tree_uuid(maker->forest, &maker->plan.chunk_tree_uuid);
    forest_set_generation(maker->forest, MKFS_GENERATION);
    return 0;
}

static int create_trees(struct maker *maker)
{
    for (enum tree_index i = 0; i < TREES; i++) {
        maker->roots[i] = (struct root){
            .forest = maker->forest,
            .id = tree_table[i].id,
            .shareable = tree_table[i].shareable,
        };
        if (maker_has_tree(maker, i))
            TRY(root_create(&maker->roots[i]));
    }
    return 0;
}

/* For whoever has to fall back to an older root: there is but this one. */
static void set_backup(const struct maker *maker, struct super *super)
{
    const struct root *roots = maker->roots;
    const struct root *groups =
        maker_has_tree(maker, T_BLOCK_GROUP) ? &roots[T_BLOCK_GROUP] : &roots[T_EXTENT];

    super->backups.r[0] = (struct backup_root){
        .tree_root = roots[T_ROOT].bytenr,
        .tree_root_gen = roots[T_ROOT].generation,
        .tree_root_level = roots[T_ROOT].level,
        .chunk_root = roots[T_CHUNK].bytenr,
        .chunk_root_gen = roots[T_CHUNK].generation,
        .chunk_root_level = roots[T_CHUNK].level,
        .extent_root = groups->bytenr,
        .extent_root_gen = groups->generation,
        .extent_root_level = groups->level,
        .fs_root = roots[T_FS].bytenr,
        .fs_root_gen = roots[T_FS].generation,
        .fs_root_level = roots[T_FS].level,
        .dev_root = roots[T_DEV].bytenr,
        .dev_root_gen = roots[T_DEV].generation,
        .dev_root_level = roots[T_DEV].level,
        .csum_root = roots[T_CSUM].bytenr,
        .csum_root_gen = roots[T_CSUM].generation,
        .csum_root_level = roots[T_CSUM].level,
        .total_bytes = super->total_bytes,
        .bytes_used = super->bytes_used,
        .num_devices = super->num_devices,
    };
}

/* Only now is there a file system: the superblock comes last, when all it names is durable. */
static int write_out(struct maker *maker)
{
    struct super super = *vol_super(maker->vol);

    TRY(forest_write_dirty(maker->forest));
    TRY(vol_flush(maker->vol));
    super.root = maker->roots[T_ROOT].bytenr;
    super.root_level = maker->roots[T_ROOT].level;
    super.chunk_root = maker->roots[T_CHUNK].bytenr;
    super.chunk_root_level = maker->roots[T_CHUNK].level;
    super.bytes_used = space_bytes_used(maker);
    set_backup(maker, &super);
    TRY(vol_fill_system_array(maker->vol, &super));
    TRY(vol_write_supers(maker->vol, &super));
    /* No commit follows that would make the copies durable. */
    return vol_flush(maker->vol);
}

static void summarise(const struct plan *plan, struct mkfs_summary *out)
{
    *out = (struct mkfs_summary){
        .fsid = plan->fsid,
        .device_uuid = plan->device_uuid,
        .nodesize = plan->nodesize,
        .sectorsize = plan->sectorsize,
        .csum = plan->csum,
        .total_bytes = plan->total_bytes,
        .features = plan->features,
        .chunk_count = plan->chunk_count,
    };
    for (unsigned i = 0; i < plan->chunk_count; i++) {
        out->chunks[i].type = plan->chunks[i].type;
        out->chunks[i].length = plan->chunks[i].length;
    }
}

int mkfs_run(struct env *env, struct dev *dev, const struct mkfs_options *options,
             struct mkfs_summary *out)
{
    CLEANUP(maker_release) struct maker maker = {0};

    for (unsigned i = 0; i < MKFS_CHUNKS_MAX; i++)
        rangeset_init(&maker.listed_free[i]);
    TRY(plan_make(env, dev, options, &maker.plan));
    if (!options->force)
        TRY(wipe_refuse(dev));
    TRY(wipe_device(dev, maker.plan.total_bytes, !options->no_discard));
    TRY(set_up(env, dev, &maker));
    TRY(create_trees(&maker));
    TRY(trees_fill(&maker));
    TRY(space_settle(&maker));
    TRY(write_out(&maker));
    if (out)
        summarise(&maker.plan, out);
    return 0;
}
