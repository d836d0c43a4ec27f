// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * copse-manifest: the manifest of a file system as libcopse reads it, in the form that manifest
 * gives of a kernel mount; without root and without mounting. -w opens for writing, so that a
 * pending log tree is replayed. The image is DEV or DEV,DEV.
 */
#include <copse/copse.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "manifest_attr.h"

static const char usage[] = "copse-manifest [-x COLUMN,...] [-k COLUMN,...] [-o FILE] IMAGE[,...]";

enum { TOP_LEVEL_SUBVOL = 5, MAX_DEVICES = 16, MAX_XATTRS = 4096 };

/* The names of one directory. */
struct names {
    char **name;
    size_t nr, size;
};

static int read_node(void *file, void *buf, size_t len, uint64_t offset, size_t *done)
{
    int rc = copse_pread(file, buf, len, offset, done);

    if (rc < 0)
        fprintf(stderr, "copse-manifest: %s\n", copse_error());
    return rc;
}

static int seek_node(void *file, uint64_t offset, int whence, uint64_t *out)
{
    return copse_lseek(file, offset, whence, out);
}

/* Says in the column which error, on standard error what it was about. */
static void column_error(struct manifest *m, const char *key, int error)
{
    fprintf(stderr, "copse-manifest: %s: %s: %s\n", m->path, key, copse_error());
    manifest_error(m, key, -error);
}

static struct manifest_attr attr_of(const struct copse_stat *st)
{
    return (struct manifest_attr){
        .mode = st->mode,
        .uid = st->uid,
        .gid = st->gid,
        .nlink = st->nlink,
        .size = st->size,
        .blocks = st->blocks,
        .ino = st->subvol_ino,
        .dev = st->subvol,
        .rdev_major = major(st->rdev),
        .rdev_minor = minor(st->rdev),
        .mtime = st->mtime,
        .ctime = st->ctime,
        .atime = st->atime,
        .otime = st->btime,
        .has_otime = true,
        .flags = st->flags,
    };
}

static void print_subvolume(struct manifest *m, copse_node *node, const struct copse_stat *st)
{
    struct copse_subvol subvol;
    int rc;

    if (!S_ISDIR(st->mode))
        return;
    if (st->subvol_ino == SUBVOL_STUB_INO)
        manifest_col(m->out, &m->cols, "subvol", "stub");
    if (!copse_is_subvol(node))
        return;
    rc = copse_subvol_of(node, &subvol);
    if (rc < 0) {
        column_error(m, "subvol", rc);
        return;
    }
    manifest_col(m->out, &m->cols, "subvol", "%llu", (unsigned long long)subvol.id);
    manifest_col(m->out, &m->cols, "svro", "%d", (int)(subvol.flags & 1));
}

static void print_target(struct manifest *m, copse_node *node)
{
    char target[PATH_MAX];
    size_t len;
    int rc = copse_readlink(node, target, sizeof(target), &len);

    if (rc < 0)
        column_error(m, "target", rc);
    else
        manifest_col_bytes(m->out, &m->cols, "target", target,
                           len < sizeof(target) ? len : sizeof(target));
}

static void print_xattrs(struct manifest *m, copse_node *node)
{
    static char list[1 << 20];
    static unsigned char value[1 << 16];
    const char *names[MAX_XATTRS];
    size_t len = 0, nr;
    int rc = copse_listxattr(node, list, sizeof(list), &len);

    if (rc < 0) {
        column_error(m, "x", rc);
        return;
    }
    nr = manifest_xattr_names(list, len, names, MAX_XATTRS);
    for (size_t i = 0; i < nr; i++) {
        rc = copse_getxattr(node, names[i], value, sizeof(value), &len);
        manifest_xattr(m, names[i], value, rc < 0 ? 0 : len, -rc);
    }
}

static void print_node(struct manifest *m, copse_node *node, const struct copse_stat *st)
{
    struct manifest_attr attr = attr_of(st);

    manifest_stat(m, &attr);
    print_subvolume(m, node, st);
    if (S_ISLNK(st->mode))
        print_target(m, node);
    if (S_ISREG(st->mode))
        manifest_content(m, &attr, &(struct manifest_reader){read_node, seek_node, node});
    print_xattrs(m, node);
}

static int remember_name(void *arg, const struct copse_dirent *entry)
{
    struct names *names = arg;

    if ((entry->len == 1 && entry->name[0] == '.') ||
        (entry->len == 2 && memcmp(entry->name, "..", 2) == 0))
        return 0;
    if (names->nr == names->size) {
        names->size = names->size ? 2 * names->size : 64;
        names->name = realloc(names->name, names->size * sizeof(*names->name));
        if (!names->name)
            manifest_die("memory");
    }
    names->name[names->nr++] = strndup(entry->name, entry->len);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Describes one node and, of a directory, everything below it; @node NULL: could not be had. */
static void visit(struct manifest *m, copse_node *node, int error)
{
    struct names names = {0};
    struct copse_stat st = {0};
    int rc = node ? copse_stat(node, &st) : error;

    manifest_begin(m);
    if (rc < 0)
        column_error(m, "stat", rc);
    else
        print_node(m, node, &st);
    if (S_ISDIR(st.mode) && (rc = copse_readdir(node, 0, remember_name, &names)) < 0)
        column_error(m, "names", rc);
    manifest_end(m);
    if (names.nr)
        qsort(names.name, names.nr, sizeof(*names.name), compare_names);
    for (size_t i = 0; i < names.nr; i++) {
        const char *name = names.name[i];
        size_t len = strlen(name), up = manifest_push(m, name, len);
        copse_node *child = NULL;

        rc = copse_lookup(node, name, len, &child);
        visit(m, child, rc);
        copse_node_put(child);
        manifest_pop(m, up);
        free(names.name[i]);
    }
    free(names.name);
}

static void print_note(void *arg, enum copse_note_level level, const char *message)
{
    (void)arg;
    (void)level;
    fprintf(stderr, "copse-manifest: %s\n", message);
}

static int die(const char *what)
{
    fprintf(stderr, "copse-manifest: %s: %s\n", what, copse_error());
    return 1;
}

int main(int argc, char **argv)
{
    static struct manifest m;
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    const char *devices[MAX_DEVICES];
    unsigned nr = 0;
    char *save = NULL;
    copse_node *root;
    copse_fs *fs;

    options.subvolid = TOP_LEVEL_SUBVOL;
    options.readonly = argc < 2 || strcmp(argv[1], "-w") != 0;
    options.noatime = true;
    if (!options.readonly) {
        argv++;
        argc--;
    }
    manifest_init(&m);
    if (manifest_options(&m, argc, argv, usage))
        return manifest_finish(&m);
    for (char *d = strtok_r(argv[argc - 1], ",", &save); d && nr < MAX_DEVICES;
         d = strtok_r(NULL, ",", &save))
        devices[nr++] = d;
    copse_set_note_handler(print_note, NULL);
    if (copse_open(devices, nr, &options, &fs) < 0)
        return die(devices[0]);
    root = copse_root(fs);
    visit(&m, root, 0);
    copse_node_put(root);
    if (copse_close(fs) < 0)
        return die(devices[0]);
    manifest_free(&m);
    return manifest_finish(&m);
}
