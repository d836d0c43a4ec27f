// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/store/internal.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/lock.h"

#define DEFAULT_CACHE_BYTES (64 * MIB)

int store_open(struct vol *vol, const struct store_options *options, struct store **out)
{
    struct store *store = calloc(1, sizeof(*store));
    struct store_private *priv = calloc(1, sizeof(*priv));
    uint64_t cache = options->cache_bytes ? options->cache_bytes : DEFAULT_CACHE_BYTES;

    if (!store || !priv) {
        free(store);
        free(priv);
        vol_close(vol);
        return fail(-ENOMEM, "no memory to open a file system");
    }
    store->priv = priv;
    priv->readonly = options->readonly || vol_readonly(vol);
    priv->repair = options->repair;
    priv->rescue = priv->readonly ? options->rescue : 0;
    priv->uuid_tree_current = vol_super(vol)->uuid_tree_generation == vol_super(vol)->generation;
    rwlock_init(&priv->meta, RANK_METADATA);
    lock_init(&priv->durable_lock, RANK_DURABLE);

    int ret = engine_init(&store->engine, vol, cache);
    if (ret < 0) {
        vol_close(vol);
        lock_destroy(&priv->durable_lock);
        rwlock_destroy(&priv->meta);
        free(priv);
        free(store);
        return ret;
    }
    ret = store_load(store);
    if (ret < 0) {
        store_close(store);
        return ret;
    }
    if (store->space)
        space_set_discard(store->space, options->discard);
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    struct vol *vol = store->engine.vol;

    if (store->extents && !store->priv->readonly)
        reserve_destroy(store);
    qgroups_close(store->qgroups);
    extents_close(store->extents);
    space_close(store->space);
    roots_close(store->roots);
    engine_release(&store->engine);
    vol_close(vol);
    lock_destroy(&store->priv->durable_lock);
    rwlock_destroy(&store->priv->meta);
    free(store->priv);
    free(store);
}

void store_set_hooks(struct store *store, const struct store_hooks *hooks, void *arg)
{
    store->priv->hooks = *hooks;
    store->priv->hooks_arg = arg;
}

bool store_ignores_checksums(const struct store *store)
{
    return (store->priv->rescue & STORE_NO_CHECKSUMS) != 0;
}

bool store_readonly(const struct store *store)
{
    return store->priv->readonly || txn_failed(&store->engine);
}

bool store_has_log(const struct store *store)
{
    return vol_super(store->engine.vol)->log_root != 0;
}

uint64_t store_commits(const struct store *store)
{
    return store->priv->commits;
}

void store_set_label(struct store *store, const char *label)
{
    struct store_private *priv = store->priv;

    memset(&priv->label, 0, sizeof(priv->label));
    memcpy(priv->label.b, label, MIN(strlen(label), sizeof(priv->label.b) - 1));
    priv->new_label = true;
}

struct label store_label(const struct store *store)
{
    return store->priv->new_label ? store->priv->label : vol_super(store->engine.vol)->label;
}

void store_mark_changed(struct store *store)
{
    __atomic_store_n(&store->priv->changed, true, __ATOMIC_RELEASE);
}

void store_shared_tree(struct store *store)
{
    reserve_shared_tree(store);
}

void store_read_lock(struct store *store)
{
    pthread_rwlock_rdlock(&store->priv->meta);
}

void store_read_unlock(struct store *store)
{
    pthread_rwlock_unlock(&store->priv->meta);
}

/* ---- changes ------------------------------------------------------------------------------------
 */

/* Delayed references are worked off in batches, so that a commit finds few of them. */
#define DELAYED_REFS_MAX 20000
#define DELAYED_REFS_BATCH 4000

static int promise_or_commit(struct store *store, enum store_intent intent, unsigned units)
{
    int ret = reserve_more(store, units, 0, false);

    /* While a log tree waits for its replay nothing may be committed: that would drop it. */
    if ((ret == -EAGAIN || ret == -ENOSPC) && !store->priv->log_waits) {
        TRY(store_commit_locked(store));
        if (space_is_mixed(store->space))
            TRY(reserve_count_nodes(store));
        ret = reserve_more(store, units, 0, false);
    }
    if (ret == -EAGAIN || ret == -ENOSPC) {
        if (intent == STORE_CREATE)
            return fail(-ENOSPC, "no metadata space left");
        ret = reserve_more(store, units, 0, true);
    }
    if (ret < 0)
        return ret == -EAGAIN ? fail(-ENOSPC, "no metadata space left") : ret;
    return space_prepare_chunks(store->space, SPACE_METADATA);
}

static int begin_locked(struct store *store, enum store_intent intent, unsigned units)
{
    TRY(txn_writable(&store->engine));
    TRY(promise_or_commit(store, intent, units));
    reserve_measure_from(store);
    store_mark_changed(store);
    return 0;
}

static int try_begin(struct store *store, enum store_intent intent, unsigned units)
{
    pthread_rwlock_wrlock(&store->priv->meta);
    int ret = begin_locked(store, intent, units);
    if (ret < 0)
        pthread_rwlock_unlock(&store->priv->meta);
    return ret;
}

static int settle(struct store *store, bool again)
{
    const struct store_hooks *hooks = &store->priv->hooks;

    if (hooks->settle)
        TRY(hooks->settle(store->priv->hooks_arg, again));
    return store_commit(store);
}

int store_drop_deleted(struct store *store)
{
    const struct store_hooks *hooks = &store->priv->hooks;
    int dropped = hooks->drop_deleted ? hooks->drop_deleted(store->priv->hooks_arg) : 0;

    if (dropped > 0)
        TRY(store_commit(store));
    return dropped;
}

/* What dirty data was promised is the worst case, what nobody reaches need not be held, and what
 * was deleted may go now: before anyone is told that there is no space (promise 1 and 11). */
static int begin_after_settling(struct store *store, enum store_intent intent, unsigned units)
{
    int ret = -ENOSPC, dropped;

    for (int again = 0; again < (intent == STORE_CREATE ? 2 : 1) && ret == -ENOSPC; again++) {
        TRY(settle(store, again != 0));
        ret = try_begin(store, intent, units);
    }
    while (ret == -ENOSPC && intent == STORE_CREATE && (dropped = store_drop_deleted(store)) != 0) {
        TRY(dropped);
        ret = try_begin(store, intent, units);
    }
    return ret == -ENOSPC ? fail(-ENOSPC, "no metadata space left") : ret;
}

/* What settles begins changes too. */
static _Thread_local bool settling;

static int try_hard_to_begin(struct store *store, enum store_intent intent, unsigned units)
{
    int ret = try_begin(store, intent, units);

    /* See promise_or_commit for the log. */
    if (ret != -ENOSPC || settling || !store->priv->hooks.settle || store->priv->log_waits)
        return ret;
    settling = true;
    ret = begin_after_settling(store, intent, units);
    settling = false;
    return ret;
}

int store_begin(struct store *store, enum store_intent intent, unsigned units)
{
    if (store->priv->readonly)
        return fail(-EROFS, "%s: opened read-only", vol_label(store->engine.vol));
    return try_hard_to_begin(store, intent, units);
}

int store_begin_promised(struct store *store, unsigned units)
{
    pthread_rwlock_wrlock(&store->priv->meta);
    int ret = txn_writable(&store->engine);
    /* As in promise_or_commit. */
    if (ret == 0 && reserve_is_short(store) && !store->priv->log_waits)
        ret = store_commit_locked(store);
    if (ret < 0) {
        pthread_rwlock_unlock(&store->priv->meta);
        return ret;
    }
    reserve_begin_future(store, units);
    reserve_measure_from(store);
    store_mark_changed(store);
    return 0;
}

static int end_change(struct store *store)
{
    const struct store_hooks *hooks = &store->priv->hooks;

    if (hooks->end_change && !store->priv->log_waits)
        TRY(hooks->end_change(store->priv->hooks_arg));
    return extents_pending(store->extents) > DELAYED_REFS_MAX
               ? extents_run(store->extents, DELAYED_REFS_BATCH)
               : 0;
}

void store_end(struct store *store)
{
    if (!txn_failed(&store->engine)) {
        int ret = end_change(store);
        if (ret < 0)
            txn_abort(&store->engine, ret);
    }
    reserve_settle(store);
    uint64_t tree = store->priv->door_tree, bytes = store->priv->door_bytes;
    store->priv->door_bytes = 0;
    pthread_rwlock_unlock(&store->priv->meta);
    if (bytes > 0)
        qgroups_leave(store->qgroups, tree, bytes);
}

/* ---- quotas -----------------------------------------------------------------------------------
 */

int store_quota_settle(struct store *store, unsigned times_before)
{
    return settle(store, times_before > 0);
}

int store_quota_enter(struct store *store, uint64_t tree, uint64_t bytes)
{
    int ret = qgroups_enter(store->qgroups, tree, bytes);

    if (store->priv->readonly)
        return ret;
    for (unsigned settled = 0; ret == -EDQUOT && settled < STORE_SETTLE_TIMES; settled++) {
        TRY(store_quota_settle(store, settled));
        ret = qgroups_enter(store->qgroups, tree, bytes);
    }
    return ret;
}

/* Tree blocks that one operation makes at most, however many items it touches. */
#define DOOR_NODES_MAX 12U

int store_begin_in(struct store *store, uint64_t tree, enum store_intent intent, unsigned units)
{
    uint64_t bytes = (uint64_t)MIN(units, DOOR_NODES_MAX) * store->engine.nodesize;

    if (intent != STORE_CREATE || store->priv->readonly)
        return store_begin(store, intent, units);
    TRY(store_quota_enter(store, tree, bytes));
    int ret = store_begin(store, intent, units);
    if (ret < 0) {
        qgroups_leave(store->qgroups, tree, bytes);
        return ret;
    }
    store->priv->door_tree = tree;
    store->priv->door_bytes = bytes;
    return 0;
}

/* ---- promises for later
 * --------------------------------------------------------------------------- */

int store_promise(struct store *store, unsigned units)
{
    int ret = reserve_more(store, 0, units, false);

    if (ret == -EAGAIN || ret == -ENOSPC) {
        TRY(store_commit(store));
        ret = reserve_more(store, 0, units, false);
    }
    return ret == -EAGAIN ? fail(-ENOSPC, "no metadata space left") : ret;
}

void store_unpromise(struct store *store, unsigned units)
{
    reserve_less_future(store, units);
}

static bool data_chunks_suffice(struct store *store)
{
    struct space_totals t;

    space_totals(store->space, SPACE_DATA, &t);
    uint64_t taken = t.used + t.allocated + t.pinned + t.readonly;
    return taken + t.promised <= t.total;
}

int store_promise_data(struct store *store, uint64_t bytes)
{
    TRY(txn_writable(&store->engine));
    int ret = space_promise(store->space, SPACE_DATA, bytes, false);

    if (ret == -EAGAIN) {
        TRY(store_commit(store));
        ret = space_promise(store->space, SPACE_DATA, bytes, false);
    }
    if (ret < 0)
        return ret == -EAGAIN ? fail(-ENOSPC, "no data space left") : ret;
    if (data_chunks_suffice(store))
        return 0;
    ret = store_begin(store, STORE_CREATE, 4);
    if (ret == 0) {
        ret = space_prepare_chunks(store->space, SPACE_DATA);
        store_end(store);
    }
    if (ret < 0)
        space_promise_release(store->space, SPACE_DATA, bytes);
    return ret;
}

void store_unpromise_data(struct store *store, uint64_t bytes)
{
    space_promise_release(store->space, SPACE_DATA, bytes);
}
