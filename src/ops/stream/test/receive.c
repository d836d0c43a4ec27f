// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The promise: whatever a stream says, nothing changes but the subvolumes it makes; and what did
 * not arrive whole is neither read-only nor known by the uuid of what was sent.
 */
#include "base/test/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"
#include "ops/stream/encode.h"
#include "ops/stream/test/stream_text.h"

static const struct uuid uuid_a = {{0xa}}, uuid_b = {{0xb}}, uuid_c = {{0xc}};
static const struct copse_cred root_cred;

static void ok(int ret)
{
    if (ret < 0)
        print_message("# %d: %s\n", ret, fail_message());
    assert_int_equal(ret, 0);
}

/* ---- a file system --------------------------------------------------------------------------- */

struct world {
    struct env *env;
    struct dev *disk;
    struct mount *m;
    struct bytes bytes; /* the stream that is being made */
    struct encoder out;
};

static void world_open(struct world *w)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(w->disk);

    ok(mount_open(w->env, &dev, 1, &options, &w->m));
}

static void world_new(struct world *w, uint64_t size)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    *w = (struct world){.env = env_seeded_new(1)};
    w->disk = dev_mem_new(size);
    assert_non_null(w->disk);
    ok(mkfs_run(w->env, w->disk, &options, NULL));
    world_open(w);
}

static void drop_stream(struct world *w)
{
    free(w->bytes.at);
    encoder_release(&w->out);
    w->bytes = (struct bytes){0};
    w->out = (struct encoder){0};
}

static void world_free(struct world *w)
{
    ok(mount_close(w->m));
    dev_close(w->disk);
    env_seeded_free(w->env);
    drop_stream(w);
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

static bool is_there(struct world *w, const char *path)
{
    struct inode *inode = look(w, path);

    inode_put(inode);
    return inode != NULL;
}

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

/* ---- streams --------------------------------------------------------------------------------- */

static void begin(struct world *w, unsigned version)
{
    drop_stream(w);
    const struct copse_stream_sink sink = bytes_sink(&w->bytes);
    ok(encoder_init(&w->out, version, &sink));
    ok(encode_header(&w->out));
}

static void put_subvol(struct world *w, const char *name, const struct uuid *uuid)
{
    encode_begin(&w->out, CMD_SUBVOL);
    encode_text(&w->out, ATTR_PATH, name);
    encode_bytes(&w->out, ATTR_UUID, uuid->b, sizeof(uuid->b));
    encode_number(&w->out, ATTR_CTRANSID, 7);
    ok(encode_end(&w->out));
}

static void put_snapshot(struct world *w, const char *name, const struct uuid *uuid,
                         const struct uuid *parent)
{
    encode_begin(&w->out, CMD_SNAPSHOT);
    encode_text(&w->out, ATTR_PATH, name);
    encode_bytes(&w->out, ATTR_UUID, uuid->b, sizeof(uuid->b));
    encode_number(&w->out, ATTR_CTRANSID, 8);
    encode_bytes(&w->out, ATTR_CLONE_UUID, parent->b, sizeof(parent->b));
    encode_number(&w->out, ATTR_CLONE_CTRANSID, 7);
    ok(encode_end(&w->out));
}

static void put_two(struct world *w, enum stream_command_type type, const char *path,
                    enum stream_attribute attr, const char *other)
{
    encode_begin(&w->out, type);
    encode_text(&w->out, ATTR_PATH, path);
    if (other)
        encode_text(&w->out, attr, other);
    ok(encode_end(&w->out));
}

static void put_path(struct world *w, enum stream_command_type type, const char *path)
{
    put_two(w, type, path, ATTR_PATH, NULL);
}

static void put_write(struct world *w, const char *path, uint64_t offset, const char *data)
{
    encode_begin(&w->out, CMD_WRITE);
    encode_text(&w->out, ATTR_PATH, path);
    encode_number(&w->out, ATTR_FILE_OFFSET, offset);
    encode_text(&w->out, ATTR_DATA, data);
    ok(encode_end(&w->out));
}

static void put_clone(struct world *w, const char *path, const struct uuid *from,
                      const char *source)
{
    encode_begin(&w->out, CMD_CLONE);
    encode_text(&w->out, ATTR_PATH, path);
    encode_number(&w->out, ATTR_FILE_OFFSET, 0);
    encode_number(&w->out, ATTR_CLONE_LEN, 4);
    encode_bytes(&w->out, ATTR_CLONE_UUID, from->b, sizeof(from->b));
    encode_number(&w->out, ATTR_CLONE_CTRANSID, 7);
    encode_text(&w->out, ATTR_CLONE_PATH, source);
    encode_number(&w->out, ATTR_CLONE_OFFSET, 0);
    ok(encode_end(&w->out));
}

static void put_end(struct world *w)
{
    encode_begin(&w->out, CMD_END);
    ok(encode_end(&w->out));
    ok(encoder_flush(&w->out));
}

static int receive_into(struct world *w, const char *dir)
{
    struct copse_receive_options options = COPSE_RECEIVE_OPTIONS_INIT;
    const struct copse_stream_source source = bytes_source(&w->bytes);
    struct inode *inode = look(w, dir);

    assert_non_null(inode);
    fail_clear();
    int ret = stream_receive(w->m, inode, &source, &options);
    assert_true(ret == 0 || fail_message()[0] != '\0');
    inode_put(inode);
    return ret;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_whole_stream_arrives(void **state)
{
    struct world w;
    char text[8] = {0};
    size_t done;

    (void)state;
    world_new(&w, 256 * MIB);
    begin(&w, 1);
    put_subvol(&w, "a", &uuid_a);
    put_path(&w, CMD_MKFILE, "file");
    put_write(&w, "file", 0, "data");
    put_end(&w);
    begin(&w, 1);
    put_subvol(&w, "a", &uuid_a);
    put_path(&w, CMD_MKDIR, "dir");
    put_path(&w, CMD_MKFILE, "dir/file");
    put_write(&w, "dir/file", 0, "data");
    put_end(&w);
    ok(receive_into(&w, ""));
    assert_true(is_complete(&w, "a"));
    begin(&w, 2);
    put_snapshot(&w, "b", &uuid_b, &uuid_a);
    put_write(&w, "dir/file", 4, "more");
    put_end(&w);
    ok(receive_into(&w, ""));
    assert_true(is_complete(&w, "b"));
    struct inode *file = look(&w, "b/dir/file");
    assert_non_null(file);
    ok(mount_pread(w.m, file, text, sizeof(text), 0, &done));
    assert_memory_equal(text, "datamore", 8);
    inode_put(file);
    /* The name is taken. */
    assert_int_equal(receive_into(&w, ""), -EEXIST);
    world_free(&w);
}

/* Tries one command between a few that are fine. */
struct attack {
    enum stream_command_type type;
    const char *path;
    enum stream_attribute attr;
    const char *other;
};

static const struct attack attacks[] = {
    {CMD_MKFILE, "../out", 0, NULL},
    {CMD_MKFILE, "/out", 0, NULL},
    {CMD_MKFILE, "dir/../../out", 0, NULL},
    {CMD_MKFILE, "dir/./out", 0, NULL},
    {CMD_MKFILE, "dir//out", 0, NULL},
    {CMD_MKFILE, "", 0, NULL},
    {CMD_MKFILE, ".", 0, NULL},
    {CMD_MKFILE, "..", 0, NULL},
    {CMD_MKFILE, "dir/", 0, NULL},
    {CMD_MKFILE, "link/out", 0, NULL}, /* through a symlink to .. */
    {CMD_MKDIR, "link", 0, NULL},
    {CMD_MKDIR, "file/out", 0, NULL},
    {CMD_MKDIR, "missing/out", 0, NULL},
    {CMD_SYMLINK, "../out", ATTR_PATH_LINK, "x"},
    {CMD_SYMLINK, "empty", ATTR_PATH_LINK, ""},
    {CMD_LINK, "new", ATTR_PATH_LINK, "../victim"},
    {CMD_LINK, "new", ATTR_PATH_LINK, "/victim"},
    {CMD_LINK, "new", ATTR_PATH_LINK, "link/victim"},
    {CMD_LINK, "new", ATTR_PATH_LINK, "dir"},
    {CMD_LINK, "../out", ATTR_PATH_LINK, "file"},
    {CMD_RENAME, "../victim", ATTR_PATH_TO, "got"},
    {CMD_RENAME, "file", ATTR_PATH_TO, "../out"},
    {CMD_RENAME, "file", ATTR_PATH_TO, "link/out"},
    {CMD_RENAME, "dir", ATTR_PATH_TO, "dir/below"},
    {CMD_UNLINK, "../victim", 0, NULL},
    {CMD_UNLINK, "link/victim", 0, NULL},
    {CMD_UNLINK, "", 0, NULL},
    {CMD_RMDIR, "..", 0, NULL},
    {CMD_RMDIR, "", 0, NULL},
    {CMD_UNLINK, "dir", 0, NULL},
    {CMD_REMOVE_XATTR, "../victim", ATTR_XATTR_NAME, "user.x"},
    {CMD_REMOVE_XATTR, "link", ATTR_XATTR_NAME, "user.x"},
};

static void make_victim(struct world *w)
{
    struct inode *inode;

    ok(mount_mknod(w->m, w->m->root, "victim", 6, S_IFREG | 0600, 0, &root_cred, &inode));
    ok(mount_setxattr(w->m, inode, "user.x", "y", 1, 0));
    inode_put(inode);
}

static void nothing_gets_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
        const struct attack *attack = &attacks[i];
        struct world w;

        world_new(&w, 256 * MIB);
        make_victim(&w);
        begin(&w, 1);
        put_subvol(&w, "a", &uuid_a);
        put_path(&w, CMD_MKDIR, "dir");
        put_path(&w, CMD_MKFILE, "file");
        put_two(&w, CMD_SYMLINK, "link", ATTR_PATH_LINK, "..");
        put_two(&w, attack->type, attack->path, attack->attr, attack->other);
        put_end(&w);
        if (receive_into(&w, "") == 0)
            print_message("# attack %zu went through\n", i);
        assert_false(is_complete(&w, "a"));
        assert_true(is_there(&w, "victim"));
        assert_false(is_there(&w, "out"));
        world_free(&w);
    }
}

/* What follows a symlink would write to or clone from the victim. */
static void symlinks_are_not_followed(void **state)
{
    struct world w;
    struct copse_stat st;

    (void)state;
    world_new(&w, 256 * MIB);
    make_victim(&w);
    begin(&w, 1);
    put_subvol(&w, "a", &uuid_a);
    put_two(&w, CMD_SYMLINK, "link", ATTR_PATH_LINK, "../victim");
    put_write(&w, "link", 0, "bad");
    put_end(&w);
    assert_true(receive_into(&w, "") < 0);
    struct inode *victim = look(&w, "victim");
    ok(mount_stat(w.m, victim, &st));
    assert_int_equal(st.size, 0);
    inode_put(victim);
    world_free(&w);
}

static void other_subvolumes_are_not_entered(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, 256 * MIB);
    begin(&w, 1);
    put_subvol(&w, "a", &uuid_a);
    put_path(&w, CMD_MKFILE, "file");
    put_end(&w);
    ok(receive_into(&w, ""));
    begin(&w, 1);
    put_subvol(&w, "b", &uuid_b);
    put_path(&w, CMD_MKFILE, "file");
    put_clone(&w, "file", &uuid_a, "../b/file");
    put_end(&w);
    assert_int_equal(receive_into(&w, ""), -EINVAL);
    begin(&w, 1);
    put_subvol(&w, "c", &uuid_c);
    put_path(&w, CMD_MKFILE, "file");
    put_clone(&w, "file", &uuid_b, "file"); /* never became whole */
    put_end(&w);
    assert_int_equal(receive_into(&w, ""), -ENOENT);
    world_free(&w);
}

static void subvolumes_have_plain_names(void **state)
{
    static const char *const names[] = {"", ".", "..", "/", "a/b", "../a", "/a"};
    struct world w;

    (void)state;
    world_new(&w, 256 * MIB);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        begin(&w, 1);
        put_subvol(&w, names[i], &uuid_a);
        put_end(&w);
        assert_int_equal(receive_into(&w, ""), -EINVAL);
    }
    world_free(&w);
}

static void commands_need_a_subvolume(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, 256 * MIB);
    begin(&w, 1);
    put_path(&w, CMD_MKFILE, "file");
    put_end(&w);
    assert_int_equal(receive_into(&w, ""), -EINVAL);
    assert_false(is_there(&w, "file"));
    begin(&w, 1);
    put_snapshot(&w, "b", &uuid_b, &uuid_a);
    put_end(&w);
    assert_int_equal(receive_into(&w, ""), -ENOENT);
    assert_false(is_there(&w, "b"));
    world_free(&w);
}

/* A stream that ends early, at any byte: what it began does not look whole, also after a crash. */
static void every_cut_leaves_it_open(void **state)
{
    struct world w;
    size_t whole = SIZE_MAX;

    (void)state;
    for (size_t len = 0; len < whole; len += len < STREAM_HEADER_SIZE ? 1 : 7) {
        world_new(&w, 128 * MIB);
        begin(&w, 1);
        put_subvol(&w, "a", &uuid_a);
        put_path(&w, CMD_MKFILE, "file");
        put_write(&w, "file", 0, "some data that is written");
        put_two(&w, CMD_RENAME, "file", ATTR_PATH_TO, "other");
        put_end(&w);
        whole = w.bytes.len;
        w.bytes.len = MIN(len, whole - 1);
        assert_true(receive_into(&w, "") < 0);
        assert_false(is_complete(&w, "a"));
        ok(mount_sync(w.m));
        mount_crash(w.m);
        world_open(&w);
        assert_false(is_complete(&w, "a"));
        world_free(&w);
    }
}

/* A full file system in the middle. */
static void no_space_leaves_it_open(void **state)
{
    static char data[40000];
    struct world w;
    char name[16];

    (void)state;
    world_new(&w, 112 * MIB);
    memset(data, 'x', sizeof(data) - 1);
    begin(&w, 1);
    put_subvol(&w, "a", &uuid_a);
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        put_path(&w, CMD_MKFILE, name);
        put_write(&w, name, 0, data);
    }
    put_end(&w);
    assert_int_equal(receive_into(&w, ""), -ENOSPC);
    assert_false(is_complete(&w, "a"));
    ok(mount_close(w.m));
    world_open(&w);
    assert_true(is_there(&w, "a/f0"));
    assert_false(is_complete(&w, "a"));
    world_free(&w);
}

/* Errors that are tolerated still leave it open. */
static void tolerated_errors_leave_it_open(void **state)
{
    struct copse_receive_options options = COPSE_RECEIVE_OPTIONS_INIT;
    struct world w;

    (void)state;
    world_new(&w, 256 * MIB);
    begin(&w, 1);
    put_subvol(&w, "a", &uuid_a);
    put_path(&w, CMD_UNLINK, "missing");
    put_path(&w, CMD_MKFILE, "file");
    put_end(&w);
    const struct copse_stream_source source = bytes_source(&w.bytes);
    options.max_errors = 0;
    assert_int_equal(stream_receive(w.m, w.m->root, &source, &options), -EIO);
    assert_true(is_there(&w, "a/file"));
    assert_false(is_complete(&w, "a"));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_stream_arrives),
        cmocka_unit_test(nothing_gets_out),
        cmocka_unit_test(symlinks_are_not_followed),
        cmocka_unit_test(other_subvolumes_are_not_entered),
        cmocka_unit_test(subvolumes_have_plain_names),
        cmocka_unit_test(commands_need_a_subvolume),
        cmocka_unit_test(every_cut_leaves_it_open),
        cmocka_unit_test(no_space_leaves_it_open),
        cmocka_unit_test(tolerated_errors_leave_it_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
