// SPDX-License-Identifier: GPL-2.0-or-later
/* copse: the command line of libcopse. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

/* What the program is called as may be a command: mkfs.copse, mount.fuse.copse. */
static const char *command_of_program(const char *argv0)
{
    const char *slash = strrchr(argv0, '/'), *name = slash ? slash + 1 : argv0;

    if (strncmp(name, "mkfs.", 5) == 0)
        return "mkfs";
    if (strncmp(name, "mount.", 6) == 0)
        return "mount";
    return NULL;
}

/* Output that could not be written is a failure, whatever the command says. */
static int check_output(struct cli *cli, int result)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    cli_failed_in_library(false);
    return cli_fail(cli, "standard output", errno ? -errno : -EIO);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    const char *command = command_of_program(argv[0]);
    char **words = need_memory(calloc((size_t)argc + 2, sizeof(char *)));
    int count = 0, result;

    if (command)
        words[count++] = (char *)(uintptr_t)command;
    for (int i = 1; i < argc; i++)
        words[count++] = argv[i];
    cli_show_notes(true);
    cli_catch_signals();
    result = command_run(&cli, count, words);
    result = check_output(&cli, result);
    free(words);
    return cli_interrupted() ? EXIT_INTERRUPTED : result;
}
