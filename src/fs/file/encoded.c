// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compressed extents as they are: read without unpacking, and put into a file without packing anew.
 * What cannot become an extent of its own is unpacked and written like any data.
 */
#include "fs/file/batch.h"

#include <string.h>

#include "disk/compress/compress.h"
#include "disk/csum/csum.h"

/* ---- reading --------------------------------------------------------------------------------- */

static int look_up_sums(struct inode *inode, uint64_t addr, uint64_t len, struct sums *sums)
{
    struct engine *engine = file_engine(inode);

    store_read_lock(inode->fs->store);
    int ret = csums_lookup(engine, &engine->csum_tree, addr, len, sums->sums, sums->have);
    store_read_unlock(inode->fs->store);
    return ret;
}

int file_read_encoded(struct inode *inode, uint64_t pos, uint64_t addr, void *buf, uint64_t len)
{
    const struct engine *engine = file_engine(inode);
    uint64_t sectors = len / engine->sectorsize;
    struct sums sums = {0};

    if ((inode_flags(inode) & INODE_NODATASUM) || store_ignores_checksums(inode->fs->store))
        return verified_read(inode, pos, addr, buf, len, &sums);
    AUTO_FREE uint8_t *bytes = malloc(sectors * engine->csum_size + 1);
    AUTO_FREE bool *have = calloc(sectors + 1, sizeof(bool));
    if (!bytes || !have)
        return fail(-ENOMEM, "no memory for checksums");
    sums = (struct sums){bytes, have};
    TRY(look_up_sums(inode, addr, len, &sums));
    return verified_read(inode, pos, addr, buf, len, &sums);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct encoding {
    struct inode *inode;
    const struct file_encoded *what;
    uint64_t sector, disk_len, span; /* on disk; of the file, out to sectors */
    uint8_t *padded;                 /* disk_len bytes */
    struct promise promise;
    struct quota_door door;
    struct range space;
};

/* Unpacks all of it, which also tells whether readers will be able to. */
static int unpack_all(const struct encoding *e, uint8_t **out)
{
    const struct file_encoded *what = e->what;
    AUTO_FREE uint8_t *data = calloc(1, what->ram_bytes + 1);
    size_t got;

    if (!data)
        return fail(-ENOMEM, "no memory to unpack an extent");
    TRY(decompress_extent(what->compression, (uint32_t)e->sector, what->data, what->len, data,
                          what->ram_bytes, &got));
    *out = STEAL(data);
    return 0;
}

static int write_unpacked(const struct encoding *e, const uint8_t *data)
{
    const struct file_encoded *what = e->what;
    size_t done;

    return file_write(e->inode, data + what->ram_offset, what->file_len, what->offset, &done);
}

/* Whether it may become an extent of the file as it is. */
static bool fits(const struct encoding *e)
{
    const struct file_encoded *what = e->what;
    const struct inode *inode = e->inode;

    if (inode_flags(inode) & (INODE_NODATASUM | INODE_NODATACOW))
        return false;
    if (!is_aligned(what->offset | what->ram_offset, e->sector))
        return false;
    if (!is_aligned(what->file_len, e->sector) && what->offset + what->file_len < inode->item.size)
        return false;
    return what->ram_offset + e->span <= round_up_to(what->ram_bytes, e->sector) &&
           e->disk_len < round_up_to(what->ram_bytes, e->sector);
}

static int allocate(struct encoding *e)
{
    struct store *store = e->inode->fs->store;

    TRY(store_begin_promised(store, 0));
    int ret = extent_alloc_data(store->extents, e->disk_len, e->disk_len, 0, &e->space);
    store_unpromise_data(store, e->promise.bytes);
    e->promise.bytes = 0;
    store_end(store);
    return ret;
}

static void give_back(struct encoding *e)
{
    struct store *store = e->inode->fs->store;

    if (store_begin_promised(store, 0) < 0)
        return;
    int ret = extent_alloc_undo(store->extents, &e->space, true);
    if (ret < 0)
        txn_abort(file_engine(e->inode), ret);
    store_end(store);
}

static int map_it(struct encoding *e, const uint8_t *sums)
{
    const struct file_encoded *what = e->what;
    struct engine *engine = file_engine(e->inode);
    struct inode *inode = e->inode;
    struct mapping map = {
        .start = what->offset,
        .len = e->span,
        .kind = MAP_REGULAR,
        .compression = what->compression,
        .generation = engine->txn.transid,
        .disk_bytenr = e->space.start,
        .disk_num_bytes = e->disk_len,
        .ram_bytes = round_up_to(what->ram_bytes, e->sector),
        .offset = what->ram_offset,
    };
    struct data_ref ref = map_ref(inode, &map);

    TRY(file_drop_range(inode, map.start, map.start + map.len));
    TRY(map_insert(inode, &map));
    TRY(extent_add_new_data(inode->fs->store->extents, map.disk_bytenr, map.disk_num_bytes, &ref));
    TRY(csums_insert(engine, &engine->csum_tree, map.disk_bytenr, sums,
                     e->disk_len / engine->sectorsize));
    nbytes_add(inode, map.len);
    compress_note_feature(engine, what->compression);
    if (what->offset + what->file_len > size_get(inode))
        size_set(inode, what->offset + what->file_len);
    TRY(size_settle(inode, 0, 0, 0));
    uint64_t eof = round_up_to(inode->disk_size, e->sector);
    return holes_fill(inode, map.start, MIN(map.start + map.len, eof));
}

static int output(struct encoding *e)
{
    const struct engine *engine = file_engine(e->inode);
    struct store *store = e->inode->fs->store;
    uint64_t sectors = e->disk_len / engine->sectorsize;
    AUTO_FREE uint8_t *sums = malloc(sectors * engine->csum_size);

    if (!sums)
        return fail(-ENOMEM, "no memory for checksums");
    csum_blocks(engine->csum_type, e->padded, engine->sectorsize, sectors, sums);
    TRY(data_write(e->inode->fs, e->space.start, e->padded, e->disk_len));
    TRY(store_begin_promised(store, e->promise.units));
    e->promise.units = 0;
    int ret = map_it(e, sums);
    if (ret < 0)
        ret = change_failed(e->inode, ret);
    e->space.len = 0;
    inode_mark_dirty(e->inode);
    store_end(store);
    return ret;
}

/* 1: there is no space in one piece. */
static int put_promised(struct encoding *e)
{
    int ret = allocate(e);

    if (ret == 0) {
        ret = output(e);
        if (ret < 0 && e->space.len > 0)
            give_back(e);
    } else if (ret == -ENOSPC) {
        fail_clear();
        ret = 1;
    }
    promise_give_back(e->inode->fs, e->promise);
    return ret;
}

/* inode->lock held alone, and the file. 1: there is no space in one piece. */
static int put_extent(struct encoding *e, struct file_state *file)
{
    if (e->what->offset > size_get(e->inode))
        TRY(write_old_tail(e->inode));
    TRY(writeback_held(file));
    e->promise = (struct promise){e->disk_len, units_for_items(FILE_DROP_STEP_ITEMS + 2)};
    TRY(quota_enter(file, e->what->offset, e->what->offset + e->span, e->disk_len, &e->door));
    int ret = promise_take(e->inode->fs, &e->promise);
    if (ret == 0)
        ret = put_promised(e);
    quota_leave(file, &e->door);
    return ret;
}

static int put_locked(struct encoding *e)
{
    struct file_state *file;

    TRY(content_may_change(e->inode, false));
    TRY(file_state_get(e->inode, &file));
    if (!fits(e))
        return 1;
    file_hold(file);
    int ret = put_extent(e, file);
    file_unhold(file);
    if (ret == 0)
        inode_touch(e->inode, true);
    return ret;
}

static int check(const struct inode *inode, const struct file_encoded *what)
{
    TRY(file_check_regular(inode));
    if (!compress_type_known(what->compression) || what->compression == COMPRESS_NONE)
        return fail(-EINVAL, "compression %u is unknown", what->compression);
    if (what->ram_bytes == 0 || what->ram_bytes > COMPRESSED_EXTENT_MAX || what->len == 0 ||
        what->len > COMPRESSED_EXTENT_MAX)
        return fail(-EINVAL, "%llu bytes that unpack to %llu", LLU(what->len),
                    LLU(what->ram_bytes));
    if (what->file_len == 0 || what->ram_offset > what->ram_bytes ||
        what->file_len > what->ram_bytes - what->ram_offset)
        return fail(-EINVAL, "the part that is wanted is not in the extent");
    if (what->offset > FILE_SIZE_MAX || what->file_len > FILE_SIZE_MAX - what->offset)
        return fail(-EFBIG, "the range ends behind the largest offset");
    return 0;
}

int file_write_encoded(struct inode *inode, const struct file_encoded *what)
{
    uint64_t sector = file_sectorsize(inode);
    AUTO_FREE uint8_t *data = NULL;
    AUTO_FREE uint8_t *padded = NULL;

    TRY(check(inode, what));
    struct encoding e = {
        .inode = inode,
        .what = what,
        .sector = sector,
        .disk_len = round_up_to(what->len, sector),
        .span = round_up_to(what->file_len, sector),
    };
    TRY(unpack_all(&e, &data));
    padded = calloc(1, e.disk_len);
    if (!padded)
        return fail(-ENOMEM, "no memory for an extent");
    memcpy(padded, what->data, what->len);
    e.padded = padded;
    files_enter(inode->fs);
    pthread_rwlock_wrlock(&inode->lock);
    int ret = put_locked(&e);
    pthread_rwlock_unlock(&inode->lock);
    files_leave(inode->fs);
    return ret == 1 ? write_unpacked(&e, data) : ret;
}
