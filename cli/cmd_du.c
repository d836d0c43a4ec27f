// SPDX-License-Identifier: GPL-2.0-or-later
/* du: what files take, and how much of it they share, as `btrfs filesystem du` tells it. */
#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "above.h"
#include "commands.h"
#include "seen.h"
#include "session.h"
#include "size.h"
#include "text.h"
#include "volume.h"

/* Ranges of shared space, by address. */
struct ranges {
    struct range {
        uint64_t start, end;
    } * list;
    size_t count, room;
};

struct counting {
    struct cli *cli;
    struct size_mode mode;
    bool sums_only;
    int result;
    struct seen seen; /* files with several links count once */
    struct json_object *json;
};

struct totals {
    uint64_t total, exclusive;
    struct ranges shared;
};

static void ranges_add(struct ranges *ranges, uint64_t start, uint64_t len)
{
    if (ranges->count == ranges->room) {
        ranges->room = ranges->room ? ranges->room * 2 : 16;
        ranges->list = need_memory(realloc(ranges->list, ranges->room * sizeof(*ranges->list)));
    }
    ranges->list[ranges->count++] = (struct range){start, start + len};
}

static int by_start(const void *a, const void *b)
{
    uint64_t x = ((const struct range *)a)->start, y = ((const struct range *)b)->start;

    return x < y ? -1 : x > y;
}

/* Bytes of all of them together, what they have in common once. */
static uint64_t ranges_union(struct ranges *ranges)
{
    uint64_t sum = 0, end = 0;

    if (ranges->count)
        qsort(ranges->list, ranges->count, sizeof(*ranges->list), by_start);
    for (size_t i = 0; i < ranges->count; i++) {
        const struct range *range = &ranges->list[i];
        if (range->end <= end)
            continue;
        sum += range->end - (range->start > end ? range->start : end);
        end = range->end;
    }
    return sum;
}

static int count_extent(void *arg, const struct copse_extent *extent)
{
    struct totals *totals = arg;

    totals->total += extent->len;
    if (extent->flags & COPSE_EXTENT_SHARED)
        ranges_add(&totals->shared, extent->address, extent->len);
    else
        totals->exclusive += extent->len;
    return 0;
}

static void add_totals(struct totals *sum, const struct totals *one)
{
    sum->total += one->total;
    sum->exclusive += one->exclusive;
    for (size_t i = 0; i < one->shared.count; i++) {
        const struct range *range = &one->shared.list[i];
        ranges_add(&sum->shared, range->start, range->end - range->start);
    }
}

static void print_line(struct counting *du, const char *path, struct totals *totals, bool set)
{
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX] = "-";
    struct json_object *json;

    if (du->json) {
        json = json_object_new_object();
        json_object_object_add(json, "path", json_bytes(path, strlen(path)));
        json_object_object_add(json, "total", json_uint(totals->total));
        json_object_object_add(json, "exclusive", json_uint(totals->exclusive));
        if (set)
            json_object_object_add(json, "set-shared", json_uint(ranges_union(&totals->shared)));
        json_object_array_add(du->json, json);
        return;
    }
    if (set)
        size_text(ranges_union(&totals->shared), du->mode, c);
    printf("%10s  %10s  %10s  ", size_text(totals->total, du->mode, a),
           size_text(totals->exclusive, du->mode, b), c);
    print_name(path, strlen(path));
    putchar('\n');
}

static void count_file(struct counting *du, struct file *file, const char *path,
                       const struct above *up, struct totals *sum);

static void count_dir(struct counting *du, struct file *dir, const char *path,
                      const struct above *up, struct totals *sum)
{
    struct names names;
    struct above here;
    int ret = above_enter(up, dir, &here);

    if (ret == 0)
        ret = file_list(dir, &names);

    if (ret < 0) {
        du->result = cli_fail(du->cli, path, ret);
        return;
    }
    for (size_t i = 0; i < names.count && !cli_interrupted(); i++) {
        size_t len = strlen(path);
        char *below =
            format_text("%s%s%s", path, len && path[len - 1] == '/' ? "" : "/", names.list[i].name);
        struct file child;

        ret = file_lookup(dir, names.list[i].name, &child);
        if (ret < 0) {
            du->result = cli_fail(du->cli, below, ret);
        } else {
            count_file(du, &child, below, &here, sum);
            file_close(&child);
        }
        free(below);
    }
    names_free(&names);
}

static void count_file(struct counting *du, struct file *file, const char *path,
                       const struct above *up, struct totals *sum)
{
    struct totals own = {0};
    struct copse_stat st;
    int ret = file_stat(file, &st);

    if (ret == 0 && S_ISREG(st.mode) && (st.nlink == 1 || !seen_before(&du->seen, &st, NULL)))
        ret = file_fiemap(file, count_extent, &own);
    if (ret < 0)
        du->result = cli_fail(du->cli, path, ret);
    else if (S_ISDIR(st.mode))
        count_dir(du, file, path, up, &own);
    if (ret == 0 && (!up || !du->sums_only) && (S_ISREG(st.mode) || S_ISDIR(st.mode)))
        print_line(du, path, &own, S_ISDIR(st.mode) && (!up || own.total > 0));
    add_totals(sum, &own);
    free(own.shared.list);
}

static int count_argument(struct counting *du, const char *arg)
{
    struct totals sum = {0};
    struct place place;
    struct file file;
    int result = place_open(du->cli, arg, WANT_LOOK, true, &place, &file);

    if (result != 0)
        return result;
    count_file(du, &file, place.path, NULL, &sum);
    free(sum.shared.list);
    file_close(&file);
    place_free(&place);
    return du->result;
}

/* ---- what deleting would free ---------------------------------------------------------------- */

static void print_exclusive(struct counting *du, const char *path,
                            const struct copse_exclusive *sum)
{
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX];
    struct json_object *json;

    if (du->json) {
        json = json_object_new_object();
        json_object_object_add(json, "path", json_bytes(path, strlen(path)));
        json_object_object_add(json, "data", json_uint(sum->data_bytes));
        json_object_object_add(json, "metadata", json_uint(sum->metadata_bytes));
        json_object_array_add(du->json, json);
        return;
    }
    printf("%10s  %10s  %10s  ", size_text(sum->data_bytes + sum->metadata_bytes, du->mode, a),
           size_text(sum->data_bytes, du->mode, b), size_text(sum->metadata_bytes, du->mode, c));
    print_name(path, strlen(path));
    putchar('\n');
}

static int exclusive_argument(struct counting *du, const char *arg)
{
    struct copse_exclusive sum;
    struct place place;
    struct file file;
    int result = place_open(du->cli, arg, WANT_LOOK, true, &place, &file), ret;

    if (result != 0)
        return result;
    ret = volume_exclusive(&place, &sum);
    if (ret < 0)
        result = cli_fail(du->cli, place.shown, ret);
    else
        print_exclusive(du, place.path, &sum);
    file_close(&file);
    place_free(&place);
    return result;
}

/* ---------------------------------------------------------------------------------------------- */

static void print_heading(bool exclusive)
{
    if (exclusive)
        printf("%10s  %10s  %10s  Filename\n", "Freed", "Data", "Metadata");
    else
        printf("%10s  %10s  %10s  Filename\n", "Total", "Exclusive", "Set shared");
}

enum { OPTION_EXCLUSIVE = 512 };

int cmd_du(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {SIZE_OPTIONS_LONG,
                                          {"summarize", no_argument, NULL, 's'},
                                          {"exclusive", no_argument, NULL, OPTION_EXCLUSIVE},
                                          {0}};
    struct counting du = {.cli = cli, .mode = SIZE_MODE_DEFAULT};
    bool started = false, exclusive = false;
    int option, result = 0;

    while ((option = cli_option(cli, argc, argv, "s" SIZE_OPTIONS_SHORT, longs, &started)) >= 0) {
        if (option == 's')
            du.sums_only = true;
        else if (option == OPTION_EXCLUSIVE)
            exclusive = true;
        else if (!take_size_option(option, &du.mode))
            return EXIT_USAGE;
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    if (cli->json)
        du.json = json_object_new_array();
    else
        print_heading(exclusive);
    for (int i = optind; i < argc; i++) {
        int one = exclusive ? exclusive_argument(&du, argv[i]) : count_argument(&du, argv[i]);
        result = result ? result : one;
    }
    if (du.json)
        json_print(exclusive ? "filesystem-du-exclusive" : "filesystem-du", du.json);
    seen_free(&du.seen);
    return result;
}
