// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: a clone waits for what is in flight in its own ranges and for nothing else, writes what
 * is dirty there and nothing else, and takes no place away from what was to be written in place
 * (promise 3). What is in flight is held there by a device that takes no writes until it is told
 * to.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>
#include <sched.h>

#include "disk/compress/compress.h"

#define LEN (4 * MIB)

/* Lets nobody write but the thread that made it, while it is closed. */
struct gate {
    struct dev dev;
    struct dev *lower;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t keeper;
    bool closed;
    unsigned waiting;
};

static struct gate *gate_of(struct dev *dev)
{
    return CONTAINER_OF(dev, struct gate, dev);
}

static int gate_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    return dev_read(gate_of(dev)->lower, off, buf, len);
}

static int gate_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    struct gate *gate = gate_of(dev);

    {
        SCOPED_LOCK(&gate->lock);
        gate->waiting++;
        pthread_cond_broadcast(&gate->changed);
        while (gate->closed && !pthread_equal(pthread_self(), gate->keeper))
            pthread_cond_wait(&gate->changed, &gate->lock);
        gate->waiting--;
    }
    return dev_write(gate->lower, off, buf, len);
}

static int gate_flush(struct dev *dev)
{
    return dev_flush(gate_of(dev)->lower);
}

static int gate_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    return dev_discard(gate_of(dev)->lower, off, len);
}

static void gate_free(struct dev *dev)
{
    dev_close(gate_of(dev)->lower);
}

static const struct dev_ops gate_ops = {
    .name = "gate",
    .read = gate_read,
    .write = gate_write,
    .flush = gate_flush,
    .discard = gate_discard,
    .close = gate_free,
};

static void make(struct world *world, struct gate *gate)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    world_new_in(world, env_real(), 512 * MIB, &options);
    world_sync(world);
    world_close(world);
    *gate = (struct gate){.lower = world->disk, .keeper = pthread_self()};
    gate->dev = (struct dev){&gate_ops, world->disk->size, false, world->disk->label};
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
    world->disk = &gate->dev;
    world_open(world);
    world_find_files(world);
}

static void gate_open(struct gate *gate)
{
    SCOPED_LOCK(&gate->lock);
    gate->closed = false;
    pthread_cond_broadcast(&gate->changed);
}

static uint8_t data[LEN], got[LEN];

static void put(struct world *world, unsigned f, int byte, uint64_t offset, size_t len)
{
    size_t done;

    memset(data, byte, len);
    ok(file_write(world->file[f], data, len, offset, &done));
    assert_int_equal(done, len);
}

static void expect(struct world *world, unsigned f, int byte, uint64_t offset, size_t len)
{
    size_t done;

    memset(data, byte, len);
    ok(file_read(world->file[f], got, len, offset, &done));
    assert_int_equal(done, len);
    assert_memory_equal(got, data, len);
}

struct where {
    uint64_t offset, address;
    bool compressed;
};

static int find_place(void *arg, const struct file_map *map)
{
    struct where *where = arg;

    if (!map->delalloc && map->offset <= where->offset && where->offset < map->offset + map->len) {
        where->address = map->address + (where->offset - map->offset);
        where->compressed = map->compressed;
    }
    return 0;
}

static struct where place_of(struct world *world, unsigned f, uint64_t offset)
{
    struct where where = {.offset = offset};

    ok(file_each_extent(world->file[f], 0, UINT64_MAX, find_place, &where));
    return where;
}

static struct file_counters counters(struct world *world)
{
    struct file_counters out;

    files_counters(&world->fs, &out);
    return out;
}

struct job {
    struct world *world;
    uint64_t src, dst, len;
    pthread_t thread;
    int error;
};

static void *write_back(void *arg)
{
    struct job *job = arg;

    job->error = file_writeback(job->world->file[0]);
    return NULL;
}

/* Returns when what is dirty in the first file is in flight. */
static void fly(struct gate *gate, struct job *job)
{
    gate->closed = true;
    assert_int_equal(pthread_create(&job->thread, NULL, write_back, job), 0);
    SCOPED_LOCK(&gate->lock);
    while (gate->waiting == 0)
        pthread_cond_wait(&gate->changed, &gate->lock);
}

static void join(struct job *job)
{
    pthread_join(job->thread, NULL);
    ok(job->error);
}

static void finish(struct world *world)
{
    world_sync(world);
    world_check_counters(world);
}

/* Should the clone wait for what flies, this test waits for ever: nobody opens the gate before. */
static void a_clone_passes_what_flies_elsewhere(void **state)
{
    struct world world;
    struct gate gate;
    struct job job = {.world = &world};

    (void)state;
    make(&world, &gate);
    put(&world, 0, 1, 0, LEN);
    finish(&world);
    for (uint64_t at = 0; at < MIB; at += 8 * KIB)
        put(&world, 0, 2, at, 4 * KIB);
    fly(&gate, &job);
    put(&world, 0, 3, 2 * MIB + 4 * KIB, 4 * KIB); /* in the source range */
    put(&world, 0, 4, 3 * MIB, 4 * KIB);           /* neither flies nor is shared */
    ok(file_clone_range(world.file[0], 2 * MIB, 64 * KIB, world.file[1], 0));
    ok(file_clone_range(world.file[0], 2 * MIB, 64 * KIB, world.file[0], 2 * MIB + 512 * KIB));
    bool same = false;
    ok(file_dedupe_range(world.file[0], 2 * MIB + 128 * KIB, 64 * KIB, world.file[0],
                         2 * MIB + 256 * KIB, &same));
    assert_true(same);
    assert_int_equal(counters(&world).cloned, 4 * KIB);
    assert_int_equal(counters(&world).cloned_outside, 0);
    assert_int_equal(place_of(&world, 0, 2 * MIB + 128 * KIB).address,
                     place_of(&world, 0, 2 * MIB + 256 * KIB).address);
    gate_open(&gate);
    join(&job);
    finish(&world);
    world_reopen(&world);
    expect(&world, 0, 2, 0, 4 * KIB);
    expect(&world, 0, 1, 4 * KIB, 4 * KIB);
    expect(&world, 0, 3, 2 * MIB + 4 * KIB, 4 * KIB);
    expect(&world, 0, 3, 2 * MIB + 516 * KIB, 4 * KIB);
    expect(&world, 0, 4, 3 * MIB, 4 * KIB);
    expect(&world, 1, 1, 0, 4 * KIB);
    expect(&world, 1, 3, 4 * KIB, 4 * KIB);
    world_free(&world);
}

static void *clone_range(void *arg)
{
    struct job *job = arg;

    job->error =
        file_clone_range(job->world->file[0], job->src, job->len, job->world->file[0], job->dst);
    return NULL;
}

/*
 * Seed 000 with compression on, and a compressed write in flight in the source range: the clone
 * shares what was written, and what went to preallocated space stays there.
 */
static void a_compressed_write_flies_in_the_source(void **state)
{
    struct world world;
    struct gate gate;
    struct job flight = {.world = &world};
    struct job sharing = {.world = &world, .src = 8 * KIB, .dst = MIB, .len = 120 * KIB};

    (void)state;
    make(&world, &gate);
    world.options.compress_type = COMPRESS_ZSTD;
    world.options.compress_force = true;
    world.fs.options = world.options;
    ok(file_fallocate(world.file[0], 0, 8 * KIB, 24 * KIB));
    put(&world, 0, 1, 2 * MIB, 4 * KIB); /* the file reaches behind all that follows */
    finish(&world);
    uint64_t first = place_of(&world, 0, 8 * KIB).address;
    put(&world, 0, 2, 64 * KIB, 256 * KIB); /* is to be compressed, and flies */
    fly(&gate, &flight);
    put(&world, 0, 3, 12 * KIB, 8 * KIB); /* in place, dirty */
    assert_int_equal(pthread_create(&sharing.thread, NULL, clone_range, &sharing), 0);
    while (pthread_rwlock_trywrlock(&world.file[0]->lock) == 0) {
        pthread_rwlock_unlock(&world.file[0]->lock);
        sched_yield();
    }
    gate_open(&gate); /* the clone is at work, or waits for the flight */
    join(&sharing);
    join(&flight);
    finish(&world);
    assert_int_equal(counters(&world).cloned_outside, 0);
    assert_int_equal(counters(&world).in_place, 8 * KIB);
    for (uint64_t at = 8 * KIB; at < 32 * KIB; at += 4 * KIB)
        assert_int_equal(place_of(&world, 0, at).address, first + at - 8 * KIB);
    assert_true(place_of(&world, 0, 64 * KIB).compressed);
    assert_int_equal(place_of(&world, 0, 64 * KIB).address,
                     place_of(&world, 0, MIB + 56 * KIB).address);
    world_reopen(&world);
    expect(&world, 0, 3, 12 * KIB, 8 * KIB);
    expect(&world, 0, 3, MIB + 4 * KIB, 8 * KIB);
    expect(&world, 0, 2, 64 * KIB, 256 * KIB);
    expect(&world, 0, 2, MIB + 56 * KIB, 64 * KIB);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clone_passes_what_flies_elsewhere),
        cmocka_unit_test(a_compressed_write_flies_in_the_source),
    };

    return cmocka_run_group_tests_name("holds", tests, NULL, NULL);
}
