// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mount: what a mounted file system can be asked to do, node by node. FUSE, the command line and
 * the API all end here; include/copse/copse.h documents each operation, src/api checks arguments
 * and calls these.
 */
#ifndef COPSE_FS_MOUNT_MOUNT_H
#define COPSE_FS_MOUNT_MOUNT_H

#include "copse/copse.h"
#include "fs/file/file.h"
#include "fs/file/reclaim.h"
#include "fs/inode/inode.h"
#include "fs/subvol/subvol.h"

struct mount {
    struct fs fs;
    struct inode *root;
    uint64_t root_subvol;
    struct mount_private *priv; /* background thread, name cache ... */
};

/* -EINVAL: no compression that mount_open knows. *type: enum compress_type. */
int mount_parse_compression(const char *compress, uint8_t *type, int *level) MUST_USE;
/* Takes devs. Opens, replays a log (writable), drops orphans (writable), finds the root. */
int mount_open(struct env *env, struct dev **devs, unsigned count,
               const struct copse_open_options *options, struct mount **out) MUST_USE;
int mount_close(struct mount *mount) MUST_USE;
/* Drops what is not durable. The devices are closed too. */
void mount_crash(struct mount *mount);
int mount_sync(struct mount *mount) MUST_USE;
/* Nothing becomes durable any more, after (flush) a last commit. Closing is then no failure. */
int mount_shutdown(struct mount *mount, bool flush) MUST_USE;

/* One step of background work (writeback, commit when due); *idle: nothing to do now. */
int mount_background_step(struct mount *mount, bool *idle) MUST_USE;

/* Puts a node; deletes its inode when it was the last reference to a file without names. */
void mount_put(struct mount *mount, struct inode *inode);

int mount_lookup(struct mount *m, struct inode *dir, const char *name, size_t len,
                 struct inode **out) MUST_USE;
int mount_stat(struct mount *m, struct inode *inode, struct copse_stat *out) MUST_USE;
int mount_readdir(struct mount *m, struct inode *dir, uint64_t cookie,
                  int (*fn)(void *arg, const struct copse_dirent *entry), void *arg) MUST_USE;
int mount_mknod(struct mount *m, struct inode *dir, const char *name, size_t len, uint32_t mode,
                uint64_t rdev, const struct copse_cred *cred, struct inode **out) MUST_USE;
int mount_mkdir(struct mount *m, struct inode *dir, const char *name, size_t len, uint32_t mode,
                const struct copse_cred *cred, struct inode **out) MUST_USE;
int mount_symlink(struct mount *m, struct inode *dir, const char *name, size_t len,
                  const char *target, const struct copse_cred *cred, struct inode **out) MUST_USE;
int mount_tmpfile(struct mount *m, struct inode *dir, uint32_t mode, const struct copse_cred *cred,
                  struct inode **out) MUST_USE;
int mount_link(struct mount *m, struct inode *inode, struct inode *dir, const char *name,
               size_t len) MUST_USE;
int mount_unlink(struct mount *m, struct inode *dir, const char *name, size_t len) MUST_USE;
int mount_rmdir(struct mount *m, struct inode *dir, const char *name, size_t len) MUST_USE;
int mount_rename(struct mount *m, struct inode *from_dir, const char *from, size_t from_len,
                 struct inode *to_dir, const char *to, size_t to_len, unsigned flags) MUST_USE;
int mount_readlink(struct mount *m, struct inode *inode, char *buf, size_t cap,
                   size_t *len) MUST_USE;
int mount_setattr(struct mount *m, struct inode *inode, unsigned set,
                  const struct copse_stat *st) MUST_USE;
int mount_set_flags(struct mount *m, struct inode *inode, uint32_t fs_flags) MUST_USE;
int mount_setxattr(struct mount *m, struct inode *inode, const char *name, const void *value,
                   size_t len, int flags) MUST_USE;
int mount_removexattr(struct mount *m, struct inode *inode, const char *name) MUST_USE;
int mount_getxattr(struct mount *m, struct inode *inode, const char *name, void *buf, size_t cap,
                   size_t *len) MUST_USE;
int mount_listxattr(struct mount *m, struct inode *inode, char *buf, size_t cap,
                    size_t *len) MUST_USE;
int mount_pread(struct mount *m, struct inode *inode, void *buf, size_t len, uint64_t offset,
                size_t *done) MUST_USE;
int mount_pwrite(struct mount *m, struct inode *inode, const void *buf, size_t len, uint64_t offset,
                 size_t *done) MUST_USE;
/* As mount_pwrite, and on the device when it returns. */
int mount_pwrite_direct(struct mount *m, struct inode *inode, const void *buf, size_t len,
                        uint64_t offset, size_t *done) MUST_USE;
int mount_fsync(struct mount *m, struct inode *inode, bool data_only) MUST_USE;
/* For one of several who have it open; see file_new_error. */
int mount_fsync_for(struct mount *m, struct inode *inode, bool data_only, uint64_t *seen) MUST_USE;
/* See copse_reclaim. */
int mount_reclaim(struct mount *m, struct inode *inode, uint64_t *freed) MUST_USE;
/* See copse_exclusive, copse_subvol_exclusive. */
int mount_exclusive(struct mount *m, struct inode *inode, struct copse_exclusive *out) MUST_USE;
int mount_subvol_exclusive(struct mount *m, uint64_t id, struct copse_exclusive *out) MUST_USE;
int mount_usage(struct mount *m, struct copse_usage *out) MUST_USE;
int mount_info(struct mount *m, struct copse_fs_info *out) MUST_USE;
int mount_set_label(struct mount *m, const char *label) MUST_USE;
int mount_subvol_list(struct mount *m, int (*fn)(void *arg, const struct copse_subvol *subvol),
                      void *arg) MUST_USE;
/* See copse_subvol_create, copse_subvol_snapshot. */
int mount_subvol_create(struct mount *m, struct inode *dir, const char *name, size_t len,
                        const struct copse_subvol_options *options, const struct copse_cred *cred,
                        struct inode **out) MUST_USE;
int mount_subvol_snapshot(struct mount *m, struct inode *src, struct inode *dir, const char *name,
                          size_t len, const struct copse_subvol_options *options,
                          struct inode **out) MUST_USE;
int mount_logical_owners(struct mount *m, uint64_t logical, unsigned flags,
                         int (*fn)(void *arg, const struct copse_owner *owner), void *arg) MUST_USE;
int mount_subvol_root(struct mount *m, uint64_t id, struct inode **out) MUST_USE;
int mount_subvol_delete(struct mount *m, struct inode *dir, const char *name, size_t len) MUST_USE;
int mount_subvol_delete_id(struct mount *m, uint64_t id) MUST_USE;
int mount_subvol_undelete(struct mount *m, struct inode *dir, const char *name, size_t len,
                          uint64_t id) MUST_USE;
int mount_subvol_clean(struct mount *m, unsigned *left) MUST_USE;
int mount_subvol_set_readonly(struct mount *m, struct inode *inode, bool readonly,
                              bool drop_received) MUST_USE;
int mount_subvol_set_received(struct mount *m, struct inode *inode,
                              const struct copse_received *received) MUST_USE;
int mount_subvol_of(struct mount *m, struct inode *inode, struct copse_subvol *out) MUST_USE;

int mount_quota_status(struct mount *m, struct copse_quota_status *out) MUST_USE;
int mount_quota_enable(struct mount *m, bool simple) MUST_USE;
int mount_quota_disable(struct mount *m) MUST_USE;
int mount_quota_rescan(struct mount *m, bool wait) MUST_USE;
int mount_quota_rescan_wait(struct mount *m) MUST_USE;
int mount_qgroup_list(struct mount *m, int (*fn)(void *arg, const struct copse_qgroup *group),
                      void *arg) MUST_USE;
int mount_qgroup_create(struct mount *m, uint64_t id) MUST_USE;
int mount_qgroup_destroy(struct mount *m, uint64_t id) MUST_USE;
int mount_qgroup_assign(struct mount *m, uint64_t member, uint64_t parent) MUST_USE;
int mount_qgroup_remove(struct mount *m, uint64_t member, uint64_t parent) MUST_USE;
int mount_qgroup_limit(struct mount *m, uint64_t id, unsigned which, uint64_t bytes) MUST_USE;

#endif
