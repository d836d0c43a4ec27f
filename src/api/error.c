// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages, version, features: what the library says about itself and about failures. */
#include "api/internal.h"

#include <pthread.h>
#include <stdio.h>

#include "base/lock.h"

COPSE_EXPORT const char *copse_error(void)
{
    return fail_message();
}

int api_result(int ret)
{
    if (ret < 0 && fail_message()[0] == '\0')
        return fail(ret, "%s", strerror(-ret));
    return ret;
}

COPSE_EXPORT const char *copse_version(void)
{
    return COPSE_VERSION;
}

COPSE_EXPORT const char *const *copse_features(void)
{
    static const char *const features[] = {"isa-l", "libdeflate", "zlib",      "zstd",
                                           "lzo",   "xxhash",     "libgcrypt", NULL};
    return features;
}

/* ---- notes ----------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    void (*handler)(void *arg, enum copse_note_level level, const char *message);
    void *arg;
} notes = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void __attribute__((constructor)) rank_lock(void)
{
    lock_rank_static(&notes.lock, RANK_NOTES);
}

static void pass_note(void *arg, enum note_level level, const char *message)
{
    (void)arg;
    SCOPED_LOCK(&notes.lock);
    if (notes.handler)
        notes.handler(notes.arg, (enum copse_note_level)level, message);
}

COPSE_EXPORT void copse_set_note_handler(void (*handler)(void *arg, enum copse_note_level level,
                                                         const char *message),
                                         void *arg)
{
    _Static_assert((int)NOTE_ERROR == (int)COPSE_NOTE_ERROR, "the levels are the same");
    pthread_mutex_lock(&notes.lock);
    notes.handler = handler;
    notes.arg = arg;
    pthread_mutex_unlock(&notes.lock);
    env_real_set_note(handler ? pass_note : NULL, NULL);
}
