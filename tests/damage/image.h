// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An image on a memory device, to be damaged: items, fields, blocks and superblocks are changed in
 * place and their checksums made right again in every copy, so that the damage lies behind what
 * only a reader who checks everything notices.
 *
 * What it needs to know (chunks, blocks, where items are) is learned while the image is sound, and
 * holds for its clones. It looks at blocks with its own eyes; a mistake of a test ends the program.
 */
#ifndef COPSE_TESTS_DAMAGE_IMAGE_H
#define COPSE_TESTS_DAMAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "disk/dev/dev.h"
#include "disk/vol/vol.h"

#define IMAGE_CHUNKS_MAX 64

/* A tree block of the sound image. */
struct image_block {
    uint64_t bytenr;
    uint64_t owner;
    uint8_t level;
};

struct image {
    struct dev *disk; /* owned */
    uint64_t size;    /* what is shown of it; less than the device: cut off */
    uint32_t nodesize, sectorsize, csum_size;
    enum csum_type csum_type;
    struct format_limits limits;
    struct chunk_map chunks[IMAGE_CHUNKS_MAX];
    unsigned chunk_count;
    struct image_block *blocks; /* shared with clones, owned by the first */
    size_t block_count;
    bool is_clone;
};

/* Takes the device, which holds a sound file system. */
void image_init(struct image *image, struct dev *disk);
/* A copy to be damaged: costs what is changed. */
void image_clone(const struct image *from, struct image *out);
void image_free(struct image *image);

/* A device that shows the image, to be given away; image->disk outlives it. */
struct dev *image_dev(const struct image *image);

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Device bytes, no checksum touched. */
void image_read_raw(const struct image *image, uint64_t offset, void *buf, size_t len);
void image_write_raw(struct image *image, uint64_t offset, const void *buf, size_t len);
/* Place of a logical address in copy `mirror`; false: it has no such copy. */
bool image_place(const struct image *image, uint64_t logical, unsigned mirror, uint64_t *offset);
/* The bytes at a logical address, in all copies. */
void image_write(struct image *image, uint64_t logical, const void *buf, size_t len);
void image_read(const struct image *image, uint64_t logical, void *buf, size_t len);

/* ---- superblocks ------------------------------------------------------------------------------
 */

/* Bytes of one copy; false: the device has no such copy. */
bool image_super_read(const struct image *image, unsigned copy, uint8_t bytes[SUPER_SIZE]);
/* With the checksum made right. */
void image_super_write(struct image *image, unsigned copy, uint8_t bytes[SUPER_SIZE]);
/* Changes a field of all copies. */
void image_super_edit(struct image *image, size_t offset, const void *bytes, size_t len);

/* ---- blocks and items --------------------------------------------------------------------------
 */

/* A tree block of nodesize bytes. */
void image_block_read(const struct image *image, uint64_t bytenr, void *block);
void image_block_write(struct image *image, uint64_t bytenr, void *block);
/* Changes bytes at an offset into the block. */
void image_block_edit(struct image *image, uint64_t bytenr, size_t offset, const void *bytes,
                      size_t len);

struct image_item {
    uint64_t block;
    uint32_t slot;
    struct key key;
    uint32_t offset; /* of the data, in the block */
    uint32_t size;
};

/* Address of a tree's root node. */
uint64_t image_tree(const struct image *image, uint64_t tree);
/* The first item of the tree at or after the key that has its type; false: none. */
bool image_find(const struct image *image, uint64_t tree, const struct key *key,
                struct image_item *out);
/* Changes bytes of an item's data. */
void image_item_edit(struct image *image, const struct image_item *item, size_t offset,
                     const void *bytes, size_t len);
/* Changes its header: key, place and size of its data. */
void image_item_set_header(struct image *image, const struct image_item *item,
                           const struct leaf_item *header);
void image_item_set_key(struct image *image, const struct image_item *item, const struct key *key);
/* Gives it other data, of any size that fits; the rest of the leaf moves. */
void image_item_replace(struct image *image, const struct image_item *item, const void *data,
                        uint32_t size);
/* Makes the checksums of file data at a logical address right again. */
void image_data_seal(struct image *image, uint64_t logical, uint64_t len);
/* Takes it out of its leaf. */
void image_item_remove(struct image *image, const struct image_item *item);

/* A leaf's items in one buffer each, to be taken apart and put together again. */
struct leaf {
    uint32_t count;
    struct {
        struct key key;
        uint32_t size;
        uint8_t *data; /* malloced */
    } items[NODE_SIZE_MAX / LEAF_ITEM_SIZE];
};
/* Reads as much as makes sense of any bytes. To be freed with leaf_free. */
struct leaf *leaf_take_apart(const struct image *image, const void *block);
/* Writes back what fits. */
void leaf_put_together(const struct image *image, const struct leaf *leaf, void *block);
void leaf_free(struct leaf *leaf);

/* Sets `field` of the structure `kind` at the beginning of the item's data to a host number;
 * of a longer one the rest becomes zero. */
#define ITEM_SET(image, item, kind, field, value)                                                  \
    do {                                                                                           \
        le64 set_[4] = {le64_of((uint64_t)(value))};                                               \
        image_item_edit(image, item, offsetof(disk_##kind, field), set_,                           \
                        sizeof(((disk_##kind *)NULL)->field));                                     \
    } while (0)
#define HEADER_SET(image, bytenr, field, value)                                                    \
    do {                                                                                           \
        le64 set_[4] = {le64_of((uint64_t)(value))};                                               \
        image_block_edit(image, bytenr, offsetof(disk_node_header, field), set_,                   \
                         sizeof(((disk_node_header *)NULL)->field));                               \
    } while (0)
#define SUPER_SET(image, field, value)                                                             \
    do {                                                                                           \
        le64 set_[4] = {le64_of((uint64_t)(value))};                                               \
        image_super_edit(image, offsetof(disk_super, field), set_,                                 \
                         sizeof(((disk_super *)NULL)->field));                                     \
    } while (0)

#endif
