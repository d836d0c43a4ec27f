// SPDX-License-Identifier: GPL-2.0-or-later
/* The ways a byte goes: free, allocated, used, pinned, and free again. */
#include "engine/space/space_internal.h"

/* The group that holds the whole range, loaded. */
static int group_of(struct space *space, uint64_t start, uint64_t len, const char *what,
                    struct group **out)
{
    struct group *group = group_at(space, start);
    uint32_t sectorsize = space->engine->sectorsize;

    if (!group || len == 0 || len > group->length - (start - group->start) ||
        !is_aligned(start | len, sectorsize))
        return fail(-EUCLEAN, "%s of %llu+%llu: not inside one block group", what,
                    (unsigned long long)start, (unsigned long long)len);
    *out = group;
    return 0;
}

static int wrong_state(const char *what, uint64_t start, uint64_t len, const char *state)
{
    return fail(-EUCLEAN, "%s of %llu+%llu: not all of it is %s", what, (unsigned long long)start,
                (unsigned long long)len, state);
}

static bool all_used(const struct group *group, uint64_t start, uint64_t len)
{
    return !rangeset_overlaps(&group->free, start, len) &&
           !rangeset_overlaps(&group->allocated, start, len) &&
           !rangeset_overlaps(&group->pinned, start, len) &&
           !rangeset_overlaps(&group->super, start, len);
}

/*
 * Notes a change for the free-space tree: it goes into `to`, unless `undo` still holds the
 * opposite change of the same bytes; then both are as if they had never been.
 */
static int net(struct rangeset *to, struct rangeset *undo, uint64_t start, uint64_t len)
{
    uint64_t end = start + len;

    for (uint64_t pos = start; pos < end;) {
        struct range met;
        bool hit = rangeset_next(undo, pos, &met) && met.start < end;
        uint64_t plain_end = hit ? MAX(met.start, pos) : end;
        uint64_t met_end = hit ? MIN(met.start + met.len, end) : end;

        TRY(rangeset_add(to, pos, plain_end - pos));
        TRY(rangeset_remove(undo, plain_end, met_end - plain_end));
        pos = met_end;
    }
    return 0;
}

int space_alloc_undo(struct space *space, uint64_t start, uint64_t len)
{
    struct group *group;

    TRY(group_of(space, start, len, "undoing an allocation", &group));
    if (!rangeset_contains(&group->allocated, start, len))
        return wrong_state("undoing an allocation", start, len, "allocated");
    COUNTING(space, group);
    space_look_again(space);
    TRY(rangeset_remove(&group->allocated, start, len));
    return rangeset_add(&group->free, start, len);
}

int space_alloc_pin(struct space *space, uint64_t start, uint64_t len)
{
    struct group *group;

    TRY(group_of(space, start, len, "pinning an allocation", &group));
    if (!rangeset_contains(&group->allocated, start, len))
        return wrong_state("pinning an allocation", start, len, "allocated");
    COUNTING(space, group);
    TRY(rangeset_remove(&group->allocated, start, len));
    return rangeset_add(&group->pinned, start, len);
}

int space_alloc_done(struct space *space, uint64_t start, uint64_t len)
{
    struct range range = {start, len};
    struct rangeset *from;
    struct group *group;

    TRY(group_of(space, start, len, "a new extent", &group));
    TRY(group_load(space, group, &range, true));
    from = rangeset_contains(&group->allocated, start, len) ? &group->allocated : &group->free;
    if (!rangeset_contains(from, start, len))
        return wrong_state("a new extent", start, len, "free or allocated");
    COUNTING(space, group);
    TRY(rangeset_remove(from, start, len));
    group->used += len;
    space->engine->bytes_used += len;
    if (!free_tree_kept(space) || group->tree_rewrite)
        return 0;
    return net(&group->tree_remove, &group->tree_add, start, len);
}

int space_freed(struct space *space, uint64_t start, uint64_t len)
{
    struct range range = {start, len};
    struct group *group;

    TRY(group_of(space, start, len, "freeing", &group));
    TRY(group_load(space, group, &range, false));
    if (!all_used(group, start, len) || group->used < len)
        return wrong_state("freeing", start, len, "in use");
    COUNTING(space, group);
    TRY(rangeset_add(&group->pinned, start, len));
    group->used -= len;
    space->engine->bytes_used -= len;
    if (!free_tree_kept(space) || group->tree_rewrite)
        return 0;
    return net(&group->tree_add, &group->tree_remove, start, len);
}

int space_hold_still(struct space *space, uint64_t start, uint64_t len)
{
    struct group *group;

    TRY(group_of(space, start, len, "splitting", &group));
    if (group->readonly)
        return fail(-EROFS, "block group %llu is read-only", (unsigned long long)group->start);
    TRY(group_load(space, group, NULL, false));
    return all_used(group, start, len) ? 0 : wrong_state("splitting", start, len, "in use");
}

int space_claim(struct space *space, uint64_t start, uint64_t len)
{
    struct group *group;

    TRY(group_of(space, start, len, "claiming", &group));
    TRY(group_load(space, group, NULL, false));
    if (!rangeset_contains(&group->free, start, len))
        return wrong_state("claiming", start, len, "free");
    COUNTING(space, group);
    TRY(rangeset_remove(&group->free, start, len));
    return rangeset_add(&group->allocated, start, len);
}

/* ---- what a durable superblock sets free
 * ---------------------------------------------------------- */

/* A device that will not discard is no reason to fail: the space is free either way. */
static void discard(struct space *space, uint64_t start, uint64_t len)
{
    if (space->discard && vol_discard(space->engine->vol, laddr_of(start), len) < 0) {
        env_note(space->engine->env, NOTE_WARNING, "no more discards: %s", fail_message());
        space->discard = false;
    }
}

static int unpin_group(struct space *space, struct group *group)
{
    struct range range;

    for (uint64_t from = group->start; rangeset_next(&group->pinned, from, &range);
         from = range.start + range.len)
        discard(space, range.start, range.len);
    COUNTING(space, group);
    space_look_again(space);
    return rangeset_move(&group->free, &group->pinned);
}

/* All of a group but the copies of the superblock that lie under it: they stay good. */
static void discard_group(struct space *space, const struct group *group)
{
    uint64_t pos = group->start, end = group->start + group->length;
    struct range super;

    for (; rangeset_next(&group->super, pos, &super); pos = super.start + super.len)
        discard(space, pos, super.start - pos);
    discard(space, pos, end - pos);
}

/* The chunk is in no tree any more: its addresses and its device space are free. */
static int forget_group(struct space *space, struct group *group)
{
    struct chunk_map chunk;

    TRY(vol_find_chunk(space->engine->vol, group->start, &chunk));
    discard_group(space, group);
    vol_remove_chunk(space->engine->vol, group->start);
    group_drop(space, group);
    return devices_release(space, &chunk);
}

void space_forget_pinned(struct space *space)
{
    uint64_t step = space->engine->sectorsize;

    for (struct group *group = group_from(space, 0); group; group = group_next(group)) {
        struct range range;

        if (group->kind == SPACE_DATA && !space_is_mixed(space))
            continue;
        for (uint64_t from = 0; rangeset_next(&group->pinned, from, &range);
             from = range.start + range.len) {
            for (uint64_t at = 0; at < range.len; at += step)
                forest_forget(space->engine->forest, range.start + at);
        }
    }
}

int space_unpin(struct space *space)
{
    struct group *group = group_from(space, 0), *next;

    for (; group; group = next) {
        next = group_next(group);
        if (group->life == GROUP_REMOVED)
            TRY(forget_group(space, group));
        else if (!rangeset_empty(&group->pinned))
            TRY(unpin_group(space, group));
    }
    for (unsigned kind = 0; kind < SPACE_KINDS; kind++)
        space->cursor[kind] = 0;
    return 0;
}

void space_set_discard(struct space *space, bool on)
{
    space->discard = on;
}
