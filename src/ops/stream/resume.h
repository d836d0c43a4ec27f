/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside receiving: checkpoints, and going on from them. */
#ifndef COPSE_OPS_STREAM_RESUME_H
#define COPSE_OPS_STREAM_RESUME_H

#include "ops/stream/receive.h"

/* Like making the subvolume, from its last checkpoint or a first one. */
int resume_begin(struct receiver *r, const struct command *command) MUST_USE;
/* A command that was carried out before the checkpoint. */
int resume_skip(struct receiver *r, const struct command *command) MUST_USE;
/* A command was carried out. */
int resume_step(struct receiver *r, const struct command *command) MUST_USE;
/* The subvolume is complete: before that is durable. */
int resume_finish(struct receiver *r) MUST_USE;

#endif
