// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_TESTS_MKTREE_H
#define COPSE_TESTS_MKTREE_H

/*
 * mktree makes a directory tree that uses everything a btrfs file can have, section by section.
 * Each section works in a directory of its own, which is the working directory while it runs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    uint64_t seed;
    bool quick;       /* little data, for images that are kept */
    bool compression; /* also set compression properties, one file an algorithm */
    bool lenient;     /* report what this file system does not have, and go on */
};

extern struct options opt;

enum content { TEXT, RANDOM }; /* TEXT compresses well */

/* Ends the program unless @rc >= 0 (or lenience allows what is missing); returns @rc >= 0. */
bool must(long rc, const char *what, const char *name);
/* The same, but @tolerated as errno only means that there is no more of this. */
bool must_or(long rc, int tolerated, const char *what, const char *name);

uint64_t random_u64(void);
void fill(enum content content, void *buf, size_t len, uint64_t offset);
int make_file(const char *name); /* open for reading and writing */
void append_content(int fd, enum content content, uint64_t offset, size_t len);
void write_file(const char *name, enum content content, size_t len);
void sync_here(void);        /* the file system it works in, not all of the machine's */
void enter(const char *dir); /* makes it if it is missing */
void leave(void);
void name_of_length(char *out, size_t len, const char *prefix);

void make_data(void);
void make_overwritten(void);
void make_sparse(void);
void make_prealloc(void);
void make_reflinks(void);
void make_compressed(void);
void make_churn(void);

void make_links(void);
void make_names(void);
void make_collisions(void);
void make_deep(void);
void make_path_max(void);
void make_many(void);
void make_gaps(void);

void make_xattrs(void);
void make_acls(void);
void make_symlinks(void);
void make_special(void);
void make_modes(void);
void make_flags(void);
void make_times(void);

void make_subvolumes(void);

#endif
