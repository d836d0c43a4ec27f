// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file: the content of regular files (and symlink targets): mapping, dirty ranges, delayed
 * allocation, writeback, holes, inline data, preallocation, cloning.
 *
 * A write promises data space and metadata (promise 1), copies the bytes into dirty ranges, and
 * returns. Writeback later picks dirty ranges, allocates, compresses, checksums and writes them
 * with no lock held, and then swaps the mapping in one metadata change (promise 4). Readers overlay
 * dirty ranges and those in flight on the mapping.
 *
 * Writeback needs no inode lock: dirty ranges in flight are immutable; a new write of the same
 * place makes a new dirty range above. Whoever changes the mapping of a range (truncate, punch,
 * clone) first waits for what is in flight there.
 */
#ifndef COPSE_FS_FILE_FILE_H
#define COPSE_FS_FILE_FILE_H

#include "fs/inode/inode.h"

int files_init(struct fs *fs) MUST_USE;
void files_release(struct fs *fs);
/* Called when the inode leaves memory: must have nothing dirty. */
void file_state_free(struct inode *inode);

/* -EISDIR, -EINVAL unless it is a regular file. */
int file_check_regular(const struct inode *inode) MUST_USE;

/* All of these take inode->lock and the metadata lock themselves. */

/* *done < len only at the end of the file. */
int file_read(struct inode *inode, void *buf, size_t len, uint64_t offset, size_t *done) MUST_USE;
/* *done tells how much was accepted, also on failure. -ENOSPC, -EFBIG, -EROFS, -EPERM. */
int file_write(struct inode *inode, const void *buf, size_t len, uint64_t offset,
               size_t *done) MUST_USE;
/* The same, and what was accepted is on the device when this returns, though not durable. */
int file_write_direct(struct inode *inode, const void *buf, size_t len, uint64_t offset,
                      size_t *done) MUST_USE;
int file_truncate(struct inode *inode, uint64_t size) MUST_USE;
int file_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t len) MUST_USE;
/* SEEK_DATA, SEEK_HOLE. -ENXIO. */
int file_seek(struct inode *inode, uint64_t offset, int whence, uint64_t *out) MUST_USE;
int file_clone_range(struct inode *src, uint64_t src_offset, uint64_t len, struct inode *dst,
                     uint64_t dst_offset) MUST_USE;
/*
 * Where [src_offset, src_offset + len) reads as the range of dst does, both are mapped to the same
 * extents; *same false: it does not, and nothing was changed. A length that ends inside a block,
 * but not at the end of both files, counts as one block less (Linux does so). -EINVAL: not at
 * blocks, overlapping, behind an end; -EPERM, -EROFS.
 */
int file_dedupe_range(struct inode *src, uint64_t src_offset, uint64_t len, struct inode *dst,
                      uint64_t dst_offset, bool *same) MUST_USE;

/* ---- compressed extents as they are (send streams) ------------------------------------------- */

/* The stored bytes of an extent of this file, [addr, addr + len) of the disk, verified. pos: where
 * the file maps it, for messages. */
int file_read_encoded(struct inode *inode, uint64_t pos, uint64_t addr, void *buf,
                      uint64_t len) MUST_USE;

struct file_encoded {
    uint64_t offset, file_len;      /* of the file */
    uint64_t ram_bytes, ram_offset; /* of the whole extent, unpacked; where the part begins */
    uint8_t compression;            /* COMPRESS_*, not none */
    const void *data;
    uint64_t len;
};
/*
 * Makes the packed data an extent of the file, or, where that cannot be (it does not lie on blocks,
 * the file has no checksums), writes what is in it. Data that cannot be unpacked is refused.
 */
int file_write_encoded(struct inode *inode, const struct file_encoded *what) MUST_USE;

/* What defragmentation is to do, to [start, start + len). */
struct file_defrag {
    uint64_t start, len;
    uint64_t threshold; /* extents at least that long are large enough */
    bool recompress;    /* to that type, enum compress_type, and level */
    uint8_t type;
    int level;
};
/*
 * Writes small extents again as large ones, and those that are not compressed as asked for;
 * *rewritten: so many bytes. What is shared stays. -ENOSPC leaves what was done until then.
 */
int file_defragment(struct inode *inode, const struct file_defrag *options,
                    uint64_t *rewritten) MUST_USE;

struct file_map {
    uint64_t offset, len, address;
    bool is_inline, prealloc, compressed, delalloc, shared;
};
int file_each_extent(struct inode *inode, uint64_t offset, uint64_t len,
                     int (*fn)(void *arg, const struct file_map *map), void *arg) MUST_USE;

/* ---- writeback ------------------------------------------------------------------------------- */

/* Writes back everything dirty in the inode when called, and waits for it. Returns (once) an error
 * of an earlier writeback too. */
int file_writeback(struct inode *inode) MUST_USE;
/* The same, with the errors that this one has not seen; see file_new_error. */
int file_writeback_for(struct inode *inode, uint64_t *seen) MUST_USE;
/* Writes back every file that nobody is at work on, and commits; or, when that was done, gives back
 * what no file reaches. Locks of inodes may be held. */
int files_settle(struct fs *fs, bool again) MUST_USE;
/* The same for all inodes. */
int files_writeback_all(struct fs *fs) MUST_USE;
/* The same for all inodes of one tree (before a send; before a snapshot: files_quiesce). */
int files_writeback_tree(struct fs *fs, uint64_t tree_id) MUST_USE;
/*
 * The same, and from then on no content of any file changes, nor does a write claim the right to be
 * written in place, until files_resume: what a snapshot shares must not be claimed by anybody
 * (promise 3). Called with no lock held; the metadata lock may be taken in between. On failure
 * nothing is quiet, and files_resume must not be called.
 */
int files_quiesce(struct fs *fs, uint64_t tree_id) MUST_USE;
void files_resume(struct fs *fs);
/*
 * Closes the same gate without writing anything, and holds the files of that tree that have dirty
 * data: none of it is in flight. files_forget_held (its subvolume was deleted) forgets that data,
 * files_release_held keeps it; both open the gate.
 */
struct files_held {
    struct inode **inodes;
    size_t count;
};
int files_hold_tree(struct fs *fs, uint64_t tree_id, struct files_held *out) MUST_USE;
void files_forget_held(struct fs *fs, struct files_held *held);
void files_release_held(struct fs *fs, struct files_held *held);
/* One background step: writes back one file whose data is older than age_ns, or any when over the
 * limit. *more: there is more to do. */
int files_writeback_step(struct fs *fs, uint64_t age_ns, bool *more) MUST_USE;
uint64_t files_dirty_bytes(const struct fs *fs);
/* What became of data since the file system was opened. */
struct file_counters {
    uint64_t in_place; /* bytes written where the file had its space already */
    uint64_t copied;   /* bytes written to new space, before compression */
    uint64_t cloned;   /* of both, those written because a clone or dedupe was to share them */
    uint64_t cloned_outside; /* of these, those that were not of the ranges to be shared */
};
void files_counters(const struct fs *fs, struct file_counters *out);
/* For before_commit: promise 2 holds, or the program ends. */
void files_check_promises(struct fs *fs);
/* Bytes of this file that are dirty or in flight and have no place yet (stat counts them). */
uint64_t file_dirty_bytes(struct inode *inode);
/* An error of writeback not reported here yet, once; 0 when none. */
int file_take_error(struct inode *inode) MUST_USE;
/*
 * The same for each of several who ask (open files): *seen says what this one knows of, and begins
 * as file_errors_seen tells it, so that an error which nobody was told of is told to the next.
 */
uint64_t file_errors_seen(struct inode *inode);
int file_new_error(struct inode *inode, uint64_t *seen) MUST_USE;

/* ---- for fs/mount and fs/fsync, within store_begin .. store_end ------------------------------ */

/* Items that one call of file_drop_extents_from drops at most; each is about four units. */
#define FILE_DROP_STEP_ITEMS 32

/* Drops all extents from `from` (sector-aligned up) on, and their references. In steps: *more tells
 * that store_end/store_begin and another call are needed (huge files). */
int file_drop_extents_from(struct inode *inode, uint64_t from, bool *more) MUST_USE;
/* Removes what maps [start, end), splitting at the edges; sector-aligned, or end = UINT64_MAX. */
int file_drop_range(struct inode *inode, uint64_t start, uint64_t end) MUST_USE;
/* Forgets dirty ranges (of an inode being deleted), giving back their promises. */
void file_forget_dirty(struct inode *inode, uint64_t from);
/* A symlink's target or other small content as inline extent of a fresh inode. */
int file_insert_inline(struct inode *inode, const void *data, uint32_t len) MUST_USE;
/* Reads a symlink's target. Metadata lock held. */
int file_read_inline(struct inode *inode, void *buf, size_t cap, size_t *len) MUST_USE;

#endif
