// SPDX-License-Identifier: GPL-2.0-or-later
#include "ops/stream/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "disk/csum/csum.h"

#define LLU(v) ((unsigned long long)(v))

struct decoder {
    struct copse_stream_source source;
    uint32_t version; /* 0: no header was read yet */
    uint64_t position, commands;
    uint8_t *buf;
    size_t cap;
};

int decoder_new(const struct copse_stream_source *source, struct decoder **out)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));

    if (!decoder)
        return fail(-ENOMEM, "no memory to read a stream");
    decoder->source = *source;
    *out = decoder;
    return 0;
}

void decoder_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    free(decoder->buf);
    free(decoder);
}

uint32_t decoder_version(const struct decoder *decoder)
{
    return decoder->version;
}

uint64_t decoder_position(const struct decoder *decoder)
{
    return decoder->position;
}

/* Reads exactly len bytes. 1: the input ended before the first of them. */
static int read_exactly(struct decoder *decoder, void *buf, size_t len, const char *what)
{
    size_t done = 0;

    while (done < len) {
        size_t got = 0;

        TRY(decoder->source.read(decoder->source.arg, (uint8_t *)buf + done, len - done, &got));
        if (got == 0 && done == 0)
            return 1;
        if (got == 0)
            return fail(-EPIPE, "byte %llu: the stream ends in the middle of %s",
                        LLU(decoder->position + done), what);
        done += got;
    }
    decoder->position += len;
    return 0;
}

int decode_header(struct decoder *decoder)
{
    uint8_t header[STREAM_HEADER_SIZE];
    le32 version;

    int ret = read_exactly(decoder, header, sizeof(header), "a stream header");
    if (ret != 0)
        return ret;
    if (memcmp(header, STREAM_MAGIC, sizeof(STREAM_MAGIC)) != 0)
        return fail(-EINVAL, "byte %llu: no send stream", LLU(decoder->position - sizeof(header)));
    memcpy(&version, header + sizeof(STREAM_MAGIC), sizeof(version));
    if (le32_get(version) == 0 || le32_get(version) > STREAM_VERSION_MAX)
        return fail(-EPROTONOSUPPORT, "the stream has protocol %u; up to %u is known",
                    le32_get(version), STREAM_VERSION_MAX);
    decoder->version = le32_get(version);
    return 0;
}

/* ---- one command ----------------------------------------------------------------------------- */

static const char *command_name(uint16_t type)
{
    return type <= CMD_LAST && command_kinds[type].name ? command_kinds[type].name : NULL;
}

#define wrong(err, command, fmt, ...)                                                              \
    fail(err, "command %llu (%s) at byte %llu: " fmt, LLU((command)->number),                      \
         command_name((command)->type) ?: "unknown", LLU((command)->at), ##__VA_ARGS__)

static uint32_t fixed_size(enum attribute_kind kind)
{
    switch (kind) {
    case KIND_U8:
        return 1;
    case KIND_U32:
        return 4;
    case KIND_U64:
        return 8;
    case KIND_UUID:
        return sizeof(struct uuid);
    case KIND_TIME:
        return sizeof(disk_timestamp);
    case KIND_TEXT:
    case KIND_BYTES:
        break;
    }
    return 0;
}

static uint32_t longest(uint16_t type)
{
    switch (type) {
    case ATTR_XATTR_NAME:
        return NAME_MAX_BYTES;
    case ATTR_XATTR_DATA:
        return STREAM_XATTR_MAX;
    case ATTR_DATA:
        return COMMAND_MAX;
    case ATTR_VERITY_SALT_DATA:
    case ATTR_VERITY_SIG_DATA:
        return STREAM_XATTR_MAX;
    default:
        return STREAM_PATH_MAX;
    }
}

static int check_attribute(const struct command *command, uint16_t type,
                           const struct attribute *attr)
{
    const struct attribute_info *info = &attribute_infos[type];
    uint32_t fixed = fixed_size(info->kind);

    if (fixed > 0 && attr->len != fixed)
        return wrong(-EINVAL, command, "%s has %u bytes, not %u", info->name, attr->len, fixed);
    if (fixed > 0)
        return 0;
    if (attr->len > longest(type))
        return wrong(-ENAMETOOLONG, command, "%s has %u bytes, more than %u", info->name, attr->len,
                     longest(type));
    if (info->kind == KIND_TEXT && attr->len > 0 && memchr(attr->data, '\0', attr->len))
        return wrong(-EINVAL, command, "%s has a NUL in it", info->name);
    return 0;
}

/* The attribute at *pos of the payload. */
static int take_attribute(const struct decoder *decoder, struct command *command, uint32_t len,
                          uint32_t *pos)
{
    const uint8_t *at = decoder->buf + COMMAND_HEADER_SIZE + *pos;
    uint32_t left = len - *pos, header = ATTRIBUTE_HEADER_SIZE;
    le16 raw_type, raw_len;

    if (left < sizeof(raw_type))
        return wrong(-EINVAL, command, "%u bytes behind the last attribute", left);
    memcpy(&raw_type, at, sizeof(raw_type));
    uint16_t type = le16_get(raw_type);
    if (type == 0 || type > ATTR_LAST || !attribute_infos[type].name)
        return wrong(-EINVAL, command, "unknown attribute %u", type);
    struct attribute attr;
    if (type == ATTR_DATA && decoder->version >= 2) {
        header = sizeof(raw_type);
        attr.len = left - header;
    } else {
        if (left < header)
            return wrong(-EINVAL, command, "%s is cut off", attribute_infos[type].name);
        memcpy(&raw_len, at + sizeof(raw_type), sizeof(raw_len));
        attr.len = le16_get(raw_len);
    }
    if (attr.len > left - header)
        return wrong(-EINVAL, command, "%s claims %u bytes, %u are left",
                     attribute_infos[type].name, attr.len, left - header);
    attr.data = at + header;
    if (command_has(command, type))
        return wrong(-EINVAL, command, "%s comes twice", attribute_infos[type].name);
    TRY(check_attribute(command, type, &attr));
    command->attributes[type] = attr;
    command->has |= 1ULL << type;
    *pos += header + attr.len;
    return 0;
}

static int check_complete(const struct decoder *decoder, const struct command *command)
{
    const struct command_kind *kind = &command_kinds[command->type];
    uint64_t missing = kind->required & ~command->has;

    if (kind->version > decoder->version)
        return wrong(-EINVAL, command, "needs protocol %u, the stream has %u", kind->version,
                     decoder->version);
    if (missing == 0)
        return 0;
    return wrong(-EINVAL, command, "%s is missing", attribute_infos[__builtin_ctzll(missing)].name);
}

static int check_sum(struct decoder *decoder, struct command *command, uint32_t len)
{
    le32 stored, zero = le32_of(0);

    memcpy(&stored, decoder->buf + 6, sizeof(stored));
    memcpy(decoder->buf + 6, &zero, sizeof(zero));
    uint32_t sum = crc32c_raw(0, decoder->buf, COMMAND_HEADER_SIZE + len);
    if (sum != le32_get(stored))
        return wrong(-EILSEQ, command, "checksum %08x, computed %08x", le32_get(stored), sum);
    command->sum = sum;
    return 0;
}

static int make_room(struct decoder *decoder, size_t len)
{
    if (len <= decoder->cap)
        return 0;
    uint8_t *buf = realloc(decoder->buf, len);
    if (!buf)
        return fail(-ENOMEM, "no memory for a command of %zu bytes", len);
    decoder->buf = buf;
    decoder->cap = len;
    return 0;
}

/* A lying length must not take memory before so many bytes have come. */
static int read_payload(struct decoder *decoder, uint32_t len)
{
    uint32_t done = 0;

    while (done < len) {
        uint32_t n = MIN(len - done, COMMAND_MAX_V1);

        TRY(make_room(decoder, COMMAND_HEADER_SIZE + done + n));
        int ret = read_exactly(decoder, decoder->buf + COMMAND_HEADER_SIZE + done, n, "a command");
        if (ret < 0)
            return ret;
        if (ret > 0)
            return fail(-EPIPE, "byte %llu: the stream ends in the middle of a command",
                        LLU(decoder->position));
        done += n;
    }
    return 0;
}

int decode_command(struct decoder *decoder, struct command *out)
{
    struct command command = {.at = decoder->position};
    uint32_t limit = decoder->version >= 2 ? COMMAND_MAX : COMMAND_MAX_V1, pos = 0;
    le32 raw_len;
    le16 raw_type;

    TRY(make_room(decoder, COMMAND_MAX_V1 + COMMAND_HEADER_SIZE));
    int ret = read_exactly(decoder, decoder->buf, COMMAND_HEADER_SIZE, "a command");
    if (ret != 0)
        return ret;
    memcpy(&raw_len, decoder->buf, sizeof(raw_len));
    memcpy(&raw_type, decoder->buf + 4, sizeof(raw_type));
    uint32_t len = le32_get(raw_len);
    command.type = le16_get(raw_type);
    command.number = ++decoder->commands;
    if (len > limit)
        return wrong(-EINVAL, &command, "claims %u bytes, more than %u", len, limit);
    TRY(read_payload(decoder, len));
    TRY(check_sum(decoder, &command, len));
    if (!command_name(command.type))
        return wrong(-EINVAL, &command, "unknown command %u", command.type);
    while (pos < len)
        TRY(take_attribute(decoder, &command, len, &pos));
    TRY(check_complete(decoder, &command));
    *out = command;
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

uint64_t command_number(const struct command *command, enum stream_attribute attr)
{
    const struct attribute *a = &command->attributes[attr];
    le64 wide = le64_of(0);

    if (a->len <= sizeof(wide))
        memcpy(wide.b, a->data ?: wide.b, a->len);
    return le64_get(wide);
}

void command_uuid(const struct command *command, enum stream_attribute attr, struct uuid *out)
{
    memcpy(out->b, command->attributes[attr].data, sizeof(out->b));
}

void command_time(const struct command *command, enum stream_attribute attr, struct timestamp *out)
{
    le64 sec;
    le32 nsec;

    memcpy(&sec, command->attributes[attr].data, sizeof(sec));
    memcpy(&nsec, command->attributes[attr].data + sizeof(sec), sizeof(nsec));
    *out = (struct timestamp){.sec = le64_get(sec), .nsec = le32_get(nsec)};
}
