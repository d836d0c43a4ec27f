// SPDX-License-Identifier: GPL-2.0-or-later
/* The groups in memory, and which contains which. */
#include "engine/qgroup/internal.h"

#include <stdio.h>

const char *qgroup_text(uint64_t id)
{
    static _Thread_local char text[OBJECTID_TEXT_MAX];

    snprintf(text, sizeof(text), "%u/%llu", qgroup_level(id),
             LLU(id & ((1ULL << QGROUP_LEVEL_SHIFT) - 1)));
    return text;
}

struct qgroup *qgroup_find(const struct qgroups *q, uint64_t id)
{
    struct qgroup *group;

    HASH_FIND(hh, q->groups, &id, sizeof(id), group);
    return group;
}

int qgroup_add(struct qgroups *q, uint64_t id, struct qgroup **out)
{
    struct qgroup *group = calloc(1, sizeof(*group));

    if (!group)
        return fail(-ENOMEM, "quota groups: out of memory");
    group->id = id;
    HASH_ADD(hh, q->groups, id, sizeof(group->id), group);
    if (!HASH_ADDED(group)) {
        free(group);
        return fail(-ENOMEM, "quota groups: out of memory");
    }
    *out = group;
    return 0;
}

void qgroup_drop(struct qgroups *q, struct qgroup *group)
{
    for (size_t i = 0; i < group->parents.count; i++)
        id_list_remove(&qgroup_find(q, group->parents.ids[i])->members, group->id);
    for (size_t i = 0; i < group->members.count; i++)
        id_list_remove(&qgroup_find(q, group->members.ids[i])->parents, group->id);
    HASH_DEL(q->groups, group);
    id_list_clear(&group->parents);
    id_list_clear(&group->members);
    free(group);
}

void qgroups_forget_all(struct qgroups *q)
{
    struct qgroup *group, *next;

    HASH_ITER (hh, q->groups, group, next) {
        HASH_DEL(q->groups, group);
        id_list_clear(&group->parents);
        id_list_clear(&group->members);
        free(group);
    }
}

int qgroup_link(struct qgroup *member, struct qgroup *parent)
{
    TRY(id_list_add(&member->parents, &parent->id, 1));
    int ret = id_list_add(&parent->members, &member->id, 1);
    if (ret < 0)
        id_list_remove(&member->parents, parent->id);
    return ret;
}

void qgroup_unlink(struct qgroup *member, struct qgroup *parent)
{
    id_list_remove(&member->parents, parent->id);
    id_list_remove(&parent->members, member->id);
}

/* Levels only go up, so that neither walk comes round in a circle. */

int qgroup_above(const struct qgroups *q, uint64_t id, struct id_list *out)
{
    size_t at = out->count;

    TRY(id_list_add(out, &id, 1));
    for (; at < out->count; at++) {
        const struct qgroup *group = qgroup_find(q, out->ids[at]);

        for (size_t i = 0; group && i < group->parents.count; i++)
            if (!id_list_has(out, group->parents.ids[i]))
                TRY(id_list_add(out, &group->parents.ids[i], 1));
    }
    return 0;
}

int qgroup_below(const struct qgroups *q, uint64_t id, struct id_list *out)
{
    CLEANUP(id_list_clear) struct id_list all = {0};

    TRY(id_list_add(&all, &id, 1));
    for (size_t at = 0; at < all.count; at++) {
        const struct qgroup *group = qgroup_find(q, all.ids[at]);

        if (qgroup_level(all.ids[at]) == 0)
            TRY(id_list_add(out, &all.ids[at], 1));
        for (size_t i = 0; group && i < group->members.count; i++)
            if (!id_list_has(&all, group->members.ids[i]))
                TRY(id_list_add(&all, &group->members.ids[i], 1));
    }
    return 0;
}
