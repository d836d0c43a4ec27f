// SPDX-License-Identifier: GPL-2.0-or-later
/* The content of files: what the checksums call right, from whatever copy that is. */
#include <stdlib.h>

#include "disk/compress/compress.h"
#include "ops/rescue/internal.h"

#define PIECE_BYTES (1 * MIB)
#define EXTENT_BYTES_MAX (1 * MIB) /* of a compressed one; Linux makes 128 KiB */

struct reading {
    struct rescue *r;
    int (*fn)(void *arg, const struct copse_rescue_piece *piece);
    void *arg;
    uint64_t size; /* of the file */
    bool verify;
    uint64_t generation; /* of the extent at hand */
    uint64_t at;         /* everything before was told */
    uint64_t counted;    /* bytes, as an inode counts them */
};

/* ---- checksums ---------------------------------------------------------------------------------
 */

struct csum_load {
    struct rescue *r;
    uint64_t start, end;
    uint64_t generation; /* of the extent */
    uint8_t *sums;
    bool *have;
};

static int load_csum(void *arg, const struct ritem *item)
{
    struct csum_load *load = arg;
    uint32_t sector = load->r->sectorsize, each = load->r->limits->csum_size;
    uint64_t at = item->key.offset;

    /* Checksums come with the extent: what is older may be of what was there before. */
    if (item->guessed && item->generation < load->generation)
        return 0;
    for (uint32_t i = 0; i < item->size / each; i++, at += sector) {
        if (at < load->start || at >= load->end)
            continue;
        uint64_t n = (at - load->start) / sector;

        memcpy(load->sums + n * each, item->data + (size_t)i * each, each);
        load->have[n] = true;
    }
    return 0;
}

static int load_csums(const struct reading *reading, uint64_t start, uint64_t len, uint8_t *sums,
                      bool *have)
{
    struct rescue *r = reading->r;
    uint64_t reach = (uint64_t)r->nodesize / r->limits->csum_size * r->sectorsize;
    struct csum_load load = {r, start, start + len, reading->generation, sums, have};
    const struct key lo =
        key_make(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, start > reach ? start - reach : 0);
    const struct key hi = key_make(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, start + len - 1);

    memset(have, 0, len / r->sectorsize * sizeof(*have));
    return rtree_each(r, &r->csum_tree, &lo, &hi, load_csum, &load);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

struct sectors {
    uint8_t sums[PIECE_BYTES / SECTOR_SIZE_MIN * CSUM_MAX];
    bool have[PIECE_BYTES / SECTOR_SIZE_MIN];
    bool good[PIECE_BYTES / SECTOR_SIZE_MIN];
};

static bool sector_is_good(const struct reading *reading, const struct sectors *s, size_t i,
                           const uint8_t *data)
{
    const struct rescue *r = reading->r;
    uint8_t sum[CSUM_MAX];

    if (!reading->verify || !s->have[i])
        return true;
    csum_compute((enum csum_type)r->limits->csum_type, data, r->sectorsize, sum);
    return memcmp(sum, s->sums + i * r->limits->csum_size, r->limits->csum_size) == 0;
}

/* Sector by sector from any mirror, where the first one as a whole is not good. */
static void read_sectors(const struct reading *reading, struct sectors *s, uint64_t addr,
                         uint64_t len, uint8_t *buf)
{
    struct rescue *r = reading->r;
    unsigned mirrors = vol_mirrors(r->vol, laddr_of(addr));
    bool whole = mirrors > 0 && vol_read(r->vol, laddr_of(addr), buf, len, 0) == 0;

    for (size_t i = 0; i < len / r->sectorsize; i++) {
        uint8_t *at = buf + i * r->sectorsize;
        laddr from = laddr_of(addr + i * r->sectorsize);

        s->good[i] = whole && sector_is_good(reading, s, i, at);
        for (unsigned mirror = whole ? 1 : 0; mirror < mirrors && !s->good[i]; mirror++)
            s->good[i] = vol_read(r->vol, from, at, r->sectorsize, mirror) == 0 &&
                         sector_is_good(reading, s, i, at);
    }
}

static int need_buffers(struct rescue *r)
{
    if (!r->buffer)
        r->buffer = malloc(PIECE_BYTES + sizeof(struct sectors));
    if (!r->unpacked)
        r->unpacked = malloc(EXTENT_BYTES_MAX);
    return r->buffer && r->unpacked ? 0 : fail(-ENOMEM, "out of memory");
}

static struct sectors *sectors_of(struct rescue *r)
{
    return (struct sectors *)(void *)(r->buffer + PIECE_BYTES);
}

/* Reads at most PIECE_BYTES, both aligned to sectors. */
static int read_run(const struct reading *reading, uint64_t addr, uint64_t len)
{
    struct rescue *r = reading->r;
    struct sectors *s = sectors_of(r);

    if (reading->verify)
        TRY(load_csums(reading, addr, len, s->sums, s->have));
    read_sectors(reading, s, addr, len, r->buffer);
    return 0;
}

/* ---- telling -----------------------------------------------------------------------------------
 */

/* Never beyond the end of the file, and never what was told before. */
static int tell(struct reading *reading, struct copse_rescue_piece piece)
{
    uint64_t end = MIN(piece.offset + piece.len, reading->size), skip = 0;

    if (piece.offset < reading->at)
        skip = reading->at - piece.offset;
    if (piece.offset + skip >= end)
        return 0;
    piece.offset += skip;
    piece.len = end - piece.offset;
    if (piece.data)
        piece.data = (const uint8_t *)piece.data + skip;
    if (piece.address)
        piece.address += skip;
    reading->at = end;
    return reading->fn(reading->arg, &piece);
}

static int tell_lost(struct reading *reading, uint64_t offset, uint64_t len, const char *why)
{
    const struct copse_rescue_piece piece = {.offset = offset, .len = len, .why = why};

    return tell(reading, piece);
}

/* ---- kinds of extents --------------------------------------------------------------------------
 */

static int tell_run(struct reading *reading, uint64_t offset, uint64_t addr, uint64_t len)
{
    struct rescue *r = reading->r;
    const struct sectors *s = sectors_of(r);
    size_t count = len / r->sectorsize;

    for (size_t i = 0; i < count;) {
        size_t from = i;

        while (i < count && s->good[i] == s->good[from])
            i++;
        uint64_t begin = from * r->sectorsize, bytes = (i - from) * r->sectorsize;
        const struct copse_rescue_piece piece = {.offset = offset + begin,
                                                 .len = bytes,
                                                 .data = r->buffer + begin,
                                                 .address = addr + begin};
        int ret = s->good[from] ? tell(reading, piece)
                                : tell_lost(reading, offset + begin, bytes, "no good copy of it");

        if (ret != 0)
            return ret;
    }
    return 0;
}

static int tell_plain(struct reading *reading, uint64_t offset, const struct file_extent *extent)
{
    struct chunk_map chunk;

    if (vol_find_chunk(reading->r->vol, extent->disk_bytenr, &chunk) < 0 ||
        extent->offset > chunk.length || extent->num_bytes > chunk.length ||
        extent->disk_bytenr + extent->offset + extent->num_bytes > chunk.logical + chunk.length)
        return tell_lost(reading, offset, extent->num_bytes, "it lies in no chunk");
    for (uint64_t done = 0; done < extent->num_bytes; done += PIECE_BYTES) {
        uint64_t addr = extent->disk_bytenr + extent->offset + done;
        uint64_t len = MIN(PIECE_BYTES, extent->num_bytes - done);
        int ret;

        if (offset + done >= reading->size)
            return 0;
        TRY(read_run(reading, addr, len));
        ret = tell_run(reading, offset + done, addr, len);
        if (ret != 0)
            return ret;
    }
    return 0;
}

static int unpack(struct reading *reading, const struct file_extent *extent, const void *packed,
                  size_t len, size_t *got)
{
    struct rescue *r = reading->r;

    if (extent->ram_bytes > EXTENT_BYTES_MAX || !compress_type_known(extent->compression))
        return fail(-EUCLEAN, "an impossible extent");
    TRY(decompress_extent((enum compress_type)extent->compression, r->sectorsize, packed, len,
                          r->unpacked, (size_t)extent->ram_bytes, got));
    memset(r->unpacked + *got, 0, (size_t)extent->ram_bytes - *got);
    return 0;
}

static int tell_packed(struct reading *reading, uint64_t offset, const struct file_extent *extent)
{
    struct rescue *r = reading->r;
    const struct sectors *s = sectors_of(r);
    const char *why = NULL;
    size_t got;

    if (extent->disk_num_bytes > PIECE_BYTES || extent->ram_bytes > EXTENT_BYTES_MAX ||
        extent->offset > extent->ram_bytes ||
        extent->num_bytes > extent->ram_bytes - extent->offset)
        return tell_lost(reading, offset, extent->num_bytes, "an impossible extent");
    TRY(read_run(reading, extent->disk_bytenr, extent->disk_num_bytes));
    for (size_t i = 0; i < extent->disk_num_bytes / r->sectorsize; i++)
        if (!s->good[i])
            why = "no good copy of the compressed extent";
    if (!why && unpack(reading, extent, r->buffer, (size_t)extent->disk_num_bytes, &got) < 0)
        why = "the compressed extent is damaged";
    if (why)
        return tell_lost(reading, offset, extent->num_bytes, why);
    const struct copse_rescue_piece piece = {
        .offset = offset, .len = extent->num_bytes, .data = r->unpacked + extent->offset};
    return tell(reading, piece);
}

static int tell_inline(struct reading *reading, uint64_t offset, const struct file_extent *extent,
                       const struct ritem *item)
{
    const uint8_t *data = item->data + FILE_EXTENT_INLINE_HEADER;
    size_t len = item->size - FILE_EXTENT_INLINE_HEADER;
    struct copse_rescue_piece piece = {.offset = offset, .len = len, .data = data};

    reading->counted += extent->ram_bytes;
    if (extent->compression != COMPRESS_NONE) {
        if (unpack(reading, extent, data, len, &len) < 0)
            return tell_lost(reading, offset, extent->ram_bytes,
                             "the compressed extent is damaged");
        piece.data = reading->r->unpacked;
        piece.len = extent->ram_bytes;
    }
    return tell(reading, piece);
}

/* ---- extents of the past -----------------------------------------------------------------------
 */

struct still_there {
    uint64_t generation, len;
    bool found;
};

static int see_extent(void *arg, const struct ritem *item)
{
    struct still_there *there = arg;
    struct extent_item extent;

    if (item->size < sizeof(disk_extent_item))
        return 0;
    extent_item_decode(&extent, item->data);
    there->found |= item->key.offset == there->len && extent.generation == there->generation &&
                    (extent.flags & EXTENT_FLAG_DATA);
    return 0;
}

/* An item out of an older state may lead to where other files lie by now. */
static bool is_still_there(struct rescue *r, const struct file_extent *extent)
{
    const struct key lo = key_make(extent->disk_bytenr, KEY_EXTENT_ITEM, 0),
                     hi = key_make(extent->disk_bytenr, KEY_EXTENT_ITEM, UINT64_MAX);
    struct still_there there = {extent->generation, extent->disk_num_bytes, false};

    if (!r->extent_tree.rooted || r->extent_tree.damaged)
        return true;
    if (rtree_each(r, &r->extent_tree, &lo, &hi, see_extent, &there) < 0)
        return true;
    return there.found || r->extent_tree.damaged;
}

static int read_extent(void *arg, const struct ritem *item)
{
    struct reading *reading = arg;
    uint8_t padded[sizeof(disk_file_extent)] = {0};
    struct file_extent extent;

    if (item->size < FILE_EXTENT_INLINE_HEADER)
        return 0;
    memcpy(padded, item->data, MIN(item->size, (uint32_t)sizeof(padded)));
    file_extent_decode(&extent, padded);
    if (extent.type == FILE_EXTENT_INLINE)
        return tell_inline(reading, item->key.offset, &extent, item);
    if (extent.disk_bytenr == 0)
        return 0;
    reading->counted += extent.num_bytes;
    reading->generation = extent.generation;
    if (extent.type == FILE_EXTENT_PREALLOC)
        return 0;
    if (extent.num_bytes > UINT64_MAX - item->key.offset)
        return 0;
    if (item->guessed && reading->r->options.older && !is_still_there(reading->r, &extent))
        return tell_lost(reading, item->key.offset, extent.num_bytes, "its space has been reused");
    return extent.compression == COMPRESS_NONE ? tell_plain(reading, item->key.offset, &extent)
                                               : tell_packed(reading, item->key.offset, &extent);
}

static int take_inode(void *arg, const struct ritem *item)
{
    inode_item_decode(arg, item->data);
    return 1;
}

int rescue_read(struct rescue *r, uint64_t subvol, uint64_t ino,
                int (*fn)(void *arg, const struct copse_rescue_piece *piece), void *arg,
                uint64_t *lost)
{
    const struct key inode = key_make(ino, KEY_INODE_ITEM, 0);
    const struct key lo = key_make(ino, KEY_EXTENT_DATA, 0);
    const struct key hi = key_make(ino, KEY_EXTENT_DATA, UINT64_MAX);
    struct reading reading = {.r = r, .fn = fn, .arg = arg, .size = UINT64_MAX};
    struct inode_item item;
    struct rsubvol *in;
    int has_item, ret;

    TRY(need_buffers(r));
    TRY(rescue_subvol(r, subvol, &in));
    has_item = rtree_each(r, &in->tree, &inode, &inode, take_inode, &item);
    TRY(has_item);
    reading.verify = !r->options.ignore_checksums;
    if (has_item) {
        reading.size = item.size;
        reading.verify &= !(item.flags & INODE_NODATASUM);
    }
    ret = rtree_each(r, &in->tree, &lo, &hi, read_extent, &reading);
    if (ret < 0)
        return ret;
    *lost = ret == 0 && has_item && in->tree.damaged && item.nbytes > reading.counted
                ? item.nbytes - reading.counted
                : 0;
    return 0;
}
