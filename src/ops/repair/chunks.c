// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunk items that are lost or wrong, made again from what else knows of them: the extents of the
 * device say where they lie, the block group says what they are for. Only where both are there, and
 * the trees themselves can be read without.
 */
#include "ops/repair/internal.h"

/* The flags of the block group there. 1: there is none of that length. */
static int group_flags(struct store *store, uint64_t logical, uint64_t length, uint64_t *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct key key = key_make(logical, KEY_BLOCK_GROUP_ITEM, length);
    struct block_group_item item;
    int ret = tree_search(engine_block_group_tree(&store->engine), &key, &path);

    if (ret != 0)
        return ret;
    if (path_size(&path) != sizeof(disk_block_group_item))
        return 1;
    block_group_item_decode(&item, path_data(&path));
    *out = item.flags;
    return 0;
}

/* All extents of the device that name the chunk become its stripes. */
static int gather_stripes(struct store *store, struct chunk_map *map)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret = tree_search_ge(&store->engine.dev_tree, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct dev_extent extent;

        path_key(&path, &key);
        if (key.type != KEY_DEV_EXTENT || path_size(&path) != sizeof(disk_dev_extent))
            continue;
        dev_extent_decode(&extent, path_data(&path));
        if (extent.chunk_offset != map->logical)
            continue;
        if ((map->num_stripes > 0 && extent.length != map->length) ||
            map->num_stripes == VOL_STRIPES_MAX)
            return 1;
        map->length = extent.length;
        map->stripes[map->num_stripes].devid = key.objectid;
        map->stripes[map->num_stripes++].offset = key.offset;
    }
    return ret < 0 ? ret : 0;
}

/* A chunk item that says it lies where the lost one does, under an address nobody knows. */
static int drop_impostors(struct store *store, const struct chunk_map *lost)
{
    struct vol *vol = store->engine.vol;
    struct chunk_map map;

    for (uint64_t from = 0; vol_next_chunk(vol, from, &map); from = map.logical + map.length) {
        const struct key key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, map.logical);
        uint64_t flags;
        int ret;

        if (map.stripes[0].offset != lost->stripes[0].offset)
            continue;
        ret = group_flags(store, map.logical, map.length, &flags);
        if (ret <= 0)
            return ret < 0 ? ret : 1; /* both have a block group: nobody knows */
        TRY(tree_delete(&store->engine.chunk_tree, &key));
        vol_remove_chunk(vol, map.logical);
        return 0;
    }
    return 0;
}

static int write_item(struct store *store, const struct chunk_map *map)
{
    const struct key key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, map->logical);
    uint8_t item[sizeof(disk_chunk) + VOL_STRIPES_MAX * sizeof(disk_stripe)];
    uint32_t size = chunk_map_encode(store->engine.vol, map, item);

    TRY(chunk_validate(map->logical, item, size, vol_limits(store->engine.vol)));
    return tree_upsert(&store->engine.chunk_tree, &key, item, size);
}

/* 1: too little is known of it. */
static int restore(struct store *store, uint64_t logical)
{
    struct chunk_map map = {.logical = logical, .stripe_len = STRIPE_LEN, .sub_stripes = 1}, there;
    int ret = gather_stripes(store, &map);

    if (ret == 0 && map.num_stripes > 0)
        ret = group_flags(store, logical, map.length, &map.type);
    if (ret != 0 || map.num_stripes == 0)
        return ret < 0 ? ret : 1;
    if (vol_find_chunk(store->engine.vol, logical, &there) == 0)
        return 1;
    fail_clear();
    ret = drop_impostors(store, &map);
    if (ret != 0)
        return ret;
    /* Known at once, so that no new chunk gets its addresses. */
    TRY(vol_add_chunk(store->engine.vol, &map));
    return write_item(store, &map);
}

static int restore_all(struct job *job, struct store *store)
{
    for (size_t i = 0; i < job->findings.count; i++) {
        const struct check_finding *f = PILE_AT(&job->findings, struct check_finding, i);

        if (f->code == CHECK_GROUP_NO_CHUNK)
            TRY(restore(store, f->other));
    }
    return 0;
}

int repair_chunks(struct job *job)
{
    struct store *store;
    int ret;

    TRY(job_open(job, &store));
    ret = store_begin(store, STORE_INTERNAL, 64);
    if (ret == 0) {
        ret = restore_all(job, store);
        if (ret < 0)
            (void)txn_abort(&store->engine, ret);
        store_end(store);
    }
    return job_close(job, store, MIN(ret, 0));
}
