// SPDX-License-Identifier: GPL-2.0-or-later
/* One line for each failure, always of the same shape. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

static bool in_library;

static void print_note(void *arg, enum copse_note_level level, const char *message)
{
    static const char *const levels[] = {"note", "warning", "error"};

    (void)arg;
    fprintf(stderr, "copse: %s: %s\n", levels[level], message);
}

void cli_show_notes(bool show)
{
    copse_set_note_handler(show ? print_note : NULL, NULL);
}

void cli_failed_in_library(bool library)
{
    in_library = library;
}

/* A name may hold any byte, but a failure is one line and moves no cursor: "\012" for a newline. */
static char *one_line(const char *text)
{
    char *line = need_memory(malloc(4 * strlen(text) + 1)), *at = line;

    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == '\177')
            at += sprintf(at, "\\%03o", (unsigned char)*text);
        else
            *at++ = *text;
    }
    *at = '\0';
    return line;
}

static void print_line(struct cli *cli, const char *raw_what, const char *raw_why)
{
    char *what = one_line(raw_what ? raw_what : ""), *why = one_line(raw_why);

    fflush(stdout);
    fputs("copse", stderr);
    if (cli->command)
        fprintf(stderr, " %s", cli->command->shown);
    if (*what)
        fprintf(stderr, ": %s", what);
    fprintf(stderr, ": %s\n", why);
    free(what);
    free(why);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* A message that begins with what it is about, or with the last part of that, need not say it
 * twice.
 */
static const char *without_repetition(const char *message, const char *what)
{
    const char *colon = strstr(message, ": ");
    size_t len = colon ? (size_t)(colon - message) : strlen(message), what_len = strlen(what);

    if (len == 0 || len > what_len || strncmp(what + what_len - len, message, len) != 0)
        return message;
    if (len < what_len && !strchr("/: ", what[what_len - len - 1]))
        return message;
    return colon ? colon + 2 : "";
}

/* Who has the device says more than that it is busy. */
static bool says_it_all(int err, const char *message)
{
    return err == -EBUSY && (strstr(message, "in use by ") || strstr(message, "mounted by "));
}

int cli_fail_said(struct cli *cli, const char *what, int err, const char *message)
{
    const char *text = strerror(-err);
    char *shown = one_line(what ? what : ""), *why;

    message = without_repetition(message, shown);
    if (*message == '\0')
        why = need_string(strdup(text));
    else if (ends_with(message, text) || says_it_all(err, message))
        why = need_string(strdup(message));
    else
        why = format_text("%s: %s", message, text);
    print_line(cli, shown, why);
    free(shown);
    free(why);
    return EXIT_FAILED;
}

int cli_fail(struct cli *cli, const char *what, int err)
{
    return cli_fail_said(cli, what, err, in_library ? copse_error() : "");
}

int cli_fail_because(struct cli *cli, const char *what, int err, const char *fmt, ...)
{
    char *words, *why;
    va_list args;

    va_start(args, fmt);
    words = format_text_of(fmt, args);
    va_end(args);
    why = format_text("%s: %s", words, strerror(-err));
    print_line(cli, what, why);
    free(why);
    free(words);
    return EXIT_FAILED;
}

void cli_warn(struct cli *cli, const char *what, const char *fmt, ...)
{
    char *words;
    va_list args;

    va_start(args, fmt);
    words = format_text_of(fmt, args);
    va_end(args);
    print_line(cli, what, words);
    free(words);
}

int cli_usage(struct cli *cli, const char *fmt, ...)
{
    char *words, *why;
    va_list args;

    va_start(args, fmt);
    words = format_text_of(fmt, args);
    va_end(args);
    why = cli->command ? format_text("%s; usage: copse %s %s", words, cli->command->shown,
                                     cli->command->usage)
                       : format_text("%s; see copse help", words);
    print_line(cli, NULL, why);
    free(why);
    free(words);
    return EXIT_USAGE;
}

void *need_memory(void *pointer)
{
    if (!pointer) {
        fputs("copse: out of memory\n", stderr);
        exit(EXIT_FAILED);
    }
    return pointer;
}

char *need_string(char *text)
{
    return need_memory(text);
}

char *format_text_of(const char *fmt, va_list args)
{
    char *text;

    return need_string(vasprintf(&text, fmt, args) < 0 ? NULL : text);
}

char *format_text(const char *fmt, ...)
{
    char *text;
    va_list args;

    va_start(args, fmt);
    text = format_text_of(fmt, args);
    va_end(args);
    return text;
}
