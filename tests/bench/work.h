// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of work share: clocks, numbers in no order, names. */
#ifndef COPSE_TESTS_BENCH_WORK_H
#define COPSE_TESTS_BENCH_WORK_H

#include "bench.h"

#define NAME_SIZE 64
#define MIB (1024.0 * 1024.0)
#define BLOCK 4096
#define PIECE (128 * 1024)

extern const struct world *world;

struct span {
    double wall, cpu; /* µs */
};

struct span now(void);
struct span since(struct span start);
/* A line: what took `took` for `count`. */
void print(const char *name, struct span took, double count);
void report(const char *name, struct span start, double count);

/* The same numbers after each random_from of one seed. */
void random_from(uint64_t seed);
uint64_t random_next(void);
/* Random bytes, from malloc. */
void *new_buffer(size_t len);

void file_name(char name[NAME_SIZE], uint64_t i);
/* A directory in the root. */
handle *new_dir(const char *name);
void remove_dir(const char *name, handle *dir);
void write_through(handle *file, const uint8_t *buf, uint64_t mib);

/* work_write.c */
void bench_rewrite(void);
void bench_reflink(void);
void bench_fsync(void);

/* work_hot.c */
void bench_hot(void);

#endif
