// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A large image file under random writes, while other ranges of it are shared: does that cost the
 * writer anything? One thread writes 4 KiB blocks, at a fixed rate and then as fast as it can; a
 * loop shares 64 KiB twenty times a second, by reflink and by dedupe in turn. Without and with the
 * loop, over and over again; medians.
 *
 *     HOT_MIB=2048 HOT_SECONDS=3 HOT_RUNS=5 HOT_RATE=1000 (writes a second) HOT_CALLS=20 (of the
 * loop)
 *
 * With HOT_CALLS=0.01 the loop does nothing, and what is called a cost then is the machine's noise.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "work.h"

#define SHARE (64 * 1024)
#define CLONES_MIB 64
#define RUNS_MAX 99
#define SAMPLES_MAX (1 << 22)

struct samples {
    float *us;
    size_t count;
};

/* Of one run. */
struct figures {
    double rate_p99, flat_p99, flat_each, flat_cpu;
};

struct hot {
    handle *image, *clones;
    uint64_t written_blocks; /* the writer's part, at the beginning */
    uint64_t pieces;         /* of PIECE bytes, behind it: the loop's part */
    double seconds, rate, period;
    int runs;
    uint8_t *buf;
    struct samples writes, reflinks, dedupes;
    int stop; /* atomic */
    int no_dedupe;
};

static double number(const char *name, double otherwise)
{
    const char *text = getenv(name);

    return text ? atof(text) : otherwise;
}

static void take(struct samples *samples, double us)
{
    if (samples->count < SAMPLES_MAX)
        samples->us[samples->count++] = (float)us;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static double percentile(struct samples *samples, double of_hundred)
{
    if (samples->count == 0)
        return 0;
    qsort(samples->us, samples->count, sizeof(float), by_size);
    return samples->us[(size_t)((double)(samples->count - 1) * of_hundred / 100)];
}

static double median(const struct figures *figures, int count, size_t offset)
{
    float values[RUNS_MAX];
    struct samples all = {values, 0};

    for (int i = 0; i < count; i++)
        values[all.count++] = (float)*(const double *)((const char *)&figures[i] + offset);
    return percentile(&all, 50);
}

static void sleep_until(struct span start, double us)
{
    double left = us - since(start).wall;

    if (left > 0)
        nanosleep(&(struct timespec){(time_t)(left / 1e6), (long)left % 1000000 * 1000}, NULL);
}

/* ---- the two at work ------------------------------------------------------------------------- */

static uint64_t loop_place(const struct hot *hot, uint64_t random)
{
    return hot->written_blocks * BLOCK + random % hot->pieces * PIECE;
}

/* Its places are its own, so that only being in one file with the writer can cost anything. */
static void share_once(struct hot *hot, uint64_t i)
{
    uint64_t from = i * 40503 % hot->pieces, to = (from + 1 + i % (hot->pieces - 1)) % hot->pieces;
    struct span start = now();

    if (i % 2 == 0) {
        world->clone_range(hot->image, loop_place(hot, from), SHARE, hot->clones,
                           i * SHARE % (uint64_t)(CLONES_MIB * MIB));
        take(&hot->reflinks, since(start).wall);
    } else if (!hot->no_dedupe) {
        hot->no_dedupe = !world->dedupe_range(hot->image, loop_place(hot, from), SHARE, hot->image,
                                              loop_place(hot, to));
        take(&hot->dedupes, since(start).wall);
    }
}

static void *share_on(void *arg)
{
    struct hot *hot = arg;
    struct span start = now();

    for (uint64_t i = 0; !__atomic_load_n(&hot->stop, __ATOMIC_ACQUIRE); i++) {
        share_once(hot, i);
        sleep_until(start, (double)(i + 1) * hot->period);
    }
    return NULL;
}

/* What one took. rate: writes a second, 0: as many as can be. */
static struct span write_on(struct hot *hot, double rate)
{
    double limit = hot->seconds * 1e6, us = 0;
    struct span start = now();
    uint64_t i = 0;

    hot->writes.count = 0;
    for (; us < limit; i++) {
        uint64_t random = random_next();
        double before = us = since(start).wall;

        world->write(hot->image, hot->buf + random % 16 * BLOCK, BLOCK,
                     (random >> 8) % hot->written_blocks * BLOCK);
        us = since(start).wall;
        take(&hot->writes, us - before);
        if (rate > 0)
            sleep_until(start, (double)(i + 1) / rate * 1e6);
    }
    struct span took = since(start);
    return (struct span){took.wall / (double)i, took.cpu / (double)i};
}

static struct figures run_once(struct hot *hot, int with_loop)
{
    struct figures figures;
    pthread_t thread;

    world->sync();
    hot->stop = 0;
    if (with_loop && pthread_create(&thread, NULL, share_on, hot) != 0)
        bench_die("hot", "no thread");
    write_on(hot, hot->rate);
    figures.rate_p99 = percentile(&hot->writes, 99);
    struct span each = write_on(hot, 0);
    figures.flat_each = each.wall;
    figures.flat_cpu = each.cpu;
    figures.flat_p99 = percentile(&hot->writes, 99);
    __atomic_store_n(&hot->stop, 1, __ATOMIC_RELEASE);
    if (with_loop)
        pthread_join(thread, NULL);
    return figures;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static void row(const char *kind, const char *what, double value, double cpu)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "hot %s %s", kind, what);
    print(name, (struct span){value, cpu}, 1);
}

static const char *kept(double alone, double with)
{
    return with <= 2 * alone || with <= alone + 200 ? "kept" : "NOT kept";
}

static void tell(struct hot *hot, const char *kind, const struct figures *alone,
                 const struct figures *with)
{
    const size_t rate = offsetof(struct figures, rate_p99),
                 flat = offsetof(struct figures, flat_p99);
    const size_t each = offsetof(struct figures, flat_each);
    double r[2] = {median(alone, hot->runs, rate), median(with, hot->runs, rate)};
    double f[2] = {median(alone, hot->runs, flat), median(with, hot->runs, flat)};
    const size_t cpu = offsetof(struct figures, flat_cpu);
    double c[2] = {median(alone, hot->runs, cpu), median(with, hot->runs, cpu)};
    double e[2] = {median(alone, hot->runs, each), median(with, hot->runs, each)};

    row(kind, "rate p99 alone", r[0], 0);
    row(kind, "rate p99 +loop", r[1], 0);
    row(kind, "each alone", e[0], c[0]);
    row(kind, "each +loop", e[1], c[1]);
    row(kind, "flat p99 alone", f[0], 0);
    row(kind, "flat p99 +loop", f[1], 0);
    row(kind, "reflink p50", percentile(&hot->reflinks, 50), 0);
    row(kind, "reflink p99", percentile(&hot->reflinks, 99), 0);
    row(kind, "dedupe p50", percentile(&hot->dedupes, 50), 0);
    printf("# hot %s: with the loop %.2f of the throughput (0.9: %s; by CPU time %.2f)\n", kind,
           e[0] / e[1], e[0] / e[1] >= 0.9 ? "kept" : "NOT kept", c[0] / c[1]);
    printf("# hot %s: p99 at a rate %s, flat out %s\n", kind, kept(r[0], r[1]), kept(f[0], f[1]));
    if (hot->no_dedupe)
        printf("# hot %s: no dedupe here\n", kind);
    if (world->written_beside)
        printf("# hot %s: %llu bytes written because of the loop beside the ranges it shared\n",
               kind, (unsigned long long)world->written_beside());
}

static void bench_kind(const char *kind, int nocow)
{
    uint64_t mib = (uint64_t)number("HOT_MIB", 2048);
    struct figures alone[RUNS_MAX], with[RUNS_MAX];
    handle *dir = new_dir("hot");
    struct hot hot = {
        .image = world->create_open(dir, "image"),
        .clones = world->create_open(dir, "clones"),
        .written_blocks = mib * 3 / 4 * (uint64_t)MIB / BLOCK,
        .pieces = mib / 4 * (uint64_t)MIB / PIECE,
        .seconds = number("HOT_SECONDS", 3),
        .rate = number("HOT_RATE", 1000),
        .period = 1e6 / number("HOT_CALLS", 20),
        .runs = (int)number("HOT_RUNS", 5),
        .buf = new_buffer(PIECE),
        .writes = {new_buffer(SAMPLES_MAX * sizeof(float)), 0},
        .reflinks = {new_buffer(SAMPLES_MAX * sizeof(float)), 0},
        .dedupes = {new_buffer(SAMPLES_MAX * sizeof(float)), 0},
    };

    if (hot.runs < 1 || hot.runs > RUNS_MAX || hot.pieces < 4)
        bench_die("hot", "HOT_RUNS or HOT_MIB cannot be");
    if (!nocow || (world->set_nocow(hot.image) && world->set_nocow(hot.clones))) {
        write_through(hot.image, hot.buf, mib);
        for (int i = 0; i < hot.runs; i++) {
            alone[i] = run_once(&hot, 0);
            with[i] = run_once(&hot, 1);
        }
        tell(&hot, kind, alone, with);
    }
    world->put(hot.image);
    world->put(hot.clones);
    world->unlink(dir, "image");
    world->unlink(dir, "clones");
    world->sync();
    remove_dir("hot", dir);
    free(hot.buf);
    free(hot.writes.us);
    free(hot.reflinks.us);
    free(hot.dedupes.us);
}

void bench_hot(void)
{
    bench_kind("cow", 0);
    bench_kind("nocow", 1);
}
