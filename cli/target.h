// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TARGET and TARGET:/path on the command line.
 *
 * DEV[,DEV…] names a file system. The path begins at the first ":/" that is not "://"; `T:` means
 * `T:/`. In the part before it a backslash takes the meaning off a comma, a colon or a backslash.
 */
#ifndef COPSE_CLI_TARGET_H
#define COPSE_CLI_TARGET_H

#include <stdbool.h>

struct target {
    char **devices;
    unsigned count;
    char *path; /* with leading '/'; NULL: none was given */
};

void target_parse(const char *text, struct target *out);
void target_free(struct target *target);
/* Whether text has a path in it, so that it cannot be a plain path. */
bool target_has_path(const char *text);
/* The devices as one name for messages, to be freed. */
char *target_name(const struct target *target);

#endif
