// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fsync: those who ask at the same time are served together, by one of them. Their inodes go into
 * the logs of their subvolumes, one log commit makes that durable; or, where a log cannot say it, a
 * commit does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/lock.h"
#include "engine/extent/extent.h"
#include "fs/fsync/write.h"

/* Promised for one round: what it wishes for (LOG_ROUND_NODES), halves of split nodes, paths. */
#define PROMISED_NODES 128

struct request {
    struct inode *inode;
    struct request *next;
    bool done;
    int ret;
    char message[FAIL_MESSAGE_MAX];
};

struct logs {
    pthread_mutex_t lock; /* of the queue */
    pthread_cond_t served;
    struct request *queue; /* newest first */
    bool busy;             /* somebody serves */
    /* Under the metadata lock. */
    struct written_log *logs;
    struct root roots; /* the tree that names them */
    struct fsync_counters counters;
};

int fsync_init(struct fs *fs)
{
    struct logs *logs = calloc(1, sizeof(*logs));

    if (!logs)
        return fail(-ENOMEM, "no memory for log trees");
    lock_init(&logs->lock, RANK_FSYNC);
    pthread_cond_init(&logs->served, NULL);
    fs->logs = logs;
    return 0;
}

static void forget_logs(struct fs *fs)
{
    struct logs *logs = fs->logs;

    for (struct written_log *log = logs->logs, *next; log; log = next) {
        next = log->next;
        free(log);
    }
    logs->logs = NULL;
    logs->roots = (struct root){0};
    logged_clear(fs);
}

void fsync_release(struct fs *fs)
{
    if (!fs->logs)
        return;
    forget_logs(fs);
    lock_destroy(&fs->logs->lock);
    pthread_cond_destroy(&fs->logs->served);
    free(fs->logs);
    fs->logs = NULL;
}

int fsync_before_commit(struct fs *fs)
{
    forget_logs(fs);
    return extents_drop_logs(fs->store->extents);
}

void fsync_counters(const struct fs *fs, struct fsync_counters *out)
{
    *out = (struct fsync_counters){
        .logged = __atomic_load_n(&fs->logs->counters.logged, __ATOMIC_RELAXED),
        .commits = __atomic_load_n(&fs->logs->counters.commits, __ATOMIC_RELAXED),
        .shared = __atomic_load_n(&fs->logs->counters.shared, __ATOMIC_RELAXED),
    };
}

static void count(uint64_t *counter, uint64_t by)
{
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* ---- the log of a subvolume -------------------------------------------------------------------
 */

static int new_root(struct fs *fs, struct root *root)
{
    *root = (struct root){.forest = fs->store->engine.forest, .id = TREE_LOG, .is_log = true};
    return root_create(root);
}

/* FULL_COMMIT: the last commit does not have the subvolume, or has it read-only. */
static int get_log(struct fs *fs, uint64_t subvol, struct written_log **out)
{
    struct logs *logs = fs->logs;
    struct root durable;
    uint64_t flags;

    for (struct written_log *log = logs->logs; log; log = log->next) {
        if (log->subvol == subvol) {
            *out = log;
            return 0;
        }
    }
    int ret = store_durable_tree(fs->store, subvol, &durable, &flags);
    if (ret == -ENOENT) {
        fail_clear();
        return FULL_COMMIT;
    }
    TRY(ret);
    if (flags & ROOT_SUBVOL_RDONLY)
        return FULL_COMMIT;
    if (logs->roots.bytenr == 0)
        TRY(new_root(fs, &logs->roots));
    struct written_log *log = calloc(1, sizeof(*log));
    if (!log)
        return fail(-ENOMEM, "no memory for a log");
    *log = (struct written_log){.subvol = subvol, .durable = durable};
    ret = new_root(fs, &log->root);
    if (ret < 0) {
        free(log);
        return ret;
    }
    log->next = logs->logs;
    logs->logs = log;
    *out = log;
    return 0;
}

static int write_down_root(struct logs *logs, struct written_log *log)
{
    struct key key = key_make(TREE_LOG, KEY_ROOT_ITEM, log->subvol);
    const struct root_item item = {
        .generation = log->root.generation,
        .generation_v2 = log->root.generation,
        .bytenr = log->root.bytenr,
        .level = log->root.level,
    };
    disk_root_item disk;

    root_item_encode(&disk, &item);
    TRY(tree_upsert(&logs->roots, &key, &disk, sizeof(disk)));
    log->changed = false;
    return 0;
}

/* What of a round is left to do when the metadata lock was given back. */
enum rest { REST_NONE, REST_FLUSH, REST_LOG };

/* Writes what is in the logs. *rest makes it durable, and all data written before. */
static int write_logs(struct fs *fs, enum rest *rest)
{
    struct logs *logs = fs->logs;
    bool changed = false;

    for (struct written_log *log = logs->logs; log; log = log->next) {
        if (!log->changed)
            continue;
        changed = true;
        TRY(write_down_root(logs, log));
    }
    /* Asked again: the log blocks themselves may have taken a new chunk. */
    if (changed && !store_log_possible(fs->store))
        return FULL_COMMIT;
    int ret = changed ? store_write_log(fs->store, &logs->roots) : 0;
    /* A device that failed to write may have lost data that a later flush says nothing of
     * (promise 6). */
    if (ret < 0)
        return txn_abort(&fs->store->engine, ret);
    *rest = changed ? REST_LOG : REST_FLUSH;
    return 0;
}

/* ---- a round ----------------------------------------------------------------------------------
 */

static int log_stale(struct logging *l)
{
    struct inode *inode;
    uint64_t ino;
    bool found;

    while (logged_take_stale(l->fs, l->log->subvol, &ino)) {
        TRY(log_find(l, ino, &inode, &found));
        PASS(found ? todo_add(l, ino) : log_gone(l, ino));
    }
    return 0;
}

static int log_with_all_it_needs(struct logging *l, struct inode *inode)
{
    if (inode->deleted || inode->item.nlink == 0)
        return FULL_COMMIT;
    PASS(log_stale(l));
    PASS(log_inode(l, inode->ino));
    for (size_t i = 0; i < l->todo_count; i++)
        if (l->todo[i] != inode->ino)
            PASS(log_inode(l, l->todo[i]));
    return 0;
}

static void end_logging(struct logging *l)
{
    wishes_clear(&l->wishes);
    free(l->todo);
    free(l->looked);
}

/* The inodes that it had to hold are *held. */
static int log_request(struct fs *fs, struct inode *inode, struct logging *l)
{
    struct tree_handle *tree = inode->tree;

    if (tree_is_deleted(tree) || (tree->item.flags & ROOT_SUBVOL_RDONLY))
        return FULL_COMMIT;
    l->fs = fs;
    l->engine = &fs->store->engine;
    l->tree = tree;
    PASS(get_log(fs, tree->root.id, &l->log));
    int ret = log_with_all_it_needs(l, inode);
    end_logging(l);
    return ret;
}

struct held {
    struct inode **inodes;
    size_t count;
};

static void put_held(struct held *held)
{
    for (size_t i = 0; i < held->count; i++)
        inode_put(held->inodes[i]);
    free(held->inodes);
}

static int keep_held(struct held *held, struct logging *l)
{
    struct inode **all = realloc(held->inodes, (held->count + l->held_count + 1) * sizeof(*all));

    if (all) {
        if (l->held_count > 0)
            memcpy(all + held->count, l->held, l->held_count * sizeof(*all));
        held->inodes = all;
        held->count += l->held_count;
    }
    free(l->held);
    /* Without memory they stay in memory, which is no harm. */
    return all ? 0 : fail(-ENOMEM, "no memory for a log");
}

static int log_requests(struct fs *fs, struct request *requests, struct held *held, enum rest *rest)
{
    for (struct request *r = requests; r; r = r->next) {
        struct logging l = {0};

        int ret = log_request(fs, r->inode, &l);
        int kept = keep_held(held, &l);
        PASS(ret);
        TRY(kept);
    }
    return write_logs(fs, rest);
}

/* Whatever goes wrong with a log, a commit is still right. */
static int log_or_commit(struct fs *fs, struct request *requests, struct held *held,
                         enum rest *rest)
{
    struct store *store = fs->store;
    uint64_t bytes = (uint64_t)PROMISED_NODES * store->engine.nodesize;
    int ret = FULL_COMMIT;

    if (!fs->options.notreelog && store_log_possible(store) &&
        store_log_promise(store, bytes) == 0) {
        ret = log_requests(fs, requests, held, rest);
        store_log_unpromise(store, bytes);
    }
    if (ret == 0)
        return 0;
    if (ret < 0 && txn_writable(&store->engine) < 0)
        return ret;
    fail_clear();
    count(&fs->logs->counters.commits, 1);
    return store_commit_locked(store);
}

/* Others go on with their changes while the device flushes. */
static int do_rest(struct fs *fs, enum rest rest)
{
    if (rest == REST_NONE)
        return 0;
    TRY(rest == REST_LOG ? store_finish_log(fs->store) : store_flush(fs->store));
    count(&fs->logs->counters.logged, 1);
    return 0;
}

static int serve_all(struct fs *fs, struct request *requests)
{
    enum rest rest = REST_NONE;
    struct held held = {0};

    /* What it needs was promised to those who made the changes. */
    TRY(store_begin(fs->store, STORE_RELEASE, 0));
    int ret = log_or_commit(fs, requests, &held, &rest);
    store_end(fs->store);
    if (ret == 0)
        ret = do_rest(fs, rest);
    put_held(&held);
    return ret;
}

static void serve(struct fs *fs, struct request *requests)
{
    struct logs *logs = fs->logs;
    int ret = serve_all(fs, requests);

    pthread_mutex_lock(&logs->lock);
    for (struct request *r = requests, *next; r; r = next) {
        next = r->next;
        count(&logs->counters.shared, next != NULL);
        r->ret = ret;
        if (ret < 0)
            snprintf(r->message, sizeof(r->message), "%s", fail_message());
        r->done = true;
    }
    logs->busy = false;
    pthread_cond_broadcast(&logs->served);
    pthread_mutex_unlock(&logs->lock);
}

/*
 * Whether there is nothing to do. A commit takes note of changes when it begins, long before it is
 * durable: whoever comes meanwhile waits for its end, and hears of it when it failed.
 */
static int all_is_durable(struct store *store, bool *is)
{
    *is = false;
    if (store_is_changed(store))
        return 0;
    store_read_lock(store);
    *is = !store_is_changed(store);
    int ret = *is ? txn_writable(&store->engine) : 0;
    store_read_unlock(store);
    return ret;
}

int fsync_inode(struct inode *inode)
{
    struct fs *fs = inode->fs;
    struct logs *logs = fs->logs;
    struct request request = {.inode = inode};
    bool nothing;

    if (store_readonly(fs->store))
        return store_commit(fs->store); /* which says why */
    TRY(all_is_durable(fs->store, &nothing));
    if (nothing)
        return 0;
    pthread_mutex_lock(&logs->lock);
    request.next = logs->queue;
    logs->queue = &request;
    while (logs->busy && !request.done)
        pthread_cond_wait(&logs->served, &logs->lock);
    if (request.done) {
        pthread_mutex_unlock(&logs->lock);
        return request.ret < 0 ? fail(request.ret, "%s", request.message) : 0;
    }
    struct request *mine = logs->queue;
    logs->queue = NULL;
    logs->busy = true;
    pthread_mutex_unlock(&logs->lock);
    serve(fs, mine);
    return request.ret;
}
