// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/tree/diff.h"

#include <string.h>

/* ---- one tree -------------------------------------------------------------------------------- */

static int open_cursor(struct diff_cursor *cursor, struct root *root)
{
    *cursor = (struct diff_cursor){.level = -1};
    if (!root || root->bytenr == 0)
        return 0;
    const struct node_expect expect = {
        .bytenr = root->bytenr,
        .generation = root->generation,
        .owner = root->id,
        .level = root->level,
    };
    struct node *node;
    TRY(forest_read_node(root->forest, &expect, &node));
    cursor->forest = root->forest;
    cursor->owner = root->id;
    cursor->top = cursor->level = root->level;
    cursor->nodes[cursor->top] = node;
    if (node_items(node) == 0)
        cursor->level = -1;
    return 0;
}

static void close_cursor(struct diff_cursor *cursor)
{
    for (int i = 0; i < TREE_LEVELS_MAX; i++)
        if (cursor->nodes[i])
            node_put(cursor->nodes[i]);
    *cursor = (struct diff_cursor){.level = -1};
}

static bool at_end(const struct diff_cursor *cursor)
{
    return cursor->level < 0;
}

static const struct node *node_of(const struct diff_cursor *cursor)
{
    return cursor->nodes[cursor->level];
}

static uint32_t slot_of(const struct diff_cursor *cursor)
{
    return cursor->slots[cursor->level];
}

static void key_of(const struct diff_cursor *cursor, struct key *out)
{
    node_key(node_of(cursor), slot_of(cursor), out);
}

/* Into the child that the cursor stands on. */
static int enter(struct diff_cursor *cursor)
{
    struct node_expect expect = {
        .bytenr = node_child(node_of(cursor), slot_of(cursor)),
        .generation = node_child_generation(node_of(cursor), slot_of(cursor)),
        .owner = cursor->owner,
        .level = cursor->level - 1,
        .has_first_key = true,
    };
    struct node *node;

    key_of(cursor, &expect.first_key);
    TRY(forest_read_node(cursor->forest, &expect, &node));
    if (node_items(node) == 0) {
        node_put(node);
        return fail(-EUCLEAN, "tree %llu: block %llu is empty", (unsigned long long)cursor->owner,
                    (unsigned long long)expect.bytenr);
    }
    cursor->level--;
    cursor->nodes[cursor->level] = node;
    cursor->slots[cursor->level] = 0;
    return 0;
}

/* Past what the cursor stands on. */
static void pass(struct diff_cursor *cursor)
{
    while (!at_end(cursor)) {
        if (++cursor->slots[cursor->level] < node_items(node_of(cursor)))
            return;
        node_put(cursor->nodes[cursor->level]);
        cursor->nodes[cursor->level] = NULL;
        cursor->level = cursor->level == cursor->top ? -1 : cursor->level + 1;
    }
}

/* ---- two trees ------------------------------------------------------------------------------- */

int diff_open(struct diff *diff, struct root *old_tree, struct root *new_tree)
{
    *diff = (struct diff){0};
    diff->new_side.level = -1;
    int ret = open_cursor(&diff->old_side, old_tree);
    if (ret == 0)
        ret = open_cursor(&diff->new_side, new_tree);
    if (ret < 0)
        diff_close(diff);
    return ret;
}

void diff_close(struct diff *diff)
{
    close_cursor(&diff->old_side);
    close_cursor(&diff->new_side);
}

static bool same_block(const struct diff_cursor *a, const struct diff_cursor *b)
{
    return a->level == b->level && a->level > 0 &&
           node_child(node_of(a), slot_of(a)) == node_child(node_of(b), slot_of(b)) &&
           node_child_generation(node_of(a), slot_of(a)) ==
               node_child_generation(node_of(b), slot_of(b));
}

static bool same_item(const struct diff_cursor *a, const struct diff_cursor *b)
{
    uint32_t size = leaf_size(node_of(a), slot_of(a));

    return size == leaf_size(node_of(b), slot_of(b)) &&
           memcmp(leaf_data(node_of(a), slot_of(a)), leaf_data(node_of(b), slot_of(b)), size) == 0;
}

/* Below 0: the old side is behind. */
static int order(const struct diff *diff)
{
    struct key old_key, new_key;

    if (at_end(&diff->old_side) || at_end(&diff->new_side))
        return at_end(&diff->new_side) ? -1 : 1;
    key_of(&diff->old_side, &old_key);
    key_of(&diff->new_side, &new_key);
    return key_cmp(&old_key, &new_key);
}

/* Both stand at the same key. *found: at items that differ. */
static int step_both(struct diff *diff, bool *found)
{
    struct diff_cursor *a = &diff->old_side, *b = &diff->new_side;

    if (same_block(a, b) || (a->level == 0 && b->level == 0 && same_item(a, b))) {
        pass(a);
        pass(b);
        return 0;
    }
    *found = a->level == 0 && b->level == 0;
    int level = MAX(a->level, b->level);
    if (a->level > 0 && a->level == level)
        TRY(enter(a));
    if (b->level > 0 && b->level == level)
        TRY(enter(b));
    return 0;
}

int diff_next(struct diff *diff, struct diff_item *out)
{
    if (diff->advance_old)
        pass(&diff->old_side);
    if (diff->advance_new)
        pass(&diff->new_side);
    diff->advance_old = diff->advance_new = false;
    for (;;) {
        bool found = false;

        if (at_end(&diff->old_side) && at_end(&diff->new_side))
            return 1;
        int cmp = order(diff);
        struct diff_cursor *first = cmp < 0 ? &diff->old_side : &diff->new_side;
        if (cmp == 0)
            TRY(step_both(diff, &found));
        else if (first->level > 0)
            TRY(enter(first));
        else
            found = true;
        if (!found)
            continue;
        diff->advance_old = cmp <= 0;
        diff->advance_new = cmp >= 0;
        key_of(first, &out->key);
        out->in_old = diff->advance_old;
        out->in_new = diff->advance_new;
        return 0;
    }
}

/* Everything that ends before key is passed without being entered. */
static int skip_cursor(struct diff_cursor *cursor, const struct key *key)
{
    struct key here, next;

    while (!at_end(cursor)) {
        key_of(cursor, &here);
        if (key_cmp(&here, key) >= 0)
            return 0;
        if (cursor->level == 0) {
            pass(cursor);
            continue;
        }
        const struct node *node = node_of(cursor);
        if (slot_of(cursor) + 1 < node_items(node)) {
            node_key(node, slot_of(cursor) + 1, &next);
            if (key_cmp(&next, key) <= 0) {
                pass(cursor);
                continue;
            }
        }
        TRY(enter(cursor));
    }
    return 0;
}

int diff_skip_to(struct diff *diff, const struct key *key)
{
    diff->advance_old = diff->advance_new = false;
    TRY(skip_cursor(&diff->old_side, key));
    return skip_cursor(&diff->new_side, key);
}
