// SPDX-License-Identifier: GPL-2.0-or-later
/* shell: one open of the file system, a command a line. */
#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

struct shell {
    struct session *session;
    const char *source; /* where lines come from, for messages */
    unsigned line;
    bool prompt, go_on, done;
};

struct session *shell_session(struct cli *cli)
{
    return cli->shell->session;
}

/* exit and crash exist here only. */
static bool own_command(struct cli *cli, const struct words *words, int *result)
{
    struct shell *shell = cli->shell;
    bool leave = strcmp(words->list[0], "exit") == 0 || strcmp(words->list[0], "quit") == 0;

    if (!leave && strcmp(words->list[0], "crash") != 0)
        return false;
    if (words->count > 1)
        *result = cli_usage(cli, "%s: too many arguments", words->list[0]);
    else if (leave)
        shell->done = true;
    else
        *result = session_crash(cli, shell->session);
    /* Without a file system there is nothing to go on with. */
    if (!shell->session->tree.fs)
        shell->done = true;
    return true;
}

static int run_line(struct cli *cli, const char *line)
{
    struct words words;
    const char *wrong = words_split(line, &words);
    int result = 0;

    if (wrong)
        return cli_usage(cli, "%s:%u: %s", cli->shell->source, cli->shell->line, wrong);
    if (words.count > 0 && !own_command(cli, &words, &result))
        result = command_run(cli, words.count, words.list);
    words_free(&words);
    fflush(stdout);
    return result;
}

static int run_lines(struct cli *cli, FILE *input)
{
    struct shell *shell = cli->shell;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int failed = 0;

    while (!shell->done && !cli_interrupted()) {
        int result;

        if (shell->prompt) {
            fputs("copse> ", stdout);
            fflush(stdout);
        }
        len = getline(&line, &room, input);
        if (len < 0)
            break;
        shell->line++;
        if (memchr(line, '\0', (size_t)len))
            result = cli_usage(cli, "%s:%u: a NUL byte", shell->source, shell->line);
        else
            result = run_line(cli, line);
        /* Wrong usage counts as such when nothing worse happened. */
        if (result != 0 && failed != EXIT_FAILED)
            failed = result;
        if (result != 0 && !shell->go_on && !shell->prompt)
            break;
    }
    free(line);
    return failed;
}

static int run_in(struct cli *cli, const char *script)
{
    struct shell *shell = cli->shell;
    FILE *input = script ? fopen(script, "re") : stdin;
    int result;

    if (!input) {
        cli_failed_in_library(false);
        return cli_fail(cli, script, -errno);
    }
    shell->source = script ? script : "standard input";
    shell->prompt = !script && isatty(STDIN_FILENO);
    cli->keep_sessions = true;
    result = run_lines(cli, input);
    cli->keep_sessions = false;
    if (script)
        fclose(input);
    return result;
}

int cmd_shell(struct cli *cli, int argc, char **argv)
{
    struct shell shell = {0};
    const char *script = NULL;
    bool started = false;
    char *path = NULL;
    int option, result, closed;

    while ((option = cli_option(cli, argc, argv, "f:k", NULL, &started)) >= 0) {
        if (option == 'f')
            script = optarg;
        else if (option == 'k')
            shell.go_on = true;
        else
            return EXIT_USAGE;
    }
    result = cli_count(cli, argc, 1, 1);
    if (result == 0)
        result = place_fs(cli, argv[optind], WANT_CHANGE, &shell.session, &path);
    free(path);
    if (result != 0)
        return result;
    cli->shell = &shell;
    result = run_in(cli, script);
    /* A crash that could not open again leaves a session without a file system: closing it does
     * nothing. */
    cli->shell = NULL;
    closed = sessions_close(cli);
    return result ? result : closed;
}
