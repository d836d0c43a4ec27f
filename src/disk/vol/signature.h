// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What else may live on a device: the signatures of other file systems and containers. Used to
 * refuse to format over them, and not to take what was a btrfs once for one that still is.
 */
#ifndef COPSE_DISK_VOL_SIGNATURE_H
#define COPSE_DISK_VOL_SIGNATURE_H

#include <stdint.h>

#include "base/err.h"
#include "disk/dev/dev.h"

struct signature {
    const char *name; /* "ext4" ... as users know it */
    uint64_t offset;  /* of the magic bytes */
    uint8_t len;
    const char *magic;
};

/*
 * The first foreign signature at or after table row *row, which is advanced past it; NULL in *out
 * when there is no more. Start with *row = 0. btrfs itself is not in the table.
 */
int signature_find(struct dev *dev, unsigned *row, const struct signature **out) MUST_USE;

#endif
