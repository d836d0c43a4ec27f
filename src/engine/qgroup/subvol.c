// SPDX-License-Identifier: GPL-2.0-or-later
/* Subvolumes come and go, and their groups with them. */
#include "engine/qgroup/internal.h"

int qgroups_check_inherit(struct qgroups *q, const struct qgroup_inherit *inherit)
{
    for (size_t i = 0; inherit && i < inherit->count; i++) {
        if (qgroup_level(inherit->groups[i]) == 0)
            return fail(-EINVAL, "group %s: a subvolume's own", qgroup_text(inherit->groups[i]));
        if (q->mode != QGROUPS_OFF && !qgroup_find(q, inherit->groups[i]))
            return fail(-ENOENT, "no group %s", qgroup_text(inherit->groups[i]));
    }
    return 0;
}

static int note_snapshot(struct qgroups *q, uint64_t src, uint64_t id)
{
    if (q->snapshot_count == q->snapshot_capacity) {
        size_t capacity = 2 * q->snapshot_capacity + 16;
        void *grown = realloc(q->snapshots, capacity * sizeof(*q->snapshots));

        if (!grown)
            return fail(-ENOMEM, "quota groups: out of memory");
        q->snapshots = grown;
        q->snapshot_capacity = capacity;
    }
    q->snapshots[q->snapshot_count++] = (struct qgroup_snapshot){src, id};
    return 0;
}

static int own_group(struct qgroups *q, uint64_t id, uint64_t src,
                     const struct qgroup_inherit *inherit)
{
    const struct qgroup *from = src ? qgroup_find(q, src) : NULL;
    struct qgroup *group = qgroup_find(q, id);

    if (!group)
        TRY(qgroup_add(q, id, &group));
    if (inherit && inherit->limit)
        group->limit = *inherit->limit;
    else if (from && q->mode == QGROUPS_FULL)
        group->limit = from->limit;
    TRY(items_write_info(q, group));
    return items_write_limit(q, group);
}

static int join(struct qgroups *q, uint64_t id, const uint64_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct qgroup *own = qgroup_find(q, id);

        if (!id_list_has(&own->parents, groups[i]))
            TRY(qgroup_assign(q, id, groups[i]));
    }
    return 0;
}

int qgroups_subvol_made(struct qgroups *q, uint64_t id, uint64_t src, uint64_t inside,
                        const struct qgroup_inherit *inherit)
{
    SCOPED_LOCK(&q->lock);
    const struct qgroup *around = qgroup_find(q, inside);

    if (q->mode == QGROUPS_OFF)
        return 0;
    TRY(own_group(q, id, src, inherit));
    if (inherit)
        TRY(join(q, id, inherit->groups, inherit->count));
    else if (q->mode == QGROUPS_SIMPLE && around)
        TRY(join(q, id, around->parents.ids, around->parents.count));
    /* Its root node was allocated when there was no group yet. */
    reserve_used(q, id, q->engine->nodesize, q->engine->nodesize);
    return src != 0 && q->mode == QGROUPS_FULL ? note_snapshot(q, src, id) : 0;
}

int qgroups_subvol_gone(struct qgroups *q, uint64_t id)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group = qgroup_find(q, id);

    /* Made and removed in one transaction: others were counted as if it had stayed. */
    for (size_t i = 0; i < q->snapshot_count; i++)
        q->recount |= q->snapshots[i].id == id;
    if (q->mode == QGROUPS_OFF || !group)
        return 0;
    return id_list_add(&q->gone, &id, 1);
}
