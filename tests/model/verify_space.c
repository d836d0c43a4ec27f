// SPDX-License-Identifier: GPL-2.0-or-later
/* Chunks, block groups, device extents, free space, superblocks. */
#include "tests/model/verify_internal.h"

/* ---- items
 * -------------------------------------------------------------------------------------- */

static struct v_group *find_group(struct verify *v, uint64_t start)
{
    for (size_t i = 0; i < v->groups.count; i++)
        if (v->groups.v[i].start == start)
            return &v->groups.v[i];
    return NULL;
}

static struct v_group *holder(struct verify *v, uint64_t addr)
{
    for (size_t i = 0; i < v->groups.count; i++)
        if (addr >= v->groups.v[i].start && addr - v->groups.v[i].start < v->groups.v[i].len)
            return &v->groups.v[i];
    return NULL;
}

/* The group may come after its free space: one entry serves both. */
static struct v_group *get_group(struct verify *v, uint64_t start, uint64_t len)
{
    struct v_group *group = find_group(v, start);

    if (!group) {
        group = ARRAY_ADD(&v->groups);
        *group = (struct v_group){.start = start, .len = len};
    }
    if (group->len != len)
        bad(v, "block group %llu: %llu and %llu bytes", LLU(start), LLU(group->len), LLU(len));
    return group;
}

static void add_free(struct verify *v, uint64_t start, uint64_t len)
{
    if (rangeset_overlaps(&v->free, start, len))
        bad(v, "free space at %llu is listed twice", LLU(start));
    if (rangeset_add(&v->free, start, len) < 0)
        abort();
}

static void add_bitmap(struct verify *v, const struct item_view *item)
{
    uint64_t sector = v->super->sectorsize, sectors = item->key.offset / sector;

    for (uint64_t i = 0; i < sectors; i++)
        if (item->data[i / 8] & (1u << (i % 8)))
            add_free(v, item->key.objectid + i * sector, sector);
}

static void add_group(struct verify *v, const struct item_view *item)
{
    struct v_group *group = get_group(v, item->key.objectid, item->key.offset);
    struct block_group_item disk;

    block_group_item_decode(&disk, item->data);
    group->used = disk.used;
    group->flags = disk.flags;
}

static void add_info(struct verify *v, const struct item_view *item)
{
    struct v_group *group = get_group(v, item->key.objectid, item->key.offset);
    struct free_space_info info;

    free_space_info_decode(&info, item->data);
    group->has_info = true;
    group->free_count = info.extent_count;
    group->free_flags = info.flags;
}

static void add_dev_extent(struct verify *v, const struct item_view *item)
{
    struct v_dev_extent *extent = ARRAY_ADD(&v->dev_extents);
    struct dev_extent disk;

    dev_extent_decode(&disk, item->data);
    *extent = (struct v_dev_extent){
        .devid = item->key.objectid,
        .offset = item->key.offset,
        .chunk = disk.chunk_offset,
        .len = disk.length,
    };
}

void space_item(struct verify *v, const struct item_view *item)
{
    struct dev_item dev;

    switch (item->key.type) {
    case KEY_BLOCK_GROUP_ITEM:
        add_group(v, item);
        break;
    case KEY_FREE_SPACE_INFO:
        add_info(v, item);
        break;
    case KEY_FREE_SPACE_EXTENT:
        add_free(v, item->key.objectid, item->key.offset);
        break;
    case KEY_FREE_SPACE_BITMAP:
        add_bitmap(v, item);
        break;
    case KEY_DEV_EXTENT:
        add_dev_extent(v, item);
        break;
    case KEY_DEV_ITEM:
        dev_item_decode(&dev, item->data);
        v->dev_bytes_used = dev.bytes_used;
        break;
    default:
        break;
    }
}

/* ---- chunks and device extents
 * -------------------------------------------------------------------------------------- */

static void check_stripe(struct verify *v, const struct chunk_map *chunk, unsigned i)
{
    for (size_t j = 0; j < v->dev_extents.count; j++) {
        struct v_dev_extent *extent = &v->dev_extents.v[j];

        if (extent->devid != chunk->stripes[i].devid || extent->offset != chunk->stripes[i].offset)
            continue;
        if (extent->chunk != chunk->logical || extent->len != chunk->length || extent->found)
            bad(v, "device extent %llu is not that of chunk %llu", LLU(extent->offset),
                LLU(chunk->logical));
        extent->found = true;
        return;
    }
    bad(v, "chunk %llu: stripe %u has no device extent", LLU(chunk->logical), i);
}

static void check_chunks(struct verify *v)
{
    uint64_t bytes = 0, end = 0;

    for (size_t i = 0; i < v->chunks.count; i++) {
        const struct chunk_map *chunk = &v->chunks.v[i].map;
        const struct v_group *group = find_group(v, chunk->logical);

        if (!group || group->len != chunk->length || group->flags != chunk->type)
            bad(v, "chunk %llu has no block group like it", LLU(chunk->logical));
        for (unsigned s = 0; s < chunk->num_stripes; s++)
            check_stripe(v, chunk, s);
    }
    if (v->groups.count != v->chunks.count)
        bad(v, "%zu chunks and %zu block groups", v->chunks.count, v->groups.count);
    for (size_t i = 0; i < v->dev_extents.count; i++) {
        const struct v_dev_extent *extent = &v->dev_extents.v[i];

        if (!extent->found)
            bad(v, "device extent %llu belongs to no chunk", LLU(extent->offset));
        if (extent->offset < end || extent->offset + extent->len > v->super->dev_item.total_bytes)
            bad(v, "device extent %llu overlaps another or leaves the device", LLU(extent->offset));
        end = extent->offset + extent->len;
        bytes += extent->len;
    }
    if (v->dev_bytes_used != bytes || v->super->dev_item.bytes_used != bytes)
        bad(v, "the device says %llu bytes used, the superblock %llu, in device extents are %llu",
            LLU(v->dev_bytes_used), LLU(v->super->dev_item.bytes_used), LLU(bytes));
}

/* ---- block groups and extents
 * -------------------------------------------------------------------------------------- */

static void check_used(struct verify *v)
{
    uint64_t all = 0;

    for (size_t i = 0; i < v->extents.count; i++) {
        const struct v_extent *extent = &v->extents.v[i];
        struct v_group *group = holder(v, extent->bytenr);
        uint64_t wanted = extent->flags & EXTENT_FLAG_DATA ? BG_DATA : BG_METADATA | BG_SYSTEM;

        if (!group || extent->bytenr + extent->len > group->start + group->len) {
            bad(v, "extent %llu lies in no block group", LLU(extent->bytenr));
            continue;
        }
        if (!(group->flags & wanted))
            bad(v, "extent %llu lies in a block group of another kind", LLU(extent->bytenr));
        group->counted += extent->len;
        all += extent->len;
    }
    for (size_t i = 0; i < v->groups.count; i++)
        if (v->groups.v[i].used != v->groups.v[i].counted)
            bad(v, "block group %llu: %llu bytes used, %llu in extents", LLU(v->groups.v[i].start),
                LLU(v->groups.v[i].used), LLU(v->groups.v[i].counted));
    if (v->super->bytes_used != all)
        bad(v, "superblock: %llu bytes used, %llu in extents", LLU(v->super->bytes_used), LLU(all));
}

static const struct chunk_map *chunk_of(const struct verify *v, const struct v_group *group)
{
    for (size_t i = 0; i < v->chunks.count; i++)
        if (v->chunks.v[i].map.logical == group->start)
            return &v->chunks.v[i].map;
    return NULL;
}

/* What no extent covers: *may; without what lies under superblocks: *must. */
static void expected_free(const struct verify *v, const struct v_group *group, struct rangeset *may,
                          struct rangeset *must)
{
    const struct chunk_map *chunk = chunk_of(v, group);
    uint64_t start, len;
    int ret =
        rangeset_add(may, group->start, group->len) | rangeset_add(must, group->start, group->len);

    for (size_t i = 0; i < v->extents.count; i++) {
        const struct v_extent *extent = &v->extents.v[i];

        if (extent->bytenr < group->start || extent->bytenr >= group->start + group->len)
            continue;
        ret |= rangeset_remove(may, extent->bytenr, extent->len);
        ret |= rangeset_remove(must, extent->bytenr, extent->len);
    }
    for (uint64_t from = group->start; chunk && chunk_next_super_range(chunk, from, &start, &len) &&
                                       start < group->start + group->len;
         from = start + len)
        ret |= rangeset_remove(must, start, len);
    if (ret < 0)
        abort();
}

static void check_free_of(struct verify *v, const struct v_group *group)
{
    struct rangeset may, must;
    struct range range;
    uint64_t count = 0;

    rangeset_init(&may);
    rangeset_init(&must);
    expected_free(v, group, &may, &must);
    for (uint64_t at = group->start;
         rangeset_next(&v->free, at, &range) && range.start < group->start + group->len;
         at = range.start + range.len) {
        /* Ranges of neighbouring groups run into each other. */
        uint64_t start = MAX(range.start, group->start);
        uint64_t end = MIN(range.start + range.len, group->start + group->len);

        count++;
        if (!rangeset_contains(&may, start, end - start))
            bad(v, "free space at %llu, %llu bytes, is in use", LLU(start), LLU(end - start));
    }
    for (uint64_t at = group->start; rangeset_next(&must, at, &range); at = range.start + range.len)
        if (!rangeset_contains(&v->free, range.start, range.len))
            bad(v, "space at %llu, %llu bytes, is not listed as free", LLU(range.start),
                LLU(range.len));
    if (!group->has_info)
        bad(v, "block group %llu has no FREE_SPACE_INFO", LLU(group->start));
    else if (group->free_count != count)
        bad(v, "block group %llu: %u free ranges, %llu are there", LLU(group->start),
            group->free_count, LLU(count));
    rangeset_clear(&may);
    rangeset_clear(&must);
}

void space_check(struct verify *v)
{
    check_used(v);
    check_chunks(v);
    if (!(v->super->compat_ro_flags & COMPAT_RO_FREE_SPACE_TREE))
        return;
    if (!(v->super->compat_ro_flags & COMPAT_RO_FREE_SPACE_TREE_VALID))
        bad(v, "the free-space tree is not valid");
    for (size_t i = 0; i < v->groups.count; i++)
        check_free_of(v, &v->groups.v[i]);
}

/* ---- superblocks
 * -------------------------------------------------------------------------------------- */

static void check_system_array(struct verify *v)
{
    uint32_t at = 0, found = 0, wanted = 0;

    while (at + sizeof(disk_key) + sizeof(disk_chunk) <= v->super->sys_chunk_array_size) {
        const uint8_t *data = v->super->sys_chunk_array.b + at;
        struct chunk chunk;

        chunk_decode(&chunk, data + sizeof(disk_key));
        at += (uint32_t)sizeof(disk_key) + chunk_item_size(chunk.num_stripes);
        found++;
    }
    for (size_t i = 0; i < v->chunks.count; i++)
        wanted += (v->chunks.v[i].map.type & BG_SYSTEM) != 0;
    if (found != wanted)
        bad(v, "superblock: %u system chunks, %u in the chunk tree", found, wanted);
}

void space_check_super(struct verify *v, struct dev *dev)
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    check_system_array(v);
    if (!(v->flags & VERIFY_CLOSED))
        return;
    for (unsigned i = 0; i < SUPER_COPIES; i++) {
        if (super_offset(i) + SUPER_SIZE > v->super->dev_item.total_bytes ||
            (i > 0 && !(v->flags & VERIFY_COPIES)))
            break;
        if (dev_read(dev, super_offset(i), bytes, sizeof(bytes)) < 0 ||
            super_validate(bytes, super_offset(i)) < 0) {
            bad(v, "superblock copy %u: %s", i, fail_message());
            continue;
        }
        super_decode(&super, bytes);
        if (super.generation != v->super->generation)
            bad(v, "superblock copy %u is of generation %llu", i, LLU(super.generation));
    }
}
