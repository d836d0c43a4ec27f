// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/space/test/fixture.h"

#include <string.h>

#define ok(expr)                                                                                   \
    do {                                                                                           \
        int ok_ret_ = (expr);                                                                      \
        if (ok_ret_ < 0)                                                                           \
            print_error("%s: %d: %s\n", #expr, ok_ret_, fail_message());                           \
        assert_true(ok_ret_ >= 0);                                                                 \
    } while (0)

/* ---- the model
 * ---------------------------------------------------------------------------------------- */

void model_set(struct fixture *f, uint64_t start, uint64_t len, uint8_t from, uint8_t to)
{
    assert_true((start + len) / SECTOR <= f->model_sectors);
    for (uint64_t n = start / SECTOR; n < (start + len) / SECTOR; n++) {
        if (f->model[n] != from)
            print_error("sector at %llu: %u instead of %u\n", (unsigned long long)n * SECTOR,
                        f->model[n], from);
        assert_int_equal(f->model[n], from);
        f->model[n] = to;
    }
}

static void model_group(struct fixture *f, const struct space_group *group)
{
    struct chunk_map chunk;
    uint64_t end = (group->start + group->length) / SECTOR, start, len;

    if (end > f->model_sectors) {
        f->model = realloc(f->model, end);
        assert_non_null(f->model);
        memset(f->model + f->model_sectors, NONE, end - f->model_sectors);
        f->model_sectors = end;
    }
    if (f->model[group->start / SECTOR] != NONE)
        return;
    model_set(f, group->start, group->length, NONE, FREE);
    ok(vol_find_chunk(f->vol, group->start, &chunk));
    for (uint64_t from = group->start; chunk_next_super_range(&chunk, from, &start, &len);
         from = start + len)
        model_set(f, start, len, FREE, SUPER);
}

void model_learn_groups(struct fixture *f)
{
    struct space_group group;

    for (uint64_t from = 0; space_next_group(f->space, from, &group);
         from = group.start + group.length)
        model_group(f, &group);
}

/* Forgets groups that are gone. */
static void model_forget_groups(struct fixture *f)
{
    struct space_group group = {0};
    uint64_t end = 0;

    while (end < f->model_sectors * SECTOR) {
        bool found = space_next_group(f->space, end, &group);
        uint64_t gap_end = found ? group.start : f->model_sectors * SECTOR;

        memset(f->model + end / SECTOR, NONE, (gap_end - end) / SECTOR);
        end = found ? group.start + group.length : gap_end;
    }
}

/* ---- tree blocks and their references
 * ----------------------------------------------------------------- */

static void remember(struct fixture *f, uint64_t bytenr, uint64_t len, bool add, bool data)
{
    if (f->pending_count == f->pending_room) {
        f->pending_room = MAX(2 * f->pending_room, (size_t)64);
        f->pending = realloc(f->pending, f->pending_room * sizeof(*f->pending));
        assert_non_null(f->pending);
    }
    f->pending[f->pending_count++] = (struct pending){bytenr, len, add, data};
}

static int alloc_block(void *ctx, const struct root *root, uint8_t level,
                       const struct key *first_key, uint64_t hint, uint64_t *bytenr)
{
    struct fixture *f = ctx;
    uint32_t nodesize = f->engine.nodesize;
    enum space_kind kind = root->id == TREE_CHUNK ? SPACE_SYSTEM : SPACE_METADATA;
    struct range range;

    (void)level, (void)first_key;
    TRY(space_alloc(f->space, kind, nodesize, nodesize, hint, &range));
    assert_int_equal(range.len, nodesize);
    assert_true(range.start / STRIPE_LEN == (range.start + nodesize - 1) / STRIPE_LEN);
    model_learn_groups(f);
    model_set(f, range.start, nodesize, FREE, ALLOCATED);
    remember(f, range.start, nodesize, true, false);
    *bytenr = range.start;
    return 0;
}

static int free_block(void *ctx, const struct root *root, const struct node *old)
{
    struct fixture *f = ctx;
    uint64_t bytenr = node_bytenr(old);

    (void)root;
    for (size_t i = 0; i < f->pending_count; i++) {
        if (!f->pending[i].add || f->pending[i].bytenr != bytenr)
            continue;
        f->pending[i] = f->pending[--f->pending_count];
        model_set(f, bytenr, f->engine.nodesize, ALLOCATED, FREE);
        return space_alloc_undo(f->space, bytenr, f->engine.nodesize);
    }
    remember(f, bytenr, f->engine.nodesize, false, false);
    return 0;
}

static const struct forest_backing backing = {.alloc_block = alloc_block, .free_block = free_block};

static struct key extent_key(const struct pending *p)
{
    return p->data ? key_make(p->bytenr, KEY_EXTENT_ITEM, p->len)
                   : key_make(p->bytenr, KEY_METADATA_ITEM, 0);
}

static void run_add(struct fixture *f, const struct pending *p)
{
    uint8_t item[64] = {0};
    struct key key = extent_key(p);
    struct extent_item extent = {
        .refs = 1,
        .generation = f->engine.txn.transid,
        .flags = p->data ? EXTENT_FLAG_DATA : EXTENT_FLAG_TREE_BLOCK,
    };
    uint32_t size = sizeof(disk_extent_item);

    extent_item_encode(item, &extent);
    if (p->data) {
        struct extent_data_ref ref = {TREE_FS, 257, p->bytenr, 1};

        item[size++] = KEY_EXTENT_DATA_REF;
        extent_data_ref_encode(item + size, &ref);
        size += sizeof(disk_extent_data_ref);
    } else {
        struct extent_inline_ref ref = {KEY_TREE_BLOCK_REF, TREE_EXTENT};

        extent_inline_ref_encode(item + size, &ref);
        size += sizeof(disk_extent_inline_ref);
    }
    ok(tree_insert(&f->engine.extent_tree, &key, item, size));
    ok(space_alloc_done(f->space, p->bytenr, p->len));
    model_set(f, p->bytenr, p->len, ALLOCATED, USED);
}

static void run_drop(struct fixture *f, const struct pending *p)
{
    struct key key = extent_key(p);

    ok(tree_delete(&f->engine.extent_tree, &key));
    ok(space_freed(f->space, p->bytenr, p->len));
    model_set(f, p->bytenr, p->len, USED, PINNED);
}

static void run_pending(struct fixture *f)
{
    while (f->pending_count > 0) {
        struct pending p = f->pending[--f->pending_count];

        if (p.add)
            run_add(f, &p);
        else
            run_drop(f, &p);
    }
}

/* ---- a commit
 * ------------------------------------------------------------------------------------------------
 */

void fixture_settle(struct fixture *f)
{
    for (unsigned round = 0;; round++) {
        bool changed;

        assert_true(round < 30);
        run_pending(f);
        ok(space_write_items(f->space, &changed));
        model_learn_groups(f);
        if (!changed && f->pending_count == 0)
            break;
    }
    ok(forest_write_dirty(f->engine.forest));
}

void fixture_durable(struct fixture *f)
{
    f->engine.durable_gen = f->engine.txn.transid++;
    forest_set_generation(f->engine.forest, f->engine.txn.transid);
    ok(space_unpin(f->space));
    for (uint64_t n = 0; n < f->model_sectors; n++)
        if (f->model[n] == PINNED)
            f->model[n] = FREE;
    model_forget_groups(f);
}

void fixture_commit(struct fixture *f)
{
    fixture_settle(f);
    fixture_durable(f);
}

/* ---- data
 * ----------------------------------------------------------------------------------------------------
 */

int fixture_alloc(struct fixture *f, uint64_t want, uint64_t min, uint64_t hint, struct range *out)
{
    TRY(space_alloc(f->space, SPACE_DATA, want, min, hint, out));
    assert_true(out->len >= min && out->len <= want);
    model_learn_groups(f);
    model_set(f, out->start, out->len, FREE, ALLOCATED);
    return 0;
}

void fixture_use(struct fixture *f, const struct range *range)
{
    run_add(f, &(struct pending){range->start, range->len, true, true});
}

void fixture_free(struct fixture *f, const struct range *range)
{
    run_drop(f, &(struct pending){range->start, range->len, false, true});
}

void fixture_undo(struct fixture *f, const struct range *range)
{
    ok(space_alloc_undo(f->space, range->start, range->len));
    model_set(f, range->start, range->len, ALLOCATED, FREE);
}

void fixture_pin(struct fixture *f, const struct range *range)
{
    ok(space_alloc_pin(f->space, range->start, range->len));
    model_set(f, range->start, range->len, ALLOCATED, PINNED);
}

/* ---- setting up
 * ------------------------------------------------------------------------------------------ */

static struct super make_super(const struct fixture_options *o)
{
    struct super super = {
        .flags = SUPER_FLAG_WRITTEN,
        .magic = SUPER_MAGIC,
        .generation = 1,
        .total_bytes = o->device_bytes,
        .root_dir_objectid = ROOT_TREE_DIR,
        .num_devices = 1,
        .sectorsize = SECTOR,
        .nodesize = o->nodesize,
        .leafsize = o->nodesize,
        .stripesize = SECTOR,
        .incompat_flags = INCOMPAT_MIXED_BACKREF | INCOMPAT_EXTENDED_IREF |
                          INCOMPAT_SKINNY_METADATA | INCOMPAT_NO_HOLES |
                          (o->mixed ? INCOMPAT_MIXED_GROUPS : 0),
        .compat_ro_flags =
            (o->no_tree ? 0 : COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID) |
            (o->group_tree ? COMPAT_RO_BLOCK_GROUP_TREE : 0),
        .dev_item = {.devid = 1,
                     .total_bytes = o->device_bytes,
                     .io_align = SECTOR,
                     .io_width = SECTOR,
                     .sector_size = SECTOR},
        .cache_generation = UINT64_MAX,
    };

    memset(super.fsid.b, 0x11, sizeof(super.fsid.b));
    memset(super.dev_item.uuid.b, 0x22, sizeof(super.dev_item.uuid.b));
    super.dev_item.fsid = super.fsid;
    return super;
}

static void make_root(struct fixture *f, struct root *root, uint64_t id)
{
    engine_root_set(&f->engine, root, id, 0, 0, 0);
    ok(root_create(root));
}

static void make_trees(struct fixture *f, const struct fixture_options *o)
{
    struct engine *engine = &f->engine;
    struct key some = {OBJ_ORPHAN, KEY_ORPHAN_ITEM, 300};

    make_root(f, &engine->chunk_tree, TREE_CHUNK);
    make_root(f, &engine->root_tree, TREE_ROOT);
    make_root(f, &engine->extent_tree, TREE_EXTENT);
    make_root(f, &engine->dev_tree, TREE_DEV);
    if (!o->no_tree)
        make_root(f, &engine->free_space_tree, TREE_FREE_SPACE);
    if (o->group_tree)
        make_root(f, &engine->block_group_tree, TREE_BLOCK_GROUP);
    ok(tree_insert(&engine->root_tree, &some, NULL, 0)); /* a root tree is never empty */
}

void fixture_init(struct fixture *f, const struct fixture_options *o)
{
    struct super super = make_super(o);
    uint64_t data_type = o->mixed ? BG_DATA | BG_METADATA : BG_DATA;

    *f = (struct fixture){.env = env_seeded_new(1),
                          .dev = dev_record_new(dev_mem_new(o->device_bytes))};
    assert_non_null(f->dev);
    ok(vol_new(f->env, f->dev, &super, &f->vol));
    ok(engine_init(&f->engine, f->vol, 4 * MIB));
    f->engine.txn.transid = 2;
    forest_set_generation(f->engine.forest, 2);
    forest_set_backing(f->engine.forest, &backing, f);
    ok(space_new_empty(&f->engine, &f->space));
    ok(space_create_chunk(f->space, BG_SYSTEM | o->metadata_profile, NULL));
    if (!o->mixed)
        ok(space_create_chunk(f->space, BG_METADATA | o->metadata_profile, NULL));
    ok(space_create_chunk(f->space, data_type | o->data_profile, NULL));
    model_learn_groups(f);
    make_trees(f, o);
    fixture_commit(f);
}

void fixture_close(struct fixture *f)
{
    space_close(f->space);
    engine_release(&f->engine);
    vol_close(f->vol);
    env_seeded_free(f->env);
    free(f->pending);
    free(f->model);
}

void fixture_reopen(struct fixture *f)
{
    space_close(f->space);
    ok(space_open(&f->engine, &f->space));
}

/* ---- checking
 * -------------------------------------------------------------------------------------------- */

bool fixture_has(struct root *root, struct key key)
{
    AUTO_PATH struct path path = PATH_INIT;
    int ret = tree_search(root, &key, &path);

    assert_true(ret >= 0);
    return ret == 0;
}

static void check_sectors(struct fixture *f, struct group *group, struct rangeset *on_disk)
{
    bool tree = free_tree_kept(f->space);
    uint64_t used = 0;

    for (uint64_t at = group->start; at < group->start + group->length; at += SECTOR) {
        uint8_t state = f->model[at / SECTOR];

        assert_int_equal(rangeset_overlaps(&group->free, at, SECTOR), state == FREE);
        assert_int_equal(rangeset_overlaps(&group->allocated, at, SECTOR), state == ALLOCATED);
        assert_int_equal(rangeset_overlaps(&group->pinned, at, SECTOR), state == PINNED);
        if (tree)
            assert_int_equal(rangeset_overlaps(on_disk, at, SECTOR),
                             state != USED && state != NONE);
        used += state == USED ? SECTOR : 0;
    }
    assert_int_equal(group->used, used);
}

static void check_group_items(struct fixture *f, const struct group *group)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = {group->start, KEY_BLOCK_GROUP_ITEM, group->length};
    struct block_group_item item;
    struct chunk_map chunk;

    assert_int_equal(tree_search(engine_block_group_tree(&f->engine), &key, &path), 0);
    block_group_item_decode(&item, path_data(&path));
    assert_int_equal(item.used, group->used);
    assert_int_equal(item.flags, group->flags);
    ok(vol_find_chunk(f->vol, group->start, &chunk));
    assert_true(fixture_has(&f->engine.chunk_tree,
                            key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, chunk.logical)));
    for (unsigned i = 0; i < chunk.num_stripes; i++)
        assert_true(
            fixture_has(&f->engine.dev_tree,
                        key_make(chunk.stripes[i].devid, KEY_DEV_EXTENT, chunk.stripes[i].offset)));
}

static uint64_t check_group(struct fixture *f, struct group *group)
{
    struct rangeset on_disk;
    struct chunk_map chunk;

    rangeset_init(&on_disk);
    ok(group_load(f->space, group, NULL, false));
    if (free_tree_kept(f->space))
        ok(free_tree_read(f->space, group, &on_disk));
    check_sectors(f, group, &on_disk);
    rangeset_clear(&on_disk);
    check_group_items(f, group);
    ok(vol_find_chunk(f->vol, group->start, &chunk));
    return chunk.num_stripes * chunk.length;
}

static void check_sums(struct fixture *f)
{
    for (enum space_kind i = 0; i < SPACE_KINDS; i++) {
        const struct kind *kind = &f->space->kinds[i];
        uint64_t total = 0, free_bytes = 0, super = 0;

        for (struct group *g = group_from(f->space, 0); g; g = group_next(g)) {
            if (g->kind != i)
                continue;
            total += g->length;
            free_bytes += g->free.bytes;
            super += g->super.bytes;
        }
        assert_int_equal(kind->total, total);
        assert_int_equal(kind->free + kind->readonly, free_bytes);
        assert_int_equal(kind->total,
                         free_bytes + super + kind->used + kind->allocated + kind->pinned);
    }
}

void fixture_check(struct fixture *f)
{
    uint64_t used = 0, raw = 0;
    struct dev_item item;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = {OBJ_DEV_ITEMS, KEY_DEV_ITEM, 1};

    for (struct group *group = group_from(f->space, 0); group; group = group_next(group)) {
        raw += check_group(f, group);
        used += group->used;
    }
    assert_int_equal(f->engine.bytes_used, used);
    check_sums(f);
    assert_int_equal(tree_search(&f->engine.chunk_tree, &key, &path), 0);
    dev_item_decode(&item, path_data(&path));
    assert_int_equal(item.bytes_used, raw);
    assert_int_equal(vol_device(f->vol, 0)->item.bytes_used, raw);
    assert_int_equal(space_unallocated(f->space), item.total_bytes - raw);
}
