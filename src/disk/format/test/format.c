// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises: the tables and constants are those of the kernel's own header, as far as it has them;
 * features are allowed as the table says and refused by name; names of keys and uuids read back.
 */
#include "base/test/unit.h"

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>

#include "disk/format/format.h"

/* The field of ours, and of the kernel's where the name differs. */
#define SAME_AS(ours, field, kernels, kernel_field)                                                \
    assert_int_equal(offsetof(disk_##ours, field), offsetof(struct kernels, kernel_field));        \
    assert_int_equal(sizeof(((disk_##ours *)0)->field), sizeof(((struct kernels *)0)->kernel_field))
#define SAME(ours, kernels, field) SAME_AS(ours, field, kernels, field)
#define SAME_SIZE(ours, kernels) assert_int_equal(sizeof(disk_##ours), sizeof(struct kernels))

static void inode_structures(void **state)
{
    (void)state;
    SAME_SIZE(key, btrfs_disk_key);
    SAME(key, btrfs_disk_key, type);
    SAME(key, btrfs_disk_key, offset);
    SAME_SIZE(timestamp, btrfs_timespec);
    SAME(timestamp, btrfs_timespec, nsec);
    SAME_SIZE(inode_item, btrfs_inode_item);
    SAME(inode_item, btrfs_inode_item, transid);
    SAME(inode_item, btrfs_inode_item, size);
    SAME(inode_item, btrfs_inode_item, nbytes);
    SAME(inode_item, btrfs_inode_item, nlink);
    SAME(inode_item, btrfs_inode_item, uid);
    SAME(inode_item, btrfs_inode_item, gid);
    SAME(inode_item, btrfs_inode_item, mode);
    SAME(inode_item, btrfs_inode_item, rdev);
    SAME(inode_item, btrfs_inode_item, flags);
    SAME(inode_item, btrfs_inode_item, sequence);
    SAME(inode_item, btrfs_inode_item, reserved);
    SAME(inode_item, btrfs_inode_item, atime);
    SAME(inode_item, btrfs_inode_item, ctime);
    SAME(inode_item, btrfs_inode_item, mtime);
    SAME(inode_item, btrfs_inode_item, otime);
    SAME_SIZE(inode_ref, btrfs_inode_ref);
    SAME(inode_ref, btrfs_inode_ref, name_len);
    SAME_SIZE(inode_extref, btrfs_inode_extref);
    SAME_AS(inode_extref, parent, btrfs_inode_extref, parent_objectid);
    SAME(inode_extref, btrfs_inode_extref, name_len);
    SAME_SIZE(dir_item, btrfs_dir_item);
    SAME(dir_item, btrfs_dir_item, transid);
    SAME(dir_item, btrfs_dir_item, data_len);
    SAME(dir_item, btrfs_dir_item, name_len);
    SAME(dir_item, btrfs_dir_item, type);
    SAME_SIZE(dir_log_item, btrfs_dir_log_item);
    SAME_SIZE(file_extent, btrfs_file_extent_item);
    SAME(file_extent, btrfs_file_extent_item, ram_bytes);
    SAME(file_extent, btrfs_file_extent_item, compression);
    SAME(file_extent, btrfs_file_extent_item, type);
    SAME(file_extent, btrfs_file_extent_item, disk_bytenr);
    SAME(file_extent, btrfs_file_extent_item, disk_num_bytes);
    SAME(file_extent, btrfs_file_extent_item, offset);
    SAME(file_extent, btrfs_file_extent_item, num_bytes);
    assert_int_equal(FILE_EXTENT_INLINE_HEADER,
                     offsetof(struct btrfs_file_extent_item, disk_bytenr));
    SAME_SIZE(verity_descriptor, btrfs_verity_descriptor_item);
    SAME(verity_descriptor, btrfs_verity_descriptor_item, encryption);
}

static void root_and_extent_structures(void **state)
{
    (void)state;
    SAME_SIZE(root_item, btrfs_root_item);
    SAME(root_item, btrfs_root_item, bytenr);
    SAME(root_item, btrfs_root_item, last_snapshot);
    SAME(root_item, btrfs_root_item, flags);
    SAME(root_item, btrfs_root_item, refs);
    SAME(root_item, btrfs_root_item, drop_progress);
    SAME(root_item, btrfs_root_item, level);
    SAME(root_item, btrfs_root_item, generation_v2);
    SAME(root_item, btrfs_root_item, uuid);
    SAME(root_item, btrfs_root_item, parent_uuid);
    SAME(root_item, btrfs_root_item, received_uuid);
    SAME(root_item, btrfs_root_item, ctransid);
    SAME(root_item, btrfs_root_item, rtransid);
    SAME(root_item, btrfs_root_item, ctime);
    SAME(root_item, btrfs_root_item, rtime);
    assert_int_equal(ROOT_ITEM_SIZE_V1, btrfs_legacy_root_item_size());
    SAME_SIZE(root_ref, btrfs_root_ref);
    SAME(root_ref, btrfs_root_ref, name_len);
    SAME_SIZE(extent_item, btrfs_extent_item);
    SAME(extent_item, btrfs_extent_item, flags);
    SAME_SIZE(tree_block_info, btrfs_tree_block_info);
    SAME(tree_block_info, btrfs_tree_block_info, level);
    SAME_SIZE(extent_data_ref, btrfs_extent_data_ref);
    SAME(extent_data_ref, btrfs_extent_data_ref, offset);
    SAME(extent_data_ref, btrfs_extent_data_ref, count);
    SAME_SIZE(shared_data_ref, btrfs_shared_data_ref);
    SAME_SIZE(extent_inline_ref, btrfs_extent_inline_ref);
    SAME(extent_inline_ref, btrfs_extent_inline_ref, offset);
}

static void volume_structures(void **state)
{
    (void)state;
    SAME_SIZE(block_group_item, btrfs_block_group_item);
    SAME(block_group_item, btrfs_block_group_item, flags);
    SAME_SIZE(free_space_info, btrfs_free_space_info);
    SAME_SIZE(free_space_header, btrfs_free_space_header);
    SAME(free_space_header, btrfs_free_space_header, num_bitmaps);
    SAME_SIZE(dev_extent, btrfs_dev_extent);
    SAME(dev_extent, btrfs_dev_extent, chunk_offset);
    SAME(dev_extent, btrfs_dev_extent, length);
    SAME_SIZE(dev_item, btrfs_dev_item);
    SAME(dev_item, btrfs_dev_item, type);
    SAME(dev_item, btrfs_dev_item, generation);
    SAME(dev_item, btrfs_dev_item, dev_group);
    SAME(dev_item, btrfs_dev_item, uuid);
    SAME(dev_item, btrfs_dev_item, fsid);
    SAME_SIZE(stripe, btrfs_stripe);
    SAME(stripe, btrfs_stripe, dev_uuid);
    /* The kernel's chunk ends in its first stripe. */
    assert_int_equal(sizeof(disk_chunk), offsetof(struct btrfs_chunk, stripe));
    SAME(chunk, btrfs_chunk, type);
    SAME(chunk, btrfs_chunk, num_stripes);
    SAME(chunk, btrfs_chunk, sub_stripes);
    SAME_SIZE(dev_stats, btrfs_dev_stats_item);
    SAME_SIZE(balance_args, btrfs_disk_balance_args);
    SAME(balance_args, btrfs_disk_balance_args, usage_max);
    SAME(balance_args, btrfs_disk_balance_args, target);
    SAME(balance_args, btrfs_disk_balance_args, limit_min);
    SAME(balance_args, btrfs_disk_balance_args, stripes_max);
    SAME_SIZE(balance_item, btrfs_balance_item);
    SAME(balance_item, btrfs_balance_item, meta);
    SAME(balance_item, btrfs_balance_item, sys);
    /* Newer kernels have one more field, with simple quotas only. */
    SAME(qgroup_status, btrfs_qgroup_status_item, flags);
    SAME(qgroup_status, btrfs_qgroup_status_item, rescan);
    assert_int_equal(sizeof(disk_qgroup_status),
                     offsetof(struct btrfs_qgroup_status_item, rescan) + sizeof(__le64));
    SAME_SIZE(qgroup_info, btrfs_qgroup_info_item);
    SAME(qgroup_info, btrfs_qgroup_info_item, excl);
    SAME_SIZE(qgroup_limit, btrfs_qgroup_limit_item);
    SAME(qgroup_limit, btrfs_qgroup_limit_item, max_excl);
}

#define SAME_NUMBER(ours, kernels) assert_true((uint64_t)(ours) == (uint64_t)(kernels))

static void constants(void **state)
{
    (void)state;
    SAME_NUMBER(TREE_ROOT, BTRFS_ROOT_TREE_OBJECTID);
    SAME_NUMBER(TREE_QUOTA, BTRFS_QUOTA_TREE_OBJECTID);
    SAME_NUMBER(TREE_FREE_SPACE, BTRFS_FREE_SPACE_TREE_OBJECTID);
    SAME_NUMBER(TREE_BLOCK_GROUP, BTRFS_BLOCK_GROUP_TREE_OBJECTID);
    SAME_NUMBER(OBJ_BALANCE, BTRFS_BALANCE_OBJECTID);
    SAME_NUMBER(OBJ_ORPHAN, BTRFS_ORPHAN_OBJECTID);
    SAME_NUMBER(TREE_LOG, BTRFS_TREE_LOG_OBJECTID);
    SAME_NUMBER(TREE_RELOC, BTRFS_TREE_RELOC_OBJECTID);
    SAME_NUMBER(TREE_DATA_RELOC, BTRFS_DATA_RELOC_TREE_OBJECTID);
    SAME_NUMBER(OBJ_EXTENT_CSUM, BTRFS_EXTENT_CSUM_OBJECTID);
    SAME_NUMBER(OBJ_FREE_SPACE, BTRFS_FREE_SPACE_OBJECTID);
    SAME_NUMBER(OBJ_FREE_INO, BTRFS_FREE_INO_OBJECTID);
    SAME_NUMBER(OBJ_LAST_FREE, BTRFS_LAST_FREE_OBJECTID);
    SAME_NUMBER(KEY_INODE_EXTREF, BTRFS_INODE_EXTREF_KEY);
    SAME_NUMBER(KEY_XATTR_ITEM, BTRFS_XATTR_ITEM_KEY);
    SAME_NUMBER(KEY_VERITY_MERKLE_ITEM, BTRFS_VERITY_MERKLE_ITEM_KEY);
    SAME_NUMBER(KEY_DIR_INDEX, BTRFS_DIR_INDEX_KEY);
    SAME_NUMBER(KEY_EXTENT_CSUM, BTRFS_EXTENT_CSUM_KEY);
    SAME_NUMBER(KEY_ROOT_BACKREF, BTRFS_ROOT_BACKREF_KEY);
    SAME_NUMBER(KEY_METADATA_ITEM, BTRFS_METADATA_ITEM_KEY);
    SAME_NUMBER(KEY_SHARED_DATA_REF, BTRFS_SHARED_DATA_REF_KEY);
    SAME_NUMBER(KEY_FREE_SPACE_BITMAP, BTRFS_FREE_SPACE_BITMAP_KEY);
    SAME_NUMBER(KEY_CHUNK_ITEM, BTRFS_CHUNK_ITEM_KEY);
    SAME_NUMBER(KEY_QGROUP_RELATION, BTRFS_QGROUP_RELATION_KEY);
    SAME_NUMBER(KEY_PERSISTENT_ITEM, BTRFS_PERSISTENT_ITEM_KEY);
    SAME_NUMBER(KEY_UUID_RECEIVED, BTRFS_UUID_KEY_RECEIVED_SUBVOL);
    SAME_NUMBER(BG_TYPE_MASK, BTRFS_BLOCK_GROUP_TYPE_MASK);
    SAME_NUMBER(BG_PROFILE_MASK, BTRFS_BLOCK_GROUP_PROFILE_MASK);
    SAME_NUMBER(FT_MAX, BTRFS_FT_MAX);
    SAME_NUMBER(BLOCK_FLAG_FULL_BACKREF, BTRFS_BLOCK_FLAG_FULL_BACKREF);
    SAME_NUMBER(ROOT_SUBVOL_DEAD, BTRFS_ROOT_SUBVOL_DEAD);
    SAME_NUMBER(SUPER_FLAG_CHANGING_FSID_V2, BTRFS_SUPER_FLAG_CHANGING_FSID_V2);
    SAME_NUMBER(INCOMPAT_NO_HOLES, BTRFS_FEATURE_INCOMPAT_NO_HOLES);
    SAME_NUMBER(INCOMPAT_METADATA_UUID, BTRFS_FEATURE_INCOMPAT_METADATA_UUID);
    SAME_NUMBER(INCOMPAT_EXTENT_TREE_V2, BTRFS_FEATURE_INCOMPAT_EXTENT_TREE_V2);
    SAME_NUMBER(COMPAT_RO_VERITY, BTRFS_FEATURE_COMPAT_RO_VERITY);
    SAME_NUMBER(COMPAT_RO_BLOCK_GROUP_TREE, BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE);
    SAME_NUMBER(super_offset(0), 64 * KIB);
    SAME_NUMBER(super_offset(1), 64 * MIB);
    SAME_NUMBER(super_offset(2), 256 * GIB);
}

/* What is decoded encodes to the same bytes, so that nothing we do not use is lost. */
static void decode_and_encode_are_inverse(void **state)
{
    static uint8_t in[SUPER_SIZE], out[SUPER_SIZE];
    struct root_item root;
    struct super super;

    (void)state;
    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 37 + 11);
    super_decode(&super, in);
    super_encode(out, &super);
    assert_memory_equal(in, out, SUPER_SIZE);
    memset(out, 0, sizeof(out));
    root_item_decode(&root, in);
    root_item_encode(out, &root);
    assert_memory_equal(in, out, sizeof(disk_root_item));
}

static void features_follow_the_table(void **state)
{
    bool readonly = true;

    (void)state;
    assert_int_equal(features_check(INCOMPAT_NO_HOLES | INCOMPAT_BIG_METADATA,
                                    COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_BLOCK_GROUP_TREE,
                                    &readonly),
                     0);
    assert_false(readonly);
    for (const struct feature *f = incompat_features; f->name; f++) {
        readonly = false;
        int ret = features_check(f->bit, 0, &readonly);
        assert_int_equal(ret, f->use == FEATURE_NONE ? -EOPNOTSUPP : 0);
        assert_int_equal(readonly, f->use == FEATURE_READ);
        if (f->use != FEATURE_WRITE)
            assert_non_null(strstr(fail_message(), f->name));
    }
}

static void unknown_features_are_named(void **state)
{
    bool readonly = false;

    (void)state;
    assert_int_equal(features_check(1ULL << 40, 0, &readonly), -EOPNOTSUPP);
    assert_non_null(strstr(fail_message(), "incompat feature bit 40"));
    assert_false(readonly);
    assert_int_equal(features_check(0, 1ULL << 63, &readonly), 0);
    assert_true(readonly);
    assert_non_null(strstr(fail_message(), "compat_ro feature bit 63"));
}

static void keys_are_written_as_dump_tree_does(void **state)
{
    static const struct {
        struct key key;
        const char *text;
    } cases[] = {
        {{256, KEY_INODE_ITEM, 0}, "(256 INODE_ITEM 0)"},
        {{256, KEY_CHUNK_ITEM, 5}, "(FIRST_CHUNK_TREE CHUNK_ITEM 5)"},
        {{1, KEY_DEV_ITEM, 1}, "(DEV_ITEMS DEV_ITEM 1)"},
        {{1, KEY_DEV_EXTENT, 9}, "(1 DEV_EXTENT 9)"},
        {{0, KEY_PERSISTENT_ITEM, 1}, "(DEV_STATS PERSISTENT_ITEM 1)"},
        {{TREE_CSUM, KEY_ROOT_ITEM, 0}, "(CSUM_TREE ROOT_ITEM 0)"},
        {{TREE_RELOC, KEY_ROOT_ITEM, 5}, "(TREE_RELOC ROOT_ITEM FS_TREE)"},
        {{5, KEY_ROOT_ITEM, UINT64_MAX}, "(FS_TREE ROOT_ITEM 18446744073709551615)"},
        {{5, KEY_DIR_INDEX, UINT64_MAX}, "(FS_TREE DIR_INDEX -1)"},
        {{0, KEY_QGROUP_INFO, 1ULL << 48 | 7}, "(0 QGROUP_INFO 1/7)"},
        {{0x12, KEY_UUID_SUBVOL, 0xab}, "(0x0000000000000012 UUID_KEY_SUBVOL 0x00000000000000ab)"},
        {{OBJ_FREE_SPACE, 0, 4096}, "(FREE_SPACE UNTYPED 4096)"},
        {{300, 99, 4096}, "(300 UNKNOWN.99 4096)"},
    };
    char buf[KEY_TEXT_MAX];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(key_text(&cases[i].key, buf), cases[i].text);
}

static void uuids_read_back(void **state)
{
    const char *text = "6a4ad65e-21cb-48d8-95b4-c8ee9d2a03fa";
    char buf[UUID_TEXT_SIZE];
    struct uuid uuid = {{0}};

    (void)state;
    assert_true(uuid_is_null(&uuid));
    assert_int_equal(uuid_parse(text, &uuid), 0);
    assert_false(uuid_is_null(&uuid));
    assert_int_equal(uuid.b[0], 0x6a);
    assert_string_equal(uuid_text(&uuid, buf), text);
    assert_int_equal(uuid_parse("6A4AD65E-21CB-48D8-95B4-C8EE9D2A03FA", &uuid), 0);
    assert_int_equal(uuid_parse("6a4ad65e", &uuid), -EINVAL);
    assert_int_equal(uuid_parse("", &uuid), -EINVAL);
    assert_int_equal(uuid_parse("6a4ad65e-21cb-48d8-95b4-c8ee9d2a03fa0", &uuid), -EINVAL);
    assert_int_equal(uuid_parse("6a4ad65e-21cb-48d8-95b4-c8ee9d2a03fx", &uuid), -EINVAL);
    assert_int_equal(uuid_parse("6a4ad65e021cb-48d8-95b4-c8ee9d2a03fa", &uuid), -EINVAL);
    assert_string_equal(uuid_text(&uuid, buf), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inode_structures),
        cmocka_unit_test(root_and_extent_structures),
        cmocka_unit_test(volume_structures),
        cmocka_unit_test(constants),
        cmocka_unit_test(decode_and_encode_are_inverse),
        cmocka_unit_test(features_follow_the_table),
        cmocka_unit_test(unknown_features_are_named),
        cmocka_unit_test(keys_are_written_as_dump_tree_does),
        cmocka_unit_test(uuids_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
