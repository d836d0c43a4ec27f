// SPDX-License-Identifier: GPL-2.0-or-later
/* References that have an item of their own, because the extent item had no room. */
#include "engine/extent/internal.h"

bool keyed_is_ref(const struct key *key, uint64_t bytenr)
{
    if (key->objectid != bytenr)
        return false;
    return key->type == KEY_TREE_BLOCK_REF || key->type == KEY_SHARED_BLOCK_REF ||
           key->type == KEY_EXTENT_DATA_REF || key->type == KEY_SHARED_DATA_REF;
}

static uint32_t keyed_size(uint8_t type)
{
    if (type == KEY_EXTENT_DATA_REF)
        return sizeof(disk_extent_data_ref);
    return type == KEY_SHARED_DATA_REF ? sizeof(disk_shared_data_ref) : 0;
}

int keyed_look(const struct path *path, struct extent_ref *out)
{
    struct extent_data_ref data;
    struct shared_data_ref shared;
    struct key key;

    path_key(path, &key);
    if (path_size(path) != keyed_size(key.type))
        return fail(-EUCLEAN, "%s: reference item of %u bytes", path_where(path), path_size(path));
    *out = (struct extent_ref){.type = key.type, .count = 1};
    switch (key.type) {
    case KEY_EXTENT_DATA_REF:
        extent_data_ref_decode(&data, path_data(path));
        out->root = data.root;
        out->objectid = data.objectid;
        out->offset = data.offset;
        out->count = data.count;
        break;
    case KEY_SHARED_DATA_REF:
        shared_data_ref_decode(&shared, path_data(path));
        out->parent = key.offset;
        out->count = shared.count;
        break;
    case KEY_SHARED_BLOCK_REF:
        out->parent = key.offset;
        break;
    default:
        out->root = key.offset;
        break;
    }
    return 0;
}

static void keyed_write(void *bytes, const struct extent_ref *ref)
{
    struct extent_data_ref data = {ref->root, ref->objectid, ref->offset, ref->count};
    struct shared_data_ref shared = {ref->count};

    if (ref->type == KEY_EXTENT_DATA_REF)
        extent_data_ref_encode(bytes, &data);
    else if (ref->type == KEY_SHARED_DATA_REF)
        shared_data_ref_encode(bytes, &shared);
}

/* One more reference: a new item, or a count raised. Colliding hashes take the next key. */
static int keyed_add(struct extents *extents, uint64_t bytenr, const struct extent_ref *ref,
                     int64_t by)
{
    struct root *root = &extents->engine->extent_tree;
    struct key key = key_make(bytenr, ref->type, ref_order(ref));

    for (;; key.offset++) {
        AUTO_PATH struct path path = PATH_INIT;
        struct extent_ref there = *ref;
        void *bytes;
        int ret = tree_insert_path(root, &key, keyed_size(ref->type), &path, &bytes);

        if (ret == -EEXIST) {
            TRY(keyed_look(&path, &there));
            if (!ref_same(&there, ref))
                continue;
            bytes = path_data_mut(&path);
        } else {
            TRY(ret);
            there.count = 0;
        }
        TRY(ref_count_add(ref, there.count, by, &there.count));
        keyed_write(bytes, &there);
        return 0;
    }
}

/*
 * Finds the item of a reference. Those of data may stand anywhere behind their hash: others that
 * stood between may have gone.
 */
static int keyed_find(struct extents *extents, uint64_t bytenr, const struct extent_ref *ref,
                      struct key *key)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key first = key_make(bytenr, ref->type, ref_order(ref));
    int ret = tree_search_ge(&extents->engine->extent_tree, &first, &path);

    while (ret == 0) {
        struct extent_ref there;

        path_key(&path, key);
        if (key->objectid != bytenr || key->type != ref->type)
            break;
        TRY(keyed_look(&path, &there));
        if (ref_same(&there, ref))
            return 0;
        if (ref->type != KEY_EXTENT_DATA_REF)
            break;
        ret = path_next(&path);
    }
    return ret < 0 ? ret : 1;
}

static int keyed_drop(struct extents *extents, uint64_t bytenr, const struct extent_ref *ref,
                      int64_t by)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct extent_ref there;
    struct key key;
    int ret = keyed_find(extents, bytenr, ref, &key);

    TRY(ret);
    if (ret > 0)
        return fail(-EUCLEAN, "no reference of %s, cannot drop %lld", ref_text(ref),
                    (long long)-by);
    TRY(tree_search_cow(&extents->engine->extent_tree, &key, -1, &path));
    TRY(keyed_look(&path, &there));
    TRY(ref_count_add(ref, there.count, by, &there.count));
    if (there.count == 0)
        return path_delete(&path, 1);
    keyed_write(path_data_mut(&path), &there);
    return 0;
}

int keyed_change(struct extents *extents, const struct extent_id *id, const struct extent_ref *ref,
                 int64_t by)
{
    int ret =
        by > 0 ? keyed_add(extents, id->bytenr, ref, by) : keyed_drop(extents, id->bytenr, ref, by);

    return ret == -EUCLEAN ? fail_context(ret, "%s", extent_text(id)) : ret;
}
