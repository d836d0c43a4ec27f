// SPDX-License-Identifier: GPL-2.0-or-later
/* Promise: the error number and its message stay together, per thread, and are never overrun. */
#include "base/test/unit.h"

#include <pthread.h>
#include <string.h>

#include "base/err.h"

static void fail_returns_and_records(void **state)
{
    (void)state;
    assert_int_equal(fail(-EIO, "tree %d block %d: bad", 5, 4096), -EIO);
    assert_string_equal(fail_message(), "tree 5 block 4096: bad");
    fail_clear();
    assert_string_equal(fail_message(), "");
}

static void context_goes_in_front(void **state)
{
    (void)state;
    (void)fail(-EIO, "checksum wrong");
    assert_int_equal(fail_context(-EUCLEAN, "disk.img"), -EUCLEAN);
    assert_string_equal(fail_message(), "disk.img: checksum wrong");
    fail_clear();
    (void)fail_context(-EIO, "alone");
    assert_string_equal(fail_message(), "alone");
}

static void long_messages_are_cut(void **state)
{
    char longer[2 * FAIL_MESSAGE_MAX];

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    (void)fail(-EIO, "%s", longer);
    assert_int_equal(strlen(fail_message()), FAIL_MESSAGE_MAX - 1);
    (void)fail_context(-EIO, "front");
    assert_int_equal(strlen(fail_message()), FAIL_MESSAGE_MAX - 1);
    assert_memory_equal(fail_message(), "front: xxx", 10);
}

static void a_message_is_one_line(void **state)
{
    char controls[FAIL_MESSAGE_MAX];

    (void)state;
    (void)fail(-ENOENT, "a\nb\033[31m\177");
    assert_string_equal(fail_message(), "a\\012b\\033[31m\\177");
    (void)fail_context(-ENOENT, "dir\t");
    assert_string_equal(fail_message(), "dir\\011: a\\012b\\033[31m\\177");
    memset(controls, '\n', sizeof(controls) - 1);
    controls[sizeof(controls) - 1] = '\0';
    (void)fail(-ENOENT, "%s", controls);
    assert_int_equal(strlen(fail_message()), FAIL_MESSAGE_MAX - 1);
    assert_null(strchr(fail_message(), '\n'));
}

static int step(int ret, int *steps)
{
    (*steps)++;
    return ret;
}

static int three_steps(int second, int *steps)
{
    TRY(step(0, steps));
    TRY(step(second, steps));
    TRY(step(0, steps));
    return 7;
}

static void try_stops_at_the_first_failure(void **state)
{
    int steps = 0;

    (void)state;
    assert_int_equal(three_steps(0, &steps), 7);
    assert_int_equal(steps, 3);
    steps = 0;
    assert_int_equal(three_steps(-ENOSPC, &steps), -ENOSPC);
    assert_int_equal(steps, 2);
}

static void *fail_elsewhere(void *arg)
{
    (void)fail(-EIO, "the other thread's");
    return arg;
}

static void messages_are_per_thread(void **state)
{
    pthread_t thread;

    (void)state;
    (void)fail(-EIO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(fail_message(), "mine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_returns_and_records),       cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(long_messages_are_cut),          cmocka_unit_test(a_message_is_one_line),
        cmocka_unit_test(try_stops_at_the_first_failure), cmocka_unit_test(messages_are_per_thread),
    };

    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
