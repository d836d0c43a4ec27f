// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bytes of a stream, in and out of a descriptor that others share. Whether it blocks is theirs
 * to say, and a pipe that nobody empties must not hold the end of a job up: so a pipe is opened
 * anew, not to block, and where that is not allowed it is fed in pieces that fit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"

/* What a pipe takes at once when poll says that it takes something. */
#define PIECE 4096u

void job_stream_open(struct job *job, bool for_writing)
{
    char path[64];
    struct stat st;
    int fd = -1;

    /* A file of this very mount is not asked about itself. */
    job->type = fstat(job->stream, &st) == 0 ? st.st_mode & S_IFMT : 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", job->stream);
    if (for_writing && S_ISFIFO(job->type))
        fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    job->open_stream = fd >= 0 ? fd : job->stream;
}

void job_stream_close(struct job *job)
{
    if (job->open_stream != job->stream)
        close(job->open_stream);
}

static int read_some(void *arg, void *buf, size_t cap, size_t *got)
{
    struct job *job = arg;
    ssize_t n;

    do {
        int ret = job_wait(job, job->open_stream, POLLIN);
        if (ret < 0)
            return ret;
        n = read(job->open_stream, buf, cap);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0)
        return -errno;
    *got = (size_t)n;
    return 0;
}

static ssize_t write_some(const struct job *job, const char *at, size_t len)
{
    if (S_ISSOCK(job->type))
        return send(job->open_stream, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (job->open_stream == job->stream && !S_ISREG(job->type))
        len = MIN(len, PIECE);
    return write(job->open_stream, at, len);
}

static int write_all(void *arg, const void *buf, size_t len)
{
    struct job *job = arg;
    const char *at = buf;

    while (len > 0) {
        int ret = job_wait(job, job->open_stream, POLLOUT);
        if (ret < 0)
            return ret;
        ssize_t n = write_some(job, at, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

struct copse_stream_source job_source(struct job *job)
{
    return (struct copse_stream_source){read_some, job};
}

struct copse_stream_sink job_sink(struct job *job)
{
    return (struct copse_stream_sink){write_all, job};
}
