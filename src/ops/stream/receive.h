// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inside receiving. Paths of a stream are walked name by name from the root of the subvolume that
 * is being received; a symlink, "..", or the way into another subvolume ends the walk.
 */
#ifndef COPSE_OPS_STREAM_RECEIVE_H
#define COPSE_OPS_STREAM_RECEIVE_H

#include "fs/mount/mount.h"
#include "ops/stream/decode.h"
#include "ops/stream/text.h"
#include "ops/stream/token.h"

/* resume.c: how far a subvolume came, with the option to go on from there. */
struct resume {
    bool active;          /* checkpoints are made */
    bool complete;        /* it was here already: its commands are passed over */
    struct checkpoint at; /* what was carried out */
    uint64_t skip;        /* commands of the stream that were carried out before */
    uint64_t sum;         /* over the commands until now */
    uint64_t mark;        /* byte of the input at the last checkpoint */
};

struct receiver {
    struct mount *mount;
    struct inode *dir; /* where subvolumes are made */
    const struct copse_receive_options *options;
    struct decoder *decoder;

    struct inode *subvol; /* the root of the one that is being received; NULL: none */
    struct uuid uuid;     /* of what was sent */
    uint64_t ctransid;
    char name[NAME_MAX_BYTES + 1];
    bool broken;     /* a command of it failed */
    uint64_t errors; /* of all */
    struct resume resume;

    /* The last path that was walked, and the last directory. */
    struct text path, dir_path;
    struct inode *at, *dir_at;
    uint64_t reported;  /* bytes at the last call of progress */
    uint64_t unwritten; /* bytes of data since the last writeback */
};

/* receive_path.c; what *out gives is to be put. */
int receive_find(struct receiver *r, const struct attribute *path, struct inode **out) MUST_USE;
struct last_name {
    const char *at;
    size_t len;
};
int receive_parent(struct receiver *r, const struct attribute *path, struct inode **dir,
                   struct last_name *name) MUST_USE;
/* A path in any subvolume, not remembered. */
int receive_find_in(struct receiver *r, struct inode *root, const struct attribute *path,
                    struct inode **out) MUST_USE;
/* Names changed: what was remembered may be wrong. */
void receive_forget(struct receiver *r);

/* receive_subvol.c */
int receive_begin(struct receiver *r, const struct command *command) MUST_USE;
/* Everything of it was carried out: makes it durable, read-only, and known by its uuid. */
int receive_finish(struct receiver *r) MUST_USE;
/* The root of the subvolume that was received from, or is, the one with that uuid. -ENOENT. */
int receive_by_uuid(struct receiver *r, const struct uuid *uuid, uint64_t ctransid,
                    struct inode **out) MUST_USE;

/* receive_commands.c: carries one out, other than those that frame a subvolume. */
int receive_command(struct receiver *r, const struct command *command) MUST_USE;

/* receive_verity.c: seals the file. */
int receive_verity(struct receiver *r, const struct command *command, struct inode *inode) MUST_USE;

#endif
