// SPDX-License-Identifier: GPL-2.0-or-later
/* Which trees there are. */
#include <stdlib.h>

#include "ops/check/internal.h"

const struct tree_root *find_root(const struct check *c, uint64_t id)
{
    size_t low = 0, high = c->roots.count;

    /* Those that the superblock names stand in front, the rest in order. */
    for (; low < high && PILE_AT(&c->roots, struct tree_root, low)->top; low++)
        if (PILE_AT(&c->roots, struct tree_root, low)->id == id)
            return PILE_AT(&c->roots, struct tree_root, low);
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (PILE_AT(&c->roots, struct tree_root, mid)->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == c->roots.count || PILE_AT(&c->roots, struct tree_root, low)->id != id)
        return NULL;
    return PILE_AT(&c->roots, struct tree_root, low);
}

static int take_root(void *arg, const struct spot *spot)
{
    uint8_t whole[sizeof(disk_root_item)] = {0};
    struct check *c = arg;
    struct tree_root root = {.id = spot->key.objectid, .offset = spot->key.offset};

    if (spot->key.type != KEY_ROOT_ITEM)
        return 0;
    memcpy(whole, spot->data, MIN((size_t)spot->size, sizeof(whole)));
    root_item_decode(&root.item, whole);
    root.bytenr = root.item.bytenr;
    root.generation = root.item.generation;
    root.level = root.item.level;
    root.dead = root.item.refs == 0 && (is_fs_tree(root.id) || root.id == TREE_RELOC);
    return pile_push(&c->roots, &root);
}

static void check_missing(struct check *c)
{
    static const struct {
        uint64_t id;
        const char *name;
    } needed[] = {{TREE_EXTENT, "EXTENT_TREE"},
                  {TREE_DEV, "DEV_TREE"},
                  {TREE_FS, "FS_TREE"},
                  {TREE_CSUM, "CSUM_TREE"}};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!find_root(c, needed[i].id))
            report(c, CHECK_TREE_MISSING, PLACE(.tree = needed[i].id),
                   "tree ROOT_TREE: there is no root item of %s", needed[i].name);
    if ((c->super->compat_ro_flags & COMPAT_RO_FREE_SPACE_TREE) && !find_root(c, TREE_FREE_SPACE))
        report(c, CHECK_TREE_MISSING, PLACE(.tree = TREE_FREE_SPACE),
               "tree ROOT_TREE: there is no root item of FREE_SPACE_TREE");
    if ((c->super->compat_ro_flags & COMPAT_RO_BLOCK_GROUP_TREE) && !find_root(c, TREE_BLOCK_GROUP))
        report(c, CHECK_TREE_MISSING, PLACE(.tree = TREE_BLOCK_GROUP),
               "tree ROOT_TREE: there is no root item of BLOCK_GROUP_TREE");
}

/* ---- half-deleted trees ---------------------------------------------------------------------- */

/* The child of a block that is on the way to the key: the last that does not begin behind it. */
static uint32_t child_at(const uint8_t *block, const struct key *key)
{
    const disk_key_ptr *ptrs = (const void *)(block + NODE_HEADER_SIZE);
    uint32_t count = le32_get(((const disk_node_header *)(const void *)block)->nritems), slot = 0;
    struct key next;

    for (; slot + 1 < count; slot++) {
        key_decode(&next, &ptrs[slot + 1].key);
        if (key_cmp(&next, key) > 0)
            break;
    }
    return slot;
}

/* From the root down to the level where the deletion stands. */
static int note_dead_path(struct check *c, const struct tree_root *root)
{
    AUTO_FREE uint8_t *block = malloc(c->nodesize);
    struct node_expect expect = {.bytenr = root->bytenr,
                                 .generation = root->generation,
                                 .owner = root->id,
                                 .level = root->level};

    if (!block)
        return fail(-ENOMEM, "a tree block");
    while (expect.level >= (int)root->item.drop_level && expect.level > 0) {
        const disk_key_ptr *ptr = (const void *)(block + NODE_HEADER_SIZE);
        struct dead_node node = {.bytenr = expect.bytenr};

        /* What is bad is said when all blocks are looked at. */
        if (read_block(c, &expect, block) < 0)
            return 0;
        node.first = child_at(block, &root->item.drop_progress);
        TRY(pile_push(&c->dead_nodes, &node));
        ptr += node.first;
        expect.bytenr = le64_get(ptr->blockptr);
        expect.generation = le64_get(ptr->generation);
        expect.level--;
    }
    return 0;
}

int load_roots(struct check *c)
{
    const struct tree_root top = {.id = TREE_ROOT,
                                  .bytenr = c->super->root,
                                  .generation = c->super->generation,
                                  .level = c->super->root_level,
                                  .top = true};

    TRY(pile_push(&c->roots, &top));
    TRY(read_tree(c, &top, take_root, c));
    check_missing(c);
    for (size_t i = 0; i < c->roots.count; i++) {
        const struct tree_root *root = PILE_AT(&c->roots, struct tree_root, i);

        if (root->dead && root->item.drop_level > 0)
            TRY(note_dead_path(c, root));
    }
    return 0;
}

void check_root_items(struct check *c)
{
    for (size_t i = 0; i < c->roots.count; i++) {
        const struct tree_root *root = PILE_AT(&c->roots, struct tree_root, i);

        if (root->top)
            continue;
        if (root->generation > c->super->generation)
            report(c, CHECK_ROOT_GENERATION, PLACE(.tree = root->id),
                   "tree %llu: its root item is of generation %llu, the superblock of %llu",
                   LLU(root->id), LLU(root->generation), LLU(c->super->generation));
        if (root->item.generation_v2 != root->item.generation && root->item.generation_v2 != 0)
            report(c, CHECK_ROOT_GENERATION, PLACE(.tree = root->id),
                   "tree %llu: its root item says generations %llu and %llu", LLU(root->id),
                   LLU(root->item.generation), LLU(root->item.generation_v2));
    }
}
