// SPDX-License-Identifier: GPL-2.0-or-later
/* Promises for data that becomes dirty (promise 1: refused here, or kept). */
#include "fs/file/internal.h"

static int take_once(struct store *store, const struct promise *want)
{
    if (want->bytes > 0)
        TRY(store_promise_data(store, want->bytes));
    int ret = want->units > 0 ? store_promise(store, want->units) : 0;
    if (ret < 0 && want->bytes > 0)
        store_unpromise_data(store, want->bytes);
    return ret;
}

int promise_take(struct fs *fs, const struct promise *want)
{
    int ret = take_once(fs->store, want);

    if (ret != -ENOSPC)
        return ret;
    /* What is promised for dirty data is the worst case; written back it takes less. */
    TRY(writeback_for_space(fs));
    ret = take_once(fs->store, want);
    if (ret != -ENOSPC)
        return ret;
    /* What nobody can read any more is not held against anyone. */
    uint64_t freed;
    TRY(files_reclaim_for_space(fs, &freed));
    return freed > 0 ? take_once(fs->store, want) : fail(-ENOSPC, "no space left");
}

void promise_give_back(struct fs *fs, struct promise promise)
{
    if (promise.bytes > 0)
        store_unpromise_data(fs->store, promise.bytes);
    if (promise.units > 0)
        store_unpromise(fs->store, promise.units);
}

unsigned units_for_items(unsigned items)
{
    return 4 + 4 * items;
}
