// SPDX-License-Identifier: GPL-2.0-or-later
/* cp: in, out, across and within, as GNU cp does it. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "copy.h"
#include "text.h"

/* ---- what the destination is ----------------------------------------------------------------- */

static bool ends_in_slash(const char *path)
{
    size_t len = strlen(path);

    return len > 1 && path[len - 1] == '/';
}

/* A name with a slash behind it is a directory's; that of another file is as good as none. */
static int check_slash(const struct place *to, const struct destination *destination)
{
    if (!destination->name || destination->inside || !ends_in_slash(to->path))
        return 0;
    cli_failed_in_library(false);
    return -ENOTDIR;
}

/*
 * A symlink that the user names as destination is written through. *out: the file it leads to.
 * 1: it is no symlink.
 */
static int find_through(const struct place *to, struct destination *destination, struct file *out)
{
    struct copse_stat st;
    char *path;
    int ret;

    if (!destination->name)
        return 1;
    ret = file_lookup(&destination->dir, destination->name, out);
    if (ret < 0)
        return ret == -ENOENT ? 1 : ret;
    ret = file_stat(out, &st);
    file_close(out);
    if (ret < 0 || !S_ISLNK(st.mode))
        return ret < 0 ? ret : 1;
    path = destination->inside ? path_below(to->path, destination->name) : strdup(to->path);
    ret = file_walk(to->tree, need_string(path), false, out);
    free(path);
    return ret;
}

/* What was copied under that name before; NULL: nothing, and it is noted. */
static const char *made_from(struct made *made, const char *name, const char *source)
{
    for (size_t i = 0; i < made->count; i++) {
        if (strcmp(made->list[i].name, name) == 0)
            return made->list[i].source;
    }
    made->list = need_memory(realloc(made->list, (made->count + 1) * sizeof(*made->list)));
    made->list[made->count++] = (struct made_name){need_string(strdup(name)), source};
    return NULL;
}

static void made_free(struct made *made)
{
    for (size_t i = 0; i < made->count; i++)
        free(made->list[i].name);
    free(made->list);
}

/* ---- standard input -------------------------------------------------------------------------- */

/* The file for it, empty. */
static int open_for_input(const struct place *to, struct destination *destination, struct file *dst)
{
    const struct copse_stat empty = {0};
    struct copse_stat st;
    int ret = check_slash(to, destination);

    cli_failed_in_library(false);
    if (ret < 0 || !destination->name)
        return ret < 0 ? ret : -EISDIR;
    ret = find_through(to, destination, dst);
    if (ret == 1)
        ret = file_lookup(&destination->dir, destination->name, dst);
    else if (ret == -ENOENT)
        return ret;
    if (ret == -ENOENT)
        return file_make(&destination->dir, destination->name, S_IFREG | mode_after_umask(0666), 0,
                         dst);
    if (ret < 0)
        return ret;
    ret = file_stat(dst, &st);
    if (ret == 0 && !S_ISREG(st.mode)) {
        cli_failed_in_library(false);
        ret = S_ISDIR(st.mode) ? -EISDIR : -EINVAL;
    }
    if (ret == 0)
        ret = file_set(dst, COPSE_SET_SIZE, &empty);
    if (ret < 0)
        file_close(dst);
    return ret;
}

static void copy_standard_input(struct copy *copy, const struct place *to)
{
    enum copy_side side = SIDE_COPY;
    struct destination destination;
    struct file dst;
    int result = destination_find(copy->cli, to, NULL, &destination), ret;

    if (result != 0) {
        copy->result = result;
        return;
    }
    ret = open_for_input(to, &destination, &dst);
    if (ret == 0) {
        const struct copse_stat owner = {.uid = copy->owner.uid, .gid = copy->owner.gid};
        unsigned set =
            (copy->owner.has_uid ? COPSE_SET_UID : 0) | (copy->owner.has_gid ? COPSE_SET_GID : 0);
        ret = copy_stream(copy, &dst, &side);
        if (ret == 0 && set)
            ret = file_set(&dst, set, &owner);
        file_close(&dst);
    }
    if (ret < 0)
        copy_failed(copy, side == SIDE_SOURCE ? "standard input" : destination.shown, ret);
    destination_free(&destination);
}

/* ---- one source ------------------------------------------------------------------------------ */

/* A directory without a name of its own (T:/, dir/.) whose copy is to be `to`, which is not there.
 */
static int make_nameless(struct copy *copy, struct destination *destination)
{
    struct file made;
    int ret;

    if (!destination->name)
        return 0;
    ret = file_make(&destination->dir, destination->name, S_IFDIR | 0755, 0, &made);
    if (ret < 0) {
        copy_failed(copy, destination->shown, ret);
        return ret;
    }
    file_close(&destination->dir);
    destination->dir = made;
    copy->made_top = true;
    free(destination->name);
    destination->name = NULL;
    return 0;
}

/* A file that is no directory: it needs a name that nothing was just copied to. */
static void copy_plain(struct copy *copy, struct file *src, const char *arg, const struct place *to,
                       struct destination *destination, bool is_regular)
{
    struct file through;
    int ret = check_slash(to, destination);
    const char *before = ret == 0 ? made_from(&copy->made, destination->shown, arg) : NULL;

    if (before && strcmp(before, arg) == 0) {
        cli_warn(copy->cli, arg, "named more than once");
        return;
    }
    if (before) {
        copy->result = cli_fail_because(copy->cli, destination->shown, -EEXIST,
                                        "not over what was just copied there");
        return;
    }
    if (ret == 0)
        ret = is_regular ? find_through(to, destination, &through) : 1;
    copy->through = ret == 0 ? &through : NULL;
    if (ret == -ENOENT)
        copy->result = cli_fail_because(copy->cli, destination->shown, -ENOENT,
                                        "a symlink that leads nowhere");
    else if (ret < 0)
        copy_failed(copy, destination->shown, ret);
    else
        copy_into(copy, src, arg, &destination->dir, destination->name, destination->shown, NULL);
    if (copy->through)
        file_close(&through);
    copy->through = NULL;
}

static void copy_one(struct copy *copy, struct file *src, const char *arg, const char *name,
                     const struct place *to, struct destination *destination)
{
    struct copse_stat st;
    int ret = file_stat(src, &st);

    copy->made_top = false;
    if (ret < 0)
        copy_failed(copy, arg, ret);
    else if (!S_ISDIR(st.mode))
        copy_plain(copy, src, arg, to, destination, S_ISREG(st.mode));
    else if (name || !copy->recursive || make_nameless(copy, destination) == 0)
        copy_into(copy, src, arg, &destination->dir, destination->name, destination->shown, NULL);
}

static void copy_argument(struct copy *copy, const char *arg, const struct place *to)
{
    struct destination destination;
    struct place from;
    struct file src;
    char *name;
    int result = place_find(copy->cli, arg, WANT_LOOK, true, &from), ret;

    if (result != 0) {
        copy->result = result;
        return;
    }
    /* Without -r a symlink means what it points at. */
    ret = file_walk(from.tree, from.path, copy->recursive && !ends_in_slash(from.path), &src);
    if (ret < 0) {
        copy_failed(copy, arg, ret);
        place_free(&from);
        return;
    }
    name = last_name(from.path);
    result = destination_find(copy->cli, to, name, &destination);
    if (result == 0) {
        copy_one(copy, &src, arg, name, to, &destination);
        destination_free(&destination);
    } else {
        copy->result = result;
    }
    free(name);
    file_close(&src);
    place_free(&from);
}

/* For the bar: only worth the walk when somebody sees it. */
static void measure(struct copy *copy, int count, char **args)
{
    uint64_t total = 0;

    if (!copy->progress.shown)
        return;
    for (int i = 0; i < count; i++) {
        struct place from;
        struct file src;

        if (strcmp(args[i], "-") == 0 || place_find(copy->cli, args[i], WANT_LOOK, true, &from))
            continue;
        if (file_walk(from.tree, from.path, copy->recursive, &src) == 0) {
            total += copy_measure(copy, &src, NULL);
            file_close(&src);
        }
        place_free(&from);
    }
    copy->progress.total = total;
}

static void copy_all(struct copy *copy, int count, char **args, const struct place *to)
{
    for (int i = 0; i < count && !cli_interrupted() && !copy->full; i++) {
        if (strcmp(args[i], "-") == 0)
            copy_standard_input(copy, to);
        else
            copy_argument(copy, args[i], to);
        /* Each source may go to another directory. */
        copy->top_tree = NULL;
    }
}

/* With several sources the destination must be a directory. */
static int check_directory(struct cli *cli, const struct place *to)
{
    struct copse_stat st;
    struct file dir;
    int ret = file_walk(to->tree, to->path, false, &dir);

    if (ret == 0) {
        ret = file_stat(&dir, &st);
        if (ret == 0 && !S_ISDIR(st.mode)) {
            cli_failed_in_library(false);
            ret = -ENOTDIR;
        }
        file_close(&dir);
    }
    return ret < 0 ? cli_fail(cli, to->shown, ret) : 0;
}

enum { OPTION_OWNER = 256 };

static int parse_options(struct copy *copy, int argc, char **argv, bool *quiet)
{
    static const struct option longs[] = {{"owner", required_argument, NULL, OPTION_OWNER},
                                          {"recursive", no_argument, NULL, 'r'},
                                          {"archive", no_argument, NULL, 'a'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {0}};
    bool started = false;
    int option;

    while ((option = cli_option(copy->cli, argc, argv, "arRq", longs, &started)) >= 0) {
        switch (option) {
        case 'a':
            copy->archive = copy->recursive = true;
            break;
        case 'r':
        case 'R':
            copy->recursive = true;
            break;
        case 'q':
            *quiet = true;
            break;
        case OPTION_OWNER:
            if (!owner_parse(optarg, &copy->owner))
                return cli_usage(copy->cli, "--owner %s: not UID:GID in numbers", optarg);
            break;
        default:
            return EXIT_USAGE;
        }
    }
    return cli_count(copy->cli, argc, 2, -1);
}

int cmd_cp(struct cli *cli, int argc, char **argv)
{
    struct copy copy = {.cli = cli};
    struct place to;
    bool quiet = false;
    int result = parse_options(&copy, argc, argv, &quiet), first = optind;

    if (result != 0)
        return result;
    result = place_find(cli, argv[argc - 1], WANT_CHANGE, true, &to);
    if (result != 0)
        return result;
    if (argc - 1 - first > 1)
        result = check_directory(cli, &to);
    if (result == 0) {
        copy.buffer = need_memory(malloc(COPY_BUFFER));
        progress_start(&copy.progress, quiet || !copy.recursive);
        measure(&copy, argc - 1 - first, argv + first);
        copy_all(&copy, argc - 1 - first, argv + first, &to);
        progress_end(&copy.progress);
        seen_free(&copy.seen);
        made_free(&copy.made);
        free(copy.buffer);
        result = copy.result;
    }
    place_free(&to);
    return result;
}
