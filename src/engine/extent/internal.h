// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of engine/extent share. */
#ifndef COPSE_ENGINE_EXTENT_INTERNAL_H
#define COPSE_ENGINE_EXTENT_INTERNAL_H

#include "base/cleanup.h"
#include "base/rangeset.h"
#include "base/rbtree.h"
#include "disk/format/format.h"
#include "engine/extent/extent.h"
#include "engine/extent/pool.h"
#include "engine/extent/sharing.h"

/* ---- pending changes (delayed.c) ------------------------------------------------------------ */

/* The net change of one reference. */
struct pending_ref {
    RB_ENTRY(pending_ref) link;
    struct extent_ref ref; /* its count is unused */
    uint64_t order;        /* ref_order(&ref) */
    int64_t by;            /* never 0 */
    bool keyed;            /* while running: has, or gets, an item of its own */
};
RB_HEAD(pending_refs, pending_ref);

/* What an extent is, apart from who refers to it. */
struct extent_id {
    uint64_t bytenr;
    uint64_t num_bytes;
    bool data;
    uint8_t level; /* tree blocks */
};

/* All that is pending for one extent. */
struct head {
    RB_ENTRY(head) link;
    struct extent_id id;
    struct pending_refs refs;
    int64_t delta;        /* sum of their `by` */
    uint64_t set_flags;   /* BLOCK_FLAG_* to be set */
    struct key first_key; /* of a fresh tree block, for full metadata items */
    uint64_t generation;  /* of a fresh one that is a part of an older extent; 0: this one's */
    uint64_t owner;       /* of a fresh one, or of a tree block that goes; 0: nobody, not known */
    bool fresh;           /* allocated, has no extent item yet */
};
RB_HEAD(heads, head);

struct sharing;

struct extents {
    struct engine *engine;
    struct space *space;
    struct heads heads;
    uint64_t pending; /* heads in there */
    uint64_t cursor;  /* where extents_run goes on */
    bool running;
    bool owners; /* are kept */
    struct pool head_pool;
    struct pool ref_pool;
    uint8_t *scratch; /* nodesize bytes, for the item being changed */
    const struct extent_listener *listener;
    void *listener_arg;
    const struct extent_trees *trees;
    void *trees_arg;
    struct sharing *sharing;
    struct rangeset log_blocks; /* of log trees, allocated and not given up */
};

/* What is pending for the extent at bytenr; NULL: nothing. */
struct head *delayed_find(struct extents *extents, uint64_t bytenr);
/* The first head at or after `from`; NULL: none. */
struct head *delayed_next(struct extents *extents, uint64_t from);
/* The references of a head, in the order of an extent item; NULL at the end. */
int pending_ref_cmp(const struct pending_ref *a, const struct pending_ref *b);
struct pending_ref *pending_first(struct head *head);
struct pending_ref *pending_next(struct pending_ref *ref);
/* The head of an extent that exists, or that is being made when fresh. */
int delayed_head(struct extents *extents, const struct extent_id *id, bool fresh,
                 struct head **out) MUST_USE;
/* Adds `by` to the pending count of ref. The head may be gone afterwards, as nothing is left. */
int delayed_change(struct extents *extents, struct head *head, const struct extent_ref *ref,
                   int64_t by) MUST_USE;
/* Takes the head out of what is pending; head_free it later. */
void delayed_detach(struct extents *extents, struct head *head);
void head_free(struct extents *extents, struct head *head);
/* delayed_head and delayed_change of an extent that exists. */
int delayed_ref(struct extents *extents, const struct extent_id *id, const struct extent_ref *ref,
                int64_t by) MUST_USE;

enum touch_kind { TOUCH_REF, TOUCH_FRESH, TOUCH_SHARED, TOUCH_SUBTREE };
/* Tells the listener, before the change is made. given_up: the tree block that loses it, or NULL.
 */
int delayed_touch(struct extents *extents, const struct extent_id *id, const struct extent_ref *ref,
                  enum touch_kind kind, const struct node *given_up) MUST_USE;

/* After this, that many delayed_ref of extents that pass delayed_check cannot fail. */
int delayed_reserve(struct extents *extents, size_t count) MUST_USE;
/* -EUCLEAN: something else is pending for this address. */
int delayed_check(struct extents *extents, const struct extent_id *id) MUST_USE;

/* "tree block 30408704 level 1", "data extent 13631488+4096"; in a thread-local buffer. */
const char *extent_text(const struct extent_id *id);

/* ---- asking (backref.c) --------------------------------------------------------------------- */

/* Whose word counts: the running extent tree with what is pending, or that of the last commit. */
struct view {
    struct root *extent_tree;
    bool pending;
};
struct view view_running(struct extents *extents);

struct ref_list {
    struct pending_ref *refs; /* the same one may come twice, until ref_list_merge */
    size_t count, capacity;
    uint64_t generation; /* of the extent; 0: it has no item yet */
    uint64_t flags;      /* EXTENT_FLAG_*, likewise */
    uint64_t owner;      /* of an EXTENT_OWNER_REF; 0: none */
};
void ref_list_clear(struct ref_list *list);
/*
 * All references of an extent. 1: there are more than `max` (some are in the list). -ENOENT: not
 * allocated.
 */
int ref_list_fill(struct extents *extents, const struct view *view, const struct extent_id *id,
                  size_t max, struct ref_list *list) MUST_USE;
/* Sums up equal ones into their counts; what sums to nothing goes. */
int ref_list_merge(struct ref_list *list, const struct extent_id *id) MUST_USE;

/* References and flags of a block; see extent_block_refs. */
int block_refs_in(struct extents *extents, const struct view *view, uint64_t bytenr, uint8_t level,
                  uint64_t *refs, uint64_t *flags) MUST_USE;

/* ---- references as such (ref.c) ------------------------------------------------------------- */

struct extent_ref ref_of_data(const struct data_ref *ref);
struct extent_ref ref_of_tree(uint64_t root_id, uint64_t parent);
bool ref_is_shared(uint8_t type);
bool ref_is_data(uint8_t type);
/* References of one type stand in descending order of this: tree, parent, or hash. */
uint64_t ref_order(const struct extent_ref *ref);
/* Whether both are the same reference, whatever their counts. */
bool ref_same(const struct extent_ref *a, const struct extent_ref *b);
/* count + by; below zero, or a tree block counted twice for one owner, is damage (trap 6). */
int ref_count_add(const struct extent_ref *ref, uint32_t count, int64_t by, uint32_t *out) MUST_USE;
/* "tree 5 inode 257 offset 0", "parent 30408704"; in a thread-local buffer. */
const char *ref_text(const struct extent_ref *ref);

/* ---- inline references (inline.c) ----------------------------------------------------------- */

/* An extent item outside its leaf. */
struct record {
    uint8_t *bytes;
    uint32_t size;
    uint32_t refs_at; /* where inline references begin */
    struct extent_item item;
};

/* Bytes of an inline reference; 0: no such type. */
uint32_t inline_size(uint8_t type);
/* Decodes the one at *pos and moves on. 1: no more. */
int inline_next(const struct record *record, uint32_t *pos, struct extent_ref *out) MUST_USE;
/* Changes the count of an inline reference, away at 0. 1: it is not among them. */
int inline_change(struct record *record, const struct extent_ref *ref, int64_t by) MUST_USE;
/* Puts in a new one where Linux expects it. 1: the item would get too long. */
int inline_insert(struct record *record, const struct extent_ref *ref, uint32_t nodesize) MUST_USE;

/* ---- extent items (items.c) ----------------------------------------------------------------- */

/* The path onto the extent item in some extent tree, to be looked at. 1: there is none. */
int item_find_in(struct extents *extents, struct root *extent_tree, const struct extent_id *id,
                 struct path *path) MUST_USE;
/* The path onto the extent item, to be changed or not. 1: there is none. */
int item_find(struct extents *extents, const struct extent_id *id, bool change,
              struct path *path) MUST_USE;
/*
 * Decodes the item under the path; bytes (nodesize of them) receive a copy, to be looked into or
 * changed. NULL: only the fixed part is wanted.
 */
int item_load(const struct path *path, const struct extent_id *id, uint8_t *bytes,
              struct record *out) MUST_USE;
/* Makes the item of a fresh extent, with as many references inline as fit; marks the others. */
int item_create(struct extents *extents, struct head *head) MUST_USE;
/* Applies a head to the item of an extent; *refs are left (0: the item is gone). */
/* What an extent item said when it was changed. */
struct item_state {
    uint64_t refs; /* that it has now */
    uint64_t generation;
    uint64_t owner; /* of data without references left; 0: it names none */
};
int item_update(struct extents *extents, struct head *head, struct item_state *out) MUST_USE;

/* ---- references with items of their own (keyed.c) ------------------------------------------- */

bool keyed_is_ref(const struct key *key, uint64_t bytenr);
int keyed_change(struct extents *extents, const struct extent_id *id, const struct extent_ref *ref,
                 int64_t by) MUST_USE;
/* Decodes the item under the path. */
int keyed_look(const struct path *path, struct extent_ref *out) MUST_USE;

/* ---- sharing (sharing_record.c, sharing_walk.c) ---------------------------------------------- */

int sharing_new(struct sharing **out) MUST_USE;
void sharing_free(struct sharing *sharing);
/* A reference of a data extent changes: answers that it could change are forgotten. */
void sharing_ref_changed(struct extents *extents, uint64_t bytenr, const struct extent_ref *ref);
/* A file extent item went, in this transaction. */
void sharing_note_dropped(struct extents *extents, uint64_t bytenr);
/* A tree, or part of one, is being deleted in this transaction. */
void sharing_note_tree_dropped(struct extents *extents);

/* ---- children (children.c) ------------------------------------------------------------------ */

/* Decodes a slot of a leaf. 1: it is no file extent item, or refers to nothing. */
int file_extent_at(const struct node *node, uint32_t slot, struct file_extent *out) MUST_USE;

/*
 * After this, extent_ref_children of node (and of copies of it) cannot fail `times` times, nor can
 * two changes of references beside it.
 */
int children_prepare(struct extents *extents, const struct node *node, size_t times) MUST_USE;
/* extent_ref_children after children_prepare. What damage still makes fail ends the transaction. */
int children_change(struct extents *extents, uint64_t root_id, const struct node *node,
                    bool full_backref, int64_t by) MUST_USE;

/* ---- backing (backing.c) -------------------------------------------------------------------- */

extern const struct forest_backing extent_backing;

static inline struct extent_id tree_id(const struct extents *extents, uint64_t bytenr,
                                       uint8_t level)
{
    return (struct extent_id){bytenr, extents->engine->nodesize, false, level};
}

static inline struct extent_id data_id(uint64_t bytenr, uint64_t num_bytes)
{
    return (struct extent_id){bytenr, num_bytes, true, 0};
}

/* ---- running (run.c) ------------------------------------------------------------------------ */

/* Runs what is pending for one extent. */
int run_extent(struct extents *extents, uint64_t bytenr) MUST_USE;
/* Puts in, and takes out, the references of a head that are marked as having items of their own. */
int run_keyed(struct extents *extents, struct head *head) MUST_USE;
/* Tells the listener of the references of a head. */
int run_tell(struct extents *extents, struct head *head, uint64_t generation, bool freed) MUST_USE;
/* Tells the listener whose extent came or, bytes below zero, went. */
int run_tell_owner(struct extents *extents, uint64_t owner, uint64_t generation,
                   int64_t bytes) MUST_USE;

#endif
