// SPDX-License-Identifier: GPL-2.0-or-later
/* image: the metadata of a file system as one file, and back. */
#include <string.h>

#include "commands.h"
#include "progress.h"
#include "size.h"
#include "stream_io.h"
#include "target.h"

struct image {
    struct cli *cli;
    struct copse_image_options options;
    struct progress progress;
    bool restore, force;
};

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    struct image *image = arg;

    image->progress.total = total;
    progress_add(&image->progress, done - image->progress.done);
}

static int dump(struct image *image, const char *from, const char *to)
{
    struct stream_file file;
    struct target target;
    int result = stream_open_output(image->cli, strcmp(to, "-") == 0 ? NULL : to, &file), ret;

    if (result != 0)
        return result;
    const struct copse_stream_sink sink = stream_sink(&file);
    target_parse(from, &target);
    progress_start(&image->progress, false);
    image->options.progress = show_progress;
    image->options.arg = image;
    ret =
        copse_image_dump((const char *const *)target.devices, target.count, &image->options, &sink);
    progress_end(&image->progress);
    cli_failed_in_library(true);
    if (ret < 0)
        result = cli_fail(image->cli, from, ret);
    target_free(&target);
    int closed = stream_close(image->cli, &file);
    return result ? result : closed;
}

static int restore(struct image *image, const char *from, const char *to)
{
    int ret = copse_image_restore(from, to, image->force);

    cli_failed_in_library(true);
    if (ret == -EEXIST)
        return cli_fail_because(image->cli, to, ret, "not without -f");
    return ret < 0 ? cli_fail(image->cli, from, ret) : 0;
}

int cmd_image(struct cli *cli, int argc, char **argv)
{
    struct image image = {.cli = cli, .options = COPSE_IMAGE_OPTIONS_INIT};
    bool started = false;
    uint64_t number;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "c:t:rfsw", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if ((option == 'c' || option == 't') && (!parse_number(optarg, &number) || number > 32))
            return cli_usage(cli, "-%c %s: not a number up to 9", option, optarg);
        if (option == 'c' && number > 9)
            return cli_usage(cli, "-c %s: levels go up to 9", optarg);
        if (option == 'c')
            image.options.compress = (unsigned)number;
        image.options.sanitize += option == 's' && image.options.sanitize < 2;
        image.restore |= option == 'r';
        image.force |= option == 'f';
    }
    result = cli_count(cli, argc, 2, 2);
    if (result != 0)
        return result;
    if (image.restore)
        return restore(&image, argv[optind], argv[optind + 1]);
    return dump(&image, argv[optind], argv[optind + 1]);
}
