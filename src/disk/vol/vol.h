// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vol: the volume, where logical addresses become places on devices.
 *
 * Holds the superblock, the devices and the chunk map; reads any mirror, writes all of them. It
 * knows nothing of trees: whoever reads the chunk tree adds chunks here.
 *
 * Threads: reads and writes may run in parallel. The chunk map has a lock of its own; chunks are
 * only ever added, or removed after the commit that dropped them.
 */
#ifndef COPSE_DISK_VOL_VOL_H
#define COPSE_DISK_VOL_VOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "base/le.h"
#include "disk/csum/csum.h"
#include "disk/dev/dev.h"
#include "disk/format/format.h"

struct vol;

struct vol_open_options {
    bool readonly;
    unsigned super_copy; /* read this copy of the superblock and no other; 0: by the rules below */
};

/*
 * Reads the superblock and takes the devices (closed by vol_close, also when this fails).
 *
 * The primary superblock counts. A copy is used only when the primary's checksum (or magic) fails
 * and the copy has a valid checksum, the same fsid and device uuid as what can still be read of
 * the primary or, where that is zeroed, of the other copies, and lies inside the file system's own
 * size; then a note says so. Chunks of the system array are in the map afterwards.
 * Checks feature bits (promise 8): *vol is read-only when compat_ro bits ask for it.
 */
int vol_open(struct env *env, struct dev **devs, unsigned dev_count,
             const struct vol_open_options *options, struct vol **out) MUST_USE;

/* A volume for mkfs: the superblock is given, nothing is read, the chunk map is empty. */
int vol_new(struct env *env, struct dev *dev, const struct super *super, struct vol **out) MUST_USE;

void vol_close(struct vol *vol);

/* The superblock in memory: the last durable one until vol_write_supers replaces it. */
const struct super *vol_super(const struct vol *vol);
const struct format_limits *vol_limits(const struct vol *vol);
bool vol_readonly(const struct vol *vol);
/* Why it is read-only, "" when it is not or when the caller asked for it. */
const char *vol_readonly_reason(const struct vol *vol);
/* Whether the superblock came from a copy: the next writable commit mends the primary. */
bool vol_used_super_copy(const struct vol *vol);
struct env *vol_env(const struct vol *vol);
const char *vol_label(const struct vol *vol); /* path(s), for messages */

/* ---- devices -------------------------------------------------------------------------------- */

struct vol_device {
    uint64_t devid;
    struct uuid uuid;
    struct dev *dev;
    struct dev_item item; /* as last written */
};
unsigned vol_device_count(const struct vol *vol);
struct vol_device *vol_device(struct vol *vol, unsigned index);

/* ---- chunk map ------------------------------------------------------------------------------- */

#define VOL_STRIPES_MAX 16

struct chunk_map {
    uint64_t logical;
    uint64_t length;
    uint64_t type; /* BG_* */
    uint64_t stripe_len;
    uint16_t num_stripes;
    uint16_t sub_stripes;
    struct {
        uint64_t devid;
        uint64_t offset;
    } stripes[VOL_STRIPES_MAX];
};

/* Decodes a chunk item that chunk_validate has passed. */
int chunk_map_decode(uint64_t logical, const void *item, uint32_t size,
                     struct chunk_map *out) MUST_USE;
/* Encodes into item (chunk_item_size() bytes); returns that size. */
uint32_t chunk_map_encode(const struct vol *vol, const struct chunk_map *map, void *item);

/*
 * Adds a chunk. Equal to one that is there: nothing to do. -EUCLEAN: overlaps another, names a
 * device that is not there, or leaves the device (a pointer outside the device is damage).
 */
int vol_add_chunk(struct vol *vol, const struct chunk_map *map) MUST_USE;
void vol_remove_chunk(struct vol *vol, uint64_t logical);
/* The chunk that holds addr. */
int vol_find_chunk(struct vol *vol, uint64_t addr, struct chunk_map *out) MUST_USE;
/* The first chunk that begins at or after `from`; false at the end. */
bool vol_next_chunk(struct vol *vol, uint64_t from, struct chunk_map *out);

/*
 * Logical bytes of a chunk under which a superblock copy may lie on some stripe (64 KiB from the
 * copy on) belong to nobody: space neither allocates nor counts on them. The first such range that
 * ends after `from`; false when there is none.
 */
bool chunk_next_super_range(const struct chunk_map *chunk, uint64_t from, uint64_t *start,
                            uint64_t *len);

/* How many mirrors a read of this address may try (single 1, DUP 2 ...); 0: in no chunk. */
unsigned vol_mirrors(struct vol *vol, laddr addr);

/* ---- reading and writing -----------------------------------------------------------------------
 */

/* Reads len bytes from mirror (0-based). The range may cross chunks. -EIO names the device. */
int vol_read(struct vol *vol, laddr addr, void *buf, uint64_t len, unsigned mirror) MUST_USE;

/* Writes to every mirror; fails when any of them fails. */
int vol_write(struct vol *vol, laddr addr, const void *buf, uint64_t len) MUST_USE;

/* Writes to one mirror only (to repair it from another). */
int vol_write_mirror(struct vol *vol, laddr addr, const void *buf, uint64_t len,
                     unsigned mirror) MUST_USE;

int vol_discard(struct vol *vol, laddr addr, uint64_t len) MUST_USE;

/* Makes everything written durable on every device. */
int vol_flush(struct vol *vol) MUST_USE;
/*
 * Nothing was written since the last flush began, but for copies of the superblock. It says that
 * all is durable where no flush can be under way.
 */
bool vol_is_flushed(const struct vol *vol);

/* Reads a tree block and validates it, trying every mirror; notes when another mirror had to help.
 */
int vol_read_node(struct vol *vol, laddr addr, const struct node_expect *expect,
                  void *block) MUST_USE;

/* Fills in the checksum of a tree block in place (bytenr, fsid and the rest already set). */
void vol_seal_node(const struct vol *vol, void *block);

/*
 * Promise 5, the last step of a commit: writes super (bytenr, dev_item and checksum filled in per
 * copy) as the primary of every device, flushes, then the other copies that fit, which the next
 * flush makes durable. The caller has flushed everything the superblock points at. On success it is
 * vol_super(). The first time after vol_open, copies that do not say what the primary says are
 * written and flushed before it.
 */
int vol_write_supers(struct vol *vol, const struct super *super) MUST_USE;

/*
 * The same between two commits: super is vol_super() but for the log it names, dev_item is that of
 * the first device and not filled in. vol_super() stays as it is, so that others may read it.
 */
int vol_write_log_super(struct vol *vol, const struct super *super) MUST_USE;

/* Rebuilds sys_chunk_array of super from the system chunks in the map. -ENOSPC when full. */
int vol_fill_system_array(struct vol *vol, struct super *super) MUST_USE;

#endif
