// SPDX-License-Identifier: GPL-2.0-or-later
/* Image files and block devices. */
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/dev/internal.h"

/* The kernel takes no more than this at a time. */
#define IO_MAX ((size_t)1 << 30)

/* Block devices discard in these. */
#define BLOCK_SECTOR 512

struct dev_file {
    struct dev dev;
    int fd;
    int claim_fd; /* of a block device: keeps the kernel from mounting it; else -1 */
    bool is_block;
    atomic_int flush_error; /* the first one, for good */
};

static const struct dev_ops file_ops;

static struct dev_file *file_of(struct dev *dev)
{
    return CONTAINER_OF(dev, struct dev_file, dev);
}

/* Reports the errno of a call that failed on `label`. */
static int fail_errno(const char *label, const char *what)
{
    int err = errno;

    return what ? fail(-err, "%s: %s: %s", label, what, strerror(err))
                : fail(-err, "%s: %s", label, strerror(err));
}

static int fail_io(const struct dev *dev, const char *what, uint64_t off, int err)
{
    return fail(-err, "%s: %s at %llu: %s", dev->label, what, (unsigned long long)off,
                strerror(err));
}

static int file_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    uint8_t *out = buf;

    while (len > 0) {
        ssize_t got = pread(file_of(dev)->fd, out, MIN(len, IO_MAX), (off_t)off);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_io(dev, "read", off, errno);
        if (got == 0)
            return fail(-EIO, "%s: read at %llu: the file ends there now", dev->label,
                        (unsigned long long)off);
        out += got;
        off += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

static int file_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    const uint8_t *in = buf;

    while (len > 0) {
        ssize_t put = pwrite(file_of(dev)->fd, in, MIN(len, IO_MAX), (off_t)off);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail_io(dev, "write", off, put < 0 ? errno : EIO);
        in += put;
        off += (uint64_t)put;
        len -= (size_t)put;
    }
    return 0;
}

static int file_flush(struct dev *dev)
{
    struct dev_file *file = file_of(dev);
    int err = atomic_load(&file->flush_error);

    if (err != 0)
        return fail(-err, "%s: an earlier flush failed: %s", dev->label, strerror(err));
    while (fdatasync(file->fd) < 0) {
        err = errno;
        if (err == EINTR)
            continue;
        atomic_store(&file->flush_error, err);
        return fail(-err, "%s: flush: %s", dev->label, strerror(err));
    }
    return 0;
}

static int block_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    uint64_t begin = round_up_to(off, BLOCK_SECTOR);
    uint64_t end = round_down_to(off + len, BLOCK_SECTOR);
    uint64_t range[2] = {begin, end - begin};

    return begin >= end ? 0 : ioctl(file_of(dev)->fd, BLKDISCARD, range);
}

static int file_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    struct dev_file *file = file_of(dev);
    int ret;

    do {
        ret = file->is_block ? block_discard(dev, off, len)
                             : fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                         (off_t)off, (off_t)len);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != ENOTTY)
        return fail_io(dev, "discard", off, errno);
    return 0;
}

void dev_file_release_claim(struct dev *dev)
{
    if (dev->ops != &file_ops || file_of(dev)->claim_fd < 0)
        return;
    close(file_of(dev)->claim_fd);
    file_of(dev)->claim_fd = -1;
}

static void file_close(struct dev *dev)
{
    struct dev_file *file = file_of(dev);

    dev_file_release_claim(dev);
    close(file->fd);
    dev_fini(dev);
    free(file);
}

static const struct dev_ops file_ops = {
    .name = "file",
    .read = file_read,
    .write = file_write,
    .flush = file_flush,
    .discard = file_discard,
    .close = file_close,
};

/* Refuses what is neither a file nor a block device, and learns the size. */
static int kind_and_size(int fd, const struct stat *st, const char *path, uint64_t *size)
{
    if (S_ISREG(st->st_mode)) {
        *size = (uint64_t)st->st_size;
        return 0;
    }
    if (!S_ISBLK(st->st_mode))
        return fail(S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL,
                    "%s: neither a file nor a block device", path);
    if (ioctl(fd, BLKGETSIZE64, size) < 0)
        return fail_errno(path, "size");
    return 0;
}

/*
 * The kernel's own exclusion: mounts, RAID, device mapper and swap hold such a claim too, also in
 * places that mounted_refuse() cannot see. Opened through the descriptor, so that it is the same
 * device whatever the path has become.
 */
static int claim(int fd, const char *path, int *out)
{
    char again[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

    snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
    int claimed = open(again, O_RDONLY | O_EXCL | O_CLOEXEC);
    if (claimed < 0 && errno == ENOENT)
        claimed = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    if (claimed < 0 && errno == EBUSY)
        return fail(-EBUSY, "%s: in use by the kernel", path);
    if (claimed < 0)
        return fail_errno(path, NULL);
    *out = claimed;
    return 0;
}

/* Takes fd over when it succeeds. */
static int file_new(int fd, const char *path, bool readonly, struct dev_file **out)
{
    AUTO_CLOSE int claim_fd = -1;
    struct stat st;
    uint64_t size = 0;

    if (fstat(fd, &st) < 0)
        return fail_errno(path, NULL);
    TRY(kind_and_size(fd, &st, path, &size));
    TRY(owner_lock(fd, &st, !readonly, path));
    TRY(mounted_refuse(&st, path));
    if (S_ISBLK(st.st_mode) && !readonly)
        TRY(claim(fd, path, &claim_fd));
    /* Somebody may have changed the size before the lock was ours. */
    if (fstat(fd, &st) < 0)
        return fail_errno(path, NULL);
    TRY(kind_and_size(fd, &st, path, &size));

    AUTO_FREE struct dev_file *file = calloc(1, sizeof(*file));
    if (!file || !dev_init(&file->dev, &file_ops, size, readonly, path))
        return fail(-ENOMEM, "%s: out of memory", path);
    file->fd = fd;
    file->claim_fd = claim_fd;
    file->is_block = S_ISBLK(st.st_mode);
    claim_fd = -1;
    *out = STEAL(file);
    return 0;
}

int dev_file_open(const char *path, bool readonly, struct dev **out)
{
    struct dev_file *file;
    /* Not blocking, or opening a fifo would wait for somebody to write. */
    AUTO_CLOSE int fd =
        open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return fail_errno(path, NULL);
    TRY(file_new(fd, path, readonly, &file));
    fd = -1;
    *out = &file->dev;
    return 0;
}

/* Makes what is open have `size` bytes at least, and show that many. */
static int resize(struct dev_file *file, uint64_t size)
{
    const char *path = file->dev.label;

    if (file->dev.size < size && file->is_block)
        return fail(-EINVAL, "%s: only %llu bytes long, %llu are wanted", path,
                    (unsigned long long)file->dev.size, (unsigned long long)size);
    if (file->dev.size < size && ftruncate(file->fd, (off_t)size) < 0)
        return fail_errno(path, "extending it");
    file->dev.size = size;
    return 0;
}

/* An open descriptor; *created tells whether the file is new. */
static int open_or_create(const char *path, bool *created)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, flags);

    *created = false;
    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = open(path, flags | O_CREAT | O_EXCL, 0666);
    *created = fd >= 0;
    return fd;
}

int dev_file_create(const char *path, uint64_t size, struct dev **out)
{
    struct dev_file *file;
    bool created;

    if (size == 0 || size > INT64_MAX)
        return fail(-EINVAL, "%s: a size of %llu bytes is not possible", path,
                    (unsigned long long)size);
    AUTO_CLOSE int fd = open_or_create(path, &created);
    if (fd < 0)
        return fail_errno(path, NULL);
    int ret = file_new(fd, path, false, &file);
    if (ret == 0) {
        fd = -1;
        ret = resize(file, size);
        if (ret < 0)
            dev_close(&file->dev);
    }
    if (ret < 0) {
        if (created)
            unlink(path);
        return ret;
    }
    *out = &file->dev;
    return 0;
}
