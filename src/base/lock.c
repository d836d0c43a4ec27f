// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/lock.h"

#pragma weak lock_ranked
#pragma weak lock_unranked

static void begins(const void *lock, enum lock_rank rank)
{
    if (lock_ranked)
        lock_ranked(lock, rank);
}

static void ends(const void *lock)
{
    if (lock_unranked)
        lock_unranked(lock);
}

void lock_init(pthread_mutex_t *lock, enum lock_rank rank)
{
    pthread_mutex_init(lock, NULL);
    begins(lock, rank);
}

void lock_init_recursive(pthread_mutex_t *lock, enum lock_rank rank)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
    begins(lock, rank);
}

void lock_rank_static(pthread_mutex_t *lock, enum lock_rank rank)
{
    begins(lock, rank);
}

void lock_destroy(pthread_mutex_t *lock)
{
    ends(lock);
    pthread_mutex_destroy(lock);
}

void rwlock_init(pthread_rwlock_t *lock, enum lock_rank rank)
{
    pthread_rwlock_init(lock, NULL);
    begins(lock, rank);
}

void rwlock_init_writers_first(pthread_rwlock_t *lock, enum lock_rank rank)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    begins(lock, rank);
}

void rwlock_destroy(pthread_rwlock_t *lock)
{
    ends(lock);
    pthread_rwlock_destroy(lock);
}
