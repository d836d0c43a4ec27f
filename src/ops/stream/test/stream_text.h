// SPDX-License-Identifier: GPL-2.0-or-later
/* Streams in memory, for tests: made with the encoder, read back as a source. */
#ifndef COPSE_OPS_STREAM_TEST_STREAM_TEXT_H
#define COPSE_OPS_STREAM_TEST_STREAM_TEXT_H

#include <stdlib.h>
#include <string.h>

#include "ops/stream/encode.h"

struct bytes {
    uint8_t *at;
    size_t len;
    size_t read;  /* as a source: how far */
    size_t chunk; /* as a source: what one read gives at most, 0: all */
};

static inline int bytes_write(void *arg, const void *buf, size_t len)
{
    struct bytes *bytes = arg;

    bytes->at = realloc(bytes->at, bytes->len + len);
    memcpy(bytes->at + bytes->len, buf, len);
    bytes->len += len;
    return 0;
}

static inline int bytes_read(void *arg, void *buf, size_t cap, size_t *got)
{
    struct bytes *bytes = arg;
    size_t n = bytes->len - bytes->read;

    if (n > cap)
        n = cap;
    if (bytes->chunk && n > bytes->chunk)
        n = bytes->chunk;
    if (n > 0)
        memcpy(buf, bytes->at + bytes->read, n);
    bytes->read += n;
    *got = n;
    return 0;
}

static inline struct copse_stream_source bytes_source(struct bytes *bytes)
{
    bytes->read = 0;
    return (struct copse_stream_source){bytes_read, bytes};
}

static inline struct copse_stream_sink bytes_sink(struct bytes *bytes)
{
    return (struct copse_stream_sink){bytes_write, bytes};
}

#endif
