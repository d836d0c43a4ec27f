// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records of the extents whose references changed in the running transaction. They are made when a
 * change is asked for, not when it is written: a reference that is added and dropped again leaves
 * nothing to write, but those who reached the extent may have changed (a shared leaf is copied,
 * which adds one, and the copy loses the item).
 */
#include "engine/qgroup/internal.h"

int record_get(struct qgroups *q, const struct record_id *id, uint8_t level, struct record **out)
{
    struct record *record;

    HASH_FIND(hh, q->records, id, sizeof(*id), record);
    if (!record) {
        record = calloc(1, sizeof(*record));
        if (!record)
            return fail(-ENOMEM, "quota groups: out of memory");
        record->id = *id;
        record->one = true;
        HASH_ADD(hh, q->records, id, sizeof(record->id), record);
        if (!HASH_ADDED(record)) {
            free(record);
            return fail(-ENOMEM, "quota groups: out of memory");
        }
    }
    /* A tree block may come back on another level. */
    record->level = level;
    *out = record;
    return 0;
}

void records_clear(struct qgroups *q)
{
    struct record *record, *next;

    HASH_ITER (hh, q->records, record, next) {
        HASH_DEL(q->records, record);
        free(record);
    }
}

static bool is_keyed(const struct extent_ref *ref)
{
    return ref->type == KEY_TREE_BLOCK_REF || ref->type == KEY_EXTENT_DATA_REF;
}

/* Whether a tree block that goes was counted, by simple quotas, for the tree that gives it up. */
static bool gives_back(const struct qgroups *q, const struct extent_touch *touch)
{
    return !touch->shared && touch->owner == touch->ref->root && touch->generation >= q->enable_gen;
}

/* What is allocated counts from now on, and a tree block given up no more; data does until the
 * commit, as its last reference may be elsewhere. */
static void note_used(struct qgroups *q, const struct extent_touch *touch)
{
    int64_t bytes = (int64_t)touch->num_bytes;

    SCOPED_LOCK(&q->lock);
    if (touch->fresh)
        reserve_used(q, touch->ref->root, bytes, bytes);
    else if (q->mode == QGROUPS_SIMPLE && !gives_back(q, touch))
        return;
    else if (!touch->data && !touch->subtree)
        reserve_used(q, touch->ref->root, -bytes, touch->shared ? 0 : -bytes);
}

static int touched(void *arg, const struct extent_touch *touch)
{
    struct qgroups *q = arg;
    struct record_id id = {touch->bytenr, touch->num_bytes, touch->data};
    bool keyed = is_keyed(touch->ref);
    struct record *record;

    if (q->mode == QGROUPS_OFF || (keyed && !is_fs_tree(touch->ref->root)))
        return 0;
    if (keyed)
        note_used(q, touch);
    if (q->mode != QGROUPS_FULL)
        return 0;
    TRY(record_get(q, &id, touch->level, &record));
    record->fresh |= touch->fresh;
    record->subtree |= touch->subtree;
    record->one &= keyed && (record->root == 0 || record->root == touch->ref->root);
    if (keyed)
        record->root = touch->ref->root;
    return 0;
}

static int changed(void *arg, const struct extent_event *event)
{
    struct qgroups *q = arg;
    struct record_id id = {event->bytenr, event->num_bytes, event->data};
    struct record *record;

    if (q->mode != QGROUPS_FULL)
        return 0;
    HASH_FIND(hh, q->records, &id, sizeof(id), record);
    if (!record && (!event->data || !(event->fresh || event->freed)))
        return 0;
    /* An extent was split: nobody asked for references, but it is gone and its parts are new. */
    if (!record) {
        TRY(record_get(q, &id, event->level, &record));
        record->one = false;
        record->fresh = event->fresh;
    }
    record->freed = event->freed;
    record->generation = event->generation;
    return 0;
}

static int owned(void *arg, uint64_t owner, uint64_t generation, int64_t bytes)
{
    struct qgroups *q = arg;

    if (q->mode == QGROUPS_SIMPLE)
        simple_owned(q, owner, generation, bytes);
    return 0;
}

const struct extent_listener qgroup_listener = {
    .changed = changed, .touched = touched, .owned = owned};
