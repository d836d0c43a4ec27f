// SPDX-License-Identifier: GPL-2.0-or-later
/* The uuid tree: from a subvolume's uuid, or the uuid it was received from, to its id. */
#include "engine/root/root.h"

#include "base/cleanup.h"

/* A uuid is the key: its halves, read as little-endian numbers, are objectid and offset. */
static struct key uuid_key(const struct uuid *uuid, uint8_t type)
{
    le64 halves[2];

    memcpy(halves, uuid->b, sizeof(halves));
    return key_make(le64_get(halves[0]), type, le64_get(halves[1]));
}

static bool has_uuid_tree(const struct engine *engine, const struct uuid *uuid)
{
    return engine->uuid_tree.id != 0 && !uuid_is_null(uuid);
}

/* Position of id in the item, or count when it is not there. */
static uint32_t find_id(const void *data, uint32_t count, uint64_t id)
{
    const le64 *ids = data;
    uint32_t i = 0;

    while (i < count && le64_get(ids[i]) != id)
        i++;
    return i;
}

int uuid_tree_add(struct engine *engine, const struct uuid *uuid, uint8_t type, uint64_t id)
{
    AUTO_PATH struct path path = PATH_INIT;
    le64 value = le64_of(id);

    if (!has_uuid_tree(engine, uuid))
        return 0;
    struct key key = uuid_key(uuid, type);
    int ret = tree_search_cow(&engine->uuid_tree, &key, sizeof(value), &path);
    if (ret < 0)
        return ret;
    if (ret == 1) {
        path_release(&path);
        return tree_insert(&engine->uuid_tree, &key, &value, sizeof(value));
    }
    uint32_t size = path_size(&path);
    if (find_id(path_data(&path), size / sizeof(value), id) < size / sizeof(value))
        return 0;
    TRY(path_resize(&path, size + (uint32_t)sizeof(value)));
    memcpy((uint8_t *)path_data_mut(&path) + size, &value, sizeof(value));
    return 0;
}

int uuid_tree_del(struct engine *engine, const struct uuid *uuid, uint8_t type, uint64_t id)
{
    AUTO_PATH struct path path = PATH_INIT;

    if (!has_uuid_tree(engine, uuid))
        return 0;
    struct key key = uuid_key(uuid, type);
    int ret = tree_search_cow(&engine->uuid_tree, &key, -1, &path);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    uint32_t count = path_size(&path) / (uint32_t)sizeof(le64);
    uint32_t at = find_id(path_data(&path), count, id);
    if (at == count)
        return 0;
    if (count == 1)
        return path_delete(&path, 1);
    le64 *ids = path_data_mut(&path);
    memmove(ids + at, ids + at + 1, (count - at - 1) * sizeof(le64));
    return path_resize(&path, (count - 1) * (uint32_t)sizeof(le64));
}

int uuid_tree_find(struct engine *engine, const struct uuid *uuid, uint8_t type, uint64_t *id)
{
    AUTO_PATH struct path path = PATH_INIT;

    if (!has_uuid_tree(engine, uuid))
        return fail(-ENOENT, "no uuid tree");
    struct key key = uuid_key(uuid, type);
    int ret = tree_search(&engine->uuid_tree, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 1 || path_size(&path) < sizeof(le64))
        return fail(-ENOENT, "no subvolume with that uuid");
    *id = le64_get(*(const le64 *)path_data(&path));
    return 0;
}
