// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises 1 and 2: while fallocate allocates, what of the rest is its own may change: where a log
 * tree has an extent, dropping one part of it means that the log shares the others. What is
 * allocated in place of those is promised, too: never more is taken than was asked for.
 */
#include "fs/mount/test/bed.h"

#include <linux/falloc.h>

#define SECTOR 4096U
#define SECTORS 8U

/* One unwritten extent, its second sector written; a log tree has it. */
static void make_parts(struct bed *bed, struct inode *file)
{
    static const uint8_t sector[SECTOR] = {1};
    size_t done;

    ok(mount_sync(bed->m));
    ok(file_fallocate(file, 0, 0, (uint64_t)SECTORS * SECTOR));
    ok(mount_pwrite(bed->m, file, sector, SECTOR, SECTOR, &done));
    ok(mount_fsync(bed->m, file, false));
}

static void more_may_be_missing_than_was_seen(void **state)
{
    struct store_promised promised;
    struct bed bed;

    (void)state;
    bed_new(&bed, GIB);
    struct inode *file = bed_file(&bed, "file");
    make_parts(&bed, file);
    ok(file_fallocate(file, FALLOC_FL_ZERO_RANGE, 0, (uint64_t)SECTORS * SECTOR));
    ok(mount_sync(bed.m));
    store_promised(bed.m->fs.store, &promised);
    assert_int_equal(promised.data_bytes, 0);
    inode_put(file);
    bed_free(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_may_be_missing_than_was_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
