// SPDX-License-Identifier: GPL-2.0-or-later
/* inspect rootid, inode-resolve and logical-resolve: who is where. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "paths.h"
#include "size.h"
#include "subvols.h"
#include "text.h"

int cmd_rootid(struct cli *cli, int argc, char **argv)
{
    struct copse_stat st;
    struct place place;
    bool started = false;
    int result, ret;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 1, 1) != 0)
        return EXIT_USAGE;
    const char *arg = argv[optind];
    result = place_find(cli, arg, WANT_LOOK, false, &place);
    if (result != 0)
        return result;
    ret = volume_stat(&place, &st);
    if (ret == 0)
        printf("%llu\n", LLU(st.subvol));
    place_free(&place);
    return ret < 0 ? cli_fail(cli, arg, ret) : 0;
}

/* ---- paths of an inode ----------------------------------------------------------------------- */

struct paths {
    const char *before; /* of all of them */
    struct json_object *list;
};

static int print_path(void *arg, const char *path)
{
    const struct paths *paths = arg;
    char *whole = *path ? path_below(paths->before, path) : need_string(strdup(paths->before));

    if (paths->list) {
        json_object_array_add(paths->list, json_bytes(whole, strlen(whole)));
    } else {
        print_name(whole, strlen(whole));
        putchar('\n');
    }
    free(whole);
    return 0;
}

int cmd_inode_resolve(struct cli *cli, int argc, char **argv)
{
    struct paths paths = {0};
    struct place place;
    bool started = false;
    uint64_t ino;
    int option, result, ret;

    while ((option = cli_option(cli, argc, argv, "v", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
    }
    if (cli_count(cli, argc, 2, 2) != 0)
        return EXIT_USAGE;
    if (!parse_number(argv[optind], &ino))
        return cli_usage(cli, "%s: not an inode number", argv[optind]);
    const char *arg = argv[optind + 1];
    result = place_find(cli, arg, WANT_LOOK, false, &place);
    if (result != 0)
        return result;
    paths.before = place.path;
    paths.list = cli->json ? json_object_new_array() : NULL;
    ret = volume_inode_paths(&place, 0, ino, print_path, &paths);
    place_free(&place);
    if (ret < 0) {
        json_object_put(paths.list);
        return cli_fail(cli, arg, ret);
    }
    if (paths.list)
        json_print("inode-resolve", paths.list);
    return 0;
}

/* ---- files at an address --------------------------------------------------------------------- */

/* Bytes that an answer of Linux takes: its head, and each file. -s counts in them. */
#define ANSWER_HEAD 16
#define ANSWER_FILE 24
#define ANSWER_DEFAULT 65536

struct owners {
    struct copse_owner *list;
    size_t count, room, most;
};

static int keep_owner(void *arg, const struct copse_owner *owner)
{
    struct owners *owners = arg;

    if (owners->count == owners->room) {
        owners->room = owners->room ? 2 * owners->room : 16;
        owners->list = need_memory(realloc(owners->list, owners->room * sizeof(*owners->list)));
    }
    owners->list[owners->count++] = *owner;
    return owners->count > owners->most;
}

static void print_owner(const struct copse_owner *owner, struct json_object *list)
{
    struct json_object *json;

    if (!list) {
        printf("inode %llu offset %llu root %llu\n", LLU(owner->ino), LLU(owner->offset),
               LLU(owner->subvol));
        return;
    }
    json = json_object_new_object();
    json_object_object_add(json, "inode", json_uint(owner->ino));
    json_object_object_add(json, "offset", json_uint(owner->offset));
    json_object_object_add(json, "root", json_uint(owner->subvol));
    json_object_array_add(list, json);
}

/* Where the root of what is open or mounted is among the subvolumes, and what to call it. */
struct whole {
    struct subvols subvols;
    const struct copse_subvol *root;
    char *path;
};

static int whole_load(struct cli *cli, const struct place *place, struct whole *out)
{
    struct place root = {.tree = place->tree, .shown = place->shown};
    struct copse_stat st;
    int result, ret;

    *out = (struct whole){.path = place_root(place)};
    root.path = out->path;
    ret = volume_stat(&root, &st);
    result = ret < 0 ? cli_fail(cli, place->shown, ret) : subvols_load(cli, place, &out->subvols);
    if (result == 0)
        out->root = subvols_find(&out->subvols, st.subvol);
    return result;
}

static void whole_free(struct whole *whole)
{
    subvols_free(&whole->subvols);
    free(whole->path);
}

/* The root directory of a subvolume; NULL: it is not below what is open. To be freed. */
static char *path_of_subvol(const struct whole *whole, uint64_t id)
{
    const struct copse_subvol *subvol = subvols_find(&whole->subvols, id);
    const char *above = whole->root ? whole->root->path : "";
    size_t len = strlen(above);

    if (!subvol || subvol->deleted || strncmp(subvol->path, above, len) != 0)
        return NULL;
    if (subvol->path[len] == '\0')
        return need_string(strdup(whole->path));
    if (len > 0 && subvol->path[len] != '/')
        return NULL;
    return path_below(whole->path, subvol->path + len + (len > 0));
}

static int print_owner_paths(struct cli *cli, const struct place *place, const struct whole *whole,
                             const struct copse_owner *owner, struct json_object *list)
{
    char *before = path_of_subvol(whole, owner->subvol);
    struct paths paths = {before, list};
    int ret;

    if (!before) {
        cli_warn(cli, place->shown, "inode %llu is in subvolume %llu, which cannot be seen here",
                 LLU(owner->ino), LLU(owner->subvol));
        return 0;
    }
    ret = volume_inode_paths(place, owner->subvol, owner->ino, print_path, &paths);
    free(before);
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

static int print_owners(struct cli *cli, const struct place *place, const struct owners *owners,
                        bool as_inodes)
{
    size_t count = owners->count < owners->most ? owners->count : owners->most;
    struct json_object *list = cli->json ? json_object_new_array() : NULL;
    struct whole whole = {0};
    int result = as_inodes ? 0 : whole_load(cli, place, &whole);

    for (size_t i = 0; i < count && result == 0; i++) {
        if (as_inodes)
            print_owner(&owners->list[i], list);
        else
            result = print_owner_paths(cli, place, &whole, &owners->list[i], list);
    }
    if (result == 0 && owners->count > owners->most)
        cli_warn(cli, place->shown, "more files than the answer has room for; see -s");
    whole_free(&whole);
    if (result == 0 && list)
        json_print("logical-resolve", list);
    else
        json_object_put(list);
    return result;
}

int cmd_logical_resolve(struct cli *cli, int argc, char **argv)
{
    struct owners owners = {.most = (ANSWER_DEFAULT - ANSWER_HEAD) / ANSWER_FILE};
    bool started = false, as_inodes = false;
    uint64_t logical, size;
    unsigned flags = 0;
    struct place place;
    int option, result, ret;

    while ((option = cli_option(cli, argc, argv, "Povs:", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        as_inodes |= option == 'P';
        flags |= option == 'o' ? COPSE_OWNERS_ANY_PART : 0;
        if (option == 's' && (!parse_size(optarg, &size) || size < ANSWER_HEAD + ANSWER_FILE))
            return cli_usage(cli, "-s %s: not a size that holds one file", optarg);
        if (option == 's')
            owners.most = (size - ANSWER_HEAD) / ANSWER_FILE;
    }
    if (cli_count(cli, argc, cli->shell ? 1 : 2, 2) != 0)
        return EXIT_USAGE;
    if (!parse_number(argv[optind], &logical))
        return cli_usage(cli, "%s: not a logical address", argv[optind]);
    result = place_volume(cli, argv[optind + 1], WANT_LOOK, &place);
    if (result != 0)
        return result;
    ret = volume_owners(&place, logical, flags, keep_owner, &owners);
    result =
        ret < 0 ? cli_fail(cli, place.shown, ret) : print_owners(cli, &place, &owners, as_inodes);
    free(owners.list);
    place_free(&place);
    return result;
}
