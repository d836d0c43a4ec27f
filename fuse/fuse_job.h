/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Sending and receiving by a running mount. Who asks connects to the socket that COPSE_IOC_CONTROL
 * names, with COPSE_JOB_SUFFIX behind; sends one request with the descriptor that the stream goes
 * to or comes from; and reads events until the one that says how it ended. Shutting the connection
 * down, or closing it, ends the job.
 */
#ifndef COPSE_FUSE_JOB_H
#define COPSE_FUSE_JOB_H

#include <copse/copse.h>

#define COPSE_JOB_SUFFIX "-jobs"
#define COPSE_JOB_VERSION 1u
#define COPSE_JOB_NODES_MAX 1024u

enum copse_job_kind {
    COPSE_JOB_SEND = 1, /* nodes: the subvolume, its parent (COPSE_JOB_PARENT), clone sources */
    COPSE_JOB_RECEIVE,  /* nodes: the directory */
    COPSE_JOB_TOKENS,   /* likewise; the descriptor is not used */
};

#define COPSE_JOB_PARENT (1u << 0)
#define COPSE_JOB_REPARENT (1u << 1)
#define COPSE_JOB_COMPRESSED (1u << 2)
#define COPSE_JOB_NO_DATA (1u << 3)
#define COPSE_JOB_OMIT_HEADER (1u << 4)
#define COPSE_JOB_OMIT_END (1u << 5)
#define COPSE_JOB_HONOR_END (1u << 6)
#define COPSE_JOB_RESUME (1u << 7) /* send: resume_from is set */

/* As copse_stat has them. */
struct copse_job_node {
    uint64_t subvol, subvol_ino;
};

struct copse_job_request {
    uint32_t version, kind;
    uint32_t flags;
    uint32_t protocol;
    uint64_t max_errors;
    uint64_t checkpoint_bytes;
    uint8_t reparent[16];
    char resume_from[COPSE_TOKEN_SIZE];
    uint32_t node_count;
    struct copse_job_node nodes[]; /* node_count of them end the message */
};

enum copse_job_event_kind {
    COPSE_JOB_PROGRESS = 1, /* text: the path */
    COPSE_JOB_BEGUN,        /* number: whether a snapshot; text: its name */
    COPSE_JOB_FAILED,       /* result; text: why */
    COPSE_JOB_TOKEN,        /* text */
    COPSE_JOB_DONE,         /* as COPSE_JOB_FAILED; nothing comes behind it */
};

#define COPSE_JOB_TEXT_MAX 4096

/* A message is as long as its text, with the NUL. */
struct copse_job_event {
    uint32_t kind;
    int32_t result; /* 0 or a negative errno */
    uint64_t number;
    uint64_t commands, bytes;
    char text[COPSE_JOB_TEXT_MAX];
};

#endif
