// SPDX-License-Identifier: GPL-2.0-or-later
#include "image.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/csum/csum.h"

/* ---- bytes -------------------------------------------------------------------------------------
 */

void image_read_raw(const struct image *image, uint64_t offset, void *buf, size_t len)
{
    int ret = dev_read(image->disk, offset, buf, len);

    INVARIANT(ret == 0, "an image is read inside");
}

void image_write_raw(struct image *image, uint64_t offset, const void *buf, size_t len)
{
    int ret = dev_write(image->disk, offset, buf, len);

    INVARIANT(ret == 0, "an image is written inside");
}

bool image_place(const struct image *image, uint64_t logical, unsigned mirror, uint64_t *offset)
{
    for (unsigned i = 0; i < image->chunk_count; i++) {
        const struct chunk_map *chunk = &image->chunks[i];

        if (logical < chunk->logical || logical - chunk->logical >= chunk->length)
            continue;
        if (mirror >= chunk->num_stripes)
            return false;
        *offset = chunk->stripes[mirror].offset + (logical - chunk->logical);
        return true;
    }
    return false;
}

void image_read(const struct image *image, uint64_t logical, void *buf, size_t len)
{
    uint64_t at;

    INVARIANT(image_place(image, logical, 0, &at), "what is read lies in a chunk");
    image_read_raw(image, at, buf, len);
}

void image_write(struct image *image, uint64_t logical, const void *buf, size_t len)
{
    uint64_t at;

    for (unsigned mirror = 0; image_place(image, logical, mirror, &at); mirror++)
        image_write_raw(image, at, buf, len);
}

/* ---- superblocks -------------------------------------------------------------------------------
 */

bool image_super_read(const struct image *image, unsigned copy, uint8_t bytes[SUPER_SIZE])
{
    if (copy >= SUPER_COPIES || super_offset(copy) + SUPER_SIZE > image->disk->size)
        return false;
    image_read_raw(image, super_offset(copy), bytes, SUPER_SIZE);
    return true;
}

void image_super_write(struct image *image, unsigned copy, uint8_t bytes[SUPER_SIZE])
{
    uint8_t csum[CSUM_MAX];

    csum_compute(image->csum_type, bytes + CSUM_FIELD_SIZE, SUPER_SIZE - CSUM_FIELD_SIZE, csum);
    memcpy(bytes, csum, sizeof(csum));
    image_write_raw(image, super_offset(copy), bytes, SUPER_SIZE);
}

void image_super_edit(struct image *image, size_t offset, const void *bytes, size_t len)
{
    uint8_t super[SUPER_SIZE];

    for (unsigned copy = 0; image_super_read(image, copy, super); copy++) {
        memcpy(super + offset, bytes, len);
        image_super_write(image, copy, super);
    }
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

void image_block_read(const struct image *image, uint64_t bytenr, void *block)
{
    image_read(image, bytenr, block, image->nodesize);
}

void image_block_write(struct image *image, uint64_t bytenr, void *block)
{
    uint8_t csum[CSUM_MAX];

    csum_compute(image->csum_type, (uint8_t *)block + CSUM_FIELD_SIZE,
                 image->nodesize - CSUM_FIELD_SIZE, csum);
    memcpy(block, csum, sizeof(csum));
    image_write(image, bytenr, block, image->nodesize);
}

void image_block_edit(struct image *image, uint64_t bytenr, size_t offset, const void *bytes,
                      size_t len)
{
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, bytenr, block);
    memcpy(block + offset, bytes, len);
    image_block_write(image, bytenr, block);
}

/* ---- items -------------------------------------------------------------------------------------
 */

static void read_item(const uint8_t *block, uint64_t bytenr, uint32_t slot, struct image_item *out)
{
    struct leaf_item header;

    leaf_item_decode(&header, block + NODE_HEADER_SIZE + slot * LEAF_ITEM_SIZE);
    *out = (struct image_item){bytenr, slot, header.key, (uint32_t)NODE_HEADER_SIZE + header.offset,
                               header.size};
}

/* The first item at or after key below the block. */
static bool find_below(const struct image *image, uint64_t bytenr, const struct key *key,
                       struct image_item *out)
{
    uint8_t block[NODE_SIZE_MAX];
    struct node_header header;

    image_block_read(image, bytenr, block);
    node_header_decode(&header, block);
    for (uint32_t slot = 0; slot < header.nritems; slot++) {
        if (header.level == 0) {
            read_item(block, bytenr, slot, out);
            if (key_cmp(&out->key, key) >= 0)
                return true;
        } else {
            const uint8_t *ptrs = block + NODE_HEADER_SIZE;
            struct key_ptr ptr, next;

            key_ptr_decode(&ptr, ptrs + slot * KEY_PTR_SIZE);
            if (slot + 1 < header.nritems) {
                key_ptr_decode(&next, ptrs + (slot + 1) * KEY_PTR_SIZE);
                if (key_cmp(&next.key, key) <= 0)
                    continue;
            }
            if (find_below(image, ptr.blockptr, key, out))
                return true;
        }
    }
    return false;
}

uint64_t image_tree(const struct image *image, uint64_t tree)
{
    const struct key key = key_make(tree, KEY_ROOT_ITEM, 0);
    uint8_t bytes[SUPER_SIZE], block[NODE_SIZE_MAX];
    struct super super;
    struct image_item item;
    struct root_item root;

    INVARIANT(image_super_read(image, 0, bytes), "an image has a superblock");
    super_decode(&super, bytes);
    if (tree == TREE_ROOT)
        return super.root;
    if (tree == TREE_CHUNK)
        return super.chunk_root;
    if (tree == TREE_LOG)
        return super.log_root;
    INVARIANT(find_below(image, super.root, &key, &item) && item.key.objectid == tree &&
                  item.key.type == KEY_ROOT_ITEM,
              "a tree that is asked for is there");
    image_block_read(image, item.block, block);
    root_item_decode(&root, block + item.offset);
    return root.bytenr;
}

bool image_find(const struct image *image, uint64_t tree, const struct key *key,
                struct image_item *out)
{
    struct key at = *key;

    for (;;) {
        if (!find_below(image, image_tree(image, tree), &at, out))
            return false;
        if (out->key.type == key->type)
            return true;
        /* The same type of this object, or else of the next one. */
        at = key_make(out->key.objectid + (out->key.type > key->type), key->type, 0);
    }
}

void image_item_edit(struct image *image, const struct image_item *item, size_t offset,
                     const void *bytes, size_t len)
{
    image_block_edit(image, item->block, item->offset + offset, bytes, len);
}

void image_item_set_header(struct image *image, const struct image_item *item,
                           const struct leaf_item *header)
{
    uint8_t bytes[LEAF_ITEM_SIZE];

    leaf_item_encode(bytes, header);
    image_block_edit(image, item->block, NODE_HEADER_SIZE + item->slot * LEAF_ITEM_SIZE, bytes,
                     sizeof(bytes));
}

void image_item_set_key(struct image *image, const struct image_item *item, const struct key *key)
{
    disk_key bytes;

    key_encode(&bytes, key);
    image_block_edit(image, item->block, NODE_HEADER_SIZE + item->slot * LEAF_ITEM_SIZE, &bytes,
                     sizeof(bytes));
}

void image_item_replace(struct image *image, const struct image_item *item, const void *data,
                        uint32_t size)
{
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item->block, block);
    struct leaf *leaf = leaf_take_apart(image, block);
    free(leaf->items[item->slot].data);
    leaf->items[item->slot].data = malloc(MAX(size, 1u));
    memcpy(leaf->items[item->slot].data, data, size);
    leaf->items[item->slot].size = size;
    leaf_put_together(image, leaf, block);
    leaf_free(leaf);
    image_block_write(image, item->block, block);
}

void image_item_remove(struct image *image, const struct image_item *item)
{
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item->block, block);
    struct leaf *leaf = leaf_take_apart(image, block);
    free(leaf->items[item->slot].data);
    leaf->count--;
    memmove(&leaf->items[item->slot], &leaf->items[item->slot + 1],
            (leaf->count - item->slot) * sizeof(leaf->items[0]));
    leaf_put_together(image, leaf, block);
    leaf_free(leaf);
    image_block_write(image, item->block, block);
}

static void seal_sector(struct image *image, uint64_t logical)
{
    uint8_t sector[NODE_SIZE_MAX], csum[CSUM_MAX];
    struct image_item item;
    struct key key = key_make(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 0);

    /* The last item that begins at or before the sector. */
    while (image_find(image, TREE_CSUM, &key, &item)) {
        uint64_t index = (logical - item.key.offset) / image->sectorsize;

        INVARIANT(item.key.offset <= logical, "data that is sealed has a checksum");
        if (index < item.size / image->csum_size) {
            image_read(image, logical, sector, image->sectorsize);
            csum_compute(image->csum_type, sector, image->sectorsize, csum);
            image_item_edit(image, &item, index * image->csum_size, csum, image->csum_size);
            return;
        }
        key.offset = item.key.offset + 1;
    }
}

void image_data_seal(struct image *image, uint64_t logical, uint64_t len)
{
    for (uint64_t at = 0; at < len; at += image->sectorsize)
        seal_sector(image, logical + at);
}

/* ---- leaves ------------------------------------------------------------------------------------
 */

struct leaf *leaf_take_apart(const struct image *image, const void *block)
{
    const uint8_t *base = (const uint8_t *)block + NODE_HEADER_SIZE;
    uint32_t capacity = leaf_capacity(image->nodesize);
    struct leaf *leaf = calloc(1, sizeof(*leaf));
    struct node_header header;

    INVARIANT(leaf, "there is memory for a leaf");
    node_header_decode(&header, block);
    header.nritems = MIN(header.nritems, capacity / (uint32_t)LEAF_ITEM_SIZE);
    for (uint32_t slot = 0; slot < header.nritems; slot++) {
        struct leaf_item item;

        leaf_item_decode(&item, base + slot * LEAF_ITEM_SIZE);
        if (item.offset > capacity || item.size > capacity - item.offset)
            continue;
        leaf->items[leaf->count].key = item.key;
        leaf->items[leaf->count].size = item.size;
        leaf->items[leaf->count].data = malloc(MAX(item.size, 1u));
        memcpy(leaf->items[leaf->count].data, base + item.offset, item.size);
        leaf->count++;
    }
    return leaf;
}

void leaf_put_together(const struct image *image, const struct leaf *leaf, void *block)
{
    uint8_t *base = (uint8_t *)block + NODE_HEADER_SIZE;
    uint32_t end = leaf_capacity(image->nodesize), count = 0;
    struct node_header header;

    node_header_decode(&header, block);
    memset(base, 0, end);
    for (uint32_t i = 0; i < leaf->count; i++) {
        uint32_t size = leaf->items[i].size;

        if ((count + 1) * LEAF_ITEM_SIZE + size > end)
            break;
        end -= size;
        struct leaf_item item = {leaf->items[i].key, end, size};
        leaf_item_encode(base + count * LEAF_ITEM_SIZE, &item);
        memcpy(base + end, leaf->items[i].data, size);
        count++;
    }
    header.nritems = count;
    node_header_encode(block, &header);
}

void leaf_free(struct leaf *leaf)
{
    for (uint32_t i = 0; i < leaf->count; i++)
        free(leaf->items[i].data);
    free(leaf);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void learn_chunks(struct image *image)
{
    static const struct vol_open_options options = {.readonly = true};
    struct env *env = env_seeded_new(1);
    struct dev *dev = dev_borrow(image->disk);
    struct image_item item;
    struct vol *vol;
    uint8_t block[NODE_SIZE_MAX];

    int ret = vol_open(env, &dev, 1, &options, &vol);
    INVARIANT(ret == 0, "a base image is sound");
    const struct format_limits *limits = vol_limits(vol);
    image->limits = *limits;
    image->limits.metadata_uuid = NULL;
    image->nodesize = limits->nodesize;
    image->sectorsize = limits->sectorsize;
    image->csum_size = limits->csum_size;
    image->csum_type = (enum csum_type)limits->csum_type;
    struct chunk_map map;
    for (uint64_t from = 0; vol_next_chunk(vol, from, &map); from = map.logical + map.length)
        image->chunks[image->chunk_count++] = map;
    /* The system chunks are enough to find the others. */
    unsigned known = image->chunk_count;
    struct key key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, 0);
    struct chunk_map all[IMAGE_CHUNKS_MAX];
    unsigned count = 0;
    while (count < IMAGE_CHUNKS_MAX && image_find(image, TREE_CHUNK, &key, &item)) {
        image_block_read(image, item.block, block);
        ret = chunk_map_decode(item.key.offset, block + item.offset, item.size, &all[count++]);
        INVARIANT(ret == 0, "a base image is sound");
        key.offset = item.key.offset + 1;
    }
    INVARIANT(count >= known, "the chunk tree has the system chunks too");
    memcpy(image->chunks, all, sizeof(all));
    image->chunk_count = count;
    vol_close(vol);
    env_seeded_free(env);
}

static bool is_known(const struct image *image, uint64_t bytenr)
{
    for (size_t i = 0; i < image->block_count; i++) {
        if (image->blocks[i].bytenr == bytenr)
            return true;
    }
    return false;
}

/* The block and all below it, and the trees that its root items name. */
static void learn_blocks(struct image *image, uint64_t bytenr)
{
    uint8_t block[NODE_SIZE_MAX];
    struct node_header header;

    if (is_known(image, bytenr))
        return;
    image_block_read(image, bytenr, block);
    node_header_decode(&header, block);
    image->blocks = realloc(image->blocks, (image->block_count + 1) * sizeof(image->blocks[0]));
    image->blocks[image->block_count++] = (struct image_block){bytenr, header.owner, header.level};
    for (uint32_t slot = 0; slot < header.nritems; slot++) {
        struct image_item item;
        struct root_item root;
        struct key_ptr ptr;

        if (header.level > 0) {
            key_ptr_decode(&ptr, block + NODE_HEADER_SIZE + slot * KEY_PTR_SIZE);
            learn_blocks(image, ptr.blockptr);
            continue;
        }
        read_item(block, bytenr, slot, &item);
        if (item.key.type != KEY_ROOT_ITEM || item.size < ROOT_ITEM_SIZE_V1)
            continue;
        uint8_t bytes[sizeof(disk_root_item)] = {0};
        memcpy(bytes, block + item.offset, MIN((size_t)item.size, sizeof(bytes)));
        root_item_decode(&root, bytes);
        if (root.bytenr)
            learn_blocks(image, root.bytenr);
    }
}

void image_init(struct image *image, struct dev *disk)
{
    *image = (struct image){.disk = disk, .size = disk->size};
    learn_chunks(image);
    learn_blocks(image, image_tree(image, TREE_ROOT));
    learn_blocks(image, image_tree(image, TREE_CHUNK));
    if (image_tree(image, TREE_LOG))
        learn_blocks(image, image_tree(image, TREE_LOG));
}

void image_clone(const struct image *from, struct image *out)
{
    *out = *from;
    out->disk = dev_mem_clone(from->disk);
    out->is_clone = true;
    INVARIANT(out->disk, "there is memory for a copy");
}

void image_free(struct image *image)
{
    dev_close(image->disk);
    if (!image->is_clone)
        free(image->blocks);
}

struct dev *image_dev(const struct image *image)
{
    struct dev *dev = dev_borrow(image->disk);

    INVARIANT(dev, "there is memory for a device");
    dev->size = image->size;
    return dev;
}
