// SPDX-License-Identifier: GPL-2.0-or-later
/* inspect: what lies on the device, and who refers to what. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "find_tree.h"
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

static void keep_text(void *arg, const char *text, size_t len)
{
    fwrite(text, 1, len, arg);
}

/* ---- dump-super ------------------------------------------------------------------------------ */

/* What is indented belongs to the field above it: names of flags, one a line, or structures. */
static void add_detail(struct json_object *super, const char *name, char *line)
{
    struct json_object *details;
    char key[100];

    if (strncmp(line, "\t\t\t", 3) == 0) { /* "( NAME |", "  NAME )" */
        line += strspn(line, "\t (");
        line[strcspn(line, " |)")] = '\0';
    }
    line += strspn(line, "\t");
    snprintf(key, sizeof(key), "%s_details", name);
    if (!json_object_object_get_ex(super, key, &details)) {
        details = json_object_new_array();
        json_object_object_add(super, key, details);
    }
    json_object_array_add(details, json_object_new_string(line));
}

/* The lines "name<TAB>value" as they are printed, as strings: numbers of 64 bits stay whole. */
static void add_supers(struct json_object *list, char *text)
{
    struct json_object *super = NULL;
    const char *name = "";
    char *line;

    while ((line = strsep(&text, "\n"))) {
        if (strncmp(line, "superblock:", 11) == 0) {
            super = json_object_new_object();
            json_object_array_add(list, super);
        } else if (super && *line == '\t') {
            add_detail(super, name, line);
        } else if (super && *line && *line != '-') {
            char *value = line + strcspn(line, "\t:");

            if (*value)
                *value++ = '\0';
            value += strspn(value, "\t ");
            line[strcspn(line, " [")] = '\0'; /* "(deprecated)", "[4]" */
            json_object_object_add(super, name = line, json_object_new_string(value));
        }
    }
}

static int dump_super_json(struct json_object *list, const char *device, int copy, bool full,
                           bool force)
{
    char *text = NULL;
    size_t size = 0;
    FILE *kept = open_memstream(&text, &size);
    const struct copse_text_sink sink = {keep_text, kept};

    if (!kept)
        return -ENOMEM;
    int ret = copse_dump_super(device, copy, full, force, &sink);
    fclose(kept);
    if (ret == 0)
        add_supers(list, text);
    free(text);
    return ret;
}

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
    struct json_object *list = cli->json ? json_object_new_array() : NULL;
    for (int i = optind; i < argc; i++) {
        int which = all ? -1 : (int)copy;
        int ret = list ? dump_super_json(list, argv[i], which, full, force)
                       : copse_dump_super(argv[i], which, full, force, &to_stdout);
        cli_failed_in_library(true);
        if (ret < 0)
            result = cli_fail(cli, argv[i], ret);
    }
    if (list)
        json_print("superblocks", list);
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
bool parse_tree(const char *text, uint64_t *id)
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

const char *tree_name(uint64_t id)
{
    for (size_t i = 0; i < sizeof(tree_names) / sizeof(*tree_names); i++)
        if (tree_names[i].id == id)
            return tree_names[i].name;
    return NULL;
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
