// SPDX-License-Identifier: GPL-2.0-or-later
/* property get, set and list, and sync. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "subvols.h"
#include "text.h"

#define COMPRESSION_XATTR "btrfs.compression"
#define FLAG_READONLY 1

/* A property of a place: how to read it. NULL in *value: it has none. */
struct property {
    const char *name, *does;
    int (*get)(struct cli *cli, const struct place *place, struct file *file, char **value);
    int (*set)(struct cli *cli, const struct place *place, struct file *file, const char *value,
               bool force);
};

static int get_ro(struct cli *cli, const struct place *place, struct file *file, char **value)
{
    const struct copse_subvol *subvol;
    struct subvols subvols;
    bool is_root;
    uint64_t id;
    int result = subvol_of_place(cli, place, &id, &is_root);

    (void)file;
    *value = NULL;
    if (result != 0 || !is_root)
        return result;
    result = subvols_load(cli, place, &subvols);
    subvol = subvols_find(&subvols, id);
    if (subvol)
        *value = need_string(strdup(subvol->flags & FLAG_READONLY ? "true" : "false"));
    subvols_free(&subvols);
    return result;
}

static int set_ro(struct cli *cli, const struct place *place, struct file *file, const char *value,
                  bool force)
{
    bool readonly = strcmp(value, "true") == 0;
    int ret;

    if (!readonly && strcmp(value, "false") != 0)
        return cli_usage(cli, "%s: ro is true or false", value);
    ret = file_subvol_set_readonly(file, readonly, force);
    if (ret == -EPERM)
        return cli_fail_because(cli, place->shown, ret,
                                "it was received; -f makes it writable and forgets that");
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

/* The label belongs to the root of what was opened or mounted. */
static bool is_whole(const struct place *place)
{
    char *root = place_root(place);
    struct stat here, there;
    bool whole = place->tree->fs ? strcmp(place->path, root) == 0
                                 : stat(place->path, &here) == 0 && stat(root, &there) == 0 &&
                                       here.st_ino == there.st_ino;

    free(root);
    return whole;
}

static int get_label(struct cli *cli, const struct place *place, struct file *file, char **value)
{
    struct copse_fs_info info;
    int ret;

    (void)file;
    *value = NULL;
    if (!is_whole(place))
        return 0;
    ret = volume_info(place, &info);
    if (ret < 0)
        return cli_fail(cli, place->shown, ret);
    *value = need_string(strndup(info.label, sizeof(info.label)));
    return 0;
}

static int set_label(struct cli *cli, const struct place *place, struct file *file,
                     const char *value, bool force)
{
    int ret;

    (void)file, (void)force;
    if (!is_whole(place))
        return cli_usage(cli, "%s: the label belongs to the root, T:/", place->shown);
    ret = volume_set_label(place, value);
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

static int get_compression(struct cli *cli, const struct place *place, struct file *file,
                           char **value)
{
    void *bytes;
    size_t len;
    int ret = file_xattr_get(file, COMPRESSION_XATTR, &bytes, &len);

    *value = NULL;
    if (ret == -ENODATA || ret == -EOPNOTSUPP)
        return 0;
    if (ret < 0)
        return cli_fail(cli, place->shown, ret);
    *value = need_string(strndup(bytes, len));
    free(bytes);
    return 0;
}

static int set_compression(struct cli *cli, const struct place *place, struct file *file,
                           const char *value, bool force)
{
    bool none = *value == '\0';
    int ret = none ? file_xattr_remove(file, COMPRESSION_XATTR)
                   : file_xattr_set(file, COMPRESSION_XATTR, value, strlen(value));

    (void)force;
    if (none && ret == -ENODATA)
        return 0;
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

static const struct property properties[] = {
    {"ro", "read-only status of a subvolume", get_ro, set_ro},
    {"label", "label of the filesystem", get_label, set_label},
    {"compression", "compression algorithm for the file or directory", get_compression,
     set_compression},
};

#define PROPERTIES (sizeof(properties) / sizeof(*properties))

static const struct property *find_property(struct cli *cli, const char *name)
{
    for (size_t i = 0; i < PROPERTIES; i++) {
        if (strcmp(properties[i].name, name) == 0)
            return &properties[i];
    }
    cli_usage(cli, "%s: unknown property", name);
    return NULL;
}

static int print_properties(struct cli *cli, const struct place *place, struct file *file,
                            const struct property *only)
{
    struct json_object *list = cli->json ? json_object_new_object() : NULL;
    int result = 0;

    for (size_t i = 0; i < PROPERTIES && result == 0; i++) {
        char *value = NULL;
        if (only && only != &properties[i])
            continue;
        result = properties[i].get(cli, place, file, &value);
        if (value && list)
            json_object_object_add(list, properties[i].name, json_bytes(value, strlen(value)));
        else if (value)
            printf("%s=%s\n", properties[i].name, value);
        free(value);
    }
    if (list)
        json_print("property-get", list);
    return result;
}

/* -t TYPE is accepted and needs no answer: what a place is decides what it has. */
static int take_options(struct cli *cli, int argc, char **argv, bool *force)
{
    bool started = false;
    int option;

    *force = false;
    while ((option = cli_option(cli, argc, argv, "t:f", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        *force |= option == 'f';
    }
    return 0;
}

int cmd_property_get(struct cli *cli, int argc, char **argv)
{
    const struct property *only = NULL;
    struct place place;
    struct file file;
    bool force;
    int result;

    if (take_options(cli, argc, argv, &force) != 0 || cli_count(cli, argc, 1, 2) != 0)
        return EXIT_USAGE;
    if (argc - optind == 2 && !(only = find_property(cli, argv[optind + 1])))
        return EXIT_USAGE;
    result = place_open(cli, argv[optind], WANT_LOOK, true, &place, &file);
    if (result != 0)
        return result;
    result = print_properties(cli, &place, &file, only);
    file_close(&file);
    place_free(&place);
    return result;
}

/* Whether there could be a value: files and directories need not have a compression. */
static int has_property(struct cli *cli, const struct place *place, struct file *file,
                        const struct property *property, bool *has)
{
    struct copse_stat st;
    char *value = NULL;
    int result = 0, ret;

    if (property->get == get_compression) {
        ret = file_stat(file, &st);
        *has = ret == 0 && (S_ISREG(st.mode) || S_ISDIR(st.mode));
        return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
    }
    result = property->get(cli, place, file, &value);
    *has = value != NULL;
    free(value);
    return result;
}

static int list_properties(struct cli *cli, const struct place *place, struct file *file)
{
    struct json_object *list = cli->json ? json_object_new_object() : NULL;
    int result = 0;

    for (size_t i = 0; i < PROPERTIES && result == 0; i++) {
        bool has = false;

        result = has_property(cli, place, file, &properties[i], &has);
        if (has && list)
            json_object_object_add(list, properties[i].name,
                                   json_object_new_string(properties[i].does));
        else if (has)
            printf("%-20s%s\n", properties[i].name, properties[i].does);
    }
    if (list)
        json_print("property-list", list);
    return result;
}

int cmd_property_list(struct cli *cli, int argc, char **argv)
{
    struct place place;
    struct file file;
    bool force;
    int result;

    if (take_options(cli, argc, argv, &force) != 0 || cli_count(cli, argc, 1, 1) != 0)
        return EXIT_USAGE;
    result = place_open(cli, argv[optind], WANT_LOOK, true, &place, &file);
    if (result != 0)
        return result;
    result = list_properties(cli, &place, &file);
    file_close(&file);
    place_free(&place);
    return result;
}

int cmd_property_set(struct cli *cli, int argc, char **argv)
{
    const struct property *property;
    struct place place;
    struct file file;
    bool force;
    int result;

    if (take_options(cli, argc, argv, &force) != 0 || cli_count(cli, argc, 3, 3) != 0)
        return EXIT_USAGE;
    property = find_property(cli, argv[optind + 1]);
    if (!property)
        return EXIT_USAGE;
    const char *value = argv[optind + 2];
    result = place_open(cli, argv[optind], WANT_CHANGE, true, &place, &file);
    if (result != 0)
        return result;
    result = property->set(cli, &place, &file, value, force);
    file_close(&file);
    place_free(&place);
    return result;
}

int cmd_sync(struct cli *cli, int argc, char **argv)
{
    bool started = false;
    struct place place;
    int result, ret;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 ||
        cli_count(cli, argc, cli->shell ? 0 : 1, 1) != 0)
        return EXIT_USAGE;
    const char *arg = optind < argc ? argv[optind] : "/";
    /* A whole target will do: nothing in it is looked at. */
    char *whole = !cli->shell && !target_has_path(arg) && !in_copse_mount(arg)
                      ? format_text("%s:/", arg)
                      : NULL;
    result = place_find(cli, whole ? whole : arg, WANT_CHANGE, false, &place);
    free(whole);
    if (result != 0)
        return result;
    ret = tree_sync(place.tree, place.path);
    place_free(&place);
    return ret < 0 ? cli_fail(cli, arg, ret) : 0;
}
