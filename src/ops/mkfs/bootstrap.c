// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who hands out tree blocks while there is no extent tree: one after the other from the start of
 * the system chunk and of the first chunk with metadata, all remembered.
 */
#include <stdlib.h>

#include "ops/mkfs/internal.h"

/* The chunk that blocks of this tree lie in. */
static int chunk_for(struct bootstrap *bootstrap, const struct root *root, struct chunk_map *out)
{
    uint64_t type = root->id == TREE_CHUNK ? BG_SYSTEM : BG_METADATA;

    for (uint64_t from = 0; vol_next_chunk(bootstrap->vol, from, out); from = out->logical + 1)
        if (out->type & type)
            return 0;
    return fail(-ENOSPC, "no chunk for blocks of tree %llu", LLU(root->id));
}

/* The first address of the chunk behind all blocks in it. */
static uint64_t end_of_blocks(const struct bootstrap *bootstrap, const struct chunk_map *chunk,
                              uint32_t nodesize)
{
    uint64_t end = chunk->logical;

    for (size_t i = 0; i < bootstrap->count; i++) {
        uint64_t bytenr = bootstrap->blocks[i].bytenr;

        if (bytenr >= end && bytenr < chunk->logical + chunk->length)
            end = bytenr + nodesize;
    }
    return end;
}

/* The first place at or after `at` where no superblock copy can be. */
static uint64_t past_supers(const struct chunk_map *chunk, uint64_t at, uint32_t nodesize)
{
    uint64_t start, len;

    while (chunk_next_super_range(chunk, at, &start, &len) && start < at + nodesize)
        at = round_up_to(start + len, nodesize);
    return at;
}

static int make_room(struct bootstrap *bootstrap)
{
    if (bootstrap->count == bootstrap->room) {
        size_t room = MAX(2 * bootstrap->room, (size_t)32);
        struct block *grown = realloc(bootstrap->blocks, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        bootstrap->blocks = grown;
        bootstrap->room = room;
    }
    return 0;
}

static int alloc_block(void *ctx, const struct root *root, uint8_t level,
                       const struct key *first_key, uint64_t hint, uint64_t *bytenr)
{
    struct bootstrap *bootstrap = ctx;
    uint32_t nodesize = vol_limits(bootstrap->vol)->nodesize;
    struct chunk_map chunk;
    uint64_t at;

    (void)hint;
    TRY(make_room(bootstrap));
    TRY(chunk_for(bootstrap, root, &chunk));
    at = past_supers(&chunk, round_up_to(end_of_blocks(bootstrap, &chunk, nodesize), nodesize),
                     nodesize);
    if (at + nodesize > chunk.logical + chunk.length)
        return fail(-ENOSPC, "chunk %llu is full", LLU(chunk.logical));
    bootstrap->blocks[bootstrap->count++] = (struct block){
        .bytenr = at,
        .root = root->id,
        .first_key = first_key ? *first_key : KEY_FIRST,
        .level = level,
        .live = true,
    };
    bootstrap->changes++;
    *bytenr = at;
    return 0;
}

static int free_block(void *ctx, const struct root *root, const struct node *old)
{
    struct bootstrap *bootstrap = ctx;

    for (size_t i = 0; i < bootstrap->count; i++) {
        struct block *block = &bootstrap->blocks[i];

        if (block->live && block->bytenr == node_bytenr(old) && block->root == root->id) {
            block->live = false;
            bootstrap->changes++;
            return 0;
        }
    }
    INVARIANT(false, "a block that a tree gives back was handed out to it");
    return -EINVAL;
}

const struct forest_backing bootstrap_backing = {
    .alloc_block = alloc_block,
    .free_block = free_block,
};

void bootstrap_release(struct bootstrap *bootstrap)
{
    free(bootstrap->blocks);
    *bootstrap = (struct bootstrap){0};
}
