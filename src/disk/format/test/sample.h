// SPDX-License-Identifier: GPL-2.0-or-later
/* Items and leaves built by hand, for tests that damage them. */
#ifndef COPSE_DISK_FORMAT_TEST_SAMPLE_H
#define COPSE_DISK_FORMAT_TEST_SAMPLE_H

#include <stdlib.h>
#include <string.h>

#include "base/test/unit.h"

#include "base/env.h"
#include "disk/csum/csum.h"
#include "disk/format/format.h"

/* cmocka's own says fail(), which is another function here. */
#define SAMPLE_FAIL(...)                                                                           \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

#define SAMPLE_NODESIZE 16384
#define SAMPLE_BYTENR 30408704

static const struct uuid sample_fsid = {{0x12, 0x34, 0x56}};

static inline struct format_limits sample_limits(void)
{
    return (struct format_limits){
        .nodesize = SAMPLE_NODESIZE,
        .sectorsize = 4096,
        .csum_type = CSUM_CRC32C,
        .csum_size = 4,
        .incompat = INCOMPAT_SKINNY_METADATA | INCOMPAT_NO_HOLES,
        .compat_ro = COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID,
        .metadata_uuid = &sample_fsid,
    };
}

struct sample {
    struct key key;
    uint8_t data[1024];
    uint32_t size;
};

static inline struct sample sample_of(uint64_t objectid, uint8_t type, uint64_t offset)
{
    return (struct sample){.key = {objectid, type, offset}};
}

static inline void sample_bytes(struct sample *s, const void *bytes, size_t len)
{
    assert_true(s->size + len <= sizeof(s->data));
    memcpy(s->data + s->size, bytes, len);
    s->size += (uint32_t)len;
}

/* Appends one structure: SAMPLE_ADD(&s, inode_ref, .index = 2, .name_len = 3). */
#define SAMPLE_ADD(s, kind, ...)                                                                   \
    do {                                                                                           \
        struct kind native_ = {__VA_ARGS__};                                                       \
        disk_##kind disk_;                                                                         \
        kind##_encode(&disk_, &native_);                                                           \
        sample_bytes(s, &disk_, sizeof(disk_));                                                    \
    } while (0)

/* Writes the header of a block and its checksum; the rest is as it is. */
static inline void block_seal(uint8_t *block, uint64_t owner, uint8_t level, uint32_t nritems)
{
    struct node_header header = {
        .fsid = sample_fsid,
        .bytenr = SAMPLE_BYTENR,
        .flags = HEADER_FLAG_WRITTEN | MIXED_BACKREF_REV << HEADER_BACKREF_REV_SHIFT,
        .generation = 7,
        .owner = owner,
        .nritems = nritems,
        .level = level,
    };

    node_header_encode(block, &header);
    csum_compute(CSUM_CRC32C, block + CSUM_FIELD_SIZE, SAMPLE_NODESIZE - CSUM_FIELD_SIZE, block);
}

/* A leaf of those items. */
static inline void leaf_of(uint8_t *block, uint64_t owner, const struct sample *items,
                           uint32_t count)
{
    uint32_t end = leaf_capacity(SAMPLE_NODESIZE);

    memset(block, 0, SAMPLE_NODESIZE);
    for (uint32_t i = 0; i < count; i++) {
        end -= items[i].size;
        struct leaf_item header = {items[i].key, end, items[i].size};
        leaf_item_encode(block + NODE_HEADER_SIZE + i * LEAF_ITEM_SIZE, &header);
        memcpy(block + NODE_HEADER_SIZE + end, items[i].data, items[i].size);
    }
    block_seal(block, owner, 0, count);
}

/* What a small subvolume has in a leaf: a directory, a file in it, an xattr, two extents. */
#define SAMPLE_FS_ITEMS 9
static inline void sample_fs_items(struct sample *items)
{
    struct sample *s = items;
    struct inode_item dir = {.nlink = 1, .mode = 040755, .size = 6};
    struct inode_item file = {.nlink = 1, .mode = 0100644, .size = 8192};

    *s = sample_of(256, KEY_INODE_ITEM, 0);
    inode_item_encode(s->data, &dir);
    s++->size = sizeof(disk_inode_item);
    *s = sample_of(256, KEY_INODE_REF, 256);
    SAMPLE_ADD(s, inode_ref, .name_len = 2);
    sample_bytes(s++, "..", 2);
    *s = sample_of(256, KEY_DIR_ITEM, name_hash("abc", 3));
    SAMPLE_ADD(s, dir_item, .location = {257, KEY_INODE_ITEM, 0}, .name_len = 3,
               .type = FT_REG_FILE);
    sample_bytes(s++, "abc", 3);
    *s = sample_of(256, KEY_DIR_INDEX, 2);
    SAMPLE_ADD(s, dir_item, .location = {257, KEY_INODE_ITEM, 0}, .name_len = 3,
               .type = FT_REG_FILE);
    sample_bytes(s++, "abc", 3);
    *s = sample_of(257, KEY_INODE_ITEM, 0);
    inode_item_encode(s->data, &file);
    s++->size = sizeof(disk_inode_item);
    *s = sample_of(257, KEY_INODE_REF, 256);
    SAMPLE_ADD(s, inode_ref, .index = 2, .name_len = 3);
    sample_bytes(s++, "abc", 3);
    *s = sample_of(257, KEY_XATTR_ITEM, name_hash("user.x", 6));
    SAMPLE_ADD(s, dir_item, .name_len = 6, .data_len = 2, .type = FT_XATTR);
    sample_bytes(s++, "user.xvv", 8);
    for (unsigned i = 0; i < 2; i++, s++) {
        *s = sample_of(257, KEY_EXTENT_DATA, i * 4096);
        SAMPLE_ADD(s, file_extent, .generation = 7, .ram_bytes = 8192, .type = FILE_EXTENT_REG,
                   .disk_bytenr = 13631488, .disk_num_bytes = 8192, .offset = i * 4096,
                   .num_bytes = 4096);
    }
}

#endif
