// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards I3: for every sector that a file maps, the answer to "who else reaches it" is that of a
 * reader who walks all trees, those of now and those of the last commit. Random file systems:
 * clones at any sector inside files, across files and trees, snapshots of snapshots, trimmed and
 * deleted clones, deleted snapshots, committed or not.
 *
 * And I11: extents are split at any time in between, which changes no address that a file maps,
 * leaves every reference counted as the format asks for, and sets free all that nobody maps.
 *
 * SHARING_SEEDS=N (with COPSE_SEED the first one) makes it N file systems.
 */
#include "engine/extent/sharing.h"
#include "engine/extent/split.h"
#include "engine/extent/test/drop_tree.h"

#define TREES 6
#define INODES 3
#define FIRST_INODE 257
#define POSITIONS 90
#define SECTOR 4096ULL
#define EXTENT_SECTORS_MAX 12

struct model {
    struct world world;
    struct rng rng;
    struct root trees[TREES]; /* id 0: none */
    struct root durable[TREES];
    struct root durable_extents;
    uint64_t next_id;
};

/* ---- trees ---------------------------------------------------------------------------------- */

static int find_tree(void *arg, uint64_t id, bool durable, struct root *out)
{
    struct model *model = arg;

    if (id == TREE_EXTENT && durable && model->durable_extents.bytenr) {
        *out = model->durable_extents;
        return 0;
    }
    for (unsigned i = 0; i < TREES; i++) {
        const struct root *tree = durable ? &model->durable[i] : &model->trees[i];

        if (tree->id == id) {
            *out = *tree;
            return 0;
        }
    }
    return -ENOENT;
}

static int open_tree(void *arg, uint64_t id, struct root **out)
{
    struct model *model = arg;

    for (unsigned i = 0; i < TREES; i++) {
        if (model->trees[i].id == id) {
            *out = &model->trees[i];
            return 0;
        }
    }
    return -ENOENT;
}

static const struct extent_trees trees = {.find = find_tree, .open = open_tree};

static uint64_t pick_tree(struct model *model, bool there)
{
    uint64_t tree = rng_below(&model->rng, TREES);

    for (uint64_t i = 0; i < TREES; i++, tree = (tree + 1) % TREES) {
        if ((model->trees[tree].id != 0) == there)
            return tree;
    }
    return TREES;
}

static void commit(struct model *model)
{
    world_commit(&model->world);
    memcpy(model->durable, model->trees, sizeof(model->durable));
    model->durable_extents = model->world.engine.extent_tree;
}

/* ---- items ---------------------------------------------------------------------------------- */

struct place {
    struct root *tree;
    uint64_t inode;
    uint64_t pos; /* bytes */
};

static struct place pick_place(struct model *model)
{
    return (struct place){
        .tree = &model->trees[pick_tree(model, true)],
        .inode = FIRST_INODE + rng_below(&model->rng, INODES),
        .pos = SECTOR * rng_below(&model->rng, POSITIONS),
    };
}

/* The item that maps the place. */
static bool item_at(const struct place *place, struct key *key, struct file_extent *file)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key want = key_make(place->inode, KEY_EXTENT_DATA, place->pos);

    if (tree_search_le(place->tree, &want, &path) != 0)
        return false;
    path_key(&path, key);
    if (key->objectid != place->inode || key->type != KEY_EXTENT_DATA)
        return false;
    file_extent_decode(file, path_data(&path));
    return key->offset + file->num_bytes > place->pos;
}

static struct data_ref ref_of(const struct place *place, const struct file_extent *file)
{
    return (struct data_ref){
        .root = place->tree->id, .objectid = place->inode, .offset = place->pos - file->offset};
}

static void insert_item(const struct place *place, const struct file_extent *file)
{
    struct key key = key_make(place->inode, KEY_EXTENT_DATA, place->pos);
    disk_file_extent bytes;

    file_extent_encode(&bytes, file);
    ok(tree_insert(place->tree, &key, &bytes, sizeof(bytes)));
}

/* Takes the item away and puts what is left of it before `start` and from `end` on. */
static void cut_item(struct model *model, const struct place *place, const struct key *key,
                     const struct file_extent *file, uint64_t start, uint64_t end)
{
    uint64_t item_end = key->offset + file->num_bytes;
    struct place at = {place->tree, place->inode, key->offset};
    struct data_ref ref = ref_of(&at, file);
    bool front = key->offset < start;
    bool back = item_end > end;

    ok(tree_delete(place->tree, key));
    if (front) {
        struct file_extent part = *file;

        part.num_bytes = start - key->offset;
        insert_item(&at, &part);
    }
    if (back) {
        struct file_extent part = *file;

        at.pos = end;
        part.offset += end - key->offset;
        part.num_bytes = item_end - end;
        insert_item(&at, &part);
    }
    if (front && back)
        ok(extent_add_data_ref(model->world.extents, file->disk_bytenr, file->disk_num_bytes,
                               &ref));
    else if (front || back)
        extent_sharing_trimmed(model->world.extents, file->disk_bytenr, &ref);
    else
        ok(extent_drop_data_ref(model->world.extents, file->disk_bytenr, file->disk_num_bytes,
                                &ref));
}

static void punch(struct model *model, const struct place *place, uint64_t len)
{
    struct place at = *place;

    for (; at.pos < place->pos + len; at.pos += SECTOR) {
        struct file_extent file;
        struct key key;

        if (item_at(&at, &key, &file))
            cut_item(model, &at, &key, &file, at.pos, place->pos + len);
    }
}

/* ---- steps ---------------------------------------------------------------------------------- */

static uint64_t some_sectors(struct model *model, uint64_t max)
{
    return SECTOR * (1 + rng_below(&model->rng, max));
}

/* A new extent, of which a part is mapped. */
static void write_new(struct model *model)
{
    struct place place = pick_place(model);
    uint64_t size = some_sectors(model, EXTENT_SECTORS_MAX);
    struct file_extent file = {
        .generation = model->world.engine.txn.transid,
        .ram_bytes = size,
        .type = FILE_EXTENT_REG,
        .disk_num_bytes = size,
    };
    struct range range;
    struct data_ref ref;

    if (rng_below(&model->rng, 3) == 0)
        file.offset = SECTOR * rng_below(&model->rng, size / SECTOR);
    file.num_bytes = size - file.offset;
    ok(extent_alloc_data(model->world.extents, size, size, 0, &range));
    file.disk_bytenr = range.start;
    punch(model, &place, file.num_bytes);
    ref = ref_of(&place, &file);
    ok(extent_add_new_data(model->world.extents, range.start, range.len, &ref));
    insert_item(&place, &file);
}

/* A part of an item, from any sector of it on, mapped at another place too. */
static void reflink(struct model *model)
{
    struct place from = pick_place(model);
    struct place to = pick_place(model);
    struct file_extent file;
    struct data_ref ref;
    struct key key;
    uint64_t skip;

    if (!item_at(&from, &key, &file))
        return;
    skip = from.pos - key.offset;
    file.offset += skip;
    file.num_bytes = MIN(file.num_bytes - skip, some_sectors(model, EXTENT_SECTORS_MAX));
    if (rng_below(&model->rng, 2) == 0)
        file.generation = model->world.engine.txn.transid;
    ref = ref_of(&to, &file);
    /* First the reference: the punch may drop the last other one. */
    ok(extent_add_data_ref(model->world.extents, file.disk_bytenr, file.disk_num_bytes, &ref));
    punch(model, &to, file.num_bytes);
    insert_item(&to, &file);
}

/* An item becomes two, as when a part of a preallocated extent is written. */
static void split_item(struct model *model)
{
    struct place place = pick_place(model);
    struct file_extent file;
    struct key key;

    if (item_at(&place, &key, &file) && key.offset < place.pos) {
        struct file_extent back = file;
        struct data_ref ref = {place.tree->id, place.inode, key.offset - file.offset, 0};

        cut_item(model, &place, &key, &file, place.pos, UINT64_MAX);
        back.offset += place.pos - key.offset;
        back.num_bytes -= place.pos - key.offset;
        back.generation = model->world.engine.txn.transid;
        insert_item(&place, &back);
        ok(extent_add_data_ref(model->world.extents, file.disk_bytenr, file.disk_num_bytes, &ref));
    }
}

static void punch_some(struct model *model)
{
    struct place place = pick_place(model);

    punch(model, &place, some_sectors(model, EXTENT_SECTORS_MAX));
}

static void delete_inode(struct model *model)
{
    struct place place = pick_place(model);

    place.pos = 0;
    punch(model, &place, 2 * POSITIONS * SECTOR);
}

static void snapshot(struct model *model)
{
    uint64_t to = pick_tree(model, false);

    if (to < TREES)
        ok(tree_copy_root(&model->trees[pick_tree(model, true)], model->next_id++,
                          &model->trees[to]));
}

static void delete_tree(struct model *model)
{
    uint64_t tree = pick_tree(model, true);

    if (tree != 0)
        world_drop_tree(&model->world, &model->trees[tree]);
}

static uint64_t split_extent(struct model *model, const struct file_extent *file)
{
    struct extent_split cost;
    uint64_t freed;

    ok(extent_split_look(model->world.extents, file->disk_bytenr, file->disk_num_bytes, &cost));
    ok(extent_split(model->world.extents, file->disk_bytenr, file->disk_num_bytes, cost.items,
                    &freed));
    assert_int_equal(freed, cost.frees);
    return freed;
}

static void split_some(struct model *model)
{
    struct place place = pick_place(model);
    struct file_extent file;
    struct key key;

    if (item_at(&place, &key, &file))
        split_extent(model, &file);
}

static void step(struct model *model)
{
    uint64_t dice = rng_below(&model->rng, 100);

    if (dice < 40)
        write_new(model);
    else if (dice < 65)
        reflink(model);
    else if (dice < 75)
        punch_some(model);
    else if (dice < 80)
        split_item(model);
    else if (dice < 82)
        delete_inode(model);
    else if (dice < 85)
        split_some(model);
    else if (dice < 90)
        snapshot(model);
    else if (dice < 94)
        delete_tree(model);
    else if (dice < 97)
        commit(model);
    else
        ok(extents_run(model->world.extents, 1 + rng_below(&model->rng, 20)));
}

/* ---- the oracle ----------------------------------------------------------------------------- */

/* A sector of data and a place that maps it, now or in the last commit. */
struct seen_sector {
    uint64_t addr;
    uint64_t tree, inode, pos;
};

struct seen_sectors {
    struct seen_sector *list;
    size_t count, capacity;
};

static void see(struct seen_sectors *seen, struct seen_sector sector)
{
    if (seen->count == seen->capacity) {
        seen->capacity = seen->capacity ? 2 * seen->capacity : 1024;
        seen->list = realloc(seen->list, seen->capacity * sizeof(sector));
        assert_non_null(seen->list);
    }
    seen->list[seen->count++] = sector;
}

static void see_tree(struct seen_sectors *seen, struct root *tree)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret;

    for (ret = tree_search_ge(tree, &key, &path); ret == 0; ret = path_next(&path)) {
        struct file_extent file;

        path_key(&path, &key);
        if (key.type != KEY_EXTENT_DATA)
            continue;
        file_extent_decode(&file, path_data(&path));
        for (uint64_t at = 0; at < file.num_bytes; at += SECTOR)
            see(seen, (struct seen_sector){file.disk_bytenr + file.offset + at, tree->id,
                                           key.objectid, key.offset + at});
    }
    assert_int_equal(ret, 1);
}

static int seen_cmp(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    for (int i = 0; i < 4; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

static void see_all(struct model *model, struct seen_sectors *seen)
{
    size_t out = 0;

    for (unsigned i = 0; i < TREES; i++) {
        if (model->trees[i].id)
            see_tree(seen, &model->trees[i]);
        if (model->durable[i].id)
            see_tree(seen, &model->durable[i]);
    }
    if (seen->count == 0)
        return;
    qsort(seen->list, seen->count, sizeof(*seen->list), seen_cmp);
    for (size_t i = 1; i < seen->count; i++) {
        if (seen_cmp(&seen->list[out], &seen->list[i]) != 0)
            seen->list[++out] = seen->list[i];
    }
    seen->count = out + 1;
}

/* Whether two places map the sector; one maps it, the one that asks. */
static bool oracle(const struct seen_sectors *seen, uint64_t addr)
{
    size_t low = 0;
    size_t high = seen->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (seen->list[mid].addr < addr)
            low = mid + 1;
        else
            high = mid;
    }
    assert_true(low < seen->count && seen->list[low].addr == addr);
    return low + 1 < seen->count && seen->list[low + 1].addr == addr;
}

struct tally {
    uint64_t shared, unshared;
};

static void check_item(struct model *model, const struct seen_sectors *seen, struct extent_use use,
                       struct tally *tally)
{
    uint64_t addr = use.bytenr + use.start;
    bool any = false;
    bool whole;
    struct extent_use rest = use;

    while (rest.len > 0) {
        uint64_t same;
        bool shared;

        ok(extent_sharing_at(model->world.extents, &rest, &shared, &same));
        assert_true(same > 0 && same <= rest.len && same % SECTOR == 0);
        for (uint64_t at = 0; at < same; at += SECTOR, addr += SECTOR) {
            if (oracle(seen, addr) != shared)
                print_error("tree %llu inode %llu position %llu: sector %llu of %llu+%llu shared "
                            "%d\n",
                            (unsigned long long)use.root, (unsigned long long)use.objectid,
                            (unsigned long long)(rest.position + at), (unsigned long long)addr,
                            (unsigned long long)use.bytenr, (unsigned long long)use.num_bytes,
                            shared);
            assert_int_equal(oracle(seen, addr), shared);
        }
        any |= shared;
        *(shared ? &tally->shared : &tally->unshared) += same / SECTOR;
        rest.start += same;
        rest.position += same;
        rest.len -= same;
    }
    ok(extent_range_is_shared(model->world.extents, &use, &whole));
    assert_int_equal(whole, any);
}

static void check_tree(struct model *model, const struct seen_sectors *seen, struct root *tree,
                       struct tally *tally)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret;

    for (ret = tree_search_ge(tree, &key, &path); ret == 0; ret = path_next(&path)) {
        struct file_extent file;

        path_key(&path, &key);
        if (key.type != KEY_EXTENT_DATA)
            continue;
        file_extent_decode(&file, path_data(&path));
        check_item(model, seen,
                   (struct extent_use){
                       .bytenr = file.disk_bytenr,
                       .num_bytes = file.disk_num_bytes,
                       .start = file.offset,
                       .len = file.num_bytes,
                       .root = tree->id,
                       .objectid = key.objectid,
                       .position = key.offset,
                       .generation = file.generation,
                   },
                   tally);
    }
}

static void check(struct model *model, struct tally *tally)
{
    struct seen_sectors seen = {0};

    see_all(model, &seen);
    for (unsigned i = 0; i < TREES; i++) {
        if (model->trees[i].id)
            check_tree(model, &seen, &model->trees[i], tally);
    }
    free(seen.list);
}

/* ---- structure ------------------------------------------------------------------------------ */

/* Every item names an extent as it is; returns the bytes of data extents. */
static void check_sizes(struct model *model, const struct picture *picture)
{
    for (unsigned i = 0; i < TREES; i++) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = KEY_FIRST;
        int ret = model->trees[i].id ? tree_search_ge(&model->trees[i], &key, &path) : 1;

        for (; ret == 0; ret = path_next(&path)) {
            const struct seen *seen;
            struct file_extent file;

            path_key(&path, &key);
            if (key.type != KEY_EXTENT_DATA)
                continue;
            file_extent_decode(&file, path_data(&path));
            seen = picture_find(picture, file.disk_bytenr);
            assert_non_null(seen);
            assert_int_equal(seen->len, file.disk_num_bytes);
            assert_int_equal(file.ram_bytes, file.disk_num_bytes);
            assert_true(file.offset + file.num_bytes <= file.disk_num_bytes);
        }
    }
}

/* All of the extent tree is as the trees ask for; returns the bytes of data extents. */
static uint64_t check_structure(struct model *model)
{
    struct root *roots[TREES];
    struct picture picture;
    uint64_t data = 0;
    size_t count = 0;

    for (unsigned i = 0; i < TREES; i++) {
        if (model->trees[i].id)
            roots[count++] = &model->trees[i];
    }
    world_settle(&model->world);
    world_look(&model->world, &picture);
    expect_forest(&model->world, &picture, roots, count, NULL);
    check_sizes(model, &picture);
    for (size_t i = 0; i < picture.count; i++)
        data += picture.extents[i].flags & EXTENT_FLAG_DATA ? picture.extents[i].len : 0;
    picture_clear(&picture);
    return data;
}

static bool split_any(struct model *model, uint64_t tree, uint64_t inode)
{
    bool any = false;

    for (uint64_t pos = 0; pos < 2 * POSITIONS * SECTOR; pos += SECTOR) {
        struct place place = {&model->trees[tree], inode, pos};
        struct file_extent file;
        struct key key;

        if (item_at(&place, &key, &file))
            any |= split_extent(model, &file) > 0;
    }
    return any;
}

/* With one tree left nothing stands in the way: what is not mapped becomes free. */
static void check_all_can_be_had(struct model *model)
{
    struct seen_sectors seen = {0};
    uint64_t left = pick_tree(model, true);
    uint64_t mapped = 0;

    for (unsigned i = 0; i < TREES; i++) {
        if (i != left && model->trees[i].id)
            world_drop_tree(&model->world, &model->trees[i]);
    }
    for (uint64_t i = 0; i < INODES; i++) {
        split_any(model, left, FIRST_INODE + i);
        assert_false(split_any(model, left, FIRST_INODE + i));
    }
    commit(model);
    see_all(model, &seen);
    for (size_t i = 0; i < seen.count; i++)
        mapped += (i == 0 || seen.list[i].addr != seen.list[i - 1].addr) * SECTOR;
    assert_int_equal(check_structure(model), mapped);
    free(seen.list);
}

/* ---- random file systems -------------------------------------------------------------------- */

static void make_inodes(struct model *model)
{
    for (uint64_t i = 0; i < INODES; i++) {
        struct key key = key_make(FIRST_INODE + i, KEY_INODE_ITEM, 0);
        struct inode_item inode = {.generation = 2, .transid = 2, .nlink = 1, .mode = 0100600};
        disk_inode_item bytes;

        inode_item_encode(&bytes, &inode);
        ok(tree_insert(&model->trees[0], &key, &bytes, sizeof(bytes)));
    }
}

static void open_model(struct model *model, uint64_t seed, const struct world_options *options)
{
    static const struct key never_empty = {OBJ_ORPHAN, KEY_ORPHAN_ITEM, 1};

    *model = (struct model){.next_id = 256};
    rng_seed(&model->rng, seed);
    world_open(&model->world, options);
    extents_set_trees(model->world.extents, &trees, model);
    world_create_tree(&model->world, &model->trees[0], TREE_FS);
    model->trees[0].shareable = true;
    ok(tree_insert(&model->trees[0], &never_empty, NULL, 0));
    make_inodes(model);
}

/* Makes the tree higher: items that take half a leaf. */
static void fill(struct model *model)
{
    for (uint64_t i = 0; i < 160; i++) {
        struct key key = key_make(100 + i * 2, KEY_VERITY_MERKLE_ITEM, 0);

        ok(tree_insert(&model->trees[0], &key, NULL, 1800));
    }
}

static void random_fs(uint64_t seed, struct tally *tally)
{
    struct world_options options = {4096, seed % 5 != 0, seed % 7 == 0};
    AUTO_FREE struct model *model = malloc(sizeof(*model));
    unsigned steps;

    open_model(model, seed, &options);
    if (seed % 4 == 0)
        fill(model);
    steps = 60 + (unsigned)rng_below(&model->rng, 120);
    for (unsigned i = 0; i < steps; i++) {
        step(model);
        if (rng_below(&model->rng, 16) == 0)
            check(model, tally);
    }
    check(model, tally);
    commit(model);
    check(model, tally);
    check_structure(model);
    check_all_can_be_had(model);
    world_close(&model->world);
}

static void as_whole_trees_say(void **state)
{
    const char *wanted = getenv("SHARING_SEEDS");
    uint64_t seeds = wanted ? strtoull(wanted, NULL, 0) : 300;
    uint64_t first = unit_seed(1000);
    struct tally tally = {0};

    (void)state;
    for (uint64_t i = 0; i < seeds; i++) {
        if (seeds > 1000 && i % 500 == 0)
            print_message("# seed %llu\n", (unsigned long long)(first + i));
        random_fs(first + i, &tally);
    }
    print_message("# %llu sectors shared, %llu not\n", (unsigned long long)tally.shared,
                  (unsigned long long)tally.unshared);
    assert_true(seeds < 20 || (tally.shared > 0 && tally.unshared > 0));
}

/* ---- by hand -------------------------------------------------------------------------------- */

/* An extent of `sectors` at the beginning of a file; *use asks about all of it. */
static void one_extent(struct model *model, uint64_t sectors, struct extent_use *use)
{
    struct place place = {&model->trees[0], FIRST_INODE, 0};
    struct file_extent file = {
        .generation = model->world.engine.txn.transid,
        .ram_bytes = sectors * SECTOR,
        .type = FILE_EXTENT_REG,
        .disk_num_bytes = sectors * SECTOR,
        .num_bytes = sectors * SECTOR,
    };
    struct data_ref ref = ref_of(&place, &file);
    struct range range;

    ok(extent_alloc_data(model->world.extents, sectors * SECTOR, sectors * SECTOR, 0, &range));
    file.disk_bytenr = range.start;
    ok(extent_add_new_data(model->world.extents, range.start, range.len, &ref));
    insert_item(&place, &file);
    *use = (struct extent_use){
        .bytenr = range.start,
        .num_bytes = range.len,
        .len = range.len,
        .root = place.tree->id,
        .objectid = place.inode,
        .generation = file.generation,
    };
}

/* Maps one sector of the extent at a place of the second file. */
static void clone_sector(struct model *model, const struct extent_use *use, uint64_t sector,
                         uint64_t pos)
{
    struct place place = {&model->trees[0], FIRST_INODE + 1, pos};
    struct file_extent file = {
        .generation = use->generation,
        .disk_bytenr = use->bytenr,
        .disk_num_bytes = use->num_bytes,
        .ram_bytes = use->num_bytes,
        .offset = sector * SECTOR,
        .num_bytes = SECTOR,
        .type = FILE_EXTENT_REG,
    };
    struct data_ref ref = ref_of(&place, &file);

    ok(extent_add_data_ref(model->world.extents, use->bytenr, use->num_bytes, &ref));
    insert_item(&place, &file);
}

static bool shared_at(struct model *model, const struct extent_use *whole, uint64_t sector)
{
    struct extent_use use = *whole;
    bool shared;

    use.start = use.position = sector * SECTOR;
    use.len = SECTOR;
    ok(extent_range_is_shared(model->world.extents, &use, &shared));
    return shared;
}

static void open_plain(struct model *model)
{
    open_model(model, 1, &(struct world_options){4096, true, false});
}

/* What never was shared costs one look at its extent item, however often it is asked about. */
static void unshared_is_cheap(void **state)
{
    AUTO_FREE struct model *model = malloc(sizeof(*model));
    struct extent_sharing_counters counters;
    struct extent_use use;

    (void)state;
    open_plain(model);
    one_extent(model, 64, &use);
    for (unsigned round = 0; round < 4; round++) {
        commit(model);
        for (uint64_t i = 0; i < 64; i++)
            assert_false(shared_at(model, &use, i));
    }
    extent_sharing_counters(model->world.extents, &counters);
    assert_int_equal(counters.asked, 256);
    assert_int_equal(counters.item_lookups, 1);
    assert_int_equal(counters.walks, 0);
    world_close(&model->world);
}

/* A clone that is gone still counts until that is durable; the sectors beside it never do. */
static void dropped_counts_until_durable(void **state)
{
    AUTO_FREE struct model *model = malloc(sizeof(*model));
    struct extent_use use;
    struct place clone;

    (void)state;
    open_plain(model);
    one_extent(model, 4, &use);
    clone_sector(model, &use, 2, 0);
    commit(model);
    assert_true(shared_at(model, &use, 2));
    clone = (struct place){&model->trees[0], FIRST_INODE + 1, 0};
    punch(model, &clone, SECTOR);
    assert_true(shared_at(model, &use, 2));
    assert_false(shared_at(model, &use, 1));
    commit(model);
    assert_false(shared_at(model, &use, 2));
    world_close(&model->world);
}

/* Made and deleted between two commits, a clone leaves nothing behind. */
static void unborn_clone_does_not_count(void **state)
{
    AUTO_FREE struct model *model = malloc(sizeof(*model));
    struct extent_use use;
    struct place clone;

    (void)state;
    open_plain(model);
    one_extent(model, 4, &use);
    commit(model);
    clone_sector(model, &use, 2, 0);
    assert_true(shared_at(model, &use, 2));
    clone = (struct place){&model->trees[0], FIRST_INODE + 1, 0};
    punch(model, &clone, SECTOR);
    assert_false(shared_at(model, &use, 2));
    world_close(&model->world);
}

/* More references than anyone would look at: all of it counts as shared, which is safe. */
static void many_references(void **state)
{
    AUTO_FREE struct model *model = malloc(sizeof(*model));
    struct extent_use use;

    (void)state;
    open_plain(model);
    one_extent(model, 4, &use);
    for (uint64_t i = 0; i < 6000; i++)
        clone_sector(model, &use, 2, i * SECTOR);
    assert_true(shared_at(model, &use, 1));
    commit(model);
    assert_true(shared_at(model, &use, 1));
    world_close(&model->world);
}

/* A part that the extent does not have is the caller's mistake, not a crash. */
static void impossible_part(void **state)
{
    AUTO_FREE struct model *model = malloc(sizeof(*model));
    struct extent_use use;
    uint64_t same;
    bool shared;

    (void)state;
    open_plain(model);
    one_extent(model, 4, &use);
    use.start = 3 * SECTOR;
    use.len = 2 * SECTOR;
    assert_int_equal(extent_sharing_at(model->world.extents, &use, &shared, &same), -EINVAL);
    use.start = UINT64_MAX - SECTOR;
    assert_int_equal(extent_sharing_at(model->world.extents, &use, &shared, &same), -EINVAL);
    world_close(&model->world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_whole_trees_say),
        cmocka_unit_test(unshared_is_cheap),
        cmocka_unit_test(dropped_counts_until_durable),
        cmocka_unit_test(unborn_clone_does_not_count),
        cmocka_unit_test(many_references),
        cmocka_unit_test(impossible_part),
    };

    return cmocka_run_group_tests_name("sharing", tests, NULL, NULL);
}
