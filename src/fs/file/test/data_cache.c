// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The cache of file data: it never gives bytes that were forgotten before they were asked for,
 * takes no more memory than it may, and what fits is found again.
 */
#include "base/test/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bits.h"
#include "base/env.h"
#include "fs/file/data_cache.h"

#define SECTOR 4096
#define DISK_SECTORS 2048
#define FIRST_ADDR (1ULL << 40)

static struct data_cache *new_cache(uint64_t bytes, uint32_t sectorsize)
{
    struct data_cache *cache;

    assert_int_equal(data_cache_new(bytes, sectorsize, &cache), 0);
    assert_non_null(cache);
    return cache;
}

/* ---- one thread, against a plain array ------------------------------------------------------- */

struct model {
    struct data_cache *cache;
    uint32_t sectorsize;
    uint64_t limit;
    uint64_t version[DISK_SECTORS]; /* what the device holds, in every word of the sector */
    uint64_t found, asked;
    uint8_t *buf;
};

static uint64_t word_of(const struct model *model, uint64_t sector)
{
    return model->version[sector] << 16 | sector;
}

static void fill(const struct model *model, uint64_t sector, uint64_t count)
{
    uint64_t *words = (uint64_t *)model->buf;

    for (uint64_t i = 0; i < count * model->sectorsize / 8; i++)
        words[i] = word_of(model, sector + i / (model->sectorsize / 8));
}

static void check(const struct model *model, uint64_t start, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t word = word_of(model, (start + i) / model->sectorsize);

        assert_int_equal(model->buf[i], ((uint8_t *)&word)[(start + i) % 8]);
    }
}

static void one_step(struct model *model, struct rng *rng)
{
    uint64_t sector = rng_below(rng, DISK_SECTORS), len = 1 + rng_below(rng, 40);
    uint64_t addr = FIRST_ADDR + sector * model->sectorsize, skip;
    uint64_t ticket = data_cache_ticket(model->cache);

    len = MIN(len, DISK_SECTORS - sector);
    switch (rng_below(rng, 8)) {
    case 0: /* written */
        for (uint64_t i = 0; i < len; i++)
            model->version[sector + i]++;
        data_cache_forget(model->cache, addr, len * model->sectorsize);
        break;
    case 1: /* read while it was written */
        fill(model, sector, len);
        model->version[sector]++;
        data_cache_forget(model->cache, addr, model->sectorsize);
        data_cache_put(model->cache, ticket, addr, model->buf, len * model->sectorsize);
        break;
    case 2:
        if (rng_below(rng, 50) == 0)
            model->limit = rng_below(rng, 5 * MIB);
        data_cache_limit(model->cache, model->limit);
        break;
    case 3:
    case 4:
        if (data_cache_admits(model->cache, addr)) {
            fill(model, sector, len);
            data_cache_put(model->cache, ticket, addr, model->buf, len * model->sectorsize);
        }
        break;
    default:
        skip = rng_below(rng, model->sectorsize);
        len = len * model->sectorsize - skip - rng_below(rng, model->sectorsize - skip);
        size_t n = data_cache_read(model->cache, addr + skip, model->buf, len);
        assert_true(n <= len);
        check(model, sector * model->sectorsize + skip, n);
        model->found += n > 0;
        model->asked++;
    }
    assert_true(data_cache_bytes(model->cache) <= model->limit);
}

static void run_model(uint32_t sectorsize, uint64_t bytes, unsigned steps, uint64_t seed)
{
    struct model *model = calloc(1, sizeof(*model));
    struct rng rng;

    *model = (struct model){.sectorsize = sectorsize,
                            .limit = bytes,
                            .cache = new_cache(bytes, sectorsize),
                            .buf = malloc(41ULL * sectorsize)};
    rng_seed(&rng, seed);
    for (unsigned i = 0; i < steps; i++)
        one_step(model, &rng);
    assert_true(model->found > model->asked / 50);
    data_cache_free(model->cache);
    free(model->buf);
    free(model);
}

static void agrees_with_the_device(void **state)
{
    uint64_t seed = unit_seed(1);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        run_model(4 * KIB, (1 + i) * MIB, 20000, seed + i);
        run_model(64 * KIB, (1 + i) * 4 * MIB, 2000, seed + i);
    }
}

/* ---- what a cache is for --------------------------------------------------------------------- */

static uint64_t read_once(struct data_cache *cache, uint64_t addr, uint8_t *buf)
{
    uint64_t ticket = data_cache_ticket(cache);

    if (data_cache_read(cache, addr, buf, SECTOR) == SECTOR)
        return 1;
    if (data_cache_admits(cache, addr))
        data_cache_put(cache, ticket, addr, buf, SECTOR);
    return 0;
}

static uint64_t read_all(struct data_cache *cache, uint64_t bytes)
{
    uint8_t buf[SECTOR] = {0};
    uint64_t found = 0;

    for (uint64_t at = 0; at < bytes; at += SECTOR)
        found += read_once(cache, FIRST_ADDR + at, buf);
    return found;
}

static void what_fits_is_found(void **state)
{
    struct data_cache *cache = new_cache(16 * MIB, SECTOR);

    (void)state;
    assert_int_equal(read_all(cache, 15 * MIB), 0);
    assert_int_equal(read_all(cache, 15 * MIB), 15 * MIB / SECTOR);
    assert_true(data_cache_bytes(cache) <= 16 * MIB);
    data_cache_free(cache);
}

/* Who reads through more than fits, again and again, finds a part of it. */
static void a_part_of_what_does_not_fit_stays(void **state)
{
    struct data_cache *cache = new_cache(16 * MIB, SECTOR);
    uint64_t found = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        found = read_all(cache, 32 * MIB);
    assert_true(found > 4 * MIB / SECTOR);
    data_cache_free(cache);
}

/* What is read often survives somebody who reads a lot once. */
static void what_is_hot_stays(void **state)
{
    struct data_cache *cache = new_cache(16 * MIB, SECTOR);

    (void)state;
    read_all(cache, 4 * MIB);
    uint8_t buf[SECTOR] = {0};
    for (uint64_t at = 0; at < 256 * MIB; at += SECTOR) {
        read_once(cache, 2 * FIRST_ADDR + at, buf);
        read_once(cache, FIRST_ADDR + at % (4 * MIB), buf);
    }
    assert_true(read_all(cache, 4 * MIB) > 3 * MIB / SECTOR);
    data_cache_free(cache);
}

static void too_little_is_none(void **state)
{
    struct data_cache *cache;
    uint8_t byte;

    (void)state;
    assert_int_equal(data_cache_new(1000, SECTOR, &cache), 0);
    assert_null(cache);
    assert_false(data_cache_admits(cache, 0));
    assert_int_equal(data_cache_read(cache, 0, &byte, 1), 0);
    data_cache_put(cache, data_cache_ticket(cache), 0, NULL, 0);
    data_cache_forget(cache, 0, SECTOR);
    data_cache_limit(cache, MIB);
    assert_int_equal(data_cache_bytes(cache), 0);
    data_cache_free(cache);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define SHARED_SECTORS 512
#define READERS 3
#define READS 20000

/* A sector holds its version in every word. Each is written by one thread, as a file's data is. */
struct disk {
    struct data_cache *cache;
    _Atomic uint64_t written[SHARED_SECTORS];
    _Atomic uint64_t forgotten[SHARED_SECTORS]; /* readers must not see less than this */
    atomic_bool stop;
};

struct reader {
    struct disk *disk;
    pthread_t thread;
    uint64_t seed;
    uint64_t wrong, found;
};

static void read_shared(struct reader *reader, uint64_t sector)
{
    struct disk *disk = reader->disk;
    uint64_t words[SECTOR / 8], addr = FIRST_ADDR + sector * SECTOR;
    uint64_t least = atomic_load(&disk->forgotten[sector]);

    if (data_cache_read(disk->cache, addr, words, SECTOR) == 0) {
        uint64_t ticket = data_cache_ticket(disk->cache);
        uint64_t version = atomic_load(&disk->written[sector]);

        for (unsigned i = 0; i < SECTOR / 8; i++)
            words[i] = version;
        if (data_cache_admits(disk->cache, addr))
            data_cache_put(disk->cache, ticket, addr, words, SECTOR);
        return;
    }
    reader->found++;
    for (unsigned i = 0; i < SECTOR / 8; i++)
        reader->wrong += words[i] != words[0];
    reader->wrong += words[0] < least;
}

static void *read_many(void *arg)
{
    struct reader *reader = arg;
    struct rng rng;

    rng_seed(&rng, reader->seed);
    /* Longer where the writer has the processor: with nothing found nothing would be shown. */
    for (uint64_t i = 0; i < READS || (reader->found == 0 && i < 1000ULL * READS); i++)
        read_shared(reader, rng_below(&rng, SHARED_SECTORS));
    return NULL;
}

static void *write_many(void *arg)
{
    struct disk *disk = arg;
    struct rng rng;

    rng_seed(&rng, 7);
    while (!atomic_load(&disk->stop)) {
        uint64_t sector = rng_below(&rng, SHARED_SECTORS);
        uint64_t version = atomic_fetch_add(&disk->written[sector], 1) + 1;

        data_cache_forget(disk->cache, FIRST_ADDR + sector * SECTOR, SECTOR);
        atomic_store(&disk->forgotten[sector], version);
        if (rng_below(&rng, 500) == 0)
            data_cache_limit(disk->cache, MIB + rng_below(&rng, 3 * MIB));
        for (unsigned i = 0; i < 2000; i++)
            atomic_thread_fence(memory_order_seq_cst);
    }
    return NULL;
}

static void nothing_stale_is_read(void **state)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    struct reader readers[READERS];
    pthread_t writer;
    uint64_t found = 0;

    (void)state;
    disk->cache = new_cache(2 * MIB, SECTOR);
    assert_int_equal(pthread_create(&writer, NULL, write_many, disk), 0);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.disk = disk, .seed = unit_seed(3) + i};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_many, &readers[i]), 0);
    }
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].wrong, 0);
        found += readers[i].found;
    }
    atomic_store(&disk->stop, true);
    pthread_join(writer, NULL);
    assert_true(found > 0);
    data_cache_free(disk->cache);
    free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_device),
        cmocka_unit_test(what_fits_is_found),
        cmocka_unit_test(a_part_of_what_does_not_fit_stays),
        cmocka_unit_test(what_is_hot_stays),
        cmocka_unit_test(too_little_is_none),
        cmocka_unit_test(nothing_stale_is_read),
    };

    return cmocka_run_group_tests_name("cache of file data", tests, NULL, NULL);
}
