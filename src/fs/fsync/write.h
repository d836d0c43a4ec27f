// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writing a log tree. What an inode's part of the log has to say follows from two trees alone: the
 * subvolume as the last commit has it (a crash brings that back) and as it is now. See README.md.
 *
 *   write.c       one fsync, or several together: log, or commit
 *   write_inode.c what the log says of one inode
 *   write_names.c which other inodes a name needs beside it, and what a log cannot say
 *   write_dir.c   entries of directories
 *   write_data.c  extents
 *   write_put.c   makes the log say it
 *
 * Functions return 0, a negative errno, or FULL_COMMIT.
 */
#ifndef COPSE_FS_FSYNC_WRITE_H
#define COPSE_FS_FSYNC_WRITE_H

#include "base/cleanup.h"
#include "base/rangeset.h"
#include "engine/tree/diff.h"
#include "fs/fsync/internal.h"

/* A log tree cannot say it, or not safely: everything is committed. */
#define FULL_COMMIT 1
/* Passes on whatever is not 0. */
#define PASS(expr)                                                                                 \
    do {                                                                                           \
        int pass_ret_ = (expr);                                                                    \
        if (pass_ret_ != 0)                                                                        \
            return pass_ret_;                                                                      \
    } while (0)

/* The log of one subvolume, in the running transaction. */
struct written_log {
    struct written_log *next;
    uint64_t subvol;
    struct root root;
    struct root durable; /* the subvolume in the last commit */
    bool changed;        /* since its root was written down */
};

/* An item that the log shall have. */
struct wish {
    struct key key;
    size_t at; /* in wishes.bytes */
    uint32_t size;
    bool there; /* the log has it already */
};

struct wishes {
    struct wish *wish;
    size_t count, cap;
    uint8_t *bytes;
    size_t used, room;
};

/* One round of logging in one subvolume. */
struct logging {
    struct fs *fs;
    struct engine *engine;
    struct tree_handle *tree;
    struct written_log *log;
    uint64_t *todo; /* inodes that the log needs beside those asked for */
    size_t todo_count, todo_cap;
    uint64_t *looked; /* directories whose way up is known */
    size_t looked_count, looked_cap;
    struct inode **held; /* to be put when the metadata lock is given back */
    size_t held_count, held_cap;
    struct wishes wishes;
    size_t bytes; /* of all that was wished for */
};

/* ---- write_put.c ---- */

int wish_add(struct logging *l, const struct key *key, const void *data, uint32_t size) MUST_USE;
void wishes_clear(struct wishes *wishes);
/* Makes the log say of the inode exactly what is wished for. */
int wishes_put(struct logging *l, uint64_t ino) MUST_USE;

/* ---- write_inode.c ---- */

/* *found false: it does not exist any more, or has no name. Held until the end of the round. */
int log_find(struct logging *l, uint64_t ino, struct inode **out, bool *found) MUST_USE;
/* The inode of the last commit. */
int durable_inode(struct logging *l, uint64_t ino, struct inode_item *item, bool *found) MUST_USE;
int log_inode(struct logging *l, uint64_t ino) MUST_USE;
int todo_add(struct logging *l, uint64_t ino) MUST_USE;

/* ---- write_names.c ---- */

/* An inode's names are logged: what must be in the log with them. durable: the last commit has it.
 */
int names_need(struct logging *l, struct inode *inode, bool durable) MUST_USE;
/*
 * A name of the last commit goes, and with it, perhaps, what it names (child, type FT_*): that is
 * logged if it still exists.
 */
int name_goes(struct logging *l, uint64_t child, uint8_t type) MUST_USE;

/*
 * The log has an inode that is gone: a file that the last commit does not have either is taken out
 * of it, and what has its names now is logged. Anything else: FULL_COMMIT. Taken out of the log, an
 * inode that the last commit has would come back, with older content.
 */
int log_gone(struct logging *l, uint64_t ino) MUST_USE;

/* ---- write_dir.c, write_data.c ---- */

int wish_entries(struct logging *l, struct inode *dir) MUST_USE;
int wish_extents(struct logging *l, struct inode *inode) MUST_USE;
/* The log names that extent from now on: its checksums go with it. */
int log_extent(struct logging *l, const struct wish *wish) MUST_USE;

#endif
