// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Running: pending changes become extent items. Heads go in order of address, so that neighbours
 * meet the same leaf. Changing the extent tree allocates and frees blocks of it, which are new
 * heads: they come up in turn, and as a block is copied once a transaction, that ends.
 *
 * A head is taken out before its change begins. What the change adds for the very same extent (a
 * leaf of the extent tree that frees itself) is then a head of its own.
 */
#include "engine/csums/csums.h"
#include "engine/extent/internal.h"

/* Nothing names the extent any more. */
static int forget_extent(struct extents *extents, const struct extent_id *id)
{
    struct engine *engine = extents->engine;

    if (!id->data) {
        forest_forget(engine->forest, id->bytenr);
        return 0;
    }
    if (engine->csum_tree.id == 0)
        return 0;
    return csums_delete(engine, &engine->csum_tree, id->bytenr, id->num_bytes);
}

int run_keyed(struct extents *extents, struct head *head)
{
    for (int pass = 0; pass < 2; pass++) {
        for (struct pending_ref *p = pending_first(head); p; p = pending_next(p)) {
            if (p->keyed && (p->by < 0) == (pass == 1))
                TRY(keyed_change(extents, &head->id, &p->ref, p->by));
        }
    }
    return 0;
}

int run_tell(struct extents *extents, struct head *head, uint64_t generation, bool freed)
{
    struct extent_event event = {
        .bytenr = head->id.bytenr,
        .num_bytes = head->id.num_bytes,
        .data = head->id.data,
        .fresh = head->fresh,
        .freed = freed,
        .level = head->id.level,
        .generation = generation,
    };

    if (!extents->listener || !extents->listener->changed)
        return 0;
    for (struct pending_ref *p = pending_first(head); p; p = pending_next(p)) {
        struct extent_ref ref = p->ref;

        ref.count = (uint32_t)(p->by < 0 ? -p->by : p->by);
        event.ref = &ref;
        event.added = p->by > 0;
        TRY(extents->listener->changed(extents->listener_arg, &event));
    }
    return 0;
}

int run_tell_owner(struct extents *extents, uint64_t owner, uint64_t generation, int64_t bytes)
{
    const struct extent_listener *listener = extents->listener;

    if (!extents->owners || !listener || !listener->owned)
        return 0;
    return listener->owned(extents->listener_arg, owner, generation, bytes);
}

/* Whose a tree block was that was given up without being looked at: a deleted tree's. */
static int owner_by_header(struct extents *extents, const struct extent_id *id, uint64_t *out)
{
    struct node_expect expect = {.bytenr = id->bytenr, .level = id->level};
    struct node *node;

    TRY(forest_read_node(extents->engine->forest, &expect, &node));
    *out = node_owner(node);
    node_put(node);
    return 0;
}

static int tell_gone(struct extents *extents, const struct head *head,
                     const struct item_state *state)
{
    uint64_t owner = head->id.data ? state->owner : head->owner;

    if (!extents->owners)
        return 0;
    if (owner == 0 && !head->id.data)
        TRY(owner_by_header(extents, &head->id, &owner));
    return run_tell_owner(extents, owner, state->generation, -(int64_t)head->id.num_bytes);
}

/* Allocated and given up before anything was written about it (trap 4). */
static int run_unborn(struct extents *extents, struct head *head)
{
    TRY(forget_extent(extents, &head->id));
    return space_alloc_pin(extents->space, head->id.bytenr, head->id.num_bytes);
}

static int run_fresh(struct extents *extents, struct head *head)
{
    if (RB_EMPTY(&head->refs))
        return run_unborn(extents, head);
    TRY(item_create(extents, head));
    TRY(space_alloc_done(extents->space, head->id.bytenr, head->id.num_bytes));
    TRY(run_keyed(extents, head));
    TRY(run_tell(extents, head, extents->engine->txn.transid, false));
    return run_tell_owner(extents, head->owner, extents->engine->txn.transid,
                          (int64_t)head->id.num_bytes);
}

static int run_existing(struct extents *extents, struct head *head)
{
    struct item_state state;

    TRY(item_update(extents, head, &state));
    /* Before any other tree change: space may look at the extent tree when it allocates. */
    bool gone = state.refs == 0;
    if (gone)
        TRY(space_freed(extents->space, head->id.bytenr, head->id.num_bytes));
    TRY(run_keyed(extents, head));
    if (gone) {
        TRY(tell_gone(extents, head, &state));
        TRY(forget_extent(extents, &head->id));
    }
    return run_tell(extents, head, state.generation, gone);
}

static int run_head(struct extents *extents, struct head *head)
{
    struct extent_id id = head->id;
    int ret;

    delayed_detach(extents, head);
    ret = head->fresh ? run_fresh(extents, head) : run_existing(extents, head);
    head_free(extents, head);
    return ret == -EUCLEAN ? fail_context(ret, "%s", extent_text(&id)) : ret;
}

int run_extent(struct extents *extents, uint64_t bytenr)
{
    struct head *head = delayed_find(extents, bytenr);

    return head ? run_head(extents, head) : 0;
}

static struct head *next_head(struct extents *extents)
{
    struct head *head = delayed_next(extents, extents->cursor);

    return head ? head : delayed_next(extents, 0);
}

static int run_heads(struct extents *extents, uint64_t max)
{
    struct head *head;

    for (uint64_t done = 0; max == 0 || done < max; done++) {
        head = next_head(extents);
        if (!head)
            break;
        extents->cursor = head->id.bytenr + 1;
        TRY(run_head(extents, head));
    }
    return 0;
}

int extents_run(struct extents *extents, uint64_t max)
{
    int ret;

    INVARIANT(!extents->running, "delayed references are run by one at a time");
    extents->running = true;
    ret = run_heads(extents, max);
    extents->running = false;
    return ret;
}
