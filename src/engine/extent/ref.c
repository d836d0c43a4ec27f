// SPDX-License-Identifier: GPL-2.0-or-later
/* Back references as such: kinds, order, names for messages. */
#include <stdio.h>

#include "engine/extent/internal.h"

struct extent_ref ref_of_data(const struct data_ref *ref)
{
    if (ref->parent != 0)
        return (struct extent_ref){.type = KEY_SHARED_DATA_REF, .parent = ref->parent, .count = 1};
    return (struct extent_ref){.type = KEY_EXTENT_DATA_REF,
                               .root = ref->root,
                               .objectid = ref->objectid,
                               .offset = ref->offset,
                               .count = 1};
}

struct extent_ref ref_of_tree(uint64_t root_id, uint64_t parent)
{
    if (parent != 0)
        return (struct extent_ref){.type = KEY_SHARED_BLOCK_REF, .parent = parent, .count = 1};
    return (struct extent_ref){.type = KEY_TREE_BLOCK_REF, .root = root_id, .count = 1};
}

bool ref_is_shared(uint8_t type)
{
    return type == KEY_SHARED_BLOCK_REF || type == KEY_SHARED_DATA_REF;
}

bool ref_is_data(uint8_t type)
{
    return type == KEY_EXTENT_DATA_REF || type == KEY_SHARED_DATA_REF;
}

uint64_t ref_order(const struct extent_ref *ref)
{
    if (ref_is_shared(ref->type))
        return ref->parent;
    if (ref->type == KEY_EXTENT_DATA_REF)
        return extent_data_ref_hash(ref->root, ref->objectid, ref->offset);
    return ref->root;
}

bool ref_same(const struct extent_ref *a, const struct extent_ref *b)
{
    if (a->type != b->type)
        return false;
    if (ref_is_shared(a->type))
        return a->parent == b->parent;
    if (a->type == KEY_EXTENT_DATA_REF)
        return a->root == b->root && a->objectid == b->objectid && a->offset == b->offset;
    return a->root == b->root;
}

int ref_count_add(const struct extent_ref *ref, uint32_t count, int64_t by, uint32_t *out)
{
    int64_t max = ref_is_data(ref->type) ? UINT32_MAX : 1;
    int64_t sum = (int64_t)count + by;

    if (sum < 0 || sum > max)
        return fail(-EUCLEAN, "reference of %s counts %u, cannot add %lld", ref_text(ref), count,
                    (long long)by);
    *out = (uint32_t)sum;
    return 0;
}

const char *ref_text(const struct extent_ref *ref)
{
    static _Thread_local char text[128];

    if (ref_is_shared(ref->type))
        snprintf(text, sizeof(text), "parent %llu", (unsigned long long)ref->parent);
    else if (ref->type == KEY_EXTENT_DATA_REF)
        snprintf(text, sizeof(text), "tree %llu inode %llu offset %lld",
                 (unsigned long long)ref->root, (unsigned long long)ref->objectid,
                 (long long)ref->offset);
    else
        snprintf(text, sizeof(text), "tree %llu", (unsigned long long)ref->root);
    return text;
}
