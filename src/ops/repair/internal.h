// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of this module share. README.md says in which order they work. */
#ifndef COPSE_OPS_REPAIR_INTERNAL_H
#define COPSE_OPS_REPAIR_INTERNAL_H

#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "engine/store/store.h"
#include "ops/check/findings.h"
#include "ops/check/pile.h"
#include "ops/repair/repair.h"

#define LLU(v) ((unsigned long long)(v))

/* In which order things are put right; each needs those before it. */
enum stage {
    STAGE_NONE,   /* cannot be */
    STAGE_SUPER,  /* superblocks, copies of blocks, the log: bytes on the device */
    STAGE_CHUNKS, /* chunk items that are lost */
    STAGE_SPACE,  /* device extents, block groups, the extent tree, free space */
    STAGE_FILES,  /* all that lies in trees of files, checksums, subvolumes */
    STAGES
};

struct job {
    struct env *env;
    struct dev *dev;
    const struct copse_check_options *options;
    struct budget budget;
    struct pile findings;  /* struct check_finding, of the last check */
    struct pile extents;   /* struct job_extent */
    struct pile refs;      /* struct reference, of extents */
    bool incomplete;       /* a tree block is lost: nobody knows what it referred to */
    bool references_moved; /* quotas have to be counted anew */
    struct known *known;   /* problems for people, of all checks */
    size_t known_count, known_room;
    unsigned round;
};

/* An extent that is to be stated anew; its references stand in job->refs from `first` on. */
struct job_extent {
    uint64_t bytenr, old;      /* bytes that its old item covers */
    size_t first, met, listed; /* listed ones stand behind those that were met */
    bool full, skip;
};

enum stage stage_of(enum check_code code);

/* known.c: problems for people */
void known_take(struct job *job, const struct copse_check_problem *problem);
void known_tell(struct job *job, struct copse_check_result *result);
void known_free(struct job *job);

/* super.c */
int repair_super(struct job *job) MUST_USE;
/* Replays a log, or drops it where that is impossible; before anything else is committed. */
int repair_log(struct job *job) MUST_USE;

/* leaves.c: drops impossible items of a leaf, if that can be done. */
int mend_leaf(struct vol *vol, uint64_t bytenr) MUST_USE;

/* chunks.c */
int repair_chunks(struct job *job) MUST_USE;

/* space.c */
int repair_space(struct job *job) MUST_USE;

/* files.c */
int repair_files(struct job *job) MUST_USE;

/* store.c */
int job_open(struct job *job, struct store **out) MUST_USE;
/* Commits, unless ret is an error, and closes; the first error. */
int job_close(struct job *job, struct store *store, int ret) MUST_USE;

#endif
