// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tree: copy-on-write B-trees over a bounded cache of nodes.
 *
 * A forest is all trees of one volume: the node cache, the running generation, and the two things
 * trees need from above and do not know: who allocates blocks and who counts references
 * (struct forest_backing, implemented by engine/extent and connected by engine/store).
 *
 * Threads: any number of readers at once, or one writer alone (the file system's metadata lock,
 * held by the caller). The cache itself is safe for concurrent readers.
 *
 * A node that the running transaction made (header generation == running generation, not yet
 * reached by a snapshot of its tree in this transaction) is changed in place in memory; any other
 * is copied first.
 *
 * When a function that changes a tree fails, the tree holds the items it held before and is
 * valid: everything that can fail happens before the step that links it in. Nodes may have been
 * copied or split on the way, which only a later step of the same call would have needed. A path
 * given to it is then released. When the backing cannot even take a block back that was not needed
 * after all, what it counts and what the trees hold disagree: forest_error() is set for good and
 * nothing is written any more.
 */
#ifndef COPSE_ENGINE_TREE_TREE_H
#define COPSE_ENGINE_TREE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/err.h"
#include "disk/format/format.h"
#include "disk/vol/vol.h"

/* ---- nodes
 * --------------------------------------------------------------------------------------- */

struct node; /* a cached tree block, reference counted */

/* The block's bytes, nodesize of them; const: changes go through the functions below. */
const void *node_data(const struct node *node);
uint64_t node_bytenr(const struct node *node);
uint64_t node_generation(const struct node *node);
uint64_t node_owner(const struct node *node);
uint64_t node_flags(const struct node *node); /* header flags, without the revision byte */
void node_set_flag(struct node *node, uint64_t header_flag, bool on);
uint8_t node_level(const struct node *node);
uint32_t node_items(const struct node *node); /* nritems */
void node_key(const struct node *node, uint32_t slot, struct key *out);
/* Internal nodes. */
uint64_t node_child(const struct node *node, uint32_t slot);
uint64_t node_child_generation(const struct node *node, uint32_t slot);
/* Leaves. */
const void *leaf_data(const struct node *node, uint32_t slot);
uint32_t leaf_size(const struct node *node, uint32_t slot);
uint32_t leaf_free_space(const struct node *node, uint32_t nodesize);

/* ---- roots
 * ----------------------------------------------------------------------------------------- */

struct forest;

/*
 * One tree in memory. Embedded in, or owned by, whoever manages that tree; address stable while in
 * use. bytenr 0: empty, no root node yet (only inside mkfs; see root_create).
 */
struct root {
    struct forest *forest;
    uint64_t id;            /* tree objectid; what new nodes carry as owner */
    uint64_t bytenr;        /* of the root node */
    uint64_t generation;    /* of the root node */
    uint8_t level;          /* of the root node */
    bool shareable;         /* subvolumes: nodes may be shared by snapshots (Linux: SHAREABLE) */
    bool is_log;            /* a log tree: blocks are not reference counted */
    uint64_t last_snapshot; /* generation of the last snapshot of it, 0: none */
    bool force_cow;         /* copy also what is ours, once after each tree_copy_root */
    bool dirty;             /* the item is to be written; whoever does clears it */
    int64_t nodes_added;    /* since then, to the item's bytes_used; whoever writes it clears it */
    /* Called when dirty goes from false to true; may be NULL. */
    void (*on_dirty)(struct root *root);
    void *owner;      /* for the on_dirty listener */
    uint64_t changes; /* internal: counts changes of structure, finds stale paths */
};

/* ---- the backing that extent implements ------------------------------------------------------ */

/*
 * Each of these has changed nothing when it fails. None of them may change a tree of this forest;
 * reading is fine.
 */
struct forest_backing {
    /*
     * A new block for `root`. Adds the pending reference of that root (none for log trees).
     * hint: near this address if possible. first_key: for full (not skinny) metadata items.
     */
    int (*alloc_block)(void *ctx, const struct root *root, uint8_t level,
                       const struct key *first_key, uint64_t hint, uint64_t *bytenr);
    /*
     * `root` no longer uses the block old (which only it used). generation and level are the
     * block's; the space is pinned until the transaction is durable, or free at once when the
     * running transaction allocated it and never wrote it.
     */
    int (*free_block)(void *ctx, const struct root *root, const struct node *old);
    /*
     * Called on copy-on-write of a block that may be shared, after new was filled from old. Does
     * what the format asks to the references of the children of both and drops root's reference of
     * old. *last: old has no other user. New's header is complete: owner and generation of this
     * transaction, WRITTEN off, RELOC only in a relocation tree.
     * Called for blocks of shareable roots that are as old as the root's last snapshot or have the
     * RELOC flag, and for all blocks of relocation trees. Never for the root node of another tree:
     * each tree has one of its own.
     */
    int (*cow_shared)(void *ctx, const struct root *root, struct node *old, struct node *new_node,
                      bool *last);
    /*
     * node, the root node of the new tree `root`, was filled from that of another tree: what it
     * points at (key pointers, or the file extents of a leaf) gains a reference. Keyed by root->id,
     * or by node's address where root is a relocation tree.
     */
    int (*share_children)(void *ctx, const struct root *root, const struct node *node);
};

/* ---- forest
 * -------------------------------------------------------------------------------------------- */

struct forest_options {
    uint64_t cache_bytes; /* soft limit of clean and written nodes; at least 64 nodes are kept */
};

int forest_new(struct vol *vol, const struct forest_options *options, struct forest **out) MUST_USE;
void forest_free(struct forest *forest);
/*
 * Tells fn, now and whenever it changes much, how many bytes of memory the nodes take. A lock of
 * the cache is held then: fn must not use the forest. NULL: nobody is told any more.
 */
void forest_watch_memory(struct forest *forest, void (*fn)(void *ctx, uint64_t bytes), void *ctx);
void forest_set_backing(struct forest *forest, const struct forest_backing *backing, void *ctx);
struct vol *forest_vol(const struct forest *forest);
uint32_t forest_nodesize(const struct forest *forest);
/* What new nodes carry. Learned from the first node read; mkfs, which reads none, sets it. */
void forest_set_chunk_tree_uuid(struct forest *forest, const struct uuid *uuid);
/* 0, or the error after which nothing is written any more (see the top). */
int forest_error(const struct forest *forest);

/* The running transaction's generation; 0: none, every write function fails with -EROFS. */
uint64_t forest_generation(const struct forest *forest);
/* What the one before made has been written or dropped, unless generation is 0. */
void forest_set_generation(struct forest *forest, uint64_t generation);

/*
 * Writes every dirty node of the running generation, sorted by address, validated
 * (node_validate_inside) and sealed. Nodes stay cached, clean. Does not flush the device.
 * After an error what was not written is still dirty.
 */
int forest_write_dirty(struct forest *forest) MUST_USE;
/* The same for the nodes of one tree (log trees). */
int forest_write_dirty_of(struct forest *forest, uint64_t root_id) MUST_USE;
/*
 * Bytes of dirty nodes in memory. When they are more than three quarters of the cache, those that
 * no path holds are written early, as part of a change. They stay ours: only a commit makes them
 * durable, so they are changed in place and written again (nodes of log trees are copied, since a
 * log commit makes them durable). A node that does not validate is left for forest_write_dirty to
 * complain about.
 */
uint64_t forest_dirty_bytes(const struct forest *forest);
/* Throws away all dirty nodes and all of the running generation (abort). */
void forest_drop_dirty(struct forest *forest);
/* The block is free: forget a cached node there. */
void forest_forget(struct forest *forest, uint64_t bytenr);

/* Reads (or finds cached) a node. Release with node_put. */
int forest_read_node(struct forest *forest, const struct node_expect *expect,
                     struct node **out) MUST_USE;
void node_put(struct node *node);

struct forest_stats {
    uint64_t cached_nodes, dirty_nodes, hits, misses, writes;
    uint64_t cows;  /* not in log trees */
    uint64_t known; /* of the misses: the same to the bit as when it was found valid before */
};
void forest_stats(const struct forest *forest, struct forest_stats *out);
/* Its `cows` alone, without a lock. */
uint64_t forest_cows(const struct forest *forest);

/* Makes an empty leaf the root node of a tree that has none (bytenr 0). */
int root_create(struct root *root) MUST_USE;

/* ---- paths and searching
 * ---------------------------------------------------------------------------------- */

/*
 * Where a search stands: a node and a slot per level. Zero-initialised is empty.
 *
 * A path is good until the structure of its tree changes by other means than this very path:
 * walking on, or changing through it after that, is a mistake that is caught (INVARIANT). Every
 * search releases what the path held before.
 */
struct path {
    struct root *root; /* whose tree was searched; NULL: empty */
    struct node *nodes[TREE_LEVELS_MAX];
    uint32_t slots[TREE_LEVELS_MAX];
    uint64_t changes_seen; /* internal: root->changes when the path was made */
};

#define PATH_INIT ((struct path){0})
void path_release(struct path *path);
/* A search that fails leaves the path empty. */
#define AUTO_PATH CLEANUP(path_release) /* AUTO_PATH struct path path = PATH_INIT; */

/*
 * Finds key. 0: the path stands on it. 1: it is not there and the path stands where it would be
 * inserted (perhaps one past the last item of a leaf: path_valid() tells). Negative: errno.
 * In a tree without a root node nothing is found and the path stays empty.
 */
int tree_search(struct root *root, const struct key *key, struct path *path) MUST_USE;

/* tree_search, then on to the first item at or after key. 0: stands on an item; 1: none. */
int tree_search_ge(struct root *root, const struct key *key, struct path *path) MUST_USE;
/* The last item at or before key. 0: stands on an item; 1: none. */
int tree_search_le(struct root *root, const struct key *key, struct path *path) MUST_USE;

/*
 * To the next / previous item. 0 or 1 (no more: the path stays where it was). The path is read-only
 * afterwards, and empty after an error. A next key that is not greater is -EUCLEAN, so that a walk
 * ends on any tree.
 */
int path_next(struct path *path) MUST_USE;
int path_prev(struct path *path) MUST_USE;

/* Whether the path stands on an item. */
bool path_valid(const struct path *path);
void path_key(const struct path *path, struct key *out);
const void *path_data(const struct path *path);
uint32_t path_size(const struct path *path);
struct node *path_leaf(const struct path *path);
uint32_t path_slot(const struct path *path);
/* Asks the processor for what moves when the item is deleted, while other things are done. */
void path_fetch_tail(const struct path *path);

/*
 * "tree 5 block 30408704 slot 3 (256 INODE_ITEM 0)" for messages; in a thread-local buffer.
 */
const char *path_where(const struct path *path);

/* ---- changing
 * -----------------------------------------------------------------------------------------------
 */

/*
 * Like tree_search, but every node on the path is ours to change (copied where needed). With
 * ins_len > 0, when the key is found, the leaf has room for one more item of that much data
 * (LEAF_ITEM_SIZE is added here) beside it; otherwise ins_len is of no consequence: insertions
 * make room and deletions merge by themselves.
 */
int tree_search_cow(struct root *root, const struct key *key, int ins_len,
                    struct path *path) MUST_USE;

/* Inserts an item. -EEXIST. data NULL: zeroed. */
int tree_insert(struct root *root, const struct key *key, const void *data, uint32_t size) MUST_USE;

/*
 * Inserts and leaves the path on the new item, whose zeroed data is *data_out, to be filled in
 * before any other change of the forest. -EEXIST: path stands on the old item (writable).
 */
int tree_insert_path(struct root *root, const struct key *key, uint32_t size, struct path *path,
                     void **data_out) MUST_USE;

/*
 * tree_insert_path for a key that belongs right behind the path's item: without a search where that
 * is so and the leaf shows it, else with one. -EEXIST: path stands on the old item (writable).
 */
int path_insert_behind(struct path *path, const struct key *key, uint32_t size,
                       void **data_out) MUST_USE;

/* Replaces the data (in place when the size is unchanged) or inserts when it is not there. */
int tree_upsert(struct root *root, const struct key *key, const void *data, uint32_t size) MUST_USE;

/* Deletes one item by key. -ENOENT. */
int tree_delete(struct root *root, const struct key *key) MUST_USE;

/* The rest need a path from tree_search_cow. */

/* The item's data, to be changed in place. */
void *path_data_mut(struct path *path);
/* Makes the item `size` long: cut at the end, or grown with zeroes (the leaf is split if it must;
 * the path follows). */
int path_resize(struct path *path, uint32_t size) MUST_USE;
/* Cuts `bytes` off the front of the item's data. */
void path_cut_front(struct path *path, uint32_t bytes);
/* Changes the item's key; order is kept (checked by INVARIANT). */
void path_set_key(struct path *path, const struct key *key);
/*
 * Splits the item: the first `at` bytes stay, the rest becomes an item new_key right behind it.
 * The path stands on the second. -EOVERFLOW: the two do not fit into one leaf.
 */
int path_split_item(struct path *path, const struct key *new_key, uint32_t at) MUST_USE;
/* Duplicates the item under new_key, which must sort right behind it; path stands on the copy. */
int path_duplicate_item(struct path *path, const struct key *new_key) MUST_USE;
/*
 * Deletes count items from the path's slot on, all in this leaf. Releases the path. Nodes that
 * become small are merged with neighbours where those are not shared and it needs no new block; a
 * neighbour that cannot be read is left alone.
 */
int path_delete(struct path *path, uint32_t count) MUST_USE;

/* ---- whole trees
 * -----------------------------------------------------------------------------------------------
 */

/*
 * Copies the root node of src to a new block owned by new_id, as a snapshot does; what it points
 * at gains references through backing->share_children. *out is the new tree, to be put into place
 * by the caller (on_dirty and owner are NULL; dirty is set, also of src).
 *
 * The trees share nodes from now on: last_snapshot of both becomes the running generation, so that
 * what they have now is copied before it changes. What is made after the last snapshot of any tree
 * is nobody else's and changes in place.
 */
int tree_copy_root(struct root *src, uint64_t new_id, struct root *out) MUST_USE;

#endif
