// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * space: chunks, block groups, free space, and promises of space.
 *
 * A byte of a block group is in one of four states, all kept in memory:
 *   free       may be allocated
 *   allocated  handed out by space_alloc, no extent item yet
 *   used       an extent item covers it (what `used` of the block group counts)
 *   pinned     freed in a transaction that is not durable yet; must not be reused (promise 5)
 *
 * What is in memory is what the engine works with; the trees on disk (block group items, free
 * space tree, chunk and device items) are brought up to it by space_write_items, which the commit
 * loop calls until nothing changes any more.
 *
 * Threads: changes under the metadata lock held exclusively, except the promises (space_promise_*),
 * which have a lock of their own and may be called by any thread at any time.
 */
#ifndef COPSE_ENGINE_SPACE_SPACE_H
#define COPSE_ENGINE_SPACE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rangeset.h"
#include "engine/txn/txn.h"

struct space;

enum space_kind { SPACE_DATA, SPACE_METADATA, SPACE_SYSTEM, SPACE_KINDS };

/*
 * Loads block groups and free space: from the free-space tree when it is there and valid, else by
 * walking the extent tree (v1 caches are never believed). Checks that every block group has its
 * chunk, lies inside it, and that `used` is no larger than its length.
 */
int space_open(struct engine *engine, struct space **out) MUST_USE;
/*
 * The same for repair, where items contradict each other: block groups are those of the chunks,
 * what is free is what lies between extents, and the free-space tree is written anew by the next
 * commit.
 */
int space_open_for_repair(struct engine *engine, struct space **out) MUST_USE;
/* Within a change: deletes block group items that fit no chunk, makes those that are missing. */
int space_repair_groups(struct space *space) MUST_USE;
/* Counts anew what chunks use of the device; its item is written by the next commit. */
int space_repair_device(struct space *space, uint64_t devid) MUST_USE;
void space_close(struct space *space);

/* mkfs: an empty file system, no block groups yet; then space_create_chunk. */
int space_new_empty(struct engine *engine, struct space **out) MUST_USE;

/*
 * Creates one chunk and its block group with these BG_* flags (one type, or data and metadata in
 * mixed block groups; single or DUP), sized as Linux would on a file system this large, and as
 * large as device space allows. In memory; space_write_items writes its items. *out: its logical
 * addresses, may be NULL. -ENOSPC.
 */
int space_create_chunk(struct space *space, uint64_t flags, struct range *out) MUST_USE;

/* Whether space_unpin tells the devices what became free. Off at first. */
void space_set_discard(struct space *space, bool on);

/* With mixed block groups data and metadata are one kind: both names mean the same then. */
bool space_is_mixed(const struct space *space);

/* ---- promises (promise 1: given at the door, kept until they are used or given back)
 * -------------- */

/*
 * Promises `bytes` of that kind (a multiple of the sector size / node size). -ENOSPC when free
 * space plus chunks that could still be created minus what is promised already does not suffice;
 * metadata promises keep the global reserve out of reach unless use_reserve. Creates nothing.
 * -EAGAIN: would suffice once pinned space is free, that is after a commit.
 */
int space_promise(struct space *space, enum space_kind kind, uint64_t bytes,
                  bool use_reserve) MUST_USE;
/* The same, and leaves the message of an earlier failure alone. */
int space_promise_try(struct space *space, enum space_kind kind, uint64_t bytes,
                      bool use_reserve) MUST_USE;
void space_promise_release(struct space *space, enum space_kind kind, uint64_t bytes);

/*
 * Creates chunks until free space of that kind covers what is promised (with some ahead for
 * metadata); called at the door with the metadata lock held, right after a promise.
 */
int space_prepare_chunks(struct space *space, enum space_kind kind) MUST_USE;

/* ---- allocation
 * -------------------------------------------------------------------------------------- */

/*
 * Allocates between min and want bytes (multiples of the unit, min >= 1 unit) in one piece, near
 * and after hint if possible (0: anywhere), never from read-only block groups. Creates a chunk
 * when nothing of min bytes is left. Does not touch promises: the caller releases its own.
 */
int space_alloc(struct space *space, enum space_kind kind, uint64_t want, uint64_t min,
                uint64_t hint, struct range *out) MUST_USE;

/* allocated -> free: it never got an extent item and nothing on disk can name it. */
int space_alloc_undo(struct space *space, uint64_t start, uint64_t len) MUST_USE;
/* allocated -> pinned: never got an extent item, but was written or is named by a log tree. */
int space_alloc_pin(struct space *space, uint64_t start, uint64_t len) MUST_USE;
/* allocated -> used: its extent item has been inserted. Log replay: free -> used also allowed. */
int space_alloc_done(struct space *space, uint64_t start, uint64_t len) MUST_USE;
/* used -> pinned: its extent item has been deleted. */
int space_freed(struct space *space, uint64_t start, uint64_t len) MUST_USE;
/* free -> allocated, exactly this range: a log tree names it. -EUCLEAN when any of it is not free.
 */
int space_claim(struct space *space, uint64_t start, uint64_t len) MUST_USE;

/*
 * Before the extent items of a used range change without its use changing with them (an extent is
 * split): the state of its group must not be learned from what stands in between. -EROFS: the
 * group is read-only, its extents stay as they are.
 */
int space_hold_still(struct space *space, uint64_t start, uint64_t len) MUST_USE;

/*
 * Whether the last durable commit knows every block group: what lies in others could not be read
 * after a crash, so that no log tree may name it.
 */
bool space_groups_durable(const struct space *space);

/* BG_* flags of the block group that holds addr; 0 when none does. */
uint64_t space_flags_at(const struct space *space, uint64_t addr);
/* Whether the block group that holds addr takes data, also in place of older data. */
bool space_takes_writes(const struct space *space, uint64_t addr);

/* ---- commit
 * -------------------------------------------------------------------------------------------- */

/*
 * Writes what changed: new chunks (chunk items, device extents, device item, block group item, free
 * space info), removed chunks, `used` of dirty block groups, free-space tree. *changed tells
 * whether anything was written (then more delayed references may be pending: loop).
 */
int space_write_items(struct space *space, bool *changed) MUST_USE;

/* Called when the superblock that frees them is durable: pinned -> free, discarding if asked to. */
int space_unpin(struct space *space) MUST_USE;

/*
 * Forgets cached tree blocks in pinned space: who read trees of the last commit has them, and no
 * tree will when that space is free. Before space_unpin.
 */
void space_forget_pinned(struct space *space);

/* Marks empty block groups (keeping one of each kind) for removal in this commit. */
int space_remove_empty(struct space *space) MUST_USE;

/*
 * Drops the reference of (root, objectid, offset) to a data extent; space knows no references, so
 * engine/store lends it this one.
 */
typedef int space_drop_extent_fn(void *ctx, uint64_t bytenr, uint64_t num_bytes, uint64_t root,
                                 uint64_t objectid, uint64_t offset);
void space_set_drop_extent(struct space *space, space_drop_extent_fn *drop, void *ctx);

/*
 * Brings the caches of free space in order on the first writable commit, before anything else of
 * it is written; later calls do nothing. v1 cache inodes and items are deleted; a free-space tree
 * that is present but not VALID is rebuilt by the next space_write_items and marked VALID; items
 * in it that belong to no block group are deleted. Where there is no free-space tree none is made.
 */
int space_clear_stale_caches(struct space *space) MUST_USE;
/* What every superblock we write shall say: that there is no valid v1 cache. */
uint64_t space_cache_generation(const struct space *space);

/* ---- looking
 * --------------------------------------------------------------------------------------------- */

struct space_totals {
    uint64_t profile; /* BG_* profile bits */
    uint64_t total;   /* bytes of block groups */
    uint64_t used;
    uint64_t allocated; /* no extent item yet */
    uint64_t pinned;
    uint64_t promised;
    uint64_t readonly;
};
void space_totals(struct space *space, enum space_kind kind, struct space_totals *out);
/* Raw bytes of devices that no chunk uses. */
uint64_t space_unallocated(struct space *space);
uint64_t space_global_reserve(struct space *space);
/* statfs-like estimate of bytes that data could still be written. */
uint64_t space_data_available(struct space *space);

struct space_group {
    uint64_t start, length, flags, used, pinned, allocated;
    bool readonly;
};
/* The first block group that starts at or after `from`; false at the end. */
bool space_next_group(const struct space *space, uint64_t from, struct space_group *out);

#endif
