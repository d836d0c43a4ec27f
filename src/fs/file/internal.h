// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inside the module. Locks, in the order they are taken (those of inode.h stand above):
 *   file_shared->gate   shared by who changes content, alone by files_quiesce
 *   inode->lock
 *   the hold of a file (file_hold): nobody else writes it back meanwhile; who changes the mapping
 *                   of a file other than by writeback has it, so that nothing is in flight
 *   the metadata lock
 *   file_state->lock    the runs of one file
 *   file_shared->lock   list of dirty files, counters, holds
 *
 * Why a reader needs no more than inode->lock, shared: what is neither dirty nor in flight then
 * stays so, and writeback only remaps what is in flight. So the extents behind the rest stay
 * mapped, and what is mapped is not freed.
 */
#ifndef COPSE_FS_FILE_INTERNAL_H
#define COPSE_FS_FILE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/rbtree.h"
#include "fs/file/data_cache.h"
#include "fs/file/file.h"
#include "fs/file/reclaim.h"

#define LLU(v) ((unsigned long long)(v))

/* Largest size of a file: what a signed offset can name. */
#define FILE_SIZE_MAX ((uint64_t)INT64_MAX)

/* ---- runs: file data in memory (runs.c) ------------------------------------------------------ */

/*
 * What a range may do instead of taking new space (promise 3). It was unshared when it was claimed,
 * and stays so: only a clone of this very range or a snapshot could change that, and both have
 * writeback done with it first. The same goes for whatever changes the mapping.
 */
enum claim {
    CLAIM_NONE,      /* copied on write */
    CLAIM_WRITTEN,   /* overwrites NODATACOW data; no metadata changes */
    CLAIM_GROWING,   /* the same behind the end that the inode has on disk */
    CLAIM_UNWRITTEN, /* preallocated: its item is changed when the data is there */
};

struct claim_range {
    uint64_t start, end;
    enum claim kind;
};

/* What of a range can be written in place: in order, disjoint. */
struct claims {
    struct claim_range *list;
    size_t count, cap;
};

/* Bytes of file data not yet on the device, whole sectors. */
struct run {
    RB_ENTRY(run) link;
    uint64_t start;
    uint32_t len, cap;
    unsigned units; /* metadata promised for it */
    enum claim claim;
    uint8_t *data;
};
RB_HEAD(run_tree, run);

static inline uint64_t run_end(const struct run *run)
{
    return run->start + run->len;
}

/* Content to be put into runs: user bytes, and what the sectors at the edges held before. */
struct run_source {
    uint64_t offset;
    size_t len;
    const uint8_t *buf;  /* NULL: zeroes */
    const uint8_t *head; /* the whole first sector, or NULL when it is dirty or all overwritten */
    const uint8_t *tail;
    uint64_t start, end; /* offset and its end, out to sectors */
    bool grow;           /* the file is at least that long then */
    const struct claims *claims;
};

struct promise {
    uint64_t bytes; /* of data; runs with a claim need none */
    unsigned units;
};

struct compress_wish;
struct extent_use;

struct file_state {
    struct inode *inode;
    pthread_mutex_t lock;
    struct run_tree dirty;
    struct run_tree flight; /* being written; immutable */
    struct run_tree aside;  /* the same, by a guest (hold.c) */
    uint64_t dirty_bytes;
    uint64_t flight_bytes;            /* in both */
    uint64_t dirty_new, flight_new;   /* of these, what has no place of its own yet */
    int error;                        /* of the last writeback that failed */
    uint64_t errors;                  /* how many did */
    uint64_t errors_told;             /* of these, the last that somebody was told of */
    uint64_t errors_taken;            /* the last that file_take_error told */
    const struct compress_wish *wish; /* of a defragmentation that holds the file; else NULL */
    bool moving;                      /* by a defragmentation: nothing is written in place */
    uint64_t quota_pending;           /* dirty and in flight, as quota groups were told */
    uint64_t quota_nodes;             /* bytes of tree blocks reserved with it */

    /* Under file_shared->lock. */
    bool held;    /* as a whole */
    bool lets_in; /* who has it writes back what was launched, and nothing else */
    bool guest;
    bool listed; /* on the list of dirty files, which holds a reference of the inode */
    uint64_t dirty_since_ns;
    TAILQ_ENTRY(file_state) entry;
};

/* The run that ends after pos and begins first; it may begin after pos. NULL: none. */
struct run *runs_after(const struct run_tree *tree, uint64_t pos);
/* How much more must be promised at most before [start, end) may become dirty. */
struct promise runs_missing(const struct file_state *file, uint64_t start, uint64_t end,
                            const struct claims *claims);
bool runs_sector_is_dirty(const struct file_state *file, uint64_t sector);
/*
 * Puts source into the dirty runs. *used: what of the promise the new runs now own; *reached:
 * source->end, or less when memory ran out.
 */
void runs_write(struct file_state *file, const struct run_source *source, struct promise *used,
                uint64_t *reached);
/* Forgets dirty data from `from` (sector-aligned) on; returns what was promised for it. */
struct promise runs_cut(struct file_state *file, uint64_t from);
/* Zeroes dirty bytes from pos to the end of its sector. False: that sector is not dirty. */
bool runs_zero_tail(struct file_state *file, uint64_t pos);
/* Units it takes at most, beside its own, to cut a run in two. */
#define RUN_SPLIT_UNITS 4
/* Makes a run begin at pos where one goes across it; *spare: units promised, those used taken off.
 * Does nothing when memory or units do not suffice. */
void runs_split(struct file_state *file, uint64_t pos, unsigned *spare);
/* Moves the dirty runs that begin in [start, end) or reach into it into flight, into that tree of
 * the two, which is empty before. */
void runs_launch(struct file_state *file, struct run_tree *flight, uint64_t start, uint64_t end);
/* The kind of flight over pos: true when there is one. *end: until where that holds. */
bool runs_in_flight(const struct file_state *file, uint64_t pos, enum claim *claim, uint64_t *end);
/* Lets go of the memory that was kept for runs to come. */
void runs_free_spares(struct file_shared *shared);
/* Frees what is in flight there and begins before `end`. */
void runs_land(struct file_state *file, struct run_tree *flight, uint64_t end);
/* Bytes of runs in [start, end). */
uint64_t runs_bytes(const struct run_tree *tree, uint64_t start, uint64_t end);
/* Nothing is dirty or in flight. */
bool runs_are_clean(const struct file_state *file);
/*
 * At pos: copies what is dirty or in flight, up to len bytes, and returns true; or returns false.
 * *n: bytes copied, or bytes until something is.
 */
bool runs_overlay(struct file_state *file, uint64_t pos, void *buf, size_t len, size_t *n);
/* Where pos begins or ends being dirty or in flight: true when it is; *end: until where. */
bool runs_cover(struct file_state *file, uint64_t pos, uint64_t *end);
/* Bytes that are dirty or in flight. */
uint64_t runs_pending(struct file_state *file);
/* Start of the first run, dirty or in flight from `pending` on, that ends after pos; or UINT64_MAX.
 */
uint64_t runs_first_unwritten(const struct file_state *file, uint64_t pos, uint64_t pending);

/* ---- state of a file and of all files (state.c) ---------------------------------------------- */

struct unpack_cache;

#define SPARE_RUNS 32

struct file_shared {
    pthread_rwlock_t gate;
    pthread_mutex_t lock;
    pthread_cond_t progress;              /* a hold was given up */
    TAILQ_HEAD(, file_state) dirty_files; /* longest dirty first */
    uint64_t pending_bytes;               /* dirty and in flight, of all files */
    unsigned promising;                   /* calls that hold promises for what is not dirty yet */
    struct file_counters counters;
    int error; /* of a writeback that nobody waited for */
    struct unpack_cache *unpacked;
    struct reclaim *reclaim;
    struct data_cache *data_cache; /* NULL: none */
    uint8_t *spares[SPARE_RUNS];   /* memory of long runs that were written, for the next ones */
    unsigned spare_count;
};

static inline uint32_t file_sectorsize(const struct inode *inode)
{
    return inode->fs->store->engine.sectorsize;
}
static inline struct engine *file_engine(const struct inode *inode)
{
    return &inode->fs->store->engine;
}

/* Around whatever changes the content of files; not recursive. */
void files_enter(struct fs *fs);
void files_leave(struct fs *fs);
/* inode_may_change; and files under fs-verity keep their content (-EPERM). */
int content_may_change(const struct inode *inode, bool append_ok) MUST_USE;
/* The state, or NULL when nothing was ever written through this inode. */
struct file_state *file_state_peek(struct inode *inode);
int file_state_get(struct inode *inode, struct file_state **out) MUST_USE;
/* Counts pending bytes; file->lock held. */
void file_pending_add(struct file_state *file, uint64_t bytes);
void file_pending_sub(struct file_state *file, uint64_t bytes);
/* The file has dirty data now: puts it on the list. file->lock held. */
void file_enlist(struct file_state *file);
/* Remembers an error for file_take_error. */
void file_set_error(struct file_state *file, int err);

/* Writes back what is dirty now; the file is held by the caller. What failed is lost, and
 * remembered for file_take_error. */
int writeback_held(struct file_state *file) MUST_USE;
/* The same for [start, end), and no more than that if it can be helped. A guest has held that. */
int writeback_range(struct file_state *file, uint64_t start, uint64_t end) MUST_USE;
/* What it wrote, and how much of that lies outside. */
struct written {
    uint64_t bytes, outside;
};
int writeback_range_counted(struct file_state *file, uint64_t start, uint64_t end,
                            struct written *written) MUST_USE;
/* Writes back every file that nobody holds and commits, so that promises become smaller. */
int writeback_for_space(struct fs *fs) MUST_USE;
/* Waits, or helps to write back, while more is pending than the limit. No lock held. */
void writeback_throttle(struct fs *fs);

/* ---- holds (hold.c) -------------------------------------------------------------------------- */

/* Nobody else writes the file back until file_unhold. The caller has a reference of the inode. */
void file_hold(struct file_state *file);
bool file_try_hold(struct file_state *file);
/* The same; shared->lock held. */
bool file_hold_taken(struct file_state *file);
void file_unhold(struct file_state *file);
/* From now on the holder only writes back what it has launched: guests may come in. */
void file_let_in(struct file_state *file);
/* Something of it has landed, and may have been in a guest's way. */
void file_landed(struct file_state *file);

struct hold_range {
    uint64_t start, end;
};
/* Nothing of those ranges is in flight until file_unhold_ranges, but what the caller launches, who
 * has inode->lock alone. */
void file_hold_ranges(struct file_state *file, const struct hold_range ranges[], size_t count);
void file_unhold_ranges(struct file_state *file);

/* ---- mapping (map.c) ------------------------------------------------------------------------- */

enum map_kind { MAP_HOLE, MAP_INLINE, MAP_REGULAR, MAP_PREALLOC };

/* What a stretch of a file is mapped to. */
struct mapping {
    uint64_t start, len; /* of the file */
    enum map_kind kind;
    bool has_item; /* false: a hole without an item */
    uint8_t compression;
    uint64_t generation;
    uint64_t disk_bytenr, disk_num_bytes; /* the whole extent */
    uint64_t ram_bytes;                   /* the whole extent, or inline data, unpacked */
    uint64_t offset;                      /* into the unpacked extent */
    uint32_t inline_size;                 /* as stored */
};

static inline uint64_t mapping_end(const struct mapping *map)
{
    return map->start + map->len;
}

/*
 * The mapping at pos. Holes reach until the next item, or UINT64_MAX. An inline extent is as long
 * as the sectors it stands for. Metadata lock held.
 */
int map_find(struct inode *inode, uint64_t pos, struct mapping *out) MUST_USE;
/* The last item of the file; -ENOENT without a message: there is none. */
int map_last(struct inode *inode, struct mapping *out) MUST_USE;
/* The item a path stands on. */
int map_decode(const struct inode *inode, const struct path *path, struct mapping *out) MUST_USE;
/* -EUCLEAN: an item that was seen is not found by its key, which a damaged tree can bring about. */
int map_lost(const struct inode *inode, uint64_t start) MUST_USE;
/* Copies the stored bytes of an inline extent; out has map->inline_size bytes. */
int map_inline_data(struct inode *inode, const struct mapping *map, void *out) MUST_USE;
/* The data reference that an item holds. */
struct data_ref map_ref(const struct inode *inode, const struct mapping *map);
/* The question whether [pos, pos + len) of it is shared. Of a compressed extent the whole is asked
 * about: its parts lie nowhere in particular. */
struct extent_use map_use(const struct inode *inode, const struct mapping *map, uint64_t pos,
                          uint64_t len);
/* Cuts the mapping to [start, end). */
struct mapping map_slice(const struct mapping *map, uint64_t start, uint64_t end);
/* Inserts the item of a mapping (not inline). */
int map_insert(struct inode *inode, const struct mapping *map) MUST_USE;
void map_encode(const struct mapping *map, uint8_t item[sizeof(disk_file_extent)]);

/* ---- reading (read.c, verify.c, unpack.c) ---------------------------------------------------- */

/* Reads what is mapped (not what is in memory). Does not care for the size of the file. */
int read_mapped(struct inode *inode, uint64_t pos, void *buf, size_t len) MUST_USE;
/* The same, overlaid with what is in memory, and zeroes after `size`. */
int read_current(struct inode *inode, uint64_t pos, void *buf, size_t len, uint64_t size) MUST_USE;

/* Checksums of disk sectors, looked up under the metadata lock, used without it. */
struct sums {
    uint8_t *sums; /* NULL: none are wanted */
    bool *have;
};
/*
 * Reads [addr, addr + len) of the disk, verified; any mirror that is right will do, and wrong ones
 * are mended. pos: the file offset, for messages.
 */
int verified_read(struct inode *inode, uint64_t pos, uint64_t addr, void *buf, uint64_t len,
                  const struct sums *sums) MUST_USE;

int unpack_cache_new(struct unpack_cache **out) MUST_USE;
void unpack_cache_free(struct unpack_cache *cache);
/* Bytes [from, from + len) of an unpacked extent, when the cache has it. */
bool unpack_cache_get(struct unpack_cache *cache, const struct mapping *map, uint64_t from,
                      void *buf, size_t len);
/* Puts a whole unpacked extent (map->ram_bytes, from malloc) in, taking it over. */
void unpack_cache_put(struct unpack_cache *cache, const struct mapping *map, uint8_t *data);

/* ---- in place (claim.c, written.c) ----------------------------------------------------------- */

/* Space that is not shared, has no checksums and may be written, in the place of [start, end) of
 * the file. inode->lock is held alone, no other; what is dirty there already does not matter. */
int claims_find(struct file_state *file, uint64_t start, uint64_t end, struct claims *out) MUST_USE;
void claims_free(struct claims *claims);
/* Whether a write could go into unwritten space at the beginning of map; *end: until where that
 * holds. Metadata lock held. */
int claim_unwritten(struct inode *inode, const struct mapping *map, bool *out,
                    uint64_t *end) MUST_USE;
/* The kind of claim at pos; *end: until where that holds. */
enum claim claims_at(const struct claims *claims, uint64_t pos, uint64_t *end);
/* Unwritten space that backs [start, end) holds data now. Within store_begin. */
int mark_written(struct inode *inode, uint64_t start, uint64_t end) MUST_USE;

/* ---- writing (write.c, reserve.c) ------------------------------------------------------------ */

/*
 * Writes sectors of file data to the disk, wherever that is: the one way to do it, because what was
 * cached of that place is forgotten. Nobody reads them through a mapping before it returns.
 */
int data_write(struct fs *fs, uint64_t addr, const void *bytes, uint64_t len) MUST_USE;

/*
 * Makes [offset, offset + len) dirty with buf (NULL: zeroes). grow: the size grows with it, at the
 * same moment, so that writeback never sees one without the other. inode->lock held alone. *done
 * tells how far it came, also on failure.
 */
int write_range(struct inode *inode, const void *buf, size_t len, uint64_t offset, bool grow,
                size_t *done) MUST_USE;
/* Zeroes inside one sector, unless it reads as zeroes anyway. */
int write_zeroes_in_sector(struct inode *inode, uint64_t offset, uint64_t len) MUST_USE;
/* Before the file grows: nothing but zeroes behind its old end, and inline data becomes dirty. */
int write_old_tail(struct inode *inode) MUST_USE;
/* Promises for dirty data; flushes before it says -ENOSPC. Each that succeeds is followed by one
 * promise_give_back, of what the runs do not own by then. */
int promise_take(struct fs *fs, const struct promise *want) MUST_USE;
void promise_give_back(struct fs *fs, struct promise promise);
/* Before runs give something back to the caller, who ends with promise_give_back. */
void promise_expect(struct fs *fs);

/* ---- quotas (quota.c) ------------------------------------------------------------------------ */

/* What an operation has asked its quota groups for. */
struct quota_door {
    uint64_t bytes, nodes;
};

/* Before [start, end), whole sectors, becomes dirty: asks for that many bytes, and for the tree
 * blocks it may need. -EDQUOT. */
int quota_enter(struct file_state *file, uint64_t start, uint64_t end, uint64_t bytes,
                struct quota_door *door) MUST_USE;
/* It is dirty now, or was not needed. */
void quota_leave(struct file_state *file, const struct quota_door *door);
/*
 * Cutting out of the middle makes two items of one, which may need tree blocks. To be given back
 * with cut_leave. -EDQUOT.
 */
int cut_enter(struct inode *inode) MUST_USE;
void cut_leave(struct inode *inode);
/* file->lock held. */
void quota_pending_add(struct file_state *file, uint64_t bytes);
void quota_pending_sub(struct file_state *file, uint64_t bytes);

/* ---- changing the mapping; within store_begin ------------------------------------------------ */

/* The size in memory; item_lock is taken. */
uint64_t size_get(struct inode *inode);
void size_set(struct inode *inode, uint64_t size);
/*
 * Lets the size on disk grow as far as what lies before is on disk: all that is not in memory,
 * and what was just mapped, [start, end) of a file that had `size` bytes then. Adds hole items
 * where the format wants them.
 */
int size_settle(struct inode *inode, uint64_t start, uint64_t end, uint64_t size) MUST_USE;
void size_cut_disk(struct inode *inode, uint64_t size);
void nbytes_add(struct inode *inode, uint64_t bytes);
void nbytes_sub(struct inode *inode, uint64_t bytes);
/* Hole items for what has none in [start, end), unless the file system does without. */
int holes_fill(struct inode *inode, uint64_t start, uint64_t end) MUST_USE;
/* Drops up to `items` items at the end of the file, down to `from`: *reached says how far. */
int drop_tail_step(struct inode *inode, uint64_t from, unsigned items, uint64_t *reached) MUST_USE;
/* Makes an item begin at pos where one lies across it. */
int drop_split(struct inode *inode, uint64_t pos) MUST_USE;
/* How far [start, end) reaches when no more than `items` items are to be dropped from it. */
int drop_stretch(struct inode *inode, uint64_t start, uint64_t end, unsigned items,
                 uint64_t *out) MUST_USE;
/* store_begin for dropping *items items; on a full file system *items becomes 1. */
int drop_begin(struct inode *inode, unsigned *items) MUST_USE;
/* Whether a file of that size may be an inline extent at all. */
bool inline_possible(const struct inode *inode, uint64_t size);
/* Whether so many bytes, as they are stored, become one. */
bool inline_fits(const struct inode *inode, uint32_t stored);
/* Replaces the first sector's mapping by an inline extent; packed data when compression != 0. */
int inline_put(struct inode *inode, const void *data, uint32_t stored, uint64_t ram_bytes,
               uint8_t compression) MUST_USE;
/* Cuts a plain inline extent; anything else is left alone. */
int inline_truncate(struct inode *inode, uint64_t size) MUST_USE;
/* The inode says that it has preallocated space, or had: no inline extents from then on. */
int prealloc_set_flag(struct inode *inode) MUST_USE;
/* Takes [start, start + len) out of the file, or puts a hole of that length in at start. Nothing is
 * dirty; the file is held. */
int shift_range(struct file_state *file, bool insert, uint64_t start, uint64_t len) MUST_USE;
/* Fails a change that was half done: nothing of the transaction may become durable. */
int change_failed(struct inode *inode, int err) MUST_USE;

/* Units to begin a transaction with, for so many items of one file. */
unsigned units_for_items(unsigned items);

#endif
