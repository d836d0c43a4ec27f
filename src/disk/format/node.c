// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a tree block can be believed, as a whole and in its order; items.c looks at the items. */
#include "disk/csum/csum.h"
#include "disk/format/items.h"

static const disk_node_header *header_of(const void *block)
{
    return block;
}

static int tree_context(int ret, uint64_t owner, uint64_t bytenr)
{
    char tree[OBJECTID_TEXT_MAX];

    return fail_context(ret, "tree %s block %llu", objectid_text(owner, 0, tree), LLU(bytenr));
}

/* ---- leaves ---------------------------------------------------------------------------------- */

/* Trees that always have at least one item. */
static bool may_be_empty(uint64_t owner, uint64_t flags)
{
    /* A relocation tree carries the owner of the tree it is a copy of, so nothing is known. */
    if (flags & HEADER_FLAG_RELOC)
        return true;
    switch (owner) {
    case 0:
    case TREE_ROOT:
    case TREE_EXTENT:
    case TREE_CHUNK:
    case TREE_DEV:
    case TREE_FS:
    case TREE_DATA_RELOC:
        return false;
    default:
        return true;
    }
}

/* Where the data of item stands: directly below that of the item before, above the item headers. */
static int item_place_check(uint32_t offset, uint32_t size, uint32_t data_end, uint32_t headers_end)
{
    uint64_t end = (uint64_t)offset + size;

    if (end != data_end)
        return fail(-EUCLEAN, "data ends at %llu, expected %u", LLU(end), data_end);
    if (offset < headers_end)
        return fail(-EUCLEAN, "data at %u overlaps the item headers", offset);
    return 0;
}

static int order_check(const struct key *prev, const struct key *key)
{
    char buf[KEY_TEXT_MAX];

    if (key_cmp(prev, key) < 0)
        return 0;
    return fail(-EUCLEAN, "key is not greater than %s before it", key_text(prev, buf));
}

static int leaf_item_check(const struct item *item, const struct item *prev, uint64_t owner,
                           const struct format_limits *limits)
{
    const struct item_context context = {limits, owner, prev ? &prev->key : NULL};

    if (prev)
        TRY(order_check(&prev->key, &item->key));
    TRY(item_check_within(item, &context));
    return prev ? items_overlap_check(prev, item, limits) : 0;
}

static int leaf_check(const uint8_t *block, uint32_t nritems, const struct format_limits *limits)
{
    const uint8_t *base = block + NODE_HEADER_SIZE;
    const disk_leaf_item *headers = (const disk_leaf_item *)base;
    uint64_t owner = le64_get(header_of(block)->owner);
    uint32_t data_end = leaf_capacity(limits->nodesize);
    uint32_t headers_end = nritems * (uint32_t)LEAF_ITEM_SIZE;
    struct item items[2]; /* this one and the one before in turn: never copied */

    if (nritems == 0 && !may_be_empty(owner, le64_get(header_of(block)->flags)))
        return fail(-EUCLEAN, "is empty");
    for (uint32_t slot = 0; slot < nritems; slot++) {
        struct item *item = &items[slot % 2], *prev = slot ? &items[(slot + 1) % 2] : NULL;
        uint32_t offset = le32_get(headers[slot].offset);

        key_decode(&item->key, &headers[slot].key);
        item->data = base + offset;
        item->size = le32_get(headers[slot].size);
        int ret = item_place_check(offset, item->size, data_end, headers_end);
        if (ret == 0)
            ret = leaf_item_check(item, prev, owner, limits);
        if (ret < 0)
            return fail_context(ret, "item %u", slot);
        data_end = offset;
    }
    return 0;
}

/* ---- internal nodes -------------------------------------------------------------------------- */

static int pointers_check(const uint8_t *block, uint32_t nritems,
                          const struct format_limits *limits)
{
    const uint8_t *base = block + NODE_HEADER_SIZE;
    struct key prev;

    if (nritems == 0)
        return fail(-EUCLEAN, "is empty");
    for (uint32_t slot = 0; slot < nritems; slot++) {
        struct key_ptr ptr;

        key_ptr_decode(&ptr, base + slot * KEY_PTR_SIZE);
        if (ptr.blockptr == 0 || !is_aligned(ptr.blockptr, limits->sectorsize))
            return fail(-EUCLEAN, "slot %u points at %llu, no block is there", slot,
                        LLU(ptr.blockptr));
        if (slot) {
            int ret = order_check(&prev, &ptr.key);
            if (ret < 0)
                return fail_context(ret, "slot %u", slot);
        }
        prev = ptr.key;
    }
    return 0;
}

/* ---- both ------------------------------------------------------------------------------------ */

static int inside_check(const uint8_t *block, const struct format_limits *limits)
{
    const disk_node_header *header = header_of(block);
    uint32_t nritems = le32_get(header->nritems);
    uint32_t most = header->level ? node_capacity(limits->nodesize)
                                  : leaf_capacity(limits->nodesize) / (uint32_t)LEAF_ITEM_SIZE;

    if (header->level >= TREE_LEVELS_MAX)
        return fail(-EUCLEAN, "level %u is impossible", header->level);
    if (nritems > most)
        return fail(-EUCLEAN, "%u items do not fit", nritems);
    if (!(le64_get(header->flags) & HEADER_FLAG_WRITTEN))
        return fail(-EUCLEAN, "was never marked as written");
    return header->level ? pointers_check(block, nritems, limits)
                         : leaf_check(block, nritems, limits);
}

int node_validate_inside(const void *block, const struct format_limits *limits)
{
    const disk_node_header *header = header_of(block);
    int ret = inside_check(block, limits);

    return ret < 0 ? tree_context(ret, le64_get(header->owner), le64_get(header->bytenr)) : 0;
}

static int block_csum_check(const uint8_t *block, const struct format_limits *limits)
{
    uint8_t csum[CSUM_MAX];

    csum_compute((enum csum_type)limits->csum_type, block + CSUM_FIELD_SIZE,
                 limits->nodesize - CSUM_FIELD_SIZE, csum);
    if (memcmp(csum, block, limits->csum_size) != 0)
        return fail(-EIO, "checksum is wrong");
    return 0;
}

/*
 * Blocks of a subvolume may have been allocated by another one. Log and relocation trees are
 * named by the offset of their key, which is not known here.
 */
static int owner_check(uint64_t owner, uint64_t expected)
{
    if (expected == 0 || expected == TREE_LOG || expected == TREE_RELOC || owner == expected)
        return 0;
    if (is_subvolume(expected) && is_subvolume(owner))
        return 0;
    return fail(-EUCLEAN, "belongs to tree %llu", LLU(owner));
}

static int first_key_check(const uint8_t *block, const struct key *expected)
{
    char have[KEY_TEXT_MAX], want[KEY_TEXT_MAX];
    struct key key;

    /* Both kinds of block have the first key at the same place. */
    if (le32_get(header_of(block)->nritems) == 0)
        return fail(-EUCLEAN, "is empty, expected %s", key_text(expected, want));
    key_decode(&key, (const disk_key *)(block + NODE_HEADER_SIZE));
    if (key_cmp(&key, expected) != 0)
        return fail(-EUCLEAN, "begins with %s, expected %s", key_text(&key, have),
                    key_text(expected, want));
    return 0;
}

static int header_check(const uint8_t *block, const struct format_limits *limits,
                        const struct node_expect *expect)
{
    struct node_header header;

    node_header_decode(&header, block);
    if (header.bytenr != expect->bytenr)
        return fail(-EUCLEAN, "is block %llu", LLU(header.bytenr));
    if (limits->metadata_uuid && !uuid_equal(&header.fsid, limits->metadata_uuid))
        return fail(-EUCLEAN, "belongs to another file system");
    if (expect->generation && header.generation != expect->generation)
        return fail(-EUCLEAN, "generation is %llu, expected %llu", LLU(header.generation),
                    LLU(expect->generation));
    if (expect->level >= 0 && header.level != expect->level)
        return fail(-EUCLEAN, "level is %u, expected %d", header.level, expect->level);
    return owner_check(header.owner, expect->owner);
}

uint64_t node_print(const void *block, const struct format_limits *limits)
{
    uint8_t hash[CSUM_MAX];

    csum_compute(CSUM_XXHASH64, block, limits->nodesize, hash);
    uint64_t print = le64_get(*(const le64 *)hash);
    return print ? print : 1;
}

int node_validate(const void *block, const struct format_limits *limits,
                  const struct node_expect *expect)
{
    uint64_t print = expect->print ? node_print(block, limits) : 0;
    bool known = print != 0 && print == *expect->print;
    int ret = known ? 0 : block_csum_check(block, limits);

    if (ret == 0)
        ret = header_check(block, limits, expect);
    if (ret == 0 && !known)
        ret = inside_check(block, limits);
    if (ret == 0 && expect->has_first_key)
        ret = first_key_check(block, &expect->first_key);
    if (ret == 0 && expect->print)
        *expect->print = print;
    if (ret < 0)
        return tree_context(ret, expect->owner ? expect->owner : le64_get(header_of(block)->owner),
                            expect->bytenr);
    return 0;
}
