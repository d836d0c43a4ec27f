// SPDX-License-Identifier: GPL-2.0-or-later
/* What a compression has to offer, and what each thread keeps for it. Only for this module. */
#ifndef COPSE_DISK_COMPRESS_CODEC_H
#define COPSE_DISK_COMPRESS_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ZLIB_LEVEL_MAX 9

/* Made on first use by each thread, each part when it is first needed. */
struct workspace {
    struct libdeflate_compressor *deflate[ZLIB_LEVEL_MAX + 1];
    struct libdeflate_decompressor *inflate;
    struct ZSTD_CCtx_s *zstd_compress;
    struct ZSTD_DCtx_s *zstd_decompress;
    void *lzo_memory; /* the compressor's hash table */
    void *lzo_segment;
    size_t lzo_segment_size;
};

/* This thread's; NULL when out of memory. */
struct workspace *workspace_get(void);

struct codec {
    const char *name;
    int level_min, level_max, level_default;
    /* The contracts of compress_extent() and decompress_extent(); the level is a real one. */
    int (*compress)(struct workspace *ws, int level, uint32_t sectorsize, const void *src,
                    size_t len, void *dst, size_t dst_cap, size_t *out_len);
    int (*decompress)(struct workspace *ws, uint32_t sectorsize, const void *src, size_t len,
                      void *dst, size_t dst_len, size_t *out_len);
    void (*workspace_free)(struct workspace *ws);
};

extern const struct codec codec_zlib;
extern const struct codec codec_lzo;
extern const struct codec codec_zstd;

/* NULL for none and for unknown types. */
const struct codec *codec_of(uint8_t type);

#endif
