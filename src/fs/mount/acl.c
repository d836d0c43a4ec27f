// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * POSIX ACLs, where they and the mode depend on each other. The format of the attribute is the
 * kernel's (linux/posix_acl_xattr.h): a version, then entries of tag, permissions, id.
 */
#include "fs/mount/internal.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/le.h"

#define ACL_VERSION 2
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

enum {
    TAG_USER_OBJ = 1,
    TAG_USER = 2,
    TAG_GROUP_OBJ = 4,
    TAG_GROUP = 8,
    TAG_MASK = 16,
    TAG_OTHER = 32
};

struct acl_header {
    le32 version;
};
struct acl_entry {
    le16 tag;
    le16 perm;
    le32 id;
};

static int acl_check(const void *acl, size_t len)
{
    const struct acl_header *header = acl;

    if (len < sizeof(*header) || (len - sizeof(*header)) % sizeof(struct acl_entry) != 0 ||
        le32_get(header->version) != ACL_VERSION)
        return fail(-EINVAL, "not a POSIX ACL");
    return 0;
}

static struct acl_entry *acl_find(void *acl, size_t len, uint16_t tag)
{
    struct acl_entry *entry = (struct acl_entry *)((uint8_t *)acl + sizeof(struct acl_header));
    size_t count = (len - sizeof(struct acl_header)) / sizeof(*entry);

    for (size_t i = 0; i < count; i++)
        if (le16_get(entry[i].tag) == tag)
            return &entry[i];
    return NULL;
}

static size_t acl_count(size_t len)
{
    return (len - sizeof(struct acl_header)) / sizeof(struct acl_entry);
}

/* The entry that the group bits of the mode stand for: the mask, without one the owning group. */
static struct acl_entry *acl_group_class(void *acl, size_t len)
{
    struct acl_entry *mask = acl_find(acl, len, TAG_MASK);

    return mask ? mask : acl_find(acl, len, TAG_GROUP_OBJ);
}

/* Reads an ACL attribute; *acl NULL when there is none. */
static int acl_read(struct inode *inode, const char *name, uint8_t **acl, size_t *len)
{
    size_t size;

    *acl = NULL;
    if (xattr_none(inode))
        return 0;
    int ret = xattr_get(inode, name, NULL, 0, &size);
    if (ret == -ENODATA) {
        fail_clear();
        return 0;
    }
    if (ret < 0)
        return ret;
    uint8_t *buf = malloc(size ? size : 1);
    if (!buf)
        return fail(-ENOMEM, "no memory for an ACL");
    ret = xattr_get(inode, name, buf, size, len);
    if (ret == 0)
        ret = acl_check(buf, *len);
    if (ret < 0) {
        free(buf);
        return ret;
    }
    *acl = buf;
    return 0;
}

int acl_chmod(struct inode *inode, uint32_t mode)
{
    AUTO_FREE uint8_t *acl = NULL;
    size_t len;

    TRY(acl_read(inode, ACL_ACCESS, &acl, &len));
    if (!acl)
        return 0;
    struct acl_entry *user = acl_find(acl, len, TAG_USER_OBJ);
    struct acl_entry *group = acl_group_class(acl, len);
    struct acl_entry *other = acl_find(acl, len, TAG_OTHER);
    if (!user || !group || !other)
        return fail(-EINVAL, "an ACL without owner, group or others");
    user->perm = le16_of((mode >> 6) & 7);
    group->perm = le16_of((mode >> 3) & 7);
    other->perm = le16_of(mode & 7);
    return xattr_set(inode, ACL_ACCESS, acl, len, 0);
}

int acl_to_mode(const void *acl, size_t len, uint32_t *mode, bool *redundant)
{
    TRY(acl_check(acl, len));
    AUTO_FREE uint8_t *copy = malloc(len);
    if (!copy)
        return fail(-ENOMEM, "no memory for an ACL");
    memcpy(copy, acl, len);
    struct acl_entry *user = acl_find(copy, len, TAG_USER_OBJ);
    struct acl_entry *group = acl_group_class(copy, len);
    struct acl_entry *other = acl_find(copy, len, TAG_OTHER);
    if (!user || !group || !other)
        return fail(-EINVAL, "an ACL without owner, group or others");
    *mode = (*mode & ~0777u) | (uint32_t)(le16_get(user->perm) & 7) << 6 |
            (uint32_t)(le16_get(group->perm) & 7) << 3 | (le16_get(other->perm) & 7);
    *redundant = acl_count(len) == 3;
    return 0;
}

/* The new file gets the directory's default ACL, cut down to what its mode allows; the mode becomes
 * what is left. */
static int inherit_access(const uint8_t *standard, size_t len, uint32_t *mode,
                          struct acl_inherited *out)
{
    uint8_t *acl = malloc(len);

    if (!acl)
        return fail(-ENOMEM, "no memory for an ACL");
    memcpy(acl, standard, len);
    struct acl_entry *user = acl_find(acl, len, TAG_USER_OBJ);
    struct acl_entry *group = acl_group_class(acl, len);
    struct acl_entry *other = acl_find(acl, len, TAG_OTHER);
    if (!user || !group || !other) {
        free(acl);
        return fail(-EUCLEAN, "a default ACL without owner, group or others");
    }
    uint16_t u = le16_get(user->perm) & (*mode >> 6) & 7;
    uint16_t g = le16_get(group->perm) & (*mode >> 3) & 7;
    uint16_t o = le16_get(other->perm) & *mode & 7;
    user->perm = le16_of(u);
    group->perm = le16_of(g);
    other->perm = le16_of(o);
    *mode = (*mode & ~0777u) | (uint32_t)u << 6 | (uint32_t)g << 3 | o;
    if (acl_count(len) == 3) { /* the mode says it all */
        free(acl);
        return 0;
    }
    out->access = acl;
    out->access_len = len;
    return 0;
}

int acl_inherit(struct inode *dir, uint32_t *mode, struct acl_inherited *out)
{
    AUTO_FREE uint8_t *standard = NULL;
    size_t len;

    *out = (struct acl_inherited){0};
    TRY(acl_read(dir, ACL_DEFAULT, &standard, &len));
    if (!standard)
        return 0;
    TRY(inherit_access(standard, len, mode, out));
    if (S_ISDIR(*mode)) {
        out->standard = STEAL(standard);
        out->standard_len = len;
    }
    return 0;
}

int acl_apply(struct inode *inode, const struct acl_inherited *inherited)
{
    if (inherited->access)
        TRY(xattr_set(inode, ACL_ACCESS, inherited->access, inherited->access_len, 0));
    if (inherited->standard)
        TRY(xattr_set(inode, ACL_DEFAULT, inherited->standard, inherited->standard_len, 0));
    return 0;
}

void acl_inherited_free(struct acl_inherited *inherited)
{
    free(inherited->access);
    free(inherited->standard);
}
