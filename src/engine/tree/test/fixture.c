// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/tree/test/fixture.h"

#include "disk/csum/csum.h"

/* cmocka's fail_msg is built on its macro fail(), which is another function here. */
#define give_up(...)                                                                               \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        assert_true(false);                                                                        \
    } while (0)

/* ---- volume and forest
 * ----------------------------------------------------------------------------- */

#define TEST_CHUNK_SIZE (8 * GIB)
#define TEST_DEV_OFFSET (1 * MIB)

static const struct uuid test_uuid = {{1, 2, 3, 4, 5}};

static void make_volume(struct fixture *fixture, struct dev *(*dev_wrap)(struct dev *))
{
    struct super super = {
        .fsid = test_uuid,
        .nodesize = fixture->nodesize,
        .sectorsize = 4096,
        .csum_type = CSUM_CRC32C,
        .total_bytes = TEST_DEV_OFFSET + TEST_CHUNK_SIZE,
        .num_devices = 1,
        .incompat_flags = INCOMPAT_MIXED_BACKREF | INCOMPAT_SKINNY_METADATA | INCOMPAT_NO_HOLES,
        .dev_item = {.devid = 1, .total_bytes = TEST_DEV_OFFSET + TEST_CHUNK_SIZE},
    };
    struct chunk_map chunk = {
        .logical = TEST_CHUNK_START,
        .length = TEST_CHUNK_SIZE,
        .type = BG_METADATA,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 1,
        .stripes = {{.devid = 1, .offset = TEST_DEV_OFFSET}},
    };
    struct dev *view = dev_borrow(fixture->dev);

    assert_non_null(view);
    if (dev_wrap)
        view = dev_wrap(view);
    assert_int_equal(vol_new(fixture->env, view, &super, &fixture->vol), 0);
    assert_int_equal(vol_add_chunk(fixture->vol, &chunk), 0);
}

static const struct forest_backing backing;

static void make_forest(struct fixture *fixture, uint64_t generation)
{
    const struct forest_options options = {.cache_bytes = fixture->cache_bytes};

    assert_int_equal(forest_new(fixture->vol, &options, &fixture->forest), 0);
    forest_set_backing(fixture->forest, &backing, fixture);
    forest_set_chunk_tree_uuid(fixture->forest, &test_uuid);
    forest_set_generation(fixture->forest, generation);
}

void fixture_init(struct fixture *fixture, uint32_t nodesize, uint64_t cache_bytes,
                  struct dev *(*dev_wrap)(struct dev *))
{
    *fixture = (struct fixture){
        .env = env_seeded_new(1),
        .dev = dev_mem_new(TEST_DEV_OFFSET + TEST_CHUNK_SIZE),
        .nodesize = nodesize,
        .cache_bytes = cache_bytes,
        .fail_after = -1,
    };
    assert_non_null(fixture->env);
    assert_non_null(fixture->dev);
    make_volume(fixture, dev_wrap);
    make_forest(fixture, 10);
}

void fixture_free(struct fixture *fixture)
{
    forest_free(fixture->forest);
    vol_close(fixture->vol);
    dev_close(fixture->dev);
    env_seeded_free(fixture->env);
    for (size_t i = 0; i < fixture->block_count; i++)
        free(fixture->blocks[i].refs);
    free(fixture->blocks);
    free(fixture->pinned);
    free(fixture->reusable);
}

struct root fixture_tree(struct fixture *fixture, uint64_t id)
{
    struct root root = {
        .forest = fixture->forest,
        .id = id,
        .shareable = is_fs_tree(id),
        .is_log = id == TREE_LOG,
    };

    assert_int_equal(root_create(&root), 0);
    return root;
}

#define PUSH(array, count, space, value)                                                           \
    do {                                                                                           \
        if ((count) == (space)) {                                                                  \
            (space) = (space) ? (space)*2 : 4;                                                     \
            (array) = realloc((array), (space) * sizeof(*(array)));                                \
            assert_non_null(array);                                                                \
        }                                                                                          \
        (array)[(count)++] = (value);                                                              \
    } while (0)

void fixture_commit(struct fixture *fixture)
{
    assert_int_equal(forest_write_dirty(fixture->forest), 0);
    assert_int_equal(forest_dirty_bytes(fixture->forest), 0);
    forest_set_generation(fixture->forest, forest_generation(fixture->forest) + 1);
    for (size_t i = 0; i < fixture->pinned_count; i++)
        PUSH(fixture->reusable, fixture->reusable_count, fixture->reusable_space,
             fixture->pinned[i]);
    fixture->pinned_count = 0;
}

void fixture_reopen(struct fixture *fixture)
{
    uint64_t generation = forest_generation(fixture->forest);

    forest_free(fixture->forest);
    make_forest(fixture, generation);
}

/* ---- the backing
 * ----------------------------------------------------------------------------------- */

static struct test_block *block_at(struct fixture *fixture, uint64_t bytenr)
{
    size_t index = (bytenr - TEST_CHUNK_START) / fixture->nodesize;

    assert_true(bytenr >= TEST_CHUNK_START && index < fixture->block_count);
    assert_int_equal((bytenr - TEST_CHUNK_START) % fixture->nodesize, 0);
    assert_true(fixture->blocks[index].used);
    return &fixture->blocks[index];
}

static void add_ref(struct fixture *fixture, uint64_t bytenr, bool parent, uint64_t from)
{
    struct test_block *block = block_at(fixture, bytenr);
    struct test_ref ref = {parent, from};

    PUSH(block->refs, block->ref_count, block->ref_space, ref);
}

static void drop_ref(struct fixture *fixture, uint64_t bytenr, bool parent, uint64_t from)
{
    struct test_block *block = block_at(fixture, bytenr);

    for (size_t i = 0; i < block->ref_count; i++) {
        if (block->refs[i].parent == parent && block->refs[i].from == from) {
            block->refs[i] = block->refs[--block->ref_count];
            return;
        }
    }
    give_up("block %llu has no reference of %s %llu", (unsigned long long)bytenr,
            parent ? "parent" : "tree", (unsigned long long)from);
}

static void release_block(struct fixture *fixture, uint64_t bytenr)
{
    struct test_block *block = block_at(fixture, bytenr);
    size_t index = (size_t)(block - fixture->blocks);

    assert_int_equal(block->ref_count, 0);
    block->used = false;
    if (block->generation == forest_generation(fixture->forest))
        PUSH(fixture->reusable, fixture->reusable_count, fixture->reusable_space, index);
    else
        PUSH(fixture->pinned, fixture->pinned_count, fixture->pinned_space, index);
}

static int may_fail(struct fixture *fixture)
{
    if (fixture->fail_after < 0)
        return 0;
    return fixture->fail_after-- == 0 ? fail(-ENOSPC, "as told") : 0;
}

static int alloc_block(void *ctx, const struct root *root, uint8_t level,
                       const struct key *first_key, uint64_t hint, uint64_t *bytenr)
{
    struct fixture *fixture = ctx;
    struct test_block block = {.used = true, .generation = forest_generation(fixture->forest)};
    size_t index;

    (void)first_key;
    (void)hint;
    assert_true(level < TREE_LEVELS_MAX);
    TRY(may_fail(fixture));
    if (fixture->reusable_count) {
        index = fixture->reusable[--fixture->reusable_count];
        block.refs = fixture->blocks[index].refs;
        block.ref_space = fixture->blocks[index].ref_space;
        fixture->blocks[index] = block;
    } else {
        index = fixture->block_count;
        PUSH(fixture->blocks, fixture->block_count, fixture->block_space, block);
    }
    *bytenr = TEST_CHUNK_START + index * fixture->nodesize;
    add_ref(fixture, *bytenr, false, root->id);
    return 0;
}

static int free_block(void *ctx, const struct root *root, const struct node *old)
{
    struct fixture *fixture = ctx;

    TRY(may_fail(fixture));
    assert_false(block_at(fixture, node_bytenr(old))->full);
    drop_ref(fixture, node_bytenr(old), false, root->id);
    release_block(fixture, node_bytenr(old));
    return 0;
}

static void ref_children(struct fixture *fixture, const struct node *node, bool parent,
                         uint64_t from)
{
    if (node_level(node) == 0)
        return;
    for (uint32_t slot = 0; slot < node_items(node); slot++)
        add_ref(fixture, node_child(node, slot), parent, from);
}

static int cow_shared(void *ctx, const struct root *root, struct node *old, struct node *new_node,
                      bool *last)
{
    struct fixture *fixture = ctx;
    uint64_t bytenr = node_bytenr(old);

    TRY(may_fail(fixture));
    struct test_block *block = block_at(fixture, bytenr);
    if (block->ref_count > 1) {
        if (node_owner(old) == root->id && !block->full) {
            ref_children(fixture, old, true, bytenr);
            block->full = true;
            fixture->made_full++;
        } else {
            fixture->copied_from_other++;
            ref_children(fixture, new_node, false, root->id);
        }
    } else if (block->full) {
        fixture->left_full++;
        ref_children(fixture, new_node, false, root->id);
        if (node_level(old))
            for (uint32_t slot = 0; slot < node_items(old); slot++)
                drop_ref(fixture, node_child(old, slot), true, bytenr);
    }
    drop_ref(fixture, bytenr, false, root->id);
    *last = block->ref_count == 0;
    if (*last)
        release_block(fixture, bytenr);
    return 0;
}

static int share_children(void *ctx, const struct root *root, const struct node *node)
{
    struct fixture *fixture = ctx;

    TRY(may_fail(fixture));
    ref_children(fixture, node, false, root->id);
    return 0;
}

static const struct forest_backing backing = {
    .alloc_block = alloc_block,
    .free_block = free_block,
    .cow_shared = cow_shared,
    .share_children = share_children,
};

/* ---- references by walking
 * ------------------------------------------------------------------------- */

struct refs_walk {
    struct fixture *fixture;
    struct test_block *wanted; /* as fixture->blocks, used: reached */
};

static void want_ref(struct refs_walk *walk, uint64_t bytenr, bool parent, uint64_t from)
{
    struct test_block *real = block_at(walk->fixture, bytenr);
    struct test_block *block = &walk->wanted[real - walk->fixture->blocks];
    struct test_ref ref = {parent, from};

    PUSH(block->refs, block->ref_count, block->ref_space, ref);
}

static void walk_refs(struct refs_walk *walk, uint64_t bytenr, uint64_t generation, int level)
{
    struct node_expect expect = {.bytenr = bytenr, .generation = generation, .level = level};
    struct test_block *real = block_at(walk->fixture, bytenr);
    struct test_block *block = &walk->wanted[real - walk->fixture->blocks];
    struct node *node;

    if (block->used)
        return;
    block->used = true;
    assert_int_equal(forest_read_node(walk->fixture->forest, &expect, &node), 0);
    for (uint32_t slot = 0; level > 0 && slot < node_items(node); slot++) {
        want_ref(walk, node_child(node, slot), real->full, real->full ? bytenr : node_owner(node));
        walk_refs(walk, node_child(node, slot), node_child_generation(node, slot), level - 1);
    }
    node_put(node);
}

static int ref_cmp(const void *a, const void *b)
{
    const struct test_ref *x = a, *y = b;

    if (x->parent != y->parent)
        return x->parent ? 1 : -1;
    return x->from < y->from ? -1 : x->from > y->from;
}

static void compare_block(struct test_block *real, struct test_block *wanted)
{
    assert_int_equal(real->used, wanted->used);
    assert_int_equal(real->ref_count, wanted->ref_count);
    if (real->ref_count == 0)
        return;
    qsort(real->refs, real->ref_count, sizeof(*real->refs), ref_cmp);
    qsort(wanted->refs, wanted->ref_count, sizeof(*wanted->refs), ref_cmp);
    for (size_t i = 0; i < real->ref_count; i++)
        assert_int_equal(ref_cmp(&real->refs[i], &wanted->refs[i]), 0);
}

void fixture_check_refs(struct fixture *fixture, struct root *const *roots, size_t count)
{
    struct refs_walk walk = {
        .fixture = fixture,
        .wanted = calloc(MAX(fixture->block_count, (size_t)1), sizeof(struct test_block)),
    };

    assert_non_null(walk.wanted);
    for (size_t i = 0; i < count; i++) {
        want_ref(&walk, roots[i]->bytenr, false, roots[i]->id);
        walk_refs(&walk, roots[i]->bytenr, roots[i]->generation, roots[i]->level);
    }
    for (size_t i = 0; i < fixture->block_count; i++) {
        compare_block(&fixture->blocks[i], &walk.wanted[i]);
        free(walk.wanted[i].refs);
    }
    free(walk.wanted);
}

/* ---- the model
 * --------------------------------------------------------------------------------------- */

void fill_pattern(uint8_t *buf, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)((seed + i) * 0x9E3779B1U >> 13);
}

static uint8_t *bytes_dup(const void *data, uint32_t size)
{
    uint8_t *copy = calloc(1, MAX(size, 1U));

    assert_non_null(copy);
    if (data && size)
        memcpy(copy, data, size);
    return copy;
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free(model->items[i].data);
    free(model->items);
    *model = (struct model){0};
}

void model_copy(struct model *to, const struct model *from)
{
    *to = (struct model){0};
    for (size_t i = 0; i < from->count; i++) {
        struct model_item item = from->items[i];

        item.data = bytes_dup(item.data, item.size);
        PUSH(to->items, to->count, to->space, item);
    }
}

size_t model_find(const struct model *model, const struct key *key, bool *found)
{
    size_t low = 0, high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (key_cmp(&model->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < model->count && key_cmp(&model->items[low].key, key) == 0;
    return low;
}

void model_insert(struct model *model, const struct key *key, const void *data, uint32_t size)
{
    bool found;
    size_t at = model_find(model, key, &found);
    struct model_item item = {*key, size, bytes_dup(data, size)};

    assert_false(found);
    PUSH(model->items, model->count, model->space, item);
    memmove(&model->items[at + 1], &model->items[at],
            (model->count - 1 - at) * sizeof(*model->items));
    model->items[at] = item;
}

void model_delete(struct model *model, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        free(model->items[i].data);
    memmove(&model->items[at], &model->items[at + count],
            (model->count - at - count) * sizeof(*model->items));
    model->count -= count;
}

void model_resize(struct model *model, size_t at, uint32_t size)
{
    struct model_item *item = &model->items[at];
    uint8_t *data = bytes_dup(NULL, size);

    memcpy(data, item->data, MIN(size, item->size));
    free(item->data);
    item->data = data;
    item->size = size;
}

void model_set(struct model *model, size_t at, const void *data, uint32_t size)
{
    free(model->items[at].data);
    model->items[at].data = bytes_dup(data, size);
    model->items[at].size = size;
}

/* ---- walking a tree
 * ------------------------------------------------------------------------------------ */

struct walk {
    struct root *root;
    const struct model *model;
    size_t next; /* item of the model */
    struct tree_shape shape;
};

static void check_leaf(struct walk *walk, const struct node *leaf)
{
    uint32_t nodesize = forest_nodesize(walk->root->forest);

    walk->shape.leaves++;
    walk->shape.items += node_items(leaf);
    walk->shape.leaf_bytes += leaf_capacity(nodesize) - leaf_free_space(leaf, nodesize);
    for (uint32_t slot = 0; walk->model && slot < node_items(leaf); slot++) {
        const struct model_item *item = &walk->model->items[walk->next++];
        struct key key;

        assert_true(walk->next <= walk->model->count);
        node_key(leaf, slot, &key);
        assert_int_equal(key_cmp(&key, &item->key), 0);
        assert_int_equal(leaf_size(leaf, slot), item->size);
        assert_memory_equal(leaf_data(leaf, slot), item->data, item->size);
    }
}

static void check_valid(const struct walk *walk, const struct node *node)
{
    uint32_t nodesize = forest_nodesize(walk->root->forest);
    AUTO_FREE uint8_t *copy = malloc(nodesize);
    disk_node_header *header = (disk_node_header *)copy;

    assert_non_null(copy);
    memcpy(copy, node_data(node), nodesize);
    header->flags = le64_of(le64_get(header->flags) | HEADER_FLAG_WRITTEN);
    if (node_validate_inside(copy, vol_limits(forest_vol(walk->root->forest))) < 0)
        give_up("%s", fail_message());
    assert_true(node_generation(node) <= forest_generation(walk->root->forest));
}

static void check_node(struct walk *walk, const struct node_expect *expect)
{
    struct node *node;

    if (forest_read_node(walk->root->forest, expect, &node) < 0)
        give_up("%s", fail_message());
    check_valid(walk, node);
    if (node_level(node) == 0) {
        assert_true(node_items(node) > 0 || node_bytenr(node) == walk->root->bytenr);
        check_leaf(walk, node);
    } else {
        walk->shape.nodes++;
    }
    for (uint32_t slot = 0; node_level(node) > 0 && slot < node_items(node); slot++) {
        struct node_expect child = {
            .bytenr = node_child(node, slot),
            .generation = node_child_generation(node, slot),
            .level = node_level(node) - 1,
            .has_first_key = true,
        };

        node_key(node, slot, &child.first_key);
        check_node(walk, &child);
    }
    node_put(node);
}

void check_tree(struct root *root, const struct model *model, struct tree_shape *shape)
{
    struct walk walk = {.root = root, .model = model};
    const struct node_expect expect = {
        .bytenr = root->bytenr,
        .generation = root->generation,
        .level = root->level,
    };

    check_node(&walk, &expect);
    if (model)
        assert_int_equal(walk.next, model->count);
    if (shape)
        *shape = walk.shape;
}
