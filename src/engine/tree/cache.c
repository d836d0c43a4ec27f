// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which nodes are in memory.
 *
 * Finding takes no lock. A searcher walks a chain of the hash, and holds the node it wants by
 * raising a count that is not zero; then it looks again whether it still is that node. This is
 * safe because the memory of a struct node is never given to anything else while the forest lives,
 * and a node leaves the hash only after its count fell to zero (eviction) or while a writer is
 * alone (cache_forget). A searcher that was led astray by a node moving to another chain finds
 * nothing and asks again with the lock held.
 *
 * Clean nodes stand in a clock: each use sets `recent`, the hand clears it and evicts those it
 * finds cleared and held by nobody. Dirty nodes are in lists of their own and never evicted.
 */
#include "engine/tree/internal.h"

#include <sys/mman.h>

#include "base/lock.h"

#define NODES_MIN 64   /* a few paths and their neighbours always fit */
#define SLAB_NODES 128 /* struct nodes allocated at once */
#define HUGE_PAGE (2 * MIB)
#define HUGE_MOST (64 * MIB)
#define HAND_STEPS 128 /* how far the clock's hand goes for one eviction */
#define CHAIN_STEPS 32 /* a searcher without the lock gives up after so many */
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL /* 2^64 / golden ratio: Fibonacci hashing */

struct slab {
    struct slab *next;
    uint8_t *data; /* of its nodes; NULL: each has its own, or none */
    struct node nodes[SLAB_NODES];
};

int cache_init(struct cache *cache, uint32_t nodesize, uint64_t bytes)
{
    cache->nodesize = nodesize;
    cache->max_nodes = MAX(bytes / nodesize, (uint64_t)NODES_MIN);
    cache->bucket_bits = 6;
    while (cache->bucket_bits < 28 && 1ULL << cache->bucket_bits < 2 * cache->max_nodes)
        cache->bucket_bits++;
    cache->buckets = calloc(1ULL << cache->bucket_bits, sizeof(*cache->buckets));
    if (!cache->buckets)
        return fail(-ENOMEM, "out of memory for a cache of %llu tree blocks",
                    LLU(cache->max_nodes));
    lock_init(&cache->lock, RANK_NODE_CACHE);
    TAILQ_INIT(&cache->clock);
    TAILQ_INIT(&cache->dirty[DIRTY_PLAIN]);
    TAILQ_INIT(&cache->dirty[DIRTY_LOG]);
    TAILQ_INIT(&cache->pool);
    return 0;
}

void cache_destroy(struct cache *cache)
{
    for (struct slab *slab = cache->slabs, *next; slab; slab = next) {
        next = slab->next;
        for (unsigned i = 0; i < SLAB_NODES && !slab->data; i++)
            free(slab->nodes[i].data);
        free(slab->data);
        free(slab);
    }
    free(cache->buckets);
    lock_destroy(&cache->lock);
}

static _Atomic(struct node *) *bucket_of(struct cache *cache, uint64_t bytenr)
{
    return &cache->buckets[(bytenr * HASH_MULTIPLIER) >> (64 - cache->bucket_bits)];
}

/* ---- the pool of unused nodes; with the lock held -------------------------------------------- */

/* Tells the watcher what nodes take, in steps of a slab: never less than it is. */
static void buffers_changed(struct cache *cache, int64_t by)
{
    cache->buffers += (uint64_t)by;
    if (!cache->watch || (cache->buffers <= cache->watched_buffers &&
                          cache->buffers + 2 * SLAB_NODES > cache->watched_buffers))
        return;
    cache->watched_buffers = round_up_to(cache->buffers, SLAB_NODES);
    cache->watch(cache->watch_ctx, cache->watched_buffers * cache->nodesize);
}

void cache_watch_memory(struct cache *cache, void (*fn)(void *ctx, uint64_t bytes), void *ctx)
{
    SCOPED_LOCK(&cache->lock);
    cache->watch = fn;
    cache->watch_ctx = ctx;
    cache->watched_buffers = 0;
    buffers_changed(cache, 0);
}

static void pool_put(struct cache *cache, struct node *node)
{
    cache->nodes--;
    if (cache->buffers > cache->max_nodes && !node->in_slab) {
        free(node->data);
        node->data = NULL;
        buffers_changed(cache, -1);
    }
    TAILQ_INSERT_HEAD(&cache->pool, node, link);
}

/*
 * As long as the cache may keep them, the data of a slab's nodes is one piece, in large pages where
 * the system has them: nodes are visited in no order, and finding small pages would take longer
 * than reading what is in them. Not so in the later slabs of a large cache: a large page that is
 * touched for the first time has to be cleared at once, and a virtual machine whose host takes free
 * memory back, large pages first, waits for each part of it.
 */
static void slab_data(struct cache *cache, struct slab *slab)
{
    size_t bytes = (size_t)SLAB_NODES * cache->nodesize;

    if (bytes % HUGE_PAGE != 0 || cache->buffers + SLAB_NODES > cache->max_nodes)
        return;
    slab->data = aligned_alloc(HUGE_PAGE, bytes);
    if (!slab->data)
        return;
    if (cache->buffers * cache->nodesize < HUGE_MOST)
        madvise(slab->data, bytes, MADV_HUGEPAGE);
    buffers_changed(cache, SLAB_NODES);
    for (unsigned i = 0; i < SLAB_NODES; i++) {
        slab->nodes[i].data = slab->data + (size_t)i * cache->nodesize;
        slab->nodes[i].in_slab = true;
    }
}

static bool pool_grow(struct forest *forest)
{
    struct cache *cache = &forest->cache;
    struct slab *slab = aligned_alloc(CACHE_LINE, sizeof(*slab));

    if (!slab)
        return false;
    memset(slab, 0, sizeof(*slab));
    slab->next = cache->slabs;
    cache->slabs = slab;
    slab_data(cache, slab);
    for (unsigned i = 0; i < SLAB_NODES; i++) {
        slab->nodes[i].forest = forest;
        atomic_store_explicit(&slab->nodes[i].address, ADDRESS_HIDDEN, memory_order_relaxed);
        TAILQ_INSERT_TAIL(&cache->pool, &slab->nodes[i], link);
    }
    return true;
}

static struct node *pool_get(struct forest *forest)
{
    struct cache *cache = &forest->cache;

    if (TAILQ_EMPTY(&cache->pool) && !pool_grow(forest))
        return NULL;
    struct node *node = TAILQ_FIRST(&cache->pool);
    if (!node->data) {
        node->data = malloc(cache->nodesize);
        if (!node->data)
            return NULL;
        buffers_changed(cache, 1);
    }
    TAILQ_REMOVE(&cache->pool, node, link);
    cache->nodes++;
    node->streak = 0;
    node->leaf_items = 0;
    node->birth = 0;
    atomic_store_explicit(&node->recent, true, memory_order_relaxed);
    atomic_store_explicit(&node->refs, 1, memory_order_release);
    return node;
}

/* ---- hash ------------------------------------------------------------------------------------ */

/* Holds the node unless it is unused or another by now. */
static bool hold_if(struct node *node, uint64_t bytenr)
{
    uint32_t refs = atomic_load_explicit(&node->refs, memory_order_relaxed);

    do {
        if (refs == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&node->refs, &refs, refs + 1,
                                                    memory_order_acquire, memory_order_relaxed));
    if (atomic_load_explicit(&node->address, memory_order_relaxed) == bytenr)
        return true;
    node_put(node);
    return false;
}

static struct node *hash_find(struct cache *cache, uint64_t bytenr, unsigned steps)
{
    struct node *node = atomic_load_explicit(bucket_of(cache, bytenr), memory_order_acquire);

    for (; node && steps; steps--) {
        if (atomic_load_explicit(&node->address, memory_order_relaxed) == bytenr)
            return hold_if(node, bytenr) ? node : NULL;
        node = atomic_load_explicit(&node->hash_next, memory_order_acquire);
    }
    return NULL;
}

struct node *cache_find(struct cache *cache, uint64_t bytenr)
{
    struct node *node = hash_find(cache, bytenr, CHAIN_STEPS);

    if (!node) {
        SCOPED_LOCK(&cache->lock);
        node = hash_find(cache, bytenr, UINT32_MAX);
        if (!node)
            return NULL;
    }
    if (!atomic_load_explicit(&node->recent, memory_order_relaxed))
        atomic_store_explicit(&node->recent, true, memory_order_relaxed);
    /* Not an atomic increment: a count for people is not worth a locked instruction. */
    atomic_store_explicit(&cache->hits,
                          atomic_load_explicit(&cache->hits, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return node;
}

/* With the lock held. The hash becomes another holder. */
static void hash_insert(struct cache *cache, struct node *node, uint64_t bytenr)
{
    _Atomic(struct node *) *bucket = bucket_of(cache, bytenr);

    node->bytenr = bytenr;
    atomic_store_explicit(&node->hash_next, atomic_load_explicit(bucket, memory_order_relaxed),
                          memory_order_release);
    atomic_store_explicit(&node->address, bytenr, memory_order_release);
    node_get(node);
    atomic_store_explicit(bucket, node, memory_order_release);
}

/* With the lock held. Out of the hash and out of its list; the hash's hold is the caller's now. */
static void hash_remove(struct cache *cache, struct node *node)
{
    _Atomic(struct node *) *at = bucket_of(cache, node->bytenr);
    struct node *seen;

    while ((seen = atomic_load_explicit(at, memory_order_relaxed)) != node)
        at = &seen->hash_next;
    atomic_store_explicit(at, atomic_load_explicit(&node->hash_next, memory_order_relaxed),
                          memory_order_release);
    atomic_store_explicit(&node->address, ADDRESS_HIDDEN, memory_order_release);
}

/* ---- lists; with the lock held --------------------------------------------------------------- */

static struct node_list *dirty_list(struct cache *cache, const struct node *node)
{
    bool log = le64_get(node_header(node)->owner) == TREE_LOG;

    return &cache->dirty[log ? DIRTY_LOG : DIRTY_PLAIN];
}

static void list_dirty(struct cache *cache, struct node *node)
{
    node->dirty = true;
    TAILQ_INSERT_TAIL(dirty_list(cache, node), node, link);
    cache->dirty_nodes++;
}

static void unlist(struct cache *cache, struct node *node)
{
    if (node->dirty) {
        TAILQ_REMOVE(dirty_list(cache, node), node, link);
        cache->dirty_nodes--;
        node->dirty = false;
    } else {
        TAILQ_REMOVE(&cache->clock, node, link);
    }
}

/* Returns whether the node at the clock's hand could be evicted; the hand moves on. */
static bool evict_one(struct cache *cache)
{
    struct node *node = TAILQ_FIRST(&cache->clock);
    uint32_t only_the_hash = 1;

    TAILQ_REMOVE(&cache->clock, node, link);
    if (atomic_exchange_explicit(&node->recent, false, memory_order_relaxed) ||
        !atomic_compare_exchange_strong_explicit(&node->refs, &only_the_hash, 0,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        TAILQ_INSERT_TAIL(&cache->clock, node, link);
        return false;
    }
    hash_remove(cache, node);
    pool_put(cache, node);
    return true;
}

static void evict(struct cache *cache)
{
    for (unsigned steps = 0; steps < HAND_STEPS; steps++) {
        if (cache->nodes < cache->max_nodes || TAILQ_EMPTY(&cache->clock))
            return;
        evict_one(cache);
    }
}

/* With the lock held; the caller puts the node after letting go of the lock. */
static void forget_locked(struct cache *cache, struct node *node)
{
    unlist(cache, node);
    hash_remove(cache, node);
}

/* ---- the interface --------------------------------------------------------------------------- */

void node_last_put(struct node *node)
{
    struct cache *cache = &node->forest->cache;
    SCOPED_LOCK(&cache->lock);

    pool_put(cache, node);
}

void node_put(struct node *node)
{
    node_drop(node);
}

int cache_take(struct forest *forest, struct node **out)
{
    SCOPED_LOCK(&forest->cache.lock);
    evict(&forest->cache);
    struct node *node = pool_get(forest);

    if (!node)
        return fail(-ENOMEM, "out of memory for a tree block of %u bytes", forest->nodesize);
    *out = node;
    return 0;
}

static struct node *insert_or_find(struct cache *cache, struct node *node, uint64_t bytenr)
{
    SCOPED_LOCK(&cache->lock);
    struct node *other = hash_find(cache, bytenr, UINT32_MAX);

    if (other)
        return other;
    leaf_items_note(node);
    hash_insert(cache, node, bytenr);
    TAILQ_INSERT_TAIL(&cache->clock, node, link);
    cache->misses++;
    return node;
}

struct node *cache_publish_clean(struct node *node, uint64_t bytenr)
{
    struct node *there = insert_or_find(&node->forest->cache, node, bytenr);

    if (there != node)
        node_put(node);
    return there;
}

void cache_publish_dirty(struct node *node, uint64_t bytenr)
{
    struct cache *cache = &node->forest->cache;

    cache_forget(cache, bytenr);
    SCOPED_LOCK(&cache->lock);
    hash_insert(cache, node, bytenr);
    list_dirty(cache, node);
}

void cache_set_dirty(struct node *node)
{
    struct cache *cache = &node->forest->cache;
    SCOPED_LOCK(&cache->lock);

    INVARIANT(atomic_load_explicit(&node->address, memory_order_relaxed) == node->bytenr,
              "only a node that belongs to a tree is changed");
    unlist(cache, node);
    list_dirty(cache, node);
}

void cache_set_clean(struct cache *cache, struct node **nodes, size_t count)
{
    SCOPED_LOCK(&cache->lock);
    for (size_t i = 0; i < count; i++) {
        if (!nodes[i]->dirty)
            continue;
        unlist(cache, nodes[i]);
        TAILQ_INSERT_TAIL(&cache->clock, nodes[i], link);
        cache->writes++;
    }
}

void cache_forget(struct cache *cache, uint64_t bytenr)
{
    struct node *node;

    {
        SCOPED_LOCK(&cache->lock);
        node = hash_find(cache, bytenr, UINT32_MAX);
        if (!node)
            return;
        forget_locked(cache, node);
    }
    node_put(node); /* ours */
    node_put(node); /* the hash's */
}

void cache_forget_generation(struct cache *cache, uint64_t generation)
{
    struct node_list *lists[] = {&cache->dirty[DIRTY_PLAIN], &cache->dirty[DIRTY_LOG],
                                 &cache->clock};
    struct node_list gone = TAILQ_HEAD_INITIALIZER(gone);
    struct node *node, *next;

    {
        SCOPED_LOCK(&cache->lock);
        for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
            TAILQ_FOREACH_SAFE (node, lists[i], link, next) {
                if (!node->dirty && generation_of(node) != generation)
                    continue;
                forget_locked(cache, node);
                TAILQ_INSERT_TAIL(&gone, node, link);
            }
        }
    }
    TAILQ_FOREACH_SAFE (node, &gone, link, next)
        node_put(node);
}
