// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inodes made together with their first name, and deleted together with their last. What they
 * consist of stands in three places of the tree (the directory's hashes, its indexes, and the items
 * of the inode, which are neighbours); each is gone to once.
 */
#include "fs/inode/internal.h"

#include "base/cleanup.h"

/* ---- making ------------------------------------------------------------------------------------
 */

static int insert_inode(struct inode *dir, const void *name, uint16_t len, uint64_t index,
                        uint64_t ino, const struct inode_item *item)
{
    struct inode_ref ref = {.index = index, .name_len = len};
    struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    void *data;

    TRY(tree_insert_path(&dir->tree->root, &key, sizeof(disk_inode_item), &path, &data));
    inode_item_encode(data, item);
    key = key_make(ino, KEY_INODE_REF, dir->ino);
    TRY(path_insert_behind(&path, &key, (uint32_t)sizeof(disk_inode_ref) + len, &data));
    inode_ref_encode(data, &ref);
    memcpy((uint8_t *)data + sizeof(disk_inode_ref), name, len);
    return 0;
}

int inode_create_named(struct inode *dir, const void *name, uint16_t len,
                       const struct inode_new *what, uint8_t type, struct inode **out)
{
    struct engine *engine = &dir->fs->store->engine;
    struct key key = dir_item_key(dir, name, len);
    struct inode_item item;
    uint64_t ino, index;

    TRY(dir_name_ok(name, len));
    TRY(dir_next_index(dir, &index));
    TRY(inode_next_number(dir->tree, &ino));
    struct dir_item head = {
        .location = key_make(ino, KEY_INODE_ITEM, 0),
        .transid = engine->txn.transid,
        .name_len = len,
        .type = type,
    };
    /* What can be refused is tried first. */
    TRY(packed_add(&dir->tree->root, &key, &head, name, NULL));
    inode_item_fill(dir->fs, dir, what, &item);
    int ret = insert_inode(dir, name, len, index, ino, &item);
    if (ret == 0)
        ret = dir_insert_index(dir, name, len, &head, index);
    if (ret < 0)
        return txn_abort(engine, ret);
    inode_number_used(dir->tree);
    dir->dir_next_index = index + 1;
    dir_resize(dir, len, &item.otime);
    return inode_come_alive(dir->fs, dir->tree, dir, ino, &item, out);
}

/* ---- deleting ----------------------------------------------------------------------------------
 */

static bool only_holder(struct inode *inode)
{
    SCOPED_LOCK(&inode->fs->inodes_lock);
    return inode->refs == 1;
}

/* Whether the item is the one reference to that one name; *index: what it says. */
static bool is_only_ref(const struct key *key, const void *data, uint32_t size, const void *name,
                        uint16_t len, uint64_t dir, uint64_t *index)
{
    struct inode_ref ref;

    if (key->offset != dir || size != sizeof(disk_inode_ref) + len)
        return false;
    inode_ref_decode(&ref, data);
    if (ref.name_len != len ||
        memcmp((const uint8_t *)data + sizeof(disk_inode_ref), name, len) != 0)
        return false;
    *index = ref.index;
    return true;
}

static bool is_inline_extent(const void *data, uint32_t size)
{
    const disk_file_extent *disk = data;

    return size >= FILE_EXTENT_INLINE_HEADER && disk->type == FILE_EXTENT_INLINE;
}

/*
 * How many items behind the path's are all that the inode consists of, when they are of kinds that
 * nothing else depends on, and the leaf shows where they end. 0: they are not, or it does not.
 */
static uint32_t count_items(const struct path *path, uint64_t ino, const void *name, uint16_t len,
                            uint64_t dir, uint64_t *index)
{
    const struct node *leaf = path_leaf(path);
    uint32_t first = path_slot(path), slot = first;
    bool named = false;

    for (; slot < node_items(leaf); slot++) {
        const void *data = leaf_data(leaf, slot);
        uint32_t size = leaf_size(leaf, slot);
        struct key key;

        node_key(leaf, slot, &key);
        if (key.objectid != ino)
            return named ? slot - first : 0;
        if (key.type == KEY_INODE_REF && !named)
            named = is_only_ref(&key, data, size, name, len, dir, index);
        else if (key.type == KEY_INODE_REF)
            return 0;
        else if (key.type == KEY_EXTENT_DATA && !is_inline_extent(data, size))
            return 0;
        else if (key.type != KEY_INODE_ITEM && key.type != KEY_XATTR_ITEM &&
                 key.type != KEY_EXTENT_DATA)
            return 0;
    }
    return 0;
}

static int remove_items(struct inode *dir, const void *name, uint16_t len, struct inode *inode,
                        uint64_t *index, bool *done)
{
    struct key key = key_make(inode->ino, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_cow(&inode->tree->root, &key, -1, &path);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    uint32_t count = count_items(&path, inode->ino, name, len, dir->ino, index);
    if (count == 0)
        return 0;
    *done = true;
    return path_delete(&path, count);
}

int inode_remove_named(struct inode *dir, const void *name, uint16_t len, struct inode *inode,
                       bool *done)
{
    struct dir_item head;
    bool removed = false;
    uint64_t index;

    *done = false;
    if (inode->tree != dir->tree || inode->item.nlink != 1 || inode->orphan || inode->deleted ||
        !only_holder(inode))
        return 0;
    int ret = remove_items(dir, name, len, inode, &index, &removed);
    if (!removed)
        return ret;
    if (ret == 0)
        ret = dir_remove_item(dir, name, len, &head);
    if (ret == 0)
        ret = dir_remove_index(dir, name, len, index);
    if (ret < 0)
        return txn_abort(&dir->fs->store->engine, ret == -ENOENT ? -EUCLEAN : ret);
    inode->item.nlink = 0;
    inode->deleted = true;
    logged_names_changed(inode->fs, inode->tree->root.id, inode->ino);
    struct timestamp now = timestamp_now(dir->fs);
    dir_resize(dir, -(int64_t)len, &now);
    *done = true;
    return 0;
}
