// SPDX-License-Identifier: GPL-2.0-or-later
/* qgroup create, destroy, assign, remove, limit, show. */
#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "qgroups.h"
#include "size.h"
#include "text.h"

static int done(struct cli *cli, struct place *place, const char *shown, int ret)
{
    int result = ret < 0 ? cli_fail(cli, shown, ret) : 0;

    place_free(place);
    return result;
}

/* The file system that the last argument names, behind `before` others; absent in the shell. */
static int take_volume(struct cli *cli, int argc, char **argv, int before, struct place *place)
{
    int result = cli_count(cli, argc, before + (cli->shell ? 0 : 1), before + 1);

    return result != 0 ? result
                       : place_volume(cli, argc - optind > before ? argv[argc - 1] : NULL,
                                      WANT_CHANGE, place);
}

/* ---- create, destroy ------------------------------------------------------------------------- */

static int change_one(struct cli *cli, int argc, char **argv,
                      int (*change)(const struct place *place, uint64_t id))
{
    struct place place;
    bool started = false;
    uint64_t id;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 ||
        cli_count(cli, argc, cli->shell ? 1 : 2, 2) != 0 || !qgroup_parse(cli, argv[optind], &id))
        return EXIT_USAGE;
    int result = take_volume(cli, argc, argv, 1, &place);
    return result != 0 ? result : done(cli, &place, argv[optind], change(&place, id));
}

int cmd_qgroup_create(struct cli *cli, int argc, char **argv)
{
    return change_one(cli, argc, argv, volume_qgroup_create);
}

int cmd_qgroup_destroy(struct cli *cli, int argc, char **argv)
{
    return change_one(cli, argc, argv, volume_qgroup_destroy);
}

/* ---- assign, remove -------------------------------------------------------------------------- */

/* --rescan and --no-rescan are taken for the sake of scripts: groups are counted either way. */
static int relate(struct cli *cli, int argc, char **argv,
                  int (*change)(const struct place *place, uint64_t member, uint64_t parent))
{
    static const struct option longs[] = {
        {"rescan", no_argument, NULL, 'r'}, {"no-rescan", no_argument, NULL, 'n'}, {0}};
    struct place place;
    bool started = false;
    uint64_t member, parent;
    int option;

    while ((option = cli_option(cli, argc, argv, "", longs, &started)) >= 0)
        if (option == '?')
            return EXIT_USAGE;
    if (cli_count(cli, argc, cli->shell ? 2 : 3, 3) != 0 ||
        !qgroup_parse(cli, argv[optind], &member) || !qgroup_parse(cli, argv[optind + 1], &parent))
        return EXIT_USAGE;
    int result = take_volume(cli, argc, argv, 2, &place);
    return result != 0 ? result : done(cli, &place, argv[optind], change(&place, member, parent));
}

int cmd_qgroup_assign(struct cli *cli, int argc, char **argv)
{
    return relate(cli, argc, argv, volume_qgroup_assign);
}

int cmd_qgroup_remove(struct cli *cli, int argc, char **argv)
{
    return relate(cli, argc, argv, volume_qgroup_remove);
}

/* ---- limit ----------------------------------------------------------------------------------- */

static bool parse_limit(struct cli *cli, const char *text, uint64_t *out)
{
    if (strcmp(text, "none") == 0) {
        *out = COPSE_QGROUP_NO_LIMIT;
        return true;
    }
    if (text[0] != '-' && parse_size(text, out) && *out != COPSE_QGROUP_NO_LIMIT)
        return true;
    cli_usage(cli, "%s: neither a size nor none", text);
    return false;
}

/* Whether a group stands behind the size: in the shell the file system behind it may be left out.
 */
static bool names_group(const struct cli *cli, int argc, char **argv)
{
    return argc - optind == 3 || (cli->shell && isdigit((unsigned char)argv[optind + 1][0]));
}

int cmd_qgroup_limit(struct cli *cli, int argc, char **argv)
{
    unsigned which = COPSE_QGROUP_MAX_RFER;
    struct place place;
    bool started = false, is_root;
    uint64_t bytes, id = 0;
    int option;

    while ((option = cli_option(cli, argc, argv, "ce", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'e')
            which = COPSE_QGROUP_MAX_EXCL;
    }
    if (cli_count(cli, argc, 2, 3) != 0 || !parse_limit(cli, argv[optind], &bytes))
        return EXIT_USAGE;
    bool by_id = names_group(cli, argc, argv);
    if (by_id && !qgroup_parse(cli, argv[optind + 1], &id))
        return EXIT_USAGE;
    const char *where = by_id && argc - optind == 2 ? NULL : argv[argc - 1];
    int result = place_volume(cli, where, WANT_CHANGE, &place);
    if (result != 0)
        return result;
    if (!by_id)
        result = subvol_of_place(cli, &place, &id, &is_root);
    if (result != 0) {
        place_free(&place);
        return result;
    }
    return done(cli, &place, argv[optind + 1], volume_qgroup_limit(&place, id, which, bytes));
}

/* ---- show ------------------------------------------------------------------------------------ */

enum sort_key { BY_ID, BY_RFER, BY_EXCL, BY_MAX_RFER, BY_MAX_EXCL, BY_PATH };
#define SORT_KEYS_MAX 6

struct show {
    bool parents, members, max_rfer, max_excl, sync;
    char only; /* 'F', 'f', or 0 */
    struct size_mode mode;
    enum sort_key keys[SORT_KEYS_MAX];
    bool descending[SORT_KEYS_MAX];
    size_t key_count;
};

struct shown_group {
    const struct copse_qgroup *group;
    const char *path; /* or what stands there instead */
    bool real;        /* a path of a subvolume */
    char text[48];
};

static int compare(enum sort_key key, const struct shown_group *a, const struct shown_group *b)
{
    uint64_t x[2];

    switch (key) {
    case BY_PATH:
        return strcmp(a->path, b->path);
    case BY_RFER:
        x[0] = a->group->referenced, x[1] = b->group->referenced;
        break;
    case BY_EXCL:
        x[0] = a->group->exclusive, x[1] = b->group->exclusive;
        break;
    case BY_MAX_RFER:
        x[0] = a->group->max_referenced, x[1] = b->group->max_referenced;
        break;
    case BY_MAX_EXCL:
        x[0] = a->group->max_exclusive, x[1] = b->group->max_exclusive;
        break;
    default:
        x[0] = a->group->id, x[1] = b->group->id;
        break;
    }
    if (x[0] == x[1])
        return 0;
    return x[0] < x[1] ? -1 : 1;
}

static int compare_shown(const void *a, const void *b, void *arg)
{
    const struct show *show = arg;

    for (size_t i = 0; i < show->key_count; i++) {
        int cmp = compare(show->keys[i], a, b);

        if (cmp != 0)
            return show->descending[i] ? -cmp : cmp;
    }
    return compare(BY_ID, a, b);
}

static bool parse_sort(struct show *show, char *list)
{
    static const char *const names[] = {"qgroupid", "rfer", "excl", "max_rfer", "max_excl", "path"};

    for (char *rest, *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        bool descending = word[0] == '-';
        size_t i = 0;

        word += word[0] == '-' || word[0] == '+';
        while (i < sizeof(names) / sizeof(*names) && strcmp(names[i], word) != 0)
            i++;
        if (i == sizeof(names) / sizeof(*names) || show->key_count == SORT_KEYS_MAX)
            return false;
        show->descending[show->key_count] = descending;
        show->keys[show->key_count++] = (enum sort_key)i;
    }
    return show->key_count > 0;
}

static int take_show_option(struct cli *cli, int option, struct show *show)
{
    if (take_size_option(option, &show->mode))
        return 0;
    switch (option) {
    case 'p':
        show->parents = true;
        return 0;
    case 'c':
        show->members = true;
        return 0;
    case 'r':
        show->max_rfer = true;
        return 0;
    case 'e':
        show->max_excl = true;
        return 0;
    case 'F':
    case 'f':
        show->only = (char)option;
        return 0;
    case 'Y':
        show->sync = true;
        return 0;
    case 'S':
        return parse_sort(show, optarg) ? 0 : cli_usage(cli, "%s: not a list of columns", optarg);
    default:
        return EXIT_USAGE;
    }
}

/* What stands for a subvolume that is gone; with simple quotas others may use what it made. */
static const char *gone_text(const struct copse_qgroup *group, enum copse_quota_mode mode)
{
    bool in_use = group->referenced > 0 || group->exclusive > 0;

    return mode == COPSE_QUOTA_SIMPLE && in_use ? "<squota space holder>" : "<stale>";
}

static void describe(struct shown_group *shown, const struct subvols *subvols,
                     enum copse_quota_mode mode)
{
    uint64_t id = shown->group->id;
    const struct copse_subvol *subvol = qgroup_level(id) == 0 ? subvols_find(subvols, id) : NULL;

    shown->real = subvol && subvol->path[0] != '\0' && !subvol->deleted;
    shown->path = shown->text;
    if (shown->real)
        shown->path = subvol->path;
    else if (qgroup_level(id) > 0)
        snprintf(shown->text, sizeof(shown->text), "<%zu member qgroup%s>",
                 shown->group->member_count, shown->group->member_count == 1 ? "" : "s");
    else
        strcpy(shown->text,
               subvol && !subvol->deleted ? "<toplevel>" : gone_text(shown->group, mode));
}

/* Whether the group is that of the subvolume, or above it where -F asks for these too. */
static bool concerns(const struct show *show, const struct qgroups *all, uint64_t subvol,
                     uint64_t id)
{
    if (show->only == 0 || id == subvol)
        return true;
    for (size_t i = 0; show->only == 'F' && i < all->count; i++) {
        const struct copse_qgroup *group = &all->list[i];

        if (group->id != id)
            continue;
        for (size_t j = 0; j < group->member_count; j++)
            if (concerns(show, all, subvol, group->members[j]))
                return true;
    }
    return false;
}

/* "0/256,0/257", or "---" as btrfs has it for none; to be freed. */
static char *ids_text(const uint64_t *ids, size_t count)
{
    char *text = need_string(strdup(count == 0 ? "-" : ""));

    for (size_t i = 0; i < count; i++) {
        char id[QGROUP_TEXT_MAX];
        char *longer = format_text("%s%s%s", text, i ? "," : "", qgroup_text(ids[i], id));

        free(text);
        text = longer;
    }
    return text;
}

struct widths {
    int parents, members;
};

static void widen(int *width, const uint64_t *ids, size_t count)
{
    char *text = ids_text(ids, count);

    if ((int)strlen(text) > *width)
        *width = (int)strlen(text);
    free(text);
}

static void print_heading(const struct show *show, const struct widths *widths)
{
    for (int line = 0; line < 2; line++) {
#define HEAD(name) (line == 0 ? (name) : &"--------------"[14 - strlen(name)])
        printf("%-9s%13s%13s", HEAD("Qgroupid"), HEAD("Referenced"), HEAD("Exclusive"));
        if (show->max_rfer)
            printf("%16s", HEAD("Max referenced"));
        if (show->max_excl)
            printf("%15s", HEAD("Max exclusive"));
        if (show->parents)
            printf(" %-*s  ", widths->parents, HEAD("Parent"));
        if (show->members)
            printf(" %-*s  ", widths->members, HEAD("Child"));
        printf("%s%s \n", show->parents || show->members ? " " : "   ", HEAD("Path"));
#undef HEAD
    }
}

static const char *limit_text(const struct show *show, const struct copse_qgroup *group,
                              unsigned which, char buf[SIZE_TEXT_MAX])
{
    if (!(group->limits & which))
        return "none";
    return size_text(which == COPSE_QGROUP_MAX_RFER ? group->max_referenced : group->max_exclusive,
                     show->mode, buf);
}

static void print_ids(const uint64_t *ids, size_t count, int width)
{
    char *text = ids_text(ids, count);

    printf(" %-*s  ", width, text);
    free(text);
}

static void print_group(const struct show *show, const struct shown_group *shown,
                        const struct widths *widths)
{
    const struct copse_qgroup *group = shown->group;
    char buf[SIZE_TEXT_MAX], id[QGROUP_TEXT_MAX];

    printf("%-9s", qgroup_text(group->id, id));
    printf("%13s", size_text(group->referenced, show->mode, buf));
    printf("%13s", size_text(group->exclusive, show->mode, buf));
    if (show->max_rfer)
        printf("%16s", limit_text(show, group, COPSE_QGROUP_MAX_RFER, buf));
    if (show->max_excl)
        printf("%15s", limit_text(show, group, COPSE_QGROUP_MAX_EXCL, buf));
    if (show->parents)
        print_ids(group->parents, group->parent_count, widths->parents);
    if (show->members)
        print_ids(group->members, group->member_count, widths->members);
    fputs(show->parents || show->members ? " " : "   ", stdout);
    print_name(shown->path, strlen(shown->path));
    putchar('\n');
}

static struct json_object *limit_json(const struct copse_qgroup *group, unsigned which,
                                      uint64_t value)
{
    return group->limits & which ? json_uint(value) : json_object_new_string("none");
}

static struct json_object *ids_json(const uint64_t *ids, size_t count)
{
    struct json_object *list = json_object_new_array();
    char id[QGROUP_TEXT_MAX];

    for (size_t i = 0; i < count; i++)
        json_object_array_add(list, json_object_new_string(qgroup_text(ids[i], id)));
    return list;
}

static struct json_object *group_json(const struct shown_group *shown)
{
    const struct copse_qgroup *group = shown->group;
    struct json_object *json = json_object_new_object();
    char id[QGROUP_TEXT_MAX];

    json_object_object_add(json, "qgroupid", json_object_new_string(qgroup_text(group->id, id)));
    json_object_object_add(json, "referenced", json_uint(group->referenced));
    json_object_object_add(json, "max_referenced",
                           limit_json(group, COPSE_QGROUP_MAX_RFER, group->max_referenced));
    json_object_object_add(json, "exclusive", json_uint(group->exclusive));
    json_object_object_add(json, "max_exclusive",
                           limit_json(group, COPSE_QGROUP_MAX_EXCL, group->max_exclusive));
    json_object_object_add(json, "path",
                           json_bytes(shown->path, shown->real ? strlen(shown->path) : 0));
    json_object_object_add(json, "parents", ids_json(group->parents, group->parent_count));
    json_object_object_add(json, "children", ids_json(group->members, group->member_count));
    return json;
}

static void print_all(const struct cli *cli, const struct show *show,
                      const struct shown_group *list, size_t count)
{
    struct json_object *json = cli->json ? json_object_new_array() : NULL;
    struct widths widths = {6, 5};

    for (size_t i = 0; i < count; i++) {
        widen(&widths.parents, list[i].group->parents, list[i].group->parent_count);
        widen(&widths.members, list[i].group->members, list[i].group->member_count);
    }
    if (!json)
        print_heading(show, &widths);
    for (size_t i = 0; i < count; i++) {
        if (json)
            json_object_array_add(json, group_json(&list[i]));
        else
            print_group(show, &list[i], &widths);
    }
    if (json)
        json_print("qgroup-show", json);
}

static void show_groups(const struct cli *cli, struct show *show, const struct qgroups *qgroups,
                        const struct subvols *subvols, uint64_t subvol, enum copse_quota_mode mode)
{
    struct shown_group *list = need_memory(calloc(qgroups->count + 1, sizeof(*list)));
    size_t count = 0;

    for (size_t i = 0; i < qgroups->count; i++) {
        if (!concerns(show, qgroups, subvol, qgroups->list[i].id))
            continue;
        list[count].group = &qgroups->list[i];
        describe(&list[count++], subvols, mode);
    }
    qsort_r(list, count, sizeof(*list), compare_shown, show);
    print_all(cli, show, list, count);
    free(list);
}

/* Quotas that are wrong are shown all the same. */
static void warn_inconsistent(struct cli *cli, const struct place *place,
                              const struct copse_quota_status *status)
{
    if (status->rescanning)
        cli_warn(cli, place->shown, "a quota rescan is running, the numbers are incomplete");
    else if (status->inconsistent)
        cli_warn(cli, place->shown, "quotas are inconsistent, a rescan is recommended");
}

static int load_and_show(struct cli *cli, struct show *show, const struct place *place,
                         uint64_t subvol)
{
    struct copse_quota_status status = {0};
    struct subvols subvols;
    struct qgroups qgroups;
    int result = qgroups_load(cli, place, &qgroups);

    if (result != 0)
        return result;
    result = subvols_load(cli, place, &subvols);
    if (result == 0) {
        if (volume_quota_status(place, &status) == 0)
            warn_inconsistent(cli, place, &status);
        show_groups(cli, show, &qgroups, &subvols, subvol, status.mode);
        subvols_free(&subvols);
    }
    qgroups_free(&qgroups);
    return result;
}

static int run_show(struct cli *cli, struct show *show, const char *arg)
{
    struct place place;
    uint64_t subvol = 0;
    bool is_root;
    int result = place_volume(cli, arg, show->sync ? WANT_CHANGE : WANT_LOOK, &place);

    if (result != 0)
        return result;
    int ret = show->sync ? volume_sync(&place) : 0;
    if (ret < 0)
        result = cli_fail(cli, place.shown, ret);
    if (result == 0 && show->only)
        result = subvol_of_place(cli, &place, &subvol, &is_root);
    if (result == 0)
        result = load_and_show(cli, show, &place, subvol);
    place_free(&place);
    return result;
}

int cmd_qgroup_show(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {SIZE_OPTIONS_LONG,
                                          {"sync", no_argument, NULL, 'Y'},
                                          {"sort", required_argument, NULL, 'S'},
                                          {0}};
    struct show show = {.mode = SIZE_MODE_DEFAULT};
    bool started = false;
    int option;

    while ((option = cli_option(cli, argc, argv, "pcreFf", longs, &started)) >= 0)
        if (take_show_option(cli, option, &show) != 0)
            return EXIT_USAGE;
    if (cli_count(cli, argc, cli->shell ? 0 : 1, 1) != 0)
        return EXIT_USAGE;
    return run_show(cli, &show, argv[optind]);
}
