// SPDX-License-Identifier: GPL-2.0-or-later
/* One range more or less in the free-space tree. */
#include "engine/space/free_tree.h"

static struct root *tree_of(struct space *space)
{
    return &space->engine->free_space_tree;
}

static struct key extent_key(uint64_t start, uint64_t end)
{
    return key_make(start, KEY_FREE_SPACE_EXTENT, end - start);
}

static int disagrees(const struct group *group, uint64_t start, uint64_t end, const char *what)
{
    return fail(-EUCLEAN, "free-space tree, block group %llu: %llu+%llu %s",
                (unsigned long long)group->start, (unsigned long long)start,
                (unsigned long long)(end - start), what);
}

/* ---- extents
 * ------------------------------------------------------------------------------------------ */

/* The last free extent of the group that begins before `before`; len 0: none. */
static int extent_before(struct space *space, const struct group *group, uint64_t before,
                         struct range *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = {before, 0, 0};
    int ret = tree_search_le(tree_of(space), &key, &path);

    TRY(ret);
    *out = (struct range){0, 0};
    if (ret > 0)
        return 0;
    path_key(&path, &key);
    if (key.type == KEY_FREE_SPACE_EXTENT && key.objectid >= group->start)
        *out = (struct range){key.objectid, key.offset};
    return 0;
}

/* The first free extent of the group that begins at or after `from`; len 0: none. */
static int extent_after(struct space *space, const struct group *group, uint64_t from,
                        struct range *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = {from, KEY_FREE_SPACE_EXTENT, 0};
    int ret = tree_search_ge(tree_of(space), &key, &path);

    TRY(ret);
    *out = (struct range){0, 0};
    if (ret > 0)
        return 0;
    path_key(&path, &key);
    if (key.type == KEY_FREE_SPACE_EXTENT && key.objectid - group->start < group->length)
        *out = (struct range){key.objectid, key.offset};
    return 0;
}

static int rename_extent(struct space *space, const struct key *from, const struct key *to)
{
    AUTO_PATH struct path path = PATH_INIT;
    int ret = tree_search_cow(tree_of(space), from, 0, &path);

    TRY(ret);
    if (ret > 0)
        return fail(-EUCLEAN, "free-space tree: free extent %llu+%llu vanished",
                    (unsigned long long)from->objectid, (unsigned long long)from->offset);
    path_set_key(&path, to);
    return 0;
}

/*
 * Keys are changed in place where that keeps the order: towards the left neighbour a longer
 * length, otherwise a start that stays behind that neighbour.
 */
static int add_extent(struct space *space, const struct group *group, uint64_t start, uint64_t end,
                      struct free_space_info *info)
{
    struct range left, right;
    struct key key, old;
    bool merge_left, merge_right;

    TRY(extent_before(space, group, start, &left));
    TRY(extent_after(space, group, start, &right));
    if ((left.len && left.start + left.len > start) || (right.len && right.start < end))
        return disagrees(group, start, end, "is already free in part");
    merge_left = left.len && left.start + left.len == start;
    merge_right = right.len && right.start == end;
    key = extent_key(merge_left ? left.start : start, merge_right ? end + right.len : end);
    if (!merge_left && !merge_right) {
        info->extent_count++;
        return tree_insert(tree_of(space), &key, NULL, 0);
    }
    if (merge_left && merge_right) {
        old = extent_key(right.start, right.start + right.len);
        info->extent_count--;
        TRY(tree_delete(tree_of(space), &old));
    }
    old = merge_left ? extent_key(left.start, start) : extent_key(end, end + right.len);
    return rename_extent(space, &old, &key);
}

static int remove_extent(struct space *space, const struct group *group, uint64_t start,
                         uint64_t end, struct free_space_info *info)
{
    struct range found;
    struct key key, old;
    uint64_t found_end;

    TRY(extent_before(space, group, start + 1, &found));
    found_end = found.start + found.len;
    if (found.len == 0 || found_end < end)
        return disagrees(group, start, end, "is not free");
    old = extent_key(found.start, found_end);
    if (found.start == start && found_end == end) {
        info->extent_count--;
        return tree_delete(tree_of(space), &old);
    }
    key = found.start < start ? extent_key(found.start, start) : extent_key(end, found_end);
    TRY(rename_extent(space, &old, &key));
    if (found.start == start || found_end == end)
        return 0;
    key = extent_key(end, found_end);
    info->extent_count++;
    return tree_insert(tree_of(space), &key, NULL, 0);
}

/* ---- bitmaps
 * ---------------------------------------------------------------------------------------------- */

struct key bitmap_key(const struct space *space, const struct group *group, uint64_t addr)
{
    uint64_t cover = (uint64_t)FREE_SPACE_BITMAP_BITS * space->engine->sectorsize;
    uint64_t start = group->start + round_down_to(addr - group->start, cover);

    return key_make(start, KEY_FREE_SPACE_BITMAP, MIN(cover, group->start + group->length - start));
}

uint32_t bitmap_size(const struct space *space, const struct key *key)
{
    return (uint32_t)((key->offset / space->engine->sectorsize + 7) / 8);
}

static int bitmap_missing(const struct key *key)
{
    return fail(-EUCLEAN, "free-space tree: bitmap %llu+%llu is missing or misshapen",
                (unsigned long long)key->objectid, (unsigned long long)key->offset);
}

/* Whether the sector at addr is free; false outside the group. */
static int test_bit(struct space *space, const struct group *group, uint64_t addr, unsigned *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key;
    int ret;

    *out = 0;
    if (addr < group->start || addr - group->start >= group->length)
        return 0;
    key = bitmap_key(space, group, addr);
    ret = tree_search(tree_of(space), &key, &path);
    TRY(ret);
    if (ret > 0 || path_size(&path) != bitmap_size(space, &key))
        return bitmap_missing(&key);
    *out = bitmap_bit(path_data(&path), (addr - key.objectid) / space->engine->sectorsize);
    return 0;
}

/* Sets or clears the bits [first, last) of one bitmap, all of which must be the other way. */
static bool flip_bits(uint8_t *bits, uint64_t first, uint64_t last, bool set)
{
    for (uint64_t n = first; n < last; n++) {
        if (bitmap_bit(bits, n) == set)
            return false;
        bits[n / 8] ^= (uint8_t)(1U << (n % 8));
    }
    return true;
}

static int flip_range(struct space *space, const struct group *group, uint64_t start, uint64_t end,
                      bool set)
{
    uint32_t sectorsize = space->engine->sectorsize;

    while (start < end) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = bitmap_key(space, group, start);
        uint64_t stop = MIN(end, key.objectid + key.offset);
        int ret = tree_search_cow(tree_of(space), &key, 0, &path);

        TRY(ret);
        if (ret > 0 || path_size(&path) != bitmap_size(space, &key))
            return bitmap_missing(&key);
        if (!flip_bits(path_data_mut(&path), (start - key.objectid) / sectorsize,
                       (stop - key.objectid) / sectorsize, set))
            return disagrees(group, start, stop, set ? "is already free in part" : "is not free");
        start = stop;
    }
    return 0;
}

/* Neighbours that are free join what is added, or are parted by what is removed. */
static int change_bitmap(struct space *space, const struct group *group, uint64_t start,
                         uint64_t end, bool set, struct free_space_info *info)
{
    unsigned before, after;

    TRY(test_bit(space, group, start - space->engine->sectorsize, &before));
    TRY(test_bit(space, group, end, &after));
    TRY(flip_range(space, group, start, end, set));
    if (set)
        info->extent_count += 1 - before - after;
    else
        info->extent_count += before + after - 1;
    return 0;
}

/* ---- either
 * ------------------------------------------------------------------------------------------------
 */

int free_tree_add(struct space *space, const struct group *group, uint64_t start, uint64_t len,
                  struct free_space_info *info)
{
    if (info->flags & FREE_SPACE_USING_BITMAPS)
        return change_bitmap(space, group, start, start + len, true, info);
    return add_extent(space, group, start, start + len, info);
}

int free_tree_remove(struct space *space, const struct group *group, uint64_t start, uint64_t len,
                     struct free_space_info *info)
{
    if (info->flags & FREE_SPACE_USING_BITMAPS)
        return change_bitmap(space, group, start, start + len, false, info);
    return remove_extent(space, group, start, start + len, info);
}
