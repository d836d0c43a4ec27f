// SPDX-License-Identifier: GPL-2.0-or-later
/* check: what is wrong with a file system, and what that means for the files in it. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "progress.h"
#include "size.h"
#include "target.h"

enum {
    OPTION_READONLY = 256,
    OPTION_REPAIR,
    OPTION_DATA,
    OPTION_PROGRESS,
    OPTION_MEMORY,
    OPTION_UNDO,
    OPTION_UNDO_FILE,
};

static const struct option check_options[] = {
    {"readonly", no_argument, NULL, OPTION_READONLY},
    {"repair", no_argument, NULL, OPTION_REPAIR},
    {"check-data-csum", no_argument, NULL, OPTION_DATA},
    {"progress", no_argument, NULL, OPTION_PROGRESS},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"undo", required_argument, NULL, OPTION_UNDO},
    {"undo-file", required_argument, NULL, OPTION_UNDO_FILE},
    {"quiet", no_argument, NULL, 'q'},
    {0},
};

struct check {
    struct cli *cli;
    struct copse_check_options options;
    struct progress progress;
    uint64_t shown; /* bytes that the bar knows of */
    bool quiet, readonly;
    const char *undo_file; /* as given; NULL: named after the device */
    const char *undo;      /* to be applied */
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
    if (problem->repaired != COPSE_CHECK_ONLY_LOOKED)
        json_object_object_add(object, "repaired",
                               json_object_new_boolean(problem->repaired == COPSE_CHECK_REPAIRED));
    add_number(object, "tree", problem->tree);
    add_number(object, "block", problem->block);
    add_number(object, "inode", problem->ino);
    if (problem->path)
        json_object_object_add(object, "path", json_object_new_string(problem->path));
    json_object_array_add(check->problems, object);
}

static const char *repaired_text(enum copse_check_repaired repaired)
{
    switch (repaired) {
    case COPSE_CHECK_REPAIRED:
        return "repaired: ";
    case COPSE_CHECK_NOT_REPAIRED:
        return "not repaired: ";
    default:
        return "";
    }
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
    printf("  %s%s%s%s\n", repaired_text(problem->repaired), problem->text,
           problem->path ? ": " : "", problem->path ? problem->path : "");
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
        check->readonly = true;
        return 0;
    case OPTION_PROGRESS: /* shown anyway where there is a terminal */
        return 0;
    case OPTION_UNDO:
        check->undo = optarg;
        return 0;
    case OPTION_UNDO_FILE:
        check->undo_file = optarg;
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
        check->options.repair = true;
        return 0;
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
        if (check->options.repair)
            json_object_object_add(object, "repaired", json_object_new_uint64(result->repaired));
        if (check->options.undo_file && access(check->options.undo_file, F_OK) == 0)
            json_object_object_add(object, "undo_file",
                                   json_object_new_string(check->options.undo_file));
        json_object_object_add(object, "problems", check->problems);
        puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(object);
        return;
    }
    if (check->options.undo_file && access(check->options.undo_file, F_OK) == 0)
        printf("what was overwritten is in %s\n", check->options.undo_file);
    if (check->options.repair && (result->repaired || result->errors || result->warnings)) {
        printf("%llu repaired, %llu errors and %llu warnings left\n",
               (unsigned long long)result->repaired, (unsigned long long)result->errors,
               (unsigned long long)result->warnings);
    } else if (result->errors || result->warnings) {
        printf("%llu errors, %llu warnings\n", (unsigned long long)result->errors,
               (unsigned long long)result->warnings);
    } else if (!check->quiet) {
        puts("no problem found");
    }
}

/* IMAGE.undo-DATE, beside the image; of a block device in the directory at hand. */
static char *undo_name(const char *device)
{
    char date[32], *name;
    time_t now = time(NULL);
    struct tm tm;
    const char *slash = strrchr(device, '/');

    if (strncmp(device, "/dev/", 5) == 0)
        device = slash + 1;
    strftime(date, sizeof(date), "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
    if (asprintf(&name, "%s.undo-%s", device, date) < 0)
        name = NULL;
    return need_memory(name);
}

static int undo(struct check *check, const char *text)
{
    struct target target;
    int ret;

    target_parse(text, &target);
    ret = copse_check_undo((const char *const *)target.devices, target.count, check->undo);
    if (ret < 0) {
        cli_failed_in_library(true);
        ret = cli_fail(check->cli, text, ret);
    } else if (!check->quiet) {
        printf("%s is again what it was before the repair\n", target.devices[0]);
    }
    target_free(&target);
    return ret;
}

static int run(struct check *check, const char *text)
{
    struct copse_check_result result;
    struct target target;
    char *name = NULL;
    int ret;

    target_parse(text, &target);
    if (check->options.repair) {
        if (!check->undo_file)
            name = undo_name(target.devices[0]);
        check->options.undo_file = check->undo_file ? check->undo_file : name;
    }
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
    free(name);
    target_free(&target);
    return ret;
}

static int check_options_fit(const struct check *check)
{
    if (check->options.repair && (check->readonly || check->undo))
        return cli_usage(check->cli, "--repair does not go with --readonly or --undo");
    if (check->undo_file && !check->options.repair)
        return cli_usage(check->cli, "--undo-file goes with --repair only");
    return 0;
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
    result = check_options_fit(&check);
    if (result == 0)
        result = cli_count(cli, argc, 1, 1);
    if (result != 0)
        return result;
    return check.undo ? undo(&check, argv[optind]) : run(&check, argv[optind]);
}
