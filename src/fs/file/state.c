// SPDX-License-Identifier: GPL-2.0-or-later
/* What the module keeps for a file and for all files: who has dirty data, who writes it back. */
#include "fs/file/internal.h"

#include "base/lock.h"

void files_enter(struct fs *fs)
{
    pthread_rwlock_rdlock(&fs->files->gate);
}

void files_leave(struct fs *fs)
{
    pthread_rwlock_unlock(&fs->files->gate);
}

/* Tree blocks and file data share one budget, and tree blocks come first. */
static void share_memory(void *ctx, uint64_t node_bytes)
{
    struct fs *fs = ctx;
    uint64_t all = fs->options.data_cache_bytes;
    uint64_t left = all - MIN(all, node_bytes);

    data_cache_limit(fs->files->data_cache, MAX(left, fs->options.data_cache_least));
}

static int make_caches(struct fs *fs, struct file_shared *shared)
{
    TRY(data_cache_new(fs->options.data_cache_bytes, fs->store->engine.sectorsize,
                       &shared->data_cache));
    int ret = unpack_cache_new(&shared->unpacked);
    if (ret == 0)
        ret = reclaim_new(&shared->reclaim);
    if (ret < 0) {
        unpack_cache_free(shared->unpacked);
        data_cache_free(shared->data_cache);
    }
    return ret;
}

int files_init(struct fs *fs)
{
    struct file_shared *shared = calloc(1, sizeof(*shared));

    if (!shared)
        return fail(-ENOMEM, "no memory for files");
    int ret = make_caches(fs, shared);
    if (ret < 0) {
        free(shared);
        return ret;
    }
    /* Who waits to be alone comes before new ones, or a busy file system is never quiet. */
    rwlock_init_writers_first(&shared->gate, RANK_GATE);
    lock_init(&shared->lock, RANK_FILES);
    pthread_cond_init(&shared->progress, NULL);
    TAILQ_INIT(&shared->dirty_files);
    fs->files = shared;
    fs->free_content = file_state_free;
    forest_watch_memory(fs->store->engine.forest, share_memory, fs);
    return 0;
}

/* Drops what was never written: a file system that failed, or that is left on purpose. */
static void forget_all(struct fs *fs)
{
    struct file_shared *shared = fs->files;
    struct file_state *file;

    while ((file = TAILQ_FIRST(&shared->dirty_files))) {
        file_hold(file);
        file_forget_dirty(file->inode, 0);
        file_unhold(file);
    }
}

void files_release(struct fs *fs)
{
    struct file_shared *shared = fs->files;

    forget_all(fs);
    INVARIANT(shared->pending_bytes == 0, "I2: nothing dirty, nothing pending");
    INVARIANT(shared->promising == 0, "I2: promises are given back");
    if (fs->store->space)
        files_check_promises(fs);
    forest_watch_memory(fs->store->engine.forest, NULL, NULL);
    data_cache_free(shared->data_cache);
    unpack_cache_free(shared->unpacked);
    reclaim_free(shared->reclaim);
    runs_free_spares(shared);
    pthread_cond_destroy(&shared->progress);
    lock_destroy(&shared->lock);
    rwlock_destroy(&shared->gate);
    free(shared);
    fs->files = NULL;
}

uint64_t files_dirty_bytes(const struct fs *fs)
{
    SCOPED_LOCK(&fs->files->lock);
    return fs->files->pending_bytes;
}

void files_counters(const struct fs *fs, struct file_counters *out)
{
    SCOPED_LOCK(&fs->files->lock);
    *out = fs->files->counters;
}

int file_check_regular(const struct inode *inode)
{
    if (inode_is_reg(inode))
        return 0;
    return fail(inode_is_dir(inode) ? -EISDIR : -EINVAL, "inode %llu is no regular file",
                LLU(inode->ino));
}

int content_may_change(const struct inode *inode, bool append_ok)
{
    TRY(inode_may_change(inode, append_ok));
    if (inode_flags(inode) & INODE_RO_VERITY)
        return fail(-EPERM, "inode %llu is sealed by fs-verity", LLU(inode->ino));
    return 0;
}

/* ---- one file -------------------------------------------------------------------------------- */

struct file_state *file_state_peek(struct inode *inode)
{
    return __atomic_load_n(&inode->file, __ATOMIC_ACQUIRE);
}

int file_state_get(struct inode *inode, struct file_state **out)
{
    struct file_state *file = file_state_peek(inode);

    if (!file) {
        SCOPED_LOCK(&inode->fs->files->lock);
        file = file_state_peek(inode);
        if (!file) {
            file = calloc(1, sizeof(*file));
            if (!file)
                return fail(-ENOMEM, "no memory for inode %llu", LLU(inode->ino));
            file->inode = inode;
            lock_init(&file->lock, RANK_FILE);
            __atomic_store_n(&inode->file, file, __ATOMIC_RELEASE);
        }
    }
    *out = file;
    return 0;
}

void file_state_free(struct inode *inode)
{
    struct file_state *file = inode->file;

    if (!file)
        return;
    INVARIANT(runs_are_clean(file) && !file->listed,
              "I2: an inode with dirty data stays in memory");
    lock_destroy(&file->lock);
    free(file);
    inode->file = NULL;
}

void file_pending_add(struct file_state *file, uint64_t bytes)
{
    quota_pending_add(file, bytes);
    SCOPED_LOCK(&file->inode->fs->files->lock);
    file->inode->fs->files->pending_bytes += bytes;
}

void file_pending_sub(struct file_state *file, uint64_t bytes)
{
    quota_pending_sub(file, bytes);
    SCOPED_LOCK(&file->inode->fs->files->lock);
    INVARIANT(file->inode->fs->files->pending_bytes >= bytes, "I2: pending bytes are counted once");
    file->inode->fs->files->pending_bytes -= bytes;
}

void file_enlist(struct file_state *file)
{
    struct fs *fs = file->inode->fs;

    if (RB_EMPTY(&file->dirty))
        return;
    SCOPED_LOCK(&fs->files->lock);
    if (file->listed)
        return;
    inode_ref(file->inode);
    file->dirty_since_ns = env_monotonic_ns(fs->env);
    TAILQ_INSERT_TAIL(&fs->files->dirty_files, file, entry);
    file->listed = true;
}

/* ---- errors ---------------------------------------------------------------------------------- */

void file_set_error(struct file_state *file, int err)
{
    SCOPED_LOCK(&file->lock);
    file->error = err;
    file->errors++;
}

uint64_t file_errors_seen(struct inode *inode)
{
    struct file_state *file = file_state_peek(inode);

    if (!file)
        return 0;
    SCOPED_LOCK(&file->lock);
    return file->errors_told;
}

static int new_error(struct file_state *file, uint64_t *seen)
{
    SCOPED_LOCK(&file->lock);
    int err = *seen < file->errors ? file->error : 0;
    *seen = file->errors;
    file->errors_told = file->errors;
    return err;
}

static int error_earlier(const struct inode *inode, int err)
{
    return err == 0 ? 0
                    : fail(err, "tree %llu inode %llu: writing back failed earlier",
                           LLU(inode->tree->root.id), LLU(inode->ino));
}

int file_new_error(struct inode *inode, uint64_t *seen)
{
    struct file_state *file = file_state_peek(inode);

    return file ? error_earlier(inode, new_error(file, seen)) : 0;
}

int file_take_error(struct inode *inode)
{
    struct file_state *file = file_state_peek(inode);

    return file ? error_earlier(inode, new_error(file, &file->errors_taken)) : 0;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

void file_forget_dirty(struct inode *inode, uint64_t from)
{
    struct file_state *file = file_state_peek(inode);

    if (!file)
        return;
    promise_expect(inode->fs);
    pthread_mutex_lock(&file->lock);
    struct promise freed = runs_cut(file, round_up_to(from, file_sectorsize(inode)));
    pthread_mutex_unlock(&file->lock);
    promise_give_back(inode->fs, freed);
}

uint64_t file_dirty_bytes(struct inode *inode)
{
    struct file_state *file = file_state_peek(inode);

    if (!file)
        return 0;
    SCOPED_LOCK(&file->lock);
    return file->dirty_new + file->flight_new;
}
