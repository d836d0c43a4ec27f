// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The promise: whatever ends at whichever command of a stream (the pipe, the device, the space, the
 * quota), a subvolume that counts as received is all there, also after a crash, and the file system
 * is sound. Who was told that it arrived has it.
 */
#include "base/test/unit.h"

#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"
#include "ops/stream/encode.h"
#include "ops/stream/stream.h"
#include "tests/model/verify.h"

#define DISK_BYTES (160 * MIB)
#define COMMANDS_MAX 64
#define PIECE 40000

enum fault {
    PIPE_ENDS,
    PIPE_FAILS,
    CANNOT_READ,
    CANNOT_WRITE,
    CANNOT_FLUSH,
    DISK_FULL,
    QUOTA_FULL
};
static const char *const fault_names[] = {"the pipe ends", "the pipe fails", "reads fail",
                                          "writes fail",   "flushes fail",   "the disk is full",
                                          "the quota is"};

static const struct uuid uuid_a = {{0xa}}, uuid_b = {{0xb}};
static const struct copse_cred root_cred;
static uint8_t piece[PIECE];

static void ok(int ret)
{
    if (ret < 0)
        print_message("# %d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

/* ---- a stream with every command ------------------------------------------------------------- */

struct stream {
    struct encoder out;
    uint8_t *bytes;
    size_t len;
    size_t starts[COMMANDS_MAX];  /* of commands */
    unsigned commands, first_end; /* that one ends the first subvolume */
};

static int keep(void *arg, const void *buf, size_t len)
{
    struct stream *s = arg;

    s->bytes = realloc(s->bytes, s->len + len);
    memcpy(s->bytes + s->len, buf, len);
    s->len += len;
    return 0;
}

static void start(struct stream *s, enum stream_command_type type, const char *path)
{
    assert_true(s->commands < COMMANDS_MAX);
    s->starts[s->commands++] = s->len;
    encode_begin(&s->out, type);
    if (path)
        encode_text(&s->out, ATTR_PATH, path);
}

static void stop(struct stream *s)
{
    ok(encode_end(&s->out));
    ok(encoder_flush(&s->out));
}

static void put(struct stream *s, enum stream_command_type type, const char *path,
                enum stream_attribute attr, const char *other)
{
    start(s, type, path);
    if (other)
        encode_text(&s->out, attr, other);
    stop(s);
}

static void put_numbers(struct stream *s, enum stream_command_type type, const char *path,
                        enum stream_attribute one, uint64_t first, enum stream_attribute two,
                        uint64_t second)
{
    start(s, type, path);
    encode_number(&s->out, one, first);
    if (two)
        encode_number(&s->out, two, second);
    stop(s);
}

static void put_write(struct stream *s, const char *path, uint64_t offset)
{
    start(s, CMD_WRITE, path);
    encode_number(&s->out, ATTR_FILE_OFFSET, offset);
    encode_bytes(&s->out, ATTR_DATA, piece, PIECE);
    stop(s);
}

static void put_subvol(struct stream *s, const char *name, const struct uuid *uuid,
                       const struct uuid *parent)
{
    start(s, parent ? CMD_SNAPSHOT : CMD_SUBVOL, name);
    encode_bytes(&s->out, ATTR_UUID, uuid->b, sizeof(uuid->b));
    encode_number(&s->out, ATTR_CTRANSID, 7);
    if (parent) {
        encode_bytes(&s->out, ATTR_CLONE_UUID, parent->b, sizeof(parent->b));
        encode_number(&s->out, ATTR_CLONE_CTRANSID, 7);
    }
    stop(s);
}

static void put_clone(struct stream *s, const char *path, uint64_t offset, const char *from)
{
    start(s, CMD_CLONE, path);
    encode_number(&s->out, ATTR_FILE_OFFSET, offset);
    encode_number(&s->out, ATTR_CLONE_LEN, 32768);
    encode_bytes(&s->out, ATTR_CLONE_UUID, uuid_a.b, sizeof(uuid_a.b));
    encode_number(&s->out, ATTR_CLONE_CTRANSID, 7);
    encode_text(&s->out, ATTR_CLONE_PATH, from);
    encode_number(&s->out, ATTR_CLONE_OFFSET, 0);
    stop(s);
}

static void put_mtime(struct stream *s, const char *path)
{
    static const struct timestamp when = {.sec = 1000};

    start(s, CMD_UTIMES, path);
    encode_time(&s->out, ATTR_ATIME, &when);
    encode_time(&s->out, ATTR_MTIME, &when);
    encode_time(&s->out, ATTR_CTIME, &when);
    stop(s);
}

static void put_encoded(struct stream *s, const char *path, uint64_t offset)
{
    start(s, CMD_ENCODED_WRITE, path);
    encode_number(&s->out, ATTR_FILE_OFFSET, offset);
    encode_number(&s->out, ATTR_UNENCODED_FILE_LEN, PIECE);
    encode_number(&s->out, ATTR_UNENCODED_LEN, PIECE);
    encode_number(&s->out, ATTR_UNENCODED_OFFSET, 0);
    encode_number(&s->out, ATTR_COMPRESSION, STREAM_PLAIN);
    encode_bytes(&s->out, ATTR_DATA, piece, PIECE);
    stop(s);
}

static void put_first(struct stream *s)
{
    put_subvol(s, "a", &uuid_a, NULL);
    put(s, CMD_MKDIR, "dir", 0, NULL);
    put(s, CMD_MKFILE, "dir/file", 0, NULL);
    put_write(s, "dir/file", 0);
    put_write(s, "dir/file", PIECE);
    put(s, CMD_SYMLINK, "symlink", ATTR_PATH_LINK, "dir/file");
    put(s, CMD_LINK, "link", ATTR_PATH_LINK, "dir/file");
    put_numbers(s, CMD_MKNOD, "null", ATTR_MODE, S_IFCHR | 0600, ATTR_RDEV, 0x103);
    put(s, CMD_MKFIFO, "fifo", 0, NULL);
    put(s, CMD_MKSOCK, "sock", 0, NULL);
    start(s, CMD_SET_XATTR, "dir/file");
    encode_text(&s->out, ATTR_XATTR_NAME, "user.x");
    encode_bytes(&s->out, ATTR_XATTR_DATA, "y", 1);
    stop(s);
    put_numbers(s, CMD_CHOWN, "dir/file", ATTR_UID, 5, ATTR_GID, 6);
    put_numbers(s, CMD_CHMOD, "dir/file", ATTR_MODE, 04755, 0, 0);
    put_mtime(s, "dir/file");
    s->first_end = s->commands;
    put(s, CMD_END, NULL, 0, NULL);
}

static void put_second(struct stream *s)
{
    put_subvol(s, "b", &uuid_b, &uuid_a);
    put(s, CMD_RENAME, "dir", ATTR_PATH_TO, "moved");
    put(s, CMD_UNLINK, "fifo", 0, NULL);
    put(s, CMD_MKDIR, "gone", 0, NULL);
    put(s, CMD_RMDIR, "gone", 0, NULL);
    put(s, CMD_REMOVE_XATTR, "moved/file", ATTR_XATTR_NAME, "user.x");
    put(s, CMD_MKFILE, "clone", 0, NULL);
    put_clone(s, "clone", 0, "dir/file");
    put_encoded(s, "clone", 32768);
    start(s, CMD_FALLOCATE, "clone");
    encode_number(&s->out, ATTR_FALLOCATE_MODE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    encode_number(&s->out, ATTR_FILE_OFFSET, 4096);
    encode_number(&s->out, ATTR_SIZE, 4096);
    stop(s);
    put_write(s, "moved/file", 2 * PIECE);
    put_numbers(s, CMD_TRUNCATE, "moved/file", ATTR_SIZE, 2 * PIECE + 5, 0, 0);
    put_mtime(s, "moved/file");
    put(s, CMD_END, NULL, 0, NULL);
}

static void stream_make(struct stream *s)
{
    const struct copse_stream_sink sink = {keep, s};

    memset(piece, 'x', sizeof(piece));
    *s = (struct stream){0};
    ok(encoder_init(&s->out, 2, &sink));
    ok(encode_header(&s->out));
    ok(encoder_flush(&s->out));
    put_first(s);
    ok(encode_header(&s->out));
    ok(encoder_flush(&s->out));
    put_second(s);
}

/* ---- a file system --------------------------------------------------------------------------- */

struct world {
    const struct stream *stream;
    struct env *env;
    struct dev *disk, *faulty;
    struct mount *m;
    size_t read;
    enum fault fault;
    unsigned at; /* the command at which it happens */
    bool happened;
};

static void world_open(struct world *w, struct dev *below)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(below);

    ok(mount_open(w->env, &dev, 1, &options, &w->m));
}

static void world_free(struct world *w)
{
    dev_close(w->faulty ? w->faulty : w->disk);
    env_seeded_free(w->env);
}

static struct inode *look(struct world *w, const char *path)
{
    struct inode *at = inode_ref(w->m->root), *next;

    while (*path) {
        size_t len = strcspn(path, "/");

        int ret = mount_lookup(w->m, at, path, len, &next);
        inode_put(at);
        if (ret < 0)
            return NULL;
        at = next;
        path += len + (path[len] == '/');
    }
    return at;
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void arm(struct world *w, unsigned ops)
{
    const struct dev_fault fault = {.ops = ops, .nth = 1, .permanent = true, .err = -EIO};

    dev_fault_arm(w->faulty, &fault);
}

/* Everything that is left is allocated to another file. */
static void fill_disk(struct world *w)
{
    struct inode *inode;

    ok(mount_mknod(w->m, w->m->root, "filler", 6, S_IFREG | 0600, 0, &root_cred, &inode));
    for (uint64_t len = 64 * MIB, end = 0; len >= 4096; len /= 2)
        while (file_fallocate(inode, 0, end, len) == 0)
            end += len;
    fail_clear();
    inode_put(inode);
}

static void close_quota(struct world *w)
{
    struct inode *inode = look(w, "b") ?: look(w, "a");

    if (inode)
        ok(mount_qgroup_limit(w->m, inode->tree->root.id, COPSE_QGROUP_MAX_RFER, 4096));
    inode_put(inode);
}

static int happen(struct world *w, size_t *got)
{
    w->happened = true;
    switch (w->fault) {
    case PIPE_ENDS:
        *got = 0;
        return 1;
    case PIPE_FAILS:
        return -ECONNRESET;
    case CANNOT_READ:
        arm(w, DEV_OP_READ);
        return 0;
    case CANNOT_WRITE:
        arm(w, DEV_OP_WRITE);
        return 0;
    case CANNOT_FLUSH:
        arm(w, DEV_OP_FLUSH);
        return 0;
    case DISK_FULL:
        fill_disk(w);
        return 0;
    case QUOTA_FULL:
        close_quota(w);
        return 0;
    }
    return 0;
}

static int read_stream(void *arg, void *buf, size_t cap, size_t *got)
{
    struct world *w = arg;
    size_t limit = w->happened ? w->stream->len : w->stream->starts[w->at];

    if (w->read == limit && !w->happened) {
        int ret = happen(w, got);
        if (ret != 0)
            return ret < 0 ? ret : 0;
        limit = w->stream->len;
    }
    size_t n = MIN(cap, limit - w->read);
    if (w->happened && w->fault == PIPE_ENDS)
        n = 0;
    memcpy(buf, w->stream->bytes + w->read, n);
    w->read += n;
    *got = n;
    return 0;
}

/* ---- what must be so then -------------------------------------------------------------------- */

/* Whether the subvolume counts as received. */
static bool is_complete(struct world *w, const char *path)
{
    static const struct uuid none;
    struct inode *inode = look(w, path);

    if (!inode)
        return false;
    const struct root_item *item = &inode->tree->item;
    bool readonly = item->flags & ROOT_SUBVOL_RDONLY;
    bool known = memcmp(&item->received_uuid, &none, sizeof(none)) != 0;
    inode_put(inode);
    assert_int_equal(readonly, known);
    return readonly;
}

static void expect_file(struct world *w, const char *path, uint64_t size, uint64_t hole,
                        uint64_t hole_end)
{
    struct inode *inode = look(w, path);
    struct copse_stat st;
    uint8_t buf[4096];
    size_t done;

    assert_non_null(inode);
    ok(mount_stat(w->m, inode, &st));
    assert_int_equal(st.size, size);
    for (uint64_t pos = 0; pos < size; pos += done) {
        ok(mount_pread(w->m, inode, buf, sizeof(buf), pos, &done));
        assert_true(done > 0);
        for (size_t i = 0; i < done; i++)
            assert_int_equal(buf[i], pos + i >= hole && pos + i < hole_end ? 0 : 'x');
    }
    inode_put(inode);
}

static void expect_absent(struct world *w, const char *path)
{
    struct inode *inode = look(w, path);

    assert_null(inode);
}

static void expect_whole(struct world *w)
{
    if (is_complete(w, "a")) {
        expect_file(w, "a/dir/file", 2 * PIECE, 0, 0);
        expect_file(w, "a/link", 2 * PIECE, 0, 0);
        struct inode *inode = look(w, "a/link");
        struct copse_stat st;
        ok(mount_stat(w->m, inode, &st));
        assert_int_equal(st.mode, S_IFREG | 04755);
        assert_int_equal(st.uid, 5);
        assert_int_equal(st.mtime.tv_sec, 1000);
        inode_put(inode);
    }
    if (is_complete(w, "b")) {
        assert_true(is_complete(w, "a"));
        expect_file(w, "b/moved/file", 2 * PIECE + 5, 0, 0);
        expect_file(w, "b/clone", 32768 + PIECE, 4096, 8192);
        expect_absent(w, "b/dir");
        expect_absent(w, "b/fifo");
        expect_absent(w, "b/gone");
    }
}

/* The answer of the receive. */
static int run_case(struct dev *base, const struct stream *stream, enum fault fault, unsigned at)
{
    struct copse_receive_options options = COPSE_RECEIVE_OPTIONS_INIT;
    struct world w = {.stream = stream, .env = env_seeded_new(1), .fault = fault, .at = at};
    const struct copse_stream_source source = {read_stream, &w};
    static char report[4096];

    w.disk = dev_mem_clone(base);
    w.faulty = dev_fault_new(w.disk);
    world_open(&w, w.faulty);
    if (fault == QUOTA_FULL)
        ok(mount_quota_enable(w.m, false));
    fail_clear();
    int ret = stream_receive(w.m, w.m->root, &source, &options);
    /* What was said is true, and one line is said. */
    assert_true(ret == 0 || (fail_message()[0] && !strchr(fail_message(), '\n')) ||
                fault == PIPE_FAILS);
    if (fault == PIPE_ENDS || fault == PIPE_FAILS)
        assert_true(ret < 0);
    mount_crash(w.m);
    dev_fault_disarm(w.faulty);
    int sound = verify_device(w.env, w.disk, 0, report, sizeof(report));
    if (sound < 0)
        print_message("# %s at command %u: %s\n", fault_names[fault], at, report);
    assert_int_equal(sound, 0);
    world_open(&w, w.disk);
    if (ret == 0)
        assert_true(is_complete(&w, "b"));
    if (fault == PIPE_ENDS || fault == PIPE_FAILS) {
        assert_int_equal(is_complete(&w, "a"), at > stream->first_end);
        assert_false(is_complete(&w, "b"));
    }
    expect_whole(&w);
    ok(mount_close(w.m));
    world_free(&w);
    return ret;
}

static struct dev *make_base(void)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct dev *disk = dev_mem_new(DISK_BYTES);
    struct env *env = env_seeded_new(1);

    ok(mkfs_run(env, disk, &options, NULL));
    env_seeded_free(env);
    return disk;
}

static void try_fault(enum fault fault)
{
    struct dev *base = make_base();
    struct stream stream;
    unsigned failed = 0;

    stream_make(&stream);
    for (unsigned at = 0; at < stream.commands; at++)
        failed += run_case(base, &stream, fault, at) < 0;
    print_message("# %s: %u of %u failed\n", fault_names[fault], failed, stream.commands);
    /* Not all: some commands need no space, and what was read before stays in memory. */
    assert_true(failed > stream.commands / 2);
    encoder_release(&stream.out);
    free(stream.bytes);
    dev_close(base);
}

#define FAULT_TEST(name, fault)                                                                    \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        try_fault(fault);                                                                          \
    }
FAULT_TEST(the_pipe_ends, PIPE_ENDS)
FAULT_TEST(the_pipe_fails, PIPE_FAILS)
FAULT_TEST(the_device_cannot_be_read, CANNOT_READ)
FAULT_TEST(the_device_cannot_be_written, CANNOT_WRITE)
FAULT_TEST(the_device_cannot_be_flushed, CANNOT_FLUSH)
FAULT_TEST(the_disk_is_full, DISK_FULL)
FAULT_TEST(the_quota_is_full, QUOTA_FULL)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pipe_ends),
        cmocka_unit_test(the_pipe_fails),
        cmocka_unit_test(the_device_cannot_be_read),
        cmocka_unit_test(the_device_cannot_be_written),
        cmocka_unit_test(the_device_cannot_be_flushed),
        cmocka_unit_test(the_disk_is_full),
        cmocka_unit_test(the_quota_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
