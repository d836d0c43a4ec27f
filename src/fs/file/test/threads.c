// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that write, read, cut and clone at the same time, with writeback and commits going on:
 * every reader sees each block as some writer wrote it, and at the end the promises are zero.
 * Most useful with a thread sanitizer.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>
#include <sched.h>

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

/* ---- the last user of a nameless file goes while a commit writes its item -------------------- */

#define ORPHANS 2000

static void delete_nameless(struct inode *inode)
{
    struct store *store = inode->fs->store;

    ok(store_begin(store, STORE_RELEASE, 8));
    ok(inode_delete(inode));
    store_end(store);
    inode_put_deleted(inode);
}

static void *make_and_leave(void *arg)
{
    const struct inode_new what = {.mode = 0100644};
    struct worker *w = arg;
    struct world *world = w->world;

    for (unsigned i = 0; i < ORPHANS && w->error == 0; i++) {
        struct inode *inode;

        w->error = store_begin(world->store, STORE_CREATE, 8);
        if (w->error < 0)
            break;
        w->error = inode_create(&world->fs, world->root->tree, world->root, &what, &inode);
        if (w->error == 0)
            w->error = orphan_add(inode);
        store_end(world->store);
        if (w->error < 0)
            break;
        inode_touch(inode, true);
        if (w->id % 2)
            sched_yield();
        inode_put(inode);
    }
    __atomic_store_n(&w->id, UINT32_MAX, __ATOMIC_RELEASE);
    return NULL;
}

static void no_orphan_is_forgotten(void **state)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct worker workers[2];
    struct world world;
    bool running = true;
    uint64_t ino;

    (void)state;
    world_new_in(&world, env_real(), 256 * MIB, &options);
    world.fs.last_put = delete_nameless;
    for (unsigned i = 0; i < ARRAY_LEN(workers); i++) {
        workers[i] = (struct worker){.world = &world, .id = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, make_and_leave, &workers[i]), 0);
    }
    while (running) {
        ok(store_commit(world.store));
        running = false;
        for (unsigned i = 0; i < ARRAY_LEN(workers); i++)
            running |= __atomic_load_n(&workers[i].id, __ATOMIC_ACQUIRE) != UINT32_MAX;
    }
    for (unsigned i = 0; i < ARRAY_LEN(workers); i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].error, 0);
    }
    assert_int_equal(orphan_next(world.root->tree, 0, &ino), -ENOENT);
    world_sync(&world);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(no_orphan_is_forgotten),
    };

    return cmocka_run_group_tests_name("files and threads", tests, NULL, NULL);
}
