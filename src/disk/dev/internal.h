// SPDX-License-Identifier: GPL-2.0-or-later
/* What the devices of this module share. */
#ifndef COPSE_DISK_DEV_INTERNAL_H
#define COPSE_DISK_DEV_INTERNAL_H

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "disk/dev/dev.h"

/* Fills the common part; false when out of memory for the copy of the label. */
bool dev_init(struct dev *dev, const struct dev_ops *ops, uint64_t size, bool readonly,
              const char *label) MUST_USE;
void dev_fini(struct dev *dev);

static inline void cleanup_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static inline void cleanup_stdio(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* Whether two stat results mean the same file or the same block device. */
static inline bool same_file(const struct stat *a, const struct stat *b)
{
    if (S_ISBLK(a->st_mode) || S_ISBLK(b->st_mode))
        return S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * Promise 10 among ourselves: locks the open file, exclusively or shared, for as long as the
 * description is open. -EBUSY with the holder in the message.
 */
int owner_lock(int fd, const struct stat *st, bool exclusive, const char *label) MUST_USE;

/* Promise 10 towards the kernel: -EBUSY with the mount point where it can be found. */
int mounted_refuse(const struct stat *st, const char *label) MUST_USE;

#endif
