// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * env: the only source of time, randomness, threads and messages.
 *
 * The engine asks env and nobody else, so that a run whose env is seeded can be replayed exactly.
 * The real one (env_real) is what the API and the programs use; tests use env_seeded_new().
 */
#ifndef COPSE_BASE_ENV_H
#define COPSE_BASE_ENV_H

#include <stdint.h>
#include <stddef.h>
#include <time.h>

#include "base/err.h"

enum note_level { NOTE_INFO, NOTE_WARNING, NOTE_ERROR };

struct env;
struct env_thread;

struct env_ops {
    /* Wall clock, for time stamps inside the file system. */
    struct timespec (*now)(struct env *env);
    /* Nanoseconds that never go back, for intervals. */
    uint64_t (*monotonic_ns)(struct env *env);
    /* Fills buf with random bytes (uuids, checksums seeds; not for secrets). */
    void (*random)(struct env *env, void *buf, size_t len);
    /*
     * Runs fn(arg, i) for i in [0, count) on as many threads as env cares to use and returns when
     * all are done. The seeded env runs them one after another.
     */
    void (*parallel)(struct env *env, size_t count, void (*fn)(void *arg, size_t i), void *arg);
    /* A thread of its own, or NULL where there are none; see env_thread_start. */
    int (*thread_start)(struct env *env, void (*fn)(void *arg), void *arg, struct env_thread **out);
    /* Bytes of memory that this process could have at most; NULL or 0: not known. */
    uint64_t (*memory_bytes)(struct env *env);
    /* Something the user should know that is no failure of the call. One line, no newline. */
    void (*note)(struct env *env, enum note_level level, const char *message);
};

struct env {
    const struct env_ops *ops;
};

/* The process-wide real environment; notes go to the handler set with env_real_set_note. */
struct env *env_real(void);
void env_real_set_note(void (*handler)(void *arg, enum note_level level, const char *message),
                       void *arg);

/*
 * Starts a thread for background work; ends when fn returns, and is joined by env_thread_join.
 * -ENOTSUP from an environment that owns no threads (the seeded one): background work is then
 * driven step by step.
 */
int env_thread_start(struct env *env, void (*fn)(void *arg), void *arg,
                     struct env_thread **out) MUST_USE;
void env_thread_join(struct env_thread *thread);

/*
 * A deterministic environment: time starts at a fixed moment and moves 1 ms a question, random
 * bytes come from the seed, parallel work runs in order, notes are counted and the last is kept.
 */
struct env *env_seeded_new(uint64_t seed);
void env_seeded_free(struct env *env);
unsigned env_seeded_notes(const struct env *env);
const char *env_seeded_last_note(const struct env *env);

struct timespec env_now(struct env *env);
uint64_t env_monotonic_ns(struct env *env);
void env_random(struct env *env, void *buf, size_t len);
/* 0: not known, as in the seeded environment. */
uint64_t env_memory_bytes(struct env *env);
void env_parallel(struct env *env, size_t count, void (*fn)(void *arg, size_t i), void *arg);
void env_note(struct env *env, enum note_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* xoshiro256** seeded by splitmix64: the one generator of the seeded env and of all tests. */
struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

#endif
