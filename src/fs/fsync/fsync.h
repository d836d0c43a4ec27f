// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fsync: the log tree. Replays one that a crash left behind, Linux's or our own, with the result
 * that Linux's own replay gives.
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

#endif
