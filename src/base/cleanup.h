// SPDX-License-Identifier: GPL-2.0-or-later
/* Scope-bound cleanup: what a function acquires it need not remember to give back. */
#ifndef COPSE_BASE_CLEANUP_H
#define COPSE_BASE_CLEANUP_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_mutex(pthread_mutex_t **mutex)
{
    if (*mutex)
        pthread_mutex_unlock(*mutex);
}

#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)

#define SCOPED_CONCAT_(a, b) a##b
#define SCOPED_CONCAT(a, b) SCOPED_CONCAT_(a, b)

/* Holds the mutex until the end of the scope. */
#define SCOPED_LOCK(mutex)                                                                         \
    pthread_mutex_t *SCOPED_CONCAT(scoped_lock_, __LINE__)                                         \
        __attribute__((cleanup(cleanup_mutex), unused)) = (pthread_mutex_lock(mutex), (mutex))

/* Takes ownership out of an AUTO_FREE variable: `return STEAL(p);` */
#define STEAL(p)                                                                                   \
    ({                                                                                             \
        __typeof__(p) stolen_ = (p);                                                               \
        (p) = NULL;                                                                                \
        stolen_;                                                                                   \
    })

#endif
