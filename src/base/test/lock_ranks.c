// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/test/lock_ranks.h"

#include <execinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/lock.h"

/* What pthread has, and what takes its place. */
#define REPLACED(name, ...)                                                                        \
    int __real_##name(__VA_ARGS__);                                                                \
    int __wrap_##name(__VA_ARGS__)

REPLACED(pthread_mutex_lock, pthread_mutex_t *lock);
REPLACED(pthread_mutex_trylock, pthread_mutex_t *lock);
REPLACED(pthread_mutex_unlock, pthread_mutex_t *lock);
REPLACED(pthread_rwlock_rdlock, pthread_rwlock_t *lock);
REPLACED(pthread_rwlock_tryrdlock, pthread_rwlock_t *lock);
REPLACED(pthread_rwlock_wrlock, pthread_rwlock_t *lock);
REPLACED(pthread_rwlock_trywrlock, pthread_rwlock_t *lock);
REPLACED(pthread_rwlock_unlock, pthread_rwlock_t *lock);
REPLACED(pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *lock);
REPLACED(pthread_cond_timedwait, pthread_cond_t *cond, pthread_mutex_t *lock,
         const struct timespec *until);

/* ---- which rank a lock has ------------------------------------------------------------------- */

#define BUCKETS 4096
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL /* 2^64 / golden ratio: Fibonacci hashing */

struct ranked {
    struct ranked *next;
    const void *lock;
    enum lock_rank rank;
};

/* Each with a lock of its own, or threads would take turns where they would meet. */
static struct bucket {
    pthread_mutex_t lock;
    struct ranked *first;
} buckets[BUCKETS] = {[0 ... BUCKETS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static uint64_t taken; /* atomic */

uint64_t lock_ranks_taken(void)
{
    return __atomic_load_n(&taken, __ATOMIC_RELAXED);
}

static struct bucket *bucket_of(const void *lock)
{
    return &buckets[(uintptr_t)lock * HASH_MULTIPLIER >> 52];
}

/* The link that leads to a lock, or to the end of its bucket. */
static struct ranked **link_of(struct bucket *bucket, const void *lock)
{
    struct ranked **link = &bucket->first;

    while (*link && (*link)->lock != lock)
        link = &(*link)->next;
    return link;
}

void lock_ranked(const void *lock, enum lock_rank rank)
{
    struct bucket *bucket = bucket_of(lock);

    __real_pthread_mutex_lock(&bucket->lock);
    struct ranked **link = link_of(bucket, lock);
    if (!*link && !(*link = calloc(1, sizeof(**link))))
        abort();
    (*link)->lock = lock;
    (*link)->rank = rank;
    __real_pthread_mutex_unlock(&bucket->lock);
}

void lock_unranked(const void *lock)
{
    struct bucket *bucket = bucket_of(lock);

    __real_pthread_mutex_lock(&bucket->lock);
    struct ranked **link = link_of(bucket, lock), *ranked = *link;
    if (ranked)
        *link = ranked->next;
    __real_pthread_mutex_unlock(&bucket->lock);
    free(ranked);
}

/* False: none, as a lock of the test itself. */
static bool rank_of(const void *lock, enum lock_rank *out)
{
    struct bucket *bucket = bucket_of(lock);

    __real_pthread_mutex_lock(&bucket->lock);
    const struct ranked *ranked = *link_of(bucket, lock);
    if (ranked)
        *out = ranked->rank;
    __real_pthread_mutex_unlock(&bucket->lock);
    return ranked != NULL;
}

/* ---- the order ------------------------------------------------------------------------------- */

static const struct rule {
    const char *name;
    enum lock_same same;
} rules[RANK_COUNT] = {
#define RANK(name, same) [RANK_##name] = {"RANK_" #name, SAME_##same},
    LOCK_RANKS(RANK)
#undef RANK
};

/* ---- what a thread holds --------------------------------------------------------------------- */

#define HELD_MAX 64
#define FRAMES_MAX 32
#define FRAMES_HELD 8

struct held {
    const void *lock;
    enum lock_rank rank;
    void *frames[FRAMES_HELD]; /* where it was taken */
    int frame_count;
};

static _Thread_local struct held held[HELD_MAX];
static _Thread_local unsigned held_count;

/* Where this is, for addr2line. */
static void end(void)
{
    void *frames[FRAMES_MAX];

    fprintf(stderr, "now:\n");
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    abort();
}

static bool in_order(const struct held *before, const void *lock, enum lock_rank rank)
{
    if (before->rank != rank)
        return before->rank < rank;
    return rules[rank].same == SAME_OTHERS && before->lock != lock;
}

static bool holds(const void *lock)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].lock == lock)
            return true;
    return false;
}

/* Before the thread waits. */
static void check(const void *lock)
{
    enum lock_rank rank;

    if (!rank_of(lock, &rank) || (rules[rank].same == SAME_AGAIN && holds(lock)))
        return;
    for (unsigned i = 0; i < held_count; i++) {
        if (in_order(&held[i], lock, rank))
            continue;
        fprintf(stderr, "locks out of order: takes %s while it holds %s, taken here:\n",
                rules[rank].name, rules[held[i].rank].name);
        backtrace_symbols_fd(held[i].frames, held[i].frame_count, STDERR_FILENO);
        end();
    }
}

static void take(const void *lock)
{
    enum lock_rank rank;

    if (!rank_of(lock, &rank))
        return;
    if (held_count == HELD_MAX) {
        fprintf(stderr, "holds more than %d locks\n", HELD_MAX);
        end();
    }
    struct held *new = &held[held_count++];
    new->lock = lock;
    new->rank = rank;
    new->frame_count = backtrace(new->frames, FRAMES_HELD);
    __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
}

/* The one taken last, of a lock that is held more than once. */
static void give(const void *lock)
{
    enum lock_rank rank;

    for (unsigned i = held_count; i-- > 0;) {
        if (held[i].lock == lock) {
            for (held_count--; i < held_count; i++)
                held[i] = held[i + 1];
            return;
        }
    }
    if (rank_of(lock, &rank)) {
        fprintf(stderr, "gives back %s, which it does not hold\n", rules[rank].name);
        end();
    }
}

/* ---- in place of pthread's ------------------------------------------------------------------- */

static int take_if(int ret, const void *lock)
{
    if (ret == 0)
        take(lock);
    return ret;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    check(lock);
    return take_if(__real_pthread_mutex_lock(lock), lock);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock)
{
    return take_if(__real_pthread_mutex_trylock(lock), lock);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    give(lock);
    return __real_pthread_mutex_unlock(lock);
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    check(lock);
    return take_if(__real_pthread_rwlock_rdlock(lock), lock);
}

int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
    return take_if(__real_pthread_rwlock_tryrdlock(lock), lock);
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    check(lock);
    return take_if(__real_pthread_rwlock_wrlock(lock), lock);
}

int __wrap_pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    return take_if(__real_pthread_rwlock_trywrlock(lock), lock);
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    give(lock);
    return __real_pthread_rwlock_unlock(lock);
}

/* Whoever waits for a condition gives the mutex back and then waits for it like anybody else. */
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
    give(lock);
    check(lock);
    int ret = __real_pthread_cond_wait(cond, lock);
    take(lock);
    return ret;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    give(lock);
    check(lock);
    int ret = __real_pthread_cond_timedwait(cond, lock, until);
    take(lock);
    return ret;
}
