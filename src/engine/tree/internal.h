// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the files of this module share.
 *
 * cache.c   which nodes are in memory      node.c    where things lie inside a block
 * write.c   dirty nodes to the device      cow.c     whose node is it, and making one's own
 * forest.c  the forest, reading nodes      path.c    positions, next and previous
 * search.c  from a key to a position       insert.c  making room
 * item.c    changing one item              delete.c  removing and merging
 * root.c    root nodes                     known.c   which blocks were valid
 * find.c    where in a node a key is
 */
#ifndef COPSE_ENGINE_TREE_INTERNAL_H
#define COPSE_ENGINE_TREE_INTERNAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <bsd/sys/queue.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "engine/tree/tree.h"

#define LLU(v) ((unsigned long long)(v))

/* ---- nodes --------------------------------------------------------------------------------- */

/* What node.address holds while the hash must not find the node; no block lies there. */
#define ADDRESS_HIDDEN UINT64_MAX

#define CACHE_LINE 64 /* of the processor */

/*
 * The first members are read by searches without a lock, see cache.c, and all that a search needs
 * is in one line of the processor's cache. The memory of a struct node stays a struct node until
 * the forest is freed.
 */
struct node {
    _Atomic uint64_t address; /* bytenr, or ADDRESS_HIDDEN */
    _Atomic(struct node *) hash_next;
    _Atomic uint32_t refs; /* holders; the cache is one of them; 0: unused */
    atomic_bool recent;    /* used since the clock's hand came by */
    bool dirty;            /* in a dirty list; changed by the writer, under the cache's lock */
    bool in_slab;          /* its data is a part of its slab's */
    uint32_t leaf_items;   /* of a leaf: about how many, to fetch what a search will look at */
    uint32_t streak;       /* the slot behind the last insertion, 0: none */
    uint8_t *data;
    uint64_t bytenr;
    uint64_t birth; /* epoch of the forest when this transaction made it; 0: read from the device */
    struct forest *forest;
    TAILQ_ENTRY(node) link; /* clean: clock; dirty: a dirty list; unused: pool */
} __attribute__((aligned(CACHE_LINE)));

TAILQ_HEAD(node_list, node);

/* See known.c. */
struct known {
    _Atomic uint64_t *prints;
    uint32_t bits;
    _Atomic uint64_t found;
};

struct cache {
    pthread_mutex_t lock; /* lists, counts, the hash's chains when they change */
    _Atomic(struct node *) *buckets;
    uint32_t bucket_bits;
    uint32_t nodesize;
    uint64_t max_nodes; /* soft limit */
    uint64_t nodes;     /* in use: hashed, or loose in somebody's hands */
    uint64_t buffers;   /* data buffers, those of the pool too */
    void (*watch)(void *ctx, uint64_t bytes);
    void *watch_ctx;
    uint64_t watched_buffers; /* as the watcher knows */
    struct node_list clock;   /* clean nodes; the hand is at the head */
    struct node_list dirty[2];
    _Atomic uint64_t dirty_nodes;
    struct node_list pool; /* unused, perhaps with a buffer */
    struct slab *slabs;
    _Atomic uint64_t hits; /* approximate */
    _Atomic uint64_t cows;
    uint64_t misses, writes;
};

/* Log trees have a dirty list of their own, so that an fsync does not look at all the rest. */
enum { DIRTY_PLAIN, DIRTY_LOG };

struct forest {
    struct vol *vol;
    const struct format_limits *limits;
    uint32_t nodesize;
    int error; /* nothing may be written any more */
    uint64_t generation;
    uint64_t epoch; /* from 1; a snapshot of any tree begins a new one */
    const struct forest_backing *backing;
    void *backing_ctx;
    struct uuid chunk_tree_uuid;
    atomic_bool chunk_tree_uuid_known;
    struct cache cache;
    struct known known;
};

/* ---- cache.c ------------------------------------------------------------------------------- */

int cache_init(struct cache *cache, uint32_t nodesize, uint64_t bytes) MUST_USE;
void cache_destroy(struct cache *cache);
void cache_watch_memory(struct cache *cache, void (*fn)(void *ctx, uint64_t bytes), void *ctx);

/* A hashed node, held for the caller; NULL: not there. No lock is taken when it is found. */
struct node *cache_find(struct cache *cache, uint64_t bytenr);
/* A node that only the caller knows, its data undefined; evicts clean nodes for it. */
int cache_take(struct forest *forest, struct node **out) MUST_USE;
/* Hashes a taken node that was read; returns the one that is there (perhaps another's), held. */
struct node *cache_publish_clean(struct node *node, uint64_t bytenr);
/* Hashes a taken node of the running transaction; whatever else was known at bytenr is gone. */
void cache_publish_dirty(struct node *node, uint64_t bytenr);
void cache_set_dirty(struct node *node);
/* Only those that are still dirty. */
void cache_set_clean(struct cache *cache, struct node **nodes, size_t count);
void cache_forget(struct cache *cache, uint64_t bytenr);
/* Forgets all nodes that are dirty or of this header generation. */
void cache_forget_generation(struct cache *cache, uint64_t generation);

static inline void node_get(struct node *node)
{
    atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
}

/* The last holder lets go. */
void node_last_put(struct node *node);

static inline void node_drop(struct node *node)
{
    if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) == 1)
        node_last_put(node);
}

/* ---- known.c ------------------------------------------------------------------------------- */

/* For blocks of that many nodes in memory, and some more. */
int known_init(struct known *known, uint64_t nodes) MUST_USE;
void known_destroy(struct known *known);
/* The print of the block that was last valid there, or of another, or 0. */
uint64_t known_get(const struct known *known, uint64_t bytenr);
void known_set(struct known *known, uint64_t bytenr, uint64_t print);

/* ---- write.c ------------------------------------------------------------------------------- */

/* Writes dirty nodes that nobody holds when there are too many. */
int write_early(struct forest *forest) MUST_USE;

/* ---- node.c: reading ------------------------------------------------------------------------- */

static inline const disk_node_header *node_header(const struct node *node)
{
    return (const disk_node_header *)node->data;
}

static inline uint8_t level_of(const struct node *node)
{
    return node_header(node)->level;
}

static inline uint32_t items_of(const struct node *node)
{
    return le32_get(node_header(node)->nritems);
}

/* After the number of items changed. */
static inline void leaf_items_note(struct node *node)
{
    node->leaf_items = level_of(node) ? 0 : items_of(node);
}

static inline uint64_t generation_of(const struct node *node)
{
    return le64_get(node_header(node)->generation);
}

static inline const disk_leaf_item *item_at(const struct node *node, uint32_t slot)
{
    return (const disk_leaf_item *)(node->data + NODE_HEADER_SIZE) + slot;
}

static inline const disk_key_ptr *ptr_at(const struct node *node, uint32_t slot)
{
    return (const disk_key_ptr *)(node->data + NODE_HEADER_SIZE) + slot;
}

/* Items and key pointers both begin with their key. */
static inline const disk_key *key_at(const struct node *node, uint32_t slot)
{
    return level_of(node) ? &ptr_at(node, slot)->key : &item_at(node, slot)->key;
}

static inline uint32_t item_offset(const struct node *node, uint32_t slot)
{
    return le32_get(item_at(node, slot)->offset);
}

static inline uint32_t item_size(const struct node *node, uint32_t slot)
{
    return le32_get(item_at(node, slot)->size);
}

static inline int disk_key_cmp(const disk_key *a, const struct key *b)
{
    uint64_t objectid = le64_get(a->objectid);

    if (objectid != b->objectid)
        return objectid < b->objectid ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    uint64_t offset = le64_get(a->offset);
    if (offset != b->offset)
        return offset < b->offset ? -1 : 1;
    return 0;
}

/* Where the data above item `slot` ends, from the end of the header: items before it are there. */
static inline uint32_t data_end_before(const struct node *node, uint32_t slot)
{
    return slot ? item_offset(node, slot - 1) : leaf_capacity(node->forest->nodesize);
}

/* Bytes that items [from, to) take, headers and data. */
static inline uint32_t leaf_range_bytes(const struct node *node, uint32_t from, uint32_t to)
{
    return (to - from) * (uint32_t)LEAF_ITEM_SIZE + data_end_before(node, from) -
           data_end_before(node, to);
}

static inline uint32_t leaf_used(const struct node *node)
{
    return leaf_range_bytes(node, 0, items_of(node));
}

static inline uint32_t leaf_free(const struct node *node)
{
    return leaf_capacity(node->forest->nodesize) - leaf_used(node);
}

/* ---- find.c --------------------------------------------------------------------------------- */

/* Where a key probably stands in a node, from 0 to 1. */
#define ANYWHERE (-1.0)

/* What the keys around a child tell of where in it the key is. */
double child_where(const struct node *parent, uint32_t slot, const struct key *key);
/*
 * Asks for the memory that a search of the node will look at. One after another each would be
 * waited for, and a leaf that was not used for a while is in no cache of the processor.
 */
void node_fetch_ahead(const struct node *node, double where);
/* The same for the items from slot on and, of the data, so many bytes down from that of slot. */
void node_fetch_tail(const struct node *node, uint32_t slot, uint32_t bytes);
/* The first slot whose key is not less than key; *found: it is equal. */
uint32_t node_search(const struct node *node, const struct key *key, double where, bool *found);

/* ---- node.c: changing; all mark the node dirty -------------------------------------------------
 */

/* The block of a node that is ours. */
static inline uint8_t *node_bytes_mut(struct node *node)
{
    INVARIANT(generation_of(node) == node->forest->generation,
              "I5: only nodes of the running transaction change");
    if (!node->dirty)
        cache_set_dirty(node);
    return node->data;
}

void node_set_key(struct node *node, uint32_t slot, const struct key *key);
void node_set_ptr(struct node *node, uint32_t slot, const struct node *child);
/* A pointer to child, under its first key or, where it is still empty, under key. */
void node_insert_ptr(struct node *node, uint32_t slot, const struct key *key,
                     const struct node *child);
void node_remove_ptrs(struct node *node, uint32_t slot, uint32_t count);
/* Room for an item; returns its data, undefined. */
uint8_t *leaf_insert(struct node *node, uint32_t slot, const struct key *key, uint32_t size);
void leaf_remove(struct node *node, uint32_t slot, uint32_t count);
/* Grows (with zeroes) or cuts at the end. */
void leaf_resize(struct node *node, uint32_t slot, uint32_t size);
void leaf_cut_front(struct node *node, uint32_t slot, uint32_t bytes);
/* Item slot becomes two; there is room for another header. */
void leaf_split_item(struct node *node, uint32_t slot, const struct key *new_key, uint32_t at);
/* Inserts a copy of src's items or pointers [first, first + count) at slot of dst, same level. */
void node_copy_entries(struct node *dst, uint32_t slot, const struct node *src, uint32_t first,
                       uint32_t count);
void node_remove_entries(struct node *node, uint32_t slot, uint32_t count);
/* Everything below the header, into a node that is empty. */
void node_copy_body(struct node *dst, const struct node *src);
/* Zeroes what no item uses, so that nothing stale reaches the device. */
void node_zero_gap(struct node *node);

/* ---- forest.c ------------------------------------------------------------------------------ */

/* The child at slot, held; all that the parent says of it is checked. `where`: see node_search. */
int child_get(const struct root *root, const struct node *parent, uint32_t slot, double where,
              struct node **out) MUST_USE;
int root_node_get(const struct root *root, struct node **out) MUST_USE;
/* -EROFS without a running transaction, the error after one that cannot be undone. */
int forest_may_change(const struct forest *forest) MUST_USE;

/* ---- path.c -------------------------------------------------------------------------------- */

static inline bool path_is_top(const struct path *path, unsigned level)
{
    return level + 1 >= TREE_LEVELS_MAX || !path->nodes[level + 1];
}

/* INVARIANT: the tree's structure is as this path saw it. */
void path_check_fresh(const struct path *path);
/* The same, and its leaf is ours to change. */
struct node *path_check_writable(const struct path *path);

/* The structure of the tree changes; `path`, if any, is about to know. */
static inline void root_changed(struct root *root)
{
    root->changes++;
}

/* ---- cow.c --------------------------------------------------------------------------------- */

/* Whether it may be changed in place. */
bool node_is_ours(const struct root *root, const struct node *node);
/* Whether nobody else can reach it: then a block that is not needed any more is freed plainly. */
bool node_is_private(const struct root *root, const struct node *node);
/* A new empty dirty node, ours; nothing points at it yet. */
int block_new(struct root *root, uint8_t level, const struct key *first_key, uint64_t hint,
              struct node **out) MUST_USE;
/* Gives back what block_new made and was not linked, and puts it. */
void block_undo(struct root *root, struct node *node);
/* Frees the block of a private node, forgets and puts it. When it fails the node is still held. */
int block_free(struct root *root, struct node *node) MUST_USE;
/* Makes *node, child slot of parent (NULL: the root node), ours. */
int node_cow(struct root *root, struct node *parent, uint32_t slot, struct node **node) MUST_USE;

/* ---- root.c -------------------------------------------------------------------------------- */

/* The tree has so many blocks more. */
void root_count(struct root *root, int nodes);
/* The tree has this root node now. */
void root_set_node(struct root *root, const struct node *node);

/* ---- insert.c ------------------------------------------------------------------------------ */

/* What the leaf must take at the path's slot. */
struct room {
    uint32_t bytes;
    const struct key *key; /* of a new item before the slot; NULL: the item at the slot grows */
};

/* Splits and shifts until it fits; the path follows. Nodes of the path are ours. */
int leaf_make_room(struct path *path, const struct room *room) MUST_USE;
/* The first key below nodes[level] changed: tells the nodes above. */
void path_fix_low_keys(struct path *path, unsigned level);

/* ---- delete.c ------------------------------------------------------------------------------ */

/* Merges small nodes of the path, from `level` upwards, and drops root nodes with one child. */
void path_balance(struct path *path, unsigned level);

#endif
