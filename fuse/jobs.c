// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Jobs that others ask a mount for (fuse_job.h): who may, a thread for each, and their end. What
 * a job does is in job.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "job.h"

/* ---- messages -------------------------------------------------------------------------------- */

bool job_is_stopped(struct job *job)
{
    struct pollfd fds[] = {{.fd = job->client, .events = POLLRDHUP},
                           {.fd = job->m->jobs.stop, .events = POLLIN}};

    return poll(fds, 2, 0) > 0;
}

int job_wait(struct job *job, int fd, short events)
{
    struct pollfd fds[] = {{.fd = fd, .events = events},
                           {.fd = job->client, .events = POLLRDHUP},
                           {.fd = job->m->jobs.stop, .events = POLLIN}};

    while (poll(fds, 3, -1) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return fds[1].revents || fds[2].revents ? -ECANCELED : 0;
}

/* Until there is room for an event; who hears how it ended may have asked for the end. */
static void wait_for_room(struct job *job)
{
    struct pollfd fds[] = {{.fd = job->client, .events = POLLOUT},
                           {.fd = job->m->jobs.stop, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
}

void job_tell(struct job *job, struct copse_job_event *event, const char *text)
{
    size_t len;

    if (event->kind != COPSE_JOB_PROGRESS)
        wait_for_room(job);
    snprintf(event->text, sizeof(event->text), "%s", text);
    len = offsetof(struct copse_job_event, text) + strlen(event->text) + 1;
    /* Nobody to tell is no failure. */
    ssize_t sent = send(job->client, event, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

/* One descriptor, or -1. */
static int take_descriptor(struct msghdr *message)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int fd;

    if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(sizeof(fd)))
        return -1;
    memcpy(&fd, CMSG_DATA(head), sizeof(fd));
    return fd;
}

static int take_request(struct job *job, struct copse_job_request *request, size_t cap)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {request, cap};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    int ret = job_wait(job, job->client, POLLIN);
    ssize_t got = ret < 0 ? ret : recvmsg(job->client, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return -ECANCELED;
    job->stream = take_descriptor(&message);
    if ((size_t)got < sizeof(*request) || request->version != COPSE_JOB_VERSION ||
        request->node_count > COPSE_JOB_NODES_MAX ||
        (size_t)got != sizeof(*request) + request->node_count * sizeof(request->nodes[0]) ||
        job->stream < 0)
        return -EPROTO;
    return 0;
}

/* ---- one job --------------------------------------------------------------------------------- */

static void serve_job(struct job *job)
{
    size_t cap =
        sizeof(struct copse_job_request) + COPSE_JOB_NODES_MAX * sizeof(struct copse_job_node);
    struct copse_job_request *request = malloc(cap);
    struct copse_job_event done = {.kind = COPSE_JOB_DONE};
    const char *why = "";

    int ret = request ? take_request(job, request, cap) : -ENOMEM;
    if (ret == 0) {
        ret = job_run(job, request);
        why = ret == -ECANCELED ? "stopped" : ret < 0 ? copse_error() : "";
    }
    /* Readers see the end of the stream before who asked sees the end of the job. */
    if (job->stream >= 0)
        close(job->stream);
    done.result = ret;
    job_tell(job, &done, why);
    free(request);
}

static void run_job(void *arg)
{
    struct job *job = arg;

    serve_job(job);
    close(job->client);
    free(job);
}

/* Whose image it is; a name that can be guessed, or read in /proc, opens nothing. */
static int check_rights(int client)
{
    struct ucred who;
    socklen_t len = sizeof(who);

    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return -errno;
    return who.uid == 0 || who.uid == getuid() ? 0 : -EPERM;
}

static void start_job(struct mounted *m, int client)
{
    struct job *job = malloc(sizeof(*job));
    struct copse_job_event done = {.kind = COPSE_JOB_DONE};

    int ret = job ? check_rights(client) : -ENOMEM;
    if (ret == 0) {
        *job = (struct job){.m = m, .client = client, .stream = -1};
        ret = aside_start(m, run_job, job);
    }
    if (ret == 0)
        return;
    free(job);
    done.result = ret;
    job_tell(&(struct job){.m = m, .client = client}, &done, "");
    close(client);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void *wait_for_jobs(void *arg)
{
    struct mounted *m = arg;
    struct pollfd fds[] = {{.fd = m->jobs.listener, .events = POLLIN},
                           {.fd = m->jobs.stop, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            break;
        int client = accept4(m->jobs.listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            start_job(m, client);
    }
    return NULL;
}

int jobs_start(struct mounted *m)
{
    struct jobs *jobs = &m->jobs;
    char name[sizeof(m->control.name) + sizeof(COPSE_JOB_SUFFIX)];

    jobs->listener = jobs->stop = -1;
    if (m->control.listener < 0)
        return 0;
    snprintf(name, sizeof(name), "%s%s", m->control.name, COPSE_JOB_SUFFIX);
    int ret = control_listen(name, &jobs->listener);
    if (ret < 0)
        return ret;
    jobs->stop = eventfd(0, EFD_CLOEXEC);
    ret = jobs->stop < 0 ? -errno : -pthread_create(&jobs->thread, NULL, wait_for_jobs, m);
    if (ret < 0) {
        close(jobs->listener);
        jobs->listener = -1;
    }
    return ret;
}

void jobs_stop(struct mounted *m)
{
    struct jobs *jobs = &m->jobs;
    const uint64_t one = 1;

    if (jobs->listener < 0)
        return;
    ssize_t written = write(jobs->stop, &one, sizeof(one));
    (void)written;
    pthread_join(jobs->thread, NULL);
    close(jobs->listener);
    jobs->listener = -1;
}
