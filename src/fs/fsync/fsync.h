// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fsync: the log tree, in Linux's format. fsync writes one instead of a full commit where it can;
 * what a crash left behind, Linux's or our own, is replayed, with the result that Linux's own
 * replay gives. README.md says what is logged when.
 */
#ifndef COPSE_FS_FSYNC_FSYNC_H
#define COPSE_FS_FSYNC_FSYNC_H

#include "fs/file/file.h"

/*
 * Replays the log tree that the superblock names and commits. The file system is writable and
 * nothing has been changed since it was opened. On failure nothing is durable and the caller must
 * not go on writing. -EUCLEAN, -EIO: the log is damaged, and what it says is named.
 */
int fsync_replay(struct fs *fs) MUST_USE;

int fsync_init(struct fs *fs) MUST_USE;
void fsync_release(struct fs *fs);

/*
 * What of the inode has been written back, its attributes and its names are durable when this
 * returns 0; of a directory, its entries and what they name. Without a lock. An error is that of
 * the commit.
 */
int fsync_inode(struct inode *inode) MUST_USE;

/* Within a commit: it brings all that logs were to bring. */
int fsync_before_commit(struct fs *fs) MUST_USE;

struct fsync_counters {
    uint64_t logged;  /* log commits */
    uint64_t commits; /* fsyncs that became commits */
    uint64_t shared;  /* fsyncs served together with another one */
};
void fsync_counters(const struct fs *fs, struct fsync_counters *out);

#endif
