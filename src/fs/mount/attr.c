// SPDX-License-Identifier: GPL-2.0-or-later
/* Attributes of inodes: stat, times, modes, owners, flags. */
#include "fs/mount/internal.h"

#include <linux/fs.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "disk/compress/compress.h"

#define RELATIME_SECONDS (24 * 3600)

static struct timespec to_timespec(const struct timestamp *t)
{
    return (struct timespec){.tv_sec = (time_t)(int64_t)t->sec, .tv_nsec = (long)t->nsec};
}

static struct timestamp from_timespec(const struct timespec *t)
{
    return (struct timestamp){.sec = (uint64_t)t->tv_sec, .nsec = (uint32_t)t->tv_nsec};
}

int mount_stat(struct mount *m, struct inode *inode, struct copse_stat *out)
{
    uint64_t sector = m->fs.store->engine.sectorsize;
    uint64_t dirty = inode_is_reg(inode) ? file_dirty_bytes(inode) : 0;
    struct inode_item item;

    TRY(inode_is_there(inode));
    pthread_mutex_lock(&inode->item_lock);
    item = inode->item;
    pthread_mutex_unlock(&inode->item_lock);
    *out = (struct copse_stat){
        .subvol = inode->tree->root.id,
        .subvol_ino = is_stub(inode) ? INO_EMPTY_SUBVOL_DIR : inode->ino,
        .ino = subvol_ino(&m->fs, inode->tree->root.id, inode->ino),
        .mode = item.mode,
        .nlink = item.nlink,
        .uid = item.uid,
        .gid = item.gid,
        .rdev = rdev_from_disk(item.rdev),
        .size = item.size,
        .blocks = (round_up_to(item.nbytes, sector) + dirty) / 512,
        .blksize = (uint32_t)sector,
        .flags = inode_flags_to_fs(item.flags),
        .generation = item.generation,
        .transid = item.transid,
        .atime = to_timespec(&item.atime),
        .mtime = to_timespec(&item.mtime),
        .ctime = to_timespec(&item.ctime),
        .btime = to_timespec(&item.otime),
    };
    return 0;
}

/* ---- access times
 * -------------------------------------------------------------------------------- */

static bool is_after(const struct timestamp *a, const struct timestamp *b)
{
    return (int64_t)a->sec > (int64_t)b->sec || (a->sec == b->sec && a->nsec >= b->nsec);
}

static bool atime_is_due(const struct mount *m, struct inode *inode, const struct timestamp *now)
{
    struct inode_item item;

    pthread_mutex_lock(&inode->item_lock);
    item = inode->item;
    pthread_mutex_unlock(&inode->item_lock);
    if (m->priv->readonly || m->fs.options.noatime || (item.flags & INODE_NOATIME) ||
        (inode->tree->item.flags & ROOT_SUBVOL_RDONLY) || is_stub(inode))
        return false;
    return m->fs.options.strictatime || is_after(&item.mtime, &item.atime) ||
           is_after(&item.ctime, &item.atime) ||
           (int64_t)now->sec - (int64_t)item.atime.sec >= RELATIME_SECONDS;
}

/* An access time that cannot be noted (a full or read-only file system) is no failed read. */
void note_access(struct mount *m, struct inode *inode)
{
    struct timestamp now;

    if (m->priv->readonly || m->fs.options.noatime)
        return;
    now = timestamp_now(&m->fs);
    if (!atime_is_due(m, inode, &now))
        return;
    if (begin_on(inode, STORE_CREATE, UNITS_INODE) < 0) {
        fail_clear();
        return;
    }
    pthread_mutex_lock(&inode->item_lock);
    inode->item.atime = now;
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
    store_end(m->fs.store);
}

/* ---- changing
 * -------------------------------------------------------------------------------------- */

/* What Linux takes away when somebody without the right writes or changes owners. */
static uint32_t without_set_id(uint32_t mode)
{
    if (!S_ISREG(mode))
        return mode;
    mode &= ~(uint32_t)S_ISUID;
    if (mode & S_IXGRP)
        mode &= ~(uint32_t)S_ISGID;
    return mode;
}

static void set_fields(struct mount *m, struct inode *inode, unsigned set,
                       const struct copse_stat *st)
{
    struct timestamp now = timestamp_now(&m->fs);
    struct inode_item *item = &inode->item;

    pthread_mutex_lock(&inode->item_lock);
    if (set & COPSE_SET_UID)
        item->uid = st->uid;
    if (set & COPSE_SET_GID)
        item->gid = st->gid;
    if (set & COPSE_SET_MODE)
        inode_set_mode(inode, (item->mode & S_IFMT) | (st->mode & 07777));
    if (set & COPSE_SET_KILL_SUIDGID)
        inode_set_mode(inode, without_set_id(item->mode));
    if (set & (COPSE_SET_ATIME | COPSE_SET_ATIME_NOW))
        item->atime = set & COPSE_SET_ATIME ? from_timespec(&st->atime) : now;
    if (set & (COPSE_SET_MTIME | COPSE_SET_MTIME_NOW))
        item->mtime = set & COPSE_SET_MTIME ? from_timespec(&st->mtime) : now;
    item->ctime = set & COPSE_SET_CTIME ? from_timespec(&st->ctime) : now;
    item->sequence++;
    item->transid = m->fs.store->engine.txn.transid;
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
}

static bool time_is_valid(const struct timespec *t)
{
    return t->tv_nsec >= 0 && t->tv_nsec < 1000000000L;
}

int mount_setattr(struct mount *m, struct inode *inode, unsigned set, const struct copse_stat *st)
{
    int ret = 0;

    if (((set & COPSE_SET_ATIME) && !time_is_valid(&st->atime)) ||
        ((set & COPSE_SET_MTIME) && !time_is_valid(&st->mtime)))
        return fail(-EINVAL, "a time with more than a second of nanoseconds");
    if (is_stub(inode))
        return fail(-EPERM, "what stands for a subvolume in a snapshot cannot be changed");
    /* As with utimensat(2), an append-only file may have its times set to now. */
    bool only_now = (set & ~(COPSE_SET_ATIME_NOW | COPSE_SET_MTIME_NOW)) == 0;
    TRY(inode_may_change(inode, only_now));
    if (set & COPSE_SET_SIZE) {
        if (inode_is_dir(inode))
            return fail(-EISDIR, "a directory has no size to set");
        if (!inode_is_reg(inode))
            return fail(-EINVAL, "only regular files have a size to set");
        TRY(file_truncate(inode, st->size));
        set &= ~COPSE_SET_SIZE;
        if (set == 0)
            return 0;
    }
    TRY(begin_on(inode, STORE_RELEASE, UNITS_INODE + (set & COPSE_SET_MODE ? 8 : 0)));
    if (set & COPSE_SET_MODE)
        ret = acl_chmod(inode, st->mode);
    if (ret == 0)
        set_fields(m, inode, set, st);
    store_end(m->fs.store);
    return ret;
}

/* ---- flags
 * --------------------------------------------------------------------------------------------- */

#define SETTABLE_FLAGS                                                                             \
    (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NOATIME_FL | FS_NODUMP_FL | FS_SYNC_FL | FS_DIRSYNC_FL |  \
     FS_NOCOMP_FL | FS_COMPR_FL | FS_NOCOW_FL)

/* As in Linux the flag brings the property with it, of the kind the mount has, and takes it away.
 */
static int follow_compression(struct mount *m, struct inode *inode, uint64_t flags)
{
    uint64_t changed = (flags ^ inode_flags(inode)) & (INODE_COMPRESS | INODE_NOCOMPRESS);
    uint8_t type = m->fs.options.compress_type;

    if (!changed || !(inode_is_reg(inode) || inode_is_dir(inode)))
        return 0;
    if (!(flags & INODE_COMPRESS))
        return compression_property_set(inode, COMPRESS_NONE);
    return compression_property_set(inode, type ? type : COMPRESS_ZLIB);
}

static int set_flags_locked(struct mount *m, struct inode *inode, uint32_t fs_flags)
{
    uint64_t flags = inode_flags_from_fs(fs_flags, inode_flags(inode));

    if (inode_is_reg(inode) && ((flags ^ inode_flags(inode)) & INODE_NODATACOW)) {
        /* What is written already has checksums, or lacks them: only an empty file may change. */
        if (inode->item.size != 0 || inode->item.nbytes != 0)
            flags = (flags & ~(uint64_t)INODE_NODATACOW) | (inode_flags(inode) & INODE_NODATACOW);
        else if (flags & INODE_NODATACOW)
            flags |= INODE_NODATASUM;
        else
            flags &= ~(uint64_t)INODE_NODATASUM;
    }
    if ((flags & INODE_COMPRESS) && (flags & INODE_NODATACOW))
        return fail(-EINVAL, "both to be compressed and to be written in place");
    TRY(follow_compression(m, inode, flags));
    inode_change_flags(inode, UINT64_MAX, flags);
    inode_touch(inode, false);
    return 0;
}

int mount_set_flags(struct mount *m, struct inode *inode, uint32_t fs_flags)
{
    uint32_t verity = inode_flags_to_fs(inode_flags(inode)) & FS_VERITY_FL;

    if ((fs_flags & ~(uint32_t)SETTABLE_FLAGS) != verity)
        return fail(-EOPNOTSUPP, "inode flags %#x", fs_flags & ~(uint32_t)SETTABLE_FLAGS);
    if ((fs_flags & FS_NOCOMP_FL) && (fs_flags & FS_COMPR_FL))
        return fail(-EINVAL, "both to be compressed and not to be");
    if ((fs_flags & FS_NOCOW_FL) && (fs_flags & FS_COMPR_FL))
        return fail(-EINVAL, "both to be compressed and to be written in place");
    if (is_stub(inode))
        return fail(-EPERM, "what stands for a subvolume in a snapshot cannot be changed");
    TRY(inode_is_there(inode));
    if (store_readonly(m->fs.store) || (inode->tree->item.flags & ROOT_SUBVOL_RDONLY))
        return fail(-EROFS, "read-only");
    /* Nobody writes to it while it is decided whether it is empty. */
    pthread_rwlock_wrlock(&inode->lock);
    int ret = begin_on(inode, STORE_RELEASE, UNITS_INODE + UNITS_NAME);
    if (ret == 0) {
        ret = set_flags_locked(m, inode, fs_flags);
        store_end(m->fs.store);
    }
    pthread_rwlock_unlock(&inode->lock);
    return ret;
}
