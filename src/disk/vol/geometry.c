// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How chunks lie on devices. Reading, writing, repair and discard all ask here, so a profile is
 * described once.
 *
 * Single and DUP share one rule: stripe i holds copy i of every byte, in order.
 */
#include "disk/vol/vol_internal.h"

int geometry_check(const struct chunk_map *chunk)
{
    uint64_t profile = chunk->type & BG_PROFILE_MASK;
    unsigned stripes = profile == BG_DUP ? 2 : 1;

    if (profile & ~BG_DUP)
        return fail(-EOPNOTSUPP, "chunk %llu: its RAID profile (flags 0x%llx) is not supported",
                    LLU(chunk->logical), LLU(chunk->type));
    if (chunk->num_stripes != stripes)
        return fail(-EUCLEAN, "chunk %llu: %u stripes, expected %u", LLU(chunk->logical),
                    chunk->num_stripes, stripes);
    return 0;
}

unsigned geometry_mirrors(const struct chunk_map *chunk)
{
    return chunk->num_stripes;
}

uint64_t geometry_stripe_length(const struct chunk_map *chunk)
{
    return chunk->length;
}

void geometry_map(const struct chunk_map *chunk, uint64_t addr, uint64_t len, struct geometry *out)
{
    uint64_t offset = addr - chunk->logical;

    INVARIANT(addr >= chunk->logical && offset < chunk->length && len > 0,
              "only addresses of the chunk are asked for");
    out->len = MIN(len, chunk->length - offset);
    out->mirrors = chunk->num_stripes;
    for (unsigned i = 0; i < out->mirrors; i++) {
        out->at[i].devid = chunk->stripes[i].devid;
        out->at[i].physical = chunk->stripes[i].offset + offset;
    }
}

bool geometry_unmap(const struct chunk_map *chunk, unsigned stripe, uint64_t physical, uint64_t len,
                    uint64_t *logical, uint64_t *logical_len)
{
    uint64_t begin = MAX(physical, chunk->stripes[stripe].offset);
    uint64_t end = MIN(physical + len, chunk->stripes[stripe].offset + chunk->length);

    if (begin >= end)
        return false;
    *logical = chunk->logical + (begin - chunk->stripes[stripe].offset);
    *logical_len = end - begin;
    return true;
}
