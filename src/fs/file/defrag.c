// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Defragmentation: what lies in small extents is written again, in large ones, or compressed in
 * another way. The bytes become dirty as they are and go the way of all dirty data, so a crash
 * leaves old extents or new ones with the same content. What is shared is left alone: a copy of its
 * own would take more space than it saves.
 */
#include "engine/extent/sharing.h"
#include "fs/file/batch.h"

#include "disk/compress/compress.h"

/* Bytes under one lock, in whole extents as far as possible. */
#define DEFRAG_WINDOW (32 * MIB)
#define COPY_BYTES (1 * MIB)

struct defrag {
    struct file_state *file;
    const struct file_defrag *options;
    uint64_t *rewritten;
};

/* Neighbours in the file that are to become one. */
struct group {
    uint64_t start, end;
    unsigned extents;
    bool recompress; /* one of them is not compressed as asked for */
};

/* ---- which extents --------------------------------------------------------------------------- */

static bool is_small(const struct defrag *d, const struct mapping *map)
{
    uint64_t most = map->compression ? COMPRESSED_EXTENT_MAX : DATA_EXTENT_MAX;

    return map->len < MIN(d->options->threshold, most);
}

static bool wants_other(const struct defrag *d, const struct mapping *map)
{
    const struct file_defrag *o = d->options;

    if (!o->recompress || (inode_flags(d->file->inode) & INODE_NODATASUM))
        return false;
    return map->compression != o->type || (o->type && o->level != COMPRESS_LEVEL_DEFAULT);
}

static int is_shared(struct inode *inode, const struct mapping *map, bool *shared)
{
    struct extent_use use = map_use(inode, map, map->start, map->len);

    return extent_range_is_shared(inode->fs->store->extents, &use, shared);
}

/* The mapping at pos, and whether it may and should be written again. */
static int look_at(const struct defrag *d, uint64_t pos, struct mapping *map, bool *take)
{
    struct inode *inode = d->file->inode;
    bool shared = false;

    store_read_lock(inode->fs->store);
    int ret = map_find(inode, pos, map);
    bool wanted = ret == 0 && map->kind == MAP_REGULAR && (is_small(d, map) || wants_other(d, map));
    if (wanted)
        ret = is_shared(inode, map, &shared);
    store_read_unlock(inode->fs->store);
    *take = wanted && !shared;
    return ret;
}

/* The next group that begins before `end`. A single small extent has nothing to gain. */
static int next_group(const struct defrag *d, uint64_t *pos, uint64_t end, struct group *group)
{
    *group = (struct group){0};
    while (*pos < end) {
        struct mapping map;
        bool take;

        TRY(look_at(d, *pos, &map, &take));
        uint64_t next = mapping_end(&map);
        if (take && group->extents == 0)
            group->start = map.start;
        if (take) {
            group->end = MIN(next, end);
            group->extents++;
            group->recompress |= wants_other(d, &map);
        } else if (group->extents > 1 || group->recompress) {
            return 0;
        } else {
            group->extents = 0;
        }
        *pos = MIN(next, end);
    }
    return 0;
}

/* ---- writing them again ---------------------------------------------------------------------- */

static int copy_bytes(struct inode *inode, uint64_t pos, uint64_t end, uint8_t *buf)
{
    while (pos < end) {
        size_t n = MIN(end - pos, COPY_BYTES), done;

        TRY(read_current(inode, pos, buf, n, size_get(inode)));
        TRY(write_range(inode, buf, n, pos, false, &done));
        pos += n;
    }
    return 0;
}

/* Dirties a group with what it holds. Behind the end of the file there is nothing to keep. */
static int rewrite(const struct defrag *d, const struct group *group)
{
    struct inode *inode = d->file->inode;
    uint64_t end = MIN(group->end, size_get(inode));
    AUTO_FREE uint8_t *buf = malloc(COPY_BYTES);

    if (!buf)
        return fail(-ENOMEM, "no memory to defragment");
    if (group->start >= end)
        return 0;
    TRY(copy_bytes(inode, group->start, end, buf));
    *d->rewritten += end - group->start;
    return 0;
}

static int rewrite_window(const struct defrag *d, uint64_t *pos, uint64_t end)
{
    while (*pos < end) {
        struct group group;

        TRY(next_group(d, pos, end, &group));
        if (group.extents > 1 || group.recompress)
            TRY(rewrite(d, &group));
    }
    return 0;
}

static int window_held(const struct defrag *d, uint64_t *pos, uint64_t end)
{
    const struct file_defrag *o = d->options;
    const struct compress_wish wish = {o->type, o->level, .force = false, .by_property = true};

    TRY(writeback_held(d->file));
    d->file->moving = true;
    int ret = rewrite_window(d, pos, end);
    d->file->moving = false;
    /* Also what was dirtied before a failure: it was promised its space. */
    d->file->wish = o->recompress ? &wish : NULL;
    int written = writeback_held(d->file);
    d->file->wish = NULL;
    return ret < 0 ? ret : written;
}

static int window_locked(struct defrag *d, uint64_t *pos, uint64_t *end)
{
    struct inode *inode = d->file->inode;
    uint64_t size = round_up_to(size_get(inode), file_sectorsize(inode));

    TRY(content_may_change(inode, false));
    *end = MIN(*end, size);
    if (*pos >= *end)
        return 0;
    file_hold(d->file);
    int ret = window_held(d, pos, MIN(*end, *pos + DEFRAG_WINDOW));
    file_unhold(d->file);
    return ret;
}

static int one_window(struct defrag *d, uint64_t *pos, uint64_t *end)
{
    struct inode *inode = d->file->inode;

    files_enter(inode->fs);
    pthread_rwlock_wrlock(&inode->lock);
    int ret = window_locked(d, pos, end);
    pthread_rwlock_unlock(&inode->lock);
    files_leave(inode->fs);
    return ret;
}

int file_defragment(struct inode *inode, const struct file_defrag *options, uint64_t *rewritten)
{
    uint64_t sector = file_sectorsize(inode), bytes = 0;
    uint64_t pos = round_down_to(options->start, sector), end = UINT64_MAX;
    struct defrag d = {.options = options, .rewritten = &bytes};

    TRY(file_check_regular(inode));
    TRY(file_state_get(inode, &d.file));
    if (options->len < UINT64_MAX - sector - options->start)
        end = round_up_to(options->start + options->len, sector);
    do
        TRY(one_window(&d, &pos, &end));
    while (pos < end);
    *rewritten = bytes;
    return 0;
}
