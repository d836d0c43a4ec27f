// SPDX-License-Identifier: GPL-2.0-or-later
/* chmod, chown, touch, truncate: commands that change what stat shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "above.h"
#include "commands.h"
#include "modes.h"
#include "owner.h"
#include "paths.h"
#include "session.h"
#include "size.h"
#include "text.h"

/* A change of one file; chmod and chown also go through whole trees with it. */
struct change {
    struct cli *cli;
    bool recursive, follow;
    const char *mode;
    struct owner owner;
    int result;
};

static int change_file(const struct change *change, struct file *file, const struct copse_stat *st)
{
    struct copse_stat to = {.uid = change->owner.uid, .gid = change->owner.gid};
    unsigned set = 0;

    if (change->mode) {
        /* A symlink has no permissions of its own. */
        if (S_ISLNK(st->mode))
            return 0;
        if (!mode_change(change->mode, st->mode, S_ISDIR(st->mode), &to.mode))
            return -EINVAL;
        return file_set(file, COPSE_SET_MODE, &to);
    }
    set |= change->owner.has_uid ? COPSE_SET_UID : 0;
    set |= change->owner.has_gid ? COPSE_SET_GID : 0;
    return file_set(file, set | COPSE_SET_KILL_SUIDGID, &to);
}

static void change_tree(struct change *change, struct file *file, const char *shown,
                        const struct above *up);

static void change_below(struct change *change, struct file *dir, const char *shown,
                         const struct above *up)
{
    struct names names;
    struct above here;
    int ret = above_enter(up, dir, &here);

    if (ret == 0)
        ret = file_list(dir, &names);
    if (ret < 0) {
        change->result = cli_fail(change->cli, shown, ret);
        return;
    }
    for (size_t i = 0; i < names.count && !cli_interrupted(); i++) {
        char *below = path_below(shown, names.list[i].name);
        struct file child;

        ret = file_lookup(dir, names.list[i].name, &child);
        if (ret < 0) {
            change->result = cli_fail(change->cli, below, ret);
        } else {
            change_tree(change, &child, below, &here);
            file_close(&child);
        }
        free(below);
    }
    names_free(&names);
}

static void change_tree(struct change *change, struct file *file, const char *shown,
                        const struct above *up)
{
    struct copse_stat st;
    int ret = file_stat(file, &st);

    if (ret == 0)
        ret = change_file(change, file, &st);
    if (ret < 0)
        change->result = cli_fail(change->cli, shown, ret);
    else if (change->recursive && S_ISDIR(st.mode))
        change_below(change, file, shown, up);
}

static int change_arguments(struct change *change, int argc, char **argv)
{
    for (int i = optind; i < argc; i++) {
        struct place place;
        struct file file;
        int result = place_open(change->cli, argv[i], WANT_CHANGE, change->follow, &place, &file);

        if (result != 0) {
            change->result = result;
            continue;
        }
        change_tree(change, &file, argv[i], NULL);
        file_close(&file);
        place_free(&place);
    }
    return change->result;
}

/* Whether an argument that looks like an option is a mode that takes something away: "-x". */
static bool is_mode_word(const char *word)
{
    uint32_t unused;

    return word[0] == '-' && word[1] && word[1] != '-' && word[1] != 'R' &&
           mode_change(word, 0, false, &unused);
}

int cmd_chmod(struct cli *cli, int argc, char **argv)
{
    struct change change = {.cli = cli, .follow = true};
    bool started = false;
    uint32_t unused;
    int option;

    /* "-x" is a mode here: it is taken out before options are looked for. */
    for (int i = 1; i < argc && !change.mode; i++) {
        if (!is_mode_word(argv[i]))
            continue;
        change.mode = argv[i];
        memmove(argv + i, argv + i + 1, (size_t)(argc - i) * sizeof(*argv));
        argc--;
    }
    while ((option = cli_option(cli, argc, argv, "R", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        change.recursive = true;
    }
    if (cli_count(cli, argc, change.mode ? 1 : 2, -1) != 0)
        return EXIT_USAGE;
    if (!change.mode)
        change.mode = argv[optind++];
    if (!mode_change(change.mode, 0, false, &unused))
        return cli_usage(cli, "%s: not a mode", change.mode);
    return change_arguments(&change, argc, argv);
}

int cmd_chown(struct cli *cli, int argc, char **argv)
{
    struct change change = {.cli = cli, .follow = true};
    bool started = false;
    int option;

    while ((option = cli_option(cli, argc, argv, "Rh", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        change.recursive |= option == 'R';
        change.follow &= option != 'h';
    }
    if (cli_count(cli, argc, 2, -1) != 0)
        return EXIT_USAGE;
    if (!owner_parse(argv[optind], &change.owner))
        return cli_usage(cli, "%s: not UID, UID:GID or :GID in numbers", argv[optind]);
    optind++;
    return change_arguments(&change, argc, argv);
}

/* ---- touch ----------------------------------------------------------------------------------- */

struct touching {
    struct cli *cli;
    bool create, follow;
    unsigned set;
    struct copse_stat times;
};

static bool parse_time(const char *text, struct timespec *out)
{
    static const char *const formats[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
                                          "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    const char *end;

    *out = (struct timespec){0};
    if (*text == '@') {
        char *rest;
        long scale = 100000000;

        out->tv_sec = strtoll(text + 1, &rest, 10);
        if (rest == text + 1)
            return false;
        if (*rest == '.') {
            for (rest++; *rest >= '0' && *rest <= '9' && scale > 0; rest++, scale /= 10)
                out->tv_nsec += (*rest - '0') * scale;
        }
        return *rest == '\0';
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct tm tm = {.tm_isdst = -1};
        end = strptime(text, formats[i], &tm);
        if (end && *end == '\0') {
            out->tv_sec = mktime(&tm);
            return true;
        }
    }
    return false;
}

static int make_empty(struct touching *touch, const struct place *place, struct file *out)
{
    struct file dir;
    char *name;
    int result = place_parent(touch->cli, place, &dir, &name), ret = -EEXIST;

    if (result != 0)
        return result;
    cli_failed_in_library(false);
    if (name)
        ret = file_make(&dir, name, S_IFREG | mode_after_umask(0666), 0, out);
    free(name);
    file_close(&dir);
    return ret < 0 ? cli_fail(touch->cli, place->shown, ret) : 0;
}

static int touch_one(struct touching *touch, const char *arg)
{
    struct place place;
    struct file file;
    int result = place_find(touch->cli, arg, WANT_CHANGE, false, &place), ret;

    if (result != 0)
        return result;
    ret = file_walk(place.tree, place.path, !touch->follow, &file);
    if (ret == -ENOENT) {
        result = touch->create ? make_empty(touch, &place, &file) : 0;
        if (result != 0 || !touch->create) {
            place_free(&place);
            return result;
        }
        ret = 0;
    }
    if (ret == 0) {
        ret = file_set(&file, touch->set, &touch->times);
        file_close(&file);
    }
    place_free(&place);
    return ret < 0 ? cli_fail(touch->cli, arg, ret) : 0;
}

int cmd_touch(struct cli *cli, int argc, char **argv)
{
    struct touching touch = {.cli = cli, .create = true, .follow = true};
    bool started = false, access = false, modification = false;
    const char *when = NULL;
    int option, result = 0;

    while ((option = cli_option(cli, argc, argv, "camhd:", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        touch.create &= option != 'c';
        touch.follow &= option != 'h';
        access |= option == 'a';
        modification |= option == 'm';
        if (option == 'd')
            when = optarg;
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    if (when && !parse_time(when, &touch.times.atime))
        return cli_usage(cli, "-d %s: not a time", when);
    touch.times.mtime = touch.times.atime;
    if (access || !modification)
        touch.set |= when ? COPSE_SET_ATIME : COPSE_SET_ATIME_NOW;
    if (modification || !access)
        touch.set |= when ? COPSE_SET_MTIME : COPSE_SET_MTIME_NOW;
    for (int i = optind; i < argc; i++) {
        int one = touch_one(&touch, argv[i]);
        result = result ? result : one;
    }
    return result;
}

/* ---- truncate -------------------------------------------------------------------------------- */

static int truncate_one(struct touching *touch, const char *arg, char sign, uint64_t size)
{
    struct copse_stat st;
    struct place place;
    struct file file;
    int result = place_find(touch->cli, arg, WANT_CHANGE, false, &place), ret;

    if (result != 0)
        return result;
    ret = file_walk(place.tree, place.path, false, &file);
    if (ret == -ENOENT) {
        result = make_empty(touch, &place, &file);
        ret = 0;
    }
    if (result == 0 && ret == 0) {
        ret = file_stat(&file, &st);
        if (sign == '+')
            st.size += size;
        else
            st.size = sign == '-' ? (st.size > size ? st.size - size : 0) : size;
        if (ret == 0)
            ret = file_set(&file, COPSE_SET_SIZE | COPSE_SET_KILL_SUIDGID, &st);
        file_close(&file);
    }
    place_free(&place);
    return ret < 0 ? cli_fail(touch->cli, arg, ret) : result;
}

int cmd_truncate(struct cli *cli, int argc, char **argv)
{
    struct touching touch = {.cli = cli, .create = true};
    const char *words = NULL;
    bool started = false;
    uint64_t size;
    char sign;
    int option, result = 0;

    while ((option = cli_option(cli, argc, argv, "s:", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        words = optarg;
    }
    if (!words)
        return cli_usage(cli, "no size");
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    sign = *words == '+' || *words == '-' ? *words : '=';
    if (!parse_size(words + (sign != '='), &size))
        return cli_usage(cli, "-s %s: not a size", words);
    for (int i = optind; i < argc; i++) {
        int one = truncate_one(&touch, argv[i], sign, size);
        result = result ? result : one;
    }
    return result;
}
