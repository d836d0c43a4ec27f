// SPDX-License-Identifier: GPL-2.0-or-later
/* paths: what commands that change names have in common. */
#ifndef COPSE_CLI_PATHS_H
#define COPSE_CLI_PATHS_H

#include "session.h"

/* dir/name, to be freed. */
char *path_below(const char *dir, const char *name);
/* The last component without slashes, to be freed; NULL for a root, "." and "..". */
char *last_name(const char *path);

/*
 * Where something goes whose destination is `place`: into an existing directory under `name`, else
 * as what the place names. NULL in *name_out: the root of a file system, which has no name.
 * exists: whether there is something already. Complains.
 */
struct destination {
    struct file dir;
    char *name;  /* in dir; NULL: dir itself (a root to be filled) */
    bool inside; /* dir is what the user named, and name came from the source */
    char *shown; /* for messages */
};
/* name NULL: the source has none, so that its contents go into the directory. */
int destination_find(struct cli *cli, const struct place *place, const char *name,
                     struct destination *out);
void destination_free(struct destination *destination);

#endif
