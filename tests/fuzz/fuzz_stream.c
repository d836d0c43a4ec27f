// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Send streams made of anything: decoded and printed. The checksums of commands are set right
 * first, because chance would never find them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/csum/csum.h"
#include "ops/stream/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

struct input {
    const uint8_t *at;
    size_t left;
};

static int read_input(void *arg, void *buf, size_t cap, size_t *got)
{
    struct input *input = arg;
    size_t n = MIN(cap, input->left);

    if (n > 0)
        memcpy(buf, input->at, n);
    input->at += n;
    input->left -= n;
    *got = n;
    return 0;
}

static void drop_text(void *arg, const char *text, size_t len)
{
    (void)arg;
    (void)text;
    (void)len;
}

/* Gives each command, as far as lengths are possible, its checksum. */
static void set_sums(uint8_t *stream, size_t len)
{
    size_t at = STREAM_HEADER_SIZE;

    while (at + COMMAND_HEADER_SIZE <= len) {
        le32 size, sum = le32_of(0);

        memcpy(&size, stream + at, sizeof(size));
        size_t whole = COMMAND_HEADER_SIZE + (size_t)le32_get(size);
        if (whole > len - at)
            return;
        memcpy(stream + at + 6, &sum, sizeof(sum));
        sum = le32_of(crc32c_raw(0, stream + at, whole));
        memcpy(stream + at + 6, &sum, sizeof(sum));
        at += whole;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    AUTO_FREE uint8_t *stream = malloc(STREAM_HEADER_SIZE + len);
    const struct copse_text_sink sink = {drop_text, NULL};
    le32 version;

    if (!stream || len < 1)
        return 0;
    memcpy(stream, STREAM_MAGIC, sizeof(STREAM_MAGIC));
    version = le32_of(1 + bytes[0] % STREAM_VERSION_MAX);
    memcpy(stream + sizeof(STREAM_MAGIC), &version, sizeof(version));
    memcpy(stream + STREAM_HEADER_SIZE, bytes + 1, len - 1);
    set_sums(stream, STREAM_HEADER_SIZE + len - 1);
    for (int json = 0; json < 2; json++) {
        struct input input = {stream, STREAM_HEADER_SIZE + len - 1};
        const struct copse_stream_source source = {read_input, &input};
        struct copse_stream_dump_options options = COPSE_STREAM_DUMP_OPTIONS_INIT;

        options.json = json;
        int ret = stream_dump(&source, &options, &sink);
        INVARIANT(ret <= 0, "an answer");
    }
    return 0;
}
