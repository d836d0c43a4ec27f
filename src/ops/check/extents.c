// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The extent tree from end to end: which blocks there are, which space is free, and every
 * reference it lists.
 */
#include "ops/check/internal.h"

#define KEY_COLLISIONS_MAX 64

/* ---- references ------------------------------------------------------------------------------ */

static int give_data_ref(const void *bytes, struct reference *ref, reference_fn *fn, void *arg)
{
    struct extent_data_ref disk;

    extent_data_ref_decode(&disk, bytes);
    ref->type = KEY_EXTENT_DATA_REF;
    ref->root = disk.root;
    ref->objectid = disk.objectid;
    ref->offset = disk.offset;
    ref->count = disk.count;
    return fn(arg, ref);
}

static int give_inline(const uint8_t *bytes, struct reference ref, reference_fn *fn, void *arg)
{
    struct extent_inline_ref disk;
    struct shared_data_ref shared = {.count = 1};

    extent_inline_ref_decode(&disk, bytes);
    if (disk.type == KEY_EXTENT_OWNER_REF)
        return 0;
    if (disk.type == KEY_EXTENT_DATA_REF)
        return give_data_ref(bytes + sizeof(uint8_t), &ref, fn, arg);
    if (disk.type == KEY_SHARED_DATA_REF)
        shared_data_ref_decode(&shared, bytes + sizeof(disk_extent_inline_ref));
    ref.type = disk.type;
    ref.root = disk.offset;
    ref.count = shared.count;
    return fn(arg, &ref);
}

/* Where the inline references begin; what the extent is goes into *ref. */
static uint32_t extent_head(const struct check *c, const struct spot *spot, struct reference *ref)
{
    uint32_t at = sizeof(disk_extent_item);
    struct tree_block_info info = {.level = (uint8_t)spot->key.offset};
    struct extent_item extent;

    (void)c;
    extent_item_decode(&extent, spot->data);
    *ref = (struct reference){.bytenr = spot->key.objectid, .size = spot->key.offset};
    if (!(extent.flags & EXTENT_FLAG_TREE_BLOCK))
        return at;
    if (spot->key.type == KEY_EXTENT_ITEM) {
        tree_block_info_decode(&info, spot->data + at);
        at += (uint32_t)sizeof(disk_tree_block_info);
    }
    ref->size = extent.generation << 8 | info.level;
    return at;
}

/*
 * Items with a reference of their own follow that of their extent, of which `size` is to be set
 * by the caller of this in ref.
 */
static int give_keyed(const struct spot *spot, struct reference ref, reference_fn *fn, void *arg)
{
    struct shared_data_ref shared = {.count = 1};

    if (spot->key.type == KEY_EXTENT_DATA_REF) {
        for (uint32_t at = 0; at < spot->size; at += sizeof(disk_extent_data_ref)) {
            int ret = give_data_ref(spot->data + at, &ref, fn, arg);

            if (ret != 0)
                return ret;
        }
        return 0;
    }
    if (spot->key.type == KEY_SHARED_DATA_REF)
        shared_data_ref_decode(&shared, spot->data);
    ref.type = spot->key.type;
    ref.root = spot->key.offset;
    ref.count = shared.count;
    return fn(arg, &ref);
}

int each_listed(struct extent_cursor *cursor, const struct spot *spot, reference_fn *fn, void *arg)
{
    uint32_t at;

    switch (spot->key.type) {
    case KEY_EXTENT_ITEM:
    case KEY_METADATA_ITEM:
        at = extent_head(cursor->c, spot, &cursor->head);
        while (at < spot->size) {
            int ret = give_inline(spot->data + at, cursor->head, fn, arg);

            if (ret != 0)
                return ret;
            at += extent_inline_ref_size(spot->data[at]);
        }
        return 0;
    case KEY_TREE_BLOCK_REF:
    case KEY_SHARED_BLOCK_REF:
    case KEY_EXTENT_DATA_REF:
    case KEY_SHARED_DATA_REF:
        if (cursor->head.bytenr != spot->key.objectid)
            cursor->head = (struct reference){.bytenr = spot->key.objectid};
        return give_keyed(spot, cursor->head, fn, arg);
    default:
        return 0;
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

struct extent_load {
    struct check *c;
    struct extent_cursor cursor;
    uint64_t bytenr, end;   /* of the extent before, or at hand */
    uint64_t refs, counted; /* what it says, what is listed */
    bool has_extent;
    size_t area; /* where gaps are looked for */
    uint64_t free_from;
    uint64_t bytes; /* of all extents */
};

static int post(void *arg, const struct reference *ref)
{
    struct extent_load *load = arg;

    load->counted += ref->count;
    ledger_post(load->c->ledger, load->c->seed, ref, 1);
    return 0;
}

static void finish_extent(struct extent_load *load)
{
    if (load->has_extent && load->refs != load->counted) {
        (void)check_failed(load->c, suspect_extent(load->c, load->bytenr));
        report(load->c, CHECK_EXTENT_REFS, PLACE(.tree = TREE_EXTENT, .other = load->bytenr),
               "extent %llu: counts %llu references, lists %llu", LLU(load->bytenr),
               LLU(load->refs), LLU(load->counted));
    }
    load->has_extent = false;
}

/* What lies between the end of the last extent and `to` is free. */
static int take_gap(struct extent_load *load, uint64_t to)
{
    struct check *c = load->c;

    while (load->area < c->areas.count) {
        const struct area *area = PILE_AT(&c->areas, struct area, load->area);
        uint64_t end = area->map.logical + area->map.length;
        uint64_t from = MAX(load->free_from, area->map.logical);

        if (from < MIN(end, to))
            TRY(add_free_range(&c->gaps, area, from, MIN(end, to)));
        if (end > to)
            break;
        load->area++;
    }
    return 0;
}

static int place_extent(struct extent_load *load, const struct spot *spot, uint64_t len, bool data)
{
    const struct place place = PLACE(.tree = TREE_EXTENT, .block = spot->block);
    struct check *c = load->c;
    uint64_t start = spot->key.objectid;
    struct area *area = area_of(c, start);
    uint64_t wanted = data ? BG_DATA : BG_METADATA | BG_SYSTEM;

    if (start < load->end)
        report(c, CHECK_EXTENT_OVERLAP, place,
               "tree EXTENT_TREE block %llu item %u: extent %llu begins before %llu, where the one "
               "before it ends",
               LLU(spot->block), spot->slot, LLU(start), LLU(load->end));
    TRY(take_gap(load, start));
    load->end = load->free_from = MAX(load->end, start + len);
    load->bytes += len;
    if (!area || len > area->map.logical + area->map.length - start) {
        report(c, CHECK_EXTENT_OUTSIDE, place,
               "tree EXTENT_TREE block %llu item %u: extent %llu of %llu bytes lies in no chunk",
               LLU(spot->block), spot->slot, LLU(start), LLU(len));
        return 0;
    }
    area->used += len;
    if (!(area->map.type & wanted))
        report(c, CHECK_EXTENT_KIND, place,
               "tree EXTENT_TREE block %llu item %u: %s %llu lies in a chunk of another kind",
               LLU(spot->block), spot->slot, data ? "data extent" : "tree block", LLU(start));
    return 0;
}

static int take_extent(struct extent_load *load, const struct spot *spot)
{
    struct check *c = load->c;
    struct block block = {.bytenr = spot->key.objectid, .flags = BLOCK_LISTED};
    struct extent_item extent;

    finish_extent(load);
    extent_item_decode(&extent, spot->data);
    bool data = extent.flags & EXTENT_FLAG_DATA;
    load->has_extent = true;
    load->bytenr = spot->key.objectid;
    load->refs = extent.refs;
    load->counted = 0;
    TRY(place_extent(load, spot, data ? spot->key.offset : c->nodesize, data));
    if (extent.generation > c->super->generation)
        report(c, CHECK_EXTENT_TREE, PLACE(.tree = TREE_EXTENT, .block = spot->block),
               "extent %llu: is of generation %llu, the superblock of %llu", LLU(load->bytenr),
               LLU(extent.generation), LLU(c->super->generation));
    if (data)
        return 0;
    if (extent.flags & BLOCK_FLAG_FULL_BACKREF)
        block.flags |= BLOCK_FULL;
    /* Twice the same address was an overlap; one entry is enough. */
    if (c->blocks.count > 0 &&
        PILE_AT(&c->blocks, struct block, c->blocks.count - 1)->bytenr == block.bytenr)
        return 0;
    return pile_push(&c->blocks, &block);
}

/* A reference with a key of its own is looked for by hash. */
static void check_ref_key(struct extent_load *load, const struct spot *spot)
{
    struct extent_data_ref ref;
    uint64_t hash;

    if (spot->key.type == KEY_EXTENT_DATA_REF) {
        extent_data_ref_decode(&ref, spot->data);
        hash = extent_data_ref_hash(ref.root, ref.objectid, ref.offset);
        if (spot->key.offset - hash >= KEY_COLLISIONS_MAX) {
            (void)check_failed(load->c, suspect_extent(load->c, spot->key.objectid));
            report(load->c, CHECK_REF_KEY,
                   PLACE(.tree = TREE_EXTENT, .block = spot->block, .other = spot->key.objectid),
                   "tree EXTENT_TREE block %llu item %u: reference of extent %llu under hash %llu, "
                   "its own is %llu",
                   LLU(spot->block), spot->slot, LLU(spot->key.objectid), LLU(spot->key.offset),
                   LLU(hash));
        }
    }
    if (!load->has_extent || load->bytenr != spot->key.objectid)
        report(load->c, CHECK_EXTENT_TREE, PLACE(.tree = TREE_EXTENT, .block = spot->block),
               "tree EXTENT_TREE block %llu item %u: a reference to extent %llu, which has no item",
               LLU(spot->block), spot->slot, LLU(spot->key.objectid));
}

static int take_item(void *arg, const struct spot *spot)
{
    struct extent_load *load = arg;

    switch (spot->key.type) {
    case KEY_EXTENT_ITEM:
    case KEY_METADATA_ITEM:
        TRY(take_extent(load, spot));
        break;
    case KEY_TREE_BLOCK_REF:
    case KEY_SHARED_BLOCK_REF:
    case KEY_EXTENT_DATA_REF:
    case KEY_SHARED_DATA_REF:
        check_ref_key(load, spot);
        break;
    case KEY_BLOCK_GROUP_ITEM:
        take_group(load->c, spot);
        break;
    default:
        break;
    }
    return each_listed(&load->cursor, spot, post, load);
}

int load_extents(struct check *c)
{
    const struct tree_root *root = find_root(c, TREE_EXTENT);
    struct extent_load load = {.c = c, .cursor = {.c = c}};
    int ret;

    if (!root)
        return 0;
    ret = read_tree(c, root, take_item, &load);
    if (ret == -EIO || ret == -EUCLEAN)
        return 0;
    TRY(ret);
    finish_extent(&load);
    TRY(take_gap(&load, UINT64_MAX));
    c->extents_known = true;
    if (load.bytes != c->super->bytes_used)
        report(c, CHECK_SUPER_USED, PLACE(0), "superblock: %llu bytes used, in extents are %llu",
               LLU(c->super->bytes_used), LLU(load.bytes));
    return 0;
}
