// SPDX-License-Identifier: GPL-2.0-or-later
/* Inodes in memory: one struct per (tree, inode), kept a while after its last use. */
#include "fs/inode/internal.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "fs/inode/table.h"

/* How many inodes that nobody uses are kept. */
#define IDLE_INODES_MAX 16384

#define FIRST_BUCKET_BITS 10
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL /* 2^64 / golden ratio: Fibonacci hashing */

/* ---- by tree and number
 * ----------------------------------------------------------------------------- */

/*
 * Inodes that are used together have numbers close together: they get buckets of their own beside
 * each other. What the numbers have above that is folded in.
 */
static struct inode **bucket_of(const struct inode_table *table, uint64_t tree, uint64_t ino)
{
    uint64_t trees = (tree * HASH_MULTIPLIER) >> (64 - table->bucket_bits);
    uint64_t high = ino >> table->bucket_bits;

    high ^= high >> table->bucket_bits;
    return &table->buckets[(ino ^ high ^ trees) & ((1ULL << table->bucket_bits) - 1)];
}

static struct inode *find(const struct fs *fs, uint64_t tree, uint64_t ino)
{
    struct inode *inode = *bucket_of(fs->inodes, tree, ino);

    while (inode && (inode->ino != ino || inode->tree_id != tree))
        inode = inode->hash_next;
    return inode;
}

static void link_in(struct inode_table *table, struct inode *inode)
{
    struct inode **bucket = bucket_of(table, inode->tree_id, inode->ino);

    inode->hash_next = *bucket;
    *bucket = inode;
}

/* Twice as many buckets; where there is no memory for them the chains grow instead. */
static void grow(struct inode_table *table)
{
    struct inode **old = table->buckets;
    uint64_t count = 1ULL << table->bucket_bits;
    struct inode **buckets = calloc(2 * count, sizeof(*buckets));

    if (!buckets)
        return;
    table->buckets = buckets;
    table->bucket_bits++;
    for (uint64_t i = 0; i < count; i++) {
        for (struct inode *inode = old[i], *next; inode; inode = next) {
            next = inode->hash_next;
            link_in(table, inode);
        }
    }
    free(old);
}

static void insert(struct inode_table *table, struct inode *inode)
{
    if (table->count >> table->bucket_bits)
        grow(table);
    link_in(table, inode);
    table->count++;
}

static void extract(struct inode_table *table, struct inode *inode)
{
    struct inode **at = bucket_of(table, inode->tree_id, inode->ino);

    while (*at != inode)
        at = &(*at)->hash_next;
    *at = inode->hash_next;
    table->count--;
}

/* ---- the table
 * -------------------------------------------------------------------------------------- */

int fs_init(struct fs *fs, struct store *store, const struct fs_options *options)
{
    struct inode_table *table = calloc(1, sizeof(*table));
    struct inode **buckets = calloc(1ULL << FIRST_BUCKET_BITS, sizeof(*buckets));

    if (!table || !buckets) {
        free(table);
        free(buckets);
        return fail(-ENOMEM, "no memory for the table of inodes");
    }
    table->buckets = buckets;
    table->bucket_bits = FIRST_BUCKET_BITS;
    TAILQ_INIT(&table->idle);
    TAILQ_INIT(&table->dirty);
    *fs = (struct fs){
        .store = store,
        .env = store->engine.env,
        .options = *options,
        .inodes = table,
    };
    lock_init(&fs->inodes_lock, RANK_INODES);
    return 0;
}

static void inode_free(struct inode *inode)
{
    if (inode->file && inode->fs->free_content)
        inode->fs->free_content(inode);
    rwlock_destroy(&inode->lock);
    lock_destroy(&inode->item_lock);
    free(inode);
}

void fs_release(struct fs *fs)
{
    struct inode_table *table = fs->inodes;

    for (uint64_t i = 0; i < 1ULL << table->bucket_bits; i++) {
        for (struct inode *inode = table->buckets[i], *next; inode; inode = next) {
            next = inode->hash_next;
            inode_free(inode);
        }
    }
    free(table->buckets);
    free(table);
    lock_destroy(&fs->inodes_lock);
}

static void take(struct fs *fs, struct inode *inode)
{
    if (inode->refs++ == 0 && inode->idle) {
        TAILQ_REMOVE(&fs->inodes->idle, inode, lru);
        inode->idle = false;
        fs->inodes->idle_count--;
    }
}

static int read_item(struct tree_handle *tree, uint64_t ino, struct inode_item *out)
{
    struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search(&tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-ENOENT, "tree %llu: no inode %llu", (unsigned long long)tree->root.id,
                    (unsigned long long)ino);
    if (path_size(&path) < sizeof(disk_inode_item))
        return fail(-EUCLEAN, "%s: too short for an inode", path_where(&path));
    inode_item_decode(out, path_data(&path));
    if (out->size > INT64_MAX)
        return fail(-EUCLEAN, "%s: inode of %llu bytes is impossible", path_where(&path),
                    (unsigned long long)out->size);
    return 0;
}

struct inode *table_new_inode(struct fs *fs, struct tree_handle *tree, uint64_t ino,
                              const struct inode_item *item)
{
    struct inode *inode = calloc(1, sizeof(*inode));

    if (!inode)
        return NULL;
    inode->fs = fs;
    inode->tree = tree;
    inode->ino = ino;
    inode->refs = 1;
    inode->item = *item;
    inode->written = item->transid;
    inode->disk_size = item->size;
    inode->tree_id = tree->root.id;
    rwlock_init(&inode->lock, RANK_INODE);
    lock_init(&inode->item_lock, RANK_ITEM);
    return inode;
}

/* Puts a fresh inode into the table, or drops it in favour of one that came first. */
struct inode *table_add(struct fs *fs, struct inode *inode)
{
    SCOPED_LOCK(&fs->inodes_lock);
    struct inode *there = find(fs, inode->tree_id, inode->ino);
    if (there) {
        inode_free(inode);
        take(fs, there);
        return there;
    }
    insert(fs->inodes, inode);
    return inode;
}

static struct inode *find_and_take(struct fs *fs, struct tree_handle *tree, uint64_t ino)
{
    SCOPED_LOCK(&fs->inodes_lock);
    struct inode *inode = find(fs, tree->root.id, ino);
    if (inode)
        take(fs, inode);
    return inode;
}

int inode_get_locked(struct fs *fs, struct tree_handle *tree, uint64_t ino, struct inode **out)
{
    struct inode *inode = find_and_take(fs, tree, ino);
    struct inode_item item;

    if (!inode) {
        TRY(read_item(tree, ino, &item));
        inode = table_new_inode(fs, tree, ino, &item);
        if (!inode)
            return fail(-ENOMEM, "no memory for inode %llu", (unsigned long long)ino);
        inode = table_add(fs, inode);
    }
    *out = inode;
    return 0;
}

int inode_get_virtual(struct fs *fs, struct tree_handle *tree, uint64_t ino,
                      const struct inode_item *item, struct inode **out)
{
    struct inode *inode = find_and_take(fs, tree, ino);

    if (!inode) {
        inode = table_new_inode(fs, tree, ino, item);
        if (!inode)
            return fail(-ENOMEM, "no memory for an inode");
        inode->deleted = true; /* never written */
        inode = table_add(fs, inode);
    }
    *out = inode;
    return 0;
}

int inode_get(struct fs *fs, struct tree_handle *tree, uint64_t ino, struct inode **out)
{
    struct inode *inode = find_and_take(fs, tree, ino);

    if (inode) {
        *out = inode;
        return 0;
    }
    store_read_lock(fs->store);
    int ret = inode_get_locked(fs, tree, ino, out);
    store_read_unlock(fs->store);
    return ret;
}

struct inode *inode_ref(struct inode *inode)
{
    SCOPED_LOCK(&inode->fs->inodes_lock);
    inode->refs++;
    return inode;
}

static void forget(struct fs *fs, struct inode *inode)
{
    if (!inode->gone)
        extract(fs->inodes, inode);
    inode_free(inode);
}

/* There is no item any more that could be written. */
static void forget_deleted(struct fs *fs, struct inode *inode)
{
    if (inode->item_dirty) {
        TAILQ_REMOVE(&fs->inodes->dirty, inode, dirty);
        inode->item_dirty = false;
    }
    forget(fs, inode);
}

/* Keeps an unused inode for later, and lets go of the oldest ones. */
static void make_idle(struct fs *fs, struct inode *inode)
{
    struct inode_table *table = fs->inodes;

    inode->idle = true;
    TAILQ_INSERT_TAIL(&table->idle, inode, lru);
    table->idle_count++;
    while (table->idle_count > IDLE_INODES_MAX) {
        struct inode *oldest = TAILQ_FIRST(&table->idle);

        TAILQ_REMOVE(&table->idle, oldest, lru);
        oldest->idle = false;
        table->idle_count--;
        forget(fs, oldest);
    }
}

static void leave_table(struct fs *fs, struct inode *inode)
{
    struct inode_table *table = fs->inodes;

    extract(table, inode);
    inode->gone = inode->deleted = true;
    if (inode->item_dirty) {
        TAILQ_REMOVE(&table->dirty, inode, dirty);
        inode->item_dirty = false;
    }
    if (inode->idle) {
        TAILQ_REMOVE(&table->idle, inode, lru);
        table->idle_count--;
        inode->idle = false;
    }
    if (inode->refs == 0)
        inode_free(inode);
}

void inodes_forget_tree(struct fs *fs, uint64_t tree_id)
{
    struct inode_table *table = fs->inodes;

    SCOPED_LOCK(&fs->inodes_lock);
    for (uint64_t i = 0; i < 1ULL << table->bucket_bits; i++) {
        for (struct inode *inode = table->buckets[i], *next; inode; inode = next) {
            next = inode->hash_next;
            if (inode->tree_id == tree_id)
                leave_table(fs, inode);
        }
    }
}

/*
 * Nobody refers to it any more. A dirty one stays until it is written, and one that is being
 * written until it has been.
 */
static void unused(struct fs *fs, struct inode *inode)
{
    if (inode->writing)
        return;
    if (inode->deleted)
        forget_deleted(fs, inode);
    else if (!inode->item_dirty)
        make_idle(fs, inode);
}

void inode_put(struct inode *inode)
{
    if (!inode)
        return;
    struct fs *fs = inode->fs;

    pthread_mutex_lock(&fs->inodes_lock);
    INVARIANT(inode->refs > 0, "an inode is put as often as it is taken");
    bool last = inode->refs == 1;
    if (last && inode->orphan && !inode->deleted && fs->last_put) {
        /* Still referred to once, by the deletion. */
        pthread_mutex_unlock(&fs->inodes_lock);
        fs->last_put(inode);
        return;
    }
    inode->refs--;
    if (last)
        unused(fs, inode);
    pthread_mutex_unlock(&fs->inodes_lock);
}

void inode_put_deleted(struct inode *inode)
{
    struct fs *fs = inode->fs;

    SCOPED_LOCK(&fs->inodes_lock);
    /* What could not be deleted has an item that still has to say so. */
    if (--inode->refs == 0)
        unused(fs, inode);
}

/* ---- dirty items
 * ---------------------------------------------------------------------------------- */

void inode_mark_dirty(struct inode *inode)
{
    struct fs *fs = inode->fs;

    SCOPED_LOCK(&fs->inodes_lock);
    if (inode->item_dirty || inode->deleted)
        return;
    inode->item_dirty = true;
    inode->leaf_ours = false;
    TAILQ_INSERT_TAIL(&fs->inodes->dirty, inode, dirty);
    store_mark_changed(fs->store);
}

/*
 * Takes an inode, NULL: the first, off the dirty list and keeps it in memory for the caller, who
 * is the only one to write: the metadata lock is held alone. Not by a reference, because whoever
 * puts the last one has an orphan to delete. NULL: nothing to write.
 */
static struct inode *take_dirty(struct fs *fs, struct inode *inode)
{
    SCOPED_LOCK(&fs->inodes_lock);
    if (!inode)
        inode = TAILQ_FIRST(&fs->inodes->dirty);
    if (!inode || !inode->item_dirty)
        return NULL;
    TAILQ_REMOVE(&fs->inodes->dirty, inode, dirty);
    inode->item_dirty = false;
    inode->writing = true;
    return inode;
}

static int write_taken(struct fs *fs, struct inode *inode)
{
    int ret = inode->deleted ? 0 : inode_write_item(inode);

    SCOPED_LOCK(&fs->inodes_lock);
    inode->writing = false;
    if (inode->refs == 0)
        unused(fs, inode);
    return ret;
}

int inode_write(struct inode *inode)
{
    struct fs *fs = inode->fs;

    return take_dirty(fs, inode) ? write_taken(fs, inode) : 0;
}

static uint64_t count_dirty(struct fs *fs)
{
    struct inode *inode;
    uint64_t count = 0;

    SCOPED_LOCK(&fs->inodes_lock);
    TAILQ_FOREACH (inode, &fs->inodes->dirty, dirty)
        count++;
    return count;
}

/* The first dirty inode, if it belongs to that tree; else it goes behind the others. */
static struct inode *first_of_tree(struct fs *fs, uint64_t tree_id)
{
    struct inode_list *list = &fs->inodes->dirty;

    SCOPED_LOCK(&fs->inodes_lock);
    struct inode *first = TAILQ_FIRST(list);
    if (!first || first->tree_id == tree_id)
        return first;
    TAILQ_REMOVE(list, first, dirty);
    TAILQ_INSERT_TAIL(list, first, dirty);
    return NULL;
}

int inodes_write_dirty_of(struct fs *fs, uint64_t tree_id)
{
    for (uint64_t left = count_dirty(fs); left > 0; left--) {
        struct inode *inode = first_of_tree(fs, tree_id);

        /* Held by the metadata lock: only a commit or another snapshot takes it off the list. */
        if (inode)
            TRY(inode_write(inode));
    }
    return 0;
}

/* What one change writes for others at most. */
#define SHARED_AT_ONCE 8

/* A leaf that was written since the last snapshot is nobody else's. */
static bool leaf_may_be_shared(const struct inode *inode)
{
    uint64_t snapshot = inode->tree->root.last_snapshot;

    return !inode->deleted && inode->written <= snapshot && inode->copied_after < snapshot;
}

/* The last inode that became dirty and whose leaf may be shared; those behind it were looked at. */
static struct inode *last_shared(struct fs *fs)
{
    struct inode *inode;

    SCOPED_LOCK(&fs->inodes_lock);
    TAILQ_FOREACH_REVERSE(inode, &fs->inodes->dirty, inode_list, dirty)
    {
        if (inode->leaf_ours)
            return NULL;
        if (leaf_may_be_shared(inode))
            return inode;
        inode->leaf_ours = true;
    }
    return NULL;
}

int inodes_write_shared(struct fs *fs)
{
    struct inode *inode;

    for (unsigned i = 0; i < SHARED_AT_ONCE && (inode = last_shared(fs)); i++)
        TRY(inode_write(inode));
    return 0;
}

/* As many as there are now: those who write files meanwhile would never let this end. */
int inodes_write_dirty(struct fs *fs)
{
    struct inode *inode;

    for (uint64_t left = count_dirty(fs); left > 0 && (inode = take_dirty(fs, NULL)); left--)
        TRY(write_taken(fs, inode));
    return 0;
}
