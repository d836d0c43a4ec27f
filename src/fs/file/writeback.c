// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writeback: which file when, and the steps of one batch. All dirty runs of a file are launched at
 * once, so that what a caller waits for is what was dirty when it called, and then leave in
 * batches.
 */
#include "fs/file/batch.h"

/* Bytes in one batch: what one extent may hold if the disk has it in one piece. */
#define BATCH_BYTES DATA_EXTENT_MAX
#define DIRTY_LIMIT_DEFAULT (64 * MIB)

/* ---- one file -------------------------------------------------------------------------------- */

/* Takes the first runs in flight into the batch. */
static void batch_fill(struct batch *batch)
{
    struct run *run = runs_after(batch->flight, 0);
    uint64_t all = 0;

    batch->start = run->start;
    for (; run && all < BATCH_BYTES; run = runs_after(batch->flight, run_end(run))) {
        all += run->len;
        batch->bytes += run->claim == CLAIM_NONE ? run->len : 0;
        batch->units += run->units;
        batch->end = run_end(run);
    }
}

/* Whether the whole file is one sector, in the batch, and may live in its item if it fits. */
static bool may_be_inline(const struct batch *batch)
{
    return batch->start == 0 && batch->bytes == file_sectorsize(batch->inode) &&
           inline_possible(batch->inode, batch->size);
}

static int write_inline(struct batch *batch, const struct packed *content)
{
    struct store *store = batch->inode->fs->store;

    int ret = batch_begin(batch, 1, 1);
    store_unpromise_data(store, batch->bytes);
    if (ret < 0)
        return ret;
    ret = inline_put(batch->inode, content->bytes, content->len, batch->size, content->compression);
    compress_note_feature(file_engine(batch->inode), content->compression);
    if (ret == 0)
        ret = size_settle(batch->inode, 0, batch->end, batch->size);
    if (ret < 0)
        ret = change_failed(batch->inode, ret);
    store_end(store);
    return ret;
}

static void count_bytes(const struct batch *batch)
{
    struct file_shared *shared = batch->inode->fs->files;

    SCOPED_LOCK(&shared->lock);
    for (size_t i = 0; i < batch->count; i++) {
        const struct plan *plan = &batch->plans[i];

        *(plan->claim == CLAIM_NONE ? &shared->counters.copied : &shared->counters.in_place) +=
            plan->len;
    }
}

static int write_extents(struct batch *batch)
{
    int ret = batch_plan(batch);
    if (ret < 0) {
        store_unpromise_data(batch->inode->fs->store, batch->bytes);
        return ret;
    }
    TRY(batch_allocate(batch));
    ret = batch_output(batch);
    if (ret < 0) {
        batch_undo(batch, 0, true);
        return ret;
    }
    /* What went in place may be all there is for the next commit to flush (promise 6). */
    store_mark_changed(batch->inode->fs->store);
    count_bytes(batch);
    return batch_swap(batch);
}

/* Inline where the content fits into the item, compressed if the inode wants that. */
static int write_somehow(struct batch *batch)
{
    CLEANUP(packed_release) struct packed content = {0};

    if (may_be_inline(batch)) {
        content.bytes = runs_after(batch->flight, 0)->data;
        content.len = (uint32_t)batch->size;
        int ret = compress_inline(batch->inode, &content);
        if (ret < 0) {
            store_unpromise_data(batch->inode->fs->store, batch->bytes);
            return ret;
        }
        if (inline_fits(batch->inode, content.len))
            return write_inline(batch, &content);
    }
    return write_extents(batch);
}

static int write_batch(struct file_state *file, struct run_tree *flight, uint64_t size)
{
    CLEANUP(batch_release)
    struct batch batch = {
        .file = file,
        .inode = file->inode,
        .flight = flight,
        .size = size,
    };

    batch_fill(&batch);
    int ret = write_somehow(&batch);
    /* In this order: nothing pending, nothing promised. */
    store_unpromise(file->inode->fs->store, batch.units);
    pthread_mutex_lock(&file->lock);
    runs_land(file, flight, batch.end);
    pthread_mutex_unlock(&file->lock);
    file_landed(file);
    return ret;
}

/* What is dirty from now on is younger than that of any other file. */
static void refresh_age(struct file_state *file)
{
    struct fs *fs = file->inode->fs;

    SCOPED_LOCK(&fs->files->lock);
    if (!file->listed)
        return;
    file->dirty_since_ns = env_monotonic_ns(fs->env);
    TAILQ_REMOVE(&fs->files->dirty_files, file, entry);
    TAILQ_INSERT_TAIL(&fs->files->dirty_files, file, entry);
}

static int write_flight(struct file_state *file, struct run_tree *flight, uint64_t size)
{
    struct inode *inode = file->inode;
    int first = 0;

    while (!RB_EMPTY(flight)) {
        int ret = write_batch(file, flight, size);
        if (ret == 0)
            continue;
        env_note(inode->fs->env, NOTE_ERROR, "tree %llu inode %llu: written data is lost: %s",
                 LLU(inode->tree->root.id), LLU(inode->ino), fail_message());
        file_set_error(file, ret);
        first = first ? first : ret;
    }
    return first;
}

static uint64_t launch_whole(struct file_state *file)
{
    pthread_mutex_lock(&file->lock);
    runs_launch(file, &file->flight, 0, UINT64_MAX);
    uint64_t size = size_get(file->inode);
    pthread_mutex_unlock(&file->lock);
    refresh_age(file);
    return size;
}

int writeback_held(struct file_state *file)
{
    return write_flight(file, &file->flight, launch_whole(file));
}

/* The same by a holder that does nothing else, and gives the file up. */
static int writeback_and_unhold(struct file_state *file)
{
    uint64_t size = launch_whole(file);

    file_let_in(file);
    int ret = write_flight(file, &file->flight, size);
    file_unhold(file);
    return ret;
}

static bool range_is_clean(struct file_state *file, uint64_t start, uint64_t end)
{
    SCOPED_LOCK(&file->lock);
    struct run *run = runs_after(&file->dirty, start);
    return !run || run->start >= end;
}

/* Nothing is written behind the end that the inode has on disk without what lies between: a crash
 * would leave data behind the end of the file. */
static uint64_t begin_at_disk_size(struct inode *inode, uint64_t start, uint64_t end)
{
    SCOPED_LOCK(&inode->item_lock);
    return end > inode->disk_size ? MIN(start, inode->disk_size) : start;
}

/* Runs are cut at the edges; where the metadata for that is not to be had, more is written. */
int writeback_range_counted(struct file_state *file, uint64_t start, uint64_t end,
                            struct written *written)
{
    struct run_tree *flight = file->guest ? &file->aside : &file->flight;
    struct store *store = file->inode->fs->store;
    uint32_t sector = file_sectorsize(file->inode);
    unsigned units = 2 * RUN_SPLIT_UNITS;
    uint64_t asked = round_down_to(start, sector);

    start = round_down_to(begin_at_disk_size(file->inode, start, end), sector);
    if (end != UINT64_MAX)
        end = round_up_to(end, sector);
    if (range_is_clean(file, start, end))
        return 0;
    if (store_promise(store, units) < 0) {
        fail_clear();
        units = 0;
    }
    pthread_mutex_lock(&file->lock);
    runs_split(file, start, &units);
    runs_split(file, end, &units);
    runs_launch(file, flight, start, end);
    written->bytes = runs_bytes(flight, 0, UINT64_MAX);
    written->outside = written->bytes - runs_bytes(flight, asked, end);
    uint64_t size = size_get(file->inode);
    pthread_mutex_unlock(&file->lock);
    if (units > 0)
        store_unpromise(store, units);
    return write_flight(file, flight, size);
}

int writeback_range(struct file_state *file, uint64_t start, uint64_t end)
{
    struct written written = {0};

    return writeback_range_counted(file, start, end, &written);
}

static int writeback_all_of_it(struct inode *inode)
{
    struct file_state *file = file_state_peek(inode);

    if (!file)
        return 0;
    file_hold(file);
    return writeback_and_unhold(file);
}

int file_writeback(struct inode *inode)
{
    int ret = writeback_all_of_it(inode);
    int err = file_take_error(inode);

    return err < 0 ? err : ret;
}

int file_writeback_for(struct inode *inode, uint64_t *seen)
{
    int ret = writeback_all_of_it(inode);
    int err = file_new_error(inode, seen);

    return err < 0 ? err : ret;
}

/* ---- all files ------------------------------------------------------------------------------- */

/* References to the inodes that have dirty data now; tree_id 0: of all trees. */
static int dirty_inodes(struct fs *fs, uint64_t tree_id, struct files_held *out)
{
    struct file_state *file;
    size_t count = 0;

    SCOPED_LOCK(&fs->files->lock);
    TAILQ_FOREACH (file, &fs->files->dirty_files, entry)
        count++;
    struct inode **inodes = calloc(count + 1, sizeof(*inodes));
    if (!inodes)
        return fail(-ENOMEM, "no memory for a list of files");
    *out = (struct files_held){.inodes = inodes};
    TAILQ_FOREACH (file, &fs->files->dirty_files, entry)
        if (tree_id == 0 || file->inode->tree->root.id == tree_id)
            inodes[out->count++] = inode_ref(file->inode);
    return 0;
}

/* The first error is the answer; it stays to be taken by who asks for that very file. */
static int writeback_all_of(struct fs *fs, uint64_t tree_id)
{
    struct files_held set;
    int first = 0;

    TRY(dirty_inodes(fs, tree_id, &set));
    for (size_t i = 0; i < set.count; i++) {
        struct file_state *file = set.inodes[i]->file;

        file_hold(file);
        int ret = writeback_and_unhold(file);
        inode_put(set.inodes[i]);
        first = first ? first : ret;
    }
    free(set.inodes);
    return first;
}

/* Data was lost where nobody could be told: the next who asks for all files is (promise 6). */
static void keep_for_all(struct fs *fs, int err)
{
    SCOPED_LOCK(&fs->files->lock);
    if (fs->files->error == 0)
        fs->files->error = err;
}

static int take_error_of_all(struct fs *fs)
{
    SCOPED_LOCK(&fs->files->lock);
    int err = fs->files->error;
    fs->files->error = 0;
    return err < 0 ? fail(err, "writing back a file failed earlier") : 0;
}

int files_writeback_all(struct fs *fs)
{
    int ret = writeback_all_of(fs, 0);
    int err = take_error_of_all(fs);
    return ret < 0 ? ret : err;
}

int files_writeback_tree(struct fs *fs, uint64_t tree_id)
{
    return writeback_all_of(fs, tree_id);
}

/* Most of it while others still write; the rest alone. */
int files_quiesce(struct fs *fs, uint64_t tree_id)
{
    TRY(writeback_all_of(fs, tree_id));
    pthread_rwlock_wrlock(&fs->files->gate);
    int ret = writeback_all_of(fs, tree_id);
    if (ret < 0)
        files_resume(fs);
    return ret;
}

void files_resume(struct fs *fs)
{
    pthread_rwlock_unlock(&fs->files->gate);
}

int files_hold_tree(struct fs *fs, uint64_t tree_id, struct files_held *out)
{
    struct files_held held;

    pthread_rwlock_wrlock(&fs->files->gate);
    int ret = dirty_inodes(fs, tree_id, &held);
    if (ret < 0) {
        files_resume(fs);
        return ret;
    }
    for (size_t i = 0; i < held.count; i++)
        file_hold(held.inodes[i]->file);
    *out = held;
    return 0;
}

static void release_held(struct fs *fs, struct files_held *held, bool forget)
{
    for (size_t i = 0; i < held->count; i++) {
        if (forget)
            file_forget_dirty(held->inodes[i], 0);
        file_unhold(held->inodes[i]->file);
        inode_put(held->inodes[i]);
    }
    free(held->inodes);
    *held = (struct files_held){0};
    files_resume(fs);
}

void files_forget_held(struct fs *fs, struct files_held *held)
{
    release_held(fs, held, true);
}

void files_release_held(struct fs *fs, struct files_held *held)
{
    release_held(fs, held, false);
}

int writeback_for_space(struct fs *fs)
{
    struct files_held set;

    TRY(dirty_inodes(fs, 0, &set));
    for (size_t i = 0; i < set.count; i++) {
        struct file_state *file = set.inodes[i]->file;

        /* Not a matter of this caller: the error stays with the file. */
        if (file_try_hold(file)) {
            int ret = writeback_and_unhold(file);
            if (ret < 0) {
                keep_for_all(fs, ret);
                fail_clear();
            }
        }
        inode_put(set.inodes[i]);
    }
    free(set.inodes);
    return store_commit(fs->store);
}

int files_settle(struct fs *fs, bool again)
{
    uint64_t freed;

    return again ? files_reclaim_for_space(fs, &freed) : writeback_for_space(fs);
}

/* ---- in the background ----------------------------------------------------------------------- */

static uint64_t dirty_limit(const struct fs *fs)
{
    return fs->options.dirty_limit_bytes ? fs->options.dirty_limit_bytes : DIRTY_LIMIT_DEFAULT;
}

static bool is_due(const struct fs *fs, const struct file_state *file, uint64_t now,
                   uint64_t age_ns)
{
    return fs->files->pending_bytes > dirty_limit(fs) || now - file->dirty_since_ns >= age_ns;
}

/* Holds the file that has been dirty longest, if it is due; the caller owns a reference of its
 * inode too. shared->lock held. */
static struct file_state *pick(struct fs *fs, uint64_t age_ns)
{
    uint64_t now = env_monotonic_ns(fs->env);
    struct file_state *file;

    TAILQ_FOREACH (file, &fs->files->dirty_files, entry) {
        if (!is_due(fs, file, now, age_ns) || !file_hold_taken(file))
            continue;
        inode_ref(file->inode);
        return file;
    }
    return NULL;
}

/* Nobody but the list of dirty files (and the caller) knows it any more. */
static bool is_unreachable(struct inode *inode)
{
    SCOPED_LOCK(&inode->fs->inodes_lock);
    return inode->orphan && inode->refs <= 2;
}

static int writeback_picked(struct file_state *file)
{
    struct inode *inode = file->inode;
    int ret = 0;

    if (is_unreachable(inode)) {
        file_forget_dirty(inode, 0);
        file_unhold(file);
    } else {
        ret = writeback_and_unhold(file);
    }
    if (ret < 0)
        keep_for_all(inode->fs, ret);
    inode_put(inode);
    return ret;
}

int files_writeback_step(struct fs *fs, uint64_t age_ns, bool *more)
{
    pthread_mutex_lock(&fs->files->lock);
    struct file_state *file = pick(fs, age_ns);
    pthread_mutex_unlock(&fs->files->lock);
    *more = file != NULL;
    return file ? writeback_picked(file) : 0;
}

void writeback_throttle(struct fs *fs)
{
    struct file_shared *shared = fs->files;

    for (;;) {
        struct file_state *file = NULL;

        pthread_mutex_lock(&shared->lock);
        if (shared->pending_bytes > dirty_limit(fs) && !TAILQ_EMPTY(&shared->dirty_files)) {
            file = pick(fs, 0);
            if (!file)
                pthread_cond_wait(&shared->progress, &shared->lock);
        }
        bool enough = shared->pending_bytes <= dirty_limit(fs) || TAILQ_EMPTY(&shared->dirty_files);
        pthread_mutex_unlock(&shared->lock);
        /* Its error is for who asks for that file. */
        if (file && writeback_picked(file) < 0)
            fail_clear();
        if (!file && enough)
            return;
    }
}
