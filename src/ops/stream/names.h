// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The names that differ between two snapshots (collect.c), and the commands that turn the ones into
 * the others (moves.c).
 *
 * An object is an inode by number and generation: a number that was used again is another object.
 * A place is a name in a directory. What a receiver has is called the current state: it begins as
 * the old side's names and each command changes it.
 */
#ifndef COPSE_OPS_STREAM_NAMES_H
#define COPSE_OPS_STREAM_NAMES_H

#include "base/hash.h"
#include "ops/stream/send.h"

struct identity {
    uint64_t ino, generation; /* the root: 256 and 0, whatever it is */
};

struct place {
    struct identity dir;
    uint16_t len;
    char name[];
};

/* A name to be made: of a new object, of one that moves, or one more. */
struct task {
    enum { TASK_MAKE, TASK_MOVE, TASK_LINK } what;
    enum { TASK_TODO, TASK_BUSY, TASK_DONE } state;
    struct object *object;
    struct place *from, *to; /* from: where a move begins, by now; both owned */
    bool orphaned;           /* from is a name of ours in the root */
};

struct object {
    struct identity id;
    bool is_dir, in_old, in_new;
    bool exists; /* in the current state */
    bool moved;  /* a directory that is not where the old side has it, but at `at` */
    struct place *at;
    struct place **gone, **come; /* names of one side only; owned until a task takes them */
    unsigned gone_count, come_count;
    struct task *tasks;
    unsigned task_count;
    uint64_t left;   /* a deleted directory: entries that are still in it */
    uint64_t below;  /* the same: names that are removed below it */
    bool short_path; /* it was thought about whether a shorter path is worth a move */
    UT_hash_handle hh;
};

/* A place of the old side whose name will leave it. */
struct slot {
    struct object *object;
    struct task *task; /* what makes it leave; NULL: the removal of a directory */
    UT_hash_handle hh;
    struct place place; /* the key, with the name behind */
};

struct names_diff {
    struct send *send;
    struct object *objects; /* by id */
    struct slot *slots;     /* by place */
    unsigned orphans;       /* made so far */
};

/* collect.c */
int names_collect(struct names_diff *diff) MUST_USE;
void names_free_all(struct names_diff *diff);
struct object *object_find(struct names_diff *diff, const struct identity *id);
struct slot *slot_find(struct names_diff *diff, const struct place *place);
int slot_add(struct names_diff *diff, const struct place *place, struct object *object,
             struct task *task) MUST_USE;
void slot_drop(struct names_diff *diff, const struct place *place);
int place_new(const struct identity *dir, const char *name, size_t len,
              struct place **out) MUST_USE;
/* Who the inode is in that side; the metadata lock is held. */
int identity_of(struct side *side, uint64_t ino, struct identity *out) MUST_USE;

#endif
