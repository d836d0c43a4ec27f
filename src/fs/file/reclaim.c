// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/file/reclaim.h"

#include "base/lock.h"
#include "engine/extent/split.h"
#include "fs/file/internal.h"

/* What is not asked for is worth it from here on, or when it is that part of the extent. */
#define WORTH_BYTES MIB
#define WORTH_SHARE 4
#define WORTH_LEAST (64 * KIB)
/* Stretches of the disk that are remembered; with more, all of it is looked at. */
#define NOTED_MAX 16384
/* Extents looked at in one go under the metadata lock. */
#define LOOK_STEP 64
/* What a leaf may count that is copied. */
#define LEAF_ITEMS 32
/* Items of one extent that are changed in one transaction. */
#define ITEMS_MAX (1U << 16)

/* Stretches of the disk in which extents lost something. */
struct reclaim {
    pthread_mutex_t lock;
    struct rangeset noted; /* since files_reclaim_noted */
    struct rangeset left;  /* what that left, as not worth it or not possible then */
    bool changed;          /* since files_reclaim_for_space looked last */
    bool looked_at_all;    /* the whole disk, by that, while tree_drops were so many */
    uint64_t tree_drops;
};

int reclaim_new(struct reclaim **out)
{
    struct reclaim *reclaim = calloc(1, sizeof(*reclaim));

    if (!reclaim)
        return fail(-ENOMEM, "no memory for files");
    lock_init(&reclaim->lock, RANK_RECLAIM);
    rangeset_init(&reclaim->noted);
    rangeset_init(&reclaim->left);
    reclaim->changed = true;
    *out = reclaim;
    return 0;
}

void reclaim_free(struct reclaim *reclaim)
{
    if (!reclaim)
        return;
    rangeset_clear(&reclaim->noted);
    rangeset_clear(&reclaim->left);
    lock_destroy(&reclaim->lock);
    free(reclaim);
}

/* ---- what is remembered ---------------------------------------------------------------------- */

/* More than can be remembered: then it is somewhere on the disk. */
static void remember(struct reclaim *reclaim, struct rangeset *set, uint64_t start, uint64_t len)
{
    if (set->count < NOTED_MAX && rangeset_add(set, start, len) == 0)
        return;
    fail_clear();
    rangeset_clear(set);
    reclaim->looked_at_all = false;
    reclaim->changed = true;
}

void reclaim_note(struct fs *fs, uint64_t bytenr, uint64_t num_bytes)
{
    struct reclaim *reclaim = fs->files->reclaim;

    SCOPED_LOCK(&reclaim->lock);
    remember(reclaim, &reclaim->noted, bytenr, num_bytes);
    reclaim->changed = true;
}

static void keep_for_later(struct fs *fs, const struct range *extent)
{
    struct reclaim *reclaim = fs->files->reclaim;

    SCOPED_LOCK(&reclaim->lock);
    remember(reclaim, &reclaim->left, extent->start, extent->len);
}

/* ---- looking for extents --------------------------------------------------------------------- */

/* A walk over the data extents of a stretch of the disk. */
struct search {
    struct fs *fs;
    uint64_t at, end;
    bool only_worthy;
    uint64_t freed;
};

/* The first data extent at or after search->at. 1: none is left. */
static int next_extent(struct search *search, struct path *path, struct range *out)
{
    struct key key = key_make(search->at, KEY_EXTENT_ITEM, 0);
    int ret = path->root ? path_next(path)
                         : tree_search_ge(&search->fs->store->engine.extent_tree, &key, path);

    for (; ret == 0; ret = path_next(path)) {
        struct extent_item item;

        path_key(path, &key);
        if (key.objectid >= search->end)
            return 1;
        if (key.type != KEY_EXTENT_ITEM || path_size(path) < sizeof(disk_extent_item))
            continue;
        extent_item_decode(&item, path_data(path));
        if (!(item.flags & EXTENT_FLAG_DATA))
            continue;
        *out = (struct range){key.objectid, key.offset};
        return 0;
    }
    return ret;
}

static bool is_worthy(const struct search *search, const struct range *extent, uint64_t frees)
{
    if (frees == 0)
        return false;
    return !search->only_worthy || frees >= WORTH_BYTES ||
           (frees >= WORTH_LEAST && frees >= extent->len / WORTH_SHARE);
}

/*
 * Goes on to the next extent that is to be split; *cost says what that takes. 1: none is left. 2:
 * none so far, and others may want the lock.
 */
static int find_some(struct search *search, struct range *extent, struct extent_split *cost)
{
    AUTO_PATH struct path path = PATH_INIT;

    for (unsigned i = 0; i < LOOK_STEP; i++) {
        int ret = next_extent(search, &path, extent);
        if (ret != 0)
            return ret;
        search->at = extent->start + 1;
        TRY(extent_split_look(search->fs->store->extents, extent->start, extent->len, cost));
        if (is_worthy(search, extent, cost->frees))
            return 0;
        if (cost->frees > 0 || cost->later)
            keep_for_later(search->fs, extent);
    }
    return 2;
}

static int find_next(struct search *search, struct range *extent, struct extent_split *cost)
{
    int ret;

    do {
        store_read_lock(search->fs->store);
        ret = find_some(search, extent, cost);
        store_read_unlock(search->fs->store);
    } while (ret == 2);
    return ret;
}

/* ---- splitting ------------------------------------------------------------------------------- */

/* Each item is one place; each piece has its extent item, its end in the checksums, and free space
 * behind it. */
static unsigned units_for_split(const struct extent_split *cost)
{
    return units_for_items(1 + LEAF_ITEMS * cost->leaves) + cost->items + 3 * cost->pieces;
}

static int split_found(struct search *search, const struct range *extent,
                       const struct extent_split *cost)
{
    struct store *store = search->fs->store;
    uint64_t freed;

    int ret = cost->items <= ITEMS_MAX ? store_begin(store, STORE_RELEASE, units_for_split(cost))
                                       : -ENOSPC;
    if (ret == -ENOSPC) {
        /* Smaller ones may do, and make room for this. */
        fail_clear();
        keep_for_later(search->fs, extent);
        return 0;
    }
    TRY(ret);
    ret = extent_split(store->extents, extent->start, extent->len, cost->items, &freed);
    store_end(store);
    if (ret < 0)
        return ret;
    search->freed += freed;
    return 0;
}

static int split_all(struct search *search)
{
    struct extent_split cost;
    struct range extent;
    int ret;

    while ((ret = find_next(search, &extent, &cost)) == 0)
        TRY(split_found(search, &extent, &cost));
    return ret < 0 ? ret : 0;
}

/* Extents of the running transaction have items only when their references are run. */
static int settle_items(struct fs *fs)
{
    struct store *store = fs->store;

    TRY(store_begin(store, STORE_RELEASE, units_for_items(1)));
    int ret = extents_run(store->extents, 0);
    if (ret < 0)
        ret = txn_abort(&store->engine, ret);
    store_end(store);
    return ret;
}

/* *freed is added to. */
static int split_ranges(struct fs *fs, const struct rangeset *ranges, bool only_worthy,
                        uint64_t *freed)
{
    struct range next;

    if (rangeset_empty(ranges))
        return 0;
    TRY(settle_items(fs));
    for (uint64_t from = 0; rangeset_next(ranges, from, &next); from = next.start + next.len) {
        struct search search = {
            .fs = fs, .at = next.start, .end = next.start + next.len, .only_worthy = only_worthy};
        int ret = split_all(&search);

        *freed += search.freed;
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int split_everywhere(struct fs *fs, uint64_t *freed)
{
    struct rangeset all;

    rangeset_init(&all);
    TRY(rangeset_add(&all, 0, UINT64_MAX));
    int ret = split_ranges(fs, &all, false, freed);
    rangeset_clear(&all);
    return ret;
}

/* ---- when ------------------------------------------------------------------------------------ */

/* Takes a set of stretches over, to be cleared. */
static void take(struct reclaim *reclaim, struct rangeset *set, struct rangeset *out)
{
    SCOPED_LOCK(&reclaim->lock);
    *out = *set;
    rangeset_init(set);
}

static void note_failure(struct fs *fs)
{
    env_note(fs->env, NOTE_WARNING, "space that no file reaches stays in use: %s", fail_message());
    fail_clear();
}

void files_reclaim_noted(struct fs *fs)
{
    struct rangeset noted;
    uint64_t freed = 0;

    take(fs->files->reclaim, &fs->files->reclaim->noted, &noted);
    if (split_ranges(fs, &noted, true, &freed) < 0)
        note_failure(fs);
    rangeset_clear(&noted);
}

/* Whether there is a point in looking, and where: everywhere when `all`. */
static bool begin_looking(struct fs *fs, bool *all, struct rangeset *ranges)
{
    struct reclaim *reclaim = fs->files->reclaim;

    store_read_lock(fs->store);
    uint64_t tree_drops = extent_tree_drops(fs->store->extents);
    store_read_unlock(fs->store);

    SCOPED_LOCK(&reclaim->lock);
    if (!reclaim->changed && reclaim->tree_drops == tree_drops)
        return false;
    *all = !reclaim->looked_at_all || reclaim->tree_drops != tree_drops;
    *ranges = reclaim->left;
    rangeset_init(&reclaim->left);
    reclaim->tree_drops = tree_drops;
    reclaim->looked_at_all = true;
    reclaim->changed = false;
    if (rangeset_move(ranges, &reclaim->noted) < 0)
        *all = true;
    return true;
}

int files_reclaim_for_space(struct fs *fs, uint64_t *freed)
{
    struct rangeset ranges;
    bool all;

    *freed = 0;
    if (!begin_looking(fs, &all, &ranges))
        return 0;
    int ret = all ? split_everywhere(fs, freed) : split_ranges(fs, &ranges, false, freed);
    rangeset_clear(&ranges);
    if (ret < 0)
        note_failure(fs);
    return *freed > 0 ? store_commit(fs->store) : 0;
}

/* ---- when asked for -------------------------------------------------------------------------- */

/* Where the extents lie that items of inodes [first, last] of a tree name. */
static int collect(struct root *tree, uint64_t first, uint64_t last, struct rangeset *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(first, KEY_EXTENT_DATA, 0);

    int ret = tree_search_ge(tree, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct file_extent file;

        path_key(&path, &key);
        if (key.objectid > last)
            break;
        if (key.type != KEY_EXTENT_DATA || path_size(&path) < sizeof(disk_file_extent))
            continue;
        file_extent_decode(&file, path_data(&path));
        if (file.type != FILE_EXTENT_INLINE && file.disk_bytenr != 0 &&
            file.disk_num_bytes <= UINT64_MAX - file.disk_bytenr)
            TRY(rangeset_add(out, file.disk_bytenr, file.disk_num_bytes));
    }
    return ret < 0 ? ret : 0;
}

static int reclaim_inodes(struct fs *fs, struct tree_handle *tree, uint64_t first, uint64_t last,
                          uint64_t *freed)
{
    struct rangeset ranges;

    *freed = 0;
    rangeset_init(&ranges);
    store_read_lock(fs->store);
    int ret = collect(&tree->root, first, last, &ranges);
    store_read_unlock(fs->store);
    if (ret == 0)
        ret = split_ranges(fs, &ranges, false, freed);
    rangeset_clear(&ranges);
    return ret;
}

int files_reclaim_all(struct fs *fs, uint64_t *freed)
{
    *freed = 0;
    return split_everywhere(fs, freed);
}

int files_reclaim_tree(struct fs *fs, struct tree_handle *tree, uint64_t *freed)
{
    return reclaim_inodes(fs, tree, 0, UINT64_MAX, freed);
}

int file_reclaim(struct inode *inode, uint64_t *freed)
{
    return reclaim_inodes(inode->fs, inode->tree, inode->ino, inode->ino, freed);
}
