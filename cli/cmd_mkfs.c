// SPDX-License-Identifier: GPL-2.0-or-later
/* mkfs: takes every option of mkfs.btrfs, and says which of them it cannot do. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "size.h"
#include "text.h"

enum { OPTION_CSUM = 256, OPTION_SHRINK, OPTION_DEVICE_UUID, OPTION_SEED };

static const struct option mkfs_options[] = {
    {"byte-count", required_argument, NULL, 'b'},
    {"force", no_argument, NULL, 'f'},
    {"label", required_argument, NULL, 'L'},
    {"uuid", required_argument, NULL, 'U'},
    {"device-uuid", required_argument, NULL, OPTION_DEVICE_UUID},
    {"nodesize", required_argument, NULL, 'n'},
    {"leafsize", required_argument, NULL, 'l'},
    {"sectorsize", required_argument, NULL, 's'},
    {"data", required_argument, NULL, 'd'},
    {"metadata", required_argument, NULL, 'm'},
    {"mixed", no_argument, NULL, 'M'},
    {"csum", required_argument, NULL, OPTION_CSUM},
    {"checksum", required_argument, NULL, OPTION_CSUM},
    {"features", required_argument, NULL, 'O'},
    {"runtime-features", required_argument, NULL, 'R'},
    {"nodiscard", no_argument, NULL, 'K'},
    {"rootdir", required_argument, NULL, 'r'},
    {"subvol", required_argument, NULL, 'u'},
    {"shrink", no_argument, NULL, OPTION_SHRINK},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {"seed", required_argument, NULL, OPTION_SEED},
    {0},
};

struct mkfs {
    struct cli *cli;
    struct copse_mkfs_options options;
    char features[256]; /* of all -O and -R */
    bool quiet;
};

static int take_size(struct mkfs *mkfs, const char *name, uint64_t max, uint64_t *out)
{
    if (!parse_size(optarg, out) || *out == 0 || *out > max)
        return cli_usage(mkfs->cli, "%s %s: not a size", name, optarg);
    return 0;
}

static int take_size32(struct mkfs *mkfs, const char *name, uint32_t *out)
{
    uint64_t size;
    int result = take_size(mkfs, name, UINT32_MAX, &size);

    if (result == 0)
        *out = (uint32_t)size;
    return result;
}

static int refuse(struct mkfs *mkfs, const char *name)
{
    return cli_usage(mkfs->cli, "%s: not supported", name);
}

/* Both options are one list here, and each mention adds to it. */
static int take_features(struct mkfs *mkfs, const char *list)
{
    size_t len = strlen(mkfs->features);

    if (len + 1 + strlen(list) >= sizeof(mkfs->features))
        return cli_usage(mkfs->cli, "-O: too many features");
    snprintf(mkfs->features + len, sizeof(mkfs->features) - len, "%s%s", len ? "," : "", list);
    mkfs->options.features = mkfs->features;
    return 0;
}

static int list_features(void)
{
    const char *name, *what;

    for (unsigned i = 0; (name = copse_mkfs_feature(i, &what)) != NULL; i++)
        printf("%-20s- %s\n", name, what);
    return EXIT_DONE;
}

static int take_option(struct mkfs *mkfs, int option)
{
    struct copse_mkfs_options *options = &mkfs->options;

    switch (option) {
    case 'b':
        return take_size(mkfs, "-b", INT64_MAX, &options->byte_count);
    case 'n':
        return take_size32(mkfs, "-n", &options->nodesize);
    case 's':
        return take_size32(mkfs, "-s", &options->sectorsize);
    case 'f':
        options->force = true;
        return 0;
    case 'L':
        options->label = optarg;
        return 0;
    case 'U':
        options->uuid = optarg;
        return 0;
    case OPTION_DEVICE_UUID:
        options->device_uuid = optarg;
        return 0;
    case 'd':
        options->data_profile = optarg;
        return 0;
    case 'm':
        options->meta_profile = optarg;
        return 0;
    case 'M':
        options->mixed = true;
        return 0;
    case OPTION_CSUM:
        options->csum = optarg;
        return 0;
    case 'O':
    case 'R':
        return take_features(mkfs, optarg);
    case 'K':
        options->no_discard = true;
        return 0;
    case 'q':
        mkfs->quiet = true;
        return 0;
    case 'v':
        return 0;
    case OPTION_SEED:
        return parse_number(optarg, &options->seed)
                   ? 0
                   : cli_usage(mkfs->cli, "--seed %s: not a number", optarg);
    case 'l':
        return refuse(mkfs, "-l (it is -n)");
    case 'r':
        return refuse(mkfs, "--rootdir (copse cp -a DIR/. DEV:/ fills it)");
    case 'u':
        return refuse(mkfs, "--subvol");
    case OPTION_SHRINK:
        return refuse(mkfs, "--shrink");
    default:
        return EXIT_USAGE;
    }
}

/* ---- what was made --------------------------------------------------------------------------- */

static void print_group(const char *name, const struct copse_space_totals *totals)
{
    char size[SIZE_TEXT_MAX];
    bool dup = totals->profile & (1U << 5);

    if (totals->total)
        printf("  %-16s %-9s %s\n", name, dup ? "DUP" : "single",
               size_text(totals->total, SIZE_MODE_DEFAULT, size));
}

static int print_summary(struct mkfs *mkfs, const char *device)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    char uuid[UUID_TEXT_MAX], size[SIZE_TEXT_MAX];
    struct copse_fs_info info;
    struct copse_usage usage;
    copse_fs *fs;
    int ret;

    options.readonly = true;
    cli_failed_in_library(true);
    ret = copse_open(&device, 1, &options, &fs);
    if (ret < 0)
        return cli_fail(mkfs->cli, device, ret);
    ret = copse_fs_info(fs, &info);
    if (ret == 0)
        ret = copse_usage(fs, &usage);
    copse_close(fs);
    if (ret < 0)
        return cli_fail(mkfs->cli, device, ret);
    printf("copse %s\n\n", copse_version());
    printf("Label:              %s\n", *info.label ? info.label : "(null)");
    printf("UUID:               %s\n", uuid_text(info.fsid, uuid));
    printf("Node size:          %u\n", info.nodesize);
    printf("Sector size:        %u\n", info.sectorsize);
    printf("Filesystem size:    %s\n", size_text(info.total_bytes, SIZE_MODE_DEFAULT, size));
    printf("Block group profiles:\n");
    print_group("Data:", &usage.data);
    print_group("Metadata:", &usage.metadata);
    print_group("System:", &usage.system);
    printf("Checksum:           %s\n", info.csum_name);
    printf("Number of devices:  %llu\n", LLU(info.num_devices));
    printf("Devices:\n   ID        SIZE  PATH\n");
    printf("    1  %10s  %s\n\n", size_text(info.total_bytes, SIZE_MODE_DEFAULT, size), device);
    return 0;
}

int cmd_mkfs(struct cli *cli, int argc, char **argv)
{
    struct mkfs mkfs = {.cli = cli, .options = COPSE_MKFS_OPTIONS_INIT};
    bool started = false;
    int option, result, ret;

    while ((option = cli_option(cli, argc, argv, "b:fL:U:n:l:s:d:m:MO:R:Kr:qvV", mkfs_options,
                                &started)) >= 0) {
        if (option == 'V') {
            printf("mkfs.copse, part of copse %s\n", copse_version());
            return EXIT_DONE;
        }
        if ((option == 'O' || option == 'R') && strcmp(optarg, "list-all") == 0)
            return list_features();
        result = take_option(&mkfs, option);
        if (result != 0)
            return result;
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    if (argc - optind > 1)
        return cli_usage(cli, "%s: more than one device is not supported", argv[optind + 1]);
    const char *device = argv[optind];
    ret = copse_mkfs(device, &mkfs.options);
    cli_failed_in_library(true);
    if (ret < 0)
        return cli_fail(cli, device, ret);
    return mkfs.quiet ? EXIT_DONE : print_summary(&mkfs, device);
}
