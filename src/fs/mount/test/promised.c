// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise 1, of metadata: what the first change after a snapshot takes beyond what was promised is
 * promised before anything else begins. A leaf of file extents is changed whose extents stand in
 * as many leaves of the extent tree: copying it gives each of them another reference.
 */
#include "fs/mount/test/bed.h"

#define EXTENTS 40000U
#define STEP 24721U /* has no factor in common with it, and is about its golden section */
#define FILES 2U
#define SECTOR 4096U

struct world {
    struct bed bed;
    struct inode *packed, *mixed[FILES];
};

static void make_extents(struct world *w)
{
    /* A sector apart, so that no two become one. */
    for (uint64_t i = 0; i < EXTENTS; i++)
        ok(file_fallocate(w->packed, 0, 2 * i * SECTOR, SECTOR));
}

/* Neighbours in these files are far from each other in the extent tree. */
static void mix_extents(struct world *w)
{
    for (uint64_t i = 0, at = 0; i < EXTENTS; i++, at = (at + STEP) % EXTENTS)
        ok(file_clone_range(w->packed, 2 * at * SECTOR, SECTOR, w->mixed[i * FILES / EXTENTS],
                            2 * (i % (EXTENTS / FILES)) * SECTOR));
}

static void world_new(struct world *w)
{
    bed_new(&w->bed, GIB);
    w->packed = bed_file(&w->bed, "packed");
    for (unsigned i = 0; i < FILES; i++)
        w->mixed[i] = bed_file(&w->bed, i == 0 ? "mixed" : "more");
    make_extents(w);
    mix_extents(w);
    ok(mount_sync(w->bed.m));
}

static void world_free(struct world *w)
{
    inode_put(w->packed);
    for (unsigned i = 0; i < FILES; i++)
        inode_put(w->mixed[i]);
    bed_free(&w->bed);
}

static void snapshot(struct world *w)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct inode *out;

    ok(mount_subvol_snapshot(w->bed.m, w->bed.m->root, w->bed.m->root, "snap", 4, &options, &out));
    mount_put(w->bed.m, out);
    ok(mount_sync(w->bed.m));
}

static void a_shared_leaf_is_paid_for(void **state)
{
    struct store_promised promised;
    struct copse_stat st = {.size = 0};
    struct world w;

    (void)state;
    world_new(&w);
    snapshot(&w);
    for (unsigned i = 0; i < FILES; i++)
        ok(mount_setattr(w.bed.m, w.mixed[i], COPSE_SET_MTIME, &st));
    ok(mount_sync(w.bed.m));
    store_promised(w.bed.m->fs.store, &promised);
    assert_int_equal(promised.overdrawn, 0);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_leaf_is_paid_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
