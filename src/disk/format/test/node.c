// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise 7, for tree blocks: a block is taken only when it is the one that was asked for and all
 * inside it fits; whatever the damage, the answer is an error, never a crash.
 */
#include "disk/format/test/sample.h"

static uint8_t *block;
static struct format_limits limits;
static struct node_expect expect;
static struct sample items[SAMPLE_FS_ITEMS];

static int setup(void **state)
{
    (void)state;
    if (!block)
        block = malloc(SAMPLE_NODESIZE);
    limits = sample_limits();
    expect = (struct node_expect){.bytenr = SAMPLE_BYTENR, .generation = 7, .owner = TREE_FS};
    sample_fs_items(items);
    leaf_of(block, TREE_FS, items, SAMPLE_FS_ITEMS);
    return block ? 0 : -1;
}

static void reseal(void)
{
    csum_compute(CSUM_CRC32C, block + CSUM_FIELD_SIZE, SAMPLE_NODESIZE - CSUM_FIELD_SIZE, block);
}

static void refuse(int err, const char *says)
{
    fail_clear();
    assert_int_equal(node_validate(block, &limits, &expect), err);
    if (!strstr(fail_message(), says))
        SAMPLE_FAIL("'%s' does not say '%s'", fail_message(), says);
}

static void a_good_leaf(void **state)
{
    (void)state;
    if (node_validate(block, &limits, &expect) != 0)
        SAMPLE_FAIL("refused: %s", fail_message());
    expect.has_first_key = true;
    expect.first_key = items[0].key;
    assert_int_equal(node_validate(block, &limits, &expect), 0);
    expect.owner = 300; /* a snapshot shares blocks with the subvolume it was made of */
    assert_int_equal(node_validate(block, &limits, &expect), 0);
}

static void another_block_than_expected(void **state)
{
    const struct uuid other = {{1}};

    (void)state;
    expect.bytenr += SAMPLE_NODESIZE;
    refuse(-EUCLEAN, "is block 30408704");
    setup(NULL);
    expect.generation = 8;
    refuse(-EUCLEAN, "generation is 7, expected 8");
    setup(NULL);
    expect.level = 1;
    refuse(-EUCLEAN, "level is 0, expected 1");
    setup(NULL);
    expect.owner = TREE_CSUM;
    refuse(-EUCLEAN, "belongs to tree 5");
    setup(NULL);
    limits.metadata_uuid = &other;
    refuse(-EUCLEAN, "another file system");
    setup(NULL);
    expect.has_first_key = true;
    expect.first_key = key_make(256, KEY_INODE_ITEM, 1);
    refuse(-EUCLEAN, "begins with (256 INODE_ITEM 0), expected (256 INODE_ITEM 1)");
}

static void a_wrong_checksum(void **state)
{
    (void)state;
    block[SAMPLE_NODESIZE - 1] ^= 1;
    refuse(-EIO, "tree FS_TREE block 30408704: checksum is wrong");
}

static void damaged_headers(void **state)
{
    disk_node_header *header = (void *)block;

    (void)state;
    header->level = 8;
    expect.level = -1;
    reseal();
    refuse(-EUCLEAN, "level 8");
    setup(NULL);
    header->nritems = le32_of(UINT32_MAX);
    reseal();
    refuse(-EUCLEAN, "4294967295 items do not fit");
    setup(NULL);
    header->nritems = le32_of(leaf_capacity(SAMPLE_NODESIZE) / LEAF_ITEM_SIZE);
    reseal();
    refuse(-EUCLEAN, "item 0: data at");
    setup(NULL);
    header->flags = le64_of(0);
    reseal();
    refuse(-EUCLEAN, "written");
}

static void damaged_item_headers(void **state)
{
    disk_leaf_item *header = (void *)(block + NODE_HEADER_SIZE);

    (void)state;
    header[2].offset = le32_of(le32_get(header[2].offset) - 1);
    reseal();
    refuse(-EUCLEAN, "item 2: data ends at");
    setup(NULL);
    header[1].size = le32_of(UINT32_MAX);
    reseal();
    refuse(-EUCLEAN, "item 1: data ends at");
    setup(NULL);
    header[8].offset = le32_of(1);
    header[8].size = le32_of(le32_get(header[7].offset) - 1);
    reseal();
    refuse(-EUCLEAN, "item 8: data at 1 overlaps");
    setup(NULL);
    items[3].key = items[2].key;
    leaf_of(block, TREE_FS, items, SAMPLE_FS_ITEMS);
    refuse(-EUCLEAN, "item 3: key is not greater than (256 DIR_ITEM");
    setup(NULL);
    items[3].size--;
    leaf_of(block, TREE_FS, items, SAMPLE_FS_ITEMS);
    refuse(-EUCLEAN, "block 30408704: item 3: (256 DIR_INDEX 2): entry at byte 0: name and");
}

static void empty_leaves(void **state)
{
    (void)state;
    leaf_of(block, TREE_FS, NULL, 0);
    refuse(-EUCLEAN, "is empty");
    expect.owner = TREE_CSUM;
    leaf_of(block, TREE_CSUM, NULL, 0);
    assert_int_equal(node_validate(block, &limits, &expect), 0);
    expect.has_first_key = true;
    refuse(-EUCLEAN, "is empty, expected");
}

/* Two neighbours of which the second begins inside the first. */
static void refuse_overlap(uint64_t owner, const struct sample *a, const struct sample *b)
{
    struct sample both[] = {*a, *b};

    expect.owner = owner;
    leaf_of(block, owner, both, 2);
    refuse(-EUCLEAN, "begins before");
}

static void overlapping_neighbours(void **state)
{
    struct sample a = items[7], b = items[8];

    (void)state;
    ((disk_file_extent *)(void *)a.data)->offset = le64_of(0);
    ((disk_file_extent *)(void *)a.data)->num_bytes = le64_of(8192);
    refuse_overlap(TREE_FS, &a, &b);
    a = sample_of(257, KEY_EXTENT_DATA, 0);
    SAMPLE_ADD(&a, file_extent, .ram_bytes = 4097, .compression = 1, .type = FILE_EXTENT_INLINE);
    refuse_overlap(TREE_FS, &a, &b);
    a = sample_of(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 13631488);
    b = sample_of(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 13631488 + 4096);
    a.size = b.size = 8;
    refuse_overlap(TREE_CSUM, &a, &b);
    a = sample_of(30408704, KEY_METADATA_ITEM, 0);
    SAMPLE_ADD(&a, extent_item, .refs = 1, .flags = EXTENT_FLAG_TREE_BLOCK);
    b = sample_of(30408704 + 4096, KEY_METADATA_ITEM, 0);
    SAMPLE_ADD(&b, extent_item, .refs = 1, .flags = EXTENT_FLAG_TREE_BLOCK);
    refuse_overlap(TREE_EXTENT, &a, &b);
    /* Trap 15: both forms for one block. */
    a = sample_of(30408704, KEY_EXTENT_ITEM, SAMPLE_NODESIZE);
    SAMPLE_ADD(&a, extent_item, .refs = 1, .flags = EXTENT_FLAG_TREE_BLOCK);
    SAMPLE_ADD(&a, tree_block_info, .level = 0);
    b.key.objectid = 30408704;
    refuse_overlap(TREE_EXTENT, &a, &b);
    a = sample_of(1, KEY_DEV_EXTENT, 1048576);
    SAMPLE_ADD(&a, dev_extent, .chunk_tree = 3, .chunk_objectid = 256, .length = 8388608);
    b = a;
    b.key.offset = 4194304;
    refuse_overlap(TREE_DEV, &a, &b);
}

static void node_of(uint32_t count)
{
    memset(block, 0, SAMPLE_NODESIZE);
    for (uint32_t i = 0; i < count; i++) {
        struct key_ptr ptr = {{256 + i, KEY_INODE_ITEM, 0}, (i + 1) * 65536, 7};
        key_ptr_encode(block + NODE_HEADER_SIZE + i * KEY_PTR_SIZE, &ptr);
    }
    block_seal(block, TREE_FS, 1, count);
}

static void internal_nodes(void **state)
{
    disk_key_ptr *ptr = (void *)(block + NODE_HEADER_SIZE);

    (void)state;
    expect.level = 1;
    node_of(node_capacity(SAMPLE_NODESIZE));
    assert_int_equal(node_validate(block, &limits, &expect), 0);
    node_of(0);
    refuse(-EUCLEAN, "is empty");
    node_of(5);
    block_seal(block, TREE_FS, 1, node_capacity(SAMPLE_NODESIZE) + 1);
    refuse(-EUCLEAN, "do not fit");
    node_of(5);
    ptr[4].blockptr = le64_of(0);
    reseal();
    refuse(-EUCLEAN, "slot 4 points at 0");
    ptr[4].blockptr = le64_of(4097);
    reseal();
    refuse(-EUCLEAN, "slot 4 points at 4097");
    node_of(5);
    ptr[3].key = ptr[2].key;
    reseal();
    refuse(-EUCLEAN, "slot 3: key is not greater than (258 INODE_ITEM 0)");
}

/* Whatever bytes change, an answer comes, and it has a message. ASan sees what is read beyond. */
static void random_damage_never_crashes(void **state)
{
    unsigned refused = 0;
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(0x0f0a));
    expect.level = -1;
    for (unsigned round = 0; round < 20000; round++) {
        if (rng_below(&rng, 4))
            leaf_of(block, TREE_FS, items, SAMPLE_FS_ITEMS);
        else
            node_of(9);
        for (uint64_t hits = 1 + rng_below(&rng, 4); hits; hits--) {
            /* Where headers are, or where data is. */
            uint64_t at = rng_below(&rng, 700);
            at = rng_below(&rng, 2) ? 80 + at : SAMPLE_NODESIZE - 1 - at;
            block[at] = (uint8_t)rng_next(&rng);
        }
        fail_clear();
        int ret = node_validate_inside(block, &limits);
        if (ret < 0) {
            assert_int_equal(ret, -EUCLEAN);
            assert_non_null(strstr(fail_message(), " block "));
            refused++;
        }
    }
    assert_true(refused > 1000);
}

static int teardown(void **state)
{
    (void)state;
    free(block);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_good_leaf, setup),
        cmocka_unit_test_setup(another_block_than_expected, setup),
        cmocka_unit_test_setup(a_wrong_checksum, setup),
        cmocka_unit_test_setup(damaged_headers, setup),
        cmocka_unit_test_setup(damaged_item_headers, setup),
        cmocka_unit_test_setup(empty_leaves, setup),
        cmocka_unit_test_setup(overlapping_neighbours, setup),
        cmocka_unit_test_setup(internal_nodes, setup),
        cmocka_unit_test_setup(random_damage_never_crashes, setup),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
