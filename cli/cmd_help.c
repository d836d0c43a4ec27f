// SPDX-License-Identifier: GPL-2.0-or-later
/* version and help. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "text.h"

int cmd_version(struct cli *cli, int argc, char **argv)
{
    const char *const *features = copse_features();
    struct json_object *list, *all;
    bool started = false;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0)
        return EXIT_USAGE;
    if (cli_count(cli, argc, 0, 0) != 0)
        return EXIT_USAGE;
    if (!cli->json) {
        printf("copse %s\n", copse_version());
        for (; *features; features++)
            printf("+%s ", *features);
#ifdef HAVE_FUSE
        puts("+fuse");
#else
        puts("-fuse");
#endif
        return EXIT_DONE;
    }
    all = json_object_new_object();
    list = json_object_new_array();
    for (; *features; features++)
        json_object_array_add(list, json_object_new_string(*features));
#ifdef HAVE_FUSE
    json_object_array_add(list, json_object_new_string("fuse"));
#endif
    json_object_object_add(all, "version", json_object_new_string(copse_version()));
    json_object_object_add(all, "features", list);
    json_print("version", all);
    return EXIT_DONE;
}

static void print_all(void)
{
    puts("usage: copse [--format json] COMMAND [OPTION…] [ARGUMENT…]\n");
    for (unsigned i = 0; i < command_count; i++) {
        if (!(commands[i].flags & COMMAND_ALIAS))
            printf("  %-24s %s\n", commands[i].shown, commands[i].does);
    }
    puts("\nT names a file system: DEV[,DEV…], image files or block devices.\n"
         "P names a file in it: T:/path; or a path in a mounted copse file system.\n"
         "copse help COMMAND says more. Beginnings of names will do: copse sub list.");
}

static void print_one(const struct command *command)
{
    printf("usage: copse %s %s\n\n%s\n", command->shown, command->usage, command->does);
    if (command->more)
        printf("\n%s\n", command->more);
}

/* "copse help subvolume": all of a group. */
static bool print_group(const char *word)
{
    bool any = false;

    for (unsigned i = 0; i < command_count; i++) {
        const struct command *row = &commands[i];
        if (!row->group || strcmp(row->group, word) != 0)
            continue;
        printf("  copse %s %s\n      %s\n", row->shown, row->usage, row->does);
        any = true;
    }
    return any;
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
    const struct command *found;
    int used;

    if (argc < 2) {
        print_all();
        return EXIT_DONE;
    }
    for (unsigned i = 0; argc == 2 && i < command_count; i++) {
        if (strcmp(commands[i].shown, argv[1]) == 0) {
            print_one(&commands[i]);
            return EXIT_DONE;
        }
    }
    if (argc == 2 && print_group(argv[1]))
        return EXIT_DONE;
    found = command_find(cli, argc - 1, argv + 1, &used);
    if (!found)
        return EXIT_USAGE;
    print_one(found);
    return EXIT_DONE;
}
