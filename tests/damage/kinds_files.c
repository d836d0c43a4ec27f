// SPDX-License-Identifier: GPL-2.0-or-later
/* Files: extents and lengths that lie, compressed data that expands beyond what it claims. */
#include "base/test/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "kinds.h"

static struct image_item inode_of(const struct image *image, const char *path)
{
    return kind_item(image, TREE_FS, kind_ino(BASE_DEFAULT, path), KEY_INODE_ITEM, 0);
}

/* The first extent of the file. */
static struct image_item extent_of(const struct image *image, const char *path)
{
    return kind_item(image, TREE_FS, kind_ino(BASE_DEFAULT, path), KEY_EXTENT_DATA, 0);
}

static struct file_extent decoded(const struct image *image, const struct image_item *item)
{
    uint8_t block[NODE_SIZE_MAX];
    struct file_extent extent;

    image_block_read(image, item->block, block);
    file_extent_decode(&extent, block + item->offset);
    return extent;
}

#define EXTENT_SET(image, path, field, value)                                                      \
    do {                                                                                           \
        struct image_item item_ = extent_of(image, path);                                          \
        ITEM_SET(image, &item_, file_extent, field, value);                                        \
    } while (0)
#define INODE_SET(image, path, field, value)                                                       \
    do {                                                                                           \
        struct image_item item_ = inode_of(image, path);                                           \
        ITEM_SET(image, &item_, inode_item, field, value);                                         \
    } while (0)

/* ---- where extents lie -------------------------------------------------------------------------
 */

static void extent_nowhere(struct image *image)
{
    EXTENT_SET(image, "/plain", disk_bytenr, 1ULL << 50);
}
static void extent_at_the_end(struct image *image)
{
    EXTENT_SET(image, "/plain", disk_bytenr, round_down_to(UINT64_MAX, 4096));
}
static void extent_in_metadata(struct image *image)
{
    EXTENT_SET(image, "/plain", disk_bytenr, image_tree(image, TREE_FS));
}
static void extent_unaligned(struct image *image)
{
    EXTENT_SET(image, "/plain", disk_bytenr, 4096 * 1000 + 1);
}
static void extent_short(struct image *image)
{
    EXTENT_SET(image, "/plain", disk_num_bytes, 4096);
}
static void extent_of_0(struct image *image)
{
    EXTENT_SET(image, "/plain", disk_num_bytes, 0);
}
static void extent_huge(struct image *image)
{
    EXTENT_SET(image, "/plain", disk_num_bytes, 1ULL << 62);
    EXTENT_SET(image, "/plain", ram_bytes, 1ULL << 62);
}
static void extent_num_0(struct image *image)
{
    EXTENT_SET(image, "/plain", num_bytes, 0);
}
static void extent_num_wraps(struct image *image)
{
    EXTENT_SET(image, "/plain", num_bytes, round_down_to(UINT64_MAX, 4096));
}
static void extent_offset_beyond(struct image *image)
{
    EXTENT_SET(image, "/plain", offset, 1ULL << 40);
}
static void extent_overlapping(struct image *image)
{
    struct image_item item = extent_of(image, "/plain");
    struct file_extent extent = decoded(image, &item);

    EXTENT_SET(image, "/plain", disk_num_bytes, extent.disk_num_bytes + 8192);
    EXTENT_SET(image, "/plain", ram_bytes, extent.ram_bytes + 8192);
    EXTENT_SET(image, "/plain", num_bytes, extent.num_bytes + 8192);
}
static void extent_type(struct image *image)
{
    EXTENT_SET(image, "/plain", type, 9);
}
static void extent_inline_in_place(struct image *image)
{
    EXTENT_SET(image, "/plain", type, FILE_EXTENT_INLINE);
}
static void extent_encrypted(struct image *image)
{
    EXTENT_SET(image, "/plain", encryption, 1);
}
static void extent_compression(struct image *image)
{
    EXTENT_SET(image, "/plain", compression, 9);
}
static void extent_position(struct image *image)
{
    struct image_item item = extent_of(image, "/plain");
    struct key key = item.key;

    key.offset = 100;
    image_item_set_key(image, &item, &key);
}
static void extent_missing(struct image *image)
{
    struct image_item item = extent_of(image, "/plain");

    image_item_remove(image, &item);
}

/* ---- data and its checksums --------------------------------------------------------------------
 */

static void flip_data(struct image *image)
{
    struct image_item item = extent_of(image, "/plain");
    uint64_t at = decoded(image, &item).disk_bytenr + 5000;
    uint8_t byte;

    image_read(image, at, &byte, 1);
    byte ^= 8;
    image_write(image, at, &byte, 1);
}

static void no_checksums(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CSUM, OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 0);

    image_item_remove(image, &item);
}

static void checksums_short(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CSUM, OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 0);

    image_item_replace(image, &item, "abc", 3);
}

static void checksums_wrap(struct image *image)
{
    struct image_item item = kind_item(image, TREE_CSUM, OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 0);
    struct key key = item.key;

    key.offset = round_down_to(UINT64_MAX, 4096);
    image_item_set_key(image, &item, &key);
}

/* ---- compressed --------------------------------------------------------------------------------
 */

static void claims_less(struct image *image, const char *path)
{
    struct image_item item = extent_of(image, path);

    ITEM_SET(image, &item, file_extent, ram_bytes, 4096);
    ITEM_SET(image, &item, file_extent, num_bytes, 4096);
}
static void zlib_claims_less(struct image *image)
{
    claims_less(image, "/zlib");
}
static void lzo_claims_less(struct image *image)
{
    claims_less(image, "/lzo");
}
static void zstd_claims_less(struct image *image)
{
    claims_less(image, "/zstd");
}
static void claims_too_much(struct image *image)
{
    EXTENT_SET(image, "/zlib", ram_bytes, 1ULL << 30);
}
static void inline_claims_less(struct image *image)
{
    EXTENT_SET(image, "/zinline", ram_bytes, 100);
}
static void inline_claims_more(struct image *image)
{
    EXTENT_SET(image, "/zinline", ram_bytes, 4000);
}
static void inline_claims_too_much(struct image *image)
{
    EXTENT_SET(image, "/zinline", ram_bytes, UINT64_MAX);
}
static void inline_noise(struct image *image)
{
    struct image_item item = extent_of(image, "/zinline");

    image_item_edit(image, &item, FILE_EXTENT_INLINE_HEADER, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}

/* Other bytes at the beginning of the compressed data, with a good checksum. */
static void compressed_noise(struct image *image, const char *path, const void *bytes, size_t len)
{
    struct image_item item = extent_of(image, path);
    struct file_extent extent = decoded(image, &item);

    image_write(image, extent.disk_bytenr, bytes, len);
    image_data_seal(image, extent.disk_bytenr, image->sectorsize);
}
static void zlib_noise(struct image *image)
{
    compressed_noise(image, "/zlib", "\x78\x9c\xff\xff\xff\xff\xff\xff", 8);
}
static void zstd_noise(struct image *image)
{
    compressed_noise(image, "/zstd", "\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff", 10);
}
static void lzo_noise(struct image *image)
{
    compressed_noise(image, "/lzo", "\xff\xff\xff\x7f\xff\xff\xff\xff", 8);
}
static void lzo_segment_lies(struct image *image)
{
    struct image_item item = extent_of(image, "/lzo");
    uint64_t at = decoded(image, &item).disk_bytenr;
    const le32 len = le32_of(UINT32_MAX);

    image_write(image, at + 4, &len, sizeof(len));
    image_data_seal(image, at, image->sectorsize);
}
static void other_compression(struct image *image)
{
    EXTENT_SET(image, "/zlib", compression, 3);
}
static void plain_as_compressed(struct image *image)
{
    EXTENT_SET(image, "/plain", compression, 2);
}
static void compressed_as_plain(struct image *image)
{
    EXTENT_SET(image, "/zlib", compression, 0);
}

/* ---- inline ------------------------------------------------------------------------------------
 */

static void inline_short(struct image *image)
{
    EXTENT_SET(image, "/inline", ram_bytes, 50);
}
static void inline_long(struct image *image)
{
    EXTENT_SET(image, "/inline", ram_bytes, 1ULL << 40);
}
static void inline_cut(struct image *image)
{
    struct image_item item = extent_of(image, "/inline");

    image_item_replace(image, &item, "0123456789", 10);
}
static void inline_elsewhere(struct image *image)
{
    struct image_item item = extent_of(image, "/inline");
    struct key key = item.key;

    key.offset = 4096;
    image_item_set_key(image, &item, &key);
}
static void symlink_long(struct image *image)
{
    INODE_SET(image, "/symlink", size, 1ULL << 40);
}
static void symlink_no_target(struct image *image)
{
    struct image_item item = extent_of(image, "/symlink");

    image_item_remove(image, &item);
}
static void symlink_regular_extent(struct image *image)
{
    struct image_item from = extent_of(image, "/plain"), to = extent_of(image, "/symlink");
    uint8_t block[NODE_SIZE_MAX], bytes[sizeof(disk_file_extent)];

    image_block_read(image, from.block, block);
    memcpy(bytes, block + from.offset, sizeof(bytes));
    image_item_replace(image, &to, bytes, sizeof(bytes));
}

/* ---- inodes ------------------------------------------------------------------------------------
 */

static void mode_0(struct image *image)
{
    INODE_SET(image, "/plain", mode, 0);
}
static void mode_all(struct image *image)
{
    INODE_SET(image, "/plain", mode, UINT32_MAX);
}
static void file_as_dir(struct image *image)
{
    INODE_SET(image, "/inline", mode, S_IFDIR | 0755);
}
static void dir_as_file(struct image *image)
{
    INODE_SET(image, "/dir", mode, S_IFREG | 0644);
}
static void dir_links(struct image *image)
{
    INODE_SET(image, "/dir", nlink, 50);
}
static void file_links_0(struct image *image)
{
    INODE_SET(image, "/inline", nlink, 0);
}
static void file_links_many(struct image *image)
{
    INODE_SET(image, "/inline", nlink, UINT32_MAX);
}
static void size_huge(struct image *image)
{
    INODE_SET(image, "/inline", size, UINT64_MAX);
}
static void size_large(struct image *image)
{
    INODE_SET(image, "/plain", size, INT64_MAX);
}
static void size_0(struct image *image)
{
    INODE_SET(image, "/plain", size, 0);
}
static void nbytes_lie(struct image *image)
{
    INODE_SET(image, "/plain", nbytes, UINT64_MAX);
}
static void flags_unknown(struct image *image)
{
    INODE_SET(image, "/plain", flags, 1ULL << 60);
}
static void times_lie(struct image *image)
{
    struct image_item item = inode_of(image, "/inline");
    const uint8_t bytes[sizeof(disk_timestamp) * 4] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    image_item_edit(image, &item, offsetof(disk_inode_item, atime), bytes, sizeof(bytes));
}
static void inode_missing(struct image *image)
{
    struct image_item item = inode_of(image, "/inline");

    image_item_remove(image, &item);
}
static void root_dir_missing(struct image *image)
{
    struct image_item item = kind_item(image, TREE_FS, INO_SUBVOL_ROOT, KEY_INODE_ITEM, 0);

    image_item_remove(image, &item);
}
static void root_dir_a_file(struct image *image)
{
    struct image_item item = kind_item(image, TREE_FS, INO_SUBVOL_ROOT, KEY_INODE_ITEM, 0);

    ITEM_SET(image, &item, inode_item, mode, S_IFREG | 0644);
}

/* A bad item spoils its whole leaf: all of which parts may be in it. */
#define LEAF                                                                                       \
    {                                                                                              \
        "/"                                                                                        \
    }
#define SAYS(...)                                                                                  \
    {                                                                                              \
        "block", "item", __VA_ARGS__                                                               \
    }
#define PLAIN                                                                                      \
    {                                                                                              \
        "/plain", "/link"                                                                          \
    }

/* clang-format off */
const struct kind kinds_files[] = {
    {"extent in no chunk", BASE_DEFAULT, extent_nowhere, 0, -EIO, {"inode 257", "no chunk"}, PLAIN,
     1, "/plain"},
    {"extent at the last address", BASE_DEFAULT, extent_at_the_end, -EUCLEAN, 0,
     SAYS("EXTENT_DATA")},
    {"extent over metadata", BASE_DEFAULT, extent_in_metadata, 0, -EIO, {"inode 257", "checksum"},
     PLAIN, 1, "/plain"},
    {"unaligned extent", BASE_DEFAULT, extent_unaligned, -EUCLEAN, 0, SAYS("disk_bytenr")},
    {"extent shorter than its part", BASE_DEFAULT, extent_short, -EUCLEAN, 0,
     SAYS("outside the extent")},
    {"extent of 0 bytes", BASE_DEFAULT, extent_of_0, -EUCLEAN, 0, SAYS("of 0 bytes")},
    {"extent of four exabytes", BASE_DEFAULT, extent_huge, 0, 0, {NULL}, PLAIN, 1, "/plain"},
    {"part of 0 bytes", BASE_DEFAULT, extent_num_0, -EUCLEAN, 0, SAYS("0 bytes")},
    {"part that wraps", BASE_DEFAULT, extent_num_wraps, -EUCLEAN, 0, SAYS("bytes")},
    {"part beyond the extent", BASE_DEFAULT, extent_offset_beyond, -EUCLEAN, 0,
     SAYS("outside the extent")},
    {"overlapping extents", BASE_DEFAULT, extent_overlapping, -EUCLEAN, 0, SAYS("begins before")},
    {"unknown extent type", BASE_DEFAULT, extent_type, -EUCLEAN, 0, SAYS("type 9")},
    {"extent called inline", BASE_DEFAULT, extent_inline_in_place, -EUCLEAN, 0,
     SAYS("inline extent")},
    {"encrypted extent", BASE_DEFAULT, extent_encrypted, -EUCLEAN, 0, SAYS("encryption 1")},
    {"unknown compression", BASE_DEFAULT, extent_compression, -EUCLEAN, 0, SAYS("compression 9")},
    {"unaligned position", BASE_DEFAULT, extent_position, -EUCLEAN, 0, SAYS("position")},
    {"missing extent", BASE_DEFAULT, extent_missing, 0, 0, {NULL}, PLAIN, 1, "/plain"},
    {"flipped data", BASE_DEFAULT, flip_data, 0, -EIO, {"inode 257", "checksum"}, {"/plain",
     "/link", "/clone"}, 1, "/plain"},
    {"missing checksums", BASE_DEFAULT, no_checksums, 0, -EIO, {"inode", "checksum"}, {"/"}, 1,
     "/plain"},
    {"checksum cut off", BASE_DEFAULT, checksums_short, 0, -EUCLEAN, SAYS("size 3"), {"/"}, 1,
     "/plain"},
    {"checksums that wrap", BASE_DEFAULT, checksums_wrap, 0, -EUCLEAN, SAYS("largest address"),
     {"/"}, 1, "/plain"},
    {"zlib that expands beyond", BASE_DEFAULT, zlib_claims_less, 0, -EIO, {"inode", "zlib"},
     {"/zlib"}, 1, "/zlib"},
    {"lzo that expands beyond", BASE_DEFAULT, lzo_claims_less, 0, -EIO, {"inode", "lzo"}, {"/lzo"},
     1, "/lzo"},
    {"zstd that expands beyond", BASE_DEFAULT, zstd_claims_less, 0, -EIO, {"inode", "zstd"},
     {"/zstd"}, 1, "/zstd"},
    {"a gigabyte in 128 KiB", BASE_DEFAULT, claims_too_much, 0, -EUCLEAN,
     SAYS("compressed extent of 1073741824"), LEAF, 1, "/zlib"},
    {"inline that expands beyond", BASE_DEFAULT, inline_claims_less, 0, -EIO, {"inode", "zlib"},
     {"/zinline"}, 1, "/zinline"},
    {"inline that expands to less", BASE_DEFAULT, inline_claims_more, 0, 0, {NULL}, {"/zinline"}, 1,
     "/zinline"},
    {"inline of 2^64 bytes", BASE_DEFAULT, inline_claims_too_much, 0, -EUCLEAN,
     SAYS("inline extent of"), LEAF, 1, "/zinline"},
    {"inline noise", BASE_DEFAULT, inline_noise, 0, -EIO, {"inode", "zlib"}, {"/zinline"}, 1,
     "/zinline"},
    {"zlib noise", BASE_DEFAULT, zlib_noise, 0, -EIO, {"inode", "zlib"}, {"/zlib"}, 1, "/zlib"},
    {"zstd noise", BASE_DEFAULT, zstd_noise, 0, -EIO, {"inode", "zstd"}, {"/zstd"}, 1, "/zstd"},
    {"lzo noise", BASE_DEFAULT, lzo_noise, 0, -EIO, {"inode", "lzo"}, {"/lzo"}, 1, "/lzo"},
    {"lzo segment of 4 GiB", BASE_DEFAULT, lzo_segment_lies, 0, -EIO, {"inode", "lzo"}, {"/lzo"}, 1,
     "/lzo"},
    {"another compression", BASE_DEFAULT, other_compression, 0, -EIO, {"inode", "zstd"}, {"/zlib"},
     1, "/zlib"},
    {"plain called compressed", BASE_DEFAULT, plain_as_compressed, -EUCLEAN, 0,
     SAYS("compressed extent")},
    {"compressed called plain", BASE_DEFAULT, compressed_as_plain, 0, -EUCLEAN,
     SAYS("outside the extent"), LEAF, 0, "/zlib"},
    {"inline that says less", BASE_DEFAULT, inline_short, 0, -EUCLEAN,
     SAYS("inline extent of 50 bytes has 100"), LEAF, 0, "/inline"},
    {"inline that says more", BASE_DEFAULT, inline_long, 0, -EUCLEAN, SAYS("inline extent"), LEAF,
     0, "/inline"},
    {"inline cut off", BASE_DEFAULT, inline_cut, 0, -EUCLEAN, SAYS("size is 10"), LEAF, 0,
     "/inline"},
    {"inline elsewhere", BASE_DEFAULT, inline_elsewhere, 0, -EUCLEAN, SAYS("not at the beginning"),
     LEAF, 0, "/inline"},
    {"symlink of a terabyte", BASE_DEFAULT, symlink_long, 0, 0, {NULL}, {"/symlink"}, 1,
     "/symlink"},
    {"symlink without target", BASE_DEFAULT, symlink_no_target, 0, -EUCLEAN, {"inode",
     "content is not inline"}, {"/symlink"}, 1, "/symlink"},
    {"symlink outside its inode", BASE_DEFAULT, symlink_regular_extent, 0, -EUCLEAN, {"inode",
     "content is not inline"}, {"/symlink"}, 1, "/symlink"},
    {"mode 0", BASE_DEFAULT, mode_0, -EUCLEAN, 0, SAYS("mode 00 is impossible")},
    {"mode of all bits", BASE_DEFAULT, mode_all, -EUCLEAN, 0, SAYS("mode")},
    {"file as directory", BASE_DEFAULT, file_as_dir, 0, 0, {NULL}, {"/inline"}, 1, "/inline"},
    {"directory as file", BASE_DEFAULT, dir_as_file, 0, 0, {NULL}, {"/dir"}, 1, "/dir"},
    {"directory of 50 links", BASE_DEFAULT, dir_links, 0, -EUCLEAN, SAYS("50 links"), LEAF},
    {"file of no links", BASE_DEFAULT, file_links_0, 0, 0, {NULL}, {"/inline"}, 1, "/inline"},
    {"file of four billion links", BASE_DEFAULT, file_links_many, 0, 0, {NULL}, {"/inline"}, 1,
     "/inline"},
    {"size of 2^64 - 1", BASE_DEFAULT, size_huge, 0, -EUCLEAN, {"INODE_ITEM",
     "18446744073709551615 bytes"}, {"/inline"}, 1, "/inline"},
    {"size of 2^63 - 1", BASE_DEFAULT, size_large, 0, 0, {NULL}, PLAIN, 1, "/plain"},
    {"size 0 with extents", BASE_DEFAULT, size_0, 0, 0, {NULL}, PLAIN, 1, "/plain"},
    {"nbytes lie", BASE_DEFAULT, nbytes_lie, 0, 0, {NULL}, PLAIN, 1, "/plain"},
    {"unknown inode flags", BASE_DEFAULT, flags_unknown, -EUCLEAN, 0, SAYS("unknown bits")},
    {"times lie", BASE_DEFAULT, times_lie, 0, 0, {NULL}, {"/inline"}, 1, "/inline"},
    {"missing inode", BASE_DEFAULT, inode_missing, 0, -EUCLEAN, {"item", "without an inode"}, LEAF},
    {"missing root directory", BASE_DEFAULT, root_dir_missing, -EUCLEAN, 0, {"block"}},
    {"a file as root directory", BASE_DEFAULT, root_dir_a_file, 0, 0, {NULL}, {"/"}},
    {0},
};
/* clang-format on */
