// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards promise 6 by bounded exhaustion: short sequences of operations on a small tree, each
 * followed by a sync of one of the names, of a directory, of everything, or by nothing; then the
 * power goes. What Linux file systems were found to lose, they lost after sequences this short.
 *
 *   bounded [SHARD OF]
 *
 *   BOUNDED_PAIRS=N     sequences of two operations, chosen by seed; "all": every one
 *   BOUNDED_TRIPLES=N   of three
 *   BOUNDED_SINGLES=no  none of one
 *   BOUNDED_SEED=S
 *   BOUNDED="step+keep[,step+keep...]"   one sequence, by numbers, told
 *   BOUNDED_KEEP=DIR    leaves the images of up to BOUNDED_KEEP_MAX (100) sequences there, as the
 *                       crash left them, for Linux to replay
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/dev/dev.h"
#include "ops/mkfs/mkfs.h"
#include "tests/bounded/judge.h"
#include "tests/model/judge.h"
#include "tests/model/verify.h"

#define DEVICE_BYTES (256 * MIB)
#define CACHE_BYTES (8 * MIB)
#define LENGTH_MAX 4
/* States of which `copse check` judges one. */
#define CHECKED_EACH 16
#define PAIRS 1500
#define TRIPLES 500
#define FAILURES_SHOWN 20

struct sequence {
    size_t length;
    struct {
        size_t step, keep;
    } part[LENGTH_MAX];
};

struct bounded {
    struct dev *start;
    uint64_t states, sequences, impossible, violations;
    const char *keep_dir;
    uint64_t kept, keep_max;
    bool told;
};

static void must(int ret, const char *what)
{
    if (ret < 0) {
        fprintf(stderr, "%s: %s\n", what, fail_message());
        abort();
    }
}

static struct mount *open_on(struct env *env, struct dev *disk)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(disk);
    struct mount *m;

    options.cache_bytes = CACHE_BYTES;
    return mount_open(env, &dev, 1, &options, &m) < 0 ? NULL : m;
}

static struct dev *prepare(void)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct env *env = env_seeded_new(1);
    struct dev *disk = dev_mem_new(DEVICE_BYTES);
    struct mount *m;

    must(mkfs_run(env, disk, &options, NULL), "mkfs");
    m = open_on(env, disk);
    must(m ? 0 : -1, "open");
    must(steps_prepare(m), "the tree to begin with");
    must(mount_close(m), "close");
    env_seeded_free(env);
    return disk;
}

/* ---- running and judging
 * ---------------------------------------------------------------------- */

static const char *text_of(const struct sequence *seq)
{
    static char text[1024];
    size_t used = (size_t)snprintf(text, sizeof(text), "BOUNDED=\"");

    for (size_t i = 0; i < seq->length; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%zu+%zu", i ? "," : "",
                                 seq->part[i].step, seq->part[i].keep);
    used += (size_t)snprintf(text + used, sizeof(text) - used, "\":");
    for (size_t i = 0; i < seq->length; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, " %s; %s;",
                                 step_name(seq->part[i].step), keep_name(seq->part[i].keep));
    return text;
}

static void complain(struct bounded *b, const struct sequence *seq, const char *why)
{
    b->violations++;
    if (b->violations <= FAILURES_SHOWN)
        printf("# %s %s\n", text_of(seq), why);
}

/* 0: done; 1: not possible; -1: an operation went wrong. */
static int run(struct mount *m, const struct sequence *seq, struct course *course)
{
    must(shot_take(m, &course->moments[0]), "looking");
    course->count = 1;
    for (size_t i = 0; i < seq->length; i++) {
        size_t moment = i + 1;

        int ret = step_run(m, seq->part[i].step, (unsigned)moment);
        if (ret != 0)
            return ret;
        must(shot_take(m, &course->moments[moment]), "looking");
        course->count++;
        ret = keep_run(m, seq->part[i].keep, &course->kept[moment].kind, &course->kept[moment].ino);
        if (ret != 0)
            return ret;
    }
    return 0;
}

/* What has been written before the last flush, and all of the rest or nothing. */
static struct dev *crashed(const struct bounded *b, struct dev *recorder, bool rest, bool *differs)
{
    struct dev *disk = dev_mem_clone(b->start);
    size_t count = dev_record_count(recorder), flushed = 0;

    for (size_t i = 0; i < count; i++)
        if (dev_record_entry(recorder, i).op == DEV_OP_FLUSH)
            flushed = i + 1;
    *differs = flushed < count;
    for (size_t i = 0; i < (rest ? count : flushed); i++) {
        struct dev_record entry = dev_record_entry(recorder, i);

        must(dev_record_apply(&entry, disk), "apply");
    }
    return disk;
}

static void keep_image(struct bounded *b, const struct sequence *seq, struct dev *disk)
{
    if (b->keep_dir && b->kept < b->keep_max &&
        judge_keep_listed(disk, b->keep_dir, b->kept++, text_of(seq)) < 0)
        abort();
}

static void judge(struct bounded *b, const struct sequence *seq, const struct course *course,
                  struct dev *disk)
{
    struct env *env = env_seeded_new(2);
    unsigned brief = b->states % CHECKED_EACH == 0 ? 0 : VERIFY_BRIEF;
    struct shot found;
    char error[2048];

    b->states++;
    struct mount *m = open_on(env, disk);
    if (!m) {
        complain(b, seq, fail_message());
    } else if (shot_take(m, &found) < 0) {
        complain(b, seq, fail_message());
        mount_crash(m);
    } else {
        if (course_judge(course, &found, error, sizeof(error)) < 0)
            complain(b, seq, error);
        shot_free(&found);
        if (mount_close(m) < 0)
            complain(b, seq, fail_message());
        else if (verify_device(env, disk, VERIFY_CLOSED | brief, error, sizeof(error)) < 0)
            complain(b, seq, error);
    }
    env_seeded_free(env);
}

static void try_sequence(struct bounded *b, const struct sequence *seq)
{
    struct env *env = env_seeded_new(3);
    struct dev *recorder = dev_record_new(dev_mem_clone(b->start));
    static struct course course;
    struct mount *m = open_on(env, recorder);

    must(m ? 0 : -1, "open");
    course = (struct course){.count = 0};
    int ret = run(m, seq, &course);
    mount_crash(m);
    b->sequences++;
    if (ret > 0)
        b->impossible++;
    else if (ret < 0)
        complain(b, seq, fail_message());
    for (int rest = 0; ret == 0 && rest < 2; rest++) {
        bool differs;
        struct dev *disk = crashed(b, recorder, rest != 0, &differs);

        if (rest == 0)
            keep_image(b, seq, disk);
        if (rest == 0 || differs)
            judge(b, seq, &course, disk);
        dev_close(disk);
    }
    for (size_t i = 0; i < course.count; i++)
        shot_free(&course.moments[i]);
    dev_close(recorder);
    env_seeded_free(env);
}

/* ---- which sequences
 * ------------------------------------------------------------------------- */

/* The number-th of all of that length. */
static struct sequence sequence_of(size_t length, uint64_t number)
{
    struct sequence seq = {.length = length};

    for (size_t i = 0; i < length; i++) {
        seq.part[i].step = number % steps_count();
        number /= steps_count();
        seq.part[i].keep = number % keeps_count();
        number /= keeps_count();
    }
    return seq;
}

static uint64_t number_of(size_t length)
{
    uint64_t all = 1;

    for (size_t i = 0; i < length; i++)
        all *= steps_count() * keeps_count();
    return all;
}

static void try_all(struct bounded *b, size_t length, uint64_t shard, uint64_t shards)
{
    for (uint64_t i = shard; i < number_of(length); i += shards) {
        struct sequence seq = sequence_of(length, i);

        try_sequence(b, &seq);
    }
}

static void try_some(struct bounded *b, size_t length, uint64_t count, struct rng *rng)
{
    while (count > 0) {
        struct sequence seq = sequence_of(length, rng_below(rng, number_of(length)));
        uint64_t before = b->impossible;

        try_sequence(b, &seq);
        count -= b->impossible == before; /* what was not possible is no trial */
    }
}

/* What once went wrong and a part of all sequences may miss. */
static const struct {
    const char *step, *keep;
} found[][LENGTH_MAX] = {
    /* Both names of a file went, from two directories, and one of these alone was in the log. */
    {{"unlink A/bar", "-"}, {"unlink B/bar", "fsync B"}},
    {{"link A/bar new", "sync"}, {"unlink A/bar", "-"}, {"unlink B/bar", "fsync B"}},
    /* A name went that had hidden, in an earlier log, what the last commit has there. */
    {{"unlink A/foo", "-"}, {"link A/bar A/foo", "fsync A/bar"}, {"unlink A/foo", "fsync A/bar"}},
};

static size_t number_named(const char *(*name)(size_t), size_t count, const char *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name(i), wanted) == 0)
            return i;
    abort();
}

static void try_found(struct bounded *b)
{
    for (size_t i = 0; i < ARRAY_LEN(found); i++) {
        struct sequence seq = {.length = 0};

        for (; seq.length < LENGTH_MAX && found[i][seq.length].step; seq.length++) {
            seq.part[seq.length].step =
                number_named(step_name, steps_count(), found[i][seq.length].step);
            seq.part[seq.length].keep =
                number_named(keep_name, keeps_count(), found[i][seq.length].keep);
        }
        try_sequence(b, &seq);
    }
}

static int replay(struct bounded *b, const char *text)
{
    struct sequence seq = {.length = 0};
    int used;

    while (seq.length < LENGTH_MAX && sscanf(text, "%zu+%zu%n", &seq.part[seq.length].step,
                                             &seq.part[seq.length].keep, &used) == 2) {
        seq.length++;
        text += used + (text[used] == ',');
    }
    try_sequence(b, &seq);
    printf("%s %s\n", text_of(&seq),
           b->impossible   ? "not possible"
           : b->violations ? "violated"
                           : "all is well");
    return b->violations ? 1 : 0;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
    uint64_t shard = argc > 2 ? strtoull(argv[1], NULL, 0) : 0;
    uint64_t shards = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint64_t seed = number_from("BOUNDED_SEED", 1);
    const char *pairs = getenv("BOUNDED_PAIRS");
    struct bounded b = {.start = prepare(),
                        .keep_dir = getenv("BOUNDED_KEEP"),
                        .keep_max = number_from("BOUNDED_KEEP_MAX", 100)};
    struct rng rng;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getenv("BOUNDED"))
        return replay(&b, getenv("BOUNDED"));
    printf("1..1\n# BOUNDED_SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&rng, seed * 1000003 + shard);
    try_found(&b);
    if (!getenv("BOUNDED_SINGLES"))
        try_all(&b, 1, shard, shards);
    if (pairs && strcmp(pairs, "all") == 0)
        try_all(&b, 2, shard, shards);
    else
        try_some(&b, 2, number_from("BOUNDED_PAIRS", PAIRS) / shards, &rng);
    try_some(&b, 3, number_from("BOUNDED_TRIPLES", TRIPLES) / shards, &rng);
    dev_close(b.start);
    printf("%s 1 - %llu sequences, %llu of them not possible, %llu states, %llu violations\n",
           b.violations || b.states == 0 ? "not ok" : "ok", (unsigned long long)b.sequences,
           (unsigned long long)b.impossible, (unsigned long long)b.states,
           (unsigned long long)b.violations);
    return b.violations || b.states == 0;
}
