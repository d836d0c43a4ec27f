// SPDX-License-Identifier: GPL-2.0-or-later
/* ioctls: inode flags, the label, sync, and where a process that unmounts may wait. */
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "internal.h"

/* FS_IOC_GETFLAGS is declared with a long and is an int in fact. */
static int get_flags(copse_node *node, uint32_t *flags)
{
    struct copse_stat st;

    int ret = copse_stat(node, &st);
    if (ret == 0)
        *flags = st.flags;
    return ret;
}

static const struct {
    uint32_t fs, xflag;
} xflags[] = {
    {FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE}, {FS_APPEND_FL, FS_XFLAG_APPEND},
    {FS_SYNC_FL, FS_XFLAG_SYNC},           {FS_NOATIME_FL, FS_XFLAG_NOATIME},
    {FS_NODUMP_FL, FS_XFLAG_NODUMP},
};

static int get_xattr_flags(copse_node *node, struct fsxattr *out)
{
    uint32_t flags = 0;

    int ret = get_flags(node, &flags);
    if (ret < 0)
        return ret;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < sizeof(xflags) / sizeof(*xflags); i++)
        out->fsx_xflags |= flags & xflags[i].fs ? xflags[i].xflag : 0;
    return 0;
}

static int set_xattr_flags(copse_node *node, const struct fsxattr *wanted)
{
    uint32_t flags = 0, left = wanted->fsx_xflags;

    int ret = get_flags(node, &flags);
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < sizeof(xflags) / sizeof(*xflags); i++) {
        flags = wanted->fsx_xflags & xflags[i].xflag ? flags | xflags[i].fs : flags & ~xflags[i].fs;
        left &= ~xflags[i].xflag;
    }
    if (left != 0 || wanted->fsx_extsize != 0 || wanted->fsx_projid != 0 ||
        wanted->fsx_cowextsize != 0)
        return -EOPNOTSUPP;
    return copse_set_flags(node, flags);
}

static int get_version(copse_node *node, uint32_t *out)
{
    struct copse_stat st;

    int ret = copse_stat(node, &st);
    if (ret == 0)
        *out = (uint32_t)st.generation;
    return ret;
}

static int get_label(copse_fs *fs, char label[FSLABEL_MAX])
{
    struct copse_fs_info info;

    int ret = copse_fs_info(fs, &info);
    if (ret == 0)
        memcpy(label, info.label, FSLABEL_MAX);
    return ret;
}

static int set_label(copse_fs *fs, const char *label)
{
    return memchr(label, '\0', FSLABEL_MAX) ? copse_set_label(fs, label) : -EINVAL;
}

union ioctl_data {
    uint32_t number;
    uint64_t transid;
    struct fsxattr fsx;
    char label[FSLABEL_MAX];
    struct copse_ioc_control control;
};

/* Bytes that a command brings or wants; 0 for one we do not know. Those without data give 1. */
static size_t data_size(unsigned cmd)
{
    switch (cmd) {
    case FS_IOC_GETFLAGS:
    case FS_IOC_SETFLAGS:
    case FS_IOC_GETVERSION:
        return sizeof(uint32_t);
    case FS_IOC_FSGETXATTR:
    case FS_IOC_FSSETXATTR:
        return sizeof(struct fsxattr);
    case FS_IOC_GETFSLABEL:
    case FS_IOC_SETFSLABEL:
        return FSLABEL_MAX;
    case COPSE_IOC_CONTROL:
        return sizeof(struct copse_ioc_control);
    case BTRFS_IOC_SYNC:
        return 1;
    default:
        return 0;
    }
}

static int run_ioctl(struct mounted *m, copse_node *node, unsigned cmd, union ioctl_data *data)
{
    switch (cmd) {
    case FS_IOC_GETFLAGS:
        return get_flags(node, &data->number);
    case FS_IOC_SETFLAGS:
        return copse_set_flags(node, data->number);
    case FS_IOC_GETVERSION:
        return get_version(node, &data->number);
    case FS_IOC_FSGETXATTR:
        return get_xattr_flags(node, &data->fsx);
    case FS_IOC_FSSETXATTR:
        return set_xattr_flags(node, &data->fsx);
    case FS_IOC_GETFSLABEL:
        return get_label(m->fs, data->label);
    case FS_IOC_SETFSLABEL:
        return set_label(m->fs, data->label);
    case BTRFS_IOC_SYNC:
        return copse_sync(m->fs);
    case COPSE_IOC_CONTROL:
        memcpy(data->control.name, m->control.name, sizeof(data->control.name));
        return m->control.listener >= 0 ? 0 : -ENOTTY;
    default:
        return -ENOTTY;
    }
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi,
              unsigned flags, const void *in_buf, size_t in_size, size_t out_size)
{
    struct mounted *m = mounted_of(req);
    size_t size = data_size(cmd);
    union ioctl_data data = {0};

    (void)arg, (void)fi;
    if (size == 0 || (flags & FUSE_IOCTL_COMPAT) || (in_size > 0 && in_size < size)) {
        fuse_reply_err(req, ENOTTY);
        return;
    }
    if (in_size > 0)
        memcpy(&data, in_buf, size);
    int ret = run_ioctl(m, node_of(m, ino), cmd, &data);
    if (ret < 0)
        reply_result(req, ret);
    else
        fuse_reply_ioctl(req, 0, &data, MIN(out_size, size));
}
