/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Mounting through FUSE and unmounting again: what `copse mount`, `copse umount` and
 * mount.fuse.copse call.
 */
#ifndef COPSE_FUSE_MOUNT_H
#define COPSE_FUSE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COPSE_FUSE_MESSAGE_MAX 1024

struct copse_fuse_options {
    /* Set by the caller, who keeps them. */
    const char *const *devices;
    unsigned device_count;
    const char *mountpoint;
    bool foreground;
    bool mount_helper; /* called by mount(8): root's mounts have suid and dev unless told not to */

    /* Set by copse_fuse_parse_options(). */
    bool readonly;
    bool allow_other, allow_root;
    bool default_permissions; /* the kernel checks modes and ACLs; allow_other implies it */
    bool fakeroot;
    bool user_subvol_rm_allowed;
    bool uid_given, gid_given;
    uint32_t uid, gid; /* owners to show for every file */
    char *subvol;
    uint64_t subvolid;
    bool noatime, strictatime;
    bool nodatacow, discard, notreelog;
    char *compress; /* NULL: none */
    bool compress_force;
    unsigned rescue; /* COPSE_RESCUE_*; only with ro */
    uint64_t cache_bytes;
    unsigned commit_seconds;
    bool suid, nosuid, dev, nodev, noexec, sync, dirsync;
    char *fsname;

    char message[COPSE_FUSE_MESSAGE_MAX]; /* what went wrong: "WHAT: WHY", one line */
};

void copse_fuse_options_init(struct copse_fuse_options *options);
void copse_fuse_options_free(struct copse_fuse_options *options);

/**
 * The text of one -o. May be called several times; later ones win.
 *
 * @return -EINVAL: options->message names the option
 */
int copse_fuse_parse_options(const char *text, struct copse_fuse_options *options);

/**
 * Mounts. In the background: returns 0 to the caller once the mount works, and the file system is
 * served by another process. In the foreground: returns when it was unmounted, or a signal ended
 * it, and everything is durable (0) or not (negative errno).
 *
 * @return negative errno with options->message
 */
int copse_fuse_run(struct copse_fuse_options *options);

/**
 * Unmounts and waits for the last commit of the process that served it.
 *
 * @param message  COPSE_FUSE_MESSAGE_MAX bytes
 * @return negative errno with message: not unmounted, or unmounted but not all is durable
 */
int copse_fuse_umount(const char *dir, char *message);

#endif
