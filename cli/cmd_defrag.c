// SPDX-License-Identifier: GPL-2.0-or-later
/* defrag: files, one by one. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "session.h"
#include "size.h"
#include "text.h"

struct defrag {
    struct cli *cli;
    struct copse_defrag_options options;
    bool recursive, flush, verbose;
    const char *kind, *level; /* of compression; NULL: not given */
    int result;
};

static void complain(struct defrag *defrag, const char *shown, int ret)
{
    defrag->result = cli_fail(defrag->cli, shown, ret);
}

static void defrag_content(struct defrag *defrag, struct file *file, const char *shown)
{
    int ret = file_defrag(file, &defrag->options);

    if (ret == 0 && defrag->flush)
        ret = file_fsync(file, false);
    if (ret < 0)
        complain(defrag, shown, ret);
    else if (defrag->verbose)
        printf("%s\n", shown);
}

static void defrag_file(struct defrag *defrag, struct file *file, const char *shown, bool top);

/* What stands in a directory; not what is another subvolume or device. */
static void defrag_directory(struct defrag *defrag, struct file *dir, const char *shown,
                             uint64_t subvol)
{
    struct names names = {0};
    int ret = file_list(dir, &names);

    if (ret < 0)
        complain(defrag, shown, ret);
    for (size_t i = 0; ret == 0 && i < names.count && !cli_interrupted(); i++) {
        char *path = format_text("%s%s%s", shown, shown[strlen(shown) - 1] == '/' ? "" : "/",
                                 names.list[i].name);
        struct copse_stat st;
        struct file file;
        int found = file_lookup(dir, names.list[i].name, &file);

        if (found == 0) {
            found = file_stat(&file, &st);
            if (found == 0 && st.subvol == subvol)
                defrag_file(defrag, &file, path, false);
            file_close(&file);
        }
        if (found < 0)
            complain(defrag, path, found);
        free(path);
    }
    names_free(&names);
}

static void defrag_file(struct defrag *defrag, struct file *file, const char *shown, bool top)
{
    struct copse_stat st;
    int ret = file_stat(file, &st);

    if (ret < 0)
        complain(defrag, shown, ret);
    else if (S_ISDIR(st.mode) && defrag->recursive)
        defrag_directory(defrag, file, shown, st.subvol);
    else if (S_ISREG(st.mode) || top)
        defrag_content(defrag, file, shown);
}

static void defrag_one(struct defrag *defrag, const char *arg)
{
    struct place place;
    struct file file;
    int result = place_open(defrag->cli, arg, WANT_CHANGE, true, &place, &file);

    if (result != 0) {
        defrag->result = result;
        return;
    }
    defrag_file(defrag, &file, place.shown, true);
    file_close(&file);
    place_free(&place);
}

/* ---- options --------------------------------------------------------------------------------- */

static int take_size(struct defrag *defrag, const char *text, uint64_t *out)
{
    return parse_size(text, out) ? 0 : cli_usage(defrag->cli, "%s: not a size", text);
}

static int take_option(struct defrag *defrag, int option)
{
    switch (option) {
    case 'r':
        defrag->recursive = true;
        return 0;
    case 'f':
        defrag->flush = true;
        return 0;
    case 'v':
        defrag->verbose = true;
        return 0;
    case 'c':
        defrag->kind = optarg ? optarg : "zlib";
        return 0;
    case 'n':
        defrag->kind = "none";
        return 0;
    case 'L':
        defrag->level = optarg;
        return 0;
    case 's':
        return take_size(defrag, optarg, &defrag->options.start);
    case 'l':
        return take_size(defrag, optarg, &defrag->options.len);
    case 't':
        return take_size(defrag, optarg, &defrag->options.threshold);
    default:
        return EXIT_USAGE;
    }
}

/* "-c zstd" as well as "-czstd": no place has such a name by itself. */
static void take_kind_apart(struct defrag *defrag, int argc, char **argv)
{
    static const char *const kinds[] = {"zlib", "lzo", "zstd", "none"};

    for (size_t i = 0; optind < argc && i < sizeof(kinds) / sizeof(*kinds); i++) {
        size_t len = strlen(kinds[i]);

        if (strncmp(argv[optind], kinds[i], len) == 0 &&
            (argv[optind][len] == '\0' || argv[optind][len] == ':') && !strchr(argv[optind], '/')) {
            defrag->kind = argv[optind++];
            return;
        }
    }
}

static int take_options(struct defrag *defrag, int argc, char **argv)
{
    static const struct option longs[] = {{"nocomp", no_argument, NULL, 'n'},
                                          {"level", required_argument, NULL, 'L'},
                                          {"flush", no_argument, NULL, 'f'},
                                          {0}};
    bool started = false;
    int option, result = 0;

    while (result == 0 &&
           (option = cli_option(defrag->cli, argc, argv, "rfvc::L:s:l:t:", longs, &started)) >= 0) {
        result = take_option(defrag, option);
        if (option == 'c' && !optarg)
            take_kind_apart(defrag, argc, argv);
    }
    return result;
}

int cmd_defrag(struct cli *cli, int argc, char **argv)
{
    struct defrag defrag = {.cli = cli, .options = COPSE_DEFRAG_OPTIONS_INIT};
    char *compression = NULL;
    int result = take_options(&defrag, argc, argv);

    if (result == 0)
        result = cli_count(cli, argc, 1, -1);
    if (result == 0 && defrag.level && !defrag.kind)
        result = cli_usage(cli, "-L: a level without -c");
    if (result != 0)
        return result;
    if (defrag.kind)
        compression = defrag.level ? format_text("%s:%s", defrag.kind, defrag.level)
                                   : need_string(strdup(defrag.kind));
    if (compression && copse_compression_check(compression) < 0)
        result = cli_usage(cli, "%s: no such compression", compression);
    defrag.options.compression = compression;
    for (int i = optind; result == 0 && i < argc && !cli_interrupted(); i++)
        defrag_one(&defrag, argv[i]);
    free(compression);
    return result ? result : defrag.result;
}
