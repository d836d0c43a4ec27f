// SPDX-License-Identifier: GPL-2.0-or-later
/* A volume of one system and one metadata chunk on a memory device, without any trees. */
#ifndef COPSE_DISK_VOL_TEST_FIXTURE_H
#define COPSE_DISK_VOL_TEST_FIXTURE_H

#include "base/test/unit.h"

#include <string.h>

#include "base/env.h"
#include "disk/dev/dev.h"
#include "disk/vol/vol.h"

#define NODESIZE 16384
#define SYSTEM_AT (1 * MIB)
#define META_AT (16 * MIB)
#define META_LEN (8 * MIB)
/* The two stripes of the metadata chunk. */
#define META_STRIPE_0 (16 * MIB)
#define META_STRIPE_1 (32 * MIB)

static inline struct super fixture_super(uint64_t size)
{
    struct super super = {
        .flags = SUPER_FLAG_WRITTEN,
        .magic = SUPER_MAGIC,
        .generation = 7,
        .root = META_AT,
        .chunk_root = SYSTEM_AT,
        .total_bytes = size,
        .bytes_used = 8 * NODESIZE,
        .root_dir_objectid = ROOT_TREE_DIR,
        .num_devices = 1,
        .sectorsize = 4096,
        .nodesize = NODESIZE,
        .leafsize = NODESIZE,
        .stripesize = 4096,
        .incompat_flags = INCOMPAT_MIXED_BACKREF | INCOMPAT_EXTENDED_IREF |
                          INCOMPAT_SKINNY_METADATA | INCOMPAT_NO_HOLES,
        .dev_item =
            {
                .devid = 1,
                .total_bytes = size,
                .bytes_used = 24 * MIB,
                .io_align = 4096,
                .io_width = 4096,
                .sector_size = 4096,
            },
    };

    memset(super.fsid.b, 0xf5, sizeof(super.fsid.b));
    memset(super.dev_item.uuid.b, 0xd1, sizeof(super.dev_item.uuid.b));
    super.dev_item.fsid = super.fsid;
    return super;
}

static inline struct chunk_map fixture_system(void)
{
    return (struct chunk_map){
        .logical = SYSTEM_AT,
        .length = 4 * MIB,
        .type = BG_SYSTEM,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 1,
        .sub_stripes = 1,
        .stripes = {{1, SYSTEM_AT}},
    };
}

static inline struct chunk_map fixture_dup(void)
{
    return (struct chunk_map){
        .logical = META_AT,
        .length = META_LEN,
        .type = BG_METADATA | BG_DUP,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 2,
        .sub_stripes = 1,
        .stripes = {{1, META_STRIPE_0}, {1, META_STRIPE_1}},
    };
}

/* A volume on `dev`, which stays the test's own. */
static inline struct vol *fixture_vol(struct env *env, struct dev *dev, const struct super *super)
{
    struct chunk_map system = fixture_system(), dup = fixture_dup();
    struct vol *vol;

    assert_int_equal(vol_new(env, dev_borrow(dev), super, &vol), 0);
    assert_int_equal(vol_add_chunk(vol, &system), 0);
    assert_int_equal(vol_add_chunk(vol, &dup), 0);
    return vol;
}

/* Writes `super`, and the copies that belong to it, onto dev. */
static inline void fixture_write_supers(struct env *env, struct dev *dev, struct super super)
{
    struct vol *vol = fixture_vol(env, dev, &super);

    assert_int_equal(vol_fill_system_array(vol, &super), 0);
    assert_int_equal(vol_write_supers(vol, &super), 0);
    vol_close(vol);
}

static inline int fixture_open(struct env *env, struct dev *dev, bool readonly, struct vol **out)
{
    struct vol_open_options options = {.readonly = readonly};
    struct dev *view = dev_borrow(dev);

    return vol_open(env, &view, 1, &options, out);
}

#endif
