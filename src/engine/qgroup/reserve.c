// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits, and what is reserved against them: for each subvolume
 *
 *   door      what an operation now running asked for; given back when it is done
 *   pending   dirty data, with the tree blocks its items may need; until it is written back
 *   used      what the running transaction has allocated for it; until the commit counts it
 *
 * Each group has the sums of its subvolumes. Only qgroups_enter refuses, and what it let in is
 * kept: data turns from door into pending, and pending into used, without being asked again.
 */
#include "engine/qgroup/internal.h"

/* Adds to a group and all above it, each once. */
static void add_up(struct qgroups *q, struct qgroup *group, int64_t rfer, int64_t excl)
{
    if (group->summed == q->sum)
        return;
    group->summed = q->sum;
    group->reserved_rfer += rfer;
    group->reserved_excl += excl;
    for (size_t i = 0; i < group->parents.count; i++)
        add_up(q, qgroup_find(q, group->parents.ids[i]), rfer, excl);
}

static void add(struct qgroups *q, struct qgroup *group, int64_t rfer, int64_t excl)
{
    q->sum++;
    add_up(q, group, rfer, excl);
}

void reserve_rebuild(struct qgroups *q)
{
    struct qgroup *group, *next;

    HASH_ITER (hh, q->groups, group, next)
        group->reserved_rfer = group->reserved_excl = 0;
    HASH_ITER (hh, q->groups, group, next) {
        const struct qgroup_reserved *own = &group->own;
        int64_t kept = own->door + own->pending;

        if (qgroup_level(group->id) == 0)
            add(q, group, kept + own->used_rfer, kept + own->used_excl);
    }
}

void reserve_counted(struct qgroups *q)
{
    struct qgroup *group, *next;

    HASH_ITER (hh, q->groups, group, next)
        group->own.used_rfer = group->own.used_excl = 0;
    reserve_rebuild(q);
}

void reserve_used(struct qgroups *q, uint64_t tree, int64_t rfer, int64_t excl)
{
    struct qgroup *group = qgroup_find(q, tree);

    if (!group)
        return;
    group->own.used_rfer += rfer;
    group->own.used_excl += excl;
    add(q, group, rfer, excl);
}

/* ---- at the door ----------------------------------------------------------------------------- */

/* Whether one number and what is reserved leave room under a limit. */
static bool fits(const struct qgroup *group, uint64_t flag, uint64_t max, uint64_t counted,
                 int64_t reserved, uint64_t bytes)
{
    uint64_t more = reserved > 0 ? (uint64_t)reserved : 0;

    if (!(group->limit.flags & flag) || bytes == 0)
        return true;
    return counted <= max && more <= max - counted && bytes <= max - counted - more;
}

static int refuse(const struct qgroup *group, const char *what, uint64_t max)
{
    return fail(-EDQUOT, "quota group %s: limit of %llu bytes %s", qgroup_text(group->id), LLU(max),
                what);
}

/* Bytes asked for; those that others have too add to what is referenced alone. */
struct asked {
    uint64_t rfer, excl;
};

static int check_up(struct qgroups *q, struct qgroup *group, const struct asked *asked)
{
    const struct qgroup_limit *limit = &group->limit;

    if (group->summed == q->sum)
        return 0;
    group->summed = q->sum;
    if (!fits(group, QGROUP_LIMIT_MAX_RFER, limit->max_rfer, group->info.rfer, group->reserved_rfer,
              asked->rfer))
        return refuse(group, "referenced", limit->max_rfer);
    if (!fits(group, QGROUP_LIMIT_MAX_EXCL, limit->max_excl, group->info.excl, group->reserved_excl,
              asked->excl))
        return refuse(group, "exclusive", limit->max_excl);
    for (size_t i = 0; i < group->parents.count; i++)
        TRY(check_up(q, qgroup_find(q, group->parents.ids[i]), asked));
    return 0;
}

int qgroups_enter(struct qgroups *q, uint64_t tree, uint64_t bytes)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group = q->mode == QGROUPS_OFF ? NULL : qgroup_find(q, tree);
    struct asked asked = {bytes, bytes};

    if (!group)
        return 0;
    q->sum++;
    TRY(check_up(q, group, &asked));
    group->own.door += (int64_t)bytes;
    add(q, group, (int64_t)bytes, (int64_t)bytes);
    return 0;
}

void qgroups_leave(struct qgroups *q, uint64_t tree, uint64_t bytes)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group = qgroup_find(q, tree);

    /* Quotas may have been switched on, or off and on, since. */
    if (!group)
        return;
    int64_t less = MIN((int64_t)bytes, group->own.door);
    group->own.door -= less;
    add(q, group, -less, -less);
}

/* Groups that reference the bytes already are passed over. */
static void pass_over(struct qgroups *q, struct qgroup *group)
{
    if (!group)
        return;
    group->summed = q->sum;
    for (size_t i = 0; i < group->parents.count; i++)
        pass_over(q, qgroup_find(q, group->parents.ids[i]));
}

static void pass_over_all(struct qgroups *q, const struct qgroup_sharers *have)
{
    q->sum++;
    for (size_t i = 0; i < have->count; i++)
        pass_over(q, qgroup_find(q, have->trees[i]));
}

int qgroups_share(struct qgroups *q, uint64_t tree, const struct qgroup_sharers *have,
                  uint64_t bytes)
{
    SCOPED_LOCK(&q->lock);
    /* With simple quotas the extent stays its owner's. */
    struct qgroup *group = q->mode == QGROUPS_FULL ? qgroup_find(q, tree) : NULL;
    struct asked asked = {bytes, 0};

    if (!group)
        return 0;
    pass_over_all(q, have);
    if (group->summed == q->sum)
        return 0;
    TRY(check_up(q, group, &asked));
    pass_over_all(q, have);
    add_up(q, group, (int64_t)bytes, 0);
    group->own.used_rfer += (int64_t)bytes;
    return 0;
}

void qgroups_pending(struct qgroups *q, uint64_t tree, int64_t bytes)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group = qgroup_find(q, tree);

    if (!group)
        return;
    bytes = MAX(bytes, -group->own.pending);
    group->own.pending += bytes;
    add(q, group, bytes, bytes);
}

uint64_t qgroups_reserved(struct qgroups *q)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group, *next;
    int64_t sum = 0;

    HASH_ITER (hh, q->groups, group, next) {
        const struct qgroup_reserved *own = &group->own;

        sum += own->door + own->pending + MAX(own->used_rfer, 0);
    }
    return (uint64_t)sum;
}
