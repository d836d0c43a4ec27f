// SPDX-License-Identifier: GPL-2.0-or-later
/* subvols: the subvolumes of a file system, kept while a command prints them. */
#ifndef COPSE_CLI_SUBVOLS_H
#define COPSE_CLI_SUBVOLS_H

#include "volume.h"

struct subvols {
    struct copse_subvol *list; /* paths are owned */
    size_t count, room;
};

/* Complains. */
int subvols_load(struct cli *cli, const struct place *place, struct subvols *out);
void subvols_free(struct subvols *subvols);
const struct copse_subvol *subvols_find(const struct subvols *subvols, uint64_t id);

/* The subvolume that a path given to a command is in; is_root: the path is its root. Complains. */
int subvol_of_place(struct cli *cli, const struct place *place, uint64_t *id, bool *is_root);

#endif
