// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file system without root items: system trees, real space, real trees, on a memory device; and
 * a reader of the extent tree that shares no code with what it judges.
 */
#ifndef COPSE_ENGINE_EXTENT_TEST_WORLD_H
#define COPSE_ENGINE_EXTENT_TEST_WORLD_H

#include "base/test/unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "disk/dev/dev.h"
#include "engine/csums/csums.h"
#include "engine/extent/extent.h"

#define DEVICE_SIZE (2 * GIB)

struct world {
    struct env *env;
    struct vol *vol;
    struct engine engine;
    struct space *space;
    struct extents *extents;
};

struct world_options {
    uint32_t nodesize;
    bool skinny;
    bool mixed;
};

static inline void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

static inline struct super world_super(const struct world_options *options)
{
    uint64_t incompat = INCOMPAT_MIXED_BACKREF | INCOMPAT_NO_HOLES | INCOMPAT_EXTENDED_IREF;

    if (options->skinny)
        incompat |= INCOMPAT_SKINNY_METADATA;
    if (options->mixed)
        incompat |= INCOMPAT_MIXED_GROUPS;
    return (struct super){
        .magic = SUPER_MAGIC,
        .generation = 1,
        .total_bytes = DEVICE_SIZE,
        .num_devices = 1,
        .sectorsize = 4096,
        .nodesize = options->nodesize,
        .leafsize = options->nodesize,
        .stripesize = 4096,
        .incompat_flags = incompat,
        .compat_ro_flags = COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID,
        .dev_item = {.devid = 1, .total_bytes = DEVICE_SIZE, .sector_size = 4096},
    };
}

static inline void world_create_tree(struct world *world, struct root *root, uint64_t id)
{
    engine_root_set(&world->engine, root, id, 0, 0, 0);
    ok(root_create(root));
}

static inline void world_open(struct world *world, const struct world_options *options)
{
    struct super super = world_super(options);
    struct engine *engine = &world->engine;
    struct uuid uuid = {{7}};

    *world = (struct world){.env = env_seeded_new(1)};
    ok(vol_new(world->env, dev_mem_new(DEVICE_SIZE), &super, &world->vol));
    ok(engine_init(engine, world->vol, 64 * MIB));
    forest_set_chunk_tree_uuid(engine->forest, &uuid);
    engine->txn.transid = 2;
    forest_set_generation(engine->forest, 2);
    /* Their ids are looked at before they have a node. */
    engine_root_set(engine, &engine->extent_tree, TREE_EXTENT, 0, 0, 0);
    engine_root_set(engine, &engine->free_space_tree, TREE_FREE_SPACE, 0, 0, 0);
    ok(space_new_empty(engine, &world->space));
    ok(extents_open(engine, world->space, &world->extents));
    ok(space_create_chunk(world->space, BG_SYSTEM, NULL));
    if (options->mixed) {
        ok(space_create_chunk(world->space, BG_DATA | BG_METADATA, NULL));
    } else {
        ok(space_create_chunk(world->space, BG_METADATA, NULL));
        ok(space_create_chunk(world->space, BG_DATA, NULL));
    }
    world_create_tree(world, &engine->extent_tree, TREE_EXTENT);
    world_create_tree(world, &engine->chunk_tree, TREE_CHUNK);
    world_create_tree(world, &engine->dev_tree, TREE_DEV);
    world_create_tree(world, &engine->csum_tree, TREE_CSUM);
    world_create_tree(world, &engine->free_space_tree, TREE_FREE_SPACE);
}

static inline void world_close(struct world *world)
{
    extents_close(world->extents);
    space_close(world->space);
    engine_release(&world->engine);
    vol_close(world->vol);
    env_seeded_free(world->env);
}

/* Everything pending is in the trees, and block groups agree with them. */
static inline void world_settle(struct world *world)
{
    bool changed;

    do {
        ok(extents_run(world->extents, 0));
        ok(space_write_items(world->space, &changed));
    } while (changed || extents_pending(world->extents) > 0);
}

static inline void world_commit(struct world *world)
{
    struct engine *engine = &world->engine;

    world_settle(world);
    ok(forest_write_dirty(engine->forest));
    engine->durable_gen = engine->txn.transid++;
    forest_set_generation(engine->forest, engine->txn.transid);
    space_forget_pinned(world->space);
    ok(space_unpin(world->space));
}

/* ---- reading the extent tree ---------------------------------------------------------------- */

/* One reference. Of two with everything but count equal there is one, with the sum. */
struct row {
    uint64_t bytenr;
    uint64_t type;
    uint64_t who; /* root or parent */
    uint64_t objectid;
    uint64_t offset;
    uint64_t count;
};

struct rows {
    struct row *row;
    size_t count, capacity;
};

/* One extent item. */
struct seen {
    uint64_t bytenr;
    uint64_t len;
    uint64_t flags;
    uint64_t refs;
};

struct picture {
    struct rows rows;
    struct seen *extents;
    size_t count, capacity;
    unsigned keyed; /* references with items of their own */
};

static inline void rows_clear(struct rows *rows)
{
    free(rows->row);
    *rows = (struct rows){0};
}

static inline void picture_clear(struct picture *picture)
{
    rows_clear(&picture->rows);
    free(picture->extents);
    *picture = (struct picture){0};
}

static inline void rows_add(struct rows *rows, struct row row)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? 2 * rows->capacity : 256;
        rows->row = realloc(rows->row, rows->capacity * sizeof(row));
        assert_non_null(rows->row);
    }
    rows->row[rows->count++] = row;
}

static inline int row_cmp_who(const struct row *a, const struct row *b)
{
    const uint64_t *x = (const uint64_t *)a;
    const uint64_t *y = (const uint64_t *)b;

    for (int i = 0; i < 5; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

static inline int row_cmp(const void *a, const void *b)
{
    return row_cmp_who(a, b);
}

static inline void rows_sort_and_sum(struct rows *rows)
{
    size_t out = 0;

    if (rows->count == 0)
        return;
    qsort(rows->row, rows->count, sizeof(struct row), row_cmp);
    for (size_t i = 1; i < rows->count; i++) {
        if (row_cmp_who(&rows->row[out], &rows->row[i]) == 0)
            rows->row[out].count += rows->row[i].count;
        else
            rows->row[++out] = rows->row[i];
    }
    rows->count = out + 1;
}

static inline void rows_print(const char *what, const struct row *row)
{
    print_error("%s: %llu type %llu who %llu inode %llu offset %lld count %llu\n", what,
                (unsigned long long)row->bytenr, (unsigned long long)row->type,
                (unsigned long long)row->who, (unsigned long long)row->objectid,
                (long long)row->offset, (unsigned long long)row->count);
}

/* Both sorted and summed. */
static inline void rows_equal(const struct rows *expected, const struct rows *found)
{
    for (size_t i = 0; i < expected->count || i < found->count; i++) {
        const struct row *e = i < expected->count ? &expected->row[i] : NULL;
        const struct row *f = i < found->count ? &found->row[i] : NULL;

        if (e && f && row_cmp_who(e, f) == 0 && e->count == f->count)
            continue;
        if (e)
            rows_print("expected", e);
        if (f)
            rows_print("found", f);
        assert_true(false);
    }
}

/* Where the reference stands among the inline ones: type up, then this down. */
static inline uint64_t row_rank(const struct row *row)
{
    return row->type == KEY_EXTENT_DATA_REF
               ? extent_data_ref_hash(row->who, row->objectid, row->offset)
               : row->who;
}

static inline struct row row_of_data(uint64_t bytenr, const uint8_t *bytes)
{
    struct extent_data_ref ref;

    extent_data_ref_decode(&ref, bytes);
    return (struct row){bytenr, KEY_EXTENT_DATA_REF, ref.root, ref.objectid, ref.offset, ref.count};
}

static inline uint64_t read_u64(const uint8_t *bytes)
{
    le64 v;

    memcpy(&v, bytes, sizeof(v));
    return le64_get(v);
}

static inline uint64_t read_u32(const uint8_t *bytes)
{
    le32 v;

    memcpy(&v, bytes, sizeof(v));
    return le32_get(v);
}

/* Inline references of an item; returns the sum of their counts. */
static inline uint64_t read_inline(struct picture *picture, uint64_t bytenr, const uint8_t *bytes,
                                   uint32_t size)
{
    struct row prev = {0};
    uint64_t sum = 0;

    for (uint32_t pos = 0; pos < size;) {
        struct row row = {.bytenr = bytenr, .type = bytes[pos], .count = 1};

        if (row.type == KEY_EXTENT_OWNER_REF) {
            pos += 9;
            continue;
        }
        if (row.type == KEY_EXTENT_DATA_REF) {
            row = row_of_data(bytenr, bytes + pos + 1);
            pos += 29;
        } else {
            assert_true(row.type == KEY_TREE_BLOCK_REF || row.type == KEY_SHARED_BLOCK_REF ||
                        row.type == KEY_SHARED_DATA_REF);
            row.who = read_u64(bytes + pos + 1);
            pos += 9;
            if (row.type == KEY_SHARED_DATA_REF) {
                row.count = read_u32(bytes + pos);
                pos += 4;
            }
        }
        assert_true(pos <= size);
        assert_true(row.count > 0);
        assert_true(row.type > prev.type ||
                    (row.type == prev.type && row_rank(&row) <= row_rank(&prev)));
        rows_add(&picture->rows, row);
        sum += row.count;
        prev = row;
    }
    return sum;
}

static inline uint64_t read_keyed(struct picture *picture, const struct key *key,
                                  const uint8_t *bytes, uint32_t size)
{
    struct row row = {key->objectid, key->type, key->offset, 0, 0, 1};

    if (key->type == KEY_EXTENT_DATA_REF) {
        assert_int_equal(size, 28);
        row = row_of_data(key->objectid, bytes);
        assert_true(key->offset >= row_rank(&row) && key->offset - row_rank(&row) < 4);
    } else if (key->type == KEY_SHARED_DATA_REF) {
        assert_int_equal(size, 4);
        row.count = read_u32(bytes);
    } else {
        assert_int_equal(size, 0);
    }
    assert_true(row.count > 0);
    rows_add(&picture->rows, row);
    picture->keyed++;
    return row.count;
}

static inline void picture_add(struct picture *picture, struct seen seen)
{
    if (picture->count == picture->capacity) {
        picture->capacity = picture->capacity ? 2 * picture->capacity : 256;
        picture->extents = realloc(picture->extents, picture->capacity * sizeof(seen));
        assert_non_null(picture->extents);
    }
    picture->extents[picture->count++] = seen;
}

/* One item of the extent tree; *refs_left counts down what the item before it promised. */
static inline void read_item(struct world *world, struct picture *picture, const struct key *key,
                             const uint8_t *bytes, uint32_t size, uint64_t *refs_left)
{
    uint64_t nodesize = world->engine.nodesize;
    uint32_t header = 24;

    if (key->type == KEY_BLOCK_GROUP_ITEM)
        return;
    if (key->type != KEY_EXTENT_ITEM && key->type != KEY_METADATA_ITEM) {
        const struct seen *owner = &picture->extents[picture->count - 1];
        uint64_t refs = read_keyed(picture, key, bytes, size);

        assert_true(picture->count > 0 && owner->bytenr == key->objectid);
        assert_true(*refs_left >= refs);
        *refs_left -= refs;
        return;
    }

    struct seen seen = {key->objectid, key->offset, read_u64(bytes + 16), read_u64(bytes)};
    bool tree_block = seen.flags & EXTENT_FLAG_TREE_BLOCK;

    assert_int_equal(*refs_left, 0);
    if (key->type == KEY_METADATA_ITEM)
        seen.len = nodesize;
    else if (tree_block)
        header += 18;
    assert_true(tree_block ? seen.len == nodesize : key->type == KEY_EXTENT_ITEM);
    if (picture->count > 0) {
        const struct seen *prev = &picture->extents[picture->count - 1];

        assert_true(prev->bytenr + prev->len <= seen.bytenr);
    }
    *refs_left = seen.refs - read_inline(picture, seen.bytenr, bytes + header, size - header);
    picture_add(picture, seen);
}

/* Reads and judges the whole extent tree, and what space says of it. */
static inline void world_look(struct world *world, struct picture *picture)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    uint64_t refs_left = 0;
    uint64_t bytes = 0;
    uint64_t used = 0;
    int ret;

    *picture = (struct picture){0};
    for (ret = tree_search_ge(&world->engine.extent_tree, &key, &path); ret == 0;
         ret = path_next(&path)) {
        path_key(&path, &key);
        read_item(world, picture, &key, path_data(&path), path_size(&path), &refs_left);
    }
    assert_int_equal(ret, 1);
    assert_int_equal(refs_left, 0);
    rows_sort_and_sum(&picture->rows);

    for (size_t i = 0; i < picture->count; i++)
        bytes += picture->extents[i].len;

    struct space_group group;

    for (uint64_t from = 0; space_next_group(world->space, from, &group);
         from = group.start + group.length) {
        assert_int_equal(group.allocated, 0);
        used += group.used;
    }
    assert_int_equal(bytes, used);
    assert_int_equal(bytes, world->engine.bytes_used);
}

static inline const struct seen *picture_find(const struct picture *picture, uint64_t bytenr)
{
    size_t low = 0;
    size_t high = picture->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (picture->extents[mid].bytenr < bytenr)
            low = mid + 1;
        else
            high = mid;
    }
    return low < picture->count && picture->extents[low].bytenr == bytenr ? &picture->extents[low]
                                                                          : NULL;
}

/* ---- walking trees -------------------------------------------------------------------------- */

/* Blocks that were visited: a table of addresses, open addressing. */
struct visited {
    uint64_t *slots;
    size_t mask;
};

static inline void visited_init(struct visited *visited)
{
    visited->mask = (1 << 17) - 1;
    visited->slots = calloc(visited->mask + 1, sizeof(uint64_t));
    assert_non_null(visited->slots);
}

/* Whether it was new. */
static inline bool visited_add(struct visited *visited, uint64_t bytenr)
{
    size_t i = (bytenr / 4096 * 0x9E3779B1ULL) & visited->mask;

    while (visited->slots[i] != 0) {
        if (visited->slots[i] == bytenr)
            return false;
        i = (i + 1) & visited->mask;
    }
    visited->slots[i] = bytenr;
    return true;
}

static inline void expect_leaf(struct rows *rows, const struct node *leaf, bool full)
{
    for (uint32_t slot = 0; slot < node_items(leaf); slot++) {
        struct file_extent file;
        struct key key;

        node_key(leaf, slot, &key);
        if (key.type != KEY_EXTENT_DATA)
            continue;
        file_extent_decode(&file, leaf_data(leaf, slot));
        if (file.type == FILE_EXTENT_INLINE || file.disk_bytenr == 0)
            continue;
        if (full)
            rows_add(rows, (struct row){file.disk_bytenr, KEY_SHARED_DATA_REF, node_bytenr(leaf), 0,
                                        0, 1});
        else
            rows_add(rows, (struct row){file.disk_bytenr, KEY_EXTENT_DATA_REF, node_owner(leaf),
                                        key.objectid, key.offset - file.offset, 1});
    }
}

/* Adds the references that a block and all below it hold, each block once. */
static inline void expect_below(struct world *world, const struct picture *picture,
                                struct visited *visited, struct rows *rows, uint64_t bytenr,
                                int level)
{
    struct node_expect expect = {.bytenr = bytenr, .level = level};
    const struct seen *seen = picture_find(picture, bytenr);
    struct node *node;

    assert_non_null(seen);
    if (!visited_add(visited, bytenr))
        return;
    ok(forest_read_node(world->engine.forest, &expect, &node));

    bool full = seen->flags & BLOCK_FLAG_FULL_BACKREF;

    if (level == 0)
        expect_leaf(rows, node, full);
    for (uint32_t slot = 0; level > 0 && slot < node_items(node); slot++) {
        uint64_t child = node_child(node, slot);

        if (full)
            rows_add(rows, (struct row){child, KEY_SHARED_BLOCK_REF, bytenr, 0, 0, 1});
        else
            rows_add(rows, (struct row){child, KEY_TREE_BLOCK_REF, node_owner(node), 0, 0, 1});
        expect_below(world, picture, visited, rows, child, level - 1);
    }
    node_put(node);
}

static inline void expect_tree(struct world *world, const struct picture *picture,
                               struct visited *visited, struct rows *rows, const struct root *root)
{
    rows_add(rows, (struct row){root->bytenr, KEY_TREE_BLOCK_REF, root->id, 0, 0, 1});
    expect_below(world, picture, visited, rows, root->bytenr, root->level);
}

/* All references from system trees and from these trees, and nothing else, are in the picture. */
static inline void expect_forest(struct world *world, const struct picture *picture,
                                 struct root *const *roots, size_t count, const struct rows *others)
{
    struct engine *engine = &world->engine;
    const struct root *system[] = {&engine->extent_tree, &engine->chunk_tree, &engine->dev_tree,
                                   &engine->csum_tree, &engine->free_space_tree};
    struct visited visited;
    struct rows rows = {0};

    visited_init(&visited);
    for (size_t i = 0; i < ARRAY_LEN(system); i++)
        expect_tree(world, picture, &visited, &rows, system[i]);
    for (size_t i = 0; i < count; i++)
        expect_tree(world, picture, &visited, &rows, roots[i]);
    for (size_t i = 0; others && i < others->count; i++)
        rows_add(&rows, others->row[i]);
    rows_sort_and_sum(&rows);
    rows_equal(&rows, &picture->rows);
    rows_clear(&rows);
    free(visited.slots);
}

#endif
