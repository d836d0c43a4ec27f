// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that write, read, cut and clone at the same time, with writeback and commits going on:
 * every reader sees each block as some writer wrote it, and at the end the promises are zero.
 * Most useful with a thread sanitizer.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>

#define BLOCKS 64
#define BLOCK 6000 /* shares sectors with its neighbours */
#define ROUNDS 300

struct worker {
    struct world *world;
    pthread_t thread;
    unsigned id;
    uint64_t seed;
    int error;
};

/* A block holds its number and nothing else, or zeroes. */
static bool block_is_whole(const uint8_t *block, uint64_t n)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i] != block[0])
            return false;
    return block[0] == 0 || block[0] == n + 1;
}

static int one_step(struct worker *w, struct rng *rng, uint8_t *block)
{
    struct inode *file = w->world->file[rng_below(rng, 2)];
    uint64_t n = rng_below(rng, BLOCKS);
    size_t done = 0;

    switch (rng_below(rng, 8)) {
    case 0:
    case 1:
    case 2:
        memset(block, (int)n + 1, BLOCK);
        return file_write(file, block, BLOCK, n * BLOCK, &done);
    case 3:
        return file_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, n * BLOCK, BLOCK);
    case 4:
        return file_clone_range(file, 0, 4096, w->world->file[2], 4096 * rng_below(rng, 100));
    case 5:
        return file_writeback(file);
    default:
        TRY(file_read(file, block, BLOCK, n * BLOCK, &done));
        return done < BLOCK || block_is_whole(block, n) ? 0 : -EBADMSG;
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint8_t *block = malloc(BLOCK);
    struct rng rng;

    rng_seed(&rng, w->seed + w->id);
    for (unsigned i = 0; i < ROUNDS && w->error == 0; i++) {
        int ret = one_step(w, &rng, block);

        if (ret == -EINVAL) /* a clone of what is not there yet */
            ret = 0;
        if (ret < 0)
            print_error("# %d: %s\n", ret, fail_message());
        w->error = ret;
    }
    free(block);
    return NULL;
}

static void *tend(void *arg)
{
    struct worker *w = arg;
    bool more;

    for (unsigned i = 0; i < ROUNDS && w->error == 0; i++) {
        w->error = files_writeback_step(&w->world->fs, 0, &more);
        if (w->error == 0 && i % 16 == 0)
            w->error = store_commit(w->world->store);
    }
    return NULL;
}

static void many_at_once(void **state)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct worker workers[5];
    struct world world;
    uint64_t seed = unit_seed(99);

    (void)state;
    world_new_in(&world, env_real(), 256 * MIB, &options);
    world.fs.options.dirty_limit_bytes = 512 * KIB;
    for (unsigned i = 0; i < ARRAY_LEN(workers); i++) {
        workers[i] = (struct worker){.world = &world, .id = i, .seed = seed};
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, i == 0 ? tend : work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(workers); i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].error, 0);
    }
    world_sync(&world);
    world_check_counters(&world);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once),
    };

    return cmocka_run_group_tests_name("files and threads", tests, NULL, NULL);
}
