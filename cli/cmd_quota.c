// SPDX-License-Identifier: GPL-2.0-or-later
/* quota enable, disable, rescan, status. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "qgroups.h"
#include "text.h"

/* Takes what is left of the command line: the file system. */
static int take_volume(struct cli *cli, int argc, char **argv, enum want want, struct place *place)
{
    int result = cli_count(cli, argc, cli->shell ? 0 : 1, 1);

    return result != 0 ? result : place_volume(cli, argv[optind], want, place);
}

static int done(struct cli *cli, struct place *place, int ret)
{
    int result = ret < 0 ? cli_fail(cli, place->shown, ret) : 0;

    place_free(place);
    return result;
}

int cmd_quota_enable(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {{"simple", no_argument, NULL, 's'}, {0}};
    bool started = false, simple = false;
    struct place place;
    int option;

    while ((option = cli_option(cli, argc, argv, "s", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        simple = true;
    }
    int result = take_volume(cli, argc, argv, WANT_CHANGE, &place);
    return result != 0 ? result : done(cli, &place, volume_quota_enable(&place, simple));
}

int cmd_quota_disable(struct cli *cli, int argc, char **argv)
{
    struct place place;
    bool started = false;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0)
        return EXIT_USAGE;
    int result = take_volume(cli, argc, argv, WANT_CHANGE, &place);
    return result != 0 ? result : done(cli, &place, volume_quota_disable(&place));
}

/* ---- rescan ---------------------------------------------------------------------------------- */

static int rescan_status(struct cli *cli, struct place *place)
{
    struct copse_quota_status status;
    int ret = volume_quota_status(place, &status);

    if (ret == 0 && status.rescanning)
        printf("rescan operation running (current key %llu)\n", LLU(status.rescan_progress));
    else if (ret == 0)
        puts("no rescan operation in progress");
    return done(cli, place, ret);
}

int cmd_quota_rescan(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {{"status", no_argument, NULL, 's'},
                                          {"wait", no_argument, NULL, 'w'},
                                          {"wait-norescan", no_argument, NULL, 'W'},
                                          {0}};
    bool started = false;
    struct place place;
    int option, how = 0;

    while ((option = cli_option(cli, argc, argv, "swW", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (how != 0 && how != option)
            return cli_usage(cli, "-%c and -%c do not go together", how, option);
        how = option;
    }
    int result = take_volume(cli, argc, argv, how == 's' ? WANT_LOOK : WANT_CHANGE, &place);
    if (result != 0)
        return result;
    if (how == 's')
        return rescan_status(cli, &place);
    if (how == 'W')
        return done(cli, &place, volume_quota_rescan_wait(&place));
    int ret = volume_quota_rescan(&place, how == 'w');
    if (ret == -EINPROGRESS && how == 'w')
        ret = volume_quota_rescan_wait(&place);
    return done(cli, &place, ret);
}

/* ---- status ---------------------------------------------------------------------------------- */

static const char *mode_text_of(enum copse_quota_mode mode)
{
    switch (mode) {
    case COPSE_QUOTA_FULL:
        return "qgroup (full accounting)";
    case COPSE_QUOTA_SIMPLE:
        return "squota (simple accounting)";
    default:
        return "disabled";
    }
}

static void print_status(const struct cli *cli, const struct copse_quota_status *status)
{
    if (cli->json) {
        struct json_object *json = json_object_new_object();

        json_object_object_add(json, "enabled",
                               json_object_new_boolean(status->mode != COPSE_QUOTA_OFF));
        json_object_object_add(json, "mode", json_object_new_string(mode_text_of(status->mode)));
        json_object_object_add(json, "inconsistent", json_object_new_boolean(status->inconsistent));
        json_object_object_add(json, "rescan", json_object_new_boolean(status->rescanning));
        json_object_object_add(json, "reserved", json_uint(status->reserved));
        json_print("quota-status", json);
        return;
    }
    printf("Enabled:                %s\n", status->mode == COPSE_QUOTA_OFF ? "no" : "yes");
    if (status->mode == COPSE_QUOTA_OFF)
        return;
    printf("Mode:                   %s\n", mode_text_of(status->mode));
    printf("Inconsistent:           %s%s\n", status->inconsistent ? "yes" : "no",
           status->inconsistent && !status->rescanning ? " (rescan needed)" : "");
    printf("Rescan:                 %s\n", status->rescanning ? "running" : "not running");
    printf("Reserved:               %llu\n", LLU(status->reserved));
}

int cmd_quota_status(struct cli *cli, int argc, char **argv)
{
    struct copse_quota_status status;
    struct place place;
    bool started = false;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0)
        return EXIT_USAGE;
    int result = take_volume(cli, argc, argv, WANT_LOOK, &place);
    if (result != 0)
        return result;
    int ret = volume_quota_status(&place, &status);
    if (ret == 0)
        print_status(cli, &status);
    return done(cli, &place, ret);
}
