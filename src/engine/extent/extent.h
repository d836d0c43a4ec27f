// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * extent: who refers to which block, kept as delayed references until a commit (or memory
 * pressure) writes them into extent items.
 *
 * Implements forest_backing: every tree block allocated, freed or copied while shared passes here.
 */
#ifndef COPSE_ENGINE_EXTENT_EXTENT_H
#define COPSE_ENGINE_EXTENT_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/space/space.h"
#include "engine/txn/txn.h"

struct extents;

/* Connects itself to engine->forest as its backing. */
int extents_open(struct engine *engine, struct space *space, struct extents **out) MUST_USE;
void extents_close(struct extents *extents);

/* One data reference: a file extent item, keyed by (root, inode, position - offset into extent). */
struct data_ref {
    uint64_t root;
    uint64_t objectid;
    uint64_t offset; /* file position minus offset into the extent; may wrap below zero */
    uint64_t parent; /* a leaf that holds it as a full back reference; 0: keyed as above */
};

/* ---- data extents ----------------------------------------------------------------------- */

/* Space for a data extent; see space_alloc. No reference yet. */
int extent_alloc_data(struct extents *extents, uint64_t want, uint64_t min, uint64_t hint,
                      struct range *out) MUST_USE;
/* Gives back what extent_alloc_data returned and nothing refers to; written: something was written
 * there, so it stays pinned until the next commit. */
int extent_alloc_undo(struct extents *extents, const struct range *range, bool written) MUST_USE;

/* The first reference to an extent fresh from extent_alloc_data. */
int extent_add_new_data(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                        const struct data_ref *ref) MUST_USE;
/* One more / one fewer reference to an existing data extent. The last one out frees it, with its
 * checksums. */
int extent_add_data_ref(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                        const struct data_ref *ref) MUST_USE;
int extent_drop_data_ref(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                         const struct data_ref *ref) MUST_USE;

/* ---- tree blocks ------------------------------------------------------------------------ */

/* Drops root's reference of a block (deletion of whole trees). */
int extent_drop_tree_ref(struct extents *extents, uint64_t bytenr, uint8_t level,
                         uint64_t generation, uint64_t root_id, uint64_t parent) MUST_USE;

/* Adds (or drops) one reference for each child of node, as `parent` = node (full back reference)
 * or keyed by root_id. Leaves: their file extents. All of them or, when it fails, none. */
int extent_ref_children(struct extents *extents, uint64_t root_id, const struct node *node,
                        bool full_backref, bool add) MUST_USE;

/* References and BLOCK_FLAG_* of a tree block, pending ones included. -ENOENT: not allocated. */
int extent_block_refs(struct extents *extents, uint64_t bytenr, uint8_t level, uint64_t *refs,
                      uint64_t *flags) MUST_USE;
/* References of a data extent, pending ones included. -ENOENT. */
int extent_data_refs(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                     uint64_t *refs) MUST_USE;
/* Sets FULL_BACKREF on a block. */
int extent_set_full_backref(struct extents *extents, uint64_t bytenr, uint8_t level) MUST_USE;

/* ---- who refers to it ------------------------------------------------------------------- */

/* One back reference, as extent items hold it. */
struct extent_ref {
    uint8_t type;      /* KEY_{TREE_BLOCK,SHARED_BLOCK,EXTENT_DATA,SHARED_DATA}_REF */
    uint64_t root;     /* not SHARED_*: the tree */
    uint64_t parent;   /* SHARED_*: the tree block that holds it */
    uint64_t objectid; /* EXTENT_DATA_REF: inode */
    uint64_t offset;   /* EXTENT_DATA_REF: as in struct data_ref */
    uint32_t count;    /* data: file extent items; tree blocks: 1 */
};

/*
 * Calls fn for every reference of an extent, pending ones applied, until it returns non-zero
 * (passed on). num_bytes 0: a tree block of that level. -ENOENT: not allocated.
 */
int extent_each_ref(struct extents *extents, uint64_t bytenr, uint64_t num_bytes, uint8_t level,
                    int (*fn)(void *arg, const struct extent_ref *ref), void *arg) MUST_USE;

typedef int extent_ref_fn(void *arg, const struct extent_ref *ref);

/*
 * The same as the extent tree `tree` says (the running one, or that of the last commit), without
 * what is pending and in the order of the items. *generation, of the extent, is set before the
 * first call. -ENOENT without a message: not allocated there.
 */
int extent_each_ref_in(struct extents *extents, struct root *tree, uint64_t bytenr,
                       uint64_t num_bytes, uint8_t level, uint64_t *generation, extent_ref_fn *fn,
                       void *arg) MUST_USE;

/* A reference that has just been written to, or taken out of, the extent tree. */
struct extent_event {
    uint64_t bytenr;
    uint64_t num_bytes;
    bool data;
    bool fresh; /* the extent was allocated with it */
    bool freed; /* the extent is gone with it (and perhaps others) */
    uint8_t level;
    uint64_t generation;          /* when the extent was allocated */
    const struct extent_ref *ref; /* its count: what was added or dropped */
    bool added;
};

/*
 * A reference that is about to be added or dropped. Not told: what copy-on-write of a shared node
 * does to the references of its children, as that changes nothing about who reaches them.
 */
struct extent_touch {
    uint64_t bytenr;
    uint64_t num_bytes;
    bool data;
    bool fresh;   /* being allocated */
    bool shared;  /* a tree block that others may still use */
    bool subtree; /* a tree block, whose children are not told of: its tree is being deleted */
    uint8_t level;
    uint64_t owner;               /* a tree block being given up: whose it is by its header */
    uint64_t generation;          /* and when it was allocated */
    const struct extent_ref *ref; /* its count is unused */
};

struct extent_listener {
    int (*changed)(void *arg, const struct extent_event *event); /* as references are run */
    int (*touched)(void *arg, const struct extent_touch *touch); /* as they are asked for */
    /* An extent got its item (bytes above zero) or is gone; only where owners are kept. The owner
     * of data is who its item says, of a tree block who its header says; 0: nobody. */
    int (*owned)(void *arg, uint64_t owner, uint64_t generation, int64_t bytes);
};
/* Who hears of references; a member that is NULL, or no listener: nobody. */
void extents_set_listener(struct extents *extents, const struct extent_listener *listener,
                          void *arg);
/* Whether new data extents say which tree they were made for (simple quotas). */
void extents_keep_owners(struct extents *extents, bool keep);

/* ---- log trees ---------------------------------------------------------------------------- */

/*
 * A log tree names the data extent: until the commit, whoever else may come to reach it must not
 * write there (promise 3). Its space is kept anyway: what is freed waits for the commit.
 */
void extent_note_logged(struct extents *extents, uint64_t bytenr);
/* Bytes of the blocks that log trees have now. */
uint64_t extents_log_bytes(const struct extents *extents);
/* A commit makes all log trees needless: their blocks are forgotten, and free when it is durable.
 */
int extents_drop_logs(struct extents *extents) MUST_USE;

/* ---- running ---------------------------------------------------------------------------- */

uint64_t extents_pending(const struct extents *extents);
/*
 * Runs up to max heads (0: all, also those that come up on the way). -EUCLEAN names an extent whose
 * item does not agree with what was added or dropped; after any error the transaction must be
 * aborted. Not to be called from a listener.
 */
int extents_run(struct extents *extents, uint64_t max) MUST_USE;
/* Throws away everything pending (abort). */
void extents_drop(struct extents *extents);

#endif
