// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

int stream_open_input(struct cli *cli, const char *name, struct stream_file *out)
{
    *out = (struct stream_file){.fd = STDIN_FILENO, .name = "standard input"};
    if (!name)
        return 0;
    *out = (struct stream_file){.fd = open(name, O_RDONLY | O_CLOEXEC), .name = name};
    cli_failed_in_library(false);
    return out->fd < 0 ? cli_fail(cli, name, -errno) : 0;
}

int stream_open_output(struct cli *cli, const char *name, struct stream_file *out)
{
    *out = (struct stream_file){.fd = STDOUT_FILENO, .name = "standard output"};
    cli_failed_in_library(false);
    if (!name && isatty(STDOUT_FILENO))
        return cli_fail_because(cli, out->name, -EINVAL,
                                "a stream is not for a terminal; -f FILE or a pipe");
    if (!name)
        return 0;
    *out = (struct stream_file){
        .fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600),
        .name = name,
        .old = true,
    };
    return out->fd < 0 ? cli_fail(cli, name, -errno) : 0;
}

int stream_begin_output(struct cli *cli, struct stream_file *file)
{
    struct stat st;
    int ret = 0;

    if (!file->old)
        return 0;
    cli_failed_in_library(false);
    if (host_is_open_image(file->fd))
        return cli_fail_because(cli, file->name, -EBUSY, OPEN_IMAGE);
    if (fstat(file->fd, &st) < 0 || (S_ISREG(st.st_mode) && ftruncate(file->fd, 0) < 0))
        ret = -errno;
    file->old = false;
    return ret < 0 ? cli_fail(cli, file->name, ret) : 0;
}

int stream_close(struct cli *cli, struct stream_file *file)
{
    int ret = 0;

    if (file->fd > STDERR_FILENO && close(file->fd) < 0)
        ret = -errno;
    file->fd = -1;
    cli_failed_in_library(false);
    return ret < 0 ? cli_fail(cli, file->name, ret) : 0;
}

static int read_some(void *arg, void *buf, size_t cap, size_t *got)
{
    const struct stream_file *file = arg;
    ssize_t n;

    do
        n = read(file->fd, buf, cap);
    while (n < 0 && errno == EINTR && !cli_interrupted());
    if (n < 0)
        return -errno;
    *got = (size_t)n;
    return 0;
}

static int write_all(void *arg, const void *buf, size_t len)
{
    const struct stream_file *file = arg;
    const char *at = buf;

    while (len > 0) {
        ssize_t n = write(file->fd, at, len);

        if (n < 0 && errno == EINTR && !cli_interrupted())
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

struct copse_stream_source stream_source(struct stream_file *file)
{
    return (struct copse_stream_source){read_some, file};
}

struct copse_stream_sink stream_sink(struct stream_file *file)
{
    return (struct copse_stream_sink){write_all, file};
}
