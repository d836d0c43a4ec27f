// SPDX-License-Identifier: GPL-2.0-or-later
/* Positions in a tree: what stands there, and stepping to the next and the previous item. */
#include "engine/tree/internal.h"

#include <stdio.h>

void path_release(struct path *path)
{
    if (!path->root)
        return;
    for (unsigned level = 0; level < TREE_LEVELS_MAX; level++)
        if (path->nodes[level])
            node_drop(path->nodes[level]);
    *path = PATH_INIT;
}

void path_check_fresh(const struct path *path)
{
    INVARIANT(!path->root || path->changes_seen == path->root->changes,
              "a path is not used after its tree changed by other means");
}

struct node *path_check_writable(const struct path *path)
{
    INVARIANT(path_valid(path), "a path that changes something stands on an item");
    path_check_fresh(path);
    INVARIANT(node_is_ours(path->root, path->nodes[0]),
              "a path that changes something comes from tree_search_cow");
    return path->nodes[0];
}

/* ---- what stands there -------------------------------------------------------------------------
 */

bool path_valid(const struct path *path)
{
    return path->nodes[0] && path->slots[0] < items_of(path->nodes[0]);
}

static const struct node *valid_leaf(const struct path *path)
{
    INVARIANT(path_valid(path), "a path that is asked stands on an item");
    return path->nodes[0];
}

void path_key(const struct path *path, struct key *out)
{
    key_decode(out, &item_at(valid_leaf(path), path->slots[0])->key);
}

const void *path_data(const struct path *path)
{
    const struct node *leaf = valid_leaf(path);

    return leaf->data + NODE_HEADER_SIZE + item_offset(leaf, path->slots[0]);
}

uint32_t path_size(const struct path *path)
{
    return item_size(valid_leaf(path), path->slots[0]);
}

struct node *path_leaf(const struct path *path)
{
    return path->nodes[0];
}

uint32_t path_slot(const struct path *path)
{
    return path->slots[0];
}

void path_fetch_tail(const struct path *path)
{
    const struct node *leaf = valid_leaf(path);
    uint32_t slot = path->slots[0], rest = items_of(leaf) - slot;

    node_fetch_tail(leaf, slot, rest * item_size(leaf, slot));
}

const char *path_where(const struct path *path)
{
    static _Thread_local char text[KEY_TEXT_MAX + 100];
    char key_buf[KEY_TEXT_MAX] = "the end";
    struct key key;

    if (!path->nodes[0]) {
        snprintf(text, sizeof(text), "nowhere");
        return text;
    }
    if (path_valid(path)) {
        path_key(path, &key);
        key_text(&key, key_buf);
    }
    snprintf(text, sizeof(text), "tree %llu block %llu slot %u %s", LLU(path->root->id),
             LLU(path->nodes[0]->bytenr), path->slots[0], key_buf);
    return text;
}

/* ---- stepping ----------------------------------------------------------------------------------
 */

/* Fills the path below `level`, along the first or the last pointers. Releases it on failure. */
static int descend(struct path *path, unsigned level, bool last)
{
    for (; level > 0; level--) {
        struct node *child;
        int ret =
            child_get(path->root, path->nodes[level], path->slots[level], last ? 1 : 0, &child);

        if (ret < 0) {
            path_release(path);
            return ret;
        }
        node_put(path->nodes[level - 1]);
        path->nodes[level - 1] = child;
        path->slots[level - 1] = last ? items_of(child) - 1 : 0;
    }
    return 0;
}

/* Moves to the neighbouring leaf. 1: there is none, and the path stays. */
static int step_leaf(struct path *path, bool back)
{
    unsigned level = 1;

    while (level < TREE_LEVELS_MAX && path->nodes[level] &&
           path->slots[level] == (back ? 0 : items_of(path->nodes[level]) - 1))
        level++;
    if (level >= TREE_LEVELS_MAX || !path->nodes[level])
        return 1;
    path->slots[level] += back ? -1U : 1;
    return descend(path, level, back);
}

/* Keys only ever ascend; a tree that is bent into a ring ends here. */
static int check_order(struct path *path, const disk_key *low, const disk_key *high)
{
    struct key high_key;

    key_decode(&high_key, high);
    if (disk_key_cmp(low, &high_key) < 0)
        return 0;
    int ret = fail(-EUCLEAN, "%s: keys of neighbouring leaves are not in order", path_where(path));
    path_release(path);
    return ret;
}

int path_next(struct path *path)
{
    struct node *leaf = path->nodes[0];

    path_check_fresh(path);
    if (!leaf)
        return 1;
    uint32_t nritems = items_of(leaf);
    if (path->slots[0] + 1 < nritems) {
        path->slots[0]++;
        return 0;
    }
    disk_key last = nritems ? item_at(leaf, nritems - 1)->key : (disk_key){0};
    int ret = step_leaf(path, false);
    if (ret != 0)
        return ret;
    return check_order(path, &last, key_at(path->nodes[0], 0));
}

int path_prev(struct path *path)
{
    struct node *leaf = path->nodes[0];

    path_check_fresh(path);
    if (!leaf)
        return 1;
    if (path->slots[0] > 0) {
        path->slots[0]--;
        return 0;
    }
    disk_key first = items_of(leaf) ? item_at(leaf, 0)->key : (disk_key){0};
    int ret = step_leaf(path, true);
    if (ret != 0)
        return ret;
    return check_order(path, key_at(path->nodes[0], path->slots[0]), &first);
}
