// SPDX-License-Identifier: GPL-2.0-or-later
/* zstd extents: one frame, padded to sectors. */
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/le.h"
#include "disk/compress/codec.h"

/*
 * Linux gives its decoder room for this window and no more. Frames of others with larger ones are
 * read all the same: decoding a whole buffer needs no window.
 */
#define WRITE_WINDOW_LOG 17

static int context_prepare(struct workspace *ws, int level)
{
    if (!ws->zstd_compress)
        ws->zstd_compress = ZSTD_createCCtx();
    if (!ws->zstd_compress)
        return fail(-ENOMEM, "out of memory for zstd");
    /* A session that ran out of room is still open, and would refuse new parameters. */
    size_t ret = ZSTD_CCtx_reset(ws->zstd_compress, ZSTD_reset_session_only);
    if (!ZSTD_isError(ret))
        ret = ZSTD_CCtx_setParameter(ws->zstd_compress, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(ret))
        ret = ZSTD_CCtx_setParameter(ws->zstd_compress, ZSTD_c_windowLog, WRITE_WINDOW_LOG);
    if (ZSTD_isError(ret))
        return fail(-EIO, "zstd level %d: %s", level, ZSTD_getErrorName(ret));
    return 0;
}

static int zstd_compress(struct workspace *ws, int level, uint32_t sectorsize, const void *src,
                         size_t len, void *dst, size_t dst_cap, size_t *out_len)
{
    (void)sectorsize;
    TRY(context_prepare(ws, level));
    size_t used = ZSTD_compress2(ws->zstd_compress, dst, dst_cap, src, len);
    if (!ZSTD_isError(used)) {
        *out_len = used;
        return 0;
    }
    switch (ZSTD_getErrorCode(used)) {
    case ZSTD_error_dstSize_tooSmall:
        return -E2BIG;
    case ZSTD_error_memory_allocation:
        return fail(-ENOMEM, "out of memory for zstd");
    default:
        return fail(-EIO, "zstd failed to compress: %s", ZSTD_getErrorName(used));
    }
}

static int zstd_decompress(struct workspace *ws, uint32_t sectorsize, const void *src, size_t len,
                           void *dst, size_t dst_len, size_t *out_len)
{
    le32 magic;

    (void)sectorsize;
    if (!ws->zstd_decompress)
        ws->zstd_decompress = ZSTD_createDCtx();
    if (!ws->zstd_decompress)
        return fail(-ENOMEM, "out of memory for zstd");
    /* The library may also know formats older than any btrfs: nothing of ours. */
    if (len < sizeof(magic))
        return fail(-EIO, "zstd data of %zu bytes is too short", len);
    memcpy(magic.b, src, sizeof(magic));
    if (le32_get(magic) != ZSTD_MAGICNUMBER)
        return fail(-EIO, "zstd data does not begin with its magic number");
    /* The padding behind the frame would count as a damaged second one. */
    size_t frame = ZSTD_findFrameCompressedSize(src, len);
    if (ZSTD_isError(frame))
        return fail(-EIO, "zstd data is damaged: %s", ZSTD_getErrorName(frame));
    size_t produced = ZSTD_decompressDCtx(ws->zstd_decompress, dst, dst_len, src, frame);
    if (!ZSTD_isError(produced)) {
        *out_len = produced;
        return 0;
    }
    if (ZSTD_getErrorCode(produced) == ZSTD_error_dstSize_tooSmall)
        return fail(-EIO, "zstd data holds more than the %zu bytes it should", dst_len);
    return fail(-EIO, "zstd data is damaged: %s", ZSTD_getErrorName(produced));
}

static void zstd_workspace_free(struct workspace *ws)
{
    ZSTD_freeCCtx(ws->zstd_compress);
    ZSTD_freeDCtx(ws->zstd_decompress);
}

const struct codec codec_zstd = {
    .name = "zstd",
    .level_min = -15,
    .level_max = 15,
    .level_default = ZSTD_CLEVEL_DEFAULT,
    .compress = zstd_compress,
    .decompress = zstd_decompress,
    .workspace_free = zstd_workspace_free,
};
