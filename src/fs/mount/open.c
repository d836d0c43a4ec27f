// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing a file system. */
#include "fs/mount/internal.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "disk/compress/compress.h"
#include "fs/fsync/fsync.h"

/* A quarter of the cache may be dirty file data. The rest holds tree blocks, and file data that was
 * read in what they leave, but for an eighth that they leave always. */
#define DIRTY_SHARE 4
#define DATA_SHARE 8

/* What a cache takes when nobody says: an eighth of the memory, within these. */
#define DEFAULT_SHARE 8
#define DEFAULT_CACHE_LEAST (256 * MIB)
#define DEFAULT_CACHE_MOST (1024 * MIB)

/* How the memory that a user grants is divided. */
struct memory {
    uint64_t dirty, nodes, data, data_least;
};

static uint64_t default_cache(struct env *env)
{
    uint64_t share = MAX(env_memory_bytes(env) / DEFAULT_SHARE, DEFAULT_CACHE_LEAST);

    return MIN(share, DEFAULT_CACHE_MOST);
}

static struct memory divide_memory(struct env *env, const struct copse_open_options *options)
{
    uint64_t all = options->cache_bytes ? options->cache_bytes : default_cache(env);
    struct memory memory = {.dirty = all / DIRTY_SHARE};

    memory.nodes = all - memory.dirty;
    if (!options->no_data_cache) {
        memory.data = memory.nodes;
        memory.data_least = memory.data / DATA_SHARE;
        memory.nodes -= memory.data_least;
    }
    return memory;
}

/* ---- commit hooks -----------------------------------------------------------------------------
 */

static int before_commit(void *arg)
{
    struct mount *m = arg;

    files_check_promises(&m->fs);
    TRY(fsync_before_commit(&m->fs));
    return inodes_write_dirty(&m->fs);
}

static int end_change(void *arg)
{
    struct mount *m = arg;

    return inodes_write_shared(&m->fs);
}

static int settle(void *arg, bool again)
{
    struct mount *m = arg;

    return files_settle(&m->fs, again);
}

/* Steps between two commits. */
#define DROP_STEPS 16

/* What cannot be removed is told by a note, and is no reason to fail who asks for space. */
static int drop_deleted(void *arg)
{
    struct mount *m = arg;
    unsigned before = subvol_count_dead(&m->fs);
    bool more = before > 0;
    int ret = 0;

    for (unsigned i = 0; i < DROP_STEPS && more && ret == 0; i++)
        ret = subvol_drop_step(&m->fs, &more);
    if (ret < 0)
        fail_clear();
    return (ret == 0 && more) || subvol_count_dead(&m->fs) < before;
}

static void after_commit(void *arg, int err)
{
    struct mount *m = arg;

    if (err == 0)
        atomic_store(&m->priv->last_commit_ns, env_monotonic_ns(m->fs.env));
}

/* ---- what a writable open clears up
 * -------------------------------------------------------------- */

struct tree_ids {
    uint64_t *ids;
    size_t count, cap;
};

static int collect_id(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct tree_ids *trees = arg;

    (void)key_offset;
    if (!is_fs_tree(id) || item->refs == 0)
        return 0;
    if (trees->count == trees->cap) {
        size_t cap = trees->cap ? trees->cap * 2 : 64;
        uint64_t *ids = realloc(trees->ids, cap * sizeof(*ids));

        if (!ids)
            return fail(-ENOMEM, "no memory for a list of subvolumes");
        trees->ids = ids;
        trees->cap = cap;
    }
    trees->ids[trees->count++] = id;
    return 0;
}

/* An orphan whose inode is gone, or has names again: only the item is left over. */
static int drop_orphan_item(struct mount *m, struct tree_handle *tree, uint64_t ino)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, ino);

    TRY(store_begin(m->fs.store, STORE_RELEASE, UNITS_DELETE));
    int ret = tree_delete(&tree->root, &key);
    store_end(m->fs.store);
    return ret;
}

/* Whether all items of an inode can be read, so that deleting it does not fail half way. */
static int items_readable(struct mount *m, struct tree_handle *tree, uint64_t ino)
{
    struct key key = key_make(ino, 0, 0);
    AUTO_PATH struct path path = PATH_INIT;

    store_read_lock(m->fs.store);
    int ret = tree_search_ge(&tree->root, &key, &path);
    while (ret == 0) {
        path_key(&path, &key);
        if (key.objectid != ino)
            break;
        ret = path_next(&path);
    }
    path_release(&path);
    store_read_unlock(m->fs.store);
    return MIN(ret, 0);
}

static int drop_orphan(struct mount *m, struct tree_handle *tree, uint64_t ino)
{
    struct inode *inode;

    TRY(items_readable(m, tree, ino));
    int ret = inode_get(&m->fs, tree, ino, &inode);
    if (ret == -ENOENT)
        return drop_orphan_item(m, tree, ino);
    if (ret < 0)
        return ret;
    bool named = inode->item.nlink > 0;
    inode->orphan = !named;
    inode_put(inode);
    return named ? drop_orphan_item(m, tree, ino) : 0;
}

/* Damage on the way keeps nobody out of the rest: what it concerns stays as it is, as a rule with
 * its space. After a failed change nothing can be written any more. */
static int left_alone(struct mount *m, const struct tree_handle *tree, int ret)
{
    if ((ret != -EIO && ret != -EUCLEAN) || txn_failed(&m->fs.store->engine))
        return ret;
    env_note(m->fs.env, NOTE_WARNING, "tree %llu: a deleted file stays: %s",
             (unsigned long long)tree->root.id, fail_message());
    fail_clear();
    return 0;
}

int drop_orphans_of(struct mount *m, struct tree_handle *tree)
{
    uint64_t from = 0, ino;

    for (;;) {
        store_read_lock(m->fs.store);
        int ret = orphan_next(tree, from, &ino);
        store_read_unlock(m->fs.store);
        if (ret < 0)
            return ret == -ENOENT ? 0 : left_alone(m, tree, ret);
        ret = drop_orphan(m, tree, ino);
        if (ret < 0)
            TRY(left_alone(m, tree, ret));
        if (ino == UINT64_MAX)
            return 0;
        from = ino + 1;
    }
}

static int drop_orphans(struct mount *m)
{
    struct tree_ids trees = {0};

    store_read_lock(m->fs.store);
    int ret = roots_each(m->fs.store->roots, TREE_FS, collect_id, &trees);
    store_read_unlock(m->fs.store);
    for (size_t i = 0; ret == 0 && i < trees.count; i++) {
        struct tree_handle *tree;

        ret = roots_get(m->fs.store->roots, trees.ids[i], &tree);
        if (ret == 0)
            ret = drop_orphans_of(m, tree);
    }
    free(trees.ids);
    return ret;
}

/* ---- the root
 * ------------------------------------------------------------------------------------- */

int mount_subvol_root(struct mount *m, uint64_t id, struct inode **out)
{
    struct tree_handle *tree;

    if (!is_fs_tree(id))
        return fail(-ENOENT, "%llu is no subvolume", (unsigned long long)id);
    int ret = roots_get(m->fs.store->roots, id, &tree);
    if (ret == 0 && tree->item.refs == 0)
        ret = fail(-ENOENT, "it was deleted");
    if (ret < 0)
        return fail_context(ret, "subvolume %llu", (unsigned long long)id);
    ret = inode_get(&m->fs, tree, INO_SUBVOL_ROOT, out);
    return ret == -ENOENT ? -EUCLEAN : ret;
}

/* Walks a path from the top level; every step must be a directory, the last a subvolume. */
static int find_by_path(struct mount *m, const char *path, struct inode **out)
{
    struct inode *dir;

    TRY(mount_subvol_root(m, TREE_FS, &dir));
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");
        struct inode *next;

        if (len > 0) {
            int ret = mount_lookup(m, dir, at, len, &next);
            inode_put(dir);
            if (ret < 0)
                return fail_context(ret, "subvolume %s", path);
            dir = next;
        }
        at += len;
        at += *at == '/';
    }
    if (dir->ino != INO_SUBVOL_ROOT || !inode_is_dir(dir)) {
        inode_put(dir);
        return fail(-EINVAL, "%s is no subvolume", path);
    }
    *out = dir;
    return 0;
}

static int open_root(struct mount *m, const struct copse_open_options *options)
{
    uint64_t id = options->subvolid;

    if (options->subvol && id != 0)
        return fail(-EINVAL, "both subvol and subvolid are given");
    if (options->subvol)
        return find_by_path(m, options->subvol, &m->root);
    if (id == 0) {
        store_read_lock(m->fs.store);
        int ret = subvol_get_default(&m->fs, &id);
        store_read_unlock(m->fs.store);
        if (ret < 0)
            return ret;
        /* Nobody asked for it by its number: that it is missing is damage. */
        ret = mount_subvol_root(m, id, &m->root);
        return ret == -ENOENT ? -EUCLEAN : ret;
    }
    return mount_subvol_root(m, id, &m->root);
}

/* ---- opening
 * ---------------------------------------------------------------------------------------- */

static int open_store(struct env *env, struct dev **devs, unsigned count,
                      const struct copse_open_options *options, const struct memory *memory,
                      struct store **out)
{
    struct vol_open_options vol_options = {.readonly = options->readonly};
    struct store_options store_options = {
        .readonly = options->readonly,
        .cache_bytes = memory->nodes,
        .discard = options->discard,
        .rescue = options->rescue,
    };
    struct vol *vol;

    TRY(vol_open(env, devs, count, &vol_options, &vol));
    if (vol_readonly(vol) && !options->readonly)
        env_note(env, NOTE_WARNING, "%s: opened read-only: %s", vol_label(vol),
                 vol_readonly_reason(vol));
    return store_open(vol, &store_options, out);
}

/* Deleted subvolumes whose removal somebody began. */
static int find_dead(struct mount *m)
{
    store_read_lock(m->fs.store);
    int ret = subvol_find_dead(&m->fs);
    store_read_unlock(m->fs.store);
    return MIN(ret, 0);
}

static int bring_up(struct mount *m, const struct copse_open_options *options)
{
    struct store *store = m->fs.store;

    m->priv->readonly = store_readonly(store);
    if (store_has_log(store)) {
        if (m->priv->readonly) {
            m->priv->log_pending = true;
            env_note(m->fs.env, NOTE_WARNING,
                     "%s: a log tree is pending: changes that were fsynced last are not shown",
                     vol_label(store->engine.vol));
        } else {
            TRY(fsync_replay(&m->fs));
        }
    }
    if (!m->priv->readonly) {
        TRY(drop_orphans(m));
        TRY(find_dead(m));
    }
    TRY(open_root(m, options));
    return options->background && !m->priv->readonly ? background_start(m) : 0;
}

static void tear_down(struct mount *m)
{
    fsync_release(&m->fs);
    files_release(&m->fs);
    subvols_release(&m->fs);
    fs_release(&m->fs);
    store_close(m->fs.store);
    pthread_cond_destroy(&m->priv->wake);
    lock_destroy(&m->priv->lock);
    free(m->priv);
    free(m);
}

int mount_parse_compression(const char *compress, uint8_t *type, int *level)
{
    enum compress_type found;

    TRY(compress_by_option(compress, &found, level));
    *type = (uint8_t)found;
    return 0;
}

static int take_compression(const struct copse_open_options *options, struct fs_options *out)
{
    enum compress_type type;

    if (!options->compress)
        return 0;
    TRY(compress_by_option(options->compress, &type, &out->compress_level));
    if (type != COMPRESS_NONE && options->nodatacow)
        return fail(-EINVAL, "compress: what is written in place cannot be compressed");
    out->compress_type = (uint8_t)type;
    out->compress_force = options->compress_force && type != COMPRESS_NONE;
    return 0;
}

/* A mount with an open store, nothing read yet. On failure the store is closed. */
static int mount_new(struct store *store, const struct copse_open_options *options,
                     const struct memory *memory, struct mount **out)
{
    struct fs_options fs_options = {
        .noatime = options->noatime,
        .strictatime = options->strictatime,
        .nodatacow = options->nodatacow,
        .notreelog = options->notreelog,
        .dirty_limit_bytes = memory->dirty,
        .data_cache_bytes = memory->data,
        .data_cache_least = memory->data_least,
    };
    AUTO_FREE struct mount *m = calloc(1, sizeof(*m));
    AUTO_FREE struct mount_private *priv = calloc(1, sizeof(*priv));

    int ret = take_compression(options, &fs_options);
    if (ret == 0 && !(m && priv))
        ret = fail(-ENOMEM, "no memory to open a file system");
    if (ret == 0)
        ret = fs_init(&m->fs, store, &fs_options);
    if (ret < 0) {
        store_close(store);
        return ret;
    }
    ret = files_init(&m->fs);
    if (ret == 0 && (ret = subvols_init(&m->fs)) < 0)
        files_release(&m->fs);
    if (ret == 0 && (ret = fsync_init(&m->fs)) < 0) {
        subvols_release(&m->fs);
        files_release(&m->fs);
    }
    if (ret < 0) {
        fs_release(&m->fs);
        store_close(store);
        return ret;
    }
    lock_init(&priv->lock, RANK_BACKGROUND);
    pthread_cond_init(&priv->wake, NULL);
    priv->commit_seconds = options->commit_seconds;
    priv->last_commit_ns = env_monotonic_ns(m->fs.env);
    m->priv = STEAL(priv);
    m->fs.last_put = delete_orphan;
    *out = STEAL(m);
    return 0;
}

int mount_open(struct env *env, struct dev **devs, unsigned count,
               const struct copse_open_options *options, struct mount **out)
{
    static const struct store_hooks hooks = {
        .before_commit = before_commit,
        .end_change = end_change,
        .settle = settle,
        .drop_deleted = drop_deleted,
        .after_commit = after_commit,
    };
    const struct memory memory = divide_memory(env, options);
    struct store *store;
    struct mount *m;

    TRY(open_store(env, devs, count, options, &memory, &store));
    TRY(mount_new(store, options, &memory, &m));
    store_set_hooks(store, &hooks, m);
    int ret = bring_up(m, options);
    if (ret < 0) {
        inode_put(m->root);
        tear_down(m);
        return ret;
    }
    *out = m;
    return 0;
}

int mount_sync(struct mount *m)
{
    if (m->priv->readonly)
        return 0;
    int first = files_writeback_all(&m->fs);
    files_reclaim_noted(&m->fs);
    int ret = store_commit(m->fs.store);
    return first < 0 ? first : ret;
}

int mount_close(struct mount *m)
{
    background_stop(m);
    inode_put(m->root);
    int ret = m->priv->shut_down ? 0 : mount_sync(m);
    tear_down(m);
    return ret;
}

int mount_shutdown(struct mount *m, bool flush)
{
    struct store *store = m->fs.store;

    if (m->priv->readonly)
        return fail(-EROFS, "the file system is read-only");
    if (m->priv->shut_down)
        return fail(-EIO, "it was shut down before");
    if (flush)
        TRY(mount_sync(m));
    /* Alone, so that what runs is either done or has not begun. */
    TRY(store_begin(store, STORE_RELEASE, 0));
    store_wait_log(store);
    m->priv->shut_down = true;
    txn_abort(&store->engine, fail(-EIO, "it was shut down"));
    store_end(store);
    return 0;
}

void mount_crash(struct mount *m)
{
    background_stop(m);
    /* Nothing of the running transaction may reach the device any more. */
    txn_abort(&m->fs.store->engine, fail(-EROFS, "crash asked for"));
    inode_put(m->root);
    tear_down(m);
}
