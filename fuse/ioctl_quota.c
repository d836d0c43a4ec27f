// SPDX-License-Identifier: GPL-2.0-or-later
/* The ioctls of Linux for quotas, for who mounted it. */
#include <linux/btrfs.h>
#include <string.h>

#include "fuse_ioctl.h"
#include "internal.h"

/* Since Linux 6.7; older headers do not name it. */
#define QUOTA_CTL_ENABLE_SIMPLE 4

size_t quota_ioctl_size(unsigned cmd)
{
    switch (cmd) {
    case BTRFS_IOC_QUOTA_CTL:
    case BTRFS_IOC_QUOTA_RESCAN:
    case BTRFS_IOC_QUOTA_RESCAN_STATUS:
    case BTRFS_IOC_QGROUP_CREATE:
    case BTRFS_IOC_QGROUP_ASSIGN:
    case COPSE_IOC_QGROUP_LIMIT:
    case COPSE_IOC_QUOTA_STATUS:
        return _IOC_SIZE(cmd);
    case BTRFS_IOC_QUOTA_RESCAN_WAIT:
        return 1;
    default:
        return 0;
    }
}

static int control(copse_fs *fs, const struct btrfs_ioctl_quota_ctl_args *args)
{
    switch (args->cmd) {
    case BTRFS_QUOTA_CTL_ENABLE:
        return copse_quota_enable(fs, false);
    case QUOTA_CTL_ENABLE_SIMPLE:
        return copse_quota_enable(fs, true);
    case BTRFS_QUOTA_CTL_DISABLE:
        return copse_quota_disable(fs);
    default:
        return -EINVAL;
    }
}

static int rescan_status(copse_fs *fs, struct btrfs_ioctl_quota_rescan_args *args)
{
    struct copse_quota_status status;
    int ret = copse_quota_status(fs, &status);

    memset(args, 0, sizeof(*args));
    if (ret == 0 && status.rescanning) {
        args->flags = 1;
        args->progress = status.rescan_progress;
    }
    return ret;
}

static int create(copse_fs *fs, const struct btrfs_ioctl_qgroup_create_args *args)
{
    return args->create ? copse_qgroup_create(fs, args->qgroupid)
                        : copse_qgroup_destroy(fs, args->qgroupid);
}

static int assign(copse_fs *fs, const struct btrfs_ioctl_qgroup_assign_args *args)
{
    return args->assign ? copse_qgroup_assign(fs, args->src, args->dst)
                        : copse_qgroup_remove(fs, args->src, args->dst);
}

static int limit(copse_fs *fs, const struct copse_ioc_qgroup_limit *args)
{
    return copse_qgroup_limit(fs, args->id, (unsigned)args->which, args->bytes);
}

int quota_ioctl(copse_fs *fs, unsigned cmd, void *data)
{
    switch (cmd) {
    case BTRFS_IOC_QUOTA_CTL:
        return control(fs, data);
    case BTRFS_IOC_QUOTA_RESCAN:
        return copse_quota_rescan(fs, true);
    case BTRFS_IOC_QUOTA_RESCAN_STATUS:
        return rescan_status(fs, data);
    case BTRFS_IOC_QGROUP_CREATE:
        return create(fs, data);
    case BTRFS_IOC_QGROUP_ASSIGN:
        return assign(fs, data);
    case COPSE_IOC_QGROUP_LIMIT:
        return limit(fs, data);
    case COPSE_IOC_QUOTA_STATUS:
        return copse_quota_status(fs, data);
    default:
        return copse_quota_rescan_wait(fs);
    }
}
