// SPDX-License-Identifier: GPL-2.0-or-later
/* A file system on a memory device, with a few files in its top directory. */
#ifndef COPSE_FS_FILE_TEST_WORLD_H
#define COPSE_FS_FILE_TEST_WORLD_H

#include "base/test/unit.h"

#include <string.h>

#include "disk/dev/dev.h"
#include "fs/file/internal.h"
#include "ops/mkfs/mkfs.h"

#define WORLD_FILES 3

struct world {
    struct env *env;
    struct dev *disk; /* outlives every open */
    struct store *store;
    struct fs fs;
    struct fs_options options;
    struct inode *root;
    struct inode *file[WORLD_FILES];
};

static inline void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

static inline int world_before_commit(void *arg)
{
    struct world *world = arg;

    files_check_promises(&world->fs);
    return inodes_write_dirty(&world->fs);
}

static inline void world_open(struct world *world)
{
    static const struct store_hooks hooks = {.before_commit = world_before_commit};
    const struct vol_open_options vol_options = {.readonly = false};
    const struct store_options options = {.cache_bytes = 4 * MIB};
    struct dev *dev = dev_borrow(world->disk);
    struct tree_handle *tree;
    struct vol *vol;

    ok(vol_open(world->env, &dev, 1, &vol_options, &vol));
    ok(store_open(vol, &options, &world->store));
    store_set_hooks(world->store, &hooks, world);
    world->options.data_cache_bytes = 2 * MIB; /* too little for all files of a test */
    ok(fs_init(&world->fs, world->store, &world->options));
    ok(files_init(&world->fs));
    store_read_lock(world->store);
    ok(roots_get(world->store->roots, TREE_FS, &tree));
    store_read_unlock(world->store);
    ok(inode_get(&world->fs, tree, INO_SUBVOL_ROOT, &world->root));
}

static inline void world_make_file(struct world *world, unsigned i, uint64_t flags)
{
    const struct inode_new what = {.mode = 0100644, .nlink = 1};
    char name[8];

    snprintf(name, sizeof(name), "file%u", i);
    ok(store_begin(world->store, STORE_CREATE, 16));
    ok(inode_create(&world->fs, world->root->tree, world->root, &what, &world->file[i]));
    world->file[i]->item.flags |= flags;
    struct key location = key_make(world->file[i]->ino, KEY_INODE_ITEM, 0);
    ok(dir_add(world->root, name, (uint16_t)strlen(name), &location, FT_REG_FILE));
    inode_mark_dirty(world->file[i]);
    store_end(world->store);
}

static inline void world_find_files(struct world *world)
{
    for (unsigned i = 0; i < WORLD_FILES; i++) {
        struct dir_entry entry;
        char name[8];

        snprintf(name, sizeof(name), "file%u", i);
        store_read_lock(world->store);
        ok(dir_lookup(world->root, name, (uint16_t)strlen(name), &entry));
        store_read_unlock(world->store);
        ok(inode_get(&world->fs, world->root->tree, entry.location.objectid, &world->file[i]));
    }
}

/* Without writing anything back. */
static inline void world_close(struct world *world)
{
    for (unsigned i = 0; i < WORLD_FILES; i++)
        inode_put(world->file[i]);
    inode_put(world->root);
    files_release(&world->fs);
    fs_release(&world->fs);
    store_close(world->store);
}

static inline void world_sync(struct world *world)
{
    ok(files_writeback_all(&world->fs));
    ok(store_commit(world->store));
}

static inline void world_reopen(struct world *world)
{
    world_close(world);
    world_open(world);
    world_find_files(world);
}

static inline void world_new_in(struct world *world, struct env *env, uint64_t size,
                                const struct mkfs_options *options)
{
    *world = (struct world){.env = env, .disk = dev_mem_new(size)};
    ok(mkfs_run(world->env, world->disk, options, NULL));
    world_open(world);
    for (unsigned i = 0; i < WORLD_FILES; i++)
        world_make_file(world, i, 0);
}

static inline void world_new(struct world *world, uint64_t size, const struct mkfs_options *options)
{
    world_new_in(world, env_seeded_new(1), size, options);
}

/* Where COPSE_DUMP names a file the image is left there, for other judges. */
static inline void world_dump(struct world *world)
{
    const char *path = getenv("COPSE_DUMP");
    struct dev *out;
    static uint8_t buf[MIB];

    if (!path)
        return;
    ok(dev_file_create(path, world->disk->size, &out));
    for (uint64_t at = 0; at < world->disk->size; at += sizeof(buf)) {
        size_t n = MIN(world->disk->size - at, (uint64_t)sizeof(buf));

        ok(dev_read(world->disk, at, buf, n));
        ok(dev_write(out, at, buf, n));
    }
    dev_close(out);
}

static inline void world_free(struct world *world)
{
    world_close(world);
    world_dump(world);
    dev_close(world->disk);
    if (world->env != env_real())
        env_seeded_free(world->env);
}

/* Promise 2: with nothing dirty and everything committed, nothing is promised to anybody. */
static inline void world_check_counters(struct world *world)
{
    struct space_totals totals;

    assert_int_equal(files_dirty_bytes(&world->fs), 0);
    for (enum space_kind kind = SPACE_DATA; kind < SPACE_KINDS; kind++) {
        space_totals(world->store->space, kind, &totals);
        assert_int_equal(totals.promised, 0);
        assert_int_equal(totals.allocated, 0);
        assert_int_equal(totals.pinned, 0);
    }
}

#endif
