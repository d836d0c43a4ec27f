// SPDX-License-Identifier: GPL-2.0-or-later
/* Where send streams come from and go to: files of the host, standard input and output. */
#ifndef COPSE_CLI_STREAM_IO_H
#define COPSE_CLI_STREAM_IO_H

#include "cli.h"

struct stream_file {
    int fd;
    const char *name; /* for messages */
    bool old;         /* output: what the file held is still there */
};

/* name NULL: standard input. Complains. */
int stream_open_input(struct cli *cli, const char *name, struct stream_file *out);
/* name NULL: standard output, which must not be a terminal. Complains. */
int stream_open_output(struct cli *cli, const char *name, struct stream_file *out);
/*
 * Empties the output, when the file systems of the command are open: it may be one of them, which
 * is refused. Does nothing the second time.
 */
int stream_begin_output(struct cli *cli, struct stream_file *file);
/* Complains when what was written did not arrive. */
int stream_close(struct cli *cli, struct stream_file *file);

struct copse_stream_source stream_source(struct stream_file *file);
struct copse_stream_sink stream_sink(struct stream_file *file);

#endif
