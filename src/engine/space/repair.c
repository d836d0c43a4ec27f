// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opening what contradicts itself. Chunks are believed, and from the extent tree what lies where;
 * block group items and the free-space tree are not, and are written anew.
 */
#include "engine/space/space_internal.h"

/* A group for every chunk, whether it has an item or not. */
int repair_groups_load(struct space *space)
{
    struct chunk_map chunk;

    for (uint64_t from = 0; vol_next_chunk(space->engine->vol, from, &chunk);
         from = chunk.logical + chunk.length) {
        struct group *group;

        TRY(group_add(space, &chunk, &group));
        group->life = GROUP_LIVE;
        group->used_on_disk = UINT64_MAX;
    }
    return 0;
}

static bool item_fits(const struct space *space, const struct path *path, const struct key *key,
                      struct block_group_item *item)
{
    const struct group *group = group_at(space, key->objectid);

    if (!group || group->start != key->objectid || group->length != key->offset ||
        path_size(path) != sizeof(disk_block_group_item))
        return false;
    block_group_item_decode(item, path_data(path));
    return item->flags == group->flags && item->chunk_objectid == FIRST_CHUNK_TREE_OBJECTID;
}

/* The first item at or after *key that should not be there as it is. 1: none. */
static int next_misfit(struct space *space, struct key *key)
{
    AUTO_PATH struct path path = PATH_INIT;
    int ret = tree_search_ge(engine_block_group_tree(space->engine), key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct block_group_item item;

        path_key(&path, key);
        if (key->type == KEY_BLOCK_GROUP_ITEM && !item_fits(space, &path, key, &item))
            return 0;
    }
    return ret;
}

static int delete_misfits(struct space *space)
{
    struct key key = KEY_FIRST;
    int ret;

    while ((ret = next_misfit(space, &key)) == 0)
        TRY(tree_delete(engine_block_group_tree(space->engine), &key));
    return ret < 0 ? ret : 0;
}

static int insert_missing(struct space *space, struct group *group)
{
    struct key key = key_make(group->start, KEY_BLOCK_GROUP_ITEM, group->length);
    const struct block_group_item item = {
        .used = 0, .chunk_objectid = FIRST_CHUNK_TREE_OBJECTID, .flags = group->flags};
    disk_block_group_item bytes;
    int ret;

    block_group_item_encode(&bytes, &item);
    ret = tree_insert(engine_block_group_tree(space->engine), &key, &bytes, sizeof(bytes));
    return ret == -EEXIST ? 0 : ret;
}

int space_repair_groups(struct space *space)
{
    TRY(delete_misfits(space));
    for (struct group *group = group_from(space, 0); group; group = group_next(group))
        TRY(insert_missing(space, group));
    return 0;
}

int space_repair_device(struct space *space, uint64_t devid)
{
    for (unsigned i = 0; i < space->device_count; i++) {
        struct device *device = &space->devices[i];
        struct dev_item *item = &device->vol_device->item;
        struct chunk_map chunk;

        if (device->vol_device->devid != devid)
            continue;
        item->bytes_used = 0;
        for (uint64_t from = 0; vol_next_chunk(space->engine->vol, from, &chunk);
             from = chunk.logical + chunk.length)
            for (unsigned stripe = 0; stripe < chunk.num_stripes; stripe++)
                if (chunk.stripes[stripe].devid == devid)
                    item->bytes_used += chunk.length;
        device->dirty = true;
    }
    return 0;
}
