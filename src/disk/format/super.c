// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a superblock can be believed. */
#include "disk/csum/csum.h"
#include "disk/format/items.h"

#define SUPER_FLAGS_KNOWN                                                                          \
    (SUPER_FLAG_WRITTEN | SUPER_FLAG_RELOC | SUPER_FLAG_ERROR | SUPER_FLAG_SEEDING |               \
     SUPER_FLAG_METADUMP | SUPER_FLAG_METADUMP_V2)
#define SUPER_FLAGS_CHANGING (SUPER_FLAG_CHANGING_FSID | SUPER_FLAG_CHANGING_FSID_V2)

/* The fewest tree blocks a file system has: root, extent, chunk, device, fs and checksum tree. */
#define TREES_MIN 6

static int csum_check(const uint8_t *bytes, uint16_t type)
{
    uint8_t csum[CSUM_MAX];

    if (!csum_type_known(type))
        return fail(-EIO, "checksum type %u is unknown", type);
    csum_compute(type, bytes + CSUM_FIELD_SIZE, SUPER_SIZE - CSUM_FIELD_SIZE, csum);
    if (memcmp(csum, bytes, csum_size(type)) != 0)
        return fail(-EIO, "checksum is wrong");
    return 0;
}

static int flags_check(uint64_t flags)
{
    uint64_t unknown = flags & ~(SUPER_FLAGS_KNOWN | SUPER_FLAGS_CHANGING);

    if (unknown)
        return fail(-EOPNOTSUPP, "flag bit %d is unknown", __builtin_ctzll(unknown));
    if (flags & SUPER_FLAGS_CHANGING)
        return fail(-EUCLEAN, "a change of the file system's uuid was begun and not finished");
    return 0;
}

static int sizes_check(const struct super *super)
{
    if (!is_pow2(super->sectorsize) || super->sectorsize < SECTOR_SIZE_MIN ||
        super->sectorsize > NODE_SIZE_MAX)
        return fail(-EUCLEAN, "sector size %u is impossible", super->sectorsize);
    if (!is_pow2(super->nodesize) || super->nodesize < super->sectorsize ||
        super->nodesize > NODE_SIZE_MAX)
        return fail(-EUCLEAN, "node size %u is impossible", super->nodesize);
    if (super->leafsize != super->nodesize)
        return fail(-EUCLEAN, "leaf size %u differs from node size %u", super->leafsize,
                    super->nodesize);
    if (!is_pow2(super->stripesize))
        return fail(-EUCLEAN, "stripe size %u is impossible", super->stripesize);
    return 0;
}

static int root_check(const char *name, uint64_t bytenr, uint8_t level, const struct super *super)
{
    if (!is_aligned(bytenr, super->sectorsize))
        return fail(-EUCLEAN, "%s at %llu is not aligned", name, LLU(bytenr));
    if (level >= TREE_LEVELS_MAX)
        return fail(-EUCLEAN, "%s has level %u", name, level);
    return 0;
}

static int roots_check(const struct super *super)
{
    if (super->root == 0 || super->chunk_root == 0)
        return fail(-EUCLEAN, "%s is missing", super->root == 0 ? "root tree" : "chunk tree");
    TRY(root_check("root tree", super->root, super->root_level, super));
    TRY(root_check("chunk tree", super->chunk_root, super->chunk_root_level, super));
    return root_check("log tree", super->log_root, super->log_root_level, super);
}

static int space_check(const struct super *super)
{
    if (super->bytes_used < (uint64_t)TREES_MIN * super->nodesize ||
        super->bytes_used > super->total_bytes)
        return fail(-EUCLEAN, "%llu bytes used of %llu are impossible", LLU(super->bytes_used),
                    LLU(super->total_bytes));
    if (super->dev_item.total_bytes > super->total_bytes)
        return fail(-EUCLEAN, "the device's %llu bytes exceed the file system's %llu",
                    LLU(super->dev_item.total_bytes), LLU(super->total_bytes));
    if (super->dev_item.bytes_used > super->dev_item.total_bytes)
        return fail(-EUCLEAN, "the device uses %llu of its %llu bytes",
                    LLU(super->dev_item.bytes_used), LLU(super->dev_item.total_bytes));
    return 0;
}

static int device_check(const struct super *super)
{
    const struct uuid *fsid =
        super->incompat_flags & INCOMPAT_METADATA_UUID ? &super->metadata_uuid : &super->fsid;

    if (super->num_devices == 0)
        return fail(-EUCLEAN, "number of devices is 0");
    if (!uuid_equal(&super->dev_item.fsid, fsid))
        return fail(-EUCLEAN, "the device belongs to another file system");
    return 0;
}

static int combination_check(const struct super *super)
{
    if ((super->compat_ro_flags & COMPAT_RO_BLOCK_GROUP_TREE) &&
        (!(super->compat_ro_flags & COMPAT_RO_FREE_SPACE_TREE_VALID) ||
         !(super->incompat_flags & INCOMPAT_NO_HOLES)))
        return fail(-EUCLEAN, "a block group tree needs a valid free space tree and no-holes");
    return 0;
}

static int system_chunk_check(const uint8_t *at, uint32_t left, const struct format_limits *limits,
                              uint32_t *used)
{
    struct chunk chunk;
    struct key key;
    uint32_t size;

    if (left < sizeof(disk_key) + chunk_item_size(1))
        return fail(-EUCLEAN, "chunk is cut off");
    key_decode(&key, at);
    if (key.objectid != FIRST_CHUNK_TREE_OBJECTID || key.type != KEY_CHUNK_ITEM)
        return fail(-EUCLEAN, "key is not one of a chunk");
    chunk_decode(&chunk, at + sizeof(disk_key));
    size = chunk_item_size(chunk.num_stripes);
    if (chunk.num_stripes == 0 || size > left - sizeof(disk_key))
        return fail(-EUCLEAN, "chunk with %u stripes is cut off", chunk.num_stripes);
    if (!(chunk.type & BG_SYSTEM))
        return fail(-EUCLEAN, "chunk %llu is not a system chunk", LLU(key.offset));
    TRY(chunk_validate(key.offset, at + sizeof(disk_key), size, limits));
    *used = (uint32_t)sizeof(disk_key) + size;
    return 0;
}

static int system_array_check(const struct super *super)
{
    const struct format_limits limits = {
        .nodesize = super->nodesize,
        .sectorsize = super->sectorsize,
        .incompat = super->incompat_flags,
        .compat_ro = super->compat_ro_flags,
    };
    uint32_t used = 0, size = super->sys_chunk_array_size;

    if (size == 0 || size > SUPER_SYSTEM_ARRAY_MAX)
        return fail(-EUCLEAN, "system chunk array of %u bytes is impossible", size);
    for (uint32_t at = 0; at < size; at += used) {
        int ret = system_chunk_check(super->sys_chunk_array.b + at, size - at, &limits, &used);
        if (ret < 0)
            return fail_context(ret, "system chunk array, byte %u", at);
    }
    return 0;
}

static int super_check(const struct super *super, uint64_t copy_offset)
{
    if (super->bytenr != copy_offset)
        return fail(-EUCLEAN, "says that it lies at %llu", LLU(super->bytenr));
    TRY(flags_check(super->flags));
    TRY(sizes_check(super));
    TRY(roots_check(super));
    TRY(device_check(super));
    TRY(space_check(super));
    TRY(combination_check(super));
    return system_array_check(super);
}

int super_validate(const void *bytes, uint64_t copy_offset)
{
    struct super super;
    int ret;

    super_decode(&super, bytes);
    if (super.magic != SUPER_MAGIC)
        return fail(-EINVAL, "no btrfs superblock at %llu", LLU(copy_offset));
    ret = csum_check(bytes, super.csum_type);
    if (ret == 0)
        ret = super_check(&super, copy_offset);
    return ret < 0 ? fail_context(ret, "superblock at %llu", LLU(copy_offset)) : 0;
}
