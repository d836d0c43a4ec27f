// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: a rename that fails has renamed nothing, also when what fails is the whiteout that it
 * should leave behind.
 */
#include "base/test/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"

static const struct copse_cred root_cred;

struct world {
    struct env *env;
    struct dev *disk;
    struct mount *m;
    struct inode *a, *b; /* directories */
};

static void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

static void world_open(struct world *w)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(w->disk);

    ok(mount_open(w->env, &dev, 1, &options, &w->m));
}

static void world_new(struct world *w)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct inode *file;

    *w = (struct world){.env = env_seeded_new(1), .disk = dev_mem_new(256 * MIB)};
    assert_non_null(w->disk);
    ok(mkfs_run(w->env, w->disk, &options, NULL));
    world_open(w);
    ok(mount_mkdir(w->m, w->m->root, "a", 1, 0755, &root_cred, &w->a));
    ok(mount_mkdir(w->m, w->m->root, "b", 1, 0755, &root_cred, &w->b));
    ok(mount_mknod(w->m, w->a, "file", 4, S_IFREG | 0644, 0, &root_cred, &file));
    inode_put(file);
}

static void world_free(struct world *w)
{
    inode_put(w->a);
    inode_put(w->b);
    ok(mount_close(w->m));
    dev_close(w->disk);
    env_seeded_free(w->env);
}

static uint32_t mode_of(struct world *w, struct inode *dir, const char *name)
{
    struct inode *inode;

    if (mount_lookup(w->m, dir, name, strlen(name), &inode) < 0)
        return 0;
    uint32_t mode = inode->item.mode;
    inode_put(inode);
    return mode;
}

static int rename_with_whiteout(struct world *w, struct inode *to)
{
    return mount_rename(w->m, w->a, "file", 4, to, "new", 3, COPSE_RENAME_WHITEOUT);
}

static void a_whiteout_stands_where_the_name_was(void **state)
{
    struct world w;

    (void)state;
    world_new(&w);
    ok(rename_with_whiteout(&w, w.b));
    assert_int_equal(mode_of(&w, w.a, "file"), S_IFCHR);
    assert_int_equal(mode_of(&w, w.b, "new"), S_IFREG | 0644);
    ok(mount_sync(w.m));
    world_free(&w);
}

/* The directory has one index left: for the whiteout, but not for the new name as well. */
static void without_a_whiteout_there_is_no_rename(void **state)
{
    struct world w;

    (void)state;
    world_new(&w);
    for (int same = 0; same < 2; same++) {
        w.a->dir_next_index = UINT64_MAX - (uint64_t)same;
        assert_int_equal(rename_with_whiteout(&w, same ? w.a : w.b), -ENOSPC);
        assert_int_equal(mode_of(&w, w.a, "file"), S_IFREG | 0644);
        assert_int_equal(mode_of(&w, w.a, "new"), 0);
        assert_int_equal(mode_of(&w, w.b, "new"), 0);
    }
    /* Nothing nameless was left behind, and the file system goes on. */
    w.a->dir_next_index = 0;
    ok(mount_sync(w.m));
    ok(rename_with_whiteout(&w, w.b));
    world_free(&w);
}

/* What the whiteout was to be gives way when the name cannot move. */
static void without_a_rename_there_is_no_whiteout(void **state)
{
    struct world w;
    uint64_t ino;

    (void)state;
    world_new(&w);
    w.b->dir_next_index = UINT64_MAX;
    assert_int_equal(rename_with_whiteout(&w, w.b), -ENOSPC);
    w.b->dir_next_index = 0;
    assert_int_equal(mode_of(&w, w.a, "file"), S_IFREG | 0644);
    assert_int_equal(orphan_next(w.a->tree, 0, &ino), -ENOENT);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whiteout_stands_where_the_name_was),
        cmocka_unit_test(without_a_whiteout_there_is_no_rename),
        cmocka_unit_test(without_a_rename_there_is_no_whiteout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
