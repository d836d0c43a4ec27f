// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of engine/qgroup share. */
#ifndef COPSE_ENGINE_QGROUP_INTERNAL_H
#define COPSE_ENGINE_QGROUP_INTERNAL_H

#include <pthread.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/qgroup/qgroup.h"

#define LLU(v) ((unsigned long long)(v))

/* ---- sets of subvolumes (rootset.c) ---------------------------------------------------------- */

/* Subvolume ids in ascending order. Equal sets are the same object. */
struct rootset {
    UT_hash_handle hh;
    size_t count;
    uint64_t ids[];
};

extern const struct rootset rootset_empty;

struct rootsets {
    struct rootset *all; /* by content */
};

/* Ids on their way into a set. */
struct id_list {
    uint64_t *ids;
    size_t count, capacity;
};

int id_list_add(struct id_list *list, const uint64_t *ids, size_t count) MUST_USE;
static inline void id_list_clear(struct id_list *list)
{
    free(list->ids);
}
bool id_list_has(const struct id_list *list, uint64_t id);
void id_list_remove(struct id_list *list, uint64_t id);

/* The set of these ids, in any order and however often. */
int rootset_make(struct rootsets *sets, struct id_list *list, const struct rootset **out) MUST_USE;
int rootset_one(struct rootsets *sets, uint64_t id, const struct rootset **out) MUST_USE;
bool rootset_has(const struct rootset *set, uint64_t id);
void rootsets_clear(struct rootsets *sets);

/* ---- groups in memory (table.c) -------------------------------------------------------------- */

struct qgroup {
    UT_hash_handle hh;
    uint64_t id;
    struct qgroup_info info;
    struct qgroup_limit limit;
    struct id_list parents, members;
    bool dirty; /* info differs from its item */

    int64_t delta; /* simple quotas: what came and went in this transaction, for its subvolume */

    struct qgroup_reserved {
        int64_t door, pending, used_rfer, used_excl;
    } own;                                /* level 0: reserve.c says what they are */
    int64_t reserved_rfer, reserved_excl; /* sums over its subvolumes */
    uint64_t summed;                      /* scratch of reserve.c */

    /* Scratch of counting (count.c): valid while `round` is the current one. */
    uint64_t round, visited;
    size_t old_roots, new_roots;
};

static inline unsigned qgroup_level(uint64_t id)
{
    return (unsigned)(id >> QGROUP_LEVEL_SHIFT);
}

/* A subvolume whose tree began, in this transaction, as that of another one. */
struct qgroup_snapshot {
    uint64_t src, id;
};

struct record;
struct pair;

struct qgroups {
    struct engine *engine;
    struct extents *extents;
    struct roots *roots;

    enum qgroup_mode mode;
    uint64_t flags;      /* QGROUP_STATUS_* */
    uint64_t progress;   /* extents from this address on are not counted yet */
    uint64_t enable_gen; /* simple quotas: what is older does not count */
    struct qgroup *groups;
    bool recount; /* everything, in the next commit: what happened cannot be told from records */

    struct record *records;
    struct qgroup_snapshot *snapshots;
    size_t snapshot_count, snapshot_capacity;
    struct id_list gone; /* subvolumes of which nothing is left; their groups go too */
    bool looked_back;    /* nodes of the last commit have come into the cache */
    struct rootsets sets;
    struct pair *pairs;
    uint64_t round, visit;

    /*
     * Reservations are made without the metadata lock. Who changes groups, their counters or what
     * contains what has both; this one is recursive.
     */
    pthread_mutex_t lock;
    uint64_t sum;
};

#define PROGRESS_DONE UINT64_MAX

struct qgroup *qgroup_find(const struct qgroups *q, uint64_t id);
int qgroup_add(struct qgroups *q, uint64_t id, struct qgroup **out) MUST_USE;
/* Out of all groups, and out of memory. */
void qgroup_drop(struct qgroups *q, struct qgroup *group);
void qgroups_forget_all(struct qgroups *q);
/* A relation, both ways. */
int qgroup_link(struct qgroup *member, struct qgroup *parent) MUST_USE;
void qgroup_unlink(struct qgroup *member, struct qgroup *parent);
/* Groups above one, each once, itself included. */
int qgroup_above(const struct qgroups *q, uint64_t id, struct id_list *out) MUST_USE;
/* Subvolumes below a group, each once; a group of level 0 is its own. */
int qgroup_below(const struct qgroups *q, uint64_t id, struct id_list *out) MUST_USE;
/* "0/257"; in a thread-local buffer. */
const char *qgroup_text(uint64_t id);

/* ---- the quota tree (items.c, load.c) -------------------------------------------------------- */

int qgroups_load(struct qgroups *q) MUST_USE;
int items_write_status(struct qgroups *q) MUST_USE;
int items_write_info(struct qgroups *q, const struct qgroup *group) MUST_USE;
int items_write_limit(struct qgroups *q, const struct qgroup *group) MUST_USE;
int items_delete_group(struct qgroups *q, uint64_t id) MUST_USE;
int items_add_relation(struct qgroups *q, uint64_t a, uint64_t b) MUST_USE;
int items_delete_relation(struct qgroups *q, uint64_t a, uint64_t b) MUST_USE;

/* ---- looking at the trees (view.c, walk.c) --------------------------------------------------- */

struct view_tree;
struct view_block;

/* The trees as they are, or as the last durable commit left them. */
struct view {
    struct qgroups *q;
    bool durable;
    struct root root_tree, extent_tree; /* copies, only read */
    struct view_tree *trees;
    struct view_block *blocks;
};

struct view_tree {
    UT_hash_handle hh;
    uint64_t id;
    bool missing;
    bool deleting;
    struct root root; /* a copy, only read */
    uint64_t last_snapshot;
    struct key progress; /* of its deletion: what lies before is gone */
};

int view_open(struct qgroups *q, bool durable, struct view *out) MUST_USE;
void view_close(struct view *view);
int view_tree(struct view *view, uint64_t id, const struct view_tree **out) MUST_USE;

/* The subvolumes that reach an extent. num_bytes 0: a tree block of that level. */
int roots_of_data(struct view *view, uint64_t bytenr, uint64_t num_bytes,
                  const struct rootset **out) MUST_USE;
int roots_of_block(struct view *view, uint64_t bytenr, uint8_t level,
                   const struct rootset **out) MUST_USE;

/* ---- counting (count.c) ---------------------------------------------------------------------- */

/* That many bytes are no longer reached by `from` but by `to`. */
int count_move(struct qgroups *q, const struct rootset *from, const struct rootset *to,
               uint64_t bytes) MUST_USE;
/* Whether count_move would change any group but that of a subvolume being deleted. */
int count_matters(struct qgroups *q, const struct rootset *from, const struct rootset *to,
                  struct view *now, bool *out) MUST_USE;
/* A subvolume now reaches all that another one reached when counted last. */
int count_snapshot(struct qgroups *q, const struct qgroup_snapshot *snapshot) MUST_USE;
void count_reset(struct qgroups *q);

/* ---- simple quotas (simple.c) ---------------------------------------------------------------- */

/* An extent of a subvolume came or went; see struct extent_listener. */
void simple_owned(struct qgroups *q, uint64_t owner, uint64_t generation, int64_t bytes);
/* Adds up what came and went. */
int simple_count(struct qgroups *q) MUST_USE;
/* Whether anything is still counted for the group, or is about to be. */
bool simple_in_use(const struct qgroup *group);

/* ---- reservations (reserve.c); q->lock held -------------------------------------------------- */

/* What contains what has changed. */
void reserve_rebuild(struct qgroups *q);
/* What was used is counted now. */
void reserve_counted(struct qgroups *q);
/* The transaction has allocated that much, or given it up. */
void reserve_used(struct qgroups *q, uint64_t tree, int64_t rfer, int64_t excl);

/* ---- what changed (record.c, account.c, rescan.c) -------------------------------------------- */

extern const struct extent_listener qgroup_listener;

/* Extents whose references changed in this transaction. */
struct record_id {
    uint64_t bytenr, num_bytes, data;
};

struct record {
    UT_hash_handle hh;
    struct record_id id;
    uint8_t level;
    bool fresh;   /* did not exist in the last commit */
    bool freed;   /* does not exist any more */
    bool subtree; /* its subtree may have lost a root that is being deleted */
    bool counted;
    bool one; /* all references that changed were keyed by `root` */
    uint64_t root;
    uint64_t generation; /* of the extent; 0: not known */
};

int record_get(struct qgroups *q, const struct record_id *id, uint8_t level,
               struct record **out) MUST_USE;
void records_clear(struct qgroups *q);
int account(struct qgroups *q) MUST_USE;
/* Counts `extents` more of them (0: all). */
int rescan_step(struct qgroups *q, uint64_t extents) MUST_USE;
void rescan_start(struct qgroups *q);

#endif
