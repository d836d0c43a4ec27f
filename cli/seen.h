// SPDX-License-Identifier: GPL-2.0-or-later
/* seen: files with several names, met once already. */
#ifndef COPSE_CLI_SEEN_H
#define COPSE_CLI_SEEN_H

#include <copse/copse.h>
#include <stdbool.h>

struct seen_file;

struct seen {
    struct seen_file *files;
};

/*
 * Whether the file was here before; remembers it if not. *name (may be NULL): in, what to remember
 * with it (copied); out, what was remembered with it when it was here before.
 */
bool seen_before(struct seen *seen, const struct copse_stat *st, const char **name);
/* Only asks. */
bool seen_is_known(const struct seen *seen, const struct copse_stat *st);
void seen_free(struct seen *seen);

#endif
