// SPDX-License-Identifier: GPL-2.0-or-later
/* SIGTERM, SIGINT, SIGHUP: unmount, then end as after any unmount. */
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static void ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;

    ending_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* What programs stored through shared mappings reaches us only when the kernel writes it. */
static void write_out_pages(const struct mounted *m)
{
    int fd = open(m->options->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        syncfs(fd);
        close(fd);
    }
}

static void nothing(int signal)
{
    (void)signal;
}

/*
 * Somebody still uses the mount, so that nothing but us ends the loop: it looks at its flag when a
 * signal interrupts its waiting, which one signal can just miss.
 */
static void end_loop(struct mounted *m)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    struct sigaction action = {.sa_handler = nothing};

    sigaction(SIGUSR1, &action, NULL);
    fuse_session_exit(m->session);
    while (!atomic_load(&m->loop_ended)) {
        pthread_kill(m->main_thread, SIGUSR1);
        nanosleep(&pause, NULL);
    }
}

static void *wait_for_signal(void *arg)
{
    struct mounted *m = ((struct signals *)arg)->m;
    char output[COPSE_FUSE_MESSAGE_MAX];
    sigset_t set;
    int got;

    ending_signals(&set);
    sigwait(&set, &got);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    write_out_pages(m);
    if (unmount_now(m->options->mountpoint, false, output) < 0) {
        /* In use. Its users get errors from now on, but what they wrote is kept. */
        unmount_now(m->options->mountpoint, true, output);
        jobs_stop(m);
        asides_wait(m);
        end_loop(m);
    }
    return NULL;
}

int signals_start(struct signals *signals, struct mounted *m)
{
    signals->m = m;
    return -pthread_create(&signals->thread, NULL, wait_for_signal, signals);
}

void signals_stop(struct signals *signals)
{
    pthread_cancel(signals->thread);
    pthread_join(signals->thread, NULL);
}
