// SPDX-License-Identifier: GPL-2.0-or-later
#include "mktree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options opt = {.seed = 1};

static uint64_t random_state;
static uint64_t writes; /* so far: every write is told apart from what it replaces */

bool must_or(long rc, int tolerated, const char *what, const char *name)
{
    if (rc >= 0)
        return true;
    if (errno == tolerated)
        return false;
    fprintf(stderr, "mktree: %s %s: %s\n", what, name, strerror(errno));
    if (!opt.lenient)
        exit(1);
    return false;
}

bool must(long rc, const char *what, const char *name)
{
    return must_or(rc, 0, what, name);
}

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

uint64_t random_u64(void)
{
    random_state += 0x9e3779b97f4a7c15ULL;
    return mix(random_state);
}

/* What a byte is depends on seed, content, offset and the number of the write. */
void fill(enum content content, void *buf, size_t len, uint64_t offset)
{
    unsigned char *b = buf;
    char line[65] = "";

    for (size_t i = 0; i < len; i++) {
        uint64_t at = offset + i;

        if (content == RANDOM) {
            b[i] = (unsigned char)(mix(opt.seed + (writes << 32) +
                                       (at >> 3) * 0x9e3779b97f4a7c15ULL) >>
                                   (8 * (at & 7)));
            continue;
        }
        if (i == 0 || (at & 63) == 0)
            snprintf(line, sizeof(line), "line %016llx of write %08llx, seed %016llx.\n",
                     (unsigned long long)(at >> 6), (unsigned long long)writes,
                     (unsigned long long)opt.seed);
        b[i] = (unsigned char)line[at & 63];
    }
}

int make_file(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    must(fd, "create", name);
    return fd;
}

void append_content(int fd, enum content content, uint64_t offset, size_t len)
{
    static unsigned char buf[1 << 20];

    writes++;
    while (len > 0) {
        size_t n = len < sizeof(buf) ? len : sizeof(buf);

        fill(content, buf, n, offset);
        must(pwrite(fd, buf, n, (off_t)offset) == (ssize_t)n ? 0 : -1, "write", "a file");
        offset += n;
        len -= n;
    }
}

void write_file(const char *name, enum content content, size_t len)
{
    int fd = make_file(name);

    append_content(fd, content, 0, len);
    close(fd);
}

void sync_here(void)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY);

    if (!must(fd, "open", "."))
        return;
    must(syncfs(fd), "syncfs", ".");
    close(fd);
}

void enter(const char *dir)
{
    must_or(mkdir(dir, 0755), EEXIST, "mkdir", dir);
    must(chdir(dir), "chdir", dir);
}

void leave(void)
{
    must(chdir(".."), "chdir", "..");
}

void name_of_length(char *out, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);

    memset(out, 'n', len);
    memcpy(out, prefix, n < len ? n : len);
    out[len] = '\0';
}

static const struct section {
    const char *name;
    void (*make)(void);
} sections[] = {
    {"data", make_data},
    {"overwritten", make_overwritten},
    {"sparse", make_sparse},
    {"prealloc", make_prealloc},
    {"reflinks", make_reflinks},
    {"compressed", make_compressed},
    {"churn", make_churn},
    {"links", make_links},
    {"names", make_names},
    {"collisions", make_collisions},
    {"deep", make_deep},
    {"many", make_many},
    {"gaps", make_gaps},
    {"xattrs", make_xattrs},
    {"acls", make_acls},
    {"symlinks", make_symlinks},
    {"special", make_special},
    {"modes", make_modes},
    {"flags", make_flags},
    {"times", make_times},
    {"subvolumes", make_subvolumes},
    {"path-max", make_path_max},
};

enum { NR_SECTIONS = sizeof(sections) / sizeof(sections[0]) };

static bool listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = list; (p = strstr(p, name)); p += len)
        if ((p == list || p[-1] == ',') && (p[len] == ',' || p[len] == '\0'))
            return true;
    return false;
}

static int usage(void)
{
    fputs("usage: mktree [-s SEED] [-S SECTION,...] [-X SECTION,...] [-q] [-c] [-l] DIR\n"
          "-S only these sections, -X all but these; -q little data; -c compression properties;\n"
          "-l go on where the file system lacks something.\nsections:",
          stderr);
    for (size_t i = 0; i < NR_SECTIONS; i++)
        fprintf(stderr, " %s", sections[i].name);
    fputc('\n', stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *only = NULL, *without = "";
    int c;

    while ((c = getopt(argc, argv, "s:S:X:qcl")) != -1) {
        if (c == 's')
            opt.seed = strtoull(optarg, NULL, 0);
        else if (c == 'S')
            only = optarg;
        else if (c == 'X')
            without = optarg;
        else if (c == 'q')
            opt.quick = true;
        else if (c == 'c')
            opt.compression = true;
        else if (c == 'l')
            opt.lenient = true;
        else
            return usage();
    }
    if (argc - optind != 1)
        return usage();
    umask(022);
    must(chdir(argv[optind]), "chdir", argv[optind]);
    for (size_t i = 0; i < NR_SECTIONS; i++) {
        if ((only && !listed(only, sections[i].name)) || listed(without, sections[i].name))
            continue;
        random_state = opt.seed + i;
        writes = i << 20;
        enter(sections[i].name);
        sections[i].make();
        leave();
    }
    return 0;
}
