// SPDX-License-Identifier: GPL-2.0-or-later
/* The free-space tree against the gaps between extents. */
#include "base/rangeset.h"
#include "ops/check/internal.h"

int add_free_range(struct pile *pile, const struct area *area, uint64_t start, uint64_t end)
{
    uint64_t under, len;

    for (uint64_t from = start;
         chunk_next_super_range(&area->map, from, &under, &len) && under < end && start < end;
         from = start) {
        const struct range before = {start, under - start};

        if (under > start)
            TRY(pile_push(pile, &before));
        start = MAX(start, under + len);
    }
    if (start < end) {
        const struct range rest = {start, end - start};

        TRY(pile_push(pile, &rest));
    }
    return 0;
}

/* ---- what the tree says ---------------------------------------------------------------------- */

struct free_load {
    struct check *c;
    struct pile free;
    struct area *area;
    uint64_t start, end; /* a range that may go on with the next item */
};

static int flush(struct free_load *load)
{
    if (load->start < load->end) {
        load->area->free_count++;
        TRY(add_free_range(&load->free, load->area, load->start, load->end));
    }
    load->start = load->end = 0;
    return 0;
}

static int take_range(struct free_load *load, const struct spot *spot, uint64_t start, uint64_t len)
{
    struct area *area = area_of(load->c, start);

    if (!area || len > area->map.logical + area->map.length - start) {
        /* mkfs.btrfs leaves behind what it knew of block groups that it removed. */
        report(load->c, area ? CHECK_FREE_EXTRA : CHECK_FREE_STALE,
               PLACE(.tree = TREE_FREE_SPACE, .block = spot->block),
               "tree FREE_SPACE_TREE block %llu item %u: %llu bytes at %llu lie in no chunk",
               LLU(spot->block), spot->slot, LLU(len), LLU(start));
        return 0;
    }
    if ((spot->key.type == KEY_FREE_SPACE_BITMAP) !=
        ((area->info_flags & FREE_SPACE_USING_BITMAPS) != 0))
        report(load->c, CHECK_FREE_COUNT, PLACE(.tree = TREE_FREE_SPACE, .block = spot->block),
               "tree FREE_SPACE_TREE block %llu item %u: ranges and bitmaps are mixed up",
               LLU(spot->block), spot->slot);
    if (start < load->end)
        report(load->c, CHECK_FREE_COUNT, PLACE(.tree = TREE_FREE_SPACE, .block = spot->block),
               "tree FREE_SPACE_TREE block %llu item %u: free space at %llu is listed twice",
               LLU(spot->block), spot->slot, LLU(start));
    if (area != load->area || start != load->end) {
        TRY(flush(load));
        load->area = area;
        load->start = start;
    }
    load->end = start + len;
    return 0;
}

static int take_bitmap(struct free_load *load, const struct spot *spot)
{
    uint64_t sectors = spot->key.offset / load->c->sectorsize, from = 0;

    for (uint64_t i = 0; i <= sectors; i++) {
        bool set = i < sectors && (spot->data[i / 8] & (1u << (i % 8)));

        if (set)
            continue;
        if (i > from)
            TRY(take_range(load, spot, spot->key.objectid + from * load->c->sectorsize,
                           (i - from) * load->c->sectorsize));
        from = i + 1;
    }
    return 0;
}

static int take_info(struct free_load *load, const struct spot *spot)
{
    struct area *area = area_of(load->c, spot->key.objectid);
    struct free_space_info info;

    TRY(flush(load));
    free_space_info_decode(&info, spot->data);
    if (!area || area->map.logical != spot->key.objectid || area->map.length != spot->key.offset) {
        report(load->c, area ? CHECK_FREE_COUNT : CHECK_FREE_STALE,
               PLACE(.tree = TREE_FREE_SPACE, .block = spot->block),
               "tree FREE_SPACE_TREE block %llu item %u: there is no chunk of %llu bytes at %llu",
               LLU(spot->block), spot->slot, LLU(spot->key.offset), LLU(spot->key.objectid));
        return 0;
    }
    area->has_info = true;
    area->info_count = info.extent_count;
    area->info_flags = info.flags;
    return 0;
}

static int take_free_item(void *arg, const struct spot *spot)
{
    switch (spot->key.type) {
    case KEY_FREE_SPACE_INFO:
        return take_info(arg, spot);
    case KEY_FREE_SPACE_EXTENT:
        return take_range(arg, spot, spot->key.objectid, spot->key.offset);
    case KEY_FREE_SPACE_BITMAP:
        return take_bitmap(arg, spot);
    default:
        return 0;
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void differ(struct check *c, bool listed, uint64_t start, uint64_t end)
{
    report(c, listed ? CHECK_FREE_EXTRA : CHECK_FREE_MISSING,
           PLACE(.tree = TREE_FREE_SPACE, .start = start, .len = end - start),
           listed ? "%llu bytes at %llu are in use, and free in the free-space tree"
                  : "%llu bytes at %llu are free, and not in the free-space tree",
           LLU(end - start), LLU(start));
}

/* Both are in order; what of [from, …) is in one alone is said piece by piece. */
static void compare(struct check *c, const struct pile *gaps, const struct pile *free)
{
    size_t i = 0, j = 0;
    uint64_t from = 0;

    while (i < gaps->count || j < free->count) {
        const struct range none = {UINT64_MAX, 0};
        const struct range *a = i < gaps->count ? PILE_AT(gaps, struct range, i) : &none;
        const struct range *b = j < free->count ? PILE_AT(free, struct range, j) : &none;
        uint64_t a_start = MAX(a->start, from), b_start = MAX(b->start, from);
        uint64_t a_end = a->start + a->len, b_end = b->start + b->len;

        if (a_start == b_start) {
            from = MIN(a_end, b_end);
        } else if (a_start < b_start) {
            from = MIN(a_end, b_start);
            differ(c, false, a_start, from);
        } else {
            from = MIN(b_end, a_start);
            differ(c, true, b_start, from);
        }
        i += a_end <= from && i < gaps->count;
        j += b_end <= from && j < free->count;
    }
}

static void check_counts(struct check *c)
{
    for (size_t i = 0; i < c->areas.count; i++) {
        const struct area *area = PILE_AT(&c->areas, struct area, i);

        if (!area->has_info)
            report(c, CHECK_FREE_COUNT, PLACE(.tree = TREE_FREE_SPACE),
                   "tree FREE_SPACE_TREE: block group %llu is missing", LLU(area->map.logical));
        else if (area->info_count != area->free_count)
            report(c, CHECK_FREE_COUNT, PLACE(.tree = TREE_FREE_SPACE),
                   "tree FREE_SPACE_TREE: block group %llu says %u free ranges and lists %u",
                   LLU(area->map.logical), area->info_count, area->free_count);
    }
}

int check_free_space(struct check *c)
{
    const uint64_t valid = COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID;
    const struct tree_root *root = find_root(c, TREE_FREE_SPACE);
    struct free_load load = {.c = c};
    int ret;

    if ((c->super->compat_ro_flags & valid) != valid || !root || !c->extents_known)
        return 0;
    pile_init(&load.free, sizeof(struct range), &c->budget);
    ret = read_tree(c, root, take_free_item, &load);
    if (ret == 0)
        ret = flush(&load);
    if (ret == 0) {
        compare(c, &c->gaps, &load.free);
        check_counts(c);
    }
    pile_free(&load.free);
    return ret == -EIO || ret == -EUCLEAN ? 0 : ret;
}
