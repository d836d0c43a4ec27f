// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * receive --to-dir and --to-tar: where there is no btrfs, streams are received into a file system
 * of our own that nobody else sees, and what they made is taken out of it.
 */
#ifndef COPSE_CLI_RECEIVE_OUT_H
#define COPSE_CLI_RECEIVE_OUT_H

#include "session.h"
#include "stream_io.h"

struct scratch {
    struct session *session;
    char *path; /* of the image, whose name is gone already */
};

/* An image beside `beside`, sparse, as large as the streams may need. Complains. */
int scratch_open(struct cli *cli, const char *beside, struct scratch *out);
void scratch_free(struct scratch *scratch);

/* Copies subvolume `name` of the scratch image into directory dir of the host, as cp -a. */
int restore_to_dir(struct cli *cli, struct scratch *scratch, const char *name, const char *dir);
/* Writes its contents as a tar archive with pax headers. Complains. */
int restore_to_tar(struct cli *cli, struct scratch *scratch, const char *name,
                   struct stream_file *out);

#endif
