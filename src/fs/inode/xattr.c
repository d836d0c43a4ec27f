// SPDX-License-Identifier: GPL-2.0-or-later
/* Extended attributes: items that look like directory entries with a value behind the name. */
#include "fs/inode/internal.h"

#include <sys/xattr.h>

#include "base/cleanup.h"
#include "disk/csum/csum.h"

static int name_length(const char *name, uint16_t *len)
{
    size_t n = strlen(name);

    if (n == 0 || n > NAME_MAX_BYTES)
        return fail(-ERANGE, "an attribute name of %zu bytes", n);
    *len = (uint16_t)n;
    return 0;
}

static struct key xattr_key(const struct inode *inode, const char *name, uint16_t len)
{
    return key_make(inode->ino, KEY_XATTR_ITEM, name_hash(name, len));
}

struct key xattr_item_key(const struct inode *inode, const char *name)
{
    return xattr_key(inode, name, (uint16_t)strlen(name));
}

/* Finds out whether there are any at all, for the next time. */
static int learn(struct inode *inode)
{
    struct key key = key_make(inode->ino, KEY_XATTR_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    bool some = false;

    int ret = tree_search_ge(&inode->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0) {
        path_key(&path, &key);
        some = key.objectid == inode->ino && key.type == KEY_XATTR_ITEM;
    }
    atomic_store_explicit(&inode->xattrs, some ? XATTRS_SOME : XATTRS_NONE, memory_order_relaxed);
    return 0;
}

int xattr_get(struct inode *inode, const char *name, void *buf, size_t cap, size_t *len)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;
    uint16_t name_len;

    TRY(name_length(name, &name_len));
    if (atomic_load_explicit(&inode->xattrs, memory_order_relaxed) == XATTRS_UNKNOWN)
        TRY(learn(inode));
    if (xattr_none(inode))
        return fail(-ENODATA, "%s", name);
    struct key key = xattr_key(inode, name, name_len);
    int ret = tree_search(&inode->tree->root, &key, &path);
    if (ret == 0)
        ret = packed_find(&path, name, name_len, &entry);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-ENODATA, "%s", name);
    if (cap != 0) {
        if (cap < entry.head.data_len)
            return fail(-ERANGE, "%s: %u bytes", name, entry.head.data_len);
        memcpy(buf, entry.value, entry.head.data_len);
    }
    *len = entry.head.data_len;
    return 0;
}

/* 1: it is not there. */
static int remove_entry(struct inode *inode, const char *name, uint16_t name_len)
{
    struct key key = xattr_key(inode, name, name_len);
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry entry;

    int ret = tree_search_cow(&inode->tree->root, &key, -1, &path);
    if (ret == 0)
        ret = packed_find(&path, name, name_len, &entry);
    return ret == 0 ? packed_remove(&path, &entry) : ret;
}

/* Whether an attribute of that size fits beside those with the same hash, when it replaces the old
 * one. Asked before that one goes: names are easily made to collide. */
static int check_room(struct inode *inode, const char *name, uint16_t name_len, size_t len)
{
    struct key key = xattr_key(inode, name, name_len);
    AUTO_PATH struct path path = PATH_INIT;
    struct packed_entry old;

    int ret = tree_search(&inode->tree->root, &key, &path);
    if (ret == 0)
        ret = packed_find(&path, name, name_len, &old);
    if (ret != 0)
        return MIN(ret, 0);
    if (path_size(&path) - old.size + sizeof(disk_dir_item) + name_len + len >
        item_data_max(inode->fs->store->engine.nodesize))
        return fail(-ENOSPC, "%s: no room beside attributes with the same hash", name);
    return 0;
}

int xattr_set(struct inode *inode, const char *name, const void *value, size_t len, int flags)
{
    struct engine *engine = &inode->fs->store->engine;
    struct dir_item head = {.transid = engine->txn.transid, .type = FT_XATTR};
    size_t old_len;

    TRY(name_length(name, &head.name_len));
    if (head.name_len + len > xattr_max(engine->nodesize))
        return fail(-ENOSPC, "%s: %zu bytes are more than an attribute holds", name, len);
    int ret = xattr_get(inode, name, NULL, 0, &old_len);
    if (ret < 0 && ret != -ENODATA)
        return ret;
    bool there = ret == 0;
    fail_clear();
    if (there && (flags & XATTR_CREATE))
        return fail(-EEXIST, "%s", name);
    if (!there && (flags & XATTR_REPLACE))
        return fail(-ENODATA, "%s", name);
    if (there) {
        TRY(check_room(inode, name, head.name_len, len));
        ret = remove_entry(inode, name, head.name_len);
        if (ret != 0)
            return txn_abort(engine, ret == 1 ? -EUCLEAN : ret);
    }
    head.data_len = (uint16_t)len;
    atomic_store_explicit(&inode->xattrs, XATTRS_SOME, memory_order_relaxed);
    struct key key = xattr_key(inode, name, head.name_len);
    ret = packed_add(&inode->tree->root, &key, &head, name, value);
    if (ret == -EOVERFLOW && !there)
        return fail(-ENOSPC, "%s: no room beside attributes with the same hash", name);
    return ret < 0 ? txn_abort(engine, ret) : 0;
}

int xattr_remove(struct inode *inode, const char *name)
{
    uint16_t len;

    TRY(name_length(name, &len));
    int ret = remove_entry(inode, name, len);
    return ret == 1 ? fail(-ENODATA, "%s", name) : ret;
}

int xattr_list(struct inode *inode, char *buf, size_t cap, size_t *len)
{
    struct key key = key_make(inode->ino, KEY_XATTR_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    size_t total = 0;

    int ret = tree_search_ge(&inode->tree->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct packed_entry entry;
        uint32_t at = 0;

        path_key(&path, &key);
        if (key.objectid != inode->ino || key.type != KEY_XATTR_ITEM)
            break;
        while ((ret = packed_entry_at(&path, at, &entry)) == 0) {
            if (cap != 0) {
                if (cap - total < entry.head.name_len + 1u)
                    return fail(-ERANGE, "the list of attributes is longer");
                memcpy(buf + total, entry.name, entry.head.name_len);
                buf[total + entry.head.name_len] = '\0';
            }
            total += entry.head.name_len + 1u;
            at += entry.size;
        }
        if (ret < 0)
            return ret;
    }
    if (ret < 0)
        return ret;
    *len = total;
    return 0;
}
