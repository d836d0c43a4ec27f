// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * I9: every byte acknowledged before send began is in the stream, whatever was written back by
 * then or is while it runs; and what is being sent stays as it is.
 */
#include "base/test/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/env.h"
#include "disk/dev/dev.h"
#include "fs/mount/mount.h"
#include "ops/mkfs/mkfs.h"
#include "ops/stream/stream.h"
#include "ops/stream/test/stream_text.h"

#define FILES 3
#define FILE_MAX (200 * KIB)

static const struct copse_cred root_cred;

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
    struct rng rng;
    struct inode *subvol, *file[FILES];
    uint8_t data[FILES][FILE_MAX];
    uint64_t size[FILES];
    struct bytes stream;
};

static struct inode *make_subvol(struct world *w, const char *name)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct inode *out;

    ok(mount_subvol_create(w->m, w->m->root, name, strlen(name), &options, &root_cred, &out));
    return out;
}

static void world_new(struct world *w, uint64_t seed)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct mkfs_options mkfs = MKFS_OPTIONS_INIT;
    char name[] = "file-0";

    memset(w, 0, sizeof(*w));
    rng_seed(&w->rng, seed);
    w->env = env_seeded_new(seed);
    w->disk = dev_mem_new(128 * MIB);
    ok(mkfs_run(w->env, w->disk, &mkfs, NULL));
    struct dev *dev = dev_borrow(w->disk);
    ok(mount_open(w->env, &dev, 1, &options, &w->m));
    w->subvol = make_subvol(w, "sv");
    for (unsigned i = 0; i < FILES; i++) {
        name[5] = (char)('0' + i);
        ok(mount_mknod(w->m, w->subvol, name, strlen(name), S_IFREG | 0600, 0, &root_cred,
                       &w->file[i]));
    }
}

static void world_free(struct world *w)
{
    for (unsigned i = 0; i < FILES; i++)
        inode_put(w->file[i]);
    inode_put(w->subvol);
    ok(mount_close(w->m));
    dev_close(w->disk);
    env_seeded_free(w->env);
    free(w->stream.at);
}

/* What happens beside the writer: nothing, a step of the background, or a commit. */
static void something_beside(struct world *w)
{
    bool idle;

    switch (rng_below(&w->rng, 4)) {
    case 0:
        ok(mount_background_step(w->m, &idle));
        break;
    case 1:
        ok(file_writeback(w->file[rng_below(&w->rng, FILES)]));
        break;
    case 2:
        if (rng_below(&w->rng, 3) == 0)
            ok(store_commit(w->m->fs.store));
        break;
    default:
        break;
    }
}

static void write_something(struct world *w)
{
    unsigned f = (unsigned)rng_below(&w->rng, FILES);
    uint64_t offset = rng_below(&w->rng, FILE_MAX - 1);
    size_t len = 1 + rng_below(&w->rng, MIN(FILE_MAX - offset, 60 * KIB)), done;

    if (rng_below(&w->rng, 5) == 0)
        offset = 0;
    memset(w->data[f] + offset, (int)rng_next(&w->rng), len);
    ok(mount_pwrite(w->m, w->file[f], w->data[f] + offset, len, offset, &done));
    assert_int_equal(done, len);
    w->size[f] = MAX(w->size[f], offset + len);
}

/* Receives every byte and, meanwhile, whatever else may happen. */
static int take_and_disturb(void *arg, const void *buf, size_t len)
{
    struct world *w = arg;

    something_beside(w);
    something_beside(w);
    return bytes_write(&w->stream, buf, len);
}

static void send_it(struct world *w)
{
    struct copse_send_options options = COPSE_SEND_OPTIONS_INIT;
    const struct copse_stream_sink sink = {take_and_disturb, w};

    options.protocol = 1 + (unsigned)rng_below(&w->rng, 3);
    ok(stream_send(w->m, w->subvol, &options, &sink));
}

static void expect_arrival(struct world *w)
{
    struct copse_receive_options options = COPSE_RECEIVE_OPTIONS_INIT;
    const struct copse_stream_source source = bytes_source(&w->stream);
    struct inode *there, *copy, *file;
    static uint8_t got[FILE_MAX + 1];
    char name[] = "file-0";
    size_t done;

    ok(mount_mkdir(w->m, w->m->root, "there", 5, 0700, &root_cred, &there));
    ok(stream_receive(w->m, there, &source, &options));
    ok(mount_lookup(w->m, there, "sv", 2, &copy));
    for (unsigned i = 0; i < FILES; i++) {
        name[5] = (char)('0' + i);
        ok(mount_lookup(w->m, copy, name, strlen(name), &file));
        ok(mount_pread(w->m, file, got, sizeof(got), 0, &done));
        assert_int_equal(done, w->size[i]);
        assert_memory_equal(got, w->data[i], done);
        inode_put(file);
    }
    inode_put(copy);
    inode_put(there);
}

static unsigned rounds(void)
{
    const char *given = getenv("SEND_TIMINGS");

    return given ? (unsigned)strtoul(given, NULL, 0) : 1000;
}

/* SEND_TIMINGS: how many seeds. */
static void every_accepted_byte_is_sent(void **state)
{
    uint64_t seed = unit_seed(1);
    struct world *w = malloc(sizeof(*w));

    (void)state;
    for (unsigned i = 0; i < rounds(); i++) {
        size_t done;

        world_new(w, seed + i);
        for (unsigned n = 1 + (unsigned)rng_below(&w->rng, 12); n > 0; n--) {
            write_something(w);
            something_beside(w);
        }
        ok(mount_subvol_set_readonly(w->m, w->subvol, true, false));
        /* A descriptor from before cannot write any more. */
        assert_int_equal(mount_pwrite(w->m, w->file[0], "x", 1, 0, &done), -EROFS);
        send_it(w);
        assert_int_equal(mount_pwrite(w->m, w->file[0], "x", 1, 0, &done), -EROFS);
        expect_arrival(w);
        world_free(w);
    }
    free(w);
}

/* ---- while it runs --------------------------------------------------------------------------- */

static int try_to_change(void *arg, const void *buf, size_t len)
{
    struct world *w = arg;

    assert_int_equal(mount_subvol_set_readonly(w->m, w->subvol, false, false), -EPERM);
    assert_int_equal(store_begin(w->m->fs.store, STORE_RELEASE, 64), 0);
    assert_int_equal(subvol_may_delete(&w->m->fs, w->subvol->tree), -EPERM);
    store_end(w->m->fs.store);
    return bytes_write(&w->stream, buf, len);
}

static void what_is_sent_stays(void **state)
{
    struct copse_send_options options = COPSE_SEND_OPTIONS_INIT;
    struct world *w = malloc(sizeof(*w));
    const struct copse_stream_sink sink = {try_to_change, w};

    (void)state;
    world_new(w, 1);
    write_something(w);
    assert_int_equal(stream_send(w->m, w->subvol, &options, &sink), -EPERM);
    ok(mount_subvol_set_readonly(w->m, w->subvol, true, false));
    ok(stream_send(w->m, w->subvol, &options, &sink));
    ok(mount_subvol_set_readonly(w->m, w->subvol, false, false));
    world_free(w);
    free(w);
}

/* ---- a sink that fails at every command ------------------------------------------------------ */

struct failing {
    size_t left;
};

static int fail_later(void *arg, const void *buf, size_t len)
{
    struct failing *failing = arg;

    (void)buf;
    if (len > failing->left)
        return -EPIPE;
    failing->left -= len;
    return 0;
}

static void a_failing_sink_ends_the_send(void **state)
{
    struct copse_send_options options = COPSE_SEND_OPTIONS_INIT;
    struct world *w = malloc(sizeof(*w));
    struct failing failing;

    (void)state;
    world_new(w, 2);
    for (unsigned i = 0; i < 30; i++)
        write_something(w);
    ok(mount_subvol_set_readonly(w->m, w->subvol, true, false));
    for (size_t at = 0; at < 400 * KIB; at += 50 * KIB) {
        const struct copse_stream_sink sink = {fail_later, &failing};

        failing.left = at;
        assert_int_equal(stream_send(w->m, w->subvol, &options, &sink), -EPIPE);
    }
    ok(mount_subvol_set_readonly(w->m, w->subvol, false, false));
    world_free(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_accepted_byte_is_sent),
        cmocka_unit_test(what_is_sent_stays),
        cmocka_unit_test(a_failing_sink_ends_the_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
