// SPDX-License-Identifier: GPL-2.0-or-later
/* Superblocks, and devices that are cut off or something else. */
#include <string.h>

#include "base/test/unit.h"
#include "kinds.h"

static void zero_all(struct image *image)
{
    static const uint8_t zeroes[SUPER_SIZE];

    image_write_raw(image, super_offset(0), zeroes, sizeof(zeroes));
    image_write_raw(image, super_offset(1), zeroes, sizeof(zeroes));
}

static void zero_primary(struct image *image)
{
    static const uint8_t zeroes[SUPER_SIZE];

    image_write_raw(image, super_offset(0), zeroes, sizeof(zeroes));
}

static void noise_everywhere(struct image *image)
{
    uint8_t bytes[SUPER_SIZE];
    struct rng rng;

    rng_seed(&rng, 1);
    for (uint64_t at = 0; at < 2 * MIB; at += sizeof(bytes)) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        image_write_raw(image, at, bytes, sizeof(bytes));
    }
    image_write_raw(image, super_offset(1), bytes, sizeof(bytes));
}

static void flip(struct image *image, unsigned copy)
{
    uint8_t byte;

    image_read_raw(image, super_offset(copy) + 1000, &byte, 1);
    byte ^= 0x10;
    image_write_raw(image, super_offset(copy) + 1000, &byte, 1);
}

static void flip_primary(struct image *image)
{
    flip(image, 0);
}

static void flip_all(struct image *image)
{
    flip(image, 0);
    flip(image, 1);
}

static void cut_to_nothing(struct image *image)
{
    image->size = 0;
}
static void cut_in_super(struct image *image)
{
    image->size = SUPER_OFFSET + 1000;
}
static void cut_in_half(struct image *image)
{
    image->size /= 2;
}
static void cut_one_byte(struct image *image)
{
    image->size--;
}

static void nodesize_0(struct image *image)
{
    SUPER_SET(image, nodesize, 0);
}
static void nodesize_odd(struct image *image)
{
    SUPER_SET(image, nodesize, 12345);
}
static void nodesize_huge(struct image *image)
{
    SUPER_SET(image, nodesize, 1U << 31);
    SUPER_SET(image, leafsize, 1U << 31);
}
static void nodesize_other(struct image *image)
{
    SUPER_SET(image, nodesize, 65536);
    SUPER_SET(image, leafsize, 65536);
}
static void sectorsize_0(struct image *image)
{
    SUPER_SET(image, sectorsize, 0);
}
static void csum_type_77(struct image *image)
{
    SUPER_SET(image, csum_type, 77);
}
static void csum_type_other(struct image *image)
{
    SUPER_SET(image, csum_type, CSUM_SHA256);
}
static void no_devices(struct image *image)
{
    SUPER_SET(image, num_devices, 0);
}
static void many_devices(struct image *image)
{
    SUPER_SET(image, num_devices, 1000000);
}
static void root_0(struct image *image)
{
    SUPER_SET(image, root, 0);
}
static void root_unaligned(struct image *image)
{
    SUPER_SET(image, root, image_tree(image, TREE_ROOT) + 512);
}
static void root_nowhere(struct image *image)
{
    SUPER_SET(image, root, 1ULL << 50);
}
static void root_elsewhere(struct image *image)
{
    SUPER_SET(image, root, image_tree(image, TREE_CSUM));
}
static void root_level_9(struct image *image)
{
    SUPER_SET(image, root_level, 9);
}
static void root_level_lies(struct image *image)
{
    SUPER_SET(image, root_level, 5);
}
static void chunk_root_nowhere(struct image *image)
{
    SUPER_SET(image, chunk_root, 1ULL << 50);
}
static void generation_lies(struct image *image)
{
    SUPER_SET(image, generation, 1000000);
}
static void generation_last(struct image *image)
{
    SUPER_SET(image, generation, UINT64_MAX);
}
static void total_lies(struct image *image)
{
    SUPER_SET(image, total_bytes, image->size / 2);
}
static void used_lies(struct image *image)
{
    SUPER_SET(image, bytes_used, UINT64_MAX);
}
static void array_empty(struct image *image)
{
    SUPER_SET(image, sys_chunk_array_size, 0);
}
static void array_long(struct image *image)
{
    SUPER_SET(image, sys_chunk_array_size, 5000);
}
static void array_cut(struct image *image)
{
    SUPER_SET(image, sys_chunk_array_size, 60);
}

/* Sets a field of the first chunk in the array. */
static void array_set(struct image *image, size_t offset, uint64_t value, size_t len)
{
    const le64 bytes = le64_of(value);

    image_super_edit(image, offsetof(disk_super, sys_chunk_array) + sizeof(disk_key) + offset,
                     &bytes, len);
}

static void array_stripes(struct image *image)
{
    array_set(image, offsetof(disk_chunk, num_stripes), 60000, 2);
}
static void array_no_stripes(struct image *image)
{
    array_set(image, offsetof(disk_chunk, num_stripes), 0, 2);
}
static void array_length(struct image *image)
{
    array_set(image, offsetof(disk_chunk, length), 1ULL << 60, 8);
}
static void array_outside(struct image *image)
{
    array_set(image, sizeof(disk_chunk) + offsetof(disk_stripe, offset), 1ULL << 50, 8);
}
static void array_device(struct image *image)
{
    array_set(image, sizeof(disk_chunk) + offsetof(disk_stripe, devid), 9, 8);
}

static struct super super_of(const struct image *image)
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    image_super_read(image, 0, bytes);
    super_decode(&super, bytes);
    return super;
}

static void incompat_unknown(struct image *image)
{
    SUPER_SET(image, incompat_flags, super_of(image).incompat_flags | 1ULL << 40);
}
static void compat_ro_unknown(struct image *image)
{
    SUPER_SET(image, compat_ro_flags, super_of(image).compat_ro_flags | 1ULL << 40);
}
static void device_of_others(struct image *image)
{
    const uint8_t byte = 0x55;

    image_super_edit(image, offsetof(disk_super, dev_item) + offsetof(disk_dev_item, fsid), &byte,
                     1);
}
static void log_nowhere(struct image *image)
{
    SUPER_SET(image, log_root, 1ULL << 50);
}
static void log_elsewhere(struct image *image)
{
    SUPER_SET(image, log_root, image_tree(image, TREE_FS));
}
static void other_address(struct image *image)
{
    SUPER_SET(image, bytenr, 12345);
}

/* clang-format off */
const struct kind kinds_super[] = {
    {"zeroed superblocks", BASE_DEFAULT, zero_all, -EINVAL, 0, {"no btrfs"}},
    {"noise", BASE_DEFAULT, noise_everywhere, -EINVAL, 0, {"no btrfs"}},
    {"zeroed primary superblock", BASE_DEFAULT, zero_primary, 0, 0, {"using the copy at 67108864"},
     .write_open = 1, .poke = "/plain"},
    {"flipped primary superblock", BASE_DEFAULT, flip_primary, 0, 0, {"using the copy at 67108864"},
     .write_open = 1},
    {"flipped superblocks", BASE_DEFAULT, flip_all, -EIO, 0, {"superblock", "checksum"}},
    {"empty device", BASE_DEFAULT, cut_to_nothing, -EINVAL, 0, {"not btrfs", "0 bytes"}},
    {"cut off in the superblock", BASE_DEFAULT, cut_in_super, -EINVAL, 0, {"not btrfs",
     "66536 bytes"}},
    {"cut in half", BASE_DEFAULT, cut_in_half, -EUCLEAN, 0, {"truncated", "134217728"}},
    {"cut by a byte", BASE_DEFAULT, cut_one_byte, -EUCLEAN, 0, {"truncated"}},
    {"node size 0", BASE_DEFAULT, nodesize_0, -EUCLEAN, 0, {"superblock at 65536", "node size 0"}},
    {"odd node size", BASE_DEFAULT, nodesize_odd, -EUCLEAN, 0, {"superblock", "12345"}},
    {"huge node size", BASE_DEFAULT, nodesize_huge, -EUCLEAN, 0, {"superblock", "node size"}},
    {"another node size", BASE_DEFAULT, nodesize_other, -EIO, 0, {"tree", "block"}},
    {"sector size 0", BASE_DEFAULT, sectorsize_0, -EUCLEAN, 0, {"superblock", "sector size 0"}},
    {"unknown checksum type", BASE_DEFAULT, csum_type_77, -EIO, 0, {"superblock", "type 77"}},
    {"another checksum type", BASE_DEFAULT, csum_type_other, -EIO, 0, {"superblock", "checksum"}},
    {"no devices", BASE_DEFAULT, no_devices, -EUCLEAN, 0, {"superblock", "devices is 0"}},
    {"many devices", BASE_DEFAULT, many_devices, -EOPNOTSUPP, 0, {"1000000 devices"}},
    {"no root tree", BASE_DEFAULT, root_0, -EUCLEAN, 0, {"superblock", "root tree"}},
    {"unaligned root tree", BASE_DEFAULT, root_unaligned, -EUCLEAN, 0, {"root tree", "aligned"}},
    {"root tree in no chunk", BASE_DEFAULT, root_nowhere, -EUCLEAN, 0, {"1125899906842624"}},
    {"another tree as root tree", BASE_DEFAULT, root_elsewhere, -EUCLEAN, 0, {"tree", "block"}},
    {"root tree of level 9", BASE_DEFAULT, root_level_9, -EUCLEAN, 0, {"root tree", "level 9"}},
    {"level of the root tree lies", BASE_DEFAULT, root_level_lies, -EUCLEAN, 0, {"block", "level"}},
    {"chunk tree in no chunk", BASE_DEFAULT, chunk_root_nowhere, -EUCLEAN, 0, {"1125899906842624"}},
    {"generation lies", BASE_DEFAULT, generation_lies, -EUCLEAN, 0, {"block", "generation"}},
    {"last generation", BASE_DEFAULT, generation_last, -EUCLEAN, 0, {"generation"}},
    {"total size lies", BASE_DEFAULT, total_lies, -EUCLEAN, 0, {"superblock", "exceed"}},
    {"bytes used lie", BASE_DEFAULT, used_lies, -EUCLEAN, 0, {"superblock", "used"}},
    {"empty system array", BASE_DEFAULT, array_empty, -EUCLEAN, 0, {"system chunk array"}},
    {"long system array", BASE_DEFAULT, array_long, -EUCLEAN, 0, {"system chunk array", "5000"}},
    {"system array cut off", BASE_DEFAULT, array_cut, -EUCLEAN, 0, {"system chunk array", "cut"}},
    {"60,000 stripes", BASE_DEFAULT, array_stripes, -EUCLEAN, 0, {"system chunk array", "60000"}},
    {"no stripes", BASE_DEFAULT, array_no_stripes, -EUCLEAN, 0, {"system chunk array"}},
    {"system chunk of an exabyte", BASE_DEFAULT, array_length, -EUCLEAN, 0, {"chunk"}},
    {"system chunk outside", BASE_DEFAULT, array_outside, -EUCLEAN, 0, {"chunk"}},
    {"system chunk on no device", BASE_DEFAULT, array_device, -EUCLEAN, 0, {"chunk", "device 9"}},
    {"unknown feature", BASE_DEFAULT, incompat_unknown, -EOPNOTSUPP, 0, {"40"}},
    {"unknown read-only feature", BASE_DEFAULT, compat_ro_unknown, 0, 0, {NULL}, .write_open = 1},
    {"device of others", BASE_DEFAULT, device_of_others, -EUCLEAN, 0, {"superblock", "another"}},
    {"log tree in no chunk", BASE_DEFAULT, log_nowhere, 0, 0, {"log tree is pending"}, .write_open =
     -EUCLEAN},
    {"another tree as log tree", BASE_DEFAULT, log_elsewhere, 0, 0, {"log tree is pending"},
     .write_open = -EUCLEAN},
    {"superblock from elsewhere", BASE_DEFAULT, other_address, -EUCLEAN, 0, {"says", "12345"}},
    {0},
};
/* clang-format on */
