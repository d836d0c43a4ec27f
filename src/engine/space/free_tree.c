// SPDX-License-Identifier: GPL-2.0-or-later
/* The free-space tree: reading a group, writing it anew, and choosing its form. */
#include <string.h>

#include "engine/space/free_tree.h"

static struct root *tree_of(struct space *space)
{
    return &space->engine->free_space_tree;
}

bool free_tree_kept(const struct space *space)
{
    return (space->engine->compat_ro & COMPAT_RO_FREE_SPACE_TREE) != 0;
}

static struct key info_key(const struct group *group)
{
    return key_make(group->start, KEY_FREE_SPACE_INFO, group->length);
}

int free_info_read(struct space *space, const struct group *group, struct free_space_info *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = info_key(group);
    int ret = tree_search(tree_of(space), &key, &path);

    TRY(ret);
    if (ret > 0 || path_size(&path) != sizeof(disk_free_space_info))
        return fail(-EUCLEAN, "FREE_SPACE_INFO %llu+%llu is missing or misshapen",
                    (unsigned long long)group->start, (unsigned long long)group->length);
    free_space_info_decode(out, path_data(&path));
    return 0;
}

int free_info_write(struct space *space, const struct group *group,
                    const struct free_space_info *info)
{
    struct key key = info_key(group);
    disk_free_space_info item;

    free_space_info_encode(&item, info);
    return tree_upsert(tree_of(space), &key, &item, sizeof(item));
}

/* ---- reading
 * ---------------------------------------------------------------------------------------------- */

static int misplaced(const struct path *path)
{
    return fail(-EUCLEAN, "%s: overlaps what stands before it, or leaves its block group",
                path_where(path));
}

static int read_extent(const struct group *group, const struct path *path, const struct key *key,
                       uint64_t pos, struct rangeset *out)
{
    if (key->objectid < pos || key->offset == 0 ||
        key->offset > group->start + group->length - key->objectid)
        return misplaced(path);
    return rangeset_add(out, key->objectid, key->offset);
}

static int read_bitmap(const struct space *space, const struct group *group,
                       const struct path *path, const struct key *key, struct rangeset *out)
{
    struct key want = bitmap_key(space, group, key->objectid);
    uint64_t bits = key->offset / space->engine->sectorsize;
    const uint8_t *bitmap = path_data(path);

    if (key_cmp(key, &want) != 0 || path_size(path) != bitmap_size(space, key))
        return misplaced(path);
    for (uint64_t n = 0, first; n < bits;) {
        while (n < bits && !bitmap_bit(bitmap, n))
            n++;
        for (first = n; n < bits && bitmap_bit(bitmap, n);)
            n++;
        TRY(rangeset_add(out, key->objectid + first * space->engine->sectorsize,
                         (n - first) * space->engine->sectorsize));
    }
    return 0;
}

/* All items of the group behind the info; `covered` counts the bytes that bitmaps speak of. */
static int read_items(struct space *space, const struct group *group, uint8_t type,
                      struct rangeset *out, uint64_t *covered)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint64_t pos = group->start;
    struct key key = {group->start, KEY_FREE_SPACE_EXTENT, 0};
    int ret = tree_search_ge(tree_of(space), &key, &path);

    for (*covered = 0; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid - group->start >= group->length)
            break;
        if (key.type != type)
            return fail(-EUCLEAN, "%s: does not belong there", path_where(&path));
        if (!is_aligned(key.objectid | key.offset, space->engine->sectorsize))
            return misplaced(&path);
        if (type == KEY_FREE_SPACE_EXTENT)
            TRY(read_extent(group, &path, &key, pos, out));
        else
            TRY(read_bitmap(space, group, &path, &key, out));
        *covered += key.offset;
        pos = key.objectid + key.offset;
    }
    return ret < 0 ? ret : 0;
}

int free_tree_read(struct space *space, const struct group *group, struct rangeset *out)
{
    struct free_space_info info;
    uint64_t covered;
    bool bitmaps;

    TRY(free_info_read(space, group, &info));
    bitmaps = (info.flags & FREE_SPACE_USING_BITMAPS) != 0;
    TRY(read_items(space, group, bitmaps ? KEY_FREE_SPACE_BITMAP : KEY_FREE_SPACE_EXTENT, out,
                   &covered));
    if (bitmaps && covered != group->length)
        return fail(-EUCLEAN, "bitmaps cover %llu of %llu bytes", (unsigned long long)covered,
                    (unsigned long long)group->length);
    if (out->count != info.extent_count)
        return fail(-EUCLEAN, "%llu free ranges, but FREE_SPACE_INFO counts %u",
                    (unsigned long long)out->count, info.extent_count);
    return 0;
}

/* ---- writing anew
 * ---------------------------------------------------------------------------------------- */

/* How many items from the path on, in its leaf, lie before `end`. */
static uint32_t run_length(const struct path *path, uint64_t end)
{
    const struct node *leaf = path_leaf(path);
    uint32_t slot = path_slot(path), n = 0;
    struct key key;

    for (; slot + n < node_items(leaf); n++) {
        node_key(leaf, slot + n, &key);
        if (key.objectid >= end)
            break;
    }
    return n;
}

int free_tree_delete(struct space *space, uint64_t start, uint64_t end)
{
    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = {start, 0, 0};
        int ret = tree_search_ge(tree_of(space), &key, &path);

        TRY(ret);
        if (ret > 0)
            return 0;
        path_key(&path, &key);
        if (key.objectid >= end)
            return 0;
        path_release(&path);
        ret = tree_search_cow(tree_of(space), &key, -1, &path);
        TRY(ret);
        if (ret == 1)
            return fail(-EUCLEAN, "free-space tree: an item of %llu is not where its key leads",
                        (unsigned long long)key.objectid);
        TRY(path_delete(&path, run_length(&path, end)));
    }
}

int free_tree_delete_strays(struct space *space)
{
    uint64_t end = 0;

    for (struct group *group = group_from(space, 0); group; group = group_next(group)) {
        if (group->start > end)
            TRY(free_tree_delete(space, end, group->start));
        end = group->start + group->length;
    }
    return free_tree_delete(space, end, UINT64_MAX);
}

static int write_extents(struct space *space, const struct group *group, const struct rangeset *set)
{
    struct range range;

    for (uint64_t from = group->start; rangeset_next(set, from, &range);
         from = range.start + range.len) {
        struct key key = key_make(range.start, KEY_FREE_SPACE_EXTENT, range.len);

        TRY(tree_insert(tree_of(space), &key, NULL, 0));
    }
    return 0;
}

static void fill_bitmap(const struct space *space, const struct key *key,
                        const struct rangeset *set, uint8_t *bits)
{
    uint64_t end = key->objectid + key->offset;
    uint32_t sectorsize = space->engine->sectorsize;
    struct range range;

    for (uint64_t from = key->objectid;
         from < end && rangeset_next(set, from, &range) && range.start < end;
         from = range.start + range.len) {
        uint64_t first = (MAX(range.start, key->objectid) - key->objectid) / sectorsize;
        uint64_t last = (MIN(range.start + range.len, end) - key->objectid) / sectorsize;

        for (uint64_t n = first; n < last; n++)
            bits[n / 8] |= (uint8_t)(1U << (n % 8));
    }
}

static int write_bitmaps(struct space *space, const struct group *group, const struct rangeset *set)
{
    uint64_t pos = group->start, end = group->start + group->length;

    while (pos < end) {
        struct key key = bitmap_key(space, group, pos);
        uint8_t bits[BITMAP_BYTES] = {0};

        fill_bitmap(space, &key, set, bits);
        TRY(tree_insert(tree_of(space), &key, bits, bitmap_size(space, &key)));
        pos += key.offset;
    }
    return 0;
}

/* Replaces all items of a group by `set` in the form that flags say. */
static int rewrite(struct space *space, const struct group *group, const struct rangeset *set,
                   uint32_t flags)
{
    struct free_space_info info = {.extent_count = (uint32_t)set->count, .flags = flags};

    TRY(free_tree_delete(space, group->start, group->start + group->length));
    TRY(free_info_write(space, group, &info));
    if (flags & FREE_SPACE_USING_BITMAPS)
        return write_bitmaps(space, group, set);
    return write_extents(space, group, set);
}

/* ---- which form
 * -------------------------------------------------------------------------------------------- */

/*
 * Linux's rule: bitmaps once the extent items would take more room in leaves than all bitmaps of
 * the group, and extents again when there are 100 fewer.
 */
static uint32_t better_form(const struct space *space, const struct group *group, uint64_t extents,
                            uint32_t flags)
{
    const uint64_t hysteresis = 100;
    uint64_t cover = (uint64_t)FREE_SPACE_BITMAP_BITS * space->engine->sectorsize;
    uint64_t bitmaps = (group->length + cover - 1) / cover;
    uint64_t high = bitmaps * (LEAF_ITEM_SIZE + BITMAP_BYTES) / LEAF_ITEM_SIZE;
    uint64_t low = high > hysteresis ? high - hysteresis : 0;

    if (extents > high)
        return flags | FREE_SPACE_USING_BITMAPS;
    if (extents < low)
        return flags & ~FREE_SPACE_USING_BITMAPS;
    return flags;
}

static int convert(struct space *space, const struct group *group, uint32_t flags)
{
    struct rangeset set CLEANUP(rangeset_clear);

    rangeset_init(&set);
    TRY(free_tree_read(space, group, &set));
    return rewrite(space, group, &set, flags);
}

/* ---- bringing it up to date
 * ---------------------------------------------------------------------------- */

static int add_all(struct rangeset *to, const struct rangeset *from)
{
    struct range range;

    for (uint64_t pos = 0; rangeset_next(from, pos, &range); pos = range.start + range.len)
        TRY(rangeset_add(to, range.start, range.len));
    return 0;
}

/*
 * As Linux does, bytes under superblock copies are listed as free; nobody takes them all the same.
 *
 * What changes while the items are being written (they need blocks themselves) is noted as a
 * change against what is written here.
 */
static int write_anew(struct space *space, struct group *group)
{
    struct rangeset set CLEANUP(rangeset_clear);

    rangeset_init(&set);
    TRY(add_all(&set, &group->free));
    TRY(add_all(&set, &group->allocated));
    TRY(add_all(&set, &group->pinned));
    TRY(add_all(&set, &group->super));
    rangeset_clear(&group->tree_add);
    rangeset_clear(&group->tree_remove);
    group->tree_rewrite = false;
    return rewrite(space, group, &set, better_form(space, group, set.count, 0));
}

/* Takes the first range out of the set. */
static int pop(struct rangeset *set, struct range *out)
{
    struct range range;

    if (!rangeset_next(set, 0, &range))
        return 1;
    TRY(rangeset_remove(set, range.start, range.len));
    *out = range;
    return 0;
}

static int write_changes(struct space *space, struct group *group, struct free_space_info *info)
{
    struct range range;
    int ret;

    while (!rangeset_empty(&group->tree_remove) || !rangeset_empty(&group->tree_add)) {
        ret = pop(&group->tree_remove, &range);
        if (ret == 0)
            ret = free_tree_remove(space, group, range.start, range.len, info);
        TRY(ret);
        ret = pop(&group->tree_add, &range);
        if (ret == 0)
            ret = free_tree_add(space, group, range.start, range.len, info);
        TRY(ret);
    }
    return 0;
}

int free_tree_write(struct space *space, struct group *group, bool *changed)
{
    struct free_space_info info;
    uint32_t count, form;

    if (!free_tree_kept(space) || (!group->tree_rewrite && rangeset_empty(&group->tree_add) &&
                                   rangeset_empty(&group->tree_remove)))
        return 0;
    if (tree_of(space)->bytenr == 0)
        return fail(-EUCLEAN, "the free-space tree that the superblock promises is missing");
    *changed = true;
    if (group->tree_rewrite)
        return write_anew(space, group);
    TRY(free_info_read(space, group, &info));
    count = info.extent_count;
    TRY(write_changes(space, group, &info));
    form = better_form(space, group, info.extent_count, info.flags);
    if (info.extent_count != count || form != info.flags)
        TRY(free_info_write(space, group, &info));
    return form == info.flags ? 0 : convert(space, group, form);
}
