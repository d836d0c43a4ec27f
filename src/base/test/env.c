// SPDX-License-Identifier: GPL-2.0-or-later
/* Promise: a seeded environment repeats itself exactly; the real one runs every piece once. */
#include "base/test/unit.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env.h"

static void same_seed_same_answers(void **state)
{
    struct env *a = env_seeded_new(42), *b = env_seeded_new(42), *c = env_seeded_new(43);
    char from_a[37], from_b[37], from_c[37];

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct timespec ta = env_now(a), tb = env_now(b);

        env_random(a, from_a, sizeof(from_a));
        env_random(b, from_b, sizeof(from_b));
        env_random(c, from_c, sizeof(from_c));
        assert_memory_equal(from_a, from_b, sizeof(from_a));
        assert_memory_not_equal(from_a, from_c, sizeof(from_a));
        assert_memory_equal(&ta, &tb, sizeof(ta));
    }
    env_seeded_free(a);
    env_seeded_free(b);
    env_seeded_free(c);
}

static void seeded_time_moves_on(void **state)
{
    struct env *env = env_seeded_new(1);
    struct timespec before = env_now(env);

    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct timespec now = env_now(env);

        assert_true(now.tv_sec > before.tv_sec ||
                    (now.tv_sec == before.tv_sec && now.tv_nsec > before.tv_nsec));
        assert_in_range(now.tv_nsec, 0, 999999999);
        before = now;
    }
    assert_true(env_monotonic_ns(env) < env_monotonic_ns(env));
    env_seeded_free(env);
}

static void note_order(void *arg, size_t i)
{
    size_t **next = arg;

    *(*next)++ = i;
}

static void seeded_parallel_runs_in_order(void **state)
{
    struct env *env = env_seeded_new(1);
    size_t order[10], *next = order;

    (void)state;
    env_parallel(env, 10, note_order, &next);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(order[i], i);
    env_seeded_free(env);
}

static void seeded_notes_are_counted(void **state)
{
    struct env *env = env_seeded_new(1);

    (void)state;
    assert_int_equal(env_seeded_notes(env), 0);
    env_note(env, NOTE_WARNING, "block %d", 1);
    env_note(env, NOTE_INFO, "block %d", 2);
    assert_int_equal(env_seeded_notes(env), 2);
    assert_string_equal(env_seeded_last_note(env), "block 2");
    env_seeded_free(env);
}

static void below_is_below(void **state)
{
    struct rng rng;
    unsigned seen[7] = {0};

    (void)state;
    rng_seed(&rng, unit_seed(7));
    for (int i = 0; i < 7000; i++)
        seen[rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 800, 1200);
    assert_int_equal(rng_below(&rng, 1), 0);
}

#define PIECES 1000

static void count_piece(void *arg, size_t i)
{
    __atomic_fetch_add((unsigned *)arg + i, 1, __ATOMIC_RELAXED);
}

static void real_parallel_runs_each_piece_once(void **state)
{
    unsigned ran[PIECES] = {0};

    (void)state;
    for (int round = 1; round <= 50; round++) {
        env_parallel(env_real(), PIECES, count_piece, ran);
        for (size_t i = 0; i < PIECES; i++)
            assert_int_equal(ran[i], round);
    }
    env_parallel(env_real(), 0, count_piece, ran);
    env_parallel(env_real(), 1, count_piece, ran);
    assert_int_equal(ran[0], 51);
    assert_int_equal(ran[1], 50);
}

static void call_again(void *arg, size_t i)
{
    (void)i;
    env_parallel(env_real(), 20, count_piece, arg);
}

static void real_parallel_may_nest(void **state)
{
    unsigned ran[20] = {0};

    (void)state;
    env_parallel(env_real(), 30, call_again, ran);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(ran[i], 30);
}

static void real_parallel_works_after_fork(void **state)
{
    unsigned ran[PIECES] = {0};
    int status;

    (void)state;
    env_parallel(env_real(), PIECES, count_piece, ran);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        env_parallel(env_real(), PIECES, count_piece, ran);
        for (size_t i = 0; i < PIECES; i++)
            if (ran[i] != 2)
                _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void keep_note(void *arg, enum note_level level, const char *message)
{
    snprintf(arg, 64, "%d %s", (int)level, message);
}

static void real_notes_reach_the_handler(void **state)
{
    char got[64] = "";

    (void)state;
    env_note(env_real(), NOTE_ERROR, "nobody listens");
    env_real_set_note(keep_note, got);
    env_note(env_real(), NOTE_WARNING, "copy %d used", 1);
    env_real_set_note(NULL, NULL);
    env_note(env_real(), NOTE_ERROR, "nobody listens");
    assert_string_equal(got, "1 copy 1 used");
}

static void real_random_differs(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};

    (void)state;
    env_random(env_real(), a, sizeof(a));
    env_random(env_real(), b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void only_the_real_one_knows_memory(void **state)
{
    struct env *seeded = env_seeded_new(1);

    (void)state;
    assert_int_equal(env_memory_bytes(seeded), 0);
    assert_in_range(env_memory_bytes(env_real()), 1 << 20, UINT64_MAX / 2);
    env_seeded_free(seeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_answers),
        cmocka_unit_test(seeded_time_moves_on),
        cmocka_unit_test(seeded_parallel_runs_in_order),
        cmocka_unit_test(seeded_notes_are_counted),
        cmocka_unit_test(below_is_below),
        cmocka_unit_test(real_parallel_runs_each_piece_once),
        cmocka_unit_test(real_parallel_may_nest),
        cmocka_unit_test(real_parallel_works_after_fork),
        cmocka_unit_test(real_notes_reach_the_handler),
        cmocka_unit_test(real_random_differs),
        cmocka_unit_test(only_the_real_one_knows_memory),
    };

    return cmocka_run_group_tests_name("base/env", tests, NULL, NULL);
}
