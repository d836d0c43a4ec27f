// SPDX-License-Identifier: GPL-2.0-or-later
/* The questions themselves, and the seeded environment. The real one is env_real.c. */
#include "base/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

struct timespec env_now(struct env *env)
{
    return env->ops->now(env);
}

uint64_t env_monotonic_ns(struct env *env)
{
    return env->ops->monotonic_ns(env);
}

void env_random(struct env *env, void *buf, size_t len)
{
    env->ops->random(env, buf, len);
}

uint64_t env_memory_bytes(struct env *env)
{
    return env->ops->memory_bytes ? env->ops->memory_bytes(env) : 0;
}

void env_parallel(struct env *env, size_t count, void (*fn)(void *arg, size_t i), void *arg)
{
    env->ops->parallel(env, count, fn, arg);
}

int env_thread_start(struct env *env, void (*fn)(void *arg), void *arg, struct env_thread **out)
{
    if (!env->ops->thread_start)
        return fail(-ENOTSUP, "this environment has no threads");
    return env->ops->thread_start(env, fn, arg, out);
}

void env_note(struct env *env, enum note_level level, const char *fmt, ...)
{
    char message[FAIL_MESSAGE_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    env->ops->note(env, level, message);
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(rng->s); i++)
        rng->s[i] = splitmix64(&seed);
}

static uint64_t rotate_left(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    uint64_t uneven = -bound % bound; /* 2^64 mod bound: what would favour the small numbers */
    uint64_t v;

    INVARIANT(bound > 0, "there is a number below the bound");
    do {
        v = rng_next(rng);
    } while (v < uneven);
    return v % bound;
}

/* 2024-01-01 00:00:00 UTC: any fixed moment would do. */
#define SEEDED_EPOCH 1704067200
#define NS_PER_S 1000000000ULL
#define SEEDED_STEP_NS 1000000ULL

struct seeded_env {
    struct env env;
    struct rng rng;
    uint64_t elapsed_ns;
    unsigned notes;
    char last_note[FAIL_MESSAGE_MAX];
};

static struct seeded_env *seeded_of(struct env *env)
{
    return CONTAINER_OF(env, struct seeded_env, env);
}

static uint64_t seeded_monotonic_ns(struct env *env)
{
    return seeded_of(env)->elapsed_ns += SEEDED_STEP_NS;
}

static struct timespec seeded_now(struct env *env)
{
    uint64_t elapsed = seeded_monotonic_ns(env);

    return (struct timespec){
        .tv_sec = SEEDED_EPOCH + (time_t)(elapsed / NS_PER_S),
        .tv_nsec = (long)(elapsed % NS_PER_S),
    };
}

static void seeded_random(struct env *env, void *buf, size_t len)
{
    for (size_t done = 0; done < len; done += sizeof(uint64_t)) {
        uint64_t v = rng_next(&seeded_of(env)->rng);

        memcpy((char *)buf + done, &v, MIN(sizeof(v), len - done));
    }
}

static void seeded_parallel(struct env *env, size_t count, void (*fn)(void *arg, size_t i),
                            void *arg)
{
    (void)env;
    for (size_t i = 0; i < count; i++)
        fn(arg, i);
}

static void seeded_note(struct env *env, enum note_level level, const char *message)
{
    struct seeded_env *seeded = seeded_of(env);

    (void)level;
    seeded->notes++;
    snprintf(seeded->last_note, sizeof(seeded->last_note), "%s", message);
}

static const struct env_ops seeded_ops = {
    .now = seeded_now,
    .monotonic_ns = seeded_monotonic_ns,
    .random = seeded_random,
    .parallel = seeded_parallel,
    .note = seeded_note,
};

struct env *env_seeded_new(uint64_t seed)
{
    struct seeded_env *seeded = calloc(1, sizeof(*seeded));

    if (!seeded)
        return NULL;
    seeded->env.ops = &seeded_ops;
    rng_seed(&seeded->rng, seed);
    return &seeded->env;
}

void env_seeded_free(struct env *env)
{
    if (env)
        free(seeded_of(env));
}

unsigned env_seeded_notes(const struct env *env)
{
    return CONTAINER_OF(env, const struct seeded_env, env)->notes;
}

const char *env_seeded_last_note(const struct env *env)
{
    return CONTAINER_OF(env, const struct seeded_env, env)->last_note;
}
