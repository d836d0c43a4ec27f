// SPDX-License-Identifier: GPL-2.0-or-later
/* receive: subvolumes out of a send stream, or what the stream says. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "session.h"
#include "size.h"
#include "stream_io.h"

struct receiving {
    struct cli *cli;
    const char *input; /* NULL: standard input */
    bool dump, honor_end, quiet, verbose;
    uint64_t max_errors;
};

static void put_text(void *arg, const char *text, size_t len)
{
    (void)arg;
    fwrite(text, 1, len, stdout);
}

static int dump_stream(struct receiving *r)
{
    struct copse_stream_dump_options options = COPSE_STREAM_DUMP_OPTIONS_INIT;
    const struct copse_text_sink sink = {put_text, NULL};
    struct stream_file file;
    int result = stream_open_input(r->cli, r->input, &file);

    if (result != 0)
        return result;
    const struct copse_stream_source source = stream_source(&file);
    options.json = r->cli->json;
    options.honor_end = r->honor_end;
    int ret = copse_stream_dump(&source, &options, &sink);
    cli_failed_in_library(true);
    if (ret < 0)
        result = cli_fail(r->cli, file.name, ret);
    int closed = stream_close(r->cli, &file);
    return result ? result : closed;
}

enum { OPTION_DUMP = 256 };

static int take_options(struct receiving *r, int argc, char **argv)
{
    static const struct option longs[] = {{"max-errors", required_argument, NULL, 'E'},
                                          {"chroot", no_argument, NULL, 'C'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"dump", no_argument, NULL, OPTION_DUMP},
                                          {0}};
    bool started = false;
    int option;

    while ((option = cli_option(r->cli, argc, argv, "f:eE:Cm:qv", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'f')
            r->input = optarg;
        if (option == 'E' && !parse_number(optarg, &r->max_errors))
            return cli_usage(r->cli, "-E %s: not a number", optarg);
        r->honor_end |= option == 'e';
        r->quiet |= option == 'q';
        r->verbose |= option == 'v';
        r->dump |= option == OPTION_DUMP;
    }
    return 0;
}

int cmd_receive(struct cli *cli, int argc, char **argv)
{
    struct receiving r = {.cli = cli, .max_errors = 1};
    int result = take_options(&r, argc, argv);

    if (result != 0 || cli_count(cli, argc, r.dump ? 0 : 1, r.dump ? 0 : 1) != 0)
        return EXIT_USAGE;
    return dump_stream(&r);
}
