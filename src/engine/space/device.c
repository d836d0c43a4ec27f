// SPDX-License-Identifier: GPL-2.0-or-later
/* What of the devices no chunk uses. */
#include "engine/space/space_internal.h"

static struct device *device_by_id(struct space *space, uint64_t devid)
{
    for (unsigned i = 0; i < space->device_count; i++)
        if (space->devices[i].vol_device->devid == devid)
            return &space->devices[i];
    return NULL;
}

/* Whole units that a hole has for chunks. One that holds a superblock copy has one fewer. */
static uint64_t hole_units(const struct range *hole)
{
    uint64_t start = round_up_to(hole->start, STRIPE_LEN), end = hole->start + hole->len;
    uint64_t units = start < end ? (end - start) / CHUNK_UNIT : 0;

    for (unsigned copy = 0; copy < SUPER_COPIES; copy++)
        if (units > 0 && super_offset(copy) + STRIPE_LEN > start && super_offset(copy) < end)
            units--;
    return units;
}

static void count_units(struct space *space)
{
    uint64_t units = 0;

    for (unsigned i = 0; i < space->device_count; i++) {
        const struct rangeset *holes = &space->devices[i].holes;
        struct range hole;

        for (uint64_t from = 0; rangeset_next(holes, from, &hole); from = hole.start + hole.len)
            units += hole_units(&hole);
    }
    pthread_mutex_lock(&space->lock);
    space->raw_units = units;
    pthread_mutex_unlock(&space->lock);
}

static int use(struct space *space, uint64_t devid, uint64_t start, uint64_t len)
{
    struct device *device = device_by_id(space, devid);

    if (!device)
        return fail(-EUCLEAN, "device extent %llu+%llu: device %llu is not there",
                    (unsigned long long)start, (unsigned long long)len, (unsigned long long)devid);
    if (start > UINT64_MAX - len)
        return fail(-EUCLEAN, "device %llu: extent %llu+%llu is impossible",
                    (unsigned long long)devid, (unsigned long long)start, (unsigned long long)len);
    return rangeset_remove(&device->holes, start, len);
}

int devices_take(struct space *space, const struct chunk_map *chunk)
{
    for (unsigned i = 0; i < chunk->num_stripes; i++) {
        struct device *device = device_by_id(space, chunk->stripes[i].devid);

        TRY(use(space, chunk->stripes[i].devid, chunk->stripes[i].offset, chunk->length));
        device->vol_device->item.bytes_used += chunk->length;
        device->dirty = true;
    }
    count_units(space);
    return 0;
}

void devices_leave(struct space *space, const struct chunk_map *chunk)
{
    for (unsigned i = 0; i < chunk->num_stripes; i++) {
        struct device *device = device_by_id(space, chunk->stripes[i].devid);

        INVARIANT(device, "a chunk in the map lies on devices that are there");
        device->vol_device->item.bytes_used -= chunk->length;
        device->dirty = true;
    }
    pthread_mutex_lock(&space->lock);
    space->leaving_units += chunk->num_stripes * chunk->length / CHUNK_UNIT;
    pthread_mutex_unlock(&space->lock);
}

int devices_release(struct space *space, const struct chunk_map *chunk)
{
    for (unsigned i = 0; i < chunk->num_stripes; i++) {
        struct device *device = device_by_id(space, chunk->stripes[i].devid);

        TRY(rangeset_add(&device->holes, chunk->stripes[i].offset, chunk->length));
    }
    pthread_mutex_lock(&space->lock);
    space->leaving_units -= chunk->num_stripes * chunk->length / CHUNK_UNIT;
    pthread_mutex_unlock(&space->lock);
    count_units(space);
    return 0;
}

/* ---- at open
 * ---------------------------------------------------------------------------------------------- */

static int devices_new(struct space *space)
{
    struct vol *vol = space->engine->vol;

    space->devices = calloc(vol_device_count(vol), sizeof(*space->devices));
    if (!space->devices)
        return fail(-ENOMEM, "out of memory for devices");
    space->device_count = vol_device_count(vol);
    for (unsigned i = 0; i < space->device_count; i++) {
        struct device *device = &space->devices[i];
        uint64_t size;

        device->vol_device = vol_device(vol, i);
        rangeset_init(&device->holes);
        size = MIN(device->vol_device->item.total_bytes, device->vol_device->dev->size);
        if (size > DEV_RESERVED)
            TRY(rangeset_add(&device->holes, DEV_RESERVED,
                             round_down_to(size, space->engine->sectorsize) - DEV_RESERVED));
    }
    return 0;
}

static int use_chunks(struct space *space)
{
    struct chunk_map chunk;

    for (uint64_t from = 0; vol_next_chunk(space->engine->vol, from, &chunk);
         from = chunk.logical + chunk.length)
        for (unsigned i = 0; i < chunk.num_stripes; i++)
            TRY(use(space, chunk.stripes[i].devid, chunk.stripes[i].offset, chunk.length));
    return 0;
}

/* What the device tree calls used is not ours to take, even where no chunk explains it. */
static int use_device_tree(struct space *space)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret;

    if (space->engine->dev_tree.bytenr == 0)
        return 0;
    ret = tree_search_ge(&space->engine->dev_tree, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct dev_extent item;

        path_key(&path, &key);
        if (key.type != KEY_DEV_EXTENT)
            continue;
        if (path_size(&path) != sizeof(disk_dev_extent))
            return fail(-EUCLEAN, "%s: device extent of %u bytes", path_where(&path),
                        path_size(&path));
        dev_extent_decode(&item, path_data(&path));
        TRY(use(space, key.objectid, key.offset, item.length));
    }
    return ret < 0 ? ret : 0;
}

int devices_load(struct space *space)
{
    TRY(devices_new(space));
    TRY(use_chunks(space));
    TRY(use_device_tree(space));
    count_units(space);
    return 0;
}

void devices_free(struct space *space)
{
    for (unsigned i = 0; i < space->device_count; i++)
        rangeset_clear(&space->devices[i].holes);
    free(space->devices);
}

uint64_t devices_total(const struct space *space)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < space->device_count; i++)
        bytes += space->devices[i].vol_device->item.total_bytes;
    return bytes;
}

uint64_t space_unallocated(struct space *space)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < space->device_count; i++) {
        const struct dev_item *item = &space->devices[i].vol_device->item;

        bytes += item->total_bytes - MIN(item->bytes_used, item->total_bytes);
    }
    return bytes;
}
