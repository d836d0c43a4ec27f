// SPDX-License-Identifier: GPL-2.0-or-later
#include "ops/stream/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/csum/csum.h"
#include "ops/stream/token.h"

/* What is gathered before the sink gets it, beside the longest command. */
#define GATHER_BYTES (256 * KIB)
/* Longest command that is made: the largest compressed extent and its attributes. */
#define MADE_MAX (256 * KIB)

int encoder_init(struct encoder *encoder, unsigned version, const struct copse_stream_sink *sink)
{
    *encoder = (struct encoder){
        .sink = *sink,
        .version = version,
        .cap = GATHER_BYTES + MADE_MAX,
        .buf = malloc(GATHER_BYTES + MADE_MAX),
    };
    return encoder->buf ? 0 : fail(-ENOMEM, "no memory to make a stream");
}

void encoder_release(struct encoder *encoder)
{
    free(encoder->buf);
}

int encoder_flush(struct encoder *encoder)
{
    if (encoder->error < 0)
        return encoder->error;
    if (encoder->used > 0)
        encoder->error = encoder->sink.write(encoder->sink.arg, encoder->buf, encoder->used);
    encoder->used = 0;
    return encoder->error;
}

static void add(struct encoder *encoder, const void *data, size_t len)
{
    if (encoder->error < 0)
        return;
    INVARIANT(len <= encoder->cap - encoder->used, "a command is longer than any that is made");
    if (len > 0)
        memcpy(encoder->buf + encoder->used, data, len);
    encoder->used += len;
}

int encode_header(struct encoder *encoder)
{
    le32 version = le32_of(encoder->version);

    add(encoder, STREAM_MAGIC, sizeof(STREAM_MAGIC));
    add(encoder, &version, sizeof(version));
    encoder->bytes += STREAM_HEADER_SIZE;
    return encoder->error;
}

void encode_begin(struct encoder *encoder, enum stream_command_type type)
{
    uint8_t header[COMMAND_HEADER_SIZE] = {0};
    le16 number = le16_of((uint16_t)type);

    encoder->begin = encoder->used;
    memcpy(header + 4, &number, sizeof(number));
    add(encoder, header, sizeof(header));
}

static void add_header(struct encoder *encoder, enum stream_attribute attr, size_t len)
{
    le16 type = le16_of((uint16_t)attr), size = le16_of((uint16_t)len);

    add(encoder, &type, sizeof(type));
    if (attr == ATTR_DATA && encoder->version >= 2)
        return;
    INVARIANT(len <= UINT16_MAX, "an attribute is longer than its length can say");
    add(encoder, &size, sizeof(size));
}

void encode_bytes(struct encoder *encoder, enum stream_attribute attr, const void *data, size_t len)
{
    add_header(encoder, attr, len);
    add(encoder, data, len);
}

void encode_text(struct encoder *encoder, enum stream_attribute attr, const char *text)
{
    encode_bytes(encoder, attr, text, strlen(text));
}

void encode_number(struct encoder *encoder, enum stream_attribute attr, uint64_t value)
{
    enum attribute_kind kind = attribute_infos[attr].kind;
    le64 wide = le64_of(value);

    encode_bytes(encoder, attr, wide.b, kind == KIND_U8 ? 1 : kind == KIND_U32 ? 4 : 8);
}

void encode_time(struct encoder *encoder, enum stream_attribute attr, const struct timestamp *time)
{
    uint8_t bytes[sizeof(disk_timestamp)];
    le64 sec = le64_of(time->sec);
    le32 nsec = le32_of(time->nsec);

    memcpy(bytes, &sec, sizeof(sec));
    memcpy(bytes + sizeof(sec), &nsec, sizeof(nsec));
    encode_bytes(encoder, attr, bytes, sizeof(bytes));
}

uint8_t *encode_data(struct encoder *encoder, size_t len)
{
    add_header(encoder, ATTR_DATA, len);
    if (encoder->error < 0)
        return NULL;
    INVARIANT(len <= encoder->cap - encoder->used, "a command is longer than any that is made");
    uint8_t *data = encoder->buf + encoder->used;
    encoder->used += len;
    return data;
}

/* The receiver has carried it out. */
static int drop_command(struct encoder *encoder, uint32_t crc)
{
    encoder->sum = position_sum(encoder->sum, crc);
    encoder->used = encoder->begin;
    if (--encoder->skip == 0 && encoder->sum != encoder->skipped_sum)
        encoder->error = fail(-EINVAL, "this is not the stream that was received in part: other "
                                       "options, another parent, or another version made it");
    return encoder->error;
}

int encode_end(struct encoder *encoder)
{
    if (encoder->error < 0)
        return encoder->error;
    uint8_t *command = encoder->buf + encoder->begin;
    size_t whole = encoder->used - encoder->begin;
    le32 len = le32_of((uint32_t)(whole - COMMAND_HEADER_SIZE));

    memcpy(command, &len, sizeof(len));
    le32 sum = le32_of(crc32c_raw(0, command, whole));
    memcpy(command + 6, &sum, sizeof(sum));
    encoder->commands++;
    if (encoder->skip > 0)
        return drop_command(encoder, le32_get(sum));
    encoder->bytes += whole;
    return encoder->used >= GATHER_BYTES ? encoder_flush(encoder) : 0;
}
