// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manifest: prints everything the system calls tell about a directory tree, sorted, one line a
 * path, so that two views of the same tree (the kernel's and copse's) can be compared as text.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
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
#include <xxhash.h>

#include "manifest_line.h"

enum {
    BLOCK = 4096,
    CHUNK = 256 * BLOCK,
    SUBVOL_ROOT_INO = 256,
    SUBVOL_STUB_INO = 2,            /* what a snapshot shows in place of a nested subvolume */
    ASK_FOR_HOLES_ABOVE = 64 << 20, /* smaller files are read whole: a lying SEEK_DATA shows */
};

static const long BTRFS_FS_MAGIC = 0x9123683e;

/* A hard-linked inode, named by the first path it was seen at. */
struct link_group {
    uint64_t dev, ino;
    char *path;
    struct link_group *next;
};

enum { LINK_BUCKETS = 4096 };

struct walk {
    FILE *out;
    struct columns cols;
    struct link_group *links[LINK_BUCKETS];
    unsigned char *buffer; /* CHUNK bytes */
    char *path;            /* relative to the start; bytes as they are */
    size_t path_len, path_size;
    bool is_btrfs;
    bool failed;
};

/* One path being described. */
struct entry {
    int parent; /* directory descriptor, -1 for the start itself */
    const char *name;
    int fd; /* open for reading where that makes sense (files, directories), else -1 */
    struct statx st;
};

static void die(const char *what)
{
    fprintf(stderr, "manifest: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* An error is part of what the tree looks like: it stands in the column that it spoiled. */
static void col_error(struct walk *w, const char *key, int err)
{
    manifest_col(w->out, &w->cols, key, "!%s", strerrorname_np(err));
    w->failed = true;
}

static void push_name(struct walk *w, const char *name)
{
    size_t len = strlen(name);

    if (w->path_len + len + 2 > w->path_size) {
        w->path_size = 2 * (w->path_len + len + 2);
        w->path = realloc(w->path, w->path_size);
        if (!w->path)
            die("memory");
    }
    if (w->path_len)
        w->path[w->path_len++] = '/';
    memcpy(w->path + w->path_len, name, len + 1);
    w->path_len += len;
}

static uint64_t entry_dev(const struct entry *e)
{
    return makedev(e->st.stx_dev_major, e->st.stx_dev_minor);
}

/* The group of a hard-linked inode, or NULL when this is the first path to it. */
static const struct link_group *link_seen(struct walk *w, const struct entry *e)
{
    struct link_group **bucket = &w->links[e->st.stx_ino % LINK_BUCKETS];
    struct link_group *g;

    for (g = *bucket; g; g = g->next)
        if (g->ino == e->st.stx_ino && g->dev == entry_dev(e))
            return g;
    g = malloc(sizeof(*g));
    if (!g)
        die("memory");
    *g = (struct link_group){.dev = entry_dev(e), .ino = e->st.stx_ino, .next = *bucket};
    g->path = strdup(w->path);
    *bucket = g;
    return NULL;
}

static void col_time(struct walk *w, const char *key, const struct statx_timestamp *t)
{
    manifest_col(w->out, &w->cols, key, "%" PRId64 ".%09" PRIu32, (int64_t)t->tv_sec, t->tv_nsec);
}

static void print_times(struct walk *w, const struct entry *e)
{
    /* The kernel makes up the times of such a directory when it is looked at. */
    if (S_ISDIR(e->st.stx_mode) && e->st.stx_ino == SUBVOL_STUB_INO)
        return;
    col_time(w, "mtime", &e->st.stx_mtime);
    col_time(w, "ctime", &e->st.stx_ctime);
    col_time(w, "atime", &e->st.stx_atime);
    if (e->st.stx_mask & STATX_BTIME)
        col_time(w, "otime", &e->st.stx_btime);
}

static char type_letter(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return 'f';
    case S_IFDIR:
        return 'd';
    case S_IFLNK:
        return 'l';
    case S_IFCHR:
        return 'c';
    case S_IFBLK:
        return 'b';
    case S_IFIFO:
        return 'p';
    case S_IFSOCK:
        return 's';
    default:
        return '?';
    }
}

/* File systems disagree on a directory's size and link count: columns of their own. */
static void print_stat(struct walk *w, const struct entry *e)
{
    bool dir = S_ISDIR(e->st.stx_mode);

    manifest_col(w->out, &w->cols, "type", "%c", type_letter(e->st.stx_mode));
    manifest_col(w->out, &w->cols, "mode", "%04o", e->st.stx_mode & 07777);
    manifest_col(w->out, &w->cols, "uid", "%" PRIu32, e->st.stx_uid);
    manifest_col(w->out, &w->cols, "gid", "%" PRIu32, e->st.stx_gid);
    manifest_col(w->out, &w->cols, dir ? "dirsize" : "size", "%" PRIu64, (uint64_t)e->st.stx_size);
    manifest_col(w->out, &w->cols, dir ? "dirlinks" : "nlink", "%" PRIu32, e->st.stx_nlink);
    if (!dir)
        manifest_col(w->out, &w->cols, "blocks", "%" PRIu64, (uint64_t)e->st.stx_blocks);
    manifest_col(w->out, &w->cols, "ino", "%" PRIu64, (uint64_t)e->st.stx_ino);
    if (S_ISCHR(e->st.stx_mode) || S_ISBLK(e->st.stx_mode))
        manifest_col(w->out, &w->cols, "rdev", "%" PRIu32 ":%" PRIu32, e->st.stx_rdev_major,
                     e->st.stx_rdev_minor);
    if (!dir && e->st.stx_nlink > 1) {
        const struct link_group *g = link_seen(w, e);

        if (g)
            manifest_col_bytes(w->out, &w->cols, "link", g->path, strlen(g->path));
    }
}

static void print_target(struct walk *w, const struct entry *e)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(e->parent, e->name, target, sizeof(target));

    if (len < 0)
        col_error(w, "target", errno);
    else
        manifest_col_bytes(w->out, &w->cols, "target", target, (size_t)len);
}

static bool is_zero(const unsigned char *b, size_t len)
{
    return len == 0 || (b[0] == 0 && memcmp(b, b + 1, len - 1) == 0);
}

/* Feeds the blocks of @buf that are not all zero, each with its offset. */
static void hash_blocks(XXH3_state_t *hash, unsigned char *buf, size_t len, uint64_t offset)
{
    memset(buf + len, 0, -len % BLOCK);
    for (size_t at = 0; at < len; at += BLOCK) {
        uint64_t where = htole64(offset + at);

        if (is_zero(buf + at, BLOCK))
            continue;
        XXH3_128bits_update(hash, &where, sizeof(where));
        XXH3_128bits_update(hash, buf + at, BLOCK);
    }
}

/* Reads on from @offset to the end of a chunk or of the file; returns bytes read or -1. */
static ssize_t read_chunk(int fd, unsigned char *buf, uint64_t offset)
{
    size_t done = 0;

    while (done < CHUNK) {
        ssize_t n = pread(fd, buf + done, CHUNK - done, (off_t)(offset + done));

        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/*
 * The hash of a file's content is that of its non-zero blocks with their offsets: it does not
 * depend on where holes are, and a hole of exabytes costs nothing.
 */
static void print_content(struct walk *w, const struct entry *e)
{
    XXH3_state_t *hash = XXH3_createState();
    bool ask = e->st.stx_size > ASK_FOR_HOLES_ABOVE;
    uint64_t offset = 0;
    XXH128_canonical_t sum;

    XXH3_128bits_reset(hash);
    while (offset < e->st.stx_size) {
        off_t data = ask ? lseek(e->fd, (off_t)offset, SEEK_DATA) : (off_t)offset;
        ssize_t n;

        if (data < 0 && errno == ENXIO)
            break;
        if (data >= 0)
            offset = (uint64_t)data & ~(uint64_t)(BLOCK - 1);
        n = data < 0 ? -1 : read_chunk(e->fd, w->buffer, offset);
        if (n < 0) {
            col_error(w, "hash", errno);
            goto out;
        }
        if (n == 0)
            break;
        hash_blocks(hash, w->buffer, (size_t)n, offset);
        offset += (uint64_t)n;
    }
    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(hash));
    manifest_col(w->out, &w->cols, "hash", "%016" PRIx64 "%016" PRIx64,
                 (uint64_t)be64toh(*(uint64_t *)&sum.digest[0]),
                 (uint64_t)be64toh(*(uint64_t *)&sum.digest[8]));
out:
    XXH3_freeState(hash);
}

/* The ranges that SEEK_DATA and SEEK_HOLE call data. */
static void print_data_map(struct walk *w, const struct entry *e)
{
    off_t at = 0;
    const char *separator = "";

    if (!columns_want(&w->cols, "data"))
        return;
    fputs("\tdata=", w->out);
    for (;;) {
        off_t start = lseek(e->fd, at, SEEK_DATA);
        off_t end = start < 0 ? -1 : lseek(e->fd, start, SEEK_HOLE);

        if (start < 0 && errno == ENXIO)
            break;
        if (start < 0 || end < 0) {
            fprintf(w->out, "!%s", strerrorname_np(errno));
            w->failed = true;
            break;
        }
        fprintf(w->out, "%s%" PRId64 "-%" PRId64, separator, (int64_t)start, (int64_t)end);
        separator = ",";
        at = end;
    }
}

static void print_flags(struct walk *w, const struct entry *e)
{
    static const struct {
        unsigned long bit;
        char letter;
    } letters[] = {
        {FS_SYNC_FL, 'S'},   {FS_DIRSYNC_FL, 'D'}, {FS_IMMUTABLE_FL, 'i'}, {FS_APPEND_FL, 'a'},
        {FS_NODUMP_FL, 'd'}, {FS_NOATIME_FL, 'A'}, {FS_COMPR_FL, 'c'},     {FS_NOCOMP_FL, 'm'},
        {FS_NOCOW_FL, 'C'},  {FS_VERITY_FL, 'V'},
    };
    unsigned int flags = 0;
    char text[sizeof(letters) / sizeof(letters[0]) + 1];
    size_t n = 0;

    if (e->fd < 0 || ioctl(e->fd, FS_IOC_GETFLAGS, &flags) < 0)
        return;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (flags & letters[i].bit)
            text[n++] = letters[i].letter;
    text[n] = '\0';
    if (n)
        manifest_col(w->out, &w->cols, "flags", "%s", text);
}

/* Which subvolume begins here, and whether it is read-only; only btrfs itself can say. */
static void print_subvolume(struct walk *w, const struct entry *e)
{
    struct btrfs_ioctl_get_subvol_info_args info = {0};

    if (!w->is_btrfs || !S_ISDIR(e->st.stx_mode))
        return;
    if (e->st.stx_ino == SUBVOL_STUB_INO)
        manifest_col(w->out, &w->cols, "subvol", "stub");
    if (e->st.stx_ino != SUBVOL_ROOT_INO)
        return;
    if (ioctl(e->fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0) {
        col_error(w, "subvol", errno);
        return;
    }
    manifest_col(w->out, &w->cols, "subvol", "%" PRIu64, (uint64_t)info.treeid);
    manifest_col(w->out, &w->cols, "svro", "%d", (info.flags & 1) != 0); /* bit 0: read-only */
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_xattr(struct walk *w, const char *file, const char *name)
{
    static unsigned char value[65536];
    ssize_t len = lgetxattr(file, name, value, sizeof(value));
    char *key = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&key, &size);

    if (!f)
        die("memory");
    fputs("x:", f);
    manifest_escape(f, name, strlen(name));
    fclose(f);
    if (len < 0)
        col_error(w, key, errno);
    else
        manifest_col(w->out, &w->cols, key, "%zd:%016" PRIx64, len,
                     (uint64_t)XXH64(value, (size_t)len, 0));
    free(key);
}

static void print_xattrs(struct walk *w, const struct entry *e)
{
    static char list[65536];
    const char *names[4096];
    size_t nr = 0;
    char file[NAME_MAX + 64];
    ssize_t len;

    if (e->parent < 0)
        snprintf(file, sizeof(file), "/proc/self/fd/%d", e->fd);
    else
        snprintf(file, sizeof(file), "/proc/self/fd/%d/%s", e->parent, e->name);
    /* The start itself is a magic link: there the link is to be followed. */
    len = e->parent < 0 ? flistxattr(e->fd, list, sizeof(list))
                        : llistxattr(file, list, sizeof(list));
    if (len < 0) {
        if (errno != EOPNOTSUPP)
            col_error(w, "x", errno);
        return;
    }
    for (char *p = list; p < list + len && nr < 4096; p += strlen(p) + 1)
        names[nr++] = p;
    qsort(names, nr, sizeof(names[0]), compare_names);
    if (e->parent < 0)
        strcat(file, "/.");
    for (size_t i = 0; i < nr; i++)
        print_xattr(w, file, names[i]);
}

static void print_entry(struct walk *w, struct entry *e)
{
    bool file = S_ISREG(e->st.stx_mode), dir = S_ISDIR(e->st.stx_mode);

    if (e->fd < 0 && (file || dir)) {
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

        e->fd = openat(e->parent, e->name, flags | O_NOATIME);
        if (e->fd < 0 && errno == EPERM)
            e->fd = openat(e->parent, e->name, flags);
        if (e->fd < 0)
            col_error(w, "open", errno);
    }
    print_stat(w, e);
    print_times(w, e);
    print_flags(w, e);
    if (e->fd >= 0)
        print_subvolume(w, e);
    if (S_ISLNK(e->st.stx_mode))
        print_target(w, e);
    if (file && e->fd >= 0 && columns_want(&w->cols, "hash"))
        print_content(w, e);
    if (file && e->fd >= 0)
        print_data_map(w, e);
    print_xattrs(w, e);
}

/* The sorted names of a directory, NULL-terminated. */
static char **list_names(struct walk *w, int fd)
{
    DIR *dir = fdopendir(dup(fd));
    char **names = NULL;
    size_t nr = 0, size = 0;
    struct dirent *d;

    errno = 0;
    while (dir && (d = readdir(dir))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (nr + 1 >= size) {
            size = size ? 2 * size : 64;
            names = realloc(names, size * sizeof(*names));
            if (!names)
                die("memory");
        }
        names[nr++] = strdup(d->d_name);
    }
    if (errno)
        col_error(w, "names", errno);
    if (dir)
        closedir(dir);
    if (nr)
        qsort(names, nr, sizeof(*names), compare_names);
    else
        names = calloc(1, sizeof(*names));
    names[nr] = NULL;
    return names;
}

/* Describes one path and, of a directory, everything below it. */
static void visit(struct walk *w, struct entry *e)
{
    char **names = NULL;
    size_t up = w->path_len;

    manifest_escape(w->out, w->path_len ? w->path : ".", w->path_len ? w->path_len : 1);
    if (statx(e->parent < 0 ? e->fd : e->parent, e->parent < 0 ? "" : e->name,
              AT_SYMLINK_NOFOLLOW | (e->parent < 0 ? AT_EMPTY_PATH : 0),
              STATX_BASIC_STATS | STATX_BTIME, &e->st) < 0)
        col_error(w, "stat", errno);
    else
        print_entry(w, e);
    if (S_ISDIR(e->st.stx_mode) && e->fd >= 0)
        names = list_names(w, e->fd);
    putc('\n', w->out);
    for (char **n = names; n && *n; n++) {
        struct entry child = {.parent = e->fd, .name = *n, .fd = -1};

        push_name(w, *n);
        visit(w, &child);
        w->path_len = up;
        w->path[up] = '\0';
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

static int usage(FILE *to)
{
    fputs("usage: manifest [-x COLUMN,...] [-k COLUMN,...] [-o FILE] DIR\n"
          "       manifest [-x COLUMN,...] [-k COLUMN,...] [-o FILE] -f MANIFEST\n"
          "Prints a manifest of DIR, or the manifest in a file (- is standard input) again,\n"
          "without the columns after -x, with none but those after -k.\n"
          "Columns: type mode uid gid size nlink blocks dirsize dirlinks ino rdev link mtime ctime "
          "atime\n"
          "otime flags subvol svro target hash data x:NAME; `x` or `x:user` stand for many.\n",
          to);
    return to == stdout ? 0 : 2;
}

static int walk_from(struct walk *w, const char *dir)
{
    struct entry top = {.parent = -1, .name = dir};
    struct statfs fs;

    top.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top.fd < 0)
        die(dir);
    w->is_btrfs = fstatfs(top.fd, &fs) == 0 && fs.f_type == BTRFS_FS_MAGIC;
    w->buffer = aligned_alloc(BLOCK, CHUNK);
    w->path_size = 1024;
    w->path = calloc(1, w->path_size);
    if (!w->buffer || !w->path)
        die("memory");
    allow_deep_trees();
    visit(w, &top);
    free(w->buffer);
    free(w->path);
    if (fflush(w->out) || ferror(w->out))
        die("output");
    return w->failed;
}

static int filter_file(struct walk *w, const char *name)
{
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");

    if (!in || manifest_filter(in, w->out, &w->cols) < 0)
        die(name);
    return 0;
}

int main(int argc, char **argv)
{
    static struct walk w;
    const char *file = NULL;
    int c;

    w.out = stdout;
    while ((c = getopt(argc, argv, "hx:k:o:f:")) != -1) {
        bool ok = true;

        if (c == 'h')
            return usage(stdout);
        else if (c == 'x')
            ok = columns_add(w.cols.leave_out, &w.cols.nr_leave_out, optarg);
        else if (c == 'k')
            ok = columns_add(w.cols.only, &w.cols.nr_only, optarg);
        else if (c == 'o' && !(w.out = fopen(optarg, "we")))
            die(optarg);
        else if (c == 'f')
            file = optarg;
        else if (c == '?')
            return usage(stderr);
        if (!ok)
            return usage(stderr);
    }
    if (argc - optind != (file ? 0 : 1))
        return usage(stderr);
    return file ? filter_file(&w, file) : walk_from(&w, argv[optind]);
}
