// SPDX-License-Identifier: GPL-2.0-or-later
/* Finding the trees of a file system. */
#include "engine/store/internal.h"

#include "base/cleanup.h"

/* ---- chunk tree -------------------------------------------------------------------------------
 */

static int load_chunk(struct store *store, const struct path *path, const struct key *key)
{
    struct vol *vol = store->engine.vol;
    struct chunk_map map;

    TRY(chunk_validate(key->offset, path_data(path), path_size(path), vol_limits(vol)));
    TRY(chunk_map_decode(key->offset, path_data(path), path_size(path), &map));
    return vol_add_chunk(vol, &map);
}

static int load_device(struct store *store, const struct path *path)
{
    struct vol *vol = store->engine.vol;
    struct dev_item item;

    if (path_size(path) < sizeof(disk_dev_item))
        return fail(-EUCLEAN, "%s: too short for a device item", path_where(path));
    dev_item_decode(&item, path_data(path));
    for (unsigned i = 0; i < vol_device_count(vol); i++) {
        struct vol_device *device = vol_device(vol, i);

        if (device->devid == item.devid) {
            device->item = item;
            return 0;
        }
    }
    return fail(-ENODEV, "device %llu of this file system is missing",
                (unsigned long long)item.devid);
}

static int load_chunk_tree(struct store *store)
{
    struct engine *e = &store->engine;
    const struct super *super = vol_super(e->vol);
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;

    engine_root_set(e, &e->chunk_tree, TREE_CHUNK, super->chunk_root, super->chunk_root_generation,
                    super->chunk_root_level);
    int ret = tree_search_ge(&e->chunk_tree, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.type == KEY_CHUNK_ITEM) {
            int chunk = load_chunk(store, &path, &key);

            /* What cannot be may be made again by who repairs. */
            if (chunk == -ENOMEM || !store->priv->repair)
                TRY(chunk);
        }
        if (key.type == KEY_DEV_ITEM)
            TRY(load_device(store, &path));
    }
    return ret < 0 ? fail_context(ret, "chunk tree") : 0;
}

/* ---- system trees -------------------------------------------------------------------------------
 */

/* Fills in a system tree from its root item. Absent and not required: id stays 0. */
static int load_system_tree(struct store *store, uint64_t id, bool required, struct root *out)
{
    struct tree_handle *tree;

    int ret = roots_get(store->roots, id, &tree);
    if (ret == -ENOENT && !required) {
        fail_clear();
        return 0;
    }
    if (ret < 0)
        return fail_context(ret == -ENOENT ? -EUCLEAN : ret, "opening tree %llu",
                            (unsigned long long)id);
    engine_root_set(&store->engine, out, id, tree->root.bytenr, tree->root.generation,
                    tree->root.level);
    return 0;
}

static bool can_be_read(struct root *root)
{
    const struct key first = KEY_FIRST;
    AUTO_PATH struct path path = PATH_INIT;

    return tree_search_ge(root, &first, &path) >= 0;
}

/* The newest root tree among the backup roots that is older than `below` and can be read. */
static bool take_backup_root(struct store *store, uint64_t below)
{
    struct engine *e = &store->engine;
    const struct backup_root *newest = NULL;

    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++) {
        const struct backup_root *backup = &vol_super(e->vol)->backups.r[i];

        if (backup->tree_root && backup->tree_root_gen < below &&
            backup->tree_root_level < TREE_LEVELS_MAX &&
            (!newest || backup->tree_root_gen > newest->tree_root_gen))
            newest = backup;
    }
    if (!newest)
        return false;
    engine_root_set(e, &e->root_tree, TREE_ROOT, newest->tree_root, newest->tree_root_gen,
                    newest->tree_root_level);
    if (!can_be_read(&e->root_tree))
        return take_backup_root(store, newest->tree_root_gen);
    env_note(e->env, NOTE_WARNING, "%s: the root tree of transaction %llu is used",
             vol_label(e->vol), (unsigned long long)newest->tree_root_gen);
    return true;
}

static void set_root_tree(struct store *store)
{
    struct engine *e = &store->engine;
    const struct super *super = vol_super(e->vol);

    engine_root_set(e, &e->root_tree, TREE_ROOT, super->root, super->generation, super->root_level);
    if (!(store->priv->rescue & STORE_BACKUP_ROOT) || can_be_read(&e->root_tree) ||
        take_backup_root(store, super->generation))
        return;
    engine_root_set(e, &e->root_tree, TREE_ROOT, super->root, super->generation, super->root_level);
}

/* Trees without which files can be read. */
static int load_trees_if_there(struct store *store)
{
    struct engine *e = &store->engine;
    const struct {
        uint64_t id;
        struct root *root;
    } trees[] = {{TREE_EXTENT, &e->extent_tree},
                 {TREE_DEV, &e->dev_tree},
                 {TREE_CSUM, &e->csum_tree},
                 {TREE_UUID, &e->uuid_tree},
                 {TREE_FREE_SPACE, &e->free_space_tree},
                 {TREE_BLOCK_GROUP, &e->block_group_tree}};

    for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
        int ret = load_system_tree(store, trees[i].id, false, trees[i].root);

        if (ret == -ENOMEM)
            return ret;
        if (ret == 0 && trees[i].root->id != 0 && can_be_read(trees[i].root))
            continue;
        *trees[i].root = (struct root){.id = 0};
        if (trees[i].id == TREE_CSUM) {
            store->priv->rescue |= STORE_NO_CHECKSUMS;
            env_note(e->env, NOTE_WARNING, "%s: no checksums: data is read as it is",
                     vol_label(e->vol));
        }
    }
    fail_clear();
    return 0;
}

static int load_system_trees(struct store *store)
{
    struct engine *e = &store->engine;

    set_root_tree(store);
    TRY(roots_open(e, &store->roots));
    if (store->priv->rescue & STORE_BAD_ROOTS)
        return load_trees_if_there(store);
    TRY(load_system_tree(store, TREE_EXTENT, true, &e->extent_tree));
    TRY(load_system_tree(store, TREE_DEV, true, &e->dev_tree));
    TRY(load_system_tree(store, TREE_CSUM, true, &e->csum_tree));
    TRY(load_system_tree(store, TREE_UUID, false, &e->uuid_tree));
    TRY(load_system_tree(store, TREE_QUOTA, false, &e->quota_tree));
    if (e->compat_ro & COMPAT_RO_FREE_SPACE_TREE)
        TRY(load_system_tree(store, TREE_FREE_SPACE, true, &e->free_space_tree));
    if (e->compat_ro & COMPAT_RO_BLOCK_GROUP_TREE)
        TRY(load_system_tree(store, TREE_BLOCK_GROUP, true, &e->block_group_tree));
    return 0;
}

/* A balance that was interrupted leaves relocation trees, which share blocks in a way of their
 * own; they must be finished before anything else may change. */
static int refuse_reloc_trees(struct store *store)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(TREE_RELOC, KEY_ROOT_ITEM, 0);

    int ret = tree_search_ge(&store->engine.root_tree, &key, &path);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    path_key(&path, &key);
    if (key.objectid != TREE_RELOC)
        return 0;
    return fail(-EROFS, "an interrupted balance must be finished by Linux first");
}

/* engine/space deletes v1 cache files without knowing references. */
static int drop_cache_extent(void *ctx, uint64_t bytenr, uint64_t num_bytes, uint64_t root,
                             uint64_t objectid, uint64_t offset)
{
    struct store *store = ctx;
    struct data_ref ref = {.root = root, .objectid = objectid, .offset = offset};

    return extent_drop_data_ref(store->extents, bytenr, num_bytes, &ref);
}

int store_load(struct store *store)
{
    struct engine *e = &store->engine;

    TRY(load_chunk_tree(store));
    TRY(load_system_trees(store));
    if (store->priv->readonly) {
        /* What space there is is good to know, but not needed to read files. */
        int ret = store->priv->rescue & STORE_BAD_ROOTS ? fail(-EUCLEAN, "not looked for")
                                                        : space_open(e, &store->space);
        if (ret < 0)
            env_note(e->env, NOTE_WARNING, "%s: space is not known: %s", vol_label(e->vol),
                     fail_message());
        ret = qgroups_open(e, NULL, store->roots, &store->qgroups);
        if (ret < 0)
            env_note(e->env, NOTE_WARNING, "%s: quotas are not known: %s", vol_label(e->vol),
                     fail_message());
        /* To be asked only. */
        TRY(extents_open(e, store->space, &store->extents));
        extents_set_trees(store->extents, &store_trees, store);
        return 0;
    }
    TRY(refuse_reloc_trees(store));
    TRY(store->priv->repair ? space_open_for_repair(e, &store->space)
                            : space_open(e, &store->space));
    TRY(extents_open(e, store->space, &store->extents));
    space_set_drop_extent(store->space, drop_cache_extent, store);
    extents_set_trees(store->extents, &store_trees, store);
    e->txn.transid = e->durable_gen + 1;
    store->priv->log_waits = store_has_log(store);
    forest_set_generation(e->forest, e->txn.transid);
    TRY(qgroups_open(e, store->extents, store->roots, &store->qgroups));
    reserve_init(store);
    /* A primary superblock that was no good is written again. */
    store->priv->changed = vol_used_super_copy(e->vol);
    return 0;
}
