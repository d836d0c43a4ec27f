// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_FS_MOUNT_INTERNAL_H
#define COPSE_FS_MOUNT_INTERNAL_H

#include <stdatomic.h>

#include "fs/mount/mount.h"

struct mount_private {
    bool readonly;
    unsigned commit_seconds;
    _Atomic uint64_t last_commit_ns; /* commits end in any thread */
    atomic_bool shut_down;
    bool log_pending; /* opened read-only beside a log tree */

    struct env_thread *thread; /* background work; NULL: driven step by step */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
};

/* Changes to tree items that an operation makes at most, for store_begin. */
enum {
    UNITS_CREATE = 8,
    UNITS_NAME = 8,
    UNITS_RENAME = 24,
    UNITS_INODE = 2,
    UNITS_ORPHAN = 2, /* its item, made and removed */
    UNITS_DELETE = 8,
};

/* Units for an attribute of that many bytes. */
static inline unsigned units_xattr(size_t bytes)
{
    return 4 + (unsigned)(bytes / 512);
}

/* names.c: what a directory entry points at, metadata lock held. */
int entry_inode(struct mount *m, struct inode *dir, const void *name, uint16_t len,
                const struct dir_entry *entry, struct inode **out) MUST_USE;
/* Number of the stub that stands for a subvolume a snapshot does not contain. */
uint64_t stub_ino(uint64_t subvol);
bool is_stub(const struct inode *inode);
/* Whether the entry (dir, name) -> subvol is a real one and no stub. Metadata lock held. */
int subvol_is_here(struct mount *m, const struct inode *dir, const void *name, uint16_t len,
                   uint64_t subvol, bool *here) MUST_USE;
/* Whether names may be added to (or, with removing, taken from) dir, and this one at all. */
int dir_may_change(const struct inode *dir, const char *name, size_t len, bool removing) MUST_USE;
/* The same again once the metadata lock is held alone: others were faster, perhaps. */
int dir_still_there(const struct inode *dir) MUST_USE;
/*
 * store_begin for a change of this inode: -ESTALE, -EROFS where its subvolume was deleted or made
 * read-only since that was looked at.
 */
int begin_on(const struct inode *inode, enum store_intent intent, unsigned units) MUST_USE;
/* subvol.c: rmdir of what is a subvolume. */
int subvol_rmdir(struct mount *m, struct inode *dir, const char *name, size_t len) MUST_USE;
/* Deletes an inode that lost its last name and its last user. */
void delete_orphan(struct inode *inode);

/* xattr.c, within store_begin: the compression property of a type, COMPRESS_NONE: none. The flags
 * of the inode are the caller's. */
int compression_property_set(struct inode *inode, uint8_t type) MUST_USE;

/* acl.c, within store_begin */
/* What Linux does with the default ACL of a directory when something is made in it. *mode is
 * adjusted; call before inode_create. */
struct acl_inherited {
    uint8_t *access; /* malloced, NULL: none */
    size_t access_len;
    uint8_t *standard; /* default ACL for a new directory */
    size_t standard_len;
};
int acl_inherit(struct inode *dir, uint32_t *mode, struct acl_inherited *out) MUST_USE;
int acl_apply(struct inode *inode, const struct acl_inherited *inherited) MUST_USE;
void acl_inherited_free(struct acl_inherited *inherited);
/* chmod: the access ACL follows the new mode. */
int acl_chmod(struct inode *inode, uint32_t mode) MUST_USE;
/* Setting an access ACL: the mode follows; *redundant: the mode says it all, store nothing. */
int acl_to_mode(const void *acl, size_t len, uint32_t *mode, bool *redundant) MUST_USE;

/* xattr.c: setting an attribute with all it means, within store_begin */
int setxattr_locked(struct inode *inode, const char *name, const void *value, size_t len,
                    int flags) MUST_USE;

/* open.c: deletes the inodes of a tree that have no name; nobody uses them */
int drop_orphans_of(struct mount *m, struct tree_handle *tree) MUST_USE;

/* attr.c */
void note_access(struct mount *m, struct inode *inode);

/* background.c */
int background_start(struct mount *m) MUST_USE;
void background_stop(struct mount *m);

#endif
