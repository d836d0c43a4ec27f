// SPDX-License-Identifier: GPL-2.0-or-later
/* subvolume list: as btrfs prints it, and how much each would free. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "size.h"
#include "subvols.h"
#include "text.h"

struct columns {
    bool all, only_in, parent, creation, generation, uuid, parent_uuid, received_uuid;
    bool table, snapshots, readonly, deleted;
    struct bound {
        bool set;
        char sign; /* '+': at least, '-': at most, 0: exactly */
        uint64_t value;
    } of_generation, of_creation;
    const char *sort; /* NULL: by id */
    bool sizes;
    struct size_mode mode;
    uint64_t here; /* the subvolume that was asked about */
};

/* What deleting it would free, with sizes. */
struct line {
    const struct copse_subvol *subvol;
    const char *path; /* as it is shown */
    struct copse_exclusive exclusive;
};

static bool within(const struct bound *bound, uint64_t value)
{
    if (!bound->set)
        return true;
    return bound->sign == '+'   ? value >= bound->value
           : bound->sign == '-' ? value <= bound->value
                                : value == bound->value;
}

static bool wanted(const struct columns *columns, const struct copse_subvol *subvol)
{
    return subvol->id != SUBVOL_TOP_LEVEL && subvol->deleted == columns->deleted &&
           (!columns->only_in || subvol->parent_id == columns->here) &&
           (!columns->snapshots || subvol_is_snapshot(subvol)) &&
           (!columns->readonly || (subvol->flags & SUBVOL_READONLY)) &&
           within(&columns->of_generation, subvol->generation) &&
           within(&columns->of_creation, subvol->creation_generation);
}

static bool shows_creation(const struct columns *columns)
{
    return columns->creation || columns->snapshots || columns->of_creation.set;
}

/* Without -a and -o what lies in the subvolume asked about is shown from there. */
static const char *shown_path(const struct columns *columns, const struct subvols *subvols,
                              const struct copse_subvol *subvol)
{
    const struct copse_subvol *here = subvols_find(subvols, columns->here);
    size_t len = here && here->id != SUBVOL_TOP_LEVEL ? strlen(here->path) : 0;

    if (columns->all || columns->only_in || len == 0 || strncmp(subvol->path, here->path, len) != 0)
        return subvol->path;
    return subvol->path[len] == '/' ? subvol->path + len + 1 : subvol->path;
}

/* With all, what does not lie directly in the subvolume asked about is shown from the top level. */
static void print_path(const struct columns *columns, const struct line *line)
{
    if (line->subvol->deleted) {
        puts("DELETED");
        return;
    }
    if (columns->all && line->subvol->parent_id != columns->here)
        fputs("<FS_TREE>/", stdout);
    print_name(line->path, strlen(line->path));
    putchar('\n');
}

static uint64_t freed_by(const struct line *line)
{
    return line->exclusive.data_bytes + line->exclusive.metadata_bytes;
}

static void print_line(const struct columns *columns, const struct line *line)
{
    const struct copse_subvol *subvol = line->subvol;
    char buf[UUID_TEXT_MAX], when[TIME_TEXT_MAX], size[SIZE_TEXT_MAX];

    printf("ID %llu gen %llu ", LLU(subvol->id), LLU(subvol->generation));
    if (shows_creation(columns))
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
    if (columns->sizes)
        printf("exclusive %s ", size_text(freed_by(line), columns->mode, size));
    fputs("path ", stdout);
    print_path(columns, line);
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
        {shows_creation(columns), "cgen\t"},
        {columns->parent, "parent\t"},
        {true, "top level\t"},
        {columns->snapshots, "otime\t"},
        {columns->parent_uuid, "parent_uuid\t"},
        {columns->received_uuid, "received_uuid\t"},
        {columns->uuid, "uuid\t"},
        {columns->sizes, "exclusive\t"},
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

static void table_line(const struct columns *columns, const struct line *line)
{
    const struct copse_subvol *subvol = line->subvol;
    char buf[UUID_TEXT_MAX], when[TIME_TEXT_MAX], size[SIZE_TEXT_MAX];

    printf("%llu\t%llu\t", LLU(subvol->id), LLU(subvol->generation));
    if (shows_creation(columns))
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
    if (columns->sizes)
        printf("%s\t", size_text(freed_by(line), columns->mode, size));
    print_path(columns, line);
}

static struct json_object *line_json(const struct columns *columns, const struct line *line)
{
    struct json_object *json = subvol_json(line->subvol);

    if (columns->sizes) {
        json_object_object_add(json, "exclusive-data", json_uint(line->exclusive.data_bytes));
        json_object_object_add(json, "exclusive-metadata",
                               json_uint(line->exclusive.metadata_bytes));
    }
    return json;
}

/* ---- in which order -------------------------------------------------------------------------- */

enum sort_key { SORT_GENERATION, SORT_CREATION, SORT_ID, SORT_PATH, SORT_KEYS };
static const char *const sort_names[SORT_KEYS] = {"gen", "ogen", "rootid", "path"};

/* The first key of a list, and whether downwards; *list goes on to the next. False: there is none
 * of that name. */
static bool next_key(const char **list, enum sort_key *key, bool *down)
{
    size_t len;

    *down = **list == '-';
    *list += **list == '-' || **list == '+';
    len = strcspn(*list, ",");
    for (*key = 0; *key < SORT_KEYS; (*key)++)
        if (strlen(sort_names[*key]) == len && memcmp(*list, sort_names[*key], len) == 0)
            break;
    *list += len + ((*list)[len] == ',');
    return *key < SORT_KEYS;
}

static bool sort_is_valid(const char *list)
{
    enum sort_key key;
    bool down;

    if (!*list)
        return false;
    while (*list)
        if (!next_key(&list, &key, &down))
            return false;
    return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_key(const struct line *a, const struct line *b, enum sort_key key)
{
    switch (key) {
    case SORT_GENERATION:
        return compare_numbers(a->subvol->generation, b->subvol->generation);
    case SORT_CREATION:
        return compare_numbers(a->subvol->creation_generation, b->subvol->creation_generation);
    case SORT_PATH:
        return strcmp(a->path, b->path);
    default:
        return compare_numbers(a->subvol->id, b->subvol->id);
    }
}

static int compare_lines(const void *a, const void *b, void *arg)
{
    const char *list = arg;
    enum sort_key key;
    bool down;

    while (list && *list && next_key(&list, &key, &down)) {
        int order = compare_key(a, b, key);

        if (order != 0)
            return down ? -order : order;
    }
    return compare_key(a, b, SORT_ID);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int measure(struct cli *cli, const struct place *place, struct line *line)
{
    int ret = volume_subvol_exclusive(place, line->subvol->id, &line->exclusive);

    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

/* Those that are wanted, in order. */
static int choose_lines(struct cli *cli, const struct columns *columns, const struct place *place,
                        const struct subvols *subvols, struct line *lines, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < subvols->count; i++) {
        const struct copse_subvol *subvol = &subvols->list[i];
        struct line line = {.subvol = subvol, .path = shown_path(columns, subvols, subvol)};
        int result = 0;

        if (!wanted(columns, subvol))
            continue;
        if (columns->sizes)
            result = measure(cli, place, &line);
        if (result != 0)
            return result;
        lines[(*count)++] = line;
    }
    if (*count > 0)
        qsort_r(lines, *count, sizeof(*lines), compare_lines, (void *)(uintptr_t)columns->sort);
    return 0;
}

static void print_lines(struct cli *cli, const struct columns *columns, const struct line *lines,
                        size_t count)
{
    struct json_object *list = cli->json ? json_object_new_array() : NULL;

    if (columns->table && !list)
        table_heading(columns);
    for (size_t i = 0; i < count; i++) {
        if (list)
            json_object_array_add(list, line_json(columns, &lines[i]));
        else if (columns->table)
            table_line(columns, &lines[i]);
        else
            print_line(columns, &lines[i]);
    }
    if (list)
        json_print("subvolume-list", list);
}

static int print_list(struct cli *cli, const struct columns *columns, const struct place *place)
{
    struct subvols subvols = {0};
    struct line *lines;
    size_t count;
    int result = subvols_load(cli, place, &subvols);

    if (result != 0)
        return result;
    lines = need_memory(calloc(subvols.count + 1, sizeof(*lines)));
    result = choose_lines(cli, columns, place, &subvols, lines, &count);
    if (result == 0)
        print_lines(cli, columns, lines, count);
    free(lines);
    subvols_free(&subvols);
    return result;
}

static bool parse_bound(const char *text, struct bound *out)
{
    *out = (struct bound){.set = true, .sign = *text == '+' || *text == '-' ? *text : 0};
    return parse_number(text + (out->sign != 0), &out->value);
}

enum { OPTION_SIZES = 512, OPTION_SORT };

/* -G, -C and what has only a long name. */
static int take_option(struct cli *cli, int option, struct columns *columns)
{
    switch (option) {
    case 'G':
    case 'C':
        if (!parse_bound(optarg, option == 'G' ? &columns->of_generation : &columns->of_creation))
            return cli_usage(cli, "-%c %s: not a number", option, optarg);
        return 0;
    case OPTION_SORT:
        columns->sort = optarg;
        return sort_is_valid(optarg) ? 0 : cli_usage(cli, "--sort=%s: no such order", optarg);
    case OPTION_SIZES:
        columns->sizes = true;
        return 0;
    default:
        return take_size_option(option, &columns->mode) ? 0 : EXIT_USAGE;
    }
}

static int take_options(struct cli *cli, int argc, char **argv, struct columns *columns)
{
    static const char letters[] = "apcguqRtsrod";
    static const struct option longs[] = {
        {"sort", required_argument, NULL, OPTION_SORT}, {"sizes", no_argument, NULL, OPTION_SIZES},
        {"raw", no_argument, NULL, OPTION_RAW},         {"iec", no_argument, NULL, OPTION_IEC},
        {"si", no_argument, NULL, OPTION_SI},           {0}};
    bool *const fields[] = {&columns->all,           &columns->parent,  &columns->creation,
                            &columns->generation,    &columns->uuid,    &columns->parent_uuid,
                            &columns->received_uuid, &columns->table,   &columns->snapshots,
                            &columns->readonly,      &columns->only_in, &columns->deleted};
    bool started = false;
    int option, result = 0;

    while (result == 0 &&
           (option = cli_option(cli, argc, argv, "apcguqRtsrodG:C:", longs, &started)) >= 0) {
        const char *letter = option < 256 ? strchr(letters, option) : NULL;

        if (letter)
            *fields[letter - letters] = true;
        else
            result = take_option(cli, option, columns);
    }
    return result ? result : cli_count(cli, argc, cli->shell ? 0 : 1, 1);
}

int cmd_subvolume_list(struct cli *cli, int argc, char **argv)
{
    struct columns columns = {.mode = SIZE_MODE_DEFAULT};
    struct place place;
    bool is_root;
    int result = take_options(cli, argc, argv, &columns);

    if (result == 0)
        result = place_volume(cli, argv[optind], WANT_LOOK, &place);
    if (result != 0)
        return result;
    result = subvol_of_place(cli, &place, &columns.here, &is_root);
    if (result == 0)
        result = print_list(cli, &columns, &place);
    place_free(&place);
    return result;
}
