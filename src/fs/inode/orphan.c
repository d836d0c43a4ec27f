// SPDX-License-Identifier: GPL-2.0-or-later
/* Orphan items: inodes that have lost their last name and wait to be deleted. */
#include "fs/inode/internal.h"

#include "base/cleanup.h"

int orphan_add(struct inode *inode)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, inode->ino);

    if (inode->orphan)
        return 0;
    TRY(tree_insert(&inode->tree->root, &key, NULL, 0));
    inode->orphan = true;
    return 0;
}

int orphan_del(struct inode *inode)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, inode->ino);

    if (!inode->orphan)
        return 0;
    TRY(tree_delete(&inode->tree->root, &key));
    inode->orphan = false;
    return 0;
}

int orphan_next(struct tree_handle *tree, uint64_t from, uint64_t *ino)
{
    struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, from);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_ge(&tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0)
        path_key(&path, &key);
    if (ret == 1 || key.objectid != OBJ_ORPHAN || key.type != KEY_ORPHAN_ITEM)
        return fail(-ENOENT, "no orphans");
    *ino = key.offset;
    return 0;
}
