// SPDX-License-Identifier: GPL-2.0-or-later
/* Blocks that may be the root of a tree: those that no other block on the device leads to. */
#include <stdlib.h>

#include "ops/rescue/internal.h"

/* Marks what a node leads to. */
static int mark_children(struct rescue *r, const struct found_block *block, bool *below)
{
    const struct node_expect expect = {
        .bytenr = block->bytenr, .generation = block->generation, .level = block->level};
    const disk_key_ptr *ptrs;
    struct held *held;
    int ret = rescue_block(r, &expect, &held);

    if (ret < 0)
        return ret == -ENOMEM ? ret : 0;
    ptrs = (const void *)(held_bytes(held) + NODE_HEADER_SIZE);
    for (uint32_t i = 0; i < le32_get(((const disk_node_header *)held_bytes(held))->nritems); i++) {
        const struct found_block *child = rescue_found_at(r, le64_get(ptrs[i].blockptr));

        if (child && child->generation == le64_get(ptrs[i].generation))
            below[child - r->found] = true;
    }
    held_put(held);
    return 0;
}

static bool is_current(const struct rescue *r, const struct found_block *block)
{
    const struct rtree *trees[] = {&r->root_tree, &r->chunk_tree, &r->extent_tree, &r->csum_tree};

    for (size_t i = 0; i < ARRAY_LEN(trees); i++)
        if (trees[i]->rooted && trees[i]->bytenr == block->bytenr &&
            trees[i]->generation == block->generation)
            return true;
    for (size_t i = 0; i < r->subvol_count; i++)
        if (r->subvols[i].tree.rooted && r->subvols[i].tree.bytenr == block->bytenr &&
            r->subvols[i].tree.generation == block->generation)
            return true;
    return false;
}

int rescue_find_roots(struct rescue *r, int (*fn)(void *arg, const struct copse_rescue_root *root),
                      void *arg)
{
    AUTO_FREE bool *below = NULL;

    TRY(rescue_scan_use(r));
    if (r->found_count == 0)
        return 0;
    below = calloc(r->found_count, sizeof(*below));
    if (!below)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < r->found_count; i++)
        if (r->found[i].level > 0)
            TRY(mark_children(r, &r->found[i], below));
    for (size_t i = 0; i < r->found_count; i++) {
        const struct found_block *block = &r->found[i];
        const struct copse_rescue_root root = {.tree = block->owner,
                                               .bytenr = block->bytenr,
                                               .generation = block->generation,
                                               .level = block->level,
                                               .in_use = block->use == FOUND_USED,
                                               .current = is_current(r, block)};
        int ret;

        if (below[i])
            continue;
        ret = fn(arg, &root);
        if (ret != 0)
            return ret < 0 ? ret : 0;
    }
    return 0;
}
