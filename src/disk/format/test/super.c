// SPDX-License-Identifier: GPL-2.0-or-later
/* Promise 7, for superblocks: each rule is broken once; damage and "no btrfs" are told apart. */
#include "disk/format/test/sample.h"

static uint8_t bytes[SUPER_SIZE];
static struct super super;

static void add_system_chunk(void)
{
    struct key key = {FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, 22020096};
    struct chunk chunk = {.length = 8388608,
                          .owner = 2,
                          .stripe_len = STRIPE_LEN,
                          .type = BG_SYSTEM,
                          .sector_size = 4096,
                          .num_stripes = 1};
    struct stripe stripe = {.devid = 1, .offset = 22020096};
    uint8_t *at = super.sys_chunk_array.b + super.sys_chunk_array_size;

    key_encode((void *)at, &key);
    chunk_encode(at + sizeof(disk_key), &chunk);
    stripe_encode(at + sizeof(disk_key) + sizeof(disk_chunk), &stripe);
    super.sys_chunk_array_size += (uint32_t)sizeof(disk_key) + chunk_item_size(1);
}

static int setup(void **state)
{
    (void)state;
    super = (struct super){
        .fsid = sample_fsid,
        .bytenr = SUPER_OFFSET,
        .flags = SUPER_FLAG_WRITTEN,
        .magic = SUPER_MAGIC,
        .generation = 7,
        .root = 30408704,
        .chunk_root = 22036480,
        .total_bytes = 1 << 30,
        .bytes_used = 1 << 20,
        .num_devices = 1,
        .sectorsize = 4096,
        .nodesize = 16384,
        .leafsize = 16384,
        .stripesize = 4096,
        .dev_item = {.devid = 1,
                     .total_bytes = 1 << 30,
                     .bytes_used = 1 << 24,
                     .fsid = sample_fsid},
    };
    add_system_chunk();
    return 0;
}

static int validate(void)
{
    super_encode(bytes, &super);
    if (csum_type_known(super.csum_type))
        csum_compute(super.csum_type, bytes + CSUM_FIELD_SIZE, SUPER_SIZE - CSUM_FIELD_SIZE, bytes);
    fail_clear();
    return super_validate(bytes, SUPER_OFFSET);
}

static void refuse(int err, const char *says)
{
    assert_int_equal(validate(), err);
    if (!strstr(fail_message(), says))
        SAMPLE_FAIL("'%s' does not say '%s'", fail_message(), says);
}

#define REFUSE(change, says)                                                                       \
    do {                                                                                           \
        setup(NULL);                                                                               \
        super.change;                                                                              \
        refuse(-EUCLEAN, says);                                                                    \
    } while (0)

static void good_ones(void **state)
{
    (void)state;
    for (uint16_t type = CSUM_CRC32C; type <= CSUM_BLAKE2B; type++) {
        super.csum_type = type;
        if (validate() != 0)
            SAMPLE_FAIL("refused: %s", fail_message());
    }
    super.flags |= SUPER_FLAG_SEEDING | SUPER_FLAG_ERROR;
    add_system_chunk();
    assert_int_equal(validate(), 0);
}

static void no_btrfs_is_told_from_damage(void **state)
{
    (void)state;
    super.magic = 0;
    refuse(-EINVAL, "no btrfs superblock at 65536");
    setup(NULL);
    super.csum_type = 4;
    refuse(-EIO, "checksum type 4 is unknown");
    setup(NULL);
    assert_int_equal(validate(), 0);
    bytes[SUPER_SIZE - 1] ^= 1;
    assert_int_equal(super_validate(bytes, SUPER_OFFSET), -EIO);
    assert_non_null(strstr(fail_message(), "superblock at 65536: checksum is wrong"));
}

static void fields(void **state)
{
    (void)state;
    REFUSE(bytenr = 64 * MIB, "lies at 67108864");
    REFUSE(flags = SUPER_FLAG_CHANGING_FSID_V2, "not finished");
    REFUSE(sectorsize = 2048, "sector size 2048");
    REFUSE(sectorsize = 5000, "sector size 5000");
    REFUSE(sectorsize = 131072, "sector size 131072");
    REFUSE(sectorsize = 0, "sector size 0");
    REFUSE(nodesize = 2048, "node size 2048");
    REFUSE(nodesize = 131072, "node size 131072");
    REFUSE(nodesize = 0, "node size 0");
    REFUSE(sectorsize = 32768, "node size 16384");
    REFUSE(leafsize = 4096, "leaf size 4096");
    REFUSE(stripesize = 3, "stripe size 3");
    REFUSE(root = 0, "root tree is missing");
    REFUSE(chunk_root = 0, "chunk tree is missing");
    REFUSE(root = 5, "root tree at 5");
    REFUSE(chunk_root = 5, "chunk tree at 5");
    REFUSE(log_root = 5, "log tree at 5");
    REFUSE(root_level = 8, "level 8");
    REFUSE(chunk_root_level = 8, "level 8");
    REFUSE(log_root_level = 8, "level 8");
    REFUSE(num_devices = 0, "devices is 0");
    REFUSE(fsid.b[0] = 9, "another file system");
    REFUSE(incompat_flags = INCOMPAT_METADATA_UUID, "another file system");
    REFUSE(bytes_used = 4096, "4096 bytes used");
    REFUSE(bytes_used = 2 << 29 | 1, "bytes used");
    REFUSE(total_bytes = 1 << 29, "exceed the file system's");
    REFUSE(dev_item.bytes_used = UINT64_MAX, "the device uses");
    REFUSE(compat_ro_flags = COMPAT_RO_BLOCK_GROUP_TREE, "block group tree");
    setup(NULL);
    super.flags |= 1ULL << 50;
    refuse(-EOPNOTSUPP, "flag bit 50");
    setup(NULL);
    super.incompat_flags = INCOMPAT_METADATA_UUID;
    super.metadata_uuid = super.fsid;
    super.fsid.b[0] = 9;
    assert_int_equal(validate(), 0);
}

static void the_system_array(void **state)
{
    disk_chunk *chunk = (void *)(super.sys_chunk_array.b + sizeof(disk_key));

    (void)state;
    REFUSE(sys_chunk_array_size = 0, "array of 0 bytes");
    REFUSE(sys_chunk_array_size = 2049, "array of 2049 bytes");
    REFUSE(sys_chunk_array_size = 96, "byte 0: chunk is cut off");
    REFUSE(sys_chunk_array_size = 98, "byte 97: chunk is cut off");
    REFUSE(sys_chunk_array_size = 194, "byte 97: key is not one of a chunk");
    REFUSE(sys_chunk_array.b[8] = 1, "key is not one of a chunk");
    setup(NULL);
    chunk->num_stripes = le16_of(2);
    refuse(-EUCLEAN, "2 stripes is cut off");
    chunk->num_stripes = le16_of(0);
    refuse(-EUCLEAN, "0 stripes");
    setup(NULL);
    chunk->type = le64_of(BG_DATA);
    refuse(-EUCLEAN, "not a system chunk");
    setup(NULL);
    chunk->stripe_len = le64_of(4096);
    refuse(-EUCLEAN, "stripe length 4096");
}

static void random_damage_never_crashes(void **state)
{
    unsigned refused = 0;
    struct rng rng;

    (void)state;
    rng_seed(&rng, unit_seed(0x50b1));
    for (unsigned round = 0; round < 5000; round++) {
        setup(NULL);
        super_encode(bytes, &super);
        for (uint64_t hits = 1 + rng_below(&rng, 4); hits; hits--) {
            uint64_t at =
                rng_below(&rng, 2) ? 32 + rng_below(&rng, 200) : 811 + rng_below(&rng, 100);
            bytes[at] = (uint8_t)rng_next(&rng);
        }
        super_decode(&super, bytes);
        super.magic = SUPER_MAGIC;
        int ret = validate();
        assert_true(ret == 0 || ret == -EUCLEAN || ret == -EIO || ret == -EOPNOTSUPP);
        refused += ret != 0;
    }
    assert_true(refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_ones, setup),
        cmocka_unit_test_setup(no_btrfs_is_told_from_damage, setup),
        cmocka_unit_test_setup(fields, setup),
        cmocka_unit_test_setup(the_system_array, setup),
        cmocka_unit_test_setup(random_damage_never_crashes, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
