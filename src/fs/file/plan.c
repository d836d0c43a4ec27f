// SPDX-License-Identifier: GPL-2.0-or-later
/* What of a batch becomes which extent, and where on the disk it goes. */
#include "fs/file/batch.h"

#include "disk/compress/compress.h"

void batch_release(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        free(batch->plans[i].packed);
    free(batch->plans);
    free(batch->sums);
}

int batch_begin(struct batch *batch, size_t part, size_t whole)
{
    unsigned units = (unsigned)(batch->units * (uint64_t)part / whole);

    TRY(store_begin_promised(batch->inode->fs->store, units));
    batch->units -= units;
    return 0;
}

static struct plan *plan_add(struct batch *batch, uint64_t start, uint64_t len)
{
    if (batch->count == batch->cap) {
        size_t cap = batch->cap ? batch->cap * 2 : 16;
        struct plan *plans = realloc(batch->plans, cap * sizeof(*plans));

        if (!plans)
            return NULL;
        batch->plans = plans;
        batch->cap = cap;
    }
    struct plan *plan = &batch->plans[batch->count++];
    *plan = (struct plan){.start = start, .len = len, .disk_len = len};
    return plan;
}

/* ---- where claims lead ----------------------------------------------------------------------- */

/* Whoever takes a mapping away has what is claimed in it written first. */
static int claim_lost(const struct batch *batch, uint64_t pos)
{
    return fail(-EUCLEAN, "tree %llu inode %llu: what was to be written in place at %llu is gone",
                LLU(batch->inode->tree->root.id), LLU(batch->inode->ino), LLU(pos));
}

static int plan_claimed_locked(struct batch *batch, uint64_t start, uint64_t end, enum claim claim)
{
    while (start < end) {
        struct mapping map;

        TRY(map_find(batch->inode, start, &map));
        if ((map.kind != MAP_PREALLOC && map.kind != MAP_REGULAR) || map.compression != 0)
            return claim_lost(batch, start);
        map = map_slice(&map, start, end);
        struct plan *plan = plan_add(batch, start, map.len);
        if (!plan)
            return fail(-ENOMEM, "no memory to write back");
        plan->bytenr = map.disk_bytenr + map.offset;
        plan->claim = claim;
        start += map.len;
    }
    return 0;
}

static int plan_claimed(struct batch *batch, uint64_t start, uint64_t end, enum claim claim)
{
    store_read_lock(batch->inode->fs->store);
    int ret = plan_claimed_locked(batch, start, end, claim);
    store_read_unlock(batch->inode->fs->store);
    return ret;
}

/* ---- cutting --------------------------------------------------------------------------------- */

static int plan_stretch(struct batch *batch, uint64_t start, uint64_t end, uint64_t max)
{
    while (start < end) {
        uint64_t n = MIN(end - start, max);

        if (!plan_add(batch, start, n))
            return fail(-ENOMEM, "no memory to write back");
        start += n;
    }
    return 0;
}

static int plan_plain(struct batch *batch, uint64_t max)
{
    struct run *run = runs_after(batch->flight, batch->start);

    while (run && run->start < batch->end) {
        uint64_t start = run->start, end = run_end(run);
        enum claim claim = run->claim;

        while ((run = runs_after(batch->flight, run_end(run))) && run->start == end &&
               end < batch->end && run->claim == claim)
            end = run_end(run);
        if (claim != CLAIM_NONE)
            TRY(plan_claimed(batch, start, end, claim));
        else
            TRY(plan_stretch(batch, start, end, max));
    }
    return 0;
}

int batch_plan(struct batch *batch)
{
    struct compress_wish wish;

    TRY(compress_wish_of(batch->inode, &wish));
    if (wish.type == COMPRESS_NONE)
        return plan_plain(batch, DATA_EXTENT_MAX);
    TRY(plan_plain(batch, COMPRESSED_EXTENT_MAX));
    return batch_compress(batch, &wish);
}

/* ---- allocating ------------------------------------------------------------------------------ */

/* Space that has been allocated and not given to a plan yet. */
struct pool {
    struct range free;
    uint64_t wanted; /* by the plans that have none */
};

static int pool_refill(struct batch *batch, struct pool *pool, uint64_t min)
{
    struct extents *extents = batch->inode->fs->store->extents;
    uint64_t hint = pool->free.start;

    if (pool->free.len > 0)
        TRY(extent_alloc_undo(extents, &pool->free, false));
    pool->free.len = 0;
    uint64_t want = MAX(pool->wanted, min);
    return extent_alloc_data(extents, MIN(want, DATA_EXTENT_MAX), min, hint, &pool->free);
}

static uint64_t pool_take(struct pool *pool, uint64_t len)
{
    uint64_t addr = pool->free.start;

    pool->free.start += len;
    pool->free.len -= len;
    pool->wanted -= len;
    return addr;
}

/* No piece of space is large enough for a compressed extent: it becomes a plain one. */
static void unpack_plan(struct plan *plan, struct pool *pool)
{
    pool->wanted += plan->len - plan->disk_len;
    free(plan->packed);
    plan->packed = NULL;
    plan->compression = 0;
    plan->disk_len = plan->len;
}

static int allocate_packed(struct batch *batch, struct plan *plan, struct pool *pool)
{
    if (pool->free.len < plan->disk_len) {
        int ret = pool_refill(batch, pool, plan->disk_len);
        if (ret == -ENOSPC) {
            fail_clear();
            unpack_plan(plan, pool);
            return 0;
        }
        TRY(ret);
    }
    plan->bytenr = pool_take(pool, plan->disk_len);
    return 0;
}

/* As much of plan i as the pool has in one piece; the rest becomes a plan behind it. */
static int allocate_plain(struct batch *batch, size_t i, struct pool *pool)
{
    if (pool->free.len == 0)
        TRY(pool_refill(batch, pool, file_sectorsize(batch->inode)));
    if (batch->plans[i].len > pool->free.len) {
        if (!plan_add(batch, 0, 0))
            return fail(-ENOMEM, "no memory to write back");
        struct plan *plan = &batch->plans[i];
        memmove(plan + 2, plan + 1, (batch->count - i - 2) * sizeof(*plan));
        plan[1] = (struct plan){
            .start = plan->start + pool->free.len,
            .len = plan->len - pool->free.len,
            .disk_len = plan->len - pool->free.len,
        };
        plan->len = plan->disk_len = pool->free.len;
    }
    struct plan *plan = &batch->plans[i];
    plan->bytenr = pool_take(pool, plan->len);
    return 0;
}

static int allocate_all(struct batch *batch, struct pool *pool)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->plans[i].claim != CLAIM_NONE)
            continue;
        if (batch->plans[i].packed)
            TRY(allocate_packed(batch, &batch->plans[i], pool));
        if (!batch->plans[i].packed)
            TRY(allocate_plain(batch, i, pool));
    }
    return 0;
}

static int allocate_locked(struct batch *batch)
{
    struct pool pool = {0};

    for (size_t i = 0; i < batch->count; i++)
        if (batch->plans[i].claim == CLAIM_NONE)
            pool.wanted += batch->plans[i].disk_len;
    int ret = allocate_all(batch, &pool);
    if (pool.free.len > 0)
        TRY(extent_alloc_undo(batch->inode->fs->store->extents, &pool.free, false));
    return ret;
}

int batch_allocate(struct batch *batch)
{
    struct store *store = batch->inode->fs->store;

    if (batch->bytes == 0)
        return 0;
    int ret = batch_begin(batch, 0, 1);
    if (ret == 0) {
        ret = allocate_locked(batch);
        store_unpromise_data(store, batch->bytes);
        store_end(store);
    } else {
        store_unpromise_data(store, batch->bytes);
    }
    if (ret < 0)
        batch_undo(batch, 0, false);
    return ret;
}

void batch_undo(struct batch *batch, size_t from, bool written)
{
    struct store *store = batch->inode->fs->store;

    /* When not even this is possible the file system is read-only, and the space does not matter.
     */
    if (batch_begin(batch, 0, 1) < 0)
        return;
    for (size_t i = from; i < batch->count; i++) {
        struct plan *plan = &batch->plans[i];
        struct range range = {.start = plan->bytenr, .len = plan->disk_len};

        if (plan->bytenr == 0 || plan->claim != CLAIM_NONE)
            continue;
        int ret = extent_alloc_undo(store->extents, &range, written);
        if (ret < 0)
            txn_abort(file_engine(batch->inode), ret);
        plan->bytenr = 0;
    }
    store_end(store);
}
