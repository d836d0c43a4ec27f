// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[FAIL_MESSAGE_MAX];

void fail_record(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
}

void fail_prepend(const char *fmt, ...)
{
    char old[FAIL_MESSAGE_MAX];
    va_list args;

    memcpy(old, message, sizeof(old));
    va_start(args, fmt);
    int used = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof(message) && old[0] != '\0')
        snprintf(message + used, sizeof(message) - (size_t)used, ": %s", old);
}

const char *fail_message(void)
{
    return message;
}

void fail_clear(void)
{
    message[0] = '\0';
}

_Noreturn void invariant_broken(const char *cond, const char *what, const char *file, int line)
{
    fprintf(stderr, "copse: broken invariant: %s (%s) at %s:%d\n", what, cond, file, line);
    abort();
}
