// SPDX-License-Identifier: GPL-2.0-or-later
#include "ops/stream/token.h"

#include <string.h>

#include "base/le.h"
#include "disk/csum/csum.h"

#define POSITION_BYTES 40
#define BYTES (POSITION_BYTES + 16)
#define SUM_BYTES 4

_Static_assert(2 * (BYTES + SUM_BYTES) + 1 == COPSE_TOKEN_SIZE, "what the header says of it");

static void put_number(uint8_t *at, uint64_t value)
{
    le64 raw = le64_of(value);

    memcpy(at, &raw, sizeof(raw));
}

static uint64_t get_number(const uint8_t *at)
{
    le64 raw;

    memcpy(&raw, at, sizeof(raw));
    return le64_get(raw);
}

static void pack(const struct stream_position *at, const struct uuid *other, uint8_t bytes[BYTES])
{
    memcpy(bytes, at->uuid.b, 16);
    put_number(bytes + 16, at->ctransid);
    put_number(bytes + 24, at->commands);
    put_number(bytes + 32, at->sum);
    memcpy(bytes + POSITION_BYTES, other->b, 16);
}

static void unpack(const uint8_t bytes[BYTES], struct stream_position *at, struct uuid *other)
{
    memcpy(at->uuid.b, bytes, 16);
    at->ctransid = get_number(bytes + 16);
    at->commands = get_number(bytes + 24);
    at->sum = get_number(bytes + 32);
    memcpy(other->b, bytes + POSITION_BYTES, 16);
}

static const char digits[] = "0123456789abcdef";

static void to_hex(const uint8_t *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static bool from_hex(const char *text, size_t count, uint8_t *bytes)
{
    for (size_t i = 0; i < 2 * count; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

        if (!digit)
            return false;
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | (digit - digits));
    }
    return true;
}

void token_text(const struct stream_token *token, char out[COPSE_TOKEN_SIZE])
{
    uint8_t bytes[BYTES + SUM_BYTES];

    pack(&token->at, &token->checkpoint, bytes);
    le32 sum = le32_of(crc32c_raw(0, bytes, BYTES));
    memcpy(bytes + BYTES, &sum, SUM_BYTES);
    to_hex(bytes, sizeof(bytes), out);
}

int token_parse(const char *text, struct stream_token *out)
{
    uint8_t bytes[BYTES + SUM_BYTES] = {0};
    le32 sum;

    if (strlen(text) != COPSE_TOKEN_SIZE - 1 || !from_hex(text, sizeof(bytes), bytes))
        return fail(-EINVAL, "not a token of copse receive --resume");
    memcpy(&sum, bytes + BYTES, SUM_BYTES);
    if (le32_get(sum) != crc32c_raw(0, bytes, BYTES))
        return fail(-EINVAL, "not a token of copse receive --resume, or a digit of it is wrong");
    unpack(bytes, &out->at, &out->checkpoint);
    return 0;
}

void checkpoint_name(const struct checkpoint *checkpoint, char out[CHECKPOINT_NAME_LEN + 1])
{
    uint8_t bytes[BYTES];

    pack(&checkpoint->at, &checkpoint->parent, bytes);
    memcpy(out, CHECKPOINT_PREFIX, sizeof(CHECKPOINT_PREFIX) - 1);
    to_hex(bytes, BYTES, out + sizeof(CHECKPOINT_PREFIX) - 1);
}

bool checkpoint_parse(const char *name, size_t len, struct checkpoint *out)
{
    size_t prefix = sizeof(CHECKPOINT_PREFIX) - 1;
    uint8_t bytes[BYTES] = {0};

    if (len != CHECKPOINT_NAME_LEN || memcmp(name, CHECKPOINT_PREFIX, prefix) != 0 ||
        !from_hex(name + prefix, BYTES, bytes))
        return false;
    unpack(bytes, &out->at, &out->parent);
    return true;
}
