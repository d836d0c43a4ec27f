// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much metadata to promise.
 *
 * Within one transaction a node is copied at most once, so whatever happens copies no more than
 *
 *     min(changes * PATH_NODES nodes, all nodes that existed when it began)
 *
 * of which what has been copied already is taken off: it is no longer free. Where a leaf or node
 * was shared with a snapshot, its copy adds a reference to every extent it names, each in a leaf of
 * the extent tree of its own at worst. How many these are is known when the change is done, so they
 * are promised then, before anything else begins; where that fails, a commit comes first. What one
 * change adds so is covered by the global reserve until then. What new items add is promised only
 * as long as they are still to come: those of the change that runs now, those that dirty data will
 * need, and the extent items of delayed references. A leaf that splits leaves two halves, so an
 * item costs at most twice its size in the long run; a constant covers the splits in flight in each
 * tree.
 */
#include "engine/store/internal.h"

#include "base/cleanup.h"
#include "base/lock.h"

/* Nodes that one change may copy: a path in its own tree, and the paths in the extent, checksum,
 * free space, block group and root trees that follow from it. */
#define PATH_NODES 24
/* Bytes that a unit adds: an item of up to 512 bytes. */
#define UNIT_GROWTH 1024
/* Bytes that a delayed reference adds: an extent item and its place in the free-space tree. */
#define HEAD_GROWTH 256
#define SPLIT_NODES 40
/* Delayed references that a unit makes and PATH_NODES pays for; nodes that another one copies. */
#define UNIT_HEADS 12
#define HEAD_NODES 2

static uint64_t copied_bytes(const struct store *store)
{
    return forest_cows(store->engine.forest) * store->engine.nodesize;
}

static uint64_t copies_to_come(const struct store *store, const struct reserve *r)
{
    uint64_t units = r->txn_units + r->future_units;
    uint64_t nodes = units * PATH_NODES + r->shared_heads * HEAD_NODES;
    uint64_t all = MIN(nodes * store->engine.nodesize, r->nodes_at_start);
    uint64_t done = r->copied - r->copied_at_start;

    return all > done ? all - done : 0;
}

/* What must be promised now. */
static uint64_t wanted(const struct store *store)
{
    const struct reserve *r = &store->priv->reserve;
    uint64_t nodesize = store->engine.nodesize;

    if (r->txn_units + r->future_units == 0)
        return 0;
    uint64_t growth = (r->running_units + r->future_units) * UNIT_GROWTH +
                      r->pending_heads * HEAD_GROWTH + SPLIT_NODES * nodesize;
    return round_up_to(copies_to_come(store, r) + growth, nodesize);
}

/* Metadata space that is not free before the next commit. */
static uint64_t taken_bytes(const struct store *store)
{
    struct space_totals t;

    space_totals(store->space, SPACE_METADATA, &t);
    return t.used + t.allocated + t.pinned;
}

void reserve_measure_from(struct store *store)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    r->taken_before = taken_bytes(store);
    /* A commit without any change writes a few nodes, which the global reserve is there for. */
    r->held_before = MAX(r->held, SPLIT_NODES * store->engine.nodesize);
}

/* With the lock held. */
static void measure(struct store *store)
{
    struct reserve *r = &store->priv->reserve;
    uint64_t taken = taken_bytes(store), most = r->taken_before + r->held_before;

    if (taken > most)
        r->overdrawn = MAX(r->overdrawn, taken - most);
}

void reserve_measure(struct store *store)
{
    SCOPED_LOCK(&store->priv->reserve.lock);
    measure(store);
}

void reserve_init(struct store *store)
{
    lock_init(&store->priv->reserve.lock, RANK_RESERVE);
    reserve_restart(store);
}

void reserve_destroy(struct store *store)
{
    lock_destroy(&store->priv->reserve.lock);
}

static void hold_less(struct store *store, uint64_t bytes)
{
    struct reserve *r = &store->priv->reserve;

    if (bytes < r->held) {
        space_promise_release(store->space, SPACE_METADATA, r->held - bytes);
        r->held = bytes;
    }
}

/* Where there is room. */
static void hold_more(struct store *store, bool use_reserve)
{
    struct reserve *r = &store->priv->reserve;
    uint64_t want = wanted(store);

    if (want <= r->held)
        return;
    /* Quietly: the change that ends here may have failed, and said why. */
    if (space_promise_try(store->space, SPACE_METADATA, want - r->held, use_reserve) == 0)
        r->held = want;
}

void reserve_restart(struct store *store)
{
    struct reserve *r = &store->priv->reserve;
    struct space_totals t;

    SCOPED_LOCK(&r->lock);
    space_totals(store->space, SPACE_METADATA, &t);
    r->txn_units = 0;
    r->running_units = 0;
    r->pending_heads = 0;
    r->shared_heads = 0;
    r->nodes_at_start = t.used;
    r->copied = r->copied_at_start = copied_bytes(store);
    /* There are more nodes to copy than before the commit, for what dirty data will change. The
     * commit has just freed more than that; should it not have, the global reserve covers it. */
    hold_more(store, true);
    hold_less(store, wanted(store));
}

static bool is_tree_block(const struct path *path, const struct key *key)
{
    struct extent_item item;

    if (key->type != KEY_EXTENT_ITEM || path_size(path) < sizeof(disk_extent_item))
        return key->type == KEY_METADATA_ITEM;
    extent_item_decode(&item, path_data(path));
    return item.flags & EXTENT_FLAG_TREE_BLOCK;
}

int reserve_count_nodes(struct store *store)
{
    struct reserve *r = &store->priv->reserve;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    uint64_t nodes = 0;

    int ret = tree_search_ge(&store->engine.extent_tree, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        nodes += is_tree_block(&path, &key);
    }
    if (ret < 0)
        return ret;
    SCOPED_LOCK(&r->lock);
    r->nodes_at_start = nodes * store->engine.nodesize;
    return 0;
}

int reserve_more(struct store *store, unsigned txn_units, unsigned future_units, bool use_reserve)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    r->txn_units += txn_units;
    r->running_units += txn_units;
    r->future_units += future_units;
    uint64_t want = wanted(store);
    if (want <= r->held)
        return 0;
    int ret = space_promise(store->space, SPACE_METADATA, want - r->held, use_reserve);
    if (ret < 0) {
        r->txn_units -= txn_units;
        r->running_units -= txn_units;
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
    hold_less(store, wanted(store));
}

void reserve_begin_future(struct store *store, unsigned units)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    INVARIANT(r->future_units >= units, "I2: metadata promises are used once");
    r->future_units -= units;
    r->txn_units += units;
    r->running_units += units;
}

void reserve_settle(struct store *store)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    measure(store);
    uint64_t heads = extents_pending(store->extents), paid = r->running_units * UNIT_HEADS;
    if (heads > r->pending_heads + paid)
        r->shared_heads += heads - r->pending_heads - paid;
    r->running_units = 0;
    r->pending_heads = heads;
    r->copied = copied_bytes(store);
    hold_more(store, false);
    hold_less(store, wanted(store));
}

bool reserve_is_short(struct store *store)
{
    struct reserve *r = &store->priv->reserve;

    SCOPED_LOCK(&r->lock);
    return wanted(store) > r->held;
}

void reserve_shared_tree(struct store *store)
{
    struct reserve *r = &store->priv->reserve;
    struct space_totals t;

    SCOPED_LOCK(&r->lock);
    space_totals(store->space, SPACE_METADATA, &t);
    r->nodes_at_start += t.used + t.allocated;
}

void store_promised(struct store *store, struct store_promised *out)
{
    struct reserve *r = &store->priv->reserve;
    struct space_totals t;

    SCOPED_LOCK(&r->lock);
    space_totals(store->space, SPACE_DATA, &t);
    out->data_bytes = t.promised - (space_is_mixed(store->space) ? r->held : 0);
    out->future_units = r->future_units;
    out->overdrawn = space_is_mixed(store->space) ? 0 : r->overdrawn;
}
