// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise 7, for items: each rule that Linux's own checker has is broken once, and the item is
 * refused with a message that says which; the item before the damage is accepted.
 */
#include "disk/format/test/sample.h"

static uint64_t owner;
static struct format_limits limits;

static int validate(const struct sample *s)
{
    fail_clear();
    return item_validate(&s->key, s->data, s->size, &limits, owner, NULL);
}

static void accept(const struct sample *s)
{
    int ret = validate(s);

    if (ret != 0)
        SAMPLE_FAIL("refused: %s", fail_message());
}

static void refuse(const struct sample *s, const char *says)
{
    assert_int_equal(validate(s), -EUCLEAN);
    if (!strstr(fail_message(), says))
        SAMPLE_FAIL("'%s' does not say '%s'", fail_message(), says);
}

/* The sample with one field changed is refused: REFUSE(s, inode_item, 0, nlink = 2, "links"). */
#define REFUSE(s, kind, at, change, says)                                                          \
    do {                                                                                           \
        struct sample damaged_ = (s);                                                              \
        struct kind fields_;                                                                       \
        kind##_decode(&fields_, (const void *)(damaged_.data + (at)));                             \
        fields_.change;                                                                            \
        kind##_encode((void *)(damaged_.data + (at)), &fields_);                                   \
        refuse(&damaged_, says);                                                                   \
    } while (0)

#define REFUSE_KEY(s, change, says)                                                                \
    do {                                                                                           \
        struct sample damaged_ = (s);                                                              \
        damaged_.key.change;                                                                       \
        refuse(&damaged_, says);                                                                   \
    } while (0)

#define REFUSE_SIZE(s, bytes, says)                                                                \
    do {                                                                                           \
        struct sample damaged_ = (s);                                                              \
        damaged_.size = (bytes);                                                                   \
        refuse(&damaged_, says);                                                                   \
    } while (0)

static int reset(void **state)
{
    (void)state;
    limits = sample_limits();
    owner = TREE_FS;
    return 0;
}

static void inodes(void **state)
{
    struct sample s = sample_of(257, KEY_INODE_ITEM, 0);

    (void)state;
    SAMPLE_ADD(&s, inode_item, .mode = 0100644, .nlink = 3, .flags = INODE_RO_VERITY | INODE_SYNC);
    accept(&s);
    REFUSE_KEY(s, objectid = 7, "no key of an inode");
    REFUSE_KEY(s, objectid = UINT64_MAX - 3, "no key of an inode");
    REFUSE_KEY(s, offset = 1, "no key of an inode");
    REFUSE_SIZE(s, 159, "size is 159");
    REFUSE(s, inode_item, 0, mode = 0, "mode 0");
    REFUSE(s, inode_item, 0, mode = 0170644, "mode 0170644");
    REFUSE(s, inode_item, 0, mode = 010100644, "mode 010100644");
    REFUSE(s, inode_item, 0, mode = 040755, "directory has 3 links");
    REFUSE(s, inode_item, 0, flags = 1ULL << 13, "unknown bits");
    REFUSE(s, inode_item, 0, flags = 1ULL << 33, "unknown bits");
}

static void inode_references(void **state)
{
    struct sample s = sample_of(257, KEY_INODE_REF, 256);
    struct sample ext = sample_of(257, KEY_INODE_EXTREF, extref_hash(256, "long", 4));

    (void)state;
    SAMPLE_ADD(&s, inode_ref, .index = 2, .name_len = 3);
    sample_bytes(&s, "abc", 3);
    accept(&s);
    REFUSE_SIZE(s, 0, "cut off");
    REFUSE_SIZE(s, 9, "cut off");
    REFUSE_SIZE(s, 12, "cut off");
    REFUSE_SIZE(s, 14, "cut off");
    REFUSE(s, inode_ref, 0, name_len = 0, "0 bytes");
    REFUSE(s, inode_ref, 0, name_len = 256, "256 bytes");
    SAMPLE_ADD(&s, inode_ref, .index = 3, .name_len = 1);
    sample_bytes(&s, "d", 1);
    accept(&s);
    SAMPLE_ADD(&ext, inode_extref, .parent = 256, .index = 9, .name_len = 4);
    sample_bytes(&ext, "long", 4);
    accept(&ext);
    REFUSE(ext, inode_extref, 0, name_len = 5, "cut off");
    REFUSE_SIZE(ext, 17, "cut off");
}

static void directory_entries(void **state)
{
    struct sample s = sample_of(256, KEY_DIR_ITEM, name_hash("abc", 3));
    struct sample index, slash;

    (void)state;
    SAMPLE_ADD(&s, dir_item, .location = {257, KEY_INODE_ITEM, 0}, .name_len = 3, .type = FT_DIR);
    sample_bytes(&s, "abc", 3);
    accept(&s);
    index = s;
    index.key = key_make(256, KEY_DIR_INDEX, 2);
    accept(&index);
    REFUSE_KEY(s, offset = 1, "hash of the name");
    REFUSE_SIZE(s, 0, "cut off");
    REFUSE_SIZE(s, 32, "cut off");
    REFUSE_SIZE(s, 40, "cut off");
    REFUSE(s, dir_item, 0, type = FT_MAX, "type 9");
    REFUSE(s, dir_item, 0, type = FT_XATTR, "type 8");
    REFUSE(s, dir_item, 0, data_len = 1, "has a value");
    REFUSE(s, dir_item, 0, name_len = 0, "0 bytes");
    REFUSE(s, dir_item, 0, name_len = 256, "256 bytes");
    REFUSE(s, dir_item, 0, location.type = KEY_DIR_ITEM, "points at");
    REFUSE(s, dir_item, 0, location.objectid = 3, "points at");
    REFUSE(s, dir_item, 0, location.offset = 3, "points at");
    slash = index;
    slash.data[sizeof(disk_dir_item)] = '/';
    refuse(&slash, "no file can have");
    slash.data[sizeof(disk_dir_item)] = '\0';
    refuse(&slash, "no file can have");
}

static void names(void **state)
{
    char longest[256];

    (void)state;
    memset(longest, 0xff, sizeof(longest));
    assert_true(name_is_valid("a", 1));
    assert_true(name_is_valid("...", 3));
    assert_true(name_is_valid("a.", 2));
    assert_true(name_is_valid(longest, 255));
    assert_false(name_is_valid(longest, 256));
    assert_false(name_is_valid("", 0));
    assert_false(name_is_valid(".", 1));
    assert_false(name_is_valid("..", 2));
    assert_false(name_is_valid("a/b", 3));
    assert_false(name_is_valid("a\0b", 3));
}

static void xattrs(void **state)
{
    struct sample s = sample_of(257, KEY_XATTR_ITEM, name_hash("user.x", 6));

    (void)state;
    SAMPLE_ADD(&s, dir_item, .name_len = 6, .data_len = 2, .type = FT_XATTR);
    sample_bytes(&s, "user.xvv", 8);
    accept(&s);
    REFUSE(s, dir_item, 0, type = FT_REG_FILE, "type 1");
    REFUSE(s, dir_item, 0, data_len = 3, "cut off");
    REFUSE(s, dir_item, 0, data_len = 65535, "65541 bytes are impossible");
    REFUSE(s, dir_item, 0, location.objectid = 257, "points at");
}

static void file_extents(void **state)
{
    struct sample s = sample_of(257, KEY_EXTENT_DATA, 4096);
    struct sample hole;

    (void)state;
    SAMPLE_ADD(&s, file_extent, .ram_bytes = 16384, .type = FILE_EXTENT_REG,
               .disk_bytenr = 13631488, .disk_num_bytes = 16384, .offset = 4096, .num_bytes = 8192);
    accept(&s);
    REFUSE_KEY(s, offset = 5, "position 5");
    REFUSE_SIZE(s, 20, "size is 20");
    REFUSE_SIZE(s, 52, "size is 52");
    REFUSE_SIZE(s, 54, "size is 54");
    REFUSE(s, file_extent, 0, type = 3, "type 3");
    REFUSE(s, file_extent, 0, compression = 4, "compression 4");
    REFUSE(s, file_extent, 0, encryption = 1, "encryption 1");
    REFUSE(s, file_extent, 0, ram_bytes = 5, "ram_bytes 5");
    REFUSE(s, file_extent, 0, disk_bytenr = 5, "disk_bytenr 5");
    REFUSE(s, file_extent, 0, disk_num_bytes = 5, "disk_num_bytes 5");
    REFUSE(s, file_extent, 0, disk_num_bytes = 0, "of 0 bytes");
    REFUSE(s, file_extent, 0, disk_bytenr = -4096ULL, "impossible");
    REFUSE(s, file_extent, 0, offset = 5, "offset 5");
    REFUSE(s, file_extent, 0, num_bytes = 5, "num_bytes 5");
    REFUSE(s, file_extent, 0, num_bytes = 0, "0 bytes");
    REFUSE(s, file_extent, 0, num_bytes = -4096ULL, "impossible");
    REFUSE(s, file_extent, 0, num_bytes = 16384, "outside");
    REFUSE(s, file_extent, 0, offset = -4096ULL, "outside");
    REFUSE(s, file_extent, 0, compression = 1; fields_.ram_bytes = 8192, "outside");
    REFUSE(s, file_extent, 0, compression = 1; fields_.ram_bytes = 1 << 20, "compressed extent");
    hole = sample_of(257, KEY_EXTENT_DATA, 4096);
    SAMPLE_ADD(&hole, file_extent, .ram_bytes = 8192, .type = FILE_EXTENT_REG, .num_bytes = 8192);
    accept(&hole);
}

static void inline_extents(void **state)
{
    struct sample s = sample_of(257, KEY_EXTENT_DATA, 0);

    (void)state;
    SAMPLE_ADD(&s, file_extent, .ram_bytes = 10, .type = FILE_EXTENT_INLINE);
    s.size = FILE_EXTENT_INLINE_HEADER + 10;
    accept(&s);
    REFUSE_SIZE(s, FILE_EXTENT_INLINE_HEADER + 9, "has 9");
    REFUSE_KEY(s, offset = 4096, "not at the beginning");
    REFUSE(s, file_extent, 0, ram_bytes = 11, "11 bytes has 10");
    REFUSE(s, file_extent, 0, compression = 2; fields_.ram_bytes = 1 << 20, "impossible");
    s.data[offsetof(disk_file_extent, compression)] = 3;
    s.data[offsetof(disk_file_extent, ram_bytes) + 1] = 8;
    accept(&s);
}

static void checksums(void **state)
{
    struct sample s = sample_of(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, 13631488);

    (void)state;
    s.size = 40;
    accept(&s);
    REFUSE_KEY(s, objectid = 5, "no key of a checksum");
    REFUSE_KEY(s, offset = 5, "logical address 5");
    REFUSE_KEY(s, offset = -4096ULL, "largest address");
    REFUSE_SIZE(s, 0, "size 0");
    REFUSE_SIZE(s, 41, "size 41");
}

static void root_items(void **state)
{
    struct sample s = sample_of(257, KEY_ROOT_ITEM, 0);
    struct sample old;

    (void)state;
    SAMPLE_ADD(&s, root_item, .bytenr = 30408704, .level = 1, .refs = 1);
    accept(&s);
    old = s;
    old.size = ROOT_ITEM_SIZE_V1;
    accept(&old);
    REFUSE_SIZE(s, 300, "size is 300");
    REFUSE_KEY(s, objectid = 0, "no key of a tree");
    REFUSE_KEY(s, objectid = TREE_RELOC, "no subvolume");
    REFUSE(s, root_item, 0, bytenr = 5, "root node 5");
    REFUSE(s, root_item, 0, level = 8, "levels 8");
    REFUSE(s, root_item, 0, drop_level = 8, "and 8");
    REFUSE(s, root_item, 0, flags = 2, "unknown bits");
    REFUSE(s, root_item, 0, drop_progress.objectid = 300, "in a leaf");
}

static void root_references(void **state)
{
    struct sample s = sample_of(5, KEY_ROOT_REF, 257);
    struct sample slash;

    (void)state;
    SAMPLE_ADD(&s, root_ref, .dirid = 256, .sequence = 2, .name_len = 3);
    sample_bytes(&s, "sub", 3);
    accept(&s);
    REFUSE_SIZE(s, 17, "size is 17");
    REFUSE_SIZE(s, 20, "size is 20");
    slash = s;
    slash.data[sizeof(disk_root_ref)] = '/';
    refuse(&slash, "no subvolume can have");
}

static struct sample data_extent(void)
{
    struct sample s = sample_of(13631488, KEY_EXTENT_ITEM, 16384);

    SAMPLE_ADD(&s, extent_item, .refs = 2, .flags = EXTENT_FLAG_DATA);
    return s;
}

static void add_data_ref(struct sample *s, uint64_t root, uint64_t ino, uint64_t offset)
{
    uint8_t type = KEY_EXTENT_DATA_REF;

    sample_bytes(s, &type, 1);
    SAMPLE_ADD(s, extent_data_ref, .root = root, .objectid = ino, .offset = offset, .count = 1);
}

#define REF_AT (sizeof(disk_extent_item) + 1)

static void data_extents(void **state)
{
    struct sample s = data_extent();

    (void)state;
    add_data_ref(&s, 5, 257, 0);
    sample_bytes(&s, "\xb8", 1); /* SHARED_DATA_REF */
    sample_bytes(&s, "\0\0\x01\0\0\0\0\0", 8);
    SAMPLE_ADD(&s, shared_data_ref, .count = 1);
    accept(&s);
    REFUSE_KEY(s, objectid = 5, "logical address 5");
    REFUSE_KEY(s, offset = 5, "length 5");
    REFUSE_KEY(s, offset = 0, "length is impossible");
    REFUSE_KEY(s, type = KEY_METADATA_ITEM, "not those of a tree block");
    REFUSE_SIZE(s, 23, "size is 23");
    REFUSE_SIZE(s, s.size - 1, "cut off");
    REFUSE_SIZE(s, s.size + 1, "type 0");
    REFUSE(s, extent_item, 0, refs = 0, "without references");
    REFUSE(s, extent_item, 0, refs = 1, "2 inline references of 1");
    REFUSE(s, extent_item, 0, flags = 0, "neither");
    REFUSE(s, extent_item, 0, flags = 3, "neither");
    REFUSE(s, extent_item, 0, flags = EXTENT_FLAG_DATA | BLOCK_FLAG_FULL_BACKREF, "not those");
    REFUSE(s, extent_data_ref, REF_AT, root = TREE_CSUM, "no files");
    REFUSE(s, extent_data_ref, REF_AT, objectid = 3, "impossible inode");
    REFUSE(s, extent_data_ref, REF_AT, offset = 3, "position of a reference");
    REFUSE(s, extent_data_ref, REF_AT, count = 0, "counts 0");
}

/* Trap 10: Linux looks a reference up in that order, and turns read-only when it is not there. */
static void inline_references_are_ordered(void **state)
{
    uint64_t a = extent_data_ref_hash(5, 257, 0), b = extent_data_ref_hash(5, 258, 0);
    uint64_t high = a > b ? 257 : 258, low = a > b ? 258 : 257;
    struct sample s = data_extent();

    (void)state;
    add_data_ref(&s, 5, high, 0);
    add_data_ref(&s, 5, low, 0);
    accept(&s);
    s = data_extent();
    add_data_ref(&s, 5, low, 0);
    add_data_ref(&s, 5, high, 0);
    refuse(&s, "out of order");
    s = data_extent();
    sample_bytes(&s, "\xb8", 1);
    sample_bytes(&s, "\0\0\x01\0\0\0\0\0", 8);
    SAMPLE_ADD(&s, shared_data_ref, .count = 1);
    add_data_ref(&s, 5, 257, 0);
    refuse(&s, "out of order");
}

static void tree_blocks(void **state)
{
    struct sample s = sample_of(30408704, KEY_METADATA_ITEM, 0);
    struct sample full = sample_of(30408704, KEY_EXTENT_ITEM, SAMPLE_NODESIZE);

    (void)state;
    SAMPLE_ADD(&s, extent_item, .refs = 1, .flags = EXTENT_FLAG_TREE_BLOCK);
    SAMPLE_ADD(&s, extent_inline_ref, .type = KEY_TREE_BLOCK_REF, .offset = 5);
    accept(&s);
    REFUSE_KEY(s, offset = 8, "level is impossible");
    REFUSE(s, extent_inline_ref, 24, type = KEY_EXTENT_DATA_REF, "impossible type 178");
    REFUSE(s, extent_inline_ref, 24, type = KEY_EXTENT_OWNER_REF, "impossible type 172");
    REFUSE(s, extent_inline_ref, 24, type = KEY_SHARED_BLOCK_REF, "parent of a reference");
    SAMPLE_ADD(&full, extent_item, .refs = 1, .flags = EXTENT_FLAG_TREE_BLOCK);
    SAMPLE_ADD(&full, tree_block_info, .level = 1);
    SAMPLE_ADD(&full, extent_inline_ref, .type = KEY_TREE_BLOCK_REF, .offset = 5);
    accept(&full);
    REFUSE_KEY(full, offset = 4096, "not of node size");
    REFUSE(full, tree_block_info, 24, level = 8, "level 8");
    REFUSE_SIZE(full, 30, "size is 30");
    limits.incompat = 0;
    accept(&full);
    refuse(&s, "without the feature");
}

static void keyed_references(void **state)
{
    struct sample data = sample_of(13631488, KEY_EXTENT_DATA_REF, 77);
    struct sample shared = sample_of(13631488, KEY_SHARED_DATA_REF, 30408704);
    struct sample block = sample_of(30408704, KEY_TREE_BLOCK_REF, 5);
    struct sample parent = sample_of(30408704, KEY_SHARED_BLOCK_REF, 30408704);

    (void)state;
    SAMPLE_ADD(&data, extent_data_ref, .root = 5, .objectid = 257, .count = 1);
    accept(&data);
    REFUSE_SIZE(data, 0, "size 0");
    REFUSE_SIZE(data, 29, "size 29");
    REFUSE_KEY(data, objectid = 5, "logical address 5");
    REFUSE(data, extent_data_ref, 0, count = 0, "counts 0");
    SAMPLE_ADD(&shared, shared_data_ref, .count = 1);
    accept(&shared);
    REFUSE_SIZE(shared, 5, "size is 5");
    REFUSE_KEY(shared, offset = 5, "parent 5");
    REFUSE(shared, shared_data_ref, 0, count = 0, "counts 0");
    accept(&block);
    REFUSE_SIZE(block, 1, "size is 1");
    accept(&parent);
    REFUSE_KEY(parent, offset = 5, "parent 5");
}

static void block_groups(void **state)
{
    struct sample s = sample_of(13631488, KEY_BLOCK_GROUP_ITEM, 8388608);

    (void)state;
    SAMPLE_ADD(&s, block_group_item, .used = 4096, .chunk_objectid = 256, .flags = BG_DATA);
    accept(&s);
    REFUSE_SIZE(s, 25, "size is 25");
    REFUSE_KEY(s, offset = 0, "length");
    REFUSE(s, block_group_item, 0, used = 8388609, "exceed the length");
    REFUSE(s, block_group_item, 0, chunk_objectid = 255, "objectid is 255");
    REFUSE(s, block_group_item, 0, flags = 0, "is not one of");
    REFUSE(s, block_group_item, 0, flags = BG_DATA | BG_SYSTEM, "is not one of");
    REFUSE(s, block_group_item, 0, flags = BG_DATA | BG_METADATA, "mixes");
    REFUSE(s, block_group_item, 0, flags = BG_DATA | BG_DUP | BG_RAID1, "more than one profile");
    REFUSE(s, block_group_item, 0, flags = BG_DATA | 1ULL << 40, "unknown bits");
    limits.incompat |= INCOMPAT_MIXED_GROUPS;
    s.data[offsetof(disk_block_group_item, flags)] = BG_DATA | BG_METADATA;
    accept(&s);
}

static void chunks(void **state)
{
    struct sample s = sample_of(256, KEY_CHUNK_ITEM, 22020096);

    (void)state;
    SAMPLE_ADD(&s, chunk, .length = 8388608, .owner = 2, .stripe_len = STRIPE_LEN,
               .type = BG_SYSTEM | BG_DUP, .sector_size = 4096, .num_stripes = 2, .sub_stripes = 1);
    SAMPLE_ADD(&s, stripe, .devid = 1, .offset = 22020096);
    SAMPLE_ADD(&s, stripe, .devid = 1, .offset = 30408704);
    accept(&s);
    REFUSE_SIZE(s, 0, "too small");
    REFUSE_SIZE(s, s.size - 1, "does not fit");
    REFUSE_SIZE(s, s.size + 1, "does not fit");
    REFUSE_KEY(s, objectid = 255, "objectid of a chunk");
    REFUSE_KEY(s, offset = 5, "logical address 5");
    REFUSE_KEY(s, offset = -4096ULL, "length");
    REFUSE(s, chunk, 0, length = 0, "length 0");
    REFUSE(s, chunk, 0, length = 5, "length 5");
    REFUSE(s, chunk, 0, length = 1ULL << 49, "length");
    REFUSE(s, chunk, 0, stripe_len = 4096, "stripe length 4096");
    REFUSE(s, chunk, 0, sector_size = 512, "sector size 512");
    REFUSE(s, chunk, 0, num_stripes = 0, "0 stripes");
    REFUSE(s, chunk, 0, num_stripes = 65535, "65535 stripes");
    REFUSE(s, chunk, 0, type = BG_SYSTEM, "2 stripes are impossible");
    REFUSE(s, chunk, 0, type = BG_SYSTEM | BG_RAID1C3, "2 stripes are impossible");
    REFUSE(s, chunk, 0, type = BG_SYSTEM | BG_RAID10, "1 sub-stripes");
    REFUSE(s, chunk, 0, type = BG_DUP, "is not one of");
    REFUSE(s, stripe, sizeof(disk_chunk), offset = 5, "stripe's place");
}

static void devices(void **state)
{
    struct sample s = sample_of(OBJ_DEV_ITEMS, KEY_DEV_ITEM, 1);
    struct sample e = sample_of(1, KEY_DEV_EXTENT, 22020096);

    (void)state;
    SAMPLE_ADD(&s, dev_item, .devid = 1, .total_bytes = 1 << 30, .bytes_used = 1 << 20);
    accept(&s);
    REFUSE_SIZE(s, 97, "size is 97");
    REFUSE_KEY(s, objectid = 2, "objectid of a device");
    REFUSE(s, dev_item, 0, devid = 2, "device 2");
    REFUSE(s, dev_item, 0, bytes_used = 2ULL << 30, "uses");
    SAMPLE_ADD(&e, dev_extent, .chunk_tree = 3, .chunk_objectid = 256, .chunk_offset = 22020096,
               .length = 8388608);
    accept(&e);
    REFUSE_SIZE(e, 47, "size is 47");
    REFUSE_KEY(e, offset = 5, "place on the device");
    REFUSE(e, dev_extent, 0, chunk_tree = 4, "tree 4");
    REFUSE(e, dev_extent, 0, chunk_objectid = 4, "object 4");
    REFUSE(e, dev_extent, 0, chunk_offset = 4, "address 4");
    REFUSE(e, dev_extent, 0, length = 0, "length 0");
    REFUSE(e, dev_extent, 0, length = 4, "length 4");
}

static void free_space(void **state)
{
    struct sample info = sample_of(13631488, KEY_FREE_SPACE_INFO, 8388608);
    struct sample extent = sample_of(13631488, KEY_FREE_SPACE_EXTENT, 4096);
    struct sample bitmap = sample_of(13631488, KEY_FREE_SPACE_BITMAP, 9 * 4096);

    (void)state;
    SAMPLE_ADD(&info, free_space_info, .extent_count = 3, .flags = FREE_SPACE_USING_BITMAPS);
    accept(&info);
    REFUSE_SIZE(info, 7, "size is 7");
    REFUSE_KEY(info, objectid = 5, "logical address 5");
    REFUSE(info, free_space_info, 0, extent_count = 2049, "2049 free ranges");
    REFUSE(info, free_space_info, 0, flags = 2, "unknown bits");
    accept(&extent);
    REFUSE_SIZE(extent, 1, "size is 1");
    REFUSE_KEY(extent, offset = 0, "length");
    REFUSE_KEY(extent, offset = 5, "length 5");
    bitmap.size = 2;
    accept(&bitmap);
    REFUSE_SIZE(bitmap, 1, "size is 1");
    REFUSE_KEY(bitmap, offset = 8388608 + 4096, "covers 2049 sectors");
}

static void the_rest(void **state)
{
    static const struct {
        struct key key;
        uint32_t good, bad;
    } sizes[] = {
        {{OBJ_ORPHAN, KEY_ORPHAN_ITEM, 257}, 0, 1}, {{256, KEY_DIR_LOG_INDEX, 2}, 8, 7},
        {{0, KEY_QGROUP_STATUS, 0}, 32, 31},        {{0, KEY_QGROUP_INFO, 5}, 40, 39},
        {{0, KEY_QGROUP_LIMIT, 5}, 40, 41},         {{5, KEY_QGROUP_RELATION, 1ULL << 48}, 0, 1},
        {{1, KEY_UUID_SUBVOL, 2}, 16, 0},           {{1, KEY_UUID_RECEIVED, 2}, 8, 9},
        {{257, KEY_VERITY_DESC_ITEM, 0}, 25, 24},   {{OBJ_FREE_SPACE, 0, 13631488}, 41, 40},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        struct sample s = sample_of(sizes[i].key.objectid, sizes[i].key.type, sizes[i].key.offset);
        s.size = sizes[i].good;
        accept(&s);
        s.size = sizes[i].bad;
        refuse(&s, "size");
    }
}

/* Promise 8: what we do not know is carried along, whatever it is. */
static void unknown_types_are_carried(void **state)
{
    (void)state;
    for (unsigned type = 1; type < 256; type++) {
        struct sample s = sample_of(3, (uint8_t)type, 5);
        s.size = 11;
        if (!key_type_name((uint8_t)type))
            accept(&s);
    }
}

/* Items of an inode stand together in a subvolume; log trees leave some out. */
static void items_stay_with_their_inode(void **state)
{
    struct key prev = {256, KEY_INODE_ITEM, 0};
    struct sample s = sample_of(257, KEY_INODE_REF, 256);

    (void)state;
    SAMPLE_ADD(&s, inode_ref, .index = 2, .name_len = 1);
    sample_bytes(&s, "a", 1);
    assert_int_equal(item_validate(&s.key, s.data, s.size, &limits, TREE_FS, &prev), -EUCLEAN);
    assert_int_equal(item_validate(&s.key, s.data, s.size, &limits, TREE_LOG, &prev), 0);
    prev.objectid = 257;
    assert_int_equal(item_validate(&s.key, s.data, s.size, &limits, TREE_FS, &prev), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(inodes, reset),
        cmocka_unit_test_setup(inode_references, reset),
        cmocka_unit_test_setup(directory_entries, reset),
        cmocka_unit_test_setup(names, reset),
        cmocka_unit_test_setup(xattrs, reset),
        cmocka_unit_test_setup(file_extents, reset),
        cmocka_unit_test_setup(inline_extents, reset),
        cmocka_unit_test_setup(checksums, reset),
        cmocka_unit_test_setup(root_items, reset),
        cmocka_unit_test_setup(root_references, reset),
        cmocka_unit_test_setup(data_extents, reset),
        cmocka_unit_test_setup(inline_references_are_ordered, reset),
        cmocka_unit_test_setup(tree_blocks, reset),
        cmocka_unit_test_setup(keyed_references, reset),
        cmocka_unit_test_setup(block_groups, reset),
        cmocka_unit_test_setup(chunks, reset),
        cmocka_unit_test_setup(devices, reset),
        cmocka_unit_test_setup(free_space, reset),
        cmocka_unit_test_setup(the_rest, reset),
        cmocka_unit_test_setup(unknown_types_are_carried, reset),
        cmocka_unit_test_setup(items_stay_with_their_inode, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
