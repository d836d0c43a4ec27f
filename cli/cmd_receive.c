// SPDX-License-Identifier: GPL-2.0-or-later
/* receive: subvolumes out of a send stream, or what the stream says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "mount_job.h"
#include "progress.h"
#include "receive_out.h"
#include "session.h"
#include "size.h"
#include "stream_io.h"

struct receiving {
    struct cli *cli;
    const char *input; /* NULL: standard input */
    bool dump, honor_end, quiet, verbose;
    bool resume, tokens;
    uint64_t max_errors, checkpoint_bytes;
    const char *target, *to_dir, *to_tar;
    char *last; /* name of the subvolume that was begun last */
    struct progress bar;
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

/* ---- into a directory ------------------------------------------------------------------------ */

static void say_begun(void *arg, const char *name, bool snapshot)
{
    struct receiving *r = arg;

    free(r->last);
    r->last = need_string(strdup(name));
    if (r->quiet)
        return;
    progress_end(&r->bar);
    fprintf(stderr, "At %s %s\n", snapshot ? "snapshot" : "subvol", name);
    progress_start(&r->bar, false);
}

static void say_failed(void *arg, int err)
{
    struct receiving *r = arg;

    progress_end(&r->bar);
    cli_failed_in_library(true);
    cli_fail(r->cli, r->target, err);
}

static int show_progress(void *arg, const struct copse_stream_progress *progress)
{
    struct receiving *r = arg;

    progress_add(&r->bar, progress->bytes - r->bar.done);
    return cli_interrupted();
}

static int receive_into(struct receiving *r, copse_node *dir)
{
    struct copse_receive_options options = COPSE_RECEIVE_OPTIONS_INIT;
    struct stream_file file;
    int result = stream_open_input(r->cli, r->input, &file);

    if (result != 0)
        return result;
    const struct copse_stream_source source = stream_source(&file);
    options.honor_end = r->honor_end;
    options.max_errors = r->max_errors;
    options.resume = r->resume;
    options.checkpoint_bytes = r->checkpoint_bytes;
    options.begun = say_begun;
    options.failed = say_failed;
    options.progress = show_progress;
    options.arg = r;
    int ret = copse_receive(dir, &source, &options);
    progress_end(&r->bar);
    cli_failed_in_library(true);
    if (ret < 0)
        result = cli_fail(r->cli, r->target, ret);
    int closed = stream_close(r->cli, &file);
    return result ? result : closed;
}

static void say_failed_there(void *arg, int err, const char *message)
{
    struct receiving *r = arg;

    progress_end(&r->bar);
    cli_fail_said(r->cli, r->target, err, message);
}

static int print_token(void *arg, const char *token)
{
    (void)arg;
    printf("%s\n", token);
    return 0;
}

static int print_tokens(struct receiving *r, copse_node *dir)
{
    int ret = copse_receive_tokens(dir, print_token, r);

    cli_failed_in_library(true);
    return ret < 0 ? cli_fail(r->cli, r->target, ret) : 0;
}

static int print_tokens_by_mount(struct receiving *r, const char *path)
{
    struct mount_job job;
    int result = mount_job_open(r->cli, path, &job);

    if (result == 0) {
        job.request->kind = COPSE_JOB_TOKENS;
        job.token = print_token;
        result = mount_job_run(&job, job.keep, r->target);
    }
    mount_job_close(&job);
    return result;
}

static int receive_by_mount(struct receiving *r, const char *path)
{
    struct stream_file file = {.fd = -1};
    struct mount_job job;
    int result = mount_job_open(r->cli, path, &job), closed;

    if (result == 0)
        result = stream_open_input(r->cli, r->input, &file);
    if (result == 0) {
        job.request->kind = COPSE_JOB_RECEIVE;
        job.request->flags =
            (r->honor_end ? COPSE_JOB_HONOR_END : 0) | (r->resume ? COPSE_JOB_RESUME : 0);
        job.request->checkpoint_bytes = r->checkpoint_bytes;
        job.request->max_errors = r->max_errors;
        job.begun = say_begun;
        job.failed = say_failed_there;
        job.progress = show_progress;
        job.arg = r;
        result = mount_job_run(&job, file.fd, r->target);
        progress_end(&r->bar);
    }
    closed = stream_close(r->cli, &file);
    mount_job_close(&job);
    return result ? result : closed;
}

static int receive_streams(struct receiving *r)
{
    struct place place;
    struct file dir;
    int result =
        place_open(r->cli, r->target, r->tokens ? WANT_LOOK : WANT_CHANGE, true, &place, &dir);

    if (result != 0)
        return result;
    if (r->resume || r->tokens) {
        result = dir.node ? print_tokens(r, dir.node) : print_tokens_by_mount(r, dir.path);
        fflush(stdout);
    }
    if (result == 0 && !r->tokens)
        result = dir.node ? receive_into(r, dir.node) : receive_by_mount(r, dir.path);
    file_close(&dir);
    place_free(&place);
    return result;
}

/* ---- where there is no btrfs ----------------------------------------------------------------- */

static int write_tar(struct receiving *r, struct scratch *scratch)
{
    bool to_stdout = strcmp(r->to_tar, "-") == 0;
    struct stream_file file;
    int result = stream_open_output(r->cli, to_stdout ? NULL : r->to_tar, &file);

    if (result != 0)
        return result;
    result = stream_begin_output(r->cli, &file);
    if (result == 0)
        result = restore_to_tar(r->cli, scratch, r->last, &file);
    int closed = stream_close(r->cli, &file);
    return result ? result : closed;
}

/* What the last of the subvolumes became, with all increments. */
static int receive_out(struct receiving *r)
{
    struct scratch scratch = {0};
    copse_node *root;
    int result = scratch_open(r->cli, r->to_dir ? r->to_dir : ".", &scratch);

    if (result != 0)
        return result;
    r->target = r->to_dir ? r->to_dir : r->to_tar;
    root = copse_root(scratch.session->tree.fs);
    result = receive_into(r, root);
    copse_node_put(root);
    if (result == 0 && r->last)
        result = r->to_dir ? restore_to_dir(r->cli, &scratch, r->last, r->to_dir)
                           : write_tar(r, &scratch);
    scratch_free(&scratch);
    return result;
}

/* ---- the command ----------------------------------------------------------------------------- */

enum {
    OPTION_DUMP = 256,
    OPTION_TO_DIR,
    OPTION_TO_TAR,
    OPTION_RESUME,
    OPTION_TOKEN,
    OPTION_CHECKPOINT
};

static int take_options(struct receiving *r, int argc, char **argv)
{
    static const struct option longs[] = {
        {"max-errors", required_argument, NULL, 'E'},
        {"chroot", no_argument, NULL, 'C'},
        {"quiet", no_argument, NULL, 'q'},
        {"verbose", no_argument, NULL, 'v'},
        {"resume", no_argument, NULL, OPTION_RESUME},
        {"token", no_argument, NULL, OPTION_TOKEN},
        {"checkpoint", required_argument, NULL, OPTION_CHECKPOINT},
        {"dump", no_argument, NULL, OPTION_DUMP},
        {"to-dir", required_argument, NULL, OPTION_TO_DIR},
        {"to-tar", required_argument, NULL, OPTION_TO_TAR},
        {0}};
    bool started = false;
    int option;

    while ((option = cli_option(r->cli, argc, argv, "f:eE:Cm:qv", longs, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'f')
            r->input = optarg;
        if (option == OPTION_TO_DIR)
            r->to_dir = optarg;
        if (option == OPTION_TO_TAR)
            r->to_tar = optarg;
        if (option == 'E' && !parse_number(optarg, &r->max_errors))
            return cli_usage(r->cli, "-E %s: not a number", optarg);
        if (option == OPTION_CHECKPOINT && !parse_size(optarg, &r->checkpoint_bytes))
            return cli_usage(r->cli, "--checkpoint %s: not a size", optarg);
        r->resume |= option == OPTION_RESUME;
        r->tokens |= option == OPTION_TOKEN;
        r->honor_end |= option == 'e';
        r->quiet |= option == 'q';
        r->verbose |= option == 'v';
        r->dump |= option == OPTION_DUMP;
    }
    return 0;
}

int cmd_receive(struct cli *cli, int argc, char **argv)
{
    struct receiving r = {.cli = cli, .max_errors = 1, .checkpoint_bytes = 64 << 20};
    int result = take_options(&r, argc, argv);
    int outside = r.dump + (r.to_dir != NULL) + (r.to_tar != NULL);

    if (result != 0)
        return result;
    if (outside && (r.resume || r.tokens))
        return cli_usage(cli, "--resume and --token are about a directory in a file system");
    if (outside > 1)
        return cli_usage(cli, "only one of --dump, --to-dir and --to-tar");
    if (cli->shell && outside > r.dump)
        return cli_usage(cli, "--to-dir and --to-tar do not work on the open file system");
    if (cli_count(cli, argc, !outside, !outside) != 0)
        return EXIT_USAGE;
    if (r.dump)
        return dump_stream(&r);
    if (!outside)
        r.target = argv[optind];
    result = outside ? receive_out(&r) : receive_streams(&r);
    free(r.last);
    return result;
}
