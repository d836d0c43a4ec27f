// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of this module share. */
#ifndef COPSE_OPS_MKFS_INTERNAL_H
#define COPSE_OPS_MKFS_INTERNAL_H

#include <time.h>

#include "base/rangeset.h"
#include "disk/vol/vol.h"
#include "engine/tree/tree.h"
#include "ops/mkfs/mkfs.h"

/* For the %llu of messages. */
#define LLU(v) ((unsigned long long)(v))

/* A new file system has seen one transaction. */
#define MKFS_GENERATION 1

/* ---- plan: everything decided before the first byte is written ----------------------------------
 */

struct plan {
    uint32_t nodesize;
    uint32_t sectorsize;
    enum csum_type csum;
    uint32_t features;
    uint64_t total_bytes;
    const char *label;
    struct uuid fsid;
    struct uuid device_uuid;
    struct uuid chunk_tree_uuid;
    struct uuid subvol_uuid; /* of the top-level subvolume */
    struct timespec now;
    unsigned chunk_count;
    struct chunk_map chunks[MKFS_CHUNKS_MAX];
    uint64_t device_used; /* in device extents */
};

/* Checks the options against each other and the device. */
int plan_make(struct env *env, const struct dev *dev, const struct mkfs_options *options,
              struct plan *out) MUST_USE;

/* Places the chunks; -EINVAL when the device is too small. */
int plan_chunks(struct plan *plan, const char *label, uint64_t meta_profile,
                uint64_t data_profile) MUST_USE;

static inline bool plan_has(const struct plan *plan, uint32_t feature)
{
    return plan->features & feature;
}

/* The superblock, as far as the plan knows it: without roots and bytes_used. */
struct super plan_super(const struct plan *plan);

/* ---- bootstrap: blocks for the trees before there is an extent tree -----------------------------
 */

/* A tree block that was handed out. */
struct block {
    uint64_t bytenr;
    uint64_t root;
    struct key first_key;
    uint8_t level;
    bool live;   /* false: given back */
    bool listed; /* stands in the extent tree */
};

struct bootstrap {
    struct vol *vol;
    struct block *blocks;
    size_t count;
    size_t room;
    uint64_t changes; /* blocks taken and given back so far */
};

extern const struct forest_backing bootstrap_backing; /* ctx: a struct bootstrap */
void bootstrap_release(struct bootstrap *bootstrap);

/* ---- maker: the file system in the making
 * -------------------------------------------------------- */

enum tree_index {
    T_ROOT,
    T_EXTENT,
    T_CHUNK,
    T_DEV,
    T_FS,
    T_CSUM,
    T_UUID,
    T_QUOTA,
    T_FREE_SPACE,
    T_BLOCK_GROUP,
    T_DATA_RELOC,
    TREES
};

struct maker {
    struct plan plan;
    struct vol *vol;
    struct forest *forest;
    struct bootstrap bootstrap;
    struct root roots[TREES];
    struct rangeset listed_free[MKFS_CHUNKS_MAX]; /* what the free space tree says */
};

/* Whether the plan has this tree. */
bool maker_has_tree(const struct maker *maker, enum tree_index tree);

/* The items that do not depend on where blocks lie. */
int trees_fill(struct maker *maker) MUST_USE;
/* Root items, as the roots are now. */
int trees_write_root_items(struct maker *maker) MUST_USE;

/*
 * Extent items, block group items and the free space tree, until they agree with the blocks that
 * writing them takes, and the root items with where the trees are then.
 */
int space_settle(struct maker *maker) MUST_USE;
/* Bytes of tree blocks in use. */
uint64_t space_bytes_used(const struct maker *maker);

/* ---- wipe: what was there before
 * -------------------------------------------------------------------- */

/* -EEXIST when the device holds something that has a name. */
int wipe_refuse(struct dev *dev) MUST_USE;

/* Removes old contents of [0, size) and all old signatures and superblocks of the device. */
int wipe_device(struct dev *dev, uint64_t size, bool discard) MUST_USE;

#endif
