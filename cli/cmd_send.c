// SPDX-License-Identifier: GPL-2.0-or-later
/* send: read-only subvolumes as a stream. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "mount_job.h"
#include "progress.h"
#include "session.h"
#include "size.h"
#include "stream_io.h"

/* A subvolume that an argument names. */
struct chosen {
    struct place place;
    struct file file;
    bool open;
};

struct sending {
    struct cli *cli;
    const char *output, *parent_arg; /* NULL: none */
    const char **clone_args;
    unsigned clone_count;
    unsigned protocol;
    const char *resume_from; /* NULL: from the beginning */
    bool reparent;
    uint8_t reparent_uuid[16];
    bool compressed_data, no_data, one_stream, quiet, verbose;
    struct chosen parent, *clones;
    copse_node **clone_nodes;
    struct progress bar;
};

static int choose(struct sending *s, const char *arg, struct chosen *out)
{
    int result = place_open(s->cli, arg, WANT_LOOK, true, &out->place, &out->file);

    if (result != 0)
        return result;
    out->open = true;
    return 0;
}

static void release(struct chosen *chosen)
{
    if (!chosen->open)
        return;
    file_close(&chosen->file);
    place_free(&chosen->place);
    chosen->open = false;
}

static int choose_sources(struct sending *s)
{
    if (s->parent_arg) {
        int result = choose(s, s->parent_arg, &s->parent);
        if (result != 0)
            return result;
    }
    s->clones = need_memory(calloc(s->clone_count + 1, sizeof(*s->clones)));
    s->clone_nodes = need_memory(calloc(s->clone_count + 1, sizeof(copse_node *)));
    for (unsigned i = 0; i < s->clone_count; i++) {
        int result = choose(s, s->clone_args[i], &s->clones[i]);
        if (result != 0)
            return result;
        s->clone_nodes[i] = s->clones[i].file.node;
    }
    return 0;
}

static void release_sources(struct sending *s)
{
    release(&s->parent);
    for (unsigned i = 0; s->clones && i < s->clone_count; i++)
        release(&s->clones[i]);
    free(s->clones);
    free(s->clone_nodes);
    free(s->clone_args);
}

static int show_progress(void *arg, const struct copse_stream_progress *progress)
{
    struct sending *s = arg;

    progress_add(&s->bar, progress->bytes - s->bar.done);
    return cli_interrupted();
}

/* "01234567-89ab-…", 32 digits in all. */
static bool parse_uuid(const char *text, uint8_t out[16])
{
    unsigned digits = 0;

    for (; *text; text++) {
        if (*text == '-')
            continue;
        const char *hex = "0123456789abcdef", *at = strchr(hex, tolower((unsigned char)*text));
        if (!at || digits == 32)
            return false;
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | (at - hex));
        digits++;
    }
    return digits == 32;
}

/* ---- one subvolume --------------------------------------------------------------------------- */

static int send_by_library(struct sending *s, const char *arg, struct chosen *chosen,
                           struct stream_file *file, unsigned omit)
{
    struct copse_send_options options = COPSE_SEND_OPTIONS_INIT;
    const struct copse_stream_sink sink = stream_sink(file);

    options.parent = s->parent.open ? s->parent.file.node : NULL;
    options.parent_from_clones = true;
    options.reparent = s->reparent ? s->reparent_uuid : NULL;
    options.clones = s->clone_nodes;
    options.clone_count = s->clone_count;
    options.protocol = s->protocol;
    options.compressed_data = s->compressed_data;
    options.no_data = s->no_data;
    options.omit_header = omit & COPSE_JOB_OMIT_HEADER;
    options.omit_end = omit & COPSE_JOB_OMIT_END;
    options.resume_from = s->resume_from;
    options.progress = show_progress;
    options.arg = s;
    int ret = copse_send(chosen->file.node, &options, &sink);
    progress_end(&s->bar);
    cli_failed_in_library(true);
    return ret < 0 ? cli_fail(s->cli, arg, ret) : 0;
}

static void ask_for(const struct sending *s, struct copse_job_request *request, unsigned omit)
{
    request->kind = COPSE_JOB_SEND;
    request->protocol = s->protocol;
    request->flags = omit | (s->parent.open ? COPSE_JOB_PARENT : 0) |
                     (s->reparent ? COPSE_JOB_REPARENT : 0) |
                     (s->compressed_data ? COPSE_JOB_COMPRESSED : 0) |
                     (s->no_data ? COPSE_JOB_NO_DATA : 0) | (s->resume_from ? COPSE_JOB_RESUME : 0);
    snprintf(request->resume_from, sizeof(request->resume_from), "%s",
             s->resume_from ? s->resume_from : "");
    memcpy(request->reparent, s->reparent_uuid, sizeof(request->reparent));
}

static int send_by_mount(struct sending *s, const char *arg, struct chosen *chosen,
                         struct stream_file *file, unsigned omit)
{
    struct mount_job job;
    int result = mount_job_open(s->cli, chosen->file.path, &job);

    if (result == 0 && s->parent.open)
        result = mount_job_add(&job, s->parent.file.path);
    for (unsigned i = 0; result == 0 && i < s->clone_count; i++)
        result = mount_job_add(&job, s->clones[i].file.path);
    if (result == 0) {
        ask_for(s, job.request, omit);
        job.progress = show_progress;
        job.arg = s;
        result = mount_job_run(&job, file->fd, arg);
    }
    mount_job_close(&job);
    return result;
}

/* Either all of them are in the mount, or none is. */
static bool are_together(const struct sending *s, const struct chosen *chosen)
{
    bool mounted = !chosen->file.node;

    if (s->parent.open && !s->parent.file.node != mounted)
        return false;
    for (unsigned i = 0; i < s->clone_count; i++)
        if (!s->clones[i].file.node != mounted)
            return false;
    return true;
}

static int send_chosen(struct sending *s, const char *arg, struct chosen *chosen,
                       struct stream_file *file, unsigned omit)
{
    int result;

    if (!are_together(s, chosen)) {
        cli_failed_in_library(false);
        return cli_fail_because(s->cli, arg, -EXDEV, "subvolumes of different file systems");
    }
    result = stream_begin_output(s->cli, file);
    if (result != 0)
        return result;
    if (!s->quiet && s->verbose)
        fprintf(stderr, "At subvol %s\n", arg);
    progress_start(&s->bar, s->quiet);
    result = chosen->file.node ? send_by_library(s, arg, chosen, file, omit)
                               : send_by_mount(s, arg, chosen, file, omit);
    progress_end(&s->bar);
    return result;
}

static int send_one(struct sending *s, const char *arg, struct stream_file *file, bool first,
                    bool last)
{
    unsigned omit = (s->one_stream && !first ? COPSE_JOB_OMIT_HEADER : 0) |
                    (s->one_stream && !last ? COPSE_JOB_OMIT_END : 0);
    struct chosen chosen = {0};
    int result = choose(s, arg, &chosen);

    if (result == 0)
        result = send_chosen(s, arg, &chosen, file, omit);
    release(&chosen);
    return result;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int send_all(struct sending *s, int argc, char **argv)
{
    struct stream_file file;
    int result = choose_sources(s);

    if (result == 0)
        result = stream_open_output(s->cli, s->output, &file);
    if (result != 0)
        return result;
    for (int i = optind; result == 0 && i < argc; i++)
        result = send_one(s, argv[i], &file, i == optind, i + 1 == argc);
    int closed = stream_close(s->cli, &file);
    return result ? result : closed;
}

enum { OPTION_PROTO = 256, OPTION_COMPRESSED, OPTION_NO_DATA, OPTION_REPARENT, OPTION_RESUME };

static int take_option(struct sending *s, int option)
{
    uint64_t number;

    switch (option) {
    case 'p':
        if (s->parent_arg)
            return cli_usage(s->cli, "-p %s: there can be one parent only", optarg);
        s->parent_arg = optarg;
        return 0;
    case 'c':
        s->clone_args[s->clone_count++] = optarg;
        return 0;
    case 'f':
        s->output = optarg;
        return 0;
    case OPTION_REPARENT:
        s->reparent = parse_uuid(optarg, s->reparent_uuid);
        return s->reparent ? 0 : cli_usage(s->cli, "--reparent %s: not a uuid", optarg);
    case OPTION_RESUME:
        s->resume_from = optarg;
        return strlen(optarg) == COPSE_TOKEN_SIZE - 1
                   ? 0
                   : cli_usage(s->cli, "--resume-from %s: not a token", optarg);
    case OPTION_PROTO:
        if (!parse_number(optarg, &number) || number > 3)
            return cli_usage(s->cli, "--proto %s: not 1, 2 or 3", optarg);
        s->protocol = number ? (unsigned)number : 2;
        return 0;
    default:
        s->compressed_data |= option == OPTION_COMPRESSED;
        s->no_data |= option == OPTION_NO_DATA;
        s->one_stream |= option == 'e';
        s->quiet |= option == 'q';
        s->verbose |= option == 'v';
        return option == '?' ? EXIT_USAGE : 0;
    }
}

int cmd_send(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {{"proto", required_argument, NULL, OPTION_PROTO},
                                          {"compressed-data", no_argument, NULL, OPTION_COMPRESSED},
                                          {"no-data", no_argument, NULL, OPTION_NO_DATA},
                                          {"reparent", required_argument, NULL, OPTION_REPARENT},
                                          {"resume-from", required_argument, NULL, OPTION_RESUME},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {0}};
    struct sending s = {.cli = cli};
    bool started = false;
    int option, result = 0;

    s.clone_args = need_memory(calloc((size_t)argc + 1, sizeof(char *)));
    while (result == 0 && (option = cli_option(cli, argc, argv, "ep:c:f:qv", longs, &started)) >= 0)
        result = take_option(&s, option);
    if (result == 0 && cli_count(cli, argc, 1, -1) != 0)
        result = EXIT_USAGE;
    if (s.protocol == 0)
        s.protocol = s.compressed_data ? 2 : 1;
    if (result == 0 && s.resume_from && argc - optind > 1)
        result = cli_usage(cli, "--resume-from: one subvolume only");
    if (result == 0)
        result = send_all(&s, argc, argv);
    release_sources(&s);
    return result;
}
