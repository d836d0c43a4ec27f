// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume: what commands ask of a file system as a whole, and of files beyond what tree.h knows. An
 * open file system is asked through the library, a mounted one by ioctls on a path in it
 * (fuse/fuse_ioctl.h): it does the work, and needs nobody to open its devices.
 *
 * All return 0 or a negative errno; cli_fail() then finds the message.
 */
#ifndef COPSE_CLI_VOLUME_H
#define COPSE_CLI_VOLUME_H

#include "session.h"

/*
 * The place that arg names, in a file system asked about as a whole: a TARGET with or without path
 * (then "/"), a path in a mounted copse file system, or inside the shell the open one (arg NULL or
 * any path of it). Complains; 0, EXIT_FAILED or EXIT_USAGE.
 */
int place_volume(struct cli *cli, const char *arg, enum want want, struct place *out);

/* The path of the root directory of the file system at place: "/", or where it is mounted; to be
 * freed. */
char *place_root(const struct place *place);

int volume_info(const struct place *place, struct copse_fs_info *out);
int volume_usage(const struct place *place, struct copse_usage *out);
int volume_set_label(const struct place *place, const char *label);
/* The names of its devices, one after another. */
int volume_devices(const struct place *place, int (*fn)(void *arg, const char *name), void *arg);
/* As copse_subvol_list(); path is valid during the call of fn. */
int volume_subvols(const struct place *place,
                   int (*fn)(void *arg, const struct copse_subvol *subvol), void *arg);
/* The file at place with the subvolume it is in, which stat(2) does not tell; symlinks followed. */
int volume_stat(const struct place *place, struct copse_stat *out);
/* Whether volume_stat() found the root directory of a subvolume. */
bool volume_is_subvol(const struct copse_stat *st);
/* As copse_reclaim(), of what stands at place; "/" is all. */
int volume_reclaim(const struct place *place, uint64_t *freed);
/* As copse_subvol_exclusive(). */
int volume_subvol_exclusive(const struct place *place, uint64_t id, struct copse_exclusive *out);
/* As copse_exclusive(), of what stands at place. */
int volume_exclusive(const struct place *place, struct copse_exclusive *out);
int volume_default(const struct place *place, uint64_t *id);
int volume_set_default(const struct place *place, uint64_t id);
int volume_subvol_delete(const struct place *place, uint64_t id);
/* Brings back deleted subvolume id as the name in dir, which is in place. */
int volume_subvol_undelete(const struct place *place, struct file *dir, const char *name,
                           uint64_t id);
/* As copse_subvol_clean(). */
int volume_subvol_clean(const struct place *place, unsigned *left);
/* As copse_subvol_inode_paths(); subvol 0: the one that place is in. */
int volume_inode_paths(const struct place *place, uint64_t subvol, uint64_t ino,
                       int (*fn)(void *arg, const char *path), void *arg);
/* As copse_logical_owners(). */
int volume_owners(const struct place *place, uint64_t logical, unsigned flags,
                  int (*fn)(void *arg, const struct copse_owner *owner), void *arg);

/*
 * volume_mount.c: one ioctl on the path, or, where it names neither file nor directory, on the
 * directory it is in.
 */
int mount_ask(const char *path, unsigned long request, void *data);
/* All there is to know of the file itself, of that type: special files and symlinks are asked about
 * in their directory. */
int mount_stat(const char *path, uint32_t mode, struct copse_stat *out);
/* The records of a list (enum copse_ioc_list_kind) until fn returns non-zero. fn returns how long
 * its record is, by which the next is found. */
struct mount_list {
    uint32_t kind, flags;
    uint64_t what, subvol;
    /* *len: bytes of this record. Non-zero ends the list. */
    int (*fn)(void *arg, const char *record, size_t *len);
    void *arg;
};
int mount_each(const char *path, const struct mount_list *list);
/* The same on an open file. */
int mount_each_fd(int fd, const struct mount_list *list);
/* As tree_ops.fiemap, which no ioctl of Linux brings through FUSE. */
int mount_fiemap(int fd, int (*fn)(void *arg, const struct copse_extent *extent), void *arg);

#endif
