// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manifest: prints everything the system calls tell about a directory tree, sorted, one line a
 * path, so that two views of the same tree (the kernel's and copse's) can be compared as text.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "manifest_attr.h"

static const char usage[] =
    "manifest [-x COLUMN,...] [-k COLUMN,...] [-o FILE] DIR | -f MANIFEST\n"
    "Prints a manifest of DIR, or the manifest in a file (- is standard input) again,\n"
    "without the columns after -x, with none but those after -k.\n"
    "Columns: type mode uid gid size nlink blocks dirsize dirlinks ino rdev link mtime ctime\n"
    "atime otime flags subvol svro target hash data x:NAME; `x` or `x:user` stand for many.";

static const long BTRFS_FS_MAGIC = 0x9123683e;
static bool is_btrfs;

/* One path being described. */
struct entry {
    int parent; /* directory descriptor, -1 for the start itself */
    const char *name;
    int fd; /* open for reading where that makes sense (files, directories), else -1 */
    unsigned mode;
    uint64_t ino;
};

static int read_fd(void *file, void *buf, size_t len, uint64_t offset, size_t *done)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(*(int *)file, (char *)buf + got, len - got, (off_t)(offset + got));

        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *done = got;
    return 0;
}

static int seek_fd(void *file, uint64_t offset, int whence, uint64_t *out)
{
    off_t at = lseek(*(int *)file, (off_t)offset, whence);

    if (at < 0)
        return -errno;
    *out = (uint64_t)at;
    return 0;
}

static void open_entry(struct manifest *m, struct entry *e)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

    if (e->fd >= 0 || (!S_ISREG(e->mode) && !S_ISDIR(e->mode)))
        return;
    e->fd = openat(e->parent, e->name, flags | O_NOATIME);
    if (e->fd < 0 && errno == EPERM)
        e->fd = openat(e->parent, e->name, flags);
    if (e->fd < 0)
        manifest_error(m, "open", errno);
}

static struct timespec timespec_of(const struct statx_timestamp *t)
{
    return (struct timespec){t->tv_sec, t->tv_nsec};
}

static struct manifest_attr attr_of(const struct statx *st)
{
    return (struct manifest_attr){
        .mode = st->stx_mode,
        .uid = st->stx_uid,
        .gid = st->stx_gid,
        .nlink = st->stx_nlink,
        .size = st->stx_size,
        .blocks = st->stx_blocks,
        .ino = st->stx_ino,
        .dev = makedev(st->stx_dev_major, st->stx_dev_minor),
        .rdev_major = st->stx_rdev_major,
        .rdev_minor = st->stx_rdev_minor,
        .mtime = timespec_of(&st->stx_mtime),
        .ctime = timespec_of(&st->stx_ctime),
        .atime = timespec_of(&st->stx_atime),
        .otime = timespec_of(&st->stx_btime),
        .has_otime = (st->stx_mask & STATX_BTIME) != 0,
    };
}

/* Which subvolume begins here, and whether it is read-only; only btrfs itself can say. */
static void print_subvolume(struct manifest *m, const struct entry *e)
{
    struct btrfs_ioctl_get_subvol_info_args info = {0};

    if (!is_btrfs || !S_ISDIR(e->mode) || e->fd < 0)
        return;
    if (e->ino == SUBVOL_STUB_INO)
        manifest_col(m->out, &m->cols, "subvol", "stub");
    if (e->ino != SUBVOL_ROOT_INO)
        return;
    if (ioctl(e->fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0) {
        manifest_error(m, "subvol", errno);
        return;
    }
    manifest_col(m->out, &m->cols, "subvol", "%llu", (unsigned long long)info.treeid);
    manifest_col(m->out, &m->cols, "svro", "%d", (info.flags & 1) != 0); /* bit 0: read-only */
}

static void print_target(struct manifest *m, const struct entry *e)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(e->parent, e->name, target, sizeof(target));

    if (len < 0)
        manifest_error(m, "target", errno);
    else
        manifest_col_bytes(m->out, &m->cols, "target", target, (size_t)len);
}

static void print_xattrs(struct manifest *m, const struct entry *e)
{
    static char list[65536];
    static unsigned char value[65536];
    const char *names[4096];
    char file[NAME_MAX + 64];
    ssize_t len;
    size_t nr;

    if (e->parent < 0)
        snprintf(file, sizeof(file), "/proc/self/fd/%d/.", e->fd);
    else
        snprintf(file, sizeof(file), "/proc/self/fd/%d/%s", e->parent, e->name);
    len = llistxattr(file, list, sizeof(list));
    if (len < 0) {
        if (errno != EOPNOTSUPP)
            manifest_error(m, "x", errno);
        return;
    }
    nr = manifest_xattr_names(list, (size_t)len, names, sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < nr; i++) {
        len = lgetxattr(file, names[i], value, sizeof(value));
        manifest_xattr(m, names[i], value, len < 0 ? 0 : (size_t)len, len < 0 ? errno : 0);
    }
}

static void print_entry(struct manifest *m, struct entry *e, const struct statx *st)
{
    struct manifest_attr attr = attr_of(st);

    e->mode = st->stx_mode;
    e->ino = st->stx_ino;
    open_entry(m, e);
    if (e->fd >= 0 && ioctl(e->fd, FS_IOC_GETFLAGS, &attr.flags) < 0)
        attr.flags = 0;
    manifest_stat(m, &attr);
    print_subvolume(m, e);
    if (S_ISLNK(e->mode))
        print_target(m, e);
    if (S_ISREG(e->mode) && e->fd >= 0)
        manifest_content(m, &attr, &(struct manifest_reader){read_fd, seek_fd, &e->fd});
    print_xattrs(m, e);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The sorted names of a directory, NULL-terminated. */
static char **list_names(struct manifest *m, int fd)
{
    DIR *dir = fdopendir(dup(fd));
    size_t nr = 0, size = 64;
    char **names = calloc(size, sizeof(*names));
    struct dirent *d;

    errno = 0;
    while (dir && names && (d = readdir(dir))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (nr + 1 >= size)
            names = realloc(names, (size *= 2) * sizeof(*names));
        if (!names || !(names[nr++] = strdup(d->d_name)))
            manifest_die("memory");
    }
    if (errno)
        manifest_error(m, "names", errno);
    if (dir)
        closedir(dir);
    qsort(names, nr, sizeof(*names), compare_names);
    names[nr] = NULL;
    return names;
}

/* Describes one path and, of a directory, everything below it. */
static void visit(struct manifest *m, struct entry *e)
{
    bool top = e->parent < 0;
    char **names = NULL;
    struct statx st;

    manifest_begin(m);
    if (statx(top ? e->fd : e->parent, top ? "" : e->name,
              AT_SYMLINK_NOFOLLOW | (top ? AT_EMPTY_PATH : 0), STATX_BASIC_STATS | STATX_BTIME,
              &st) < 0)
        manifest_error(m, "stat", errno);
    else
        print_entry(m, e, &st);
    if (S_ISDIR(e->mode) && e->fd >= 0)
        names = list_names(m, e->fd);
    manifest_end(m);
    for (char **n = names; n && *n; n++) {
        struct entry child = {.parent = e->fd, .name = *n, .fd = -1};
        size_t up = manifest_push(m, *n, strlen(*n));

        visit(m, &child);
        manifest_pop(m, up);
        free(*n);
    }
    free(names);
    if (e->fd >= 0)
        close(e->fd);
}

/* A directory stays open while what is below it is visited. */
static void allow_deep_trees(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static struct manifest m;
    struct entry top = {.parent = -1, .name = argv[argc - 1]};
    struct statfs fs;

    manifest_init(&m);
    if (!manifest_options(&m, argc, argv, usage)) {
        top.fd = open(top.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (top.fd < 0)
            manifest_die(top.name);
        is_btrfs = fstatfs(top.fd, &fs) == 0 && fs.f_type == BTRFS_FS_MAGIC;
        allow_deep_trees();
        visit(&m, &top);
    }
    manifest_free(&m);
    return manifest_finish(&m);
}
