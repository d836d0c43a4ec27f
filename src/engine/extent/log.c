// SPDX-License-Identifier: GPL-2.0-or-later
/* Blocks of log trees: they have no references, and live until the next commit at most. */
#include "engine/extent/internal.h"

uint64_t extents_log_bytes(const struct extents *extents)
{
    return extents->log_blocks.bytes;
}

int extents_drop_logs(struct extents *extents)
{
    uint64_t nodesize = extents->engine->nodesize;
    struct range range;

    while (rangeset_next(&extents->log_blocks, 0, &range)) {
        for (uint64_t at = 0; at < range.len; at += nodesize)
            forest_forget(extents->engine->forest, range.start + at);
        TRY(space_alloc_pin(extents->space, range.start, range.len));
        TRY(rangeset_remove(&extents->log_blocks, range.start, range.len));
    }
    return 0;
}
