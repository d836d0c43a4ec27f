// SPDX-License-Identifier: GPL-2.0-or-later
/* Receiving: streams one after another, subvolumes one after another, commands one by one. */
#include "ops/stream/resume.h"

#include "base/cleanup.h"

#define LLU(v) ((unsigned long long)(v))
#define REPORT_BYTES (4 * MIB)

static int report(struct receiver *r, const struct command *command)
{
    const struct copse_receive_options *options = r->options;
    uint64_t bytes = decoder_position(r->decoder);
    struct copse_stream_progress progress;
    const struct attribute *path = &command->attributes[ATTR_PATH];
    AUTO_TEXT struct text text = {0};

    if (!options->progress || bytes - r->reported < REPORT_BYTES)
        return 0;
    r->reported = bytes;
    if (path->len > 0)
        TRY(text_add(&text, (const char *)path->data, path->len));
    progress = (struct copse_stream_progress){command->number, bytes, text_get(&text)};
    return options->progress(options->arg, &progress) ? fail(-ECANCELED, "stopped") : 0;
}

/* A command failed: the subvolume stays unfinished, and perhaps this is the end. */
static int note_failure(struct receiver *r, const struct command *command, int err)
{
    const struct attribute *path = &command->attributes[ATTR_PATH];

    r->broken = true;
    r->errors++;
    fail_prepend("command %llu (%s) %.*s", LLU(command->number), command_kinds[command->type].name,
                 (int)MIN(path->len, 255u), path->len ? (const char *)path->data : "");
    if (r->options->max_errors > 0 && r->errors >= r->options->max_errors)
        return err;
    /* Nothing more can be written: the other commands would only say so too. */
    if (err == -EROFS && store_readonly(r->mount->fs.store))
        return err;
    if (r->options->failed)
        r->options->failed(r->options->arg, err);
    fail_clear();
    return 0;
}

/* The subvolume has all its commands. */
static int end_subvol(struct receiver *r)
{
    if (!r->subvol)
        return 0;
    if (!r->broken)
        return receive_finish(r);
    receive_forget(r);
    inode_put(r->subvol);
    r->subvol = NULL;
    return 0;
}

static int carry_out(struct receiver *r, const struct command *command)
{
    if (command->type == CMD_SUBVOL || command->type == CMD_SNAPSHOT) {
        if (r->resume.skip > 0)
            return fail(-EINVAL, "the stream is shorter than what was received of it before");
        TRY(end_subvol(r));
        return receive_begin(r, command);
    }
    if (r->resume.skip > 0 && command->type == CMD_END)
        return fail(-EINVAL, "the stream is shorter than what was received of it before");
    if (command->type == CMD_END)
        return end_subvol(r);
    if (r->resume.complete)
        return report(r, command);
    if (!r->subvol)
        return fail(-EINVAL, "command %llu (%s) comes before its subvolume", LLU(command->number),
                    command_kinds[command->type].name);
    int ret = 0;
    if (r->resume.skip > 0) {
        TRY(resume_skip(r, command));
    } else {
        ret = receive_command(r, command);
        if (ret == 0)
            TRY(resume_step(r, command));
    }
    return ret < 0 ? note_failure(r, command, ret) : report(r, command);
}

static int receive_stream(struct receiver *r)
{
    struct command command;

    do {
        int ret = decode_command(r->decoder, &command);
        if (ret < 0)
            return ret;
        if (ret > 0)
            return fail(-EPIPE, "byte %llu: the stream ends without an end command",
                        LLU(decoder_position(r->decoder)));
        TRY(carry_out(r, &command));
    } while (command.type != CMD_END);
    return 0;
}

static int receive_streams(struct receiver *r)
{
    int ret = decode_header(r->decoder);

    if (ret > 0)
        return fail(-ENODATA, "no send stream: the input is empty");
    while (ret == 0) {
        TRY(receive_stream(r));
        if (r->options->honor_end)
            break;
        ret = decode_header(r->decoder);
    }
    if (ret < 0)
        return ret;
    return r->errors ? fail(-EIO, "%llu commands failed", LLU(r->errors)) : 0;
}

int stream_receive(struct mount *mount, struct inode *dir, const struct copse_stream_source *source,
                   const struct copse_receive_options *options)
{
    struct receiver r = {.mount = mount, .dir = dir, .options = options};

    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "no directory");
    TRY(decoder_new(source, &r.decoder));
    int ret = receive_streams(&r);
    receive_forget(&r);
    inode_put(r.subvol);
    text_free(&r.path);
    text_free(&r.dir_path);
    decoder_free(r.decoder);
    return ret;
}
