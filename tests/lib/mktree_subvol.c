// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mktree.h"

static bool create_subvolume(const char *name)
{
    struct btrfs_ioctl_vol_args_v2 args = {0};
    int here = open(".", O_RDONLY | O_CLOEXEC);
    bool made;

    strcpy(args.name, name);
    made = must(ioctl(here, BTRFS_IOC_SUBVOL_CREATE_V2, &args), "create subvolume", name);
    close(here);
    return made;
}

static void snapshot(const char *source, const char *name, bool read_only)
{
    struct btrfs_ioctl_vol_args_v2 args = {.flags = read_only ? BTRFS_SUBVOL_RDONLY : 0};
    int here = open(".", O_RDONLY | O_CLOEXEC), from = open(source, O_RDONLY | O_CLOEXEC);

    args.fd = from;
    strcpy(args.name, name);
    must(ioctl(here, BTRFS_IOC_SNAP_CREATE_V2, &args), "snapshot", name);
    close(from);
    close(here);
}

static void delete_subvolume(const char *name)
{
    struct btrfs_ioctl_vol_args args = {0};
    int here = open(".", O_RDONLY | O_CLOEXEC);

    strcpy(args.name, name);
    must(ioctl(here, BTRFS_IOC_SNAP_DESTROY, &args), "delete subvolume", name);
    close(here);
}

/* Changes some files of a tree that snapshots share. */
static void change(const char *in, int step)
{
    char name[64];
    int fd;

    enter(in);
    for (int i = step; i < 100; i += 9) {
        snprintf(name, sizeof(name), "file-%02d", i);
        fd = make_file(name);
        append_content(fd, TEXT, 4097 + (uint64_t)i, 3000);
        close(fd);
    }
    snprintf(name, sizeof(name), "file-%02d", step + 50);
    must(unlink(name), "unlink", name);
    snprintf(name, sizeof(name), "new-%02d", step);
    write_file(name, TEXT, 6000);
    leave();
}

void make_subvolumes(void)
{
    char name[64];

    if (!create_subvolume("base"))
        return;
    enter("base");
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "file-%02d", i);
        write_file(name, TEXT, (size_t)i * (opt.quick ? 150 : 700));
    }
    must(link("file-03", "hard-link"), "link", "hard-link");
    create_subvolume("nested");
    write_file("nested/file", TEXT, 9000);
    leave();
    enter("between");
    create_subvolume("base"); /* the same name in another directory */
    write_file("base/file", TEXT, 30);
    leave();
    snapshot("base", "snapshot-ro", true);
    change("base", 1);
    snapshot("base", "snapshot-rw", false);
    change("snapshot-rw", 2);
    change("base", 3);
    snapshot("snapshot-rw", "snapshot-of-snapshot", false);
    change("snapshot-of-snapshot", 4);
    snapshot("base", "deleted", false);
    change("deleted", 5);
    sync_here();
    delete_subvolume("deleted");
    must(rename("snapshot-of-snapshot", "between/renamed"), "rename", "snapshot-of-snapshot");
}
