// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The compressions of file extents: zlib, lzo, zstd.
 *
 * Buffers are those of whole extents (128 KiB at most when Linux wrote them), so nothing streams.
 * Any thread may call; each keeps its own contexts, given back when it ends.
 */
#ifndef COPSE_DISK_COMPRESS_H
#define COPSE_DISK_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The numbers stand in the compression field of file extent items. */
enum compress_type {
    COMPRESS_NONE = 0,
    COMPRESS_ZLIB = 1,
    COMPRESS_LZO = 2,
    COMPRESS_ZSTD = 3,
};

/* Most bytes of a file that one compressed extent stands for; Linux refuses to read more. */
#define COMPRESS_EXTENT_MAX (128u * 1024)

/* Stands for the default level of the type, which is also what lzo (without levels) takes. */
#define COMPRESS_LEVEL_DEFAULT 0

/* Whether a compression byte read from a device is one of the four above (none is). */
bool compress_type_known(uint8_t type);

/* "none", "zlib", "lzo", "zstd". The type must be known. */
const char *compress_name(enum compress_type type);

/*
 * Reads "zstd", "zstd:15", "lzo", "none", "no", ... as the mount option and the property have it.
 * Levels: zlib 1 to 9, zstd -15 to 15; lzo takes none. *level is COMPRESS_LEVEL_DEFAULT where none
 * is given. -EINVAL for anything else.
 */
int compress_by_name(const char *spec, enum compress_type *type, int *level) MUST_USE;

/*
 * The same as Linux reads mount options: a level that is too high or too low is the highest or
 * lowest there is, and lzo's counts for nothing.
 */
int compress_by_option(const char *spec, enum compress_type *type, int *level) MUST_USE;

/*
 * The same as Linux reads the stored property, len bytes: what begins with a name is taken for it.
 * False: it names none that compresses.
 */
bool compress_by_property(const char *value, size_t len, enum compress_type *type, int *level);

/*
 * Compresses src into at most dst_cap bytes at dst. -E2BIG, without a message, when the result
 * does not fit: the caller then stores the data plain. lzo comes in the framing of the format, so
 * *out_len is what an inline extent stores, and what rounded up to sectors is disk_num_bytes.
 */
int compress_extent(enum compress_type type, int level, uint32_t sectorsize, const void *src,
                    size_t len, void *dst, size_t dst_cap, size_t *out_len) MUST_USE;

/*
 * Decompresses into at most dst_len bytes; *out_len is how many there were (the caller zeroes the
 * rest). src may be longer than the data, as extents are padded to sectors. -EIO for input that
 * is damaged or holds more than dst_len bytes; dst is then undefined but never over-run.
 */
int decompress_extent(enum compress_type type, uint32_t sectorsize, const void *src, size_t len,
                      void *dst, size_t dst_len, size_t *out_len) MUST_USE;

/* A guess from a few samples: false when the data looks like noise (already compressed, ...). */
bool compress_worth_trying(const void *data, size_t len);

#endif
