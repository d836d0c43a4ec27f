// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the leaves up, level by level: whether each child is what its parent says, whether keys
 * stay within bounds, and the inodes that begin in one leaf and end in another. A block that a
 * thousand snapshots share is looked at once.
 */
#include <stdlib.h>

#include "ops/check/internal.h"

static struct span *span_of(const struct check *c, const struct block *block)
{
    return PILE_AT(&c->lanes[block->lane].spans[block->level], struct span, block->span);
}

/* ---- spans ----------------------------------------------------------------------------------- */

static void no_item(struct check *c, uint64_t tree, const struct inode_part *part)
{
    if (!part->lost)
        report(c, CHECK_INODE_MISSING, PLACE(.tree = tree, .ino = part->ino),
               "tree %llu inode %llu: has items and no INODE_ITEM", LLU(tree), LLU(part->ino));
}

/* Nothing follows the last inode of the span. */
static void end_tail(struct check *c, uint64_t tree, struct span *span)
{
    if (span->tail.ino == 0)
        return;
    if (span->one && !span->tail.has_item)
        span->head = span->tail;
    else if (!span->tail.has_item)
        no_item(c, tree, &span->tail);
    else
        part_check(c, tree, &span->tail);
    span->one = false;
}

/* Stands for inodes that nobody can tell. */
static const struct inode_part unknown = {.ino = UINT64_MAX, .lost = true, .has_item = true};

/* The next items right of it are those of one inode, up to where another begins. */
static void join_part(struct check *c, uint64_t tree, struct span *span,
                      const struct inode_part *part)
{
    bool first = span->tail.ino == 0, after_loss = span->tail.ino == unknown.ino;

    if (span->tail.ino == part->ino && !part->has_item) {
        part_merge(c, tree, &span->tail, part);
        return;
    }
    end_tail(c, tree, span);
    span->tail = *part;
    if (first)
        span->one = true;
    if (!part->has_item && !first) {
        if (!after_loss)
            no_item(c, tree, part);
        span->tail.lost = true;
    }
}

/* A block is missing between: nobody knows how the inode before it ends, nor how one begins. */
static void join_lost(struct span *span)
{
    if (span->one && span->tail.ino == 0)
        span->head = unknown;
    else if (span->one && !span->tail.has_item)
        span->head = span->tail;
    span->head.lost = true;
    span->one = false;
    span->tail = unknown;
}

static void join_span(struct check *c, uint64_t tree, struct span *span, const struct span *right)
{
    if (right->tail.ino == 0)
        return;
    if (right->one) {
        join_part(c, tree, span, &right->tail);
        return;
    }
    if (right->head.ino == unknown.ino)
        join_lost(span);
    else if (right->head.ino)
        join_part(c, tree, span, &right->head);
    end_tail(c, tree, span);
    span->one = false;
    span->tail = right->tail;
}

/* ---- children -------------------------------------------------------------------------------- */

static bool may_own(const struct block *parent, const struct block *child)
{
    if (parent->owner == child->owner || parent->reloc || child->reloc)
        return true;
    return is_files_tree(parent->owner) && is_files_tree(child->owner);
}

static bool is_child(struct check *c, const struct block *parent, uint32_t slot,
                     const struct key_ptr *ptr, const struct block *child)
{
    char want[KEY_TEXT_MAX], have[KEY_TEXT_MAX];

    if (child->generation == ptr->generation && child->level == parent->level - 1 &&
        !child->empty && key_cmp(&child->first, &ptr->key) == 0) {
        if (!may_own(parent, child))
            report(c, CHECK_BLOCK_OWNER, PLACE(.tree = parent->owner, .block = child->bytenr),
                   "tree %llu block %llu slot %u: block %llu belongs to tree %llu",
                   LLU(parent->owner), LLU(parent->bytenr), slot, LLU(child->bytenr),
                   LLU(child->owner));
        return true;
    }
    report(c, CHECK_BLOCK_UNEXPECTED, PLACE(.tree = parent->owner, .block = child->bytenr),
           "tree %llu block %llu slot %u: block %llu should be of generation %llu, level %u, and "
           "begin with %s; it is of generation %llu, level %u, and begins with %s",
           LLU(parent->owner), LLU(parent->bytenr), slot, LLU(child->bytenr), LLU(ptr->generation),
           parent->level - 1u, key_text(&ptr->key, want), LLU(child->generation), child->level,
           child->empty ? "nothing" : key_text(&child->first, have));
    return false;
}

static void join_child(struct check *c, struct block *parent, struct span *span, uint32_t slot,
                       const struct key_ptr *ptr, const struct key *next)
{
    const struct block *child = find_block(c, ptr->blockptr);

    if (!child || (child->flags & BLOCK_BAD) || !is_child(c, parent, slot, ptr, child)) {
        parent->flags |= BLOCK_INCOMPLETE;
        join_lost(span);
        return;
    }
    parent->last = child->last;
    parent->sum += child->sum;
    parent->size += child->size;
    parent->flags |= child->flags & BLOCK_INCOMPLETE;
    if (next && key_cmp(&child->last, next) >= 0)
        report(c, CHECK_BLOCK_KEYS, PLACE(.tree = parent->owner, .block = child->bytenr),
               "tree %llu block %llu: its keys go beyond the first of the next block",
               LLU(parent->owner), LLU(child->bytenr));
    if ((parent->flags & BLOCK_FILES) && (child->flags & BLOCK_FILES))
        join_span(c, parent->owner, span, span_of(c, child));
}

static void join_block(struct check *c, struct lane *lane, struct block *block,
                       const uint8_t *bytes)
{
    const disk_key_ptr *ptrs = (const void *)(bytes + NODE_HEADER_SIZE);
    uint32_t count = le32_get(((const disk_node_header *)(const void *)bytes)->nritems);
    struct pile *pile = &lane->spans[block->level];
    struct span span = {.one = true};

    if (is_files_tree(block->owner))
        block->flags |= BLOCK_FILES;
    block->size = 1;
    key_decode(&block->first, &ptrs[0].key);
    for (uint32_t i = first_child(c, block->bytenr); i < count; i++) {
        struct key_ptr ptr;
        struct key next;

        key_ptr_decode(&ptr, &ptrs[i]);
        if (i + 1 < count)
            key_decode(&next, &ptrs[i + 1].key);
        join_child(c, block, &span, i, &ptr, i + 1 < count ? &next : NULL);
    }
    block->lane = (uint8_t)(lane - c->lanes);
    block->span = (uint32_t)pile->count;
    if (block->flags & BLOCK_FILES)
        (void)check_failed(c, pile_push(pile, &span));
}

/* ---- levels ---------------------------------------------------------------------------------- */

struct join {
    struct check *c;
    uint8_t level;
};

static void join_lane(void *arg, size_t i)
{
    const struct join *join = arg;
    struct check *c = join->c;
    struct lane *lane = &c->lanes[i];
    size_t at = c->blocks.count * i / LANES, end = c->blocks.count * (i + 1) / LANES;

    for (; at < end && c->error == 0; at++) {
        struct block *block = PILE_AT(&c->blocks, struct block, at);
        const struct node_expect expect = {.bytenr = block->bytenr, .level = join->level};

        if (block->level != join->level || (block->flags & BLOCK_BAD))
            continue;
        if (read_block(c, &expect, lane->other) < 0)
            block->flags |= BLOCK_BAD;
        else
            join_block(c, lane, block, lane->other);
    }
}

/* Linux keeps it with each block it adds or takes away, and sets space aside by it. */
static void check_size(struct check *c, const struct tree_root *root, const struct block *block)
{
    uint64_t bytes = (uint64_t)block->size * c->nodesize, told = root->item.bytes_used;

    if (root->top || root->dead || root->id == TREE_RELOC || block->flags & BLOCK_INCOMPLETE ||
        told == bytes)
        return;
    report(c, CHECK_ROOT_BYTES, PLACE(.tree = root->id, .other = bytes - told),
           "tree %llu: its root item says that its blocks take %llu bytes; they take %llu",
           LLU(root->id), LLU(told), LLU(bytes));
}

static int end_tree(struct check *c, const struct tree_root *root, const struct block *block)
{
    struct span span;

    if (block->generation != root->generation || block->level != root->level)
        report(c, CHECK_BLOCK_UNEXPECTED, PLACE(.tree = root->id, .block = block->bytenr),
               "tree %llu: its root, block %llu, should be of generation %llu and level %u; it is "
               "of generation %llu and level %u",
               LLU(root->id), LLU(block->bytenr), LLU(root->generation), root->level,
               LLU(block->generation), block->level);
    if (!block->reloc && block->owner != root->id &&
        !(is_files_tree(root->id) && is_files_tree(block->owner)))
        report(c, CHECK_BLOCK_OWNER, PLACE(.tree = root->id, .block = block->bytenr),
               "tree %llu: its root, block %llu, belongs to tree %llu", LLU(root->id),
               LLU(block->bytenr), LLU(block->owner));
    check_size(c, root, block);
    if (root->dead || !is_files_tree(root->id) || !(block->flags & BLOCK_FILES))
        return 0;
    span = *span_of(c, block);
    end_tail(c, root->id, &span);
    if (span.head.ino)
        no_item(c, root->id, &span.head);
    if (block->sum != 0 && !(block->flags & BLOCK_INCOMPLETE))
        return check_names(c, root);
    return 0;
}

static int end_trees(struct check *c, uint8_t level)
{
    for (size_t i = 0; i < c->roots.count; i++) {
        const struct tree_root *root = PILE_AT(&c->roots, struct tree_root, i);
        const struct block *block = find_block(c, root->bytenr);

        if (block && block->level == level && !(block->flags & BLOCK_BAD))
            TRY(end_tree(c, root, block));
    }
    return c->error;
}

int join_blocks(struct check *c)
{
    struct join join = {.c = c};

    TRY(end_trees(c, 0));
    for (join.level = 1; join.level < TREE_LEVELS_MAX; join.level++) {
        env_parallel(c->env, LANES, join_lane, &join);
        TRY(c->error);
        TRY(end_trees(c, join.level));
        for (unsigned i = 0; i < LANES; i++)
            pile_free(&c->lanes[i].spans[join.level - 1]);
    }
    return 0;
}
