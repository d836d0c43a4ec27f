// SPDX-License-Identifier: GPL-2.0-or-later
/* subvolume show, get-default, set-default: as btrfs prints them. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "qgroups.h"
#include "size.h"
#include "subvols.h"
#include "text.h"

/* ---- show ------------------------------------------------------------------------------------ */

static const char *last_of(const struct copse_subvol *subvol)
{
    const char *slash = strrchr(subvol->path, '/');

    return subvol->id == SUBVOL_TOP_LEVEL ? "<FS_TREE>" : slash ? slash + 1 : subvol->path;
}

static void print_field(const char *name, const char *value)
{
    printf("\t%s\t%s\n", name, value);
}

static void print_snapshots(const struct copse_subvol *subvol, const struct subvols *subvols)
{
    puts("\tSnapshot(s):");
    for (size_t i = 0; i < subvols->count; i++) {
        const struct copse_subvol *other = &subvols->list[i];
        if (subvol_is_snapshot(other) && other->id != subvol->id && !other->deleted &&
            memcmp(other->parent_uuid, subvol->uuid, sizeof(subvol->uuid)) == 0)
            printf("\t\t\t\t%s\n", other->path);
    }
}

static void print_subvol(const struct copse_subvol *subvol, const struct subvols *subvols)
{
    static const char format[] = "%Y-%m-%d %H:%M:%S %z";
    char buf[UUID_TEXT_MAX], when[TIME_TEXT_MAX];

    puts(subvol->id == SUBVOL_TOP_LEVEL ? "/" : subvol->path);
    print_field("Name: \t\t", last_of(subvol));
    print_field("UUID: \t\t", uuid_or_dash(subvol->uuid, buf));
    print_field("Parent UUID: \t", uuid_or_dash(subvol->parent_uuid, buf));
    print_field("Received UUID: \t", uuid_or_dash(subvol->received_uuid, buf));
    print_field("Creation time: \t", time_or_dash(&subvol->otime, format, when));
    printf("\tSubvolume ID: \t\t%llu\n", LLU(subvol->id));
    printf("\tGeneration: \t\t%llu\n", LLU(subvol->generation));
    printf("\tGen at creation: \t%llu\n", LLU(subvol->creation_generation));
    printf("\tParent ID: \t\t%llu\n", LLU(subvol->parent_id));
    printf("\tTop level ID: \t\t%llu\n", LLU(subvol->parent_id));
    print_field("Flags: \t\t", subvol->flags & SUBVOL_READONLY ? "readonly" : "-");
    printf("\tSend transid: \t\t%llu\n", LLU(subvol->stransid));
    print_field("Send time: \t", time_or_dash(&subvol->stime, format, when));
    printf("\tReceive transid: \t%llu\n", LLU(subvol->rtransid));
    print_field("Receive time: \t", time_or_dash(&subvol->rtime, format, when));
    print_snapshots(subvol, subvols);
}

static void print_limit(const char *name, bool limited, uint64_t bytes, struct size_mode mode)
{
    char buf[SIZE_TEXT_MAX];

    printf("\t  Limit %s:\t%s\n", name, limited ? size_text(bytes, mode, buf) : "-");
}

/* Its quota group, where there are any. */
static void print_group(const struct copse_subvol *subvol, const struct qgroups *qgroups,
                        struct size_mode mode)
{
    char buf[SIZE_TEXT_MAX];

    for (size_t i = 0; i < qgroups->count; i++) {
        const struct copse_qgroup *group = &qgroups->list[i];

        if (group->id != subvol->id)
            continue;
        printf("\tQuota group:\t\t0/%llu\n", LLU(group->id));
        print_limit("referenced", group->limits & COPSE_QGROUP_MAX_RFER, group->max_referenced,
                    mode);
        print_limit("exclusive", group->limits & COPSE_QGROUP_MAX_EXCL, group->max_exclusive, mode);
        printf("\t  Usage referenced:\t%s\n", size_text(group->referenced, mode, buf));
        printf("\t  Usage exclusive:\t%s\n", size_text(group->exclusive, mode, buf));
    }
}

/* None where quotas are off. */
static int load_groups(struct cli *cli, const struct place *place, struct qgroups *out)
{
    struct copse_quota_status status;
    int ret = volume_quota_status(place, &status);

    *out = (struct qgroups){0};
    if (ret < 0)
        return cli_fail(cli, place->shown, ret);
    return status.mode == COPSE_QUOTA_OFF ? 0 : qgroups_load(cli, place, out);
}

static void print_subvol_json(const struct copse_subvol *subvol, const struct subvols *subvols)
{
    struct json_object *json = subvol_json(subvol), *list = json_object_new_array();

    json_object_object_add(json, "name", json_object_new_string(last_of(subvol)));
    json_object_object_add(
        json, "flags", json_object_new_string(subvol->flags & SUBVOL_READONLY ? "readonly" : "-"));
    json_object_object_add(json, "stransid", json_uint(subvol->stransid));
    json_object_object_add(json, "rtransid", json_uint(subvol->rtransid));
    for (size_t i = 0; i < subvols->count; i++) {
        const struct copse_subvol *other = &subvols->list[i];
        if (subvol_is_snapshot(other) &&
            memcmp(other->parent_uuid, subvol->uuid, sizeof(subvol->uuid)) == 0)
            json_object_array_add(list, json_bytes(other->path, strlen(other->path)));
    }
    json_object_object_add(json, "snapshots", list);
    json_print("subvolume-show", json);
}

static const struct copse_subvol *find_uuid(const struct subvols *subvols, const char *text)
{
    char buf[UUID_TEXT_MAX];

    for (size_t i = 0; i < subvols->count; i++) {
        if (strcasecmp(uuid_text(subvols->list[i].uuid, buf), text) == 0)
            return &subvols->list[i];
    }
    return NULL;
}

struct show {
    uint64_t id;
    const char *uuid;
    struct size_mode mode;
};

/* Which one is asked for: by id, by uuid, or the one whose root the path is. */
static int choose(struct cli *cli, const struct show *show, const struct place *place,
                  const struct subvols *subvols, const struct copse_subvol **out)
{
    uint64_t id = show->id;
    bool is_root = true;
    int result;

    if (!show->uuid && !id) {
        result = subvol_of_place(cli, place, &id, &is_root);
        if (result != 0)
            return result;
    }
    *out = show->uuid ? find_uuid(subvols, show->uuid) : subvols_find(subvols, id);
    cli_failed_in_library(false);
    if (!is_root)
        return cli_fail_because(cli, place->shown, -EINVAL, "not a subvolume");
    return *out ? 0 : cli_fail_because(cli, place->shown, -ENOENT, "no such subvolume");
}

static int show_one(struct cli *cli, const struct show *show, const struct place *place)
{
    const struct copse_subvol *subvol;
    struct qgroups qgroups = {0};
    struct subvols subvols;
    int result = subvols_load(cli, place, &subvols);

    if (result == 0)
        result = choose(cli, show, place, &subvols, &subvol);
    if (result == 0)
        result = load_groups(cli, place, &qgroups);
    if (result == 0 && cli->json) {
        print_subvol_json(subvol, &subvols);
    } else if (result == 0) {
        print_subvol(subvol, &subvols);
        print_group(subvol, &qgroups, show->mode);
    }
    qgroups_free(&qgroups);
    subvols_free(&subvols);
    return result;
}

int cmd_subvolume_show(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {SIZE_OPTIONS_LONG,
                                          {"rootid", required_argument, NULL, 'r'},
                                          {"uuid", required_argument, NULL, 'u'},
                                          {0}};
    struct show show = {.mode = SIZE_MODE_DEFAULT};
    struct place place;
    bool started = false;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "r:u:" SIZE_OPTIONS_SHORT, longs, &started)) >=
           0) {
        if (option == 'u')
            show.uuid = optarg;
        else if (option == 'r' && !parse_number(optarg, &show.id))
            return cli_usage(cli, "-r %s: not a number", optarg);
        else if (option != 'r' && !take_size_option(option, &show.mode))
            return EXIT_USAGE;
    }
    if (cli_count(cli, argc, 1, 1) != 0)
        return EXIT_USAGE;
    result = place_volume(cli, argv[optind], WANT_LOOK, &place);
    if (result != 0)
        return result;
    result = show_one(cli, &show, &place);
    place_free(&place);
    return result;
}

/* ---- default --------------------------------------------------------------------------------- */

static void print_default(struct cli *cli, const struct subvols *subvols, uint64_t id)
{
    const struct copse_subvol *subvol = subvols_find(subvols, id);

    if (cli->json && subvol)
        json_print("subvolume-get-default", subvol_json(subvol));
    else if (id == SUBVOL_TOP_LEVEL || !subvol)
        printf("ID %llu%s\n", LLU(id), id == SUBVOL_TOP_LEVEL ? " (FS_TREE)" : "");
    else
        printf("ID %llu gen %llu top level %llu path %s\n", LLU(id), LLU(subvol->generation),
               LLU(subvol->parent_id), subvol->path);
}

int cmd_subvolume_get_default(struct cli *cli, int argc, char **argv)
{
    struct place place;
    struct subvols subvols;
    bool started = false;
    uint64_t id;
    int result, ret;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 ||
        cli_count(cli, argc, cli->shell ? 0 : 1, 1) != 0)
        return EXIT_USAGE;
    result = place_volume(cli, argv[optind], WANT_LOOK, &place);
    if (result != 0)
        return result;
    ret = volume_default(&place, &id);
    if (ret < 0) {
        result = cli_fail(cli, place.shown, ret);
        place_free(&place);
        return result;
    }
    result = subvols_load(cli, &place, &subvols);
    if (result == 0)
        print_default(cli, &subvols, id);
    subvols_free(&subvols);
    place_free(&place);
    return result;
}

int cmd_subvolume_set_default(struct cli *cli, int argc, char **argv)
{
    struct place place;
    bool started = false, is_root = true, by_id;
    uint64_t id = 0;
    int result, ret;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 1, 2) != 0)
        return EXIT_USAGE;
    by_id = argc - optind == 2;
    const char *arg = argv[argc - 1];
    if (by_id && !parse_number(argv[optind], &id))
        return cli_usage(cli, "%s: not a subvolume id", argv[optind]);
    result = place_volume(cli, arg, WANT_CHANGE, &place);
    if (result != 0)
        return result;
    if (!by_id)
        result = subvol_of_place(cli, &place, &id, &is_root);
    if (result == 0 && !is_root) {
        result = cli_fail_because(cli, arg, -EINVAL, "not a subvolume");
    } else if (result == 0) {
        ret = volume_set_default(&place, id);
        result = ret < 0 ? cli_fail(cli, arg, ret) : 0;
    }
    place_free(&place);
    return result;
}
