// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of this module share. */
#ifndef COPSE_DISK_VOL_INTERNAL_H
#define COPSE_DISK_VOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "disk/vol/vol.h"

/* For the %llu of messages. */
#define LLU(v) ((unsigned long long)(v))

struct vol {
    struct env *env;
    struct super super;
    struct format_limits limits;
    struct uuid node_uuid; /* what tree blocks carry; limits.metadata_uuid points here */
    struct vol_device *devices;
    unsigned device_count;
    pthread_rwlock_t lock;     /* of the chunk map; never held during I/O */
    struct chunk_map **chunks; /* sorted by logical address */
    size_t chunk_count;
    size_t chunk_room;
    bool readonly;
    bool used_copy;
    atomic_bool unflushed;
    bool copies_known; /* to hold vol_super(), or to be of no use */
    char readonly_reason[FAIL_MESSAGE_MAX];
    char *label;
};

/* The device of that number; NULL when it is not there. */
struct vol_device *vol_device_by_id(const struct vol *vol, uint64_t devid);

/* Follows the superblock's feature bits; the rest of the limits never changes. */
void vol_update_limits(struct vol *vol);

/*
 * Finds the superblock of a device by the rules of vol_open. *copy is the one that was used, 0 the
 * primary.
 */
int super_find(struct dev *dev, struct super *out, unsigned *copy) MUST_USE;

/* That copy, whatever the others are. */
int super_take_copy(struct dev *dev, unsigned copy, struct super *out) MUST_USE;

/* Adds the chunks of vol's sys_chunk_array to the map. */
int super_load_system_array(struct vol *vol) MUST_USE;

/* ---- geometry: the one place that knows how chunks lie on devices -------------------------------
 */

/* A run of logical bytes that is one run of bytes on each device it lies on. */
struct geometry {
    uint64_t len;
    unsigned mirrors;
    struct {
        uint64_t devid;
        uint64_t physical;
    } at[VOL_STRIPES_MAX];
};

/* Whether this build can place chunks of this shape; -EOPNOTSUPP, -EUCLEAN. */
int geometry_check(const struct chunk_map *chunk) MUST_USE;

/* Full copies of every byte. */
unsigned geometry_mirrors(const struct chunk_map *chunk);

/* Bytes that each stripe takes on its device. */
uint64_t geometry_stripe_length(const struct chunk_map *chunk);

/* Where the bytes from addr on lie, for at most len of them. addr is inside the chunk, len > 0. */
void geometry_map(const struct chunk_map *chunk, uint64_t addr, uint64_t len, struct geometry *out);

/*
 * The other way: the logical bytes that lie in [physical, physical + len) of the device on this
 * stripe. False: none.
 */
bool geometry_unmap(const struct chunk_map *chunk, unsigned stripe, uint64_t physical, uint64_t len,
                    uint64_t *logical, uint64_t *logical_len);

#endif
