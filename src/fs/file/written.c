// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preallocated space becomes written: no new extent, only items of the file change. Where the
 * written part continues a written neighbour of the same extent, they become one item.
 *
 * All these items hold one and the same data reference (file position minus offset into the
 * extent), so only how many they are has to follow.
 */
#include "fs/file/internal.h"

static int find_item(struct inode *inode, uint64_t start, int ins_len, struct path *path)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, start);

    int ret = tree_search_cow(&inode->tree->root, &key, ins_len, path);
    return ret == 1 ? map_lost(inode, start) : ret;
}

static int delete_item(struct inode *inode, uint64_t start)
{
    AUTO_PATH struct path path = PATH_INIT;

    TRY(find_item(inode, start, -1, &path));
    return path_delete(&path, 1);
}

/* The item at `start` becomes that of map. */
static int rewrite_item(struct inode *inode, uint64_t start, const struct mapping *map)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, map->start);
    AUTO_PATH struct path path = PATH_INIT;

    TRY(find_item(inode, start, 0, &path));
    map_encode(map, path_data_mut(&path));
    if (map->start != start)
        path_set_key(&path, &key);
    return 0;
}

/* Whether b, right behind a, is the same extent in the same state. */
static bool continues(const struct mapping *a, const struct mapping *b)
{
    return a->kind == MAP_REGULAR && a->kind == b->kind && a->compression == 0 &&
           b->compression == 0 && a->disk_bytenr == b->disk_bytenr &&
           a->disk_num_bytes == b->disk_num_bytes && mapping_end(a) == b->start &&
           a->offset + a->len == b->offset;
}

/* What is left of the unwritten item, and which neighbours the written part joins. */
struct change {
    struct mapping old;     /* unwritten */
    struct mapping written; /* with the neighbours it swallows */
    bool joins_front, joins_back;
    int items; /* more of them than before */
};

static int look_around(struct inode *inode, struct change *change)
{
    struct mapping other;

    if (change->written.start > 0 && change->written.start == change->old.start) {
        TRY(map_find(inode, change->written.start - 1, &other));
        if (continues(&other, &change->written)) {
            change->joins_front = true;
            change->written.len += change->written.start - other.start;
            change->written.start = other.start;
            change->written.offset = other.offset;
        }
    }
    if (mapping_end(&change->written) == mapping_end(&change->old)) {
        TRY(map_find(inode, mapping_end(&change->written), &other));
        if (continues(&change->written, &other)) {
            change->joins_back = true;
            change->written.len += other.len;
        }
    }
    return 0;
}

/* Shrinks, splits or removes the unwritten item. */
static int cut_old(struct inode *inode, struct change *change, uint64_t start, uint64_t end)
{
    const struct mapping *old = &change->old;
    struct mapping front = map_slice(old, old->start, start);
    struct mapping back = map_slice(old, end, mapping_end(old));

    change->items += (front.len > 0) + (back.len > 0) - 1;
    if (front.len == 0 && back.len == 0)
        return delete_item(inode, old->start);
    TRY(rewrite_item(inode, old->start, front.len > 0 ? &front : &back));
    return front.len > 0 && back.len > 0 ? map_insert(inode, &back) : 0;
}

static int put_written(struct inode *inode, struct change *change, uint64_t end)
{
    if (change->joins_back) {
        TRY(delete_item(inode, end));
        change->items--;
    }
    if (change->joins_front)
        return rewrite_item(inode, change->written.start, &change->written);
    change->items++;
    return map_insert(inode, &change->written);
}

static int follow_refs(struct inode *inode, const struct change *change)
{
    struct extents *extents = inode->fs->store->extents;
    const struct mapping *map = &change->old;
    struct data_ref ref = map_ref(inode, map);

    for (int i = 0; i < change->items; i++)
        TRY(extent_add_data_ref(extents, map->disk_bytenr, map->disk_num_bytes, &ref));
    for (int i = 0; i > change->items; i--)
        TRY(extent_drop_data_ref(extents, map->disk_bytenr, map->disk_num_bytes, &ref));
    return 0;
}

/* Of one unwritten item. */
static int mark_part(struct inode *inode, const struct mapping *old, uint64_t start, uint64_t end)
{
    struct change change = {.old = *old, .written = map_slice(old, start, end)};

    change.written.kind = MAP_REGULAR;
    change.written.generation = file_engine(inode)->txn.transid;
    TRY(look_around(inode, &change));
    if (change.written.start == old->start && change.written.len == old->len)
        return rewrite_item(inode, old->start, &change.written);
    TRY(cut_old(inode, &change, start, end));
    TRY(put_written(inode, &change, end));
    return follow_refs(inode, &change);
}

int mark_written(struct inode *inode, uint64_t start, uint64_t end)
{
    while (start < end) {
        struct mapping map;

        TRY(map_find(inode, start, &map));
        uint64_t part_end = MIN(mapping_end(&map), end);
        if (map.kind == MAP_PREALLOC)
            TRY(mark_part(inode, &map, start, part_end));
        else if (map.kind != MAP_REGULAR)
            return map_lost(inode, start);
        start = part_end;
    }
    inode_mark_dirty(inode);
    return 0;
}
