// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * undo: a wrapper that keeps what it overwrites, so that all of it can be taken back.
 *
 * Before a byte of the device below changes for the first time, the old bytes are durable in the
 * undo file; README.md says how the file is laid out. So a crash at any moment leaves a device and
 * a file that together give back what was there.
 */
#ifndef COPSE_DISK_DEV_UNDO_H
#define COPSE_DISK_DEV_UNDO_H

#include "disk/dev/dev.h"

#define UNDO_FSID_SIZE 16

/*
 * Writes are kept in memory until dev_flush, or until they are many; discards are left out. The
 * file is made by the first write that reaches the device, never before: -EEXIST where there is one
 * already. fsid: of the file system on the device, so that an undo file is not taken for another's.
 * NULL when out of memory; `lower` is then still the caller's.
 */
struct dev *dev_undo_new(struct dev *lower, const char *path, const uint8_t fsid[UNDO_FSID_SIZE]);
/* Whether the undo file was made: something was, or was about to be, written. */
bool dev_undo_begun(struct dev *dev);

struct undo_info {
    uint64_t device_size;
    uint8_t fsid[UNDO_FSID_SIZE];
    uint64_t records, bytes; /* of old contents */
};
/* Looks at an undo file, all of it. -EINVAL: it is none; -EUCLEAN: it is cut off or damaged. */
int undo_look(const char *path, struct undo_info *out) MUST_USE;
/*
 * Writes what was there before, and flushes. Nothing is written unless the whole file is sound and
 * the device has the size that it had. May be repeated.
 */
int undo_apply(const char *path, struct dev *dev) MUST_USE;

#endif
