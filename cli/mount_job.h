/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Having a running mount send or receive (fuse/fuse_job.h): it does the work, and gets the
 * descriptor of the stream; here is told what it says.
 */
#ifndef COPSE_CLI_MOUNT_JOB_H
#define COPSE_CLI_MOUNT_JOB_H

#include <fuse_job.h>

#include "cli.h"

struct mount_job {
    struct cli *cli;
    int keep;   /* open in the mount, so that it is busy */
    int socket; /* -1: none yet */
    dev_t dev;
    struct copse_job_request *request; /* its numbers are the caller's to fill in */

    /* Any of them may be NULL. */
    void (*begun)(void *arg, const char *name, bool snapshot);
    void (*failed)(void *arg, int err, const char *message);
    int (*token)(void *arg, const char *token);
    int (*progress)(void *arg, const struct copse_stream_progress *progress);
    void *arg;
};

/* Complains; 0 or EXIT_FAILED. To be closed in either case. */
int mount_job_open(struct cli *cli, const char *path, struct mount_job *job);
void mount_job_close(struct mount_job *job);
/* One more file in the same mount. Complains. */
int mount_job_add(struct mount_job *job, const char *path);
/* Runs it with the stream at fd. Complains, about `what`, when it fails. */
int mount_job_run(struct mount_job *job, int fd, const char *what);

#endif
