// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making room, from the leaf upwards.
 *
 * Where a leaf is cut depends on what seems to be going on. A run of ascending keys, at the end of
 * the tree or in its middle, leaves full leaves behind. Anything else is shared evenly, first with
 * a neighbour that is ours anyway and has plenty of room, then with a new leaf.
 *
 * All steps leave a valid tree, except that a leaf may be empty for the one item that is then put
 * into it, which cannot fail.
 */
#include "engine/tree/internal.h"

/* ---- keys above --------------------------------------------------------------------------------
 */

void path_fix_low_keys(struct path *path, unsigned level)
{
    struct key key;

    key_decode(&key, key_at(path->nodes[level], 0));
    while (!path_is_top(path, level)) {
        level++;
        node_set_key(path->nodes[level], path->slots[level], &key);
        if (path->slots[level] > 0)
            return;
    }
}

/* The path stands at new_slot of sibling, child `parent_slot`, instead of where it stood. */
static void path_switch(struct path *path, unsigned level, struct node *sibling,
                        uint32_t parent_slot, uint32_t new_slot)
{
    node_put(path->nodes[level]);
    path->nodes[level] = sibling;
    path->slots[level] = new_slot;
    path->slots[level + 1] = parent_slot;
}

/* ---- internal nodes ----------------------------------------------------------------------------
 */

/* A new root node above the old one. */
static int grow_root(struct path *path, unsigned level)
{
    struct node *old = path->nodes[level - 1], *node;
    struct key key;

    key_decode(&key, key_at(old, 0));
    TRY(block_new(path->root, (uint8_t)level, &key, old->bytenr, &node));
    node_insert_ptr(node, 0, &key, old);
    root_set_node(path->root, node);
    path->nodes[level] = node;
    path->slots[level] = 0;
    return 0;
}

/* Where to cut a full node that is about to get a pointer behind `slot`. */
static uint32_t ptr_cut(const struct node *node, uint32_t slot)
{
    uint32_t nritems = items_of(node);

    if (slot + 1 == nritems)
        return nritems - 1;
    return slot + 1 == node->streak ? slot + 1 : nritems / 2;
}

static int split_node(struct path *path, unsigned level)
{
    struct node *node = path->nodes[level], *right;
    uint32_t slot = path->slots[level], cut = ptr_cut(node, slot);
    uint32_t parent_slot = path->slots[level + 1];
    struct key key;

    key_decode(&key, key_at(node, cut));
    TRY(block_new(path->root, (uint8_t)level, &key, node->bytenr, &right));
    node_copy_entries(right, 0, node, cut, items_of(node) - cut);
    node_remove_ptrs(node, cut, items_of(node) - cut);
    node_insert_ptr(path->nodes[level + 1], parent_slot + 1, &key, right);
    root_changed(path->root);
    if (slot >= cut)
        path_switch(path, level, right, parent_slot + 1, slot - cut);
    else
        node_put(right);
    return 0;
}

/* There is a node at `level` of the path with room for one more pointer. */
static int ptr_make_room(struct path *path, unsigned level)
{
    if (level >= TREE_LEVELS_MAX)
        return fail(-EFBIG, "tree %llu cannot grow beyond %d levels", LLU(path->root->id),
                    TREE_LEVELS_MAX);
    if (!path->nodes[level])
        return grow_root(path, level);
    if (items_of(path->nodes[level]) < node_capacity(path->root->forest->nodesize))
        return 0;
    TRY(ptr_make_room(path, level + 1));
    return split_node(path, level);
}

/* ---- where to cut a leaf
 * ------------------------------------------------------------------------- */

/*
 * The leaf as it shall be: its items, and the new one among them or one of them grown. Entries are
 * numbered with the new item counted; it, or the one that grows, is entry `slot`.
 */
struct plan {
    const struct node *leaf;
    uint32_t slot;
    uint32_t entries;
    uint32_t extra; /* bytes of the new item with its header, or of the growth */
    bool insert;
};

static struct plan plan_of(const struct path *path, const struct room *room)
{
    const struct node *leaf = path->nodes[0];

    return (struct plan){
        .leaf = leaf,
        .slot = path->slots[0],
        .entries = items_of(leaf) + (room->key ? 1 : 0),
        .extra = room->bytes,
        .insert = room->key,
    };
}

/* How many items of the leaf are before entry `cut`. */
static uint32_t items_before(const struct plan *plan, uint32_t cut)
{
    return plan->insert && cut > plan->slot ? cut - 1 : cut;
}

/* Bytes of the entries before cut, and of those from it on. */
static void cut_bytes(const struct plan *plan, uint32_t cut, uint32_t *left, uint32_t *right)
{
    uint32_t items = items_before(plan, cut);

    *left = leaf_range_bytes(plan->leaf, 0, items);
    *right = leaf_range_bytes(plan->leaf, items, items_of(plan->leaf));
    *(plan->slot < cut ? left : right) += plan->extra;
}

static bool cut_fits(const struct plan *plan, uint32_t cut)
{
    uint32_t left, right, capacity = leaf_capacity(plan->leaf->forest->nodesize);

    if (cut == 0 || cut >= plan->entries)
        return false;
    cut_bytes(plan, cut, &left, &right);
    return left <= capacity && right <= capacity;
}

/*
 * The cut that shares bytes most evenly when the left part is added to a leaf that has left_used
 * and the right part to one that has right_used. 0: none fits.
 */
static uint32_t even_cut(const struct plan *plan, uint32_t left_used, uint32_t right_used)
{
    uint32_t capacity = leaf_capacity(plan->leaf->forest->nodesize);
    uint32_t best = 0, best_max = capacity + 1;

    for (uint32_t cut = 1; cut < plan->entries; cut++) {
        uint32_t left, right;

        cut_bytes(plan, cut, &left, &right);
        uint32_t fuller = MAX(left + left_used, right + right_used);
        if (fuller < best_max) {
            best = cut;
            best_max = fuller;
        }
    }
    return best;
}

/* In a run of ascending keys, which goes on behind this one. */
static bool in_streak(const struct plan *plan)
{
    return plan->insert && plan->slot > 0 && plan->slot == plan->leaf->streak;
}

static uint32_t split_cut(const struct plan *plan)
{
    uint32_t even, last = plan->entries - 1;

    if (plan->insert && plan->slot == last)
        return last;
    if (in_streak(plan) && cut_fits(plan, plan->slot + 1))
        return plan->slot + 1;
    even = even_cut(plan, 0, 0);
    if (even)
        return even;
    /* Two large neighbours of a large item: cut on both sides of it, one after the other. */
    return plan->slot ? plan->slot : 1;
}

/* ---- leaves ------------------------------------------------------------------------------------
 */

static int split_leaf(struct path *path, const struct room *room)
{
    TRY(ptr_make_room(path, 1));
    struct plan plan = plan_of(path, room);
    struct node *leaf = path->nodes[0], *parent = path->nodes[1], *right;
    uint32_t cut = split_cut(&plan), first = items_before(&plan, cut);
    uint32_t parent_slot = path->slots[1], count = items_of(leaf) - first;
    struct key key;

    if (count)
        key_decode(&key, key_at(leaf, first));
    else
        key = *room->key;
    TRY(block_new(path->root, 0, &key, leaf->bytenr, &right));
    node_copy_entries(right, 0, leaf, first, count);
    leaf_remove(leaf, first, count);
    node_insert_ptr(parent, parent_slot + 1, &key, right);
    root_changed(path->root);
    if (plan.slot >= cut)
        path_switch(path, 0, right, parent_slot + 1, plan.slot - cut);
    else
        node_put(right);
    return 0;
}

/* Whether two leaves are in order; on a damaged tree they may not be, and are left apart. */
static bool leaves_in_order(const struct node *left, const struct node *right)
{
    struct key key;

    if (items_of(left) == 0 || items_of(right) == 0)
        return true;
    key_decode(&key, key_at(right, 0));
    return disk_key_cmp(key_at(left, items_of(left) - 1), &key) < 0;
}

static void push_right(struct path *path, const struct plan *plan, uint32_t cut,
                       struct node *sibling)
{
    struct node *leaf = path->nodes[0];
    uint32_t first = items_before(plan, cut), count = items_of(leaf) - first;
    uint32_t sibling_slot = path->slots[1] + 1;
    struct key key;

    node_copy_entries(sibling, 0, leaf, first, count);
    leaf_remove(leaf, first, count);
    key_decode(&key, key_at(sibling, 0));
    node_set_key(path->nodes[1], sibling_slot, &key);
    if (plan->slot >= cut)
        path_switch(path, 0, sibling, sibling_slot, plan->slot - cut);
    else
        node_put(sibling);
}

static void push_left(struct path *path, const struct plan *plan, uint32_t cut,
                      struct node *sibling)
{
    struct node *leaf = path->nodes[0];
    uint32_t count = items_before(plan, cut), behind = items_of(sibling);
    uint32_t leaf_slot = path->slots[1];
    struct key key;

    node_copy_entries(sibling, behind, leaf, 0, count);
    leaf_remove(leaf, 0, count);
    if (items_of(leaf)) {
        key_decode(&key, key_at(leaf, 0));
        node_set_key(path->nodes[1], leaf_slot, &key);
    }
    if (plan->slot < cut) {
        path_switch(path, 0, sibling, leaf_slot - 1, behind + plan->slot);
    } else {
        path->slots[0] = plan->slot - cut;
        node_put(sibling);
    }
}

/*
 * Shares the entries with a neighbour (dir -1: left, 1: right) that is ours, when both are then at
 * most 7/8 full on average, so that there is not soon another push. 1: done, 0: not done.
 */
static int push(struct path *path, const struct room *room, int dir)
{
    struct plan plan = plan_of(path, room);
    struct root *root = path->root;
    struct node *parent = path->nodes[1], *sibling;
    uint32_t capacity = leaf_capacity(root->forest->nodesize), cut = 0;

    if (!parent || (dir < 0 ? path->slots[1] == 0 : path->slots[1] + 1 >= items_of(parent)))
        return 0;
    uint32_t slot = path->slots[1] + (uint32_t)dir;
    if (node_child_generation(parent, slot) != root->forest->generation)
        return 0;
    TRY(child_get(root, parent, slot, ANYWHERE, &sibling));
    uint32_t used = leaf_used(sibling);
    if (node_is_ours(root, sibling) &&
        used + leaf_used(plan.leaf) + plan.extra <= 2 * capacity - capacity / 4 &&
        (dir < 0 ? leaves_in_order(sibling, plan.leaf) : leaves_in_order(plan.leaf, sibling)))
        cut = even_cut(&plan, dir < 0 ? used : 0, dir < 0 ? 0 : used);
    if (cut == 0) {
        node_put(sibling);
        return 0;
    }
    if (dir < 0)
        push_left(path, &plan, cut, sibling);
    else
        push_right(path, &plan, cut, sibling);
    root_changed(root);
    return 1;
}

/*
 * A new last item may as well be the first of the right neighbour. Without this a run of
 * descending keys, each of which belongs behind a full leaf, would get a leaf for each.
 * 1: the path stands there, 0: not possible.
 */
static int use_right_neighbour(struct path *path, const struct room *room)
{
    struct node *parent = path->nodes[1], *leaf = path->nodes[0], *sibling;

    if (!room->key || !parent || items_of(leaf) == 0 || path->slots[0] < items_of(leaf) ||
        path->slots[1] + 1 >= items_of(parent))
        return 0;
    uint32_t slot = path->slots[1] + 1;
    TRY(child_get(path->root, parent, slot, ANYWHERE, &sibling));
    int ret = leaf_free(sibling) >= room->bytes && disk_key_cmp(key_at(sibling, 0), room->key) > 0;
    if (ret == 1) {
        int cow = node_cow(path->root, parent, slot, &sibling);

        ret = cow < 0 ? cow : 1;
    }
    if (ret == 1)
        path_switch(path, 0, sibling, slot, 0);
    else
        node_put(sibling);
    return ret;
}

static int make_some_room(struct path *path, const struct room *room)
{
    struct plan plan = plan_of(path, room);
    int ret = use_right_neighbour(path, room);

    if (ret == 0 && !in_streak(&plan))
        ret = push(path, room, -1);
    if (ret == 0 && !in_streak(&plan))
        ret = push(path, room, 1);
    return ret == 0 ? split_leaf(path, room) : ret;
}

int leaf_make_room(struct path *path, const struct room *room)
{
    while (leaf_free(path->nodes[0]) < room->bytes) {
        int ret = make_some_room(path, room);

        if (ret < 0)
            return ret;
    }
    path->changes_seen = path->root->changes;
    return 0;
}
