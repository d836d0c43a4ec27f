// SPDX-License-Identifier: GPL-2.0-or-later
/* subvolume create and snapshot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "paths.h"
#include "qgroups.h"
#include "session.h"
#include "text.h"

/* ---- options --------------------------------------------------------------------------------- */

struct making {
    struct copse_subvol_options options;
    uint64_t *groups;
    const char *from, *to; /* of a snapshot */
};

/* -i GROUP, as often as wanted, and -r where that is known. */
static int take_options(struct cli *cli, int argc, char **argv, const char *shorts,
                        struct making *out)
{
    size_t count = 0;
    bool started = false;
    int option;

    *out = (struct making){.options = COPSE_SUBVOL_OPTIONS_INIT,
                           .groups = need_memory(calloc((size_t)argc, sizeof(uint64_t)))};
    while ((option = cli_option(cli, argc, argv, shorts, NULL, &started)) >= 0) {
        if (option == '?' || (option == 'i' && !qgroup_parse(cli, optarg, &out->groups[count++]))) {
            free(out->groups);
            return EXIT_USAGE;
        }
        out->options.readonly |= option == 'r';
    }
    out->options.groups = out->groups;
    out->options.group_count = count;
    return 0;
}

/* ---- create ---------------------------------------------------------------------------------- */

static int create_one(struct cli *cli, const char *arg, const struct copse_subvol_options *options)
{
    struct place place;
    struct file dir;
    char *name;
    int result = place_find(cli, arg, WANT_CHANGE, false, &place), ret;

    if (result != 0)
        return result;
    result = place_parent(cli, &place, &dir, &name);
    if (result == 0) {
        cli_failed_in_library(false);
        ret = name ? file_subvol_create(&dir, name, options) : -EEXIST;
        if (ret < 0)
            result = cli_fail(cli, arg, ret);
        else
            printf("Create subvolume '%s'\n", arg);
        free(name);
        file_close(&dir);
    }
    place_free(&place);
    return result;
}

int cmd_subvolume_create(struct cli *cli, int argc, char **argv)
{
    struct making making;
    int result, one;

    if (take_options(cli, argc, argv, "i:", &making) != 0)
        return EXIT_USAGE;
    making.options.mode = mode_after_umask(0777);
    result = cli_count(cli, argc, 1, argc);
    for (int i = optind; result != EXIT_USAGE && i < argc; i++) {
        one = create_one(cli, argv[i], &making.options);
        result = one ? one : result;
    }
    free(making.groups);
    return result;
}

/* ---- snapshot -------------------------------------------------------------------------------- */

static int make_snapshot(struct cli *cli, const struct making *snapshot, struct file *source,
                         struct destination *destination)
{
    int ret = -EEXIST;

    cli_failed_in_library(false);
    if (!file_same_tree(source, &destination->dir))
        ret = -EXDEV;
    else if (destination->name)
        ret =
            file_subvol_snapshot(source, &destination->dir, destination->name, &snapshot->options);
    if (ret == -EINVAL)
        return cli_fail_because(cli, snapshot->from, ret, "not a subvolume");
    if (ret < 0)
        return cli_fail(cli, destination->shown, ret);
    printf("Create a %ssnapshot of '%s' in '%s'\n", snapshot->options.readonly ? "readonly " : "",
           snapshot->from, destination->shown);
    return 0;
}

static int snapshot_to(struct cli *cli, const struct making *snapshot, const char *source_path,
                       struct file *source)
{
    struct destination destination;
    struct place place;
    char *name = last_name(source_path);
    int result = place_find(cli, snapshot->to, WANT_CHANGE, false, &place);

    if (result == 0) {
        result = destination_find(cli, &place, name, &destination);
        if (result == 0) {
            result = make_snapshot(cli, snapshot, source, &destination);
            destination_free(&destination);
        }
        place_free(&place);
    }
    free(name);
    return result;
}

static int snapshot_from(struct cli *cli, const struct making *snapshot)
{
    struct place place;
    struct file source;
    int result = place_open(cli, snapshot->from, WANT_CHANGE, true, &place, &source);

    if (result != 0)
        return result;
    result = snapshot_to(cli, snapshot, place.path, &source);
    file_close(&source);
    place_free(&place);
    return result;
}

int cmd_subvolume_snapshot(struct cli *cli, int argc, char **argv)
{
    struct making snapshot;
    int result;

    if (take_options(cli, argc, argv, "ri:", &snapshot) != 0)
        return EXIT_USAGE;
    result = cli_count(cli, argc, 2, 2);
    if (result == 0) {
        snapshot.from = argv[optind];
        snapshot.to = argv[optind + 1];
        result = snapshot_from(cli, &snapshot);
    }
    free(snapshot.groups);
    return result;
}
