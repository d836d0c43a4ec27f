// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file is preallocated and fsynced, then written there, cloned and cut off; the clone is fsynced.
 * After a power cut, the file is unwritten where its clone has data and checksums: Linux replays
 * such a log to the same. Nobody finds fault with that, and whatever happens to the file, the clone
 * keeps its checksums. Where no clone is left to have them, they are found.
 */
#include "base/test/unit.h"

#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "ops/check/check.h"
#include "ops/repair/repair.h"
#include "tests/model/judge.h"
#include "tests/model/verify.h"

#define SIZE (256 * MIB)
/* The file, and what of it was written and cloned. */
#define LEN (256 * KIB)
#define PART_AT (64 * KIB)
#define PART (64 * KIB)
#define NODE 4096U
/* So many files lie between them, and more than a leaf. */
#define BETWEEN 40U

static const struct copse_cred root_cred;
static uint8_t data[PART], got[2 * LEN];

struct cut {
    struct world world; /* env, disk and m of it */
    struct inode *file, *clone;
};

static void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

/* ---- the state ------------------------------------------------------------------------------- */

static void open_it(struct cut *cut)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(cut->world.disk);
    struct mount *m;

    ok(mount_open(cut->world.env, &dev, 1, &options, &m));
    cut->world.m = m;
}

static void find_files(struct cut *cut)
{
    struct mount *m = cut->world.m;

    ok(mount_lookup(m, m->root, "file", 4, &cut->file));
    ok(mount_lookup(m, m->root, "clone", 5, &cut->clone));
}

static void put_files(struct cut *cut)
{
    mount_put(cut->world.m, cut->file);
    mount_put(cut->world.m, cut->clone);
}

static void resize(struct cut *cut, struct inode *inode, uint64_t size)
{
    const struct copse_stat st = {.size = size};

    ok(mount_setattr(cut->world.m, inode, COPSE_SET_SIZE, &st));
}

static struct inode *make(struct cut *cut, const char *name)
{
    struct mount *m = cut->world.m;
    struct inode *inode;

    ok(mount_mknod(m, m->root, name, strlen(name), S_IFREG | 0644, 0, &root_cred, &inode));
    return inode;
}

static void make_and_cut(struct cut *cut)
{
    struct mount *m = cut->world.m;
    char name[16];
    size_t done;

    cut->file = make(cut, "file");
    for (unsigned i = 0; i < BETWEEN; i++) {
        snprintf(name, sizeof(name), "between%u", i);
        mount_put(m, make(cut, name));
    }
    cut->clone = make(cut, "clone");
    ok(mount_sync(m));
    ok(file_fallocate(cut->file, 0, 0, LEN));
    ok(mount_fsync(m, cut->file, false));
    ok(mount_pwrite(m, cut->file, data, PART, PART_AT, &done));
    ok(file_clone_range(cut->file, PART_AT, PART, cut->clone, 0));
    resize(cut, cut->file, 0);
    ok(mount_fsync(m, cut->clone, false));
    put_files(cut);
    mount_crash(m);
}

static void cut_new(struct cut *cut)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(1 + i * 7 + i / 251);
    *cut = (struct cut){.world = {.env = env_seeded_new(1), .disk = dev_mem_new(SIZE)}};
    options.nodesize = NODE;
    options.features_off = MKFS_BLOCK_GROUP_TREE; /* as any btrfs check knows */
    ok(mkfs_run(cut->world.env, cut->world.disk, &options, NULL));
    open_it(cut);
    make_and_cut(cut);
    open_it(cut);
    find_files(cut);
}

static void close_it(struct cut *cut)
{
    put_files(cut);
    ok(mount_close(cut->world.m));
    cut->world.m = NULL;
}

static void cut_free(struct cut *cut)
{
    dev_close(cut->world.disk);
    env_seeded_free(cut->world.env);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void expect(struct cut *cut, struct inode *inode, const uint8_t *wanted, size_t len)
{
    size_t done;

    ok(mount_pread(cut->world.m, inode, got, sizeof(got), 0, &done));
    assert_int_equal(done, len);
    assert_memory_equal(got, wanted, len);
}

/* Of a file system that is closed: its structure, its data, with the eyes of three. */
static void expect_sound(struct cut *cut)
{
    char report[4096] = "";
    int ret = verify_device(cut->world.env, cut->world.disk, VERIFY_CLOSED, report, sizeof(report));

    if (ret < 0)
        print_error("%s", report);
    assert_int_equal(ret, 0);
    if (!judge_exists())
        return;
    ret = judge_disk(&cut->world);
    if (ret < 0)
        print_error("%s", cut->world.error);
    assert_int_equal(ret, 0);
}

/* The clone is whole, also for who reads it from the device, and nothing else is wrong. */
static void expect_clone(struct cut *cut)
{
    close_it(cut);
    expect_sound(cut);
    open_it(cut);
    find_files(cut);
    expect(cut, cut->clone, data, PART);
}

struct found {
    unsigned count, unwritten;
};

static void count_problem(void *arg, const struct copse_check_problem *problem)
{
    struct found *found = arg;

    found->count++;
    found->unwritten += strcmp(problem->code, "csum-unwritten") == 0;
}

static struct found check(struct cut *cut, struct dev *dev, bool repair)
{
    struct copse_check_options options = COPSE_CHECK_OPTIONS_INIT;
    struct copse_check_result result;
    struct found found = {0};

    options.data_csum = true;
    options.problem = count_problem;
    options.arg = &found;
    options.repair = repair;
    ok(repair ? repair_run(cut->world.env, dev, &options, &result)
              : check_run(cut->world.env, dev, &options, &result));
    return found;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void nobody_finds_fault(void **state)
{
    static const uint8_t zeroes[LEN];
    struct cut cut;

    (void)state;
    cut_new(&cut);
    expect(&cut, cut.file, zeroes, LEN);
    expect(&cut, cut.clone, data, PART);
    close_it(&cut);
    expect_sound(&cut);
    struct dev *record = dev_record_new(dev_borrow(cut.world.disk));
    assert_int_equal(check(&cut, dev_borrow(record), true).count, 0);
    assert_int_equal(dev_record_count(record), 0);
    dev_close(record);
    cut_free(&cut);
}

static void the_clone_outlives_the_file(void **state)
{
    struct cut cut;

    (void)state;
    cut_new(&cut);
    ok(mount_unlink(cut.world.m, cut.world.m->root, "file", 4));
    ok(mount_sync(cut.world.m));
    inode_put(cut.file);
    cut.file = inode_ref(cut.clone); /* so that there is one to put */
    close_it(&cut);
    expect_sound(&cut);
    open_it(&cut);
    ok(mount_lookup(cut.world.m, cut.world.m->root, "clone", 5, &cut.clone));
    expect(&cut, cut.clone, data, PART);
    cut.file = inode_ref(cut.clone);
    close_it(&cut);
    cut_free(&cut);
}

/* More than was cloned, and in the midst of it. */
static void the_file_is_written(void **state)
{
    static uint8_t other[PART];
    struct cut cut;
    size_t done;

    (void)state;
    memset(other, 0x5a, sizeof(other));
    cut_new(&cut);
    ok(mount_pwrite(cut.world.m, cut.file, other, 8192, PART_AT + 16384, &done));
    expect_clone(&cut);
    ok(mount_pwrite(cut.world.m, cut.file, other, PART, PART_AT / 2, &done));
    ok(mount_pwrite(cut.world.m, cut.file, other, PART, PART_AT + PART / 2, &done));
    expect_clone(&cut);
    ok(mount_pread(cut.world.m, cut.file, got, PART, PART_AT + PART / 2, &done));
    assert_memory_equal(got, other, PART);
    close_it(&cut);
    cut_free(&cut);
}

static void the_file_is_cut_and_allocated(void **state)
{
    struct cut cut;

    (void)state;
    cut_new(&cut);
    ok(file_fallocate(cut.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PART_AT + 8192));
    expect_clone(&cut);
    resize(&cut, cut.file, PART_AT + PART - 8192);
    expect_clone(&cut);
    ok(file_fallocate(cut.file, 0, 0, LEN));
    expect_clone(&cut);
    close_it(&cut);
    cut_free(&cut);
}

/* Checksums of bytes that no clone has any more are stray, and only those go. */
static void what_no_clone_has_is_found(void **state)
{
    struct cut cut;
    struct found found;

    (void)state;
    cut_new(&cut);
    resize(&cut, cut.clone, PART / 2);
    close_it(&cut);
    found = check(&cut, dev_borrow(cut.world.disk), false);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.unwritten, 1);
    (void)check(&cut, dev_borrow(cut.world.disk), true);
    expect_sound(&cut);
    open_it(&cut);
    find_files(&cut);
    expect(&cut, cut.clone, data, PART / 2);
    close_it(&cut);
    cut_free(&cut);
}

/* Whether the block is a leaf of the subvolume with an extent of the inode. */
static bool has_extent(const uint8_t *block, uint64_t ino)
{
    const disk_leaf_item *items = (const void *)(block + NODE_HEADER_SIZE);
    struct node_header header;
    bool has = false;

    node_header_decode(&header, block);
    if (header.owner != TREE_FS || header.level != 0)
        return false;
    for (uint32_t i = 0; i < header.nritems; i++) {
        struct key key;

        key_decode(&key, &items[i].key);
        has |= key.objectid == ino && key.type == KEY_EXTENT_DATA;
    }
    return has;
}

/* Every block, of today or before, that has what the clone has and not what the file has. */
static void lose_leaf(struct cut *cut, uint64_t file, uint64_t clone)
{
    static const uint8_t zeroes[NODE];
    static uint8_t block[NODE];
    unsigned lost = 0;

    for (uint64_t at = 0; at < SIZE; at += NODE) {
        ok(dev_read(cut->world.disk, at, block, NODE));
        if (!has_extent(block, clone) || has_extent(block, file))
            continue;
        ok(dev_write(cut->world.disk, at, zeroes, NODE));
        lost++;
    }
    assert_true(lost > 0);
}

/* Nobody knows whose the checksums are: they stay. */
static void a_lost_clone_keeps_its_checksums(void **state)
{
    struct cut cut;
    struct found found;
    uint64_t file, clone;

    (void)state;
    cut_new(&cut);
    file = cut.file->ino;
    clone = cut.clone->ino;
    close_it(&cut);
    lose_leaf(&cut, file, clone);
    (void)check(&cut, dev_borrow(cut.world.disk), true);
    found = check(&cut, dev_borrow(cut.world.disk), false);
    assert_int_equal(found.unwritten, 1);
    cut_free(&cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_finds_fault),
        cmocka_unit_test(the_clone_outlives_the_file),
        cmocka_unit_test(the_file_is_written),
        cmocka_unit_test(the_file_is_cut_and_allocated),
        cmocka_unit_test(what_no_clone_has_is_found),
        cmocka_unit_test(a_lost_clone_keeps_its_checksums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
