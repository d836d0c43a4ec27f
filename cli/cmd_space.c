// SPDX-License-Identifier: GPL-2.0-or-later
/* df, filesystem usage, filesystem label: the file system as a whole, as btrfs prints it. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "size.h"
#include "text.h"
#include "volume.h"

/* Bits of a block group's type, as the format numbers them. */
#define BG_DATA 1ULL
#define BG_SYSTEM 2ULL
#define BG_METADATA 4ULL

static const struct {
    uint64_t bit;
    const char *name;
    unsigned copies;
} profiles[] = {
    {1ULL << 3, "RAID0", 1},   {1ULL << 4, "RAID1", 2},    {1ULL << 5, "DUP", 2},
    {1ULL << 6, "RAID10", 2},  {1ULL << 7, "RAID5", 1},    {1ULL << 8, "RAID6", 1},
    {1ULL << 9, "RAID1C3", 3}, {1ULL << 10, "RAID1C4", 4},
};

static const char *profile_name(uint64_t type)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(*profiles); i++) {
        if (type & profiles[i].bit)
            return profiles[i].name;
    }
    return "single";
}

static unsigned profile_copies(uint64_t type)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(*profiles); i++) {
        if (type & profiles[i].bit)
            return profiles[i].copies;
    }
    return 1;
}

struct kind {
    const char *name;
    const struct copse_space_totals *totals;
};

/* The kinds there are, in btrfs's order; returns how many. */
static unsigned kinds_of(const struct copse_usage *usage, struct kind out[3])
{
    bool mixed = (usage->data.profile & BG_METADATA) || (usage->metadata.profile & BG_DATA);
    unsigned count = 0;

    if (mixed) {
        out[count++] = (struct kind){"System", &usage->system};
        out[count++] =
            (struct kind){"Data+Metadata", usage->data.total ? &usage->data : &usage->metadata};
        return count;
    }
    out[count++] = (struct kind){"Data", &usage->data};
    out[count++] = (struct kind){"System", &usage->system};
    out[count++] = (struct kind){"Metadata", &usage->metadata};
    return count;
}

/* place is to be freed when this returned 0. */
static int usage_of(struct cli *cli, const char *arg, struct place *place, struct copse_usage *out)
{
    int result = place_volume(cli, arg, WANT_LOOK, place), ret;

    if (result != 0)
        return result;
    ret = volume_usage(place, out);
    if (ret == 0)
        return 0;
    result = cli_fail(cli, place->shown, ret);
    place_free(place);
    return result;
}

/* ---- df -------------------------------------------------------------------------------------- */

static void print_kind(const char *name, uint64_t type, const struct copse_space_totals *totals,
                       struct size_mode mode, bool reserved)
{
    char buf[SIZE_TEXT_MAX];

    printf("%s, %s: total=%s", name, profile_name(type), size_text(totals->total, mode, buf));
    printf(", used=%s", size_text(totals->used, mode, buf));
    if (reserved) {
        printf(", reserved=%s", size_text(totals->reserved, mode, buf));
        printf(", pinned=%s", size_text(totals->pinned, mode, buf));
        printf(", readonly=%s", size_text(totals->readonly, mode, buf));
    }
    putchar('\n');
}

static void add_text(struct json_object *json, const char *name, uint64_t value)
{
    char buf[SIZE_TEXT_MAX];

    snprintf(buf, sizeof(buf), "%llu", LLU(value));
    json_object_object_add(json, name, json_object_new_string(buf));
}

static struct json_object *kind_json(const char *name, const struct copse_space_totals *totals,
                                     bool reserved)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "bg-type", json_object_new_string(name));
    json_object_object_add(json, "bg-profile",
                           json_object_new_string(profile_name(totals->profile)));
    add_text(json, "total", totals->total);
    add_text(json, "used", totals->used);
    if (reserved) {
        add_text(json, "reserved", totals->reserved);
        add_text(json, "pinned", totals->pinned);
        add_text(json, "readonly", totals->readonly);
    }
    return json;
}

static const struct {
    const char *name;
    size_t offset;
    bool bytes;
} counters[] = {
    {"quota-reserved", offsetof(struct copse_usage, quota_reserved), true},
    {"written-in-place", offsetof(struct copse_usage, written_in_place), true},
    {"written-anew", offsetof(struct copse_usage, written_anew), true},
    {"written-to-share", offsetof(struct copse_usage, written_to_share), true},
    {"written-beside", offsetof(struct copse_usage, written_beside), true},
    {"sharing-asked", offsetof(struct copse_usage, sharing_asked), false},
    {"sharing-lookups", offsetof(struct copse_usage, sharing_lookups), false},
    {"sharing-walks", offsetof(struct copse_usage, sharing_walks), false},
};

/* What is kept in memory, and counted since the file system was opened. */
static void print_counters(const struct copse_usage *usage, struct size_mode mode,
                           struct json_object *list)
{
    struct json_object *json = list ? json_object_new_object() : NULL;
    char buf[SIZE_TEXT_MAX];

    if (list)
        json_object_object_add(json, "bg-type", json_object_new_string("Counters"));
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
        uint64_t value = *(const uint64_t *)((const char *)usage + counters[i].offset);

        if (list)
            add_text(json, counters[i].name, value);
        else if (counters[i].bytes)
            printf("%s=%s\n", counters[i].name, size_text(value, mode, buf));
        else
            printf("%s=%llu\n", counters[i].name, LLU(value));
    }
    if (list)
        json_object_array_add(list, json);
}

static void print_df(struct cli *cli, const struct copse_usage *usage, struct size_mode mode,
                     bool reserved)
{
    const struct copse_space_totals reserve = {.total = usage->global_reserve};
    struct json_object *list = cli->json ? json_object_new_array() : NULL;
    struct kind kinds[3];
    unsigned count = kinds_of(usage, kinds);

    for (unsigned i = 0; i < count; i++) {
        const struct copse_space_totals *totals = kinds[i].totals;
        if (list)
            json_object_array_add(list, kind_json(kinds[i].name, totals, reserved));
        else
            print_kind(kinds[i].name, totals->profile, totals, mode, reserved);
    }
    if (list)
        json_object_array_add(list, kind_json("GlobalReserve", &reserve, false));
    else
        print_kind("GlobalReserve", 0, &reserve, mode, false);
    if (reserved)
        print_counters(usage, mode, list);
    if (list)
        json_print("filesystem-df", list);
}

enum { OPTION_RESERVED = 512 };

int cmd_df(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {
        SIZE_OPTIONS_LONG, {"reserved", no_argument, NULL, OPTION_RESERVED}, {0}};
    struct size_mode mode = SIZE_MODE_DEFAULT;
    bool started = false, reserved = false;
    struct copse_usage usage;
    struct place place;
    int option, result;

    while ((option = cli_option(cli, argc, argv, SIZE_OPTIONS_SHORT, longs, &started)) >= 0) {
        if (option == OPTION_RESERVED)
            reserved = true;
        else if (!take_size_option(option, &mode))
            return EXIT_USAGE;
    }
    result = cli_count(cli, argc, cli->shell ? 0 : 1, 1);
    if (result == 0)
        result = usage_of(cli, argv[optind], &place, &usage);
    if (result != 0)
        return result;
    print_df(cli, &usage, mode, reserved);
    place_free(&place);
    return 0;
}

/* ---- usage ----------------------------------------------------------------------------------- */

static void print_overall(const struct copse_usage *usage, struct size_mode mode)
{
    const struct copse_space_totals *all[] = {&usage->data, &usage->metadata, &usage->system};
    unsigned data_ratio = profile_copies(usage->data.profile);
    unsigned meta_ratio = profile_copies(usage->metadata.profile);
    uint64_t used = 0;
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];

    for (unsigned i = 0; i < 3; i++)
        used += all[i]->used * profile_copies(all[i]->profile);
    printf("Overall:\n");
    printf("    Device size:\t\t%10s\n", size_text(usage->device_size, mode, a));
    printf("    Device allocated:\t\t%10s\n",
           size_text(usage->device_size - usage->device_unallocated, mode, a));
    printf("    Device unallocated:\t\t%10s\n", size_text(usage->device_unallocated, mode, a));
    printf("    Used:\t\t\t%10s\n", size_text(used, mode, a));
    printf("    Free (estimated):\t\t%10s\t(min: %s)\n", size_text(usage->free_estimate, mode, a),
           size_text(usage->free_min, mode, b));
    printf("    Data ratio:\t\t\t%10.2f\n", (double)data_ratio);
    printf("    Metadata ratio:\t\t%10.2f\n", (double)meta_ratio);
    printf("    Global reserve:\t\t%10s\n", size_text(usage->global_reserve, mode, a));
}

static int add_device(void *arg, const char *name)
{
    char **all = arg, *longer = format_text("%s%s%s", *all, **all ? "," : "", name);

    free(*all);
    *all = longer;
    return 0;
}

static int print_usage(struct cli *cli, const struct place *place, const struct copse_usage *usage,
                       struct size_mode mode)
{
    char *devices = need_string(strdup(""));
    int ret = volume_devices(place, add_device, &devices);

    struct kind kinds[3];
    unsigned count = kinds_of(usage, kinds);
    char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];

    if (ret < 0) {
        free(devices);
        return cli_fail(cli, place->shown, ret);
    }
    print_overall(usage, mode);
    for (unsigned i = 0; i < count; i++) {
        const struct copse_space_totals *totals = kinds[i].totals;
        double part = totals->total ? 100.0 * (double)totals->used / (double)totals->total : 0;
        printf("\n%s,%s: Size:%s, Used:%s (%.2f%%)\n", kinds[i].name, profile_name(totals->profile),
               size_text(totals->total, mode, a), size_text(totals->used, mode, b), part);
        printf("   %s\t%10s\n", devices,
               size_text(totals->total * profile_copies(totals->profile), mode, a));
    }
    printf("\nUnallocated:\n   %s\t%10s\n", devices, size_text(usage->device_unallocated, mode, a));
    free(devices);
    return 0;
}

static void print_usage_json(const struct copse_usage *usage)
{
    struct json_object *json = json_object_new_object(), *list = json_object_new_array();
    struct kind kinds[3];
    unsigned count = kinds_of(usage, kinds);

    json_object_object_add(json, "device-size", json_uint(usage->device_size));
    json_object_object_add(json, "device-unallocated", json_uint(usage->device_unallocated));
    json_object_object_add(json, "free-estimated", json_uint(usage->free_estimate));
    json_object_object_add(json, "free-min", json_uint(usage->free_min));
    json_object_object_add(json, "global-reserve", json_uint(usage->global_reserve));
    for (unsigned i = 0; i < count; i++)
        json_object_array_add(list, kind_json(kinds[i].name, kinds[i].totals, true));
    json_object_object_add(json, "block-groups", list);
    json_print("filesystem-usage", json);
}

int cmd_usage(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {SIZE_OPTIONS_LONG, {0}};
    struct size_mode mode = SIZE_MODE_DEFAULT;
    struct copse_usage usage;
    struct place place;
    bool started = false;
    int option, result;

    while ((option = cli_option(cli, argc, argv, SIZE_OPTIONS_SHORT, longs, &started)) >= 0) {
        if (!take_size_option(option, &mode))
            return EXIT_USAGE;
    }
    result = cli_count(cli, argc, cli->shell ? 0 : 1, 1);
    if (result == 0)
        result = usage_of(cli, argv[optind], &place, &usage);
    if (result != 0)
        return result;
    if (cli->json)
        print_usage_json(&usage);
    else
        result = print_usage(cli, &place, &usage, mode);
    place_free(&place);
    return result;
}

/* ---- label ----------------------------------------------------------------------------------- */

static void print_label(const struct cli *cli, const struct copse_fs_info *info)
{
    size_t len = strnlen(info->label, sizeof(info->label));

    if (!cli->json) {
        printf("%.*s\n", (int)len, info->label);
        return;
    }
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "label", json_bytes(info->label, len));
    json_print("filesystem-label", json);
}

int cmd_label(struct cli *cli, int argc, char **argv)
{
    struct copse_fs_info info;
    struct place place;
    bool started = false;
    int result, ret;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 1, 2) != 0)
        return EXIT_USAGE;
    const char *label = argc - optind == 2 ? argv[optind + 1] : NULL;
    result = place_volume(cli, argv[optind], label ? WANT_CHANGE : WANT_LOOK, &place);
    if (result != 0)
        return result;
    ret = label ? volume_set_label(&place, label) : volume_info(&place, &info);
    if (ret < 0)
        result = cli_fail(cli, place.shown, ret);
    else if (!label)
        print_label(cli, &info);
    place_free(&place);
    return result;
}
