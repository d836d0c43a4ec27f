// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of inodes and of the references to their names. */
#include <sys/stat.h>

#include "disk/format/items.h"

#define INODE_FLAGS_KNOWN                                                                          \
    (INODE_NODATASUM | INODE_NODATACOW | INODE_READONLY | INODE_NOCOMPRESS | INODE_PREALLOC |      \
     INODE_SYNC | INODE_IMMUTABLE | INODE_APPEND | INODE_NODUMP | INODE_NOATIME | INODE_DIRSYNC |  \
     INODE_COMPRESS | INODE_ROOT_ITEM_INIT)

static bool mode_is_valid(uint32_t mode)
{
    if (mode & ~(uint32_t)(S_IFMT | 07777))
        return false;
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFLNK:
        return true;
    default:
        return false;
    }
}

int inode_item_check(const struct item *item, const struct item_context *context)
{
    struct inode_item inode;

    (void)context;
    if (!is_inode_number(item->key.objectid) || item->key.offset != 0)
        return fail(-EUCLEAN, "is no key of an inode");
    TRY(item_size_check(item, sizeof(disk_inode_item)));
    inode_item_decode(&inode, item->data);
    if (!mode_is_valid(inode.mode))
        return fail(-EUCLEAN, "mode 0%o is impossible", inode.mode);
    if (S_ISDIR(inode.mode) && inode.nlink > 1)
        return fail(-EUCLEAN, "directory has %u links", inode.nlink);
    if (inode.flags & ~(INODE_FLAGS_KNOWN | INODE_RO_VERITY))
        return fail(-EUCLEAN, "flags 0x%llx have unknown bits", LLU(inode.flags));
    return 0;
}

/*
 * Items made of one or more entries: a fixed part that ends in the 16-bit length of a name, then
 * that name.
 */
static int names_check(const struct item *item, uint32_t fixed)
{
    uint32_t at = 0;

    do {
        uint32_t name_len;
        le16 len;

        if (item->size - at < fixed)
            return fail(-EUCLEAN, "entry at byte %u is cut off", at);
        memcpy(&len, item->data + at + fixed - sizeof(len), sizeof(len));
        name_len = le16_get(len);
        if (name_len == 0 || name_len > NAME_MAX_BYTES)
            return fail(-EUCLEAN, "name of %u bytes is impossible", name_len);
        if (name_len > item->size - at - fixed)
            return fail(-EUCLEAN, "name of %u bytes at byte %u is cut off", name_len, at);
        at += fixed + name_len;
    } while (at < item->size);
    return 0;
}

int inode_ref_check(const struct item *item, const struct item_context *context)
{
    TRY(same_inode_check(item, context));
    return names_check(item, sizeof(disk_inode_ref));
}

int inode_extref_check(const struct item *item, const struct item_context *context)
{
    TRY(same_inode_check(item, context));
    return names_check(item, sizeof(disk_inode_extref));
}
