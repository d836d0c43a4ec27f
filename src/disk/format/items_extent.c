// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of extents and of the references to them, inline and keyed. */
#include "disk/csum/csum.h"
#include "disk/format/items.h"

uint64_t extent_data_ref_hash(uint64_t root, uint64_t objectid, uint64_t offset)
{
    le64 fields[3] = {le64_of(root), le64_of(objectid), le64_of(offset)};
    uint32_t high = crc32c_raw(UINT32_MAX, &fields[0], sizeof(fields[0]));
    uint32_t low = crc32c_raw(UINT32_MAX, &fields[1], 2 * sizeof(fields[1]));

    return ((uint64_t)high << 31) ^ low;
}

uint32_t extent_inline_ref_size(uint8_t type)
{
    switch (type) {
    case KEY_TREE_BLOCK_REF:
    case KEY_SHARED_BLOCK_REF:
        return sizeof(disk_extent_inline_ref);
    case KEY_EXTENT_DATA_REF:
        return sizeof(uint8_t) + sizeof(disk_extent_data_ref);
    case KEY_SHARED_DATA_REF:
        return sizeof(disk_extent_inline_ref) + sizeof(disk_shared_data_ref);
    case KEY_EXTENT_OWNER_REF:
        return sizeof(uint8_t) + sizeof(disk_extent_owner_ref);
    default:
        return 0;
    }
}

/* ---- one reference --------------------------------------------------------------------------- */

static int data_ref_fields_check(const struct extent_data_ref *ref,
                                 const struct format_limits *limits)
{
    /* The root tree holds the files of a v1 space cache. */
    if (!is_subvolume(ref->root) && ref->root != TREE_DATA_RELOC && ref->root != TREE_ROOT)
        return fail(-EUCLEAN, "reference of tree %llu, which has no files", LLU(ref->root));
    if (!is_inode_number(ref->objectid))
        return fail(-EUCLEAN, "reference of impossible inode %llu", LLU(ref->objectid));
    TRY(sector_aligned_check("position of a reference", ref->offset, limits));
    if (ref->count == 0)
        return fail(-EUCLEAN, "reference that counts 0");
    return 0;
}

static int shared_ref_check(uint64_t parent, uint32_t count, const struct format_limits *limits)
{
    TRY(sector_aligned_check("parent of a reference", parent, limits));
    if (count == 0)
        return fail(-EUCLEAN, "reference that counts 0");
    return 0;
}

/* What an inline reference is: its place in the order, and how many references it counts. */
struct inline_ref {
    uint8_t type;
    uint64_t sequence;
    uint32_t count;
};

static int inline_data_ref_check(const uint8_t *bytes, const struct format_limits *limits,
                                 struct inline_ref *out)
{
    struct extent_data_ref ref;

    extent_data_ref_decode(&ref, bytes + sizeof(uint8_t));
    TRY(data_ref_fields_check(&ref, limits));
    out->sequence = extent_data_ref_hash(ref.root, ref.objectid, ref.offset);
    out->count = ref.count;
    return 0;
}

static int inline_ref_check(const uint8_t *bytes, const struct format_limits *limits,
                            struct inline_ref *out)
{
    struct extent_inline_ref ref;
    struct shared_data_ref shared = {.count = 1};

    extent_inline_ref_decode(&ref, bytes);
    *out = (struct inline_ref){ref.type, ref.offset, 1};
    switch (ref.type) {
    case KEY_EXTENT_DATA_REF:
        return inline_data_ref_check(bytes, limits, out);
    case KEY_SHARED_DATA_REF:
        shared_data_ref_decode(&shared, bytes + sizeof(disk_extent_inline_ref));
        out->count = shared.count;
        return shared_ref_check(ref.offset, shared.count, limits);
    case KEY_SHARED_BLOCK_REF:
        return shared_ref_check(ref.offset, 1, limits);
    case KEY_EXTENT_OWNER_REF:
        out->count = 0;
        if (!(limits->incompat & INCOMPAT_SIMPLE_QUOTA))
            return fail(-EUCLEAN, "owner reference without simple quotas");
        return 0;
    default:
        return 0;
    }
}

/* ---- all references of an extent item -------------------------------------------------------- */

static bool ref_type_fits(uint8_t type, bool tree_block)
{
    if (type == KEY_TREE_BLOCK_REF || type == KEY_SHARED_BLOCK_REF)
        return tree_block;
    return !tree_block;
}

/* By type, then descending: Linux finds a reference only there (and turns read-only if not). */
static int ref_order_check(const struct inline_ref *prev, const struct inline_ref *ref)
{
    if (prev->type < ref->type || (prev->type == ref->type && prev->sequence >= ref->sequence))
        return 0;
    return fail(-EUCLEAN, "references are out of order");
}

static int inline_refs_check(const struct item *item, uint32_t at, const struct extent_item *extent,
                             const struct format_limits *limits)
{
    bool tree_block = extent->flags & EXTENT_FLAG_TREE_BLOCK;
    struct inline_ref ref, prev = {0, UINT64_MAX, 0};
    uint64_t count = 0;
    uint32_t size;

    for (; at < item->size; at += size) {
        size = extent_inline_ref_size(item->data[at]);
        if (size == 0 || !ref_type_fits(item->data[at], tree_block))
            return fail(-EUCLEAN, "reference of impossible type %u", item->data[at]);
        if (size > item->size - at)
            return fail(-EUCLEAN, "reference at byte %u is cut off", at);
        TRY(inline_ref_check(item->data + at, limits, &ref));
        TRY(ref_order_check(&prev, &ref));
        count += ref.count;
        prev = ref;
    }
    if (count > extent->refs)
        return fail(-EUCLEAN, "%llu inline references of %llu", LLU(count), LLU(extent->refs));
    return 0;
}

static int tree_block_check(const struct item *item, const struct format_limits *limits,
                            uint32_t *refs_at)
{
    struct tree_block_info info;

    if (item->key.type == KEY_METADATA_ITEM) {
        if (item->key.offset >= TREE_LEVELS_MAX)
            return fail(-EUCLEAN, "level is impossible");
        return 0;
    }
    if (item->key.offset != limits->nodesize)
        return fail(-EUCLEAN, "tree block is not of node size");
    TRY(item_size_min_check(item, sizeof(disk_extent_item) + sizeof(disk_tree_block_info)));
    tree_block_info_decode(&info, item->data + sizeof(disk_extent_item));
    if (info.level >= TREE_LEVELS_MAX)
        return fail(-EUCLEAN, "level %u is impossible", info.level);
    *refs_at += (uint32_t)sizeof(disk_tree_block_info);
    return 0;
}

static int data_extent_check(const struct item *item, const struct extent_item *extent,
                             const struct format_limits *limits)
{
    if (item->key.type == KEY_METADATA_ITEM)
        return fail(-EUCLEAN, "flags 0x%llx are not those of a tree block", LLU(extent->flags));
    if (extent->flags & BLOCK_FLAG_FULL_BACKREF)
        return fail(-EUCLEAN, "flags 0x%llx are not those of data", LLU(extent->flags));
    TRY(sector_aligned_check("length", item->key.offset, limits));
    if (item->key.offset == 0 || item->key.objectid + item->key.offset < item->key.objectid)
        return fail(-EUCLEAN, "length is impossible");
    return 0;
}

int extent_item_check(const struct item *item, const struct item_context *context)
{
    const struct format_limits *limits = context->limits;
    uint32_t refs_at = sizeof(disk_extent_item);
    struct extent_item extent;

    if (item->key.type == KEY_METADATA_ITEM && !(limits->incompat & INCOMPAT_SKINNY_METADATA))
        return fail(-EUCLEAN, "without the feature for it");
    TRY(sector_aligned_check("logical address", item->key.objectid, limits));
    TRY(item_size_min_check(item, sizeof(disk_extent_item)));
    extent_item_decode(&extent, item->data);
    if (extent.refs == 0)
        return fail(-EUCLEAN, "extent without references");
    switch (extent.flags & (EXTENT_FLAG_DATA | EXTENT_FLAG_TREE_BLOCK)) {
    case EXTENT_FLAG_DATA:
        TRY(data_extent_check(item, &extent, limits));
        break;
    case EXTENT_FLAG_TREE_BLOCK:
        TRY(tree_block_check(item, limits, &refs_at));
        break;
    default:
        return fail(-EUCLEAN, "flags 0x%llx are neither of data nor of a tree block",
                    LLU(extent.flags));
    }
    return inline_refs_check(item, refs_at, &extent, limits);
}

/* ---- references with a key of their own ------------------------------------------------------ */

static int ref_key_check(const struct item *item, const struct format_limits *limits)
{
    TRY(sector_aligned_check("logical address", item->key.objectid, limits));
    /* Those of other types say no address: a tree, or a hash. */
    if (item->key.type == KEY_SHARED_BLOCK_REF || item->key.type == KEY_SHARED_DATA_REF)
        TRY(sector_aligned_check("parent", item->key.offset, limits));
    return 0;
}

int data_ref_check(const struct item *item, const struct item_context *context)
{
    struct extent_data_ref ref;

    TRY(ref_key_check(item, context->limits));
    if (item->size == 0 || item->size % sizeof(disk_extent_data_ref) != 0)
        return fail(-EUCLEAN, "size %u is impossible", item->size);
    for (uint32_t at = 0; at < item->size; at += sizeof(disk_extent_data_ref)) {
        extent_data_ref_decode(&ref, item->data + at);
        TRY(data_ref_fields_check(&ref, context->limits));
    }
    return 0;
}

int shared_data_ref_check(const struct item *item, const struct item_context *context)
{
    struct shared_data_ref ref;

    TRY(ref_key_check(item, context->limits));
    TRY(item_size_check(item, sizeof(disk_shared_data_ref)));
    shared_data_ref_decode(&ref, item->data);
    return shared_ref_check(item->key.offset, ref.count, context->limits);
}

int empty_ref_check(const struct item *item, const struct item_context *context)
{
    TRY(ref_key_check(item, context->limits));
    return item_size_check(item, 0);
}
