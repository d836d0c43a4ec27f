// SPDX-License-Identifier: GPL-2.0-or-later
/* subvolume list, show, get-default, set-default: as btrfs prints them. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "size.h"
#include "subvols.h"
#include "text.h"

#define TOP_LEVEL 5
#define FLAG_READONLY 1

struct columns {
    bool all, only_in, parent, creation, generation, uuid, parent_uuid, received_uuid;
    bool table, snapshots, readonly, deleted;
    uint64_t here; /* the subvolume that was asked about: with all or only_in */
};

static bool is_snapshot(const struct copse_subvol *subvol)
{
    static const uint8_t none[16];

    return memcmp(subvol->parent_uuid, none, sizeof(none)) != 0;
}

static bool wanted(const struct columns *columns, const struct copse_subvol *subvol)
{
    return subvol->id != TOP_LEVEL && subvol->deleted == columns->deleted &&
           (!columns->only_in || subvol->parent_id == columns->here) &&
           (!columns->snapshots || is_snapshot(subvol)) &&
           (!columns->readonly || (subvol->flags & FLAG_READONLY));
}

/* With all, what does not lie directly in the subvolume asked about is shown from the top level. */
static void print_path(const struct columns *columns, const struct copse_subvol *subvol)
{
    if (subvol->deleted) {
        puts("DELETED");
        return;
    }
    if (columns->all && subvol->parent_id != columns->here)
        fputs("<FS_TREE>/", stdout);
    print_name(subvol->path, strlen(subvol->path));
    putchar('\n');
}

/* "2026-11-20 16:19:45", or "-" for none. */
static const char *time_or_dash(const struct timespec *time, const char *format,
                                char buf[TIME_TEXT_MAX])
{
    struct tm tm;

    if (time->tv_sec == 0 || !localtime_r(&time->tv_sec, &tm) ||
        strftime(buf, TIME_TEXT_MAX, format, &tm) == 0)
        strcpy(buf, "-");
    return buf;
}

static void print_line(const struct columns *columns, const struct copse_subvol *subvol)
{
    char buf[UUID_TEXT_MAX], when[TIME_TEXT_MAX];

    printf("ID %llu gen %llu ", LLU(subvol->id), LLU(subvol->generation));
    if (columns->creation || columns->snapshots)
        printf("cgen %llu ", LLU(subvol->creation_generation));
    if (columns->parent)
        printf("parent %llu ", LLU(subvol->parent_id));
    printf("top level %llu ", LLU(subvol->parent_id));
    if (columns->snapshots)
        printf("otime %s ", time_or_dash(&subvol->otime, "%Y-%m-%d %H:%M:%S", when));
    if (columns->parent_uuid)
        printf("parent_uuid %-36s ", uuid_or_dash(subvol->parent_uuid, buf));
    if (columns->received_uuid)
        printf("received_uuid %-36s ", uuid_or_dash(subvol->received_uuid, buf));
    if (columns->uuid)
        printf("uuid %-36s ", uuid_or_dash(subvol->uuid, buf));
    fputs("path ", stdout);
    print_path(columns, subvol);
}

/* ---- as a table ------------------------------------------------------------------------------ */

static void table_heading(const struct columns *columns)
{
    const struct {
        bool shown;
        const char *name;
    } all[] = {
        {true, "ID\t"},
        {true, "gen\t"},
        {columns->creation || columns->snapshots, "cgen\t"},
        {columns->parent, "parent\t"},
        {true, "top level\t"},
        {columns->snapshots, "otime\t"},
        {columns->parent_uuid, "parent_uuid\t"},
        {columns->received_uuid, "received_uuid\t"},
        {columns->uuid, "uuid\t"},
        {true, "path\t"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        fputs(all[i].shown ? all[i].name : "", stdout);
    putchar('\n');
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        for (size_t j = 0; all[i].shown && j + 1 < strlen(all[i].name); j++)
            putchar('-');
        fputs(all[i].shown ? "\t" : "", stdout);
    }
    putchar('\n');
}

static void table_line(const struct columns *columns, const struct copse_subvol *subvol)
{
    char buf[UUID_TEXT_MAX], when[TIME_TEXT_MAX];

    printf("%llu\t%llu\t", LLU(subvol->id), LLU(subvol->generation));
    if (columns->creation || columns->snapshots)
        printf("%llu\t", LLU(subvol->creation_generation));
    if (columns->parent)
        printf("%llu\t", LLU(subvol->parent_id));
    printf("%llu\t\t", LLU(subvol->parent_id));
    if (columns->snapshots)
        printf("%s\t", time_or_dash(&subvol->otime, "%Y-%m-%d %H:%M:%S", when));
    if (columns->parent_uuid)
        printf("%-36s\t", uuid_or_dash(subvol->parent_uuid, buf));
    if (columns->received_uuid)
        printf("%-36s\t", uuid_or_dash(subvol->received_uuid, buf));
    if (columns->uuid)
        printf("%-36s\t", uuid_or_dash(subvol->uuid, buf));
    print_path(columns, subvol);
}

static void add_uuid(struct json_object *json, const char *name, const uint8_t uuid[16])
{
    char buf[UUID_TEXT_MAX];

    json_object_object_add(json, name, json_object_new_string(uuid_or_dash(uuid, buf)));
}

static struct json_object *subvol_json(const struct copse_subvol *subvol)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "ID", json_uint(subvol->id));
    json_object_object_add(json, "gen", json_uint(subvol->generation));
    json_object_object_add(json, "cgen", json_uint(subvol->creation_generation));
    json_object_object_add(json, "parent", json_uint(subvol->parent_id));
    json_object_object_add(json, "top level", json_uint(subvol->parent_id));
    json_object_object_add(json, "readonly",
                           json_object_new_boolean((subvol->flags & FLAG_READONLY) != 0));
    json_object_object_add(json, "otime", json_time(&subvol->otime));
    add_uuid(json, "parent_uuid", subvol->parent_uuid);
    add_uuid(json, "received_uuid", subvol->received_uuid);
    add_uuid(json, "uuid", subvol->uuid);
    json_object_object_add(
        json, "path",
        json_bytes(subvol->path ? subvol->path : "", subvol->path ? strlen(subvol->path) : 0));
    return json;
}

static void print_list(struct cli *cli, const struct columns *columns,
                       const struct subvols *subvols)
{
    struct json_object *list = cli->json ? json_object_new_array() : NULL;

    if (columns->table && !list)
        table_heading(columns);
    for (size_t i = 0; i < subvols->count; i++) {
        const struct copse_subvol *subvol = &subvols->list[i];
        if (!wanted(columns, subvol))
            continue;
        if (list)
            json_object_array_add(list, subvol_json(subvol));
        else if (columns->table)
            table_line(columns, subvol);
        else
            print_line(columns, subvol);
    }
    if (list)
        json_print("subvolume-list", list);
}

int cmd_subvolume_list(struct cli *cli, int argc, char **argv)
{
    static const char letters[] = "apcguqRtsrod";
    struct columns columns = {0};
    bool *const fields[] = {&columns.all,           &columns.parent,  &columns.creation,
                            &columns.generation,    &columns.uuid,    &columns.parent_uuid,
                            &columns.received_uuid, &columns.table,   &columns.snapshots,
                            &columns.readonly,      &columns.only_in, &columns.deleted};
    struct place place;
    struct subvols subvols = {0};
    bool started = false, is_root;
    int option, result;

    while ((option = cli_option(cli, argc, argv, letters, NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        *fields[strchr(letters, option) - letters] = true;
    }
    result = cli_count(cli, argc, cli->shell ? 0 : 1, 1);
    if (result == 0)
        result = place_volume(cli, argv[optind], WANT_LOOK, &place);
    if (result != 0)
        return result;
    if (columns.all || columns.only_in)
        result = subvol_of_place(cli, &place, &columns.here, &is_root);
    if (result == 0)
        result = subvols_load(cli, &place, &subvols);
    if (result == 0)
        print_list(cli, &columns, &subvols);
    subvols_free(&subvols);
    place_free(&place);
    return result;
}

/* ---- show ------------------------------------------------------------------------------------ */

static const char *last_of(const struct copse_subvol *subvol)
{
    const char *slash = strrchr(subvol->path, '/');

    return subvol->id == TOP_LEVEL ? "<FS_TREE>" : slash ? slash + 1 : subvol->path;
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
        if (is_snapshot(other) && other->id != subvol->id && !other->deleted &&
            memcmp(other->parent_uuid, subvol->uuid, sizeof(subvol->uuid)) == 0)
            printf("\t\t\t\t%s\n", other->path);
    }
}

static void print_subvol(const struct copse_subvol *subvol, const struct subvols *subvols)
{
    static const char format[] = "%Y-%m-%d %H:%M:%S %z";
    char buf[UUID_TEXT_MAX], when[TIME_TEXT_MAX];

    puts(subvol->id == TOP_LEVEL ? "/" : subvol->path);
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
    print_field("Flags: \t\t", subvol->flags & FLAG_READONLY ? "readonly" : "-");
    printf("\tSend transid: \t\t%llu\n", LLU(subvol->stransid));
    print_field("Send time: \t", time_or_dash(&subvol->stime, format, when));
    printf("\tReceive transid: \t%llu\n", LLU(subvol->rtransid));
    print_field("Receive time: \t", time_or_dash(&subvol->rtime, format, when));
    print_snapshots(subvol, subvols);
}

static void print_subvol_json(const struct copse_subvol *subvol, const struct subvols *subvols)
{
    struct json_object *json = subvol_json(subvol), *list = json_object_new_array();

    json_object_object_add(json, "name", json_object_new_string(last_of(subvol)));
    json_object_object_add(
        json, "flags", json_object_new_string(subvol->flags & FLAG_READONLY ? "readonly" : "-"));
    json_object_object_add(json, "stransid", json_uint(subvol->stransid));
    json_object_object_add(json, "rtransid", json_uint(subvol->rtransid));
    for (size_t i = 0; i < subvols->count; i++) {
        const struct copse_subvol *other = &subvols->list[i];
        if (is_snapshot(other) &&
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

int cmd_subvolume_show(struct cli *cli, int argc, char **argv)
{
    const struct copse_subvol *subvol;
    struct place place;
    struct subvols subvols;
    struct show show = {0};
    bool started = false;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "r:u:", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'u')
            show.uuid = optarg;
        else if (!parse_number(optarg, &show.id))
            return cli_usage(cli, "-r %s: not a number", optarg);
    }
    if (cli_count(cli, argc, 1, 1) != 0)
        return EXIT_USAGE;
    result = place_volume(cli, argv[optind], WANT_LOOK, &place);
    if (result != 0)
        return result;
    result = subvols_load(cli, &place, &subvols);
    if (result == 0)
        result = choose(cli, &show, &place, &subvols, &subvol);
    if (result == 0 && cli->json)
        print_subvol_json(subvol, &subvols);
    else if (result == 0)
        print_subvol(subvol, &subvols);
    subvols_free(&subvols);
    place_free(&place);
    return result;
}

/* ---- default --------------------------------------------------------------------------------- */

static void print_default(struct cli *cli, const struct subvols *subvols, uint64_t id)
{
    const struct copse_subvol *subvol = subvols_find(subvols, id);

    if (cli->json && subvol)
        json_print("subvolume-get-default", subvol_json(subvol));
    else if (id == TOP_LEVEL || !subvol)
        printf("ID %llu%s\n", LLU(id), id == TOP_LEVEL ? " (FS_TREE)" : "");
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
