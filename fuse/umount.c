// SPDX-License-Identifier: GPL-2.0-or-later
/* Unmounting, and waiting for the process behind the mount to have made everything durable. */
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

extern char **environ;

/* ---- the unmount itself ---------------------------------------------------------------------- */

static int run_fusermount(const char *dir, bool lazy)
{
    const char *const argv[] = {"fusermount3", "-u", lazy ? "-z" : "--", dir, NULL};
    int status;
    pid_t pid;

    int err = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);
    if (err != 0) {
        fprintf(stderr, "%s: %s", argv[0], strerror(err));
        return -err;
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    /* It says why in words only. */
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

int unmount_now(const char *dir, bool lazy, char *output)
{
    struct capture capture;

    output[0] = '\0';
    if (geteuid() == 0 && umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    if (geteuid() == 0) {
        int err = errno;

        snprintf(output, COPSE_FUSE_MESSAGE_MAX, "%s", strerror(err));
        return -err;
    }
    capture_start(&capture);
    int ret = run_fusermount(dir, lazy);
    capture_end(&capture, output, COPSE_FUSE_MESSAGE_MAX);
    return ret;
}

/* ---- which mount it is ----------------------------------------------------------------------- */

struct mount_line {
    bool found;
    char type[64];
    uid_t uid; /* who mounted it */
    gid_t gid;
};

/* mountinfo writes blanks and backslashes as \ooo. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at; at++) {
        unsigned byte;

        if (*at == '\\' && sscanf(at + 1, "%3o", &byte) == 1) {
            *to++ = (char)byte;
            at += 3;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static void read_mount_line(char *line, const char *dir, struct mount_line *out)
{
    char point[PATH_MAX], options[1024];
    char type[64];

    if (sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
        return;
    char *dash = strstr(line, " - ");
    if (!dash || sscanf(dash, " - %63s %*s %1023s", type, options) != 2)
        return;
    unescape(point);
    if (strcmp(point, dir) != 0)
        return;
    /* The last of several on one directory is the one on top. */
    *out = (struct mount_line){.found = true};
    memcpy(out->type, type, sizeof(type));
    const char *uid = strstr(options, "user_id="), *gid = strstr(options, "group_id=");
    out->uid = uid ? (uid_t)strtoul(uid + strlen("user_id="), NULL, 10) : 0;
    out->gid = gid ? (gid_t)strtoul(gid + strlen("group_id="), NULL, 10) : 0;
}

static int find_mount(const char *dir, struct mount_line *out)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;

    if (!file)
        return -errno;
    out->found = false;
    while (getline(&line, &cap, file) > 0)
        read_mount_line(line, dir, out);
    free(line);
    fclose(file);
    return 0;
}

/* As realpath, but the last component is not touched: its server may be dead. */
static int resolve(const char *dir, char out[PATH_MAX])
{
    char copy[PATH_MAX], parent[PATH_MAX];
    size_t len = strlen(dir);

    if (len == 0 || len >= sizeof(copy))
        return len == 0 ? -ENOENT : -ENAMETOOLONG;
    if (realpath(dir, out))
        return 0;
    if (errno != ENOTCONN && errno != EACCES && errno != EIO)
        return -errno;
    memcpy(copy, dir, len + 1);
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    if (slash)
        *slash = '\0';
    if (!realpath(!slash ? "." : *copy ? copy : "/", parent))
        return -errno;
    int need = snprintf(out, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
    return need < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* ---- asking where to wait -------------------------------------------------------------------- */

static int ask(const char *dir, struct copse_ioc_control *out)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int ret = ioctl(fd, COPSE_IOC_CONTROL, out) < 0 ? -errno : 0;
    close(fd);
    return ret;
}

/* Nobody but who mounted it may use a private mount, not even root. */
static int ask_as(const char *dir, const struct mount_line *line, struct copse_ioc_control *out)
{
    int pipe_fds[2], status;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        int ret = setresgid(line->gid, line->gid, line->gid) < 0 ||
                          setresuid(line->uid, line->uid, line->uid) < 0
                      ? -EACCES
                      : ask(dir, out);
        if (ret == 0 && write(pipe_fds[1], out, sizeof(*out)) != (ssize_t)sizeof(*out))
            ret = -EIO;
        _exit(-ret);
    }
    close(pipe_fds[1]);
    ssize_t got = pid > 0 ? read(pipe_fds[0], out, sizeof(*out)) : -1;
    close(pipe_fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -EIO;
    if (got == (ssize_t)sizeof(*out))
        return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : -EIO;
}

static int connect_to(const struct copse_ioc_control *control, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strnlen(control->name, sizeof(control->name));

    memcpy(address.sun_path + 1, control->name, len);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0) {
        int err = errno;

        close(fd);
        return -err;
    }
    *out = fd;
    return 0;
}

static int start_waiting(const char *dir, const struct mount_line *line, int *out)
{
    struct copse_ioc_control control = {{0}};

    int ret = ask(dir, &control);
    if (ret == -EACCES && geteuid() == 0)
        ret = ask_as(dir, line, &control);
    return ret < 0 ? ret : connect_to(&control, out);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int say(char *message, int ret, const char *dir, const char *why)
{
    snprintf(message, COPSE_FUSE_MESSAGE_MAX, "%.300s: %.700s", dir, why);
    return ret;
}

static int wait_for_result(int fd, const char *dir, char *message)
{
    struct control_result answer;
    ssize_t got;

    do {
        got = recv(fd, &answer, sizeof(answer), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(answer))
        return say(message, -EIO, dir,
                   "the process that served it ended without a last commit; what was not yet "
                   "synced may be lost");
    answer.message[sizeof(answer.message) - 1] = '\0';
    return answer.result < 0 ? say(message, answer.result, dir, answer.message) : 0;
}

int copse_fuse_umount(const char *dir, char *message)
{
    char path[PATH_MAX], output[COPSE_FUSE_MESSAGE_MAX];
    struct mount_line line;
    int fd = -1;

    int ret = resolve(dir, path);
    if (ret == 0)
        ret = find_mount(path, &line);
    if (ret < 0)
        return say(message, ret, dir, strerror(-ret));
    if (!line.found)
        return say(message, -EINVAL, dir, "nothing is mounted there");
    if (strcmp(line.type, "fuse.copse") != 0)
        return say(message, -EINVAL, dir, "mounted, but not by copse");
    int waiting = start_waiting(path, &line, &fd);
    ret = unmount_now(path, false, output);
    if (ret < 0)
        say(message, ret, dir, output[0] ? output : strerror(-ret));
    else if (waiting == -ENOTCONN)
        ret = say(message, -ENOTCONN, dir,
                  "the process that served it was gone already; what was not yet synced may be "
                  "lost");
    else if (waiting < 0)
        ret = say(message, waiting, dir,
                  "unmounted, but whether the last commit succeeded "
                  "cannot be asked");
    else
        ret = wait_for_result(fd, dir, message);
    if (fd >= 0)
        close(fd);
    return ret;
}
