// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of subvolumes: ROOT_REF and ROOT_BACKREF; and orphan items of the root tree. */
#include "engine/root/root.h"

#include "base/cleanup.h"

static int insert_ref(struct engine *engine, const struct key *key, const struct root_ref *ref,
                      const void *name)
{
    uint8_t item[sizeof(disk_root_ref) + NAME_MAX_BYTES];

    root_ref_encode(item, ref);
    memcpy(item + sizeof(disk_root_ref), name, ref->name_len);
    return tree_insert(&engine->root_tree, key, item,
                       (uint32_t)sizeof(disk_root_ref) + ref->name_len);
}

int root_ref_add(struct engine *engine, uint64_t parent, uint64_t child, uint64_t dirid,
                 uint64_t index, const void *name, uint16_t len)
{
    struct key back = key_make(child, KEY_ROOT_BACKREF, parent);
    struct key forward = key_make(parent, KEY_ROOT_REF, child);
    struct root_ref ref = {.dirid = dirid, .sequence = index, .name_len = len};

    if (len == 0 || len > NAME_MAX_BYTES)
        return fail(-ENAMETOOLONG, "a subvolume name of %u bytes", len);
    TRY(insert_ref(engine, &back, &ref, name));
    return insert_ref(engine, &forward, &ref, name);
}

static int decode_ref(const struct path *path, struct root_ref *ref, const char **name)
{
    uint32_t size = path_size(path);

    if (size < sizeof(disk_root_ref))
        return fail(-EUCLEAN, "%s: too short for a root reference", path_where(path));
    root_ref_decode(ref, path_data(path));
    if (ref->name_len == 0 || ref->name_len > NAME_MAX_BYTES ||
        size < sizeof(disk_root_ref) + ref->name_len)
        return fail(-EUCLEAN, "%s: root reference with a name of %u bytes", path_where(path),
                    ref->name_len);
    *name = (const char *)path_data(path) + sizeof(disk_root_ref);
    return 0;
}

int root_ref_del(struct engine *engine, uint64_t parent, uint64_t child, uint64_t dirid,
                 const void *name, uint16_t len, uint64_t *index)
{
    struct key back = key_make(child, KEY_ROOT_BACKREF, parent);
    struct key forward = key_make(parent, KEY_ROOT_REF, child);
    AUTO_PATH struct path path = PATH_INIT;
    struct root_ref ref;
    const char *found;

    int ret = tree_search(&engine->root_tree, &back, &path);
    if (ret != 0)
        return ret < 0 ? ret
                       : fail(-ENOENT, "subvolume %llu: no reference from %llu",
                              (unsigned long long)child, (unsigned long long)parent);
    TRY(decode_ref(&path, &ref, &found));
    if (ref.dirid != dirid || ref.name_len != len || memcmp(found, name, len) != 0)
        return fail(-ENOENT, "subvolume %llu: known under another name", (unsigned long long)child);
    path_release(&path);
    TRY(tree_delete(&engine->root_tree, &back));
    TRY(tree_delete(&engine->root_tree, &forward));
    *index = ref.sequence;
    return 0;
}

int root_ref_find(struct engine *engine, uint64_t child, uint64_t *parent, uint64_t *dirid,
                  uint64_t *index, char *name, uint16_t *len)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(child, KEY_ROOT_BACKREF, 0);
    struct root_ref ref;
    const char *found;

    int ret = tree_search_ge(&engine->root_tree, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0)
        path_key(&path, &key);
    if (ret == 1 || key.objectid != child || key.type != KEY_ROOT_BACKREF)
        return fail(-ENOENT, "subvolume %llu has no name", (unsigned long long)child);
    TRY(decode_ref(&path, &ref, &found));
    *parent = key.offset;
    *dirid = ref.dirid;
    *index = ref.sequence;
    memcpy(name, found, ref.name_len);
    name[ref.name_len] = '\0';
    *len = ref.name_len;
    return 0;
}

int root_ref_any_child(struct engine *engine, uint64_t parent, bool *any)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(parent, KEY_ROOT_REF, 0);

    int ret = tree_search_ge(&engine->root_tree, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0)
        path_key(&path, &key);
    *any = ret == 0 && key.objectid == parent && key.type == KEY_ROOT_REF;
    return 0;
}

int root_orphan_add(struct engine *engine, uint64_t id)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, id);

    return tree_insert(&engine->root_tree, &key, NULL, 0);
}

int root_orphan_del(struct engine *engine, uint64_t id)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, id);

    return tree_delete(&engine->root_tree, &key);
}
