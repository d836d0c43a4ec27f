// SPDX-License-Identifier: GPL-2.0-or-later
/* Where there is data: SEEK_DATA, SEEK_HOLE, and the list of extents. */
#include "engine/extent/sharing.h"
#include "fs/file/internal.h"

/* What one stretch of a file is, in memory or mapped. */
struct stretch {
    bool in_memory;
    uint64_t end;
    struct mapping map; /* unless in_memory */
};

static int stretch_at(struct inode *inode, uint64_t pos, struct stretch *out)
{
    struct file_state *file = file_state_peek(inode);
    uint64_t end = UINT64_MAX;

    out->in_memory = false;
    if (file) {
        pthread_mutex_lock(&file->lock);
        out->in_memory = runs_cover(file, pos, &end);
        pthread_mutex_unlock(&file->lock);
    }
    if (!out->in_memory) {
        store_read_lock(inode->fs->store);
        int ret = map_find(inode, pos, &out->map);
        store_read_unlock(inode->fs->store);
        TRY(ret);
        end = MIN(end, mapping_end(&out->map));
    }
    out->end = end;
    return 0;
}

static int seek_locked(struct inode *inode, uint64_t pos, bool data, uint64_t *out)
{
    uint64_t size = size_get(inode);

    if (pos >= size)
        return fail(-ENXIO, "offset %llu is at or behind the end", LLU(pos));
    while (pos < size) {
        struct stretch at;

        TRY(stretch_at(inode, pos, &at));
        bool is_data = at.in_memory || at.map.kind == MAP_REGULAR || at.map.kind == MAP_INLINE;
        if (is_data == data) {
            *out = pos;
            return 0;
        }
        pos = at.end;
    }
    if (data)
        return fail(-ENXIO, "no data behind that offset");
    *out = size;
    return 0;
}

int file_seek(struct inode *inode, uint64_t offset, int whence, uint64_t *out)
{
    TRY(file_check_regular(inode));
    if (whence != SEEK_DATA && whence != SEEK_HOLE)
        return fail(-EINVAL, "only data and holes are sought here");
    pthread_rwlock_rdlock(&inode->lock);
    int ret = seek_locked(inode, offset, whence == SEEK_DATA, out);
    pthread_rwlock_unlock(&inode->lock);
    return ret;
}

/* ---- list of extents ------------------------------------------------------------------------- */

/* *len: from pos on, is cut to what has one answer. */
static int is_shared(struct inode *inode, const struct mapping *map, uint64_t pos, uint64_t *len,
                     bool *out)
{
    struct extent_use use = map_use(inode, map, pos, *len);
    uint64_t same = *len;
    bool shared = false;

    *out = false;
    if (map->kind != MAP_REGULAR && map->kind != MAP_PREALLOC)
        return 0;
    store_read_lock(inode->fs->store);
    int ret = extent_sharing_at(inode->fs->store->extents, &use, &shared, &same);
    store_read_unlock(inode->fs->store);
    /* Damage that reading the file does not meet. */
    if (ret == -ENOENT || ret == -EUCLEAN) {
        fail_clear();
        return 0;
    }
    if (!map->compression)
        *len = MIN(*len, same);
    *out = shared;
    return ret;
}

static int describe(struct inode *inode, uint64_t pos, const struct stretch *at,
                    struct file_map *out)
{
    const struct mapping *map = &at->map;

    *out = (struct file_map){.offset = pos, .len = at->end - pos, .delalloc = at->in_memory};
    if (at->in_memory)
        return 0;
    out->is_inline = map->kind == MAP_INLINE;
    out->prealloc = map->kind == MAP_PREALLOC;
    out->compressed = map->compression != 0;
    if (out->is_inline)
        out->len = map->ram_bytes - pos;
    else if (out->compressed)
        out->address = map->disk_bytenr;
    else
        out->address = map->disk_bytenr + map->offset + (pos - map->start);
    return is_shared(inode, map, pos, &out->len, &out->shared);
}

static int each_locked(struct inode *inode, uint64_t pos, uint64_t end,
                       int (*fn)(void *arg, const struct file_map *map), void *arg)
{
    while (pos < end) {
        struct file_map map;
        struct stretch at;

        TRY(stretch_at(inode, pos, &at));
        at.end = MIN(at.end, end);
        if (at.in_memory || at.map.kind != MAP_HOLE) {
            TRY(describe(inode, pos, &at, &map));
            int ret = fn(arg, &map);
            if (ret != 0)
                return ret;
            if (!map.is_inline)
                at.end = pos + map.len;
        }
        pos = at.end;
    }
    return 0;
}

int file_each_extent(struct inode *inode, uint64_t offset, uint64_t len,
                     int (*fn)(void *arg, const struct file_map *map), void *arg)
{
    uint64_t end = offset + len < offset ? UINT64_MAX : offset + len;

    pthread_rwlock_rdlock(&inode->lock);
    int ret = each_locked(inode, offset, end, fn, arg);
    pthread_rwlock_unlock(&inode->lock);
    return ret;
}
