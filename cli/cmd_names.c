// SPDX-License-Identifier: GPL-2.0-or-later
/* mkdir, rm, mv, ln, mknod: commands that change names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "above.h"
#include "commands.h"
#include "modes.h"
#include "paths.h"
#include "session.h"
#include "size.h"
#include "text.h"

/* ---- mkdir ----------------------------------------------------------------------------------- */

static int is_dir(struct file *file)
{
    struct copse_stat st;
    int ret = file_stat(file, &st);

    return ret < 0 ? ret : S_ISDIR(st.mode);
}

/* One component with -p: *dir becomes the directory of that name in it. */
static int step_into(struct file *dir, const char *name)
{
    struct file next;
    int ret = file_lookup(dir, name, &next);

    if (ret == -ENOENT)
        ret = file_make(dir, name, S_IFDIR | mode_after_umask(0777), 0, &next);
    if (ret < 0)
        return ret;
    ret = is_dir(&next);
    if (ret == 0) {
        cli_failed_in_library(false);
        ret = -ENOTDIR;
    }
    if (ret < 0) {
        file_close(&next);
        return ret;
    }
    file_close(dir);
    *dir = next;
    return 0;
}

static int make_parents(const struct place *place)
{
    char *path = need_string(strdup(place->path)), *rest = path, *name;
    bool absolute = *path == '/';
    struct file dir;
    int ret = file_walk(place->tree, absolute || place->tree->fs ? "/" : ".", false, &dir);

    if (ret < 0) {
        free(path);
        return ret;
    }
    while (ret == 0 && (name = strsep(&rest, "/"))) {
        if (*name && strcmp(name, ".") != 0)
            ret = step_into(&dir, name);
    }
    file_close(&dir);
    free(path);
    return ret;
}

static int make_dir(struct cli *cli, const struct place *place, uint32_t mode)
{
    struct file dir, made;
    char *name;
    int result = place_parent(cli, place, &dir, &name), ret;

    if (result != 0)
        return result;
    if (name) {
        ret = file_make(&dir, name, S_IFDIR | mode, 0, &made);
        if (ret == 0)
            file_close(&made);
    } else {
        cli_failed_in_library(false);
        ret = -EEXIST;
    }
    free(name);
    file_close(&dir);
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

/* -m goes beyond the umask. */
static int set_dir_mode(struct cli *cli, const struct place *place, uint32_t mode)
{
    const struct copse_stat st = {.mode = mode};
    struct file dir;
    int ret = file_walk(place->tree, place->path, false, &dir);

    if (ret == 0) {
        ret = file_set(&dir, COPSE_SET_MODE, &st);
        file_close(&dir);
    }
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

static int mkdir_one(struct cli *cli, const char *arg, bool parents, const char *mode_words)
{
    uint32_t mode = mode_after_umask(0777);
    struct place place;
    int result, ret;

    if (mode_words && !mode_change(mode_words, 0777, true, &mode))
        return cli_usage(cli, "-m %s: not a mode", mode_words);
    result = place_find(cli, arg, WANT_CHANGE, false, &place);
    if (result != 0)
        return result;
    if (parents) {
        ret = make_parents(&place);
        result = ret < 0 ? cli_fail(cli, arg, ret) : 0;
    } else {
        result = make_dir(cli, &place, mode);
    }
    if (result == 0 && mode_words)
        result = set_dir_mode(cli, &place, mode);
    place_free(&place);
    return result;
}

int cmd_mkdir(struct cli *cli, int argc, char **argv)
{
    bool started = false, parents = false;
    const char *mode = NULL;
    int option, result = 0;

    while ((option = cli_option(cli, argc, argv, "pm:", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'p')
            parents = true;
        else
            mode = optarg;
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    for (int i = optind; i < argc; i++) {
        int one = mkdir_one(cli, argv[i], parents, mode);
        result = result ? result : one;
    }
    return result;
}

/* ---- rm -------------------------------------------------------------------------------------- */

struct removal {
    struct cli *cli;
    bool recursive, force;
    int result;
};

static void removal_failed(struct removal *rm, const char *path, int err)
{
    rm->result = cli_fail(rm->cli, path, err);
}

static void remove_name(struct removal *rm, struct file *dir, const char *name, const char *shown,
                        const struct above *up);

static void remove_below(struct removal *rm, struct file *dir, const char *shown,
                         const struct above *up)
{
    struct names names;
    struct above here;
    int ret = above_enter(up, dir, &here);

    if (ret == 0)
        ret = file_list(dir, &names);
    if (ret < 0) {
        removal_failed(rm, shown, ret);
        return;
    }
    for (size_t i = 0; i < names.count && !cli_interrupted(); i++) {
        char *below = path_below(shown, names.list[i].name);
        remove_name(rm, dir, names.list[i].name, below, &here);
        free(below);
    }
    names_free(&names);
}

static void remove_name(struct removal *rm, struct file *dir, const char *name, const char *shown,
                        const struct above *up)
{
    int failed_before = rm->result, ret, directory;
    struct file file;

    ret = file_lookup(dir, name, &file);
    if (ret == -ENOENT && rm->force)
        return;
    if (ret < 0) {
        removal_failed(rm, shown, ret);
        return;
    }
    directory = is_dir(&file);
    rm->result = 0;
    if (directory == 1 && rm->recursive) {
        remove_below(rm, &file, shown, up);
    } else if (directory == 1) {
        cli_failed_in_library(false);
        removal_failed(rm, shown, -EISDIR);
    }
    file_close(&file);
    if (rm->result == 0 && !cli_interrupted()) {
        ret = directory < 0 ? directory : file_unlink(dir, name, directory);
        if (ret < 0)
            removal_failed(rm, shown, ret);
    }
    rm->result = rm->result ? rm->result : failed_before;
}

static void rm_one(struct removal *rm, const char *arg)
{
    struct place place;
    struct file dir;
    struct file probe;
    char *name;
    int result = place_find(rm->cli, arg, WANT_CHANGE, false, &place);

    if (result != 0) {
        rm->result = result;
        return;
    }
    if (rm->force && file_walk(place.tree, place.path, true, &probe) == -ENOENT) {
        place_free(&place);
        return;
    }
    if (rm->force)
        file_close(&probe);
    result = place_parent(rm->cli, &place, &dir, &name);
    if (result != 0) {
        rm->result = result;
    } else if (!name) {
        /* The root itself stays; what is in it can go. */
        cli_failed_in_library(false);
        removal_failed(rm, arg, -EBUSY);
    } else {
        remove_name(rm, &dir, name, arg, NULL);
    }
    if (result == 0)
        file_close(&dir);
    free(name);
    place_free(&place);
}

int cmd_rm(struct cli *cli, int argc, char **argv)
{
    struct removal rm = {.cli = cli};
    bool started = false;
    int option;

    while ((option = cli_option(cli, argc, argv, "rRf", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        rm.force |= option == 'f';
        rm.recursive |= option != 'f';
    }
    if (cli_count(cli, argc, rm.force ? 0 : 1, -1) != 0)
        return EXIT_USAGE;
    for (int i = optind; i < argc; i++)
        rm_one(&rm, argv[i]);
    return rm.result;
}

/* ---- mv -------------------------------------------------------------------------------------- */

static int move_to(struct cli *cli, const struct place *from, const struct place *to, bool keep)
{
    struct destination destination;
    struct file dir;
    char *name;
    int result = place_parent(cli, from, &dir, &name), ret;

    if (result != 0)
        return result;
    if (!name) {
        file_close(&dir);
        cli_failed_in_library(false);
        return cli_fail(cli, from->shown, -EBUSY);
    }
    result = destination_find(cli, to, name, &destination);
    if (result == 0) {
        cli_failed_in_library(false);
        ret = destination.name ? file_rename(&dir, name, &destination.dir, destination.name,
                                             keep ? COPSE_RENAME_NOREPLACE : 0)
                               : -EBUSY;
        if (ret < 0 && !(keep && ret == -EEXIST))
            result = cli_fail(cli, destination.shown, ret);
        destination_free(&destination);
    }
    free(name);
    file_close(&dir);
    return result;
}

/* For commands of the form SRC… DST: with several sources DST must be a directory. */
static int check_many(struct cli *cli, const struct place *to, int sources)
{
    struct file dir;
    int ret, directory;

    if (sources == 1)
        return 0;
    ret = file_walk(to->tree, to->path, false, &dir);
    if (ret < 0)
        return cli_fail(cli, to->shown, ret);
    directory = is_dir(&dir);
    file_close(&dir);
    cli_failed_in_library(false);
    return directory == 1 ? 0 : cli_fail(cli, to->shown, -ENOTDIR);
}

int cmd_mv(struct cli *cli, int argc, char **argv)
{
    bool started = false, keep = false;
    struct place to, from;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "nfT", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        keep = option == 'n';
    }
    if (cli_count(cli, argc, 2, -1) != 0)
        return EXIT_USAGE;
    result = place_find(cli, argv[argc - 1], WANT_CHANGE, false, &to);
    if (result != 0)
        return result;
    result = check_many(cli, &to, argc - 1 - optind);
    for (int i = optind; result == 0 && i < argc - 1; i++) {
        result = place_find(cli, argv[i], WANT_CHANGE, false, &from);
        if (result == 0) {
            result = move_to(cli, &from, &to, keep);
            place_free(&from);
        }
    }
    place_free(&to);
    return result;
}

/* ---- ln -------------------------------------------------------------------------------------- */

struct linking {
    struct cli *cli;
    bool symbolic, force;
};

static int make_link(struct linking *ln, struct file *source, const char *target,
                     struct destination *to)
{
    struct file made;
    int ret;

    if (!to->name) {
        cli_failed_in_library(false);
        return -EEXIST;
    }
    ret = ln->force ? file_unlink(&to->dir, to->name, false) : 0;
    if (ret < 0 && ret != -ENOENT)
        return ret;
    if (!ln->symbolic)
        return file_link(source, &to->dir, to->name);
    ret = file_symlink(&to->dir, to->name, target, &made);
    if (ret == 0)
        file_close(&made);
    return ret;
}

static int link_to(struct linking *ln, struct file *source, const char *target, const char *path,
                   const struct place *to)
{
    struct destination destination;
    char *name = last_name(path);
    int result = destination_find(ln->cli, to, name, &destination), ret;

    free(name);
    if (result != 0)
        return result;
    ret = make_link(ln, source, target, &destination);
    if (ret < 0)
        result = cli_fail(ln->cli, destination.shown, ret);
    destination_free(&destination);
    return result;
}

static int link_one(struct linking *ln, const char *arg, const struct place *to)
{
    struct place from;
    struct file file;
    int result;

    /* A symlink's target is any text. */
    if (ln->symbolic)
        return link_to(ln, NULL, arg, arg, to);
    result = place_open(ln->cli, arg, WANT_CHANGE, false, &from, &file);
    if (result != 0)
        return result;
    result = link_to(ln, &file, NULL, from.path, to);
    file_close(&file);
    place_free(&from);
    return result;
}

int cmd_ln(struct cli *cli, int argc, char **argv)
{
    struct linking ln = {.cli = cli};
    bool started = false;
    struct place to;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "sf", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        ln.symbolic |= option == 's';
        ln.force |= option == 'f';
    }
    if (cli_count(cli, argc, 2, -1) != 0)
        return EXIT_USAGE;
    result = place_find(cli, argv[argc - 1], WANT_CHANGE, false, &to);
    if (result != 0)
        return result;
    result = check_many(cli, &to, argc - 1 - optind);
    for (int i = optind; result == 0 && i < argc - 1; i++)
        result = link_one(&ln, argv[i], &to);
    place_free(&to);
    return result;
}

/* ---- mknod ----------------------------------------------------------------------------------- */

/* Type and device number from "p", "s", "b MAJ MIN", "c MAJ MIN"; false: wrong. */
static bool parse_special(int argc, char **argv, uint32_t *type, uint64_t *rdev)
{
    static const char letters[] = "psbcu";
    static const uint32_t types[] = {S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR, S_IFCHR};
    const char *letter = argv[0][0] && !argv[0][1] ? strchr(letters, argv[0][0]) : NULL;
    uint64_t major_number, minor_number;

    if (!letter)
        return false;
    *type = types[letter - letters];
    *rdev = 0;
    if (letter - letters < 2)
        return argc == 1;
    if (argc != 3 || !parse_number(argv[1], &major_number) ||
        !parse_number(argv[2], &minor_number) || major_number > 0xfff || minor_number > 0xfffff)
        return false;
    *rdev = makedev((unsigned)major_number, (unsigned)minor_number);
    return true;
}

static int make_special(struct cli *cli, const struct place *place, uint32_t type, uint64_t rdev,
                        const uint32_t *mode)
{
    const struct copse_stat st = {.mode = mode ? *mode : 0};
    struct file dir, made;
    char *name;
    int result = place_parent(cli, place, &dir, &name), ret = -EEXIST;

    if (result != 0)
        return result;
    cli_failed_in_library(false);
    if (name)
        ret = file_make(&dir, name, type | mode_after_umask(0666), rdev, &made);
    if (ret == 0) {
        ret = mode ? file_set(&made, COPSE_SET_MODE, &st) : 0;
        file_close(&made);
    }
    free(name);
    file_close(&dir);
    return ret < 0 ? cli_fail(cli, place->shown, ret) : 0;
}

int cmd_mknod(struct cli *cli, int argc, char **argv)
{
    uint32_t type, mode = 0;
    bool started = false;
    const char *words = NULL;
    struct place place;
    uint64_t rdev;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "m:", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        words = optarg;
    }
    if (cli_count(cli, argc, 2, 4) != 0)
        return EXIT_USAGE;
    if (words && !mode_change(words, 0666, false, &mode))
        return cli_usage(cli, "-m %s: not a mode", words);
    if (!parse_special(argc - optind - 1, argv + optind + 1, &type, &rdev))
        return cli_usage(cli, "%s: not p, s, b MAJOR MINOR or c MAJOR MINOR", argv[optind + 1]);
    result = place_find(cli, argv[optind], WANT_CHANGE, false, &place);
    if (result != 0)
        return result;
    result = make_special(cli, &place, type, rdev, words ? &mode : NULL);
    place_free(&place);
    return result;
}
