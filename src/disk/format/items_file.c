// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of what files consist of: extents, checksums, verity. */
#include "disk/format/items.h"

#define COMPRESSIONS 4 /* none, zlib, lzo, zstd */

uint64_t file_extent_end(const struct item *item, const struct format_limits *limits)
{
    const disk_file_extent *extent = (const void *)item->data;

    if (extent->type == FILE_EXTENT_INLINE)
        return round_up_to(item->key.offset + le64_get(extent->ram_bytes), limits->sectorsize);
    return item->key.offset + le64_get(extent->num_bytes);
}

static int inline_check(const struct item *item)
{
    const disk_file_extent *extent = (const void *)item->data;
    uint64_t ram_bytes = le64_get(extent->ram_bytes);
    uint32_t stored = item->size - FILE_EXTENT_INLINE_HEADER;

    if (item->key.offset != 0)
        return fail(-EUCLEAN, "inline extent is not at the beginning");
    if (extent->compression == 0 && ram_bytes != stored)
        return fail(-EUCLEAN, "inline extent of %llu bytes has %u", LLU(ram_bytes), stored);
    /* Linux writes one page at most, and pages are up to 64 KiB. */
    if (ram_bytes > NODE_SIZE_MAX)
        return fail(-EUCLEAN, "inline extent of %llu bytes is impossible", LLU(ram_bytes));
    return 0;
}

/* That no byte of the file lies outside the extent. */
static int window_check(const struct file_extent *extent)
{
    uint64_t whole = extent->compression ? extent->ram_bytes : extent->disk_num_bytes;

    if (extent->disk_bytenr == 0)
        return 0;
    if (extent->disk_num_bytes == 0 ||
        extent->disk_bytenr + extent->disk_num_bytes < extent->disk_bytenr)
        return fail(-EUCLEAN, "extent %llu of %llu bytes is impossible", LLU(extent->disk_bytenr),
                    LLU(extent->disk_num_bytes));
    if (extent->compression && (extent->ram_bytes > COMPRESSED_EXTENT_MAX ||
                                extent->disk_num_bytes > COMPRESSED_EXTENT_MAX))
        return fail(-EUCLEAN, "compressed extent of %llu bytes in %llu is impossible",
                    LLU(extent->ram_bytes), LLU(extent->disk_num_bytes));
    if (extent->num_bytes > whole || extent->offset > whole - extent->num_bytes)
        return fail(-EUCLEAN, "%llu bytes at %llu lie outside the extent's %llu",
                    LLU(extent->num_bytes), LLU(extent->offset), LLU(whole));
    return 0;
}

static int regular_check(const struct item *item, const struct format_limits *limits)
{
    struct file_extent extent;

    TRY(item_size_check(item, sizeof(disk_file_extent)));
    file_extent_decode(&extent, item->data);
    TRY(sector_aligned_check("ram_bytes", extent.ram_bytes, limits));
    TRY(sector_aligned_check("disk_bytenr", extent.disk_bytenr, limits));
    TRY(sector_aligned_check("disk_num_bytes", extent.disk_num_bytes, limits));
    TRY(sector_aligned_check("offset", extent.offset, limits));
    TRY(sector_aligned_check("num_bytes", extent.num_bytes, limits));
    if (extent.num_bytes == 0 || item->key.offset + extent.num_bytes < item->key.offset)
        return fail(-EUCLEAN, "%llu bytes are impossible", LLU(extent.num_bytes));
    return window_check(&extent);
}

int file_extent_check(const struct item *item, const struct item_context *context)
{
    const disk_file_extent *extent = (const void *)item->data;

    TRY(same_inode_check(item, context));
    TRY(sector_aligned_check("position", item->key.offset, context->limits));
    TRY(item_size_min_check(item, FILE_EXTENT_INLINE_HEADER));
    if (extent->compression >= COMPRESSIONS)
        return fail(-EUCLEAN, "compression %u is unknown", extent->compression);
    if (extent->encryption != 0)
        return fail(-EUCLEAN, "encryption %u is unknown", extent->encryption);
    switch (extent->type) {
    case FILE_EXTENT_INLINE:
        return inline_check(item);
    case FILE_EXTENT_REG:
    case FILE_EXTENT_PREALLOC:
        return regular_check(item, context->limits);
    default:
        return fail(-EUCLEAN, "type %u is unknown", extent->type);
    }
}

int csum_item_check(const struct item *item, const struct item_context *context)
{
    const struct format_limits *limits = context->limits;

    if (item->key.objectid != OBJ_EXTENT_CSUM)
        return fail(-EUCLEAN, "is no key of a checksum");
    TRY(sector_aligned_check("logical address", item->key.offset, limits));
    if (item->size == 0 || item->size % limits->csum_size != 0)
        return fail(-EUCLEAN, "size %u is no multiple of %u", item->size, limits->csum_size);
    if (item->key.offset + (uint64_t)(item->size / limits->csum_size) * limits->sectorsize <
        item->key.offset)
        return fail(-EUCLEAN, "reaches beyond the largest address");
    return 0;
}

int verity_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    return item->key.offset == 0 ? item_size_min_check(item, sizeof(disk_verity_descriptor)) : 0;
}
