// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Claims: which parts of a write may go to the very blocks that the file has there (promise 3).
 *
 * Asked at the door, once for what is not dirty yet. A range that is claimed needs no data space,
 * so this is also what makes preallocated space worth its name on a full file system.
 */
#include "fs/file/internal.h"

#include "engine/extent/sharing.h"

void claims_free(struct claims *claims)
{
    free(claims->list);
}

enum claim claims_at(const struct claims *claims, uint64_t pos, uint64_t *end)
{
    for (size_t i = 0; claims && i < claims->count; i++) {
        const struct claim_range *range = &claims->list[i];

        if (pos < range->start) {
            *end = range->start;
            return CLAIM_NONE;
        }
        if (pos < range->end) {
            *end = range->end;
            return range->kind;
        }
    }
    *end = UINT64_MAX;
    return CLAIM_NONE;
}

static int claims_add(struct claims *claims, uint64_t start, uint64_t end, enum claim kind)
{
    struct claim_range *last = claims->count ? &claims->list[claims->count - 1] : NULL;

    if (last && last->end == start && last->kind == kind) {
        last->end = end;
        return 0;
    }
    if (claims->count == claims->cap) {
        size_t cap = claims->cap ? claims->cap * 2 : 8;
        struct claim_range *list = realloc(claims->list, cap * sizeof(*list));

        if (!list)
            return fail(-ENOMEM, "no memory to write");
        claims->list = list;
        claims->cap = cap;
    }
    claims->list[claims->count++] = (struct claim_range){start, end, kind};
    return 0;
}

/* ---- what a mapping allows ------------------------------------------------------------------- */

static bool in_place_always(const struct inode *inode)
{
    const uint64_t both = INODE_NODATACOW | INODE_NODATASUM;

    return (inode_flags(inode) & both) == both;
}

static enum claim kind_of(struct inode *inode, const struct mapping *map)
{
    if (map->kind == MAP_PREALLOC)
        return CLAIM_UNWRITTEN;
    SCOPED_LOCK(&inode->item_lock);
    return mapping_end(map) > inode->disk_size ? CLAIM_GROWING : CLAIM_WRITTEN;
}

/* By itself, whoever else refers to it. */
static bool may_be_claimed(const struct inode *inode, const struct mapping *map)
{
    if (map->kind != MAP_PREALLOC && !(map->kind == MAP_REGULAR && in_place_always(inode)))
        return false;
    return map->compression == 0 &&
           space_takes_writes(inode->fs->store->space, map->disk_bytenr + map->offset);
}

static int has_sums(struct inode *inode, const struct mapping *map, bool *out)
{
    struct engine *engine = file_engine(inode);

    return csums_any(engine, &engine->csum_tree, map->disk_bytenr + map->offset, map->len, out);
}

/* The first stretch of a mapping for which one answer holds; *next: where it ends. */
static int claim_stretch(struct inode *inode, const struct mapping *map, struct claims *claims,
                         uint64_t *next)
{
    const struct extent_use use = {
        .bytenr = map->disk_bytenr,
        .num_bytes = map->disk_num_bytes,
        .start = map->offset,
        .len = map->len,
        .root = inode->tree->root.id,
        .objectid = inode->ino,
        .position = map->start,
        .generation = map->generation,
    };
    bool shared, sums = false;
    uint64_t same;

    TRY(extent_sharing_at(inode->fs->store->extents, &use, &shared, &same));
    struct mapping part = map_slice(map, map->start, map->start + same);
    *next = mapping_end(&part);
    if (!shared)
        TRY(has_sums(inode, &part, &sums));
    return shared || sums ? 0 : claims_add(claims, part.start, *next, kind_of(inode, &part));
}

int claim_unwritten(struct inode *inode, const struct mapping *map, bool *out, uint64_t *end)
{
    CLEANUP(claims_free) struct claims claims = {0};

    TRY(claim_stretch(inode, map, &claims, end));
    *out = claims.count > 0;
    return 0;
}

/* Metadata lock held. */
static int claim_mapped(struct inode *inode, uint64_t start, uint64_t end, struct claims *claims)
{
    while (start < end) {
        struct mapping map;

        TRY(map_find(inode, start, &map));
        map = map_slice(&map, start, end);
        if (may_be_claimed(inode, &map))
            TRY(claim_stretch(inode, &map, claims, &start));
        else
            start = mapping_end(&map);
    }
    return 0;
}

/* ---- where it is worth asking ---------------------------------------------------------------- */

/*
 * The first stretch at or after *start that is neither dirty nor in flight to another place. What
 * flies to its own place stays there; but unwritten space has checksums when that has landed.
 */
static bool next_gap(struct file_state *file, uint64_t *start, uint64_t end, uint64_t *gap_end)
{
    uint64_t pos = *start;

    SCOPED_LOCK(&file->lock);
    while (pos < end) {
        struct run *run = runs_after(&file->dirty, pos);
        enum claim claim;
        uint64_t until;

        if (run && run->start <= pos) {
            pos = run_end(run);
            continue;
        }
        bool flying = runs_in_flight(file, pos, &claim, &until);
        if (flying && (claim == CLAIM_NONE || !in_place_always(file->inode))) {
            pos = until;
            continue;
        }
        *start = pos;
        until = MIN(until, end);
        *gap_end = run ? MIN(until, run->start) : until;
        return true;
    }
    return false;
}

int claims_find(struct file_state *file, uint64_t start, uint64_t end, struct claims *out)
{
    struct inode *inode = file->inode;
    uint64_t gap_end;

    if (file->moving || !(inode_flags(inode) & (INODE_NODATACOW | INODE_PREALLOC)))
        return 0;
    for (; next_gap(file, &start, end, &gap_end); start = gap_end) {
        store_read_lock(inode->fs->store);
        int ret = claim_mapped(inode, start, gap_end, out);
        store_read_unlock(inode->fs->store);
        if (ret < 0)
            return ret;
    }
    return 0;
}
