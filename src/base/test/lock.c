// SPDX-License-Identifier: GPL-2.0-or-later
/* Promise: whoever takes locks in another order than that of their ranks is noticed (base/lock.h).
 */
#include "base/test/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/test/lock_ranks.h"

struct locks {
    pthread_rwlock_t gate;
    pthread_rwlock_t inode[2];
    pthread_mutex_t item[2];
    pthread_mutex_t quotas;
    pthread_mutex_t cache;
    pthread_mutex_t unranked;
    pthread_cond_t cond;
    bool ready;
};

static struct locks l;

static int set_up(void **state)
{
    (void)state;
    rwlock_init_writers_first(&l.gate, RANK_GATE);
    for (unsigned i = 0; i < 2; i++) {
        rwlock_init(&l.inode[i], RANK_INODE);
        lock_init(&l.item[i], RANK_ITEM);
    }
    lock_init_recursive(&l.quotas, RANK_QGROUPS);
    lock_init(&l.cache, RANK_NODE_CACHE);
    pthread_mutex_init(&l.unranked, NULL);
    pthread_cond_init(&l.cond, NULL);
    l.ready = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rwlock_destroy(&l.gate);
    for (unsigned i = 0; i < 2; i++) {
        rwlock_destroy(&l.inode[i]);
        lock_destroy(&l.item[i]);
    }
    lock_destroy(&l.quotas);
    lock_destroy(&l.cache);
    pthread_mutex_destroy(&l.unranked);
    pthread_cond_destroy(&l.cond);
    return 0;
}

/* What a child says before it aborts; "" when it comes back from what it does. */
static const char *said(void (*what)(void))
{
    static char text[8192];
    size_t len = 0;
    ssize_t got;
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], STDERR_FILENO);
        what();
        _exit(0);
    }
    close(ends[1]);
    while (len < sizeof(text) - 1 && (got = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(len > 0 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT
                        : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return text;
}

static void assert_notices(void (*what)(void), const char *message)
{
    const char *text = said(what);

    if (!strstr(text, message))
        print_error("wanted \"%s\", got \"%s\"\n", message, text);
    assert_non_null(strstr(text, message));
}

static void assert_passes(void (*what)(void))
{
    assert_string_equal(said(what), "");
}

/* ---- what passes ----------------------------------------------------------------------------- */

static void all_in_order(void)
{
    pthread_rwlock_rdlock(&l.gate);
    pthread_rwlock_wrlock(&l.inode[1]);
    pthread_rwlock_wrlock(&l.inode[0]);
    pthread_mutex_lock(&l.item[0]);
    pthread_mutex_unlock(&l.item[0]);
    pthread_mutex_lock(&l.item[1]);
    pthread_rwlock_unlock(&l.gate); /* in any order */
    pthread_mutex_lock(&l.quotas);
    pthread_mutex_lock(&l.cache);
    pthread_mutex_lock(&l.quotas);
    pthread_mutex_unlock(&l.quotas);
    pthread_mutex_unlock(&l.cache);
    pthread_mutex_unlock(&l.quotas);
    pthread_mutex_unlock(&l.item[1]);
    pthread_rwlock_unlock(&l.inode[0]);
    pthread_rwlock_unlock(&l.inode[1]);
    pthread_rwlock_wrlock(&l.gate);
    pthread_rwlock_unlock(&l.gate);
}

static void nobody_waits(void)
{
    pthread_mutex_lock(&l.cache);
    if (pthread_rwlock_trywrlock(&l.inode[0]) != 0 || pthread_rwlock_tryrdlock(&l.gate) != 0 ||
        pthread_mutex_trylock(&l.item[0]) != 0)
        abort();
}

static void without_a_rank(void)
{
    pthread_mutex_lock(&l.cache);
    pthread_mutex_lock(&l.unranked);
    lock_destroy(&l.item[0]);
    pthread_mutex_init(&l.item[0], NULL);
    pthread_mutex_lock(&l.item[0]);
}

static void *make_ready(void *arg)
{
    pthread_mutex_lock(&l.cache);
    l.ready = true;
    pthread_cond_signal(&l.cond);
    pthread_mutex_unlock(&l.cache);
    return arg;
}

/* The mutex is held again after the wait, and was not held twice. */
static void waits_for_a_condition(void)
{
    struct timespec past = {0};
    pthread_t thread;

    pthread_mutex_lock(&l.item[0]);
    pthread_mutex_lock(&l.cache);
    if (pthread_cond_timedwait(&l.cond, &l.cache, &past) != ETIMEDOUT ||
        pthread_create(&thread, NULL, make_ready, NULL) != 0)
        abort();
    while (!l.ready)
        pthread_cond_wait(&l.cond, &l.cache);
    pthread_mutex_unlock(&l.cache);
    pthread_join(thread, NULL);
    pthread_mutex_lock(&l.cache);
    pthread_mutex_unlock(&l.cache);
}

static void what_is_in_order_passes(void **state)
{
    uint64_t before = lock_ranks_taken();

    (void)state;
    assert_passes(all_in_order);
    assert_passes(nobody_waits);
    assert_passes(without_a_rank);
    assert_passes(waits_for_a_condition);
    all_in_order();
    assert_int_equal(lock_ranks_taken() - before, 9);
}

/* ---- what does not --------------------------------------------------------------------------- */

static void wrong_order(void)
{
    pthread_mutex_lock(&l.cache);
    pthread_mutex_lock(&l.item[0]);
}

static void shared_counts(void)
{
    pthread_rwlock_rdlock(&l.inode[0]);
    pthread_rwlock_rdlock(&l.gate);
}

static void shared_twice(void)
{
    pthread_rwlock_rdlock(&l.inode[0]);
    pthread_rwlock_rdlock(&l.inode[0]);
}

static void two_of_a_rank(void)
{
    pthread_mutex_lock(&l.item[0]);
    pthread_mutex_lock(&l.item[1]);
}

static void tried_is_held(void)
{
    if (pthread_mutex_trylock(&l.cache) == 0)
        pthread_rwlock_wrlock(&l.gate);
}

static void not_the_last_alone(void)
{
    pthread_mutex_lock(&l.cache);
    if (pthread_rwlock_tryrdlock(&l.gate) == 0)
        pthread_mutex_lock(&l.item[0]);
}

static void waits_below(void)
{
    pthread_mutex_lock(&l.item[0]);
    pthread_mutex_lock(&l.cache);
    pthread_cond_wait(&l.cond, &l.item[0]);
}

static void held_after_the_wait(void)
{
    struct timespec past = {0};

    pthread_mutex_lock(&l.cache);
    pthread_cond_timedwait(&l.cond, &l.cache, &past);
    pthread_mutex_lock(&l.item[0]);
}

static void not_held(void)
{
    pthread_mutex_lock(&l.item[0]);
    pthread_mutex_unlock(&l.item[1]);
}

static void what_is_not_is_noticed(void **state)
{
    (void)state;
    assert_notices(wrong_order, "takes RANK_ITEM while it holds RANK_NODE_CACHE");
    assert_notices(shared_counts, "takes RANK_GATE while it holds RANK_INODE");
    assert_notices(shared_twice, "takes RANK_INODE while it holds RANK_INODE");
    assert_notices(two_of_a_rank, "takes RANK_ITEM while it holds RANK_ITEM");
    assert_notices(tried_is_held, "takes RANK_GATE while it holds RANK_NODE_CACHE");
    assert_notices(not_the_last_alone, "takes RANK_ITEM while it holds RANK_NODE_CACHE");
    assert_notices(waits_below, "takes RANK_ITEM while it holds RANK_NODE_CACHE");
    assert_notices(held_after_the_wait, "takes RANK_ITEM while it holds RANK_NODE_CACHE");
    assert_notices(not_held, "gives back RANK_ITEM, which it does not hold");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_in_order_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_is_noticed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
