// SPDX-License-Identifier: GPL-2.0-or-later
/* Quotas, as the API has them. */
#include "fs/mount/internal.h"

int mount_quota_status(struct mount *m, struct copse_quota_status *out)
{
    struct store *store = m->fs.store;
    struct qgroups_state state;

    if (!store->qgroups)
        return fail(-EUCLEAN, "quotas cannot be read");
    store_read_lock(store);
    qgroups_state(store->qgroups, &state);
    *out = (struct copse_quota_status){
        .mode = (enum copse_quota_mode)state.mode,
        .inconsistent = state.inconsistent,
        .rescanning = state.rescanning,
        .rescan_progress = state.rescan_progress,
        .enable_gen = state.enable_gen,
        .reserved = qgroups_reserved(store->qgroups),
    };
    store_read_unlock(store);
    return 0;
}

/* ---- on and off ------------------------------------------------------------------------------ */

static int count_subvol(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    (void)key_offset;
    (void)item;
    *(unsigned *)arg += is_fs_tree(id);
    return 0;
}

int mount_quota_enable(struct mount *m, bool simple)
{
    struct store *store = m->fs.store;
    unsigned subvols = 0;

    store_read_lock(store);
    int ret = roots_each(store->roots, TREE_FS, count_subvol, &subvols);
    store_read_unlock(store);
    if (ret < 0)
        return ret;
    TRY(store_begin(store, STORE_CREATE, QGROUP_UNITS + 2 * subvols));
    ret = qgroups_enable(store->qgroups, simple);
    if (ret < 0)
        ret = txn_abort(&store->engine, ret);
    store_end(store);
    return ret < 0 ? ret : store_commit(store);
}

int mount_quota_disable(struct mount *m)
{
    struct store *store = m->fs.store;

    TRY(store_begin(store, STORE_RELEASE, QGROUP_UNITS));
    int ret = qgroups_disable(store->qgroups);
    if (ret < 0)
        ret = txn_abort(&store->engine, ret);
    store_end(store);
    return ret < 0 ? ret : store_commit(store);
}

int mount_quota_rescan_wait(struct mount *m)
{
    struct store *store = m->fs.store;

    while (qgroups_rescan_pending(store->qgroups)) {
        TRY(store_begin(store, STORE_RELEASE, QGROUP_UNITS));
        store_end(store);
        TRY(store_commit(store));
    }
    return 0;
}

int mount_quota_rescan(struct mount *m, bool wait)
{
    struct store *store = m->fs.store;

    TRY(store_begin(store, STORE_RELEASE, QGROUP_UNITS));
    int ret = qgroups_rescan(store->qgroups);
    store_end(store);
    if (ret < 0)
        return ret;
    TRY(store_commit(store));
    return wait ? mount_quota_rescan_wait(m) : 0;
}

/* ---- groups ---------------------------------------------------------------------------------- */

struct lister {
    int (*fn)(void *arg, const struct copse_qgroup *group);
    void *arg;
};

static int list_one(void *arg, const struct qgroup_view *view)
{
    const struct lister *lister = arg;
    struct copse_qgroup group = {
        .id = view->id,
        .referenced = view->rfer,
        .exclusive = view->excl,
        .limits = (unsigned)(view->limit.flags & (QGROUP_LIMIT_MAX_RFER | QGROUP_LIMIT_MAX_EXCL)),
        .max_referenced = view->limit.max_rfer,
        .max_exclusive = view->limit.max_excl,
        .parents = view->parents,
        .members = view->members,
        .parent_count = view->parent_count,
        .member_count = view->member_count,
    };

    return lister->fn(lister->arg, &group) != 0;
}

int mount_qgroup_list(struct mount *m, int (*fn)(void *arg, const struct copse_qgroup *group),
                      void *arg)
{
    struct lister lister = {fn, arg};
    struct copse_quota_status status;

    TRY(mount_quota_status(m, &status));
    if (status.mode == COPSE_QUOTA_OFF)
        return fail(-ENOTCONN, "quotas are not enabled");
    store_read_lock(m->fs.store);
    int ret = qgroups_each(m->fs.store->qgroups, list_one, &lister);
    store_read_unlock(m->fs.store);
    return ret < 0 ? ret : 0;
}

/* What was refused changed nothing; what failed half way ends the transaction. */
static int end_change(struct store *store, int ret)
{
    if (ret == -EIO || ret == -EUCLEAN || ret == -ENOMEM || ret == -ENOSPC)
        ret = txn_abort(&store->engine, ret);
    store_end(store);
    return ret;
}

int mount_qgroup_create(struct mount *m, uint64_t id)
{
    TRY(store_begin(m->fs.store, STORE_CREATE, QGROUP_UNITS));
    return end_change(m->fs.store, qgroup_create(m->fs.store->qgroups, id));
}

int mount_qgroup_destroy(struct mount *m, uint64_t id)
{
    TRY(store_begin(m->fs.store, STORE_RELEASE, QGROUP_UNITS));
    return end_change(m->fs.store, qgroup_destroy(m->fs.store->qgroups, id));
}

int mount_qgroup_assign(struct mount *m, uint64_t member, uint64_t parent)
{
    struct store *store = m->fs.store;

    TRY(store_begin(store, STORE_CREATE, QGROUP_UNITS));
    TRY(end_change(store, qgroup_assign(store->qgroups, member, parent)));
    return store_commit(store);
}

int mount_qgroup_remove(struct mount *m, uint64_t member, uint64_t parent)
{
    struct store *store = m->fs.store;

    TRY(store_begin(store, STORE_RELEASE, QGROUP_UNITS));
    TRY(end_change(store, qgroup_remove(store->qgroups, member, parent)));
    return store_commit(store);
}

int mount_qgroup_limit(struct mount *m, uint64_t id, unsigned which, uint64_t bytes)
{
    struct qgroup_limit limit = {.flags = which, .max_rfer = bytes, .max_excl = bytes};

    if (which != COPSE_QGROUP_MAX_RFER && which != COPSE_QGROUP_MAX_EXCL)
        return fail(-EINVAL, "%u names no limit", which);
    TRY(store_begin(m->fs.store, STORE_RELEASE, QGROUP_UNITS));
    return end_change(m->fs.store, qgroup_limit(m->fs.store->qgroups, id, &limit));
}
