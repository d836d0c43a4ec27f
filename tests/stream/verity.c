// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The promise: a file that the stream seals has the items that fs-verity of Linux makes (the hashes
 * were computed elsewhere), keeps its content, and is sent on as sealed; what cannot be sealed is
 * refused, and the subvolume stays open.
 */
#include "base/test/unit.h"

#include <string.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/csum/csum.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"
#include "ops/stream/encode.h"
#include "ops/stream/stream.h"
#include "tests/model/verify.h"

#define WRITE_BYTES 40000

static const struct uuid uuid_a = {{0xa}};

static void ok(int ret)
{
    if (ret < 0)
        print_message("# %d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

struct world {
    struct env *env;
    struct dev *disk;
    struct mount *m;
    uint8_t *bytes; /* a stream */
    size_t len, read;
};

static int keep(void *arg, const void *buf, size_t len)
{
    struct world *w = arg;

    w->bytes = realloc(w->bytes, w->len + len);
    memcpy(w->bytes + w->len, buf, len);
    w->len += len;
    return 0;
}

static int take(void *arg, void *buf, size_t cap, size_t *got)
{
    struct world *w = arg;

    *got = MIN(cap, w->len - w->read);
    if (*got > 0)
        memcpy(buf, w->bytes + w->read, *got);
    w->read += *got;
    return 0;
}

static void world_open(struct world *w)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(w->disk);

    ok(mount_open(w->env, &dev, 1, &options, &w->m));
}

static void world_new(struct world *w)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    *w = (struct world){.env = env_seeded_new(1), .disk = dev_mem_new(256 * MIB)};
    ok(mkfs_run(w->env, w->disk, &options, NULL));
    world_open(w);
}

static void world_free(struct world *w)
{
    static char report[4096];

    ok(mount_close(w->m));
    int sound = verify_device(w->env, w->disk, VERIFY_CLOSED, report, sizeof(report));
    if (sound < 0)
        print_message("# %s\n", report);
    assert_int_equal(sound, 0);
    dev_close(w->disk);
    env_seeded_free(w->env);
    free(w->bytes);
}

struct seal {
    uint64_t size; /* of the file, all 'x' */
    const char *salt;
    unsigned algorithm, block;
};

static void put_file(struct encoder *out, uint64_t size)
{
    static char data[WRITE_BYTES];

    memset(data, 'x', sizeof(data));
    encode_begin(out, CMD_MKFILE);
    encode_text(out, ATTR_PATH, "file");
    ok(encode_end(out));
    for (uint64_t pos = 0; pos < size; pos += WRITE_BYTES) {
        encode_begin(out, CMD_WRITE);
        encode_text(out, ATTR_PATH, "file");
        encode_number(out, ATTR_FILE_OFFSET, pos);
        encode_bytes(out, ATTR_DATA, data, MIN(size - pos, (uint64_t)WRITE_BYTES));
        ok(encode_end(out));
    }
}

static int receive_sealed(struct world *w, const struct seal *seal)
{
    struct copse_receive_options options = COPSE_RECEIVE_OPTIONS_INIT;
    const struct copse_stream_sink sink = {keep, w};
    const struct copse_stream_source source = {take, w};
    struct encoder out;

    w->len = w->read = 0;
    ok(encoder_init(&out, 3, &sink));
    ok(encode_header(&out));
    encode_begin(&out, CMD_SUBVOL);
    encode_text(&out, ATTR_PATH, "a");
    encode_bytes(&out, ATTR_UUID, uuid_a.b, sizeof(uuid_a.b));
    encode_number(&out, ATTR_CTRANSID, 7);
    ok(encode_end(&out));
    put_file(&out, seal->size);
    encode_begin(&out, CMD_ENABLE_VERITY);
    encode_text(&out, ATTR_PATH, "file");
    encode_number(&out, ATTR_VERITY_ALGORITHM, seal->algorithm);
    encode_number(&out, ATTR_VERITY_BLOCK_SIZE, seal->block);
    encode_text(&out, ATTR_VERITY_SALT_DATA, seal->salt);
    encode_text(&out, ATTR_VERITY_SIG_DATA, "");
    ok(encode_end(&out));
    encode_begin(&out, CMD_END);
    ok(encode_end(&out));
    ok(encoder_flush(&out));
    encoder_release(&out);
    return stream_receive(w->m, w->m->root, &source, &options);
}

static struct inode *look(struct world *w, const char *name, const char *below)
{
    struct inode *dir, *inode;

    ok(mount_lookup(w->m, w->m->root, name, strlen(name), &dir));
    if (!below)
        return dir;
    ok(mount_lookup(w->m, dir, below, strlen(below), &inode));
    inode_put(dir);
    return inode;
}

/* The pieces of one kind from `first` on, put together. */
static size_t pieces(struct inode *inode, uint8_t type, uint64_t first, uint8_t *out, size_t cap)
{
    size_t len = 0;

    store_read_lock(inode->fs->store);
    for (;;) {
        struct key key = key_make(inode->ino, type, first + len);
        AUTO_PATH struct path path = PATH_INIT;

        if (tree_search(&inode->tree->root, &key, &path) != 0)
            break;
        assert_true(path_size(&path) <= 2048 && len + path_size(&path) <= cap);
        memcpy(out + len, path_data(&path), path_size(&path));
        len += path_size(&path);
    }
    store_read_unlock(inode->fs->store);
    return len;
}

static void to_hex(const uint8_t *bytes, char out[65])
{
    for (unsigned i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void expect_hash(const uint8_t *bytes, const char *wanted)
{
    char text[65];

    to_hex(bytes, text);
    assert_string_equal(text, wanted);
}

static void expect_sealed(const struct seal *seal, const char *top, size_t tree_len,
                          const char *tree_hash)
{
    static uint8_t tree[65536], descriptor[1024];
    uint8_t sum[CSUM_MAX];
    struct world w;
    size_t done;

    world_new(&w);
    ok(receive_sealed(&w, seal));
    struct inode *inode = look(&w, "a", "file");
    assert_int_equal(pieces(inode, KEY_VERITY_MERKLE_ITEM, 0, tree, sizeof(tree)), tree_len);
    csum_compute(CSUM_SHA256, tree, tree_len, sum);
    expect_hash(sum, tree_hash);
    assert_int_equal(pieces(inode, KEY_VERITY_DESC_ITEM, 1, descriptor, sizeof(descriptor)), 256);
    expect_hash(descriptor + 16, top);
    assert_int_equal(descriptor[0], 1);
    assert_int_equal(descriptor[2], 12);
    assert_int_equal(pieces(inode, KEY_VERITY_DESC_ITEM, 0, tree, 25), 25);
    assert_int_equal(tree[0] | tree[1] << 8, 256);
    assert_true(inode->item.flags & INODE_RO_VERITY);
    assert_true(w.m->fs.store->engine.compat_ro & COMPAT_RO_VERITY);
    assert_true(mount_pwrite(w.m, inode, "y", 1, 0, &done) < 0);
    inode_put(inode);

    /* It goes on as it came. */
    struct copse_send_options options = COPSE_SEND_OPTIONS_INIT;
    const struct copse_stream_sink sink = {keep, &w};
    options.protocol = 3;
    w.len = 0;
    struct inode *subvol = look(&w, "a", NULL);
    ok(stream_send(w.m, subvol, &options, &sink));
    inode_put(subvol);
    assert_non_null(memmem(w.bytes, w.len, "\x20\x00\x01\x00\x01\x21\x00\x04\x00\x00\x10", 11));
    world_free(&w);
}

static void files_are_sealed(void **state)
{
    static const struct seal empty = {0, "", 1, 4096}, small = {5, "salt", 1, 4096},
                             large = {600000, "salt", 1, 4096}, plain = {600000, "", 1, 4096};
    static const char *const none =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    (void)state;
    expect_sealed(&empty, "0000000000000000000000000000000000000000000000000000000000000000", 0,
                  none);
    expect_sealed(&small, "3cff0ea5f3e51e2d8452508ca2a8cf8926116ad11dec4499d4dd62071eecd1c4", 0,
                  none);
    expect_sealed(&large, "0f41be2b04cc17e01c40f4b4eb7cc2d088e4fe372ac9607b7cff0436a9fa2345", 12288,
                  "38535a8dc49ad9ff3a07786f5f7951bea782d615ba92603009f54d95fe56a755");
    expect_sealed(&plain, "f83e118b5afd2f7929432356edf3753bb9c17b07d257dcbc7a01b1cc9101997d", 12288,
                  "3388fa8dd52dcd69a72c239b11e7095426658fc2b2d50c67f25f1f78e225dc01");
}

static void others_are_refused(void **state)
{
    static const struct seal bad[] = {
        {5, "", 2, 4096},
        {5, "", 1, 512},
        {5, "", 1, 3000},
        {5, "", 1, 65536},
        {5, "a salt of more than 32 bytes, which no kernel takes", 1, 4096},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct world w;

        world_new(&w);
        assert_true(receive_sealed(&w, &bad[i]) < 0);
        struct inode *inode = look(&w, "a", "file");
        assert_false(inode->item.flags & INODE_RO_VERITY);
        assert_false(inode->tree->item.flags & ROOT_SUBVOL_RDONLY);
        inode_put(inode);
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_sealed),
        cmocka_unit_test(others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
