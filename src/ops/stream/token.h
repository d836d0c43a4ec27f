/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a subvolume has been received: in the name of a checkpoint, which a crash keeps or loses
 * as a whole, and in the token by which the sender goes on from there.
 */
#ifndef COPSE_OPS_STREAM_TOKEN_H
#define COPSE_OPS_STREAM_TOKEN_H

#include "base/err.h"
#include "disk/format/format.h"
#include "ops/stream/stream.h"

struct stream_position {
    struct uuid uuid; /* of what is sent */
    uint64_t ctransid;
    uint64_t commands; /* that were carried out, behind the one that begins the subvolume */
    uint64_t sum;      /* over them */
};

static inline uint64_t position_sum(uint64_t sum, uint32_t crc)
{
    return ((sum << 5 | sum >> 59) ^ crc) * 0x9e3779b97f4a7c15ULL;
}

struct stream_token {
    struct stream_position at;
    struct uuid checkpoint; /* a read-only subvolume that holds what was received */
};

void token_text(const struct stream_token *token, char out[COPSE_TOKEN_SIZE]);
/* -EINVAL */
int token_parse(const char *text, struct stream_token *out) MUST_USE;

/* A checkpoint: where it is, and of what the subvolume is an increment (zero: of nothing). */
#define CHECKPOINT_PREFIX ".copse-resume."
#define CHECKPOINT_NAME_LEN (sizeof(CHECKPOINT_PREFIX) - 1 + 2 * 56)
struct checkpoint {
    struct stream_position at;
    struct uuid parent;
};
void checkpoint_name(const struct checkpoint *checkpoint, char out[CHECKPOINT_NAME_LEN + 1]);
bool checkpoint_parse(const char *name, size_t len, struct checkpoint *out);

#endif
