// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on names: find, make, link, remove, rename. */
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

struct copse_cred cred_of(fuse_req_t req)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);

    if (mounted_of(req)->options->fakeroot)
        return (struct copse_cred){0, 0};
    return (struct copse_cred){ctx->uid, ctx->gid};
}

/* A default ACL of the directory takes the place of the umask. */
static mode_t masked(fuse_req_t req, copse_node *dir, mode_t mode)
{
    mode_t umask = fuse_req_ctx(req)->umask;
    size_t len;

    if (umask == 0 || copse_getxattr(dir, "system.posix_acl_default", NULL, 0, &len) == 0)
        return mode;
    return mode & ~umask;
}

static void reply_made(fuse_req_t req, int ret, copse_node *node)
{
    if (ret < 0)
        reply_result(req, ret);
    else
        reply_entry(req, node);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    copse_node *node;

    int ret = copse_lookup(node_of(mounted_of(req), parent), name, strlen(name), &node);
    if (ret == -ENOENT) {
        /* The kernel remembers that there is nothing, too. */
        struct fuse_entry_param nothing = {.entry_timeout = CACHE_SECONDS};

        fuse_reply_entry(req, &nothing);
        return;
    }
    reply_made(req, ret, node);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    copse_node *dir = node_of(mounted_of(req), parent), *node;
    struct copse_cred cred = cred_of(req);

    int ret = copse_mknod(dir, name, strlen(name), masked(req, dir, mode), rdev, &cred, &node);
    reply_made(req, ret, node);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    copse_node *dir = node_of(mounted_of(req), parent), *node;
    struct copse_cred cred = cred_of(req);

    int ret = copse_mkdir(dir, name, strlen(name), masked(req, dir, mode), &cred, &node);
    reply_made(req, ret, node);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct copse_cred cred = cred_of(req);
    copse_node *node;

    int ret =
        copse_symlink(node_of(mounted_of(req), parent), name, strlen(name), target, &cred, &node);
    reply_made(req, ret, node);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct mounted *m = mounted_of(req);
    copse_node *node = node_of(m, ino);

    int ret = copse_link(node, node_of(m, parent), name, strlen(name));
    reply_made(req, ret, ret < 0 ? NULL : copse_node_ref(node));
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    reply_result(req, copse_unlink(node_of(mounted_of(req), parent), name, strlen(name)));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    reply_result(req, copse_rmdir(node_of(mounted_of(req), parent), name, strlen(name)));
}

_Static_assert(COPSE_RENAME_NOREPLACE == RENAME_NOREPLACE &&
                   COPSE_RENAME_EXCHANGE == RENAME_EXCHANGE &&
                   COPSE_RENAME_WHITEOUT == RENAME_WHITEOUT,
               "the flags of rename are the kernel's");

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
               const char *newname, unsigned flags)
{
    struct mounted *m = mounted_of(req);

    reply_result(req, copse_rename(node_of(m, parent), name, strlen(name), node_of(m, newparent),
                                   newname, strlen(newname), flags));
}

/* ---- making and opening at once -------------------------------------------------------------- */

/* Takes over the reference to node. */
static void reply_created(fuse_req_t req, copse_node *node, struct fuse_file_info *fi)
{
    struct mounted *m = mounted_of(req);
    struct fuse_entry_param entry;

    int ret = open_node(req, node, fi);
    if (ret < 0)
        copse_node_put(node);
    else if ((ret = make_entry(m, node, &entry)) < 0)
        close_node(fi);
    if (ret < 0) {
        reply_result(req, ret);
    } else if (fuse_reply_create(req, &entry, fi) != 0) {
        close_node(fi);
        nodes_forget(m, entry.ino, 1);
    }
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi)
{
    copse_node *dir = node_of(mounted_of(req), parent), *node;
    struct copse_cred cred = cred_of(req);
    size_t len = strlen(name);

    int ret =
        copse_mknod(dir, name, len, masked(req, dir, S_IFREG | (mode & 07777)), 0, &cred, &node);
    if (ret == -EEXIST && !(fi->flags & O_EXCL)) {
        /* Made by somebody else since the kernel looked. */
        ret = copse_lookup(dir, name, len, &node);
    } else if (ret == 0) {
        fi->flags &= ~O_TRUNC;
    }
    if (ret < 0)
        reply_result(req, ret);
    else
        reply_created(req, node, fi);
}

void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *fi)
{
    copse_node *dir = node_of(mounted_of(req), parent), *node;
    struct copse_cred cred = cred_of(req);

    int ret = copse_tmpfile(dir, masked(req, dir, mode & 07777), &cred, &node);
    if (ret < 0)
        reply_result(req, ret);
    else
        reply_created(req, node, fi);
}
