// SPDX-License-Identifier: GPL-2.0-or-later
#include "manifest_attr.h"

#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    BLOCK = 4096,
    ASK_FOR_HOLES_ABOVE = 64 << 20, /* smaller files are read whole: a lying SEEK_DATA shows */
    NR_BUCKETS = 4096,
};

struct link_group {
    uint64_t dev, ino;
    char *path;
    struct link_group *next;
};

void manifest_die(const char *what)
{
    fprintf(stderr, "manifest: %s: %s\n", what, strerror(errno));
    exit(2);
}

void manifest_init(struct manifest *m)
{
    m->out = stdout;
    m->buffer = aligned_alloc(BLOCK, MANIFEST_CHUNK);
    m->path_size = 1024;
    m->path = calloc(1, m->path_size);
    if (!m->buffer || !m->path)
        manifest_die("memory");
}

void manifest_free(struct manifest *m)
{
    for (size_t i = 0; i < NR_BUCKETS; i++) {
        while (m->links[i]) {
            struct link_group *g = m->links[i];

            m->links[i] = g->next;
            free(g->path);
            free(g);
        }
    }
    free(m->buffer);
    free(m->path);
}

static void filter_file(struct manifest *m, const char *name)
{
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");

    if (!in || manifest_filter(in, m->out, &m->cols) < 0)
        manifest_die(name);
    if (in != stdin)
        fclose(in);
}

static void bad_usage(const char *usage)
{
    fprintf(stderr, "usage: %s\n", usage);
    exit(2);
}

bool manifest_options(struct manifest *m, int argc, char **argv, const char *usage)
{
    const char *file = NULL;
    int c;

    while ((c = getopt(argc, argv, "x:k:o:f:")) != -1) {
        bool ok = c != '?';

        if (c == 'x')
            ok = columns_add(m->cols.leave_out, &m->cols.nr_leave_out, optarg);
        else if (c == 'k')
            ok = columns_add(m->cols.only, &m->cols.nr_only, optarg);
        else if (c == 'o' && !(m->out = fopen(optarg, "we")))
            manifest_die(optarg);
        else if (c == 'f')
            file = optarg;
        if (!ok)
            bad_usage(usage);
    }
    if (argc - optind != (file ? 0 : 1))
        bad_usage(usage);
    if (file)
        filter_file(m, file);
    return file != NULL;
}

int manifest_finish(struct manifest *m)
{
    if (fflush(m->out) || ferror(m->out))
        manifest_die("output");
    if (m->out != stdout)
        fclose(m->out);
    return m->failed;
}

size_t manifest_push(struct manifest *m, const char *name, size_t len)
{
    size_t before = m->path_len;

    if (m->path_len + len + 2 > m->path_size) {
        m->path_size = 2 * (m->path_len + len + 2);
        m->path = realloc(m->path, m->path_size);
        if (!m->path)
            manifest_die("memory");
    }
    if (m->path_len)
        m->path[m->path_len++] = '/';
    memcpy(m->path + m->path_len, name, len);
    m->path_len += len;
    m->path[m->path_len] = '\0';
    return before;
}

void manifest_pop(struct manifest *m, size_t to)
{
    m->path_len = to;
    m->path[to] = '\0';
}

void manifest_begin(struct manifest *m)
{
    manifest_escape(m->out, m->path_len ? m->path : ".", m->path_len ? m->path_len : 1);
}

void manifest_end(struct manifest *m)
{
    putc('\n', m->out);
}

void manifest_error(struct manifest *m, const char *key, int error)
{
    manifest_col(m->out, &m->cols, key, "!%s", strerrorname_np(error));
    m->failed = true;
}

/* The path this inode was first seen at, or NULL when that is here. */
static const char *link_seen(struct manifest *m, const struct manifest_attr *attr)
{
    struct link_group **bucket = &m->links[attr->ino % NR_BUCKETS];
    struct link_group *g;

    for (g = *bucket; g; g = g->next)
        if (g->ino == attr->ino && g->dev == attr->dev)
            return g->path;
    g = malloc(sizeof(*g));
    if (!g)
        manifest_die("memory");
    *g = (struct link_group){.dev = attr->dev, .ino = attr->ino, .next = *bucket};
    g->path = strdup(m->path);
    *bucket = g;
    return NULL;
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
static void print_sizes(struct manifest *m, const struct manifest_attr *attr)
{
    bool dir = S_ISDIR(attr->mode);

    manifest_col(m->out, &m->cols, dir ? "dirsize" : "size", "%" PRIu64, attr->size);
    manifest_col(m->out, &m->cols, dir ? "dirlinks" : "nlink", "%" PRIu32, attr->nlink);
    if (!dir)
        manifest_col(m->out, &m->cols, "blocks", "%" PRIu64, attr->blocks);
    manifest_col(m->out, &m->cols, "ino", "%" PRIu64, attr->ino);
    if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
        manifest_col(m->out, &m->cols, "rdev", "%u:%u", attr->rdev_major, attr->rdev_minor);
    if (!dir && attr->nlink > 1) {
        const char *first = link_seen(m, attr);

        if (first)
            manifest_col_bytes(m->out, &m->cols, "link", first, strlen(first));
    }
}

static void print_time(struct manifest *m, const char *key, const struct timespec *t)
{
    manifest_col(m->out, &m->cols, key, "%" PRId64 ".%09ld", (int64_t)t->tv_sec, t->tv_nsec);
}

static void print_times(struct manifest *m, const struct manifest_attr *attr)
{
    /* The kernel makes up the times of such a directory when it is looked at. */
    if (S_ISDIR(attr->mode) && attr->ino == SUBVOL_STUB_INO)
        return;
    print_time(m, "mtime", &attr->mtime);
    print_time(m, "ctime", &attr->ctime);
    print_time(m, "atime", &attr->atime);
    if (attr->has_otime)
        print_time(m, "otime", &attr->otime);
}

static void print_flags(struct manifest *m, unsigned flags)
{
    static const struct {
        unsigned bit;
        char letter;
    } letters[] = {
        {FS_SYNC_FL, 'S'},   {FS_DIRSYNC_FL, 'D'}, {FS_IMMUTABLE_FL, 'i'}, {FS_APPEND_FL, 'a'},
        {FS_NODUMP_FL, 'd'}, {FS_NOATIME_FL, 'A'}, {FS_COMPR_FL, 'c'},     {FS_NOCOMP_FL, 'm'},
        {FS_NOCOW_FL, 'C'},  {FS_VERITY_FL, 'V'},
    };
    char text[sizeof(letters) / sizeof(letters[0]) + 1];
    size_t n = 0;

    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (flags & letters[i].bit)
            text[n++] = letters[i].letter;
    text[n] = '\0';
    if (n)
        manifest_col(m->out, &m->cols, "flags", "%s", text);
}

void manifest_stat(struct manifest *m, const struct manifest_attr *attr)
{
    manifest_col(m->out, &m->cols, "type", "%c", type_letter(attr->mode));
    manifest_col(m->out, &m->cols, "mode", "%04o", attr->mode & 07777);
    manifest_col(m->out, &m->cols, "uid", "%" PRIu32, attr->uid);
    manifest_col(m->out, &m->cols, "gid", "%" PRIu32, attr->gid);
    print_sizes(m, attr);
    print_times(m, attr);
    print_flags(m, attr->flags);
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

static int hash_file(struct manifest *m, uint64_t size, const struct manifest_reader *r,
                     XXH3_state_t *hash)
{
    for (uint64_t offset = 0; offset < size;) {
        size_t done = 0;
        int rc = 0;

        if (size > ASK_FOR_HOLES_ABOVE)
            rc = r->seek(r->file, offset, SEEK_DATA, &offset);
        if (rc == -ENXIO)
            return 0;
        offset &= ~(uint64_t)(BLOCK - 1);
        if (rc == 0)
            rc = r->read(r->file, m->buffer, MANIFEST_CHUNK, offset, &done);
        if (rc < 0)
            return rc;
        if (done == 0)
            return 0;
        hash_blocks(hash, m->buffer, done, offset);
        offset += done;
    }
    return 0;
}

/*
 * The hash of a file's content is that of its non-zero blocks with their offsets: it does not
 * depend on where holes are, and a hole of exabytes costs nothing.
 */
static void print_hash(struct manifest *m, uint64_t size, const struct manifest_reader *r)
{
    XXH3_state_t *hash = XXH3_createState();
    XXH128_hash_t sum;
    int rc;

    XXH3_128bits_reset(hash);
    rc = hash_file(m, size, r, hash);
    sum = XXH3_128bits_digest(hash);
    XXH3_freeState(hash);
    if (rc < 0)
        manifest_error(m, "hash", -rc);
    else
        manifest_col(m->out, &m->cols, "hash", "%016" PRIx64 "%016" PRIx64, (uint64_t)sum.high64,
                     (uint64_t)sum.low64);
}

/* The ranges that SEEK_DATA and SEEK_HOLE call data. */
static void print_data_map(struct manifest *m, const struct manifest_reader *r)
{
    const char *separator = "";
    uint64_t start, end = 0;
    int rc;

    fputs("\tdata=", m->out);
    while ((rc = r->seek(r->file, end, SEEK_DATA, &start)) == 0 &&
           (rc = r->seek(r->file, start, SEEK_HOLE, &end)) == 0) {
        fprintf(m->out, "%s%" PRIu64 "-%" PRIu64, separator, start, end);
        separator = ",";
    }
    if (rc != -ENXIO) {
        fprintf(m->out, "!%s", strerrorname_np(-rc));
        m->failed = true;
    }
}

void manifest_content(struct manifest *m, const struct manifest_attr *attr,
                      const struct manifest_reader *reader)
{
    if (columns_want(&m->cols, "hash"))
        print_hash(m, attr->size, reader);
    if (columns_want(&m->cols, "data"))
        print_data_map(m, reader);
}

void manifest_xattr(struct manifest *m, const char *name, const void *value, size_t len, int error)
{
    char *key = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&key, &size);

    if (!f)
        manifest_die("memory");
    fputs("x:", f);
    manifest_escape(f, name, strlen(name));
    fclose(f);
    if (error)
        manifest_error(m, key, error);
    else
        manifest_col(m->out, &m->cols, key, "%zu:%016" PRIx64, len, (uint64_t)XXH64(value, len, 0));
    free(key);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t manifest_xattr_names(char *list, size_t len, const char **names, size_t cap)
{
    size_t nr = 0;

    for (char *p = list; p < list + len && nr < cap; p += strlen(p) + 1)
        names[nr++] = p;
    qsort(names, nr, sizeof(names[0]), compare_names);
    return nr;
}
