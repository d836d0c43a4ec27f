// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * txn: what all engine modules share. `struct engine` holds the volume, the forest and the system
 * trees; `struct txn` is the transaction now running.
 *
 * Locking is the caller's (engine/store): a change runs with the metadata lock held exclusively.
 */
#ifndef COPSE_ENGINE_TXN_TXN_H
#define COPSE_ENGINE_TXN_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "disk/vol/vol.h"
#include "engine/tree/tree.h"

struct txn {
    uint64_t transid;
    int error; /* 0, or why it was aborted: nothing of it will ever be durable */
};

/* The trees every file system has; id 0: this one does not have it. */
struct engine {
    struct env *env;
    struct vol *vol;
    struct forest *forest;
    struct txn txn;       /* transid 0: opened read-only */
    uint64_t durable_gen; /* generation of the last durable superblock */
    struct root root_tree;
    struct root chunk_tree;
    struct root extent_tree;
    struct root dev_tree;
    struct root csum_tree;
    struct root block_group_tree; /* only with that feature; see engine_block_group_tree */
    struct root free_space_tree;
    struct root uuid_tree;
    struct root quota_tree;
    uint32_t nodesize;
    uint32_t sectorsize;
    uint32_t csum_size;
    enum csum_type csum_type;
    uint64_t incompat; /* as in the next superblock: features get switched on by use */
    uint64_t compat_ro;
    uint64_t bytes_used; /* of the next superblock; engine/space keeps it */
};

/* Where block group items live. */
struct root *engine_block_group_tree(struct engine *engine);

static inline bool engine_has(const struct engine *engine, uint64_t incompat_bit)
{
    return (engine->incompat & incompat_bit) != 0;
}

/* durable_gen, for who does not hold the metadata lock: a commit may just be changing it. */
static inline uint64_t engine_durable_gen(const struct engine *engine)
{
    return __atomic_load_n(&engine->durable_gen, __ATOMIC_ACQUIRE);
}

/* Fills in the constants from the superblock of vol and makes the forest; the roots stay empty. */
int engine_init(struct engine *engine, struct vol *vol, uint64_t cache_bytes) MUST_USE;
void engine_release(struct engine *engine);

/* Points a root at a block on disk. */
void engine_root_set(struct engine *engine, struct root *root, uint64_t id, uint64_t bytenr,
                     uint64_t generation, uint8_t level);

/*
 * Marks the running transaction as failed for good: everything that changes answers -EROFS from
 * now on. The first error counts. Returns err. No lock needed.
 */
int txn_abort(struct engine *engine, int err);

static inline bool txn_failed(const struct engine *engine)
{
    return __atomic_load_n(&engine->txn.error, __ATOMIC_RELAXED) != 0;
}

/* 0, or -EROFS with the reason when the engine may not be changed. */
int txn_writable(const struct engine *engine) MUST_USE;

#endif
