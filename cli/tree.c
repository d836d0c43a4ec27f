// SPDX-License-Identifier: GPL-2.0-or-later
/* What both kinds of tree have in common. */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Whose message cli_fail() would have to look for. */
static int noted(const struct tree *tree, int ret)
{
    if (ret < 0)
        cli_failed_in_library(tree->fs != NULL);
    return ret;
}

#define CALL(file, op, ...) noted((file)->tree, (file)->tree->ops->op((file), ##__VA_ARGS__))

struct tree *host_tree(void)
{
    static struct tree host = {.ops = &host_tree_ops};

    return &host;
}

int file_walk(struct tree *tree, const char *path, bool nofollow, struct file *out)
{
    *out = (struct file){.tree = tree, .fd = -1, .dir_fd = -1};
    return noted(tree, tree->ops->walk(tree, path, nofollow, out));
}

void file_close(struct file *file)
{
    if (file->tree)
        file->tree->ops->close(file);
    *file = (struct file){.fd = -1, .dir_fd = -1};
}

int file_lookup(struct file *dir, const char *name, struct file *out)
{
    *out = (struct file){.tree = dir->tree, .fd = -1, .dir_fd = -1};
    return CALL(dir, lookup, name, out);
}

int file_stat(struct file *file, struct copse_stat *out)
{
    return CALL(file, stat, out);
}

/* ---- directories ----------------------------------------------------------------------------- */

void names_add(struct names *names, const char *name, size_t len, uint8_t type, uint64_t ino)
{
    char *copy = need_memory(malloc(len + 1));

    memcpy(copy, name, len);
    copy[len] = '\0';
    if (names->count == names->room) {
        names->room = names->room ? names->room * 2 : 64;
        names->list = need_memory(realloc(names->list, names->room * sizeof(*names->list)));
    }
    names->list[names->count++] = (struct name){copy, len, type, ino};
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i].name);
    free(names->list);
    *names = (struct names){0};
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

int file_list(struct file *dir, struct names *out)
{
    int ret;

    *out = (struct names){0};
    ret = CALL(dir, list, out);
    if (ret < 0)
        names_free(out);
    else if (out->count)
        qsort(out->list, out->count, sizeof(*out->list), by_bytes);
    return ret;
}

/* ---- content --------------------------------------------------------------------------------- */

int file_pread(struct file *file, void *buf, size_t len, uint64_t offset, size_t *done)
{
    return CALL(file, pread, buf, len, offset, done);
}

int file_pwrite(struct file *file, const void *buf, size_t len, uint64_t offset, size_t *done)
{
    *done = 0;
    return CALL(file, pwrite, buf, len, offset, done);
}

int file_seek(struct file *file, uint64_t offset, int whence, uint64_t *out)
{
    return CALL(file, seek, offset, whence, out);
}

int file_fallocate(struct file *file, int mode, uint64_t offset, uint64_t len)
{
    return CALL(file, fallocate, mode, offset, len);
}

static int across(void)
{
    cli_failed_in_library(false);
    return -EXDEV;
}

int file_clone(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to)
{
    return file_same_tree(src, dst) ? CALL(src, clone, from, len, dst, to) : across();
}

int file_dedupe(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to,
                bool *same)
{
    return file_same_tree(src, dst) ? CALL(src, dedupe, from, len, dst, to, same) : across();
}

int file_copy_range(struct file *src, uint64_t from, struct file *dst, uint64_t to, uint64_t len,
                    uint64_t *done)
{
    return file_same_tree(src, dst) ? CALL(src, copy_range, from, dst, to, len, done) : across();
}

int file_fiemap(struct file *file, int (*fn)(void *arg, const struct copse_extent *extent),
                void *arg)
{
    return CALL(file, fiemap, fn, arg);
}

int file_fsync(struct file *file, bool data_only)
{
    return CALL(file, fsync, data_only);
}

/* ---- names ----------------------------------------------------------------------------------- */

int file_make(struct file *dir, const char *name, uint32_t mode, uint64_t rdev, struct file *out)
{
    *out = (struct file){.tree = dir->tree, .fd = -1, .dir_fd = -1};
    return CALL(dir, make, name, mode, rdev, out);
}

int file_symlink(struct file *dir, const char *name, const char *target, struct file *out)
{
    *out = (struct file){.tree = dir->tree, .fd = -1, .dir_fd = -1};
    return CALL(dir, symlink, name, target, out);
}

int file_link(struct file *file, struct file *dir, const char *name)
{
    return file_same_tree(file, dir) ? CALL(file, link, dir, name) : across();
}

int file_unlink(struct file *dir, const char *name, bool is_dir)
{
    return CALL(dir, unlink, name, is_dir);
}

int file_rename(struct file *from_dir, const char *from, struct file *to_dir, const char *to,
                unsigned flags)
{
    return file_same_tree(from_dir, to_dir) ? CALL(from_dir, rename, from, to_dir, to, flags)
                                            : across();
}

int file_readlink(struct file *file, char **out)
{
    char target[4096 + 1];
    size_t len;
    int ret = CALL(file, readlink, target, sizeof(target) - 1, &len);

    if (ret < 0)
        return ret;
    target[len < sizeof(target) ? len : sizeof(target) - 1] = '\0';
    *out = need_string(strdup(target));
    return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

int file_set(struct file *file, unsigned set, const struct copse_stat *st)
{
    return CALL(file, set, set, st);
}

int file_get_flags(struct file *file, uint32_t *flags)
{
    return CALL(file, get_flags, flags);
}

int file_set_flags(struct file *file, uint32_t flags)
{
    return CALL(file, set_flags, flags);
}

int file_xattr_get(struct file *file, const char *name, void **value, size_t *len)
{
    char *buf = NULL;
    size_t cap = 0;
    int ret;

    while ((ret = CALL(file, xattr_get, name, buf, cap, len)) == 0 || ret == -ERANGE) {
        if (ret == 0 && buf) {
            *value = buf;
            return 0;
        }
        cap = ret == 0 ? *len + 1 : cap * 2 + 1;
        buf = need_memory(realloc(buf, cap));
    }
    free(buf);
    return ret;
}

int file_xattr_set(struct file *file, const char *name, const void *value, size_t len)
{
    return CALL(file, xattr_set, name, value, len);
}

int file_xattr_remove(struct file *file, const char *name)
{
    return CALL(file, xattr_remove, name);
}

int file_xattr_list(struct file *file, char **out, size_t *len)
{
    char *buf = NULL;
    size_t cap = 0;
    int ret;

    while ((ret = CALL(file, xattr_list, buf, cap, len)) == 0 || ret == -ERANGE) {
        if (ret == 0 && buf) {
            *out = buf;
            return 0;
        }
        cap = ret == 0 ? *len + 1 : cap * 2 + 1;
        buf = need_memory(realloc(buf, cap));
    }
    free(buf);
    return ret;
}

int tree_sync(struct tree *tree, const char *path)
{
    return noted(tree, tree->ops->sync(tree, path));
}

int file_subvol_create(struct file *dir, const char *name,
                       const struct copse_subvol_options *options)
{
    return CALL(dir, subvol_create, name, options);
}

int file_subvol_snapshot(struct file *source, struct file *dir, const char *name,
                         const struct copse_subvol_options *options)
{
    return CALL(source, subvol_snapshot, dir, name, options);
}

int file_subvol_delete(struct file *dir, const char *name)
{
    return CALL(dir, subvol_delete, name);
}

int file_subvol_set_readonly(struct file *root, bool readonly, bool drop_received)
{
    return CALL(root, subvol_set_readonly, readonly, drop_received);
}

int file_shutdown(struct file *file, bool flush)
{
    return CALL(file, shutdown, flush);
}

int file_defrag(struct file *file, const struct copse_defrag_options *options)
{
    return CALL(file, defrag, options);
}
