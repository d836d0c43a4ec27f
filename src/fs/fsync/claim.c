// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The extent tree of the last commit knows nothing of the log: its blocks, and the data it names,
 * lie in what counts as free. They are claimed before anything is allocated.
 */
#include "fs/fsync/internal.h"

static int claim(struct replay *replay, struct rangeset *set, uint64_t start, uint64_t len)
{
    if (rangeset_contains(set, start, len))
        return 0;
    int ret = space_claim(replay->fs->store->space, start, len);
    if (ret < 0)
        return fail_context(ret, "log tree: extent %llu", (unsigned long long)start);
    return rangeset_add(set, start, len);
}

static int claim_data(struct replay *replay, const struct node *leaf, uint32_t slot)
{
    uint64_t refs;
    struct file_extent extent;

    if (leaf_size(leaf, slot) < sizeof(disk_file_extent))
        return 0;
    file_extent_decode(&extent, leaf_data(leaf, slot));
    if (extent.type == FILE_EXTENT_INLINE || extent.disk_bytenr == 0)
        return 0;
    int ret = extent_data_refs(replay->fs->store->extents, extent.disk_bytenr,
                               extent.disk_num_bytes, &refs);
    if (ret != -ENOENT)
        return ret;
    fail_clear();
    return claim(replay, &replay->data, extent.disk_bytenr, extent.disk_num_bytes);
}

static int claim_leaf(struct replay *replay, const struct node *leaf)
{
    replay->items += node_items(leaf);
    for (uint32_t slot = 0; slot < node_items(leaf); slot++) {
        struct key key;

        node_key(leaf, slot, &key);
        if (key.type == KEY_EXTENT_DATA)
            TRY(claim_data(replay, leaf, slot));
    }
    return 0;
}

/* The depth is bounded: each child must be one level lower, or it is refused when read. */
static int claim_tree(struct replay *replay, const struct node_expect *expect)
{
    struct forest *forest = replay->engine->forest;
    struct node *node;
    int ret;

    TRY(claim(replay, &replay->blocks, expect->bytenr, replay->engine->nodesize));
    TRY(forest_read_node(forest, expect, &node));
    ret = node_level(node) == 0 ? claim_leaf(replay, node) : 0;
    for (uint32_t slot = 0; ret == 0 && node_level(node) > 0 && slot < node_items(node); slot++) {
        struct node_expect child = {
            .bytenr = node_child(node, slot),
            .generation = node_child_generation(node, slot),
            .owner = expect->owner,
            .level = node_level(node) - 1,
            .has_first_key = true,
        };

        node_key(node, slot, &child.first_key);
        ret = claim_tree(replay, &child);
    }
    node_put(node);
    return ret;
}

static int claim_root(struct replay *replay, const struct root *root)
{
    struct node_expect expect = {
        .bytenr = root->bytenr,
        .generation = root->generation,
        .owner = TREE_LOG,
        .level = root->level,
    };

    return claim_tree(replay, &expect);
}

int claim_logs(struct replay *replay)
{
    TRY(claim_root(replay, &replay->log_roots));
    for (size_t i = 0; i < replay->log_count; i++)
        TRY(claim_root(replay, &replay->logs[i].root));
    return 0;
}

static int release(struct replay *replay, struct rangeset *set)
{
    struct range range;

    while (rangeset_next(set, 0, &range)) {
        TRY(space_alloc_pin(replay->fs->store->space, range.start, range.len));
        TRY(rangeset_remove(set, range.start, range.len));
    }
    return 0;
}

int claim_settle(struct replay *replay)
{
    struct range range;

    for (uint64_t from = 0; rangeset_next(&replay->blocks, from, &range);
         from = range.start + range.len)
        for (uint64_t at = range.start; at < range.start + range.len;
             at += replay->engine->nodesize)
            forest_forget(replay->engine->forest, at);
    TRY(release(replay, &replay->blocks));
    return release(replay, &replay->data);
}
