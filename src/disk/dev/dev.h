// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Block devices: a small table of functions, so that a file, memory, or a wrapper that records or
 * fails stands in the same place.
 *
 * All of them may be used from several threads at once; overlapping writes are the caller's
 * affair. Offsets and lengths are in bytes and need no alignment.
 */
#ifndef COPSE_DISK_DEV_H
#define COPSE_DISK_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct dev;

struct dev_ops {
    const char *name; /* the kind: "file", "memory", ... */
    int (*read)(struct dev *dev, uint64_t off, void *buf, size_t len);
    int (*write)(struct dev *dev, uint64_t off, const void *buf, size_t len);
    int (*flush)(struct dev *dev);
    int (*discard)(struct dev *dev, uint64_t off, uint64_t len);
    /* Frees the device, its label and what it owns; there is nobody to tell of an error. */
    void (*close)(struct dev *dev);
};

struct dev {
    const struct dev_ops *ops;
    uint64_t size;
    bool readonly;
    char *label; /* the path, for messages */
};

/* -EIO outside the device or when it fails: then what of buf was filled is undefined. */
int dev_read(struct dev *dev, uint64_t off, void *buf, size_t len) MUST_USE;

/* Durable only after dev_flush(). -EROFS on a read-only device. */
int dev_write(struct dev *dev, uint64_t off, const void *buf, size_t len) MUST_USE;

/*
 * When it returns 0, all writes that had returned are durable. Once it has failed on a file or
 * block device it fails for good: the kernel forgets pages it could not write, so a later success
 * would mean nothing (promise 6).
 */
int dev_flush(struct dev *dev) MUST_USE;

/* A hint: the range reads as anything afterwards. 0 where the device knows no discard. */
int dev_discard(struct dev *dev, uint64_t off, uint64_t len) MUST_USE;

/* Does not flush. NULL is fine. A wrapper closes the device below it. */
void dev_close(struct dev *dev);

static inline const char *dev_label(const struct dev *dev)
{
    return dev->label;
}

/*
 * A view of `lower` whose close leaves it open: to hand a device to somebody who closes it, and
 * look at it afterwards. The view must be closed first. NULL when out of memory.
 */
struct dev *dev_borrow(struct dev *lower);

/*
 * An image file or a block device.
 *
 * Promise 10: a writer has it alone, readers share it; -EBUSY where another opener, in this or
 * another process, is in the way ("disk.img: in use by process 1234"), and for everybody while
 * the kernel has it mounted ("disk.img: mounted by the kernel at /mnt through /dev/loop0").
 * Opening changes no byte.
 */
int dev_file_open(const char *path, bool readonly, struct dev **out) MUST_USE;

/*
 * The same, writable, with exactly `size` bytes: makes a missing file (sparse), extends a shorter
 * one, and shows only the first `size` bytes of a longer file or device. A block device must be
 * large enough.
 */
int dev_file_create(const char *path, uint64_t size, struct dev **out) MUST_USE;

/*
 * Gives back the kernel's exclusive claim on a block device and keeps everything else: a fuseblk
 * mount of the same device takes that claim itself. Nothing to do for any other device.
 */
void dev_file_release_claim(struct dev *dev);

/*
 * Zeroed memory that costs only what was written. dev_mem_clone() is a snapshot: pages are shared
 * until one side writes. NULL when out of memory; dev_mem_clone() takes memory devices only.
 */
struct dev *dev_mem_new(uint64_t size);
struct dev *dev_mem_clone(struct dev *dev);
/* Bytes of the pages it has, shared ones too. */
uint64_t dev_mem_used(struct dev *dev);

enum dev_op {
    DEV_OP_READ = 1,
    DEV_OP_WRITE = 2,
    DEV_OP_FLUSH = 4,
    DEV_OP_DISCARD = 8,
};

/*
 * A wrapper that keeps every write, flush and discard that `lower` has accepted, in order.
 * NULL when out of memory; `lower` is then still the caller's.
 */
struct dev *dev_record_new(struct dev *lower);

struct dev_record {
    enum dev_op op;
    uint64_t off, len;   /* 0 of a flush */
    const uint8_t *data; /* of a write; lives as long as the log */
};

size_t dev_record_count(struct dev *dev);
/* Entry i, counted from 0 since the beginning or the last reset. */
struct dev_record dev_record_entry(struct dev *dev, size_t i);
void dev_record_reset(struct dev *dev);
/* Does to `onto` what the entry did. */
int dev_record_apply(const struct dev_record *entry, struct dev *onto) MUST_USE;

/* A wrapper that fails on demand; until armed it fails nothing. NULL as dev_record_new(). */
struct dev *dev_fault_new(struct dev *lower);

struct dev_fault {
    unsigned ops;      /* which operations count and fail: DEV_OP_* or-ed */
    uint64_t nth;      /* the how manieth of them from arming on fails; 1 is the next */
    bool permanent;    /* and all after it */
    bool torn;         /* a failing write leaves its first half (whole 512-byte sectors) behind */
    int err;           /* what they return: -EIO, -ENOSPC, ... */
    uint64_t off, len; /* only operations that touch this range count; len 0: all, flushes too */
};

void dev_fault_arm(struct dev *dev, const struct dev_fault *fault);
void dev_fault_disarm(struct dev *dev);
/* While it is paused nothing fails and nothing counts: for who only wants to look. */
void dev_fault_pause(struct dev *dev, bool on);
/* How many of these operations there were since the wrapper was made, failed ones too. */
uint64_t dev_fault_count(struct dev *dev, unsigned ops);
/* How many of them were made to fail. */
uint64_t dev_fault_hits(struct dev *dev);

#endif
