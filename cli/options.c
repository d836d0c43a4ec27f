// SPDX-License-Identifier: GPL-2.0-or-later
/* Options of commands, and the signal that asks to stop. */
#include "cli.h"

#include <signal.h>
#include <string.h>

/* The option as it was written, for the message. */
static const char *offending(char **argv, char buf[3])
{
    if (optopt == 0 || optopt > 255 || strncmp(argv[optind - 1], "--", 2) == 0)
        return argv[optind - 1];
    buf[0] = '-';
    buf[1] = (char)optopt;
    buf[2] = '\0';
    return buf;
}

int cli_option(struct cli *cli, int argc, char **argv, const char *shorts,
               const struct option *longs, bool *started)
{
    static const struct option none[] = {{0}};
    char all[64] = ":", buf[3];
    int option;

    if (!*started) {
        optind = 0;
        opterr = 0;
        *started = true;
    }
    /* A leading + ends the options at the first word that is none. */
    if (*shorts == '+') {
        strcpy(all, "+:");
        shorts++;
    }
    strncat(all, shorts, sizeof(all) - strlen(all) - 1);
    option = getopt_long(argc, argv, all, longs ? longs : none, NULL);
    if (option == '?') {
        cli_usage(cli, "%s: unknown option", offending(argv, buf));
    } else if (option == ':') {
        cli_usage(cli, "%s: needs an argument", offending(argv, buf));
        option = '?';
    }
    return option;
}

int cli_count(struct cli *cli, int argc, int min, int max)
{
    int count = argc - optind;

    if (count < min)
        return cli_usage(cli, "too few arguments");
    if (max >= 0 && count > max)
        return cli_usage(cli, "too many arguments");
    return 0;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void cli_catch_signals(void)
{
    /* Without SA_RESTART, so that a read of standard input comes back. */
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool cli_interrupted(void)
{
    return interrupted;
}
