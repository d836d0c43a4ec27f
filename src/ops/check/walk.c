// SPDX-License-Identifier: GPL-2.0-or-later
/* One tree from its first item to its last. */
#include <stdlib.h>

#include "ops/check/internal.h"

int read_block(struct check *c, const struct node_expect *expect, void *block)
{
    unsigned mirrors = vol_mirrors(c->vol, laddr_of(expect->bytenr));
    int ret = fail(-EUCLEAN, "tree %llu block %llu: address lies in no chunk", LLU(expect->owner),
                   LLU(expect->bytenr));

    for (unsigned mirror = 0; mirror < mirrors; mirror++) {
        ret = vol_read(c->vol, laddr_of(expect->bytenr), block, c->nodesize, mirror);
        if (ret == 0)
            ret = node_validate(block, c->limits, expect);
        if (ret == 0)
            break;
    }
    return ret;
}

struct walk {
    struct check *c;
    uint64_t tree;
    const struct key *from;
    item_fn *fn;
    void *arg;
};

static int walk_leaf(struct walk *walk, uint64_t bytenr, const uint8_t *block)
{
    const disk_node_header *header = (const void *)block;
    const disk_leaf_item *items = (const void *)(block + NODE_HEADER_SIZE);

    for (uint32_t i = 0; i < le32_get(header->nritems); i++) {
        struct spot spot = {.tree = walk->tree, .block = bytenr, .slot = i};
        int ret;

        key_decode(&spot.key, &items[i].key);
        if (key_cmp(&spot.key, walk->from) < 0)
            continue;
        spot.data = block + NODE_HEADER_SIZE + le32_get(items[i].offset);
        spot.size = le32_get(items[i].size);
        ret = walk->fn(walk->arg, &spot);
        if (ret != 0)
            return ret;
    }
    return 0;
}

static int walk_block(struct walk *walk, const struct node_expect *expect);

static int walk_node(struct walk *walk, const uint8_t *block)
{
    const disk_node_header *header = (const void *)block;
    const disk_key_ptr *ptrs = (const void *)(block + NODE_HEADER_SIZE);
    uint32_t count = le32_get(header->nritems);

    for (uint32_t i = 0; i < count; i++) {
        struct node_expect expect = {
            .owner = walk->tree, .level = header->level - 1, .has_first_key = true};
        struct key next;
        int ret;

        if (i + 1 < count) {
            key_decode(&next, &ptrs[i + 1].key);
            if (key_cmp(&next, walk->from) <= 0)
                continue;
        }
        key_decode(&expect.first_key, &ptrs[i].key);
        expect.bytenr = le64_get(ptrs[i].blockptr);
        expect.generation = le64_get(ptrs[i].generation);
        ret = walk_block(walk, &expect);
        if (ret != 0)
            return ret;
    }
    return 0;
}

static int walk_block(struct walk *walk, const struct node_expect *expect)
{
    AUTO_FREE uint8_t *block = malloc(walk->c->nodesize);

    if (!block)
        return fail(-ENOMEM, "a tree block");
    TRY(read_block(walk->c, expect, block));
    return expect->level > 0 ? walk_node(walk, block) : walk_leaf(walk, expect->bytenr, block);
}

int read_tree_from(struct check *c, const struct tree_root *root, const struct key *from,
                   item_fn *fn, void *arg)
{
    struct walk walk = {c, root->id, from, fn, arg};
    const struct node_expect expect = {.bytenr = root->bytenr,
                                       .generation = root->generation,
                                       .owner = root->id,
                                       .level = root->level};

    return walk_block(&walk, &expect);
}

int read_tree(struct check *c, const struct tree_root *root, item_fn *fn, void *arg)
{
    const struct key first = KEY_FIRST;

    return read_tree_from(c, root, &first, fn, arg);
}
