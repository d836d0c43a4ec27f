// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards promises 4, 5 and 6: whenever the power is cut, and whatever of the writes since the last
 * flush is lost, reordered or torn, the file system opens, its trees agree with each other, and
 * everything that was promised to be durable is there.
 *
 *   crash [SHARD OF]                       CRASH_STATES states or a few more, all shards together
 *   CRASH_SEED=S CRASH_STATE=P:F:R crash   one state: position, fate, seed
 *   CRASH_FIRST=S                          begin with another workload
 *   CRASH_KEEP=DIR CRASH_KEEP_EACH=N       and an image in DIR of one state in N, with a list
 *   CRASH_LOGS=DIR CRASH_SEED=S crash      no states: an image in DIR for each log tree that this
 *                                          workload left behind
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/state.h"
#include "tests/model/judge.h"

#define STATES 20000
#define STATES_PER_WORKLOAD 200
#define OPS 100

#define LLU(v) ((unsigned long long)(v))

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

struct outcome {
    uint64_t states, violations;
    char text[8192];
};

static void complain(struct outcome *outcome, const struct history *history,
                     const struct state_id *id, const char *error)
{
    size_t used = strlen(outcome->text);

    outcome->violations++;
    snprintf(outcome->text + used, sizeof(outcome->text) - used,
             "CRASH_SEED=%llu CRASH_STATE=%zu:%d:%llu (of %zu; %s): %s\n", LLU(history->seed),
             id->position, (int)id->fate, LLU(id->seed), history->count, history->config.text,
             error);
}

/* The state as an image, for Linux to judge; one in CRASH_KEEP_EACH. */
static void keep(const struct history *history, const struct state_id *id, struct dev *disk)
{
    static uint64_t seen, kept;
    const char *dir = getenv("CRASH_KEEP");
    char what[128];

    if (!dir || seen++ % number_from("CRASH_KEEP_EACH", 1) != 0)
        return;
    snprintf(what, sizeof(what), "CRASH_SEED=%llu CRASH_STATE=%zu:%d:%llu", LLU(history->seed),
             id->position, (int)id->fate, LLU(id->seed));
    if (judge_keep_listed(disk, dir, history->seed * STATES_PER_WORKLOAD + kept++, what) < 0)
        abort();
}

/* ---- states of one workload
 * -------------------------------------------------------------------------------------- */

static void try_state(const struct history *history, struct cursor *cursor,
                      const struct state_id *id, struct outcome *outcome)
{
    char error[4096];

    uint64_t judged;

    cursor_advance(cursor, history->recorder, id->position);
    struct dev *disk = state_make(history->recorder, cursor, id);
    keep(history, id, disk);
    if (state_judge(history, id, disk, &judged, error, sizeof(error)) < 0)
        complain(outcome, history, id, error);
    outcome->states += judged;
    dev_close(disk);
}

static void try_workload(uint64_t seed, size_t count, const struct state_id *only,
                         struct outcome *outcome)
{
    struct history history;
    struct cursor cursor = {0};

    if (history_make(&history, seed, (unsigned)number_from("CRASH_OPS", OPS),
                     only ? stdout : NULL) < 0) {
        const struct state_id none = {0};

        complain(outcome, &history, &none, history.error);
        history_free(&history);
        return;
    }
    cursor.disk = dev_mem_clone(history.start);
    struct state_id *ids =
        only ? NULL : states_choose(seed ^ 0x6372617368ULL, history.count, count);
    for (size_t i = 0; i < count; i++)
        try_state(&history, &cursor, only ? only : &ids[i], outcome);
    free(ids);
    dev_close(cursor.disk);
    history_free(&history);
}

/* In a process of its own, so that a crash of ours is a violation like any other. */
static void try_apart(uint64_t seed, size_t count, struct outcome *total)
{
    struct outcome *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    if (shared == MAP_FAILED)
        abort();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        try_workload(seed, count, NULL, shared);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        abort();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        shared->violations++;
        snprintf(shared->text, sizeof(shared->text),
                 "CRASH_SEED=%llu: state %llu: the process ended with status %#x\n", LLU(seed),
                 LLU(shared->states), (unsigned)status);
    }
    total->states += shared->states;
    total->violations += shared->violations;
    for (char *line = strtok(shared->text, "\n"); line; line = strtok(NULL, "\n"))
        printf("# %s\n", line);
    munmap(shared, sizeof(*shared));
}

/* ---- what fsync leaves, for others to judge ----------------------------------------------------
 */

static int keep_logs(const char *dir, uint64_t seed)
{
    struct history history;
    struct cursor cursor = {0};
    int ret = history_make(&history, seed, (unsigned)number_from("CRASH_OPS", OPS), NULL);

    cursor.disk = dev_mem_clone(history.start);
    for (size_t i = 0; ret == 0 && i < history.point_count; i++) {
        const struct promise_point *point = &history.points[i];
        const struct state_id id = {.position = point->position, .fate = FATE_PREFIX};
        char path[512];

        cursor_advance(&cursor, history.recorder, id.position);
        if (!point->logged)
            continue;
        struct dev *disk = state_make(history.recorder, &cursor, &id);
        snprintf(path, sizeof(path), "%s/%llu-%zu.img", dir, LLU(seed), point->position);
        if (state_has_log(disk))
            ret = judge_keep(disk, path);
        dev_close(disk);
    }
    dev_close(cursor.disk);
    history_free(&history);
    return ret < 0 ? 1 : 0;
}

static int replay(const char *text)
{
    struct outcome *outcome = calloc(1, sizeof(*outcome));
    unsigned long long position, seed;
    struct state_id id;
    unsigned fate;

    if (!outcome || sscanf(text, "%llu:%u:%llu", &position, &fate, &seed) != 3 || fate >= FATES)
        return 2;
    id = (struct state_id){.position = position, .fate = (enum fate)fate, .seed = seed};
    try_workload(number_from("CRASH_SEED", 1), 1, &id, outcome);
    fputs(outcome->violations ? outcome->text : "all is well\n", stdout);
    int ret = outcome->violations ? 1 : 0;
    free(outcome);
    return ret;
}

/* Every state is opened several times: half of the time went into memory given back in between. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 16 << 20);
}

int main(int argc, char **argv)
{
    uint64_t number = argc > 2 ? strtoull(argv[1], NULL, 0) : 0;
    uint64_t shards = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint64_t states = number_from("CRASH_STATES", STATES) / shards;
    uint64_t next = number_from("CRASH_FIRST", 1) + number;
    struct outcome total = {0};

    keep_memory();
    if (getenv("CRASH_LOGS"))
        return keep_logs(getenv("CRASH_LOGS"), number_from("CRASH_SEED", 1));
    if (getenv("CRASH_STATE"))
        return replay(getenv("CRASH_STATE"));
    printf("1..1\n# workloads from %llu, each %llu\n", LLU(next), LLU(shards));
    for (; total.states < states; next += shards)
        try_apart(next, STATES_PER_WORKLOAD, &total);
    printf("# the last was %llu\n", LLU(next - shards));
    printf("%s 1 - %llu states, %llu violations\n", total.violations ? "not ok" : "ok",
           LLU(total.states), LLU(total.violations));
    return total.violations ? 1 : 0;
}
