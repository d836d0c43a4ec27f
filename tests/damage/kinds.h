// SPDX-License-Identifier: GPL-2.0-or-later
/* One row a kind of damage: what is done, what must be said, what must still be readable. */
#ifndef COPSE_TESTS_DAMAGE_KINDS_H
#define COPSE_TESTS_DAMAGE_KINDS_H

#include "base.h"

#define KIND_WORDS 4
#define KIND_PATHS 6

struct kind {
    const char *name;
    enum base_kind base;
    void (*damage)(struct image *image);
    /*
     * Opening read-only fails with open_err; or, when that is 0, the first thing that fails of
     * looking at everything fails with walk_err; or, when that is 0 too, nothing fails.
     */
    int open_err;
    int walk_err;
    /* What the message of it, or (nothing fails) the last note, contains. */
    const char *says[KIND_WORDS];
    /* Paths, with all below them, that may be missing or look different. NULL: none. "/": all;
     * ".": the root directory itself. */
    const char *harmed[KIND_PATHS];
    /* What a writable open must say: 0 anything, 1 success, or the error. */
    int write_open;
    /* Worked on after a writable open: written to, read, renamed, removed. NULL: nothing. */
    const char *poke;
    /* Writing mends it: what was changed is there afterwards without any error. */
    bool mended;
    /* Only checked and repaired: reading and writing as with others of its sort. */
    bool repair_only;
};

/* Ended by a row without a name. */
extern const struct kind kinds_super[];
extern const struct kind kinds_blocks[];
extern const struct kind kinds_chunks[];
extern const struct kind kinds_files[];
extern const struct kind kinds_names[];
extern const struct kind kinds_space[];
extern const struct kind kinds_repair[];

/* Inode number of a path in the sound image of that kind. */
uint64_t kind_ino(enum base_kind base, const char *path);
/* An item that must be there. */
struct image_item kind_item(const struct image *image, uint64_t tree, uint64_t objectid,
                            uint8_t type, uint64_t offset);

/* What `copse check` calls that kind (kinds_check.c); "-": it cannot begin; NULL: not known. */
const char *kind_code(const char *name);
/* Whether `copse check --repair` leaves nothing of it. */
bool kind_is_repaired(const char *name);

#endif
