// SPDX-License-Identifier: GPL-2.0-or-later
/* subvolume delete, undelete and sync. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "paths.h"
#include "size.h"
#include "subvols.h"
#include "text.h"
#include "volume.h"

/* ---- delete ---------------------------------------------------------------------------------- */

enum { OPTION_KEEP = 256 };

struct deleting {
    bool commit_after, commit_each, keep;
    uint64_t id; /* 0: by path */
};

static void leave_for_later(const struct place *place)
{
    if (place->tree->fs)
        session_of(place->tree)->keep_deleted = true;
}

static int commit(struct cli *cli, const struct place *place)
{
    int ret = tree_sync(place->tree, place->path);

    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

static int delete_name(struct cli *cli, const struct place *place)
{
    struct file dir;
    char *name;
    int result = place_parent(cli, place, &dir, &name), ret;

    if (result != 0)
        return result;
    if (name) {
        ret = file_subvol_delete(&dir, name);
    } else {
        cli_failed_in_library(false);
        ret = -EINVAL;
    }
    free(name);
    file_close(&dir);
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

static int delete_at(struct cli *cli, const struct deleting *del, const struct place *place)
{
    int result, ret;

    if (del->keep)
        leave_for_later(place);
    if (del->id == 0) {
        result = delete_name(cli, place);
    } else {
        ret = volume_subvol_delete(place, del->id);
        result = ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
    }
    if (result != 0)
        return result;
    printf("Delete subvolume (%s): ",
           del->commit_each || del->commit_after ? "commit" : "no-commit");
    if (del->id)
        printf("id %llu\n", LLU(del->id));
    else
        printf("'%s'\n", place->shown);
    return 0;
}

static int delete_one(struct cli *cli, const struct deleting *del, const char *arg, bool last)
{
    struct place place;
    int result = del->id ? place_volume(cli, arg, WANT_CHANGE, &place)
                         : place_find(cli, arg, WANT_CHANGE, false, &place);

    if (result != 0)
        return result;
    result = delete_at(cli, del, &place);
    if (del->commit_each || (del->commit_after && last)) {
        int committed = commit(cli, &place);
        result = result ? result : committed;
    }
    place_free(&place);
    return result;
}

int cmd_subvolume_delete(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {
        {"commit-after", no_argument, NULL, 'c'},   {"commit-each", no_argument, NULL, 'C'},
        {"subvolid", required_argument, NULL, 'i'}, {"verbose", no_argument, NULL, 'v'},
        {"keep", no_argument, NULL, OPTION_KEEP},   {0},
    };
    struct deleting del = {0};
    bool started = false;
    int option, result, one;

    while ((option = cli_option(cli, argc, argv, "cCi:v", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        del.commit_after |= option == 'c';
        del.commit_each |= option == 'C';
        del.keep |= option == OPTION_KEEP;
        if (option == 'i' && (!parse_number(optarg, &del.id) || del.id == 0))
            return cli_usage(cli, "-i %s: not a subvolume id", optarg);
    }
    result = cli_count(cli, argc, 1, del.id ? 1 : argc);
    if (result != 0)
        return result;
    for (int i = optind; i < argc; i++) {
        one = delete_one(cli, &del, argv[i], i == argc - 1);
        result = one ? one : result;
    }
    return result;
}

/* ---- undelete -------------------------------------------------------------------------------- */

static int undelete_as(struct cli *cli, const struct place *place, uint64_t id)
{
    struct file dir;
    char *name;
    int result, ret;

    leave_for_later(place);
    result = place_parent(cli, place, &dir, &name);
    if (result != 0)
        return result;
    cli_failed_in_library(false);
    ret = name ? volume_subvol_undelete(place, &dir, name, id) : -EEXIST;
    if (ret == 0)
        printf("Undelete subvolume %llu as '%s'\n", LLU(id), place->shown);
    free(name);
    file_close(&dir);
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

int cmd_subvolume_undelete(struct cli *cli, int argc, char **argv)
{
    struct place place;
    bool started = false;
    uint64_t id;
    int result;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 2, 2) != 0)
        return EXIT_USAGE;
    if (!parse_number(argv[optind], &id))
        return cli_usage(cli, "%s: not a subvolume id", argv[optind]);
    result = place_find(cli, argv[optind + 1], WANT_CHANGE, false, &place);
    if (result != 0)
        return result;
    result = undelete_as(cli, &place, id);
    place_free(&place);
    return result;
}

/* ---- sync ------------------------------------------------------------------------------------ */

struct waiting {
    uint64_t *ids; /* that are waited for; 0: gone, and told */
    int count, gone;
};

static void waiting_take_deleted(struct waiting *waiting, const struct subvols *subvols)
{
    waiting->ids = need_memory(calloc(subvols->count + 1, sizeof(*waiting->ids)));
    for (size_t i = 0; i < subvols->count; i++)
        if (subvols->list[i].deleted)
            waiting->ids[waiting->count++] = subvols->list[i].id;
}

/* Tells of those that are gone; *more: others are still there. */
static void tell_gone(struct waiting *waiting, const struct subvols *subvols, bool *more)
{
    *more = false;
    for (int i = 0; i < waiting->count; i++) {
        const struct copse_subvol *subvol =
            waiting->ids[i] ? subvols_find(subvols, waiting->ids[i]) : NULL;

        *more |= subvol && subvol->deleted;
        if (waiting->ids[i] == 0 || subvol)
            continue;
        printf("Subvolume id %llu is gone (%d/%d)\n", LLU(waiting->ids[i]), ++waiting->gone,
               waiting->count);
        waiting->ids[i] = 0;
    }
    fflush(stdout);
}

static int look(struct cli *cli, const struct place *place, struct waiting *waiting, bool *more)
{
    struct subvols subvols;
    int result = subvols_load(cli, place, &subvols);

    if (result == 0) {
        if (!waiting->ids)
            waiting_take_deleted(waiting, &subvols);
        if (waiting->gone == 0 && waiting->count > 0 && !*more)
            printf("Waiting for %d subvolume%s\n", waiting->count, waiting->count == 1 ? "" : "s");
        tell_gone(waiting, &subvols, more);
    }
    subvols_free(&subvols);
    return result;
}

static int wait_for_all(struct cli *cli, const struct place *place, struct waiting *waiting)
{
    bool more = false;
    int result = look(cli, place, waiting, &more);

    while (result == 0 && more && !cli_interrupted()) {
        unsigned left;
        int ret = volume_subvol_clean(place, &left);

        if (ret < 0)
            return cli_fail(cli, place->shown, ret);
        result = look(cli, place, waiting, &more);
    }
    if (result == 0 && cli_interrupted())
        return EXIT_INTERRUPTED;
    return result;
}

static int parse_ids(struct cli *cli, int argc, char **argv, struct waiting *waiting)
{
    if (optind + 1 >= argc)
        return 0;
    waiting->ids = need_memory(calloc((size_t)argc, sizeof(*waiting->ids)));
    for (int i = optind + 1; i < argc; i++) {
        uint64_t *id = &waiting->ids[waiting->count++];

        if (!parse_number(argv[i], id) || *id == 0)
            return cli_usage(cli, "%s: not a subvolume id", argv[i]);
    }
    return 0;
}

int cmd_subvolume_sync(struct cli *cli, int argc, char **argv)
{
    struct waiting waiting = {0};
    struct place place;
    bool started = false;
    uint64_t seconds;
    int option, result;

    /* Nobody sleeps here. */
    while ((option = cli_option(cli, argc, argv, "s:", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (!parse_number(optarg, &seconds) || seconds == 0)
            return cli_usage(cli, "-s %s: not a number of seconds", optarg);
    }
    if (cli_count(cli, argc, cli->shell ? 0 : 1, argc) != 0)
        return EXIT_USAGE;
    result = parse_ids(cli, argc, argv, &waiting);
    if (result == 0)
        result = place_volume(cli, optind < argc ? argv[optind] : NULL, WANT_CHANGE, &place);
    if (result == 0) {
        result = wait_for_all(cli, &place, &waiting);
        place_free(&place);
    }
    free(waiting.ids);
    return result;
}
