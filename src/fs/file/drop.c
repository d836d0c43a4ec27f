// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking the mapping of a range away. An extent cut at its front keeps its data reference, whose
 * key is the file position minus the offset into the extent: both move alike. An extent cut in two
 * gets a second reference of that very key.
 */
#include "engine/extent/sharing.h"
#include "fs/file/internal.h"

int change_failed(struct inode *inode, int err)
{
    return txn_abort(file_engine(inode), fail_context(err,
                                                      "tree %llu inode %llu: mapping changed "
                                                      "in part",
                                                      LLU(inode->tree->root.id), LLU(inode->ino)));
}

static bool holds_extent(const struct mapping *map)
{
    return map->kind == MAP_REGULAR || map->kind == MAP_PREALLOC;
}

static int drop_ref(struct inode *inode, const struct mapping *map)
{
    struct data_ref ref = map_ref(inode, map);

    if (!holds_extent(map))
        return 0;
    return extent_drop_data_ref(inode->fs->store->extents, map->disk_bytenr, map->disk_num_bytes,
                                &ref);
}

static int search_item(struct inode *inode, const struct mapping *map, int ins_len,
                       struct path *path)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, map->start);

    int ret = tree_search_cow(&inode->tree->root, &key, ins_len, path);
    return ret == 1 ? map_lost(inode, map->start) : ret;
}

static int drop_whole(struct inode *inode, const struct mapping *map)
{
    AUTO_PATH struct path path = PATH_INIT;

    TRY(search_item(inode, map, -1, &path));
    TRY(path_delete(&path, 1));
    TRY(drop_ref(inode, map));
    if (map->kind == MAP_INLINE)
        nbytes_sub(inode, map->ram_bytes);
    else if (map->kind != MAP_HOLE)
        nbytes_sub(inode, map->len);
    return 0;
}

/* Replaces the item of `old` by that of `slice`, which is a part of it at one edge. */
static int keep_slice(struct inode *inode, const struct mapping *old, const struct mapping *slice)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, slice->start);
    struct data_ref ref = map_ref(inode, old);
    AUTO_PATH struct path path = PATH_INIT;

    TRY(search_item(inode, old, 0, &path));
    map_encode(slice, path_data_mut(&path));
    if (slice->start != old->start)
        path_set_key(&path, &key);
    if (holds_extent(old))
        extent_sharing_trimmed(inode->fs->store->extents, old->disk_bytenr, &ref);
    if (old->kind != MAP_HOLE)
        nbytes_sub(inode, old->len - slice->len);
    return 0;
}

/* Keeps what lies at both sides of [start, end). */
static int keep_both(struct inode *inode, const struct mapping *old, uint64_t start, uint64_t end)
{
    struct mapping front = map_slice(old, old->start, start);
    struct mapping back = map_slice(old, end, mapping_end(old));
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, end);
    struct data_ref ref = map_ref(inode, &back);
    AUTO_PATH struct path path = PATH_INIT;

    TRY(search_item(inode, old, sizeof(disk_file_extent), &path));
    if (holds_extent(old))
        TRY(extent_add_data_ref(inode->fs->store->extents, old->disk_bytenr, old->disk_num_bytes,
                                &ref));
    map_encode(&front, path_data_mut(&path));
    TRY(path_duplicate_item(&path, &key));
    map_encode(&back, path_data_mut(&path));
    if (old->kind != MAP_HOLE)
        nbytes_sub(inode, end - start);
    return 0;
}

/* Drops what of one item lies in [start, end). */
static int drop_from_item(struct inode *inode, const struct mapping *map, uint64_t start,
                          uint64_t end)
{
    bool front = map->start<start, back = mapping_end(map)> end;
    struct mapping slice;

    if (holds_extent(map) && map->compression == 0)
        reclaim_note(inode->fs, map->disk_bytenr, map->disk_num_bytes);
    if (map->kind == MAP_INLINE && (front || back))
        return fail(-EUCLEAN, "tree %llu inode %llu: inline extent of %llu bytes among others",
                    LLU(inode->tree->root.id), LLU(inode->ino), LLU(map->ram_bytes));
    if (front && back)
        return keep_both(inode, map, start, end);
    if (!front && !back)
        return drop_whole(inode, map);
    slice = front ? map_slice(map, map->start, start) : map_slice(map, end, mapping_end(map));
    return keep_slice(inode, map, &slice);
}

int drop_split(struct inode *inode, uint64_t pos)
{
    struct mapping map;

    TRY(map_find(inode, pos, &map));
    if (!map.has_item || map.start >= pos)
        return 0;
    if (map.kind == MAP_INLINE)
        return fail(-EUCLEAN, "tree %llu inode %llu: inline extent of %llu bytes among others",
                    LLU(inode->tree->root.id), LLU(inode->ino), LLU(map.ram_bytes));
    return keep_both(inode, &map, pos, pos);
}

int drop_stretch(struct inode *inode, uint64_t start, uint64_t end, unsigned items, uint64_t *out)
{
    for (unsigned i = 0; i < items && start < end; i++) {
        struct mapping map;

        TRY(map_find(inode, start, &map));
        start = mapping_end(&map);
    }
    *out = MIN(start, end);
    return 0;
}

int drop_begin(struct inode *inode, unsigned *items)
{
    struct store *store = inode->fs->store;

    int ret = store_begin(store, STORE_RELEASE, units_for_items(*items));
    if (ret == -ENOSPC && *items > 1) {
        fail_clear();
        *items = 1;
        ret = store_begin(store, STORE_RELEASE, units_for_items(*items));
    }
    return ret;
}

int file_drop_range(struct inode *inode, uint64_t start, uint64_t end)
{
    uint64_t pos = start;

    while (pos < end) {
        struct mapping map;

        TRY(map_find(inode, pos, &map));
        uint64_t next = mapping_end(&map);
        if (map.has_item)
            TRY(drop_from_item(inode, &map, start, end));
        pos = next;
    }
    inode_mark_dirty(inode);
    return 0;
}

int drop_tail_step(struct inode *inode, uint64_t from, unsigned items, uint64_t *reached)
{
    for (unsigned i = 0; i < items; i++) {
        struct mapping map;

        int ret = map_last(inode, &map);
        if (ret == -ENOENT || (ret == 0 && mapping_end(&map) <= from)) {
            *reached = from;
            return 0;
        }
        if (ret < 0)
            return ret;
        TRY(drop_from_item(inode, &map, from, UINT64_MAX));
        *reached = MAX(map.start, from);
    }
    return 0;
}

int file_drop_extents_from(struct inode *inode, uint64_t from, bool *more)
{
    uint64_t reached = from;

    from = round_up_to(from, file_sectorsize(inode));
    TRY(drop_tail_step(inode, from, FILE_DROP_STEP_ITEMS, &reached));
    size_cut_disk(inode, reached);
    *more = reached > from;
    return 0;
}
