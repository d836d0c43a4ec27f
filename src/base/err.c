// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[FAIL_MESSAGE_MAX];

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == '\177';
}

/* Names may hold any byte, but a message is one line and moves no cursor: "\012" for a newline. */
static void escape_controls(void)
{
    char raw[FAIL_MESSAGE_MAX], *at = message, *end = message + sizeof(message) - 1;
    const char *c = message;

    while (*c && !is_control(*c))
        c++;
    if (!*c)
        return;
    memcpy(raw, message, sizeof(raw));
    for (c = raw; *c && at < end; c++) {
        if (is_control(*c))
            at += snprintf(at, (size_t)(end - at) + 1, "\\%03o", (unsigned char)*c);
        else
            *at++ = *c;
    }
    *(at < end ? at : end) = '\0';
}

void fail_record(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    escape_controls();
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
    escape_controls();
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
