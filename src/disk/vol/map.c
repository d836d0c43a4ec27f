// SPDX-License-Identifier: GPL-2.0-or-later
/* The chunk map: which chunk holds a logical address. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "disk/vol/vol_internal.h"

/* The map is a sorted array: tens of thousands of chunks at most, read far more than changed. */

static void unlock(pthread_rwlock_t **lock)
{
    pthread_rwlock_unlock(*lock);
}

#define HOLDING(take, vol)                                                                         \
    pthread_rwlock_t *held CLEANUP(unlock) __attribute__((unused)) =                               \
        ((void)take(&(vol)->lock), &(vol)->lock)

/* Index of the first chunk that begins at or after addr. */
static size_t lower_bound(const struct vol *vol, uint64_t addr)
{
    size_t low = 0, high = vol->chunk_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (vol->chunks[mid]->logical < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint64_t chunk_end(const struct chunk_map *chunk)
{
    return chunk->logical + chunk->length;
}

/* The chunk that holds addr, or NULL. */
static const struct chunk_map *holder(const struct vol *vol, uint64_t addr)
{
    size_t i = lower_bound(vol, addr);

    if (i < vol->chunk_count && vol->chunks[i]->logical == addr)
        return vol->chunks[i];
    if (i > 0 && addr < chunk_end(vol->chunks[i - 1]))
        return vol->chunks[i - 1];
    return NULL;
}

static bool chunk_equal(const struct chunk_map *a, const struct chunk_map *b)
{
    if (a->logical != b->logical || a->length != b->length || a->type != b->type ||
        a->stripe_len != b->stripe_len || a->num_stripes != b->num_stripes)
        return false;
    for (unsigned i = 0; i < a->num_stripes; i++)
        if (a->stripes[i].devid != b->stripes[i].devid ||
            a->stripes[i].offset != b->stripes[i].offset)
            return false;
    return true;
}

/* Promise 7: no pointer of a chunk leaves the devices. */
static int check_stripes(const struct vol *vol, const struct chunk_map *chunk)
{
    uint64_t len = geometry_stripe_length(chunk);

    for (unsigned i = 0; i < chunk->num_stripes; i++) {
        const struct vol_device *device = vol_device_by_id(vol, chunk->stripes[i].devid);
        uint64_t offset = chunk->stripes[i].offset;

        if (!device)
            return fail(-EUCLEAN, "chunk %llu stripe %u: device %llu is not there",
                        LLU(chunk->logical), i, LLU(chunk->stripes[i].devid));
        if (len > device->dev->size || offset > device->dev->size - len)
            return fail(-EUCLEAN,
                        "chunk %llu stripe %u: bytes %llu to +%llu lie outside %s (%llu bytes)",
                        LLU(chunk->logical), i, LLU(offset), LLU(len), dev_label(device->dev),
                        LLU(device->dev->size));
    }
    return 0;
}

static int check_chunk(const struct vol *vol, const struct chunk_map *chunk)
{
    if (chunk->length == 0 || chunk->num_stripes == 0 || chunk->num_stripes > VOL_STRIPES_MAX ||
        chunk->logical > UINT64_MAX - chunk->length ||
        !is_aligned(chunk->logical | chunk->length, vol->limits.sectorsize))
        return fail(-EUCLEAN, "chunk %llu: length %llu with %u stripes is impossible",
                    LLU(chunk->logical), LLU(chunk->length), chunk->num_stripes);
    TRY(geometry_check(chunk));
    return check_stripes(vol, chunk);
}

static int make_room(struct vol *vol)
{
    if (vol->chunk_count == vol->chunk_room) {
        size_t room = MAX(vol->chunk_room * 2, (size_t)16);
        struct chunk_map **grown = realloc(vol->chunks, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "chunk map: out of memory");
        vol->chunks = grown;
        vol->chunk_room = room;
    }
    return 0;
}

/* The chunk at index i or before it that [start, end) runs into, or NULL. */
static const struct chunk_map *collision(const struct vol *vol, size_t i,
                                         const struct chunk_map *chunk)
{
    if (i > 0 && chunk_end(vol->chunks[i - 1]) > chunk->logical)
        return vol->chunks[i - 1];
    if (i < vol->chunk_count && vol->chunks[i]->logical < chunk_end(chunk))
        return vol->chunks[i];
    return NULL;
}

int vol_add_chunk(struct vol *vol, const struct chunk_map *map)
{
    AUTO_FREE struct chunk_map *copy = NULL;
    const struct chunk_map *other;
    size_t i;

    TRY(check_chunk(vol, map));
    HOLDING(pthread_rwlock_wrlock, vol);
    i = lower_bound(vol, map->logical);
    other = collision(vol, i, map);
    if (other && chunk_equal(other, map))
        return 0;
    if (other)
        return fail(-EUCLEAN, "chunk %llu overlaps chunk %llu", LLU(map->logical),
                    LLU(other->logical));
    copy = malloc(sizeof(*copy));
    if (!copy)
        return fail(-ENOMEM, "chunk map: out of memory");
    TRY(make_room(vol));
    *copy = *map;
    memmove(vol->chunks + i + 1, vol->chunks + i, (vol->chunk_count - i) * sizeof(*vol->chunks));
    vol->chunks[i] = STEAL(copy);
    vol->chunk_count++;
    return 0;
}

void vol_remove_chunk(struct vol *vol, uint64_t logical)
{
    HOLDING(pthread_rwlock_wrlock, vol);
    size_t i = lower_bound(vol, logical);

    if (i == vol->chunk_count || vol->chunks[i]->logical != logical)
        return;
    free(vol->chunks[i]);
    vol->chunk_count--;
    memmove(vol->chunks + i, vol->chunks + i + 1, (vol->chunk_count - i) * sizeof(*vol->chunks));
}

int vol_find_chunk(struct vol *vol, uint64_t addr, struct chunk_map *out)
{
    HOLDING(pthread_rwlock_rdlock, vol);
    const struct chunk_map *chunk = holder(vol, addr);

    if (!chunk)
        return fail(-EUCLEAN, "%s: address %llu lies in no chunk", vol_label(vol), LLU(addr));
    *out = *chunk;
    return 0;
}

bool vol_next_chunk(struct vol *vol, uint64_t from, struct chunk_map *out)
{
    HOLDING(pthread_rwlock_rdlock, vol);
    size_t i = lower_bound(vol, from);

    if (i == vol->chunk_count)
        return false;
    *out = *vol->chunks[i];
    return true;
}

unsigned vol_mirrors(struct vol *vol, laddr addr)
{
    HOLDING(pthread_rwlock_rdlock, vol);
    const struct chunk_map *chunk = holder(vol, addr.v);

    return chunk ? geometry_mirrors(chunk) : 0;
}

bool chunk_next_super_range(const struct chunk_map *chunk, uint64_t from, uint64_t *start,
                            uint64_t *len)
{
    bool found = false;

    for (unsigned stripe = 0; stripe < chunk->num_stripes; stripe++) {
        for (unsigned copy = 0; copy < SUPER_COPIES; copy++) {
            uint64_t at, bytes;

            if (!geometry_unmap(chunk, stripe, super_offset(copy), STRIPE_LEN, &at, &bytes) ||
                at + bytes <= from || (found && at >= *start))
                continue;
            *start = at;
            *len = bytes;
            found = true;
        }
    }
    return found;
}

/* ---- chunk items -------------------------------------------------------------------------------
 */

int chunk_map_decode(uint64_t logical, const void *item, uint32_t size, struct chunk_map *out)
{
    const disk_stripe *stripes = (const void *)((const uint8_t *)item + sizeof(disk_chunk));
    struct chunk chunk;

    if (size < sizeof(disk_chunk))
        return fail(-EUCLEAN, "chunk %llu: item of %u bytes", LLU(logical), size);
    chunk_decode(&chunk, item);
    if (chunk.num_stripes > VOL_STRIPES_MAX)
        return fail(-EOPNOTSUPP, "chunk %llu: %u stripes, at most %u are supported", LLU(logical),
                    chunk.num_stripes, VOL_STRIPES_MAX);
    if (size < chunk_item_size(chunk.num_stripes))
        return fail(-EUCLEAN, "chunk %llu: %u stripes in an item of %u bytes", LLU(logical),
                    chunk.num_stripes, size);
    *out = (struct chunk_map){
        .logical = logical,
        .length = chunk.length,
        .type = chunk.type,
        .stripe_len = chunk.stripe_len,
        .num_stripes = chunk.num_stripes,
        .sub_stripes = chunk.sub_stripes,
    };
    for (unsigned i = 0; i < chunk.num_stripes; i++) {
        out->stripes[i].devid = le64_get(stripes[i].devid);
        out->stripes[i].offset = le64_get(stripes[i].offset);
    }
    return 0;
}

uint32_t chunk_map_encode(const struct vol *vol, const struct chunk_map *map, void *item)
{
    disk_stripe *stripes = (void *)((uint8_t *)item + sizeof(disk_chunk));
    struct chunk chunk = {
        .length = map->length,
        .owner = TREE_EXTENT,
        .stripe_len = map->stripe_len,
        .type = map->type,
        .io_align = STRIPE_LEN,
        .io_width = STRIPE_LEN,
        .sector_size = vol->limits.sectorsize,
        .num_stripes = map->num_stripes,
        .sub_stripes = map->sub_stripes,
    };

    chunk_encode(item, &chunk);
    for (unsigned i = 0; i < map->num_stripes; i++) {
        const struct vol_device *device = vol_device_by_id(vol, map->stripes[i].devid);
        struct stripe stripe = {
            .devid = map->stripes[i].devid,
            .offset = map->stripes[i].offset,
        };

        INVARIANT(device, "a chunk in the map lies on devices that are there");
        stripe.dev_uuid = device->uuid;
        stripe_encode(&stripes[i], &stripe);
    }
    return chunk_item_size(map->num_stripes);
}
