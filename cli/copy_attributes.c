// SPDX-License-Identifier: GPL-2.0-or-later
/* Owners, modes, times, extended attributes. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "text.h"

#define ACL_PREFIX "system.posix_acl_"
#define STORAGE_PREFIX "btrfs."

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* An ordinary user may not give files away, or write all attributes, on the host: then they are
 * left out, as cp does. */
static bool is_host_refusal(const struct file *dst, int err)
{
    return !dst->tree->fs && (err == -EPERM || err == -EOPNOTSUPP || err == -EACCES);
}

/* What the host's file system does not take as an attribute is no reason to stop. */
static bool is_host_limit(const struct file *dst, int err)
{
    return !dst->tree->fs && (err == -ENOSPC || err == -E2BIG || err == -ERANGE || err == -EINVAL);
}

static int copy_xattr(struct copy *copy, struct file *src, struct file *dst, const char *name)
{
    void *value;
    size_t len;
    int ret = file_xattr_get(src, name, &value, &len);

    if (ret == -ENODATA)
        return 0;
    if (ret < 0)
        return ret;
    ret = file_xattr_set(dst, name, value, len);
    free(value);
    if (is_host_limit(dst, ret)) {
        cli_warn(copy->cli, dst->path, "%s: not kept: %s", name, strerror(-ret));
        return 0;
    }
    return is_host_refusal(dst, ret) ? 0 : ret;
}

/* All attributes that are (or are not) about storage. */
static int copy_xattrs(struct copy *copy, struct file *src, struct file *dst, bool storage)
{
    char *list;
    size_t len;
    int ret = file_xattr_list(src, &list, &len);

    if (ret == -EOPNOTSUPP)
        return 0;
    if (ret < 0)
        return ret;
    for (size_t at = 0; ret == 0 && at < len; at += strlen(list + at) + 1) {
        if (begins(list + at, STORAGE_PREFIX) == storage)
            ret = copy_xattr(copy, src, dst, list + at);
    }
    free(list);
    return ret;
}

/* What the directory's default ACL gave the copy and the source does not have. */
static int drop_inherited_acls(struct file *src, struct file *dst)
{
    static const char *const names[] = {ACL_PREFIX "access", ACL_PREFIX "default"};

    for (size_t i = 0; i < 2; i++) {
        void *value;
        size_t len;
        int ret = file_xattr_get(src, names[i], &value, &len);

        if (ret == 0)
            free(value);
        if (ret != -ENODATA)
            continue;
        ret = file_xattr_remove(dst, names[i]);
        if (ret < 0 && ret != -ENODATA && ret != -EOPNOTSUPP && !is_host_refusal(dst, ret))
            return ret;
    }
    return 0;
}

int copy_storage_attributes(struct copy *copy, struct file *src, struct file *dst)
{
    return copy_xattrs(copy, src, dst, true);
}

/* Whose the copy is; *kept: as asked for. */
static int set_owner(struct copy *copy, const struct copse_stat *st, struct file *dst, bool *kept)
{
    struct copse_stat to = {.uid = copy->owner.has_uid ? copy->owner.uid : st->uid,
                            .gid = copy->owner.has_gid ? copy->owner.gid : st->gid};
    unsigned set = (copy->archive || copy->owner.has_uid ? COPSE_SET_UID : 0) |
                   (copy->archive || copy->owner.has_gid ? COPSE_SET_GID : 0);
    int ret = set ? file_set(dst, set, &to) : 0;

    *kept = ret == 0;
    return is_host_refusal(dst, ret) && geteuid() != 0 ? 0 : ret;
}

int copy_attributes(struct copy *copy, struct file *src, const struct copse_stat *st,
                    struct file *dst, bool made)
{
    struct copse_stat to = *st;
    unsigned set = 0;
    bool kept;
    int ret = set_owner(copy, st, dst, &kept);

    if (ret == 0 && copy->archive && !S_ISLNK(st->mode))
        ret = drop_inherited_acls(src, dst);
    if (ret == 0 && copy->archive)
        ret = copy_xattrs(copy, src, dst, false);
    if (ret < 0)
        return ret;
    if (copy->archive)
        to.mode = kept ? st->mode : st->mode & ~(uint32_t)(S_ISUID | S_ISGID);
    else
        to.mode = mode_after_umask(st->mode & 0777);
    if (!S_ISLNK(st->mode) && (made || copy->archive))
        set |= COPSE_SET_MODE;
    if (copy->archive)
        set |= COPSE_SET_ATIME | COPSE_SET_MTIME;
    return set ? file_set(dst, set, &to) : 0;
}
