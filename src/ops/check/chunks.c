// SPDX-License-Identifier: GPL-2.0-or-later
/* Chunks: the chunk tree, the system array, devices and their extents. */
#include "ops/check/internal.h"

/* ---- the chunk tree -------------------------------------------------------------------------- */

struct chunk_load {
    struct check *c;
    bool has_device;
    struct dev_item device;
};

static int take_chunk(struct check *c, const struct spot *spot)
{
    struct area area = {.has_group = false};
    int ret = chunk_map_decode(spot->key.offset, spot->data, spot->size, &area.map);

    if (ret == 0)
        ret = vol_add_chunk(c->vol, &area.map);
    if (ret == -ENOMEM)
        return ret;
    if (ret < 0) {
        report(c, CHECK_CHUNK_BAD, PLACE(.tree = TREE_CHUNK, .block = spot->block),
               "tree CHUNK_TREE block %llu item %u: %s", LLU(spot->block), spot->slot,
               fail_message());
        return 0;
    }
    return pile_push(&c->areas, &area);
}

static int take_chunk_item(void *arg, const struct spot *spot)
{
    struct chunk_load *load = arg;

    if (spot->key.type == KEY_CHUNK_ITEM)
        return take_chunk(load->c, spot);
    if (spot->key.type == KEY_DEV_ITEM && spot->key.offset == load->c->super->dev_item.devid) {
        load->has_device = true;
        dev_item_decode(&load->device, spot->data);
    }
    return 0;
}

static bool has_area(const struct check *c, const struct chunk_map *map)
{
    for (size_t i = 0; i < c->areas.count; i++)
        if (PILE_AT(&c->areas, struct area, i)->map.logical == map->logical)
            return true;
    return false;
}

/* Both ways: what stands in the superblock, and what should. */
static int check_system_array(struct check *c)
{
    const uint8_t *array = c->super->sys_chunk_array.b;
    size_t in_tree = 0, in_array = 0;
    struct chunk_map map;

    for (uint32_t at = 0; at < c->super->sys_chunk_array_size; in_array++) {
        uint32_t left = c->super->sys_chunk_array_size - at - (uint32_t)sizeof(disk_key);
        struct key key;

        key_decode(&key, array + at);
        TRY(chunk_map_decode(key.offset, array + at + sizeof(disk_key), left, &map));
        if (!has_area(c, &map))
            report(c, CHECK_SYSTEM_ARRAY, PLACE(0),
                   "superblock: system chunk %llu is not in the chunk tree", LLU(map.logical));
        at += (uint32_t)sizeof(disk_key) + chunk_item_size(map.num_stripes);
    }
    for (size_t i = 0; i < c->areas.count; i++)
        in_tree += (PILE_AT(&c->areas, struct area, i)->map.type & BG_SYSTEM) != 0;
    if (in_tree > in_array)
        report(c, CHECK_SYSTEM_ARRAY, PLACE(0),
               "superblock: %zu system chunks, %zu in the chunk tree", in_array, in_tree);
    return 0;
}

static void check_device_item(struct check *c, const struct chunk_load *load)
{
    const struct dev_item *in_super = &c->super->dev_item, *item = &load->device;

    if (!load->has_device)
        report(c, CHECK_CHUNK_BAD, PLACE(.tree = TREE_CHUNK),
               "tree CHUNK_TREE: device %llu has no item", LLU(in_super->devid));
    else if (item->total_bytes != in_super->total_bytes ||
             item->bytes_used != in_super->bytes_used || !uuid_equal(&item->uuid, &in_super->uuid))
        report(c, CHECK_DEVICE_USED, PLACE(.tree = TREE_CHUNK),
               "device %llu: %llu bytes, %llu used, in the superblock %llu and %llu",
               LLU(item->devid), LLU(item->total_bytes), LLU(item->bytes_used),
               LLU(in_super->total_bytes), LLU(in_super->bytes_used));
}

int load_chunks(struct check *c)
{
    const struct tree_root root = {.id = TREE_CHUNK,
                                   .bytenr = c->super->chunk_root,
                                   .generation = c->super->chunk_root_generation,
                                   .level = c->super->chunk_root_level,
                                   .top = true};
    struct chunk_load load = {.c = c};

    TRY(pile_push(&c->roots, &root));
    TRY(read_tree(c, &root, take_chunk_item, &load));
    TRY(check_system_array(c));
    check_device_item(c, &load);
    return 0;
}

/* ---- extents of devices ---------------------------------------------------------------------- */

struct device_extent {
    uint64_t devid, offset, length, chunk;
    bool found;
};

struct device_load {
    struct check *c;
    struct pile extents;
};

static int take_device_extent(void *arg, const struct spot *spot)
{
    struct device_load *load = arg;
    struct dev_extent disk;
    struct device_extent extent = {.devid = spot->key.objectid, .offset = spot->key.offset};

    if (spot->key.type != KEY_DEV_EXTENT)
        return 0;
    dev_extent_decode(&disk, spot->data);
    extent.length = disk.length;
    extent.chunk = disk.chunk_offset;
    return pile_push(&load->extents, &extent);
}

static void check_stripe(struct check *c, const struct pile *extents, const struct chunk_map *map,
                         unsigned stripe)
{
    for (size_t i = 0; i < extents->count; i++) {
        struct device_extent *extent = PILE_AT(extents, struct device_extent, i);

        if (extent->devid != map->stripes[stripe].devid ||
            extent->offset != map->stripes[stripe].offset)
            continue;
        if (extent->chunk == map->logical && extent->length == map->length && !extent->found) {
            extent->found = true;
            return;
        }
    }
    report(c, CHECK_CHUNK_NO_DEVICE_EXTENT,
           PLACE(.tree = TREE_DEV, .other = map->logical, .start = map->stripes[stripe].offset,
                 .len = map->length),
           "chunk %llu stripe %u at %llu: no device extent like it", LLU(map->logical), stripe,
           LLU(map->stripes[stripe].offset));
}

static void check_one_device_extent(struct check *c, const struct device_extent *extent,
                                    uint64_t *end)
{
    if (!extent->found)
        report(c, CHECK_DEVICE_EXTENT_NO_CHUNK,
               PLACE(.tree = TREE_DEV, .other = extent->devid, .start = extent->offset,
                     .len = extent->length),
               "device %llu extent at %llu of chunk %llu: no chunk has it", LLU(extent->devid),
               LLU(extent->offset), LLU(extent->chunk));
    if (extent->offset < *end)
        report(c, CHECK_DEVICE_EXTENT_OVERLAP, PLACE(.tree = TREE_DEV),
               "device %llu extent at %llu begins before %llu, where the one before it ends",
               LLU(extent->devid), LLU(extent->offset), LLU(*end));
    *end = extent->offset + extent->length;
    if (*end > c->super->dev_item.total_bytes)
        report(c, CHECK_DEVICE_EXTENT_OVERLAP, PLACE(.tree = TREE_DEV),
               "device %llu extent at %llu leaves the device", LLU(extent->devid),
               LLU(extent->offset));
}

static void compare_device_extents(struct check *c, const struct pile *extents)
{
    uint64_t end = 0, bytes = 0;

    for (size_t i = 0; i < c->areas.count; i++) {
        const struct chunk_map *map = &PILE_AT(&c->areas, struct area, i)->map;

        for (unsigned stripe = 0; stripe < map->num_stripes; stripe++)
            check_stripe(c, extents, map, stripe);
    }
    for (size_t i = 0; i < extents->count; i++) {
        const struct device_extent *extent = PILE_AT(extents, struct device_extent, i);

        check_one_device_extent(c, extent, &end);
        bytes += extent->length;
    }
    if (bytes != c->super->dev_item.bytes_used)
        report(c, CHECK_DEVICE_USED, PLACE(.tree = TREE_DEV),
               "the superblock says %llu bytes of the device are used, in its extents are %llu",
               LLU(c->super->dev_item.bytes_used), LLU(bytes));
}

int check_device_extents(struct check *c)
{
    const struct tree_root *root = find_root(c, TREE_DEV);
    struct device_load load = {.c = c};
    int ret;

    if (!root)
        return 0;
    pile_init(&load.extents, sizeof(struct device_extent), &c->budget);
    ret = read_tree(c, root, take_device_extent, &load);
    if (ret == 0)
        compare_device_extents(c, &load.extents);
    pile_free(&load.extents);
    return ret == -ENOMEM ? ret : 0;
}
