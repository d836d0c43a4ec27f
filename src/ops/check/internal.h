// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of this module share. README.md says in which order they work. */
#ifndef COPSE_OPS_CHECK_INTERNAL_H
#define COPSE_OPS_CHECK_INTERNAL_H

#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/rangeset.h"
#include "disk/vol/vol.h"
#include "ops/check/check.h"
#include "ops/check/findings.h"
#include "ops/check/ledger.h"
#include "ops/check/pile.h"
#include "ops/check/problems.h"

/* For the %llu of messages. */
#define LLU(v) ((unsigned long long)(v))

/* How many pieces parallel work is cut into. */
#define LANES 4

/* ---- what is found --------------------------------------------------------------------------- */

/* Where; 0: does not matter. The rest is for who repairs (struct check_finding). */
struct place {
    uint64_t tree, block, ino;
    uint64_t other, start, len;
};

#define PLACE(...) ((struct place){__VA_ARGS__})

/* ---- trees and blocks ------------------------------------------------------------------------ */

struct tree_root {
    uint64_t id, offset; /* of the key */
    uint64_t bytenr, generation;
    uint8_t level;
    bool top;  /* named by the superblock, by no root item */
    bool dead; /* being deleted */
    struct root_item item;
};

/* A node on the way to where the deletion of a tree stands: children before `first` are gone. */
struct dead_node {
    uint64_t bytenr;
    uint32_t first;
};

enum block_flags {
    BLOCK_LISTED = 1,     /* in the extent tree */
    BLOCK_FULL = 2,       /* with full back references: what is below is referred to by block */
    BLOCK_BAD = 4,        /* no copy can be read */
    BLOCK_FILES = 8,      /* of a tree with files: has a span */
    BLOCK_INCOMPLETE = 16 /* something below is lost */
};

/* A tree block, each once, whoever shares it. */
struct block {
    uint64_t bytenr, generation, owner;
    struct key first, last; /* of all items below */
    uint64_t sum;           /* of names against references below (names.c) */
    uint32_t span;          /* of inodes, in the pile of its lane and level */
    uint32_t size;          /* blocks below and itself, each as often as it is reached */
    uint8_t lane, level, flags;
    bool empty, reloc;
};

/*
 * What is known of one inode from a run of neighbouring items. An inode that begins in one leaf
 * and ends in another is put together from the parts.
 */
struct inode_part {
    uint64_t ino;
    bool has_item, has_extent, has_inline, compressed;
    bool lost; /* some of it cannot be read: nothing is said about it */
    uint32_t mode, nlink;
    uint64_t size, nbytes, flags;
    uint32_t names;      /* back references */
    uint64_t dir_bytes;  /* of names in it, both ways */
    uint64_t entries;    /* DIR_ITEM against DIR_INDEX: 0 when they agree */
    uint64_t bytes;      /* in extents */
    uint64_t begin, end; /* of extents */
    uint64_t gap;        /* first place between extents that nothing covers, or UINT64_MAX */
    uint64_t csum_at,
        no_csum_at; /* an extent with, without (all of its) checksums; or UINT64_MAX */
};

/* The inodes of a run of leaves: complete ones have been checked and are gone. */
struct span {
    bool one;               /* one inode only, in tail: it may go on at both ends */
    struct inode_part head; /* began before; ino 0: none */
    struct inode_part tail; /* may go on behind */
};

/* ---- space ----------------------------------------------------------------------------------- */

/* A chunk and the block group that should be on it. */
struct area {
    struct chunk_map map;
    bool has_group, has_info;
    struct block_group_item group;
    uint64_t used; /* counted */
    uint32_t free_count, info_count, info_flags;
};

/* ---- all of it ------------------------------------------------------------------------------- */

/* What a file extent item maps and nobody has written there, though some of it has checksums. */
struct unwritten {
    struct range range; /* on the disk */
    uint64_t tree, block, ino, offset;
    uint32_t slot;
};

struct lane {
    uint64_t *ledger;
    struct pile spans[TREE_LEVELS_MAX];
    struct pile unlisted;  /* uint64_t: children that are not in the table of blocks */
    struct pile unwritten; /* struct unwritten: with checksums */
    struct pile written;   /* struct range: what is written of that (unwritten.c) */
    uint8_t *run, *other;  /* blocks as read */
};

struct found;

struct check {
    struct env *env;
    struct vol *vol;
    const struct copse_check_options *options;
    const struct check_sink *sink; /* NULL: nobody wants to know */
    const struct super *super;
    const struct format_limits *limits;
    uint32_t nodesize, sectorsize;
    bool no_holes;
    uint64_t seed;
    struct budget budget;

    pthread_mutex_t lock; /* of what is found */
    struct found *found;
    size_t found_count, found_room;
    uint64_t counts[CHECK_CODES];
    int error; /* of memory: ends everything */

    struct pile roots;      /* struct tree_root, in order of id */
    struct pile dead_nodes; /* struct dead_node */
    struct pile blocks;     /* struct block, in order of address */
    struct pile areas;      /* struct area, in order of address */
    struct pile gaps;       /* struct range: no extent there, without what is under superblocks */
    struct pile csums;      /* struct range: has checksums; neighbours are one */
    struct pile suspects;   /* uint64_t: extents to be told to the sink whether they agree or not */
    bool extents_known, csums_known;

    /* Set while references are looked at once more, where they do not agree. */
    struct recount *recount;
    uint64_t *ledger;
    struct lane lanes[LANES];
    uint64_t done, total; /* bytes, for progress */
};

/* report.c */
void report(struct check *c, enum check_code code, struct place place, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Tells the caller, in the order of the table. */
void report_all(struct check *c, struct copse_check_result *result);
void report_free(struct check *c);
/* Keeps the first error that ends everything; returns ret. */
int check_failed(struct check *c, int ret);
void check_progress(struct check *c, uint64_t bytes);

/* path.c: the path of an inode in a tree, to be freed; NULL: it cannot be told. */
char *path_of_inode(struct check *c, uint64_t tree, uint64_t ino);

/* walk.c: items of one tree in order */
struct spot {
    uint64_t tree, block;
    uint32_t slot;
    struct key key;
    const uint8_t *data;
    uint32_t size;
};
typedef int item_fn(void *arg, const struct spot *spot);
/* Stops at what fn returns when that is not 0. -EIO, -EUCLEAN: a block of it is bad. */
int read_tree(struct check *c, const struct tree_root *root, item_fn *fn, void *arg) MUST_USE;
/* The same from `from` on. */
int read_tree_from(struct check *c, const struct tree_root *root, const struct key *from,
                   item_fn *fn, void *arg) MUST_USE;
/* The first copy of a block that is as expected. */
int read_block(struct check *c, const struct node_expect *expect, void *block) MUST_USE;

/* supers.c, chunks.c, roots.c: what everything else hangs on */
void check_supers(struct check *c, struct dev *dev);
int load_chunks(struct check *c) MUST_USE;
int load_roots(struct check *c) MUST_USE;
/* NULL: there is none. */
const struct tree_root *find_root(const struct check *c, uint64_t id);
void check_root_items(struct check *c);

/* subvols.c, log.c */
int check_subvols(struct check *c) MUST_USE;
int check_log(struct check *c) MUST_USE;

/* extents.c, groups.c, free.c: what the extent tree says, and what stands beside it */
int load_extents(struct check *c) MUST_USE;
/*
 * Each reference that an item of the extent tree lists; 0 or what fn returns. The cursor, which
 * begins with c set, has to see every item.
 */
typedef int reference_fn(void *arg, const struct reference *ref);
struct extent_cursor {
    const struct check *c;
    struct reference head; /* the extent that items with a reference of their own belong to */
};
int each_listed(struct extent_cursor *cursor, const struct spot *spot, reference_fn *fn,
                void *arg) MUST_USE;
void take_group(struct check *c, const struct spot *spot);
int check_groups(struct check *c) MUST_USE;
int check_device_extents(struct check *c) MUST_USE;
int check_free_space(struct check *c) MUST_USE;
struct area *area_of(const struct check *c, uint64_t addr);
/* Adds a range to a pile, without what of it lies under superblocks. */
int add_free_range(struct pile *pile, const struct area *area, uint64_t start,
                   uint64_t end) MUST_USE;

/* csums.c */
int load_csums(struct check *c) MUST_USE;
enum coverage { COVERED_NOT, COVERED_PARTLY, COVERED };
enum coverage csum_coverage(const struct check *c, uint64_t start, uint64_t len);
/* The first record that ends behind addr, of a pile of disjoint ones in order of address that each
 * begin with a struct range; NULL: none does. */
const void *range_behind(const struct pile *pile, uint64_t addr);
int check_data(struct check *c) MUST_USE;

/* blocks.c, scan.c: every tree block, in order of address */
struct block *find_block(const struct check *c, uint64_t bytenr);
int scan_blocks(struct check *c) MUST_USE;
uint32_t first_child(const struct check *c, uint64_t bytenr);
/* leaf.c, node.c */
void look_at_block(struct check *c, struct lane *lane, struct block *block, const uint8_t *bytes);
void look_at_leaf(struct check *c, struct lane *lane, struct block *block, const uint8_t *bytes);
struct spot spot_at(const struct block *block, const uint8_t *bytes, uint32_t slot);
void meet(struct check *c, struct lane *lane, const struct reference *ref);
bool is_files_tree(uint64_t owner);

/* unwritten.c: checksums under what was allocated and never written */
void note_unwritten(struct check *c, const struct block *block, const struct spot *spot,
                    const struct range *range);
int check_unwritten(struct check *c) MUST_USE;

/* join.c: what only shows when neighbours are put together */
int join_blocks(struct check *c) MUST_USE;

/* inode.c */
/* The bytes that an item with an extent maps there: of a compressed one all. */
struct range extent_on_disk(const struct file_extent *extent);
void part_init(struct inode_part *part, uint64_t ino);
void part_item(struct check *c, const struct block *block, struct inode_part *part,
               const struct spot *spot);
void part_merge(struct check *c, uint64_t tree, struct inode_part *left,
                const struct inode_part *right);
/* An inode of which everything is known. */
void part_check(struct check *c, uint64_t tree, const struct inode_part *part);

/* names.c */
uint64_t name_numbers(const struct check *c, const struct spot *spot);
uint64_t entry_numbers(const struct check *c, const struct spot *spot);
int check_names(struct check *c, const struct tree_root *root) MUST_USE;

/* recount.c: the references that do not agree */
int suspect_extent(struct check *c, uint64_t bytenr) MUST_USE;
int check_references(struct check *c) MUST_USE;
void recount_meet(struct recount *recount, const struct reference *ref);

#endif
