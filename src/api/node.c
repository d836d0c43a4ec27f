// SPDX-License-Identifier: GPL-2.0-or-later
/* Nodes, names and attributes. */
#include "api/internal.h"

COPSE_EXPORT copse_node *copse_root(copse_fs *fs)
{
    return node_of(inode_ref(mount_of(fs)->root));
}

COPSE_EXPORT copse_node *copse_node_ref(copse_node *node)
{
    return node_of(inode_ref(inode_of(node)));
}

COPSE_EXPORT void copse_node_put(copse_node *node)
{
    if (node)
        mount_put(mount_of_node(node), inode_of(node));
}

COPSE_EXPORT int copse_stat(copse_node *node, struct copse_stat *out)
{
    return API_CALL(mount_stat(mount_of_node(node), inode_of(node), out));
}

COPSE_EXPORT int copse_lookup(copse_node *dir, const char *name, size_t len, copse_node **out)
{
    struct inode *found;
    int ret = API_CALL(mount_lookup(mount_of_node(dir), inode_of(dir), name, len, &found));

    if (ret == 0)
        *out = node_of(found);
    return ret;
}

static int node_by_ino(struct mount *mount, uint64_t subvol, uint64_t ino, struct inode **out)
{
    struct tree_handle *tree;

    if (!is_fs_tree(subvol))
        return fail(-ENOENT, "%llu is no subvolume", (unsigned long long)subvol);
    store_read_lock(mount->fs.store);
    int ret = roots_get(mount->fs.store->roots, subvol, &tree);
    store_read_unlock(mount->fs.store);
    return ret < 0 ? ret : inode_get(&mount->fs, tree, ino, out);
}

COPSE_EXPORT int copse_node_by_ino(copse_fs *fs, uint64_t subvol, uint64_t ino, copse_node **out)
{
    struct inode *found;
    int ret = API_CALL(node_by_ino(mount_of(fs), subvol, ino, &found));

    if (ret == 0)
        *out = node_of(found);
    return ret;
}

COPSE_EXPORT int copse_readdir(copse_node *dir, uint64_t cookie,
                               int (*fn)(void *arg, const struct copse_dirent *entry), void *arg)
{
    return API_CALL(mount_readdir(mount_of_node(dir), inode_of(dir), cookie, fn, arg));
}

/* ---- making ---------------------------------------------------------------------------------- */

int api_hand_out(int ret, struct inode *made, copse_node **out)
{
    if (ret < 0)
        return ret;
    if (out)
        *out = node_of(made);
    else
        inode_put(made);
    return 0;
}

COPSE_EXPORT int copse_mknod(copse_node *dir, const char *name, size_t len, uint32_t mode,
                             uint64_t rdev, const struct copse_cred *cred, copse_node **out)
{
    struct inode *made = NULL;
    int ret = API_CALL(
        mount_mknod(mount_of_node(dir), inode_of(dir), name, len, mode, rdev, cred, &made));

    return api_hand_out(ret, made, out);
}

COPSE_EXPORT int copse_mkdir(copse_node *dir, const char *name, size_t len, uint32_t mode,
                             const struct copse_cred *cred, copse_node **out)
{
    struct inode *made = NULL;
    int ret =
        API_CALL(mount_mkdir(mount_of_node(dir), inode_of(dir), name, len, mode, cred, &made));

    return api_hand_out(ret, made, out);
}

COPSE_EXPORT int copse_symlink(copse_node *dir, const char *name, size_t len, const char *target,
                               const struct copse_cred *cred, copse_node **out)
{
    struct inode *made = NULL;
    int ret =
        API_CALL(mount_symlink(mount_of_node(dir), inode_of(dir), name, len, target, cred, &made));

    return api_hand_out(ret, made, out);
}

COPSE_EXPORT int copse_tmpfile(copse_node *dir, uint32_t mode, const struct copse_cred *cred,
                               copse_node **out)
{
    struct inode *made = NULL;
    int ret = API_CALL(mount_tmpfile(mount_of_node(dir), inode_of(dir), mode, cred, &made));

    return api_hand_out(ret, made, out);
}

/* ---- changing names -------------------------------------------------------------------------- */

int api_same_fs(copse_node *a, copse_node *b)
{
    if (inode_of(a)->fs != inode_of(b)->fs)
        return fail(-EXDEV, "%s", strerror(EXDEV));
    return 0;
}

static int link_node(copse_node *node, copse_node *dir, const char *name, size_t len)
{
    TRY(api_same_fs(node, dir));
    return mount_link(mount_of_node(node), inode_of(node), inode_of(dir), name, len);
}

COPSE_EXPORT int copse_link(copse_node *node, copse_node *dir, const char *name, size_t len)
{
    return API_CALL(link_node(node, dir, name, len));
}

COPSE_EXPORT int copse_unlink(copse_node *dir, const char *name, size_t len)
{
    return API_CALL(mount_unlink(mount_of_node(dir), inode_of(dir), name, len));
}

COPSE_EXPORT int copse_rmdir(copse_node *dir, const char *name, size_t len)
{
    return API_CALL(mount_rmdir(mount_of_node(dir), inode_of(dir), name, len));
}

static int rename_node(copse_node *from_dir, const char *from, size_t from_len, copse_node *to_dir,
                       const char *to, size_t to_len, unsigned flags)
{
    TRY(api_same_fs(from_dir, to_dir));
    return mount_rename(mount_of_node(from_dir), inode_of(from_dir), from, from_len,
                        inode_of(to_dir), to, to_len, flags);
}

COPSE_EXPORT int copse_rename(copse_node *from_dir, const char *from, size_t from_len,
                              copse_node *to_dir, const char *to, size_t to_len, unsigned flags)
{
    return API_CALL(rename_node(from_dir, from, from_len, to_dir, to, to_len, flags));
}

/* ---- attributes ------------------------------------------------------------------------------ */

COPSE_EXPORT int copse_readlink(copse_node *node, char *buf, size_t cap, size_t *len)
{
    return API_CALL(mount_readlink(mount_of_node(node), inode_of(node), buf, cap, len));
}

COPSE_EXPORT int copse_setattr(copse_node *node, unsigned set, const struct copse_stat *st)
{
    return API_CALL(mount_setattr(mount_of_node(node), inode_of(node), set, st));
}

COPSE_EXPORT int copse_set_flags(copse_node *node, uint32_t flags)
{
    return API_CALL(mount_set_flags(mount_of_node(node), inode_of(node), flags));
}

COPSE_EXPORT int copse_getxattr(copse_node *node, const char *name, void *buf, size_t cap,
                                size_t *len)
{
    return API_CALL(mount_getxattr(mount_of_node(node), inode_of(node), name, buf, cap, len));
}

COPSE_EXPORT int copse_setxattr(copse_node *node, const char *name, const void *value, size_t len,
                                int flags)
{
    return API_CALL(mount_setxattr(mount_of_node(node), inode_of(node), name, value, len, flags));
}

COPSE_EXPORT int copse_removexattr(copse_node *node, const char *name)
{
    return API_CALL(mount_removexattr(mount_of_node(node), inode_of(node), name));
}

COPSE_EXPORT int copse_listxattr(copse_node *node, char *buf, size_t cap, size_t *len)
{
    return API_CALL(mount_listxattr(mount_of_node(node), inode_of(node), buf, cap, len));
}
