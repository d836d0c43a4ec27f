// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * subvol: subvolumes by id, path and node: making, snapshotting, deleting, default, inode numbers
 * across subvolumes.
 */
#ifndef COPSE_FS_SUBVOL_SUBVOL_H
#define COPSE_FS_SUBVOL_SUBVOL_H

#include "fs/inode/inode.h"

/* Metadata lock held in all of these. */

int subvol_get_default(struct fs *fs, uint64_t *id) MUST_USE;
/* Within store_begin. -ENOENT. */
int subvol_set_default(struct fs *fs, uint64_t id) MUST_USE;

/* Path of a subvolume from the top level, "" for the top level; to be freed. -ENOENT: deleted;
 * -EUCLEAN: the parents form a loop. */
int subvol_path(struct fs *fs, uint64_t id, char **out) MUST_USE;

/* ---- making ---------------------------------------------------------------------------------- */

struct subvol_name {
    const void *text;
    uint16_t len;
    const struct qgroup_inherit *inherit; /* of a new one; NULL: no quota groups asked for */
};

/* Changes of tree items that subvol_create makes at most, for store_begin; and subvol_snapshot. */
#define SUBVOL_CREATE_UNITS 24
unsigned subvol_snapshot_units(const struct tree_handle *src);

/*
 * A new empty subvolume under that name in dir; its root directory has the mode and owners of
 * `what`. Within store_begin. -EEXIST, -EOVERFLOW leave nothing behind.
 */
int subvol_create(struct inode *dir, const struct subvol_name *name, const struct inode_new *what,
                  struct tree_handle **out) MUST_USE;
/*
 * A snapshot of src as it is now: what is dirty in its files must have been written back, its inode
 * items are written here. Costs the same whatever is in it. Within store_begin.
 */
int subvol_snapshot(struct tree_handle *src, struct inode *dir, const struct subvol_name *name,
                    bool readonly, struct tree_handle **out) MUST_USE;

/* ---- flags and history ----------------------------------------------------------------------- */

/*
 * Read-only or not. One that was received and becomes writable is no longer what was received:
 * -EPERM, unless drop_received says that it shall forget that. Within store_begin, with nothing
 * dirty in its files (files_quiesce).
 */
int subvol_set_readonly(struct fs *fs, struct tree_handle *tree, bool readonly,
                        bool drop_received) MUST_USE;

/*
 * A send reads the subvolume from now on: until the matching end it can neither become writable nor
 * be deleted (-EPERM), nor be deduplicated into (-EAGAIN). -EPERM: it is not read-only. Both take
 * the metadata lock.
 */
int subvol_send_begin(struct fs *fs, struct tree_handle *tree) MUST_USE;
void subvol_send_end(struct fs *fs, struct tree_handle *tree);

struct subvol_received {
    struct uuid uuid; /* of the subvolume it was received from; null: it was not */
    uint64_t stransid;
    struct timestamp stime;
};
/* What it is a copy of; when is noted. Within store_begin. */
int subvol_set_received(struct fs *fs, struct tree_handle *tree,
                        const struct subvol_received *received) MUST_USE;

/* ---- deleting -------------------------------------------------------------------------------- */

/* Changes that subvol_unlink makes at most besides inode items; and subvol_undelete. */
#define SUBVOL_DELETE_UNITS 12

/* -EPERM: the default one; -EINVAL: the top level; -ENOTEMPTY: others are nested in it. */
int subvol_may_delete(struct fs *fs, const struct tree_handle *tree) MUST_USE;
/*
 * Removes the name (of tree, in dir) and leaves the rest to subvol_drop_step. Handles of what is in
 * it are stale from now on; its dirty data must be held (files_hold_tree), and forgotten after.
 * Within store_begin.
 */
int subvol_unlink(struct inode *dir, const struct subvol_name *name,
                  struct tree_handle *tree) MUST_USE;
/* Gives a deleted subvolume a name again. -ENOENT: some of it is gone already. Within store_begin.
 */
int subvol_undelete(struct inode *dir, const struct subvol_name *name, uint64_t id,
                    struct tree_handle **out) MUST_USE;

/* Finds what was deleted before the file system was opened. Metadata lock held. */
int subvol_find_dead(struct fs *fs) MUST_USE;
/* How many deleted subvolumes wait for their end. No lock needed. */
unsigned subvol_count_dead(struct fs *fs);
/*
 * Drops a bounded part of one whose deletion is durable. *more: there is more to be done now. Takes
 * the metadata lock. An error is that of one subvolume, which is left alone from then on, or
 * -ENOSPC.
 */
int subvol_drop_step(struct fs *fs, bool *more) MUST_USE;

int subvol_dead_init(struct fs *fs) MUST_USE;
void subvol_dead_release(struct fs *fs);

/* ---- numbers --------------------------------------------------------------------------------- */

/*
 * One number for (subvolume, inode) that never collides within this file system, is the same in
 * every open of it as long as the subvolume id is below 2^23 and the inode number below 2^40, and
 * equals the inode number in the top level. Numbers that do not fit get one from a table, stable
 * while the file system is open.
 */
uint64_t subvol_ino(struct fs *fs, uint64_t subvol, uint64_t ino);

int subvols_init(struct fs *fs) MUST_USE;
void subvols_release(struct fs *fs);

#endif
