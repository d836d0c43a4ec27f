// SPDX-License-Identifier: GPL-2.0-or-later
/* The forest: what all trees of a volume share, and the way nodes come into memory. */
#include "engine/tree/internal.h"

int forest_new(struct vol *vol, const struct forest_options *options, struct forest **out)
{
    AUTO_FREE struct forest *forest = calloc(1, sizeof(*forest));

    if (!forest)
        return fail(-ENOMEM, "out of memory");
    forest->vol = vol;
    forest->limits = vol_limits(vol);
    forest->nodesize = forest->limits->nodesize;
    forest->epoch = 1;
    TRY(cache_init(&forest->cache, forest->nodesize, options->cache_bytes));
    int ret = known_init(&forest->known, forest->cache.max_nodes);
    if (ret < 0) {
        cache_destroy(&forest->cache);
        return ret;
    }
    *out = STEAL(forest);
    return 0;
}

void forest_free(struct forest *forest)
{
    if (!forest)
        return;
    cache_destroy(&forest->cache);
    known_destroy(&forest->known);
    free(forest);
}

void forest_watch_memory(struct forest *forest, void (*fn)(void *ctx, uint64_t bytes), void *ctx)
{
    cache_watch_memory(&forest->cache, fn, ctx);
}

void forest_set_backing(struct forest *forest, const struct forest_backing *backing, void *ctx)
{
    forest->backing = backing;
    forest->backing_ctx = ctx;
}

struct vol *forest_vol(const struct forest *forest)
{
    return forest->vol;
}

uint32_t forest_nodesize(const struct forest *forest)
{
    return forest->nodesize;
}

void forest_set_chunk_tree_uuid(struct forest *forest, const struct uuid *uuid)
{
    SCOPED_LOCK(&forest->cache.lock);
    forest->chunk_tree_uuid = *uuid;
    atomic_store(&forest->chunk_tree_uuid_known, true);
}

int forest_error(const struct forest *forest)
{
    return forest->error;
}

uint64_t forest_generation(const struct forest *forest)
{
    return forest->generation;
}

void forest_set_generation(struct forest *forest, uint64_t generation)
{
    INVARIANT(generation == 0 || generation == forest->generation || forest->cache.dirty_nodes == 0,
              "I5: a transaction begins when the nodes of the one before are written");
    forest->generation = generation;
}

int forest_may_change(const struct forest *forest)
{
    if (forest->error)
        return fail(forest->error, "an earlier change could not be undone, nothing is written");
    if (forest->generation == 0)
        return fail(-EROFS, "no transaction is running");
    return 0;
}

uint64_t forest_dirty_bytes(const struct forest *forest)
{
    return forest->cache.dirty_nodes * forest->nodesize;
}

void forest_drop_dirty(struct forest *forest)
{
    /* No block has generation 0, which means that no transaction runs. */
    cache_forget_generation(&forest->cache, forest->generation);
}

void forest_forget(struct forest *forest, uint64_t bytenr)
{
    cache_forget(&forest->cache, bytenr);
}

void forest_stats(const struct forest *forest, struct forest_stats *out)
{
    struct cache *cache = (struct cache *)&forest->cache;
    SCOPED_LOCK(&cache->lock);

    *out = (struct forest_stats){
        .cached_nodes = cache->nodes,
        .dirty_nodes = cache->dirty_nodes,
        .hits = atomic_load_explicit(&cache->hits, memory_order_relaxed),
        .misses = cache->misses,
        .writes = cache->writes,
        .cows = cache->cows,
        .known = forest->known.found,
    };
}

uint64_t forest_cows(const struct forest *forest)
{
    return atomic_load_explicit(&forest->cache.cows, memory_order_relaxed);
}

/* ---- reading nodes -----------------------------------------------------------------------------
 */

static bool first_key_is(const struct node *node, const struct key *key)
{
    return items_of(node) > 0 && disk_key_cmp(key_at(node, 0), key) == 0;
}

/* A cached node was valid when it was read, but this parent may say something else about it. */
static int check_cached(const struct node *node, const struct node_expect *expect)
{
    if (expect->level >= 0 && level_of(node) != expect->level)
        return fail(-EUCLEAN, "tree %llu block %llu: level is %u, expected %d", LLU(expect->owner),
                    LLU(expect->bytenr), level_of(node), expect->level);
    if (expect->generation && generation_of(node) != expect->generation)
        return fail(-EUCLEAN, "tree %llu block %llu: generation is %llu, expected %llu",
                    LLU(expect->owner), LLU(expect->bytenr), LLU(generation_of(node)),
                    LLU(expect->generation));
    if (expect->has_first_key && !first_key_is(node, &expect->first_key))
        return fail(-EUCLEAN, "tree %llu block %llu: does not begin with the key its parent says",
                    LLU(expect->owner), LLU(expect->bytenr));
    return 0;
}

static void learn_chunk_tree_uuid(struct forest *forest, const struct node *node)
{
    if (!atomic_load_explicit(&forest->chunk_tree_uuid_known, memory_order_acquire))
        forest_set_chunk_tree_uuid(forest, &node_header(node)->chunk_tree_uuid);
}

static int read_node(struct forest *forest, const struct node_expect *expect, struct node **out)
{
    uint64_t before = known_get(&forest->known, expect->bytenr), print = before;
    struct node_expect wanted = *expect;
    struct node *node;

    wanted.print = &print;
    TRY(cache_take(forest, &node));
    int ret = vol_read_node(forest->vol, laddr_of(expect->bytenr), &wanted, node->data);
    if (ret < 0) {
        node_put(node);
        return ret;
    }
    if (print == before)
        atomic_fetch_add_explicit(&forest->known.found, 1, memory_order_relaxed);
    else
        known_set(&forest->known, expect->bytenr, print);
    learn_chunk_tree_uuid(forest, node);
    *out = cache_publish_clean(node, expect->bytenr);
    return 0;
}

int forest_read_node(struct forest *forest, const struct node_expect *expect, struct node **out)
{
    struct node *node = NULL;

    if (expect->bytenr == ADDRESS_HIDDEN || !is_aligned(expect->bytenr, forest->limits->sectorsize))
        return fail(-EUCLEAN, "tree %llu block %llu: no block can be there", LLU(expect->owner),
                    LLU(expect->bytenr));
    node = cache_find(&forest->cache, expect->bytenr);
    if (!node)
        TRY(read_node(forest, expect, &node));
    int ret = check_cached(node, expect);
    if (ret < 0) {
        node_put(node);
        return ret;
    }
    *out = node;
    return 0;
}

/* The child's keys must end before those of its neighbour begin. */
static int check_upper_bound(const struct root *root, const struct node *parent, uint32_t slot,
                             const struct node *child)
{
    struct key next;

    if (slot + 1 >= items_of(parent))
        return 0;
    key_decode(&next, key_at(parent, slot + 1));
    if (disk_key_cmp(key_at(child, items_of(child) - 1), &next) < 0)
        return 0;
    return fail(-EUCLEAN, "tree %llu block %llu: reaches into the keys of its right neighbour",
                LLU(root->id), LLU(child->bytenr));
}

/* Whether the cached node is what the parent says, asked without decoding anything. */
static bool child_matches(const struct node *child, const struct node *parent, uint32_t slot)
{
    const disk_key_ptr *ptr = ptr_at(parent, slot);
    const disk_node_header *header = node_header(child);

    return header->level + 1 == level_of(parent) && items_of(child) > 0 &&
           memcmp(&header->generation, &ptr->generation, sizeof(ptr->generation)) == 0 &&
           memcmp(key_at(child, 0), &ptr->key, sizeof(ptr->key)) == 0;
}

static int child_read(const struct root *root, const struct node *parent, uint32_t slot,
                      struct node **out)
{
    const disk_key_ptr *ptr = ptr_at(parent, slot);
    struct node_expect expect = {
        .bytenr = le64_get(ptr->blockptr),
        .generation = le64_get(ptr->generation),
        .owner = root->id,
        .level = level_of(parent) - 1,
        .has_first_key = true,
    };
    struct node *child;

    key_decode(&expect.first_key, &ptr->key);
    TRY(forest_read_node(root->forest, &expect, &child));
    int ret = check_upper_bound(root, parent, slot, child);
    if (ret < 0) {
        node_put(child);
        return ret;
    }
    *out = child;
    return 0;
}

int child_get(const struct root *root, const struct node *parent, uint32_t slot, double where,
              struct node **out)
{
    uint64_t bytenr = le64_get(ptr_at(parent, slot)->blockptr);
    struct node *child = cache_find(&root->forest->cache, bytenr);

    if (child) {
        node_fetch_ahead(child, where);
        if (child_matches(child, parent, slot)) {
            *out = child;
            return 0;
        }
        node_put(child);
    }
    return child_read(root, parent, slot, out);
}

int root_node_get(const struct root *root, struct node **out)
{
    struct node_expect expect = {
        .bytenr = root->bytenr,
        .generation = root->generation,
        .owner = root->id,
        .level = root->level,
    };

    return forest_read_node(root->forest, &expect, out);
}
