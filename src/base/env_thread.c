// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads of the real environment that live as long as their owner wants. */
#include "base/env_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct env_thread {
    pthread_t id;
    void (*fn)(void *arg);
    void *arg;
};

static void *run(void *arg)
{
    struct env_thread *thread = arg;

    thread->fn(thread->arg);
    return NULL;
}

int env_thread_start_real(struct env *env, void (*fn)(void *arg), void *arg,
                          struct env_thread **out)
{
    struct env_thread *thread = malloc(sizeof(*thread));
    sigset_t all, old;

    (void)env;
    if (!thread)
        return fail(-ENOMEM, "no memory for a thread");
    *thread = (struct env_thread){.fn = fn, .arg = arg};
    /* Signals are the program's business, not this thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&thread->id, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err != 0) {
        free(thread);
        return fail(-err, "no thread to be had");
    }
    *out = thread;
    return 0;
}

void env_thread_join(struct env_thread *thread)
{
    pthread_join(thread->id, NULL);
    free(thread);
}
