// SPDX-License-Identifier: GPL-2.0-or-later
/* io: the commands of xfs_io on one open file, with its output. */
#ifndef COPSE_CLI_IO_H
#define COPSE_CLI_IO_H

#include <time.h>

#include "session.h"

struct io {
    struct cli *cli;
    const char *path; /* as the user wrote it */
    struct tree *tree;
    struct file file;
    bool readonly, direct, append;
};

struct io_command {
    const char *name, *other_name;
    int (*run)(struct io *io, int argc, char **argv);
    int min, max; /* words behind the name; max -1: any number */
    bool writes;
};

/* io_data.c */
int io_pwrite(struct io *io, int argc, char **argv);
int io_pread(struct io *io, int argc, char **argv);
/* io_space.c */
int io_falloc(struct io *io, int argc, char **argv);
int io_fpunch(struct io *io, int argc, char **argv);
int io_fzero(struct io *io, int argc, char **argv);
int io_fcollapse(struct io *io, int argc, char **argv);
int io_finsert(struct io *io, int argc, char **argv);
int io_truncate(struct io *io, int argc, char **argv);
int io_reflink(struct io *io, int argc, char **argv);
int io_dedupe(struct io *io, int argc, char **argv);
int io_copy_range(struct io *io, int argc, char **argv);
/* io_show.c */
int io_fiemap(struct io *io, int argc, char **argv);
int io_seek(struct io *io, int argc, char **argv);
int io_stat(struct io *io, int argc, char **argv);

/* What they share: all complain. */
int io_offset(struct io *io, const char *command, const char *text, uint64_t *out);
int io_length(struct io *io, const char *command, const char *text, uint64_t *out);
/* A failed call of the library. */
int io_failed(struct io *io, const char *command, int err);
/* Ranges that were to be the same are not. */
int io_differs(struct io *io, const char *command);
/* The next option of a command of io; -1 at the end, '?' after complaining. */
int io_option(struct io *io, int argc, char **argv, const char *shorts, bool *started);
/* Words left over must number min to max. */
int io_count(struct io *io, int argc, char **argv, int min, int max);
/* "wrote 4096/4096 bytes at offset 0" and the line with the rate. */
void io_report(const char *verb, const struct timespec *start, uint64_t offset, uint64_t asked,
               uint64_t done, uint64_t operations);
/* The other file of a command. */
int io_open_source(struct io *io, const char *command, const char *arg, struct file *out);

#endif
