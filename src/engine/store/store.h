// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * store: one open file system below the level of files. Opens the trees, runs transactions, and
 * holds the commit order in commit.c.
 *
 * The metadata lock lives here: store_read_* shares it, store_begin takes it alone. Nothing slow
 * happens under it but tree I/O.
 */
#ifndef COPSE_ENGINE_STORE_STORE_H
#define COPSE_ENGINE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/csums/csums.h"
#include "engine/extent/extent.h"
#include "engine/qgroup/qgroup.h"
#include "engine/root/root.h"
#include "engine/space/space.h"
#include "engine/txn/txn.h"

struct store_options {
    bool readonly;
    uint64_t cache_bytes; /* nodes; 0: 64 MiB */
    bool discard;
    /* What block groups and the free-space tree say is not believed (space_open_for_repair), and
     * chunk items that cannot be are left out. */
    bool repair;
    unsigned rescue; /* enum store_rescue, only with readonly */
};

/* The same numbers as in the public header. */
enum store_rescue {
    STORE_BACKUP_ROOT = 1,
    STORE_NO_LOG = 2,
    STORE_BAD_ROOTS = 4,
    STORE_NO_CHECKSUMS = 8,
};

/* What fs/ does inside a commit. */
struct store_hooks {
    /* Before anything else, metadata lock held: write inode items, pending snapshots ... */
    int (*before_commit)(void *arg);
    /* A quota or the metadata is full: write back, so that what was reserved can be counted; again:
     * that was not enough, give back what nobody reaches. No lock of the store held; those of the
     * inode at work may be. */
    int (*settle)(void *arg, bool again);
    /* Space is short: drops a part of what deleted subvolumes still hold. 1, or 0: there was
     * nothing to drop. As settle. */
    int (*drop_deleted)(void *arg);
    /* A change ends, metadata lock held: what a commit would write anyway, where that takes space
     * that is not promised; small. */
    int (*end_change)(void *arg);
    /* The superblock is durable (err 0), or the transaction is lost. */
    void (*after_commit)(void *arg, int err);
};

struct store {
    struct engine engine;
    struct space *space;
    struct extents *extents;
    struct roots *roots;
    struct qgroups *qgroups;
    /* the rest is private to store */
    struct store_private *priv;
};

/* Takes vol (closed with the store, also on failure). Does not replay a log: fs/fsync does. */
int store_open(struct vol *vol, const struct store_options *options, struct store **out) MUST_USE;
/* Closes without committing. */
void store_close(struct store *store);
void store_set_hooks(struct store *store, const struct store_hooks *hooks, void *arg);

bool store_readonly(const struct store *store);
/* Data is read without asking for checksums. */
bool store_ignores_checksums(const struct store *store);
/* Whether the last durable superblock names a log tree. */
bool store_has_log(const struct store *store);

/* Makes more space out of deleted subvolumes, and commits: 1; or 0, there are none. */
int store_drop_deleted(struct store *store) MUST_USE;

void store_read_lock(struct store *store);
void store_read_unlock(struct store *store);

/* What a change may do, for the metadata promised to it. */
enum store_intent {
    STORE_CREATE,  /* may only use what is free */
    STORE_RELEASE, /* unlink, truncate, delete: may use the global reserve */
    STORE_INTERNAL /* writeback and commit: uses what was promised before */
};

/*
 * Takes the metadata lock alone and promises metadata for `units` changes (a unit: one item in one
 * place of a tree). May commit first to make room. -ENOSPC, -EROFS. End with store_end.
 */
int store_begin(struct store *store, enum store_intent intent, unsigned units) MUST_USE;
void store_end(struct store *store);
/*
 * The same for a change in one subvolume, whose quota groups are asked for the metadata too when it
 * is STORE_CREATE: -EDQUOT.
 */
int store_begin_in(struct store *store, uint64_t tree, enum store_intent intent,
                   unsigned units) MUST_USE;
/*
 * qgroups_enter that settles before it answers -EDQUOT: what is dirty is written back and a commit
 * counts what there really is. Without the lock.
 */
int store_quota_enter(struct store *store, uint64_t tree, uint64_t bytes) MUST_USE;
/* What it does so, a little more each time, up to that often; for who asks in another way. */
#define STORE_SETTLE_TIMES 2
int store_quota_settle(struct store *store, unsigned times_before) MUST_USE;
/* There is something for the next commit, though no change has been begun: an inode item in memory.
 * No lock needed. */
void store_mark_changed(struct store *store);
/*
 * A tree was copied (tree_copy_root) in the running transaction: what it has copied of it so far
 * may have to be copied again. Within store_begin.
 */
void store_shared_tree(struct store *store);
/*
 * The same for changes that store_promise has been given for: `units` of it are used up by this.
 * Never -ENOSPC (promise 1).
 */
int store_begin_promised(struct store *store, unsigned units) MUST_USE;

/*
 * Promises metadata for `units` changes that will come later (dirty data), before the data is
 * accepted; store_unpromise gives them back when done. No lock needed.
 */
int store_promise(struct store *store, unsigned units) MUST_USE;
void store_unpromise(struct store *store, unsigned units);

/* The same for data space; may commit to get pinned space back and creates chunks. */
int store_promise_data(struct store *store, uint64_t bytes) MUST_USE;
void store_unpromise_data(struct store *store, uint64_t bytes);

/* What is promised for later at this moment. */
struct store_promised {
    uint64_t data_bytes;
    uint64_t future_units;
    uint64_t overdrawn; /* metadata taken beyond what was promised, at worst since opening */
};
void store_promised(struct store *store, struct store_promised *out);

/* A commit, durable when it returns 0. Called without the lock. Nothing to commit: returns 0. */
int store_commit(struct store *store) MUST_USE;
/* The same with the lock held by store_begin. */
int store_commit_locked(struct store *store) MUST_USE;

/* The label of the next superblock; within store_begin, at most SUPER_LABEL_MAX - 1 bytes. */
void store_set_label(struct store *store, const char *label);
/* The label as it is now, committed or not; with the lock. */
struct label store_label(const struct store *store);

/* ---- log trees (fs/fsync), with the lock held by store_begin ----------------------------------
 */

/*
 * The tree as the last durable commit has it; it can be read until the next one. -ENOENT: it is not
 * there, or being deleted. *flags: ROOT_SUBVOL_*.
 */
int store_durable_tree(struct store *store, uint64_t id, struct root *out,
                       uint64_t *flags) MUST_USE;
/* Whether a crash now, with a log tree, would find all that the log may name or need: no chunk is
 * new, no feature has come into use since the last commit. */
bool store_log_possible(const struct store *store);
/*
 * Promises metadata for so many bytes of log blocks, beside all that is promised already. -EAGAIN,
 * -ENOSPC: a full commit it is. Given back with store_log_unpromise.
 */
int store_log_promise(struct store *store, uint64_t bytes) MUST_USE;
void store_log_unpromise(struct store *store, uint64_t bytes);
/*
 * Writes the log trees. When this returns 0, store_finish_log must follow, after store_end; until
 * then no superblock is written.
 */
int store_write_log(struct store *store, const struct root *log_roots) MUST_USE;
/*
 * Without the lock: writes the last durable superblock again, with the root of log roots in it.
 * Everything written before store_write_log, data too, is durable when this returns 0. When it
 * fails the transaction is lost.
 */
int store_finish_log(struct store *store) MUST_USE;
/* Returns when no log commit is under way; with the lock, so that none begins. */
void store_wait_log(struct store *store);
/* Nothing new is in the log trees: what was written is durable when this returns 0. As
 * store_finish_log. */
int store_flush(struct store *store) MUST_USE;
/* Whether there is anything for a commit. No lock needed. */
bool store_is_changed(const struct store *store);

/* Counts finished commits. */
uint64_t store_commits(const struct store *store);

#endif
