// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening, closing, looking, and the part of a commit that is about quotas. */
#include "engine/qgroup/internal.h"

#include "base/lock.h"

/* Extents that a rescan counts in one commit. */
#define RESCAN_STEP 20000

int qgroups_open(struct engine *engine, struct extents *extents, struct roots *roots,
                 struct qgroups **out)
{
    struct qgroups *q = calloc(1, sizeof(*q));

    if (!q)
        return fail(-ENOMEM, "quota groups: out of memory");
    q->engine = engine;
    q->extents = extents;
    q->roots = roots;
    q->progress = PROGRESS_DONE;
    lock_init_recursive(&q->lock, RANK_QGROUPS);
    int ret = qgroups_load(q);
    if (ret < 0) {
        qgroups_close(q);
        return fail_context(ret, "quota tree");
    }
    if (extents) {
        extents_set_listener(extents, &qgroup_listener, q);
        extents_keep_owners(extents, q->mode == QGROUPS_SIMPLE);
    }
    if (q->mode == QGROUPS_FULL && (q->flags & QGROUP_STATUS_INCONSISTENT))
        env_note(engine->env, NOTE_WARNING, "%s: quotas are inconsistent: run a quota rescan",
                 vol_label(engine->vol));
    *out = q;
    return 0;
}

static void forget_changes(struct qgroups *q)
{
    records_clear(q);
    rootsets_clear(&q->sets);
    q->snapshot_count = 0;
    q->gone.count = 0;
    q->recount = false;
}

void qgroups_close(struct qgroups *q)
{
    if (!q)
        return;
    forget_changes(q);
    free(q->snapshots);
    id_list_clear(&q->gone);
    qgroups_forget_all(q);
    lock_destroy(&q->lock);
    free(q);
}

/* ---- looking --------------------------------------------------------------------------------- */

void qgroups_state(const struct qgroups *q, struct qgroups_state *out)
{
    *out = (struct qgroups_state){
        .mode = q->mode,
        .inconsistent = (q->flags & QGROUP_STATUS_INCONSISTENT) != 0,
        .rescanning = (q->flags & QGROUP_STATUS_RESCAN) != 0,
        .rescan_progress = q->progress,
        .enable_gen = q->enable_gen,
    };
}

static int by_id(const struct qgroup *a, const struct qgroup *b)
{
    if (a->id == b->id)
        return 0;
    return a->id < b->id ? -1 : 1;
}

int qgroups_each(struct qgroups *q, int (*fn)(void *arg, const struct qgroup_view *view), void *arg)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group, *next;

    HASH_SORT(q->groups, by_id);
    HASH_ITER (hh, q->groups, group, next) {
        struct qgroup_view view = {
            .id = group->id,
            .rfer = group->info.rfer,
            .excl = group->info.excl,
            .reserved = (uint64_t)MAX(group->reserved_rfer, 0),
            .limit = group->limit,
            .parents = group->parents.ids,
            .members = group->members.ids,
            .parent_count = group->parents.count,
            .member_count = group->members.count,
        };
        int ret = fn(arg, &view);

        if (ret != 0)
            return ret;
    }
    return 0;
}

bool qgroups_rescan_pending(const struct qgroups *q)
{
    return q->mode == QGROUPS_FULL && (q->flags & QGROUP_STATUS_RESCAN);
}

/* ---- the commit ------------------------------------------------------------------------------ */

static int count_changes(struct qgroups *q)
{
    if (q->records || q->snapshot_count > 0)
        TRY(account(q));
    if (q->recount) {
        rescan_start(q);
        return rescan_step(q, 0);
    }
    return q->flags & QGROUP_STATUS_RESCAN ? rescan_step(q, RESCAN_STEP) : 0;
}

/* Counting went wrong: the file system itself is none the worse for it. */
static void lose_count(struct qgroups *q)
{
    /* A rescan would stop at the same place for ever. */
    q->flags &= ~QGROUP_STATUS_RESCAN;
    q->flags |= QGROUP_STATUS_INCONSISTENT;
    q->progress = PROGRESS_DONE;
    env_note(q->engine->env, NOTE_WARNING, "%s: quotas became inconsistent: %s",
             vol_label(q->engine->vol), fail_message());
    fail_clear();
}

static int remove_group(struct qgroups *q, struct qgroup *group)
{
    for (size_t i = 0; i < group->parents.count; i++)
        TRY(items_delete_relation(q, group->id, group->parents.ids[i]));
    TRY(items_delete_group(q, group->id));
    qgroup_drop(q, group);
    return 0;
}

static int write_changes(struct qgroups *q)
{
    struct qgroup *group, *next;

    for (size_t i = 0; i < q->gone.count; i++) {
        group = qgroup_find(q, q->gone.ids[i]);
        if (group && !(q->mode == QGROUPS_SIMPLE && simple_in_use(group)))
            TRY(remove_group(q, group));
    }

    HASH_ITER (hh, q->groups, group, next) {
        if (group->dirty)
            TRY(items_write_info(q, group));
        group->dirty = false;
    }
    return items_write_status(q);
}

int qgroups_commit(struct qgroups *q)
{
    SCOPED_LOCK(&q->lock);
    int ret = 0;

    if (q->mode == QGROUPS_FULL && count_changes(q) < 0)
        lose_count(q);
    if (q->mode == QGROUPS_SIMPLE)
        ret = simple_count(q);
    if (ret == 0 && q->mode != QGROUPS_OFF)
        ret = write_changes(q);
    forget_changes(q);
    reserve_counted(q);
    return ret;
}

bool qgroups_committed(struct qgroups *q)
{
    bool looked_back = q->looked_back;

    INVARIANT(!q->records, "nothing changes in the trees of files while a commit settles");
    q->looked_back = false;
    /* Only now does the superblock say that owners may be named. */
    extents_keep_owners(q->extents, q->mode == QGROUPS_SIMPLE);
    return looked_back;
}
