// SPDX-License-Identifier: GPL-2.0-or-later
/* Which operations there are, and what is agreed with the kernel at the start. */
#include <syslog.h>

#include "internal.h"

/* Requests that the kernel may have under way without a process waiting: reading ahead, aio. */
#define BACKGROUND_MAX 64

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct mounted *m = userdata;
    unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_DONT_MASK |
                      FUSE_CAP_IOCTL_DIR | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                      FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
                      FUSE_CAP_EXPLICIT_INVAL_DATA;
    /*
     * No writeback cache: a write must be told ENOSPC. No throwing away of pages because a time
     * changed: we are the only writer. Set-id bits: the kernel knows whether the writer may keep
     * them, we would have to guess.
     */
    unsigned unwanted = FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA |
                        FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_SPLICE_READ;

#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
    unwanted |= FUSE_CAP_HANDLE_KILLPRIV_V2;
#endif
    /* Brings the checks of default_permissions with it. */
    if (m->options->default_permissions)
        wanted |= FUSE_CAP_POSIX_ACL;
    else
        unwanted |= FUSE_CAP_POSIX_ACL;
    conn->want = (conn->want | (wanted & conn->capable)) & ~unwanted;
    conn->max_background = BACKGROUND_MAX;
    conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
    m->ready(m);
}

const struct fuse_lowlevel_ops copse_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .access = op_access,
    .statfs = op_statfs,
    .readlink = op_readlink,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .symlink = op_symlink,
    .link = op_link,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .rename = op_rename,
    .create = op_create,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .release = op_release,
    .fsync = op_fsync,
    .fallocate = op_fallocate,
    .lseek = op_lseek,
    .copy_file_range = op_copy_file_range,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .fsyncdir = op_fsyncdir,
    .setxattr = op_setxattr,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .removexattr = op_removexattr,
    .ioctl = op_ioctl,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    .tmpfile = op_tmpfile,
#endif
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
    .statx = op_statx,
#endif
};
