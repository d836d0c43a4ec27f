// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise 6: an fsync that returns 0 made it durable. Also where another thread's commit has taken
 * the changes, and is not done yet, or failed. And a log commit lets others change things while the
 * device flushes, but no other superblock past its own.
 */
#include "fs/mount/test/bed.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "disk/format/format.h"
#include "fs/fsync/fsync.h"

#define YIELDS 100000 /* for a thread that does not wait to come to its end */

/* A device whose flushes fail, or let another thread do something while they go on. */
struct gate {
    struct dev dev;
    struct dev *lower;
    bool fail, open;
    bool fail_behind; /* once: the flush during which the thread was started */
    bool join;        /* that flush ends when the thread does */
    int (*meanwhile)(struct gate *gate);
    struct mount *m;
    struct inode *file;
    pthread_t thread;
    atomic_uint flushes;
    bool started;
    int ret;
    atomic_bool returned, super_written, was_written;
};

static struct gate *gate_of(struct dev *dev)
{
    return (struct gate *)dev;
}

static int gate_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    return dev_read(gate_of(dev)->lower, off, buf, len);
}

static int gate_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    struct gate *gate = gate_of(dev);

    int ret = dev_write(gate->lower, off, buf, len);
    if (off == super_offset(0) && gate->started)
        atomic_store(&gate->super_written, true);
    return ret;
}

static int fsync_it(struct gate *gate)
{
    return mount_fsync(gate->m, gate->file, false);
}

static int make_directory(struct gate *gate)
{
    struct inode *dir;

    int ret = mount_mkdir(gate->m, gate->m->root, "dir", 3, 0755, &root_cred, &dir);
    if (ret == 0)
        inode_put(dir);
    return ret;
}

static int make_directory_and_sync(struct gate *gate)
{
    int ret = make_directory(gate);

    return ret < 0 ? ret : mount_sync(gate->m);
}

static void *do_meanwhile(void *arg)
{
    struct gate *gate = arg;

    gate->ret = gate->meanwhile(gate);
    atomic_store(&gate->was_written, atomic_load(&gate->super_written));
    atomic_store(&gate->returned, true);
    return NULL;
}

static int let_others_in(struct gate *gate)
{
    gate->open = false;
    gate->started = pthread_create(&gate->thread, NULL, do_meanwhile, gate) == 0;
    if (gate->join)
        pthread_join(gate->thread, NULL);
    for (unsigned i = 0; i < YIELDS && !atomic_load(&gate->returned); i++)
        sched_yield();
    return gate->fail_behind ? fail(-EIO, "flush failed") : 0;
}

static int gate_flush(struct dev *dev)
{
    struct gate *gate = gate_of(dev);

    atomic_fetch_add(&gate->flushes, 1);
    if (gate->fail)
        return fail(-EIO, "flush failed");
    if (gate->open)
        TRY(let_others_in(gate));
    return dev_flush(gate->lower);
}

static int gate_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    return dev_discard(gate_of(dev)->lower, off, len);
}

static void gate_close(struct dev *dev)
{
    (void)dev; /* it is the test's */
}

static const struct dev_ops gate_ops = {
    .name = "gate",
    .read = gate_read,
    .write = gate_write,
    .flush = gate_flush,
    .discard = gate_discard,
    .close = gate_close,
};

static void gate_mount(struct gate *gate, struct env *env)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = &gate->dev;

    ok(mount_open(env, &dev, 1, &options, &gate->m));
}

/* A file with data that no commit has seen. */
static void gate_new(struct gate *gate, struct env *env)
{
    struct mkfs_options mkfs = MKFS_OPTIONS_INIT;
    static char label[] = "gate";
    size_t done;

    *gate = (struct gate){.lower = dev_mem_new(256 * MIB), .meanwhile = fsync_it};
    assert_non_null(gate->lower);
    gate->dev = (struct dev){.ops = &gate_ops, .size = gate->lower->size, .label = label};
    ok(mkfs_run(env, gate->lower, &mkfs, NULL));
    gate_mount(gate, env);
    ok(mount_mknod(gate->m, gate->m->root, "file", 4, S_IFREG | 0644, 0, &root_cred, &gate->file));
    ok(mount_pwrite(gate->m, gate->file, "content", 7, 0, &done));
}

static void gate_free(struct gate *gate, struct env *env)
{
    ok(mount_close(gate->m));
    dev_close(gate->lower);
    env_seeded_free(env);
}

/* The power goes; what the device has is mounted anew. */
static void gate_crash(struct gate *gate, struct env *env)
{
    inode_put(gate->file);
    mount_crash(gate->m);
    gate_mount(gate, env);
}

static void an_fsync_waits_for_the_commit_of_another(void **state)
{
    struct env *env = env_seeded_new(1);
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    gate.open = true;
    ok(mount_sync(gate.m));
    assert_true(gate.started);
    pthread_join(gate.thread, NULL);
    assert_int_equal(gate.ret, 0);
    assert_true(gate.was_written);
    inode_put(gate.file);
    gate_free(&gate, env);
}

static void an_fsync_behind_a_failed_commit_fails(void **state)
{
    struct env *env = env_seeded_new(1);
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    gate.fail = true;
    assert_true(mount_sync(gate.m) < 0);
    gate.fail = false;
    assert_true(mount_fsync(gate.m, gate.file, false) < 0);
    inode_put(gate.file);
    assert_true(mount_close(gate.m) < 0);
    dev_close(gate.lower);
    env_seeded_free(env);
}

static void others_change_things_while_an_fsync_flushes(void **state)
{
    struct env *env = env_seeded_new(1);
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    gate.meanwhile = make_directory;
    gate.open = gate.join = true;
    ok(mount_fsync(gate.m, gate.file, false));
    assert_true(gate.started);
    assert_int_equal(gate.ret, 0);
    inode_put(gate.file);
    gate_free(&gate, env);
}

static void look_for(struct gate *gate, const char *name)
{
    struct inode *inode;

    ok(mount_lookup(gate->m, gate->m->root, name, strlen(name), &inode));
    inode_put(inode);
}

static void a_commit_waits_for_a_log_commit(void **state)
{
    struct env *env = env_seeded_new(1);
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    gate.meanwhile = make_directory_and_sync;
    gate.open = true;
    ok(mount_fsync(gate.m, gate.file, false));
    assert_true(gate.started);
    pthread_join(gate.thread, NULL);
    assert_int_equal(gate.ret, 0);
    gate_crash(&gate, env);
    look_for(&gate, "dir");
    look_for(&gate, "file");
    gate_free(&gate, env);
}

static void a_commit_behind_a_failed_log_commit_fails(void **state)
{
    struct env *env = env_seeded_new(1);
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    gate.meanwhile = make_directory_and_sync;
    gate.open = gate.fail_behind = true;
    assert_true(mount_fsync(gate.m, gate.file, false) < 0);
    assert_true(gate.started);
    pthread_join(gate.thread, NULL);
    assert_true(gate.ret < 0);
    inode_put(gate.file);
    assert_true(mount_close(gate.m) < 0);
    dev_close(gate.lower);
    env_seeded_free(env);
}

static struct inode *new_synced(struct gate *gate, const char *name, const char *text)
{
    struct inode *inode;
    size_t done;

    ok(mount_mknod(gate->m, gate->m->root, name, strlen(name), S_IFREG | 0644, 0, &root_cred,
                   &inode));
    ok(mount_pwrite(gate->m, inode, text, strlen(text), 0, &done));
    ok(mount_fsync(gate->m, inode, false));
    return inode;
}

static void expect_content(struct gate *gate, const char *name, const char *text)
{
    struct inode *inode;
    char content[16];
    size_t done;

    ok(mount_lookup(gate->m, gate->m->root, name, strlen(name), &inode));
    ok(mount_pread(gate->m, inode, content, sizeof(content), 0, &done));
    assert_int_equal(done, strlen(text));
    assert_memory_equal(content, text, done);
    inode_put(inode);
}

/* The journals of databases, and files that take the place of others. */
static void what_came_and_went_needs_no_commit(void **state)
{
    struct env *env = env_seeded_new(1);
    struct fsync_counters counters;
    struct inode *inode;
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    ok(mount_sync(gate.m));
    for (unsigned i = 0; i < 3; i++) {
        inode_put(new_synced(&gate, "journal", "old"));
        ok(mount_fsync(gate.m, gate.m->root, false));
        ok(mount_unlink(gate.m, gate.m->root, "journal", 7));
    }
    inode_put(new_synced(&gate, "kept", "before"));
    inode_put(new_synced(&gate, "new", "after"));
    ok(mount_rename(gate.m, gate.m->root, "new", 3, gate.m->root, "kept", 4, 0));
    ok(mount_fsync(gate.m, gate.file, false));
    fsync_counters(&gate.m->fs, &counters);
    assert_int_equal(counters.commits, 0);
    gate_crash(&gate, env);
    expect_content(&gate, "file", "content");
    expect_content(&gate, "kept", "after");
    assert_int_equal(mount_lookup(gate.m, gate.m->root, "journal", 7, &inode), -ENOENT);
    gate_free(&gate, env);
}

static void an_fsync_of_what_is_durable_flushes_nothing(void **state)
{
    struct env *env = env_seeded_new(1);
    struct gate gate;
    unsigned before;

    (void)state;
    gate_new(&gate, env);
    ok(mount_fsync(gate.m, gate.file, false));
    before = gate.flushes;
    ok(mount_fsync(gate.m, gate.file, false));
    assert_int_equal(gate.flushes, before);
    ok(mount_pwrite(gate.m, gate.file, "another", 7, 0, &(size_t){0}));
    ok(mount_fsync(gate.m, gate.file, false));
    assert_int_equal(gate.flushes, before + 2);
    inode_put(gate.file);
    gate_free(&gate, env);
}

/* It would be what is left when the file that took its name is taken out of the log. */
static void what_the_last_commit_has_does_not_come_back(void **state)
{
    struct env *env = env_seeded_new(1);
    struct inode *inode;
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    inode_put(new_synced(&gate, "name", "old"));
    ok(mount_sync(gate.m));
    ok(mount_unlink(gate.m, gate.m->root, "name", 4));
    inode_put(new_synced(&gate, "name", "new"));
    ok(mount_unlink(gate.m, gate.m->root, "name", 4));
    ok(mount_fsync(gate.m, gate.file, false));
    gate_crash(&gate, env);
    assert_int_equal(mount_lookup(gate.m, gate.m->root, "name", 4, &inode), -ENOENT);
    gate_free(&gate, env);
}

/* A name goes over what the last commit has there, and goes again: each time with an fsync. */
static void what_a_name_was_laid_over_does_not_come_back(void **state)
{
    struct env *env = env_seeded_new(1);
    struct inode *inode, *other;
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    other = new_synced(&gate, "other", "other");
    inode_put(new_synced(&gate, "name", "old"));
    ok(mount_sync(gate.m));
    ok(mount_unlink(gate.m, gate.m->root, "name", 4));
    ok(mount_link(gate.m, other, gate.m->root, "name", 4));
    ok(mount_fsync(gate.m, other, false));
    ok(mount_unlink(gate.m, gate.m->root, "name", 4));
    ok(mount_fsync(gate.m, other, false));
    inode_put(other);
    gate_crash(&gate, env);
    assert_int_equal(mount_lookup(gate.m, gate.m->root, "name", 4, &inode), -ENOENT);
    expect_content(&gate, "other", "other");
    gate_free(&gate, env);
}

/* Linux dies where an attribute grows so much in its replay. */
static void an_attribute_that_grows_beyond_a_leaf_is_committed(void **state)
{
    static const uint8_t value[12000];
    struct env *env = env_seeded_new(1);
    struct fsync_counters counters;
    struct gate gate;

    (void)state;
    gate_new(&gate, env);
    ok(mount_setxattr(gate.m, gate.file, "user.grows", value, 6000, 0));
    ok(mount_sync(gate.m));
    ok(mount_setxattr(gate.m, gate.file, "user.new", value, sizeof(value), 0));
    ok(mount_fsync(gate.m, gate.file, false));
    fsync_counters(&gate.m->fs, &counters);
    assert_int_equal(counters.commits, 0);
    ok(mount_setxattr(gate.m, gate.file, "user.grows", value, sizeof(value), 0));
    ok(mount_fsync(gate.m, gate.file, false));
    fsync_counters(&gate.m->fs, &counters);
    assert_int_equal(counters.commits, 1);
    inode_put(gate.file);
    gate_free(&gate, env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_fsync_waits_for_the_commit_of_another),
        cmocka_unit_test(an_fsync_behind_a_failed_commit_fails),
        cmocka_unit_test(others_change_things_while_an_fsync_flushes),
        cmocka_unit_test(a_commit_waits_for_a_log_commit),
        cmocka_unit_test(a_commit_behind_a_failed_log_commit_fails),
        cmocka_unit_test(what_came_and_went_needs_no_commit),
        cmocka_unit_test(an_fsync_of_what_is_durable_flushes_nothing),
        cmocka_unit_test(what_the_last_commit_has_does_not_come_back),
        cmocka_unit_test(what_a_name_was_laid_over_does_not_come_back),
        cmocka_unit_test(an_attribute_that_grows_beyond_a_leaf_is_committed),
    };

    return cmocka_run_group_tests_name("mount/durable", tests, NULL, NULL);
}
