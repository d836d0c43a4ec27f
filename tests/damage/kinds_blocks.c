// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tree blocks: headers that lie, items out of place and out of order, pointers that form loops.
 * The victim is the leaf of the file tree that holds the name file050 in /dir, and its parent.
 */
#include "base/test/unit.h"

#include <string.h>

#include "disk/csum/csum.h"
#include "kinds.h"

static struct image_item victim(const struct image *image)
{
    uint64_t ino = kind_ino(BASE_DEFAULT, "/dir/file050");

    return kind_item(image, TREE_FS, ino, KEY_INODE_ITEM, 0);
}

static uint64_t leaf_of(const struct image *image)
{
    return victim(image).block;
}

/* The block above the leaf, and the slot that points at it. */
static uint64_t parent_of(const struct image *image, uint64_t child, uint32_t *slot)
{
    uint8_t block[NODE_SIZE_MAX];

    for (size_t i = 0; i < image->block_count; i++) {
        struct node_header header;

        if (image->blocks[i].level == 0)
            continue;
        image_block_read(image, image->blocks[i].bytenr, block);
        node_header_decode(&header, block);
        for (*slot = 0; *slot < header.nritems; (*slot)++) {
            struct key_ptr ptr;

            key_ptr_decode(&ptr, block + NODE_HEADER_SIZE + *slot * KEY_PTR_SIZE);
            if (ptr.blockptr == child)
                return image->blocks[i].bytenr;
        }
    }
    assert_true(false);
    return 0;
}

static void set_pointer(struct image *image, uint64_t node, uint32_t slot,
                        const struct key_ptr *ptr)
{
    uint8_t bytes[KEY_PTR_SIZE];

    key_ptr_encode(bytes, ptr);
    image_block_edit(image, node, NODE_HEADER_SIZE + slot * KEY_PTR_SIZE, bytes, sizeof(bytes));
}

static struct key_ptr get_pointer(const struct image *image, uint64_t node, uint32_t slot)
{
    uint8_t block[NODE_SIZE_MAX];
    struct key_ptr ptr;

    image_block_read(image, node, block);
    key_ptr_decode(&ptr, block + NODE_HEADER_SIZE + slot * KEY_PTR_SIZE);
    return ptr;
}

/* ---- whole blocks ------------------------------------------------------------------------------
 */

static void flip_copies(struct image *image, uint64_t bytenr, unsigned copies)
{
    uint64_t at;

    for (unsigned mirror = 0; mirror < copies && image_place(image, bytenr, mirror, &at);
         mirror++) {
        uint8_t byte;

        image_read_raw(image, at + 2000, &byte, 1);
        byte ^= 1;
        image_write_raw(image, at + 2000, &byte, 1);
    }
}

static void flipped_one(struct image *image)
{
    flip_copies(image, leaf_of(image), 1);
}
static void flipped_both(struct image *image)
{
    flip_copies(image, leaf_of(image), 2);
}
static void flipped_root(struct image *image)
{
    flip_copies(image, image_tree(image, TREE_ROOT), 2);
}
static void flipped_chunk_tree(struct image *image)
{
    flip_copies(image, image_tree(image, TREE_CHUNK), 2);
}
static void flipped_extent_tree(struct image *image)
{
    flip_copies(image, image_tree(image, TREE_EXTENT), 2);
}
static void flipped_csum_tree(struct image *image)
{
    flip_copies(image, image_tree(image, TREE_CSUM), 2);
}

static void zeroed(struct image *image)
{
    static const uint8_t zeroes[NODE_SIZE_MAX];

    image_write(image, leaf_of(image), zeroes, image->nodesize);
}

static void every_block_zeroed(struct image *image)
{
    static const uint8_t zeroes[NODE_SIZE_MAX];

    for (size_t i = 0; i < image->block_count; i++)
        image_write(image, image->blocks[i].bytenr, zeroes, image->nodesize);
}

static void misplaced(struct image *image)
{
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, image_tree(image, TREE_EXTENT), block);
    image_write(image, leaf_of(image), block, image->nodesize);
}

/* ---- headers -----------------------------------------------------------------------------------
 */

static void address_lies(struct image *image)
{
    HEADER_SET(image, leaf_of(image), bytenr, 4096);
}
static void level_lies(struct image *image)
{
    HEADER_SET(image, leaf_of(image), level, 1);
}
static void level_impossible(struct image *image)
{
    HEADER_SET(image, leaf_of(image), level, 255);
}
static void generation_lies(struct image *image)
{
    HEADER_SET(image, leaf_of(image), generation, 1);
}
static void owner_lies(struct image *image)
{
    HEADER_SET(image, leaf_of(image), owner, TREE_CSUM);
}
static void fsid_lies(struct image *image)
{
    HEADER_SET(image, leaf_of(image), fsid, 77);
}
static void never_written(struct image *image)
{
    HEADER_SET(image, leaf_of(image), flags, 0);
}
static void count_huge(struct image *image)
{
    HEADER_SET(image, leaf_of(image), nritems, UINT32_MAX);
}
static void count_too_many(struct image *image)
{
    HEADER_SET(image, leaf_of(image), nritems, 100);
}
static void count_zero(struct image *image)
{
    HEADER_SET(image, leaf_of(image), nritems, 0);
}
static void count_zero_above(struct image *image)
{
    uint32_t slot;

    HEADER_SET(image, parent_of(image, leaf_of(image), &slot), nritems, 0);
}
static void count_huge_above(struct image *image)
{
    uint32_t slot;

    HEADER_SET(image, parent_of(image, leaf_of(image), &slot), nritems, 1000);
}

/* ---- items -------------------------------------------------------------------------------------
 */

static void keys_swapped(struct image *image)
{
    struct image_item a = victim(image), b = a;
    struct key first = a.key;

    b.slot++;
    image_item_set_key(image, &a, &(struct key){first.objectid, KEY_INODE_REF, first.offset + 300});
    image_item_set_key(image, &b, &first);
}

static void keys_equal(struct image *image)
{
    struct image_item a = victim(image), b = a;

    b.slot++;
    image_item_set_key(image, &b, &a.key);
}

static void header_set(struct image *image, uint32_t offset, uint32_t size)
{
    struct image_item item = victim(image);
    struct leaf_item header = {item.key, item.offset - (uint32_t)NODE_HEADER_SIZE, item.size};

    header.offset = offset ? offset : header.offset;
    header.size = size ? size : header.size;
    image_item_set_header(image, &item, &header);
}

static void data_outside(struct image *image)
{
    header_set(image, 4090, 0);
}
static void data_far_outside(struct image *image)
{
    header_set(image, UINT32_MAX - 10, 0);
}
static void data_over_headers(struct image *image)
{
    header_set(image, 1, 0);
}
static void size_huge(struct image *image)
{
    header_set(image, 0, UINT32_MAX - 100);
}
static void size_lies(struct image *image)
{
    header_set(image, 0, 161);
}
static void item_short(struct image *image)
{
    struct image_item item = victim(image);
    const uint8_t bytes[100] = {0};

    image_item_replace(image, &item, bytes, sizeof(bytes));
}
static void item_empty(struct image *image)
{
    struct image_item item = victim(image);

    image_item_replace(image, &item, "", 0);
}

/* The last key of the leaf reaches into the next one. */
static void keys_beyond(struct image *image)
{
    uint8_t block[NODE_SIZE_MAX];
    struct node_header header;
    struct image_item item = victim(image);

    image_block_read(image, item.block, block);
    node_header_decode(&header, block);
    item.slot = header.nritems - 1;
    image_item_set_key(image, &item, &(struct key){OBJ_LAST_FREE, KEY_PERSISTENT_ITEM, 0});
}

/* ---- pointers ----------------------------------------------------------------------------------
 */

static void point_at(struct image *image, uint64_t target)
{
    uint32_t slot;
    uint64_t node = parent_of(image, leaf_of(image), &slot);
    struct key_ptr ptr = get_pointer(image, node, slot);

    ptr.blockptr = target;
    set_pointer(image, node, slot, &ptr);
}

static void loop_to_parent(struct image *image)
{
    uint32_t slot;

    point_at(image, parent_of(image, leaf_of(image), &slot));
}

/* The block says that it is a leaf's parent one level lower, everywhere: only its level tells. */
static void loop_with_generation(struct image *image)
{
    uint32_t slot;
    uint64_t node = parent_of(image, leaf_of(image), &slot);
    struct key_ptr ptr = get_pointer(image, node, slot), first = get_pointer(image, node, 0);
    uint8_t block[NODE_SIZE_MAX];
    struct node_header header;

    image_block_read(image, node, block);
    node_header_decode(&header, block);
    ptr.blockptr = node;
    ptr.generation = header.generation;
    ptr.key = first.key;
    set_pointer(image, node, 0, &ptr);
}

static void point_at_sibling(struct image *image)
{
    uint32_t slot;
    uint64_t node = parent_of(image, leaf_of(image), &slot);

    point_at(image, get_pointer(image, node, slot == 0 ? 1 : slot - 1).blockptr);
}
static void point_at_other_tree(struct image *image)
{
    point_at(image, image_tree(image, TREE_UUID));
}
static void point_nowhere(struct image *image)
{
    point_at(image, 1ULL << 50);
}
static void point_at_0(struct image *image)
{
    point_at(image, 0);
}
static void point_unaligned(struct image *image)
{
    point_at(image, leaf_of(image) + 100);
}
static void point_at_data(struct image *image)
{
    uint64_t ino = kind_ino(BASE_DEFAULT, "/plain");
    struct image_item item = kind_item(image, TREE_FS, ino, KEY_EXTENT_DATA, 0);
    struct file_extent extent;
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item.block, block);
    file_extent_decode(&extent, block + item.offset);
    point_at(image, extent.disk_bytenr);
}
static void pointer_generation(struct image *image)
{
    uint32_t slot;
    uint64_t node = parent_of(image, leaf_of(image), &slot);
    struct key_ptr ptr = get_pointer(image, node, slot);

    ptr.generation++;
    set_pointer(image, node, slot, &ptr);
}
static void pointer_key(struct image *image)
{
    uint32_t slot;
    uint64_t node = parent_of(image, leaf_of(image), &slot);
    struct key_ptr ptr = get_pointer(image, node, slot);

    ptr.key.offset++;
    set_pointer(image, node, slot, &ptr);
}
static void pointers_out_of_order(struct image *image)
{
    uint32_t slot;
    uint64_t node = parent_of(image, leaf_of(image), &slot);
    struct key_ptr a = get_pointer(image, node, slot), b = get_pointer(image, node, slot - 1);

    set_pointer(image, node, slot - 1, &a);
    set_pointer(image, node, slot, &b);
}

#define DIR "/dir"
#define FT "block"

/* clang-format off */
const struct kind kinds_blocks[] = {
    {"one copy flipped", BASE_DEFAULT, flipped_one, 0, 0, {"checksum"}, .write_open = 1, .poke =
     "/dir/file050"},
    {"both copies flipped", BASE_DEFAULT, flipped_both, 0, -EIO, {FT, "checksum"}, {DIR}, 1,
     "/dir/file050"},
    {"root tree flipped", BASE_DEFAULT, flipped_root, -EIO, 0, {"ROOT_TREE block", "checksum"}},
    {"chunk tree flipped", BASE_DEFAULT, flipped_chunk_tree, -EIO, 0, {"CHUNK_TREE block",
     "checksum"}},
    {"extent tree flipped", BASE_DEFAULT, flipped_extent_tree, 0, 0, {NULL}},
    {"checksum tree flipped", BASE_DEFAULT, flipped_csum_tree, 0, -EIO, {"CSUM_TREE block",
     "checksum"}, {"/"}, 0, "/plain"},
    {"zeroed", BASE_DEFAULT, zeroed, 0, -EIO, {FT}, {DIR}, 1, "/dir/file050"},
    {"all blocks zeroed", BASE_DEFAULT, every_block_zeroed, -EIO, 0, {"CHUNK_TREE block"}},
    {"misplaced", BASE_DEFAULT, misplaced, 0, -EUCLEAN, {FT, "is block"}, {DIR}, 1, "/dir/file050"},
    {"address lies", BASE_DEFAULT, address_lies, 0, -EUCLEAN, {FT, "is block 4096"}, {DIR}, 1,
     "/dir/file050"},
    {"level lies", BASE_DEFAULT, level_lies, 0, -EUCLEAN, {FT, "level is 1, expected 0"}, {DIR}, 1,
     "/dir/file050"},
    {"level 255", BASE_DEFAULT, level_impossible, 0, -EUCLEAN, {FT, "level"}, {DIR}, 1,
     "/dir/file050"},
    {"generation of a block lies", BASE_DEFAULT, generation_lies, 0, -EUCLEAN, {FT, "generation is 1"}, {DIR},
     1, "/dir/file050"},
    {"owner lies", BASE_DEFAULT, owner_lies, 0, -EUCLEAN, {FT, "belongs to tree 7"}, {DIR}, 1,
     "/dir/file050"},
    {"fsid lies", BASE_DEFAULT, fsid_lies, 0, -EUCLEAN, {FT, "another file system"}, {DIR}, 1,
     "/dir/file050"},
    {"never written", BASE_DEFAULT, never_written, 0, -EUCLEAN, {FT, "written"}, {DIR}, 1,
     "/dir/file050"},
    {"four billion items", BASE_DEFAULT, count_huge, 0, -EUCLEAN, {FT, "4294967295 items"}, {DIR},
     1, "/dir/file050"},
    {"more items than there are", BASE_DEFAULT, count_too_many, 0, -EUCLEAN, {FT, "item"}, {DIR}, 1,
     "/dir/file050"},
    {"no items", BASE_DEFAULT, count_zero, 0, -EUCLEAN, {FT, "empty"}, {DIR}, 1, "/dir/file050"},
    {"no pointers", BASE_DEFAULT, count_zero_above, -EUCLEAN, 0, {FT, "empty"}},
    {"too many pointers", BASE_DEFAULT, count_huge_above, -EUCLEAN, 0, {FT, "1000 items"}},
    {"keys out of order", BASE_DEFAULT, keys_swapped, 0, -EUCLEAN, {FT, "item", "stands behind"},
     {DIR}, 1, "/dir/file050"},
    {"equal keys", BASE_DEFAULT, keys_equal, 0, -EUCLEAN, {FT, "item", "not greater"}, {DIR}, 1,
     "/dir/file050"},
    {"keys beyond the next leaf", BASE_DEFAULT, keys_beyond, 0, -EUCLEAN, {"tree"}, {DIR}, 1,
     "/dir/file050"},
    {"data outside the block", BASE_DEFAULT, data_outside, 0, -EUCLEAN, {FT, "item", "data"}, {DIR},
     1, "/dir/file050"},
    {"data far outside the block", BASE_DEFAULT, data_far_outside, 0, -EUCLEAN, {FT, "item",
     "data"}, {DIR}, 1, "/dir/file050"},
    {"data over the headers", BASE_DEFAULT, data_over_headers, 0, -EUCLEAN, {FT, "item", "data"},
     {DIR}, 1, "/dir/file050"},
    {"huge item", BASE_DEFAULT, size_huge, 0, -EUCLEAN, {FT, "item", "data"}, {DIR}, 1,
     "/dir/file050"},
    {"overlapping items", BASE_DEFAULT, size_lies, 0, -EUCLEAN, {FT, "item", "data ends"}, {DIR}, 1,
     "/dir/file050"},
    {"short inode item", BASE_DEFAULT, item_short, 0, -EUCLEAN, {FT, "INODE_ITEM", "size is 100"},
     {DIR}, 1, "/dir/file050"},
    {"empty inode item", BASE_DEFAULT, item_empty, 0, -EUCLEAN, {FT, "INODE_ITEM", "size is 0"},
     {DIR}, 1, "/dir/file050"},
    {"a loop", BASE_DEFAULT, loop_to_parent, 0, -EUCLEAN, {FT}, {DIR}, 1, "/dir/file050"},
    {"a loop of good keys", BASE_DEFAULT, loop_with_generation, -EUCLEAN, 0, {FT, "level is 1"}},
    {"two pointers at one leaf", BASE_DEFAULT, point_at_sibling, 0, -EUCLEAN, {"tree"}, {DIR}, 1,
     "/dir/file050"},
    {"pointer into another tree", BASE_DEFAULT, point_at_other_tree, 0, -EUCLEAN, {FT}, {DIR}, 1,
     "/dir/file050"},
    {"pointer to nowhere", BASE_DEFAULT, point_nowhere, 0, -EUCLEAN, {FT,
     "tree 5 block 1125899906842624", "no chunk"}, {DIR}, 1, "/dir/file050"},
    {"pointer to 0", BASE_DEFAULT, point_at_0, -EUCLEAN, 0, {FT, "points at 0"}},
    {"unaligned pointer", BASE_DEFAULT, point_unaligned, -EUCLEAN, 0, {FT, "points at"}},
    {"pointer to data", BASE_DEFAULT, point_at_data, 0, -EIO, {FT, "checksum"}, {DIR}, 1,
     "/dir/file050"},
    {"generation of a pointer", BASE_DEFAULT, pointer_generation, 0, -EUCLEAN, {FT, "generation"},
     {DIR}, 1, "/dir/file050"},
    {"key of a pointer", BASE_DEFAULT, pointer_key, 0, -EUCLEAN, {"tree"}, {DIR}, 1,
     "/dir/file050"},
    {"pointers out of order", BASE_DEFAULT, pointers_out_of_order, -EUCLEAN, 0, {FT,
     "not greater"}},
    {0},
};
/* clang-format on */
