// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The chunk map: from the chunk tree, or, where some of that is lost, from whatever copies of it
 * and of the device tree lie anywhere on the devices.
 */
#include <stdlib.h>

#include "ops/rescue/internal.h"

static int take_chunk(void *arg, const struct ritem *item)
{
    struct rescue *r = arg;
    struct chunk_map map;
    int ret;

    if (item->key.type != KEY_CHUNK_ITEM)
        return 0;
    ret = chunk_map_decode(item->key.offset, item->data, item->size, &map);
    if (ret == 0)
        ret = vol_add_chunk(r->vol, &map);
    if (ret == -ENOMEM)
        return ret;
    if (ret < 0)
        env_note(r->env, NOTE_WARNING, "%s: passed over: %s", vol_label(r->vol), fail_message());
    return 0;
}

/* ---- from the whole of a device ----------------------------------------------------------------
 */

/* A chunk as some block, of that generation, has it. */
struct sighting {
    uint64_t generation;
    bool whole; /* from a chunk item; else one stripe, from a device extent */
    struct chunk_map map;
};

struct sightings {
    struct sighting *list;
    size_t count, room;
};

static int add_sighting(struct sightings *all, const struct sighting *one)
{
    if (all->count == all->room) {
        size_t room = MAX(all->room * 2, (size_t)64);
        struct sighting *grown = realloc(all->list, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        all->list = grown;
        all->room = room;
    }
    all->list[all->count++] = *one;
    return 0;
}

static int see_item(struct sightings *all, uint64_t generation, const struct key *key,
                    const uint8_t *data, uint32_t size)
{
    struct sighting one = {.generation = generation, .whole = true};
    struct dev_extent extent;

    if (key->type == KEY_CHUNK_ITEM) {
        if (chunk_map_decode(key->offset, data, size, &one.map) < 0)
            return 0;
        return add_sighting(all, &one);
    }
    if (key->type != KEY_DEV_EXTENT || size < sizeof(disk_dev_extent))
        return 0;
    dev_extent_decode(&extent, data);
    one.whole = false;
    one.map = (struct chunk_map){.logical = extent.chunk_offset,
                                 .length = extent.length,
                                 .stripe_len = STRIPE_LEN,
                                 .type = BG_DATA | BG_METADATA,
                                 .num_stripes = 1};
    one.map.stripes[0].devid = key->objectid;
    one.map.stripes[0].offset = key->offset;
    return add_sighting(all, &one);
}

static int see_block(struct rescue *r, struct sightings *all, const uint8_t *block)
{
    const disk_leaf_item *items = (const void *)(block + NODE_HEADER_SIZE);
    struct node_header header;

    node_header_decode(&header, block);
    const struct node_expect expect = {.bytenr = header.bytenr, .level = -1};
    if ((header.owner != TREE_CHUNK && header.owner != TREE_DEV) || header.level != 0 ||
        (r->limits->metadata_uuid && !uuid_equal(&header.fsid, r->limits->metadata_uuid)) ||
        node_validate(block, r->limits, &expect) < 0)
        return 0;
    for (uint32_t i = 0; i < header.nritems; i++) {
        struct key key;

        key_decode(&key, &items[i].key);
        TRY(see_item(all, header.generation, &key,
                     block + NODE_HEADER_SIZE + le32_get(items[i].offset),
                     le32_get(items[i].size)));
    }
    return 0;
}

#define RUN_BYTES (1 * MIB)

static int look_through(struct rescue *r, struct dev *dev, struct sightings *all)
{
    AUTO_FREE uint8_t *run = malloc(RUN_BYTES + r->nodesize);

    if (!run)
        return fail(-ENOMEM, "out of memory");
    for (uint64_t at = 0; at + r->nodesize <= dev->size; at += RUN_BYTES) {
        uint64_t len = MIN(RUN_BYTES + r->nodesize - r->sectorsize, dev->size - at);

        if (dev_read(dev, at, run, len) < 0)
            continue;
        for (uint64_t in = 0; in + r->nodesize <= len; in += r->sectorsize)
            TRY(see_block(r, all, run + in));
        if (r->options.progress)
            r->options.progress(r->options.arg, at, dev->size);
    }
    return 0;
}

/* Newest first, chunk items before device extents; what is of one chunk side by side. */
static int by_age(const void *one, const void *other)
{
    const struct sighting *a = one, *b = other;

    if (a->whole != b->whole)
        return a->whole ? -1 : 1;
    if (a->generation != b->generation)
        return a->generation > b->generation ? -1 : 1;
    if (a->map.logical != b->map.logical)
        return a->map.logical < b->map.logical ? -1 : 1;
    return a->map.stripes[0].offset < b->map.stripes[0].offset
               ? -1
               : a->map.stripes[0].offset > b->map.stripes[0].offset;
}

/* Puts the extents of one chunk together, as far as single and DUP go. */
static size_t join_extents(const struct sightings *all, size_t i, struct chunk_map *map)
{
    const struct sighting *first = &all->list[i];
    size_t next = i + 1;

    *map = first->map;
    for (; next < all->count; next++) {
        const struct sighting *other = &all->list[next];

        if (other->whole || other->generation != first->generation ||
            other->map.logical != map->logical)
            break;
        if (map->num_stripes < 2 && other->map.length == map->length &&
            other->map.stripes[0].offset != map->stripes[0].offset) {
            map->stripes[map->num_stripes++] = other->map.stripes[0];
            map->type |= BG_DUP;
        }
    }
    return next;
}

static int add_sighted(struct rescue *r, struct sightings *all)
{
    if (all->count > 0)
        qsort(all->list, all->count, sizeof(*all->list), by_age);
    for (size_t i = 0; i < all->count;) {
        struct chunk_map map = all->list[i].map;
        int ret;

        i = all->list[i].whole ? i + 1 : join_extents(all, i, &map);
        /* What overlaps is older than what is there. */
        ret = vol_add_chunk(r->vol, &map);
        if (ret == -ENOMEM)
            return ret;
    }
    fail_clear();
    return 0;
}

static int find_chunks(struct rescue *r)
{
    struct sightings all = {0};
    int ret = 0;

    env_note(r->env, NOTE_WARNING, "%s: the chunk tree is damaged: looking for chunks",
             vol_label(r->vol));
    for (unsigned i = 0; i < vol_device_count(r->vol) && ret == 0; i++)
        ret = look_through(r, vol_device(r->vol, i)->dev, &all);
    if (ret == 0)
        ret = add_sighted(r, &all);
    free(all.list);
    return ret;
}

int rescue_load_chunks(struct rescue *r)
{
    const struct key first = KEY_FIRST, last = KEY_LAST;

    r->chunk_tree = (struct rtree){.id = TREE_CHUNK,
                                   .rooted = true,
                                   .bytenr = r->super->chunk_root,
                                   .generation = r->super->chunk_root_generation,
                                   .level = r->super->chunk_root_level};
    TRY(rtree_each(r, &r->chunk_tree, &first, &last, take_chunk, r));
    return r->chunk_tree.damaged ? find_chunks(r) : 0;
}
