// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise 1, of metadata: what the first change after a snapshot takes beyond what was promised is
 * promised before anything else begins. A leaf of file extents is changed whose extents stand in
 * as many leaves of the extent tree: copying it gives each of them another reference.
 */
#include "base/test/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"

#define EXTENTS 40000U
#define STEP 24721U /* has no factor in common with it, and is about its golden section */
#define FILES 2U
#define SECTOR 4096U

static const struct copse_cred root_cred;

struct world {
    struct env *env;
    struct dev *disk;
    struct mount *m;
    struct inode *packed, *mixed[FILES];
};

static void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

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

static struct inode *new_file(struct world *w, const char *name)
{
    struct inode *file;

    ok(mount_mknod(w->m, w->m->root, name, strlen(name), S_IFREG | 0644, 0, &root_cred, &file));
    return file;
}

static void world_new(struct world *w)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct mkfs_options made = MKFS_OPTIONS_INIT;

    *w = (struct world){.env = env_seeded_new(1), .disk = dev_mem_new(GIB)};
    ok(mkfs_run(w->env, w->disk, &made, NULL));
    struct dev *dev = dev_borrow(w->disk);
    ok(mount_open(w->env, &dev, 1, &options, &w->m));
    w->packed = new_file(w, "packed");
    for (unsigned i = 0; i < FILES; i++)
        w->mixed[i] = new_file(w, i == 0 ? "mixed" : "more");
    make_extents(w);
    mix_extents(w);
    ok(mount_sync(w->m));
}

static void world_free(struct world *w)
{
    inode_put(w->packed);
    for (unsigned i = 0; i < FILES; i++)
        inode_put(w->mixed[i]);
    ok(mount_close(w->m));
    dev_close(w->disk);
    env_seeded_free(w->env);
}

static void snapshot(struct world *w)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct inode *out;

    ok(mount_subvol_snapshot(w->m, w->m->root, w->m->root, "snap", 4, &options, &out));
    mount_put(w->m, out);
    ok(mount_sync(w->m));
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
        ok(mount_setattr(w.m, w.mixed[i], COPSE_SET_MTIME, &st));
    ok(mount_sync(w.m));
    store_promised(w.m->fs.store, &promised);
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
