// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leaves that are whole, and in which an item is impossible: Linux refuses all of such a leaf. The
 * item goes, where later stages make it again or where a name or an attribute is all that it was;
 * nothing that leads to data is dropped. The leaf is written in its place, as there is no other way
 * to it.
 */
#include <stdlib.h>

#include "disk/csum/csum.h"
#include "ops/repair/internal.h"

static bool may_lose_items(uint64_t owner)
{
    return is_fs_tree(owner) || owner == TREE_CSUM || owner == TREE_EXTENT || owner == TREE_DEV ||
           owner == TREE_UUID || owner == TREE_FREE_SPACE || owner == TREE_BLOCK_GROUP;
}

/* What else knows of it, or nothing of the files hangs on it. */
static bool may_go(const struct key *key, uint64_t owner)
{
    if (!is_fs_tree(owner))
        return true;
    return key->type == KEY_INODE_ITEM || key->type == KEY_INODE_REF ||
           key->type == KEY_INODE_EXTREF || key->type == KEY_XATTR_ITEM ||
           key->type == KEY_DIR_ITEM || key->type == KEY_DIR_INDEX || key->type == KEY_ORPHAN_ITEM;
}

/* The block as it was written, whatever is in it. */
static bool is_whole(struct vol *vol, const uint8_t *block, uint64_t bytenr, uint8_t *scratch)
{
    const struct format_limits *limits = vol_limits(vol);
    struct node_header header;

    node_header_decode(&header, block);
    memcpy(scratch, block, limits->nodesize);
    vol_seal_node(vol, scratch);
    return memcmp(scratch, block, limits->csum_size) == 0 && header.bytenr == bytenr &&
           header.level == 0 && uuid_equal(&header.fsid, limits->metadata_uuid) &&
           header.generation <= vol_super(vol)->generation && may_lose_items(header.owner) &&
           header.nritems > 0 && header.nritems <= leaf_capacity(limits->nodesize) / LEAF_ITEM_SIZE;
}

struct leaf_copy {
    const struct format_limits *limits;
    const uint8_t *from;
    uint8_t *to;
    uint64_t owner;
    uint32_t count, kept, end; /* end: where data of the next item ends */
    struct key last;
};

static void key_of(const struct leaf_copy *copy, uint32_t slot, struct key *out)
{
    const disk_leaf_item *items = (const void *)(copy->from + NODE_HEADER_SIZE);

    key_decode(out, &items[slot].key);
}

/* Whether it stands between its neighbours; of two that do not the one that is alone goes. */
static bool is_in_order(const struct leaf_copy *copy, uint32_t slot, const struct key *key)
{
    struct key next;

    if (copy->kept > 0 && key_cmp(key, &copy->last) <= 0)
        return false;
    if (slot + 1 == copy->count)
        return true;
    key_of(copy, slot + 1, &next);
    return key_cmp(key, &next) < 0 || (copy->kept > 0 && key_cmp(&next, &copy->last) <= 0);
}

static bool is_sound(const struct leaf_copy *copy, uint32_t slot, const struct leaf_item *item)
{
    uint32_t room = copy->limits->nodesize - (uint32_t)NODE_HEADER_SIZE;

    return item->offset <= room && item->size <= room - item->offset &&
           is_in_order(copy, slot, &item->key) &&
           item_validate(&item->key, copy->from + NODE_HEADER_SIZE + item->offset, item->size,
                         copy->limits, copy->owner, copy->kept > 0 ? &copy->last : NULL) == 0;
}

/* False: it does not fit. */
static bool keep(struct leaf_copy *copy, const struct leaf_item *item)
{
    disk_leaf_item *items = (void *)(copy->to + NODE_HEADER_SIZE);
    struct leaf_item out = *item;

    if (item->size > copy->end ||
        copy->end - item->size < (copy->kept + 1) * (uint32_t)LEAF_ITEM_SIZE)
        return false;
    copy->end -= item->size;
    out.offset = copy->end;
    memcpy(copy->to + NODE_HEADER_SIZE + out.offset, copy->from + NODE_HEADER_SIZE + item->offset,
           item->size);
    leaf_item_encode(&items[copy->kept++], &out);
    copy->last = item->key;
    return true;
}

/* False: it cannot be done without losing what must not be lost, or the key that leads to it. */
static bool copy_sound_items(struct leaf_copy *copy)
{
    const disk_leaf_item *items = (const void *)(copy->from + NODE_HEADER_SIZE);

    for (uint32_t slot = 0; slot < copy->count; slot++) {
        struct leaf_item item;

        leaf_item_decode(&item, &items[slot]);
        if (is_sound(copy, slot, &item)) {
            if (!keep(copy, &item))
                return false;
        } else if (slot == 0 || !may_go(&item.key, copy->owner)) {
            return false;
        }
    }
    return copy->kept > 0;
}

static bool clean_leaf(struct vol *vol, const uint8_t *block, uint8_t *out)
{
    const struct format_limits *limits = vol_limits(vol);
    struct node_header header;
    struct leaf_copy copy = {
        .limits = limits, .from = block, .to = out, .end = leaf_capacity(limits->nodesize)};

    node_header_decode(&header, block);
    copy.owner = header.owner;
    copy.count = header.nritems;
    memset(out, 0, limits->nodesize);
    if (!copy_sound_items(&copy))
        return false;
    header.nritems = copy.kept;
    node_header_encode(out, &header);
    return node_validate_inside(out, limits) == 0;
}

int mend_leaf(struct vol *vol, uint64_t bytenr)
{
    uint32_t nodesize = vol_limits(vol)->nodesize;
    AUTO_FREE uint8_t *block = malloc(2 * (size_t)nodesize);
    unsigned mirrors = vol_mirrors(vol, laddr_of(bytenr));

    if (!block)
        return fail(-ENOMEM, "repair");
    for (unsigned mirror = 0; mirror < mirrors; mirror++) {
        uint8_t *out = block + nodesize;

        if (vol_read(vol, laddr_of(bytenr), block, nodesize, mirror) < 0 ||
            !is_whole(vol, block, bytenr, out) || !clean_leaf(vol, block, out))
            continue;
        vol_seal_node(vol, out);
        return vol_write(vol, laddr_of(bytenr), out, nodesize);
    }
    fail_clear();
    return 0;
}
