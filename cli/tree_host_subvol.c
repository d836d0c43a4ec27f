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

int host_subvol_delete(struct file *dir, const char *name)
{
    struct btrfs_ioctl_vol_args_v2 args = {0};
    int ret = take_name(name, &args);

    return ret < 0 ? ret : ask(dir, BTRFS_IOC_SNAP_DESTROY_V2, &args);
}

/* Linux leaves it to its tools to ask whether a received subvolume may become writable. */
static int forget_received(int fd, uint64_t flags, bool drop_received)
{
    struct btrfs_ioctl_get_subvol_info_args info;
    struct btrfs_ioctl_received_subvol_args nothing = {0};
    static const uint8_t none[16];

    if (!(flags & BTRFS_SUBVOL_RDONLY))
        return 0;
    if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0)
        return -errno;
    if (memcmp(info.received_uuid, none, sizeof(none)) == 0)
        return 0;
    if (!drop_received)
        return -EPERM;
    return ioctl(fd, BTRFS_IOC_SET_RECEIVED_SUBVOL, &nothing) < 0 ? -errno : 0;
}

static int set_readonly(int fd, bool readonly, bool drop_received)
{
    uint64_t flags;
    int ret = ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) < 0 ? -errno : 0;

    if (ret == 0 && !readonly)
        ret = forget_received(fd, flags, drop_received);
    if (ret < 0)
        return ret;
    flags = readonly ? flags | BTRFS_SUBVOL_RDONLY : flags & ~BTRFS_SUBVOL_RDONLY;
    return ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags) < 0 ? -errno : 0;
}

int host_subvol_set_readonly(struct file *root, bool readonly, bool drop_received)
{
    int fd, ret = open_dir(root, &fd);

    if (ret < 0)
        return ret == -ENOTDIR ? -EINVAL : ret;
    ret = set_readonly(fd, readonly, drop_received);
    close(fd);
    return ret;
}
