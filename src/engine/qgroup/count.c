// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moving bytes between groups. A group references what one of its subvolumes reaches, once however
 * many reach it, and holds alone what nobody else reaches.
 */
#include "engine/qgroup/internal.h"

/* One group's part in a move: how many of its subvolumes reached the bytes, and do now. */
struct tally {
    struct qgroups *q;
    struct qgroup **groups; /* that take part */
    size_t count, capacity;
};

static void tally_clear(struct tally *tally)
{
    free(tally->groups);
}

static int tally_group(struct tally *tally, struct qgroup *group)
{
    if (group->round == tally->q->round)
        return 0;
    if (tally->count == tally->capacity) {
        size_t capacity = 2 * tally->capacity + 16;
        void *grown = realloc(tally->groups, capacity * sizeof(*tally->groups));

        if (!grown)
            return fail(-ENOMEM, "quota groups: out of memory");
        tally->groups = grown;
        tally->capacity = capacity;
    }
    group->round = tally->q->round;
    group->old_roots = group->new_roots = 0;
    tally->groups[tally->count++] = group;
    return 0;
}

/* Counts one subvolume for a group and all above it, each once. */
static int tally_up(struct tally *tally, struct qgroup *group, bool new)
{
    if (group->visited == tally->q->visit)
        return 0;
    group->visited = tally->q->visit;
    TRY(tally_group(tally, group));
    if (new)
        group->new_roots++;
    else
        group->old_roots++;
    for (size_t i = 0; i < group->parents.count; i++)
        TRY(tally_up(tally, qgroup_find(tally->q, group->parents.ids[i]), new));
    return 0;
}

static int tally_set(struct tally *tally, const struct rootset *set, bool new)
{
    for (size_t i = 0; i < set->count; i++) {
        struct qgroup *group = qgroup_find(tally->q, set->ids[i]);

        tally->q->visit++;
        if (group)
            TRY(tally_up(tally, group, new));
    }
    return 0;
}

static int tally_move(struct tally *tally, const struct rootset *from, const struct rootset *to)
{
    tally->q->round++;
    TRY(tally_set(tally, from, false));
    return tally_set(tally, to, true);
}

static bool alone(size_t roots, const struct rootset *set)
{
    return roots > 0 && roots == set->count;
}

/* Never below zero: a counter that was wrong before must not become absurd. */
static void change(uint64_t *counter, bool before, bool after, uint64_t bytes)
{
    if (!before && after)
        *counter += bytes;
    else if (before && !after)
        *counter -= MIN(*counter, bytes);
}

int count_move(struct qgroups *q, const struct rootset *from, const struct rootset *to,
               uint64_t bytes)
{
    CLEANUP(tally_clear) struct tally tally = {.q = q};

    TRY(tally_move(&tally, from, to));
    for (size_t i = 0; i < tally.count; i++) {
        struct qgroup *group = tally.groups[i];
        struct qgroup_info *info = &group->info;
        bool was_alone = alone(group->old_roots, from), is_alone = alone(group->new_roots, to);

        if ((group->old_roots > 0) == (group->new_roots > 0) && was_alone == is_alone)
            continue;
        change(&info->rfer, group->old_roots > 0, group->new_roots > 0, bytes);
        change(&info->excl, was_alone, is_alone, bytes);
        group->dirty = true;
    }
    return 0;
}

static int being_deleted(struct view *now, uint64_t id, bool *out)
{
    const struct view_tree *tree;

    *out = false;
    if (qgroup_level(id) > 0 || !is_fs_tree(id))
        return 0;
    TRY(view_tree(now, id, &tree));
    *out = tree->missing || tree->deleting;
    return 0;
}

int count_matters(struct qgroups *q, const struct rootset *from, const struct rootset *to,
                  struct view *now, bool *out)
{
    CLEANUP(tally_clear) struct tally tally = {.q = q};

    *out = false;
    TRY(tally_move(&tally, from, to));
    for (size_t i = 0; i < tally.count && !*out; i++) {
        const struct qgroup *group = tally.groups[i];
        bool ignored;

        TRY(being_deleted(now, group->id, &ignored));
        *out = !ignored && ((group->old_roots > 0) != (group->new_roots > 0) ||
                            alone(group->old_roots, from) != alone(group->new_roots, to));
    }
    return 0;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

/* Subvolumes below the group that were counted with something. */
static int other_members(struct qgroups *q, uint64_t id, uint64_t but, bool *out)
{
    CLEANUP(id_list_clear) struct id_list below = {0};

    TRY(qgroup_below(q, id, &below));
    *out = false;
    for (size_t i = 0; i < below.count; i++) {
        const struct qgroup *group = qgroup_find(q, below.ids[i]);

        *out |= below.ids[i] != but && group && group->info.rfer > 0;
    }
    return 0;
}

/* The source is in the group, the snapshot is not: what the source reaches is no longer its own. */
static int lose_alone(struct qgroups *q, struct qgroup *group, uint64_t src)
{
    bool others;

    if (group->info.excl == 0)
        return 0;
    TRY(other_members(q, group->id, src, &others));
    if (others)
        q->recount = true;
    group->info.excl = 0;
    group->dirty = true;
    return 0;
}

/* The snapshot is in the group, the source is not. */
static int gain_shared(struct qgroups *q, struct qgroup *group, const struct qgroup *src)
{
    if (group->info.rfer > 0 && src->info.rfer > 0)
        q->recount = true;
    group->info.rfer += src->info.rfer;
    group->dirty = true;
    return 0;
}

int count_snapshot(struct qgroups *q, const struct qgroup_snapshot *snapshot)
{
    CLEANUP(id_list_clear) struct id_list above_src = {0};
    CLEANUP(id_list_clear) struct id_list above_new = {0};
    struct qgroup *src = qgroup_find(q, snapshot->src);

    if (!src) {
        q->recount = true;
        return 0;
    }
    TRY(qgroup_above(q, snapshot->src, &above_src));
    TRY(qgroup_above(q, snapshot->id, &above_new));
    for (size_t i = 0; i < above_new.count; i++) {
        struct qgroup *group = qgroup_find(q, above_new.ids[i]);

        if (group && !id_list_has(&above_src, group->id))
            TRY(gain_shared(q, group, src));
    }
    /* The source itself last: the others ask how much it has. */
    for (size_t i = above_src.count; i-- > 0;) {
        if (!id_list_has(&above_new, above_src.ids[i]))
            TRY(lose_alone(q, qgroup_find(q, above_src.ids[i]), snapshot->src));
    }
    return 0;
}

void count_reset(struct qgroups *q)
{
    struct qgroup *group, *next;

    HASH_ITER (hh, q->groups, group, next) {
        group->info.rfer = group->info.excl = 0;
        group->dirty = true;
    }
}
