// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Clients that work in one file system at the same time, and what goes on beside them. What a
 * client has for itself is compared with what it knows; what all share must hold blocks that
 * somebody wrote whole.
 */
#ifndef COPSE_TESTS_STRESS_H
#define COPSE_TESTS_STRESS_H

#include <copse/copse.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/env.h"

#define CLIENTS 16
#define OWN_FILES 4
#define BLOCKS 48
#define BLOCK 4096
#define SHARED_FILES 3

struct stress {
    copse_fs *fs;
    copse_node *work;    /* root of the subvolume that all work in */
    copse_node *top;     /* where its snapshots are */
    copse_node *dirs[2]; /* in work, for everybody's names */
    copse_node *shared[SHARED_FILES];
    uint64_t seed;
    unsigned ops;     /* of one client */
    unsigned running; /* clients that have not ended */
    uint64_t done;    /* operations */
    uint64_t sent, snapshots;
    bool quotas;
    pthread_mutex_t lock; /* of error */
    char error[1024];     /* the first; ends everybody */
};

struct client {
    struct stress *s;
    unsigned id;
    struct rng rng;
    pthread_t thread;
    copse_node *dir;
    copse_node *own[OWN_FILES];
    uint8_t known[OWN_FILES][BLOCKS]; /* what every byte of a block of it is */
    const char *doing;
};

/* The first thing that went wrong, with copse_error() where ret < 0. */
void stress_fail(struct stress *s, const char *what, int ret);
bool stress_failed(struct stress *s);

/* A name in a directory; NULL after stress_fail. */
copse_node *stress_make(struct stress *s, copse_node *dir, const char *name, uint32_t mode);

void client_begin(struct client *c);
void *client_run(void *arg);
/* Whether the files of its own are what it knows: after reopening. */
void client_check(struct client *c);
void client_end(struct client *c);

/* Snapshots, sent and deleted again, until no client runs. */
void *beside_snapshots(void *arg);
/* Syncs, reclaims, looks at counters and groups. */
void *beside_syncs(void *arg);

#endif
