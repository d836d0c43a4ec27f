// SPDX-License-Identifier: GPL-2.0-or-later
/* From words to the command they name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

static bool begins(const char *whole, const char *part)
{
    return strncmp(whole, part, strlen(part)) == 0;
}

static bool same_group(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* The name that a row has at this level: its group, or inside a group its own. */
static const char *name_at(const struct command *row, const char *group)
{
    if (group)
        return same_group(row->group, group) ? row->name : NULL;
    return row->group ? row->group : row->name;
}

struct candidates {
    const struct command *found[8];
    unsigned count; /* may be more than found holds */
    bool exact;
};

/* "inspect-internal" is the same group as "inspect" for whoever comes from btrfs. */
static const char *without_alias(const char *word, const char *group)
{
    return !group && strlen(word) > strlen("inspect") && begins("inspect-internal", word)
               ? "inspect"
               : word;
}

static void consider(struct candidates *all, const struct command *row, const char *name,
                     const char *word)
{
    bool exact = strcmp(name, word) == 0;

    if (!begins(name, word) || (all->exact && !exact))
        return;
    if (exact && !all->exact)
        *all = (struct candidates){.exact = true};
    /* The rows of a group count once. */
    for (unsigned i = 0; i < all->count && i < 8; i++) {
        if (same_group(all->found[i]->group, row->group) && name == row->group)
            return;
    }
    if (all->count < 8)
        all->found[all->count] = row;
    all->count++;
}

static int complain(struct cli *cli, const struct candidates *all, const char *group,
                    const char *word)
{
    char *list;

    if (all->count == 0)
        return cli_usage(cli, "%s%s%s: unknown command", group ? group : "", group ? " " : "",
                         word);
    list = need_string(strdup(""));
    for (unsigned i = 0; i < all->count && i < 8; i++) {
        char *longer = format_text("%s%s%s", list, i ? ", " : "", name_at(all->found[i], group));
        free(list);
        list = longer;
    }
    cli_usage(cli, "%s: ambiguous: %s", word, list);
    free(list);
    return EXIT_USAGE;
}

const struct command *command_find(struct cli *cli, int argc, char **argv, int *used)
{
    const char *group = NULL;

    for (*used = 0; *used < argc;) {
        const char *word = without_alias(argv[*used], group);
        struct candidates all = {0};

        for (unsigned i = 0; i < command_count; i++) {
            const char *name = name_at(&commands[i], group);
            if (name)
                consider(&all, &commands[i], name, word);
        }
        if (all.count != 1) {
            complain(cli, &all, group, argv[*used]);
            return NULL;
        }
        ++*used;
        if (group || !all.found[0]->group)
            return all.found[0];
        group = all.found[0]->group;
    }
    cli_usage(cli, group ? "%s: which of its commands?" : "no command", group);
    return NULL;
}

int command_take_format(struct cli *cli, int *argc, char **argv)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        const char *value = NULL;

        if (strcmp(argv[i], "--") == 0) {
            while (i < *argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (strcmp(argv[i], "--rescue") == 0 || begins(argv[i], "--rescue=")) {
            const char *list = argv[i][8] ? argv[i] + 9 : i + 1 < *argc ? argv[++i] : "";

            if (*list == '\0' || copse_rescue_parse(list, &cli->rescue) < 0)
                return cli_usage(cli,
                                 "--rescue %s: not usebackuproot, nologreplay, ignorebadroots, "
                                 "ignoredatacsums or all",
                                 list);
            continue;
        }
        if (strcmp(argv[i], "--format") == 0)
            value = i + 1 < *argc ? argv[++i] : "";
        else if (begins(argv[i], "--format="))
            value = argv[i] + strlen("--format=");
        if (!value)
            argv[kept++] = argv[i];
        else if (strcmp(value, "json") == 0 || strcmp(value, "text") == 0)
            cli->json = strcmp(value, "json") == 0;
        else
            return cli_usage(cli, "--format %s: neither json nor text", value);
    }
    *argc = kept;
    argv[kept] = NULL;
    return 0;
}

static bool asks_for_help(int argc, char **argv)
{
    return argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
}

static int run_found(struct cli *cli, const struct command *command, int argc, char **argv)
{
    int result, closed;

    cli->command = command;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        char *words[] = {argv[0], (char *)(uintptr_t)command->shown, NULL};
        return cmd_help(cli, 2, words);
    }
    if (cli->shell && (command->flags & COMMAND_NOT_IN_SHELL))
        return cli_usage(cli, "not inside the shell");
    result = command->run(cli, argc, argv);
    if (cli->keep_sessions)
        return result;
    closed = sessions_close(cli);
    return result ? result : closed;
}

int command_run(struct cli *cli, int argc, char **argv)
{
    const struct command *before = cli->command, *command;
    bool json_before = cli->json;
    unsigned rescue_before = cli->rescue;
    int used, result;

    result = command_take_format(cli, &argc, argv);
    if (result != 0)
        return result;
    if (asks_for_help(argc, argv))
        argv[0] = (char *)(uintptr_t) "help";
    else if (argc == 1 && (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0))
        argv[0] = (char *)(uintptr_t) "version";
    command = command_find(cli, argc, argv, &used);
    /* The last of the words that name it stands where a program's name does. */
    result = command ? run_found(cli, command, argc - used + 1, argv + used - 1) : EXIT_USAGE;
    cli->command = cli->shell ? before : cli->command;
    cli->json = json_before;
    cli->rescue = rescue_before;
    return result;
}
