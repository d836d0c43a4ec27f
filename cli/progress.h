// SPDX-License-Identifier: GPL-2.0-or-later
/* A bar on standard error, when that is a terminal. */
#ifndef COPSE_CLI_PROGRESS_H
#define COPSE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    uint64_t total; /* bytes, 0: not known */
    uint64_t done;
    uint64_t started_ns, drawn_ns;
};

/* quiet: never shown. */
void progress_start(struct progress *progress, bool quiet);
void progress_add(struct progress *progress, uint64_t bytes);
/* Takes the bar away. */
void progress_end(struct progress *progress);

#endif
