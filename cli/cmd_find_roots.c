// SPDX-License-Identifier: GPL-2.0-or-later
/* find-roots: blocks that may be roots of trees, of now or of before. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "find_tree.h"
#include "progress.h"
#include "target.h"
#include "text.h"

/* Of each tree so many are shown without -a. */
#define NEWEST 10

struct find {
    struct cli *cli;
    struct progress progress;
    json_object *list;
    bool all, has_tree;
    uint64_t tree;
    uint64_t last;  /* tree that was shown before */
    unsigned shown; /* of that one */
};

static void show_json(struct find *find, const struct copse_rescue_root *root)
{
    json_object *object = need_memory(json_object_new_object());

    json_object_object_add(object, "tree", json_uint(root->tree));
    json_object_object_add(object, "bytenr", json_uint(root->bytenr));
    json_object_object_add(object, "generation", json_uint(root->generation));
    json_object_object_add(object, "level", json_uint(root->level));
    json_object_object_add(object, "in_use", json_object_new_boolean(root->in_use));
    json_object_object_add(object, "current", json_object_new_boolean(root->current));
    json_object_array_add(find->list, object);
}

static void show_line(const struct copse_rescue_root *root)
{
    printf("  block %llu generation %llu level %u%s%s\n", LLU(root->bytenr), LLU(root->generation),
           root->level, root->in_use ? " in use" : "", root->current ? " current" : "");
}

static int show(void *arg, const struct copse_rescue_root *root)
{
    struct find *find = arg;

    if (find->has_tree && root->tree != find->tree)
        return 0;
    if (root->tree != find->last || (find->shown == 0 && !find->list)) {
        const char *name = tree_name(root->tree);

        find->last = root->tree;
        find->shown = 0;
        progress_end(&find->progress);
        if (!find->list)
            printf("tree %lld%s%s%s\n", (long long)root->tree, name ? " (" : "", name ? name : "",
                   name ? ")" : "");
    }
    if (find->shown++ >= NEWEST && !find->all)
        return 0;
    if (find->list)
        show_json(find, root);
    else
        show_line(root);
    return 0;
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    struct find *find = arg;

    find->progress.total = total;
    if (done > find->progress.done)
        progress_add(&find->progress, done - find->progress.done);
}

static int run(struct find *find, const char *text)
{
    struct copse_rescue_options options = COPSE_RESCUE_OPTIONS_INIT;
    copse_rescue *rescue = NULL;
    struct target target;
    int ret;

    target_parse(text, &target);
    progress_start(&find->progress, find->cli->json);
    options.progress = show_progress;
    options.arg = find;
    ret = copse_rescue_open((const char *const *)target.devices, target.count, &options, &rescue);
    if (ret == 0)
        ret = copse_rescue_find_roots(rescue, show, find);
    progress_end(&find->progress);
    cli_failed_in_library(true);
    if (ret < 0)
        ret = cli_fail(find->cli, text, ret);
    copse_rescue_close(rescue);
    target_free(&target);
    return ret;
}

int cmd_find_roots(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {
        {"all", no_argument, NULL, 'a'}, {"tree", required_argument, NULL, 't'}, {0}};
    struct find find = {.cli = cli};
    bool started = false;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "at:", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        find.all |= option == 'a';
        if (option == 't' && !parse_tree(optarg, &find.tree))
            return cli_usage(cli, "-t %s: unknown tree", optarg);
        find.has_tree |= option == 't';
    }
    result = cli_count(cli, argc, 1, 1);
    if (result != 0)
        return result;
    if (cli->json)
        find.list = need_memory(json_object_new_array());
    result = run(&find, argv[optind]);
    if (find.list && result == 0)
        json_print("roots", find.list);
    else
        json_object_put(find.list);
    return result;
}
