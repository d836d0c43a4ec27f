// SPDX-License-Identifier: GPL-2.0-or-later
/* Small files whose content lives in the item itself. */
#include "fs/file/internal.h"

/* Linux's default of the mount option max_inline. */
#define INLINE_MAX 2048ULL

/* What a leaf can take, and less than a sector, or Linux cannot read it. */
static uint64_t inline_limit(const struct inode *inode)
{
    const struct engine *engine = file_engine(inode);
    uint64_t leaf = item_data_max(engine->nodesize) - FILE_EXTENT_INLINE_HEADER;

    return MIN(leaf, (uint64_t)engine->sectorsize - 1);
}

bool inline_possible(const struct inode *inode, uint64_t size)
{
    return size > 0 && size <= file_sectorsize(inode) && !(inode_flags(inode) & INODE_PREALLOC);
}

bool inline_fits(const struct inode *inode, uint32_t stored)
{
    return stored <= MIN(INLINE_MAX, inline_limit(inode));
}

static int insert(struct inode *inode, const void *data, uint32_t stored, uint64_t ram_bytes,
                  uint8_t compression)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, 0);
    AUTO_PATH struct path path = PATH_INIT;
    void *item;

    TRY(tree_insert_path(&inode->tree->root, &key, FILE_EXTENT_INLINE_HEADER + stored, &path,
                         &item));
    disk_file_extent *disk = item;
    disk->generation = le64_of(file_engine(inode)->txn.transid);
    disk->ram_bytes = le64_of(ram_bytes);
    disk->compression = compression;
    disk->type = FILE_EXTENT_INLINE;
    memcpy((uint8_t *)item + FILE_EXTENT_INLINE_HEADER, data, stored);
    nbytes_add(inode, ram_bytes);
    return 0;
}

int inline_put(struct inode *inode, const void *data, uint32_t stored, uint64_t ram_bytes,
               uint8_t compression)
{
    TRY(file_drop_range(inode, 0, file_sectorsize(inode)));
    return insert(inode, data, stored, ram_bytes, compression);
}

int inline_truncate(struct inode *inode, uint64_t size)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct mapping map;

    TRY(map_find(inode, 0, &map));
    if (map.kind != MAP_INLINE || map.compression || map.ram_bytes <= size)
        return 0;
    int ret = tree_search_cow(&inode->tree->root, &key, 0, &path);
    TRY(ret == 1 ? map_lost(inode, 0) : ret);
    TRY(path_resize(&path, (uint32_t)(FILE_EXTENT_INLINE_HEADER + size)));
    disk_file_extent *disk = path_data_mut(&path);
    disk->ram_bytes = le64_of(size);
    nbytes_sub(inode, map.ram_bytes - size);
    return 0;
}

int file_insert_inline(struct inode *inode, const void *data, uint32_t len)
{
    if (len == 0 || len > inline_limit(inode))
        return fail(-ENAMETOOLONG, "%u bytes do not fit into an item", len);
    TRY(insert(inode, data, len, len, 0));
    pthread_mutex_lock(&inode->item_lock);
    inode->item.size = len;
    inode->disk_size = len;
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
    return 0;
}
