// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose node is it? What this transaction made for this tree alone is ours and changes in place;
 * anything else is copied to a new block first, and the reference to the old one is given up.
 */
#include "engine/tree/internal.h"

/*
 * A node of this transaction that a snapshot, also of this transaction, may have reached: one that
 * is older than the last snapshot of any tree, as epochs count. A node that was written early and
 * read again has lost its epoch and counts as old.
 */
static bool snapshot_may_hold(const struct root *root, const struct node *node)
{
    return (root->force_cow || root->last_snapshot >= root->forest->generation) &&
           node->birth < root->forest->epoch;
}

bool node_is_ours(const struct root *root, const struct node *node)
{
    uint64_t flags = le64_get(node_header(node)->flags);

    if (generation_of(node) != root->forest->generation || snapshot_may_hold(root, node))
        return false;
    if ((flags & HEADER_FLAG_RELOC) && root->id != TREE_RELOC)
        return false;
    /* A log commit makes the log durable, in the middle of the transaction. */
    return !(root->is_log && (flags & HEADER_FLAG_WRITTEN));
}

static bool may_be_shared(const struct root *root, const struct node *node)
{
    if (root->id == TREE_RELOC)
        return true;
    if (!root->shareable || node->bytenr == root->bytenr)
        return false;
    return generation_of(node) <= root->last_snapshot || (node_flags(node) & HEADER_FLAG_RELOC);
}

bool node_is_private(const struct root *root, const struct node *node)
{
    return node_is_ours(root, node) || !may_be_shared(root, node);
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

static void fill_header(const struct root *root, struct node *node, uint64_t bytenr, uint8_t level)
{
    const struct forest *forest = root->forest;
    struct node_header header = {
        .fsid = *forest->limits->metadata_uuid,
        .bytenr = bytenr,
        .flags = MIXED_BACKREF_REV << HEADER_BACKREF_REV_SHIFT,
        .chunk_tree_uuid = forest->chunk_tree_uuid,
        .generation = forest->generation,
        .owner = root->id,
        .level = level,
    };

    node_header_encode(node->data, &header);
}

/*
 * What is freed is forgotten, so a node found at a new block's address is in use: then what we know
 * of free space is wrong, and nothing may be written any more (promise 7).
 */
static int check_unused(struct forest *forest, uint64_t bytenr)
{
    struct node *there = cache_find(&forest->cache, bytenr);
    char owner[OBJECTID_TEXT_MAX];

    if (!there)
        return 0;
    objectid_text(node_owner(there), 0, owner);
    node_put(there);
    forest->error = fail(-EUCLEAN, "block %llu is listed as free space, but tree %s uses it",
                         LLU(bytenr), owner);
    return forest->error;
}

static int take_block(struct root *root, uint8_t level, const struct key *first_key, uint64_t hint,
                      struct node **out)
{
    struct forest *forest = root->forest;
    struct node *node;
    uint64_t bytenr;

    INVARIANT(level < TREE_LEVELS_MAX, "a tree has no more than eight levels");
    TRY(write_early(forest));
    TRY(cache_take(forest, &node));
    int ret =
        forest->backing->alloc_block(forest->backing_ctx, root, level, first_key, hint, &bytenr);
    if (ret == 0)
        ret = check_unused(forest, bytenr);
    if (ret < 0) {
        node_put(node);
        return ret;
    }
    node->birth = forest->epoch;
    fill_header(root, node, bytenr, level);
    cache_publish_dirty(node, bytenr);
    *out = node;
    return 0;
}

/* What fails here is told by forest_error, too. */
static void give_back_block(struct root *root, struct node *node)
{
    struct forest *forest = root->forest;
    int ret = forest->backing->free_block(forest->backing_ctx, root, node);

    if (ret < 0)
        forest->error = ret;
    forest_forget(forest, node->bytenr);
    node_put(node);
}

int block_new(struct root *root, uint8_t level, const struct key *first_key, uint64_t hint,
              struct node **out)
{
    TRY(take_block(root, level, first_key, hint, out));
    root_count(root, 1);
    return 0;
}

int block_free(struct root *root, struct node *node)
{
    struct forest *forest = root->forest;

    TRY(forest->backing->free_block(forest->backing_ctx, root, node));
    root_count(root, -1);
    forest_forget(forest, node->bytenr);
    node_put(node);
    return 0;
}

void block_undo(struct root *root, struct node *node)
{
    root_count(root, -1);
    give_back_block(root, node);
}

/* ---- copying -----------------------------------------------------------------------------------
 */

static void copy_node(const struct root *root, struct node *copy, const struct node *old)
{
    disk_node_header *header = (disk_node_header *)node_bytes_mut(copy);

    header->chunk_tree_uuid = node_header(old)->chunk_tree_uuid;
    if (root->id == TREE_RELOC) {
        header->owner = node_header(old)->owner;
        node_set_flag(copy, HEADER_FLAG_RELOC, true);
    }
    node_copy_body(copy, old);
    copy->streak = old->streak;
}

/* Gives up the tree's reference to old, whose place copy takes. *last: nobody else has one. */
static int release_old(struct root *root, struct node *old, struct node *copy, bool *last)
{
    struct forest *forest = root->forest;

    if (may_be_shared(root, old))
        return forest->backing->cow_shared(forest->backing_ctx, root, old, copy, last);
    *last = true;
    return forest->backing->free_block(forest->backing_ctx, root, old);
}

static void link_copy(struct root *root, struct node *parent, uint32_t slot,
                      const struct node *copy)
{
    if (parent)
        node_set_ptr(parent, slot, copy);
    else
        root_set_node(root, copy);
    root_changed(root);
}

int node_cow(struct root *root, struct node *parent, uint32_t slot, struct node **node)
{
    struct node *old = *node, *copy;
    struct key first_key = {0};
    bool last = false;

    if (node_is_ours(root, old))
        return 0;
    if (items_of(old))
        key_decode(&first_key, key_at(old, 0));
    /* One for another: the tree has as many as before. */
    TRY(take_block(root, level_of(old), &first_key, old->bytenr, &copy));
    copy_node(root, copy, old);
    int ret = release_old(root, old, copy, &last);
    if (ret < 0) {
        give_back_block(root, copy);
        return ret;
    }
    link_copy(root, parent, slot, copy);
    root->forest->cache.cows += !root->is_log;
    if (last)
        forest_forget(root->forest, old->bytenr);
    node_put(old);
    *node = copy;
    return 0;
}
