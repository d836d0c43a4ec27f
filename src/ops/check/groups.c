// SPDX-License-Identifier: GPL-2.0-or-later
/* Block groups against chunks, and against the extents in them. */
#include "ops/check/internal.h"

struct area *area_of(const struct check *c, uint64_t addr)
{
    size_t low = 0, high = c->areas.count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        struct area *area = PILE_AT(&c->areas, struct area, mid);

        if (addr < area->map.logical)
            high = mid;
        else if (addr - area->map.logical >= area->map.length)
            low = mid + 1;
        else
            return area;
    }
    return NULL;
}

void take_group(struct check *c, const struct spot *spot)
{
    const struct place place =
        PLACE(.tree = spot->tree, .block = spot->block, .other = spot->key.objectid);
    struct area *area = area_of(c, spot->key.objectid);
    struct block_group_item group;

    block_group_item_decode(&group, spot->data);
    if (!area || area->map.logical != spot->key.objectid) {
        report(c, CHECK_GROUP_NO_CHUNK, place, "block group %llu: there is no chunk like it",
               LLU(spot->key.objectid));
        return;
    }
    area->has_group = true;
    area->group = group;
    if (area->map.length != spot->key.offset)
        report(c, CHECK_GROUP_MISMATCH, place, "block group %llu: %llu bytes, its chunk has %llu",
               LLU(spot->key.objectid), LLU(spot->key.offset), LLU(area->map.length));
    if (area->map.type != group.flags)
        report(c, CHECK_GROUP_MISMATCH, place,
               "block group %llu: flags 0x%llx, those of its chunk are 0x%llx",
               LLU(spot->key.objectid), LLU(group.flags), LLU(area->map.type));
    if (group.chunk_objectid != FIRST_CHUNK_TREE_OBJECTID)
        report(c, CHECK_GROUP_MISMATCH, place, "block group %llu: names chunk %llu",
               LLU(spot->key.objectid), LLU(group.chunk_objectid));
}

static int take_group_item(void *arg, const struct spot *spot)
{
    if (spot->key.type == KEY_BLOCK_GROUP_ITEM)
        take_group(arg, spot);
    return 0;
}

/* False: the tree they stand in cannot be read. */
static bool load_groups(struct check *c)
{
    const struct tree_root *root;

    if (!(c->super->compat_ro_flags & COMPAT_RO_BLOCK_GROUP_TREE))
        return c->extents_known;
    root = find_root(c, TREE_BLOCK_GROUP);
    return root && read_tree(c, root, take_group_item, c) == 0;
}

int check_groups(struct check *c)
{
    if (!load_groups(c))
        return 0;
    for (size_t i = 0; i < c->areas.count; i++) {
        const struct area *area = PILE_AT(&c->areas, struct area, i);

        if (!area->has_group)
            report(c, CHECK_CHUNK_NO_GROUP, PLACE(.other = area->map.logical),
                   "chunk %llu: has no block group", LLU(area->map.logical));
        else if (c->extents_known && area->group.used != area->used)
            report(c, CHECK_GROUP_USED, PLACE(.other = area->map.logical),
                   "block group %llu: %llu bytes used, in extents are %llu", LLU(area->map.logical),
                   LLU(area->group.used), LLU(area->used));
    }
    return 0;
}
