/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that a small file system holds, read at one moment. */
#ifndef COPSE_TESTS_BOUNDED_SHOT_H
#define COPSE_TESTS_BOUNDED_SHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fs/mount/mount.h"

#define SHOT_PAGE 4096u
#define SHOT_PAGES 16u /* of a file, at most */
#define SHOT_NAME 32u
#define SHOT_ENTRIES 48u
#define SHOT_OBJECTS 48u

/* A name: known by the inode number of its directory, wherever that is. */
struct entry {
    uint64_t dir;
    char name[SHOT_NAME];
    uint64_t ino;
};

struct object {
    uint64_t ino;
    uint32_t mode, nlink, names; /* names: found in the walk */
    uint64_t size;
    uint64_t attributes; /* digest of extended attributes, or a symlink's target */
    uint8_t *bytes;      /* of a regular file: SHOT_PAGES pages, zeroes behind its end */
};

struct shot {
    struct entry entries[SHOT_ENTRIES];
    size_t entry_count;
    struct object objects[SHOT_OBJECTS];
    size_t object_count;
};

/* Walks the whole tree. A message on failure. */
int shot_take(struct mount *m, struct shot *shot) MUST_USE;
void shot_free(struct shot *shot);

/* 0: there is no such name. */
uint64_t shot_find(const struct shot *shot, uint64_t dir, const char *name);
/* NULL: there is none. */
const struct object *shot_object(const struct shot *shot, uint64_t ino);

#endif
