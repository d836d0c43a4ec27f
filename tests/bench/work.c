// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The operations that are timed. Each line printed is
 *
 *     name  µs of the clock for one  µs of this process's CPU for one  how many
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "work.h"

enum {
    GROUP_FILES = 100000,
    LOOKUP_FILES = 10000,
    LOOKUPS = 500000,
    SMALL_FILES = 20000,
    SMALL_BYTES = 1024,
    DATA_MIB = 256,    /* as much as the library's cache in this benchmark: more than it keeps */
    CACHED_MIB = 64,   /* what it does keep */
    BUFFERED_MIB = 32, /* what every cache takes without writing */
    RANDOM_READS = 300000,
    TREE_DIRS = 500,
    TREE_FILES = 40,
    TREE_BYTES = 12 * 1024, /* about what a file of a source tree has */
};

const struct world *world;

void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

/* ---- clocks ------------------------------------------------------------------------------------
 */

struct span now(void)
{
    struct timespec wall, cpu;

    clock_gettime(CLOCK_MONOTONIC, &wall);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (struct span){
        .wall = (double)wall.tv_sec * 1e6 + (double)wall.tv_nsec / 1e3,
        .cpu = (double)cpu.tv_sec * 1e6 + (double)cpu.tv_nsec / 1e3,
    };
}

struct span since(struct span start)
{
    struct span end = now();

    return (struct span){.wall = end.wall - start.wall, .cpu = end.cpu - start.cpu};
}

void print(const char *name, struct span took, double count)
{
    printf("%-24s %10.3f %10.3f %9.0f\n", name, took.wall / count, took.cpu / count, count);
    fflush(stdout);
}

void report(const char *name, struct span start, double count)
{
    print(name, since(start), count);
}

/* ---- numbers in no order, the same ones each time ----------------------------------------------
 */

static uint64_t random_state;

void random_from(uint64_t seed)
{
    random_state = seed;
}

/* splitmix64 */
uint64_t random_next(void)
{
    uint64_t z = random_state += 0x9E3779B97F4A7C15ULL;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

static void fill(uint8_t *buf, size_t len)
{
    for (size_t i = 0; i + 8 <= len; i += 8) {
        uint64_t value = random_next();

        memcpy(buf + i, &value, 8);
    }
}

void *new_buffer(size_t len)
{
    uint8_t *buf = malloc(len);

    if (!buf)
        bench_die("memory", "none left");
    fill(buf, len);
    return buf;
}

/* ---- names -------------------------------------------------------------------------------------
 */

/* Done by hand: printf would take as long as some of what is timed. */
void file_name(char name[NAME_SIZE], uint64_t i)
{
    char *at = name + sizeof("file-0000000") - 1;

    memcpy(name, "file-0000000", sizeof("file-0000000"));
    for (; i; i /= 10)
        *--at = (char)('0' + i % 10);
}

handle *new_dir(const char *name)
{
    handle *root = world->root();
    handle *dir = world->make_dir(root, name);

    world->put(root);
    return dir;
}

void remove_dir(const char *name, handle *dir)
{
    handle *root = world->root();

    world->put(dir);
    world->remove_dir(root, name);
    world->put(root);
}

static void create_many(handle *dir, uint64_t count)
{
    char name[NAME_SIZE];

    for (uint64_t i = 0; i < count; i++) {
        file_name(name, i);
        world->create(dir, name);
    }
}

static void unlink_many(handle *dir, uint64_t count)
{
    char name[NAME_SIZE];

    for (uint64_t i = 0; i < count; i++) {
        file_name(name, i);
        world->unlink(dir, name);
    }
}

static void list_all(handle *dir, uint64_t count)
{
    if (world->list(dir) != count + 2)
        bench_die("readdir", "not all names are there");
}

/* ---- names and attributes ----------------------------------------------------------------------
 */

static void bench_group(void)
{
    /* Fewer of them where each instruction is counted. */
    uint64_t files =
        getenv("BENCH_FILES") ? strtoull(getenv("BENCH_FILES"), NULL, 10) : GROUP_FILES;
    handle *dir = new_dir("group");
    struct span start;

    world->sync();
    start = now();
    create_many(dir, files);
    report("create", start, (double)files);
    world->sync();
    report("create+commit", start, (double)files);
    start = now();
    list_all(dir, files);
    report("readdir", start, (double)files);
    start = now();
    unlink_many(dir, files);
    report("unlink", start, (double)files);
    world->sync();
    report("unlink+commit", start, (double)files);
    remove_dir("group", dir);
}

static void bench_lookup(void)
{
    handle *dir = new_dir("l"), *a, *b, *c, *root = world->root();
    char name[NAME_SIZE], path[2 * NAME_SIZE];
    struct span start;

    a = world->make_dir(dir, "some");
    b = world->make_dir(a, "directories");
    c = world->make_dir(b, "deep");
    create_many(c, LOOKUP_FILES);
    world->sync();
    for (int warm = 1; warm >= 0; warm--) {
        random_from(1);
        start = now();
        for (uint64_t i = 0; i < LOOKUPS; i++) {
            file_name(name, random_next() % LOOKUP_FILES);
            world->lookup(c, name);
        }
    }
    report("lookup", start, LOOKUPS);
    start = now();
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        file_name(name, random_next() % LOOKUP_FILES);
        world->stat(c, name);
    }
    report("lookup+stat", start, LOOKUPS);
    start = now();
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        file_name(name, random_next() % LOOKUP_FILES);
        snprintf(path, sizeof(path), "l/some/directories/deep/%s", name);
        world->lookup(root, path);
    }
    report("walk of 5 names", start, LOOKUPS);
    unlink_many(c, LOOKUP_FILES);
    world->put(c);
    world->remove_dir(b, "deep");
    world->put(b);
    world->remove_dir(a, "directories");
    world->put(a);
    world->remove_dir(dir, "some");
    remove_dir("l", dir);
    world->put(root);
}

/* ---- data --------------------------------------------------------------------------------------
 */

static void bench_small(void)
{
    handle *dir = new_dir("small");
    uint8_t *buf = new_buffer(SMALL_BYTES);
    struct span start;
    char name[NAME_SIZE];

    world->sync();
    start = now();
    for (uint64_t i = 0; i < SMALL_FILES; i++) {
        file_name(name, i);
        handle *file = world->create_open(dir, name);
        world->write(file, buf, SMALL_BYTES, 0);
        world->put(file);
    }
    report("create 1 KiB", start, SMALL_FILES);
    world->sync();
    report("create 1 KiB+commit", start, SMALL_FILES);
    unlink_many(dir, SMALL_FILES);
    world->sync();
    remove_dir("small", dir);
    free(buf);
}

static void read_through(handle *file, uint8_t *buf, uint64_t mib)
{
    for (uint64_t at = 0; at < (uint64_t)((double)mib * MIB); at += PIECE)
        world->read(file, buf, PIECE, at);
}

/* Twice: the first time it is read from the device, or seen to be in the way of what is. */
static void read_timed(handle *file, uint8_t *buf, uint64_t mib, const char *label)
{
    struct span start;

    read_through(file, buf, mib);
    start = now();
    read_through(file, buf, mib);
    report(label, start, (double)mib);
}

static void read_at_random(handle *file, uint8_t *buf, uint64_t mib, const char *label)
{
    uint64_t blocks = (uint64_t)((double)mib * MIB / BLOCK);
    struct span start;

    random_from(2);
    start = now();
    for (uint64_t i = 0; i < RANDOM_READS; i++)
        world->read(file, buf, BLOCK, random_next() % blocks * BLOCK);
    report(label, start, RANDOM_READS);
}

void write_through(handle *file, const uint8_t *buf, uint64_t mib)
{
    for (uint64_t at = 0; at < (uint64_t)((double)mib * MIB); at += PIECE)
        world->write(file, buf, PIECE, at);
}

static void bench_data(void)
{
    handle *dir = new_dir("data");
    handle *file = world->create_open(dir, "file");
    uint8_t *buf = new_buffer(PIECE);
    struct span start;

    write_through(file, buf, BUFFERED_MIB);
    world->sync();
    start = now();
    write_through(file, buf, BUFFERED_MIB);
    report("write MiB, buffered", start, BUFFERED_MIB);
    world->sync();
    start = now();
    write_through(file, buf, DATA_MIB);
    world->sync();
    report("write MiB+sync", start, DATA_MIB);
    read_timed(file, buf, CACHED_MIB, "read MiB, cached");
    read_at_random(file, buf, CACHED_MIB, "read 4 KiB, cached");
    read_timed(file, buf, DATA_MIB, "read MiB");
    read_at_random(file, buf, DATA_MIB, "read 4 KiB at random");
    world->put(file);
    world->unlink(dir, "file");
    world->sync();
    remove_dir("data", dir);
    free(buf);
}

/* As tar does: directory after directory, each file written at once. */
static void bench_tree(void)
{
    handle *top = new_dir("tree");
    uint8_t *buf = new_buffer(4 * TREE_BYTES);
    char name[NAME_SIZE];
    struct span start;

    world->sync();
    random_from(3);
    start = now();
    for (uint64_t d = 0; d < TREE_DIRS; d++) {
        snprintf(name, sizeof(name), "dir-%03llu", (unsigned long long)d);
        handle *dir = world->make_dir(top, name);
        for (uint64_t i = 0; i < TREE_FILES; i++) {
            file_name(name, i);
            handle *file = world->create_open(dir, name);
            world->write(file, buf, 1 + random_next() % (2 * TREE_BYTES), 0);
            world->put(file);
        }
        world->put(dir);
    }
    world->sync();
    report("unpack", start, TREE_DIRS * TREE_FILES);
    world->put(top);
    free(buf);
}

/* ---- growth ------------------------------------------------------------------------------------
 */

enum { CREATE, LIST, REMOVE, PARTS };

static const char *const parts[PARTS] = {"create", "list", "remove"};

static void add_since(struct span *sum, struct span start)
{
    struct span took = since(start);

    sum->wall += took.wall;
    sum->cpu += took.cpu;
}

static void grow_once(uint64_t count, struct span took[PARTS])
{
    handle *dir = new_dir("grow");
    struct span start;

    world->sync();
    start = now();
    create_many(dir, count);
    world->sync();
    add_since(&took[CREATE], start);
    start = now();
    list_all(dir, count);
    add_since(&took[LIST], start);
    start = now();
    unlink_many(dir, count);
    world->sync();
    add_since(&took[REMOVE], start);
    remove_dir("grow", dir);
    world->sync();
}

/* Small ones several times: they are over in no time. */
static void grow_to(uint64_t count, uint64_t rounds, struct span took[PARTS])
{
    char label[NAME_SIZE];

    for (uint64_t i = 0; i < rounds; i++)
        grow_once(count, took);
    for (int part = 0; part < PARTS; part++) {
        snprintf(label, sizeof(label), "%s of %llu", parts[part], (unsigned long long)count);
        print(label, took[part], (double)(count * rounds));
    }
}

/* 1.0: what took a microsecond each for `few` takes log(many) / log(few) for `many`. */
static double growth(double each_few, double few, double each_many, double many)
{
    return each_many / each_few / (log(many) / log(few));
}

struct grown {
    uint64_t count, rounds;
    struct span took[PARTS];
};

static void print_growth(int part, const struct grown *few, const struct grown *many)
{
    double a = (double)few->count, b = (double)many->count;
    double files_a = a * (double)few->rounds, files_b = b * (double)many->rounds;
    const struct span *x = &few->took[part], *y = &many->took[part];

    printf("growth of %s to %llu, in n log n: %.2f by the clock, %.2f by CPU time\n", parts[part],
           (unsigned long long)many->count, growth(x->wall / files_a, a, y->wall / files_b, b),
           growth(x->cpu / files_a, a, y->cpu / files_b, b));
}

static void bench_growth(void)
{
    struct grown grown[] = {{.count = 10000, .rounds = 20},
                            {.count = 100000, .rounds = 3},
                            {.count = 1000000, .rounds = 1}};

    for (int i = 0; i < 3; i++)
        grow_to(grown[i].count, grown[i].rounds, grown[i].took);
    for (int part = 0; part < PARTS; part++)
        for (int i = 1; i < 3; i++)
            print_growth(part, &grown[0], &grown[i]);
}

/* ---- which -------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    void (*run)(void);
    int asked_only;
    uint64_t cache_mib; /* 0: the usual cache */
} benches[] = {
    {"group", bench_group, 0, 0},     {"lookup", bench_lookup, 0, 0},
    {"small", bench_small, 0, 0},     {"data", bench_data, 0, DATA_MIB},
    {"tree", bench_tree, 0, 0},       {"rewrite", bench_rewrite, 0, 0},
    {"reflink", bench_reflink, 0, 0}, {"fsync", bench_fsync, 0, 0},
    {"growth", bench_growth, 1, 0},   {"hot", bench_hot, 1, 0},
};

static void run(void (*bench)(void), uint64_t cache_mib)
{
    if (cache_mib && world->reopen)
        world->reopen(cache_mib);
    bench();
    if (cache_mib && world->reopen)
        world->reopen(0);
}

int bench_main(const struct world *the_world, int argc, char **argv)
{
    size_t count = sizeof(benches) / sizeof(benches[0]);
    int ran = 0;

    world = the_world;
    for (size_t i = 0; i < count; i++) {
        int wanted = argc == 0 && !benches[i].asked_only;

        for (int a = 0; a < argc; a++)
            wanted |= strcmp(argv[a], benches[i].name) == 0;
        if (wanted)
            run(benches[i].run, benches[i].cache_mib);
        ran += wanted;
    }
    if (ran == 0)
        bench_die(argc ? argv[0] : "nothing", "no such benchmark");
    return 0;
}
