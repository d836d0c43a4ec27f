// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is timed (work.c), and the two worlds it is timed in: the library (bench_fs.c) and any
 * mounted directory (bench_posix.c). Each world is a program of its own around the same work, so
 * that what is compared is the same sequence of operations.
 *
 * A failing operation ends the program with a message: a time of something that did not happen is
 * worth nothing.
 */
#ifndef COPSE_TESTS_BENCH_BENCH_H
#define COPSE_TESTS_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* A file or a directory, held. What it is only its world knows. */
typedef struct handle handle;

struct world {
    handle *(*root)(void);
    void (*put)(handle *h);
    handle *(*make_dir)(handle *dir, const char *name);
    void (*create)(handle *dir, const char *name); /* an empty file */
    handle *(*create_open)(handle *dir, const char *name);
    void (*lookup)(handle *dir, const char *path); /* that there is such a thing */
    void (*stat)(handle *dir, const char *path);   /* its attributes */
    uint64_t (*list)(handle *dir);                 /* how many names, "." and ".." too */
    void (*unlink)(handle *dir, const char *name);
    void (*remove_dir)(handle *dir, const char *name);
    void (*read)(handle *file, void *buf, size_t len, uint64_t offset);
    void (*write)(handle *file, const void *buf, size_t len, uint64_t offset);
    void (*sync)(void);
    void (*fsync)(handle *file);
    void (*fdatasync)(handle *file);             /* or a directory */
    void (*reserve)(handle *file, uint64_t len); /* fallocate */
    /* Shares all of src, which has len bytes, with dst. */
    void (*clone)(handle *src, handle *dst, uint64_t len);
    void (*clone_range)(handle *src, uint64_t src_offset, uint64_t len, handle *dst,
                        uint64_t dst_offset);
    /* 0: there is no such thing here. What differs ends the program. */
    int (*dedupe_range)(handle *src, uint64_t src_offset, uint64_t len, handle *dst,
                        uint64_t dst_offset);
    int (*set_nocow)(handle *file); /* 0: there is no such thing here */
    /* With so much cache, 0: the usual one; nothing is held meanwhile. NULL: it is not ours. */
    void (*reopen)(uint64_t cache_mib);
    /* Bytes written to share ranges that were not of those ranges; NULL: nobody counts. */
    uint64_t (*written_beside)(void);
};

/* Runs what the arguments name ("quick", "growth", ...; none: everything but growth). */
int bench_main(const struct world *world, int argc, char **argv);

_Noreturn void bench_die(const char *what, const char *why);

#endif
