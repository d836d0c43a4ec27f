// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Operations: each does one thing to the file system and to the model, and compares what was
 * answered. What it does follows from its own seed and the state it finds, so that operations can
 * be left out of a run without changing what the others are.
 */
#ifndef COPSE_TESTS_MODEL_OPS_H
#define COPSE_TESTS_MODEL_OPS_H

#include "tests/model/compare.h"

struct step {
    struct world *world;
    struct rng rng;
};

typedef int op_fn(struct step *step);

/* One operation; 0, or -1 after wrong(). */
int op_run(struct world *world, uint64_t op_seed) MUST_USE;

/* ---- what operations share (ops.c) */

uint64_t pick(struct step *step, uint64_t bound);
static inline bool chance(struct step *step, unsigned one_in)
{
    return pick(step, one_in) == 0;
}

/* A directory that has a name, or the root. */
struct mnode *pick_dir(struct step *step);
/* A regular file, with a name or held; NULL when there is none. */
struct mnode *pick_file(struct step *step);
/* Anything. */
struct mnode *pick_node(struct step *step);
/* Some name; often one that exists in dir. */
void pick_name(struct step *step, const struct mnode *dir, char name[MODEL_NAME_MAX + 1]);
/* A name in a directory, or NULL: of what is not a directory, when files is set. */
struct mname *pick_entry(struct step *step, bool files, struct mnode **dir);

/*
 * Holds an answer against what it should be. 1: it succeeded, as it should: do the same to the
 * model. 0: refused, as it should, or for want of space where that may be. -1: wrong.
 */
int answered(struct step *step, const char *what, int ret, int expected);
/* The same for what frees space, and so is never refused for want of it. */
int answered_freeing(struct step *step, const char *what, int ret, int expected);

op_fn op_create, op_mkdir, op_mknod, op_symlink, op_tmpfile, op_link, op_unlink, op_rmdir,
    op_rename, op_burst, op_many_links, op_purge, op_hold, op_release;
op_fn op_write, op_append, op_write_big, op_truncate, op_fallocate, op_write_prepared, op_clone,
    op_read, op_seek, op_extents, op_writeback, op_fill, op_shift, op_dedupe;
op_fn op_snapshot, op_snapshot_drop, op_snapshot_enter, op_snapshots_compare, op_drop_step;
op_fn op_chmod, op_chown, op_times, op_xattr_set, op_xattr_remove, op_flags, op_compression,
    op_readdir;

/* Takes away a name of a directory: rmdir when it is one, else unlink. */
int remove_name(struct step *step, struct mnode *dir, const char *name);

/* ---- file systems that are kept full (full.c) */

/* Fills it again when what was done has left more than a twentieth of it free. */
int full_top_up(struct step *step);
/* Nothing is reserved when all is durable, and everything can be removed. */
int full_end(struct world *world) MUST_USE;

#endif
