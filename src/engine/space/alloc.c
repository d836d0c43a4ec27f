// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding a place. Within a transaction allocations follow one another through the address space
 * (a cursor per kind), and every commit puts the cursor back to the beginning: writes are
 * sequential, and an image stays compact.
 */
#include "engine/space/space_internal.h"

/* What is looked for. */
struct wish {
    enum space_kind kind;  /* whose groups */
    enum space_kind asked; /* whose cursor */
    uint64_t unit;         /* alignment and granularity */
};

static bool is_candidate(const struct group *group, const struct wish *wish, uint64_t len)
{
    return group->kind == wish->kind && group_open_to_new(group) && group_free_bytes(group) >= len;
}

/* The first aligned piece of `len` in the group from `from` on; *out is all of it there is. */
static bool fit_in_group(const struct group *group, const struct wish *wish, uint64_t from,
                         uint64_t len, struct range *out)
{
    struct range piece;

    while (rangeset_find_fit(&group->free, from, len, &piece)) {
        uint64_t start = round_up_to(piece.start, wish->unit);
        uint64_t end = piece.start + piece.len;

        if (start < end && end - start >= len) {
            *out = (struct range){start, end - start};
            return true;
        }
        from = end;
    }
    return false;
}

/* 0: found; 1: not. */
static int try_group(struct space *space, struct group *group, const struct wish *wish,
                     uint64_t from, uint64_t len, struct range *out)
{
    if (!is_candidate(group, wish, len))
        return 1;
    TRY(group_load(space, group, NULL, false));
    return fit_in_group(group, wish, from, len, out) ? 0 : 1;
}

/* Behind the hint, in its own group. */
static int find_near(struct space *space, const struct wish *wish, uint64_t hint, uint64_t len,
                     struct range *out)
{
    struct group *group = hint ? group_at(space, hint) : NULL;

    return group ? try_group(space, group, wish, hint, len, out) : 1;
}

/* Behind the cursor, in its group and all that follow, then in all from the first on. */
static int find_after_cursor(struct space *space, const struct wish *wish, uint64_t len,
                             struct range *out)
{
    uint64_t cursor = space->cursor[wish->asked];
    struct group *group = group_at(space, cursor);
    int ret = 1;

    if (len >= space->no_fit[wish->asked])
        return 1;
    if (!group)
        group = group_from(space, cursor);
    for (; group && ret > 0; group = group_next(group))
        ret = try_group(space, group, wish, cursor, len, out);
    for (group = group_from(space, 0); group && ret > 0; group = group_next(group))
        ret = try_group(space, group, wish, 0, len, out);
    if (ret > 0)
        space->no_fit[wish->asked] = len;
    return ret;
}

/* The longest piece there is, if it has `min`. */
static int find_largest(struct space *space, const struct wish *wish, uint64_t min,
                        struct range *out)
{
    struct range best = {0, 0};

    for (struct group *group = group_from(space, 0); group; group = group_next(group)) {
        struct range piece;
        uint64_t start, len;

        if (!is_candidate(group, wish, MAX(min, best.len + wish->unit)))
            continue;
        TRY(group_load(space, group, NULL, false));
        if (!rangeset_largest(&group->free, &piece))
            continue;
        start = round_up_to(piece.start, wish->unit);
        if (start - piece.start >= piece.len)
            continue;
        len = round_down_to(piece.len - (start - piece.start), wish->unit);
        if (len > best.len)
            best = (struct range){start, len};
    }
    if (best.len < min)
        return 1;
    *out = best;
    return 0;
}

/*
 * For metadata in space that others left unaligned: any sectors will do, but a node must not cross
 * a 64 KiB boundary.
 */
static int find_unaligned(struct space *space, const struct wish *wish, uint64_t len,
                          struct range *out)
{
    for (struct group *group = group_from(space, 0); group; group = group_next(group)) {
        struct range piece;

        if (!is_candidate(group, wish, len))
            continue;
        for (uint64_t from = 0; rangeset_find_fit(&group->free, from, len, &piece);
             from = piece.start + piece.len) {
            uint64_t boundary = round_down_to(piece.start, STRIPE_LEN) + STRIPE_LEN;
            uint64_t start = piece.start + len <= boundary ? piece.start : boundary;

            if (start + len > piece.start + piece.len)
                continue;
            *out = (struct range){start, len};
            return 0;
        }
    }
    return 1;
}

static int find(struct space *space, const struct wish *wish, uint64_t want, uint64_t min,
                uint64_t hint, struct range *out)
{
    int ret = find_near(space, wish, hint, want, out);

    if (ret > 0)
        ret = find_after_cursor(space, wish, want, out);
    if (ret > 0 && min < want)
        ret = find_largest(space, wish, min, out);
    if (ret > 0 && wish->unit > space->engine->sectorsize && min <= wish->unit)
        ret = find_unaligned(space, wish, wish->unit, out);
    return ret;
}

static int take(struct space *space, const struct wish *wish, const struct range *found)
{
    struct group *group = group_at(space, found->start);

    COUNTING(space, group);
    TRY(rangeset_remove(&group->free, found->start, found->len));
    TRY(rangeset_add(&group->allocated, found->start, found->len));
    space->cursor[wish->asked] = found->start + found->len;
    return 0;
}

/* A chunk that could hold `min`; one that could not is kept, but no reason to make more. */
static int make_chunk(struct space *space, enum space_kind kind, uint64_t min)
{
    struct range chunk;

    TRY(chunk_create_for(space, kind, &chunk));
    if (chunk.len < min)
        return fail(-ENOSPC, "no chunk can have %llu bytes in one piece", (unsigned long long)min);
    return 0;
}

int space_alloc(struct space *space, enum space_kind kind, uint64_t want, uint64_t min,
                uint64_t hint, struct range *out)
{
    struct wish wish = {
        .kind = space_kind_of(space, kind),
        .asked = kind,
        .unit = kind == SPACE_DATA ? space->engine->sectorsize : space->engine->nodesize,
    };
    struct range found;
    int ret;

    INVARIANT(min > 0 && min <= want && is_aligned(min | want, wish.unit),
              "space is asked for in whole units");
    /* Metadata is rewritten all the time: one stream is better than staying near. */
    if (kind != SPACE_DATA)
        hint = 0;
    while ((ret = find(space, &wish, want, min, hint, &found)) > 0)
        TRY(make_chunk(space, kind, min));
    TRY(ret);
    found.len = MIN(found.len, want);
    TRY(take(space, &wish, &found));
    *out = found;
    return 0;
}
