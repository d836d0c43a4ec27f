// SPDX-License-Identifier: GPL-2.0-or-later
/* The chunk tree: chunks outside the device, over each other, of impossible shapes, or missing. */
#include "base/test/unit.h"

#include <string.h>

#include "kinds.h"

/* The item of the first chunk of that kind. */
static struct image_item chunk_of(const struct image *image, uint64_t kind)
{
    for (unsigned i = 0; i < image->chunk_count; i++) {
        if (image->chunks[i].type & kind)
            return kind_item(image, TREE_CHUNK, FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM,
                             image->chunks[i].logical);
    }
    assert_true(false);
    return (struct image_item){0};
}

#define CHUNK_SET(image, field, value)                                                             \
    do {                                                                                           \
        struct image_item item_ = chunk_of(image, BG_DATA);                                        \
        ITEM_SET(image, &item_, chunk, field, value);                                              \
    } while (0)

static void stripe_set(struct image *image, size_t offset, uint64_t value)
{
    struct image_item item = chunk_of(image, BG_DATA);
    const le64 bytes = le64_of(value);

    image_item_edit(image, &item, sizeof(disk_chunk) + offset, &bytes, sizeof(bytes));
}

static void outside(struct image *image)
{
    stripe_set(image, offsetof(disk_stripe, offset), image->size);
}
static void far_outside(struct image *image)
{
    stripe_set(image, offsetof(disk_stripe, offset), round_down_to(UINT64_MAX, 65536));
}
static void partly_outside(struct image *image)
{
    stripe_set(image, offsetof(disk_stripe, offset), image->size - 65536);
}
static void unaligned(struct image *image)
{
    stripe_set(image, offsetof(disk_stripe, offset), 1048576 + 17);
}
static void no_device(struct image *image)
{
    stripe_set(image, offsetof(disk_stripe, devid), 77);
}
static void long_chunk(struct image *image)
{
    CHUNK_SET(image, length, 1ULL << 40);
}
static void wrapping(struct image *image)
{
    CHUNK_SET(image, length, round_down_to(UINT64_MAX, 65536));
}
static void length_0(struct image *image)
{
    CHUNK_SET(image, length, 0);
}
static void stripes_lie(struct image *image)
{
    CHUNK_SET(image, num_stripes, 2);
}
static void stripes_0(struct image *image)
{
    CHUNK_SET(image, num_stripes, 0);
}
static void stripe_len_lies(struct image *image)
{
    CHUNK_SET(image, stripe_len, 0);
}
static void type_0(struct image *image)
{
    CHUNK_SET(image, type, 0);
}
static void type_unknown(struct image *image)
{
    CHUNK_SET(image, type, 1ULL << 50);
}
static void type_two_profiles(struct image *image)
{
    CHUNK_SET(image, type, BG_DATA | BG_DUP | BG_RAID0);
}
static void type_raid(struct image *image)
{
    CHUNK_SET(image, type, BG_DATA | BG_RAID5);
}
static void overlapping(struct image *image)
{
    struct image_item item = chunk_of(image, BG_DATA);
    struct key key = item.key;

    key.offset -= 65536;
    image_item_set_key(image, &item, &key);
}
static void moved(struct image *image)
{
    struct image_item item = chunk_of(image, BG_DATA);
    struct key key = item.key;

    key.offset = 1ULL << 52;
    /* Data comes first: kept in order by taking the last place. */
    if (image->chunks[image->chunk_count - 1].logical == item.key.offset)
        image_item_set_key(image, &item, &key);
    else
        image_item_remove(image, &item);
}
static void missing_data(struct image *image)
{
    struct image_item item = chunk_of(image, BG_DATA);

    image_item_remove(image, &item);
}
static void missing_metadata(struct image *image)
{
    struct image_item item = chunk_of(image, BG_METADATA);

    image_item_remove(image, &item);
}
static void wrong_object(struct image *image)
{
    struct image_item item = chunk_of(image, BG_SYSTEM);
    struct image_item last = chunk_of(image, BG_METADATA);
    struct key key = last.key;

    (void)item;
    key.objectid = 257;
    image_item_set_key(image, &last, &key);
}
static void device_size_lies(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CHUNK, OBJ_DEV_ITEMS, KEY_DEV_ITEM, 1);

    ITEM_SET(image, &item, dev_item, total_bytes, 1ULL << 50);
}
static void device_used_lies(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CHUNK, OBJ_DEV_ITEMS, KEY_DEV_ITEM, 1);

    ITEM_SET(image, &item, dev_item, bytes_used, 1ULL << 60);
}
static void device_missing(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CHUNK, OBJ_DEV_ITEMS, KEY_DEV_ITEM, 1);

    image_item_remove(image, &item);
}
static void extents_missing(struct image *image)
{
    struct image_item item = kind_item(image, TREE_DEV, 1, KEY_DEV_EXTENT, 0);

    image_item_remove(image, &item);
}
static void extent_length_lies(struct image *image)
{
    struct image_item item = kind_item(image, TREE_DEV, 1, KEY_DEV_EXTENT, 0);

    ITEM_SET(image, &item, dev_extent, length, 1ULL << 40);
}
static void extent_of_no_chunk(struct image *image)
{
    struct image_item item = kind_item(image, TREE_DEV, 1, KEY_DEV_EXTENT, 0);

    ITEM_SET(image, &item, dev_extent, chunk_offset, 1ULL << 50);
}

#define CT "chunk 42991616 stripe 0"

/* clang-format off */
const struct kind kinds_chunks[] = {
    {"chunk outside the device", BASE_DEFAULT, outside, -EUCLEAN, 0, {CT, "outside"}},
    {"chunk far outside the device", BASE_DEFAULT, far_outside, -EUCLEAN, 0, {CT, "outside"}},
    {"chunk partly outside the device", BASE_DEFAULT, partly_outside, -EUCLEAN, 0, {CT, "outside"}},
    {"unaligned chunk", BASE_DEFAULT, unaligned, -EUCLEAN, 0, {"CHUNK_TREE block", "item"}},
    {"chunk on no device", BASE_DEFAULT, no_device, -EUCLEAN, 0, {CT, "device 77"}},
    {"long chunk", BASE_DEFAULT, long_chunk, -EUCLEAN, 0, {CT, "outside"}},
    {"chunk that wraps", BASE_DEFAULT, wrapping, -EUCLEAN, 0, {"CHUNK_TREE block", "length"}},
    {"chunk of length 0", BASE_DEFAULT, length_0, -EUCLEAN, 0, {"CHUNK_TREE block", "length 0"}},
    {"stripes lie", BASE_DEFAULT, stripes_lie, -EUCLEAN, 0, {"CHUNK_TREE block", "stripes"}},
    {"chunk without stripes", BASE_DEFAULT, stripes_0, -EUCLEAN, 0, {"CHUNK_TREE block",
     "stripes"}},
    {"stripe length 0", BASE_DEFAULT, stripe_len_lies, -EUCLEAN, 0, {"CHUNK_TREE block",
     "stripe length"}},
    {"chunk of no type", BASE_DEFAULT, type_0, -EUCLEAN, 0, {"CHUNK_TREE block", "type"}},
    {"chunk of unknown type", BASE_DEFAULT, type_unknown, -EUCLEAN, 0, {"CHUNK_TREE block",
     "type"}},
    {"chunk of two profiles", BASE_DEFAULT, type_two_profiles, -EUCLEAN, 0, {"CHUNK_TREE block",
     "profile"}},
    {"RAID on one device", BASE_DEFAULT, type_raid, -EUCLEAN, 0, {"CHUNK_TREE block", "stripes"}},
    {"overlapping chunks", BASE_DEFAULT, overlapping, -EUCLEAN, 0, {"chunk"}},
    {"moved data chunk", BASE_DEFAULT, moved, 0, -EIO, {"tree 5 inode 257", "no chunk"}, {"/"}},
    {"missing data chunk", BASE_DEFAULT, missing_data, 0, -EIO, {"tree 5 inode 257", "no chunk"},
     {"/"}},
    {"missing metadata chunk", BASE_DEFAULT, missing_metadata, -EUCLEAN, 0, {"opening tree 2",
     "tree 1 block", "no chunk"}},
    {"chunk of another object", BASE_DEFAULT, wrong_object, -EUCLEAN, 0, {"CHUNK_TREE block",
     "objectid"}},
    {"size of the device lies", BASE_DEFAULT, device_size_lies, 0, 0, {NULL}},
    {"use of the device lies", BASE_DEFAULT, device_used_lies, -EUCLEAN, 0, {"CHUNK_TREE block",
     "uses"}},
    {"device item missing", BASE_DEFAULT, device_missing, 0, 0, {NULL}},
    {"device extent missing", BASE_DEFAULT, extents_missing, 0, 0, {NULL}},
    {"device extent lies", BASE_DEFAULT, extent_length_lies, 0, 0, {NULL}},
    {"device extent of no chunk", BASE_DEFAULT, extent_of_no_chunk, 0, 0, {NULL}},
    {0},
};
/* clang-format on */
