// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards promises 4, 5 and 6 where something fails: in a workload that does everything a file
 * system can be asked for, each allocation, device read, write and flush fails in turn, once or
 * from then on. Somebody is told; what was durable before is there afterwards, the structure is
 * sound, and after a commit that failed nothing becomes durable any more.
 *
 *   fault [SHARD OF]
 *
 *   FAULT_EACH=N           every N-th allocation only (from FAULT_FIRST on); 1: all
 *   FAULT=KIND:NTH:ALWAYS  one of them (KIND: alloc, read, write, flush; ALWAYS: 0 or 1)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/dev/dev.h"
#include "ops/mkfs/mkfs.h"
#include "tests/bounded/judge.h"
#include "tests/fault/alloc.h"
#include "tests/model/verify.h"

#define DEVICE_BYTES (256 * MIB)
/* Little, so that blocks are read again. */
#define CACHE_BYTES (256 * KIB)
#define EACH 7
#define BATCH 50
#define LLU(v) ((unsigned long long)(v))

enum fault_kind { FAULT_ALLOC, FAULT_READ, FAULT_WRITE, FAULT_FLUSH, FAULT_KINDS };
static const char *const kind_names[] = {"alloc", "read", "write", "flush"};
static const unsigned kind_ops[] = {0, DEV_OP_READ, DEV_OP_WRITE, DEV_OP_FLUSH};

struct fault {
    enum fault_kind kind;
    uint64_t nth; /* 0: none */
    bool permanent;
};

/* One run of the workload. */
struct run {
    struct fault fault;
    struct dev *disk, *dev; /* memory, and what fails above it */
    struct env *env;
    struct mount *m;
    bool told;  /* somebody was */
    bool blind; /* what is in memory cannot be read any more */
    bool hit;
    uint64_t counts[FAULT_KINDS];
    struct course course;
    char error[2048];
};

struct results {
    uint64_t runs, hits, violations;
    char text[8192];
};

static struct dev *start;

static void must(int ret, const char *what)
{
    if (ret < 0) {
        fprintf(stderr, "%s: %s\n", what, fail_message());
        abort();
    }
}

static void wrong(struct run *run, const char *why)
{
    if (run->error[0] == '\0')
        snprintf(run->error, sizeof(run->error), "%s", why);
}

/* ---- what fails
 * ----------------------------------------------------------------------------------- */

static void arm(struct run *run)
{
    const struct fault *f = &run->fault;

    alloc_fail(f->kind == FAULT_ALLOC ? f->nth : 0, f->permanent);
    if (f->kind != FAULT_ALLOC && f->nth > 0)
        dev_fault_arm(run->dev, &(struct dev_fault){.ops = kind_ops[f->kind],
                                                    .nth = f->nth,
                                                    .permanent = f->permanent,
                                                    .torn = f->nth % 2 == 0,
                                                    .err = -EIO});
}

/* While the test itself looks or prepares something, nothing fails and nothing counts. */
static void pause_faults(struct run *run, bool on)
{
    alloc_pause(on);
    dev_fault_pause(run->dev, on);
}

/* ---- the workload
 * ------------------------------------------------------------------------------- */

/* Names of steps and of what is made durable after them ("": nothing). */
static const char *const workload[][2] = {
    {"create A/new", ""},
    {"write A/new", "fsync A/new"},
    {"append A/foo", ""},
    {"xattr A/foo user.b", "fsync A/foo"},
    {"mkdir A/C", ""},
    {"link A/foo B/foo", "fsync A"},
    {"falloc -k A/foo", ""},
    {"write behind the end A/foo", "fdatasync A/foo"},
    {"snapshot", "sync"},
    {"write A/foo", ""},
    {"punch A/foo", "fsync A/foo"},
    {"clone A/foo A/bar", "fsync A/bar"},
    {"rename A/new A/foo", ""},
    {"symlink A/new", "sync"},
    {"truncate A/foo 40000", ""},
    {"zero A/foo", "fsync A/foo"},
    {"collapse A/foo", ""},
    {"insert A/foo", "fsync ."},
    {"exchange A B", ""},
    {"rename B D", "sync"},
    {"rmdir E", ""},
    {"unlink A/bar", "sync"},
};

static size_t index_of(size_t count, const char *(*name)(size_t), const char *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name(i), wanted) == 0)
            return i;
    fprintf(stderr, "no step %s\n", wanted);
    abort();
}

static struct mount *open_on(struct env *env, struct dev *disk)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(disk);
    struct mount *m;

    if (!dev)
        return NULL;
    options.cache_bytes = CACHE_BYTES;
    return mount_open(env, &dev, 1, &options, &m) < 0 ? NULL : m;
}

static void look(struct run *run)
{
    pause_faults(run, true);
    /* After a change that failed half way only what is on the disk counts, and nothing gets there.
     */
    if (!run->blind && shot_take(run->m, &run->course.moments[run->course.count]) == 0)
        run->course.count++;
    else
        run->blind = true;
    if (run->blind && !run->told)
        wrong(run, fail_message());
    pause_faults(run, false);
}

static void step(struct run *run, const char *name, const char *keep)
{
    size_t moment = run->course.count;
    enum keep_kind kind;
    uint64_t ino;

    int ret = step_run(run->m, index_of(steps_count(), step_name, name), (unsigned)moment);
    run->told |= ret != 0;
    if (ret > 0 && run->fault.nth == 0)
        snprintf(run->error, sizeof(run->error), "%s is not possible", name);
    look(run);
    if (*keep == '\0')
        return;
    if (keep_run(run->m, index_of(keeps_count(), keep_name, keep), &kind, &ino) != 0) {
        run->told = true;
        return;
    }
    if (run->blind)
        wrong(run, "something became durable after a change that failed half way");
    run->course.kept[moment].kind = kind;
    run->course.kept[moment].ino = ino;
}

/* As it is when opened; in the end everything is durable, or somebody is told. */
static void work(struct run *run)
{
    run->m = open_on(run->env, run->dev);
    if (!run->m) {
        run->told = true;
        return;
    }
    look(run);
    for (size_t i = 0; i < ARRAY_LEN(workload); i++)
        step(run, workload[i][0], workload[i][1]);
    look(run);
    if (mount_close(run->m) == 0 && !run->blind)
        run->course.kept[run->course.count - 1].kind = KEEP_SYNC;
    else
        run->told = true;
}

/* ---- judging
 * ------------------------------------------------------------------------------------ */

static void judge(struct run *run)
{
    struct env *env = env_seeded_new(2);
    struct shot found;
    char error[2048];

    struct mount *m = open_on(env, run->disk);
    if (!m) {
        wrong(run, fail_message());
    } else if (shot_take(m, &found) < 0) {
        wrong(run, fail_message());
        mount_crash(m);
    } else {
        if (run->course.count > 0 && course_judge(&run->course, &found, error, sizeof(error)) < 0)
            wrong(run, error);
        shot_free(&found);
        if (mount_close(m) < 0)
            wrong(run, fail_message());
        else if (verify_device(env, run->disk, VERIFY_CLOSED, error, sizeof(error)) < 0)
            wrong(run, error);
    }
    env_seeded_free(env);
}

static void try_fault(struct fault fault, struct run *run)
{
    alloc_pause(true);
    *run = (struct run){.fault = fault};
    run->disk = dev_mem_clone(start);
    run->dev = dev_fault_new(dev_borrow(run->disk));
    run->env = env_seeded_new(1);
    arm(run);
    alloc_pause(false);
    work(run);
    alloc_pause(true);
    run->counts[FAULT_ALLOC] = alloc_count();
    for (unsigned kind = FAULT_READ; kind < FAULT_KINDS; kind++)
        run->counts[kind] = dev_fault_count(run->dev, kind_ops[kind]);
    run->hit = fault.kind == FAULT_ALLOC ? alloc_hits() > 0 : dev_fault_hits(run->dev) > 0;
    dev_close(run->dev);
    /* A read can be made good by the other copy, and memory by doing without a cache. */
    if (run->hit && !run->told && (fault.kind == FAULT_WRITE || fault.kind == FAULT_FLUSH))
        wrong(run, "nobody was told");
    judge(run);
    for (size_t i = 0; i < run->course.count; i++)
        shot_free(&run->course.moments[i]);
    dev_close(run->disk);
    env_seeded_free(run->env);
    alloc_pause(false);
}

static void complain(struct results *results, const struct fault *fault, const char *why)
{
    size_t used = strlen(results->text);

    results->violations++;
    snprintf(results->text + used, sizeof(results->text) - used, "# FAULT=%s:%llu:%d %s\n",
             kind_names[fault->kind], LLU(fault->nth), fault->permanent, why);
}

/* In a process of their own, so that an end of it is a violation like any other. How many were
 * tried: the rest needs another process. */
static size_t try_apart(const struct fault *faults, size_t count, struct results *results)
{
    uint64_t before = results->runs;
    static struct run run;
    int status;

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < count; i++) {
            results->runs++;
            try_fault(faults[i], &run);
            results->hits += run.hit;
            if (run.error[0])
                complain(results, &faults[i], run.error);
        }
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    size_t tried = results->runs - before;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        complain(results, &faults[tried - 1], "the process ended");
    fputs(results->text, stdout);
    results->text[0] = '\0';
    return tried;
}

/* ---- all of them
 * ------------------------------------------------------------------------------- */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
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

static int replay(const char *text)
{
    static struct run run;
    unsigned long long nth;
    char kind[16];
    int always;

    if (sscanf(text, "%15[a-z]:%llu:%d", kind, &nth, &always) != 3)
        return 2;
    struct fault fault = {.nth = nth, .permanent = always};
    while (fault.kind < FAULT_KINDS && strcmp(kind_names[fault.kind], kind) != 0)
        fault.kind++;
    if (fault.kind == FAULT_KINDS)
        return 2;
    try_fault(fault, &run);
    printf("%s; %s; %s\n", run.hit ? "it failed" : "nothing failed",
           run.told ? "somebody was told" : "nobody was told",
           run.error[0] ? run.error : "all is well");
    return run.error[0] != 0;
}

static void try_batch(const struct fault *faults, size_t count, struct results *results)
{
    for (size_t tried = 0; tried < count;)
        tried += try_apart(faults + tried, count - tried, results);
}

static void try_kind(enum fault_kind kind, uint64_t all, uint64_t shard, uint64_t shards,
                     struct results *results)
{
    uint64_t each = MAX(number_from("FAULT_EACH", EACH), 1ULL);
    uint64_t first = number_from("FAULT_FIRST", 1);
    struct fault batch[BATCH];
    size_t count = 0;
    uint64_t i = 0;

    for (uint64_t nth = first; nth <= all; nth += kind == FAULT_ALLOC ? each : 1)
        for (int permanent = 0; permanent < 2; permanent++) {
            if (i++ % shards != shard)
                continue;
            batch[count++] = (struct fault){kind, nth, permanent};
            if (count == BATCH) {
                try_batch(batch, count, results);
                count = 0;
            }
        }
    try_batch(batch, count, results);
}

int main(int argc, char **argv)
{
    uint64_t shard = argc > 2 ? strtoull(argv[1], NULL, 0) : 0;
    uint64_t shards = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    static struct run run;

    alloc_pause(true);
    start = prepare();
    struct results *results =
        mmap(NULL, sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED)
        return 2;
    alloc_pause(false);
    if (getenv("FAULT"))
        return replay(getenv("FAULT"));
    printf("1..%d\n", FAULT_KINDS + 1);
    try_fault((struct fault){0}, &run);
    printf("%s 1 - nothing fails: %s\n", run.error[0] || run.told ? "not ok" : "ok",
           run.error[0] ? run.error
           : run.told   ? "but something was refused"
                        : "all is well");
    uint64_t bad = run.error[0] || run.told;
    for (unsigned kind = 0; kind < FAULT_KINDS; kind++) {
        *results = (struct results){0};
        try_kind(kind, run.counts[kind], shard, shards, results);
        printf("%s %u - %s: %llu runs, %llu in which it failed, %llu violations\n",
               results->violations || results->hits == 0 ? "not ok" : "ok", kind + 2,
               kind_names[kind], LLU(results->runs), LLU(results->hits), LLU(results->violations));
        bad += results->violations + (results->hits == 0);
    }
    dev_close(start);
    return bad > 0;
}
