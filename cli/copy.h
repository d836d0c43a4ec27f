// SPDX-License-Identifier: GPL-2.0-or-later
/* copy: files and trees from anywhere to anywhere. */
#ifndef COPSE_CLI_COPY_H
#define COPSE_CLI_COPY_H

#include "above.h"
#include "owner.h"
#include "paths.h"
#include "progress.h"
#include "seen.h"
#include "session.h"

struct copy {
    struct cli *cli;
    bool archive;   /* -a */
    bool recursive; /* -r or -a */
    struct owner owner;
    struct seen seen; /* with -a: files with several names, and where the first copy went */
    struct progress progress;
    /* The directory copied to, so that it is not copied into itself. */
    struct tree *top_tree;
    uint64_t top_subvol, top_ino;
    /* What was copied under names of the command line: a second one of that name is a mistake. */
    struct made {
        struct made_name {
            char *name;
            const char *source;
        } * list;
        size_t count;
    } made;
    /* The file that the destination named by the user leads to as a symlink; NULL: it is none. */
    struct file *through;
    bool made_top; /* the directory that takes the contents of a nameless source is new */
    char *buffer;
    bool full; /* no space, or read-only: nothing more can be written */
    int result;
};

#define COPY_BUFFER (1U << 20)

/* Where a failure happened, so that the message names the right side. */
enum copy_side { SIDE_NONE, SIDE_SOURCE, SIDE_COPY };

/* Reports a failure on one side and goes on with the next file. */
void copy_failed(struct copy *copy, const char *shown, int err);

/* copy_data.c: the content of regular files. *side: who failed. */
int copy_content(struct copy *copy, struct file *src, struct file *dst, uint64_t size,
                 enum copy_side *side);
/* Standard input to its end. */
int copy_stream(struct copy *copy, struct file *dst, enum copy_side *side);

/* copy_attributes.c */
/* Before the content comes: what decides how it is stored. */
int copy_storage_attributes(struct copy *copy, struct file *src, struct file *dst);
/* Everything after it. made: dst is new, so that a mode is due even without -a. */
int copy_attributes(struct copy *copy, struct file *src, const struct copse_stat *st,
                    struct file *dst, bool made);

/*
 * Copies src as `name` into dir (NULL: dir itself is filled, src is a directory). src_shown and
 * dst_shown for messages.
 */
void copy_into(struct copy *copy, struct file *src, const char *src_shown, struct file *dir,
               const char *name, const char *dst_shown, const struct above *up);

/* Bytes that copying src would move. */
uint64_t copy_measure(struct copy *copy, struct file *src, const struct above *up);

#endif
