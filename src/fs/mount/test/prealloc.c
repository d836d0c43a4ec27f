// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises 1 and 2: while fallocate allocates, what of the rest is its own may change: where a log
 * tree has an extent, dropping one part of it means that the log shares the others. What is
 * allocated in place of those is promised, too: never more is taken than was asked for.
 */
#include "base/test/unit.h"

#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"

#define SECTOR 4096U
#define SECTORS 8U

static const struct copse_cred root_cred;

struct world {
    struct env *env;
    struct dev *disk;
    struct mount *m;
    struct inode *file;
};

static void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

static void world_new(struct world *w)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct mkfs_options made = MKFS_OPTIONS_INIT;

    *w = (struct world){.env = env_seeded_new(1), .disk = dev_mem_new(GIB)};
    ok(mkfs_run(w->env, w->disk, &made, NULL));
    struct dev *dev = dev_borrow(w->disk);
    ok(mount_open(w->env, &dev, 1, &options, &w->m));
    ok(mount_mknod(w->m, w->m->root, "file", 4, S_IFREG | 0644, 0, &root_cred, &w->file));
}

static void world_free(struct world *w)
{
    inode_put(w->file);
    ok(mount_close(w->m));
    dev_close(w->disk);
    env_seeded_free(w->env);
}

/* One unwritten extent, its second sector written; a log tree has it. */
static void make_parts(struct world *w)
{
    static const uint8_t sector[SECTOR] = {1};
    size_t done;

    ok(mount_sync(w->m));
    ok(file_fallocate(w->file, 0, 0, (uint64_t)SECTORS * SECTOR));
    ok(mount_pwrite(w->m, w->file, sector, SECTOR, SECTOR, &done));
    ok(mount_fsync(w->m, w->file, false));
}

static void more_may_be_missing_than_was_seen(void **state)
{
    struct store_promised promised;
    struct world w;

    (void)state;
    world_new(&w);
    make_parts(&w);
    ok(file_fallocate(w.file, FALLOC_FL_ZERO_RANGE, 0, (uint64_t)SECTORS * SECTOR));
    ok(mount_sync(w.m));
    store_promised(w.m->fs.store, &promised);
    assert_int_equal(promised.data_bytes, 0);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_may_be_missing_than_was_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
