// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log commit: between two commits, the last durable superblock is written again and names a log
 * tree, which brings what was fsynced since (promise 6). Two flushes: log blocks and data; the
 * superblock. Its copies follow and are durable by the flush before the next superblock. Changes go
 * on during the flushes; the next superblock has to wait.
 */
#include "engine/store/internal.h"

#include "base/cleanup.h"

int store_durable_tree(struct store *store, uint64_t id, struct root *out, uint64_t *flags)
{
    const struct super *super = vol_super(store->engine.vol);
    struct engine *e = &store->engine;
    struct root_item item;
    struct root root_tree;

    store->priv->read_durable = true;
    engine_root_set(e, &root_tree, TREE_ROOT, super->root, super->generation, super->root_level);
    TRY(roots_item_in(&root_tree, id, &item));
    if (item.refs == 0)
        return fail(-ENOENT, "tree %llu: being deleted", (unsigned long long)id);
    engine_root_set(e, out, id, item.bytenr, item.generation, item.level);
    *flags = item.flags;
    return 0;
}

bool store_log_possible(const struct store *store)
{
    const struct super *super = vol_super(store->engine.vol);

    return !store->priv->log_waits && super->incompat_flags == store->engine.incompat &&
           super->compat_ro_flags == store->engine.compat_ro && space_groups_durable(store->space);
}

int store_log_promise(struct store *store, uint64_t bytes)
{
    return space_promise(store->space, SPACE_METADATA, bytes, false);
}

void store_log_unpromise(struct store *store, uint64_t bytes)
{
    space_promise_release(store->space, SPACE_METADATA, bytes);
}

int store_write_log(struct store *store, const struct root *log_roots)
{
    struct engine *e = &store->engine;
    struct super super = *vol_super(e->vol);

    /* The next change may allocate a chunk, of which the last commit knows nothing. */
    super.dev_item = vol_device(e->vol, 0)->item;
    INVARIANT(super.generation == e->durable_gen && super.generation + 1 == e->txn.transid,
              "I5: a log belongs to the transaction behind the last durable one");
    super.log_root = log_roots->bytenr;
    super.log_root_level = log_roots->level;
    super.log_root_transid = 0;
    TRY(txn_writable(e));
    TRY(forest_write_dirty_of(e->forest, TREE_LOG));
    pthread_mutex_lock(&store->priv->durable_lock);
    store->priv->log_super = super;
    return 0;
}

/* What fails here may have lost data that a later flush says nothing of (promise 6): no commit that
 * waits for the lock may go on then. */
int store_finish_log(struct store *store)
{
    struct vol *vol = store->engine.vol;

    int ret = vol_flush(vol);
    if (ret == 0)
        ret = vol_write_log_super(vol, &store->priv->log_super);
    if (ret < 0)
        txn_abort(&store->engine, ret);
    pthread_mutex_unlock(&store->priv->durable_lock);
    return ret;
}

void store_wait_log(struct store *store)
{
    pthread_mutex_lock(&store->priv->durable_lock);
    pthread_mutex_unlock(&store->priv->durable_lock);
}

int store_flush(struct store *store)
{
    /* Who flushes now has the lock: what it has not made durable yet is not passed over. */
    SCOPED_LOCK(&store->priv->durable_lock);
    TRY(txn_writable(&store->engine));
    int ret = vol_is_flushed(store->engine.vol) ? 0 : vol_flush(store->engine.vol);
    return ret < 0 ? txn_abort(&store->engine, ret) : 0;
}

bool store_is_changed(const struct store *store)
{
    return __atomic_load_n(&store->priv->changed, __ATOMIC_ACQUIRE);
}
