// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_ENGINE_STORE_INTERNAL_H
#define COPSE_ENGINE_STORE_INTERNAL_H

#include <pthread.h>

#include "engine/extent/sharing.h"
#include "engine/store/store.h"

/*
 * How much metadata is promised. See reserve.c for the bound that the numbers feed.
 */
struct reserve {
    pthread_mutex_t lock;
    uint64_t txn_units;      /* changes begun in the running transaction */
    uint64_t running_units;  /* of the change that has the metadata lock now */
    uint64_t future_units;   /* changes promised for dirty data */
    uint64_t pending_heads;  /* delayed references when the last change ended */
    uint64_t shared_heads;   /* those made by copying what a snapshot shares */
    uint64_t nodes_at_start; /* bytes of nodes when the transaction began */
    uint64_t copied;         /* bytes of nodes copied, when last looked at */
    uint64_t copied_at_start;
    uint64_t held; /* bytes promised to engine/space now */

    /* Since reserve_measure_from. */
    uint64_t taken_before, held_before;
    uint64_t overdrawn; /* by how much more was taken than promised, at worst */
};

struct store_private {
    pthread_rwlock_t meta;
    /* From the first flush that a superblock needs until it and its copies are written. Taken with
     * the metadata lock held; a log commit keeps it when it gives that back. */
    pthread_mutex_t durable_lock;
    struct super log_super; /* under durable_lock: of the log commit under way */
    struct reserve reserve;
    struct store_hooks hooks;
    void *hooks_arg;
    uint64_t door_tree, door_bytes; /* what the change now running asked quotas for */
    bool readonly;
    bool repair;
    unsigned rescue; /* enum store_rescue */
    bool changed;    /* something was begun, or marked, since the last commit; atomic */
    bool uuid_tree_current;
    bool first_commit_done;
    bool log_waits;    /* the superblock names a log tree that was not replayed yet */
    bool read_durable; /* trees of the last commit were read in the running transaction */
    uint64_t commits;
    bool new_label;
    struct label label; /* with new_label */
};

void reserve_init(struct store *store);
void reserve_destroy(struct store *store);
/* A new transaction begins: nothing of it is used yet. */
void reserve_restart(struct store *store);
/* Promises for more changes; -ENOSPC, or -EAGAIN when a commit would help. */
int reserve_more(struct store *store, unsigned txn_units, unsigned future_units,
                 bool use_reserve) MUST_USE;
void reserve_less_future(struct store *store, unsigned units);
/* Whether more may be copied than is promised, so that a commit comes before the next change. */
bool reserve_is_short(struct store *store);
/* Changes that were promised for later begin now. */
void reserve_begin_future(struct store *store, unsigned units);
/*
 * With mixed block groups nodes are not counted apart from data, and a promise is far too large on
 * a full file system. Counts them, right after a commit.
 */
int reserve_count_nodes(struct store *store) MUST_USE;
/* All nodes there are may be copied once more. */
void reserve_shared_tree(struct store *store);
/* What is taken from here on, until reserve_measure, is compared with what is promised here. */
void reserve_measure_from(struct store *store);
void reserve_measure(struct store *store);
/* The end of a change: measures, too; what was allocated since no longer needs a promise. */
void reserve_settle(struct store *store);

/* trees.c; their argument is a store */
extern const struct extent_trees store_trees;

/* open.c */
int store_load(struct store *store) MUST_USE;

#endif
