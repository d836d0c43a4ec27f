// SPDX-License-Identifier: GPL-2.0-or-later
/* Stage 3: file extents, the data they name, and its checksums. */
#include "fs/fsync/internal.h"

/* Checksums move from the log to the checksum tree in pieces of this many sectors. */
#define CSUM_BATCH 256

static int same_as_there(const struct log_item *item, bool *same)
{
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search(&item->log->tree->root, &item->key, &path);
    *same = ret == 0 && path_size(&path) == item->size &&
            memcmp(path_data(&path), item->data, item->size) == 0;
    return MIN(ret, 0);
}

static int copy_csum_batch(struct engine *e, struct root *from, struct root *to, uint64_t start,
                           size_t count)
{
    uint8_t sums[CSUM_BATCH * CSUM_MAX];
    bool have[CSUM_BATCH];

    TRY(csums_lookup(e, from, start, count * e->sectorsize, sums, have));
    for (size_t i = 0; i < count; i++) {
        if (!have[i])
            continue;
        size_t run = 1;
        while (i + run < count && have[i + run])
            run++;
        TRY(csums_insert(e, to, start + i * e->sectorsize, sums + i * e->csum_size, run));
        i += run - 1;
    }
    return 0;
}

int log_copy_csums(struct engine *e, struct root *from, struct root *to, uint64_t start,
                   uint64_t len)
{
    uint64_t sector = e->sectorsize;

    for (uint64_t done = 0; done < len; done += CSUM_BATCH * sector)
        TRY(copy_csum_batch(e, from, to, start + done,
                            (size_t)MIN((len - done) / sector, (uint64_t)CSUM_BATCH)));
    return 0;
}

static int refer_to_data(struct replay *replay, const struct log_item *item,
                         const struct file_extent *extent)
{
    struct extents *extents = replay->fs->store->extents;
    struct data_ref ref = {
        .root = item->log->subvol,
        .objectid = item->key.objectid,
        .offset = item->key.offset - extent->offset,
    };

    if (rangeset_contains(&replay->data, extent->disk_bytenr, extent->disk_num_bytes)) {
        TRY(extent_add_new_data(extents, extent->disk_bytenr, extent->disk_num_bytes, &ref));
        return rangeset_remove(&replay->data, extent->disk_bytenr, extent->disk_num_bytes);
    }
    return extent_add_data_ref(extents, extent->disk_bytenr, extent->disk_num_bytes, &ref);
}

static int insert_regular(struct replay *replay, const struct log_item *item, struct inode *inode,
                          const struct file_extent *extent)
{
    bool hole = extent->disk_bytenr == 0;

    if (hole && engine_has(replay->engine, INCOMPAT_NO_HOLES))
        return 0;
    TRY(tree_insert(&item->log->tree->root, &item->key, item->data, item->size));
    if (hole)
        return 0;
    TRY(refer_to_data(replay, item, extent));
    pthread_mutex_lock(&inode->item_lock);
    inode->item.nbytes += extent->num_bytes;
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
    struct engine *e = replay->engine;
    if (extent->compression != 0)
        return log_copy_csums(e, &item->log->root, &e->csum_tree, extent->disk_bytenr,
                              extent->disk_num_bytes);
    return log_copy_csums(e, &item->log->root, &e->csum_tree, extent->disk_bytenr + extent->offset,
                          extent->num_bytes);
}

static int insert_inline(const struct log_item *item, struct inode *inode, uint64_t ram_bytes)
{
    TRY(tree_insert(&item->log->tree->root, &item->key, item->data, item->size));
    pthread_mutex_lock(&inode->item_lock);
    inode->item.nbytes += ram_bytes;
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
    return 0;
}

static int replace(struct replay *replay, const struct log_item *item, struct inode *inode)
{
    uint64_t sector = replay->engine->sectorsize;
    struct file_extent extent = {0};
    bool is_inline, same;

    if (item->size < FILE_EXTENT_INLINE_HEADER)
        return fail(-EUCLEAN, "%s: too short for an extent", path_where(item->path));
    is_inline = item->data[offsetof(disk_file_extent, type)] == FILE_EXTENT_INLINE;
    if (!is_inline) {
        if (item->size < sizeof(disk_file_extent))
            return fail(-EUCLEAN, "%s: too short for an extent", path_where(item->path));
        file_extent_decode(&extent, item->data);
    } else {
        disk_u64 ram;

        memcpy(&ram, item->data + offsetof(disk_file_extent, ram_bytes), sizeof(ram));
        extent.ram_bytes = le64_get(ram);
        extent.num_bytes = round_up_to(MIN(extent.ram_bytes, sector), sector);
    }
    TRY(same_as_there(item, &same));
    if (same)
        return 0;
    TRY(file_drop_range(inode, item->key.offset, item->key.offset + extent.num_bytes));
    return is_inline ? insert_inline(item, inode, extent.ram_bytes)
                     : insert_regular(replay, item, inode, &extent);
}

int replay_extent(struct replay *replay, const struct log_item *item)
{
    struct inode *inode;

    TRY(inode_get_locked(replay->fs, item->log->tree, item->key.objectid, &inode));
    int ret = replace(replay, item, inode);
    inode_put(inode);
    return ret;
}
