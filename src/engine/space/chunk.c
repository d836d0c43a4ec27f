// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making chunks, and letting empty ones go. Here only memory changes, so that a chunk can be made
 * in the middle of a tree change; items.c writes what is new.
 */
#include <string.h>

#include "engine/space/space_internal.h"

uint64_t profile_copies(uint64_t flags)
{
    return flags & BG_DUP ? 2 : 1;
}

uint64_t units_for(uint64_t bytes, uint64_t profile)
{
    uint64_t a_unit = CHUNK_UNIT / profile_copies(profile);

    return bytes / a_unit + (bytes % a_unit != 0);
}

/* ---- how large
 * ---------------------------------------------------------------------------------------------- */

/* Linux: so much by type, but no more than a tenth of the file system, in steps of 16 MiB. */
static uint64_t usual_length(const struct space *space, uint64_t flags)
{
    const uint64_t large_fs = 50 * GIB, step = 16 * MIB;
    uint64_t total = devices_total(space);
    uint64_t tenth = round_up_to(total / 10, step);

    if (flags & BG_DATA)
        return MIN(1 * GIB, tenth);
    if (flags & BG_METADATA)
        return MIN(total > large_fs ? 1 * GIB : 256 * MIB, tenth);
    return MIN(8 * MIB, total / 10);
}

/* ---- where on the devices
 * ------------------------------------------------------------------------------------- */

/*
 * Where `units` may lie; fewer, if there is no such hole: then *units says how many. Stripes of
 * DUP lie one behind the other, as Linux puts them.
 */
static bool find_hole(struct space *space, uint64_t *units, struct device **device,
                      uint64_t *offset)
{
    uint64_t best = 0;

    for (unsigned i = 0; i < space->device_count && best < *units; i++) {
        struct device *candidate = &space->devices[i];
        struct range hole;

        for (uint64_t from = 0; best < *units && rangeset_next(&candidate->holes, from, &hole);
             from = hole.start + hole.len) {
            uint64_t start = round_up_to(hole.start, STRIPE_LEN), end = hole.start + hole.len;
            uint64_t fits = start < end ? (end - start) / CHUNK_UNIT : 0;

            if (fits > best) {
                best = fits;
                *device = candidate;
                *offset = start;
            }
        }
    }
    *units = MIN(best, *units);
    return best > 0;
}

/* Chunks are numbered upwards, as Linux does. */
static uint64_t next_logical(const struct space *space)
{
    struct chunk_map chunk;
    uint64_t end = DEV_RESERVED;

    for (uint64_t from = 0; vol_next_chunk(space->engine->vol, from, &chunk);
         from = chunk.logical + chunk.length)
        end = MAX(end, chunk.logical + chunk.length);
    return round_up_to(end, STRIPE_LEN);
}

/* ---- making
 * ----------------------------------------------------------------------------------------------------
 */

static int add_chunk(struct space *space, const struct chunk_map *chunk)
{
    struct group *group;

    TRY(vol_add_chunk(space->engine->vol, chunk));
    TRY(group_add(space, chunk, &group));
    {
        COUNTING(space, group);
        TRY(rangeset_add(&group->free, group->start, group->length));
        for (struct range super = {group->start, 0};
             rangeset_next(&group->super, super.start + super.len, &super);)
            TRY(rangeset_remove(&group->free, super.start, super.len));
        group->loaded = true;
        group->tree_rewrite = free_tree_kept(space);
    }
    space_look_again(space);
    return devices_take(space, chunk);
}

/* A chunk of at most that many units. */
static int create(struct space *space, uint64_t flags, uint64_t units, struct range *out)
{
    struct chunk_map chunk = {
        .logical = next_logical(space),
        .type = flags,
        .stripe_len = STRIPE_LEN,
        .num_stripes = (uint16_t)profile_copies(flags),
        .sub_stripes = 1,
    };
    struct device *device = NULL;
    uint64_t offset = 0;

    if (!find_hole(space, &units, &device, &offset))
        return fail(-ENOSPC, "%s: no device space for another chunk",
                    vol_label(space->engine->vol));
    chunk.length = units * CHUNK_UNIT / chunk.num_stripes;
    for (unsigned i = 0; i < chunk.num_stripes; i++) {
        chunk.stripes[i].devid = device->vol_device->devid;
        chunk.stripes[i].offset = offset + i * chunk.length;
    }
    TRY(add_chunk(space, &chunk));
    if (out)
        *out = (struct range){chunk.logical, chunk.length};
    return 0;
}

static uint64_t usual_units(const struct space *space, uint64_t flags)
{
    uint64_t units = usual_length(space, flags) * profile_copies(flags) / CHUNK_UNIT;

    return MAX(units, (uint64_t)1);
}

int space_create_chunk(struct space *space, uint64_t flags, struct range *out)
{
    enum space_kind kind;

    TRY(group_kind(space, flags, &kind));
    if ((flags & BG_PROFILE_MASK) & ~BG_DUP)
        return fail(-EOPNOTSUPP, "chunks of profile 0x%llx cannot be made",
                    (unsigned long long)(flags & BG_PROFILE_MASK));
    TRY(create(space, flags, usual_units(space, flags), out));
    SCOPED_LOCK(&space->lock);
    space->kinds[kind].profile = flags & BG_PROFILE_MASK;
    return 0;
}

static uint64_t kind_flags(const struct space *space, enum space_kind kind)
{
    static const uint64_t types[SPACE_KINDS] = {BG_DATA, BG_METADATA, BG_SYSTEM};
    uint64_t type = types[kind];

    if (space->mixed && kind != SPACE_SYSTEM)
        type = BG_DATA | BG_METADATA;
    return type | space->kinds[kind].profile;
}

int chunk_create_for(struct space *space, enum space_kind kind, struct range *out)
{
    uint64_t flags, units, others;
    int ret;

    /* Every chunk grows the chunk tree, which lives in system chunks alone. */
    if (kind != SPACE_SYSTEM && space->kinds[SPACE_SYSTEM].free < system_reserve(space)) {
        ret = chunk_create_for(space, SPACE_SYSTEM, NULL);
        if (ret < 0 && ret != -ENOSPC)
            return ret;
    }
    kind = space_kind_of(space, kind);
    flags = kind_flags(space, kind);
    units = usual_units(space, flags);
    pthread_mutex_lock(&space->lock);
    others = promised_units_of_others(space, kind);
    if (space->raw_units > others)
        units = MIN(units, space->raw_units - others);
    pthread_mutex_unlock(&space->lock);
    return create(space, flags, units, out);
}

/* ---- letting go
 * --------------------------------------------------------------------------------------------------
 */

static bool group_empty(const struct group *group)
{
    return group->life == GROUP_LIVE && !group->readonly && group->used == 0 &&
           group->allocated.bytes == 0;
}

/* Whether what is promised stays covered without what is free in this group. Lock held. */
static bool can_spare(const struct space *space, const struct group *group)
{
    const struct kind *kind = &space->kinds[group->kind];

    return kind->free >=
           group_free_bytes(group) + kind->promised + kind_reserve(space, group->kind);
}

static void consider(struct space *space, struct group *group, bool *kept)
{
    bool spare;

    pthread_mutex_lock(&space->lock);
    spare = *kept && can_spare(space, group);
    pthread_mutex_unlock(&space->lock);
    if (spare) {
        COUNTING(space, group);
        group->life = GROUP_REMOVING;
    }
    *kept = true;
}

/* System chunks stay: they are few, and the superblock names each. */
int space_remove_empty(struct space *space)
{
    bool kept[SPACE_KINDS] = {false};

    for (struct group *group = group_from(space, 0); group; group = group_next(group))
        if (group->kind != SPACE_SYSTEM && group_empty(group))
            consider(space, group, &kept[group->kind]);
    return 0;
}
