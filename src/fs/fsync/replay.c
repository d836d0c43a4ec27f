// SPDX-License-Identifier: GPL-2.0-or-later
/* The stages of a replay, over the logs of all subvolumes. */
#include "fs/fsync/internal.h"

/* Changes that one item of a log may cause: itself, and the references or checksums with it. */
#define UNITS_PER_ITEM 2

int log_each_item(struct replay *replay, struct log *log,
                  int (*fn)(struct replay *replay, const struct log_item *item))
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key first = KEY_FIRST;

    int ret = tree_search_ge(&log->root, &first, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct log_item item = {
            .log = log,
            .path = &path,
            .data = path_data(&path),
            .size = path_size(&path),
        };

        path_key(&path, &item.key);
        TRY(fn(replay, &item));
    }
    return MIN(ret, 0);
}

int replay_overwrite(struct replay *replay, const struct log_item *item)
{
    struct root *root = &item->log->tree->root;
    AUTO_PATH struct path path = PATH_INIT;

    (void)replay;
    int ret = tree_search_cow(root, &item->key, 0, &path);
    if (ret < 0)
        return ret;
    if (ret == 1) {
        path_release(&path);
        return tree_insert(root, &item->key, item->data, item->size);
    }
    if (path_size(&path) != item->size)
        TRY(path_resize(&path, item->size));
    memcpy(path_data_mut(&path), item->data, item->size);
    return 0;
}

/* ---- finding the logs
 * ------------------------------------------------------------------------------- */

static int add_log(struct replay *replay, const struct path *path, const struct key *key)
{
    struct root_item item;
    struct log *logs = realloc(replay->logs, (replay->log_count + 1) * sizeof(*logs));

    if (!logs)
        return fail(-ENOMEM, "no memory for log replay");
    replay->logs = logs;
    if (path_size(path) < sizeof(disk_root_item))
        return fail(-EUCLEAN, "%s: too short for a root item", path_where(path));
    root_item_decode(&item, path_data(path));
    struct log *log = &logs[replay->log_count++];
    *log = (struct log){.subvol = key->offset};
    engine_root_set(replay->engine, &log->root, TREE_LOG, item.bytenr, item.generation, item.level);
    log->root.is_log = true;
    return 0;
}

static int find_logs(struct replay *replay)
{
    const struct super *super = vol_super(replay->engine->vol);
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(TREE_LOG, KEY_ROOT_ITEM, 0);

    /* A log belongs to the transaction that would have come next. */
    engine_root_set(replay->engine, &replay->log_roots, TREE_LOG, super->log_root,
                    super->generation + 1, super->log_root_level);
    replay->log_roots.is_log = true;
    int ret = tree_search_ge(&replay->log_roots, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid != TREE_LOG || key.type != KEY_ROOT_ITEM)
            break;
        TRY(add_log(replay, &path, &key));
    }
    return ret < 0 ? fail_context(ret, "log tree") : 0;
}

static int find_subvols(struct replay *replay)
{
    for (size_t i = 0; i < replay->log_count; i++) {
        struct log *log = &replay->logs[i];

        int ret = roots_get(replay->fs->store->roots, log->subvol, &log->tree);
        if (ret == -ENOENT) {
            fail_clear();
            log->tree = NULL;
        } else if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* ---- stages
 * -------------------------------------------------------------------------------------------- */

/* A file that was fsynced without ever having a name: replay would only have to delete it again. */
static int is_nameless(const struct log_item *item, bool *nameless)
{
    struct key key = key_make(item->key.objectid, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct inode_item inode;

    *nameless = false;
    int ret = tree_search(&item->log->root, &key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    if (path_size(&path) < sizeof(disk_inode_item))
        return fail(-EUCLEAN, "%s: too short for an inode", path_where(&path));
    inode_item_decode(&inode, path_data(&path));
    *nameless = inode.nlink == 0;
    return 0;
}

static int stage_inodes(struct replay *replay, const struct log_item *item)
{
    bool nameless;

    if (item->key.type != KEY_INODE_ITEM)
        return 0;
    TRY(is_nameless(item, &nameless));
    return nameless ? 0 : replay_inode_item(replay, item);
}

static int stage_dir_indexes(struct replay *replay, const struct log_item *item)
{
    bool nameless;

    if (item->key.type != KEY_DIR_INDEX)
        return 0;
    TRY(is_nameless(item, &nameless));
    return nameless ? 0 : replay_dir_index(replay, item);
}

static int stage_rest(struct replay *replay, const struct log_item *item)
{
    bool nameless;

    switch (item->key.type) {
    case KEY_XATTR_ITEM:
    case KEY_INODE_REF:
    case KEY_INODE_EXTREF:
    case KEY_EXTENT_DATA:
        break;
    default:
        return 0;
    }
    TRY(is_nameless(item, &nameless));
    if (nameless)
        return 0;
    if (item->key.type == KEY_XATTR_ITEM)
        return replay_overwrite(replay, item);
    if (item->key.type == KEY_EXTENT_DATA)
        return replay_extent(replay, item);
    return replay_refs(replay, item);
}

static int run_stages(struct replay *replay)
{
    static int (*const stages[])(struct replay *, const struct log_item *) = {
        stage_inodes,
        stage_dir_indexes,
        stage_rest,
    };

    for (size_t stage = 0; stage < ARRAY_LEN(stages); stage++)
        for (size_t i = 0; i < replay->log_count; i++)
            if (replay->logs[i].tree)
                TRY(log_each_item(replay, &replay->logs[i], stages[stage]));
    TRY(fix_links(replay));
    return claim_settle(replay);
}

static int replay_all(struct replay *replay)
{
    struct store *store = replay->fs->store;

    TRY(find_logs(replay));
    TRY(find_subvols(replay));
    TRY(claim_logs(replay));
    uint64_t units = MIN((replay->items + 1) * UNITS_PER_ITEM, (uint64_t)UINT32_MAX);
    /* What was fsynced was promised its space: the replay may use the reserve. */
    TRY(store_begin(store, STORE_RELEASE, (unsigned)units));
    int ret = run_stages(replay);
    if (ret < 0)
        txn_abort(replay->engine, ret);
    store_end(store);
    return ret < 0 ? ret : store_commit(store);
}

int fsync_replay(struct fs *fs)
{
    struct replay replay = {.fs = fs, .engine = &fs->store->engine};

    rangeset_init(&replay.blocks);
    rangeset_init(&replay.data);
    int ret = replay_all(&replay);
    release_touched(&replay);
    rangeset_clear(&replay.blocks);
    rangeset_clear(&replay.data);
    free(replay.logs);
    return ret < 0 ? fail_context(ret, "log replay") : 0;
}
