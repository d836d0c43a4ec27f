// SPDX-License-Identifier: GPL-2.0-or-later
/* Content: what fs/file does, with what only a mount knows added. */
#include "fs/mount/internal.h"

#include "base/cleanup.h"
#include "fs/fsync/fsync.h"

void mount_put(struct mount *m, struct inode *inode)
{
    (void)m;
    inode_put(inode);
}

static int is_regular(const struct inode *inode)
{
    if (inode_is_dir(inode))
        return fail(-EISDIR, "inode %llu is a directory", (unsigned long long)inode->ino);
    if (!inode_is_reg(inode))
        return fail(-EINVAL, "inode %llu is no regular file", (unsigned long long)inode->ino);
    return 0;
}

int mount_pread(struct mount *m, struct inode *inode, void *buf, size_t len, uint64_t offset,
                size_t *done)
{
    TRY(is_regular(inode));
    TRY(file_read(inode, buf, len, offset, done));
    /* Of a subvolume that was deleted meanwhile there is nothing but holes. */
    TRY(inode_is_there(inode));
    note_access(m, inode);
    return 0;
}

/* Another writer may just be moving the end. */
static bool is_at_end(struct inode *inode, uint64_t offset)
{
    SCOPED_LOCK(&inode->item_lock);
    return offset >= inode->item.size;
}

int mount_pwrite(struct mount *m, struct inode *inode, const void *buf, size_t len, uint64_t offset,
                 size_t *done)
{
    *done = 0;
    TRY(is_regular(inode));
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        return fail(-EINVAL, "inode %llu: a write that ends behind the largest offset",
                    (unsigned long long)inode->ino);
    TRY(inode_may_change(inode, is_at_end(inode, offset)));
    TRY(file_write(inode, buf, len, offset, done));
    /* chattr +S: as if each writer had opened it with O_SYNC. */
    return inode_flags(inode) & INODE_SYNC ? mount_fsync(m, inode, false) : 0;
}

int mount_pwrite_direct(struct mount *m, struct inode *inode, const void *buf, size_t len,
                        uint64_t offset, size_t *done)
{
    (void)m;
    *done = 0;
    TRY(is_regular(inode));
    TRY(inode_may_change(inode, is_at_end(inode, offset)));
    return file_write_direct(inode, buf, len, offset, done);
}

int mount_readlink(struct mount *m, struct inode *inode, char *buf, size_t cap, size_t *len)
{
    if (!inode_is_symlink(inode))
        return fail(-EINVAL, "inode %llu is no symlink", (unsigned long long)inode->ino);
    TRY(inode_is_there(inode));
    store_read_lock(m->fs.store);
    int ret = file_read_inline(inode, buf, cap, len);
    store_read_unlock(m->fs.store);
    if (ret < 0)
        return ret;
    /* btrfs-convert stores a NUL behind the target, which is no part of it. */
    *len = MIN(*len, (size_t)inode->item.size);
    note_access(m, inode);
    return 0;
}

static int fsync_for(struct mount *m, struct inode *inode, uint64_t *seen)
{
    int written = 0;

    if (m->priv->readonly)
        return 0;
    if (inode_is_reg(inode))
        written = seen ? file_writeback_for(inode, seen) : file_writeback(inode);
    int ret = fsync_inode(inode);
    return written < 0 ? written : ret;
}

int mount_fsync(struct mount *m, struct inode *inode, bool data_only)
{
    (void)data_only;
    return fsync_for(m, inode, NULL);
}

int mount_fsync_for(struct mount *m, struct inode *inode, bool data_only, uint64_t *seen)
{
    (void)data_only;
    return fsync_for(m, inode, seen);
}

static int reclaim(struct mount *m, struct inode *inode, uint64_t *freed)
{
    if (!inode || inode == m->root)
        return files_reclaim_all(&m->fs, freed);
    if (inode_is_reg(inode))
        return file_reclaim(inode, freed);
    if (inode_is_dir(inode) && inode->ino == INO_SUBVOL_ROOT)
        return files_reclaim_tree(&m->fs, inode->tree, freed);
    return fail(-EINVAL, "neither a file nor a subvolume");
}

int mount_reclaim(struct mount *m, struct inode *inode, uint64_t *freed)
{
    uint64_t bytes = 0;

    if (m->priv->readonly)
        return fail(-EROFS, "opened read-only");
    TRY(files_writeback_all(&m->fs));
    TRY(reclaim(m, inode, &bytes));
    TRY(store_commit(m->fs.store));
    *freed = bytes;
    return 0;
}
