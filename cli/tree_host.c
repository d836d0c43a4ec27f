// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files of the host, by path. Symlinks are resolved when a path is walked, so that everything
 * below works on the very file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <fuse_ioctl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree_host_subvol.h"
#include "volume.h"

static int errno_of(long ret)
{
    return ret < 0 ? -errno : 0;
}

/* Beyond it a path goes through a descriptor: the kernel takes no path of more than 4096 bytes. */
#define PATH_COMFORTABLE 3000

/* The path of a name in dir; dir must stay open as long as it is used. */
static char *join(struct file *dir, const char *name)
{
    size_t len = strlen(dir->path);

    if (len > PATH_COMFORTABLE && dir->dir_fd < 0)
        dir->dir_fd = open(dir->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir->dir_fd >= 0)
        return format_text("/proc/self/fd/%d/%s", dir->dir_fd, name);
    return format_text("%s%s%s", dir->path, len > 0 && dir->path[len - 1] == '/' ? "" : "/", name);
}

static int walk(struct tree *tree, const char *path, bool nofollow, struct file *out)
{
    struct stat st;

    (void)tree;
    if (nofollow) {
        if (lstat(path, &st) < 0)
            return -errno;
        out->path = need_string(strdup(path));
        return 0;
    }
    out->path = realpath(path, NULL);
    return out->path ? 0 : -errno;
}

static void close_file(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->dir_fd >= 0)
        close(file->dir_fd);
    free(file->path);
}

/* Opens the content, for writing when asked to or when it was open for reading only. */
static int open_content(struct file *file, bool writable)
{
    int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

    if (file->fd >= 0 && (file->writable || !writable))
        return 0;
    if (file->fd >= 0)
        close(file->fd);
    flags |= (file->append ? O_APPEND : 0) | (file->direct ? O_DIRECT : 0);
    file->fd = open(file->path, flags);
    file->writable = writable;
    return errno_of(file->fd);
}

static int lookup(struct file *dir, const char *name, struct file *out)
{
    struct stat st;
    char *path = join(dir, name);

    if (lstat(path, &st) < 0) {
        free(path);
        return -errno;
    }
    out->path = path;
    return 0;
}

static struct timespec time_of(const struct statx_timestamp *time)
{
    return (struct timespec){.tv_sec = time->tv_sec, .tv_nsec = time->tv_nsec};
}

static int stat_file(struct file *file, struct copse_stat *out)
{
    struct statx stx;

    if (statx(AT_FDCWD, file->path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &stx) < 0)
        return -errno;
    *out = (struct copse_stat){
        .subvol = makedev(stx.stx_dev_major, stx.stx_dev_minor),
        .subvol_ino = stx.stx_ino,
        .ino = stx.stx_ino,
        .mode = stx.stx_mode,
        .nlink = stx.stx_nlink,
        .uid = stx.stx_uid,
        .gid = stx.stx_gid,
        .rdev = makedev(stx.stx_rdev_major, stx.stx_rdev_minor),
        .size = stx.stx_size,
        .blocks = stx.stx_blocks,
        .blksize = stx.stx_blksize,
        .atime = time_of(&stx.stx_atime),
        .mtime = time_of(&stx.stx_mtime),
        .ctime = time_of(&stx.stx_ctime),
        .btime = time_of(&stx.stx_btime),
    };
    return 0;
}

static int list(struct file *dir, struct names *out)
{
    DIR *stream = opendir(dir->path);
    struct dirent *entry;
    int ret;

    if (!stream)
        return -errno;
    while (errno = 0, (entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            names_add(out, entry->d_name, strlen(entry->d_name), entry->d_type, entry->d_ino);
    }
    ret = -errno;
    closedir(stream);
    return ret;
}

/* ---- content --------------------------------------------------------------------------------- */

static int read_at(struct file *file, void *buf, size_t len, uint64_t offset, size_t *done)
{
    int ret = open_content(file, false);
    size_t total = 0;

    if (ret < 0)
        return ret;
    while (total < len) {
        ssize_t got = pread(file->fd, (char *)buf + total, len - total, (off_t)(offset + total));
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0 || cli_interrupted())
            break;
        total += got > 0 ? (size_t)got : 0;
    }
    *done = total;
    return 0;
}

static int write_at(struct file *file, const void *buf, size_t len, uint64_t offset, size_t *done)
{
    int ret = open_content(file, true);

    if (ret < 0)
        return ret;
    while (*done < len) {
        ssize_t wrote =
            pwrite(file->fd, (const char *)buf + *done, len - *done, (off_t)(offset + *done));
        if (wrote < 0 && errno != EINTR)
            return -errno;
        *done += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

static int seek(struct file *file, uint64_t offset, int whence, uint64_t *out)
{
    int ret = open_content(file, false);
    off_t found;

    if (ret < 0)
        return ret;
    found = lseek(file->fd, (off_t)offset, whence);
    if (found < 0)
        return -errno;
    *out = (uint64_t)found;
    return 0;
}

static int allocate(struct file *file, int mode, uint64_t offset, uint64_t len)
{
    int ret = open_content(file, true);

    return ret < 0 ? ret : errno_of(fallocate(file->fd, mode, (off_t)offset, (off_t)len));
}

static int copy_range(struct file *src, uint64_t from, struct file *dst, uint64_t to, uint64_t len,
                      uint64_t *done)
{
    off_t in = (off_t)from, out = (off_t)to;
    int ret = open_content(src, false);

    if (ret == 0)
        ret = open_content(dst, true);
    if (ret < 0)
        return ret;
    for (*done = 0; *done < len;) {
        size_t want = len - *done < SSIZE_MAX ? (size_t)(len - *done) : SSIZE_MAX;
        ssize_t got = copy_file_range(src->fd, &in, dst->fd, &out, want, 0);
        if (got < 0)
            return *done ? 0 : -errno;
        if (got == 0)
            return 0;
        *done += (uint64_t)got;
    }
    return 0;
}

/* Copies by copy_file_range where a FUSE mount never sees the ioctl: copse shares there. */
static int clone_range(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to)
{
    struct file_clone_range range = {.src_offset = from, .src_length = len, .dest_offset = to};
    uint64_t done;
    struct stat st;
    int ret = open_content(src, false);

    if (ret == 0)
        ret = open_content(dst, true);
    if (ret < 0)
        return ret;
    range.src_fd = src->fd;
    if (ioctl(dst->fd, FICLONERANGE, &range) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOTTY && errno != ENOSYS)
        return -errno;
    if (fstat(src->fd, &st) < 0)
        return -errno;
    if (len == 0)
        len = (uint64_t)st.st_size > from ? (uint64_t)st.st_size - from : 0;
    return copy_range(src, from, dst, to, len, &done);
}

/* Where the mount is asked: it knows the source by its number. */
static int dedupe_in_mount(struct file *src, uint64_t from, uint64_t len, struct file *dst,
                           uint64_t to, bool *same)
{
    struct copse_ioc_dedupe args = {.src_offset = from, .len = len, .offset = to};
    struct copse_stat st;

    if (ioctl(src->fd, COPSE_IOC_STAT, &st) < 0)
        return errno == ENOTTY ? -EOPNOTSUPP : -errno;
    args.subvol = st.subvol;
    args.subvol_ino = st.subvol_ino;
    if (ioctl(dst->fd, COPSE_IOC_DEDUPE, &args) < 0)
        return -errno;
    *same = args.status == COPSE_DEDUPE_SAME;
    return args.status < 0 ? args.status : 0;
}

static int dedupe_range(struct file *src, uint64_t from, uint64_t len, struct file *dst,
                        uint64_t to, bool *same)
{
    union {
        struct file_dedupe_range range;
        char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
    } args;
    struct file_dedupe_range_info *info = args.range.info;
    int ret = open_content(src, false);

    /* All of it: the flexible end of the range belongs to no member that could be initialized. */
    memset(&args, 0, sizeof(args));
    args.range = (struct file_dedupe_range){.src_offset = from, .src_length = len, .dest_count = 1};
    if (ret == 0)
        ret = open_content(dst, true);
    if (ret < 0)
        return ret;
    info->dest_fd = dst->fd;
    info->dest_offset = to;
    if (ioctl(src->fd, FIDEDUPERANGE, &args) < 0 && errno != EOPNOTSUPP && errno != ENOTTY)
        return -errno;
    if (info->status == 0 && info->bytes_deduped == 0 && len > 0)
        return dedupe_in_mount(src, from, len, dst, to, same);
    *same = info->status == FILE_DEDUPE_RANGE_SAME;
    return info->status < 0 ? info->status : 0;
}

#define FIEMAP_BATCH 128

static unsigned extent_flags(uint32_t flags)
{
    return (flags & FIEMAP_EXTENT_DATA_INLINE ? COPSE_EXTENT_INLINE : 0) |
           (flags & FIEMAP_EXTENT_UNWRITTEN ? COPSE_EXTENT_PREALLOC : 0) |
           (flags & FIEMAP_EXTENT_ENCODED ? COPSE_EXTENT_COMPRESSED : 0) |
           (flags & FIEMAP_EXTENT_SHARED ? COPSE_EXTENT_SHARED : 0) |
           (flags & FIEMAP_EXTENT_DELALLOC ? COPSE_EXTENT_DELALLOC : 0);
}

static int fiemap(struct file *file, int (*fn)(void *arg, const struct copse_extent *extent),
                  void *arg)
{
    struct fiemap *map =
        need_memory(calloc(1, sizeof(*map) + FIEMAP_BATCH * sizeof(struct fiemap_extent)));
    int ret = open_content(file, false);
    bool last = false;

    while (ret == 0 && !last) {
        map->fm_length = FIEMAP_MAX_OFFSET - map->fm_start;
        map->fm_extent_count = FIEMAP_BATCH;
        ret = errno_of(ioctl(file->fd, FS_IOC_FIEMAP, map));
        if (ret == -EOPNOTSUPP && in_copse_mount(file->path)) {
            ret = mount_fiemap(file->fd, fn, arg);
            break;
        }
        last = ret < 0 || map->fm_mapped_extents == 0;
        for (uint32_t i = 0; ret == 0 && i < map->fm_mapped_extents; i++) {
            const struct fiemap_extent *found = &map->fm_extents[i];
            struct copse_extent extent = {found->fe_logical, found->fe_length, found->fe_physical,
                                          extent_flags(found->fe_flags)};
            ret = fn(arg, &extent);
            map->fm_start = found->fe_logical + found->fe_length;
            last = found->fe_flags & FIEMAP_EXTENT_LAST;
        }
    }
    free(map);
    return ret < 0 ? ret : 0;
}

static int sync_file(struct file *file, bool data_only)
{
    int ret = open_content(file, false);

    return ret < 0 ? ret : errno_of(data_only ? fdatasync(file->fd) : fsync(file->fd));
}

static int sync_all(struct tree *tree, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret;

    (void)tree;
    if (fd < 0)
        return -errno;
    /* The first brings us what was stored through mappings, but never reaches a FUSE daemon; the
     * second does. */
    ret = errno_of(syncfs(fd));
    if (ret == 0)
        ret = errno_of(ioctl(fd, BTRFS_IOC_SYNC));
    close(fd);
    return ret;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int make(struct file *dir, const char *name, uint32_t mode, uint64_t rdev, struct file *out)
{
    char *path = join(dir, name);
    int ret;

    if (S_ISDIR(mode)) {
        ret = errno_of(mkdir(path, mode & 07777));
    } else if (S_ISREG(mode)) {
        out->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 07777);
        out->writable = true;
        ret = errno_of(out->fd);
    } else {
        ret = errno_of(mknod(path, mode, rdev));
    }
    if (ret < 0)
        free(path);
    else
        out->path = path;
    return ret;
}

static int make_symlink(struct file *dir, const char *name, const char *target, struct file *out)
{
    char *path = join(dir, name);

    if (symlink(target, path) < 0) {
        free(path);
        return -errno;
    }
    out->path = path;
    return 0;
}

static int add_link(struct file *file, struct file *dir, const char *name)
{
    char *path = join(dir, name);
    int ret = errno_of(link(file->path, path));

    free(path);
    return ret;
}

static int remove_name(struct file *dir, const char *name, bool is_dir)
{
    char *path = join(dir, name);
    int ret = errno_of(is_dir ? rmdir(path) : unlink(path));

    free(path);
    return ret;
}

static int rename_file(struct file *from_dir, const char *from, struct file *to_dir, const char *to,
                       unsigned flags)
{
    char *old = join(from_dir, from), *new = join(to_dir, to);
    int ret = errno_of(renameat2(AT_FDCWD, old, AT_FDCWD, new,
                                 (flags & COPSE_RENAME_NOREPLACE ? RENAME_NOREPLACE : 0) |
                                     (flags & COPSE_RENAME_EXCHANGE ? RENAME_EXCHANGE : 0)));

    free(old);
    free(new);
    return ret;
}

static int read_link(struct file *file, char *buf, size_t cap, size_t *len)
{
    ssize_t got = readlink(file->path, buf, cap);

    if (got < 0)
        return -errno;
    *len = (size_t)got;
    return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int set_owner(struct file *file, unsigned what, const struct copse_stat *st)
{
    uid_t uid = what & COPSE_SET_UID ? st->uid : (uid_t)-1;
    gid_t gid = what & COPSE_SET_GID ? st->gid : (gid_t)-1;

    return errno_of(lchown(file->path, uid, gid));
}

static struct timespec time_to_set(unsigned what, unsigned given, unsigned now,
                                   const struct timespec *time)
{
    if (what & now)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    if (what & given)
        return *time;
    return (struct timespec){.tv_nsec = UTIME_OMIT};
}

#define SET_TIMES (COPSE_SET_ATIME | COPSE_SET_MTIME | COPSE_SET_ATIME_NOW | COPSE_SET_MTIME_NOW)

static int set(struct file *file, unsigned what, const struct copse_stat *st)
{
    int ret = 0;

    if (what & (COPSE_SET_UID | COPSE_SET_GID))
        ret = set_owner(file, what, st);
    if (ret == 0 && (what & COPSE_SET_MODE))
        ret = errno_of(chmod(file->path, st->mode & 07777));
    if (ret == 0 && (what & COPSE_SET_SIZE))
        ret = errno_of(truncate(file->path, (off_t)st->size));
    if (ret == 0 && (what & SET_TIMES)) {
        const struct timespec times[2] = {
            time_to_set(what, COPSE_SET_ATIME, COPSE_SET_ATIME_NOW, &st->atime),
            time_to_set(what, COPSE_SET_MTIME, COPSE_SET_MTIME_NOW, &st->mtime),
        };
        ret = errno_of(utimensat(AT_FDCWD, file->path, times, AT_SYMLINK_NOFOLLOW));
    }
    return ret;
}

static int get_flags(struct file *file, uint32_t *flags)
{
    int ret = open_content(file, false), bits = 0;

    if (ret == 0)
        ret = errno_of(ioctl(file->fd, FS_IOC_GETFLAGS, &bits));
    if (ret == 0)
        *flags = (uint32_t)bits;
    return ret;
}

static int set_flags(struct file *file, uint32_t flags)
{
    int ret = open_content(file, false), bits = (int)flags;

    return ret < 0 ? ret : errno_of(ioctl(file->fd, FS_IOC_SETFLAGS, &bits));
}

static int xattr_result(ssize_t got, size_t *len)
{
    if (got < 0)
        return -errno;
    *len = (size_t)got;
    return 0;
}

static int xattr_get(struct file *file, const char *name, void *buf, size_t cap, size_t *len)
{
    return xattr_result(lgetxattr(file->path, name, buf, cap), len);
}

static int xattr_set(struct file *file, const char *name, const void *value, size_t len)
{
    return errno_of(lsetxattr(file->path, name, value, len, 0));
}

static int xattr_remove(struct file *file, const char *name)
{
    return errno_of(lremovexattr(file->path, name));
}

static int xattr_list(struct file *file, char *buf, size_t cap, size_t *len)
{
    return xattr_result(llistxattr(file->path, buf, cap), len);
}

static int shut_down(struct file *file, bool flush)
{
    uint32_t number = flush;
    int ret = open_content(file, false);

    if (ret < 0)
        return ret;
    ret = errno_of(ioctl(file->fd, COPSE_IOC_SHUTDOWN, &number));
    return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

static int defragment(struct file *file, const struct copse_defrag_options *options)
{
    struct copse_ioc_defrag args = {options->start, options->len, options->threshold, ""};
    int ret = open_content(file, true);

    if (ret < 0)
        return ret;
    if (options->compression)
        snprintf(args.compression, sizeof(args.compression), "%s", options->compression);
    ret = errno_of(ioctl(file->fd, COPSE_IOC_DEFRAG, &args));
    return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

const struct tree_ops host_tree_ops = {
    .walk = walk,
    .close = close_file,
    .lookup = lookup,
    .stat = stat_file,
    .list = list,
    .pread = read_at,
    .pwrite = write_at,
    .seek = seek,
    .fallocate = allocate,
    .clone = clone_range,
    .dedupe = dedupe_range,
    .copy_range = copy_range,
    .fiemap = fiemap,
    .fsync = sync_file,
    .make = make,
    .symlink = make_symlink,
    .link = add_link,
    .unlink = remove_name,
    .rename = rename_file,
    .readlink = read_link,
    .set = set,
    .get_flags = get_flags,
    .set_flags = set_flags,
    .xattr_get = xattr_get,
    .xattr_set = xattr_set,
    .xattr_remove = xattr_remove,
    .xattr_list = xattr_list,
    .sync = sync_all,
    .shutdown = shut_down,
    .defrag = defragment,
    .subvol_create = host_subvol_create,
    .subvol_snapshot = host_subvol_snapshot,
    .subvol_delete = host_subvol_delete,
    .subvol_set_readonly = host_subvol_set_readonly,
};
