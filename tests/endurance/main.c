// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards promise 6: a process that works on one file system with several threads is killed again
 * and again, at any moment; whatever it said was durable is there when the image is opened anew,
 * and nothing is there that was never written.
 *
 *   endurance [IMAGE]
 *
 *   ENDURANCE_KILLS=40     how often
 *   ENDURANCE_SEED=N       of the operations; when the kill comes is up to the machine
 *   ENDURANCE_JUDGE=PROGRAM   called with IMAGE and the round every ENDURANCE_EVERY (10) rounds:
 * lets Linux judge, and change, the image; exit 77: it cannot
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <copse/copse.h>

#include "base/env.h"
#include "tests/endurance/judge.h"

#define KILLS 40
#define EVERY 10
#define IMAGE_BYTES (1ULL << 30)
#define RECEIPTS_MAX 100000
/* A round ends after so many receipts at most. */
#define RECEIPTS_A_ROUND 60

#define LLU(v) ((unsigned long long)(v))

struct endurance {
    const char *image;
    uint64_t seed, kills, every;
    const char *judge_program;
    struct shared *shared;
    struct rng rng;
    struct receipt *receipts;
    size_t count;
    uint64_t acknowledged, operations, judged;
    bool no_judge;
    char error[1536];
};

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void set_error(struct endurance *e, uint64_t round, const char *what)
{
    snprintf(e->error, sizeof(e->error), "kill %llu: %s", LLU(round), what);
}

/* The next receipt; false: there is none any more. */
static bool next_receipt(struct endurance *e, int fd)
{
    struct receipt *receipt = &e->receipts[e->count];
    ssize_t got;

    do
        got = read(fd, receipt, sizeof(*receipt));
    while (got < 0 && errno == EINTR);
    if (got != sizeof(*receipt) || e->count + 1 == RECEIPTS_MAX)
        return false;
    e->count++;
    return !receipt->failed;
}

/* Between two receipts, not only just behind one. */
static void spin(struct endurance *e)
{
    struct timespec start, now;
    uint64_t ns = rng_below(&e->rng, 3000000);

    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((uint64_t)(now.tv_sec - start.tv_sec) * 1000000000 + (uint64_t)now.tv_nsec -
               (uint64_t)start.tv_nsec <
           ns);
}

static int work_and_kill(struct endurance *e, uint64_t round)
{
    unsigned wanted = rng_below(&e->rng, RECEIPTS_A_ROUND);
    bool at_once = rng_below(&e->rng, 10) == 0;
    int pipe_fds[2], status;

    e->count = 0;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(pipe_fds[0]);
        work(e->image, e->shared, pipe_fds[1], e->seed + round);
    }
    close(pipe_fds[1]);
    /* Also while it opens, which may replay a log or go on with a deletion. */
    for (unsigned i = 0; !at_once && i < wanted && next_receipt(e, pipe_fds[0]); i++)
        ;
    spin(e);
    kill(pid, SIGKILL);
    while (next_receipt(e, pipe_fds[0]))
        ;
    close(pipe_fds[0]);
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    if (e->count > 0 && e->receipts[e->count - 1].failed) {
        char what[400];
        const struct receipt *r = &e->receipts[e->count - 1];

        snprintf(what, sizeof(what), "worker %u, number %llu: %s", r->worker, LLU(r->number),
                 r->message);
        set_error(e, round, what);
        return -1;
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        set_error(e, round, "the process ended by itself");
        return -1;
    }
    e->acknowledged += e->count;
    return 0;
}

static int judge_apart(struct endurance *e, uint64_t round)
{
    int status;

    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        judge(e->image, e->shared, e->receipts, e->count);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    if (e->shared->verdict[0] != '\0')
        set_error(e, round, e->shared->verdict);
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        set_error(e, round, "the process that opened it crashed");
    return e->error[0] == '\0' ? 0 : -1;
}

static int judge_by_linux(struct endurance *e, uint64_t round)
{
    char number[32];
    int status;

    if (!e->judge_program || e->no_judge || round % e->every != 0)
        return 0;
    snprintf(number, sizeof(number), "%llu", LLU(round));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execl(e->judge_program, e->judge_program, e->image, number, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        e->no_judge = true;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        e->judged++;
    else
        set_error(e, round, "Linux finds it bad, see above");
    return e->error[0] == '\0' ? 0 : -1;
}

static int begin(struct endurance *e)
{
    struct copse_mkfs_options options = COPSE_MKFS_OPTIONS_INIT;
    int status;

    for (unsigned i = 0; i < WORKERS; i++)
        e->shared->plans[i] = (struct plan){.seed = e->seed, .worker = i, .next_id = 1};
    options.byte_count = IMAGE_BYTES;
    options.force = true;
    pid_t pid = fork();
    if (pid == 0) {
        if (copse_mkfs(e->image, &options) < 0) {
            fprintf(stderr, "endurance: %s\n", copse_error());
            _exit(1);
        }
        _exit(work_prepare(e->image, e->seed % 2 == 1) < 0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int run(struct endurance *e)
{
    if (begin(e) < 0) {
        snprintf(e->error, sizeof(e->error), "the file system could not be made");
        return -1;
    }
    for (uint64_t round = 1; round <= e->kills; round++) {
        for (unsigned i = 0; i < WORKERS; i++)
            e->shared->started[i] = e->shared->plans[i].number;
        if (work_and_kill(e, round) < 0 || judge_apart(e, round) < 0 ||
            judge_by_linux(e, round) < 0)
            return -1;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        e->operations += e->shared->plans[i].number;
    return 0;
}

int main(int argc, char **argv)
{
    static struct endurance e;
    char scratch[] = "/tmp/copse-endurance.XXXXXX";

    e.seed = number_from("ENDURANCE_SEED", 1);
    e.kills = number_from("ENDURANCE_KILLS", KILLS);
    e.every = number_from("ENDURANCE_EVERY", EVERY);
    e.judge_program = getenv("ENDURANCE_JUDGE");
    e.receipts = malloc(RECEIPTS_MAX * sizeof(*e.receipts));
    e.shared =
        mmap(NULL, sizeof(*e.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    rng_seed(&e.rng, e.seed);
    if (!e.receipts || e.shared == MAP_FAILED)
        return 2;
    if (argc < 2) {
        int fd = mkstemp(scratch);

        if (fd < 0)
            return 2;
        close(fd);
    }
    e.image = argc < 2 ? scratch : argv[1];
    printf("1..2\n# ENDURANCE_SEED=%llu\n", LLU(e.seed));
    int ret = run(&e);
    if (ret < 0)
        printf("# %s\n", e.error[0] ? e.error : strerror(errno));
    printf("%s 1 - %llu kills, %llu receipts, %llu operations; %llu files, %llu units looked at\n",
           ret < 0 ? "not ok" : "ok", LLU(e.kills), LLU(e.acknowledged), LLU(e.operations),
           LLU(e.shared->files), LLU(e.shared->units));
    if (!e.judge_program || e.no_judge)
        printf("ok 2 - judged by Linux # SKIP %s\n",
               e.no_judge ? "it cannot, see above" : "no ENDURANCE_JUDGE");
    else
        printf("%s 2 - judged and changed by Linux %llu times\n", ret < 0 ? "not ok" : "ok",
               LLU(e.judged));
    if (argc < 2 && ret == 0)
        unlink(scratch);
    else if (ret < 0)
        printf("# the image: %s\n", e.image);
    return ret < 0;
}
