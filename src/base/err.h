// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The error idiom of the whole project.
 *
 * A function that can fail returns int: 0 or a negative errno (a few searches also return 1, and
 * their comment says so). The place that finds out what is wrong says so once, with
 * `return fail(-EIO, "tree %llu block %llu: ...")`; everybody above passes the number on.
 * The message is kept per thread, like errno. The library never prints.
 */
#ifndef COPSE_BASE_ERR_H
#define COPSE_BASE_ERR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#ifndef EUCLEAN
#define EUCLEAN 117
#endif

/* Longest message kept, including the final NUL; longer ones are cut. */
#define FAIL_MESSAGE_MAX 512

/*
 * fail(err, fmt, ...) records a message for this thread and is err (which must be negative); a
 * macro, so that the compiler sees that the way behind it failed.
 * fail_context(err, fmt, ...) puts `fmt: ` in front of the message already recorded.
 */
#define fail(err, ...) (fail_record(__VA_ARGS__), (err))
#define fail_context(err, ...) (fail_prepend(__VA_ARGS__), (err))
void fail_record(const char *fmt, ...) PRINTF_LIKE(1, 2);
void fail_prepend(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * The last message of this thread; "" when there is none. Valid until the next fail(). Always one
 * line: control characters, which names may hold, are shown as "\012".
 */
const char *fail_message(void);

void fail_clear(void);

/* Runs expr; when it is negative, returns it from the calling function. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        int try_ret_ = (expr);                                                                     \
        if (try_ret_ < 0)                                                                          \
            return try_ret_;                                                                       \
    } while (0)

/*
 * For our own mistakes only, never for what a device says. Stays on in release builds: going on
 * after a broken invariant is how file systems lose data. `what` cites the invariant where one
 * applies, as "I5: ...".
 */
#define INVARIANT(cond, what)                                                                      \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            invariant_broken(#cond, what, __FILE__, __LINE__);                                     \
    } while (0)

_Noreturn void invariant_broken(const char *cond, const char *what, const char *file, int line);

#endif
