// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the roots down. A block, or a data extent, is freed when all that refers to it is: so each
 * one met is compared with the number of its references, and what has several is remembered until
 * the last of them has been met. Only then the walk goes on below a block: what anybody else
 * reaches is never looked into, so a snapshot costs what it does not share.
 *
 * A subvolume of which only some files go keeps its blocks. The walk looks for them in it, and of
 * the leaves it gets to only their items count.
 *
 * Shared data extents are remembered for a window of addresses. When there are too many, the window
 * ends earlier, and what lies behind it is left to another walk.
 */
#include "fs/subvol/exclusive.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/extent/extent.h"

#define LLU(v) ((unsigned long long)(v))
#define KEPT_MAX (256 * 1024)

/* What several refer to. */
struct met {
    UT_hash_handle hh;
    uint64_t bytenr, bytes;
    uint64_t seen, refs;
    bool data;
    bool partial; /* a block that a subvolume reaches that stays */
};

struct walk {
    struct exclusive_set *set;
    struct met *all;
    size_t kept; /* data extents among them */
    uint64_t from, to;
    struct exclusive_bytes sum;
    struct key gone; /* of the tree whose root is met: what lies before is deleted already */
};

struct block {
    uint64_t bytenr, generation;
    uint8_t level;
    bool partial;
};

/* ---- the set --------------------------------------------------------------------------------- */

static int add(uint64_t **list, size_t *count, uint64_t value)
{
    /* Room doubles. */
    if ((*count & (*count - 1)) == 0) {
        uint64_t *grown = realloc(*list, (*count ? 2 * *count : 1) * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "exclusive space: out of memory");
        *list = grown;
    }
    (*list)[(*count)++] = value;
    return 0;
}

int exclusive_add_tree(struct exclusive_set *set, uint64_t id)
{
    return add(&set->trees, &set->tree_count, id);
}

int exclusive_add_inode(struct exclusive_set *set, uint64_t ino)
{
    return add(&set->inodes, &set->inode_count, ino);
}

void exclusive_clear(struct exclusive_set *set)
{
    free(set->trees);
    free(set->inodes);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Whether one of the files has a number in [first, last]. */
static bool has_inode(const struct exclusive_set *set, uint64_t first, uint64_t last)
{
    size_t low = 0, high = set->inode_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->inodes[middle] < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->inode_count && set->inodes[low] <= last;
}

/* ---- what is met ----------------------------------------------------------------------------- */

static int remember(struct walk *walk, uint64_t bytenr, uint64_t refs, struct met **out)
{
    struct met *met;

    HASH_FIND(hh, walk->all, &bytenr, sizeof(bytenr), met);
    if (!met) {
        met = calloc(1, sizeof(*met));
        if (!met)
            return fail(-ENOMEM, "exclusive space: out of memory");
        met->bytenr = bytenr;
        met->refs = refs;
        HASH_ADD(hh, walk->all, bytenr, sizeof(met->bytenr), met);
        if (!HASH_ADDED(met)) {
            free(met);
            return fail(-ENOMEM, "exclusive space: out of memory");
        }
    }
    met->seen++;
    *out = met;
    return 0;
}

static void forget(struct walk *walk, struct met *met)
{
    HASH_DEL(walk->all, met);
    walk->kept -= met->data;
    free(met);
}

static void forget_all(struct walk *walk)
{
    struct met *met, *next;

    HASH_ITER (hh, walk->all, met, next)
        forget(walk, met);
}

/* The window ends in the middle of what is remembered. */
static void narrow(struct walk *walk)
{
    struct met *met, *next;
    uint64_t middle = 0;

    for (met = walk->all; met; met = met->hh.next)
        middle += met->data ? (met->bytenr - walk->from) / walk->kept : 0;
    /* Never empty: the walks must come to an end. */
    walk->to = walk->from + middle + 1;
    HASH_ITER (hh, walk->all, met, next)
        if (met->data && met->bytenr >= walk->to)
            forget(walk, met);
}

static bool in_window(const struct walk *walk, uint64_t bytenr)
{
    return bytenr >= walk->from && bytenr < walk->to;
}

static int meet_data(struct walk *walk, const struct file_extent *file)
{
    bool first = walk->from == 0;
    size_t most = walk->set->kept_max ? walk->set->kept_max : KEPT_MAX;
    struct met *met;
    uint64_t refs;

    if (!first && !in_window(walk, file->disk_bytenr))
        return 0;
    TRY(extent_data_refs(walk->set->fs->store->extents, file->disk_bytenr, file->disk_num_bytes,
                         &refs));
    /* All of these are counted by the first walk. */
    if (refs == 1)
        walk->sum.data += first ? file->disk_num_bytes : 0;
    if (refs == 1 || !in_window(walk, file->disk_bytenr))
        return 0;
    TRY(remember(walk, file->disk_bytenr, refs, &met));
    walk->kept += !met->data;
    met->data = true;
    met->bytes = file->disk_num_bytes;
    if (walk->kept > most)
        narrow(walk);
    return 0;
}

/* ---- down ------------------------------------------------------------------------------------ */

static int meet_items(struct walk *walk, const struct node *leaf, bool partial)
{
    for (uint32_t i = 0; i < node_items(leaf); i++) {
        const disk_file_extent *disk = leaf_data(leaf, i);
        struct file_extent file;
        struct key key;

        node_key(leaf, i, &key);
        if (key.type != KEY_EXTENT_DATA || leaf_size(leaf, i) < sizeof(*disk) ||
            disk->type == FILE_EXTENT_INLINE ||
            (partial && !has_inode(walk->set, key.objectid, key.objectid)))
            continue;
        file_extent_decode(&file, disk);
        if (file.disk_bytenr != 0)
            TRY(meet_data(walk, &file));
    }
    return 0;
}

static int meet_block(struct walk *walk, const struct block *block);

static int meet_children(struct walk *walk, const struct node *node, bool partial)
{
    for (uint32_t i = 0; i < node_items(node); i++) {
        struct block child = {.bytenr = node_child(node, i),
                              .generation = node_child_generation(node, i),
                              .level = (uint8_t)(node_level(node) - 1),
                              .partial = partial};
        struct key first, next = KEY_LAST;

        node_key(node, i, &first);
        if (i + 1 < node_items(node))
            node_key(node, i + 1, &next);
        if (key_cmp(&next, &walk->gone) > 0 &&
            (!partial || has_inode(walk->set, first.objectid, next.objectid)))
            TRY(meet_block(walk, &child));
    }
    return 0;
}

/* All that refers to it is freed, but that in the subvolume which stays. */
static int enter(struct walk *walk, const struct block *block, bool partial)
{
    struct engine *engine = &walk->set->fs->store->engine;
    struct node_expect expect = {
        .bytenr = block->bytenr, .generation = block->generation, .level = block->level};
    struct node *node;

    TRY(forest_read_node(engine->forest, &expect, &node));
    if (!partial && walk->from == 0)
        walk->sum.metadata += engine->nodesize;
    int ret =
        node_level(node) > 0 ? meet_children(walk, node, partial) : meet_items(walk, node, partial);
    node_put(node);
    return ret;
}

static int meet_block(struct walk *walk, const struct block *block)
{
    uint64_t refs, flags;
    struct met *met;

    int ret = extent_block_refs(walk->set->fs->store->extents, block->bytenr, block->level, &refs,
                                &flags);
    if (ret == -ENOENT)
        return fail_context(-EUCLEAN, "block %llu is in use", LLU(block->bytenr));
    if (ret < 0)
        return ret;
    if (refs == 1)
        return enter(walk, block, block->partial);
    TRY(remember(walk, block->bytenr, refs, &met));
    met->partial |= block->partial;
    if (met->seen < met->refs)
        return 0;
    bool partial = met->partial;
    forget(walk, met);
    return enter(walk, block, partial);
}

static int meet_tree(struct walk *walk, uint64_t id, bool partial)
{
    struct tree_handle *tree;

    TRY(roots_get(walk->set->fs->store->roots, id, &tree));
    struct block root = {tree->root.bytenr, tree->root.generation, tree->root.level, partial};
    walk->gone = tree->item.refs == 0 ? tree->item.drop_progress : KEY_FIRST;
    return meet_block(walk, &root);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int walk_window(struct walk *walk)
{
    const struct exclusive_set *set = walk->set;

    for (size_t i = 0; i < set->tree_count; i++)
        TRY(meet_tree(walk, set->trees[i], false));
    if (set->inode_count > 0)
        TRY(meet_tree(walk, set->partial, true));
    for (const struct met *met = walk->all; met; met = met->hh.next)
        walk->sum.data += met->data && met->seen == met->refs ? met->bytes : 0;
    return 0;
}

int exclusive_count(struct exclusive_set *set, struct exclusive_bytes *out)
{
    struct walk walk = {.set = set};
    int ret = 0;

    if (set->inode_count > 0)
        qsort(set->inodes, set->inode_count, sizeof(*set->inodes), by_number);
    for (uint64_t from = 0; ret == 0 && from != UINT64_MAX; from = walk.to) {
        walk.from = from;
        walk.to = UINT64_MAX;
        ret = walk_window(&walk);
        forget_all(&walk);
    }
    if (ret == 0)
        *out = walk.sum;
    return ret;
}
