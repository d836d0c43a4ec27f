// SPDX-License-Identifier: GPL-2.0-or-later
#include "walk.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "disk/csum/csum.h"

#define DEPTH_MAX 40
#define ENTRIES_MAX 20000
#define BYTES_MAX (64 * MIB)
#define BYTES_PER_FILE (4 * MIB)
/* For a quick walk. */
#define BYTES_QUICK (4 * MIB)
#define NAMES_QUICK 12
#define EXTENTS_PER_FILE 4096
#define XATTR_LIST_MAX 65536

/* ---- noting ------------------------------------------------------------------------------------
 */

bool error_is_fit(int err)
{
    const char *message = fail_message();

    return (err == -EIO || err == -EUCLEAN || err == -EOPNOTSUPP) && message[0] != '\0' &&
           !strchr(message, '\n');
}

static void note_error(struct walk *walk, struct walk_entry *entry, const char *path, int err)
{
    if (entry->error == 0)
        entry->error = err;
    if (!error_is_fit(err) && walk->bad_error[0] == '\0')
        snprintf(walk->bad_error, sizeof(walk->bad_error), "%s: %d: %s", path, err, fail_message());
    if (walk->error_count++ > 0)
        return;
    walk->first_error.err = err;
    snprintf(walk->first_error.where, sizeof(walk->first_error.where), "%s", path);
    snprintf(walk->first_error.message, sizeof(walk->first_error.message), "%s", fail_message());
}

static void fold(struct walk_entry *entry, const void *data, size_t len)
{
    entry->hash =
        (entry->hash ^ crc32c_raw((uint32_t)entry->hash, data, len)) * 0x9E3779B97F4A7C15ULL;
}

static void fold_number(struct walk_entry *entry, uint64_t value)
{
    fold(entry, &value, sizeof(value));
}

static void add_entry(struct walk *walk, struct walk_entry *entry, const char *path)
{
    if (walk->count == walk->cap) {
        walk->cap = walk->cap ? walk->cap * 2 : 256;
        walk->entries = realloc(walk->entries, walk->cap * sizeof(walk->entries[0]));
    }
    entry->path = strdup(path);
    walk->entries[walk->count++] = *entry;
}

static bool is_new_dir(struct walk *walk, const struct copse_stat *st)
{
    for (size_t i = 0; i < walk->dir_count; i++) {
        if (walk->dirs[i].subvol == st->subvol && walk->dirs[i].ino == st->subvol_ino &&
            st->subvol_ino != INO_EMPTY_SUBVOL_DIR)
            return false;
    }
    if (walk->dir_count == walk->dir_cap) {
        walk->dir_cap = walk->dir_cap ? walk->dir_cap * 2 : 64;
        walk->dirs = realloc(walk->dirs, walk->dir_cap * sizeof(walk->dirs[0]));
    }
    walk->dirs[walk->dir_count++] = (struct walk_dir){st->subvol, st->subvol_ino};
    return true;
}

/* ---- one node ----------------------------------------------------------------------------------
 */

static int note_stat(struct walk *walk, struct walk_entry *entry, struct inode *inode,
                     struct copse_stat *st)
{
    TRY(mount_stat(walk->m, inode, st));
    fold_number(entry, st->mode);
    fold_number(entry, st->nlink);
    fold_number(entry, st->uid);
    fold_number(entry, st->gid);
    fold_number(entry, st->rdev);
    if (!S_ISDIR(st->mode))
        fold_number(entry, st->size);
    fold_number(entry, (uint64_t)st->mtime.tv_sec);
    return 0;
}

static int note_xattrs(struct walk *walk, struct walk_entry *entry, struct inode *inode)
{
    static char names[XATTR_LIST_MAX];
    static uint8_t value[XATTR_LIST_MAX];
    size_t len;

    TRY(mount_listxattr(walk->m, inode, names, sizeof(names), &len));
    for (size_t at = 0; at < len; at += strlen(names + at) + 1) {
        size_t size;

        int ret = mount_getxattr(walk->m, inode, names + at, value, sizeof(value), &size);
        /* Of a namespace that is not shown, or not for this kind of file. */
        if (ret == -EOPNOTSUPP || ret == -ENODATA)
            continue;
        TRY(ret);
        fold(entry, names + at, strlen(names + at));
        fold(entry, value, size);
    }
    return 0;
}

static void note_result(struct walk *walk, struct walk_entry *entry, const char *path, int ret)
{
    if (ret < 0)
        note_error(walk, entry, path, ret);
}

static void note_range(struct walk *walk, struct walk_entry *entry, const char *path,
                       struct inode *inode, uint64_t start, uint64_t end)
{
    static uint8_t buf[128 * KIB];

    while (start < end) {
        size_t want = MIN((uint64_t)sizeof(buf), end - start), done = 0;

        int ret = mount_pread(walk->m, inode, buf, want, start, &done);
        note_result(walk, entry, path, ret);
        if (ret == 0 && done == 0)
            break;
        if (ret == 0)
            fold(entry, buf, done);
        walk->bytes_left -= MIN(walk->bytes_left, (uint64_t)want);
        start += ret == 0 ? done : want;
    }
}

static void note_data(struct walk *walk, struct walk_entry *entry, const char *path,
                      struct inode *inode)
{
    uint64_t left = MIN(walk->bytes_left, BYTES_PER_FILE), at = 0;

    while (left > 0) {
        uint64_t start, end;

        int ret = file_seek(inode, at, SEEK_DATA, &start);
        if (ret == -ENXIO)
            return;
        if (ret == 0)
            ret = file_seek(inode, start, SEEK_HOLE, &end);
        note_result(walk, entry, path, ret);
        if (ret < 0)
            return;
        INVARIANT(start >= at && end > start, "seeking goes forward");
        fold_number(entry, start);
        fold_number(entry, end);
        uint64_t n = MIN(end - start, left);
        note_range(walk, entry, path, inode, start, start + n);
        left -= n;
        at = end;
    }
}

/* Where sizes that lie end. */
static void note_end(struct walk *walk, struct walk_entry *entry, const char *path,
                     struct inode *inode, uint64_t size)
{
    uint8_t buf[100];
    size_t done;

    note_result(
        walk, entry, path,
        mount_pread(walk->m, inode, buf, sizeof(buf), size - MIN(size, sizeof(buf)), &done));
    note_result(walk, entry, path, mount_pread(walk->m, inode, buf, sizeof(buf), size, &done));
}

static int count_extent(void *arg, const struct file_map *map)
{
    unsigned *count = arg;

    (void)map;
    return ++*count == EXTENTS_PER_FILE;
}

static int note_symlink(struct walk *walk, struct walk_entry *entry, struct inode *inode)
{
    char target[4096];
    size_t len;

    TRY(mount_readlink(walk->m, inode, target, sizeof(target), &len));
    fold(entry, target, MIN(len, sizeof(target)));
    return 0;
}

static void note_file(struct walk *walk, struct walk_entry *entry, const char *path,
                      struct inode *inode, uint64_t size)
{
    unsigned extents = 0;

    note_data(walk, entry, path, inode);
    note_end(walk, entry, path, inode, size);
    /* Who shares an extent stands in the extent tree, which reading does without. */
    if (file_each_extent(inode, 0, INT64_MAX, count_extent, &extents) < 0 && !error_is_fit(-EIO))
        note_error(walk, entry, path, -EINVAL);
}

/* ---- directories -------------------------------------------------------------------------------
 */

struct names {
    size_t count, cap;
    struct {
        uint8_t len;
        char text[NAME_MAX_BYTES];
    } * names;
};

static int collect_name(void *arg, const struct copse_dirent *entry)
{
    struct names *names = arg;

    if (names->count == names->cap) {
        names->cap = names->cap ? names->cap * 2 : 64;
        names->names = realloc(names->names, names->cap * sizeof(names->names[0]));
    }
    INVARIANT(entry->len <= NAME_MAX_BYTES, "names are no longer than names can be");
    names->names[names->count].len = (uint8_t)entry->len;
    memcpy(names->names[names->count].text, entry->name, entry->len);
    return ++names->count == ENTRIES_MAX;
}

static void walk_node(struct walk *walk, struct inode *inode, const char *path, unsigned depth);

static void walk_name(struct walk *walk, struct inode *dir, const char *dir_path, unsigned depth,
                      const char *name, size_t len)
{
    struct walk_entry failed = {0};
    char path[WALK_PATH_MAX];
    struct inode *inode;

    snprintf(path, sizeof(path), "%s/%.*s", dir_path, (int)len, name);
    int ret = mount_lookup(walk->m, dir, name, len, &inode);
    if (ret == -ENOENT) { /* listed by index and not there by name */
        failed.error = ret;
        walk->error_count++;
        add_entry(walk, &failed, path);
        return;
    }
    if (ret < 0) {
        note_error(walk, &failed, path, ret);
        add_entry(walk, &failed, path);
        return;
    }
    walk_node(walk, inode, path, depth);
    mount_put(walk->m, inode);
}

static void walk_dir(struct walk *walk, struct walk_entry *entry, struct inode *dir,
                     const char *path, unsigned depth)
{
    struct names names = {0};
    struct copse_subvol subvol;
    struct inode *parent;

    note_result(walk, entry, path, mount_readdir(walk->m, dir, 0, collect_name, &names));
    for (size_t i = 0; i < names.count; i++)
        fold(entry, names.names[i].text, names.names[i].len);
    int ret = mount_lookup(walk->m, dir, "..", 2, &parent);
    note_result(walk, entry, path, ret);
    if (ret == 0)
        mount_put(walk->m, parent);
    note_result(walk, entry, path, mount_subvol_of(walk->m, dir, &subvol));
    size_t step = walk->every && names.count > NAMES_QUICK ? names.count / NAMES_QUICK : 1;
    for (size_t i = walk->every % step; i < names.count && walk->count < ENTRIES_MAX; i += step) {
        size_t len = names.names[i].len;
        const char *name = names.names[i].text;

        if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
            continue;
        walk_name(walk, dir, path, depth + 1, name, len);
    }
    free(names.names);
}

static void walk_node(struct walk *walk, struct inode *inode, const char *path, unsigned depth)
{
    struct walk_entry entry = {0};
    struct copse_stat st;

    int ret = note_stat(walk, &entry, inode, &st);
    note_result(walk, &entry, path, ret);
    note_result(walk, &entry, path, note_xattrs(walk, &entry, inode));
    if (ret == 0 && S_ISREG(st.mode))
        note_file(walk, &entry, path, inode, st.size);
    else if (ret == 0 && S_ISLNK(st.mode))
        note_result(walk, &entry, path, note_symlink(walk, &entry, inode));
    else if (ret == 0 && S_ISDIR(st.mode) && depth < DEPTH_MAX && is_new_dir(walk, &st))
        walk_dir(walk, &entry, inode, path, depth);
    add_entry(walk, &entry, path);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static int count_subvol(void *arg, const struct copse_subvol *subvol)
{
    unsigned *count = arg;

    INVARIANT(subvol->path || subvol->deleted, "a subvolume has a path or is deleted");
    return ++*count == ENTRIES_MAX;
}

static void walk_from_root(struct walk *out)
{
    struct walk_entry whole = {0};
    struct mount *m = out->m;
    struct copse_fs_info info;
    struct copse_usage usage;
    unsigned subvols = 0;

    /* Space may be unknown where files can be read. */
    if (mount_usage(m, &usage) < 0 && !error_is_fit(-EIO))
        note_error(out, &whole, "usage", -EINVAL);
    note_result(out, &whole, "info", mount_info(m, &info));
    note_result(out, &whole, "subvolumes", mount_subvol_list(m, count_subvol, &subvols));
    walk_node(out, m->root, "", 0);
}

void walk_everything(struct mount *m, struct walk *out)
{
    *out = (struct walk){.m = m, .bytes_left = BYTES_MAX};
    walk_from_root(out);
}

void walk_quickly(struct mount *m, uint32_t seed, struct walk *out)
{
    *out = (struct walk){.m = m, .bytes_left = BYTES_QUICK, .every = 1 + seed % UINT16_MAX};
    walk_from_root(out);
}

void walk_free(struct walk *walk)
{
    for (size_t i = 0; i < walk->count; i++)
        free(walk->entries[i].path);
    free(walk->entries);
    free(walk->dirs);
}

const struct walk_entry *walk_find(const struct walk *walk, const char *path)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (strcmp(walk->entries[i].path, path) == 0)
            return &walk->entries[i];
    }
    return NULL;
}
