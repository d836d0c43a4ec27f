// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stream as text, one command a line as `btrfs receive --dump` prints it, or as JSON.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "ops/stream/decode.h"

#define LLU(v) ((unsigned long long)(v))

struct dump {
    FILE *out; /* the line that is being made */
    const struct copse_text_sink *sink;
    struct attribute subvol; /* its path; owned */
    bool in_subvol;
    uint64_t lines;
};

/* ---- pieces ---------------------------------------------------------------------------------- */

/* As the shell would need it; returns how many characters that took. */
static int put_escaped(FILE *out, const struct attribute *text)
{
    static const char plain[] = "\a\b\033\f\n\r\t\v \\", letters[] = "abefnrtv \\";
    int width = 0;

    for (uint32_t i = 0; i < text->len; i++) {
        unsigned char c = text->data[i];
        const char *special = c ? strchr(plain, c) : NULL;

        if (special)
            width += fprintf(out, "\\%c", letters[special - plain]);
        else if (c < 0x20 || c >= 0x7f)
            width += fprintf(out, "\\%03o", c);
        else
            width += fputc(c, out) != EOF;
    }
    return width;
}

static void put_raw(FILE *out, const struct attribute *text)
{
    fwrite(text->data, 1, text->len, out);
}

/* Up to the first NUL, as btrfs prints values. */
static void put_value(FILE *out, const struct attribute *value)
{
    fwrite(value->data, 1, strnlen((const char *)value->data, value->len), out);
}

static int put_path(struct dump *dump, const struct attribute *path)
{
    int width = fprintf(dump->out, "./");

    if (!dump->in_subvol)
        return width + put_escaped(dump->out, path);
    width += put_escaped(dump->out, &dump->subvol);
    width += fprintf(dump->out, "/");
    return width + put_escaped(dump->out, path);
}

static void put_uuid(FILE *out, const struct command *command, enum stream_attribute attr)
{
    struct uuid uuid;

    command_uuid(command, attr, &uuid);
    for (unsigned i = 0; i < sizeof(uuid.b); i++)
        fprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid.b[i]);
}

static void put_time(FILE *out, const char *name, const struct command *command,
                     enum stream_attribute attr)
{
    struct timestamp stamp;
    char text[64];
    struct tm tm;

    command_time(command, attr, &stamp);
    time_t sec = (time_t)(int64_t)stamp.sec;
    if (localtime_r(&sec, &tm) && strftime(text, sizeof(text), "%FT%T%z", &tm) > 0)
        fprintf(out, "%s=%s", name, text);
    else
        fprintf(out, "%s=%lld", name, (long long)stamp.sec);
}

/* ---- a line of text -------------------------------------------------------------------------- */

#define N(attr) LLU(command_number(command, ATTR_##attr))

static void put_attributes(struct dump *dump, const struct command *command)
{
    const struct attribute *a = command->attributes;
    FILE *out = dump->out;

    switch (command->type) {
    case CMD_SUBVOL:
    case CMD_SNAPSHOT:
        fprintf(out, "uuid=");
        put_uuid(out, command, ATTR_UUID);
        fprintf(out, " transid=%llu", N(CTRANSID));
        if (command->type == CMD_SUBVOL)
            return;
        fprintf(out, " parent_uuid=");
        put_uuid(out, command, ATTR_CLONE_UUID);
        fprintf(out, " parent_transid=%llu", N(CLONE_CTRANSID));
        return;
    case CMD_MKNOD:
        fprintf(out, "mode=%llo dev=0x%llx", N(MODE), N(RDEV));
        return;
    case CMD_SYMLINK:
    case CMD_LINK:
        fprintf(out, "dest=");
        put_escaped(out, &a[ATTR_PATH_LINK]);
        return;
    case CMD_RENAME:
        fprintf(out, "dest=");
        put_path(dump, &a[ATTR_PATH_TO]);
        return;
    case CMD_SET_XATTR:
        fprintf(out, "name=");
        put_raw(out, &a[ATTR_XATTR_NAME]);
        fprintf(out, " data=");
        put_value(out, &a[ATTR_XATTR_DATA]);
        fprintf(out, " len=%u", a[ATTR_XATTR_DATA].len);
        return;
    case CMD_REMOVE_XATTR:
        fprintf(out, "name=");
        put_raw(out, &a[ATTR_XATTR_NAME]);
        return;
    case CMD_WRITE:
        fprintf(out, "offset=%llu len=%u", N(FILE_OFFSET), a[ATTR_DATA].len);
        return;
    case CMD_CLONE:
        fprintf(out, "offset=%llu len=%llu from=./", N(FILE_OFFSET), N(CLONE_LEN));
        if (dump->in_subvol) {
            put_raw(out, &dump->subvol);
            fputc('/', out);
        }
        put_raw(out, &a[ATTR_CLONE_PATH]);
        fprintf(out, " clone_offset=%llu", N(CLONE_OFFSET));
        return;
    case CMD_TRUNCATE:
        fprintf(out, "size=%llu", N(SIZE));
        return;
    case CMD_CHMOD:
        fprintf(out, "mode=%llo", N(MODE));
        return;
    case CMD_CHOWN:
        fprintf(out, "gid=%llu uid=%llu", N(GID), N(UID));
        return;
    case CMD_UTIMES:
        put_time(out, "atime", command, ATTR_ATIME);
        put_time(out, " mtime", command, ATTR_MTIME);
        put_time(out, " ctime", command, ATTR_CTIME);
        return;
    case CMD_UPDATE_EXTENT:
        fprintf(out, "offset=%llu len=%llu", N(FILE_OFFSET), N(SIZE));
        return;
    case CMD_FALLOCATE:
        fprintf(out, "mode=%llu offset=%llu len=%llu", N(FALLOCATE_MODE), N(FILE_OFFSET), N(SIZE));
        return;
    case CMD_FILEATTR:
        fprintf(out, "fileattr=0x%llx", N(FILEATTR));
        return;
    case CMD_ENCODED_WRITE:
        fprintf(out,
                "offset=%llu len=%u, unencoded_file_len=%llu, unencoded_len=%llu, "
                "unencoded_offset=%llu, compression=%llu, encryption=%llu",
                N(FILE_OFFSET), a[ATTR_DATA].len, N(UNENCODED_FILE_LEN), N(UNENCODED_LEN),
                N(UNENCODED_OFFSET), N(COMPRESSION), N(ENCRYPTION));
        return;
    case CMD_ENABLE_VERITY:
        fprintf(out, "algorithm=%llu block_size=%llu salt_len=%u sig_len=%u", N(VERITY_ALGORITHM),
                N(VERITY_BLOCK_SIZE), a[ATTR_VERITY_SALT_DATA].len, a[ATTR_VERITY_SIG_DATA].len);
        return;
    default:
        return;
    }
}

static bool says_more_than_path(uint16_t type)
{
    return type != CMD_MKFILE && type != CMD_MKDIR && type != CMD_MKFIFO && type != CMD_MKSOCK &&
           type != CMD_UNLINK && type != CMD_RMDIR;
}

static void put_line(struct dump *dump, const struct command *command)
{
    fprintf(dump->out, "%-16s", command_kinds[command->type].name);
    int width = put_path(dump, &command->attributes[ATTR_PATH]);
    if (says_more_than_path(command->type)) {
        do
            fputc(' ', dump->out);
        while (++width < 32);
        put_attributes(dump, command);
    }
    fputc('\n', dump->out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at the beginning of text; 0: it is none. */
static unsigned utf8_length(const uint8_t *text, uint32_t len)
{
    unsigned n = text[0] < 0x80   ? 1
                 : text[0] < 0xc2 ? 0
                 : text[0] < 0xe0 ? 2
                 : text[0] < 0xf0 ? 3
                 : text[0] < 0xf5 ? 4
                                  : 0;

    for (unsigned i = 1; i < n; i++)
        if (i >= len || (text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] >= 0xa0) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] >= 0x90))
        return 0;
    return n;
}

/* Bytes that are no UTF-8 become the characters of the same numbers. */
static void put_json_text(FILE *out, const struct attribute *text)
{
    fputc('"', out);
    for (uint32_t i = 0; i < text->len;) {
        uint8_t c = text->data[i];
        unsigned n = utf8_length(text->data + i, text->len - i);

        if (n == 0 || c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else
            fwrite(text->data + i, 1, n, out);
        i += n ? n : 1;
    }
    fputc('"', out);
}

static void put_json_value(FILE *out, const struct command *command, unsigned attr)
{
    struct timestamp stamp;

    switch (attribute_infos[attr].kind) {
    case KIND_UUID:
        fputc('"', out);
        put_uuid(out, command, attr);
        fputc('"', out);
        return;
    case KIND_TIME:
        command_time(command, attr, &stamp);
        fprintf(out, "{\"sec\": %lld, \"nsec\": %u}", (long long)stamp.sec, stamp.nsec);
        return;
    case KIND_TEXT:
        put_json_text(out, &command->attributes[attr]);
        return;
    case KIND_BYTES:
        if (attr == ATTR_XATTR_DATA)
            put_json_text(out, &command->attributes[attr]);
        else
            fprintf(out, "{\"len\": %u}", command->attributes[attr].len);
        return;
    case KIND_U8:
    case KIND_U32:
    case KIND_U64:
        fprintf(out, "%llu", LLU(command_number(command, attr)));
        return;
    }
}

static void put_json(struct dump *dump, const struct command *command)
{
    FILE *out = dump->out;

    fprintf(out, "%s    {\"command\": \"%s\"", dump->lines ? ",\n" : "",
            command_kinds[command->type].name);
    for (unsigned attr = 1; attr <= ATTR_LAST; attr++) {
        if (!command_has(command, attr))
            continue;
        fprintf(out, ", \"");
        for (const char *c = attribute_infos[attr].name; *c; c++)
            fputc(tolower((unsigned char)*c), out);
        fprintf(out, "\": ");
        put_json_value(out, command, attr);
    }
    fputc('}', out);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int remember_subvol(struct dump *dump, const struct command *command)
{
    const struct attribute *path = &command->attributes[ATTR_PATH];
    uint8_t *copy = malloc(path->len + 1);

    if (!copy)
        return fail(-ENOMEM, "no memory for a path");
    memcpy(copy, path->data, path->len);
    free((void *)dump->subvol.data);
    dump->subvol = (struct attribute){copy, path->len};
    dump->in_subvol = true;
    return 0;
}

static int show_command(struct dump *dump, const struct command *command, bool json)
{
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    bool begins = command->type == CMD_SUBVOL || command->type == CMD_SNAPSHOT;

    dump->out = open_memstream(&text, &len);
    if (!dump->out)
        return fail(-ENOMEM, "no memory for a line");
    if (begins)
        dump->in_subvol = false;
    if (json)
        put_json(dump, command);
    else if (command->type != CMD_END)
        put_line(dump, command);
    bool failed = ferror(dump->out) != 0;
    failed |= fclose(dump->out) != 0;
    if (failed)
        return fail(-ENOMEM, "no memory for a line");
    dump->sink->put(dump->sink->arg, text, len);
    dump->lines++;
    return begins ? remember_subvol(dump, command) : 0;
}

static int dump_one_stream(struct decoder *decoder, struct dump *dump, bool json)
{
    struct command command;

    do {
        int ret = decode_command(decoder, &command);
        if (ret < 0)
            return ret;
        if (ret > 0)
            return fail(-EPIPE, "byte %llu: the stream ends without an end command",
                        LLU(decoder_position(decoder)));
        TRY(show_command(dump, &command, json));
    } while (command.type != CMD_END);
    return 0;
}

static int dump_streams(struct decoder *decoder, struct dump *dump,
                        const struct copse_stream_dump_options *options)
{
    int ret = decode_header(decoder);

    if (ret > 0)
        return fail(-ENODATA, "no send stream: the input is empty");
    while (ret == 0) {
        TRY(dump_one_stream(decoder, dump, options->json));
        if (options->honor_end)
            return 0;
        dump->in_subvol = false;
        ret = decode_header(decoder);
    }
    return ret < 0 ? ret : 0;
}

int stream_dump(const struct copse_stream_source *source,
                const struct copse_stream_dump_options *options, const struct copse_text_sink *sink)
{
    struct dump dump = {.sink = sink};
    struct decoder *decoder;

    TRY(decoder_new(source, &decoder));
    if (options->json)
        sink->put(sink->arg, "{\n  \"stream\": [\n", 16);
    int ret = dump_streams(decoder, &dump, options);
    if (options->json)
        sink->put(sink->arg, "\n  ]\n}\n", 7);
    free((void *)dump.subvol.data);
    decoder_free(decoder);
    return ret;
}
