// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writing streams. Commands are gathered in a buffer of fixed size; after an error of the sink
 * nothing more is written and every function says so.
 */
#ifndef COPSE_OPS_STREAM_ENCODE_H
#define COPSE_OPS_STREAM_ENCODE_H

#include "base/err.h"
#include "disk/format/format.h"
#include "ops/stream/protocol.h"
#include "ops/stream/stream.h"

struct encoder {
    struct copse_stream_sink sink;
    unsigned version;
    uint8_t *buf;
    size_t cap, used;  /* finished commands and the one that is being made */
    size_t begin;      /* of the command that is being made */
    uint64_t commands; /* finished */
    uint64_t bytes;    /* handed to the sink and still in the buffer */
    int error;
    uint64_t skip;             /* commands that are made, summed up, and dropped */
    uint64_t sum, skipped_sum; /* over them; and what it shall be */
};

int encoder_init(struct encoder *encoder, unsigned version,
                 const struct copse_stream_sink *sink) MUST_USE;
void encoder_release(struct encoder *encoder);

int encode_header(struct encoder *encoder) MUST_USE;

/* One command: begin, its attributes (DATA last), end. Only end fails. */
void encode_begin(struct encoder *encoder, enum stream_command_type type);
void encode_number(struct encoder *encoder, enum stream_attribute attr, uint64_t value);
void encode_bytes(struct encoder *encoder, enum stream_attribute attr, const void *data,
                  size_t len);
void encode_text(struct encoder *encoder, enum stream_attribute attr, const char *text);
void encode_time(struct encoder *encoder, enum stream_attribute attr, const struct timestamp *time);
/* Room for len bytes of DATA, to be filled in before the next call; NULL after an error. */
uint8_t *encode_data(struct encoder *encoder, size_t len);
int encode_end(struct encoder *encoder) MUST_USE;

/* Hands everything finished to the sink. */
int encoder_flush(struct encoder *encoder) MUST_USE;

#endif
