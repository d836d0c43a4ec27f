// SPDX-License-Identifier: GPL-2.0-or-later
/* What the device held before: refused, or removed so that nobody finds it again. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "disk/vol/signature.h"
#include "ops/mkfs/internal.h"

/* mkfs.btrfs clears as much at both ends, where others keep their superblocks. */
#define WIPE_ENDS (2 * MIB)
#define WIPE_STEP (256 * KIB)

static int refuse(const struct dev *dev, const char *what)
{
    return fail(-EEXIST,
                "%s appears to contain an existing filesystem (%s), use the -f option to force "
                "overwrite",
                dev_label(dev), what);
}

int wipe_refuse(struct dev *dev)
{
    const struct signature *foreign;
    unsigned row = 0;

    if (dev->size >= SUPER_OFFSET + SUPER_SIZE) {
        uint8_t bytes[SUPER_SIZE];

        TRY(dev_read(dev, SUPER_OFFSET, bytes, sizeof(bytes)));
        if (le64_get(((const disk_super *)(const void *)bytes)->magic) == SUPER_MAGIC)
            return refuse(dev, "btrfs");
    }
    TRY(signature_find(dev, &row, &foreign));
    return foreign ? refuse(dev, foreign->name) : 0;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* Zeroes what is not zero yet: holes of a sparse file stay holes. */
static int zero_range(struct dev *dev, uint64_t from, uint64_t to)
{
    AUTO_FREE uint8_t *bytes = malloc(WIPE_STEP);

    if (!bytes)
        return fail(-ENOMEM, "out of memory");
    for (uint64_t at = from; at < to;) {
        size_t len = (size_t)MIN(to - at, WIPE_STEP);

        TRY(dev_read(dev, at, bytes, len));
        if (!all_zero(bytes, len)) {
            memset(bytes, 0, len);
            TRY(dev_write(dev, at, bytes, len));
        }
        at += len;
    }
    return 0;
}

/* Also those behind the new file system's end: they would outlive it. */
static int zero_supers(struct dev *dev)
{
    for (unsigned copy = 0; copy < SUPER_COPIES; copy++)
        if (super_offset(copy) + SUPER_SIZE <= dev->size)
            TRY(zero_range(dev, super_offset(copy), super_offset(copy) + SUPER_SIZE));
    return 0;
}

int wipe_device(struct dev *dev, uint64_t size, bool discard)
{
    TRY(zero_supers(dev));
    TRY(dev_flush(dev));
    if (discard)
        TRY(dev_discard(dev, 0, size));
    TRY(zero_supers(dev)); /* a discarded range may read as anything */
    TRY(zero_range(dev, 0, MIN(WIPE_ENDS, size)));
    return zero_range(dev, size - MIN(WIPE_ENDS, size), size);
}
