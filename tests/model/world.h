// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A run: a file system on a memory device, the model beside it, and what is known to be durable.
 *
 * Functions that compare return 0, or -1 after wrong() has said what differs. Everything follows
 * from the seed of the run and the list of operations.
 */
#ifndef COPSE_TESTS_MODEL_WORLD_H
#define COPSE_TESTS_MODEL_WORLD_H

#include <stdio.h>

#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"
#include "tests/model/model.h"

#define WORLD_HELD 4

/* What a seed decides about the file system. */
struct config {
    struct mkfs_options mkfs;
    uint64_t device_bytes;
    uint64_t cache_bytes;
    bool tight;      /* -ENOSPC may be answered */
    bool many_names; /* directories grow */
    bool nodatacow;
    bool subvols; /* the run works in a subvolume, and makes snapshots of it */
    bool full;    /* tight, and kept all but full */
    uint64_t far; /* offsets reach so far, now and then */
    char text[256];
};

/* A snapshot that was made of the file system, and what is in it. */
struct snap {
    unsigned refs;
    char name[16]; /* in the top level */
    uint64_t id;
    bool readonly;
    struct model model;
};

struct snaps {
    struct snap **list;
    size_t count, cap;
};

struct world {
    uint64_t seed;
    struct config config;
    struct env *env;
    struct dev *disk;     /* memory; outlives every open */
    struct dev *recorder; /* in front of it, or NULL */
    struct dev *start;    /* with a recorder: the device before its first entry */
    struct mount *m;
    struct model now;
    struct model durable; /* what a crash must bring back */
    uint64_t durable_commits;
    struct moments {
        struct model **list; /* the last commit, and what was fsynced into a log since */
        size_t count, cap;
    } moments;
    struct snaps snaps, durable_snaps; /* with config.subvols */
    uint64_t root_id;                  /* the subvolume that is worked in; 0: the default one */
    char root_name[16];
    unsigned subvols_made;
    struct held {
        struct mnode *node; /* NULL: free */
        struct inode *inode;
    } held[WORLD_HELD];
    FILE *trace;      /* NULL, or where operations are told */
    bool after_crash; /* compare: uncertain content is taken over */
    char error[4096];
    /* For the crash explorer: no reopening and crashing on the way, and who hears of promises. */
    bool before_crash;
    void (*on_durable)(struct world *world);
    void (*on_logged)(struct world *world); /* moments has one more */
    void *arg;
};

void config_choose(struct config *config, uint64_t seed);
/* One of the small file systems that are kept full. */
void config_choose_full(struct config *config, uint64_t seed);

/* On what world->config says. */
int world_start(struct world *world, uint64_t seed, bool record) MUST_USE;
void world_end(struct world *world);
/* The same, and leaves start and recorder to the caller. */
void world_leave(struct world *world);

/* Says what is wrong; returns -1. The first one counts. */
int wrong(struct world *world, const char *fmt, ...) PRINTF_LIKE(2, 3);
void told(struct world *world, const char *fmt, ...) PRINTF_LIKE(2, 3);

int world_open(struct world *world, bool readonly) MUST_USE;
/* Everything is durable afterwards. */
int world_sync(struct world *world) MUST_USE;
int world_close(struct world *world) MUST_USE;
/* Closes, opens, compares. */
int world_reopen(struct world *world) MUST_USE;
/* Drops what is not durable, opens, compares with what was. */
int world_crash(struct world *world) MUST_USE;
/* What the model says now survives a crash; content of uncertain files may be older. */
void world_set_durable(struct world *world);
void world_release_all(struct world *world);

/* The inode of a node. Put with mount_put. */
int world_inode(struct world *world, struct mnode *node, struct inode **out) MUST_USE;

/* ops_subvol.c: the subvolume to work in, of a fresh file system. */
int world_start_subvol(struct world *world) MUST_USE;
void snaps_copy(struct snaps *dst, const struct snaps *src);
void snaps_free(struct snaps *snaps);
/* All snapshots are there and have in them what they should. */
int snaps_compare(struct world *world) MUST_USE;

/* ops.c */
int op_run(struct world *world, uint64_t op_seed) MUST_USE;

#endif
