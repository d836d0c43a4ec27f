/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job on its way: jobs.c starts and ends it, job.c does it, job_stream.c moves the bytes. */
#ifndef COPSE_FUSE_JOB_INTERNAL_H
#define COPSE_FUSE_JOB_INTERNAL_H

#include "fuse_job.h"
#include "internal.h"

struct job {
    struct mounted *m;
    int client;      /* who asked */
    int stream;      /* what was passed */
    int open_stream; /* job_stream.c: a description of our own of it, or itself */
    mode_t type;     /* of it */
    copse_node *dir; /* receiving: into it */
    char **names;    /* what was begun in it */
    size_t name_count;
};

/* Whether who asked is gone, or the mount ends. */
bool job_is_stopped(struct job *job);
/* Until fd is ready. -ECANCELED: the job shall end. */
int job_wait(struct job *job, int fd, short events);
/* Sends an event; what it says is filled in, but for the text. */
void job_tell(struct job *job, struct copse_job_event *event, const char *text);

/* job.c */
int job_run(struct job *job, const struct copse_job_request *request);

/* job_stream.c */
void job_stream_open(struct job *job, bool for_writing);
void job_stream_close(struct job *job);
struct copse_stream_source job_source(struct job *job);
struct copse_stream_sink job_sink(struct job *job);

#endif
