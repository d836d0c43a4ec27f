// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pending changes of references: one head an extent, in order of address, with the net change of
 * each reference. Adding and dropping the same one leaves nothing, not even a head.
 *
 * The references of a head are kept in the order in which an extent item lists them.
 */
#include <stdio.h>

#include "engine/extent/internal.h"

#define EXTENT_TEXT_MAX 96

static int head_cmp(const struct head *a, const struct head *b)
{
    if (a->id.bytenr == b->id.bytenr)
        return 0;
    return a->id.bytenr < b->id.bytenr ? -1 : 1;
}

static int descending(uint64_t a, uint64_t b)
{
    if (a == b)
        return 0;
    return a > b ? -1 : 1;
}

int pending_ref_cmp(const struct pending_ref *a, const struct pending_ref *b)
{
    int cmp;

    if (a->ref.type != b->ref.type)
        return a->ref.type < b->ref.type ? -1 : 1;
    cmp = descending(a->order, b->order);
    if (cmp == 0)
        cmp = descending(a->ref.root, b->ref.root);
    if (cmp == 0)
        cmp = descending(a->ref.objectid, b->ref.objectid);
    if (cmp == 0)
        cmp = descending(a->ref.offset, b->ref.offset);
    return cmp;
}

RB_GENERATE_LOCAL(heads, head, link, head_cmp)
RB_GENERATE_LOCAL(pending_refs, pending_ref, link, pending_ref_cmp)

const char *extent_text(const struct extent_id *id)
{
    static _Thread_local char text[EXTENT_TEXT_MAX];

    if (id->data)
        snprintf(text, sizeof(text), "data extent %llu+%llu", (unsigned long long)id->bytenr,
                 (unsigned long long)id->num_bytes);
    else
        snprintf(text, sizeof(text), "tree block %llu level %u", (unsigned long long)id->bytenr,
                 id->level);
    return text;
}

struct head *delayed_find(struct extents *extents, uint64_t bytenr)
{
    struct head key = {.id.bytenr = bytenr};

    return RB_FIND(heads, &extents->heads, &key);
}

struct head *delayed_next(struct extents *extents, uint64_t from)
{
    struct head key = {.id.bytenr = from};

    return RB_NFIND(heads, &extents->heads, &key);
}

static bool same_extent(const struct extent_id *a, const struct extent_id *b)
{
    return a->bytenr == b->bytenr && a->num_bytes == b->num_bytes && a->data == b->data &&
           a->level == b->level;
}

static int in_use(const struct extent_id *id, const struct head *head)
{
    char there[EXTENT_TEXT_MAX];

    snprintf(there, sizeof(there), "%s", extent_text(&head->id));
    return fail(-EUCLEAN, "%s: in use as %s", extent_text(id), there);
}

int delayed_check(struct extents *extents, const struct extent_id *id)
{
    const struct head *head = delayed_find(extents, id->bytenr);

    return !head || same_extent(&head->id, id) ? 0 : in_use(id, head);
}

int delayed_reserve(struct extents *extents, size_t count)
{
    if (pool_reserve(&extents->head_pool, count) < 0 || pool_reserve(&extents->ref_pool, count) < 0)
        return fail(-ENOMEM, "references of a tree block: out of memory");
    return 0;
}

int delayed_head(struct extents *extents, const struct extent_id *id, bool fresh, struct head **out)
{
    struct head *head = delayed_find(extents, id->bytenr);

    if (head) {
        if (fresh || !same_extent(&head->id, id))
            return in_use(id, head);
        *out = head;
        return 0;
    }
    head = pool_get(&extents->head_pool);
    if (!head)
        return fail(-ENOMEM, "%s: out of memory", extent_text(id));
    head->id = *id;
    head->fresh = fresh;
    RB_INIT(&head->refs);
    RB_INSERT(heads, &extents->heads, head);
    extents->pending++;
    *out = head;
    return 0;
}

void delayed_detach(struct extents *extents, struct head *head)
{
    RB_REMOVE(heads, &extents->heads, head);
    extents->pending--;
}

void head_free(struct extents *extents, struct head *head)
{
    struct pending_ref *ref;
    struct pending_ref *next;

    RB_FOREACH_SAFE (ref, pending_refs, &head->refs, next) {
        RB_REMOVE(pending_refs, &head->refs, ref);
        pool_put(&extents->ref_pool, ref);
    }
    pool_put(&extents->head_pool, head);
}

/* A head that says nothing any more goes. */
static void head_drop_idle(struct extents *extents, struct head *head)
{
    if (head->fresh || head->set_flags != 0 || !RB_EMPTY(&head->refs))
        return;
    delayed_detach(extents, head);
    head_free(extents, head);
}

int delayed_change(struct extents *extents, struct head *head, const struct extent_ref *ref,
                   int64_t by)
{
    struct pending_ref *new = pool_get(&extents->ref_pool);
    struct pending_ref *old;

    if (head->id.data)
        sharing_ref_changed(extents, head->id.bytenr, ref);
    if (!new) {
        int ret = fail(-ENOMEM, "%s: out of memory", extent_text(&head->id));

        head_drop_idle(extents, head);
        return ret;
    }
    new->ref = *ref;
    new->order = ref_order(ref);
    new->by = by;
    head->delta += by;
    old = RB_INSERT(pending_refs, &head->refs, new);
    if (old) {
        pool_put(&extents->ref_pool, new);
        old->by += by;
        if (old->by == 0) {
            RB_REMOVE(pending_refs, &head->refs, old);
            pool_put(&extents->ref_pool, old);
        }
    }
    head_drop_idle(extents, head);
    return 0;
}

int delayed_ref(struct extents *extents, const struct extent_id *id, const struct extent_ref *ref,
                int64_t by)
{
    struct head *head;

    TRY(delayed_head(extents, id, false, &head));
    return delayed_change(extents, head, ref, by);
}

int delayed_touch(struct extents *extents, const struct extent_id *id, const struct extent_ref *ref,
                  enum touch_kind kind, const struct node *given_up)
{
    struct extent_touch touch = {
        .bytenr = id->bytenr,
        .num_bytes = id->num_bytes,
        .data = id->data,
        .fresh = kind == TOUCH_FRESH,
        .shared = kind == TOUCH_SHARED,
        .subtree = kind == TOUCH_SUBTREE,
        .level = id->level,
        .owner = given_up ? node_owner(given_up) : 0,
        .generation = given_up ? node_generation(given_up) : 0,
        .ref = ref,
    };

    if (!extents->listener || !extents->listener->touched)
        return 0;
    return extents->listener->touched(extents->listener_arg, &touch);
}

struct pending_ref *pending_first(struct head *head)
{
    return RB_MIN(pending_refs, &head->refs);
}

struct pending_ref *pending_next(struct pending_ref *ref)
{
    return RB_NEXT(pending_refs, NULL, ref);
}
