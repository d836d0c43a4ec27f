// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random operations on a few files, against arrays of bytes in memory. After each sync the file
 * system is opened anew and compared; promises must then be zero, the bytes that inodes say they
 * hold must be what is mapped, and without no-holes every byte must have an item.
 */
#include "fs/file/test/world.h"

#include <linux/falloc.h>

#define FILE_MAX (1536 * KIB)
#define OPERATIONS 250
#define RUNS 40

struct model {
    struct world world;
    struct rng rng;
    uint32_t sector;
    struct {
        uint64_t size;
        uint8_t *data; /* FILE_MAX bytes, zero behind size */
    } file[WORLD_FILES];
};

static uint8_t scratch[FILE_MAX], other[FILE_MAX];

static uint64_t below(struct model *m, uint64_t bound)
{
    return rng_below(&m->rng, bound);
}

/* Positions that like sectors, their neighbours, the file's end and its beginning. */
static uint64_t pick_pos(struct model *m, unsigned f)
{
    uint64_t pos = below(m, FILE_MAX);

    switch (below(m, 6)) {
    case 0:
        pos = m->file[f].size;
        break;
    case 1:
        pos = round_down_to(pos, m->sector);
        break;
    case 2:
        pos = round_down_to(pos, m->sector) + m->sector - 1;
        break;
    case 3:
        pos = below(m, 3000);
        break;
    default:
        pos = below(m, m->file[f].size + 2 * m->sector);
        break;
    }
    return MIN(pos, FILE_MAX - 1);
}

static uint64_t pick_len(struct model *m, uint64_t pos)
{
    static const uint64_t max[] = {100, 3000, 20000, 20000, 300000};
    uint64_t len = 1 + below(m, max[below(m, ARRAY_LEN(max))]);

    if (below(m, 3) == 0)
        len = round_up_to(len, m->sector);
    return MIN(len, FILE_MAX - pos);
}

static void fill_random(struct model *m, uint8_t *buf, uint64_t len)
{
    bool text = below(m, 2);

    for (uint64_t i = 0; i < len; i++)
        buf[i] = text ? (uint8_t)('a' + (i / 7 + len) % 23) : (uint8_t)rng_next(&m->rng);
}

static void op_write(struct model *m, unsigned f)
{
    uint64_t pos = pick_pos(m, f), len = pick_len(m, pos);
    size_t done;

    fill_random(m, scratch, len);
    ok(file_write(m->world.file[f], scratch, len, pos, &done));
    assert_int_equal(done, len);
    memcpy(m->file[f].data + pos, scratch, len);
    m->file[f].size = MAX(m->file[f].size, pos + len);
}

static void op_truncate(struct model *m, unsigned f)
{
    uint64_t size = pick_pos(m, f);

    ok(file_truncate(m->world.file[f], size));
    memset(m->file[f].data + size, 0, FILE_MAX - size);
    m->file[f].size = size;
}

static void op_fallocate(struct model *m, unsigned f)
{
    static const int modes[] = {
        0,
        FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_ZERO_RANGE,
        FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
    };
    int mode = modes[below(m, ARRAY_LEN(modes))];
    uint64_t pos = pick_pos(m, f), len = pick_len(m, pos);

    ok(file_fallocate(m->world.file[f], mode, pos, len));
    if (mode & ~FALLOC_FL_KEEP_SIZE)
        memset(m->file[f].data + pos, 0, len);
    if (!(mode & FALLOC_FL_KEEP_SIZE))
        m->file[f].size = MAX(m->file[f].size, pos + len);
}

/* Collapse and insert: of what the file has, whole sectors go, or zeroes come in. */
static void op_shift(struct model *m, unsigned f)
{
    uint64_t size = m->file[f].size, start = round_down_to(pick_pos(m, f), m->sector);
    uint64_t len = round_up_to(pick_len(m, start), m->sector);
    bool insert = below(m, 2);
    int mode = insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE;
    uint8_t *data = m->file[f].data;

    if (insert && size + len > FILE_MAX)
        return;
    int ret = file_fallocate(m->world.file[f], mode, start, len);
    if (insert ? start >= size : start + len >= size) {
        assert_int_equal(ret, -EINVAL);
        return;
    }
    ok(ret);
    if (insert) {
        memmove(data + start + len, data + start, size - start);
        memset(data + start, 0, len);
        m->file[f].size += len;
    } else {
        memmove(data + start, data + start + len, size - start - len);
        memset(data + size - len, 0, len);
        m->file[f].size -= len;
    }
}

static void op_clone(struct model *m, unsigned src)
{
    unsigned dst = (unsigned)below(m, WORLD_FILES);
    uint64_t from = round_down_to(below(m, m->file[src].size + 1), m->sector);
    uint64_t to = round_down_to(pick_pos(m, dst), m->sector);
    uint64_t len = m->file[src].size - from;
    bool same = src == dst;

    if (below(m, 2) || to + len < m->file[dst].size || to + len > FILE_MAX)
        len = round_down_to(below(m, len + 1), m->sector);
    len = MIN(len, round_down_to(FILE_MAX - to, m->sector));
    uint64_t span = round_up_to(len, m->sector);
    if (len == 0 || (same && from < to + span && to < from + span))
        return;
    ok(file_clone_range(m->world.file[src], from, len, m->world.file[dst], to));
    memmove(m->file[dst].data + to, m->file[src].data + from, len);
    m->file[dst].size = MAX(m->file[dst].size, to + len);
}

static void compare(struct model *m, unsigned f, uint64_t pos, uint64_t len)
{
    size_t done;
    uint64_t size = m->file[f].size;
    uint64_t want = pos < size ? MIN(len, size - pos) : 0;

    ok(file_read(m->world.file[f], other, len, pos, &done));
    assert_int_equal(done, want);
    for (uint64_t i = 0; i < want; i++) {
        if (other[i] == m->file[f].data[pos + i])
            continue;
        print_error("file %u differs at %llu: %u instead of %u\n", f, LLU(pos + i), other[i],
                    m->file[f].data[pos + i]);
        assert_int_equal(other[i], m->file[f].data[pos + i]);
    }
}

static void op_read(struct model *m, unsigned f)
{
    uint64_t pos = pick_pos(m, f);

    compare(m, f, pos, pick_len(m, pos));
}

/* What is between an offset and the next data is zero, and so is a hole until its end. */
static void op_seek(struct model *m, unsigned f)
{
    uint64_t pos = pick_pos(m, f), data = m->file[f].size;

    int ret = file_seek(m->world.file[f], pos, SEEK_DATA, &data);
    if (pos >= m->file[f].size)
        assert_int_equal(ret, -ENXIO);
    else if (ret != -ENXIO)
        ok(ret);
    for (uint64_t i = pos; i < data && i < m->file[f].size; i++)
        assert_int_equal(m->file[f].data[i], 0);
}

static int add_len(void *arg, const struct file_map *map)
{
    *(uint64_t *)arg += map->len;
    return 0;
}

/* What an inode says of itself, and that holes have items where they need them. */
static void check_inode(struct model *m, unsigned f)
{
    struct inode *inode = m->world.file[f];
    bool no_holes = engine_has(file_engine(inode), INCOMPAT_NO_HOLES);
    uint64_t held = 0, end = round_up_to(inode->item.size, m->sector);

    assert_int_equal(inode->item.size, m->file[f].size);
    assert_int_equal(inode->disk_size, m->file[f].size);
    ok(file_each_extent(inode, 0, UINT64_MAX, add_len, &held));
    assert_int_equal(inode->item.nbytes, held);
    for (uint64_t pos = 0; !no_holes && pos < end;) {
        struct mapping map;

        ok(map_find(inode, pos, &map));
        assert_true(map.has_item);
        pos = mapping_end(&map);
    }
}

static void check_all(struct model *m)
{
    for (unsigned f = 0; f < WORLD_FILES; f++) {
        compare(m, f, 0, FILE_MAX);
        check_inode(m, f);
    }
}

static void op_reopen(struct model *m)
{
    world_sync(&m->world);
    world_check_counters(&m->world);
    check_all(m);
    world_reopen(&m->world);
    check_all(m);
}

/* Without writing back first: what is dirty must not be missed by what is committed. */
static void op_commit(struct model *m, unsigned f)
{
    (void)f;
    ok(store_commit(m->world.store));
}

static void op_writeback(struct model *m, unsigned f)
{
    ok(file_writeback(m->world.file[f]));
}

static void operate(struct model *m)
{
    static void (*const ops[])(struct model *, unsigned) = {
        op_write,     op_write,     op_write, op_write,  op_truncate,
        op_fallocate, op_fallocate, op_clone, op_commit, op_read,
        op_read,      op_writeback, op_seek,  op_shift,  op_shift,
    };

    if (below(m, 60) == 0)
        op_reopen(m);
    ops[below(m, ARRAY_LEN(ops))](m, (unsigned)below(m, WORLD_FILES));
}

static struct mkfs_options pick_options(struct model *m)
{
    static const uint32_t nodesizes[] = {4096, 16384, 65536};
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    options.nodesize = nodesizes[below(m, ARRAY_LEN(nodesizes))];
    options.csum = (enum csum_type)below(m, 4);
    if (below(m, 2))
        options.features_off |= MKFS_NO_HOLES;
    if (below(m, 4) == 0) {
        options.features_on |= MKFS_MIXED_BG;
        options.nodesize = 4096;
    }
    return options;
}

/* The last file is compressed in one of the ways there are. */
static void compress_file(struct model *m)
{
    static const char *const ways[] = {"zlib", "lzo", "zstd:7"};
    const char *way = ways[below(m, ARRAY_LEN(ways))];

    ok(store_begin(m->world.store, STORE_CREATE, 8));
    ok(xattr_set(m->world.file[2], "btrfs.compression", way, strlen(way), 0));
    m->world.file[2]->item.flags |= INODE_COMPRESS;
    inode_mark_dirty(m->world.file[2]);
    store_end(m->world.store);
}

static void run(uint64_t seed)
{
    struct model m = {.sector = 4096};

    rng_seed(&m.rng, seed);
    struct mkfs_options options = pick_options(&m);
    world_new(&m.world, 256 * MIB, &options);
    m.world.options.dirty_limit_bytes = m.world.fs.options.dirty_limit_bytes =
        below(&m, 2) ? 256 * KIB : 0;
    for (unsigned f = 0; f < WORLD_FILES; f++)
        m.file[f].data = calloc(1, FILE_MAX);
    compress_file(&m);
    for (unsigned i = 0; i < OPERATIONS; i++)
        operate(&m);
    op_reopen(&m);
    world_free(&m.world);
    for (unsigned f = 0; f < WORLD_FILES; f++)
        free(m.file[f].data);
}

static void files_hold_what_was_written(void **state)
{
    uint64_t seed = unit_seed(20261120);

    (void)state;
    for (unsigned i = 0; i < RUNS; i++) {
        printf("# run COPSE_SEED=%llu\n", LLU(seed + i));
        fflush(stdout);
        run(seed + i);
        if (getenv("COPSE_SEED"))
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_hold_what_was_written),
    };

    return cmocka_run_group_tests_name("files against arrays of bytes", tests, NULL, NULL);
}
