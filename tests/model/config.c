// SPDX-License-Identifier: GPL-2.0-or-later
/* Which file system a seed makes. */
#include "tests/model/world.h"

#include "base/bits.h"

static uint64_t one_of(struct rng *rng, const uint64_t *values, size_t count)
{
    return values[rng_below(rng, count)];
}

static void choose_features(struct config *config, struct rng *rng)
{
    static const uint32_t optional[] = {MKFS_NO_HOLES, MKFS_FREE_SPACE_TREE, MKFS_BLOCK_GROUP_TREE,
                                        MKFS_SKINNY_METADATA, MKFS_EXTREF};
    uint32_t off = 0;

    for (size_t i = 0; i < ARRAY_LEN(optional); i++)
        if (rng_below(rng, 4) == 0)
            off |= optional[i];
    if (off & (MKFS_FREE_SPACE_TREE | MKFS_NO_HOLES))
        off |= MKFS_BLOCK_GROUP_TREE; /* needs them */
    config->mkfs.features_off = off;
    if (rng_below(rng, 5) == 0)
        config->mkfs.features_on |= MKFS_MIXED_BG;
}

static void choose_sizes(struct config *config, struct rng *rng)
{
    static const uint64_t nodes[] = {4, 4, 4, 8, 16, 16, 32, 64};
    static const uint64_t sectors[] = {4, 4, 4, 4, 4, 4, 4, 8, 16, 64};
    static const uint64_t caches[] = {256 * KIB, MIB, 4 * MIB, 64 * MIB};
    uint32_t sector = (uint32_t)(one_of(rng, sectors, ARRAY_LEN(sectors)) * KIB);
    uint32_t node = (uint32_t)(one_of(rng, nodes, ARRAY_LEN(nodes)) * KIB);

    config->mkfs.sectorsize = sector;
    config->mkfs.nodesize = MAX(node, sector);
    if (config->mkfs.features_on & MKFS_MIXED_BG)
        config->mkfs.nodesize = sector;
    config->cache_bytes = one_of(rng, caches, ARRAY_LEN(caches));
    config->far = rng_below(rng, 8) == 0 ? 1ULL << 42 : 4 * MIB;
}

/* Either far more than a run writes, or hardly more than mkfs wants. */
static void choose_device(struct config *config, struct rng *rng)
{
    bool mixed = config->mkfs.features_on & MKFS_MIXED_BG;
    bool dup = config->mkfs.data == MKFS_PROFILE_DUP;
    uint64_t least = mixed ? (dup ? 160 : 18) : (dup ? 224 : 112);

    config->tight = rng_below(rng, 4) == 0;
    config->device_bytes = config->tight ? (least + rng_below(rng, 32)) * MIB : 2 * GIB;
}

static void describe(struct config *config)
{
    snprintf(config->text, sizeof(config->text),
             "%llu MiB, node %u, sector %u, csum %d, data %d, meta %d, on %#x, off %#x, cache %llu "
             "KiB%s%s%s%s",
             (unsigned long long)(config->device_bytes / MIB), config->mkfs.nodesize,
             config->mkfs.sectorsize, (int)config->mkfs.csum, (int)config->mkfs.data,
             (int)config->mkfs.meta, config->mkfs.features_on, config->mkfs.features_off,
             (unsigned long long)(config->cache_bytes / KIB),
             config->full    ? ", kept full"
             : config->tight ? ", tight"
                             : "",
             config->many_names ? ", many names" : "", config->nodatacow ? ", nodatacow" : "",
             config->subvols ? ", snapshots" : "");
}

void config_choose(struct config *config, uint64_t seed)
{
    struct rng rng;

    rng_seed(&rng, seed ^ 0x636f6e666967ULL);
    *config = (struct config){.mkfs = MKFS_OPTIONS_INIT};
    config->mkfs.csum = (enum csum_type)rng_below(&rng, 4);
    choose_features(config, &rng);
    choose_sizes(config, &rng);
    config->mkfs.data = rng_below(&rng, 6) == 0 ? MKFS_PROFILE_DUP : MKFS_PROFILE_SINGLE;
    config->mkfs.meta = rng_below(&rng, 3) == 0 ? MKFS_PROFILE_SINGLE : MKFS_PROFILE_DUP;
    if (config->mkfs.features_on & MKFS_MIXED_BG)
        config->mkfs.meta = config->mkfs.data;
    choose_device(config, &rng);
    config->many_names = rng_below(&rng, 3) == 0;
    config->nodatacow = rng_below(&rng, 5) == 0;
    config->subvols = rng_below(&rng, 2) == 0;
    describe(config);
}

/*
 * 16 to 512 MiB mixed, from 64 MiB with one copy of the metadata, from 110 MiB with two; mostly
 * near the lower end, where there is least room to be wrong.
 */
void config_choose_full(struct config *config, uint64_t seed)
{
    struct rng rng;

    config_choose(config, seed);
    rng_seed(&rng, seed ^ 0x66756c6cULL);
    bool mixed = config->mkfs.features_on & MKFS_MIXED_BG;
    config->mkfs.data = MKFS_PROFILE_SINGLE;
    if (mixed)
        config->mkfs.meta = MKFS_PROFILE_SINGLE;
    uint64_t least = mixed ? 16 : config->mkfs.meta == MKFS_PROFILE_DUP ? 110 : 64;
    uint64_t span = rng_below(&rng, 4) == 0 ? 512 - least : 32;

    config->device_bytes = (least + rng_below(&rng, span + 1)) * MIB;
    config->tight = config->full = true;
    config->far = 4 * MIB;
    describe(config);
}
