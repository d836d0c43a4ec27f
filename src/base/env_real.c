// SPDX-License-Identifier: GPL-2.0-or-later
/* The environment that the API and the programs use: the machine's clocks, randomness, threads. */
#include "base/env.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/env_thread.h"
#include "base/lock.h"

#define NS_PER_S 1000000000ULL
/* More threads than this gain nothing on checksums and compression of one commit. */
#define MAX_WORKERS 15

/* One call of env_parallel. It lives on the caller's stack and stays queued until all is taken. */
struct job {
    struct job *next;
    void (*fn)(void *arg, size_t i);
    void *arg;
    size_t count;
    size_t taken;
    size_t done;
    pthread_cond_t finished;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_once_t fork_hook;
    struct job *queue;
    unsigned workers;
    bool started;
    void (*note)(void *arg, enum note_level level, const char *message);
    void *note_arg;
} real = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
    .fork_hook = PTHREAD_ONCE_INIT,
};

static void __attribute__((constructor)) rank_lock(void)
{
    lock_rank_static(&real.lock, RANK_WORKERS);
}

/* Takes one piece of the job; false when none is left. Called with the lock held. */
static bool job_take(struct job *job, size_t *out)
{
    if (job->taken == job->count)
        return false;
    *out = job->taken++;
    if (job->taken == job->count) {
        struct job **link = &real.queue;

        while (*link && *link != job)
            link = &(*link)->next;
        if (*link)
            *link = job->next;
    }
    return true;
}

/* Called with the lock held, which it gives up while the piece runs. */
static void job_run_piece(struct job *job, size_t i)
{
    pthread_mutex_unlock(&real.lock);
    job->fn(job->arg, i);
    pthread_mutex_lock(&real.lock);
    if (++job->done == job->count)
        pthread_cond_signal(&job->finished);
}

static void *worker_main(void *arg)
{
    size_t i;

    pthread_mutex_lock(&real.lock);
    for (;;) {
        while (!real.queue)
            pthread_cond_wait(&real.work, &real.lock);
        struct job *job = real.queue;
        if (job_take(job, &i))
            job_run_piece(job, i);
    }
    return arg;
}

/* A child of fork() has none of the threads and starts its own when it needs them. */
static void forget_workers(void)
{
    lock_init(&real.lock, RANK_WORKERS);
    pthread_cond_init(&real.work, NULL);
    real.queue = NULL;
    real.workers = 0;
    real.started = false;
}

static void install_fork_hook(void)
{
    pthread_atfork(NULL, NULL, forget_workers);
}

/* Signals are for the program's own threads. Called with the lock held. */
static void start_workers(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = cpus > 1 ? (unsigned)MIN(cpus - 1, MAX_WORKERS) : 0;
    sigset_t all, before;

    real.started = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (real.workers < wanted) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, worker_main, NULL) != 0)
            break; /* fewer threads: slower, not wrong */
        pthread_detach(thread);
        real.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The caller works too, so a call from inside a piece, or without any worker, still ends. */
static void run_shared(struct job *job)
{
    size_t i;

    SCOPED_LOCK(&real.lock);
    if (!real.started)
        start_workers();
    struct job **link = &real.queue;
    while (*link)
        link = &(*link)->next;
    *link = job;
    pthread_cond_broadcast(&real.work);
    while (job_take(job, &i))
        job_run_piece(job, i);
    while (job->done < job->count)
        pthread_cond_wait(&job->finished, &real.lock);
}

static void real_parallel(struct env *env, size_t count, void (*fn)(void *arg, size_t i), void *arg)
{
    (void)env;
    if (count <= 1) {
        if (count)
            fn(arg, 0);
        return;
    }
    pthread_once(&real.fork_hook, install_fork_hook);
    struct job job = {.fn = fn, .arg = arg, .count = count};
    pthread_cond_init(&job.finished, NULL);
    run_shared(&job);
    pthread_cond_destroy(&job.finished);
}

static struct timespec real_now(struct env *env)
{
    struct timespec now;

    (void)env;
    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

static uint64_t real_monotonic_ns(struct env *env)
{
    struct timespec now;

    (void)env;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void real_random(struct env *env, void *buf, size_t len)
{
    size_t done = 0;

    (void)env;
    while (done < len) {
        ssize_t got = getrandom((char *)buf + done, len - done, 0);

        INVARIANT(got > 0 || errno == EINTR, "the system has random bytes");
        if (got > 0)
            done += (size_t)got;
    }
}

/* What the control group at that path may have; UINT64_MAX: no limit, or none that can be read. */
static uint64_t group_limit(const char *path)
{
    char name[PATH_MAX + 64];
    uint64_t limit;

    snprintf(name, sizeof(name), "/sys/fs/cgroup%s/memory.max", path);
    FILE *file = fopen(name, "re");
    if (!file)
        return UINT64_MAX;
    if (fscanf(file, "%" SCNu64, &limit) != 1)
        limit = UINT64_MAX; /* "max" */
    fclose(file);
    return limit;
}

/* The least limit of this process's control group (version 2) and of those it is in. */
static uint64_t groups_limit(void)
{
    char path[PATH_MAX] = "";
    uint64_t limit = UINT64_MAX;
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (!file)
        return limit;
    while (fgets(path, sizeof(path), file) && strncmp(path, "0::", 3) != 0)
        path[0] = '\0';
    fclose(file);
    if (path[0] == '\0')
        return limit;
    memmove(path, path + 3, strlen(path + 3) + 1);
    path[strcspn(path, "\n")] = '\0';
    for (char *end = path + strlen(path); end; end = strrchr(path, '/')) {
        *end = '\0';
        limit = MIN(limit, group_limit(path));
    }
    return limit;
}

static uint64_t real_memory_bytes(struct env *env)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    (void)env;
    if (pages <= 0 || page <= 0)
        return 0;
    return MIN((uint64_t)pages * (uint64_t)page, groups_limit());
}

static void real_note(struct env *env, enum note_level level, const char *message)
{
    void (*handler)(void *arg, enum note_level level, const char *message);
    void *arg;

    (void)env;
    pthread_mutex_lock(&real.lock);
    handler = real.note;
    arg = real.note_arg;
    pthread_mutex_unlock(&real.lock);
    if (handler)
        handler(arg, level, message);
}

static const struct env_ops real_ops = {
    .now = real_now,
    .monotonic_ns = real_monotonic_ns,
    .random = real_random,
    .parallel = real_parallel,
    .thread_start = env_thread_start_real,
    .memory_bytes = real_memory_bytes,
    .note = real_note,
};

struct env *env_real(void)
{
    static struct env env = {.ops = &real_ops};

    return &env;
}

void env_real_set_note(void (*handler)(void *arg, enum note_level level, const char *message),
                       void *arg)
{
    SCOPED_LOCK(&real.lock);
    real.note = handler;
    real.note_arg = arg;
}
