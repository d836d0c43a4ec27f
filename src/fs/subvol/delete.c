// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Deleting subvolumes: the name goes at once, what the tree refers to in steps (drop.c) that begin
 * when the deletion is durable. Until then it can be undone.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "fs/subvol/drop.h"

/* Nodes that a step visits; fewer where there is no room for what that changes. */
#define STEP_NODES 128

struct dead {
    uint64_t id;
    uint64_t transid; /* in which it was deleted */
    bool stuck;       /* something in it could not be read */
    struct dead *next;
};

struct subvol_dead {
    pthread_mutex_t lock;
    struct dead *first; /* in the order of their deletion */
    bool started;
    struct drop drop; /* of the first that is not stuck; valid if started */
    uint64_t current; /* its id */
};

int subvol_dead_init(struct fs *fs)
{
    struct subvol_dead *dead = calloc(1, sizeof(*dead));

    if (!dead)
        return fail(-ENOMEM, "no memory for deleted subvolumes");
    lock_init(&dead->lock, RANK_DEAD);
    fs->dead = dead;
    return 0;
}

void subvol_dead_release(struct fs *fs)
{
    struct dead *entry;

    if (!fs->dead)
        return;
    while ((entry = fs->dead->first)) {
        fs->dead->first = entry->next;
        free(entry);
    }
    lock_destroy(&fs->dead->lock);
    free(fs->dead);
    fs->dead = NULL;
}

static int enqueue(struct fs *fs, uint64_t id, uint64_t transid)
{
    struct dead *entry = calloc(1, sizeof(*entry));
    struct dead **link;

    if (!entry)
        return fail(-ENOMEM, "no memory for a deleted subvolume");
    entry->id = id;
    entry->transid = transid;
    SCOPED_LOCK(&fs->dead->lock);
    for (link = &fs->dead->first; *link; link = &(*link)->next)
        ;
    *link = entry;
    return 0;
}

static void dequeue(struct fs *fs, uint64_t id)
{
    SCOPED_LOCK(&fs->dead->lock);
    for (struct dead **link = &fs->dead->first; *link; link = &(*link)->next) {
        struct dead *entry = *link;

        if (entry->id == id) {
            *link = entry->next;
            free(entry);
            return;
        }
    }
}

/* ---- the name -------------------------------------------------------------------------------- */

int subvol_may_delete(struct fs *fs, const struct tree_handle *tree)
{
    uint64_t id = tree->root.id, standard;
    bool any;

    TRY(subvol_get_default(fs, &standard));
    if (id == standard)
        return fail(-EPERM, "subvolume %llu is the default one", (unsigned long long)id);
    if (id == TREE_FS)
        return fail(-EINVAL, "the top level cannot be deleted");
    if (tree_is_sent(tree))
        return fail(-EPERM, "subvolume %llu is being sent", (unsigned long long)id);
    TRY(root_ref_any_child(&fs->store->engine, id, &any));
    return any ? fail(-ENOTEMPTY, "subvolume %llu holds others", (unsigned long long)id) : 0;
}

/* The root item, as Linux leaves it for whoever cleans up. */
static void mark_dead(struct tree_handle *tree)
{
    tree->item.refs = 0;
    tree->item.flags |= ROOT_SUBVOL_DEAD;
    tree->item.drop_progress = (struct key){0};
    tree->item.drop_level = 0;
}

static int bury(struct fs *fs, struct tree_handle *tree)
{
    struct engine *engine = &fs->store->engine;
    uint64_t id = tree->root.id;

    TRY(root_orphan_add(engine, id));
    TRY(uuid_tree_del(engine, &tree->item.uuid, KEY_UUID_SUBVOL, id));
    TRY(uuid_tree_del(engine, &tree->item.received_uuid, KEY_UUID_RECEIVED, id));
    /* What undelete brings back shall be all there was. */
    TRY(inodes_write_dirty_of(fs, id));
    mark_dead(tree);
    inodes_forget_tree(fs, id);
    TRY(roots_retire(fs->store->roots, tree));
    return enqueue(fs, id, engine->txn.transid);
}

int subvol_unlink(struct inode *dir, const struct subvol_name *name, struct tree_handle *tree)
{
    struct fs *fs = dir->fs;

    TRY(subvol_may_delete(fs, tree));
    TRY(dir_remove(dir, name->text, name->len, NULL));
    int ret = bury(fs, tree);
    return ret < 0 ? txn_abort(&fs->store->engine, ret) : 0;
}

/* ---- undoing it ------------------------------------------------------------------------------ */

static int unbury(struct inode *dir, const struct subvol_name *name, struct tree_handle *tree)
{
    struct key location = key_make(tree->root.id, KEY_ROOT_ITEM, UINT64_MAX);
    struct engine *engine = &dir->fs->store->engine;

    TRY(dir_add(dir, name->text, name->len, &location, FT_DIR));
    TRY(root_orphan_del(engine, tree->root.id));
    TRY(uuid_tree_add(engine, &tree->item.uuid, KEY_UUID_SUBVOL, tree->root.id));
    TRY(uuid_tree_add(engine, &tree->item.received_uuid, KEY_UUID_RECEIVED, tree->root.id));
    tree->item.refs = 1;
    tree->item.flags &= ~ROOT_SUBVOL_DEAD;
    roots_mark_dirty(tree);
    return 0;
}

static bool is_begun(struct fs *fs, const struct tree_handle *tree)
{
    SCOPED_LOCK(&fs->dead->lock);
    return tree->item.drop_progress.objectid != 0 ||
           (fs->dead->started && fs->dead->current == tree->root.id);
}

int subvol_undelete(struct inode *dir, const struct subvol_name *name, uint64_t id,
                    struct tree_handle **out)
{
    struct fs *fs = dir->fs;
    struct tree_handle *tree;

    TRY(dir_name_is_free(dir, name->text, name->len));
    if (!is_fs_tree(id))
        return fail(-ENOENT, "%llu is no subvolume", (unsigned long long)id);
    TRY(roots_get(fs->store->roots, id, &tree));
    if (tree->item.refs != 0)
        return fail(-EINVAL, "subvolume %llu is not deleted", (unsigned long long)id);
    if (is_begun(fs, tree))
        return fail(-ENOENT, "subvolume %llu: part of it is gone", (unsigned long long)id);
    int ret = unbury(dir, name, tree);
    if (ret < 0)
        return txn_abort(&fs->store->engine, ret);
    dequeue(fs, id);
    *out = tree;
    return 0;
}

/* ---- what is left to do ---------------------------------------------------------------------- */

static int find_dead(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct fs *fs = arg;

    (void)key_offset;
    return is_fs_tree(id) && item->refs == 0 ? enqueue(fs, id, 0) : 0;
}

int subvol_find_dead(struct fs *fs)
{
    return roots_each(fs->store->roots, TREE_FS, find_dead, fs);
}

unsigned subvol_count_dead(struct fs *fs)
{
    unsigned count = 0;

    SCOPED_LOCK(&fs->dead->lock);
    for (struct dead *entry = fs->dead->first; entry; entry = entry->next)
        count += !entry->stuck;
    return count;
}

/* The first that is durably deleted; 0: none. */
static uint64_t next_dead(struct fs *fs)
{
    SCOPED_LOCK(&fs->dead->lock);
    for (struct dead *entry = fs->dead->first; entry; entry = entry->next)
        if (!entry->stuck && entry->transid <= engine_durable_gen(&fs->store->engine))
            return entry->id;
    return 0;
}

static void set_stuck(struct fs *fs, uint64_t id)
{
    SCOPED_LOCK(&fs->dead->lock);
    for (struct dead *entry = fs->dead->first; entry; entry = entry->next)
        entry->stuck |= entry->id == id;
    fs->dead->started = false;
}

/* The tree at work, begun if need be. Metadata lock held alone. */
static int current_drop(struct fs *fs, struct drop **out)
{
    struct subvol_dead *dead = fs->dead;
    uint64_t id = next_dead(fs);
    struct tree_handle *tree;

    *out = NULL;
    if (id == 0)
        return 0;
    if (!dead->started || dead->current != id) {
        int ret = roots_get(fs->store->roots, id, &tree);
        if (ret == 0)
            ret = drop_open(fs, tree, &dead->drop);
        if (ret < 0) {
            set_stuck(fs, id);
            return ret;
        }
        SCOPED_LOCK(&dead->lock);
        dead->current = id;
        dead->started = true;
    }
    *out = &dead->drop;
    return 0;
}

/* Nothing refers to anything any more. */
static int finish(struct fs *fs, struct tree_handle *tree)
{
    uint64_t id = tree->root.id;

    int ret = roots_delete(fs->store->roots, tree);
    if (ret == 0)
        ret = root_orphan_del(&fs->store->engine, id);
    if (ret == -ENOENT) /* whoever began this may have removed it */
        ret = 0;
    if (ret == 0)
        ret = qgroups_subvol_gone(fs->store->qgroups, id);
    if (ret < 0)
        return txn_abort(&fs->store->engine, ret);
    fail_clear();
    dequeue(fs, id);
    SCOPED_LOCK(&fs->dead->lock);
    fs->dead->started = false;
    return 0;
}

static int step_locked(struct fs *fs, unsigned nodes)
{
    struct drop *drop;
    bool done;

    TRY(current_drop(fs, &drop));
    if (!drop)
        return 0;
    int ret = drop_step(drop, nodes, &done);
    if (ret < 0) {
        env_note(fs->env, NOTE_ERROR, "subvolume %llu cannot be removed: %s",
                 (unsigned long long)fs->dead->current, fail_message());
        set_stuck(fs, fs->dead->current);
        return ret;
    }
    return done ? finish(fs, drop->tree) : 0;
}

int subvol_drop_step(struct fs *fs, bool *more)
{
    unsigned nodesize = fs->store->engine.nodesize;
    unsigned nodes = STEP_NODES;
    int ret;

    *more = false;
    if (next_dead(fs) == 0)
        return 0;
    /* On a full file system less at a time, out of the global reserve. */
    while ((ret = store_begin(fs->store, STORE_RELEASE, drop_units(nodesize, nodes))) == -ENOSPC &&
           nodes > 1)
        nodes /= 2;
    if (ret < 0)
        return ret;
    ret = step_locked(fs, nodes);
    store_end(fs->store);
    *more = next_dead(fs) != 0;
    return ret;
}
