// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How `copse umount` learns what became of the last commit. A plain unmount returns while we still
 * commit, and nobody but our parent could see our exit status. So we listen on a socket whose name
 * only those can ask for who can use the mount (COPSE_IOC_CONTROL); who connects waits, and is told
 * the result at the very end. If we die first the connection breaks, which is an answer too.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

/* Connections that wait are kept by the kernel until we take them at the end. */
#define WAITING_MAX 64

int control_listen(const char *name, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);

    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* A leading NUL: not in any directory, so nothing is left behind. */
    memcpy(address.sun_path + 1, name, len);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, WAITING_MAX) < 0) {
        int err = errno;

        close(fd);
        return -err;
    }
    *out = fd;
    return 0;
}

int control_open(struct control *control)
{
    unsigned char random[16];
    int at;

    control->listener = -1;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    at = snprintf(control->name, sizeof(control->name), "copse-");
    for (size_t i = 0; i < sizeof(random); i++)
        at += snprintf(control->name + at, sizeof(control->name) - (size_t)at, "%02x", random[i]);
    return control_listen(control->name, &control->listener);
}

void control_finish(struct control *control, int result, const char *message)
{
    struct control_result answer = {.result = result};
    int fd;

    if (control->listener < 0)
        return;
    snprintf(answer.message, sizeof(answer.message), "%s", message);
    while ((fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        /* Nobody to tell is no failure. */
        ssize_t sent = send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
        (void)sent;
        close(fd);
    }
    close(control->listener);
    control->listener = -1;
}
