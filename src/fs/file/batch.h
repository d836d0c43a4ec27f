// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One batch of writeback, on its way through plan.c (what becomes which extent, and where it
 * goes), output.c (checksums and device writes, no lock held) and swap.c (the mapping).
 */
#ifndef COPSE_FS_FILE_BATCH_H
#define COPSE_FS_FILE_BATCH_H

#include "fs/file/internal.h"

/* One new extent, or a part of an old one that is written in place. */
struct plan {
    uint64_t start, len;   /* of the file */
    uint64_t disk_len;     /* on disk; len unless compressed */
    uint64_t bytenr;       /* 0: no space yet */
    uint64_t first_sector; /* its place in batch->sums */
    uint8_t compression;
    bool hopeless;    /* compressing it gained nothing */
    enum claim claim; /* not CLAIM_NONE: bytenr is where the file has it already */
    uint8_t *packed;  /* disk_len bytes when compressed */
};

struct batch {
    struct file_state *file;
    struct inode *inode;
    struct run_tree *flight; /* which of the file's two; nobody else changes it */
    uint64_t size;           /* of the file, when its runs were launched */
    uint64_t start, end;     /* runs in flight that begin in there */
    uint64_t bytes; /* of these runs: what data space is promised for, that without claims */
    unsigned units; /* metadata promised for them and not used yet */
    struct plan *plans;
    size_t count, cap;
    uint8_t *sums; /* csum_size bytes a disk sector, in the order of plans; NULL: none */
};

void batch_release(struct batch *batch);
/* Cuts the runs into extents, compressed where the inode wants it, without space yet. */
int batch_plan(struct batch *batch) MUST_USE;
/* Finds space for all of them, which may cut plain ones into several. The promise of data space is
 * used up by this, also when it fails. */
int batch_allocate(struct batch *batch) MUST_USE;
/* store_begin with what is promised for `part` of `whole` that are still to be done. */
int batch_begin(struct batch *batch, size_t part, size_t whole) MUST_USE;
/* Gives back the space of plans [from, count); written: it may hold data now. */
void batch_undo(struct batch *batch, size_t from, bool written);
/* Computes checksums and writes the data. */
int batch_output(struct batch *batch) MUST_USE;
/* Makes the new extents the mapping of the file. On failure the rest is undone. */
int batch_swap(struct batch *batch) MUST_USE;

/* compress.c: what the inode wants; COMPRESS_NONE when nothing. */
struct compress_wish {
    uint8_t type;
    int level;
    bool force;       /* whatever it looks like */
    bool by_property; /* the inode says so itself */
};
int compress_wish_of(struct inode *inode, struct compress_wish *out) MUST_USE;
/* The content of a small file, as an inline extent may have it. */
struct packed {
    const uint8_t *bytes;
    uint32_t len;
    uint8_t compression;
    uint8_t *owned; /* bytes, when they are to be freed */
};
static inline void packed_release(struct packed *packed)
{
    free(packed->owned);
}
/* Replaces plain content by compressed, where the inode wants it and it becomes shorter. */
int compress_inline(struct inode *inode, struct packed *content) MUST_USE;
/* An extent of that kind switches the feature on. Metadata lock held alone. */
void compress_note_feature(struct engine *engine, uint8_t compression);
/* Compresses the plans that gain from it. */
int batch_compress(struct batch *batch, const struct compress_wish *wish) MUST_USE;

#endif
