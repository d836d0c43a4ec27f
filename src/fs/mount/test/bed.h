// SPDX-License-Identifier: GPL-2.0-or-later
/* A file system in memory, mounted, for the tests of this module. */
#ifndef COPSE_FS_MOUNT_TEST_BED_H
#define COPSE_FS_MOUNT_TEST_BED_H

#include "base/test/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"

static const struct copse_cred root_cred;

struct bed {
    struct env *env;
    struct dev *disk; /* outlives every mount */
    struct mount *m;
};

static inline void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

static inline void bed_open(struct bed *bed)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(bed->disk);

    ok(mount_open(bed->env, &dev, 1, &options, &bed->m));
}

static inline void bed_new(struct bed *bed, uint64_t size)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    *bed = (struct bed){.env = env_seeded_new(1), .disk = dev_mem_new(size)};
    assert_non_null(bed->disk);
    ok(mkfs_run(bed->env, bed->disk, &options, NULL));
    bed_open(bed);
}

static inline void bed_free(struct bed *bed)
{
    ok(mount_close(bed->m));
    dev_close(bed->disk);
    env_seeded_free(bed->env);
}

/* In the top directory; the caller puts it. */
static inline struct inode *bed_file(struct bed *bed, const char *name)
{
    struct inode *file;

    ok(mount_mknod(bed->m, bed->m->root, name, strlen(name), S_IFREG | 0644, 0, &root_cred, &file));
    return file;
}

#endif
