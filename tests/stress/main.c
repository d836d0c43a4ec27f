// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards promises 1 to 6 and 9 with many threads: sixteen clients, writeback and commits in the
 * background, snapshots that are made, sent and deleted, syncs and reclaims at the same time.
 * Nobody waits for ever, nothing fails, every file is in the end what its owner wrote, also when
 * opened anew, and `copse check` finds nothing. Most useful with a thread sanitizer: meson setup
 * build-tsan -Db_sanitize=thread. As stress_ranks it ends at once where locks are taken out of
 * order.
 *
 *   STRESS_OPS=N      operations of one client (300)
 *   STRESS_SEED=S     what they are; not when: threads cannot be replayed
 *   STRESS_ROUNDS=N   file systems, one after another, with other options each (2)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef STRESS_RANKS
#include "base/test/lock_ranks.h"
#endif
#include "tests/stress/stress.h"

#define IMAGE_BYTES (1ULL << 30)
/* With no operation done for so long nobody will go on. */
#define STUCK_SECONDS 600

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

void stress_fail(struct stress *s, const char *what, int ret)
{
    const char *why = ret < 0 ? copse_error() : "";

    pthread_mutex_lock(&s->lock);
    if (s->error[0] == '\0')
        snprintf(s->error, sizeof(s->error), "%s%s%s", what, ret < 0 ? ": " : "", why);
    pthread_mutex_unlock(&s->lock);
}

bool stress_failed(struct stress *s)
{
    pthread_mutex_lock(&s->lock);
    bool failed = s->error[0] != '\0';
    pthread_mutex_unlock(&s->lock);
    return failed;
}

copse_node *stress_make(struct stress *s, copse_node *dir, const char *name, uint32_t mode)
{
    const struct copse_cred root = {0, 0};
    copse_node *node = NULL;
    int ret = S_ISDIR(mode) ? copse_mkdir(dir, name, strlen(name), mode & 0777, &root, &node)
                            : copse_mknod(dir, name, strlen(name), mode, 0, &root, &node);

    if (ret < 0)
        stress_fail(s, name, ret);
    return ret < 0 ? NULL : node;
}

/* ---- one file system
 * ----------------------------------------------------------------------------- */

static int open_image(struct stress *s, const char *image, unsigned round)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;

    options.background = true;
    options.commit_seconds = 1;
    options.cache_bytes = 8 << 20;
    options.notreelog = round % 2 != 0;
    options.compress = round % 3 == 2 ? "zstd" : NULL;
    int ret = copse_open(&image, 1, &options, &s->fs);
    if (ret < 0)
        stress_fail(s, "open", ret);
    return ret;
}

static int make_image(const char *image)
{
    struct copse_mkfs_options options = COPSE_MKFS_OPTIONS_INIT;

    options.byte_count = IMAGE_BYTES;
    options.force = true;
    return copse_mkfs(image, &options);
}

static void prepare(struct stress *s, struct client *clients)
{
    const struct copse_cred root = {0, 0};
    char name[16];

    s->top = copse_root(s->fs);
    int ret = copse_subvol_create(s->top, "work", 4, NULL, &root, &s->work);
    if (ret < 0) {
        stress_fail(s, "work", ret);
        return;
    }
    if (s->quotas && (ret = copse_quota_enable(s->fs, false)) < 0)
        stress_fail(s, "quotas", ret);
    s->dirs[0] = stress_make(s, s->work, "names", S_IFDIR | 0755);
    s->dirs[1] = stress_make(s, s->work, "more", S_IFDIR | 0755);
    for (unsigned i = 0; i < SHARED_FILES; i++) {
        snprintf(name, sizeof(name), "shared%u", i);
        s->shared[i] = stress_make(s, s->work, name, S_IFREG | 0644);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.s = s, .id = i, .doing = "nothing yet"};
        rng_seed(&clients[i].rng, s->seed * 1000003 + i);
        client_begin(&clients[i]);
    }
}

static void let_go(struct stress *s, struct client *clients)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        client_end(&clients[i]);
    for (unsigned i = 0; i < SHARED_FILES; i++)
        copse_node_put(s->shared[i]);
    copse_node_put(s->dirs[0]);
    copse_node_put(s->dirs[1]);
    copse_node_put(s->work);
    copse_node_put(s->top);
}

/* A deadlock shall not hold up whoever runs this: says what each was doing, and ends. */
static void *watch(void *arg)
{
    struct client *clients = arg;
    struct stress *s = clients[0].s;
    uint64_t last = 0;

    for (unsigned still = 0; __atomic_load_n(&s->running, __ATOMIC_ACQUIRE) > 0; still++) {
        uint64_t done = __atomic_load_n(&s->done, __ATOMIC_RELAXED);

        if (done != last)
            still = 0;
        last = done;
        if (still < STUCK_SECONDS) {
            sleep(1);
            continue;
        }
        printf("not ok 1 - nobody waits for ever\n");
        for (unsigned i = 0; i < CLIENTS; i++)
            printf("# client %u: %s\n", i, clients[i].doing);
        fflush(stdout);
        abort();
    }
    return NULL;
}

static void run_all(struct stress *s, struct client *clients)
{
    pthread_t beside[3];

    s->running = CLIENTS;
    if (pthread_create(&beside[0], NULL, beside_snapshots, s) != 0 ||
        pthread_create(&beside[1], NULL, beside_syncs, s) != 0 ||
        pthread_create(&beside[2], NULL, watch, clients) != 0)
        abort();
    for (unsigned i = 0; i < CLIENTS; i++)
        if (pthread_create(&clients[i].thread, NULL, client_run, &clients[i]) != 0)
            abort();
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(beside[i], NULL);
}

/* Opened anew, each finds what it wrote. */
static void look_again(struct stress *s, struct client *clients)
{
    char path[64];

    for (unsigned i = 0; i < CLIENTS; i++) {
        for (unsigned j = 0; j < OWN_FILES; j++) {
            snprintf(path, sizeof(path), "/work/client%u/own%u", i, j);
            int ret = copse_walk(s->fs, NULL, path, 0, &clients[i].own[j]);
            if (ret < 0) {
                stress_fail(s, path, ret);
                return;
            }
        }
        client_check(&clients[i]);
        for (unsigned j = 0; j < OWN_FILES; j++)
            copse_node_put(clients[i].own[j]);
    }
}

static void take_problem(void *arg, const struct copse_check_problem *problem)
{
    if (problem->severity == COPSE_CHECK_ERROR)
        stress_fail(arg, problem->text, 0);
}

static void check(struct stress *s, const char *image)
{
    struct copse_check_options options = COPSE_CHECK_OPTIONS_INIT;
    struct copse_check_result result;

    options.data_csum = true;
    options.problem = take_problem;
    options.arg = s;
    int ret = copse_check(&image, 1, &options, &result);
    if (ret < 0)
        stress_fail(s, "check", ret);
}

static void try_one(struct stress *s, const char *image, unsigned round)
{
    static struct client clients[CLIENTS];

    if (make_image(image) < 0) {
        stress_fail(s, "mkfs", -1);
        return;
    }
    if (open_image(s, image, round) < 0)
        return;
    prepare(s, clients);
    if (!stress_failed(s))
        run_all(s, clients);
    let_go(s, clients);
    int ret = copse_close(s->fs);
    if (ret < 0)
        stress_fail(s, "close", ret);
    if (!stress_failed(s) && open_image(s, image, round) == 0) {
        look_again(s, clients);
        if ((ret = copse_close(s->fs)) < 0)
            stress_fail(s, "close again", ret);
    }
    if (!stress_failed(s))
        check(s, image);
#ifdef STRESS_RANKS
    if (lock_ranks_taken() == 0)
        stress_fail(s, "no lock has a rank", 0);
#endif
}

int main(void)
{
    uint64_t seed = number_from("STRESS_SEED", 1), rounds = number_from("STRESS_ROUNDS", 2);
    char image[256];
    unsigned failed = 0;

    snprintf(image, sizeof(image), "%s/copse-stress.%d",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%llu\n", (unsigned long long)rounds);
    for (unsigned i = 0; i < rounds; i++) {
        struct stress s = {.seed = seed + i,
                           .ops = (unsigned)number_from("STRESS_OPS", 300),
                           .quotas = i % 2 == 0};

        pthread_mutex_init(&s.lock, NULL);
        try_one(&s, image, i);
        printf("%s %u - STRESS_SEED=%llu: %llu operations, %llu snapshots, %llu bytes sent\n",
               s.error[0] ? "not ok" : "ok", i + 1, (unsigned long long)s.seed,
               (unsigned long long)s.done, (unsigned long long)s.snapshots,
               (unsigned long long)s.sent);
        if (s.error[0] != '\0')
            printf("# %s\n", s.error);
        failed += s.error[0] != '\0';
        pthread_mutex_destroy(&s.lock);
    }
    unlink(image);
    return failed > 0;
}
