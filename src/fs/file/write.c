// SPDX-License-Identifier: GPL-2.0-or-later
/* Buffered writes: promise, then copy. */
#include "fs/file/internal.h"

/* Bytes that become dirty in one go; promised together. */
#define WRITE_PIECE (1 * MIB)
/* Bytes accepted between two looks at how much is pending. */
#define WRITE_STRETCH (8 * MIB)

/* The sectors at the edges of a write, as they were before. */
struct edges {
    uint8_t *head, *tail;
    bool need_head, need_tail;
};

static void edges_free(struct edges *edges)
{
    free(edges->head);
    free(edges->tail);
}

static void look_at_edges(const struct file_state *file, const struct run_source *src,
                          struct edges *edges)
{
    uint32_t sector = file_sectorsize(file->inode);
    uint64_t end = src->offset + src->len, last = src->end - sector;
    bool one = last == src->start;

    edges->need_head = (src->offset > src->start || (one && end < src->end)) &&
                       !runs_sector_is_dirty(file, src->start);
    edges->need_tail = !one && end < src->end && !runs_sector_is_dirty(file, last);
}

static int load_edge(struct inode *inode, uint64_t at, uint8_t **buf)
{
    uint32_t sector = file_sectorsize(inode);

    *buf = malloc(sector);
    if (!*buf)
        return fail(-ENOMEM, "no memory to write");
    return read_current(inode, at, *buf, sector, size_get(inode));
}

static int load_edges(struct inode *inode, const struct run_source *src, struct edges *edges)
{
    if (edges->need_head && !edges->head)
        TRY(load_edge(inode, src->start, &edges->head));
    if (edges->need_tail && !edges->tail)
        TRY(load_edge(inode, src->end - file_sectorsize(inode), &edges->tail));
    return 0;
}

/*
 * Writes when the promise is still enough: meanwhile writeback may have taken away what was dirty.
 * False: ask again.
 */
static bool write_promised(struct file_state *file, struct run_source *src, struct edges *edges,
                           struct promise *promise, uint64_t *reached)
{
    struct promise used;

    SCOPED_LOCK(&file->lock);
    struct promise missing = runs_missing(file, src->start, src->end, src->claims);
    look_at_edges(file, src, edges);
    if (missing.bytes > promise->bytes || missing.units > promise->units ||
        (edges->need_head && !edges->head) || (edges->need_tail && !edges->tail))
        return false;
    src->head = edges->need_head ? edges->head : NULL;
    src->tail = edges->need_tail ? edges->tail : NULL;
    runs_write(file, src, &used, reached);
    file_enlist(file);
    uint64_t end = MIN(*reached, src->offset + src->len);
    if (src->grow && end > size_get(file->inode))
        size_set(file->inode, end);
    promise->bytes -= used.bytes;
    promise->units -= used.units;
    return true;
}

/* What is in flight keeps the space of what it replaces until it has landed. */
static bool flight_awaited(struct file_state *file)
{
    pthread_mutex_lock(&file->lock);
    bool flying = !RB_EMPTY(&file->flight);
    pthread_mutex_unlock(&file->lock);
    if (!flying)
        return false;
    file_hold(file);
    file_unhold(file);
    return true;
}

/* One attempt to promise all that is missing, and to write; *written false: ask again. */
static int try_piece(struct file_state *file, struct run_source *src, struct edges *edges,
                     uint64_t *reached, bool *written)
{
    CLEANUP(claims_free) struct claims claims = {0};
    struct fs *fs = file->inode->fs;

    TRY(claims_find(file, src->start, src->end, &claims));
    src->claims = &claims;
    pthread_mutex_lock(&file->lock);
    struct promise promise = runs_missing(file, src->start, src->end, &claims);
    look_at_edges(file, src, edges);
    pthread_mutex_unlock(&file->lock);
    TRY(load_edges(file->inode, src, edges));
    struct quota_door door;
    TRY(quota_enter(file, src->start, src->end, promise.bytes, &door));
    int ret = promise_take(fs, &promise);
    if (ret == 0) {
        *written = write_promised(file, src, edges, &promise, reached);
        promise_give_back(fs, promise);
    }
    quota_leave(file, &door);
    if (ret == -ENOSPC && flight_awaited(file)) {
        fail_clear();
        ret = 0;
    }
    return ret;
}

static int write_piece(struct file_state *file, struct run_source *src, uint64_t *reached)
{
    CLEANUP(edges_free) struct edges edges = {0};
    bool written = false;

    while (!written)
        TRY(try_piece(file, src, &edges, reached, &written));
    if (*reached < src->end)
        return fail(-ENOMEM, "no memory for dirty data");
    return 0;
}

int write_range(struct inode *inode, const void *buf, size_t len, uint64_t offset, bool grow,
                size_t *done)
{
    uint32_t sector = file_sectorsize(inode);
    struct file_state *file;

    *done = 0;
    TRY(file_state_get(inode, &file));
    while (*done < len) {
        uint64_t at = offset + *done, reached = 0;
        uint64_t piece_end = MIN(offset + len, round_down_to(at, WRITE_PIECE) + WRITE_PIECE);
        struct run_source src = {
            .offset = at,
            .len = piece_end - at,
            .buf = buf ? (const uint8_t *)buf + *done : NULL,
            .grow = grow,
            .start = round_down_to(at, sector),
            .end = round_up_to(piece_end, sector),
        };

        int ret = write_piece(file, &src, &reached);
        if (reached > at)
            *done += MIN(reached, piece_end) - at;
        if (ret < 0)
            return ret;
    }
    return 0;
}

/* ---- zeroes ---------------------------------------------------------------------------------- */

static int sector_has_data(struct inode *inode, uint64_t pos, bool *out)
{
    struct file_state *file = file_state_peek(inode);
    struct mapping map;
    uint64_t end;

    if (file) {
        SCOPED_LOCK(&file->lock);
        *out = runs_cover(file, pos, &end);
        if (*out)
            return 0;
    }
    store_read_lock(inode->fs->store);
    int ret = map_find(inode, pos, &map);
    store_read_unlock(inode->fs->store);
    if (ret == 0)
        *out = map.kind == MAP_REGULAR || map.kind == MAP_INLINE;
    return ret;
}

int write_zeroes_in_sector(struct inode *inode, uint64_t offset, uint64_t len)
{
    size_t done;
    bool data;

    if (len == 0)
        return 0;
    TRY(sector_has_data(inode, offset, &data));
    return data ? write_range(inode, NULL, len, offset, false, &done) : 0;
}

int write_old_tail(struct inode *inode)
{
    uint64_t size = size_get(inode);
    uint64_t end = round_up_to(size, file_sectorsize(inode));
    struct file_state *file = file_state_peek(inode);

    if (file) {
        /* Behind the end of the file dirty data is zero already. */
        SCOPED_LOCK(&file->lock);
        if (size < end && runs_sector_is_dirty(file, end - file_sectorsize(inode)))
            return 0;
    }
    return write_zeroes_in_sector(inode, size, end - size);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_locked(struct inode *inode, const void *buf, size_t len, uint64_t offset,
                        size_t *done)
{
    uint64_t size = size_get(inode);

    TRY(content_may_change(inode, offset >= size));
    if (offset > size)
        TRY(write_old_tail(inode));
    int ret = write_range(inode, buf, len, offset, true, done);
    if (*done > 0)
        inode_touch(inode, true);
    return ret;
}

int file_write(struct inode *inode, const void *buf, size_t len, uint64_t offset, size_t *done)
{
    size_t total = 0;
    int ret = 0;

    if (offset >= FILE_SIZE_MAX)
        return fail(-EFBIG, "inode %llu: offset %llu is too large", LLU(inode->ino), LLU(offset));
    len = MIN((uint64_t)len, FILE_SIZE_MAX - offset);
    while (ret == 0 && total < len) {
        size_t n = 0;

        writeback_throttle(inode->fs);
        files_enter(inode->fs);
        pthread_rwlock_wrlock(&inode->lock);
        ret = write_locked(inode, (const uint8_t *)buf + total, MIN(len - total, WRITE_STRETCH),
                           offset + total, &n);
        pthread_rwlock_unlock(&inode->lock);
        files_leave(inode->fs);
        total += n;
    }
    *done = total;
    return ret;
}

/* Through memory like every other write, so that readers see one content at any moment. */
int file_write_direct(struct inode *inode, const void *buf, size_t len, uint64_t offset,
                      size_t *done)
{
    int ret = file_write(inode, buf, len, offset, done);

    if (*done == 0)
        return ret;
    file_hold(inode->file);
    int written = writeback_range(inode->file, offset, offset + *done);
    file_unhold(inode->file);
    return ret < 0 ? ret : written;
}
