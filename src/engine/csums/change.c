// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inserting and deleting checksums. Every step leaves the tree with items that do not overlap, so
 * that whoever looks in between (the tree may be written at any time) finds nothing wrong.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "engine/csums/csums.h"
#include "engine/csums/span.h"

/* What surrounds an address. */
struct place {
    bool covered;     /* prev covers the address */
    bool touches;     /* prev ends right there */
    struct span prev; /* only when covered or touches */
    uint64_t next;    /* where the next item begins, UINT64_MAX: nowhere */
};

static int find_place(struct engine *engine, struct root *root, uint64_t addr, struct place *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct place place = {.next = UINT64_MAX};
    struct key key = csum_key(addr);
    struct span span;
    int ret = tree_search_le(root, &key, &path);

    TRY(ret);
    if (ret == 0) {
        ret = span_of(engine, &path, &span);
        TRY(ret);
        if (ret == 0) {
            place.covered = span.end > addr;
            place.touches = span.end == addr;
            place.prev = span;
        }
        ret = span_next(engine, &path, &span);
    } else {
        path_release(&path);
        ret = tree_search_ge(root, &key, &path);
        if (ret == 0)
            ret = span_of(engine, &path, &span);
    }
    TRY(ret);
    if (ret == 0)
        place.next = span.start;
    *out = place;
    return 0;
}

/* The path onto the item that begins at `start`, to be changed. */
static int span_open(struct root *root, uint64_t start, int ins_len, struct path *path)
{
    struct key key = csum_key(start);
    int ret = tree_search_cow(root, &key, ins_len, path);

    TRY(ret);
    if (ret > 0)
        return fail(-EUCLEAN, "tree %llu: checksum item %llu vanished",
                    (unsigned long long)root->id, (unsigned long long)start);
    return 0;
}

/* ---- inserting ------------------------------------------------------------------------------ */

/* Writes over checksums that an item has already. */
static int replace(struct engine *engine, struct root *root, const struct span *span, uint64_t addr,
                   const uint8_t *sums, uint64_t count)
{
    AUTO_PATH struct path path = PATH_INIT;

    TRY(span_open(root, span->start, 0, &path));
    memcpy((uint8_t *)path_data_mut(&path) + span_bytes(engine, span->start, addr), sums,
           count * engine->csum_size);
    return 0;
}

/*
 * Adds to the end of an item as many of count checksums as its leaf has room for; *done may be 0.
 * A leaf is not split for it: a new item then does as well.
 */
static int extend(struct engine *engine, struct root *root, const struct span *span,
                  const uint8_t *sums, uint64_t count, uint64_t *done)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint64_t have = span_sectors(engine, span->start, span->end);
    uint32_t max = csums_per_item(engine);

    *done = 0;
    if (have >= max)
        return 0;
    TRY(span_open(root, span->start, 0, &path));

    uint32_t room = leaf_free_space(path_leaf(&path), engine->nodesize) / engine->csum_size;
    uint64_t take = MIN(max - have, (uint64_t)room);
    uint32_t old_size = path_size(&path);

    take = MIN(take, count);
    if (take == 0)
        return 0;
    TRY(path_resize(&path, old_size + (uint32_t)take * engine->csum_size));
    memcpy((uint8_t *)path_data_mut(&path) + old_size, sums, take * engine->csum_size);
    *done = take;
    return 0;
}

/* Joins the items that begin at a and b, where a ends, when they share a leaf and make one item. */
static int merge(struct engine *engine, struct root *root, uint64_t a, uint64_t b)
{
    AUTO_FREE uint8_t *tail = NULL;
    uint32_t tail_size;
    {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key;

        TRY(span_open(root, a, 0, &path));

        const struct node *leaf = path_leaf(&path);
        uint32_t slot = path_slot(&path) + 1;

        if (slot >= node_items(leaf))
            return 0;
        node_key(leaf, slot, &key);
        tail_size = leaf_size(leaf, slot);
        if (key.objectid != OBJ_EXTENT_CSUM || key.type != KEY_EXTENT_CSUM || key.offset != b ||
            path_size(&path) + tail_size > csums_per_item(engine) * engine->csum_size)
            return 0;
        tail = malloc(tail_size);
        if (!tail)
            return fail(-ENOMEM, "checksum item: out of memory");
        memcpy(tail, leaf_data(leaf, slot), tail_size);
    }
    struct key key = csum_key(b);

    TRY(tree_delete(root, &key));

    AUTO_PATH struct path path = PATH_INIT;
    uint32_t size;

    TRY(span_open(root, a, 0, &path));
    size = path_size(&path);
    TRY(path_resize(&path, size + tail_size));
    memcpy((uint8_t *)path_data_mut(&path) + size, tail, tail_size);
    return 0;
}

/* Inserts where nothing is yet; *done of them. */
static int fill_gap(struct engine *engine, struct root *root, const struct place *place,
                    uint64_t addr, const uint8_t *sums, uint64_t count, uint64_t *done)
{
    uint64_t item = place->prev.start;
    uint64_t take = 0;

    if (place->touches)
        TRY(extend(engine, root, &place->prev, sums, count, &take));
    if (take == 0) {
        struct key key = csum_key(addr);

        item = addr;
        take = MIN(count, (uint64_t)csums_per_item(engine));
        TRY(tree_insert(root, &key, sums, (uint32_t)take * engine->csum_size));
    }
    if (addr + take * engine->sectorsize == place->next)
        TRY(merge(engine, root, item, place->next));
    *done = take;
    return 0;
}

int csums_insert(struct engine *engine, struct root *root, uint64_t start, const uint8_t *sums,
                 uint64_t count)
{
    while (count > 0) {
        struct place place;
        uint64_t done;

        TRY(find_place(engine, root, start, &place));
        if (place.covered) {
            done = MIN(count, span_sectors(engine, start, place.prev.end));
            TRY(replace(engine, root, &place.prev, start, sums, done));
        } else {
            uint64_t gap = span_sectors(engine, start, place.next);

            TRY(fill_gap(engine, root, &place, start, sums, MIN(count, gap), &done));
        }
        start += done * engine->sectorsize;
        sums += done * engine->csum_size;
        count -= done;
    }
    return 0;
}

/* ---- deleting ------------------------------------------------------------------------------- */

/*
 * Cuts the end off an item and makes it one of its own. Not by splitting the item: an item that
 * fills its leaf leaves no room for a second header.
 */
static int detach_tail(struct engine *engine, struct root *root, const struct span *span,
                       uint64_t start, uint64_t end)
{
    AUTO_FREE uint8_t *tail = malloc(span_bytes(engine, end, span->end));
    struct key key = csum_key(end);
    {
        AUTO_PATH struct path path = PATH_INIT;

        if (!tail)
            return fail(-ENOMEM, "checksum item: out of memory");
        TRY(span_open(root, span->start, 0, &path));
        memcpy(tail, (const uint8_t *)path_data(&path) + span_bytes(engine, span->start, end),
               span_bytes(engine, end, span->end));
        TRY(path_resize(&path, span_bytes(engine, span->start, start)));
    }
    return tree_insert(root, &key, tail, span_bytes(engine, end, span->end));
}

/* Takes [start, end) out of an item it overlaps. */
static int cut(struct engine *engine, struct root *root, const struct span *span, uint64_t start,
               uint64_t end)
{
    AUTO_PATH struct path path = PATH_INIT;
    bool whole = span->start >= start && span->end <= end;
    struct key key = csum_key(end);

    if (span->start < start && span->end > end)
        return detach_tail(engine, root, span, start, end);
    TRY(span_open(root, span->start, whole ? -1 : 0, &path));
    if (whole)
        return path_delete(&path, 1);
    if (span->end <= end)
        return path_resize(&path, span_bytes(engine, span->start, start));
    path_cut_front(&path, span_bytes(engine, span->start, end));
    path_set_key(&path, &key);
    return 0;
}

int csums_delete(struct engine *engine, struct root *root, uint64_t start, uint64_t len)
{
    uint64_t end = start + len;

    while (len > 0) {
        struct span span;
        int ret;
        {
            AUTO_PATH struct path path = PATH_INIT;

            ret = span_find(engine, root, start, &path, &span);
        }
        TRY(ret);
        if (ret > 0 || span.start >= end)
            break;
        TRY(cut(engine, root, &span, start, end));
    }
    return 0;
}
