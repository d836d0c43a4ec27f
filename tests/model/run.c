// SPDX-License-Identifier: GPL-2.0-or-later
/* Trying runs in child processes, so that a crash of ours is a failure like any other. */
#include "tests/model/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/judge.h"
#include "tests/model/ops.h"

static uint64_t op_seed(uint64_t seed, unsigned number)
{
    struct rng rng;

    rng_seed(&rng, seed * 1000003 + number);
    return rng_next(&rng);
}

static void run_here(const struct run *run, struct world *world)
{
    *world = (struct world){.trace = run->trace};
    (run->full ? config_choose_full : config_choose)(&world->config, run->seed);
    int ret = world_start(world, run->seed, false);

    for (size_t i = 0; ret == 0 && i < run->count; i++) {
        told(world, "[%u] ", run->ops[i]);
        ret = op_run(world, op_seed(run->seed, run->ops[i]));
    }
    if (ret == 0 && run->full)
        ret = full_end(world);
    if (ret == 0)
        ret = world_reopen(world);
    if (ret == 0 && run->judge)
        ret = judge_disk(world);
    world_end(world);
}

bool run_try(const struct run *run, char error[RUN_ERROR_MAX])
{
    int status;
    char *shared =
        mmap(NULL, RUN_ERROR_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        abort();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        struct world world;

        run_here(run, &world);
        memcpy(shared, world.error, MIN((size_t)RUN_ERROR_MAX, sizeof(world.error)) - 1);
        fflush(NULL);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        abort();
    memcpy(error, shared, RUN_ERROR_MAX);
    munmap(shared, RUN_ERROR_MAX);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        snprintf(error, RUN_ERROR_MAX, "the process ended with status %#x", (unsigned)status);
    return error[0] == '\0';
}

/* ---- shrinking
 * -------------------------------------------------------------------------------------- */

static bool fails_without(struct run *run, size_t from, size_t count)
{
    unsigned *all = run->ops;
    size_t all_count = run->count;
    char error[RUN_ERROR_MAX];

    run->ops = must_alloc(all_count * sizeof(*all));
    memcpy(run->ops, all, from * sizeof(*all));
    memcpy(run->ops + from, all + from + count, (all_count - from - count) * sizeof(*all));
    run->count = all_count - count;
    if (!run_try(run, error)) {
        free(all);
        return true;
    }
    free(run->ops);
    run->ops = all;
    run->count = all_count;
    return false;
}

void run_shrink(struct run *run)
{
    FILE *trace = run->trace;

    run->trace = NULL;
    for (size_t piece = run->count / 2; piece > 0; piece = piece > 1 ? piece / 2 : 0) {
        bool again = true;

        while (again) {
            again = false;
            for (size_t at = run->count; at > 0;) {
                size_t n = at < piece ? at : piece;

                at -= n;
                again |= fails_without(run, at, n);
            }
            again &= piece == 1;
        }
    }
    run->trace = trace;
}

/* ---- lists of operations
 * -------------------------------------------------------------------------------------- */

char *run_ops_text(const struct run *run)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    for (size_t i = 0; i < run->count;) {
        size_t end = i + 1;

        while (end < run->count && run->ops[end] == run->ops[end - 1] + 1)
            end++;
        fprintf(out, "%s%u", i ? "," : "", run->ops[i]);
        if (end > i + 1)
            fprintf(out, "-%u", run->ops[end - 1]);
        i = end;
    }
    fclose(out);
    return text;
}

void run_ops_parse(struct run *run, const char *text)
{
    run->ops = must_alloc(RUN_OPS_MAX * sizeof(*run->ops));
    run->count = 0;
    while (*text) {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;

        if (end != text && *end == '-')
            last = strtoul(end + 1, &end, 10);
        if (end == text || (*end && *end != ',') || last < first ||
            last - first >= RUN_OPS_MAX - run->count) {
            fprintf(stderr, "no list of operations: %s\n", text);
            exit(2);
        }
        while (first <= last)
            run->ops[run->count++] = (unsigned)first++;
        text = *end ? end + 1 : end;
    }
}
