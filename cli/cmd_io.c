// SPDX-License-Identifier: GPL-2.0-or-later
/* io: opening the file and running commands on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "io.h"
#include "size.h"
#include "text.h"
#include "words.h"

static int io_fsync(struct io *io, int argc, char **argv)
{
    int ret = file_fsync(&io->file, false);

    (void)argc;
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}

static int io_fdatasync(struct io *io, int argc, char **argv)
{
    int ret = file_fsync(&io->file, true);

    (void)argc;
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}

static int io_sync(struct io *io, int argc, char **argv)
{
    int ret = tree_sync(io->tree, io->tree->fs ? NULL : io->file.path);

    (void)argc;
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}

static int io_shutdown(struct io *io, int argc, char **argv)
{
    bool started = false, flush = false;
    int option, ret;

    while ((option = io_option(io, argc, argv, "f", &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        flush = true;
    }
    if (io_count(io, argc, argv, 0, 0) != 0)
        return EXIT_USAGE;
    /* That nothing can be written any more is what was asked for. */
    cli_show_notes(false);
    ret = file_shutdown(&io->file, flush);
    cli_show_notes(true);
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}

static const struct io_command io_commands[] = {
    {"pwrite", "w", io_pwrite, 2, -1, true},       {"pread", "r", io_pread, 2, -1, false},
    {"falloc", NULL, io_falloc, 2, 3, true},       {"fpunch", NULL, io_fpunch, 2, 2, true},
    {"fcollapse", NULL, io_fcollapse, 2, 2, true}, {"finsert", NULL, io_finsert, 2, 2, true},
    {"fzero", NULL, io_fzero, 2, 3, true},         {"truncate", "t", io_truncate, 1, 1, true},
    {"reflink", NULL, io_reflink, 1, 4, true},     {"copy_range", NULL, io_copy_range, 1, 7, true},
    {"dedupe", NULL, io_dedupe, 4, 4, true},       {"shutdown", NULL, io_shutdown, 0, 1, true},
    {"fsync", "s", io_fsync, 0, 0, false},         {"fdatasync", "ds", io_fdatasync, 0, 0, false},
    {"sync", NULL, io_sync, 0, 0, false},          {"syncfs", NULL, io_sync, 0, 0, false},
    {"fiemap", NULL, io_fiemap, 0, 1, false},      {"seek", NULL, io_seek, 2, 2, false},
    {"stat", NULL, io_stat, 0, 1, false},
};

/* ---- what the commands share ----------------------------------------------------------------- */

static int usage(struct io *io, const char *command, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "copse %s: %s: %s\n", io->cli->command->shown, command, what);
    return EXIT_USAGE;
}

int io_offset(struct io *io, const char *command, const char *text, uint64_t *out)
{
    char *what;

    if (parse_size(text, out) && *out <= INT64_MAX)
        return 0;
    what = format_text("non-numeric offset argument -- %s", text);
    usage(io, command, what);
    free(what);
    return EXIT_USAGE;
}

int io_length(struct io *io, const char *command, const char *text, uint64_t *out)
{
    char *what;

    if (parse_size(text, out) && *out <= INT64_MAX)
        return 0;
    what = format_text("non-numeric length argument -- %s", text);
    usage(io, command, what);
    free(what);
    return EXIT_USAGE;
}

int io_failed(struct io *io, const char *command, int err)
{
    char *what = format_text("%s: %s", io->path, command);

    cli_fail(io->cli, what, err);
    free(what);
    return EXIT_FAILED;
}

int io_differs(struct io *io, const char *command)
{
    fflush(stdout);
    fprintf(stderr, "copse %s: %s: %s: Extents did not match.\n", io->cli->command->shown, io->path,
            command);
    return EXIT_FAILED;
}

int io_option(struct io *io, int argc, char **argv, const char *shorts, bool *started)
{
    char all[32] = ":";
    int option;

    if (!*started) {
        optind = 0;
        opterr = 0;
        *started = true;
    }
    strncat(all, shorts, sizeof(all) - 2);
    option = getopt(argc, argv, all);
    if (option == '?')
        usage(io, argv[0], "unknown option");
    else if (option == ':')
        usage(io, argv[0], "an option needs an argument");
    return option == ':' ? '?' : option;
}

int io_count(struct io *io, int argc, char **argv, int min, int max)
{
    int count = argc - optind;
    char *what;

    if (count >= min && count <= max)
        return 0;
    what = format_text("bad argument count %d, expected %s%d", count, min == max ? "" : "at least ",
                       min);
    usage(io, argv[0], what);
    free(what);
    return EXIT_USAGE;
}

int io_open_source(struct io *io, const char *command, const char *arg, struct file *out)
{
    struct place place;
    int result, ret;

    /* A plain path is one in the same file system. */
    if (io->tree->fs && !target_has_path(arg)) {
        ret = file_walk(io->tree, arg, false, out);
        return ret < 0 ? io_failed(io, arg, ret) : 0;
    }
    (void)command;
    result = place_open(io->cli, arg, WANT_LOOK, true, &place, out);
    if (result == 0)
        place_free(&place);
    return result;
}

/* As xfs_io scales: whole numbers without a fraction, small ones with six digits. */
static void scaled(double value, char *buf, size_t len)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;

    while (unit < 5 && value >= 1024) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(buf, len, "%f %s", value, units[unit]);
    else
        snprintf(buf, len, "%.4g %s", value, units[unit]);
}

static void scaled_rate(double value, char *buf, size_t len)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;

    while (unit < 5 && value >= 1024) {
        value /= 1024;
        unit++;
    }
    snprintf(buf, len, unit == 0 ? "%f %s" : "%.3f %s", value, units[unit]);
}

void io_report(const char *verb, const struct timespec *start, uint64_t offset, uint64_t asked,
               uint64_t done, uint64_t operations)
{
    struct timespec now;
    char total[64], rate[64];
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &now);
    seconds = (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
    if (seconds <= 0)
        seconds = 1e-9;
    scaled((double)done, total, sizeof(total));
    scaled_rate((double)done / seconds, rate, sizeof(rate));
    printf("%s %llu/%llu bytes at offset %llu\n", verb, LLU(done), LLU(asked), LLU(offset));
    printf("%s, %llu ops; %.4f sec (%s/sec and %.4f ops/sec)\n", total, LLU(operations), seconds,
           rate, (double)operations / seconds);
}

/* ---- running --------------------------------------------------------------------------------- */

static const struct io_command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(io_commands) / sizeof(*io_commands); i++) {
        const struct io_command *row = &io_commands[i];
        if (strcmp(row->name, name) == 0 || (row->other_name && strcmp(row->other_name, name) == 0))
            return row;
    }
    return NULL;
}

static int run_words(struct io *io, struct words *words)
{
    const struct io_command *command = find_command(words->list[0]);
    int count = words->count - 1;
    char *what;

    if (!command) {
        what = format_text("command \"%s\" not found", words->list[0]);
        cli_usage(io->cli, "%s", what);
        free(what);
        return EXIT_USAGE;
    }
    if (count < command->min || (command->max >= 0 && count > command->max)) {
        what = format_text("bad argument count %d to %s", count, words->list[0]);
        cli_usage(io->cli, "%s", what);
        free(what);
        return EXIT_USAGE;
    }
    if (command->writes && io->readonly) {
        cli_failed_in_library(false);
        return io_failed(io, words->list[0], -EBADF);
    }
    return command->run(io, words->count, words->list);
}

static int run_line(struct io *io, const char *line)
{
    struct words words;
    const char *wrong = words_split(line, &words);
    int result = 0;

    if (wrong)
        return cli_usage(io->cli, "%s: %s", line, wrong);
    if (words.count > 0)
        result = run_words(io, &words);
    words_free(&words);
    return result;
}

/* Makes the file with -f, empties it with -t. */
static int open_file(struct io *io, const struct place *place, bool create, bool empty)
{
    const struct copse_stat zero = {0};
    struct file dir;
    char *name;
    int ret = file_walk(place->tree, place->path, false, &io->file), result;

    if (ret == -ENOENT && create) {
        result = place_parent(io->cli, place, &dir, &name);
        if (result != 0)
            return result;
        if (name)
            ret = file_make(&dir, name, S_IFREG | mode_after_umask(0666), 0, &io->file);
        free(name);
        file_close(&dir);
    } else if (ret == 0 && empty) {
        ret = file_set(&io->file, COPSE_SET_SIZE, &zero);
        if (ret < 0)
            file_close(&io->file);
    }
    if (ret < 0)
        return cli_fail(io->cli, place->shown, ret);
    io->file.append = io->append;
    io->file.direct = io->direct;
    return 0;
}

static int run_on(struct io *io, const char *arg, enum want want, bool create, bool empty,
                  char *const *lines, int count)
{
    struct place place;
    int result = place_find(io->cli, arg, want, false, &place);

    if (result != 0)
        return result;
    io->path = arg;
    io->tree = place.tree;
    result = open_file(io, &place, create, empty);
    if (result == 0) {
        for (int i = 0; i < count && result == 0 && !cli_interrupted(); i++)
            result = run_line(io, lines[i]);
        file_close(&io->file);
    }
    place_free(&place);
    return result;
}

/* Whether none of the commands changes anything: then the file system is opened read-only. */
static bool only_looks(char *const *lines, int count)
{
    for (int i = 0; i < count; i++) {
        struct words words;
        const struct io_command *command;
        bool looks;

        if (words_split(lines[i], &words))
            return false;
        command = words.count > 0 ? find_command(words.list[0]) : NULL;
        looks = words.count == 0 ||
                (command && !command->writes && strstr(command->name, "sync") == NULL);
        words_free(&words);
        if (!looks)
            return false;
    }
    return true;
}

int cmd_io(struct cli *cli, int argc, char **argv)
{
    struct io io = {.cli = cli};
    char **lines = need_memory(calloc((size_t)argc + 1, sizeof(char *)));
    bool started = false, create = false, empty = false;
    enum want want = WANT_CHANGE;
    int option, count = 0, result = 0;

    while (result == 0 && (option = cli_option(cli, argc, argv, "frdtac:", NULL, &started)) >= 0) {
        create |= option == 'f';
        io.readonly |= option == 'r';
        io.direct |= option == 'd';
        empty |= option == 't';
        io.append |= option == 'a';
        if (option == 'c')
            lines[count++] = optarg;
        if (option == '?')
            result = EXIT_USAGE;
    }
    if (result == 0)
        result = cli_count(cli, argc, 1, 1);
    if (result == 0 && count == 0)
        result = cli_usage(cli, "no -c COMMAND");
    if (result == 0 && !create && !empty && only_looks(lines, count))
        want = WANT_LOOK;
    if (result == 0)
        result = run_on(&io, argv[optind], want, create, empty, lines, count);
    free(lines);
    return result;
}
