// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: every mirror gets what is written, any mirror gives it back, and a tree block with one
 * good copy is read, said to be so, and mended where writing is allowed.
 */
#include "disk/vol/test/fixture.h"

#define SIZE (128 * MIB)
#define BLOCK_AT (META_AT + 5 * NODESIZE)

struct world {
    struct env *env;
    struct dev *dev;
    struct vol *vol;
};

static void setup(struct world *w)
{
    struct super super = fixture_super(SIZE);

    w->env = env_seeded_new(1);
    w->dev = dev_fault_new(dev_mem_new(SIZE));
    w->vol = fixture_vol(w->env, w->dev, &super);
}

static void teardown(struct world *w)
{
    vol_close(w->vol);
    dev_close(w->dev);
    env_seeded_free(w->env);
}

static void both_mirrors(void **state)
{
    char in[10000], out[10000];
    struct world w;

    (void)state;
    setup(&w);
    env_random(w.env, in, sizeof(in));
    assert_int_equal(vol_write(w.vol, laddr_of(META_AT + 777), in, sizeof(in)), 0);
    for (unsigned mirror = 0; mirror < 2; mirror++) {
        memset(out, 0, sizeof(out));
        assert_int_equal(vol_read(w.vol, laddr_of(META_AT + 777), out, sizeof(out), mirror), 0);
        assert_memory_equal(in, out, sizeof(in));
    }
    assert_int_equal(dev_read(w.dev, META_STRIPE_1 + 777, out, sizeof(out)), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(vol_read(w.vol, laddr_of(META_AT), out, 1, 2), -EINVAL);
    teardown(&w);
}

/* What a flush is left out for (promise 6). */
static void what_is_written_is_not_flushed(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    assert_false(vol_is_flushed(w.vol)); /* what others left behind */
    assert_int_equal(vol_flush(w.vol), 0);
    assert_true(vol_is_flushed(w.vol));
    assert_int_equal(vol_write(w.vol, laddr_of(META_AT), "same", 4), 0);
    assert_false(vol_is_flushed(w.vol));
    assert_int_equal(vol_flush(w.vol), 0);
    assert_int_equal(vol_write_mirror(w.vol, laddr_of(META_AT), "same", 4, 1), 0);
    assert_false(vol_is_flushed(w.vol));
    dev_fault_arm(w.dev, &(struct dev_fault){.ops = DEV_OP_FLUSH, .nth = 1, .err = -EIO});
    assert_int_equal(vol_flush(w.vol), -EIO);
    assert_false(vol_is_flushed(w.vol));
    teardown(&w);
}

static void one_mirror(void **state)
{
    char out[4];
    struct world w;

    (void)state;
    setup(&w);
    assert_int_equal(vol_write(w.vol, laddr_of(META_AT), "same", 4), 0);
    assert_int_equal(vol_write_mirror(w.vol, laddr_of(META_AT), "diff", 4, 1), 0);
    assert_int_equal(vol_read(w.vol, laddr_of(META_AT), out, 4, 0), 0);
    assert_memory_equal(out, "same", 4);
    assert_int_equal(vol_read(w.vol, laddr_of(META_AT), out, 4, 1), 0);
    assert_memory_equal(out, "diff", 4);
    teardown(&w);
}

/* Two chunks side by side in the logical space, far apart on the device. */
static void across_chunks(void **state)
{
    struct chunk_map next = {
        .logical = META_AT + META_LEN,
        .length = MIB,
        .type = BG_DATA,
        .stripe_len = STRIPE_LEN,
        .num_stripes = 1,
        .sub_stripes = 1,
        .stripes = {{1, 100 * MIB}},
    };
    char in[8192], out[8192];
    struct world w;

    (void)state;
    setup(&w);
    assert_int_equal(vol_add_chunk(w.vol, &next), 0);
    env_random(w.env, in, sizeof(in));
    assert_int_equal(vol_write(w.vol, laddr_of(next.logical - 5000), in, sizeof(in)), 0);
    assert_int_equal(vol_read(w.vol, laddr_of(next.logical - 5000), out, sizeof(out), 0), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(dev_read(w.dev, 100 * MIB, out, 3192), 0);
    assert_memory_equal(in + 5000, out, 3192);
    assert_int_equal(vol_write(w.vol, laddr_of(next.logical + MIB - 10), in, 20), -EUCLEAN);
    teardown(&w);
}

static void discards_both(void **state)
{
    char out[4096], zeroes[4096] = {0};
    struct world w;

    (void)state;
    setup(&w);
    memset(out, 1, sizeof(out));
    assert_int_equal(vol_write(w.vol, laddr_of(META_AT), out, sizeof(out)), 0);
    assert_int_equal(vol_discard(w.vol, laddr_of(META_AT), sizeof(out)), 0);
    for (unsigned mirror = 0; mirror < 2; mirror++) {
        assert_int_equal(vol_read(w.vol, laddr_of(META_AT), out, sizeof(out), mirror), 0);
        assert_memory_equal(out, zeroes, sizeof(out));
    }
    teardown(&w);
}

static void failed_write(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    dev_fault_arm(w.dev, &(struct dev_fault){.ops = DEV_OP_WRITE, .nth = 2, .err = -ENOSPC});
    assert_int_equal(vol_write(w.vol, laddr_of(META_AT), "abcd", 4), -ENOSPC);
    teardown(&w);
}

/* ---- tree blocks
 * --------------------------------------------------------------------------------- */

/* An empty leaf of the checksum tree: the one tree whose leaf may be empty. */
static void make_node(const struct vol *vol, uint8_t *block)
{
    struct node_header header = {
        .fsid = vol_super(vol)->fsid,
        .bytenr = BLOCK_AT,
        .flags = HEADER_FLAG_WRITTEN | MIXED_BACKREF_REV << HEADER_BACKREF_REV_SHIFT,
        .generation = 7,
        .owner = TREE_CSUM,
    };

    memset(block, 0, NODESIZE);
    node_header_encode(block, &header);
    vol_seal_node(vol, block);
}

static const struct node_expect expect = {
    .bytenr = BLOCK_AT,
    .generation = 7,
    .owner = TREE_CSUM,
    .level = 0,
};

struct node_case {
    const char *what;
    bool damage[2];
    int read_error; /* the how manieth read fails; 0: none */
    bool readonly;
    int err;
    bool note;
    bool mended; /* both copies are good afterwards */
};

static const struct node_case node_cases[] = {
    {"both good", {false, false}, 0, false, 0, false, true},
    {"first bad", {true, false}, 0, false, 0, true, true},
    {"first bad, read-only", {true, false}, 0, true, 0, true, false},
    {"first unreadable", {false, false}, 1, false, 0, true, true},
    {"second bad is not even read", {false, true}, 0, false, 0, false, false},
    {"both bad", {true, true}, 0, false, -EIO, false, false},
};

static bool copies_equal(struct world *w, const uint8_t *block)
{
    uint8_t *copy = malloc(NODESIZE);
    bool equal = true;

    for (unsigned mirror = 0; mirror < 2; mirror++) {
        assert_int_equal(vol_read(w->vol, laddr_of(BLOCK_AT), copy, NODESIZE, mirror), 0);
        equal = equal && memcmp(copy, block, NODESIZE) == 0;
    }
    free(copy);
    return equal;
}

/* The fixture's volume again, opened from its superblock. */
static void reopen(struct world *w, bool readonly)
{
    struct super super = fixture_super(SIZE);
    struct chunk_map dup = fixture_dup();

    assert_int_equal(vol_fill_system_array(w->vol, &super), 0);
    assert_int_equal(vol_write_supers(w->vol, &super), 0);
    vol_close(w->vol);
    assert_int_equal(fixture_open(w->env, w->dev, readonly, &w->vol), 0);
    assert_int_equal(vol_add_chunk(w->vol, &dup), 0);
}

static void read_case(const struct node_case *c)
{
    uint8_t *good = malloc(NODESIZE), *got = malloc(NODESIZE);
    struct world w;

    setup(&w);
    make_node(w.vol, good);
    assert_int_equal(vol_write(w.vol, laddr_of(BLOCK_AT), good, NODESIZE), 0);
    for (unsigned mirror = 0; mirror < 2; mirror++)
        if (c->damage[mirror])
            assert_int_equal(vol_write_mirror(w.vol, laddr_of(BLOCK_AT + 9000), "bad", 3, mirror),
                             0);
    reopen(&w, c->readonly);
    if (c->read_error)
        dev_fault_arm(w.dev, &(struct dev_fault){
                                 .ops = DEV_OP_READ, .nth = (uint64_t)c->read_error, .err = -EIO});
    int err = vol_read_node(w.vol, laddr_of(BLOCK_AT), &expect, got);
    if (err != c->err)
        print_error("%s: %d (%s)\n", c->what, err, fail_message());
    assert_int_equal(err, c->err);
    assert_int_equal(env_seeded_notes(w.env), c->note ? 1 : 0);
    if (err == 0)
        assert_memory_equal(got, good, NODESIZE);
    else
        assert_non_null(strstr(fail_message(), "16859136")); /* the block's address */
    if (c->note)
        assert_non_null(strstr(env_seeded_last_note(w.env), "block 16859136"));
    assert_int_equal(copies_equal(&w, good), c->mended);
    teardown(&w);
    free(good);
    free(got);
}

static void node_copies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(node_cases); i++)
        read_case(&node_cases[i]);
}

/* A lost write leaves a block that is valid but old: the other copy has the right one. */
static void stale_copy(void **state)
{
    uint8_t *good = malloc(NODESIZE), *old = malloc(NODESIZE);
    struct world w;

    (void)state;
    setup(&w);
    make_node(w.vol, good);
    memcpy(old, good, NODESIZE);
    disk_node_header *header = (void *)old;
    header->generation = le64_of(6);
    vol_seal_node(w.vol, old);
    assert_int_equal(vol_write_mirror(w.vol, laddr_of(BLOCK_AT), old, NODESIZE, 0), 0);
    assert_int_equal(vol_write_mirror(w.vol, laddr_of(BLOCK_AT), good, NODESIZE, 1), 0);
    assert_int_equal(vol_read_node(w.vol, laddr_of(BLOCK_AT), &expect, old), 0);
    assert_memory_equal(old, good, NODESIZE);
    assert_true(copies_equal(&w, good));
    teardown(&w);
    free(good);
    free(old);
}

static void node_outside(void **state)
{
    uint8_t *got = malloc(NODESIZE);
    struct world w;

    (void)state;
    setup(&w);
    assert_int_equal(vol_read_node(w.vol, laddr_of(4 * GIB), &expect, got), -EUCLEAN);
    assert_non_null(strstr(fail_message(), "4294967296"));
    /* Begins in a chunk and ends outside. */
    assert_int_equal(vol_read_node(w.vol, laddr_of(META_AT + META_LEN - 4096), &expect, got),
                     -EUCLEAN);
    teardown(&w);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_mirrors),
        cmocka_unit_test(one_mirror),
        cmocka_unit_test(across_chunks),
        cmocka_unit_test(discards_both),
        cmocka_unit_test(failed_write),
        cmocka_unit_test(node_copies),
        cmocka_unit_test(stale_copy),
        cmocka_unit_test(node_outside),
        cmocka_unit_test(what_is_written_is_not_flushed),
    };

    return cmocka_run_group_tests_name("vol/io", tests, NULL, NULL);
}
