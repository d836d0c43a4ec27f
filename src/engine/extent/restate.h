// SPDX-License-Identifier: GPL-2.0-or-later
/* The extent tree told anew what it should say of one extent; for repair. */
#ifndef COPSE_ENGINE_EXTENT_RESTATE_H
#define COPSE_ENGINE_EXTENT_RESTATE_H

#include "engine/extent/extent.h"

struct extent_restated {
    uint64_t bytenr, num_bytes;
    bool data;
    uint8_t level;
    uint64_t flags;                /* BLOCK_FLAG_* */
    uint64_t generation;           /* 0: what the old item says, or that of the last commit */
    const struct extent_ref *refs; /* each once, in the order of types */
    size_t count;                  /* 0: the extent is gone */
};

/*
 * Replaces all items of the extent. The state of its space is the caller's affair, and that all
 * extents of which something is pending are told the truth of before anything is run.
 */
int extent_restate(struct extents *extents, const struct extent_restated *what) MUST_USE;

#endif
