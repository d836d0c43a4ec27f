// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inside sending. A stream has two parts: first the names, then what the names stand for.
 *
 * names: every directory, file, link and rename that makes the parent's tree of names into that of
 *   the subvolume (names_all.c walks a whole tree; moves.c and collect.c compare two).
 * content: one pass over the inodes that differ, in order of number: attributes, data, owners,
 *   modes and last the times, which no later command disturbs because no name changes any more.
 */
#ifndef COPSE_OPS_STREAM_SEND_H
#define COPSE_OPS_STREAM_SEND_H

#include "ops/stream/encode.h"
#include "ops/stream/side.h"
#include "ops/stream/token.h"

struct send {
    struct mount *mount;
    struct store *store;
    const struct copse_send_options *options;
    struct encoder out;
    struct side new_side;
    struct side *old_side; /* NULL: everything is sent */
    struct side *clones;   /* more sides to clone from */
    unsigned clone_count;
    struct tree_handle **held; /* subvolumes that stay as they are until the end */
    unsigned held_count;
    struct stream_token token; /* the receiver has this much; zero: nothing */
    bool root_touched; /* its entries came and went without a trace in the subvolume itself */
    struct text path;
    uint64_t reported; /* bytes at the last call of progress */
};

/* Ends a command and, now and then, reports. */
int send_end(struct send *send) MUST_USE;
/* A command that has nothing but a path, to be completed with attributes and send_end. */
void send_begin(struct send *send, enum stream_command_type type, const char *path);
/* The command that makes inode `ino` of the subvolume under that path. */
int send_make(struct send *send, uint64_t ino, const struct inode_item *item,
              const char *path) MUST_USE;
int send_link(struct send *send, const char *path, const char *existing) MUST_USE;

/* names_all.c */
int send_all_names(struct send *send) MUST_USE;
/* moves.c */
int send_changed_names(struct send *send) MUST_USE;
/* content.c */
int send_content(struct send *send) MUST_USE;

/* data.c: what the receiver's file lacks of the content of inode ino. */
struct send_file {
    uint64_t ino;
    const char *path;
    uint64_t size;        /* as it shall be */
    uint64_t old_size;    /* as the receiver has it; goes along with what is sent */
    bool fresh;           /* the receiver's file is empty */
    uint64_t first, last; /* not fresh: keys of the first and last extent item that differ */
    uint64_t cut;         /* the receiver's file was cut to that size, UINT64_MAX: not */
    bool touched;         /* something was sent */
};
int send_data(struct send *send, struct send_file *file) MUST_USE;
int send_truncate(struct send *send, struct send_file *file, uint64_t size) MUST_USE;

/* clone.c: where a receiver has the data of a span already. */
struct clone_source {
    struct side *side;
    uint64_t ino, offset, len; /* len 0: nowhere */
    uint64_t next;             /* then: up to where in the file, at least */
};
int send_find_clone(struct send *send, const struct send_file *file, const struct span *span,
                    struct clone_source *out) MUST_USE;

/* parent.c: the clone source of the same origin that is nearest in time. NULL: none is. */
copse_node *send_nearest_parent(const struct inode *subvol,
                                const struct copse_send_options *options);

/* verity.c: an inode under fs-verity is sealed last. */
int send_verity(struct send *send, uint64_t ino, const char *path) MUST_USE;

static inline void send_lock(struct send *send)
{
    store_read_lock(send->store);
}
static inline void send_unlock(struct send *send)
{
    store_read_unlock(send->store);
}

#endif
