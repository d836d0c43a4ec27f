// SPDX-License-Identifier: GPL-2.0-or-later
/* restore: brings out of a damaged file system what is still there. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "restore.h"
#include "size.h"
#include "text.h"

enum { OPTION_REGEX = 256, OPTION_INCLUDE, OPTION_EXCLUDE, OPTION_CHECKSUMS, OPTION_OLDER };

static const struct option restore_options[] = {
    {"root", required_argument, NULL, 'r'},
    {"snapshots", no_argument, NULL, 's'},
    {"xattr", no_argument, NULL, 'x'},
    {"metadata", no_argument, NULL, 'm'},
    {"symlinks", no_argument, NULL, 'S'},
    {"dry-run", no_argument, NULL, 'D'},
    {"ignore-errors", no_argument, NULL, 'i'},
    {"overwrite", no_argument, NULL, 'o'},
    {"verbose", no_argument, NULL, 'v'},
    {"tree-location", required_argument, NULL, 't'},
    {"super", required_argument, NULL, 'u'},
    {"path-regex", required_argument, NULL, OPTION_REGEX},
    {"include", required_argument, NULL, OPTION_INCLUDE},
    {"exclude", required_argument, NULL, OPTION_EXCLUDE},
    {"ignore-checksums", no_argument, NULL, OPTION_CHECKSUMS},
    {"older", no_argument, NULL, OPTION_OLDER},
    {0},
};

struct wishes {
    struct copse_rescue_options options;
    uint64_t root;
    bool ignore_case;
    const char *regex;
};

static int take_option(struct restore *restore, struct wishes *wishes, int option)
{
    struct filter *filter = &restore->filter;
    uint64_t copy;

    switch (option) {
    case 'x': /* as without */
    case 'm':
    case 'S':
        return 0;
    case 's':
        restore->snapshots = true;
        return 0;
    case 'D':
        restore->dry_run = true;
        return 0;
    case 'i':
        restore->go_on = true;
        return 0;
    case 'o':
        restore->overwrite = true;
        return 0;
    case 'v':
        restore->verbose = true;
        return 0;
    case 'c':
        wishes->ignore_case = true;
        return 0;
    case 'r':
        if (!parse_number(optarg, &wishes->root) || wishes->root == 0)
            return cli_usage(restore->cli, "-r %s: not the id of a subvolume", optarg);
        return 0;
    case 't':
        if (!parse_size(optarg, &wishes->options.root) || wishes->options.root == 0)
            return cli_usage(restore->cli, "-t %s: not an address", optarg);
        return 0;
    case 'u':
        if (!parse_number(optarg, &copy) || copy > 2)
            return cli_usage(restore->cli, "-u %s: not 0, 1 or 2", optarg);
        wishes->options.super_copy = (unsigned)copy;
        return 0;
    case OPTION_REGEX:
        wishes->regex = optarg;
        return 0;
    case OPTION_INCLUDE:
        filter_add(&filter->include, &filter->include_count, optarg);
        return 0;
    case OPTION_EXCLUDE:
        filter_add(&filter->exclude, &filter->exclude_count, optarg);
        return 0;
    case OPTION_CHECKSUMS:
        wishes->options.ignore_checksums = true;
        return 0;
    case OPTION_OLDER:
        wishes->options.older = true;
        return 0;
    default:
        return EXIT_USAGE;
    }
}

static int compile_regex(struct restore *restore, const struct wishes *wishes)
{
    char why[256];
    int ret;

    if (!wishes->regex)
        return 0;
    ret = regcomp(&restore->filter.regex, wishes->regex,
                  REG_EXTENDED | REG_NOSUB | (wishes->ignore_case ? REG_ICASE : 0));
    if (ret != 0) {
        regerror(ret, &restore->filter.regex, why, sizeof(why));
        return cli_usage(restore->cli, "--path-regex %s: %s", wishes->regex, why);
    }
    restore->filter.has_regex = true;
    return 0;
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    struct restore *restore = arg;

    restore->copy.progress.total = total;
    if (done < restore->copy.progress.done)
        restore->copy.progress.done = done;
    progress_add(&restore->copy.progress, done - restore->copy.progress.done);
}

static int open_destination(struct restore *restore, const char *path, struct file *dir)
{
    struct copse_stat st;
    int ret = file_walk(host_tree(), path, false, dir);

    if (ret == 0) {
        ret = file_stat(dir, &st);
        if (ret == 0 && !S_ISDIR(st.mode))
            ret = -ENOTDIR;
        if (ret < 0)
            file_close(dir);
    }
    cli_failed_in_library(false);
    return ret < 0 ? cli_fail(restore->cli, path, ret) : 0;
}

static int run(struct restore *restore, struct wishes *wishes, const char *to)
{
    struct file dir = {.fd = -1, .dir_fd = -1};
    struct target target;
    int ret;

    if (!restore->dry_run && open_destination(restore, to, &dir) != 0)
        return EXIT_FAILED;
    target_parse(restore->source, &target);
    progress_start(&restore->copy.progress, false);
    wishes->options.progress = show_progress;
    wishes->options.arg = restore;
    ret = copse_rescue_open((const char *const *)target.devices, target.count, &wishes->options,
                            &restore->rescue);
    cli_failed_in_library(true);
    if (ret < 0)
        restore->result = cli_fail(restore->cli, restore->source, ret);
    else
        restore_all(restore, &dir, wishes->root);
    progress_end(&restore->copy.progress);
    copse_rescue_close(restore->rescue);
    target_free(&target);
    if (!restore->dry_run)
        file_close(&dir);
    if (restore->skipped)
        cli_warn(restore->cli, restore->source, "%llu snapshots left out; -s brings them out",
                 LLU(restore->skipped));
    return restore->result;
}

int cmd_restore(struct cli *cli, int argc, char **argv)
{
    struct restore restore = {.cli = cli, .copy = {.cli = cli, .archive = true}};
    struct wishes wishes = {.options = COPSE_RESCUE_OPTIONS_INIT};
    bool started = false;
    int option, result = 0;

    while (result == 0 && (option = cli_option(cli, argc, argv, "r:sxmSDiovct:u:", restore_options,
                                               &started)) >= 0)
        result = option == '?' ? EXIT_USAGE : take_option(&restore, &wishes, option);
    if (result == 0)
        result = cli_count(cli, argc, restore.dry_run ? 1 : 2, 2);
    if (result == 0)
        result = compile_regex(&restore, &wishes);
    if (result == 0) {
        restore.source = argv[optind];
        result = run(&restore, &wishes, argv[optind + 1]);
    }
    filter_free(&restore.filter);
    seen_free(&restore.links);
    seen_free(&restore.visited);
    restore_free_shared(&restore);
    free(restore.subvols.list);
    return result;
}
