// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zlib extents: libdeflate for speed, zlib itself for what libdeflate will not decode.
 */
#include <libdeflate.h>
#include <limits.h>
#include <zlib.h>

#include "disk/compress/codec.h"

/* The two bytes in front of the deflate data: method and window, then flags. */
#define ZLIB_HEADER 2
#define ZLIB_METHOD_MASK 0x0f
#define ZLIB_METHOD_DEFLATE 8
#define ZLIB_FLAG_DICTIONARY 0x20

static int zlib_compress(struct workspace *ws, int level, uint32_t sectorsize, const void *src,
                         size_t len, void *dst, size_t dst_cap, size_t *out_len)
{
    (void)sectorsize;
    if (!ws->deflate[level])
        ws->deflate[level] = libdeflate_alloc_compressor(level);
    if (!ws->deflate[level])
        return fail(-ENOMEM, "out of memory for zlib");
    size_t used = libdeflate_zlib_compress(ws->deflate[level], src, len, dst, dst_cap);
    if (used == 0)
        return -E2BIG;
    *out_len = used;
    return 0;
}

/*
 * Linux does not look at the Adler checksum behind the data, so it reads streams that libdeflate
 * refuses; the extent's own checksum has vouched for the bytes where there is one. What is wrong
 * with the rest is also said here: libdeflate without the four bytes at the end may blame the
 * length.
 */
static int salvage(const uint8_t *src, size_t len, void *dst, size_t dst_len, size_t *out_len)
{
    z_stream stream = {0};

    if (len < ZLIB_HEADER || (src[0] & ZLIB_METHOD_MASK) != ZLIB_METHOD_DEFLATE ||
        (src[1] & ZLIB_FLAG_DICTIONARY))
        return fail(-EIO, "zlib data has no valid header");
    if (len > UINT_MAX || dst_len > UINT_MAX)
        return fail(-EIO, "zlib data of %zu bytes is too long", len);
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return fail(-ENOMEM, "out of memory for zlib");
    stream.next_in = (Bytef *)(uintptr_t)(src + ZLIB_HEADER);
    stream.avail_in = (uInt)(len - ZLIB_HEADER);
    stream.next_out = dst;
    stream.avail_out = (uInt)dst_len;
    int ret = inflate(&stream, Z_FINISH);
    size_t produced = stream.total_out;
    inflateEnd(&stream);
    if (ret == Z_STREAM_END) {
        *out_len = produced;
        return 0;
    }
    if (produced == dst_len && ret == Z_BUF_ERROR)
        return fail(-EIO, "zlib data holds more than the %zu bytes it should", dst_len);
    return fail(-EIO, "zlib data is damaged after %zu of %zu bytes", produced, dst_len);
}

static int zlib_decompress(struct workspace *ws, uint32_t sectorsize, const void *src, size_t len,
                           void *dst, size_t dst_len, size_t *out_len)
{
    size_t produced;

    (void)sectorsize;
    if (!ws->inflate)
        ws->inflate = libdeflate_alloc_decompressor();
    if (!ws->inflate)
        return fail(-ENOMEM, "out of memory for zlib");
    if (libdeflate_zlib_decompress(ws->inflate, src, len, dst, dst_len, &produced) !=
        LIBDEFLATE_SUCCESS)
        return salvage(src, len, dst, dst_len, out_len);
    *out_len = produced;
    return 0;
}

static void zlib_workspace_free(struct workspace *ws)
{
    for (int level = 0; level <= ZLIB_LEVEL_MAX; level++)
        if (ws->deflate[level])
            libdeflate_free_compressor(ws->deflate[level]);
    if (ws->inflate)
        libdeflate_free_decompressor(ws->inflate);
}

const struct codec codec_zlib = {
    .name = "zlib",
    .level_min = 1,
    .level_max = ZLIB_LEVEL_MAX,
    .level_default = 3,
    .compress = zlib_compress,
    .decompress = zlib_decompress,
    .workspace_free = zlib_workspace_free,
};
