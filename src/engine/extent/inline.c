// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * References inside an extent item. Linux looks them up by order (type ascending, then tree,
 * parent or hash descending) and goes read-only when one is not where it should be (trap 10), so
 * new ones are put exactly there; finding one here does not depend on it.
 */
#include "engine/extent/internal.h"

uint32_t inline_size(uint8_t type)
{
    switch (type) {
    case KEY_TREE_BLOCK_REF:
    case KEY_SHARED_BLOCK_REF:
    case KEY_EXTENT_OWNER_REF:
        return sizeof(disk_extent_inline_ref);
    case KEY_EXTENT_DATA_REF:
        return 1 + sizeof(disk_extent_data_ref);
    case KEY_SHARED_DATA_REF:
        return sizeof(disk_extent_inline_ref) + sizeof(disk_shared_data_ref);
    default:
        return 0;
    }
}

static void inline_decode(struct extent_ref *out, const uint8_t *bytes)
{
    struct extent_inline_ref ref;

    extent_inline_ref_decode(&ref, bytes);
    *out = (struct extent_ref){.type = ref.type, .count = 1};
    if (ref.type == KEY_EXTENT_DATA_REF) {
        struct extent_data_ref data;

        extent_data_ref_decode(&data, bytes + 1);
        out->root = data.root;
        out->objectid = data.objectid;
        out->offset = data.offset;
        out->count = data.count;
    } else if (ref_is_shared(ref.type)) {
        out->parent = ref.offset;
        if (ref.type == KEY_SHARED_DATA_REF) {
            struct shared_data_ref data;

            shared_data_ref_decode(&data, bytes + sizeof(disk_extent_inline_ref));
            out->count = data.count;
        }
    } else {
        out->root = ref.offset;
    }
}

static void inline_encode(uint8_t *bytes, const struct extent_ref *ref)
{
    struct extent_inline_ref out = {.type = ref->type};

    if (ref->type == KEY_EXTENT_DATA_REF) {
        struct extent_data_ref data = {ref->root, ref->objectid, ref->offset, ref->count};

        bytes[0] = ref->type;
        extent_data_ref_encode(bytes + 1, &data);
        return;
    }
    out.offset = ref_is_shared(ref->type) ? ref->parent : ref->root;
    extent_inline_ref_encode(bytes, &out);
    if (ref->type == KEY_SHARED_DATA_REF) {
        struct shared_data_ref data = {ref->count};

        shared_data_ref_encode(bytes + sizeof(disk_extent_inline_ref), &data);
    }
}

int inline_next(const struct record *record, uint32_t *pos, struct extent_ref *out)
{
    if (*pos == record->size)
        return 1;

    uint32_t size = inline_size(record->bytes[*pos]);

    if (size == 0)
        return fail(-EUCLEAN, "inline reference of unknown type %u", record->bytes[*pos]);
    if (size > record->size - *pos)
        return fail(-EUCLEAN, "inline reference reaches past the end of the item");
    inline_decode(out, record->bytes + *pos);
    *pos += size;
    return 0;
}

static void inline_remove(struct record *record, uint32_t at, uint32_t size)
{
    memmove(record->bytes + at, record->bytes + at + size, record->size - at - size);
    record->size -= size;
}

int inline_change(struct record *record, const struct extent_ref *ref, int64_t by)
{
    uint32_t pos = record->refs_at;
    struct extent_ref found;
    uint32_t at;
    int ret;

    do {
        at = pos;
        ret = inline_next(record, &pos, &found);
        if (ret != 0)
            return ret;
    } while (!ref_same(&found, ref));

    TRY(ref_count_add(ref, found.count, by, &found.count));
    if (found.count == 0)
        inline_remove(record, at, pos - at);
    else
        inline_encode(record->bytes + at, &found);
    return 0;
}

/* Where a reference belongs among those that are there. */
static int inline_place(const struct record *record, const struct extent_ref *ref, uint32_t *out)
{
    uint64_t order = ref_order(ref);
    uint32_t pos = record->refs_at;
    uint32_t at;
    struct extent_ref other;
    int ret;

    do {
        at = pos;
        ret = inline_next(record, &pos, &other);
        TRY(ret);
    } while (ret == 0 &&
             (other.type < ref->type || (other.type == ref->type && ref_order(&other) >= order)));
    *out = at;
    return 0;
}

/* Linux makes no extent item longer than this for the sake of inline references. */
static uint32_t inline_item_max(uint32_t nodesize)
{
    return (leaf_capacity(nodesize) >> 4) - (uint32_t)LEAF_ITEM_SIZE;
}

int inline_insert(struct record *record, const struct extent_ref *ref, uint32_t nodesize)
{
    uint32_t size = inline_size(ref->type);
    uint32_t at;

    if (record->size + size >= inline_item_max(nodesize))
        return 1;
    TRY(inline_place(record, ref, &at));
    memmove(record->bytes + at + size, record->bytes + at, record->size - at);
    inline_encode(record->bytes + at, ref);
    record->size += size;
    return 0;
}
