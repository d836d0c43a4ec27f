// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of this module share. README.md says how they work together. */
#ifndef COPSE_OPS_RESCUE_INTERNAL_H
#define COPSE_OPS_RESCUE_INTERNAL_H

#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/vol/vol.h"
#include "ops/rescue/rescue.h"

/* For the %llu of messages. */
#define LLU(v) ((unsigned long long)(v))

/* The keys right before and after. */
static inline struct key key_before(struct key key)
{
    if (key.offset-- == 0 && key.type-- == 0)
        key.objectid--;
    return key;
}
static inline struct key key_after(struct key key)
{
    if (++key.offset == 0 && ++key.type == 0)
        key.objectid++;
    return key;
}

/* ---- blocks.c: tree blocks, read one by one ----------------------------------------------------
 */

/* A block in memory, kept while somebody holds it. */
struct held;
const uint8_t *held_bytes(const struct held *held);
void held_put(struct held *held);

/* -EIO, -EUCLEAN: no copy is good; that is noted once. */
int rescue_block(struct rescue *r, const struct node_expect *expect, struct held **out) MUST_USE;
/* A block whose two copies are both bad, put together from both. */
int rescue_block_merged(struct rescue *r, uint64_t addr, uint8_t *out) MUST_USE;
void rescue_blocks_free(struct rescue *r);

/* ---- scan.c: all tree blocks there are ---------------------------------------------------------
 */

/* Whether the extent tree knows a block. */
enum found_use { FOUND_UNKNOWN, FOUND_USED, FOUND_FREE };

struct found_block {
    uint64_t bytenr, generation, owner;
    struct key first, last; /* of the items in and below it, as far as that is known */
    uint8_t level, use;
};

/* Reads all chunks with tree blocks, once. */
int rescue_scan(struct rescue *r) MUST_USE;
/* Finds out which of the blocks are in use, once; without the extent tree nobody knows. */
int rescue_scan_use(struct rescue *r) MUST_USE;
/* Those of one owner, newest first, of one generation the highest first. */
const struct found_block *rescue_found_of(const struct rescue *r, uint64_t owner, size_t *count);
/* NULL: there was none. */
const struct found_block *rescue_found_at(const struct rescue *r, uint64_t bytenr);
void rescue_scan_free(struct rescue *r);

/* ---- tree.c: a tree, with what is found in place of what is lost -------------------------------
 */

struct rtree {
    uint64_t id;
    bool rooted; /* the fields of the root node below are right */
    bool filled; /* what is lost is looked for; else it is passed over */
    uint64_t bytenr, generation;
    uint8_t level;
    uint64_t generation_max; /* of blocks that may belong to it */
    /* Trees that it is a snapshot of; and how old a block of theirs may be at most. */
    struct {
        uint64_t id, generation_max;
    } * forebears;
    size_t forebear_count;
    bool orphaned; /* the last of them is not known; its blocks are at most that old */
    uint64_t orphan_generation_max;
    bool damaged;      /* a block was lost, or the root */
    bool leaf_damaged; /* a block with items was lost */
    struct fill *fills;
};

struct ritem {
    struct key key;
    const uint8_t *data;
    uint32_t size;
    uint64_t block, generation; /* that it stands in */
    bool guessed; /* from a block that nothing but its looks makes part of this tree */
};
typedef int ritem_fn(void *arg, const struct ritem *item);

/* Every item from lo to hi, in order; stops at what fn returns when that is not 0. */
int rtree_each(struct rescue *r, struct rtree *tree, const struct key *lo, const struct key *hi,
               ritem_fn *fn, void *arg) MUST_USE;
void rtree_free(struct rtree *tree);

/* ---- fill.c: what belongs where a block is lost ------------------------------------------------
 */

struct piece {
    const struct found_block *block;
    struct key lo, hi; /* what it stands for */
};

struct gap {
    uint64_t bytenr; /* of the lost block; 0: the root is not known */
    struct key lo, hi;
    uint64_t generation_max;
    uint8_t level_max;
};

int rescue_fill(struct rescue *r, struct rtree *tree, const struct gap *gap,
                const struct piece **pieces, size_t *count) MUST_USE;

/* ---- chunks.c, roots.c -------------------------------------------------------------------------
 */

int rescue_load_chunks(struct rescue *r) MUST_USE;
int rescue_load_roots(struct rescue *r) MUST_USE;
void rescue_roots_free(struct rescue *r);

struct rsubvol {
    struct rtree tree;
    struct root_item item;
    bool has_item;
    uint64_t parent, dirid; /* 0: it has no name */
    char *name;
    uint16_t name_len;
    struct extra *extras; /* names that only the files know, sorted by directory */
    size_t extra_count, extra_room;
    bool surveyed;
    bool deleted;
};

/* -ENOENT. */
int rescue_subvol(struct rescue *r, uint64_t id, struct rsubvol **out) MUST_USE;

/* A name that the directory has lost. */
struct extra {
    uint64_t dir, ino;
    char *name;
    uint16_t len;
};

/* ---- data.c ------------------------------------------------------------------------------------
 */

/* One of the mirrors, sector by sector, as its checksum wants it. */
struct read_buffer;

struct rescue {
    struct env *env;
    struct vol *vol;
    const struct super *super;
    const struct format_limits *limits;
    uint32_t nodesize, sectorsize;
    struct copse_rescue_options options;

    struct held_cache *cache;
    struct bad_block *bad; /* noted */

    bool scanned, use_known;
    struct found_block *found; /* by owner */
    size_t found_count, found_room;
    uint32_t *found_by_address;

    struct rtree root_tree, chunk_tree, extent_tree, csum_tree;
    struct rsubvol *subvols; /* sorted by id */
    size_t subvol_count, subvol_room;
    uint8_t *buffer, *unpacked; /* of data.c */
};

#endif
