// SPDX-License-Identifier: GPL-2.0-or-later
/* Block groups in memory, and the sums over them. */
#include "engine/space/space_internal.h"

static int group_compare(const struct group *a, const struct group *b)
{
    return a->start < b->start ? -1 : a->start > b->start;
}

RB_GENERATE(group_tree, group, link, group_compare)

enum space_kind space_kind_of(const struct space *space, enum space_kind kind)
{
    return space->mixed && kind == SPACE_METADATA ? SPACE_DATA : kind;
}

bool space_is_mixed(const struct space *space)
{
    return space->mixed;
}

int group_kind(const struct space *space, uint64_t flags, enum space_kind *out)
{
    switch (flags & BG_TYPE_MASK) {
    case BG_SYSTEM:
        *out = SPACE_SYSTEM;
        return 0;
    case BG_DATA:
        *out = SPACE_DATA;
        return 0;
    case BG_METADATA:
        *out = space_kind_of(space, SPACE_METADATA);
        return 0;
    case BG_DATA | BG_METADATA:
        if (space->mixed) {
            *out = SPACE_DATA;
            return 0;
        }
        break;
    default:
        break;
    }
    return fail(-EUCLEAN, "a block group cannot have the type 0x%llx%s",
                (unsigned long long)(flags & BG_TYPE_MASK),
                space->mixed ? "" : " without the mixed-bg feature");
}

struct group *group_from(const struct space *space, uint64_t from)
{
    struct group *group = RB_ROOT(&space->groups), *best = NULL;

    while (group) {
        if (group->start >= from) {
            best = group;
            group = RB_LEFT(group, link);
        } else {
            group = RB_RIGHT(group, link);
        }
    }
    return best;
}

struct group *group_at(const struct space *space, uint64_t addr)
{
    struct group *group = RB_ROOT(&space->groups);

    while (group && (addr < group->start || addr - group->start >= group->length))
        group = addr < group->start ? RB_LEFT(group, link) : RB_RIGHT(group, link);
    return group;
}

struct group *group_next(struct group *group)
{
    return RB_NEXT(group_tree, NULL, group);
}

uint64_t group_free_bytes(const struct group *group)
{
    return group->loaded ? group->free.bytes : group->length - group->used - group->super.bytes;
}

bool group_open_to_new(const struct group *group)
{
    return !group->readonly && (group->life == GROUP_NEW || group->life == GROUP_LIVE);
}

void space_look_again(struct space *space)
{
    for (unsigned i = 0; i < SPACE_KINDS; i++)
        space->no_fit[i] = UINT64_MAX;
}

/* ---- sums
 * ---------------------------------------------------------------------------------------------- */

static void count(struct space *space, const struct group *group, uint64_t sign)
{
    struct kind *kind = &space->kinds[group->kind];
    uint64_t unused = group_free_bytes(group);

    kind->total += sign * group->length;
    kind->used += sign * group->used;
    kind->allocated += sign * group->allocated.bytes;
    kind->pinned += sign * group->pinned.bytes;
    if (group_open_to_new(group))
        kind->free += sign * unused;
    else
        kind->readonly += sign * unused;
}

/* ---- making and forgetting
 * ------------------------------------------------------------------------- */

static void group_free(struct group *group)
{
    rangeset_clear(&group->free);
    rangeset_clear(&group->allocated);
    rangeset_clear(&group->pinned);
    rangeset_clear(&group->super);
    rangeset_clear(&group->tree_add);
    rangeset_clear(&group->tree_remove);
    free(group);
}

/* The bytes that nobody may have: under superblock copies, and below the first one. */
static int find_super(struct group *group, const struct chunk_map *chunk)
{
    uint64_t start, len;

    if (group->start < SUPER_OFFSET)
        TRY(rangeset_add(&group->super, group->start,
                         MIN(SUPER_OFFSET - group->start, group->length)));
    for (uint64_t from = group->start; chunk_next_super_range(chunk, from, &start, &len);
         from = start + len)
        TRY(rangeset_add(&group->super, start, len));
    return 0;
}

int group_add(struct space *space, const struct chunk_map *chunk, struct group **out)
{
    struct group *group;
    enum space_kind kind;
    int ret;

    TRY(group_kind(space, chunk->type, &kind));
    group = calloc(1, sizeof(*group));
    if (!group)
        return fail(-ENOMEM, "out of memory for a block group");
    group->start = chunk->logical;
    group->length = chunk->length;
    group->flags = chunk->type;
    group->kind = kind;
    /* A group of one type among mixed ones is kept as it is, not added to. */
    group->readonly = space->mixed && kind != SPACE_SYSTEM &&
                      (chunk->type & BG_TYPE_MASK) != (BG_DATA | BG_METADATA);
    ret = find_super(group, chunk);
    if (ret < 0) {
        group_free(group);
        return ret;
    }
    RB_INSERT(group_tree, &space->groups, group);
    pthread_mutex_lock(&space->lock);
    count(space, group, 1);
    pthread_mutex_unlock(&space->lock);
    *out = group;
    return 0;
}

struct counting counting_begin(struct space *space, struct group *group)
{
    pthread_mutex_lock(&space->lock);
    count(space, group, (uint64_t)-1);
    return (struct counting){.space = space, .group = group};
}

void counting_end(struct counting *counting)
{
    count(counting->space, counting->group, 1);
    pthread_mutex_unlock(&counting->space->lock);
}

void group_drop(struct space *space, struct group *group)
{
    pthread_mutex_lock(&space->lock);
    count(space, group, (uint64_t)-1);
    pthread_mutex_unlock(&space->lock);
    RB_REMOVE(group_tree, &space->groups, group);
    group_free(group);
}

/* ---- looking
 * --------------------------------------------------------------------------------------------- */

uint64_t space_flags_at(const struct space *space, uint64_t addr)
{
    const struct group *group = group_at(space, addr);

    return group ? group->flags : 0;
}

bool space_takes_writes(const struct space *space, uint64_t addr)
{
    const struct group *group = group_at(space, addr);

    return group && group_open_to_new(group);
}

bool space_next_group(const struct space *space, uint64_t from, struct space_group *out)
{
    const struct group *group = group_from(space, from);

    if (!group)
        return false;
    *out = (struct space_group){
        .start = group->start,
        .length = group->length,
        .flags = group->flags,
        .used = group->used,
        .pinned = group->pinned.bytes,
        .allocated = group->allocated.bytes,
        .readonly = !group_open_to_new(group),
    };
    return true;
}

void space_totals(struct space *space, enum space_kind kind, struct space_totals *out)
{
    SCOPED_LOCK(&space->lock);
    const struct kind *sums = &space->kinds[space_kind_of(space, kind)];

    *out = (struct space_totals){
        .profile = sums->profile,
        .total = sums->total,
        .used = sums->used,
        .allocated = sums->allocated,
        .pinned = sums->pinned,
        .promised = sums->promised,
        .readonly = sums->readonly,
    };
}

bool space_groups_durable(const struct space *space)
{
    for (struct group *group = group_from(space, 0); group; group = group_next(group))
        if (group->life != GROUP_LIVE)
            return false;
    return true;
}
