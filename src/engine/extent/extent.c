// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing, and what others call for data extents. */
#include <stdlib.h>

#include "engine/extent/internal.h"

int extents_open(struct engine *engine, struct space *space, struct extents **out)
{
    AUTO_FREE struct extents *extents = calloc(1, sizeof(*extents));
    AUTO_FREE uint8_t *scratch = malloc(engine->nodesize);

    if (!extents || !scratch)
        return fail(-ENOMEM, "extents: out of memory");
    extents->engine = engine;
    extents->space = space;
    TRY(sharing_new(&extents->sharing));
    extents->scratch = STEAL(scratch);
    RB_INIT(&extents->heads);
    rangeset_init(&extents->log_blocks);
    pool_init(&extents->head_pool, sizeof(struct head));
    pool_init(&extents->ref_pool, sizeof(struct pending_ref));
    forest_set_backing(engine->forest, &extent_backing, extents);
    *out = STEAL(extents);
    return 0;
}

void extents_close(struct extents *extents)
{
    if (!extents)
        return;
    pool_clear(&extents->head_pool);
    pool_clear(&extents->ref_pool);
    rangeset_clear(&extents->log_blocks);
    sharing_free(extents->sharing);
    free(extents->scratch);
    free(extents);
}

void extents_drop(struct extents *extents)
{
    pool_clear(&extents->head_pool);
    pool_clear(&extents->ref_pool);
    RB_INIT(&extents->heads);
    extents->pending = 0;
    extents->cursor = 0;
    extents->running = false;
}

uint64_t extents_pending(const struct extents *extents)
{
    return extents->pending;
}

void extents_set_listener(struct extents *extents, const struct extent_listener *listener,
                          void *arg)
{
    extents->listener = listener;
    extents->listener_arg = arg;
}

void extents_keep_owners(struct extents *extents, bool keep)
{
    extents->owners = keep;
}

/* ---- data extents --------------------------------------------------------------------------- */

int extent_alloc_data(struct extents *extents, uint64_t want, uint64_t min, uint64_t hint,
                      struct range *out)
{
    return space_alloc(extents->space, SPACE_DATA, want, min, hint, out);
}

int extent_alloc_undo(struct extents *extents, const struct range *range, bool written)
{
    if (written)
        return space_alloc_pin(extents->space, range->start, range->len);
    return space_alloc_undo(extents->space, range->start, range->len);
}

int extent_add_new_data(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                        const struct data_ref *ref)
{
    struct extent_id id = data_id(bytenr, num_bytes);
    struct extent_ref own = ref_of_data(ref);
    struct head *head;

    TRY(delayed_touch(extents, &id, &own, TOUCH_FRESH, NULL));
    TRY(delayed_head(extents, &id, true, &head));
    head->owner = ref->root;
    return delayed_change(extents, head, &own, 1);
}

static int change_data_ref(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                           const struct data_ref *ref, int64_t by)
{
    struct extent_id id = data_id(bytenr, num_bytes);
    struct extent_ref own = ref_of_data(ref);

    TRY(delayed_touch(extents, &id, &own, TOUCH_REF, NULL));
    return delayed_ref(extents, &id, &own, by);
}

int extent_add_data_ref(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                        const struct data_ref *ref)
{
    return change_data_ref(extents, bytenr, num_bytes, ref, 1);
}

int extent_drop_data_ref(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                         const struct data_ref *ref)
{
    sharing_note_dropped(extents, bytenr);
    return change_data_ref(extents, bytenr, num_bytes, ref, -1);
}
