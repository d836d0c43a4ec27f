// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much metadata to promise.
 *
 * Within one transaction a node is copied at most once, so n changes allocate no more than
 *
 *     min(n * PATH_NODES nodes, all nodes that exist) + what n new items add
 *
 * where the second term is bounded by ITEM_GROWTH bytes an item (a leaf that splits leaves two
 * halves, so an item costs at most twice its size in the long run) and a constant for the splits
 * in flight in each tree. What the running transaction has allocated already is taken off: it is
 * no longer free, so it need not be promised any more.
 */
#include "engine/store/internal.h"

#include "base/cleanup.h"

/* Nodes that one change may copy: a path in its own tree, and the paths in the extent, checksum,
 * free space, block group and root trees that follow from it. */
#define PATH_NODES 24
#define ITEM_GROWTH 1024
#define SPLIT_NODES 40

static uint64_t taken_bytes(struct store *store, enum space_kind kind)
{
    struct space_totals t;

    space_totals(store->space, kind, &t);
    return t.used + t.allocated + t.pinned;
}

static uint64_t bound(const struct store *store, const struct reserve *r)
{
    uint64_t nodesize = store->engine.nodesize;
    uint64_t units = r->txn_units + r->future_units;
    uint64_t copies = MIN(units * PATH_NODES * nodesize, r->nodes_at_start);

    if (units == 0)
        return 0;
    return round_up_to(copies + units * ITEM_GROWTH + SPLIT_NODES * nodesize, nodesize);
}

/* What must be promised now, given what the transaction has allocated already. */
static uint64_t wanted(struct store *store)
{
    struct reserve *r = &store->priv->reserve;
    uint64_t all = bound(store, r);

    if (space_is_mixed(store->space))
        return all; /* data allocations hide ours: stay on the safe side */
    uint64_t taken = taken_bytes(store, SPACE_METADATA);
    uint64_t used_up = taken > r->taken_at_start ? taken - r->taken_at_start : 0;
    return all > used_up ? all - used_up : 0;
}

void reserve_init(struct store *store)
{
    pthread_mutex_init(&store->priv->reserve.lock, NULL);
    reserve_restart(store);
}

void reserve_destroy(struct store *store)
{
    pthread_mutex_destroy(&store->priv->reserve.lock);
}

static void hold(struct store *store, uint64_t bytes)
{
    struct reserve *r = &store->priv->reserve;

    if (bytes < r->held) {
        space_promise_release(store->space, SPACE_METADATA, r->held - bytes);
        r->held = bytes;
    }
}

void reserve_restart(struct store *store)
{
    struct reserve *r = &store->priv->reserve;
    struct space_totals t;

    SCOPED_LOCK(&r->lock);
    space_totals(store->space, SPACE_METADATA, &t);
    r->txn_units = 0;
    r->taken_at_start = t.used + t.allocated + t.pinned;
    r->nodes_at_start = t.used;
    hold(store, wanted(store));
}

int reserve_more(struct store *store, unsigned txn_units, unsigned future_units, bool use_reserve)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    r->txn_units += txn_units;
    r->future_units += future_units;
    uint64_t want = wanted(store);
    if (want <= r->held) {
        hold(store, want);
        return 0;
    }
    int ret = space_promise(store->space, SPACE_METADATA, want - r->held, use_reserve);
    if (ret < 0) {
        r->txn_units -= txn_units;
        r->future_units -= future_units;
        return ret;
    }
    r->held = want;
    return 0;
}

void reserve_less_future(struct store *store, unsigned units)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    INVARIANT(r->future_units >= units, "I2: metadata promises are given back once");
    r->future_units -= units;
    hold(store, wanted(store));
}

void reserve_begin_future(struct store *store, unsigned units)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    INVARIANT(r->future_units >= units, "I2: metadata promises are used once");
    r->future_units -= units;
    r->txn_units += units;
}

void reserve_settle(struct store *store)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    hold(store, wanted(store));
}
