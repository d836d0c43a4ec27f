// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sizes and places of the first chunks.
 *
 * The sizes and the least sizes of devices are those of mkfs.btrfs 6.14. The places are not: it
 * leaves holes where its temporary chunks were, here they follow each other.
 */
#include "ops/mkfs/internal.h"

#define SYSTEM_SINGLE (4 * MIB)
#define SYSTEM_DUP (8 * MIB)
#define SINGLE_MAX (8 * MIB)
#define DUP_META_MIN (32 * MIB)
#define DUP_DATA_MIN (64 * MIB)
#define DUP_MAX (256 * MIB)
#define DUP_MAX_LARGE (1 * GIB)
#define LARGE_DEVICE (50 * GIB)
/* A chunk takes at most a tenth of the device. */
#define SHARE 10

#define DEVICE_MIN_MIXED (16 * MIB)
#define DEVICE_MIN_SINGLE (45 * MIB)
#define DEVICE_MIN_DUP (109 * MIB)

/* Logical length of a chunk of this type and profile that is not a system chunk. */
static uint64_t chunk_length(const struct plan *plan, uint64_t type)
{
    uint64_t share = plan->total_bytes / SHARE;
    uint64_t max = plan->total_bytes > LARGE_DEVICE ? DUP_MAX_LARGE : DUP_MAX;
    uint64_t min = type & BG_DATA ? DUP_DATA_MIN : DUP_META_MIN;

    if (!(type & BG_DUP))
        return round_down_to(MIN(share, SINGLE_MAX), STRIPE_LEN);
    if (share >= max)
        return max;
    return MAX(min, round_down_to(share / 2, STRIPE_LEN));
}

/* Appends a chunk behind those before it, logically and on the device. */
static void append_chunk(struct plan *plan, uint64_t type, uint64_t length)
{
    unsigned stripes = type & BG_DUP ? 2 : 1;
    struct chunk_map *chunk = &plan->chunks[plan->chunk_count];
    const struct chunk_map *before = chunk - 1;

    *chunk = (struct chunk_map){
        .logical = plan->chunk_count ? before->logical + before->length : DEV_RESERVED,
        .length = length,
        .type = type,
        .stripe_len = STRIPE_LEN,
        .num_stripes = (uint16_t)stripes,
        .sub_stripes = 1,
    };
    for (unsigned i = 0; i < stripes; i++) {
        chunk->stripes[i].devid = 1;
        chunk->stripes[i].offset = DEV_RESERVED + plan->device_used;
        plan->device_used += length;
    }
    plan->chunk_count++;
}

static uint64_t device_min(const struct plan *plan, uint64_t meta_profile)
{
    uint64_t usual = plan_has(plan, MKFS_MIXED_BG) ? DEVICE_MIN_MIXED
                     : meta_profile == BG_DUP      ? DEVICE_MIN_DUP
                                                   : DEVICE_MIN_SINGLE;

    return MAX(usual, DEV_RESERVED + plan->device_used);
}

int plan_chunks(struct plan *plan, const char *label, uint64_t meta_profile, uint64_t data_profile)
{
    uint64_t system = BG_SYSTEM | meta_profile;
    uint64_t meta = BG_METADATA | meta_profile;
    uint64_t data = BG_DATA | data_profile;
    uint64_t min;

    plan->chunk_count = 0;
    plan->device_used = 0;
    append_chunk(plan, system, system & BG_DUP ? SYSTEM_DUP : SYSTEM_SINGLE);
    if (plan_has(plan, MKFS_MIXED_BG)) {
        append_chunk(plan, meta | data, chunk_length(plan, meta | data));
    } else {
        append_chunk(plan, meta, chunk_length(plan, meta));
        append_chunk(plan, data, chunk_length(plan, data));
    }
    min = device_min(plan, meta_profile);
    if (plan->total_bytes < min)
        return fail(-EINVAL,
                    "%s: %llu bytes are too small to make a usable filesystem, the minimum is %llu",
                    label, LLU(plan->total_bytes), LLU(min));
    return 0;
}
