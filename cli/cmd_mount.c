// SPDX-License-Identifier: GPL-2.0-or-later
/* mount and umount: their arguments; fuse/ does the rest. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

#ifdef HAVE_FUSE

#include <stdlib.h>

#include "fuse_mount.h"
#include "target.h"

/* The message already says what it is about. */
static int report(struct cli *cli, const char *message)
{
    fprintf(stderr, "copse %s: %s\n", cli->command->shown, message);
    return EXIT_FAILED;
}

/* -o TEXT; options that mount(8) passes on have been dealt with by then. */
static int take_text(struct cli *cli, struct copse_fuse_options *options, const char *text)
{
    if (copse_fuse_parse_options(text, options) == 0)
        return 0;
    return cli_usage(cli, "%s", options->message);
}

/* mount(8) calls: DEV DIR [-s] [-f] [-n] [-v] -o OPTIONS. */
static int parse(struct cli *cli, int argc, char **argv, struct copse_fuse_options *options)
{
    bool started = false;
    int option, result;

    options->mount_helper = strncmp(argv[0], "mount.", 6) == 0;
    while ((option = cli_option(cli, argc, argv, "fo:t:nsv", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        options->foreground |= option == 'f';
        result = option == 'o' ? take_text(cli, options, optarg) : 0;
        if (result != 0)
            return result;
    }
    return cli_count(cli, argc, 2, -1);
}

/* Each argument may itself name several devices. */
static void collect_devices(int count, char **args, struct target *out)
{
    *out = (struct target){0};
    for (int i = 0; i < count; i++) {
        struct target one;

        target_parse(args[i], &one);
        out->devices =
            need_memory(realloc(out->devices, (out->count + one.count) * sizeof(*out->devices)));
        memcpy(out->devices + out->count, one.devices, one.count * sizeof(*out->devices));
        out->count += one.count;
        one.count = 0;
        target_free(&one);
    }
}

int cmd_mount(struct cli *cli, int argc, char **argv)
{
    struct copse_fuse_options options;
    struct target target;
    int result, ret;

    copse_fuse_options_init(&options);
    result = parse(cli, argc, argv, &options);
    if (result == 0) {
        collect_devices(argc - 1 - optind, argv + optind, &target);
        options.devices = (const char *const *)target.devices;
        options.device_count = target.count;
        options.mountpoint = argv[argc - 1];
        ret = copse_fuse_run(&options);
        if (ret < 0)
            result = report(cli, options.message);
        target_free(&target);
    }
    copse_fuse_options_free(&options);
    return result;
}

int cmd_umount(struct cli *cli, int argc, char **argv)
{
    char message[COPSE_FUSE_MESSAGE_MAX] = "";
    bool started = false;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 1, 1) != 0)
        return EXIT_USAGE;
    return copse_fuse_umount(argv[optind], message) < 0 ? report(cli, message) : EXIT_DONE;
}

#else

static int without_fuse(struct cli *cli, const char *what)
{
    cli_failed_in_library(false);
    return cli_fail_because(cli, what, -ENOSYS, "built without FUSE");
}

int cmd_mount(struct cli *cli, int argc, char **argv)
{
    return without_fuse(cli, argv[argc - 1]);
}

int cmd_umount(struct cli *cli, int argc, char **argv)
{
    return without_fuse(cli, argv[argc - 1]);
}

#endif
