// SPDX-License-Identifier: GPL-2.0-or-later
/* One tree block: what it refers to, and the inodes in it. */
#include "ops/check/internal.h"

bool is_files_tree(uint64_t owner)
{
    return (is_fs_tree(owner) && owner >> QGROUP_LEVEL_SHIFT == 0) || owner == TREE_DATA_RELOC;
}

/* ---- references ------------------------------------------------------------------------------ */

void meet(struct check *c, struct lane *lane, const struct reference *ref)
{
    if (c->recount)
        recount_meet(c->recount, ref);
    else
        ledger_post(lane->ledger, c->seed, ref, -1);
}

static void meet_children(struct check *c, struct lane *lane, const struct block *block,
                          const uint8_t *bytes)
{
    const disk_key_ptr *ptrs = (const void *)(bytes + NODE_HEADER_SIZE);
    uint32_t count = le32_get(((const disk_node_header *)(const void *)bytes)->nritems);
    bool full = block->flags & BLOCK_FULL;

    for (uint32_t i = first_child(c, block->bytenr); i < count; i++) {
        uint64_t child = le64_get(ptrs[i].blockptr);
        const struct reference ref = {
            .bytenr = child,
            .size = le64_get(ptrs[i].generation) << 8 | (block->level - 1u),
            .type = full ? KEY_SHARED_BLOCK_REF : KEY_TREE_BLOCK_REF,
            .root = full ? block->bytenr : block->owner,
            .count = 1,
        };

        meet(c, lane, &ref);
        if (!c->recount && !find_block(c, child))
            (void)check_failed(c, pile_push(&lane->unlisted, &child));
    }
}

static void meet_data(struct check *c, struct lane *lane, const struct block *block,
                      const struct spot *spot)
{
    const disk_file_extent *disk = (const void *)spot->data;
    bool full = block->flags & BLOCK_FULL;
    struct file_extent extent;

    if (disk->type == FILE_EXTENT_INLINE)
        return;
    file_extent_decode(&extent, spot->data);
    if (extent.disk_bytenr == 0)
        return;
    const struct reference ref = {
        .bytenr = extent.disk_bytenr,
        .size = extent.disk_num_bytes,
        .type = full ? KEY_SHARED_DATA_REF : KEY_EXTENT_DATA_REF,
        .root = full ? block->bytenr : block->owner,
        .objectid = full ? 0 : spot->key.objectid,
        .offset = full ? 0 : spot->key.offset - extent.offset,
        .count = 1,
    };
    meet(c, lane, &ref);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

struct spot spot_at(const struct block *block, const uint8_t *bytes, uint32_t slot)
{
    const disk_leaf_item *items = (const void *)(bytes + NODE_HEADER_SIZE);
    struct spot spot = {.tree = block->owner, .block = block->bytenr, .slot = slot};

    key_decode(&spot.key, &items[slot].key);
    spot.data = bytes + NODE_HEADER_SIZE + le32_get(items[slot].offset);
    spot.size = le32_get(items[slot].size);
    return spot;
}

/* Whether items of that number are those of an inode. */
static bool is_inode(uint64_t objectid)
{
    return objectid <= OBJ_LAST_FREE;
}

/* The part in hand ends here, and something else follows. */
static void end_part(struct check *c, const struct block *block, struct span *span)
{
    if (span->tail.ino == 0)
        return;
    if (!span->tail.has_item && span->one)
        span->head = span->tail;
    else
        part_check(c, block->owner, &span->tail);
    span->one = false;
}

static void look_at_files(struct check *c, struct lane *lane, struct block *block,
                          const uint8_t *bytes, uint32_t count)
{
    struct pile *pile = &lane->spans[0];
    struct span span = {.one = true};

    for (uint32_t i = 0; i < count; i++) {
        const struct spot spot = spot_at(block, bytes, i);

        block->sum += entry_numbers(c, &spot);
        if (!is_inode(spot.key.objectid))
            continue;
        if (spot.key.objectid != span.tail.ino) {
            end_part(c, block, &span);
            part_init(&span.tail, spot.key.objectid);
        }
        part_item(c, block, &span.tail, &spot);
    }
    block->flags |= BLOCK_FILES;
    block->span = (uint32_t)pile->count;
    (void)check_failed(c, pile_push(pile, &span));
}

void look_at_leaf(struct check *c, struct lane *lane, struct block *block, const uint8_t *bytes)
{
    uint32_t count = le32_get(((const disk_node_header *)(const void *)bytes)->nritems);

    for (uint32_t i = 0; i < count; i++) {
        const struct spot spot = spot_at(block, bytes, i);

        if (i == 0)
            block->first = spot.key;
        block->last = spot.key;
        if (spot.key.type == KEY_EXTENT_DATA)
            meet_data(c, lane, block, &spot);
    }
    block->empty = count == 0;
    block->size = 1;
    if (is_files_tree(block->owner) && !c->recount)
        look_at_files(c, lane, block, bytes, count);
}

void look_at_block(struct check *c, struct lane *lane, struct block *block, const uint8_t *bytes)
{
    struct node_header header;

    node_header_decode(&header, bytes);
    block->generation = header.generation;
    block->owner = header.owner;
    block->level = header.level;
    block->reloc = header.flags & HEADER_FLAG_RELOC;
    block->lane = (uint8_t)(lane - c->lanes);
    if (header.generation > c->super->generation && !c->recount)
        report(c, CHECK_BLOCK_UNEXPECTED, PLACE(.tree = block->owner, .block = block->bytenr),
               "tree block %llu: is of generation %llu, the superblock of %llu", LLU(block->bytenr),
               LLU(header.generation), LLU(c->super->generation));
    if (block->level > 0)
        meet_children(c, lane, block, bytes);
    else
        look_at_leaf(c, lane, block, bytes);
}
