// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The trees that describe space, brought to agree with the blocks they take themselves: writing an
 * item may need a block, which needs an item. So all of them are written again and again until a
 * round takes no block.
 */
#include <string.h>

#include "base/cleanup.h"
#include "ops/mkfs/internal.h"

/* ---- extent items
 * --------------------------------------------------------------------------------- */

#define EXTENT_ITEM_MAX                                                                            \
    (sizeof(disk_extent_item) + sizeof(disk_tree_block_info) + sizeof(disk_extent_inline_ref))

/* The item of a tree block with one reference, by the tree that owns it. Returns its size. */
static uint32_t encode_extent(const struct block *block, bool skinny, uint8_t *item)
{
    struct extent_item extent = {
        .refs = 1,
        .generation = MKFS_GENERATION,
        .flags = EXTENT_FLAG_TREE_BLOCK,
    };
    struct tree_block_info info = {.key = block->first_key, .level = block->level};
    struct extent_inline_ref ref = {.type = KEY_TREE_BLOCK_REF, .offset = block->root};
    uint8_t *at = item;

    extent_item_encode(at, &extent);
    at += sizeof(disk_extent_item);
    if (!skinny) {
        tree_block_info_encode(at, &info);
        at += sizeof(disk_tree_block_info);
    }
    extent_inline_ref_encode(at, &ref);
    at += sizeof(disk_extent_inline_ref);
    return (uint32_t)(at - item);
}

static int write_extent(struct maker *maker, const struct block *block)
{
    bool skinny = plan_has(&maker->plan, MKFS_SKINNY_METADATA);
    struct root *root = &maker->roots[T_EXTENT];
    struct key key = skinny ? key_make(block->bytenr, KEY_METADATA_ITEM, block->level)
                            : key_make(block->bytenr, KEY_EXTENT_ITEM, maker->plan.nodesize);
    uint8_t item[EXTENT_ITEM_MAX];
    uint32_t size = encode_extent(block, skinny, item);

    return block->live ? tree_insert(root, &key, item, size) : tree_delete(root, &key);
}

/* The list grows while it is walked: inserting takes blocks. */
static int write_extents(struct maker *maker)
{
    struct bootstrap *bootstrap = &maker->bootstrap;

    for (size_t i = 0; i < bootstrap->count; i++) {
        struct block block = bootstrap->blocks[i];

        if (block.live == block.listed)
            continue;
        bootstrap->blocks[i].listed = block.live;
        TRY(write_extent(maker, &block));
    }
    return 0;
}

/* ---- block groups
 * --------------------------------------------------------------------------------- */

static bool inside(const struct chunk_map *chunk, uint64_t bytenr)
{
    return bytenr >= chunk->logical && bytenr - chunk->logical < chunk->length;
}

static uint64_t used_in(const struct maker *maker, const struct chunk_map *chunk)
{
    uint64_t used = 0;

    for (size_t i = 0; i < maker->bootstrap.count; i++) {
        const struct block *block = &maker->bootstrap.blocks[i];

        if (block->live && inside(chunk, block->bytenr))
            used += maker->plan.nodesize;
    }
    return used;
}

static int write_block_groups(struct maker *maker)
{
    enum tree_index where = maker_has_tree(maker, T_BLOCK_GROUP) ? T_BLOCK_GROUP : T_EXTENT;

    for (unsigned i = 0; i < maker->plan.chunk_count; i++) {
        const struct chunk_map *chunk = &maker->plan.chunks[i];
        struct key key = key_make(chunk->logical, KEY_BLOCK_GROUP_ITEM, chunk->length);
        struct block_group_item group = {
            .used = used_in(maker, chunk),
            .chunk_objectid = FIRST_CHUNK_TREE_OBJECTID,
            .flags = chunk->type,
        };
        disk_block_group_item item;

        block_group_item_encode(&item, &group);
        TRY(tree_upsert(&maker->roots[where], &key, &item, sizeof(item)));
    }
    return 0;
}

/* ---- free space tree
 * ------------------------------------------------------------------------------ */

/* What no block takes of the chunk. */
static int free_ranges(const struct maker *maker, const struct chunk_map *chunk,
                       struct rangeset *out)
{
    TRY(rangeset_add(out, chunk->logical, chunk->length));
    for (size_t i = 0; i < maker->bootstrap.count; i++) {
        const struct block *block = &maker->bootstrap.blocks[i];

        if (block->live && inside(chunk, block->bytenr))
            TRY(rangeset_remove(out, block->bytenr, maker->plan.nodesize));
    }
    return 0;
}

static bool has_exactly(const struct rangeset *set, const struct range *range)
{
    struct range found;

    return rangeset_next(set, range->start, &found) && found.start == range->start &&
           found.len == range->len;
}

/* Does `change` to the item of each range of `of` that `other` does not have. */
static int change_ranges(struct root *root, const struct rangeset *of, const struct rangeset *other,
                         bool insert)
{
    struct range range;

    for (uint64_t from = 0; rangeset_next(of, from, &range); from = range.start + range.len) {
        struct key key = key_make(range.start, KEY_FREE_SPACE_EXTENT, range.len);

        if (!has_exactly(other, &range))
            TRY(insert ? tree_insert(root, &key, NULL, 0) : tree_delete(root, &key));
    }
    return 0;
}

/* Takes *listed, what the tree says of the chunk, to *now. */
static int write_chunk_free_space(struct maker *maker, const struct chunk_map *chunk,
                                  struct rangeset *listed, struct rangeset *now)
{
    struct root *root = &maker->roots[T_FREE_SPACE];
    struct key key = key_make(chunk->logical, KEY_FREE_SPACE_INFO, chunk->length);
    struct free_space_info info;
    disk_free_space_info item;

    TRY(free_ranges(maker, chunk, now));
    info = (struct free_space_info){.extent_count = (uint32_t)now->count};
    free_space_info_encode(&item, &info);
    TRY(tree_upsert(root, &key, &item, sizeof(item)));
    TRY(change_ranges(root, listed, now, false));
    TRY(change_ranges(root, now, listed, true));
    rangeset_clear(listed);
    return rangeset_move(listed, now);
}

static int write_free_space(struct maker *maker)
{
    if (!maker_has_tree(maker, T_FREE_SPACE))
        return 0;
    for (unsigned i = 0; i < maker->plan.chunk_count; i++) {
        CLEANUP(rangeset_clear) struct rangeset now;

        rangeset_init(&now);
        TRY(write_chunk_free_space(maker, &maker->plan.chunks[i], &maker->listed_free[i], &now));
    }
    return 0;
}

/* ---- together
 * --------------------------------------------------------------------------------------- */

int space_settle(struct maker *maker)
{
    uint64_t before;

    do {
        before = maker->bootstrap.changes;
        TRY(write_extents(maker));
        TRY(write_block_groups(maker));
        TRY(write_free_space(maker));
        TRY(trees_write_root_items(maker));
    } while (maker->bootstrap.changes != before);
    return 0;
}

uint64_t space_bytes_used(const struct maker *maker)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < maker->plan.chunk_count; i++)
        used += used_in(maker, &maker->plan.chunks[i]);
    return used;
}
