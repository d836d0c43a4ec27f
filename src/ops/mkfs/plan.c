// SPDX-License-Identifier: GPL-2.0-or-later
/* From options to a plan: defaults, contradictions, uuids. */
#include <string.h>

#include "ops/mkfs/internal.h"

#define NODESIZE_DEFAULT (16 * KIB)
#define SECTORSIZE_DEFAULT SECTOR_SIZE_MIN
#define PROFILE_SINGLE 0ULL
/* Linux sets BIG_METADATA on nodes larger than the page of the machines it began on. */
#define NODESIZE_SMALL 4096

static int decide_features(const struct mkfs_options *options, uint32_t *out)
{
    uint32_t needed = MKFS_NO_HOLES | MKFS_FREE_SPACE_TREE;
    uint32_t features = (MKFS_FEATURES_DEFAULT | options->features_on) & ~options->features_off;

    if ((features & MKFS_BLOCK_GROUP_TREE) && (features & needed) != needed) {
        if (options->features_on & MKFS_BLOCK_GROUP_TREE)
            return fail(-EINVAL, "block group tree requires no-holes and free-space-tree features");
        features &= ~MKFS_BLOCK_GROUP_TREE;
    }
    if ((features & MKFS_QUOTA) && (features & MKFS_SIMPLE_QUOTA))
        return fail(-EINVAL, "quota and squota exclude each other");
    *out = features;
    return 0;
}

static bool size_allowed(uint32_t size)
{
    return is_pow2(size) && size >= SECTOR_SIZE_MIN && size <= NODE_SIZE_MAX;
}

static int decide_sizes(const struct mkfs_options *options, struct plan *plan)
{
    bool mixed = plan_has(plan, MKFS_MIXED_BG);

    plan->sectorsize = options->sectorsize ? options->sectorsize : SECTORSIZE_DEFAULT;
    if (!size_allowed(plan->sectorsize))
        return fail(-EINVAL, "illegal sectorsize %u (a power of two from %d to %d)",
                    plan->sectorsize, SECTOR_SIZE_MIN, NODE_SIZE_MAX);
    plan->nodesize = options->nodesize ? options->nodesize
                     : mixed           ? plan->sectorsize
                                       : MAX((uint32_t)NODESIZE_DEFAULT, plan->sectorsize);
    if (!size_allowed(plan->nodesize))
        return fail(-EINVAL, "illegal nodesize %u (a power of two from %d to %d)", plan->nodesize,
                    NODE_SIZE_MIN, NODE_SIZE_MAX);
    if (plan->nodesize < plan->sectorsize)
        return fail(-EINVAL, "illegal nodesize %u (smaller than %u)", plan->nodesize,
                    plan->sectorsize);
    if (mixed && plan->nodesize != plan->sectorsize)
        return fail(-EINVAL, "illegal nodesize %u (not equal to %u for mixed block group)",
                    plan->nodesize, plan->sectorsize);
    return 0;
}

static uint64_t profile_bits(enum mkfs_profile given, enum mkfs_profile otherwise)
{
    enum mkfs_profile profile = given == MKFS_PROFILE_DEFAULT ? otherwise : given;

    return profile == MKFS_PROFILE_DUP ? BG_DUP : PROFILE_SINGLE;
}

/* In mixed block groups what is given for one holds for both. */
static int decide_profiles(const struct mkfs_options *options, const struct plan *plan,
                           uint64_t *meta, uint64_t *data)
{
    if (!plan_has(plan, MKFS_MIXED_BG)) {
        *meta = profile_bits(options->meta, MKFS_PROFILE_DUP);
        *data = profile_bits(options->data, MKFS_PROFILE_SINGLE);
        return 0;
    }
    *meta = profile_bits(options->meta, options->data);
    *data = profile_bits(options->data, options->meta);
    if (*meta != *data)
        return fail(-EINVAL, "with mixed block groups data and metadata profiles must be the same");
    return 0;
}

static int decide_label(const struct mkfs_options *options, struct plan *plan)
{
    plan->label = options->label ? options->label : "";
    if (strlen(plan->label) >= SUPER_LABEL_MAX)
        return fail(-EINVAL, "label %s is too long (max %d)", plan->label, SUPER_LABEL_MAX - 1);
    if (strchr(plan->label, '\n'))
        return fail(-EINVAL, "label contains a newline");
    return 0;
}

/* A random uuid (RFC 4122, version 4), unless one is given. */
static struct uuid uuid_or_random(struct env *env, const struct uuid *given)
{
    struct uuid uuid;

    if (given && !uuid_is_null(given))
        return *given;
    env_random(env, uuid.b, sizeof(uuid.b));
    uuid.b[6] = (uint8_t)((uuid.b[6] & 0x0f) | 0x40);
    uuid.b[8] = (uint8_t)((uuid.b[8] & 0x3f) | 0x80);
    return uuid;
}

int plan_make(struct env *env, const struct dev *dev, const struct mkfs_options *options,
              struct plan *out)
{
    struct plan plan = {.csum = options->csum};
    uint64_t meta, data;

    TRY(decide_features(options, &plan.features));
    TRY(decide_sizes(options, &plan));
    TRY(decide_label(options, &plan));
    TRY(decide_profiles(options, &plan, &meta, &data));
    if (options->size > dev->size)
        return fail(-EINVAL, "%s: %llu bytes, smaller than the %llu asked for", dev_label(dev),
                    LLU(dev->size), LLU(options->size));
    plan.total_bytes = round_down_to(options->size ? options->size : dev->size, plan.sectorsize);
    plan.fsid = uuid_or_random(env, &options->fsid);
    plan.device_uuid = uuid_or_random(env, &options->device_uuid);
    plan.chunk_tree_uuid = uuid_or_random(env, NULL);
    plan.subvol_uuid = uuid_or_random(env, NULL);
    plan.now = env_now(env);
    TRY(plan_chunks(&plan, dev_label(dev), meta, data));
    *out = plan;
    return 0;
}

static uint64_t incompat_bits(const struct plan *plan)
{
    uint64_t bits = INCOMPAT_MIXED_BACKREF;

    if (plan_has(plan, MKFS_MIXED_BG))
        bits |= INCOMPAT_MIXED_GROUPS;
    if (plan_has(plan, MKFS_EXTREF))
        bits |= INCOMPAT_EXTENDED_IREF;
    if (plan_has(plan, MKFS_SKINNY_METADATA))
        bits |= INCOMPAT_SKINNY_METADATA;
    if (plan_has(plan, MKFS_NO_HOLES))
        bits |= INCOMPAT_NO_HOLES;
    if (plan_has(plan, MKFS_SIMPLE_QUOTA))
        bits |= INCOMPAT_SIMPLE_QUOTA;
    if (plan->nodesize > NODESIZE_SMALL)
        bits |= INCOMPAT_BIG_METADATA;
    return bits;
}

static uint64_t compat_ro_bits(const struct plan *plan)
{
    uint64_t bits = 0;

    if (plan_has(plan, MKFS_FREE_SPACE_TREE))
        bits |= COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID;
    if (plan_has(plan, MKFS_BLOCK_GROUP_TREE))
        bits |= COMPAT_RO_BLOCK_GROUP_TREE;
    return bits;
}

static struct dev_item device_item(const struct plan *plan)
{
    return (struct dev_item){
        .devid = 1,
        .total_bytes = plan->total_bytes,
        .bytes_used = plan->device_used,
        .io_align = plan->sectorsize,
        .io_width = plan->sectorsize,
        .sector_size = plan->sectorsize,
        .uuid = plan->device_uuid,
        .fsid = plan->fsid,
    };
}

struct super plan_super(const struct plan *plan)
{
    struct super super = {
        .fsid = plan->fsid,
        .flags = SUPER_FLAG_WRITTEN,
        .magic = SUPER_MAGIC,
        .generation = MKFS_GENERATION,
        .total_bytes = plan->total_bytes,
        .root_dir_objectid = ROOT_TREE_DIR,
        .num_devices = 1,
        .sectorsize = plan->sectorsize,
        .nodesize = plan->nodesize,
        .leafsize = plan->nodesize,
        .stripesize = plan->sectorsize,
        .chunk_root_generation = MKFS_GENERATION,
        .compat_ro_flags = compat_ro_bits(plan),
        .incompat_flags = incompat_bits(plan),
        .csum_type = (uint16_t)plan->csum,
        .dev_item = device_item(plan),
        /* What tells Linux to keep a v1 cache where there is no tree. */
        .cache_generation = plan_has(plan, MKFS_FREE_SPACE_TREE) ? 0 : UINT64_MAX,
        .uuid_tree_generation = MKFS_GENERATION,
    };

    memcpy(super.label.b, plan->label, strlen(plan->label));
    return super;
}
