// SPDX-License-Identifier: GPL-2.0-or-later
/* inspect: what lies on the device, and who refers to what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "paths.h"
#include "size.h"
#include "text.h"
#include "volume.h"

static void put_text(void *arg, const char *text, size_t len)
{
    (void)arg;
    fwrite(text, 1, len, stdout);
}

static const struct copse_text_sink to_stdout = {put_text, NULL};

/* ---- dump-super ------------------------------------------------------------------------------ */

int cmd_dump_super(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {{"all", no_argument, NULL, 'a'},
                                          {"full", no_argument, NULL, 'f'},
                                          {"force", no_argument, NULL, 'F'},
                                          {"super", required_argument, NULL, 's'},
                                          {0}};
    bool started = false, all = false, full = false, force = false;
    uint64_t copy = 0;
    int option, result = 0;

    while ((option = cli_option(cli, argc, argv, "afFs:", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        all |= option == 'a';
        full |= option == 'f';
        force |= option == 'F';
        if (option == 's' && (!parse_number(optarg, &copy) || copy > 2))
            return cli_usage(cli, "-s %s: not 0, 1 or 2", optarg);
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    for (int i = optind; i < argc; i++) {
        int ret = copse_dump_super(argv[i], all ? -1 : (int)copy, full, force, &to_stdout);
        cli_failed_in_library(true);
        if (ret < 0)
            result = cli_fail(cli, argv[i], ret);
    }
    return result;
}

/* ---- dump-tree ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t id;
} tree_names[] = {
    {"root", 1},
    {"extent", 2},
    {"chunk", 3},
    {"device", 4},
    {"dev", 4},
    {"fs", 5},
    {"fs_tree", 5},
    {"csum", 7},
    {"checksum", 7},
    {"quota", 8},
    {"uuid", 9},
    {"free-space", 10},
    {"free_space", 10},
    {"block-group", 11},
    {"block_group", 11},
    {"raid-stripe", 12},
    {"log", (uint64_t)-6},
    {"log_fixup", (uint64_t)-7},
    {"reloc", (uint64_t)-8},
    {"tree-reloc", (uint64_t)-8},
    {"data-reloc", (uint64_t)-9},
    {"data_reloc", (uint64_t)-9},
};

/* As btrfs reads -t: letters in either case, "_tree" or "-tree" behind. */
static bool parse_tree(const char *text, uint64_t *id)
{
    size_t len = strlen(text);

    if (parse_number(text, id))
        return true;
    if (*text == '-') {
        uint64_t positive;
        bool number = parse_number(text + 1, &positive);
        *id = -positive;
        return number;
    }
    if (len > 5 &&
        (strcasecmp(text + len - 5, "_tree") == 0 || strcasecmp(text + len - 5, "-tree") == 0))
        len -= 5;
    for (size_t i = 0; i < sizeof(tree_names) / sizeof(*tree_names); i++) {
        if (strlen(tree_names[i].name) == len && strncasecmp(tree_names[i].name, text, len) == 0) {
            *id = tree_names[i].id;
            return true;
        }
    }
    return false;
}

enum { OPTION_FOLLOW = 256 };

int cmd_dump_tree(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {{"tree", required_argument, NULL, 't'},
                                          {"block", required_argument, NULL, 'b'},
                                          {"follow", no_argument, NULL, OPTION_FOLLOW},
                                          {0}};
    struct copse_dump_tree_options options = COPSE_DUMP_TREE_OPTIONS_INIT;
    struct target target;
    bool started = false;
    int option, ret;

    while ((option = cli_option(cli, argc, argv, "t:b:", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 't' && !parse_tree(optarg, &options.tree))
            return cli_usage(cli, "-t %s: unknown tree", optarg);
        if (option == 'b' && (!parse_size(optarg, &options.block) || options.block == 0))
            return cli_usage(cli, "-b %s: not an address", optarg);
        options.follow |= option == OPTION_FOLLOW;
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    const char *arg = argv[optind];
    target_parse(arg, &target);
    ret = copse_dump_tree((const char *const *)target.devices, target.count, &options, &to_stdout);
    target_free(&target);
    cli_failed_in_library(true);
    return ret < 0 ? cli_fail(cli, arg, ret) : 0;
}
