// SPDX-License-Identifier: GPL-2.0-or-later
/* subvol: subvolumes by id, path and node: listing, default, inode numbers across subvolumes. */
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
