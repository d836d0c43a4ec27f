// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Simple quotas: an extent counts for the subvolume that it was made for, whoever else reaches it,
 * until it is freed; so nothing has to be looked up. Data extents say whose they are in an owner
 * reference, tree blocks in their header. Only what is as young as enable_gen counts.
 *
 * The group of a deleted subvolume stays as long as something of it is in use elsewhere.
 */
#include "engine/qgroup/internal.h"

void simple_owned(struct qgroups *q, uint64_t owner, uint64_t generation, int64_t bytes)
{
    struct qgroup *group;

    if (!is_fs_tree(owner) || generation < q->enable_gen)
        return;
    SCOPED_LOCK(&q->lock);
    group = qgroup_find(q, owner);
    /* Somebody removed the group of a subvolume that is there. */
    if (group)
        group->delta += bytes;
}

/* Never below zero: a counter that was wrong before must not become absurd. */
static void change(uint64_t *counter, int64_t delta)
{
    if (delta < 0)
        *counter -= MIN(*counter, (uint64_t)-delta);
    else
        *counter += (uint64_t)delta;
}

static int count_up(struct qgroups *q, uint64_t id, int64_t delta)
{
    CLEANUP(id_list_clear) struct id_list above = {0};

    TRY(qgroup_above(q, id, &above));
    for (size_t i = 0; i < above.count; i++) {
        struct qgroup *group = qgroup_find(q, above.ids[i]);

        change(&group->info.rfer, delta);
        change(&group->info.excl, delta);
        group->dirty = true;
    }
    return 0;
}

int simple_count(struct qgroups *q)
{
    struct qgroup *group, *next;

    HASH_ITER (hh, q->groups, group, next) {
        int64_t delta = group->delta;

        group->delta = 0;
        if (delta != 0)
            TRY(count_up(q, group->id, delta));
    }
    return 0;
}

bool simple_in_use(const struct qgroup *group)
{
    return group->info.rfer > 0 || group->info.excl > 0 || group->delta != 0;
}
