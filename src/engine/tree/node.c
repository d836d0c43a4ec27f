// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where things lie inside a block.
 *
 * A leaf grows from both sides: item headers from the front, their data from the end, in the same
 * order without gaps, so that item 0 has the last bytes of the block. Offsets count from the end
 * of the header. An internal node is a plain array of key pointers.
 */
#include "engine/tree/internal.h"

/* ---- reading, for everybody --------------------------------------------------------------------
 */

const void *node_data(const struct node *node)
{
    return node->data;
}

uint64_t node_bytenr(const struct node *node)
{
    return node->bytenr;
}

uint64_t node_generation(const struct node *node)
{
    return generation_of(node);
}

uint64_t node_owner(const struct node *node)
{
    return le64_get(node_header(node)->owner);
}

uint64_t node_flags(const struct node *node)
{
    return le64_get(node_header(node)->flags) & ((1ULL << HEADER_BACKREF_REV_SHIFT) - 1);
}

uint8_t node_level(const struct node *node)
{
    return level_of(node);
}

uint32_t node_items(const struct node *node)
{
    return items_of(node);
}

static void check_slot(const struct node *node, uint32_t slot, bool leaf)
{
    INVARIANT(slot < items_of(node), "a slot that is asked for exists");
    INVARIANT((level_of(node) == 0) == leaf, "leaves have items, internal nodes have children");
}

void node_key(const struct node *node, uint32_t slot, struct key *out)
{
    INVARIANT(slot < items_of(node), "a slot that is asked for exists");
    key_decode(out, key_at(node, slot));
}

uint64_t node_child(const struct node *node, uint32_t slot)
{
    check_slot(node, slot, false);
    return le64_get(ptr_at(node, slot)->blockptr);
}

uint64_t node_child_generation(const struct node *node, uint32_t slot)
{
    check_slot(node, slot, false);
    return le64_get(ptr_at(node, slot)->generation);
}

const void *leaf_data(const struct node *node, uint32_t slot)
{
    check_slot(node, slot, true);
    return node->data + NODE_HEADER_SIZE + item_offset(node, slot);
}

uint32_t leaf_size(const struct node *node, uint32_t slot)
{
    check_slot(node, slot, true);
    return item_size(node, slot);
}

uint32_t leaf_free_space(const struct node *node, uint32_t nodesize)
{
    INVARIANT(nodesize == node->forest->nodesize, "a file system has one node size");
    return leaf_free(node);
}

/* ---- changing ----------------------------------------------------------------------------------
 */

static disk_node_header *header_mut(struct node *node)
{
    return (disk_node_header *)node_bytes_mut(node);
}

static disk_leaf_item *item_mut(struct node *node, uint32_t slot)
{
    return (disk_leaf_item *)(node_bytes_mut(node) + NODE_HEADER_SIZE) + slot;
}

static disk_key_ptr *ptr_mut(struct node *node, uint32_t slot)
{
    return (disk_key_ptr *)(node_bytes_mut(node) + NODE_HEADER_SIZE) + slot;
}

static uint8_t *data_mut(struct node *node, uint32_t offset)
{
    return node_bytes_mut(node) + NODE_HEADER_SIZE + offset;
}

static void set_items(struct node *node, uint32_t nritems)
{
    header_mut(node)->nritems = le32_of(nritems);
    leaf_items_note(node);
}

void node_set_flag(struct node *node, uint64_t header_flag, bool on)
{
    disk_node_header *header = header_mut(node);
    uint64_t flags = le64_get(header->flags);

    header->flags = le64_of(on ? flags | header_flag : flags & ~header_flag);
}

void node_set_key(struct node *node, uint32_t slot, const struct key *key)
{
    key_encode(level_of(node) ? &ptr_mut(node, slot)->key : &item_mut(node, slot)->key, key);
}

/* ---- internal nodes ----------------------------------------------------------------------------
 */

void node_set_ptr(struct node *node, uint32_t slot, const struct node *child)
{
    disk_key_ptr *ptr = ptr_mut(node, slot);

    ptr->blockptr = le64_of(child->bytenr);
    ptr->generation = node_header(child)->generation;
}

/* Opens a gap of count pointers. */
static disk_key_ptr *ptrs_open(struct node *node, uint32_t slot, uint32_t count)
{
    uint32_t nritems = items_of(node);
    disk_key_ptr *at = ptr_mut(node, slot);

    INVARIANT(slot <= nritems && nritems + count <= node_capacity(node->forest->nodesize),
              "room was made before a pointer is inserted");
    memmove(at + count, at, (nritems - slot) * sizeof(*at));
    set_items(node, nritems + count);
    return at;
}

void node_insert_ptr(struct node *node, uint32_t slot, const struct key *key,
                     const struct node *child)
{
    disk_key_ptr *ptr = ptrs_open(node, slot, 1);

    if (items_of(child))
        ptr->key = *key_at(child, 0);
    else
        key_encode(&ptr->key, key);
    node_set_ptr(node, slot, child);
    node->streak = slot + 1;
}

void node_remove_ptrs(struct node *node, uint32_t slot, uint32_t count)
{
    uint32_t nritems = items_of(node);
    disk_key_ptr *at = ptr_mut(node, slot);

    memmove(at, at + count, (nritems - slot - count) * sizeof(*at));
    set_items(node, nritems - count);
}

/* ---- leaves ------------------------------------------------------------------------------------
 */

/* Adds delta to the data offsets of items [from, nritems). */
static void move_offsets(struct node *node, uint32_t from, uint32_t delta)
{
    uint32_t nritems = items_of(node);
    disk_leaf_item *item = item_mut(node, from);

    for (uint32_t slot = from; slot < nritems; slot++, item++)
        item->offset = le32_of(le32_get(item->offset) + delta);
}

/*
 * Opens a gap of count items with together `bytes` of data at slot; returns where their data ends.
 * The headers in the gap are undefined.
 */
static uint32_t items_open(struct node *node, uint32_t slot, uint32_t count, uint32_t bytes)
{
    uint32_t nritems = items_of(node);
    uint32_t lowest = data_end_before(node, nritems);
    uint32_t end = data_end_before(node, slot);
    disk_leaf_item *at = item_mut(node, slot);

    INVARIANT(slot <= nritems && leaf_free(node) >= count * LEAF_ITEM_SIZE + bytes,
              "room was made before an item is inserted");
    memmove(data_mut(node, lowest - bytes), data_mut(node, lowest), end - lowest);
    move_offsets(node, slot, -bytes);
    memmove(at + count, at, (nritems - slot) * sizeof(*at));
    set_items(node, nritems + count);
    return end;
}

uint8_t *leaf_insert(struct node *node, uint32_t slot, const struct key *key, uint32_t size)
{
    uint32_t end = items_open(node, slot, 1, size);
    disk_leaf_item *item = item_mut(node, slot);

    key_encode(&item->key, key);
    item->offset = le32_of(end - size);
    item->size = le32_of(size);
    node->streak = slot + 1;
    return data_mut(node, end - size);
}

void leaf_remove(struct node *node, uint32_t slot, uint32_t count)
{
    uint32_t nritems = items_of(node);
    uint32_t lowest = data_end_before(node, nritems);
    uint32_t cut = data_end_before(node, slot + count);
    uint32_t bytes = data_end_before(node, slot) - cut;
    disk_leaf_item *at = item_mut(node, slot);

    memmove(data_mut(node, lowest + bytes), data_mut(node, lowest), cut - lowest);
    memmove(at, at + count, (nritems - slot - count) * sizeof(*at));
    set_items(node, nritems - count);
    move_offsets(node, slot, bytes);
}

/* Moves the data below `end` by delta bytes upwards (or, as a wrapped number, downwards). */
static void move_data(struct node *node, uint32_t end, uint32_t delta)
{
    uint32_t lowest = data_end_before(node, items_of(node));

    memmove(data_mut(node, lowest + delta), data_mut(node, lowest), end - lowest);
}

void leaf_resize(struct node *node, uint32_t slot, uint32_t size)
{
    uint32_t old_size = item_size(node, slot);
    uint32_t kept_end = item_offset(node, slot) + MIN(size, old_size);

    INVARIANT(size <= old_size || leaf_free(node) >= size - old_size,
              "room was made before an item grows");
    move_data(node, kept_end, old_size - size);
    move_offsets(node, slot, old_size - size);
    item_mut(node, slot)->size = le32_of(size);
    if (size > old_size)
        memset(data_mut(node, item_offset(node, slot) + old_size), 0, size - old_size);
}

void leaf_cut_front(struct node *node, uint32_t slot, uint32_t bytes)
{
    uint32_t size = item_size(node, slot);

    INVARIANT(bytes <= size, "an item is cut by no more than it has");
    move_data(node, item_offset(node, slot), bytes);
    move_offsets(node, slot, bytes);
    item_mut(node, slot)->size = le32_of(size - bytes);
}

static void reverse_bytes(uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len / 2; i++) {
        uint8_t first = bytes[i];

        bytes[i] = bytes[len - 1 - i];
        bytes[len - 1 - i] = first;
    }
}

/* AB becomes BA, in place: data of later items lies lower. */
static void rotate_bytes(uint8_t *bytes, uint32_t first, uint32_t len)
{
    reverse_bytes(bytes, first);
    reverse_bytes(bytes + first, len - first);
    reverse_bytes(bytes, len);
}

void leaf_split_item(struct node *node, uint32_t slot, const struct key *new_key, uint32_t at)
{
    uint32_t offset = item_offset(node, slot), size = item_size(node, slot);

    rotate_bytes(data_mut(node, offset), at, size);
    items_open(node, slot + 1, 1, 0);
    disk_leaf_item *item = item_mut(node, slot);
    item[0].offset = le32_of(offset + size - at);
    item[0].size = le32_of(at);
    key_encode(&item[1].key, new_key);
    item[1].offset = le32_of(offset);
    item[1].size = le32_of(size - at);
}

static void leaf_copy_items(struct node *dst, uint32_t slot, const struct node *src, uint32_t first,
                            uint32_t count)
{
    uint32_t src_end = data_end_before(src, first);
    uint32_t src_low = data_end_before(src, first + count);
    uint32_t bytes = src_end - src_low;
    uint32_t dst_end = items_open(dst, slot, count, bytes);
    disk_leaf_item *item = item_mut(dst, slot);

    memcpy(data_mut(dst, dst_end - bytes), src->data + NODE_HEADER_SIZE + src_low, bytes);
    memcpy(item, item_at(src, first), count * sizeof(*item));
    for (uint32_t i = 0; i < count; i++)
        item[i].offset = le32_of(le32_get(item[i].offset) + dst_end - src_end);
}

/* ---- both --------------------------------------------------------------------------------------
 */

void node_copy_entries(struct node *dst, uint32_t slot, const struct node *src, uint32_t first,
                       uint32_t count)
{
    if (level_of(dst) == 0)
        leaf_copy_items(dst, slot, src, first, count);
    else
        memcpy(ptrs_open(dst, slot, count), ptr_at(src, first), count * KEY_PTR_SIZE);
}

void node_remove_entries(struct node *node, uint32_t slot, uint32_t count)
{
    if (level_of(node) == 0)
        leaf_remove(node, slot, count);
    else
        node_remove_ptrs(node, slot, count);
}

/* The part of the block between what is used at the front and what is used at the end. */
static void gap_of(const struct node *node, size_t *from, size_t *to)
{
    uint32_t nritems = items_of(node);

    if (level_of(node)) {
        *from = NODE_HEADER_SIZE + nritems * KEY_PTR_SIZE;
        *to = node->forest->nodesize;
    } else {
        *from = NODE_HEADER_SIZE + nritems * LEAF_ITEM_SIZE;
        *to = NODE_HEADER_SIZE + data_end_before(node, nritems);
    }
}

void node_copy_body(struct node *dst, const struct node *src)
{
    uint8_t *bytes = node_bytes_mut(dst);
    size_t from, to;

    gap_of(src, &from, &to);
    memcpy(bytes + NODE_HEADER_SIZE, src->data + NODE_HEADER_SIZE, from - NODE_HEADER_SIZE);
    memcpy(bytes + to, src->data + to, src->forest->nodesize - to);
    set_items(dst, items_of(src));
}

void node_zero_gap(struct node *node)
{
    size_t from, to;

    gap_of(node, &from, &to);
    memset(node->data + from, 0, to - from);
}
