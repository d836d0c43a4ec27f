// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bringing the trees on disk up to what is in memory. Every change of a tree may allocate blocks
 * and so change what is being written here: nothing is held across one, and the commit calls again
 * until nothing changes.
 */
#include "engine/space/space_internal.h"

static struct key group_key(const struct group *group)
{
    return key_make(group->start, KEY_BLOCK_GROUP_ITEM, group->length);
}

/* ---- chunks that are new
 * ------------------------------------------------------------------------------------ */

static int insert_chunk_item(struct space *space, const struct chunk_map *chunk)
{
    struct key key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, chunk->logical);
    uint8_t item[sizeof(disk_chunk) + VOL_STRIPES_MAX * sizeof(disk_stripe)];
    uint32_t size = chunk_map_encode(space->engine->vol, chunk, item);

    return tree_insert(&space->engine->chunk_tree, &key, item, size);
}

static int insert_dev_extent(struct space *space, const struct chunk_map *chunk, unsigned stripe)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key =
        key_make(chunk->stripes[stripe].devid, KEY_DEV_EXTENT, chunk->stripes[stripe].offset);
    struct dev_extent extent = {
        .chunk_tree = TREE_CHUNK,
        .chunk_objectid = FIRST_CHUNK_TREE_OBJECTID,
        .chunk_offset = chunk->logical,
        .length = chunk->length,
    };
    struct node_header header;
    void *data;

    TRY(tree_insert_path(&space->engine->dev_tree, &key, sizeof(disk_dev_extent), &path, &data));
    node_header_decode(&header, node_data(path_leaf(&path)));
    extent.chunk_tree_uuid = header.chunk_tree_uuid;
    dev_extent_encode(data, &extent);
    return 0;
}

static int insert_group_item(struct space *space, struct group *group)
{
    struct key key = group_key(group);
    struct block_group_item item = {
        .used = group->used,
        .chunk_objectid = FIRST_CHUNK_TREE_OBJECTID,
        .flags = group->flags,
    };
    disk_block_group_item bytes;

    block_group_item_encode(&bytes, &item);
    group->used_on_disk = item.used;
    return tree_insert(engine_block_group_tree(space->engine), &key, &bytes, sizeof(bytes));
}

static int write_new(struct space *space, struct group *group)
{
    struct chunk_map chunk;

    TRY(vol_find_chunk(space->engine->vol, group->start, &chunk));
    group->life = GROUP_LIVE;
    TRY(insert_chunk_item(space, &chunk));
    for (unsigned i = 0; i < chunk.num_stripes; i++)
        TRY(insert_dev_extent(space, &chunk, i));
    return insert_group_item(space, group);
}

/* ---- chunks that go
 * ------------------------------------------------------------------------------------------- */

static int write_removal(struct space *space, struct group *group)
{
    struct engine *engine = space->engine;
    struct chunk_map chunk;
    struct key key;

    TRY(vol_find_chunk(engine->vol, group->start, &chunk));
    group->life = GROUP_REMOVED;
    key = group_key(group);
    TRY(tree_delete(engine_block_group_tree(engine), &key));
    if (free_tree_kept(space))
        TRY(free_tree_delete(space, group->start, group->start + group->length));
    for (unsigned i = 0; i < chunk.num_stripes; i++) {
        key = key_make(chunk.stripes[i].devid, KEY_DEV_EXTENT, chunk.stripes[i].offset);
        TRY(tree_delete(&engine->dev_tree, &key));
    }
    key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, chunk.logical);
    TRY(tree_delete(&engine->chunk_tree, &key));
    devices_leave(space, &chunk);
    return 0;
}

/* ---- what is there already
 * ------------------------------------------------------------------------------------ */

static int write_device(struct space *space, struct device *device)
{
    struct key key = key_make(OBJ_DEV_ITEMS, KEY_DEV_ITEM, device->vol_device->devid);
    disk_dev_item item;

    dev_item_encode(&item, &device->vol_device->item);
    device->dirty = false;
    return tree_upsert(&space->engine->chunk_tree, &key, &item, sizeof(item));
}

static int write_devices(struct space *space, bool *changed)
{
    for (unsigned i = 0; i < space->device_count; i++) {
        if (!space->devices[i].dirty)
            continue;
        *changed = true;
        TRY(write_device(space, &space->devices[i]));
    }
    return 0;
}

static int write_used(struct space *space, struct group *group)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = group_key(group);
    struct block_group_item item;
    int ret = tree_search_cow(engine_block_group_tree(space->engine), &key, 0, &path);

    TRY(ret);
    if (ret > 0 || path_size(&path) != sizeof(disk_block_group_item))
        return fail(-EUCLEAN, "item of block group %llu is gone", (unsigned long long)group->start);
    block_group_item_decode(&item, path_data(&path));
    item.used = group->used;
    block_group_item_encode(path_data_mut(&path), &item);
    group->used_on_disk = item.used;
    return 0;
}

static int write_group(struct space *space, struct group *group, bool *changed)
{
    if (group->life == GROUP_REMOVED)
        return 0;
    if (group->life == GROUP_REMOVING) {
        *changed = true;
        return write_removal(space, group);
    }
    if (group->life == GROUP_NEW) {
        *changed = true;
        TRY(write_new(space, group));
    }
    TRY(free_tree_write(space, group, changed));
    if (group->used == group->used_on_disk)
        return 0;
    *changed = true;
    return write_used(space, group);
}

int space_write_items(struct space *space, bool *changed)
{
    bool any = false;

    TRY(txn_writable(space->engine));
    for (struct group *group = group_from(space, 0); group; group = group_next(group))
        TRY(write_group(space, group, &any));
    TRY(write_devices(space, &any));
    *changed = any;
    return 0;
}
