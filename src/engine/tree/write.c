// SPDX-License-Identifier: GPL-2.0-or-later
/* Dirty nodes to the device: at a commit all of them, between commits those that are too many. */
#include "engine/tree/internal.h"

#define WRITE_MAX (1 * MIB) /* neighbours are written together, up to this much */
#define PREPARE_NODES 16    /* one piece of parallel work */

struct batch {
    struct forest *forest;
    struct node **nodes; /* held */
    size_t count;
    bool *valid; /* what prepare() found */
};

static void batch_release(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        node_put(batch->nodes[i]);
    free(batch->nodes);
    free(batch->valid);
}

#define AUTO_BATCH CLEANUP(batch_release)

static int batch_reserve(struct batch *batch, size_t count)
{
    batch->nodes = malloc(MAX(count, (size_t)1) * sizeof(struct node *));
    batch->valid = calloc(MAX(count, (size_t)1), sizeof(bool));
    if (!batch->nodes || !batch->valid)
        return fail(-ENOMEM, "out of memory to write %zu tree blocks", count);
    return 0;
}

static void batch_add(struct batch *batch, struct node *node)
{
    node_get(node);
    batch->nodes[batch->count++] = node;
}

static int by_address(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

    return x->bytenr < y->bytenr ? -1 : x->bytenr > y->bytenr;
}

/* ---- making nodes fit to be written
 * -------------------------------------------------------------- */

static int prepare(struct forest *forest, struct node *node)
{
    disk_node_header *header = (disk_node_header *)node->data;

    node_zero_gap(node);
    header->flags = le64_of(le64_get(header->flags) | HEADER_FLAG_WRITTEN);
    TRY(node_validate_inside(node->data, forest->limits));
    vol_seal_node(forest->vol, node->data);
    /* Log blocks are not read again, as a rule. */
    if (node_owner(node) != TREE_LOG)
        known_set(&forest->known, node->bytenr, node_print(node->data, forest->limits));
    return 0;
}

static void prepare_some(void *arg, size_t piece)
{
    struct batch *batch = arg;
    size_t end = MIN((piece + 1) * PREPARE_NODES, batch->count);

    for (size_t i = piece * PREPARE_NODES; i < end; i++)
        batch->valid[i] = prepare(batch->forest, batch->nodes[i]) == 0;
}

static void batch_prepare(struct batch *batch)
{
    struct env *env = vol_env(batch->forest->vol);
    size_t pieces = (batch->count + PREPARE_NODES - 1) / PREPARE_NODES;

    qsort(batch->nodes, batch->count, sizeof(struct node *), by_address);
    env->ops->parallel(env, pieces, prepare_some, batch);
}

/* The error of the first that is not valid, found again so that its message is this thread's. */
static int batch_check(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->valid[i])
            TRY(prepare(batch->forest, batch->nodes[i]));
    return 0;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

/* How many from `first` on are valid and lie behind one another. */
static size_t run_length(const struct batch *batch, size_t first)
{
    uint32_t nodesize = batch->forest->nodesize;
    size_t end = first + 1, most = WRITE_MAX / nodesize;

    while (end < batch->count && end - first < most && batch->valid[end] &&
           batch->nodes[end]->bytenr == batch->nodes[end - 1]->bytenr + nodesize)
        end++;
    return end - first;
}

/* The nodes in one piece: where they are, when that is one, else brought together in the buffer. */
static const uint8_t *in_one_piece(struct node **nodes, size_t count, uint32_t nodesize,
                                   uint8_t *buffer)
{
    size_t i = 1;

    while (i < count && nodes[i]->data == nodes[0]->data + i * nodesize)
        i++;
    if (i == count)
        return nodes[0]->data;
    for (i = 0; i < count; i++)
        memcpy(buffer + i * nodesize, nodes[i]->data, nodesize);
    return buffer;
}

static int write_run(const struct batch *batch, size_t first, size_t count, uint8_t *buffer)
{
    uint32_t nodesize = batch->forest->nodesize;
    struct node **nodes = batch->nodes + first;
    const uint8_t *bytes = in_one_piece(nodes, count, nodesize, buffer);

    TRY(vol_write(batch->forest->vol, laddr_of(nodes[0]->bytenr), bytes, count * nodesize));
    cache_set_clean(&batch->forest->cache, nodes, count);
    return 0;
}

static int batch_write(const struct batch *batch)
{
    AUTO_FREE uint8_t *buffer = malloc(WRITE_MAX);
    size_t count;

    if (!buffer)
        return fail(-ENOMEM, "out of memory to write tree blocks");
    for (size_t first = 0; first < batch->count; first += count) {
        count = 1;
        if (!batch->valid[first])
            continue;
        count = run_length(batch, first);
        TRY(write_run(batch, first, count, buffer));
    }
    return 0;
}

/* ---- at a commit -------------------------------------------------------------------------------
 */

static int write_list(struct forest *forest, const struct node_list *list, const uint64_t *owner)
{
    AUTO_BATCH struct batch batch = {.forest = forest};
    struct node *node;

    if (forest->error)
        return forest_may_change(forest);
    TRY(batch_reserve(&batch, forest->cache.dirty_nodes));
    TAILQ_FOREACH (node, list, link)
        if (!owner || node_owner(node) == *owner)
            batch_add(&batch, node);
    if (batch.count == 0)
        return 0;
    batch_prepare(&batch);
    TRY(batch_check(&batch));
    return batch_write(&batch);
}

int forest_write_dirty(struct forest *forest)
{
    TRY(write_list(forest, &forest->cache.dirty[DIRTY_LOG], NULL));
    return write_list(forest, &forest->cache.dirty[DIRTY_PLAIN], NULL);
}

int forest_write_dirty_of(struct forest *forest, uint64_t root_id)
{
    unsigned which = root_id == TREE_LOG ? DIRTY_LOG : DIRTY_PLAIN;

    return write_list(forest, &forest->cache.dirty[which], &root_id);
}

/* ---- between commits
 * ----------------------------------------------------------------------------- */

/*
 * Takes nodes that nobody holds and that were not used since they were looked at last. What is
 * passed over moves to the end of the list.
 */
static void collect_cold(struct batch *batch, struct node_list *list, size_t most)
{
    struct node *node, *end = TAILQ_LAST(list, node_list);

    while (end && batch->count < most) {
        node = TAILQ_FIRST(list);
        TAILQ_REMOVE(list, node, link);
        TAILQ_INSERT_TAIL(list, node, link);
        if (!atomic_exchange_explicit(&node->recent, false, memory_order_relaxed) &&
            atomic_load_explicit(&node->refs, memory_order_relaxed) == 1)
            batch_add(batch, node);
        if (node == end)
            break;
    }
}

/*
 * Not before three quarters of the cache are dirty. The leaves of a large directory's hashes are
 * changed in no order: as long as they all stay, each is written once and not for each name again.
 */
int write_early(struct forest *forest)
{
    AUTO_BATCH struct batch batch = {.forest = forest};
    struct cache *cache = &forest->cache;
    size_t most = cache->max_nodes / 8;

    if (cache->dirty_nodes <= cache->max_nodes / 4 * 3)
        return 0;
    TRY(batch_reserve(&batch, most));
    {
        SCOPED_LOCK(&cache->lock);
        collect_cold(&batch, &cache->dirty[DIRTY_PLAIN], most);
        collect_cold(&batch, &cache->dirty[DIRTY_LOG], most);
    }
    if (batch.count == 0)
        return 0;
    batch_prepare(&batch);
    return batch_write(&batch);
}
