// SPDX-License-Identifier: GPL-2.0-or-later
/* Inode items: writing, making, deleting. */
#include "fs/inode/internal.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fs/inode/table.h"

/* Linux dates a subvolume by the inodes that were written in it. */
static void date_tree(struct inode *inode, uint64_t transid)
{
    struct root_item *item = &inode->tree->item;

    if (item->ctransid == transid)
        return;
    item->ctransid = transid;
    item->ctime = timestamp_now(inode->fs);
    roots_mark_dirty(inode->tree);
}

int inode_write_item(struct inode *inode)
{
    struct key key = key_make(inode->ino, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct inode_item item;

    int ret = tree_search_cow(&inode->tree->root, &key, 0, &path);
    if (ret < 0)
        return ret;
    if (ret == 1)
        return fail(-EUCLEAN, "tree %llu: the item of inode %llu is gone",
                    (unsigned long long)inode->tree->root.id, (unsigned long long)inode->ino);
    pthread_mutex_lock(&inode->item_lock);
    inode->item.transid = inode->fs->store->engine.txn.transid;
    item = inode->item;
    if (S_ISREG(item.mode))
        item.size = inode->disk_size;
    pthread_mutex_unlock(&inode->item_lock);
    inode->written = item.transid;
    inode->copied_after = inode->tree->root.last_snapshot;
    inode_item_encode(path_data_mut(&path), &item);
    date_tree(inode, item.transid);
    return 0;
}

void item_touch(struct inode_item *item, const struct timestamp *now, bool mtime)
{
    item->ctime = *now;
    if (mtime)
        item->mtime = *now;
    item->sequence++;
}

void inode_touch(struct inode *inode, bool mtime)
{
    struct timestamp now = timestamp_now(inode->fs);

    pthread_mutex_lock(&inode->item_lock);
    item_touch(&inode->item, &now, mtime);
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
}

int inode_is_there(const struct inode *inode)
{
    if (tree_is_deleted(inode->tree))
        return fail(-ESTALE, "subvolume %llu was deleted",
                    (unsigned long long)inode->tree->root.id);
    return 0;
}

int inode_may_change(const struct inode *inode, bool append_ok)
{
    if (store_readonly(inode->fs->store))
        return fail(-EROFS, "the file system is read-only");
    TRY(inode_is_there(inode));
    if (inode->tree->item.flags & ROOT_SUBVOL_RDONLY)
        return fail(-EROFS, "subvolume %llu is read-only",
                    (unsigned long long)inode->tree->root.id);
    if (inode_flags(inode) & INODE_IMMUTABLE)
        return fail(-EPERM, "inode %llu is immutable", (unsigned long long)inode->ino);
    if (!append_ok && (inode_flags(inode) & INODE_APPEND))
        return fail(-EPERM, "inode %llu may only be appended to", (unsigned long long)inode->ino);
    return 0;
}

/* ---- making
 * --------------------------------------------------------------------------------------- */

/* What fs/inode remembers of a tree. */
struct tree_inodes {
    uint64_t next_ino;
};

int inode_next_number(struct tree_handle *tree, uint64_t *out)
{
    struct tree_inodes *state = tree->fs_data;

    if (!state) {
        struct key key = key_make(OBJ_LAST_FREE, UINT8_MAX, UINT64_MAX);
        AUTO_PATH struct path path = PATH_INIT;
        uint64_t highest = OBJ_FIRST_FREE;

        int ret = tree_search_le(&tree->root, &key, &path);
        if (ret < 0)
            return ret;
        if (ret == 0) {
            path_key(&path, &key);
            highest = MAX(highest, key.objectid);
        }
        state = malloc(sizeof(*state));
        if (!state)
            return fail(-ENOMEM, "no memory for a tree");
        state->next_ino = highest + 1;
        tree->fs_data = state;
    }
    if (state->next_ino >= OBJ_LAST_FREE)
        return fail(-ENOSPC, "tree %llu has no inode numbers left",
                    (unsigned long long)tree->root.id);
    *out = state->next_ino;
    return 0;
}

void inode_number_used(struct tree_handle *tree)
{
    ((struct tree_inodes *)tree->fs_data)->next_ino++;
}

/* The flags Linux hands down from a directory, and those of the mount. */
static uint64_t inherited_flags(const struct fs *fs, const struct inode *dir, uint32_t mode)
{
    uint64_t from = dir ? inode_flags(dir) : 0;
    uint64_t flags = 0;

    if (from & INODE_NOCOMPRESS)
        flags |= INODE_NOCOMPRESS;
    else if (from & INODE_COMPRESS)
        flags |= INODE_COMPRESS;
    if (from & INODE_NODATACOW) {
        flags |= INODE_NODATACOW;
        if (S_ISREG(mode))
            flags |= INODE_NODATASUM;
    }
    if (S_ISREG(mode) && fs->options.nodatacow)
        flags |= INODE_NODATACOW | INODE_NODATASUM;
    return flags;
}

void inode_item_fill(struct fs *fs, const struct inode *dir, const struct inode_new *what,
                     struct inode_item *item)
{
    uint64_t transid = fs->store->engine.txn.transid;
    struct timestamp now = timestamp_now(fs);

    *item = (struct inode_item){
        .generation = transid,
        .transid = transid,
        .nlink = what->nlink,
        .uid = what->uid,
        .gid = what->gid,
        .mode = what->mode,
        .rdev = what->rdev,
        .flags = inherited_flags(fs, dir, what->mode),
        .atime = now,
        .ctime = now,
        .mtime = now,
        .otime = now,
    };
    if (dir && (dir->item.mode & S_ISGID)) {
        item->gid = dir->item.gid;
        if (S_ISDIR(what->mode))
            item->mode |= S_ISGID;
    }
}

/* A compression property of the directory holds for what is made in it. */
static int inherit_property(struct inode *dir, struct inode *inode)
{
    static const char name[] = "btrfs.compression";
    char value[32];
    size_t len;

    if (!dir || !(inode_flags(dir) & (INODE_COMPRESS | INODE_NOCOMPRESS)))
        return 0;
    if (!inode_is_reg(inode) && !inode_is_dir(inode))
        return 0;
    int ret = xattr_get(dir, name, value, sizeof(value), &len);
    if (ret == -ENODATA || ret == -ERANGE) {
        fail_clear();
        return 0;
    }
    return ret < 0 ? ret : xattr_set(inode, name, value, len, 0);
}

int inode_come_alive(struct fs *fs, struct tree_handle *tree, struct inode *dir, uint64_t ino,
                     const struct inode_item *item, struct inode **out)
{
    struct inode *inode = table_new_inode(fs, tree, ino, item);

    if (!inode)
        return txn_abort(&fs->store->engine, fail(-ENOMEM, "no memory for an inode"));
    inode->xattrs = XATTRS_NONE;
    inode = table_add(fs, inode);
    int ret = inherit_property(dir, inode);
    if (ret < 0) {
        txn_abort(&fs->store->engine, ret);
        inode_put(inode);
        return ret;
    }
    *out = inode;
    return 0;
}

int inode_create(struct fs *fs, struct tree_handle *tree, struct inode *dir,
                 const struct inode_new *what, struct inode **out)
{
    struct inode_item item;
    disk_inode_item disk;
    uint64_t ino;

    TRY(inode_next_number(tree, &ino));
    inode_item_fill(fs, dir, what, &item);
    inode_item_encode(&disk, &item);
    struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    TRY(tree_insert(&tree->root, &key, &disk, sizeof(disk)));
    inode_number_used(tree);
    return inode_come_alive(fs, tree, dir, ino, &item, out);
}

/* ---- deleting
 * -------------------------------------------------------------------------------------- */

int inode_delete(struct inode *inode)
{
    struct key key = key_make(inode->ino, 0, 0);

    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key found;

        int ret = tree_search_ge(&inode->tree->root, &key, &path);
        if (ret < 0)
            return ret;
        if (ret == 0)
            path_key(&path, &found);
        if (ret == 1 || found.objectid != inode->ino)
            break;
        if (found.type == KEY_EXTENT_DATA)
            return fail(-EUCLEAN, "%s: an extent of an inode being deleted", path_where(&path));
        path_release(&path);
        TRY(tree_delete(&inode->tree->root, &found));
    }
    TRY(orphan_del(inode));
    inode->deleted = true;
    logged_names_changed(inode->fs, inode->tree->root.id, inode->ino);
    return 0;
}
