// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks without what is nobody's business: the content of inline files always, names and values of
 * attributes when asked for.
 *
 * Keys hold the hash of names, and moving items would make another file system of it. So a name
 * becomes one with the same hash: the last four bytes of a name can be chosen so that it comes out
 * as anything. Names of up to four bytes have no other with their hash.
 */
#include <stdio.h>

#include "disk/csum/csum.h"
#include "ops/image/internal.h"

#define POLYNOMIAL 0x82F63B78U /* of crc32c, reflected */
#define HASHED_MIN 5
#define TRIES_PRINTABLE 400
#define TRIES 4000

/* ---- names -------------------------------------------------------------------------------------
 */

/* What the register held before 32 zero bits took it to `state`. */
static uint32_t unshift(uint32_t state)
{
    for (unsigned bit = 0; bit < 32; bit++)
        state = state & 1U << 31 ? (state ^ POLYNOMIAL) << 1 | 1 : state << 1;
    return state;
}

static bool bytes_are_fine(const uint8_t *bytes, size_t len, bool printable)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] == 0 || bytes[i] == '/' ||
            (printable && (bytes[i] <= ' ' || bytes[i] >= 0x7f)))
            return false;
    return true;
}

static void random_letters(struct rng *rng, uint8_t *name, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i < len; i++)
        name[i] = (uint8_t)letters[rng_below(rng, sizeof(letters) - 1)];
}

static void same_hash(struct rng *rng, uint8_t *name, size_t len)
{
    uint32_t wanted = unshift(crc32c_raw(0, name, len));
    uint8_t other[NAME_MAX_BYTES];

    for (unsigned i = 0; i < TRIES; i++) {
        le32 last;

        random_letters(rng, other, len - sizeof(last));
        last = le32_of(crc32c_raw(0, other, len - sizeof(last)) ^ wanted);
        memcpy(other + len - sizeof(last), &last, sizeof(last));
        if (bytes_are_fine(last.b, sizeof(last), i < TRIES_PRINTABLE) &&
            memcmp(other, name, len) != 0) {
            memcpy(name, other, len);
            return;
        }
    }
}

/* One name becomes the same one everywhere. */
void image_other_name(uint8_t *name, size_t len, unsigned level, uint64_t secret)
{
    uint64_t sum = ((uint64_t)crc32c_raw((uint32_t)secret, name, len) << 32) ^
                   crc32c_raw((uint32_t)(secret >> 32), name, len);
    struct rng rng;

    if (len > NAME_MAX_BYTES || (len <= 2 && memcmp(name, "..", len) == 0))
        return;
    rng_seed(&rng, secret ^ sum);
    if (len >= HASHED_MIN)
        same_hash(&rng, name, len);
    else if (level > 1)
        random_letters(&rng, name, len);
}

/* ---- items -------------------------------------------------------------------------------------
 */

struct cleaning {
    unsigned level;
    uint64_t secret;
};

static void clean_entries(const struct cleaning *how, uint8_t *data, uint32_t size, bool xattr)
{
    for (uint32_t at = 0; at + sizeof(disk_dir_item) <= size;) {
        struct dir_item entry;

        dir_item_decode(&entry, data + at);
        at += (uint32_t)sizeof(disk_dir_item);
        if ((uint32_t)entry.name_len + entry.data_len > size - at)
            return;
        if (xattr)
            memset(data + at + entry.name_len, 0, entry.data_len);
        else
            image_other_name(data + at, entry.name_len, how->level, how->secret);
        at += (uint32_t)entry.name_len + entry.data_len;
    }
}

/* Names behind heads of `head` bytes, whose length stands at the end of the head. */
static void clean_references(const struct cleaning *how, uint8_t *data, uint32_t size,
                             uint32_t head)
{
    for (uint32_t at = 0; at + head <= size;) {
        const le16 *len_field = (const void *)(data + at + head - sizeof(le16));
        uint32_t len = le16_get(*len_field);

        if (len > size - at - head)
            return;
        image_other_name(data + at + head, len, how->level, how->secret);
        at += head + len;
    }
}

static void clean_item(const struct cleaning *how, uint64_t owner, uint8_t type, uint8_t *data,
                       uint32_t size)
{
    if (type == KEY_EXTENT_DATA) {
        if (size > FILE_EXTENT_INLINE_HEADER &&
            ((const disk_file_extent *)(const void *)data)->type == FILE_EXTENT_INLINE)
            memset(data + FILE_EXTENT_INLINE_HEADER, 0, size - FILE_EXTENT_INLINE_HEADER);
        return;
    }
    if (how->level == 0)
        return;
    /* "default" is the format's own name, not a user's. */
    if (owner != TREE_ROOT && (type == KEY_DIR_ITEM || type == KEY_DIR_INDEX))
        clean_entries(how, data, size, false);
    else if (type == KEY_XATTR_ITEM)
        clean_entries(how, data, size, true);
    else if (type == KEY_INODE_REF)
        clean_references(how, data, size, sizeof(disk_inode_ref));
    else if (type == KEY_INODE_EXTREF)
        clean_references(how, data, size, sizeof(disk_inode_extref));
    else if (type == KEY_ROOT_REF || type == KEY_ROOT_BACKREF)
        clean_references(how, data, size, sizeof(disk_root_ref));
}

/* Nothing is there; it may be left over from what was. */
static void clear_slack(uint8_t *block, uint32_t nodesize, const struct node_header *header)
{
    const disk_leaf_item *items = (const void *)(block + NODE_HEADER_SIZE);
    size_t from = NODE_HEADER_SIZE, to = nodesize;

    if (header->level > 0) {
        from += header->nritems * KEY_PTR_SIZE;
    } else {
        from += header->nritems * LEAF_ITEM_SIZE;
        if (header->nritems > 0)
            to = NODE_HEADER_SIZE + le32_get(items[header->nritems - 1].offset);
    }
    memset(block + from, 0, to - from);
}

void image_sanitize(const struct vol *vol, uint8_t *block, unsigned level, uint64_t secret)
{
    const disk_leaf_item *items = (const void *)(block + NODE_HEADER_SIZE);
    const struct cleaning how = {level, secret};
    struct node_header header;

    node_header_decode(&header, block);
    clear_slack(block, vol_limits(vol)->nodesize, &header);
    for (uint32_t i = 0; header.level == 0 && i < header.nritems; i++)
        clean_item(&how, header.owner, items[i].key.type,
                   block + NODE_HEADER_SIZE + le32_get(items[i].offset), le32_get(items[i].size));
    vol_seal_node(vol, block);
}
