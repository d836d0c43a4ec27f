// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The one metadata change that makes written data visible on disk: old mapping out, new extents
 * and their checksums in (promise 4).
 */
#include "fs/file/batch.h"

/* Extents swapped in one go under the metadata lock. */
#define SWAP_STEP 32

static int swap_one(struct inode *inode, const struct plan *plan)
{
    struct extents *extents = inode->fs->store->extents;
    struct mapping map = {
        .start = plan->start,
        .len = plan->len,
        .kind = MAP_REGULAR,
        .compression = plan->compression,
        .generation = file_engine(inode)->txn.transid,
        .disk_bytenr = plan->bytenr,
        .disk_num_bytes = plan->disk_len,
        .ram_bytes = plan->len,
    };
    struct data_ref ref = map_ref(inode, &map);

    TRY(file_drop_range(inode, plan->start, plan->start + plan->len));
    TRY(map_insert(inode, &map));
    TRY(extent_add_new_data(extents, plan->bytenr, plan->disk_len, &ref));
    nbytes_add(inode, plan->len);
    return 0;
}

/* Whether anything but times changes. */
static bool needs_swap(const struct batch *batch, const struct plan *plan)
{
    struct inode *inode = batch->inode;

    if (plan->claim == CLAIM_NONE || plan->claim == CLAIM_UNWRITTEN)
        return true;
    SCOPED_LOCK(&inode->item_lock);
    return MIN(batch->size, plan->start + plan->len) > inode->disk_size;
}

static int put_in_place(struct inode *inode, const struct plan *plan)
{
    return plan->claim == CLAIM_UNWRITTEN
               ? mark_written(inode, plan->start, plan->start + plan->len)
               : 0;
}

/* Checksums of plans [from, to), in stretches that lie in one piece on the disk. */
static int add_sums(const struct batch *batch, size_t from, size_t to)
{
    struct engine *engine = file_engine(batch->inode);

    while (batch->sums && from < to) {
        const struct plan *first = &batch->plans[from];
        uint64_t end = first->bytenr + first->disk_len;
        size_t i = from + 1;

        for (; i < to && batch->plans[i].bytenr == end; i++)
            end += batch->plans[i].disk_len;
        TRY(csums_insert(engine, &engine->csum_tree, first->bytenr,
                         batch->sums + first->first_sector * engine->csum_size,
                         (end - first->bytenr) / engine->sectorsize));
        from = i;
    }
    return 0;
}

static int swap_some(struct batch *batch, size_t from, size_t to)
{
    struct inode *inode = batch->inode;

    for (size_t i = from; i < to; i++) {
        const struct plan *plan = &batch->plans[i];

        TRY(plan->claim == CLAIM_NONE ? swap_one(inode, plan) : put_in_place(inode, plan));
        compress_note_feature(file_engine(inode), plan->compression);
        TRY(size_settle(inode, plan->start, plan->start + plan->len, batch->size));
    }
    return add_sums(batch, from, to);
}

int batch_swap(struct batch *batch)
{
    struct store *store = batch->inode->fs->store;

    for (size_t from = 0, to; from < batch->count; from = to) {
        if (!needs_swap(batch, &batch->plans[from])) {
            to = from + 1;
            continue;
        }
        to = MIN(batch->count, from + SWAP_STEP);
        int ret = batch_begin(batch, to - from, batch->count - from);
        if (ret < 0) {
            batch_undo(batch, from, true);
            return ret;
        }
        ret = swap_some(batch, from, to);
        if (ret < 0)
            ret = change_failed(batch->inode, ret);
        store_end(store);
        if (ret < 0)
            return ret;
    }
    return 0;
}
