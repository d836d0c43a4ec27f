// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_TESTS_MANIFEST_ATTR_H
#define COPSE_TESTS_MANIFEST_ATTR_H

/* The columns of a manifest that are the same however the tree is read. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "manifest_line.h"

enum {
    MANIFEST_CHUNK = 1 << 20,
    SUBVOL_ROOT_INO = 256,
    SUBVOL_STUB_INO = 2, /* what a snapshot shows in place of a nested subvolume */
};

struct link_group;

struct manifest {
    FILE *out;
    struct columns cols;
    struct link_group *links[4096]; /* hard-linked inodes, each with the first path to it */
    unsigned char *buffer;          /* MANIFEST_CHUNK bytes */
    char *path;                     /* relative to the start, bytes as they are */
    size_t path_len, path_size;
    bool failed; /* some column says an error */
};

struct manifest_attr {
    unsigned mode;
    uint32_t uid, gid, nlink;
    uint64_t size, blocks, ino;
    uint64_t dev; /* tells inodes of the same number apart */
    unsigned rdev_major, rdev_minor;
    struct timespec mtime, ctime, atime, otime;
    bool has_otime;
    unsigned flags; /* FS_*_FL */
};

/* How to read a file: both return a negative errno. */
struct manifest_reader {
    int (*read)(void *file, void *buf, size_t len, uint64_t offset, size_t *done);
    int (*seek)(void *file, uint64_t offset, int whence, uint64_t *out);
    void *file;
};

void manifest_init(struct manifest *m);
void manifest_free(struct manifest *m);
void manifest_die(const char *what);
/* Options -x, -k, -o and -f of the command line; true when the work was all done (-f). */
bool manifest_options(struct manifest *m, int argc, char **argv, const char *usage);
/* Flushes; returns the exit status of the program. */
int manifest_finish(struct manifest *m);

size_t manifest_push(struct manifest *m, const char *name, size_t len);
void manifest_pop(struct manifest *m, size_t to);

void manifest_begin(struct manifest *m);
void manifest_end(struct manifest *m);
/* An error is part of what the tree looks like: it stands in the column that it spoiled. */
void manifest_error(struct manifest *m, const char *key, int error);
void manifest_stat(struct manifest *m, const struct manifest_attr *attr);
void manifest_content(struct manifest *m, const struct manifest_attr *attr,
                      const struct manifest_reader *reader);
void manifest_xattr(struct manifest *m, const char *name, const void *value, size_t len, int error);
/* The names in a list as listxattr gives it, sorted; returns how many, at most @cap. */
size_t manifest_xattr_names(char *list, size_t len, const char **names, size_t cap);

#endif
