// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: making an inode together with its name, and removing both together, does what making and
 * removing one after the other does; and where that short way is not open nothing happens.
 */
#include "base/test/unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "disk/csum/csum.h"
#include "disk/dev/dev.h"
#include "fs/inode/inode.h"
#include "ops/mkfs/mkfs.h"

#define DISK_BYTES (128 * MIB)
#define NAMES 300
#define COLLIDING 200000

struct world {
    struct env *env;
    struct dev *disk;
    struct store *store;
    struct fs fs;
    struct inode *root;
};

static void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

static int before_commit(void *arg)
{
    return inodes_write_dirty(&((struct world *)arg)->fs);
}

static void world_open(struct world *world)
{
    static const struct store_hooks hooks = {.before_commit = before_commit};
    const struct vol_open_options vol_options = {.readonly = false};
    const struct store_options options = {.cache_bytes = 4 * MIB};
    const struct fs_options fs_options = {0};
    struct dev *dev = dev_borrow(world->disk);
    struct tree_handle *tree;
    struct vol *vol;

    ok(vol_open(world->env, &dev, 1, &vol_options, &vol));
    ok(store_open(vol, &options, &world->store));
    store_set_hooks(world->store, &hooks, world);
    ok(fs_init(&world->fs, world->store, &fs_options));
    ok(roots_get(world->store->roots, TREE_FS, &tree));
    ok(inode_get(&world->fs, tree, INO_SUBVOL_ROOT, &world->root));
}

static void world_close(struct world *world)
{
    inode_put(world->root);
    fs_release(&world->fs);
    store_close(world->store);
}

static int setup(void **state)
{
    static struct world world;
    struct mkfs_options options = {.nodesize = 4096};

    world = (struct world){.env = env_seeded_new(1), .disk = dev_mem_new(DISK_BYTES)};
    ok(mkfs_run(world.env, world.disk, &options, NULL));
    world_open(&world);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    world_close(world);
    dev_close(world->disk);
    env_seeded_free(world->env);
    return 0;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

static int make(struct world *world, const char *name, struct inode **out)
{
    const struct inode_new what = {.mode = 0100644, .nlink = 1};

    ok(store_begin(world->store, STORE_CREATE, 8));
    int ret =
        inode_create_named(world->root, name, (uint16_t)strlen(name), &what, FT_REG_FILE, out);
    store_end(world->store);
    return ret;
}

/* Whether inode and name went; the reference is given back. */
static bool take_away(struct world *world, const char *name, struct inode *inode)
{
    bool done;

    ok(store_begin(world->store, STORE_RELEASE, 8));
    ok(inode_remove_named(world->root, name, (uint16_t)strlen(name), inode, &done));
    store_end(world->store);
    inode_put(inode);
    return done;
}

static int find(struct world *world, const char *name, struct dir_entry *out)
{
    store_read_lock(world->store);
    int ret = dir_lookup(world->root, name, (uint16_t)strlen(name), out);
    store_read_unlock(world->store);
    return ret;
}

static uint64_t count_items(struct world *world)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint64_t count = 0;

    store_read_lock(world->store);
    int ret = tree_search_ge(&world->root->tree->root, &KEY_FIRST, &path);
    for (; ret == 0; ret = path_next(&path))
        count++;
    path_release(&path);
    store_read_unlock(world->store);
    assert_int_equal(ret, 1);
    return count;
}

static int check_name(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    assert_int_equal(parent, INO_SUBVOL_ROOT);
    assert_true(index >= 2);
    assert_int_equal(len, strlen(arg));
    assert_memory_equal(name, arg, len);
    return 0;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void test_made_and_removed(void **state)
{
    struct world *world = *state;
    uint64_t before = count_items(world), size = world->root->item.size;
    char name[256];

    for (unsigned i = 0; i < NAMES; i++) {
        struct dir_entry entry;
        struct inode *inode;

        memset(name, 'x', sizeof(name));
        name[snprintf(name, sizeof(name), "%u", i)] = 'x';
        name[4 + i % 252] = '\0';
        ok(make(world, name, &inode));
        ok(find(world, name, &entry));
        assert_int_equal(entry.location.objectid, inode->ino);
        ok(inode_each_name(inode->tree, inode->ino, check_name, name));
        inode_put(inode);
    }
    assert_int_equal(count_items(world), before + 4 * NAMES);
    ok(store_commit(world->store));
    world_close(world);
    world_open(world);
    assert_int_equal(count_items(world), before + 4 * NAMES);
    for (unsigned i = 0; i < NAMES; i++) {
        struct dir_entry entry;
        struct inode *inode;

        memset(name, 'x', sizeof(name));
        name[snprintf(name, sizeof(name), "%u", i)] = 'x';
        name[4 + i % 252] = '\0';
        ok(find(world, name, &entry));
        ok(inode_get(&world->fs, world->root->tree, entry.location.objectid, &inode));
        if (!take_away(world, name, inode)) {
            /* Its items reach into the next leaf: the longer way. */
            ok(store_begin(world->store, STORE_RELEASE, 16));
            ok(inode_get_locked(&world->fs, world->root->tree, entry.location.objectid, &inode));
            ok(dir_remove(world->root, name, (uint16_t)strlen(name), NULL));
            ok(inode_delete(inode));
            store_end(world->store);
            inode_put_deleted(inode);
        }
        assert_int_equal(find(world, name, &entry), -ENOENT);
        assert_int_equal(inode_get(&world->fs, world->root->tree, entry.location.objectid, &inode),
                         -ENOENT);
    }
    assert_int_equal(count_items(world), before);
    assert_int_equal(world->root->item.size, size);
}

static void test_a_name_that_is_there(void **state)
{
    struct world *world = *state;
    struct inode *first, *second;
    struct dir_entry entry;

    ok(make(world, "name", &first));
    uint64_t items = count_items(world), size = world->root->item.size;
    assert_int_equal(make(world, "name", &second), -EEXIST);
    assert_int_equal(count_items(world), items);
    assert_int_equal(world->root->item.size, size);
    ok(find(world, "name", &entry));
    assert_int_equal(entry.location.objectid, first->ino);
    ok(make(world, "other", &second));
    assert_int_equal(second->ino, first->ino + 1);
    assert_true(take_away(world, "name", first));
    inode_put(second);
}

static void test_not_while_in_use(void **state)
{
    struct world *world = *state;
    struct dir_entry entry;
    struct inode *inode;

    ok(make(world, "used", &inode));
    uint64_t items = count_items(world);
    inode_ref(inode);
    assert_false(take_away(world, "used", inode));
    assert_int_equal(count_items(world), items);
    ok(find(world, "used", &entry));
    inode_put(inode);
}

static void test_not_with_two_names(void **state)
{
    struct world *world = *state;
    struct inode *inode;

    ok(make(world, "one", &inode));
    struct key location = key_make(inode->ino, KEY_INODE_ITEM, 0);
    ok(store_begin(world->store, STORE_CREATE, 8));
    ok(dir_add(world->root, "two", 3, &location, FT_REG_FILE));
    inode->item.nlink = 2;
    inode_mark_dirty(inode);
    store_end(world->store);
    uint64_t items = count_items(world);
    assert_false(take_away(world, "one", inode));
    assert_int_equal(count_items(world), items);
}

/* What a damaged link count says does not decide: the references are looked at. */
static void test_not_with_two_references(void **state)
{
    struct world *world = *state;
    struct inode *inode;

    ok(make(world, "one", &inode));
    struct key location = key_make(inode->ino, KEY_INODE_ITEM, 0);
    ok(store_begin(world->store, STORE_CREATE, 8));
    ok(dir_add(world->root, "two", 3, &location, FT_REG_FILE));
    store_end(world->store);
    uint64_t items = count_items(world);
    assert_false(take_away(world, "one", inode));
    assert_int_equal(count_items(world), items);
}

static void test_not_with_extents(void **state)
{
    static const uint8_t regular[sizeof(disk_file_extent)] = {[20] = FILE_EXTENT_REG};
    struct world *world = *state;
    struct inode *inode;

    ok(make(world, "data", &inode));
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, 0);
    ok(store_begin(world->store, STORE_CREATE, 8));
    ok(tree_insert(&inode->tree->root, &key, regular, sizeof(regular)));
    store_end(world->store);
    uint64_t items = count_items(world);
    assert_false(take_away(world, "data", inode));
    assert_int_equal(count_items(world), items);
}

static void test_attributes_go_too(void **state)
{
    struct world *world = *state;
    uint64_t before = count_items(world);
    struct inode *inode, *last;
    char value[8];
    size_t len;

    ok(make(world, "with", &inode));
    ok(make(world, "behind", &last));
    assert_true(xattr_none(inode));
    ok(store_begin(world->store, STORE_CREATE, 8));
    ok(xattr_set(inode, "user.a", "value", 5, 0));
    store_end(world->store);
    assert_false(xattr_none(inode));
    ok(xattr_get(inode, "user.a", value, sizeof(value), &len));
    assert_int_equal(len, 5);
    assert_true(take_away(world, "with", inode));
    assert_int_equal(count_items(world), before + 4);
    inode_put(last);
}

struct hashed {
    uint32_t hash;
    char name[9];
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Two names with one hash, which share an item. */
static void find_pair(char one[9], char two[9])
{
    struct hashed *all = calloc(COLLIDING, sizeof(*all));
    struct rng rng;

    assert_non_null(all);
    rng_seed(&rng, 1);
    for (unsigned i = 0; i < COLLIDING; i++) {
        for (unsigned k = 0; k < 8; k++)
            all[i].name[k] = (char)('a' + rng_below(&rng, 26));
        all[i].hash = (uint32_t)name_hash(all[i].name, 8);
    }
    qsort(all, COLLIDING, sizeof(*all), by_hash);
    for (unsigned i = 1; i < COLLIDING; i++) {
        if (all[i].hash != all[i - 1].hash || strcmp(all[i].name, all[i - 1].name) == 0)
            continue;
        memcpy(one, all[i].name, 9);
        memcpy(two, all[i - 1].name, 9);
        free(all);
        return;
    }
    assert_true(false);
}

static void test_colliding_names(void **state)
{
    struct world *world = *state;
    struct inode *first, *second, *third;
    struct dir_entry entry;
    char one[9], two[9];

    find_pair(one, two);
    ok(make(world, one, &first));
    ok(make(world, two, &second));
    assert_int_equal(make(world, two, &third), -EEXIST);
    ok(make(world, "last", &third));
    assert_true(take_away(world, one, first));
    assert_int_equal(find(world, one, &entry), -ENOENT);
    ok(find(world, two, &entry));
    assert_int_equal(entry.location.objectid, second->ino);
    inode_put(second);
    inode_put(third);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(made_and_removed),   TEST(a_name_that_is_there),    TEST(not_while_in_use),
        TEST(not_with_two_names), TEST(not_with_two_references), TEST(not_with_extents),
        TEST(attributes_go_too),  TEST(colliding_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
