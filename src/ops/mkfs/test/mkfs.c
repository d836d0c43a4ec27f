// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: whatever the options, what mkfs makes can be opened by its superblock, and its trees
 * agree with each other; the same env makes the same bytes; nothing is touched that was to be kept,
 * and nothing old survives. The kernel and `btrfs check` judge in the oracle tests.
 */
#include "ops/mkfs/test/audit.h"

#include "disk/csum/csum.h"
#include "ops/mkfs/mkfs.h"

static struct mkfs_options with(const char *features)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    assert_int_equal(mkfs_features_parse(features, &options), 0);
    return options;
}

/* ---- what is made
 * ---------------------------------------------------------------------------------- */

struct make_case {
    const char *what;
    uint64_t size;
    const char *features;
    uint32_t nodesize, sectorsize;
    enum csum_type csum;
    enum mkfs_profile data, meta;
};

static const struct make_case make_cases[] = {
    {"default", GIB, "", 0, 0, CSUM_CRC32C, 0, 0},
    {"least size", 109 * MIB, "", 0, 0, CSUM_CRC32C, 0, 0},
    {"with all superblock copies", 300 * GIB, "", 0, 0, CSUM_CRC32C, 0, 0},
    {"odd size", GIB + 12345, "", 0, 0, CSUM_CRC32C, 0, 0},
    {"node 4k", GIB, "", 4096, 0, CSUM_CRC32C, 0, 0},
    {"node 8k xxhash", GIB, "", 8192, 0, CSUM_XXHASH64, 0, 0},
    {"node 32k sha256", GIB, "", 32768, 0, CSUM_SHA256, 0, 0},
    {"node 64k blake2", GIB, "", 65536, 0, CSUM_BLAKE2B, 0, 0},
    {"sector 16k", GIB, "", 0, 16384, CSUM_CRC32C, 0, 0},
    {"sector 64k", GIB, "", 0, 65536, CSUM_CRC32C, 0, 0},
    {"single", 45 * MIB, "", 0, 0, CSUM_CRC32C, MKFS_PROFILE_SINGLE, MKFS_PROFILE_SINGLE},
    {"dup", GIB, "", 0, 0, CSUM_CRC32C, MKFS_PROFILE_DUP, MKFS_PROFILE_DUP},
    {"mixed", 16 * MIB, "mixed-bg", 0, 0, CSUM_CRC32C, 0, 0},
    {"mixed dup", 200 * MIB, "mixed-bg", 0, 0, CSUM_CRC32C, MKFS_PROFILE_DUP, 0},
    {"mixed sector 64k", GIB, "mixed-bg", 0, 65536, CSUM_CRC32C, 0, 0},
    {"no block group tree", GIB, "^block-group-tree", 0, 0, CSUM_CRC32C, 0, 0},
    {"no free space tree", GIB, "^free-space-tree", 4096, 0, CSUM_CRC32C, 0, 0},
    {"quotas", GIB, "quota", 0, 0, CSUM_CRC32C, 0, 0},
    {"simple quotas", GIB, "squota", 4096, 0, CSUM_CRC32C, 0, 0},
    {"full extent items", GIB, "^skinny-metadata", 4096, 0, CSUM_CRC32C, 0, 0},
    {"as old as it gets", GIB, "^skinny-metadata,^fst,^no-holes,^extref", 4096, 0, CSUM_CRC32C, 0,
     0},
};

static void make_and_audit(const struct make_case *c)
{
    struct mkfs_options options = with(c->features);
    struct env *env = env_seeded_new(3);
    struct dev *dev = dev_mem_new(c->size);
    struct mkfs_summary summary;
    const struct super *super;
    struct audit audit;

    options.nodesize = c->nodesize;
    options.sectorsize = c->sectorsize;
    options.csum = c->csum;
    options.data = c->data;
    options.meta = c->meta;
    options.label = c->what;
    if (mkfs_run(env, dev, &options, &summary) < 0)
        print_error("%s: %s\n", c->what, fail_message());
    audit_open(&audit, env, dev);
    audit_space(&audit);
    super = vol_super(audit.vol);
    assert_int_equal(super->total_bytes, round_down_to(c->size, super->sectorsize));
    assert_int_equal(super->nodesize, summary.nodesize);
    assert_int_equal(super->csum_type, c->csum);
    assert_string_equal((const char *)super->label.b, c->what);
    assert_true(uuid_equal(&super->fsid, &summary.fsid));
    assert_false(uuid_is_null(&super->fsid));
    assert_int_equal(env_seeded_notes(env), 0);
    audit_close(&audit);
    dev_close(dev);
    env_seeded_free(env);
}

static void options_matrix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(make_cases); i++)
        make_and_audit(&make_cases[i]);
}

/* Sizes of chunks as mkfs.btrfs 6.14 chooses them. */
static void chunk_sizes(void **state)
{
    static const struct {
        uint64_t device, meta;
    } sizes[] = {
        {109 * MIB, 32 * MIB},   {640 * MIB, 32 * MIB},   {700 * MIB, 36700160}, {GIB, 53673984},
        {2550 * MIB, 133693440}, {2600 * MIB, 256 * MIB}, {50 * GIB, 256 * MIB}, {51300 * MIB, GIB},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct mkfs_options options = MKFS_OPTIONS_INIT;
        struct env *env = env_seeded_new(3);
        struct dev *dev = dev_mem_new(sizes[i].device);
        struct mkfs_summary summary;

        assert_int_equal(mkfs_run(env, dev, &options, &summary), 0);
        assert_int_equal(summary.chunk_count, 3);
        assert_int_equal(summary.chunks[0].type, BG_SYSTEM | BG_DUP);
        assert_int_equal(summary.chunks[0].length, 8 * MIB);
        assert_int_equal(summary.chunks[1].type, BG_METADATA | BG_DUP);
        assert_int_equal(summary.chunks[1].length, sizes[i].meta);
        assert_int_equal(summary.chunks[2].type, BG_DATA);
        assert_int_equal(summary.chunks[2].length, 8 * MIB);
        dev_close(dev);
        env_seeded_free(env);
    }
}

static void given_uuids(void **state)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct env *env = env_seeded_new(3);
    struct dev *dev = dev_mem_new(GIB);
    struct audit audit;

    (void)state;
    memset(options.fsid.b, 0x11, sizeof(options.fsid.b));
    memset(options.device_uuid.b, 0x22, sizeof(options.device_uuid.b));
    assert_int_equal(mkfs_run(env, dev, &options, NULL), 0);
    audit_open(&audit, env, dev);
    assert_true(uuid_equal(&vol_super(audit.vol)->fsid, &options.fsid));
    assert_true(uuid_equal(&vol_super(audit.vol)->dev_item.uuid, &options.device_uuid));
    audit_close(&audit);
    dev_close(dev);
    env_seeded_free(env);
}

/* ---- replay
 * ------------------------------------------------------------------------------------------ */

static struct dev *recorded_run(uint64_t seed)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct env *env = env_seeded_new(seed);
    struct dev *dev = dev_record_new(dev_mem_new(GIB));

    assert_int_equal(mkfs_run(env, dev, &options, NULL), 0);
    env_seeded_free(env);
    return dev;
}

static bool same_entry(const struct dev_record *a, const struct dev_record *b)
{
    return a->op == b->op && a->off == b->off && a->len == b->len &&
           (a->op != DEV_OP_WRITE || memcmp(a->data, b->data, a->len) == 0);
}

static void same_seed_same_bytes(void **state)
{
    struct dev *a = recorded_run(7), *b = recorded_run(7), *c = recorded_run(8);
    bool differs = false;

    (void)state;
    assert_int_equal(dev_record_count(a), dev_record_count(b));
    for (size_t i = 0; i < dev_record_count(a); i++) {
        struct dev_record x = dev_record_entry(a, i), y = dev_record_entry(b, i),
                          z = dev_record_entry(c, i);

        assert_true(same_entry(&x, &y));
        differs = differs || !same_entry(&x, &z);
    }
    assert_true(differs);
    dev_close(a);
    dev_close(b);
    dev_close(c);
}

/* Promise 5, for the first commit: no superblock before all that it names is durable. */
static void superblock_last(void **state)
{
    struct dev *dev = recorded_run(7);
    size_t flushes_before = 0, super_at = 0, last_node = 0;

    (void)state;
    for (size_t i = 0; i < dev_record_count(dev); i++) {
        struct dev_record entry = dev_record_entry(dev, i);

        if (entry.op == DEV_OP_WRITE && entry.off == SUPER_OFFSET)
            super_at = i;
        else if (entry.op == DEV_OP_WRITE && entry.off != super_offset(1))
            last_node = i;
    }
    assert_true(super_at > last_node);
    for (size_t i = last_node; i < super_at; i++)
        flushes_before += dev_record_entry(dev, i).op == DEV_OP_FLUSH;
    assert_true(flushes_before >= 1);
    assert_int_equal(dev_record_entry(dev, dev_record_count(dev) - 1).op, DEV_OP_FLUSH);
    dev_close(dev);
}

/* ---- what was there before
 * ------------------------------------------------------------------------- */

static void put(struct dev *dev, uint64_t at, const char *bytes)
{
    assert_int_equal(dev_write(dev, at, bytes, strlen(bytes)), 0);
}

static void refuses_what_is_there(void **state)
{
    static const struct {
        uint64_t at;
        const char *magic, *name;
    } table[] = {
        {SUPER_OFFSET + 64, "_BHRfS_M", "btrfs"},
        {1080, "\x53\xef", "ext"},
        {0, "XFSB", "xfs"},
        {0, "LUKS\xba\xbe", "LUKS"},
        {4086, "SWAPSPACE2", "swap"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct mkfs_options options = MKFS_OPTIONS_INIT;
        struct env *env = env_seeded_new(3);
        struct dev *dev = dev_record_new(dev_mem_new(GIB));

        put(dev, table[i].at, table[i].magic);
        dev_record_reset(dev);
        assert_int_equal(mkfs_run(env, dev, &options, NULL), -EEXIST);
        assert_non_null(strstr(fail_message(), table[i].name));
        assert_int_equal(dev_record_count(dev), 0);
        options.force = true;
        assert_int_equal(mkfs_run(env, dev, &options, NULL), 0);
        dev_close(dev);
        env_seeded_free(env);
    }
}

static bool is_zero(struct dev *dev, uint64_t at, size_t len)
{
    uint8_t *bytes = malloc(len);
    bool zero = true;

    assert_non_null(bytes);
    assert_int_equal(dev_read(dev, at, bytes, len), 0);
    for (size_t i = 0; i < len; i++)
        zero = zero && bytes[i] == 0;
    free(bytes);
    return zero;
}

/* A smaller file system over a larger one: the larger one's copies must not outlive it. */
static void old_copies_go(void **state)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct env *env = env_seeded_new(3);
    struct dev *dev = dev_mem_new(300 * GIB);
    struct audit audit;

    (void)state;
    assert_int_equal(mkfs_run(env, dev, &options, NULL), 0);
    assert_false(is_zero(dev, super_offset(2), SUPER_SIZE));
    put(dev, 0, "boot code");
    put(dev, 80 * GIB, "old data");
    options.force = true;
    options.size = 100 * GIB;
    assert_int_equal(mkfs_run(env, dev, &options, NULL), 0);
    assert_true(is_zero(dev, super_offset(2), SUPER_SIZE));
    assert_true(is_zero(dev, 0, SUPER_OFFSET));
    assert_true(is_zero(dev, 80 * GIB, 4096));
    audit_open(&audit, env, dev);
    audit_space(&audit);
    assert_int_equal(vol_super(audit.vol)->total_bytes, 100 * GIB);
    audit_close(&audit);
    dev_close(dev);
    env_seeded_free(env);
}

static void keeps_when_told(void **state)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct env *env = env_seeded_new(3);
    struct dev *dev = dev_mem_new(2 * GIB);

    (void)state;
    put(dev, 500 * MIB, "old data");
    put(dev, 1500 * MIB, "behind the end");
    options.no_discard = true;
    options.size = GIB;
    assert_int_equal(mkfs_run(env, dev, &options, NULL), 0);
    assert_false(is_zero(dev, 500 * MIB, 4096));
    options.no_discard = false;
    options.force = true;
    assert_int_equal(mkfs_run(env, dev, &options, NULL), 0);
    assert_true(is_zero(dev, 500 * MIB, 4096));
    assert_false(is_zero(dev, 1500 * MIB, 4096));
    dev_close(dev);
    env_seeded_free(env);
}

/* ---- refusals
 * ---------------------------------------------------------------------------------------- */

struct refusal {
    const char *what;
    uint64_t device;
    struct mkfs_options options;
    const char *message;
};

static void refuse(const struct refusal *r)
{
    struct env *env = env_seeded_new(3);
    struct dev *dev = dev_record_new(dev_mem_new(r->device));
    int err;

    fail_clear();
    err = mkfs_run(env, dev, &r->options, NULL);
    if (err != -EINVAL || !strstr(fail_message(), r->message))
        print_error("%s: %d (%s)\n", r->what, err, fail_message());
    assert_int_equal(err, -EINVAL);
    assert_non_null(strstr(fail_message(), r->message));
    assert_int_equal(dev_record_count(dev), 0);
    dev_close(dev);
    env_seeded_free(env);
}

static void refusals(void **state)
{
    static char long_label[SUPER_LABEL_MAX + 1];
    const struct refusal table[] = {
        {"too small", 109 * MIB - 1, MKFS_OPTIONS_INIT, "114294784"},
        {"empty", 0, MKFS_OPTIONS_INIT, "114294784"},
        {"-b too small", GIB, {.size = 10 * MIB}, "114294784"},
        {"-b too large", GIB, {.size = 2 * GIB}, "smaller than"},
        {"mixed too small", 15 * MIB, {.features_on = MKFS_MIXED_BG}, "16777216"},
        {"dup too small", 200 * MIB, {.data = MKFS_PROFILE_DUP}, "minimum"},
        {"node too small", GIB, {.nodesize = 2048}, "nodesize 2048"},
        {"node too large", GIB, {.nodesize = 131072}, "nodesize 131072"},
        {"node odd", GIB, {.nodesize = 12288}, "nodesize 12288"},
        {"node below sector", GIB, {.nodesize = 4096, .sectorsize = 8192}, "smaller than 8192"},
        {"sector odd", GIB, {.sectorsize = 5000}, "sectorsize 5000"},
        {"mixed with large nodes",
         GIB,
         {.nodesize = 16384, .features_on = MKFS_MIXED_BG},
         "not equal to 4096"},
        {"mixed with two profiles",
         GIB,
         {.features_on = MKFS_MIXED_BG, .data = MKFS_PROFILE_DUP, .meta = MKFS_PROFILE_SINGLE},
         "must be the same"},
        {"block group tree alone",
         GIB,
         {.features_on = MKFS_BLOCK_GROUP_TREE, .features_off = MKFS_NO_HOLES},
         "requires no-holes"},
        {"two kinds of quotas",
         GIB,
         {.features_on = MKFS_QUOTA | MKFS_SIMPLE_QUOTA},
         "exclude each other"},
        {"label too long", GIB, {.label = long_label}, "too long"},
        {"label of two lines", GIB, {.label = "a\nb"}, "newline"},
    };

    (void)state;
    memset(long_label, 'a', SUPER_LABEL_MAX);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        refuse(&table[i]);
}

static void feature_lists(void **state)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    (void)state;
    assert_int_equal(mkfs_features_parse("mixed-bg,^no-holes,bgt", &options), 0);
    assert_int_equal(options.features_on, MKFS_MIXED_BG | MKFS_BLOCK_GROUP_TREE);
    assert_int_equal(options.features_off, MKFS_NO_HOLES);
    assert_int_equal(mkfs_features_parse("no-holes,^mixed-bg,^raid56", &options), 0);
    assert_int_equal(options.features_on, MKFS_NO_HOLES | MKFS_BLOCK_GROUP_TREE);
    assert_int_equal(options.features_off, MKFS_MIXED_BG);
    /* A list that is refused changes nothing. */
    assert_int_equal(mkfs_features_parse("^bgt,foo", &options), -EINVAL);
    assert_non_null(strstr(fail_message(), "'foo'"));
    assert_int_equal(mkfs_features_parse("^bgt,zoned", &options), -EOPNOTSUPP);
    assert_non_null(strstr(fail_message(), "'zoned'"));
    assert_int_equal(mkfs_features_parse("extref,,bgt", &options), -EINVAL);
    assert_int_equal(options.features_off, MKFS_MIXED_BG);
    for (const struct mkfs_feature *f = mkfs_features; f->name; f++)
        assert_int_equal(mkfs_features_parse(f->name, &options), f->bit ? 0 : -EOPNOTSUPP);
}

static void profiles(void **state)
{
    enum mkfs_profile profile = MKFS_PROFILE_DEFAULT;

    (void)state;
    assert_int_equal(mkfs_profile_parse("DUP", &profile), 0);
    assert_int_equal(profile, MKFS_PROFILE_DUP);
    assert_int_equal(mkfs_profile_parse("single", &profile), 0);
    assert_int_equal(profile, MKFS_PROFILE_SINGLE);
    assert_int_equal(mkfs_profile_parse("raid1", &profile), -EOPNOTSUPP);
    assert_int_equal(mkfs_profile_parse("dups", &profile), -EINVAL);
    assert_int_equal(profile, MKFS_PROFILE_SINGLE);
}

/* ---- faults
 * ------------------------------------------------------------------------------------------- */

/*
 * Each operation fails once. The failure is reported, and what is there afterwards is no file
 * system, or (when only a copy of the superblock is missing) the complete one.
 */
static void each_operation_fails(void **state)
{
    uint64_t nth = 1;

    (void)state;
    for (;; nth++) {
        struct mkfs_options options = MKFS_OPTIONS_INIT;
        struct env *env = env_seeded_new(3);
        struct dev *dev = dev_fault_new(dev_mem_new(GIB));
        struct vol_open_options readonly = {.readonly = true};
        struct vol *vol;
        int err;

        dev_fault_arm(dev, &(struct dev_fault){.ops = DEV_OP_READ | DEV_OP_WRITE | DEV_OP_FLUSH |
                                                      DEV_OP_DISCARD,
                                               .nth = nth,
                                               .torn = true,
                                               .err = -EIO});
        err = mkfs_run(env, dev, &options, NULL);
        bool hit = dev_fault_hits(dev) > 0;
        dev_fault_disarm(dev);
        if (hit) {
            struct dev *view = dev_borrow(dev);

            assert_int_equal(err, -EIO);
            if (vol_open(env, &view, 1, &readonly, &vol) == 0) {
                struct audit audit;

                vol_close(vol);
                audit_open(&audit, env, dev);
                audit_space(&audit);
                audit_close(&audit);
            }
        } else {
            assert_int_equal(err, 0);
        }
        dev_close(dev);
        env_seeded_free(env);
        if (!hit)
            break;
    }
    assert_true(nth > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_matrix),  cmocka_unit_test(chunk_sizes),
        cmocka_unit_test(given_uuids),     cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(superblock_last), cmocka_unit_test(refuses_what_is_there),
        cmocka_unit_test(old_copies_go),   cmocka_unit_test(keeps_when_told),
        cmocka_unit_test(refusals),        cmocka_unit_test(feature_lists),
        cmocka_unit_test(profiles),        cmocka_unit_test(each_operation_fails),
    };

    return cmocka_run_group_tests_name("mkfs/mkfs", tests, NULL, NULL);
}
