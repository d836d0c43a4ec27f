// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lzo extents, inline ones too: a u32 with the length of everything including itself, then one
 * segment for each sector of file data: a u32 with its compressed length, then that many bytes.
 * A segment's bytes may cross into the next sector of the extent, its u32 may not: where fewer
 * than four bytes are left in a sector they are zero and the u32 follows behind them.
 */
#include <lzo/lzo1x.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/le.h"
#include "disk/compress/codec.h"

#define WORD sizeof(le32)

static bool library_works;

static void library_init(void)
{
    library_works = lzo_init() == LZO_E_OK;
}

static int library_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, library_init);
    return library_works ? 0 : fail(-EIO, "the lzo library does not work on this machine");
}

/* What len bytes can become at worst, by the library's documentation. */
static size_t worst_case(size_t len)
{
    return len + len / 16 + 64 + 3;
}

/* Where the next segment's length can stand at or after position at. */
static size_t word_position(size_t at, uint32_t sectorsize)
{
    size_t left = (size_t)round_up_to(at, sectorsize) - at;

    return left < WORD ? at + left : at;
}

static void word_put(uint8_t *at, size_t value)
{
    le32 word = le32_of((uint32_t)value);

    memcpy(at, word.b, WORD);
}

static size_t word_get(const uint8_t *at)
{
    le32 word;

    memcpy(word.b, at, WORD);
    return le32_get(word);
}

static int workspace_prepare(struct workspace *ws, uint32_t sectorsize)
{
    size_t need = worst_case(sectorsize);

    TRY(library_ready());
    if (!ws->lzo_memory)
        ws->lzo_memory = malloc(LZO1X_1_MEM_COMPRESS);
    if (ws->lzo_segment_size < need) {
        void *grown = realloc(ws->lzo_segment, need);

        if (!grown)
            return fail(-ENOMEM, "out of memory for lzo");
        ws->lzo_segment = grown;
        ws->lzo_segment_size = need;
    }
    return ws->lzo_memory ? 0 : fail(-ENOMEM, "out of memory for lzo");
}

static int lzo_compress(struct workspace *ws, int level, uint32_t sectorsize, const void *src,
                        size_t len, void *dst, size_t dst_cap, size_t *out_len)
{
    const uint8_t *in = src;
    uint8_t *out = dst;
    size_t at = WORD;

    (void)level;
    INVARIANT(is_pow2(sectorsize), "sector sizes are powers of two");
    TRY(workspace_prepare(ws, sectorsize));
    for (size_t done = 0; done < len;) {
        size_t part = MIN(len - done, (size_t)sectorsize);
        lzo_uint segment = ws->lzo_segment_size;

        if (lzo1x_1_compress(in + done, part, ws->lzo_segment, &segment, ws->lzo_memory) !=
            LZO_E_OK)
            return fail(-EIO, "lzo failed to compress %zu bytes", part);
        size_t word = word_position(at, sectorsize);
        if (word + WORD + segment > dst_cap)
            return -E2BIG;
        memset(out + at, 0, word - at);
        word_put(out + word, segment);
        memcpy(out + word + WORD, ws->lzo_segment, segment);
        at = word + WORD + segment;
        done += part;
    }
    if (at > dst_cap)
        return -E2BIG;
    word_put(out, at);
    *out_len = at;
    return 0;
}

/* One segment at *at; moves *at behind it and adds to *filled. */
static int segment_decompress(uint32_t sectorsize, const uint8_t *in, size_t total, size_t *at,
                              uint8_t *dst, size_t dst_len, size_t *filled)
{
    size_t start = *at + WORD;

    if (total - *at < WORD)
        return fail(-EIO, "lzo data ends inside a segment header at %zu", *at);
    size_t segment = word_get(in + *at);
    if (segment > worst_case(sectorsize) || segment > total - start)
        return fail(-EIO, "lzo segment at %zu claims %zu bytes of the %zu left", *at, segment,
                    total - start);
    lzo_uint produced = MIN(dst_len - *filled, (size_t)sectorsize);
    int ret = lzo1x_decompress_safe(in + start, segment, dst + *filled, &produced, NULL);
    if (ret == LZO_E_OUTPUT_OVERRUN)
        return fail(-EIO, "lzo segment at %zu holds more than it should", *at);
    if (ret != LZO_E_OK)
        return fail(-EIO, "lzo segment at %zu is damaged", *at);
    *at = start + segment;
    *filled += produced;
    return 0;
}

static int lzo_decompress(struct workspace *ws, uint32_t sectorsize, const void *src, size_t len,
                          void *dst, size_t dst_len, size_t *out_len)
{
    size_t at = WORD, filled = 0;

    (void)ws;
    INVARIANT(is_pow2(sectorsize), "sector sizes are powers of two");
    TRY(library_ready());
    if (len < WORD)
        return fail(-EIO, "lzo data of %zu bytes is too short", len);
    size_t total = word_get(src);
    if (total < WORD || total > len)
        return fail(-EIO, "lzo data claims %zu bytes of %zu", total, len);
    for (;;) {
        at = word_position(at, sectorsize);
        if (at >= total)
            break;
        TRY(segment_decompress(sectorsize, src, total, &at, dst, dst_len, &filled));
    }
    *out_len = filled;
    return 0;
}

static void lzo_workspace_free(struct workspace *ws)
{
    free(ws->lzo_memory);
    free(ws->lzo_segment);
}

const struct codec codec_lzo = {
    .name = "lzo",
    .level_min = 1,
    .level_max = 1,
    .level_default = 1,
    .compress = lzo_compress,
    .decompress = lzo_decompress,
    .workspace_free = lzo_workspace_free,
};
