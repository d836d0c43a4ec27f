// SPDX-License-Identifier: GPL-2.0-or-later
#include "mount_job.h"

#include <fcntl.h>
#include <fuse_ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "volume.h"

/* How often we look whether somebody wants us to stop. */
#define LOOK_EVERY_MS 200

/* ---- connecting ------------------------------------------------------------------------------ */

static int connect_to(const char *name, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* A leading NUL: it is in no directory. */
    int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%.63s%s", name,
                       COPSE_JOB_SUFFIX);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0) {
        int err = errno;

        close(fd);
        return -err;
    }
    *out = fd;
    return 0;
}

int mount_job_open(struct cli *cli, const char *path, struct mount_job *job)
{
    struct copse_ioc_control control;
    struct stat st;
    int ret;

    *job = (struct mount_job){.cli = cli, .socket = -1};
    job->request = need_memory(calloc(1, sizeof(*job->request)));
    job->request->version = COPSE_JOB_VERSION;
    cli_failed_in_library(false);
    job->keep = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (job->keep < 0 || fstat(job->keep, &st) < 0)
        return cli_fail(cli, path, -errno);
    job->dev = st.st_dev;
    if (ioctl(job->keep, COPSE_IOC_CONTROL, &control) < 0)
        return cli_fail(cli, path, errno == ENOTTY ? -EOPNOTSUPP : -errno);
    ret = connect_to(control.name, &job->socket);
    if (ret < 0)
        return cli_fail_because(cli, path, ret, "the mount does not answer");
    return mount_job_add(job, path);
}

void mount_job_close(struct mount_job *job)
{
    if (job->socket >= 0)
        close(job->socket);
    if (job->keep >= 0)
        close(job->keep);
    free(job->request);
}

int mount_job_add(struct mount_job *job, const char *path)
{
    struct copse_job_request *request = job->request;
    struct copse_stat in_it;
    struct stat st;
    int ret = stat(path, &st) < 0 ? -errno : mount_ask(path, COPSE_IOC_STAT, &in_it);

    cli_failed_in_library(false);
    if (ret < 0)
        return cli_fail(job->cli, path, ret);
    if (st.st_dev != job->dev)
        return cli_fail_because(job->cli, path, -EXDEV, "subvolumes of different file systems");
    if (request->node_count == COPSE_JOB_NODES_MAX)
        return cli_fail(job->cli, path, -E2BIG);
    request = need_memory(
        realloc(request, sizeof(*request) + (request->node_count + 1) * sizeof(request->nodes[0])));
    request->nodes[request->node_count++] = (struct copse_job_node){in_it.subvol, in_it.subvol_ino};
    job->request = request;
    return 0;
}

/* ---- asking, and listening ------------------------------------------------------------------- */

static int ask(const struct mount_job *job, int fd)
{
    struct copse_job_request *request = job->request;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {request,
                        sizeof(*request) + request->node_count * sizeof(request->nodes[0])};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    control.head = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    /* A refusal may be there before we asked: it is heard then. */
    return sendmsg(job->socket, &message, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET
               ? -errno
               : 0;
}

/* The next event. -EIO: there will be none. */
static int listen_to(const struct mount_job *job, struct copse_job_event *event, bool *stopped)
{
    struct pollfd fd = {.fd = job->socket, .events = POLLIN};
    ssize_t got;

    for (;;) {
        if (cli_interrupted() && !*stopped) {
            /* It ends its work, and says so. */
            shutdown(job->socket, SHUT_WR);
            *stopped = true;
        }
        if (poll(&fd, 1, LOOK_EVERY_MS) <= 0)
            continue;
        got = recv(job->socket, event, sizeof(*event), MSG_DONTWAIT);
        /* A refusal breaks the connection before it is heard: it comes next. */
        if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == ECONNRESET))
            continue;
        break;
    }
    if (got < (ssize_t)offsetof(struct copse_job_event, text) + 1)
        return -EIO;
    event->text[sizeof(event->text) - 1] = '\0';
    return 0;
}

static void pass_on(const struct mount_job *job, const struct copse_job_event *event)
{
    const struct copse_stream_progress progress = {event->commands, event->bytes, event->text};

    if (event->kind == COPSE_JOB_PROGRESS && job->progress)
        job->progress(job->arg, &progress);
    if (event->kind == COPSE_JOB_BEGUN && job->begun)
        job->begun(job->arg, event->text, event->number != 0);
    if (event->kind == COPSE_JOB_TOKEN && job->token)
        job->token(job->arg, event->text);
    if (event->kind == COPSE_JOB_FAILED && job->failed)
        job->failed(job->arg, event->result, event->text);
}

int mount_job_run(struct mount_job *job, int fd, const char *what)
{
    struct copse_job_event event = {0};
    bool stopped = false;
    int ret = ask(job, fd);

    while (ret == 0 && (ret = listen_to(job, &event, &stopped)) == 0 &&
           event.kind != COPSE_JOB_DONE)
        pass_on(job, &event);
    cli_failed_in_library(false);
    if (ret < 0)
        return cli_fail_because(job->cli, what, ret, "the mount ended before it was done");
    return event.result < 0 ? cli_fail_said(job->cli, what, event.result, event.text) : 0;
}
