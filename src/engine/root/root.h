// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * root: root items, root references and the uuid tree; and the registry of trees in memory, one
 * struct tree_handle each, opened on demand and kept while the store is open.
 */
#ifndef COPSE_ENGINE_ROOT_ROOT_H
#define COPSE_ENGINE_ROOT_ROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/txn/txn.h"

struct roots;

/* A tree that a root item describes. */
struct tree_handle {
    struct root root;      /* must stay the first member */
    struct root_item item; /* as it will be written; bytenr, level, generation come from root */
    struct roots *roots;
    bool dirty;   /* item must be written at commit */
    bool deleted; /* its root item is gone */
    /* How many sends read it: it stays as it is. Changed by atomic operations with the metadata
     * lock shared, so that whoever has it alone knows; others ask tree_is_sent. */
    unsigned sends;
    struct tree_handle *next_dirty;
    void *fs_data;        /* for fs/: what it keeps for a tree; malloced, freed by roots_close */
    uint64_t item_offset; /* key offset of the root item (creation transid of snapshots) */
};

static inline bool tree_is_sent(const struct tree_handle *tree)
{
    return __atomic_load_n(&tree->sends, __ATOMIC_RELAXED) > 0;
}

int roots_open(struct engine *engine, struct roots **out) MUST_USE;
void roots_close(struct roots *roots);

/* The tree with that id. -ENOENT: no root item. The handle lives until roots_close. */
int roots_get(struct roots *roots, uint64_t id, struct tree_handle **out) MUST_USE;

/* The root item of a tree as `root_tree`, one of another commit, has it. -ENOENT: none. */
int roots_item_in(struct root *root_tree, uint64_t id, struct root_item *item) MUST_USE;

/* The item changed: write it at the next commit. */
void roots_mark_dirty(struct tree_handle *tree);

/* A new tree: root item inserted under (id, ROOT_ITEM, key_offset), handle registered. The caller
 * has made its root node (out->root as from tree_copy_root or root_create). */
int roots_insert(struct roots *roots, struct root *root, const struct root_item *item,
                 uint64_t key_offset, struct tree_handle **out) MUST_USE;
/* Adds to what the item of a tree says that its blocks take (modulo 2^64). For repair. */
int roots_adjust_bytes(struct roots *roots, uint64_t id, uint64_t by) MUST_USE;
/*
 * The tree is deleted, its blocks follow (its item must say so). Its item is written, and the
 * handle, for those who still hold it, becomes that of an empty tree marked deleted; roots_get
 * opens another one. Within a change.
 */
int roots_retire(struct roots *roots, struct tree_handle *tree) MUST_USE;
/* Whether it was retired or deleted. No lock needed. */
bool tree_is_deleted(const struct tree_handle *tree);
/* Deletes the root item; the handle is marked deleted. */
int roots_delete(struct roots *roots, struct tree_handle *tree) MUST_USE;

/* Next free subvolume id. */
int roots_new_id(struct roots *roots, uint64_t *id) MUST_USE;

/* Writes the items of all trees whose root node moved or item changed, system trees too.
 * *changed: whether anything was written. */
int roots_write_dirty(struct roots *roots, bool *changed) MUST_USE;
/* Abort: forget what is dirty. */
void roots_drop_dirty(struct roots *roots);

/* Calls fn for each root item in order of id, from min_id on, until it returns non-zero (passed
 * on). */
int roots_each(struct roots *roots, uint64_t min_id,
               int (*fn)(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item),
               void *arg) MUST_USE;

/* ---- references between subvolumes: child named `name` in directory dirid of parent
 * ----------------- */

int root_ref_add(struct engine *engine, uint64_t parent, uint64_t child, uint64_t dirid,
                 uint64_t index, const void *name, uint16_t len) MUST_USE;
int root_ref_del(struct engine *engine, uint64_t parent, uint64_t child, uint64_t dirid,
                 const void *name, uint16_t len, uint64_t *index) MUST_USE;
/* Where child hangs; name has NAME_MAX_BYTES + 1 bytes. -ENOENT: nowhere (top level, deleted). */
int root_ref_find(struct engine *engine, uint64_t child, uint64_t *parent, uint64_t *dirid,
                  uint64_t *index, char *name, uint16_t *len) MUST_USE;
/* Whether any subvolume hangs below `parent`. */
int root_ref_any_child(struct engine *engine, uint64_t parent, bool *any) MUST_USE;

/* ---- orphan roots (subvolumes being deleted)
 * ------------------------------------------------------------ */

int root_orphan_add(struct engine *engine, uint64_t id) MUST_USE;
int root_orphan_del(struct engine *engine, uint64_t id) MUST_USE;

/* ---- uuid tree
 * ------------------------------------------------------------------------------------------- */

/* type: KEY_UUID_SUBVOL or KEY_UUID_RECEIVED. Without a uuid tree add and del do nothing, find says
 * -ENOENT. */
int uuid_tree_add(struct engine *engine, const struct uuid *uuid, uint8_t type,
                  uint64_t id) MUST_USE;
int uuid_tree_del(struct engine *engine, const struct uuid *uuid, uint8_t type,
                  uint64_t id) MUST_USE;
int uuid_tree_find(struct engine *engine, const struct uuid *uuid, uint8_t type,
                   uint64_t *id) MUST_USE;

#endif
