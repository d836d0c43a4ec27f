// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: a rename that fails has renamed nothing, also when what fails is the whiteout that it
 * should leave behind.
 */
#include "fs/mount/test/bed.h"

struct world {
    struct bed bed;
    struct inode *a, *b; /* directories */
};

static void world_new(struct world *w)
{
    struct inode *file;

    bed_new(&w->bed, 256 * MIB);
    ok(mount_mkdir(w->bed.m, w->bed.m->root, "a", 1, 0755, &root_cred, &w->a));
    ok(mount_mkdir(w->bed.m, w->bed.m->root, "b", 1, 0755, &root_cred, &w->b));
    ok(mount_mknod(w->bed.m, w->a, "file", 4, S_IFREG | 0644, 0, &root_cred, &file));
    inode_put(file);
}

static void world_free(struct world *w)
{
    inode_put(w->a);
    inode_put(w->b);
    bed_free(&w->bed);
}

static uint32_t mode_of(struct world *w, struct inode *dir, const char *name)
{
    struct inode *inode;

    if (mount_lookup(w->bed.m, dir, name, strlen(name), &inode) < 0)
        return 0;
    uint32_t mode = inode->item.mode;
    inode_put(inode);
    return mode;
}

static int rename_with_whiteout(struct world *w, struct inode *to)
{
    return mount_rename(w->bed.m, w->a, "file", 4, to, "new", 3, COPSE_RENAME_WHITEOUT);
}

static void a_whiteout_stands_where_the_name_was(void **state)
{
    struct world w;

    (void)state;
    world_new(&w);
    ok(rename_with_whiteout(&w, w.b));
    assert_int_equal(mode_of(&w, w.a, "file"), S_IFCHR);
    assert_int_equal(mode_of(&w, w.b, "new"), S_IFREG | 0644);
    ok(mount_sync(w.bed.m));
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
    ok(mount_sync(w.bed.m));
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
