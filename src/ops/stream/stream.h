// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stream: sending subvolumes as streams and receiving streams into subvolumes, as Linux and its
 * tools understand them (protocols 1, 2 and 3). include/copse/copse.h documents each function,
 * src/api checks arguments and calls these.
 */
#ifndef COPSE_OPS_STREAM_STREAM_H
#define COPSE_OPS_STREAM_STREAM_H

#include "base/err.h"
#include "copse/copse.h"

struct mount;
struct inode;

int stream_dump(const struct copse_stream_source *source,
                const struct copse_stream_dump_options *options,
                const struct copse_text_sink *sink) MUST_USE;

int stream_receive(struct mount *mount, struct inode *dir, const struct copse_stream_source *source,
                   const struct copse_receive_options *options) MUST_USE;

/* The tokens by which interrupted streams into dir can be gone on with. */
int stream_tokens(struct mount *mount, struct inode *dir, int (*fn)(void *arg, const char *token),
                  void *arg) MUST_USE;

int stream_send(struct mount *mount, struct inode *subvol, const struct copse_send_options *options,
                const struct copse_stream_sink *sink) MUST_USE;

#endif
