// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What every command shares: the state of one run of the program, how commands fail, and how they
 * take their options.
 *
 * A command returns how the program exits: EXIT_DONE, EXIT_FAILED, or EXIT_USAGE.
 */
#ifndef COPSE_CLI_CLI_H
#define COPSE_CLI_CLI_H

#include <copse/copse.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_INTERRUPTED 130

#define CLI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

struct session;
struct shell;
struct command;

struct cli {
    const struct command *command; /* running now */
    bool json;                     /* --format json */
    unsigned rescue;               /* --rescue: COPSE_RESCUE_* */
    struct session *sessions;      /* file systems that the command has opened */
    struct shell *shell;           /* inside `copse shell`; its file system is a session too */
    bool keep_sessions;            /* the shell closes them */
};

/* ---- failing --------------------------------------------------------------------------------- */

/*
 * Prints "copse COMMAND: WHAT: WHY" and returns EXIT_FAILED. WHY is what the library said about its
 * last failure, where err comes from it, and ends with the text of err (a negative errno).
 */
int cli_fail(struct cli *cli, const char *what, int err);
/* The same with what somebody else's library said. */
int cli_fail_said(struct cli *cli, const char *what, int err, const char *message);
/* The same with words of ours in front of the text of err. */
int cli_fail_because(struct cli *cli, const char *what, int err, const char *fmt, ...)
    CLI_PRINTF(4, 5);
/* Something went less well than asked for. */
void cli_warn(struct cli *cli, const char *what, const char *fmt, ...) CLI_PRINTF(3, 4);

/* Wrong usage: one line that names the help. Returns EXIT_USAGE. */
int cli_usage(struct cli *cli, const char *fmt, ...) CLI_PRINTF(2, 3);

/* Which side the last failure came from: only the library has a message worth repeating. */
void cli_failed_in_library(bool library);

/* Whether what the library has to tell beside failures goes to standard error. */
void cli_show_notes(bool show);

/* Out of memory ends the program: there is nothing left to report with. */
void *need_memory(void *pointer);
char *need_string(char *text);
char *format_text(const char *fmt, ...) CLI_PRINTF(1, 2);
char *format_text_of(const char *fmt, va_list args) CLI_PRINTF(1, 0);

/* ---- options --------------------------------------------------------------------------------- */

/*
 * getopt_long with our messages: the option, -1 at the end, or '?' after having complained. Begins
 * anew when *started is false.
 */
int cli_option(struct cli *cli, int argc, char **argv, const char *shorts,
               const struct option *longs, bool *started);
/* What is left of argv must number min to max; EXIT_USAGE after complaining, else 0. */
int cli_count(struct cli *cli, int argc, int min, int max);

/* ---- interruption ---------------------------------------------------------------------------- */

void cli_catch_signals(void);
/* Ctrl-C was pressed: finish the current step and close. */
bool cli_interrupted(void);

#endif
