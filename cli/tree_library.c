// SPDX-License-Identifier: GPL-2.0-or-later
/* Files in a file system that libcopse has open. We act as its root. */
#include <string.h>

#include "cli.h"
#include "tree.h"

static const struct copse_cred as_root;

static int walk(struct tree *tree, const char *path, bool nofollow, struct file *out)
{
    return copse_walk(tree->fs, NULL, path, nofollow ? COPSE_WALK_NOFOLLOW : 0, &out->node);
}

static void close_file(struct file *file)
{
    copse_node_put(file->node);
}

static int lookup(struct file *dir, const char *name, struct file *out)
{
    return copse_lookup(dir->node, name, strlen(name), &out->node);
}

static int stat_file(struct file *file, struct copse_stat *out)
{
    return copse_stat(file->node, out);
}

static int add_entry(void *arg, const struct copse_dirent *entry)
{
    bool dots = (entry->len == 1 && entry->name[0] == '.') ||
                (entry->len == 2 && entry->name[0] == '.' && entry->name[1] == '.');

    if (!dots)
        names_add(arg, entry->name, entry->len, entry->type, entry->ino);
    return 0;
}

static int list(struct file *dir, struct names *out)
{
    return copse_readdir(dir->node, 0, add_entry, out);
}

static int read_at(struct file *file, void *buf, size_t len, uint64_t offset, size_t *done)
{
    return copse_pread(file->node, buf, len, offset, done);
}

static int write_at(struct file *file, const void *buf, size_t len, uint64_t offset, size_t *done)
{
    return file->direct ? copse_pwrite_direct(file->node, buf, len, offset, done)
                        : copse_pwrite(file->node, buf, len, offset, done);
}

static int seek(struct file *file, uint64_t offset, int whence, uint64_t *out)
{
    return copse_lseek(file->node, offset, whence, out);
}

static int allocate(struct file *file, int mode, uint64_t offset, uint64_t len)
{
    return copse_fallocate(file->node, mode, offset, len);
}

static int clone_range(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to)
{
    return copse_clone_range(src->node, from, len, dst->node, to);
}

static int dedupe_range(struct file *src, uint64_t from, uint64_t len, struct file *dst,
                        uint64_t to, bool *same)
{
    struct copse_dedupe_target target = {.node = dst->node, .offset = to};
    int ret = copse_dedupe_range(src->node, from, len, &target, 1);

    if (ret == 0 && target.status < 0)
        return target.status;
    *same = target.status == COPSE_DEDUPE_SAME;
    return ret;
}

static int copy_range(struct file *src, uint64_t from, struct file *dst, uint64_t to, uint64_t len,
                      uint64_t *done)
{
    return copse_copy_range(src->node, from, dst->node, to, len, done);
}

static int fiemap(struct file *file, int (*fn)(void *arg, const struct copse_extent *extent),
                  void *arg)
{
    return copse_fiemap(file->node, 0, UINT64_MAX, fn, arg);
}

static int sync_file(struct file *file, bool data_only)
{
    return copse_fsync(file->node, data_only);
}

static int make(struct file *dir, const char *name, uint32_t mode, uint64_t rdev, struct file *out)
{
    if ((mode & 0170000) == 0040000)
        return copse_mkdir(dir->node, name, strlen(name), mode & 07777, &as_root, &out->node);
    return copse_mknod(dir->node, name, strlen(name), mode, rdev, &as_root, &out->node);
}

static int make_symlink(struct file *dir, const char *name, const char *target, struct file *out)
{
    return copse_symlink(dir->node, name, strlen(name), target, &as_root, &out->node);
}

static int add_link(struct file *file, struct file *dir, const char *name)
{
    return copse_link(file->node, dir->node, name, strlen(name));
}

static int remove_name(struct file *dir, const char *name, bool is_dir)
{
    return is_dir ? copse_rmdir(dir->node, name, strlen(name))
                  : copse_unlink(dir->node, name, strlen(name));
}

static int rename_file(struct file *from_dir, const char *from, struct file *to_dir, const char *to,
                       unsigned flags)
{
    return copse_rename(from_dir->node, from, strlen(from), to_dir->node, to, strlen(to), flags);
}

static int read_link(struct file *file, char *buf, size_t cap, size_t *len)
{
    return copse_readlink(file->node, buf, cap, len);
}

static int set(struct file *file, unsigned what, const struct copse_stat *st)
{
    return copse_setattr(file->node, what, st);
}

static int get_flags(struct file *file, uint32_t *flags)
{
    struct copse_stat st;
    int ret = copse_stat(file->node, &st);

    if (ret == 0)
        *flags = st.flags;
    return ret;
}

static int set_flags(struct file *file, uint32_t flags)
{
    return copse_set_flags(file->node, flags);
}

static int xattr_get(struct file *file, const char *name, void *buf, size_t cap, size_t *len)
{
    return copse_getxattr(file->node, name, buf, cap, len);
}

static int xattr_set(struct file *file, const char *name, const void *value, size_t len)
{
    return copse_setxattr(file->node, name, value, len, 0);
}

static int xattr_remove(struct file *file, const char *name)
{
    return copse_removexattr(file->node, name);
}

static int xattr_list(struct file *file, char *buf, size_t cap, size_t *len)
{
    return copse_listxattr(file->node, buf, cap, len);
}

static int sync_all(struct tree *tree, const char *path)
{
    (void)path;
    return copse_sync(tree->fs);
}

static int subvol_create(struct file *dir, const char *name,
                         const struct copse_subvol_options *options)
{
    return copse_subvol_create(dir->node, name, strlen(name), options, &as_root, NULL);
}

static int subvol_snapshot(struct file *source, struct file *dir, const char *name,
                           const struct copse_subvol_options *options)
{
    return copse_subvol_snapshot(source->node, dir->node, name, strlen(name), options, NULL);
}

static int subvol_delete(struct file *dir, const char *name)
{
    return copse_subvol_delete(dir->node, name, strlen(name));
}

static int subvol_set_readonly(struct file *root, bool readonly, bool drop_received)
{
    return copse_subvol_set_readonly(root->node, readonly, drop_received);
}

static int shut_down(struct file *file, bool flush)
{
    return copse_shutdown(file->tree->fs, flush);
}

static int defragment(struct file *file, const struct copse_defrag_options *options)
{
    return copse_defrag(file->node, options, NULL);
}

const struct tree_ops library_tree_ops = {
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
    .subvol_create = subvol_create,
    .subvol_snapshot = subvol_snapshot,
    .subvol_delete = subvol_delete,
    .subvol_set_readonly = subvol_set_readonly,
};
