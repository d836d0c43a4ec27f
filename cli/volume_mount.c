// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking a running mount by ioctl. */
#include <errno.h>
#include <fcntl.h>
#include <fuse_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volume.h"

#define FLAGS (O_RDONLY | O_NONBLOCK | O_CLOEXEC)

static int open_above(const char *path)
{
    char *dir = need_string(strdup(path)), *slash = strrchr(dir, '/');
    int fd;

    if (slash)
        slash[slash == dir] = '\0';
    fd = open(slash ? dir : ".", FLAGS | O_DIRECTORY);
    free(dir);
    return fd;
}

/* Opening a fifo, a socket or a device would be something else than looking at its name. */
static int open_to_ask(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return open_above(path);
    return open(path, FLAGS);
}

/* What a mount does not know, it never will: it is of another version. */
static int ask_fd(int fd, unsigned long request, void *data)
{
    cli_failed_in_library(false);
    if (ioctl(fd, request, data) == 0)
        return 0;
    return errno == ENOTTY ? -EOPNOTSUPP : -errno;
}

static int ask_and_close(int fd, unsigned long request, void *data)
{
    int ret;

    cli_failed_in_library(false);
    if (fd < 0)
        return -errno;
    ret = ask_fd(fd, request, data);
    close(fd);
    return ret;
}

int mount_ask(const char *path, unsigned long request, void *data)
{
    return ask_and_close(open_to_ask(path), request, data);
}

int mount_stat(const char *path, uint32_t mode, struct copse_stat *out)
{
    const char *slash = strrchr(path, '/');
    struct copse_ioc_stat_at at = {""};
    int ret;

    if (S_ISREG(mode) || S_ISDIR(mode))
        return mount_ask(path, COPSE_IOC_STAT, out);
    snprintf(at.name, sizeof(at.name), "%s", slash ? slash + 1 : path);
    ret = ask_and_close(open_above(path), COPSE_IOC_STAT_AT, &at);
    if (ret == 0)
        *out = at.stat;
    return ret;
}

/* Records of one piece; 1: fn has had enough. */
static int each_record(const struct copse_ioc_list *piece, const struct mount_list *list)
{
    size_t at = 0, len;

    while (at < piece->used && piece->used <= sizeof(piece->data)) {
        if (list->fn(list->arg, piece->data + at, &len) != 0)
            return 1;
        at = (at + len + 7) / 8 * 8;
    }
    return 0;
}

int mount_each_fd(int fd, const struct mount_list *list)
{
    struct copse_ioc_list *piece = need_memory(calloc(1, sizeof(*piece)));
    int ret;

    piece->kind = list->kind;
    piece->flags = list->flags;
    piece->what = list->what;
    piece->subvol = list->subvol;
    do {
        ret = ask_fd(fd, COPSE_IOC_LIST, piece);
        if (ret == 0)
            ret = each_record(piece, list);
    } while (ret == 0 && piece->more);
    free(piece);
    return ret < 0 ? ret : 0;
}

int mount_each(const char *path, const struct mount_list *list)
{
    int fd = open_to_ask(path), ret;

    cli_failed_in_library(false);
    if (fd < 0)
        return -errno;
    ret = mount_each_fd(fd, list);
    close(fd);
    return ret;
}

struct extents {
    int (*fn)(void *arg, const struct copse_extent *extent);
    void *arg;
};

static int take_extent(void *arg, const char *record, size_t *len)
{
    const struct extents *extents = arg;
    struct copse_extent extent;

    memcpy(&extent, record, sizeof(extent));
    *len = sizeof(extent);
    return extents->fn(extents->arg, &extent);
}

int mount_fiemap(int fd, int (*fn)(void *arg, const struct copse_extent *extent), void *arg)
{
    struct extents extents = {fn, arg};

    return mount_each_fd(
        fd, &(struct mount_list){.kind = COPSE_LIST_EXTENTS, .fn = take_extent, .arg = &extents});
}
