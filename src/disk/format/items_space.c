// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of free space: the free space tree, and the header of a v1 cache. */
#include "disk/format/items.h"

/* All three kinds of item are keyed by a range of logical addresses. */
static int range_check(const struct item *item, const struct format_limits *limits)
{
    TRY(sector_aligned_check("logical address", item->key.objectid, limits));
    TRY(sector_aligned_check("length", item->key.offset, limits));
    if (item->key.offset == 0 || item->key.objectid + item->key.offset < item->key.objectid)
        return fail(-EUCLEAN, "length is impossible");
    return 0;
}

int free_space_info_check(const struct item *item, const struct item_context *context)
{
    struct free_space_info info;

    TRY(range_check(item, context->limits));
    TRY(item_size_check(item, sizeof(disk_free_space_info)));
    free_space_info_decode(&info, item->data);
    if (info.extent_count > item->key.offset / context->limits->sectorsize)
        return fail(-EUCLEAN, "%u free ranges do not fit", info.extent_count);
    if (info.flags & ~FREE_SPACE_USING_BITMAPS)
        return fail(-EUCLEAN, "flags 0x%x have unknown bits", info.flags);
    return 0;
}

int free_space_extent_check(const struct item *item, const struct item_context *context)
{
    TRY(range_check(item, context->limits));
    return item_size_check(item, 0);
}

int free_space_bitmap_check(const struct item *item, const struct item_context *context)
{
    uint64_t bits = item->key.offset / context->limits->sectorsize;

    TRY(range_check(item, context->limits));
    if (bits > FREE_SPACE_BITMAP_BITS)
        return fail(-EUCLEAN, "covers %llu sectors", LLU(bits));
    return item_size_check(item, (size_t)(bits + 7) / 8);
}

int untyped_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    if (item->key.objectid == OBJ_FREE_SPACE)
        return item_size_check(item, sizeof(disk_free_space_header));
    return 0;
}
