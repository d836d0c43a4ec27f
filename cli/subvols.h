// SPDX-License-Identifier: GPL-2.0-or-later
/* subvols: the subvolumes of a file system, kept while a command prints them. */
#ifndef COPSE_CLI_SUBVOLS_H
#define COPSE_CLI_SUBVOLS_H

#include <time.h>

#include "text.h"
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

#define SUBVOL_TOP_LEVEL 5
#define SUBVOL_READONLY 1

bool subvol_is_snapshot(const struct copse_subvol *subvol);
/* "2026-11-20 16:19:45", or "-" for none. */
const char *time_or_dash(const struct timespec *time, const char *format, char buf[TIME_TEXT_MAX]);
struct json_object;
struct json_object *subvol_json(const struct copse_subvol *subvol);

#endif
