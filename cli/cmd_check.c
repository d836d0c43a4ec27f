// SPDX-License-Identifier: GPL-2.0-or-later
/* check: what is wrong with a file system, and what that means for the files in it. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "progress.h"
#include "size.h"
#include "target.h"

enum { OPTION_READONLY = 256, OPTION_REPAIR, OPTION_DATA, OPTION_PROGRESS, OPTION_MEMORY };

static const struct option check_options[] = {
    {"readonly", no_argument, NULL, OPTION_READONLY},
    {"repair", no_argument, NULL, OPTION_REPAIR},
    {"check-data-csum", no_argument, NULL, OPTION_DATA},
    {"progress", no_argument, NULL, OPTION_PROGRESS},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"quiet", no_argument, NULL, 'q'},
    {0},
};

struct check {
    struct cli *cli;
    struct copse_check_options options;
    struct progress progress;
    uint64_t shown; /* bytes that the bar knows of */
    bool quiet;
    json_object *problems;
    const char *last_code;
};

static const char *severity_name(enum copse_check_severity severity)
{
    static const char *const names[] = {[COPSE_CHECK_NOTE] = "note",
                                        [COPSE_CHECK_WARNING] = "warning",
                                        [COPSE_CHECK_ERROR] = "error"};

    return names[severity];
}

static void add_number(json_object *object, const char *name, uint64_t value)
{
    if (value)
        json_object_object_add(object, name, json_object_new_uint64(value));
}

static void keep_problem(struct check *check, const struct copse_check_problem *problem)
{
    json_object *object = need_memory(json_object_new_object());

    json_object_object_add(object, "code", json_object_new_string(problem->code));
    json_object_object_add(object, "severity",
                           json_object_new_string(severity_name(problem->severity)));
    json_object_object_add(object, "text", json_object_new_string(problem->text));
    json_object_object_add(object, "means", json_object_new_string(problem->means));
    if (*problem->repair)
        json_object_object_add(object, "repair", json_object_new_string(problem->repair));
    add_number(object, "tree", problem->tree);
    add_number(object, "block", problem->block);
    add_number(object, "inode", problem->ino);
    if (problem->path)
        json_object_object_add(object, "path", json_object_new_string(problem->path));
    json_object_array_add(check->problems, object);
}

/* What it means is said once for all problems of a code, which come one after another. */
static void show_problem(void *arg, const struct copse_check_problem *problem)
{
    struct check *check = arg;

    progress_end(&check->progress);
    if (check->problems) {
        keep_problem(check, problem);
        return;
    }
    if (!check->last_code || strcmp(check->last_code, problem->code) != 0)
        printf("%s %s: %s%s%s\n", severity_name(problem->severity), problem->code, problem->means,
               *problem->repair ? "; repair: " : "", problem->repair);
    check->last_code = problem->code;
    printf("  %s%s%s\n", problem->text, problem->path ? ": " : "",
           problem->path ? problem->path : "");
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    struct check *check = arg;

    check->progress.total = total;
    if (done > check->shown) {
        progress_add(&check->progress, done - check->shown);
        check->shown = done;
    }
}

static int take_option(struct check *check, int option)
{
    switch (option) {
    case OPTION_READONLY:
    case OPTION_PROGRESS: /* shown anyway where there is a terminal */
        return 0;
    case OPTION_DATA:
        check->options.data_csum = true;
        return 0;
    case 'q':
        check->quiet = true;
        return 0;
    case OPTION_MEMORY:
        if (!parse_size(optarg, &check->options.memory) || check->options.memory == 0)
            return cli_usage(check->cli, "--memory %s: not a size", optarg);
        return 0;
    case OPTION_REPAIR:
        return cli_usage(check->cli, "--repair: not supported");
    default:
        return EXIT_USAGE;
    }
}

static void print_result(const struct check *check, const struct copse_check_result *result)
{
    if (check->problems) {
        json_object *object = need_memory(json_object_new_object());

        json_object_object_add(object, "errors", json_object_new_uint64(result->errors));
        json_object_object_add(object, "warnings", json_object_new_uint64(result->warnings));
        json_object_object_add(object, "notes", json_object_new_uint64(result->notes));
        json_object_object_add(object, "problems", check->problems);
        puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(object);
    } else if (result->errors || result->warnings) {
        printf("%llu errors, %llu warnings\n", (unsigned long long)result->errors,
               (unsigned long long)result->warnings);
    } else if (!check->quiet) {
        puts("no problem found");
    }
}

static int run(struct check *check, const char *text)
{
    struct copse_check_result result;
    struct target target;
    int ret;

    target_parse(text, &target);
    progress_start(&check->progress, check->quiet || check->cli->json);
    if (check->cli->json)
        check->problems = need_memory(json_object_new_array());
    check->options.problem = show_problem;
    check->options.progress = show_progress;
    check->options.arg = check;
    ret = copse_check((const char *const *)target.devices, target.count, &check->options, &result);
    progress_end(&check->progress);
    if (ret < 0) {
        cli_failed_in_library(true);
        ret = cli_fail(check->cli, text, ret);
        json_object_put(check->problems);
    } else {
        print_result(check, &result);
        ret = result.errors || result.warnings ? EXIT_FAILED : EXIT_DONE;
    }
    target_free(&target);
    return ret;
}

int cmd_check(struct cli *cli, int argc, char **argv)
{
    struct check check = {.cli = cli, .options = COPSE_CHECK_OPTIONS_INIT};
    bool started = false;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "q", check_options, &started)) >= 0) {
        result = option == '?' ? EXIT_USAGE : take_option(&check, option);
        if (result != 0)
            return result;
    }
    result = cli_count(cli, argc, 1, 1);
    return result ? result : run(&check, argv[optind]);
}
