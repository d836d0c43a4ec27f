// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All tree blocks of all chunks, whoever uses them or used them once, and (where the extent tree
 * can tell) which of them are in use.
 */
#include <stdlib.h>

#include "ops/rescue/internal.h"

#define RUN_BYTES (1 * MIB) /* read at once */

/* ---- the table ---------------------------------------------------------------------------------
 */

static int by_owner(const void *one, const void *other)
{
    const struct found_block *a = one, *b = other;

    if (a->owner != b->owner)
        return a->owner < b->owner ? -1 : 1;
    if (a->generation != b->generation)
        return a->generation > b->generation ? -1 : 1;
    if (a->level != b->level)
        return a->level > b->level ? -1 : 1;
    return a->bytenr < b->bytenr ? -1 : a->bytenr > b->bytenr;
}

const struct found_block *rescue_found_of(const struct rescue *r, uint64_t owner, size_t *count)
{
    size_t low = 0, high = r->found_count, end;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->found[mid].owner < owner)
            low = mid + 1;
        else
            high = mid;
    }
    for (end = low; end < r->found_count && r->found[end].owner == owner;)
        end++;
    *count = end - low;
    return r->found + low;
}

/* Index, in order of address, of the first block at or behind bytenr. */
static size_t first_from(const struct rescue *r, uint64_t bytenr)
{
    size_t low = 0, high = r->found_by_address ? r->found_count : 0;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->found[r->found_by_address[mid]].bytenr < bytenr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct found_block *find_at(const struct rescue *r, uint64_t bytenr)
{
    size_t i = first_from(r, bytenr);
    struct found_block *block;

    if (i == r->found_count || !r->found_by_address)
        return NULL;
    block = &r->found[r->found_by_address[i]];
    return block->bytenr == bytenr ? block : NULL;
}

const struct found_block *rescue_found_at(const struct rescue *r, uint64_t bytenr)
{
    return find_at(r, bytenr);
}

void rescue_scan_free(struct rescue *r)
{
    free(r->found);
    free(r->found_by_address);
}

static int add_block(struct rescue *r, const uint8_t *block)
{
    struct found_block *found;
    struct node_header header;

    node_header_decode(&header, block);
    /* No file system has so much metadata. */
    if (r->found_count == UINT32_MAX)
        return fail(-EOVERFLOW, "too many tree blocks");
    if (header.nritems == 0 || header.generation > r->super->generation + 1)
        return 0;
    if (r->found_count == r->found_room) {
        size_t room = MAX(r->found_room * 2, (size_t)256);
        struct found_block *grown = realloc(r->found, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        r->found = grown;
        r->found_room = room;
    }
    found = &r->found[r->found_count++];
    *found = (struct found_block){.bytenr = header.bytenr,
                                  .generation = header.generation,
                                  .owner = header.owner,
                                  .level = header.level};
    size_t each = header.level ? KEY_PTR_SIZE : LEAF_ITEM_SIZE;
    key_decode(&found->first, block + NODE_HEADER_SIZE);
    key_decode(&found->last, block + NODE_HEADER_SIZE + (header.nritems - 1) * each);
    return 0;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static bool looks_like_block(const struct rescue *r, const uint8_t *bytes, uint64_t addr)
{
    const disk_node_header *header = (const void *)bytes;

    return le64_get(header->bytenr) == addr &&
           (!r->limits->metadata_uuid ||
            memcmp(header->fsid.b, r->limits->metadata_uuid->b, sizeof(header->fsid.b)) == 0);
}

enum seen { SEEN_LIKELY = 1, SEEN_GOOD = 2 };

/*
 * The blocks of one copy of a run of addresses. Nodes need not be aligned to their size (ext4 that
 * became btrfs), but what is one ends where it ends.
 */
static int scan_copy(struct rescue *r, uint64_t addr, uint64_t len, const uint8_t *run,
                     uint8_t *seen)
{
    for (uint64_t at = 0; at + r->nodesize <= len;) {
        const struct node_expect expect = {.bytenr = addr + at, .level = -1};
        uint8_t *mark = &seen[at / r->sectorsize];

        if (!(*mark & SEEN_GOOD) && looks_like_block(r, run + at, addr + at)) {
            *mark |= SEEN_LIKELY;
            if (node_validate(run + at, r->limits, &expect) == 0) {
                *mark |= SEEN_GOOD;
                TRY(add_block(r, run + at));
            }
        }
        at += *mark & SEEN_GOOD ? r->nodesize : r->sectorsize;
    }
    return 0;
}

struct scan_buffers {
    uint8_t *run;  /* RUN_BYTES and a block */
    uint8_t *seen; /* of each sector of it */
};

static int scan_run(struct rescue *r, uint64_t addr, uint64_t len, unsigned mirrors,
                    const struct scan_buffers *b)
{
    memset(b->seen, 0, len / r->sectorsize);
    for (unsigned mirror = 0; mirror < mirrors; mirror++)
        if (vol_read(r->vol, laddr_of(addr), b->run, len, mirror) == 0)
            TRY(scan_copy(r, addr, len, b->run, b->seen));
    for (uint64_t at = 0; at + r->nodesize <= len; at += r->sectorsize)
        if (b->seen[at / r->sectorsize] == SEEN_LIKELY &&
            rescue_block_merged(r, addr + at, b->run) == 0)
            TRY(add_block(r, b->run));
    return 0;
}

static void tell(struct rescue *r, uint64_t done, uint64_t total)
{
    if (r->options.progress)
        r->options.progress(r->options.arg, done, total);
}

static bool has_blocks(const struct chunk_map *chunk)
{
    return (chunk->type & (BG_METADATA | BG_SYSTEM)) != 0;
}

static int scan_chunk(struct rescue *r, const struct chunk_map *chunk, const struct scan_buffers *b,
                      uint64_t *done, uint64_t total)
{
    unsigned mirrors = vol_mirrors(r->vol, laddr_of(chunk->logical));

    /* Runs overlap by what may hold the rest of a block. */
    for (uint64_t at = 0; at < chunk->length; at += RUN_BYTES) {
        uint64_t len = MIN(RUN_BYTES + r->nodesize - r->sectorsize, chunk->length - at);

        TRY(scan_run(r, chunk->logical + at, len, mirrors, b));
        *done += MIN(RUN_BYTES, chunk->length - at);
        tell(r, *done, total);
    }
    return 0;
}

static int scan_chunks(struct rescue *r)
{
    AUTO_FREE uint8_t *run = malloc(RUN_BYTES + r->nodesize);
    AUTO_FREE uint8_t *seen = malloc((RUN_BYTES + r->nodesize) / r->sectorsize);
    const struct scan_buffers buffers = {run, seen};
    uint64_t done = 0, total = 0;
    struct chunk_map chunk;

    if (!run || !seen)
        return fail(-ENOMEM, "out of memory");
    for (uint64_t at = 0; vol_next_chunk(r->vol, at, &chunk); at = chunk.logical + 1)
        total += has_blocks(&chunk) ? chunk.length : 0;
    for (uint64_t at = 0; vol_next_chunk(r->vol, at, &chunk); at = chunk.logical + 1)
        if (has_blocks(&chunk))
            TRY(scan_chunk(r, &chunk, &buffers, &done, total));
    return 0;
}

/* ---- afterwards --------------------------------------------------------------------------------
 */

static int address_cmp(const void *one, const void *other, void *arg)
{
    const struct found_block *found = arg;
    uint64_t a = found[*(const uint32_t *)one].bytenr, b = found[*(const uint32_t *)other].bytenr;

    return a < b ? -1 : a > b;
}

/* Runs overlap, so a block may be there twice. */
static void drop_doubles(struct rescue *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->found_count; i++) {
        if (kept > 0 && r->found[kept - 1].bytenr == r->found[i].bytenr &&
            r->found[kept - 1].owner == r->found[i].owner)
            continue;
        r->found[kept++] = r->found[i];
    }
    r->found_count = kept;
}

static int index_blocks(struct rescue *r)
{
    if (r->found_count == 0)
        return 0;
    qsort(r->found, r->found_count, sizeof(*r->found), by_owner);
    drop_doubles(r);
    r->found_by_address = calloc(r->found_count, sizeof(*r->found_by_address));
    if (!r->found_by_address)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < r->found_count; i++)
        r->found_by_address[i] = (uint32_t)i;
    qsort_r(r->found_by_address, r->found_count, sizeof(*r->found_by_address), address_cmp,
            r->found);
    return 0;
}

/* A node reaches as far as its last child, where that is there. */
static int extend_nodes(struct rescue *r)
{
    for (int level = 1; level < TREE_LEVELS_MAX; level++) {
        for (size_t i = 0; i < r->found_count; i++) {
            struct found_block *block = &r->found[i];
            const struct found_block *child;
            const disk_key_ptr *ptr;
            struct held *held;

            if (block->level != level)
                continue;
            const struct node_expect expect = {
                .bytenr = block->bytenr, .generation = block->generation, .level = level};
            if (rescue_block(r, &expect, &held) < 0)
                continue;
            uint32_t count = le32_get(((const disk_node_header *)held_bytes(held))->nritems);
            ptr = (const void *)(held_bytes(held) + NODE_HEADER_SIZE + (count - 1) * KEY_PTR_SIZE);
            child = find_at(r, le64_get(ptr->blockptr));
            if (child && child->generation == le64_get(ptr->generation) &&
                child->level == level - 1 && key_cmp(&child->last, &block->last) > 0)
                block->last = child->last;
            held_put(held);
        }
    }
    return 0;
}

int rescue_scan(struct rescue *r)
{
    if (r->scanned)
        return 0;
    r->scanned = true;
    env_note(r->env, NOTE_INFO, "%s: looking for tree blocks", vol_label(r->vol));
    TRY(scan_chunks(r));
    TRY(index_blocks(r));
    return extend_nodes(r);
}

/* ---- which are in use --------------------------------------------------------------------------
 */

/* Whether an item of the extent tree at the address of the block is about the block as it is. */
static bool is_about(const struct found_block *block, uint8_t type, const uint8_t *data,
                     uint32_t size)
{
    struct extent_item extent;

    if ((type != KEY_EXTENT_ITEM && type != KEY_METADATA_ITEM) || size < sizeof(disk_extent_item))
        return false;
    extent_item_decode(&extent, data);
    return (extent.flags & EXTENT_FLAG_TREE_BLOCK) && block->generation == extent.generation;
}

static bool lists(const uint8_t *leaf, const disk_leaf_item *item, const struct found_block *block)
{
    return is_about(block, item->key.type, leaf + NODE_HEADER_SIZE + le32_get(item->offset),
                    le32_get(item->size));
}

static int see_extent(void *arg, const struct ritem *item)
{
    struct rescue *r = arg;
    struct found_block *block = find_at(r, item->key.objectid);

    if (block && is_about(block, item->key.type, item->data, item->size))
        block->use = FOUND_USED;
    return 0;
}

/*
 * What one leaf of the extent tree, of whatever age, says of the addresses between its first and
 * its last key. A block that is not listed there and is older than the leaf was freed before the
 * leaf was written, and a block that is freed never comes back in the same transaction.
 */
static int judge_by_leaf(struct rescue *r, const struct found_block *leaf)
{
    const struct node_expect expect = {.bytenr = leaf->bytenr, .generation = leaf->generation};
    const disk_leaf_item *items;
    struct held *held;
    uint32_t count, i = 0;
    int ret = rescue_block(r, &expect, &held);

    if (ret < 0)
        return ret == -ENOMEM ? ret : 0;
    items = (const void *)(held_bytes(held) + NODE_HEADER_SIZE);
    count = le32_get(((const disk_node_header *)held_bytes(held))->nritems);
    for (size_t n = first_from(r, leaf->first.objectid); n < r->found_count; n++) {
        struct found_block *block = &r->found[r->found_by_address[n]];
        bool listed = false;
        struct key key;

        if (block->bytenr > leaf->last.objectid)
            break;
        for (; i < count; i++) {
            key_decode(&key, &items[i].key);
            if (key.objectid > block->bytenr)
                break;
            listed |= key.objectid == block->bytenr && lists(held_bytes(held), &items[i], block);
        }
        if (!listed && block->generation < leaf->generation)
            block->use = FOUND_FREE;
    }
    held_put(held);
    return 0;
}

static int judge_by_leaves(struct rescue *r)
{
    size_t count;
    const struct found_block *found = rescue_found_of(r, TREE_EXTENT, &count);

    for (size_t i = 0; i < count; i++)
        if (found[i].level == 0)
            TRY(judge_by_leaf(r, &found[i]));
    return 0;
}

int rescue_scan_use(struct rescue *r)
{
    const struct key first = KEY_FIRST, last = KEY_LAST;
    struct rtree *tree = &r->extent_tree;

    if (r->use_known)
        return 0;
    r->use_known = true;
    TRY(rescue_scan(r));
    if (tree->rooted)
        TRY(rtree_each(r, tree, &first, &last, see_extent, r));
    if (!tree->rooted || tree->damaged)
        return judge_by_leaves(r);
    for (size_t i = 0; i < r->found_count; i++)
        if (r->found[i].use == FOUND_UNKNOWN && r->found[i].generation <= tree->generation)
            r->found[i].use = FOUND_FREE;
    return 0;
}
