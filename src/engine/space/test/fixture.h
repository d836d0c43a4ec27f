// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file system as small as space can live in: the trees that it needs, on a memory device, and a
 * stand-in for engine/extent that keeps references of tree blocks until the commit and then writes
 * extent items. Beside it a model that knows the state of every sector.
 */
#ifndef COPSE_ENGINE_SPACE_TEST_FIXTURE_H
#define COPSE_ENGINE_SPACE_TEST_FIXTURE_H

#include "base/test/unit.h"

#include "base/bits.h"
#include "disk/dev/dev.h"
#include "engine/space/free_tree.h"
#include "engine/space/space_internal.h"

#define SECTOR 4096U

/* States of a sector. */
enum { NONE, FREE, ALLOCATED, USED, PINNED, SUPER };

struct pending {
    uint64_t bytenr;
    uint64_t len;
    bool add;
    bool data;
};

struct fixture_options {
    uint64_t device_bytes;
    uint32_t nodesize;
    bool no_tree;    /* no free-space tree */
    bool group_tree; /* a block group tree */
    bool mixed;
    uint64_t metadata_profile, data_profile;
};

struct fixture {
    struct env *env;
    struct dev *dev;
    struct vol *vol;
    struct engine engine;
    struct space *space;
    struct pending *pending;
    size_t pending_count, pending_room;
    uint8_t *model; /* state of each sector of the address space */
    uint64_t model_sectors;
};

void fixture_init(struct fixture *f, const struct fixture_options *options);
void fixture_close(struct fixture *f);

/* Writes all extent and space items, then makes the transaction durable. */
void fixture_commit(struct fixture *f);
/* The part of it before the superblock. */
void fixture_settle(struct fixture *f);
/* The part of it behind: 0 or what space_unpin says. */
void fixture_durable(struct fixture *f);

/* Opens space from the trees anew, as after a mount. */
void fixture_reopen(struct fixture *f);

/* Space for data, and its way; each keeps the model. */
int fixture_alloc(struct fixture *f, uint64_t want, uint64_t min, uint64_t hint, struct range *out);
void fixture_use(struct fixture *f, const struct range *range);
void fixture_free(struct fixture *f, const struct range *range);
void fixture_undo(struct fixture *f, const struct range *range);
void fixture_pin(struct fixture *f, const struct range *range);

/* Sets the model's state of a range; asserts what it was. */
void model_set(struct fixture *f, uint64_t start, uint64_t len, uint8_t from, uint8_t to);
/* Takes in block groups that the model does not know yet. */
void model_learn_groups(struct fixture *f);

/* Asserts that groups, sums, trees on disk, devices and model all say the same. After a commit. */
void fixture_check(struct fixture *f);

/* Whether a tree has that item. */
bool fixture_has(struct root *root, struct key key);

#endif
