// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The commit: the one place that knows in which order things become durable (promise 5).
 *
 *   1. fs/ writes what it keeps in memory (inode items)
 *   2. delayed references become extent items
 *   3. quotas count what changed in the trees of files, and write their items
 *   4. root items, block groups, chunks and the free-space tree are written; each of these moves
 *      tree blocks, which makes new delayed references: repeat until nothing changes
 *   5. all new tree blocks are written, then flushed
 *   6. the superblock is written and flushed; from here on the transaction is durable
 *   7. what was freed may be used again
 */
#include "engine/store/internal.h"

#include "base/cleanup.h"
#include "engine/extent/sharing.h"

/* Each round only has to write what the round before it moved, which shrinks quickly. */
#define SETTLE_ROUNDS_MAX 64

/* Done once, by the first commit of an open file system. */
static int bring_in_order(struct store *store)
{
    struct store_private *priv = store->priv;

    if (priv->first_commit_done)
        return 0;
    TRY(space_clear_stale_caches(store->space));
    priv->first_commit_done = true;
    return 0;
}

static int settle(struct store *store)
{
    for (unsigned round = 0; round < SETTLE_ROUNDS_MAX; round++) {
        bool roots_changed, space_changed;

        TRY(extents_run(store->extents, 0));
        TRY(roots_write_dirty(store->roots, &roots_changed));
        TRY(extents_run(store->extents, 0));
        TRY(space_write_items(store->space, &space_changed));
        if (!roots_changed && !space_changed && extents_pending(store->extents) == 0)
            return 0;
    }
    return fail(-EIO, "commit: root items and free space do not settle");
}

static void fill_backup(const struct engine *e, const struct super *super,
                        struct backup_root *backup)
{
    const struct root *extent = e->block_group_tree.id ? &e->block_group_tree : &e->extent_tree;

    *backup = (struct backup_root){
        .tree_root = super->root,
        .tree_root_gen = super->generation,
        .tree_root_level = super->root_level,
        .chunk_root = super->chunk_root,
        .chunk_root_gen = super->chunk_root_generation,
        .chunk_root_level = super->chunk_root_level,
        .extent_root = extent->bytenr,
        .extent_root_gen = extent->generation,
        .extent_root_level = extent->level,
        .dev_root = e->dev_tree.bytenr,
        .dev_root_gen = e->dev_tree.generation,
        .dev_root_level = e->dev_tree.level,
        .csum_root = e->csum_tree.bytenr,
        .csum_root_gen = e->csum_tree.generation,
        .csum_root_level = e->csum_tree.level,
        .total_bytes = super->total_bytes,
        .bytes_used = super->bytes_used,
        .num_devices = super->num_devices,
    };
}

/* The slot behind the one that describes the last durable generation. */
static unsigned next_backup_slot(const struct super *super, uint64_t durable)
{
    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++)
        if (super->backups.r[i].tree_root_gen == durable)
            return (i + 1) % SUPER_BACKUP_ROOTS;
    return 0;
}

static int fill_super(struct store *store, struct super *super)
{
    struct engine *e = &store->engine;
    struct tree_handle *fs_tree;

    super->generation = e->txn.transid;
    super->root = e->root_tree.bytenr;
    super->root_level = e->root_tree.level;
    super->chunk_root = e->chunk_tree.bytenr;
    super->chunk_root_level = e->chunk_tree.level;
    super->chunk_root_generation = e->chunk_tree.generation;
    super->bytes_used = e->bytes_used;
    super->incompat_flags = e->incompat;
    super->compat_ro_flags = e->compat_ro;
    super->log_root = 0;
    super->log_root_level = 0;
    super->log_root_transid = 0;
    super->cache_generation = space_cache_generation(store->space);
    if (store->priv->uuid_tree_current)
        super->uuid_tree_generation = super->generation;
    if (store->priv->new_label)
        super->label = store->priv->label;
    TRY(vol_fill_system_array(e->vol, super));

    struct backup_root *backup = &super->backups.r[next_backup_slot(super, e->durable_gen)];
    fill_backup(e, super, backup);
    TRY(roots_get(store->roots, TREE_FS, &fs_tree));
    backup->fs_root = fs_tree->root.bytenr;
    backup->fs_root_gen = fs_tree->root.generation;
    backup->fs_root_level = fs_tree->root.level;
    return 0;
}

/* The superblock's generation is the root tree's, also when nothing in it has changed. */
static int renew_root_tree(struct engine *e)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key first = KEY_FIRST;
    int ret = tree_search_cow(&e->root_tree, &first, 0, &path);

    return ret < 0 ? ret : 0;
}

/* A log commit under way ends first: its superblock is older. */
static int make_durable(struct store *store, const struct super *super)
{
    struct engine *e = &store->engine;

    SCOPED_LOCK(&store->priv->durable_lock);
    TRY(txn_writable(e));
    TRY(vol_flush(e->vol));
    return vol_write_supers(e->vol, super);
}

static int write_transaction(struct store *store)
{
    struct engine *e = &store->engine;
    struct store_hooks *hooks = &store->priv->hooks;
    struct super super;

    TRY(bring_in_order(store));
    if (hooks->before_commit)
        TRY(hooks->before_commit(store->priv->hooks_arg));
    TRY(extents_run(store->extents, 0));
    TRY(qgroups_commit(store->qgroups));
    TRY(space_remove_empty(store->space));
    TRY(renew_root_tree(e));
    TRY(settle(store));

    super = *vol_super(e->vol);
    TRY(fill_super(store, &super));
    TRY(forest_write_dirty(e->forest));
    return make_durable(store, &super);
}

static int start_next(struct store *store)
{
    struct engine *e = &store->engine;

    __atomic_store_n(&e->durable_gen, e->txn.transid, __ATOMIC_RELEASE);
    __atomic_store_n(&e->txn.transid, e->txn.transid + 1, __ATOMIC_RELAXED);
    forest_set_generation(e->forest, e->txn.transid);
    store->priv->commits++;
    store->priv->log_waits = false;
    /* Nodes of the last commit that either looked at: their addresses may be used again. Both are
     * asked, as asking clears what they remember of it. */
    bool read_sharing = extent_sharing_read_durable(store->extents);
    bool read_groups = qgroups_committed(store->qgroups);
    if (read_sharing || read_groups || store->priv->read_durable)
        space_forget_pinned(store->space);
    store->priv->read_durable = false;
    TRY(space_unpin(store->space));
    reserve_restart(store);
    return 0;
}

int store_commit_locked(struct store *store)
{
    struct store_private *priv = store->priv;

    if (priv->readonly)
        return 0;
    TRY(txn_writable(&store->engine));
    /* What is marked from here on belongs to this commit or, at the latest, to the next. */
    if (!__atomic_exchange_n(&priv->changed, false, __ATOMIC_ACQ_REL))
        return 0;
    reserve_measure_from(store);
    int ret = write_transaction(store);
    reserve_measure(store);
    if (ret == 0)
        ret = start_next(store);
    if (ret < 0)
        txn_abort(&store->engine, fail_context(ret, "commit of transaction %llu",
                                               (unsigned long long)store->engine.txn.transid));
    if (priv->hooks.after_commit)
        priv->hooks.after_commit(priv->hooks_arg, ret);
    return ret;
}

int store_commit(struct store *store)
{
    if (store->priv->readonly)
        return 0;
    pthread_rwlock_wrlock(&store->priv->meta);
    int ret = store_commit_locked(store);
    pthread_rwlock_unlock(&store->priv->meta);
    return ret;
}
