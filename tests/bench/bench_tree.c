// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nanoseconds a tree operation takes when everything is cached: items of 60 bytes in nodes of
 * 16 KiB (or the size given as argument), inserted in order and at random, looked up, walked over,
 * deleted. No device is waited for: it is memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/csum/csum.h"
#include "disk/dev/dev.h"
#include "engine/tree/tree.h"

#define ITEM_BYTES 60
#define CHUNK_START (16 * MIB)
#define CHUNK_SIZE (64 * GIB)
#define DEV_OFFSET (1 * MIB)

struct bench {
    struct env *env;
    struct vol *vol;
    struct forest *forest;
    uint32_t nodesize;
    uint64_t next_block;
    struct root root;
    uint64_t count;
    uint64_t started;
};

static void must(int ret)
{
    if (ret >= 0)
        return;
    fprintf(stderr, "bench_tree: %s\n", fail_message());
    exit(1);
}

static int alloc_block(void *ctx, const struct root *root, uint8_t level,
                       const struct key *first_key, uint64_t hint, uint64_t *bytenr)
{
    struct bench *bench = ctx;

    (void)root;
    (void)level;
    (void)first_key;
    (void)hint;
    *bytenr = bench->next_block;
    bench->next_block += bench->nodesize;
    return 0;
}

static int free_block(void *ctx, const struct root *root, const struct node *old)
{
    (void)ctx;
    (void)root;
    (void)old;
    return 0;
}

static const struct forest_backing backing = {.alloc_block = alloc_block, .free_block = free_block};

static void open_forest(struct bench *bench)
{
    const struct forest_options options = {.cache_bytes = 4 * GIB};
    const struct uuid uuid = {{1}};
    struct super super = {
        .nodesize = bench->nodesize,
        .sectorsize = 4096,
        .csum_type = CSUM_CRC32C,
        .total_bytes = DEV_OFFSET + CHUNK_SIZE,
        .num_devices = 1,
        .dev_item = {.devid = 1, .total_bytes = DEV_OFFSET + CHUNK_SIZE},
    };
    const struct chunk_map chunk = {
        .logical = CHUNK_START,
        .length = CHUNK_SIZE,
        .type = BG_METADATA,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 1,
        .stripes = {{.devid = 1, .offset = DEV_OFFSET}},
    };

    must(vol_new(bench->env, dev_mem_new(DEV_OFFSET + CHUNK_SIZE), &super, &bench->vol));
    must(vol_add_chunk(bench->vol, &chunk));
    must(forest_new(bench->vol, &options, &bench->forest));
    forest_set_backing(bench->forest, &backing, bench);
    forest_set_chunk_tree_uuid(bench->forest, &uuid);
    forest_set_generation(bench->forest, 1);
    bench->root = (struct root){.forest = bench->forest, .id = 256};
    bench->next_block = CHUNK_START;
    must(root_create(&bench->root));
}

static void close_forest(struct bench *bench)
{
    forest_free(bench->forest);
    vol_close(bench->vol);
}

static void start(struct bench *bench)
{
    bench->started = bench->env->ops->monotonic_ns(bench->env);
}

static void report(const struct bench *bench, const char *what, uint64_t operations)
{
    uint64_t took = bench->env->ops->monotonic_ns(bench->env) - bench->started;
    uint64_t blocks = (bench->next_block - CHUNK_START) / bench->nodesize;

    printf("%-24s %9llu  %7.1f ns each  (%u levels, %llu blocks used so far)\n", what,
           (unsigned long long)operations, (double)took / (double)operations,
           bench->root.level + 1U, (unsigned long long)blocks);
}

/* Number i of a sequence that visits each number below 2^62 once, in no order. */
static struct key key_number(uint64_t i, bool shuffled)
{
    return key_make(256 + (shuffled ? (i * 0x9E3779B97F4A7C15ULL) >> 8 : i), KEY_PERSISTENT_ITEM,
                    0);
}

static void insert_all(struct bench *bench, bool shuffled)
{
    const uint8_t data[ITEM_BYTES] = {1};

    start(bench);
    for (uint64_t i = 0; i < bench->count; i++) {
        struct key key = key_number(i, shuffled);

        must(tree_insert(&bench->root, &key, data, sizeof(data)));
    }
    report(bench, shuffled ? "insert, random" : "insert, ascending", bench->count);
}

static void search_all(struct bench *bench, bool shuffled)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct rng rng;

    rng_seed(&rng, 1);
    start(bench);
    for (uint64_t i = 0; i < bench->count; i++) {
        struct key key = key_number(rng_below(&rng, bench->count), shuffled);

        must(tree_search(&bench->root, &key, &path));
    }
    report(bench, "search, random", bench->count);
    start(bench);
    for (uint64_t i = 0; i < bench->count; i++) {
        struct key key = key_number(i % 100, shuffled);

        must(tree_search(&bench->root, &key, &path));
    }
    report(bench, "search, the same 100", bench->count);
}

static void walk_all(struct bench *bench)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint64_t seen = 0;

    start(bench);
    int ret = tree_search_ge(&bench->root, &KEY_FIRST, &path);
    for (; ret == 0; ret = path_next(&path))
        seen++;
    must(ret);
    report(bench, "walk", seen);
}

static void write_all(struct bench *bench)
{
    struct forest_stats stats;

    forest_stats(bench->forest, &stats);
    start(bench);
    must(forest_write_dirty(bench->forest));
    report(bench, "write dirty nodes", stats.dirty_nodes);
    forest_set_generation(bench->forest, forest_generation(bench->forest) + 1);
}

static void delete_all(struct bench *bench, bool shuffled)
{
    start(bench);
    for (uint64_t i = 0; i < bench->count; i++) {
        struct key key = key_number(i, shuffled);

        must(tree_delete(&bench->root, &key));
    }
    report(bench, "delete, copying first", bench->count);
}

static void run(struct bench *bench, bool shuffled)
{
    open_forest(bench);
    insert_all(bench, shuffled);
    search_all(bench, shuffled);
    walk_all(bench);
    write_all(bench);
    delete_all(bench, shuffled);
    close_forest(bench);
}

int main(int argc, char **argv)
{
    static const uint64_t counts[] = {10000, 100000, 1000000};
    struct bench bench = {
        .env = env_real(),
        .nodesize = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 16384,
    };

    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        bench.count = counts[i];
        run(&bench, false);
        run(&bench, true);
    }
    return 0;
}
