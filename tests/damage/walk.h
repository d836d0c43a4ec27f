// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looks at everything that an open file system shows: every name, attribute, xattr, symlink, byte
 * and mapping, within limits that damage cannot stretch. What fails is noted and the walk goes on.
 */
#ifndef COPSE_TESTS_DAMAGE_WALK_H
#define COPSE_TESTS_DAMAGE_WALK_H

#include "fs/mount/mount.h"

#define WALK_PATH_MAX 1024

struct walk_entry {
    char *path;
    uint64_t hash; /* of all that was seen there */
    int error;     /* 0, or the first error there */
};

struct walk_error {
    int err;
    char where[WALK_PATH_MAX];
    char message[FAIL_MESSAGE_MAX];
};

struct walk {
    struct mount *m;
    struct walk_entry *entries;
    size_t count, cap;
    size_t error_count;
    struct walk_error first_error;
    uint64_t bytes_left; /* of file content that will still be read */
    uint32_t every;      /* not 0: of many names only some, beginning with this one */
    /* A message that is no line naming something, or an errno that says nothing. */
    char bad_error[2 * FAIL_MESSAGE_MAX];
    struct walk_dir {
        uint64_t subvol, ino;
    } * dirs; /* on the way down or seen before */
    size_t dir_count, dir_cap;
};

void walk_everything(struct mount *m, struct walk *out);
/* The same with less content, and of a directory with many names only a part. */
void walk_quickly(struct mount *m, uint32_t seed, struct walk *out);
void walk_free(struct walk *walk);
const struct walk_entry *walk_find(const struct walk *walk, const char *path);
/* Whether the error, just returned, is one that a damaged device may cause, and says why. */
bool error_is_fit(int err);

#endif
