// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises: the text is that of the usual tools, line by line (compared with them on real images
 * when it was written; the text below is theirs); nothing on a device gets onto the terminal
 * unescaped; and no damage makes a printer crash.
 */
#include "disk/format/test/sample.h"

static char text[1 << 22];
static size_t text_len;
static uint8_t *block;

static void keep(void *arg, const char *piece, size_t len)
{
    (void)arg;
    assert_true(text_len + len < sizeof(text));
    memcpy(text + text_len, piece, len);
    text_len += len;
    text[text_len] = '\0';
}

static const struct text_sink sink = {keep, NULL};

static const char *print_leaf(uint64_t owner, const struct sample *items, uint32_t count)
{
    struct format_limits limits = sample_limits();

    leaf_of(block, owner, items, count);
    text_len = 0;
    print_node(block, &limits, &sink);
    return text;
}

/* What is printed of one item, without the four lines of the block and the line of the item. */
static const char *print_item(const struct sample *s)
{
    const char *at = print_leaf(TREE_FS, s, 1);

    for (unsigned lines = 0; lines < 5; lines++)
        at = strchr(at, '\n') + 1;
    return at;
}

static void blocks(void **state)
{
    struct sample items[SAMPLE_FS_ITEMS];
    struct key_ptr ptr = {{256, KEY_INODE_ITEM, 0}, 65536, 7};
    struct format_limits limits = sample_limits();

    (void)state;
    sample_fs_items(items);
    assert_string_equal(print_leaf(TREE_FS, items, 2),
                        "leaf 30408704 items 2 free space 16061 generation 7 owner FS_TREE\n"
                        "leaf 30408704 flags 0x1(WRITTEN) backref revision 1\n"
                        "fs uuid 12345600-0000-0000-0000-000000000000\n"
                        "chunk uuid 00000000-0000-0000-0000-000000000000\n"
                        "\titem 0 key (256 INODE_ITEM 0) itemoff 16123 itemsize 160\n"
                        "\t\tgeneration 0 transid 0 size 6 nbytes 0\n"
                        "\t\tblock group 0 mode 40755 links 1 uid 0 gid 0 rdev 0\n"
                        "\t\tsequence 0 flags 0x0(none)\n"
                        "\t\tatime 0.0 (1970-01-01 00:00:00)\n"
                        "\t\tctime 0.0 (1970-01-01 00:00:00)\n"
                        "\t\tmtime 0.0 (1970-01-01 00:00:00)\n"
                        "\t\totime 0.0 (1970-01-01 00:00:00)\n"
                        "\titem 1 key (256 INODE_REF 256) itemoff 16111 itemsize 12\n"
                        "\t\tindex 0 namelen 2 name: ..\n");
    key_ptr_encode(block + NODE_HEADER_SIZE, &ptr);
    block_seal(block, TREE_FS, 1, 1);
    text_len = 0;
    print_node(block, &limits, &sink);
    assert_non_null(strstr(text, "node 30408704 level 1 items 1 free space 492 generation 7"));
    assert_non_null(strstr(text, "\n\tkey (256 INODE_ITEM 0) block 65536 gen 7\n"));
}

static void items_of_files(void **state)
{
    struct sample items[SAMPLE_FS_ITEMS];

    (void)state;
    sample_fs_items(items);
    assert_string_equal(print_item(&items[3]), "\t\tlocation key (257 INODE_ITEM 0) type FILE\n"
                                               "\t\ttransid 0 data_len 0 name_len 3\n"
                                               "\t\tname: abc\n");
    assert_string_equal(print_item(&items[6]), "\t\tlocation key (0 UNKNOWN.0 0) type XATTR\n"
                                               "\t\ttransid 0 data_len 2 name_len 6\n"
                                               "\t\tname: user.x\n"
                                               "\t\tdata vv\n");
    assert_string_equal(print_item(&items[8]), "\t\tgeneration 7 type 1 (regular)\n"
                                               "\t\textent data disk byte 13631488 nr 8192\n"
                                               "\t\textent data offset 4096 nr 4096 ram 8192\n"
                                               "\t\textent compression 0 (none)\n");
}

static void items_of_extents(void **state)
{
    struct sample s = sample_of(30408704, KEY_METADATA_ITEM, 0);

    (void)state;
    SAMPLE_ADD(&s, extent_item, .refs = 2, .generation = 14,
               .flags = EXTENT_FLAG_TREE_BLOCK | BLOCK_FLAG_FULL_BACKREF);
    SAMPLE_ADD(&s, extent_inline_ref, .type = KEY_TREE_BLOCK_REF, .offset = 258);
    SAMPLE_ADD(&s, extent_inline_ref, .type = KEY_SHARED_BLOCK_REF, .offset = 65536);
    assert_string_equal(print_item(&s), "\t\trefs 2 gen 14 flags TREE_BLOCK|FULL_BACKREF\n"
                                        "\t\ttree block skinny level 0\n"
                                        "\t\t(176 0x102) tree block backref root 258\n"
                                        "\t\t(182 0x10000) shared block backref parent 65536\n");
    s = sample_of(13639680, KEY_EXTENT_ITEM, 4096);
    SAMPLE_ADD(&s, extent_item, .refs = 1, .generation = 7, .flags = EXTENT_FLAG_DATA);
    s.data[s.size++] = KEY_EXTENT_DATA_REF;
    SAMPLE_ADD(&s, extent_data_ref, .root = 5, .objectid = 260, .count = 1);
    assert_string_equal(print_item(&s), "\t\trefs 1 gen 7 flags DATA\n"
                                        "\t\t(178 0xdfb591f9c0534ff) extent data backref root "
                                        "FS_TREE objectid 260 offset 0 count 1\n");
}

static void names_are_escaped(void **state)
{
    static const char name[] = "a b\n\t\\\033[1m\001\177\303\244";
    struct sample s = sample_of(257, KEY_INODE_REF, 256);

    (void)state;
    SAMPLE_ADD(&s, inode_ref, .index = 2, .name_len = sizeof(name) - 1);
    sample_bytes(&s, name, sizeof(name) - 1);
    assert_string_equal(print_item(&s), "\t\tindex 2 namelen 14 name: "
                                        "a\\ b\\n\\t\\\\\\e[1m\\001\\177\\303\\244\n");
}

static void what_is_not_understood_is_shown_raw(void **state)
{
    struct sample s = sample_of(257, 99, 0);

    (void)state;
    sample_bytes(&s, "\x01\xab", 2);
    assert_string_equal(print_item(&s), "\t\traw 01ab\n");
    s.key.type = KEY_INODE_ITEM;
    assert_string_equal(print_item(&s), "\t\tdamaged: (257 INODE_ITEM 0): size is 2, expected 160\n"
                                        "\t\traw 01ab\n");
}

static void superblocks(void **state)
{
    static struct super super;

    (void)state;
    super.magic = SUPER_MAGIC;
    super.flags = SUPER_FLAG_WRITTEN;
    super.incompat_flags = INCOMPAT_MIXED_BACKREF | INCOMPAT_NO_HOLES | 1ULL << 40;
    strcpy((char *)super.label.b, "my label");
    text_len = 0;
    print_super(&super, true, &sink);
    assert_non_null(strstr(text, "csum_type\t\t0 (crc32c)\ncsum_size\t\t4\ncsum\t\t\t0x00000000 "
                                 "[DON'T MATCH]\n"));
    assert_non_null(strstr(text, "flags\t\t\t0x1\n\t\t\t( WRITTEN )\n"));
    assert_non_null(strstr(text, "incompat_flags\t\t0x10000000201\n\t\t\t( MIXED_BACKREF |\n"
                                 "\t\t\t  NO_HOLES |\n"
                                 "\t\t\t  unknown flag: 0x10000000000 )\n"));
    assert_non_null(strstr(text, "compat_flags\t\t0x0\ncompat_ro_flags\t\t0x0\n"));
    assert_non_null(strstr(text, "label\t\t\tmy\\ label\n"));
    assert_non_null(strstr(text, "\tbackup 3:\n"));
}

static void random_damage_never_crashes(void **state)
{
    struct format_limits limits = sample_limits();
    struct sample items[SAMPLE_FS_ITEMS];
    struct super super;
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(0x9717));
    sample_fs_items(items);
    for (unsigned round = 0; round < 3000; round++) {
        leaf_of(block, TREE_FS, items, SAMPLE_FS_ITEMS);
        for (uint64_t hits = 1 + rng_below(&rng, 8); hits; hits--) {
            uint64_t at = rng_below(&rng, 700);
            at = rng_below(&rng, 2) ? 80 + at : SAMPLE_NODESIZE - 1 - at;
            block[at] = (uint8_t)rng_next(&rng);
        }
        text_len = 0;
        print_node(block, &limits, &sink);
        assert_true(text_len > 100);
        for (size_t i = 0; i < sizeof(super); i++)
            ((uint8_t *)&super)[i] = (uint8_t)rng_next(&rng);
        text_len = 0;
        print_super(&super, true, &sink);
        assert_true(text_len > 100);
    }
}

static int setup(void **state)
{
    (void)state;
    block = malloc(SAMPLE_NODESIZE);
    return block ? 0 : -1;
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
        cmocka_unit_test(blocks),
        cmocka_unit_test(items_of_files),
        cmocka_unit_test(items_of_extents),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(what_is_not_understood_is_shown_raw),
        cmocka_unit_test(superblocks),
        cmocka_unit_test(random_damage_never_crashes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
