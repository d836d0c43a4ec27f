// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What trees ask for: blocks, and the references that copy-on-write moves.
 *
 * A block of a subvolume tree may be reached from several snapshots. Its children are then counted
 * in one of two ways: keyed by the tree that owns the block, or "full": keyed by the block itself,
 * whoever reaches it. The first copy made by the owner turns the block left behind into a full one.
 */
#include "engine/extent/internal.h"

static enum space_kind kind_of(const struct root *root)
{
    return root->id == TREE_CHUNK ? SPACE_SYSTEM : SPACE_METADATA;
}

/* The pending reference of a block just allocated. */
static int count_new_block(struct extents *extents, const struct root *root, uint64_t bytenr,
                           uint8_t level, const struct key *first_key)
{
    struct extent_id id = tree_id(extents, bytenr, level);
    struct extent_ref ref = ref_of_tree(root->id, 0);
    struct head *head;

    TRY(delayed_touch(extents, &id, &ref, TOUCH_FRESH, NULL));
    TRY(delayed_reserve(extents, 1));
    TRY(delayed_head(extents, &id, true, &head));
    head->owner = root->id;
    if (first_key)
        head->first_key = *first_key;
    return delayed_change(extents, head, &ref, 1);
}

static int alloc_block(void *ctx, const struct root *root, uint8_t level,
                       const struct key *first_key, uint64_t hint, uint64_t *bytenr)
{
    struct extents *extents = ctx;
    uint64_t nodesize = extents->engine->nodesize;
    struct range range;
    int ret;

    TRY(space_alloc(extents->space, kind_of(root), nodesize, nodesize, hint, &range));
    ret = root->is_log ? rangeset_add(&extents->log_blocks, range.start, range.len)
                       : count_new_block(extents, root, range.start, level, first_key);
    if (ret < 0) {
        TRY(space_alloc_undo(extents->space, range.start, range.len));
        return ret;
    }
    *bytenr = range.start;
    return 0;
}

/* Whether root's reference is the only one a block of this transaction has ever got. */
static bool only_ours(struct head *head, const struct extent_ref *ref)
{
    struct pending_ref *first = pending_first(head);

    return head->fresh && first && first->by == 1 && ref_same(&first->ref, ref) &&
           !pending_next(first);
}

/*
 * Drops root's reference of a block. One that this transaction made and nobody else got hold of is
 * gone at once: free if it was never written, else kept from being reused until the commit.
 */
static int drop_block(struct extents *extents, const struct root *root, const struct node *old,
                      enum touch_kind kind)
{
    struct extent_id id = tree_id(extents, node_bytenr(old), node_level(old));
    struct extent_ref ref = ref_of_tree(root->id, 0);
    struct head *head = delayed_find(extents, id.bytenr);

    TRY(delayed_check(extents, &id));
    TRY(delayed_touch(extents, &id, &ref, kind, old));
    if (!head || !only_ours(head, &ref)) {
        TRY(delayed_head(extents, &id, false, &head));
        head->owner = node_owner(old);
        return delayed_change(extents, head, &ref, -1);
    }
    if (node_flags(old) & HEADER_FLAG_WRITTEN)
        TRY(space_alloc_pin(extents->space, id.bytenr, id.num_bytes));
    else
        TRY(space_alloc_undo(extents->space, id.bytenr, id.num_bytes));
    delayed_detach(extents, head);
    head_free(extents, head);
    return 0;
}

static int free_block(void *ctx, const struct root *root, const struct node *old)
{
    struct extents *extents = ctx;

    if (root->is_log) {
        uint64_t nodesize = extents->engine->nodesize;

        TRY(space_alloc_pin(extents->space, node_bytenr(old), nodesize));
        return rangeset_remove(&extents->log_blocks, node_bytenr(old), nodesize);
    }
    return drop_block(extents, root, old, TOUCH_REF);
}

/* The owner, or a tree that shares old with it, leaves it to the others. */
static int leave_shared(struct extents *extents, const struct root *root, const struct node *old,
                        const struct node *new_node, uint64_t flags)
{
    struct extent_id id = tree_id(extents, node_bytenr(old), node_level(old));
    struct head *head;

    if (node_owner(old) != root->id || (flags & BLOCK_FLAG_FULL_BACKREF))
        return children_change(extents, root->id, new_node, false, 1);
    /* The references keyed by root now mean the copy; those left behind get their own. */
    TRY(children_change(extents, root->id, old, true, 1));
    int ret = delayed_head(extents, &id, false, &head);
    if (ret < 0)
        return txn_abort(extents->engine, ret);
    head->set_flags |= BLOCK_FLAG_FULL_BACKREF;
    return 0;
}

/* Nobody else is left. */
static int take_over(struct extents *extents, const struct root *root, const struct node *old,
                     const struct node *new_node, uint64_t flags)
{
    if (!(flags & BLOCK_FLAG_FULL_BACKREF))
        return 0;
    TRY(children_change(extents, root->id, new_node, false, 1));
    return children_change(extents, root->id, old, true, -1);
}

/* References of a block that a tree refers to, so that it must have some. */
static int refs_of_used(struct extents *extents, const struct root *root, const struct node *old,
                        uint64_t *refs, uint64_t *flags)
{
    int ret = extent_block_refs(extents, node_bytenr(old), node_level(old), refs, flags);

    if (ret == -ENOENT)
        return fail_context(-EUCLEAN, "tree %llu uses a block without references",
                            (unsigned long long)root->id);
    TRY(ret);
    if (node_owner(old) == TREE_RELOC && !(*flags & BLOCK_FLAG_FULL_BACKREF))
        return fail(-EUCLEAN, "tree %llu block %llu: left by a relocation without full references",
                    (unsigned long long)root->id, (unsigned long long)node_bytenr(old));
    return 0;
}

static int cow_shared(void *ctx, const struct root *root, struct node *old, struct node *new_node,
                      bool *last)
{
    struct extents *extents = ctx;
    uint64_t refs;
    uint64_t flags;

    TRY(refs_of_used(extents, root, old, &refs, &flags));
    TRY(children_prepare(extents, old, 2));
    TRY(drop_block(extents, root, old, refs > 1 ? TOUCH_SHARED : TOUCH_REF));
    if (refs > 1)
        TRY(leave_shared(extents, root, old, new_node, flags));
    else
        TRY(take_over(extents, root, old, new_node, flags));
    *last = refs == 1;
    return 0;
}

static int share_children(void *ctx, const struct root *root, const struct node *node)
{
    struct extents *extents = ctx;

    TRY(children_prepare(extents, node, 1));
    return children_change(extents, root->id, node, false, 1);
}

const struct forest_backing extent_backing = {
    .alloc_block = alloc_block,
    .free_block = free_block,
    .cow_shared = cow_shared,
    .share_children = share_children,
};
