// SPDX-License-Identifier: GPL-2.0-or-later
/* What cloning and deduplicating share: two files, and mapping a range of one into the other. */
#ifndef COPSE_FS_FILE_REMAP_H
#define COPSE_FS_FILE_REMAP_H

#include "fs/file/internal.h"

struct file_pair {
    struct inode *first, *second; /* in the order of locking; may be the same */
};

/* inode->lock of both, alone. */
struct file_pair pair_lock(struct inode *a, struct inode *b);
void pair_unlock(const struct file_pair *pair);
struct clone {
    struct inode *src, *dst;
    struct file_state *src_file, *dst_file;
    uint64_t src_start, dst_start;
    uint64_t len;  /* bytes */
    uint64_t span; /* the same, out to sectors */
};

/* Holds the ranges of both, which have a state (file_state_get), and are locked. */
void pair_hold(const struct file_pair *pair, const struct clone *clone);
void pair_unhold(const struct file_pair *pair);

/* Both are regular files of one file system: -EISDIR, -EINVAL, -EXDEV. */
int clone_check_kinds(const struct inode *src, const struct inode *dst) MUST_USE;
/* Writes back what is dirty in a range that is to be shared, counts it, and leaves the rest. */
int write_before_sharing(struct file_state *file, uint64_t start, uint64_t len) MUST_USE;
/* Maps the range of src into dst. Both are locked and held, nothing of the ranges is dirty. */
int clone_mapped(struct clone *clone) MUST_USE;

#endif
