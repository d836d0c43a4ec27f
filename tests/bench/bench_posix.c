// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any mounted file system, through system calls: the kernel's btrfs, and copse through its mount.
 *
 *     bench_posix DIRECTORY [group|lookup|small|data|tree|rewrite|reflink|fsync|hot|growth ...]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static int top;

static void must(int ret, const char *what)
{
    if (ret < 0)
        bench_die(what, strerror(errno));
}

/* A descriptor as a handle; 0 may be one. */
static handle *handle_of(int fd)
{
    return (handle *)(intptr_t)(fd + 1);
}

static int fd_of(handle *h)
{
    return (int)(intptr_t)h - 1;
}

static handle *posix_root(void)
{
    int fd = dup(top);

    must(fd, "dup");
    return handle_of(fd);
}

static void posix_put(handle *h)
{
    close(fd_of(h));
}

static handle *posix_make_dir(handle *dir, const char *name)
{
    must(mkdirat(fd_of(dir), name, 0755), "mkdir");
    int fd = openat(fd_of(dir), name, O_RDONLY | O_DIRECTORY);
    must(fd, "open");
    return handle_of(fd);
}

static void posix_create(handle *dir, const char *name)
{
    must(mknodat(fd_of(dir), name, S_IFREG | 0644, 0), "mknod");
}

static handle *posix_create_open(handle *dir, const char *name)
{
    int fd = openat(fd_of(dir), name, O_RDWR | O_CREAT | O_EXCL, 0644);

    must(fd, "create");
    return handle_of(fd);
}

static void posix_stat(handle *dir, const char *path)
{
    struct stat st;

    must(fstatat(fd_of(dir), path, &st, AT_SYMLINK_NOFOLLOW), "stat");
}

static uint64_t posix_list(handle *dir)
{
    int fd = openat(fd_of(dir), ".", O_RDONLY | O_DIRECTORY);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    uint64_t count = 0;

    must(stream ? 0 : -1, "opendir");
    while (readdir(stream))
        count++;
    closedir(stream);
    return count;
}

static void posix_unlink(handle *dir, const char *name)
{
    must(unlinkat(fd_of(dir), name, 0), "unlink");
}

static void posix_remove_dir(handle *dir, const char *name)
{
    must(unlinkat(fd_of(dir), name, AT_REMOVEDIR), "rmdir");
}

static void posix_read(handle *file, void *buf, size_t len, uint64_t offset)
{
    ssize_t got = pread(fd_of(file), buf, len, (off_t)offset);

    must(got < 0 ? -1 : 0, "read");
    if ((size_t)got != len)
        bench_die("read", "the file is shorter than it was made");
}

static void posix_write(handle *file, const void *buf, size_t len, uint64_t offset)
{
    ssize_t put = pwrite(fd_of(file), buf, len, (off_t)offset);

    must(put < 0 || (size_t)put != len ? -1 : 0, "write");
}

/* syncfs does not reach a FUSE file system; fsync of its root directory stands for it. */
static void posix_sync(void)
{
    must(syncfs(top), "syncfs");
    must(fsync(top), "fsync");
}

static void posix_fsync(handle *file)
{
    must(fsync(fd_of(file)), "fsync");
}

static void posix_fdatasync(handle *file)
{
    must(fdatasync(fd_of(file)), "fdatasync");
}

static void posix_reserve(handle *file, uint64_t len)
{
    must(fallocate(fd_of(file), 0, 0, (off_t)len), "fallocate");
}

/* FICLONE never reaches a FUSE file system; copy_file_range does, 2 GiB at most at a time. */
static void posix_clone(handle *src, handle *dst, uint64_t len)
{
    off_t from = 0, to = 0;

    if (ioctl(fd_of(dst), FICLONE, fd_of(src)) == 0)
        return;
    while (len > 0) {
        size_t piece = len < 1U << 30 ? len : 1U << 30;
        ssize_t n = copy_file_range(fd_of(src), &from, fd_of(dst), &to, piece, 0);

        must(n <= 0 ? -1 : 0, "copy_file_range");
        len -= (uint64_t)n;
    }
}

static void posix_clone_range(handle *src, uint64_t src_offset, uint64_t len, handle *dst,
                              uint64_t dst_offset)
{
    struct file_clone_range range = {fd_of(src), src_offset, len, dst_offset};
    off_t from = (off_t)src_offset, to = (off_t)dst_offset;

    if (ioctl(fd_of(dst), FICLONERANGE, &range) == 0)
        return;
    ssize_t n = copy_file_range(fd_of(src), &from, fd_of(dst), &to, len, 0);
    must(n < 0 || (size_t)n != len ? -1 : 0, "copy_file_range");
}

static int posix_dedupe_range(handle *src, uint64_t src_offset, uint64_t len, handle *dst,
                              uint64_t dst_offset)
{
    char space[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)] = {0};
    struct file_dedupe_range *range = (struct file_dedupe_range *)space;

    range->src_offset = src_offset;
    range->src_length = len;
    range->dest_count = 1;
    range->info[0].dest_fd = fd_of(dst);
    range->info[0].dest_offset = dst_offset;
    if (ioctl(fd_of(src), FIDEDUPERANGE, range) < 0 || range->info[0].status < 0)
        return 0;
    if (range->info[0].status != FILE_DEDUPE_RANGE_SAME)
        bench_die("dedupe", "the ranges differ");
    return 1;
}

static int posix_set_nocow(handle *file)
{
    int flags = FS_NOCOW_FL;

    return ioctl(fd_of(file), FS_IOC_SETFLAGS, &flags) == 0;
}

static const struct world posix = {
    .root = posix_root,
    .put = posix_put,
    .make_dir = posix_make_dir,
    .create = posix_create,
    .create_open = posix_create_open,
    .lookup = posix_stat, /* there is no call that only looks a name up */
    .stat = posix_stat,
    .list = posix_list,
    .unlink = posix_unlink,
    .remove_dir = posix_remove_dir,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .fsync = posix_fsync,
    .fdatasync = posix_fdatasync,
    .reserve = posix_reserve,
    .clone = posix_clone,
    .clone_range = posix_clone_range,
    .dedupe_range = posix_dedupe_range,
    .set_nocow = posix_set_nocow,
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_posix DIRECTORY [what ...]\n");
        return 2;
    }
    top = open(argv[1], O_RDONLY | O_DIRECTORY);
    must(top, argv[1]);
    return bench_main(&posix, argc - 2, argv + 2);
}
