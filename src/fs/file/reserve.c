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

void promise_expect(struct fs *fs)
{
    SCOPED_LOCK(&fs->files->lock);
    fs->files->promising++;
}

static void promise_done(struct fs *fs)
{
    SCOPED_LOCK(&fs->files->lock);
    INVARIANT(fs->files->promising > 0, "I2: promises are given back by who took them");
    fs->files->promising--;
}

static int take_after_dropping(struct fs *fs, const struct promise *want)
{
    int ret = -ENOSPC, dropped;

    while (ret == -ENOSPC && (dropped = store_drop_deleted(fs->store)) != 0) {
        TRY(dropped);
        ret = take_once(fs->store, want);
    }
    return ret == -ENOSPC ? fail(-ENOSPC, "no space left") : ret;
}

static int take(struct fs *fs, const struct promise *want)
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
    ret = freed > 0 ? take_once(fs->store, want) : -ENOSPC;
    return ret == -ENOSPC ? take_after_dropping(fs, want) : ret;
}

int promise_take(struct fs *fs, const struct promise *want)
{
    promise_expect(fs);
    int ret = take(fs, want);
    if (ret < 0)
        promise_done(fs);
    return ret;
}

void promise_give_back(struct fs *fs, struct promise promise)
{
    if (promise.bytes > 0)
        store_unpromise_data(fs->store, promise.bytes);
    if (promise.units > 0)
        store_unpromise(fs->store, promise.units);
    promise_done(fs);
}

void files_check_promises(struct fs *fs)
{
    struct store_promised promised;

    SCOPED_LOCK(&fs->files->lock);
    if (fs->files->promising > 0 || fs->files->pending_bytes > 0)
        return;
    store_promised(fs->store, &promised);
    INVARIANT(promised.data_bytes == 0, "I2: nothing dirty, no data space promised");
    INVARIANT(promised.future_units == 0, "I2: nothing dirty, no metadata promised");
}

unsigned units_for_items(unsigned items)
{
    return 4 + 4 * items;
}
