/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker does, and what its directory looks like afterwards: the same in the process that is
 * killed and in the one that judges, since every operation follows from the seed, the worker and
 * its number.
 */
#ifndef COPSE_TESTS_ENDURANCE_PLAN_H
#define COPSE_TESTS_ENDURANCE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define WORKERS 4
#define SLOTS 10 /* names in a worker's directory */
#define UNITS 96 /* of content in a file, at most */
#define UNIT_BYTES 4096u
#define FILES (SLOTS + 1)

/*
 * What a unit of content holds: the stamp of the write that made it, then zeroes.
 * stamp << 13 | bytes, or 0.
 */
typedef uint64_t unit;

struct file {
    uint32_t id; /* the owner of the file, by which it is known again; 0: none */
    bool nocow;
    uint64_t size;
    uint64_t mark; /* value of its attribute; 0: none */
    unit units[UNITS];
};

/* A directory of one worker. */
struct plan {
    uint64_t seed;
    unsigned worker;
    uint64_t number;      /* operations done */
    uint32_t next_id;     /* of the next file */
    uint32_t slot[SLOTS]; /* id of the file of that name; 0: no such name */
    struct file files[FILES];
};

enum op_kind {
    OP_CREATE,
    OP_WRITE,
    OP_TRUNCATE,
    OP_PUNCH,
    OP_ALLOCATE,
    OP_CLONE,
    OP_MARK,
    OP_LINK,
    OP_UNLINK,
    OP_RENAME,
    OP_FSYNC,
    OP_FSYNC_DIR,
    OP_SYNC,
    OP_SNAPSHOT,
    OP_NOTHING,
};

struct op {
    enum op_kind kind;
    uint64_t number;   /* its own, from 1 */
    uint32_t id;       /* of the file it is about, before; OP_CREATE: the new one */
    unsigned from, to; /* slots: of that file; where a new name goes */
    uint32_t source;   /* OP_CLONE: id and slot */
    unsigned source_slot;
    unsigned first, count; /* units; OP_TRUNCATE: size is what counts */
    unsigned source_first; /* OP_CLONE */
    uint64_t size;
    bool direct, nocow, data_only;
};

/* Works out the next operation and changes the plan as it will change the directory. */
void plan_step(struct plan *plan, struct op *op);

/* NULL: none. */
struct file *plan_file(struct plan *plan, uint32_t id);
/* Whether some name leads to it. */
bool plan_named(const struct plan *plan, uint32_t id);

unit unit_of(uint64_t worker, uint64_t number, unsigned index);
/* What is left of it when a file is cut off behind that many bytes of it. */
unit unit_cut(unit value, unsigned length);
/* The bytes of a unit, UNIT_BYTES of them. */
void unit_fill(unit value, void *buf);
/* The unit that reads so; false: no unit does. */
bool unit_read(const void *buf, unit *out);

void slot_name(unsigned slot, char name[16]);

#endif
