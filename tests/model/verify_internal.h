// SPDX-License-Identifier: GPL-2.0-or-later
/* Inside the checker: what it collects on its walk, and who holds what against what. */
#ifndef COPSE_TESTS_MODEL_VERIFY_INTERNAL_H
#define COPSE_TESTS_MODEL_VERIFY_INTERNAL_H

#include <stdlib.h>
#include <string.h>

#include "base/rangeset.h"
#include "disk/csum/csum.h"
#include "engine/tree/tree.h"
#include "tests/model/verify.h"

#define LLU(v) ((unsigned long long)(v))

/* A growing array of T. */
#define ARRAY_OF(T)                                                                                \
    struct {                                                                                       \
        T *v;                                                                                      \
        size_t count, cap;                                                                         \
    }
#define ARRAY_ADD(array)                                                                           \
    ((array)->v = must_grow((array)->v, (array)->count, &(array)->cap, sizeof(*(array)->v)),       \
     &(array)->v[(array)->count++])

struct item_view {
    uint64_t tree; /* being walked */
    const struct node *leaf;
    bool fresh; /* the leaf is met for the first time */
    struct key key;
    const uint8_t *data;
    uint32_t size;
};

/* An extent item. */
struct v_extent {
    uint64_t bytenr, len, refs, flags, generation;
    uint8_t level;
    bool found; /* tree blocks: met on the walk */
};

/* A reference, as listed in the extent tree or as met on the walk. */
struct v_ref {
    uint64_t bytenr;
    uint64_t root; /* or the parent, by type */
    uint64_t objectid, offset;
    uint64_t len; /* met data references: of the extent; 0: not known */
    uint64_t count;
    uint8_t type;
};

struct v_chunk {
    struct chunk_map map;
    bool has_group;
};

struct v_group {
    uint64_t start, len, flags, used, counted;
    uint32_t free_count, free_flags; /* of FREE_SPACE_INFO */
    bool has_info;
    uint32_t free_items;
};

struct v_dev_extent {
    uint64_t devid, offset, chunk, len;
    bool found;
};

/* How file extents use the disk. */
struct v_use {
    uint64_t start, len;
    bool prealloc, nodatasum;
};

struct v_csum {
    uint64_t start;
    uint32_t count;
    uint8_t *sums;
};

struct v_files;

struct verify {
    struct vol *vol;
    struct forest *forest;
    const struct super *super;
    unsigned flags;
    char *report;
    size_t cap;
    unsigned complaints;
    struct rangeset reached; /* tree blocks */
    uint64_t block_bytes;
    uint64_t tree_bytes; /* of the tree being walked, whoever else has them */
    ARRAY_OF(struct v_extent) extents;
    ARRAY_OF(struct v_ref) listed;
    ARRAY_OF(struct v_ref) met;
    ARRAY_OF(struct v_chunk) chunks;
    ARRAY_OF(struct v_group) groups;
    ARRAY_OF(struct v_dev_extent) dev_extents;
    ARRAY_OF(struct v_use) uses;
    ARRAY_OF(struct v_csum) csums;
    struct rangeset free;
    uint64_t dev_bytes_used; /* of the device item */
    struct v_files *files;   /* of the subvolume being walked */
};

void bad(struct verify *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void *must_grow(void *array, size_t count, size_t *cap, size_t item);
void *must_alloc(size_t size);

/* verify_walk.c */
void walk_tree(struct verify *v, uint64_t id, uint64_t bytenr, int level, uint64_t generation);
/* What is left of one that is being deleted. */
void walk_dead_tree(struct verify *v, uint64_t id, const struct root_item *item);
const struct v_extent *extent_at(const struct verify *v, uint64_t bytenr);

/* verify_refs.c */
void verify_refs_load(struct verify *v, struct root *extent_tree);
void refs_check(struct verify *v);
void refs_meet_block(struct verify *v, uint64_t tree, const struct node *parent, uint64_t bytenr);
void refs_meet_data(struct verify *v, const struct item_view *item, const struct file_extent *fe);

/* verify_space.c */
void space_item(struct verify *v, const struct item_view *item);
void space_check(struct verify *v);
void space_check_super(struct verify *v, struct dev *dev);

/* verify_csums.c */
void csums_item(struct verify *v, const struct item_view *item);
void csums_check(struct verify *v);

/* verify_files.c */
void files_begin(struct verify *v);
void files_item(struct verify *v, const struct item_view *item);
void files_end(struct verify *v, uint64_t tree);
/* Of a tree of which parts may be gone: nothing is held against anything. */
void files_drop(struct verify *v);

/* ---- verify_check.c -------------------------------------------------------------------------- */

void verify_check(struct verify *v, struct env *env, struct dev *dev);

#endif
