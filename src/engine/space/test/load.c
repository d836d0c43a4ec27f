// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises: what the trees say of space is checked (I7); a free-space tree that does not fit is
 * not believed but mended; nothing that others cached about space outlives our first commit.
 */
#include "engine/space/test/fixture.h"

#include <string.h>

#define EXTENT (16 * SECTOR)

static const struct fixture_options usual = {
    .device_bytes = 300 * MIB, .nodesize = 16384, .metadata_profile = BG_DUP};

static struct group *group_of_kind(struct fixture *f, enum space_kind kind)
{
    for (struct group *g = group_from(f->space, 0); g; g = group_next(g))
        if (g->kind == kind)
            return g;
    return NULL;
}

/* Two data extents with a hole between them; both durable. */
static void prepare(struct fixture *f, struct range out[2])
{
    struct range hole;

    fixture_init(f, &usual);
    assert_int_equal(fixture_alloc(f, EXTENT, EXTENT, 0, &out[0]), 0);
    assert_int_equal(fixture_alloc(f, EXTENT, EXTENT, 0, &hole), 0);
    assert_int_equal(fixture_alloc(f, EXTENT, EXTENT, 0, &out[1]), 0);
    fixture_use(f, &out[0]);
    fixture_use(f, &out[1]);
    fixture_undo(f, &hole);
    fixture_commit(f);
}

static struct key hole_key(const struct range extents[2])
{
    return key_make(extents[0].start + EXTENT, KEY_FREE_SPACE_EXTENT, EXTENT);
}

static int reopen(struct fixture *f)
{
    space_close(f->space);
    f->space = NULL;
    return space_open(&f->engine, &f->space);
}

/* ---- a free-space tree that lies
 * ------------------------------------------------------------------------ */

enum lie { HOLE_MISSING, HOLE_TOO_LONG, INFO_MISSING, COUNT_WRONG, WRONG_FORM, LIES };

static void tell(struct fixture *f, enum lie lie, const struct range extents[2])
{
    struct root *tree = &f->engine.free_space_tree;
    struct group *group = group_of_kind(f, SPACE_DATA);
    struct key hole = hole_key(extents);
    struct key info_key = {group->start, KEY_FREE_SPACE_INFO, group->length};
    struct free_space_info info;

    assert_int_equal(free_info_read(f->space, group, &info), 0);
    switch (lie) {
    case HOLE_MISSING:
        assert_int_equal(tree_delete(tree, &hole), 0);
        info.extent_count--;
        break;
    case HOLE_TOO_LONG:
        assert_int_equal(tree_delete(tree, &hole), 0);
        hole.offset += SECTOR;
        assert_int_equal(tree_insert(tree, &hole, NULL, 0), 0);
        break;
    case INFO_MISSING:
        assert_int_equal(tree_delete(tree, &info_key), 0);
        return;
    case COUNT_WRONG:
        info.extent_count++;
        break;
    default:
        info.flags = FREE_SPACE_USING_BITMAPS;
        break;
    }
    assert_int_equal(free_info_write(f->space, group, &info), 0);
}

static void lies_are_noticed_and_mended(void **state)
{
    (void)state;
    for (enum lie lie = 0; lie < LIES; lie++) {
        struct range extents[2];
        struct fixture f;
        unsigned notes;

        prepare(&f, extents);
        tell(&f, lie, extents);
        fixture_settle(&f);
        notes = env_seeded_notes(f.env);
        assert_int_equal(reopen(&f), 0);
        /* The first to need the group finds out: a lost free, so the lie must not count. */
        fixture_free(&f, &extents[0]);
        assert_true(env_seeded_notes(f.env) > notes);
        fixture_commit(&f);
        fixture_check(&f);
        fixture_reopen(&f);
        notes = env_seeded_notes(f.env);
        fixture_check(&f);
        assert_int_equal(env_seeded_notes(f.env), notes);
        fixture_close(&f);
    }
}

/* The same when the first to need it comes with a new extent, whose item is there already. */
static void a_new_extent_finds_the_lie(void **state)
{
    struct range extents[2], fresh;
    struct fixture f;

    (void)state;
    prepare(&f, extents);
    tell(&f, HOLE_MISSING, extents);
    fixture_settle(&f);
    assert_int_equal(reopen(&f), 0);
    fresh = (struct range){extents[1].start + 4 * EXTENT, EXTENT};
    model_set(&f, fresh.start, fresh.len, FREE, ALLOCATED);
    fixture_use(&f, &fresh);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

/* Linux lists what lies under a superblock copy as free, others leave it out. */
static void superblock_copies_may_be_listed_or_not(void **state)
{
    struct free_space_info info;
    struct group *group;
    struct range super;
    struct fixture f;
    unsigned notes;

    (void)state;
    fixture_init(&f, &usual);
    assert_int_equal(space_create_chunk(f.space, BG_DATA, NULL), 0);
    model_learn_groups(&f);
    fixture_commit(&f);
    group = group_from(f.space, 0);
    while (group->super.count == 0)
        group = group_next(group);
    assert_true(rangeset_next(&group->super, 0, &super));
    assert_int_equal(free_info_read(f.space, group, &info), 0);
    assert_int_equal(free_tree_remove(f.space, group, super.start, super.len, &info), 0);
    assert_int_equal(free_info_write(f.space, group, &info), 0);
    fixture_settle(&f);
    notes = env_seeded_notes(f.env);
    fixture_reopen(&f);
    group = group_at(f.space, super.start);
    assert_int_equal(group_load(f.space, group, NULL, false), 0);
    assert_false(rangeset_overlaps(&group->free, super.start, super.len));
    assert_int_equal(env_seeded_notes(f.env), notes);
    fixture_close(&f);
}

/* ---- items that lie
 * ---------------------------------------------------------------------------------------- */

static void write_group_item(struct fixture *f, const struct group *group,
                             const struct block_group_item *item)
{
    struct key key = {group->start, KEY_BLOCK_GROUP_ITEM, group->length};
    disk_block_group_item bytes;

    block_group_item_encode(&bytes, item);
    assert_int_equal(tree_upsert(engine_block_group_tree(&f->engine), &key, &bytes, sizeof(bytes)),
                     0);
}

static void damaged_block_groups_are_refused(void **state)
{
    struct range extents[2];
    struct block_group_item good, bad;
    struct fixture f;
    struct group group;
    struct key key;

    (void)state;
    prepare(&f, extents);
    group = *group_of_kind(&f, SPACE_DATA);
    key = key_make(group.start, KEY_BLOCK_GROUP_ITEM, group.length);
    good = (struct block_group_item){group.used, FIRST_CHUNK_TREE_OBJECTID, group.flags};

    bad = good;
    bad.used = group.length + SECTOR;
    write_group_item(&f, &group, &bad);
    assert_int_equal(reopen(&f), -EUCLEAN);
    bad = good;
    bad.flags = BG_METADATA;
    write_group_item(&f, &group, &bad);
    assert_int_equal(reopen(&f), -EUCLEAN);
    assert_non_null(strstr(fail_message(), "flags"));

    assert_int_equal(tree_delete(engine_block_group_tree(&f.engine), &key), 0);
    assert_int_equal(reopen(&f), -EUCLEAN);
    assert_non_null(strstr(fail_message(), "no block group"));
    key.offset -= STRIPE_LEN;
    assert_int_equal(tree_insert(engine_block_group_tree(&f.engine), &key,
                                 &(disk_block_group_item){0}, sizeof(disk_block_group_item)),
                     0);
    assert_int_equal(reopen(&f), -EUCLEAN);
    f.space = NULL;
    fixture_close(&f);
}

/* `used` wrong on disk: the extent tree knows better, and the next commit writes it. */
static void wrong_used_is_mended(void **state)
{
    struct range extents[2];
    struct block_group_item item;
    struct fixture f;

    (void)state;
    prepare(&f, extents);
    item = (struct block_group_item){EXTENT, FIRST_CHUNK_TREE_OBJECTID, BG_DATA};
    write_group_item(&f, group_of_kind(&f, SPACE_DATA), &item);
    fixture_settle(&f);
    assert_int_equal(reopen(&f), 0);
    fixture_free(&f, &extents[0]);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

static void overlapping_extents_are_refused(void **state)
{
    struct fixture_options options = usual;
    uint8_t item[64] = {0};
    struct extent_item extent = {1, 2, EXTENT_FLAG_DATA};
    struct range range;
    struct fixture f;
    struct key key;

    (void)state;
    options.no_tree = true;
    fixture_init(&f, &options);
    assert_int_equal(fixture_alloc(&f, EXTENT, EXTENT, 0, &range), 0);
    fixture_use(&f, &range);
    fixture_commit(&f);
    key = key_make(range.start + SECTOR, KEY_EXTENT_ITEM, SECTOR);
    extent_item_encode(item, &extent);
    assert_int_equal(tree_insert(&f.engine.extent_tree, &key, item, 53), 0);
    assert_int_equal(reopen(&f), -EUCLEAN);
    assert_non_null(strstr(fail_message(), "overlaps"));
    f.space = NULL;
    fixture_close(&f);
}

/* ---- stale caches
 * -------------------------------------------------------------------------------------------- */

static void an_invalid_tree_is_built_anew(void **state)
{
    struct range extents[2];
    struct fixture f;
    struct key stray = {64 * KIB, KEY_FREE_SPACE_EXTENT, 64 * KIB};
    struct key far = {1ULL << 45, KEY_FREE_SPACE_INFO, 64 * KIB};
    disk_free_space_info info = {0};

    (void)state;
    prepare(&f, extents);
    tell(&f, HOLE_TOO_LONG, extents);
    assert_int_equal(tree_insert(&f.engine.free_space_tree, &stray, NULL, 0), 0);
    assert_int_equal(tree_insert(&f.engine.free_space_tree, &far, &info, sizeof(info)), 0);
    fixture_settle(&f);
    f.engine.compat_ro &= ~(uint64_t)COMPAT_RO_FREE_SPACE_TREE_VALID;
    assert_int_equal(reopen(&f), 0);
    assert_int_equal(space_clear_stale_caches(f.space), 0);
    assert_true(f.engine.compat_ro & COMPAT_RO_FREE_SPACE_TREE_VALID);
    fixture_commit(&f);
    fixture_check(&f);
    assert_false(fixture_has(&f.engine.free_space_tree, stray));
    assert_false(fixture_has(&f.engine.free_space_tree, far));
    fixture_reopen(&f);
    fixture_check(&f);
    assert_int_equal(space_cache_generation(f.space), 0);
    fixture_close(&f);
}

static void insert_v1(struct fixture *f, uint64_t group, uint64_t ino, const struct range *data)
{
    struct root *root = &f->engine.root_tree;
    struct key key = {OBJ_FREE_SPACE, 0, group};
    struct free_space_header header = {.location = {ino, KEY_INODE_ITEM, 0}};
    struct inode_item inode = {.generation = 2, .nlink = 1, .mode = 0100600, .size = EXTENT};
    struct file_extent extent = {.generation = 2,
                                 .type = FILE_EXTENT_REG,
                                 .ram_bytes = data->len,
                                 .disk_bytenr = data->start,
                                 .disk_num_bytes = data->len,
                                 .num_bytes = data->len};
    uint8_t item[256] = {0};

    free_space_header_encode(item, &header);
    assert_int_equal(tree_insert(root, &key, item, sizeof(disk_free_space_header)), 0);
    inode_item_encode(item, &inode);
    key = key_make(ino, KEY_INODE_ITEM, 0);
    assert_int_equal(tree_insert(root, &key, item, sizeof(disk_inode_item)), 0);
    file_extent_encode(item, &extent);
    key = key_make(ino, KEY_EXTENT_DATA, 0);
    assert_int_equal(tree_insert(root, &key, item, sizeof(disk_file_extent)), 0);
}

static int drop(void *ctx, uint64_t bytenr, uint64_t num_bytes, uint64_t root, uint64_t objectid,
                uint64_t offset)
{
    assert_int_equal(root, TREE_ROOT);
    assert_true(objectid == 256 || objectid == 300);
    assert_int_equal(offset, 0);
    fixture_free(ctx, &(struct range){bytenr, num_bytes});
    return 0;
}

/* One of the cache files has the number of a subvolume, which must live. */
static void v1_caches_are_deleted(void **state)
{
    struct fixture_options options = usual;
    struct key subvolume = {256, KEY_ROOT_BACKREF, 5};
    uint8_t backref[64] = {0};
    struct root_ref ref = {.dirid = 256, .sequence = 2, .name_len = 1};
    struct range data[2];
    struct fixture f;

    (void)state;
    options.no_tree = true;
    fixture_init(&f, &options);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fixture_alloc(&f, EXTENT, EXTENT, 0, &data[i]), 0);
        fixture_use(&f, &data[i]);
        insert_v1(&f, (i + 1) * MIB, i ? 300 : 256, &data[i]);
    }
    root_ref_encode(backref, &ref);
    backref[sizeof(disk_root_ref)] = 'x';
    assert_int_equal(
        tree_insert(&f.engine.root_tree, &subvolume, backref, sizeof(disk_root_ref) + 1), 0);
    fixture_commit(&f);
    fixture_reopen(&f);
    space_set_drop_extent(f.space, drop, &f);
    assert_int_equal(space_clear_stale_caches(f.space), 0);
    assert_int_equal(space_clear_stale_caches(f.space), 0);
    fixture_commit(&f);
    fixture_check(&f);
    assert_true(fixture_has(&f.engine.root_tree, subvolume));
    assert_false(fixture_has(&f.engine.root_tree, key_make(256, KEY_INODE_ITEM, 0)));
    assert_false(fixture_has(&f.engine.root_tree, key_make(300, KEY_EXTENT_DATA, 0)));
    assert_false(fixture_has(&f.engine.root_tree, key_make(OBJ_FREE_SPACE, 0, MIB)));
    assert_int_equal(space_cache_generation(f.space), UINT64_MAX);
    fixture_close(&f);
}

/* Data groups are read when they are needed, not before. */
static void data_groups_load_late(void **state)
{
    struct range extents[2];
    struct space_totals before, after;
    struct fixture f;

    (void)state;
    prepare(&f, extents);
    space_totals(f.space, SPACE_DATA, &before);
    fixture_reopen(&f);
    assert_false(group_of_kind(&f, SPACE_DATA)->loaded);
    assert_true(group_of_kind(&f, SPACE_METADATA)->loaded);
    space_totals(f.space, SPACE_DATA, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    fixture_free(&f, &extents[0]);
    assert_true(group_of_kind(&f, SPACE_DATA)->loaded);
    fixture_commit(&f);
    fixture_check(&f);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lies_are_noticed_and_mended),
        cmocka_unit_test(a_new_extent_finds_the_lie),
        cmocka_unit_test(superblock_copies_may_be_listed_or_not),
        cmocka_unit_test(damaged_block_groups_are_refused),
        cmocka_unit_test(wrong_used_is_mended),
        cmocka_unit_test(overlapping_extents_are_refused),
        cmocka_unit_test(an_invalid_tree_is_built_anew),
        cmocka_unit_test(v1_caches_are_deleted),
        cmocka_unit_test(data_groups_load_late),
    };

    return cmocka_run_group_tests_name("space/load", tests, NULL, NULL);
}
