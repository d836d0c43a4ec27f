// SPDX-License-Identifier: GPL-2.0-or-later
/* Extended attributes by name space, and those that mean something to the file system. */
#include "fs/mount/internal.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "disk/compress/compress.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define COMPRESSION "btrfs.compression"

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0 && name[strlen(prefix)] != '\0';
}

static int name_is_known(const struct inode *inode, const char *name)
{
    if (has_prefix(name, "user.")) {
        if (!inode_is_reg(inode) && !inode_is_dir(inode))
            return fail(-EPERM, "%s: only files and directories have user attributes", name);
        return 0;
    }
    if (has_prefix(name, "trusted.") || has_prefix(name, "security.") ||
        strcmp(name, COMPRESSION) == 0)
        return 0;
    if (strcmp(name, ACL_ACCESS) == 0)
        return inode_is_symlink(inode) ? fail(-EOPNOTSUPP, "%s: of a symlink", name) : 0;
    if (strcmp(name, ACL_DEFAULT) == 0)
        return inode_is_symlink(inode) ? fail(-EOPNOTSUPP, "%s: of a symlink", name) : 0;
    return fail(-EOPNOTSUPP, "%s: no such name space", name);
}

int mount_getxattr(struct mount *m, struct inode *inode, const char *name, void *buf, size_t cap,
                   size_t *len)
{
    if (is_stub(inode))
        return fail(-ENODATA, "%s", name);
    int known = name_is_known(inode, name);

    /* Linux tells readers that there is none, and only writers that there may not be any. */
    if (known == -EPERM)
        return fail(-ENODATA, "%s", name);
    TRY(known);
    TRY(inode_is_there(inode));
    store_read_lock(m->fs.store);
    int ret = xattr_get(inode, name, buf, cap, len);
    store_read_unlock(m->fs.store);
    return ret;
}

int mount_listxattr(struct mount *m, struct inode *inode, char *buf, size_t cap, size_t *len)
{
    TRY(inode_is_there(inode));
    store_read_lock(m->fs.store);
    int ret = xattr_list(inode, buf, cap, len);
    store_read_unlock(m->fs.store);
    return ret;
}

static uint64_t feature_of(uint8_t type)
{
    return type == COMPRESS_LZO    ? INCOMPAT_COMPRESS_LZO
           : type == COMPRESS_ZSTD ? INCOMPAT_COMPRESS_ZSTD
                                   : 0;
}

/* The property is a flag of the inode too, which Linux looks at first. */
static int set_compression(struct inode *inode, const char *value, size_t len)
{
    char text[32];
    enum compress_type type;
    int level;
    uint64_t set = 0;

    if (!inode_is_reg(inode) && !inode_is_dir(inode))
        return fail(-EINVAL, "compression: neither a file nor a directory");
    if (len >= sizeof(text))
        return fail(-EINVAL, "compression: no such kind");
    memcpy(text, value, len);
    text[len] = '\0';
    if (len == 0) {
        set = 0;
    } else if (strcmp(text, "no") == 0 || strcmp(text, "none") == 0) {
        set = INODE_NOCOMPRESS;
    } else {
        if (compress_by_name(text, &type, &level) < 0 || type == COMPRESS_NONE)
            return fail(-EINVAL, "compression %s: no such kind", text);
        if (inode_flags(inode) & INODE_NODATACOW)
            return fail(-EINVAL, "compression: the file is written in place");
        set = INODE_COMPRESS;
        inode->fs->store->engine.incompat |= feature_of((uint8_t)type);
    }
    inode_change_flags(inode, INODE_COMPRESS | INODE_NOCOMPRESS, set);
    return 0;
}

static void set_mode(struct inode *inode, uint32_t mode)
{
    pthread_mutex_lock(&inode->item_lock);
    inode_set_mode(inode, mode);
    pthread_mutex_unlock(&inode->item_lock);
}

static int remove_if_there(struct inode *inode, const char *name)
{
    int ret = xattr_remove(inode, name);

    if (ret == -ENODATA) {
        fail_clear();
        return 0;
    }
    return ret;
}

int compression_property_set(struct inode *inode, uint8_t type)
{
    const char *name = compress_name((enum compress_type)type);

    if (type == COMPRESS_NONE)
        return remove_if_there(inode, COMPRESSION);
    inode->fs->store->engine.incompat |= feature_of(type);
    return xattr_set(inode, COMPRESSION, name, strlen(name), 0);
}

int setxattr_locked(struct inode *inode, const char *name, const void *value, size_t len, int flags)
{
    uint32_t mode = inode->item.mode;
    bool redundant = false;

    if (strcmp(name, ACL_ACCESS) == 0) {
        TRY(acl_to_mode(value, len, &mode, &redundant));
    } else if (strcmp(name, ACL_DEFAULT) == 0) {
        uint32_t ignored = 0;

        if (!inode_is_dir(inode))
            return fail(-EACCES, "%s: only directories have one", name);
        TRY(acl_to_mode(value, len, &ignored, &redundant));
        redundant = false;
    } else if (strcmp(name, COMPRESSION) == 0) {
        TRY(set_compression(inode, value, len));
        redundant = len == 0;
    }
    TRY(redundant ? remove_if_there(inode, name) : xattr_set(inode, name, value, len, flags));
    /* Not before the ACL could be stored. */
    set_mode(inode, mode);
    inode_touch(inode, false);
    return 0;
}

int mount_setxattr(struct mount *m, struct inode *inode, const char *name, const void *value,
                   size_t len, int flags)
{
    if (is_stub(inode))
        return fail(-EPERM, "what stands for a subvolume in a snapshot cannot be changed");
    TRY(name_is_known(inode, name));
    TRY(inode_may_change(inode, false));
    TRY(begin_on(inode, STORE_CREATE, units_xattr(len)));
    int ret = setxattr_locked(inode, name, value, len, flags);
    store_end(m->fs.store);
    return ret;
}

static int remove_locked(struct inode *inode, const char *name)
{
    TRY(xattr_remove(inode, name));
    if (strcmp(name, COMPRESSION) == 0)
        TRY(set_compression(inode, "", 0));
    inode_touch(inode, false);
    return 0;
}

int mount_removexattr(struct mount *m, struct inode *inode, const char *name)
{
    if (is_stub(inode))
        return fail(-EPERM, "what stands for a subvolume in a snapshot cannot be changed");
    TRY(name_is_known(inode, name));
    TRY(inode_may_change(inode, false));
    TRY(begin_on(inode, STORE_RELEASE, UNITS_NAME));
    int ret = remove_locked(inode, name);
    store_end(m->fs.store);
    return ret;
}
