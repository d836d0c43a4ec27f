// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading streams: one command after another, checked so that whoever carries them out finds
 * everything a command needs, in the right size. Nothing of a stream is trusted.
 */
#ifndef COPSE_OPS_STREAM_DECODE_H
#define COPSE_OPS_STREAM_DECODE_H

#include "base/err.h"
#include "base/le.h"
#include "disk/format/format.h"
#include "ops/stream/protocol.h"
#include "ops/stream/stream.h"

struct attribute {
    const uint8_t *data;
    uint32_t len;
};

/* A command; what it points at is good until the next one is read. */
struct command {
    uint16_t type;
    uint64_t has;    /* HAS() bits */
    uint64_t number; /* in the stream, from 1 */
    uint64_t at;     /* byte of the input where it begins */
    uint32_t sum;    /* its checksum */
    struct attribute attributes[ATTR_LAST + 1];
};

struct decoder;

int decoder_new(const struct copse_stream_source *source, struct decoder **out) MUST_USE;
void decoder_free(struct decoder *decoder);

/* The header of a stream. 1: the input ends here, without a message. */
int decode_header(struct decoder *decoder) MUST_USE;
/* The next command of the stream. 1: the input ends here, without a message. */
int decode_command(struct decoder *decoder, struct command *out) MUST_USE;
uint32_t decoder_version(const struct decoder *decoder);
/* Bytes read so far. */
uint64_t decoder_position(const struct decoder *decoder);

static inline bool command_has(const struct command *command, enum stream_attribute attr)
{
    return command->has >> attr & 1;
}
/* The number in an attribute that the command has; 0 where it has none. */
uint64_t command_number(const struct command *command, enum stream_attribute attr);
void command_uuid(const struct command *command, enum stream_attribute attr, struct uuid *out);
void command_time(const struct command *command, enum stream_attribute attr, struct timestamp *out);

#endif
