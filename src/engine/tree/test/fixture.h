// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A forest in memory for the tests: a volume with one chunk, and a backing that hands out blocks
 * in order, keeps every reference that the format would keep, and fails when told to.
 */
#ifndef COPSE_ENGINE_TREE_TEST_FIXTURE_H
#define COPSE_ENGINE_TREE_TEST_FIXTURE_H

#include "base/test/unit.h"

#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/dev/dev.h"
#include "engine/tree/tree.h"

#define TEST_KEY_TYPE KEY_PERSISTENT_ITEM /* items of this type may hold anything */
#define TEST_CHUNK_START (16 * MIB)

/* A reference to a block: from the tree with this id, or from the block with this address. */
struct test_ref {
    bool parent;
    uint64_t from;
};

struct test_block {
    bool used;
    bool full; /* what it points at is referenced by its address */
    uint64_t generation;
    struct test_ref *refs;
    size_t ref_count, ref_space;
};

struct fixture {
    struct env *env;
    struct dev *dev; /* what the volume was made on, open until fixture_free */
    struct vol *vol;
    struct forest *forest;
    uint32_t nodesize;
    uint64_t cache_bytes;
    struct test_block *blocks;
    size_t block_count, block_space;
    size_t *pinned, pinned_count, pinned_space; /* free after the next commit */
    size_t *reusable, reusable_count, reusable_space;
    int64_t fail_after; /* calls of the backing that work before one fails; negative: all work */
    /* How often cow_shared went each of its ways. */
    uint64_t made_full, left_full, copied_from_other;
};

/* dev_wrap, when not NULL, may put something between the volume and the memory. */
void fixture_init(struct fixture *fixture, uint32_t nodesize, uint64_t cache_bytes,
                  struct dev *(*dev_wrap)(struct dev *));
void fixture_free(struct fixture *fixture);

/* The tree has an empty leaf, or, with bytenr set, is what was left by a commit. */
struct root fixture_tree(struct fixture *fixture, uint64_t id);
/* Writes, and begins the next transaction. */
void fixture_commit(struct fixture *fixture);
/* A new forest on the same volume: nothing is cached. */
void fixture_reopen(struct fixture *fixture);

/* The reference counts are those that the trees, walked, ask for. */
void fixture_check_refs(struct fixture *fixture, struct root *const *roots, size_t count);

/* ---- what trees should hold
 * ---------------------------------------------------------------------- */

struct model_item {
    struct key key;
    uint32_t size;
    uint8_t *data;
};

struct model {
    struct model_item *items;
    size_t count, space;
};

void model_free(struct model *model);
void model_copy(struct model *to, const struct model *from);
/* The first item not before key; *found: it is that one. */
size_t model_find(const struct model *model, const struct key *key, bool *found);
void model_insert(struct model *model, const struct key *key, const void *data, uint32_t size);
void model_delete(struct model *model, size_t at, size_t count);
void model_resize(struct model *model, size_t at, uint32_t size);
void model_set(struct model *model, size_t at, const void *data, uint32_t size);

struct tree_shape {
    uint64_t leaves, nodes, items;
    uint64_t leaf_bytes; /* used */
};

/*
 * Every node is valid and what its parent says, no node but a root leaf is empty, and the items
 * are the model's (NULL: not looked at). shape may be NULL.
 */
void check_tree(struct root *root, const struct model *model, struct tree_shape *shape);

/* Fills buf with bytes that depend on the seed. */
void fill_pattern(uint8_t *buf, size_t len, uint64_t seed);

#endif
