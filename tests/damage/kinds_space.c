// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What only a writer needs: block groups, free space, extent items, orphans. Reading goes on; a
 * writable open or the first change refuses, or finds its way.
 */
#include "base/test/unit.h"

#include <string.h>

#include "kinds.h"

static uint64_t group_tree(const struct image *image, enum base_kind base)
{
    (void)image;
    return base == BASE_DEFAULT ? TREE_BLOCK_GROUP : TREE_EXTENT;
}

/* The block group item of the first chunk of that kind. */
static struct image_item group_of(const struct image *image, enum base_kind base, uint64_t kind)
{
    for (unsigned i = 0; i < image->chunk_count; i++) {
        if (image->chunks[i].type & kind)
            return kind_item(image, group_tree(image, base), image->chunks[i].logical,
                             KEY_BLOCK_GROUP_ITEM, 0);
    }
    assert_true(false);
    return (struct image_item){0};
}

static uint64_t data_extent(const struct image *image, enum base_kind base)
{
    struct image_item item =
        kind_item(image, TREE_FS, kind_ino(base, "/plain"), KEY_EXTENT_DATA, 0);
    struct file_extent extent;
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item.block, block);
    file_extent_decode(&extent, block + item.offset);
    return extent.disk_bytenr;
}

/* The extent item of the first data extent of /plain. */
static struct image_item data_item(const struct image *image, enum base_kind base)
{
    return kind_item(image, TREE_EXTENT, data_extent(image, base), KEY_EXTENT_ITEM, 0);
}

#define GROUP_SET(image, base, field, value)                                                       \
    do {                                                                                           \
        struct image_item item_ = group_of(image, base, BG_DATA);                                  \
        ITEM_SET(image, &item_, block_group_item, field, value);                                   \
    } while (0)

/* ---- block groups ------------------------------------------------------------------------------
 */

static void group_missing(struct image *image)
{
    struct image_item item = group_of(image, BASE_DEFAULT, BG_DATA);

    image_item_remove(image, &item);
}
static void group_missing_old(struct image *image)
{
    struct image_item item = group_of(image, BASE_OLD, BG_DATA);

    image_item_remove(image, &item);
}
static void group_metadata_missing(struct image *image)
{
    struct image_item item = group_of(image, BASE_DEFAULT, BG_METADATA);

    image_item_remove(image, &item);
}
static void group_used_too_much(struct image *image)
{
    GROUP_SET(image, BASE_DEFAULT, used, 1ULL << 60);
}
static void group_used_lies(struct image *image)
{
    GROUP_SET(image, BASE_DEFAULT, used, 0);
}
static void group_used_lies_old(struct image *image)
{
    GROUP_SET(image, BASE_OLD, used, 4096);
}
static void group_type(struct image *image)
{
    GROUP_SET(image, BASE_DEFAULT, flags, BG_METADATA);
}
static void group_type_0(struct image *image)
{
    GROUP_SET(image, BASE_DEFAULT, flags, 0);
}
static void group_chunk(struct image *image)
{
    GROUP_SET(image, BASE_DEFAULT, chunk_objectid, 9);
}
static void group_length(struct image *image)
{
    struct image_item item = group_of(image, BASE_DEFAULT, BG_DATA);
    struct key key = item.key;

    key.offset /= 2;
    image_item_set_key(image, &item, &key);
}
static void group_of_no_chunk(struct image *image)
{
    struct image_item item = group_of(image, BASE_DEFAULT, BG_DATA);
    struct key key = item.key;

    key.objectid = 1ULL << 50;
    image_item_set_key(image, &item, &key);
}

/* ---- free space --------------------------------------------------------------------------------
 */

/* An item of the free-space tree in the data block group. */
static struct image_item free_item(const struct image *image, uint8_t type)
{
    struct image_item group = group_of(image, BASE_DEFAULT, BG_DATA);

    return kind_item(image, TREE_FREE_SPACE, group.key.objectid, type, 0);
}
static void free_over_data(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_EXTENT);
    struct key key = item.key;

    key.offset += key.objectid - data_extent(image, BASE_DEFAULT);
    key.objectid = data_extent(image, BASE_DEFAULT);
    /* The info item stands in front with the group's own address. */
    if (key.objectid == group_of(image, BASE_DEFAULT, BG_DATA).key.objectid) {
        key.objectid += 4096;
        key.offset -= 4096;
    }
    image_item_set_key(image, &item, &key);
}
/* As much as there is, but elsewhere. */
static void free_shifted(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_EXTENT);
    struct key key = item.key;

    key.objectid -= 65536;
    image_item_set_key(image, &item, &key);
}
static void free_shifted_metadata(struct image *image)
{
    struct image_item group = group_of(image, BASE_DEFAULT, BG_METADATA);
    struct key key = key_make(group.key.objectid + 1, KEY_FREE_SPACE_EXTENT, 0);
    struct image_item item;

    while (image_find(image, TREE_FREE_SPACE, &key, &item) && item.key.offset < 1 * MIB)
        key.objectid = item.key.objectid + 1;
    key = item.key;
    key.objectid -= 8192;
    image_item_set_key(image, &item, &key);
}
static void free_over_metadata(struct image *image)
{
    struct image_item group = group_of(image, BASE_DEFAULT, BG_METADATA);
    struct image_item item =
        kind_item(image, TREE_FREE_SPACE, group.key.objectid + 1, KEY_FREE_SPACE_EXTENT, 0);
    struct image_item last;
    struct key key = item.key, at = key;

    /* One range from the first free byte to the end of the group. */
    for (;;) {
        at = key_make(key.objectid + 1, KEY_FREE_SPACE_EXTENT, 0);
        if (!image_find(image, TREE_FREE_SPACE, &at, &last) ||
            last.key.objectid >= group.key.objectid + group.key.offset)
            break;
        image_item_remove(image, &last);
    }
    key.offset = group.key.objectid + group.key.offset - key.objectid;
    item = kind_item(image, TREE_FREE_SPACE, key.objectid, KEY_FREE_SPACE_EXTENT, 0);
    image_item_set_key(image, &item, &key);
}
static void free_beyond_group(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_EXTENT);
    struct key key = item.key;

    key.offset = 1ULL << 50;
    image_item_set_key(image, &item, &key);
}
static void free_wraps(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_EXTENT);
    struct key key = item.key;

    key.offset = round_down_to(UINT64_MAX, 4096);
    image_item_set_key(image, &item, &key);
}
static void free_info_missing(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_INFO);

    image_item_remove(image, &item);
}
static void free_count_lies(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_INFO);

    ITEM_SET(image, &item, free_space_info, extent_count, 77);
}
static void free_as_bitmaps(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_INFO);

    ITEM_SET(image, &item, free_space_info, flags, FREE_SPACE_USING_BITMAPS);
}
static void free_flags(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_INFO);

    ITEM_SET(image, &item, free_space_info, flags, 0xff00);
}
static void free_bitmap_size(struct image *image)
{
    struct image_item item = free_item(image, KEY_FREE_SPACE_EXTENT);
    struct key key = item.key;

    key.type = KEY_FREE_SPACE_BITMAP;
    image_item_set_key(image, &item, &key);
}
static void free_tree_nowhere(struct image *image)
{
    struct image_item item = kind_item(image, TREE_ROOT, TREE_FREE_SPACE, KEY_ROOT_ITEM, 0);

    ITEM_SET(image, &item, root_item, bytenr, 1ULL << 50);
}

/* ---- extent items ------------------------------------------------------------------------------
 */

static void extent_missing(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    image_item_remove(image, &item);
}
static void extent_missing_old(struct image *image)
{
    struct image_item item = data_item(image, BASE_OLD);

    image_item_remove(image, &item);
}
static void extent_refs_0(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    ITEM_SET(image, &item, extent_item, refs, 0);
}
static void extent_refs_many(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    ITEM_SET(image, &item, extent_item, refs, UINT64_MAX);
}
static void extent_refs_few(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);
    const le32 count = le32_of(1);

    /* Both references in one of a count too low. */
    ITEM_SET(image, &item, extent_item, refs, 1);
    image_item_edit(image, &item, item.size - 4, &count, sizeof(count));
}
static void extent_flags(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    ITEM_SET(image, &item, extent_item, flags, 0);
}
static void extent_as_tree_block(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    ITEM_SET(image, &item, extent_item, flags, EXTENT_FLAG_TREE_BLOCK);
}
static void extent_generation(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    ITEM_SET(image, &item, extent_item, generation, UINT64_MAX);
}
static void extent_cut(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    image_item_replace(image, &item, "cut", 3);
}
static void extent_short(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);
    struct key key = item.key;

    key.offset = 4096;
    image_item_set_key(image, &item, &key);
}
static void extent_long(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);
    struct key key = item.key;

    key.offset += 1 * MIB;
    image_item_set_key(image, &item, &key);
}
static void ref_type(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);

    image_item_edit(image, &item, sizeof(disk_extent_item), "\xff", 1);
}
static void ref_root(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);
    const le64 root = le64_of(9999);

    image_item_edit(image, &item, sizeof(disk_extent_item) + 1, &root, sizeof(root));
}
static void ref_of_others(struct image *image)
{
    struct image_item item = data_item(image, BASE_DEFAULT);
    const le64 objectid = le64_of(999);

    image_item_edit(image, &item, sizeof(disk_extent_item) + 9, &objectid, sizeof(objectid));
}

/* The items of all blocks of the file tree. */
static void blocks_without_items(struct image *image)
{
    struct image_item item;

    for (size_t i = 0; i < image->block_count; i++) {
        struct key key = key_make(image->blocks[i].bytenr, KEY_METADATA_ITEM, 0);

        if (image->blocks[i].owner == TREE_FS && image_find(image, TREE_EXTENT, &key, &item) &&
            item.key.objectid == key.objectid && item.slot > 0)
            image_item_remove(image, &item);
    }
}
static void all_refs(struct image *image, uint64_t refs)
{
    struct image_item item;

    for (size_t i = 0; i < image->block_count; i++) {
        struct key key = key_make(image->blocks[i].bytenr, KEY_METADATA_ITEM, 0);

        if (image_find(image, TREE_EXTENT, &key, &item) && item.key.objectid == key.objectid)
            ITEM_SET(image, &item, extent_item, refs, refs);
    }
}
static void blocks_of_many_refs(struct image *image)
{
    all_refs(image, 1000);
}
static void blocks_of_no_refs(struct image *image)
{
    all_refs(image, 0);
}
static void blocks_of_others(struct image *image)
{
    struct image_item item;
    const le64 root = le64_of(TREE_UUID);

    for (size_t i = 0; i < image->block_count; i++) {
        struct key key = key_make(image->blocks[i].bytenr, KEY_METADATA_ITEM, 0);

        if (image_find(image, TREE_EXTENT, &key, &item) && item.key.objectid == key.objectid)
            image_item_edit(image, &item, sizeof(disk_extent_item) + 1, &root, sizeof(root));
    }
}
static void blocks_full_backrefs(struct image *image)
{
    struct image_item item;

    for (size_t i = 0; i < image->block_count; i++) {
        struct key key = key_make(image->blocks[i].bytenr, KEY_METADATA_ITEM, 0);

        if (image_find(image, TREE_EXTENT, &key, &item) && item.key.objectid == key.objectid)
            ITEM_SET(image, &item, extent_item, flags,
                     EXTENT_FLAG_TREE_BLOCK | BLOCK_FLAG_FULL_BACKREF);
    }
}

#define BT "block"
#define NOTHING                                                                                    \
    {                                                                                              \
        NULL                                                                                       \
    }

/* ---- orphans --------------------------------------------------------------------------------- */

static struct image_item first_orphan(const struct image *image)
{
    return kind_item(image, TREE_FS, OBJ_ORPHAN, KEY_ORPHAN_ITEM, 0);
}

static void orphan_in_bad_leaf(struct image *image)
{
    /* Not the first: a leaf with that may hold more. */
    struct image_item item =
        kind_item(image, TREE_FS, first_orphan(image).key.offset + 5, KEY_INODE_ITEM, 0);

    ITEM_SET(image, &item, inode_item, mode, 0);
}

static void orphan_largest(struct image *image)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, UINT64_MAX);
    struct image_item item, last = first_orphan(image);

    while (image_find(image, TREE_FS,
                      &(struct key){OBJ_ORPHAN, KEY_ORPHAN_ITEM, last.key.offset + 1}, &item) &&
           item.key.objectid == OBJ_ORPHAN)
        last = item;
    image_item_set_key(image, &last, &key);
}

/* clang-format off */
const struct kind kinds_space[] = {
    {"missing block group", BASE_DEFAULT, group_missing, 0, 0, NOTHING, .write_open = -EUCLEAN},
    {"missing block group, old form", BASE_OLD, group_missing_old, 0, 0, NOTHING, .write_open =
     -EUCLEAN},
    {"missing metadata block group", BASE_DEFAULT, group_metadata_missing, 0, 0, NOTHING,
     .write_open = -EUCLEAN},
    {"block group uses too much", BASE_DEFAULT, group_used_too_much, 0, 0, {"space is not known",
     "bytes used exceed"}, .write_open = -EUCLEAN},
    {"block group says it is empty", BASE_DEFAULT, group_used_lies, 0, 0, NOTHING, .write_open = 1,
     .mended = true},
    {"use of a block group lies, old form", BASE_OLD, group_used_lies_old, 0, 0, NOTHING,
     .write_open = 1, .mended = true},
    {"block group of another type", BASE_DEFAULT, group_type, 0, 0, NOTHING, .write_open =
     -EUCLEAN},
    {"block group of no type", BASE_DEFAULT, group_type_0, 0, 0, {"space is not known"}, .write_open
     = -EUCLEAN},
    {"chunk object of a block group", BASE_DEFAULT, group_chunk, 0, 0, {"space is not known"},
     .write_open = -EUCLEAN},
    {"half a block group", BASE_DEFAULT, group_length, 0, 0, NOTHING, .write_open = -EUCLEAN},
    {"block group of no chunk", BASE_DEFAULT, group_of_no_chunk, 0, 0, NOTHING, .write_open =
     -EUCLEAN},
    {"free space over data", BASE_DEFAULT, free_over_data, 0, 0, NOTHING, .write_open = 1, .mended =
     true},
    {"free space over metadata", BASE_DEFAULT, free_over_metadata, 0, 0, NOTHING, .write_open = 1,
     .mended = true},
    {"free space shifted over data", BASE_DEFAULT, free_shifted, 0, 0, NOTHING},
    {"free space shifted over metadata", BASE_DEFAULT, free_shifted_metadata, 0, 0, NOTHING},
    {"free space beyond its block group", BASE_DEFAULT, free_beyond_group, 0, 0, NOTHING,
     .write_open = 1, .mended = true},
    {"free space that wraps", BASE_DEFAULT, free_wraps, 0, 0, NOTHING, .poke = "/plain"},
    {"free space without info", BASE_DEFAULT, free_info_missing, 0, 0, NOTHING, .write_open = 1,
     .mended = true},
    {"number of free ranges lies", BASE_DEFAULT, free_count_lies, 0, 0, NOTHING, .write_open = 1,
     .mended = true},
    {"free space called bitmaps", BASE_DEFAULT, free_as_bitmaps, 0, 0, NOTHING, .write_open = 1,
     .mended = true},
    {"unknown flags of free space", BASE_DEFAULT, free_flags, 0, 0, NOTHING, .poke = "/plain"},
    {"bitmap of wrong size", BASE_DEFAULT, free_bitmap_size, 0, 0, NOTHING, .poke = "/plain"},
    {"free space tree in no chunk", BASE_DEFAULT, free_tree_nowhere, 0, 0, NOTHING, .poke =
     "/plain"},
    {"missing extent item", BASE_DEFAULT, extent_missing, 0, 0, NOTHING, .poke = "/plain"},
    {"missing extent item, old form", BASE_OLD, extent_missing_old, 0, 0, NOTHING, .poke =
     "/plain"},
    {"extent without references", BASE_DEFAULT, extent_refs_0, 0, 0, NOTHING, .poke = "/plain"},
    {"extent of 2^64 references", BASE_DEFAULT, extent_refs_many, 0, 0, NOTHING, .poke = "/plain"},
    {"extent of too few references", BASE_DEFAULT, extent_refs_few, 0, 0, NOTHING, .poke =
     "/plain"},
    {"extent of no kind", BASE_DEFAULT, extent_flags, 0, 0, NOTHING, .poke = "/plain"},
    {"data extent as tree block", BASE_DEFAULT, extent_as_tree_block, 0, 0, NOTHING, .poke =
     "/plain"},
    {"extent of the last generation", BASE_DEFAULT, extent_generation, 0, 0, NOTHING, .poke =
     "/plain"},
    {"extent item cut off", BASE_DEFAULT, extent_cut, 0, 0, NOTHING, .poke = "/plain"},
    {"short extent item", BASE_DEFAULT, extent_short, 0, 0, NOTHING, .poke = "/plain"},
    {"long extent item", BASE_DEFAULT, extent_long, 0, 0, NOTHING, .poke = "/plain"},
    {"unknown reference", BASE_DEFAULT, ref_type, 0, 0, NOTHING, .poke = "/plain"},
    {"reference of no tree", BASE_DEFAULT, ref_root, 0, 0, NOTHING, .poke = "/plain"},
    {"reference of another file", BASE_DEFAULT, ref_of_others, 0, 0, NOTHING, .poke = "/plain"},
    {"blocks without extent items", BASE_DEFAULT, blocks_without_items, 0, 0, NOTHING, .poke =
     "/dir/file050"},
    {"blocks of 1,000 references", BASE_DEFAULT, blocks_of_many_refs, 0, 0, NOTHING, .poke =
     "/dir/file050"},
    {"blocks of no references", BASE_DEFAULT, blocks_of_no_refs, 0, 0, NOTHING, .poke =
     "/dir/file050"},
    {"blocks of another tree", BASE_DEFAULT, blocks_of_others, 0, 0, NOTHING, .poke =
     "/dir/file050"},
    {"an orphan in a damaged leaf", BASE_ORPHANS, orphan_in_bad_leaf, 0, 0, NOTHING, .write_open = 1,
     .poke = "/plain", .mended = true},
    {"an orphan of the largest number", BASE_ORPHANS, orphan_largest, 0, 0, NOTHING,
     .write_open = 1, .poke = "/plain", .mended = true},
    {"blocks with full references", BASE_DEFAULT, blocks_full_backrefs, 0, 0, NOTHING, .poke =
     "/dir/file050"},
    {0},
};
/* clang-format on */
