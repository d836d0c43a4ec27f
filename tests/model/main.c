// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: whatever is done, in whatever order, on whatever kind of file system, what is read back
 * is what was written, before and after closing and crashing, and the trees agree with each other.
 *
 *   model [SHARD OF]          MODEL_RUNS runs (all shards together) of MODEL_COUNT operations
 *   model SHARD OF full       MODEL_FULL_RUNS runs on file systems kept full: ENOSPC comes from
 *                             who asks, never from fsync or a commit, and all can be removed
 *   MODEL_SEED=S model        one run, told operation by operation; MODEL_FULL=1 on a full one
 *   MODEL_SEED=S MODEL_OPS=L  the same with some of its operations, "0-57,60"
 *   MODEL_JUDGE=1             and btrfs check judges that run
 *   MODEL_JUDGED_EACH=N       one run in N is judged; BTRFS names a newer btrfs
 *   MODEL_KEEP_GOING=1        a line for each failure, and none is shrunk
 */
#include <stdlib.h>
#include <string.h>

#include "tests/model/judge.h"
#include "tests/model/model.h"
#include "tests/model/run.h"

#define RUNS 1000
#define FULL_RUNS 100
#define OPS 200
#define JUDGED_EACH 25 /* one run in so many is judged by btrfs check */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static struct run run_of(uint64_t seed, bool full)
{
    struct run run = {.seed = seed, .count = number_from("MODEL_COUNT", OPS), .full = full};

    run.ops = must_alloc(run.count * sizeof(*run.ops));
    for (size_t i = 0; i < run.count; i++)
        run.ops[i] = (unsigned)i;
    return run;
}

static void comment(const char *text)
{
    fputs("# ", stdout);
    for (; *text; text++) {
        putchar(*text);
        if (*text == '\n')
            fputs("# ", stdout);
    }
    putchar('\n');
}

static void explain(struct run *run)
{
    char error[RUN_ERROR_MAX];

    run_shrink(run);
    run->trace = stdout;
    run_try(run, error);
    run->trace = NULL;
    comment(error);
    char *text = run_ops_text(run);
    printf("# replay: %sMODEL_SEED=%llu MODEL_OPS=%s\n", run->full ? "MODEL_FULL=1 " : "",
           (unsigned long long)run->seed, text);
    free(text);
}

static int replay(uint64_t seed)
{
    const char *ops = getenv("MODEL_OPS");
    struct run run = run_of(seed, getenv("MODEL_FULL") != NULL);
    char error[RUN_ERROR_MAX];

    if (ops) {
        free(run.ops);
        run_ops_parse(&run, ops);
    }
    run.judge = getenv("MODEL_JUDGE") != NULL;
    run.trace = stdout;
    bool well = run_try(&run, error);
    comment(well ? "all is well" : error);
    if (!well && getenv("MODEL_SHRINK"))
        explain(&run);
    free(run.ops);
    return well ? 0 : 1;
}

struct shard {
    uint64_t first, runs;
    bool full;
    uint64_t failed, judged, failed_judged;
};

static void run_shard(struct shard *shard)
{
    bool keep_going = getenv("MODEL_KEEP_GOING") != NULL, judges = judge_exists();
    uint64_t each = number_from("MODEL_JUDGED_EACH", JUDGED_EACH), due = each;
    char error[RUN_ERROR_MAX];

    for (uint64_t i = 0; i < shard->runs; i++) {
        struct run run = run_of(shard->first + i, shard->full);

        struct config config;

        (run.full ? config_choose_full : config_choose)(&config, run.seed);
        run.judge = judges && due >= each && judge_knows(&config);
        due = run.judge ? 1 : due + 1;
        shard->judged += run.judge;
        if (!run_try(&run, error)) {
            printf("# seed %llu:\n", (unsigned long long)run.seed);
            comment(error);
            shard->failed++;
            shard->failed_judged += run.judge;
            if (!keep_going)
                explain(&run);
        }
        free(run.ops);
        if (shard->failed && !keep_going)
            return;
    }
}

int main(int argc, char **argv)
{
    uint64_t number = argc > 2 ? strtoull(argv[1], NULL, 0) : 0;
    uint64_t shards = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    bool full = argc > 3 && strcmp(argv[3], "full") == 0;
    uint64_t all =
        full ? number_from("MODEL_FULL_RUNS", FULL_RUNS) : number_from("MODEL_RUNS", RUNS);
    uint64_t runs = all / shards;
    struct shard shard = {
        .first = number_from("MODEL_FIRST", 1) + number * runs, .runs = runs, .full = full};

    if (getenv("MODEL_SEED"))
        return replay(number_from("MODEL_SEED", 0));
    printf("1..2\n# seeds %llu to %llu\n", (unsigned long long)shard.first,
           (unsigned long long)(shard.first + runs - 1));
    run_shard(&shard);
    printf("%s 1 - %llu runs of %llu operations agree with the model\n",
           shard.failed ? "not ok" : "ok", (unsigned long long)runs,
           (unsigned long long)number_from("MODEL_COUNT", OPS));
    if (shard.judged)
        printf("%s 2 - btrfs check finds nothing in %llu of them\n",
               shard.failed_judged ? "not ok" : "ok", (unsigned long long)shard.judged);
    else
        printf("ok 2 - btrfs check of a sample # SKIP no btrfs here\n");
    return shard.failed ? 1 : 0;
}
