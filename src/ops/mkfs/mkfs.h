// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mkfs: makes a file system on one device.
 *
 * The trees are built with the engine's own B-trees over a volume that has nothing but a plan of
 * its chunks; a simple allocator stands in for the extent tree until the extent tree is written.
 * Uuids come from env_random and times from env_now, so the same env makes the same bytes.
 */
#ifndef COPSE_OPS_MKFS_MKFS_H
#define COPSE_OPS_MKFS_MKFS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "disk/csum/csum.h"
#include "disk/dev/dev.h"
#include "disk/format/format.h"

/* ---- features -------------------------------------------------------------------------------- */

/* Masks, for the two sets in mkfs_options. */
#define MKFS_MIXED_BG (1U << 0)
#define MKFS_EXTREF (1U << 1)
#define MKFS_SKINNY_METADATA (1U << 2)
#define MKFS_NO_HOLES (1U << 3)
#define MKFS_FREE_SPACE_TREE (1U << 4)
#define MKFS_BLOCK_GROUP_TREE (1U << 5)
#define MKFS_QUOTA (1U << 6)
#define MKFS_SIMPLE_QUOTA (1U << 7)
#define MKFS_FEATURES_DEFAULT                                                                      \
    (MKFS_EXTREF | MKFS_SKINNY_METADATA | MKFS_NO_HOLES | MKFS_FREE_SPACE_TREE |                   \
     MKFS_BLOCK_GROUP_TREE)

struct mkfs_feature {
    const char *name;
    const char *alias; /* or NULL */
    uint32_t bit;      /* 0: known by name and not supported here */
    const char *what;  /* one line for `-O list-all` */
};

/* Ended by a row whose name is NULL. */
extern const struct mkfs_feature mkfs_features[];

enum mkfs_profile { MKFS_PROFILE_DEFAULT, MKFS_PROFILE_SINGLE, MKFS_PROFILE_DUP };

/* "single", "dup". -EOPNOTSUPP for a RAID profile, -EINVAL for anything else. */
int mkfs_profile_parse(const char *name, enum mkfs_profile *out) MUST_USE;

/* ---- options --------------------------------------------------------------------------------- */

struct mkfs_options {
    bool force;              /* -f: over an existing file system */
    bool no_discard;         /* -K: leave old contents of free space where they are */
    uint64_t size;           /* -b, bytes; 0: the whole device */
    const char *label;       /* -L; NULL: none */
    struct uuid fsid;        /* -U; zero: random */
    struct uuid device_uuid; /* --device-uuid; zero: random */
    uint32_t nodesize;       /* -n; 0: 16 KiB, or the sector size if that is larger */
    uint32_t sectorsize;     /* -s; 0: 4 KiB */
    enum csum_type csum;     /* --csum */
    enum mkfs_profile data;  /* -d */
    enum mkfs_profile meta;  /* -m */
    uint32_t features_on;    /* asked for by -O, -R, -M */
    uint32_t features_off;   /* asked away by ^name */
};

#define MKFS_OPTIONS_INIT ((struct mkfs_options){.csum = CSUM_CRC32C})

/*
 * Takes in the argument of -O or -R: names separated by commas, ^name turns one off, and of two
 * mentions the later counts. -EINVAL names what is unknown, -EOPNOTSUPP what cannot be had here.
 */
int mkfs_features_parse(const char *list, struct mkfs_options *options) MUST_USE;

/* ---- making ---------------------------------------------------------------------------------- */

#define MKFS_CHUNKS_MAX 3

/* What was made, for the summary that mkfs prints. */
struct mkfs_summary {
    struct uuid fsid;
    struct uuid device_uuid;
    uint32_t nodesize;
    uint32_t sectorsize;
    enum csum_type csum;
    uint64_t total_bytes;
    uint32_t features; /* MKFS_* */
    unsigned chunk_count;
    struct {
        uint64_t type;   /* BG_* */
        uint64_t length; /* logical bytes */
    } chunks[MKFS_CHUNKS_MAX];
};

/*
 * Makes a file system on dev, which stays the caller's. *out may be NULL.
 *
 * -EINVAL: options that do not go together, or the device is too small (the message says how large
 * it must be). -EEXIST: something is there already and force was not given. Until the options and
 * the device have been found good no byte is changed; after that the old contents are gone, also
 * when it fails.
 */
int mkfs_run(struct env *env, struct dev *dev, const struct mkfs_options *options,
             struct mkfs_summary *out) MUST_USE;

#endif
