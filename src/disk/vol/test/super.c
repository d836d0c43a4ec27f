// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: the right superblock is chosen, a copy only under the conditions of vol_open and never in
 * silence, and what is written can be found again (promises 5, 7, 8).
 */
#include "disk/vol/test/fixture.h"

#include "disk/csum/csum.h"

#define SMALL (128 * MIB)
#define LARGE (300 * GIB)

static void flip(struct dev *dev, uint64_t at)
{
    uint8_t byte;

    assert_int_equal(dev_read(dev, at, &byte, 1), 0);
    byte ^= 0x40;
    assert_int_equal(dev_write(dev, at, &byte, 1), 0);
}

static void zero(struct dev *dev, uint64_t at, size_t len)
{
    void *zeroes = calloc(1, len);

    assert_non_null(zeroes);
    assert_int_equal(dev_write(dev, at, zeroes, len), 0);
    free(zeroes);
}

/* Rewrites one copy of a superblock with another generation, size or identity. */
struct edit {
    uint64_t generation;
    uint64_t total_bytes;
    uint8_t fsid, device; /* 0: as it is */
};

static void edit_copy(struct dev *dev, unsigned copy, const struct edit *edit)
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    assert_int_equal(dev_read(dev, super_offset(copy), bytes, SUPER_SIZE), 0);
    super_decode(&super, bytes);
    if (edit->generation)
        super.generation = edit->generation;
    if (edit->total_bytes)
        super.total_bytes = super.dev_item.total_bytes = edit->total_bytes;
    if (edit->fsid) {
        memset(super.fsid.b, edit->fsid, sizeof(super.fsid.b));
        super.dev_item.fsid = super.fsid;
    }
    if (edit->device)
        memset(super.dev_item.uuid.b, edit->device, sizeof(super.dev_item.uuid.b));
    super_encode(bytes, &super);
    csum_compute(CSUM_CRC32C, bytes + CSUM_FIELD_SIZE, SUPER_SIZE - CSUM_FIELD_SIZE, bytes);
    assert_int_equal(dev_write(dev, super_offset(copy), bytes, SUPER_SIZE), 0);
}

#define FSID_AT (SUPER_OFFSET + 32)
#define MAGIC_AT (SUPER_OFFSET + 64)
#define LABEL_AT (SUPER_OFFSET + 299)

struct scenario {
    const char *what;
    uint64_t size;     /* of the device and file system */
    uint64_t dev_size; /* of the device when it is another */
    void (*damage)(struct dev *dev);
    int err; /* expected */
    const char *message;
    uint64_t generation; /* expected, of the superblock used */
    bool copy;           /* expected: a copy was used, and a note says so */
};

static void nothing(struct dev *dev)
{
    (void)dev;
}

static void bad_checksum(struct dev *dev)
{
    flip(dev, LABEL_AT);
}

static void magic_gone(struct dev *dev)
{
    zero(dev, MAGIC_AT, 8);
}

static void primary_gone(struct dev *dev)
{
    zero(dev, SUPER_OFFSET, SUPER_SIZE);
}

static void all_gone(struct dev *dev)
{
    primary_gone(dev);
    zero(dev, super_offset(1), SUPER_SIZE);
}

static void other_fsid(struct dev *dev)
{
    bad_checksum(dev);
    edit_copy(dev, 1, &(struct edit){.fsid = 0x77});
}

static void other_device(struct dev *dev)
{
    bad_checksum(dev);
    edit_copy(dev, 1, &(struct edit){.device = 0x77});
}

static void beyond_own_size(struct dev *dev)
{
    bad_checksum(dev);
    edit_copy(dev, 1, &(struct edit){.total_bytes = 60 * MIB});
}

static void newer_copy_unused(struct dev *dev)
{
    edit_copy(dev, 1, &(struct edit){.generation = 99});
}

/* What a larger file system left at 256 GiB, of a higher generation. */
static void stale_leftover(struct dev *dev)
{
    bad_checksum(dev);
    edit_copy(dev, 2, &(struct edit){.generation = 99, .fsid = 0x77});
}

/* The same when nothing of the primary can be read. */
static void stale_leftover_wiped(struct dev *dev)
{
    primary_gone(dev);
    edit_copy(dev, 2, &(struct edit){.generation = 99, .fsid = 0x77});
}

/* The file system was shrunk below 256 GiB: the copy there is its own, but old. */
static void leftover_of_shrink(struct dev *dev)
{
    bad_checksum(dev);
    edit_copy(dev, 1, &(struct edit){.total_bytes = 100 * GIB});
    edit_copy(dev, 2, &(struct edit){.generation = 99});
}

static void newest_copy_wins(struct dev *dev)
{
    bad_checksum(dev);
    edit_copy(dev, 1, &(struct edit){.generation = 5});
}

static void both_bad(struct dev *dev)
{
    bad_checksum(dev);
    flip(dev, super_offset(1) + 1000);
}

static void fsid_flipped(struct dev *dev)
{
    flip(dev, FSID_AT);
}

static void became_ext4(struct dev *dev)
{
    primary_gone(dev);
    assert_int_equal(dev_write(dev, 1080, "\x53\xef", 2), 0);
}

/* The checksum holds, so the primary decides, and it is refused. */
static void refused_primary(struct dev *dev)
{
    edit_copy(dev, 0, &(struct edit){.total_bytes = 4096});
}

static const struct scenario scenarios[] = {
    {"primary", SMALL, 0, nothing, 0, "", 7, false},
    {"primary decides against a newer copy", SMALL, 0, newer_copy_unused, 0, "", 7, false},
    {"primary's checksum is wrong", SMALL, 0, bad_checksum, 0, "", 7, true},
    {"primary's magic is gone", SMALL, 0, magic_gone, 0, "", 7, true},
    {"primary is zeroed", SMALL, 0, primary_gone, 0, "", 7, true},
    {"copy has another fsid", SMALL, 0, other_fsid, -EIO, "no usable superblock", 0, false},
    {"copy is of another device", SMALL, 0, other_device, -EIO, "no usable superblock", 0, false},
    {"copy lies beyond its own size", SMALL, 0, beyond_own_size, -EIO, "no usable superblock", 0,
     false},
    {"leftover at 256 GiB", LARGE, 0, stale_leftover, 0, "", 7, true},
    {"leftover, primary zeroed", LARGE, 0, stale_leftover_wiped, 0, "", 7, true},
    {"leftover of a shrink", LARGE, 0, leftover_of_shrink, 0, "", 7, true},
    {"newest of two good copies", LARGE, 0, newest_copy_wins, 0, "", 7, true},
    {"both are bad", SMALL, 0, both_bad, -EIO, "checksum", 0, false},
    {"a flip in the fsid", SMALL, 0, fsid_flipped, -EIO, "no usable superblock", 0, false},
    {"primary is refused, not replaced", SMALL, 0, refused_primary, -EUCLEAN, "bytes used", 0,
     false},
    {"truncated", SMALL, 100 * MIB, nothing, -EUCLEAN, "truncated", 0, false},
    {"cut before the superblock", SMALL, 4096, nothing, -EINVAL, "not btrfs", 0, false},
    {"all zero", SMALL, 0, all_gone, -EINVAL, "no btrfs superblock", 0, false},
    {"another file system over it", SMALL, 0, became_ext4, -EINVAL, "ext4", 0, false},
};

/* The first dev_size bytes of dev. */
static struct dev *cut(struct dev *dev, uint64_t dev_size)
{
    struct dev *part = dev_mem_new(dev_size);
    size_t len = (size_t)MIN(dev_size, (uint64_t)(2 * MIB));
    void *head = malloc(len);

    assert_non_null(part);
    assert_non_null(head);
    assert_int_equal(dev_read(dev, 0, head, len), 0);
    assert_int_equal(dev_write(part, 0, head, len), 0);
    free(head);
    dev_close(dev);
    return part;
}

static void play(const struct scenario *s)
{
    struct env *env = env_seeded_new(1);
    struct dev *dev = dev_mem_new(s->size);
    struct vol *vol = NULL;
    int err;

    assert_non_null(dev);
    fixture_write_supers(env, dev, fixture_super(s->size));
    s->damage(dev);
    if (s->dev_size)
        dev = cut(dev, s->dev_size);
    fail_clear();
    err = fixture_open(env, dev, true, &vol);
    if (err != s->err)
        print_error("%s: %d (%s)\n", s->what, err, fail_message());
    assert_int_equal(err, s->err);
    if (err < 0) {
        assert_non_null(strstr(fail_message(), s->message));
        assert_null(vol);
    } else {
        assert_int_equal(vol_super(vol)->generation, s->generation);
        assert_int_equal(vol_used_super_copy(vol), s->copy);
        assert_int_equal(env_seeded_notes(env), s->copy ? 1 : 0);
    }
    vol_close(vol);
    dev_close(dev);
    env_seeded_free(env);
}

static void choosing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        play(&scenarios[i]);
}

/* Every copy that fits is written, no other, each saying where it lies. */
static void copies_that_fit(void **state)
{
    static const struct {
        uint64_t size;
        unsigned copies;
    } sizes[] = {
        {40 * MIB + 4 * KIB, 1},  {64 * MIB, 1},
        {64 * MIB + 4 * KIB, 2},  {256 * GIB + 4 * KIB - 1, 2},
        {256 * GIB + 4 * KIB, 3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct env *env = env_seeded_new(1);
        struct dev *dev = dev_mem_new(LARGE);

        fixture_write_supers(env, dev, fixture_super(sizes[i].size));
        for (unsigned copy = 0; copy < SUPER_COPIES; copy++) {
            uint8_t bytes[SUPER_SIZE];

            assert_int_equal(dev_read(dev, super_offset(copy), bytes, SUPER_SIZE), 0);
            assert_int_equal(super_validate(bytes, super_offset(copy)),
                             copy < sizes[i].copies ? 0 : -EINVAL);
        }
        dev_close(dev);
        env_seeded_free(env);
    }
}

/* Promise 5: the primary is durable before any copy is touched. */
static void primary_first(void **state)
{
    struct env *env = env_seeded_new(1);
    struct dev *dev = dev_record_new(dev_mem_new(LARGE));
    struct super super = fixture_super(LARGE);
    static const enum dev_op order[] = {DEV_OP_WRITE, DEV_OP_FLUSH, DEV_OP_WRITE, DEV_OP_WRITE};

    (void)state;
    fixture_write_supers(env, dev, super);
    assert_int_equal(dev_record_count(dev), ARRAY_LEN(order));
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_int_equal(dev_record_entry(dev, i).op, order[i]);
    assert_int_equal(dev_record_entry(dev, 0).off, SUPER_OFFSET);
    dev_close(dev);
    env_seeded_free(env);
}

/* A superblock that could not be written is not taken for the last durable one. */
static void failed_write(void **state)
{
    struct env *env = env_seeded_new(1);
    struct dev *dev = dev_fault_new(dev_mem_new(SMALL));
    struct super super = fixture_super(SMALL);
    struct vol *vol = fixture_vol(env, dev, &super);

    (void)state;
    assert_int_equal(vol_fill_system_array(vol, &super), 0);
    super.generation = 8;
    dev_fault_arm(dev, &(struct dev_fault){.ops = DEV_OP_FLUSH, .nth = 1, .err = -EIO});
    assert_int_equal(vol_write_supers(vol, &super), -EIO);
    assert_int_equal(vol_super(vol)->generation, 7);
    assert_int_equal(vol_write_supers(vol, &super), 0);
    assert_int_equal(vol_super(vol)->generation, 8);
    vol_close(vol);
    dev_close(dev);
    env_seeded_free(env);
}

static int open_with(uint64_t incompat, uint64_t compat_ro, uint64_t flags, bool readonly,
                     char *reason, size_t reason_size)
{
    struct env *env = env_seeded_new(1);
    struct dev *dev = dev_mem_new(SMALL);
    struct super super = fixture_super(SMALL);
    struct vol *vol = NULL;
    int ret;

    super.incompat_flags |= incompat;
    super.compat_ro_flags |= compat_ro;
    super.flags |= flags;
    fixture_write_supers(env, dev, super);
    ret = fixture_open(env, dev, readonly, &vol);
    if (ret == 0) {
        ret = vol_readonly(vol);
        snprintf(reason, reason_size, "%s", vol_readonly_reason(vol));
    }
    vol_close(vol);
    dev_close(dev);
    env_seeded_free(env);
    return ret;
}

/* Promise 8. */
static void features(void **state)
{
    char reason[FAIL_MESSAGE_MAX];

    (void)state;
    assert_int_equal(open_with(0, 0, 0, false, reason, sizeof(reason)), 0);
    assert_string_equal(reason, "");
    assert_int_equal(open_with(0, 0, 0, true, reason, sizeof(reason)), 1);
    assert_string_equal(reason, "");
    assert_int_equal(open_with(1ULL << 40, 0, 0, true, reason, sizeof(reason)), -EOPNOTSUPP);
    assert_int_equal(open_with(0, 1ULL << 40, 0, false, reason, sizeof(reason)), 1);
    assert_string_not_equal(reason, "");
    assert_int_equal(open_with(0, 0, SUPER_FLAG_SEEDING, false, reason, sizeof(reason)), 1);
    assert_non_null(strstr(reason, "seed"));
    assert_int_equal(open_with(0, 0, SUPER_FLAG_ERROR, false, reason, sizeof(reason)), 1);
    assert_non_null(strstr(reason, "error"));
}

/* A writable volume that came from a copy mends the primary with its next commit. */
static void primary_is_mended(void **state)
{
    struct env *env = env_seeded_new(1);
    struct dev *dev = dev_mem_new(SMALL);
    struct vol *vol;
    struct super super;

    (void)state;
    fixture_write_supers(env, dev, fixture_super(SMALL));
    bad_checksum(dev);
    assert_int_equal(fixture_open(env, dev, false, &vol), 0);
    assert_true(vol_used_super_copy(vol));
    super = *vol_super(vol);
    assert_int_equal(vol_write_supers(vol, &super), 0);
    assert_false(vol_used_super_copy(vol));
    vol_close(vol);
    assert_int_equal(fixture_open(env, dev, true, &vol), 0);
    assert_false(vol_used_super_copy(vol));
    vol_close(vol);
    dev_close(dev);
    env_seeded_free(env);
}

/* Copies that a crash left behind name freed blocks: renewed before a primary can be torn. */
static void old_copies_are_renewed_first(void **state)
{
    struct env *env = env_seeded_new(1);
    struct dev *recorder;
    struct vol *vol;
    struct super super;

    (void)state;
    for (int old = 0; old < 2; old++) {
        struct dev *dev = dev_mem_new(SMALL);

        fixture_write_supers(env, dev, fixture_super(SMALL));
        if (old)
            edit_copy(dev, 1, &(struct edit){.generation = 1});
        recorder = dev_record_new(dev);
        assert_int_equal(fixture_open(env, recorder, false, &vol), 0);
        super = *vol_super(vol);
        uint64_t generation = super.generation++, used = super.dev_item.bytes_used;
        vol_device(vol, 0)->item.bytes_used += MIB; /* by the transaction that ends */
        assert_int_equal(vol_write_supers(vol, &super), 0);
        vol_close(vol);
        struct dev_record first = dev_record_entry(recorder, 0);
        assert_int_equal(first.off, super_offset(old ? 1 : 0));
        if (old) {
            super_decode(&super, first.data);
            assert_int_equal(super.generation, generation);
            assert_int_equal(super.dev_item.bytes_used, used);
            assert_int_equal(dev_record_entry(recorder, 1).op, DEV_OP_FLUSH);
            assert_int_equal(dev_record_entry(recorder, 2).off, super_offset(0));
        }
        assert_int_equal(dev_record_count(recorder), old ? 5 : 3);
        dev_close(recorder);
    }
    env_seeded_free(env);
}

static void several_devices(void **state)
{
    struct env *env = env_seeded_new(1);
    struct dev *dev = dev_mem_new(SMALL);
    struct super super = fixture_super(SMALL);
    struct vol_open_options options = {.readonly = true};
    struct dev *two[2] = {dev_borrow(dev), dev_borrow(dev)};
    struct vol *vol;

    (void)state;
    assert_int_equal(vol_open(env, two, 2, &options, &vol), -EOPNOTSUPP);
    super.num_devices = 2;
    fixture_write_supers(env, dev, super);
    assert_int_equal(fixture_open(env, dev, true, &vol), -EOPNOTSUPP);
    dev_close(dev);
    env_seeded_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choosing),
        cmocka_unit_test(copies_that_fit),
        cmocka_unit_test(primary_first),
        cmocka_unit_test(failed_write),
        cmocka_unit_test(features),
        cmocka_unit_test(primary_is_mended),
        cmocka_unit_test(old_copies_are_renewed_first),
        cmocka_unit_test(several_devices),
    };

    return cmocka_run_group_tests_name("vol/super", tests, NULL, NULL);
}
