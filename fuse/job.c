// SPDX-License-Identifier: GPL-2.0-or-later
/* Sending and receiving for who asked a mount. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

/* ---- what is told ---------------------------------------------------------------------------- */

static int tell_progress(void *arg, const struct copse_stream_progress *progress)
{
    struct job *job = arg;
    struct copse_job_event event = {
        .kind = COPSE_JOB_PROGRESS, .commands = progress->commands, .bytes = progress->bytes};

    job_tell(job, &event, progress->path);
    return job_is_stopped(job);
}

static void tell_begun(void *arg, const char *name, bool snapshot)
{
    struct job *job = arg;
    struct copse_job_event event = {.kind = COPSE_JOB_BEGUN, .number = snapshot};
    char **names = realloc(job->names, (job->name_count + 1) * sizeof(*names));

    if (names) {
        job->names = names;
        names[job->name_count] = strdup(name);
        job->name_count += names[job->name_count] != NULL;
    }
    job_tell(job, &event, name);
}

static void tell_failed(void *arg, int err)
{
    struct copse_job_event event = {.kind = COPSE_JOB_FAILED, .result = err};

    job_tell(arg, &event, copse_error());
}

static int tell_token(void *arg, const char *token)
{
    struct copse_job_event event = {.kind = COPSE_JOB_TOKEN};

    job_tell(arg, &event, token);
    return 0;
}

/* ---- what the kernel remembers --------------------------------------------------------------- */

/* A name in the directory came, went, or is another file now. */
static void forget_entry(void *arg, const char *name)
{
    struct job *job = arg;
    fuse_ino_t dir = nodes_number(job->m, job->dir);

    if (dir == 0 || atomic_load(&job->m->loop_ended))
        return;
    fuse_lowlevel_notify_inval_entry(job->m->session, dir, name, strlen(name));
    fuse_lowlevel_notify_inval_inode(job->m->session, dir, 0, 0);
}

/*
 * Somebody may have looked around in what was being received. Whatever the kernel knows of it is
 * dropped: attributes and pages of each file, and with the subvolume's own name all names below.
 */
static void forget_received(struct job *job, const char *name)
{
    copse_node *root;
    struct copse_stat st;

    if (copse_lookup(job->dir, name, strlen(name), &root) < 0)
        return;
    if (copse_stat(root, &st) == 0 && copse_is_subvol(root))
        nodes_invalidate(job->m, st.subvol);
    copse_node_put(root);
    forget_entry(job, name);
}

/* ---- the work -------------------------------------------------------------------------------- */

static int receive(struct job *job, const struct copse_job_request *request, copse_node **nodes)
{
    struct copse_receive_options options = COPSE_RECEIVE_OPTIONS_INIT;
    const struct copse_stream_source source = job_source(job);

    if (request->node_count != 1)
        return -EPROTO;
    job->dir = nodes[0];
    options.honor_end = request->flags & COPSE_JOB_HONOR_END;
    options.max_errors = request->max_errors;
    options.resume = request->flags & COPSE_JOB_RESUME;
    options.checkpoint_bytes = request->checkpoint_bytes;
    options.begun = tell_begun;
    options.failed = tell_failed;
    options.entry = forget_entry;
    options.progress = tell_progress;
    options.arg = job;
    int ret = copse_receive(nodes[0], &source, &options);
    for (size_t i = 0; i < job->name_count; i++) {
        forget_received(job, job->names[i]);
        free(job->names[i]);
    }
    free(job->names);
    return ret;
}

/* What was stored through mappings is in the file system before anything is read of it. */
static int write_out_mappings(struct job *job, copse_node *const *nodes, size_t count)
{
    struct copse_stat st;
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < count; i++) {
        ret = copse_stat(nodes[i], &st);
        if (ret == 0)
            ret = launder_subvol(job->m, st.subvol);
    }
    return ret;
}

static int send_subvol(struct job *job, const struct copse_job_request *request, copse_node **nodes)
{
    struct copse_send_options options = COPSE_SEND_OPTIONS_INIT;
    const struct copse_stream_sink sink = job_sink(job);
    bool parent = request->flags & COPSE_JOB_PARENT;

    if (request->node_count < 1u + parent ||
        !memchr(request->resume_from, '\0', sizeof(request->resume_from)))
        return -EPROTO;
    options.resume_from = request->flags & COPSE_JOB_RESUME ? request->resume_from : NULL;
    options.parent = parent ? nodes[1] : NULL;
    options.parent_from_clones = true;
    options.clones = nodes + 1 + parent;
    options.clone_count = request->node_count - 1 - parent;
    options.protocol = request->protocol;
    options.reparent = request->flags & COPSE_JOB_REPARENT ? request->reparent : NULL;
    options.compressed_data = request->flags & COPSE_JOB_COMPRESSED;
    options.no_data = request->flags & COPSE_JOB_NO_DATA;
    options.omit_header = request->flags & COPSE_JOB_OMIT_HEADER;
    options.omit_end = request->flags & COPSE_JOB_OMIT_END;
    options.progress = tell_progress;
    options.arg = job;
    int ret = write_out_mappings(job, nodes, request->node_count);
    return ret < 0 ? ret : copse_send(nodes[0], &options, &sink);
}

static int run(struct job *job, const struct copse_job_request *request, copse_node **nodes)
{
    for (uint32_t i = 0; i < request->node_count; i++) {
        const struct copse_job_node *node = &request->nodes[i];

        int ret = copse_node_by_ino(job->m->fs, node->subvol, node->subvol_ino, &nodes[i]);
        if (ret < 0)
            return ret;
    }
    switch (request->kind) {
    case COPSE_JOB_SEND:
        return send_subvol(job, request, nodes);
    case COPSE_JOB_RECEIVE:
        return receive(job, request, nodes);
    case COPSE_JOB_TOKENS:
        return request->node_count == 1 ? copse_receive_tokens(nodes[0], tell_token, job) : -EPROTO;
    default:
        return -EPROTO;
    }
}

int job_run(struct job *job, const struct copse_job_request *request)
{
    copse_node **nodes = calloc(request->node_count + 1, sizeof(copse_node *));

    if (!nodes)
        return -ENOMEM;
    job_stream_open(job, request->kind == COPSE_JOB_SEND);
    int ret = run(job, request, nodes);
    job_stream_close(job);
    for (uint32_t i = 0; i < request->node_count; i++)
        copse_node_put(nodes[i]);
    free(nodes);
    return ret;
}
