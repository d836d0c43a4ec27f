// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reclaim: space that no file reaches any more, in extents that are still in use in part, is given
 * back by splitting them (promise 11). Where something was dropped is remembered in memory;
 * what is worth it is split before a commit that somebody waits for or that is due, everything
 * else before a file system is called full, or when asked for.
 *
 * What is freed can be used after the next commit.
 */
#ifndef COPSE_FS_FILE_RECLAIM_H
#define COPSE_FS_FILE_RECLAIM_H

#include "fs/inode/inode.h"

struct reclaim;

int reclaim_new(struct reclaim **out) MUST_USE;
void reclaim_free(struct reclaim *reclaim);

/* A part of this extent is mapped no more. Within store_begin. */
void reclaim_note(struct fs *fs, uint64_t bytenr, uint64_t num_bytes);

/* All of these take the metadata lock themselves. *freed: bytes. */

/* Splits what has been noted since the last time and frees much. Damage that it meets is noted and
 * left alone: nobody asked for this. */
void files_reclaim_noted(struct fs *fs);
/*
 * Before anyone is told ENOSPC (or EDQUOT): everything that might free something, and commits when
 * it did. Looks again only when something was dropped since it found nothing.
 */
int files_reclaim_for_space(struct fs *fs, uint64_t *freed) MUST_USE;
/* Everything; of one tree; of one file. */
int files_reclaim_all(struct fs *fs, uint64_t *freed) MUST_USE;
int files_reclaim_tree(struct fs *fs, struct tree_handle *tree, uint64_t *freed) MUST_USE;
int file_reclaim(struct inode *inode, uint64_t *freed) MUST_USE;

#endif
