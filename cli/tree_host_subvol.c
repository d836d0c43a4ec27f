// SPDX-License-Identifier: GPL-2.0-or-later
/* Subvolumes in mounted file systems, by the ioctls of Linux. */
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tree_host_subvol.h"

static int open_dir(const struct file *file, int *fd)
{
    *fd = open(file->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd < 0 ? -errno : 0;
}

static int ask(struct file *dir, unsigned long request, void *args)
{
    int fd, ret = open_dir(dir, &fd);

    if (ret < 0)
        return ret;
    ret = ioctl(fd, request, args) < 0 ? -errno : 0;
    close(fd);
    return ret;
}

static int take_name(const char *name, struct btrfs_ioctl_vol_args_v2 *args)
{
    if (strlen(name) > 255)
        return -ENAMETOOLONG;
    strcpy(args->name, name);
    return 0;
}

int host_subvol_create(struct file *dir, const char *name,
                       const struct copse_subvol_options *options)
{
    struct btrfs_ioctl_vol_args_v2 args = {0};
    int ret = take_name(name, &args);

    (void)options; /* the file system takes the umask of whoever asks */
    return ret < 0 ? ret : ask(dir, BTRFS_IOC_SUBVOL_CREATE_V2, &args);
}

int host_subvol_snapshot(struct file *source, struct file *dir, const char *name,
                         const struct copse_subvol_options *options)
{
    struct btrfs_ioctl_vol_args_v2 args = {.flags = options->readonly ? BTRFS_SUBVOL_RDONLY : 0};
    int ret = take_name(name, &args), fd;

    if (ret == 0)
        ret = open_dir(source, &fd);
    if (ret < 0)
        return ret == -ENOTDIR ? -EINVAL : ret;
    args.fd = fd;
    ret = ask(dir, BTRFS_IOC_SNAP_CREATE_V2, &args);
    close(fd);
    return ret;
}
