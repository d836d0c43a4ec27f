// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of what maps space: chunks, block groups, devices and their extents. */
#include "disk/format/items.h"

/* How many stripes a profile takes. */
static const struct profile {
    uint64_t flag;
    uint16_t stripes_min;
    uint16_t stripes_max;  /* 0: any number */
    uint16_t stripes_step; /* the number is a multiple of this */
    uint16_t sub_stripes;  /* 0: any value */
} profiles[] = {
    {0, 1, 1, 1, 0},         {BG_DUP, 2, 2, 1, 0},     {BG_RAID0, 1, 0, 1, 0},
    {BG_RAID1, 2, 2, 1, 0},  {BG_RAID1C3, 3, 3, 1, 0}, {BG_RAID1C4, 4, 4, 1, 0},
    {BG_RAID10, 2, 0, 2, 2}, {BG_RAID5, 2, 0, 1, 0},   {BG_RAID6, 3, 0, 1, 0},
};

static int type_check(uint64_t type, const struct format_limits *limits)
{
    uint64_t kind = type & BG_TYPE_MASK, profile = type & BG_PROFILE_MASK;
    bool mixed = kind == (BG_DATA | BG_METADATA);

    if (type & ~(uint64_t)(BG_TYPE_MASK | BG_PROFILE_MASK))
        return fail(-EUCLEAN, "type 0x%llx has unknown bits", LLU(type));
    if (profile && !is_pow2(profile))
        return fail(-EUCLEAN, "type 0x%llx names more than one profile", LLU(type));
    if (!mixed && !is_pow2(kind))
        return fail(-EUCLEAN, "type 0x%llx is not one of data, metadata, system", LLU(type));
    if (mixed && !(limits->incompat & INCOMPAT_MIXED_GROUPS))
        return fail(-EUCLEAN, "type 0x%llx mixes data and metadata without the feature for it",
                    LLU(type));
    return 0;
}

static int stripes_check(const struct chunk *chunk)
{
    uint64_t flag = chunk->type & BG_PROFILE_MASK;
    const struct profile *profile = profiles;

    while (profile->flag != flag)
        profile++;
    if (chunk->num_stripes < profile->stripes_min ||
        (profile->stripes_max && chunk->num_stripes > profile->stripes_max) ||
        chunk->num_stripes % profile->stripes_step != 0)
        return fail(-EUCLEAN, "%u stripes are impossible for type 0x%llx", chunk->num_stripes,
                    LLU(chunk->type));
    if (profile->sub_stripes && chunk->sub_stripes != profile->sub_stripes)
        return fail(-EUCLEAN, "%u sub-stripes are impossible for type 0x%llx", chunk->sub_stripes,
                    LLU(chunk->type));
    return 0;
}

static int chunk_geometry_check(uint64_t logical, const struct chunk *chunk,
                                const struct format_limits *limits)
{
    TRY(sector_aligned_check("chunk's logical address", logical, limits));
    TRY(sector_aligned_check("chunk's length", chunk->length, limits));
    if (chunk->sector_size != limits->sectorsize)
        return fail(-EUCLEAN, "sector size %u is not that of the file system", chunk->sector_size);
    if (chunk->stripe_len != STRIPE_LEN)
        return fail(-EUCLEAN, "stripe length %llu is not 64 KiB", LLU(chunk->stripe_len));
    if (chunk->length == 0 || chunk->length / STRIPE_LEN >= UINT32_MAX ||
        logical + chunk->length < logical)
        return fail(-EUCLEAN, "length %llu is impossible", LLU(chunk->length));
    return 0;
}

int chunk_validate(uint64_t logical, const void *data, uint32_t size,
                   const struct format_limits *limits)
{
    struct chunk chunk;

    if (size < chunk_item_size(1))
        return fail(-EUCLEAN, "size %u is too small", size);
    chunk_decode(&chunk, data);
    if (size != chunk_item_size(chunk.num_stripes))
        return fail(-EUCLEAN, "size %u does not fit %u stripes", size, chunk.num_stripes);
    TRY(type_check(chunk.type, limits));
    TRY(stripes_check(&chunk));
    TRY(chunk_geometry_check(logical, &chunk, limits));
    for (unsigned i = 0; i < chunk.num_stripes; i++) {
        struct stripe stripe;

        stripe_decode(&stripe, (const uint8_t *)data + chunk_item_size(i));
        TRY(sector_aligned_check("stripe's place on its device", stripe.offset, limits));
    }
    return 0;
}

int chunk_item_check(const struct item *item, const struct item_context *context)
{
    if (item->key.objectid != FIRST_CHUNK_TREE_OBJECTID)
        return fail(-EUCLEAN, "objectid of a chunk is not %u", FIRST_CHUNK_TREE_OBJECTID);
    return chunk_validate(item->key.offset, item->data, item->size, context->limits);
}

int block_group_check(const struct item *item, const struct item_context *context)
{
    struct block_group_item group;

    TRY(item_size_check(item, sizeof(disk_block_group_item)));
    block_group_item_decode(&group, item->data);
    if (item->key.offset == 0 || item->key.objectid + item->key.offset < item->key.objectid)
        return fail(-EUCLEAN, "length is impossible");
    TRY(sector_aligned_check("logical address", item->key.objectid, context->limits));
    TRY(sector_aligned_check("length", item->key.offset, context->limits));
    if (group.chunk_objectid != FIRST_CHUNK_TREE_OBJECTID)
        return fail(-EUCLEAN, "chunk objectid is %llu", LLU(group.chunk_objectid));
    if (group.used > item->key.offset)
        return fail(-EUCLEAN, "%llu bytes used exceed the length", LLU(group.used));
    return type_check(group.flags, context->limits);
}

int dev_extent_check(const struct item *item, const struct item_context *context)
{
    struct dev_extent extent;

    TRY(item_size_check(item, sizeof(disk_dev_extent)));
    dev_extent_decode(&extent, item->data);
    if (extent.chunk_tree != TREE_CHUNK || extent.chunk_objectid != FIRST_CHUNK_TREE_OBJECTID)
        return fail(-EUCLEAN, "belongs to tree %llu object %llu", LLU(extent.chunk_tree),
                    LLU(extent.chunk_objectid));
    TRY(sector_aligned_check("place on the device", item->key.offset, context->limits));
    TRY(sector_aligned_check("chunk's logical address", extent.chunk_offset, context->limits));
    TRY(sector_aligned_check("length", extent.length, context->limits));
    if (extent.length == 0 || item->key.offset + extent.length < item->key.offset)
        return fail(-EUCLEAN, "length %llu is impossible", LLU(extent.length));
    return 0;
}

int dev_item_check(const struct item *item, const struct item_context *context)
{
    struct dev_item dev;

    (void)context;
    if (item->key.objectid != OBJ_DEV_ITEMS)
        return fail(-EUCLEAN, "objectid of a device is not %llu", OBJ_DEV_ITEMS);
    TRY(item_size_check(item, sizeof(disk_dev_item)));
    dev_item_decode(&dev, item->data);
    if (dev.devid != item->key.offset)
        return fail(-EUCLEAN, "is of device %llu", LLU(dev.devid));
    if (dev.bytes_used > dev.total_bytes)
        return fail(-EUCLEAN, "uses %llu of %llu bytes", LLU(dev.bytes_used), LLU(dev.total_bytes));
    return 0;
}
