// SPDX-License-Identifier: GPL-2.0-or-later
/* Making subvolumes and snapshots of them. */
#include "fs/mount/internal.h"

#include <sys/stat.h>

#include "base/cleanup.h"

#define COMPRESSION "btrfs.compression"

/* What Linux answers to a name that no subvolume can have. */
static int subvol_name_ok(struct inode *dir, const char *name, size_t len)
{
    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "inode %llu is no directory", (unsigned long long)dir->ino);
    if (len == 0)
        return fail(-EACCES, "an empty name");
    return dir_may_change(dir, name, len, false);
}

/* ---- empty ones ------------------------------------------------------------------------------ */

/* A subvolume inherits the property of the subvolume it is made in, not of the directory. */
static int inherit_compression(struct inode *dir, struct inode *made)
{
    struct inode *from;
    char value[32];
    size_t len;

    TRY(inode_get_locked(dir->fs, dir->tree, INO_SUBVOL_ROOT, &from));
    int ret = -ENODATA;
    if (from->item.flags & (INODE_COMPRESS | INODE_NOCOMPRESS))
        ret = xattr_get(from, COMPRESSION, value, sizeof(value), &len);
    inode_put(from);
    if (ret == -ENODATA || ret == -ERANGE) {
        fail_clear();
        return 0;
    }
    return ret < 0 ? ret : setxattr_locked(made, COMPRESSION, value, len, 0);
}

static int dress(struct inode *dir, struct inode *made, const struct acl_inherited *acl)
{
    TRY(acl_apply(made, acl));
    return inherit_compression(dir, made);
}

static int create_locked(struct mount *m, struct inode *dir, const struct subvol_name *name,
                         const struct copse_subvol_options *options, const struct copse_cred *cred,
                         struct inode **out)
{
    struct inode_new what = {.mode = S_IFDIR | (options->mode & 07777)};
    struct acl_inherited acl = {0};
    struct tree_handle *tree;
    struct inode *made = NULL;

    what.uid = cred->uid;
    what.gid = cred->gid;
    TRY(dir_still_there(dir));
    TRY(acl_inherit(dir, &what.mode, &acl));
    int ret = subvol_create(dir, name, &what, &tree);
    if (ret == 0) {
        ret = inode_get_locked(&m->fs, tree, INO_SUBVOL_ROOT, &made);
        if (ret == 0)
            ret = dress(dir, made, &acl);
        if (ret < 0)
            txn_abort(&m->fs.store->engine, ret);
    }
    acl_inherited_free(&acl);
    if (ret < 0)
        inode_put(made);
    else
        *out = made;
    return ret;
}

int mount_subvol_create(struct mount *m, struct inode *dir, const char *name, size_t len,
                        const struct copse_subvol_options *options, const struct copse_cred *cred,
                        struct inode **out)
{
    struct subvol_name subvol = {name, (uint16_t)len};

    TRY(subvol_name_ok(dir, name, len));
    TRY(store_begin(m->fs.store, STORE_CREATE, SUBVOL_CREATE_UNITS));
    int ret = create_locked(m, dir, &subvol, options, cred, out);
    store_end(m->fs.store);
    return ret;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static int may_be_source(const struct inode *src)
{
    if (src->ino != INO_SUBVOL_ROOT || !inode_is_dir(src))
        return fail(-EINVAL, "inode %llu is no subvolume", (unsigned long long)src->ino);
    return 0;
}

static int snapshot_locked(struct mount *m, struct inode *src, struct inode *dir,
                           const struct subvol_name *name,
                           const struct copse_subvol_options *options, struct inode **out)
{
    struct tree_handle *tree;

    TRY(dir_still_there(dir));
    TRY(subvol_snapshot(src->tree, dir, name, options->readonly, &tree));
    int ret = inode_get_locked(&m->fs, tree, INO_SUBVOL_ROOT, out);
    return ret < 0 ? txn_abort(&m->fs.store->engine, ret) : 0;
}

int mount_subvol_snapshot(struct mount *m, struct inode *src, struct inode *dir, const char *name,
                          size_t len, const struct copse_subvol_options *options,
                          struct inode **out)
{
    struct subvol_name subvol = {name, (uint16_t)len};
    struct inode *made;

    TRY(may_be_source(src));
    TRY(subvol_name_ok(dir, name, len));
    TRY(files_quiesce(&m->fs, src->tree->root.id));
    int ret = store_begin(m->fs.store, STORE_CREATE, subvol_snapshot_units(src->tree));
    if (ret == 0) {
        ret = snapshot_locked(m, src, dir, &subvol, options, &made);
        store_end(m->fs.store);
    }
    files_resume(&m->fs);
    if (ret < 0)
        return ret;
    /* Files that were open without a name in the source are nobody's in the snapshot. */
    ret = drop_orphans_of(m, made->tree);
    if (ret < 0)
        inode_put(made);
    else
        *out = made;
    return ret;
}
