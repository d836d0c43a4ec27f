// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards: no tree block of a new file system lies under a superblock copy, or outside its chunk. */
#include "base/test/unit.h"

#include "ops/mkfs/internal.h"

#define NODESIZE 16384

static void around_superblocks(void **state)
{
    /* The copy at 64 MiB lies 40 KiB into the chunk. */
    struct chunk_map chunk = {
        .logical = MIB,
        .length = 256 * KIB,
        .type = BG_METADATA,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 1,
        .sub_stripes = 1,
        .stripes = {{1, 64 * MIB - 40 * KIB}},
    };
    static const uint64_t expected[] = {0, 16, 112, 128, 144, 160, 176, 192, 208, 224, 240};
    struct super super = {.nodesize = NODESIZE, .sectorsize = 4096, .dev_item = {.devid = 1}};
    struct env *env = env_seeded_new(1);
    struct bootstrap bootstrap = {0};
    struct root root = {.id = TREE_FS};
    uint64_t bytenr;

    (void)state;
    assert_int_equal(vol_new(env, dev_mem_new(GIB), &super, &bootstrap.vol), 0);
    assert_int_equal(vol_add_chunk(bootstrap.vol, &chunk), 0);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(bootstrap_backing.alloc_block(&bootstrap, &root, 0, NULL, 0, &bytenr), 0);
        assert_int_equal(bytenr, MIB + expected[i] * KIB);
    }
    assert_int_equal(bootstrap_backing.alloc_block(&bootstrap, &root, 0, NULL, 0, &bytenr),
                     -ENOSPC);
    root.id = TREE_CHUNK;
    assert_int_equal(bootstrap_backing.alloc_block(&bootstrap, &root, 0, NULL, 0, &bytenr),
                     -ENOSPC);
    vol_close(bootstrap.vol);
    bootstrap_release(&bootstrap);
    env_seeded_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(around_superblocks)};

    return cmocka_run_group_tests_name("mkfs/bootstrap", tests, NULL, NULL);
}
