// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The promise: a stream that is whole is read as it was written, in any portions; one that is not,
 * or that lies anywhere, is refused with a message, and nothing outside of it is read.
 */
#include "base/test/unit.h"

#include <string.h>

#include "base/env.h"
#include "disk/csum/csum.h"
#include "ops/stream/decode.h"
#include "ops/stream/test/stream_text.h"

static const struct uuid some_uuid = {{1, 2, 3}};
static const struct timestamp some_time = {.sec = 12345, .nsec = 678};

/* Every attribute of every command of that protocol. */
static void put_everything(struct encoder *out)
{
    assert_int_equal(encode_header(out), 0);
    for (unsigned type = 1; type <= CMD_LAST; type++) {
        if (command_kinds[type].version > out->version)
            continue;
        encode_begin(out, type);
        for (unsigned attr = 1; attr <= ATTR_LAST; attr++) {
            if (!(command_kinds[type].required >> attr & 1) || attr == ATTR_DATA)
                continue;
            switch (attribute_infos[attr].kind) {
            case KIND_UUID:
                encode_bytes(out, attr, some_uuid.b, sizeof(some_uuid.b));
                break;
            case KIND_TIME:
                encode_time(out, attr, &some_time);
                break;
            case KIND_TEXT:
                encode_text(out, attr, attribute_infos[attr].name);
                break;
            case KIND_BYTES:
                encode_bytes(out, attr, "\0\1\2", 3);
                break;
            default:
                encode_number(out, attr, 0x0102030405060700ULL + attr);
            }
        }
        if (command_kinds[type].required & HAS(DATA))
            encode_bytes(out, ATTR_DATA, "data", 4);
        assert_int_equal(encode_end(out), 0);
    }
    assert_int_equal(encoder_flush(out), 0);
}

static struct bytes everything(unsigned version)
{
    struct bytes bytes = {0};
    const struct copse_stream_sink sink = bytes_sink(&bytes);
    struct encoder out;

    assert_int_equal(encoder_init(&out, version, &sink), 0);
    put_everything(&out);
    encoder_release(&out);
    return bytes;
}

/* Reads all of it; how many commands there were, or the error. */
static int read_all(struct bytes *bytes)
{
    const struct copse_stream_source source = bytes_source(bytes);
    struct command command;
    struct decoder *decoder;
    int count = 0;

    fail_clear();
    assert_int_equal(decoder_new(&source, &decoder), 0);
    int ret = decode_header(decoder);
    while (ret == 0 && (ret = decode_command(decoder, &command)) == 0)
        count++;
    decoder_free(decoder);
    assert_true(ret == 1 || fail_message()[0] != '\0');
    return ret < 0 ? ret : count;
}

static void what_is_written_is_read(void **state)
{
    static const int counts[] = {0, 22, 25, 26};

    (void)state;
    for (unsigned version = 1; version <= STREAM_VERSION_MAX; version++) {
        struct bytes bytes = everything(version);

        assert_int_equal(read_all(&bytes), counts[version]);
        bytes.chunk = 3;
        assert_int_equal(read_all(&bytes), counts[version]);
        free(bytes.at);
    }
}

static void values_come_back(void **state)
{
    struct bytes bytes = everything(3);
    const struct copse_stream_source source = bytes_source(&bytes);
    struct command command;
    struct decoder *decoder;
    struct timestamp stamp;
    struct uuid uuid;

    (void)state;
    assert_int_equal(decoder_new(&source, &decoder), 0);
    assert_int_equal(decode_header(decoder), 0);
    assert_int_equal(decoder_version(decoder), 3);
    while (decode_command(decoder, &command) == 0) {
        assert_int_equal(command.has, command_kinds[command.type].required);
        if (command.type == CMD_SUBVOL) {
            command_uuid(&command, ATTR_UUID, &uuid);
            assert_memory_equal(&uuid, &some_uuid, sizeof(uuid));
            assert_int_equal(command_number(&command, ATTR_CTRANSID),
                             0x0102030405060700ULL + ATTR_CTRANSID);
        } else if (command.type == CMD_UTIMES) {
            command_time(&command, ATTR_MTIME, &stamp);
            assert_int_equal(stamp.sec, some_time.sec);
            assert_int_equal(stamp.nsec, some_time.nsec);
        } else if (command.type == CMD_ENCODED_WRITE) {
            assert_int_equal(command.attributes[ATTR_DATA].len, 4);
            assert_memory_equal(command.attributes[ATTR_DATA].data, "data", 4);
        } else if (command.type == CMD_FALLOCATE) {
            assert_int_equal(command_number(&command, ATTR_FALLOCATE_MODE),
                             (uint32_t)(0x05060700 + ATTR_FALLOCATE_MODE));
        }
    }
    decoder_free(decoder);
    free(bytes.at);
}

/* Cut anywhere it is either refused or ends between two commands. */
static void every_cut_is_noticed(void **state)
{
    (void)state;
    for (unsigned version = 1; version <= STREAM_VERSION_MAX; version++) {
        struct bytes bytes = everything(version);
        size_t whole = bytes.len;
        int last = 0;

        for (bytes.len = 0; bytes.len < whole; bytes.len++) {
            int got = read_all(&bytes);

            if (got >= 0) {
                assert_true(got >= last);
                last = got;
            } else {
                assert_int_equal(got, -EPIPE);
            }
        }
        free(bytes.at);
    }
}

/* One byte wrong anywhere: the magic, the version, or a checksum tells. */
static void every_flip_is_noticed(void **state)
{
    struct bytes bytes = everything(2);

    (void)state;
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.at[i] ^= 0x40;
        assert_true(read_all(&bytes) < 0);
        bytes.at[i] ^= 0x40;
    }
    free(bytes.at);
}

/* ---- lies behind right checksums ------------------------------------------------------------- */

static void seal(uint8_t *command, size_t whole)
{
    le32 len = le32_of((uint32_t)(whole - COMMAND_HEADER_SIZE)), sum = le32_of(0);

    memcpy(command, &len, sizeof(len));
    memcpy(command + 6, &sum, sizeof(sum));
    sum = le32_of(crc32c_raw(0, command, whole));
    memcpy(command + 6, &sum, sizeof(sum));
}

/* A stream of one command with these attribute bytes. */
static int try_command(unsigned version, uint16_t type, const void *payload, size_t len)
{
    struct bytes bytes = {0};
    const struct copse_stream_sink sink = bytes_sink(&bytes);
    uint8_t command[512] = {0};
    struct encoder out;
    le16 number = le16_of(type);

    assert_int_equal(encoder_init(&out, version, &sink), 0);
    assert_int_equal(encode_header(&out), 0);
    assert_int_equal(encoder_flush(&out), 0);
    encoder_release(&out);
    memcpy(command + 4, &number, sizeof(number));
    memcpy(command + COMMAND_HEADER_SIZE, payload, len);
    seal(command, COMMAND_HEADER_SIZE + len);
    bytes_write(&bytes, command, COMMAND_HEADER_SIZE + len);
    int ret = read_all(&bytes);
    free(bytes.at);
    return ret;
}

#define TRY_COMMAND(version, type, payload) try_command(version, type, payload, sizeof(payload) - 1)

static void lies_are_refused(void **state)
{
    (void)state;
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, "\x0f\0\1\0a"), 1);
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, ""), -EINVAL);                       /* no path */
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, "\x0f\0\2\0a"), -EINVAL);            /* too long */
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, "\x0f\0\1\0a\x0f\0\1\0b"), -EINVAL); /* twice */
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, "\x0f\0\1\0\0"), -EINVAL);           /* NUL */
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, "\x0f\0\1\0a\x0f"), -EINVAL);        /* a rest */
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, "\x0f\0\1\0a\x63\0\0\0"), -EINVAL);  /* unknown */
    assert_int_equal(TRY_COMMAND(1, CMD_MKFILE, "\x0f\0\1\0a\0\0\0\0"), -EINVAL);    /* zero */
    assert_int_equal(TRY_COMMAND(1, CMD_TRUNCATE, "\x0f\0\1\0a\4\0\4\0abcd"), -EINVAL); /* size */
    assert_int_equal(TRY_COMMAND(1, 0, ""), -EINVAL);
    assert_int_equal(TRY_COMMAND(3, 27, ""), -EINVAL);
    assert_int_equal(TRY_COMMAND(1, 0xffff, ""), -EINVAL);
    /* A command that its protocol has not. */
    assert_int_equal(TRY_COMMAND(1, CMD_FILEATTR, "\x0f\0\1\0a\x1a\0\10\0abcdefgh"), -EINVAL);
    assert_int_equal(TRY_COMMAND(2, CMD_FILEATTR, "\x0f\0\1\0a\x1a\0\10\0abcdefgh"), 1);
    /* An attribute name longer than any. */
    char longest[4 + 1 + 4 + 256 + 4];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "\x0f\0\1\0a\x0d\0\0\1", 9);
    memcpy(longest + 9 + 256, "\x0e\0\0\0", 4);
    assert_int_equal(try_command(1, CMD_SET_XATTR, longest, sizeof(longest)), -ENAMETOOLONG);
}

static void headers_are_checked(void **state)
{
    struct bytes bytes = everything(1);

    (void)state;
    bytes.at[sizeof(STREAM_MAGIC)] = 4;
    assert_int_equal(read_all(&bytes), -EPROTONOSUPPORT);
    bytes.at[sizeof(STREAM_MAGIC)] = 0;
    assert_int_equal(read_all(&bytes), -EPROTONOSUPPORT);
    bytes.at[0] = 'B';
    assert_int_equal(read_all(&bytes), -EINVAL);
    bytes.len = 0;
    assert_int_equal(read_all(&bytes), 0);
    free(bytes.at);
}

/* A length of 4 GiB must not take 4 GiB, nor, in protocol 1, anything. */
static void long_lengths_take_no_memory(void **state)
{
    struct bytes bytes = everything(2);

    (void)state;
    memset(bytes.at + STREAM_HEADER_SIZE, 0xff, 4);
    assert_int_equal(read_all(&bytes), -EINVAL);
    memcpy(bytes.at + STREAM_HEADER_SIZE, "\0\0\x80\0", 4);
    assert_int_equal(read_all(&bytes), -EPIPE);
    free(bytes.at);
}

/* Anything behind right checksums: an answer, and nothing read that is not there (sanitizers). */
static void anything_is_survived(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(7));
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t payload[120];
        size_t len = rng_below(&rng, sizeof(payload));

        for (size_t at = 0; at < len; at++)
            payload[at] = (uint8_t)(rng_below(&rng, 3) ? rng_below(&rng, 36) : rng_next(&rng));
        int ret = try_command(1 + (unsigned)rng_below(&rng, 3), (uint16_t)rng_below(&rng, 30),
                              payload, len);
        assert_true(ret <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(every_flip_is_noticed),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(long_lengths_take_no_memory),
        cmocka_unit_test(anything_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
