// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes the calls of the table on a file system that the kernel has mounted, and holds what it
 * answers against the table. Prints TAP.
 *
 *     errno-kernel btrfs|xfs DIR
 *
 * DIR/far is in another file system of the same kind; for btrfs DIR/files and DIR/snap are made:
 * a subvolume and read-only snapshots of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/errno/cases.h"

static const char *top;
static int on;

static void need(long ret, const char *what)
{
    if (ret >= 0)
        return;
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *path_of(const char *name)
{
    static char path[4096];

    if (strncmp(name, "far/", 4) == 0 || strncmp(name, "snap/", 5) == 0)
        snprintf(path, sizeof(path), "%s/%s", top, name);
    else
        snprintf(path, sizeof(path), "%s/files/%s", top, name);
    return path;
}

static int set_flag(const char *name, int flag)
{
    int fd = open(path_of(name), O_RDONLY), flags;

    need(fd, name);
    need(ioctl(fd, FS_IOC_GETFLAGS, &flags), "FS_IOC_GETFLAGS");
    flags |= flag;
    int ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    close(fd);
    return ret;
}

static void make_file(const char *name, size_t size, int flag)
{
    static uint8_t bytes[DATA_SIZE + 5000];
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    need(fd, name);
    if (flag)
        need(set_flag(name, flag), "chattr");
    for (size_t i = 0; i < size; i++)
        bytes[i] = errno_byte(name, i);
    need(write(fd, bytes, size) == (ssize_t)size ? 0 : -1, name);
    close(fd);
}

static void make_snapshot(void)
{
    struct btrfs_ioctl_vol_args_v2 args = {.flags = BTRFS_SUBVOL_RDONLY, .name = "snap"};
    int dir = open(top, O_RDONLY);

    need(dir, top);
    args.fd = open(path_of("."), O_RDONLY);
    need((int)args.fd, "files");
    need(ioctl(dir, BTRFS_IOC_SNAP_CREATE_V2, &args), "snapshot");
    close((int)args.fd);
    close(dir);
}

static void make_all(void)
{
    make_file("data", DATA_SIZE, 0);
    make_file("twin", DATA_SIZE, 0);
    make_file("other", DATA_SIZE, 0);
    make_file("tail", DATA_SIZE + 5000, 0);
    make_file("empty", 0, 0);
    make_file("fixed", DATA_SIZE, 0);
    make_file("append", DATA_SIZE, 0);
    make_file("far/data", DATA_SIZE, 0);
    if (on == ON_BTRFS)
        make_file("nosum", DATA_SIZE, FS_NOCOW_FL);
    need(mkdir(path_of("dir"), 0755), "dir");
    need(mkfifo(path_of("fifo"), 0644), "fifo");
    if (on == ON_BTRFS)
        make_snapshot();
    need(set_flag("fixed", FS_IMMUTABLE_FL), "chattr +i");
    need(set_flag("append", FS_APPEND_FL), "chattr +a");
}

/* As a user would open it for the call: what has no other word for a directory says it at open. */
static int open_target(const struct errno_case *c)
{
    bool append = c->call == CALL_FALLOCATE && strcmp(c->dst, "append") == 0;
    struct stat st;

    need(stat(path_of(c->dst), &st), c->dst);
    if (c->call == CALL_DEDUPE || c->call == CALL_TRUNCATE ||
        (c->call == CALL_CLONE && S_ISDIR(st.st_mode)))
        return open(path_of(c->dst), O_RDONLY | O_NONBLOCK);
    return open(path_of(c->dst), O_RDWR | (append ? O_APPEND : 0));
}

static int open_source(const struct errno_case *c)
{
    int fd = open(path_of(c->src), O_RDONLY | O_NONBLOCK);

    need(fd, c->src);
    return fd;
}

static int answer_of(long ret)
{
    return ret < 0 ? errno : 0;
}

static int call_dedupe(const struct errno_case *c, int src, int dst, uint64_t *done)
{
    union {
        struct file_dedupe_range range;
        char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
    } args = {.range = {.src_offset = (uint64_t)c->from, .src_length = (uint64_t)c->len}};
    struct file_dedupe_range_info *info = args.range.info;

    args.range.dest_count = 1;
    info->dest_fd = dst;
    info->dest_offset = (uint64_t)c->to;
    if (ioctl(src, FIDEDUPERANGE, &args) < 0)
        return errno;
    *done = info->bytes_deduped;
    if (info->status == FILE_DEDUPE_RANGE_DIFFERS)
        return DIFFERS;
    return -info->status;
}

static int call_clone(const struct errno_case *c, int src, int dst)
{
    struct file_clone_range range = {
        .src_fd = src,
        .src_offset = (uint64_t)c->from,
        .src_length = (uint64_t)c->len,
        .dest_offset = (uint64_t)c->to,
    };

    return answer_of(ioctl(dst, FICLONERANGE, &range));
}

static int make_call(const struct errno_case *c, int src, int dst, uint64_t *done)
{
    loff_t from = c->from, to = c->to;
    char byte = 'x';

    switch (c->call) {
    case CALL_WRITE:
        return answer_of(pwrite(dst, &byte, 1, c->to));
    case CALL_TRUNCATE:
        return answer_of(truncate(path_of(c->dst), c->to));
    case CALL_FALLOCATE:
        return answer_of(fallocate(dst, c->mode, c->to, c->len));
    case CALL_CLONE:
        return call_clone(c, src, dst);
    case CALL_COPY:
        return answer_of(copy_file_range(src, &from, dst, &to, (size_t)c->len, 0));
    case CALL_DEDUPE:
        return call_dedupe(c, src, dst, done);
    }
    return -1;
}

static int run(const struct errno_case *c, uint64_t *done)
{
    int src = -1, dst = open_target(c);

    if (dst < 0)
        return errno;
    if (c->src)
        src = open_source(c);
    int answer = make_call(c, src, dst, done);
    if (src >= 0)
        close(src);
    close(dst);
    return answer;
}

static void clean_up(void)
{
    char command[4200];

    snprintf(command, sizeof(command),
             "cd '%s' && { chattr -f -i files/fixed; chattr -f -a files/append; "
             "[ ! -d snap ] || btrfs -q subvolume delete snap; rm -rf files/* far/data; } "
             ">/dev/null 2>&1",
             top);
    need(system(command), "cleaning up");
}

int main(int argc, char **argv)
{
    size_t count = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: errno-kernel btrfs|xfs DIR\n");
        return 2;
    }
    on = strcmp(argv[1], "xfs") == 0 ? ON_XFS : ON_BTRFS;
    top = argv[2];
    for (size_t i = 0; i < errno_case_count; i++) {
        const struct errno_case *c = &errno_cases[i];
        uint64_t done = 0;

        if ((int)c->judge != on)
            continue;
        make_all();
        int answer = run(c, &done);
        bool right = answer == c->answer && done == c->done;
        printf("%sok %zu - %s\n", right ? "" : "not ", ++count, errno_case_text(c));
        if (!right)
            printf("# answers %d (%s), %llu bytes\n", answer,
                   answer == DIFFERS ? "differs" : strerror(answer), (unsigned long long)done);
        clean_up();
    }
    printf("1..%zu\n", count);
    return 0;
}
