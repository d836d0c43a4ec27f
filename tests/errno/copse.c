// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promise: what Linux refuses, copse refuses with the same errno, and then nothing has changed: not
 * the bytes, nor the size, nor the space the file holds.
 */
#include "base/test/unit.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "copse/copse.h"
#include "tests/errno/cases.h"

struct side {
    char image[64];
    copse_fs *fs;
    copse_node *root;
};

static struct side here, far;
/* Of the case that runs. */
static copse_node *files, *snap, *src, *dst;

static void ok(int ret)
{
    if (ret < 0)
        print_error("%d: %s\n", ret, copse_error());
    assert_int_equal(ret, 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void side_open(struct side *side, const char *name)
{
    struct copse_mkfs_options options = COPSE_MKFS_OPTIONS_INIT;
    const char *device = side->image;

    snprintf(side->image, sizeof(side->image), "%s-%d.img", name, (int)getpid());
    options.byte_count = 256 * MIB;
    ok(copse_mkfs(side->image, &options));
    ok(copse_open(&device, 1, NULL, &side->fs));
    side->root = copse_root(side->fs);
}

static void side_close(struct side *side)
{
    copse_node_put(side->root);
    ok(copse_close(side->fs));
    unlink(side->image);
}

static void make_file(copse_node *dir, const char *name, size_t size, uint32_t flags)
{
    static const struct copse_cred cred;
    static uint8_t bytes[DATA_SIZE + 5000];
    copse_node *node;
    size_t done;

    ok(copse_mknod(dir, name, strlen(name), 0100644, 0, &cred, &node));
    if (flags & FS_NOCOW_FL)
        ok(copse_set_flags(node, flags));
    for (size_t i = 0; i < size; i++)
        bytes[i] = errno_byte(name, i);
    ok(copse_pwrite(node, bytes, size, 0, &done));
    assert_int_equal(done, size);
    if (flags & ~(uint32_t)FS_NOCOW_FL)
        ok(copse_set_flags(node, flags));
    copse_node_put(node);
}

/* Each case has a subvolume of its own, and a read-only snapshot of it. */
static void make_all(void)
{
    struct copse_subvol_options readonly = COPSE_SUBVOL_OPTIONS_INIT;
    static const struct copse_cred cred;
    static unsigned number;
    char name[32];

    snprintf(name, sizeof(name), "files%u", ++number);
    ok(copse_subvol_create(here.root, name, strlen(name), NULL, &cred, &files));
    make_file(files, "data", DATA_SIZE, 0);
    make_file(files, "twin", DATA_SIZE, 0);
    make_file(files, "other", DATA_SIZE, 0);
    make_file(files, "tail", DATA_SIZE + 5000, 0);
    make_file(files, "nosum", DATA_SIZE, FS_NOCOW_FL);
    make_file(files, "empty", 0, 0);
    make_file(files, "fixed", DATA_SIZE, FS_IMMUTABLE_FL);
    make_file(files, "append", DATA_SIZE, FS_APPEND_FL);
    ok(copse_mkdir(files, "dir", 3, 0755, &cred, NULL));
    ok(copse_mknod(files, "fifo", 4, 0010644, 0, &cred, NULL));
    snprintf(name, sizeof(name), "snap%u", number);
    readonly.readonly = true;
    ok(copse_subvol_snapshot(files, here.root, name, strlen(name), &readonly, &snap));
}

static copse_node *find(const char *name)
{
    const char *slash = strchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    copse_node *dir = !slash ? files : name[0] == 'f' ? far.root : snap, *node;

    ok(copse_lookup(dir, last, strlen(last), &node));
    return node;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int call_dedupe(const struct errno_case *c, uint64_t *done)
{
    struct copse_dedupe_target target = {.node = dst, .offset = (uint64_t)c->to};

    int ret = copse_dedupe_range(src, (uint64_t)c->from, (uint64_t)c->len, &target, 1);
    *done = target.bytes_deduped;
    if (ret == 0 && target.status == COPSE_DEDUPE_DIFFERS)
        return DIFFERS;
    return ret < 0 ? -ret : -target.status;
}

static int make_call(const struct errno_case *c, uint64_t *done)
{
    struct copse_stat st = {.size = (uint64_t)c->to};
    uint64_t copied;
    size_t wrote;

    switch (c->call) {
    case CALL_WRITE:
        return -copse_pwrite(dst, "x", 1, (uint64_t)c->to, &wrote);
    case CALL_TRUNCATE:
        return -copse_setattr(dst, COPSE_SET_SIZE, &st);
    case CALL_FALLOCATE:
        return -copse_fallocate(dst, c->mode, (uint64_t)c->to, (uint64_t)c->len);
    case CALL_CLONE:
        return -copse_clone_range(src, (uint64_t)c->from, (uint64_t)c->len, dst, (uint64_t)c->to);
    case CALL_COPY:
        return -copse_copy_range(src, (uint64_t)c->from, dst, (uint64_t)c->to, (uint64_t)c->len,
                                 &copied);
    case CALL_DEDUPE:
        return call_dedupe(c, done);
    }
    return -1;
}

/* ---- judging --------------------------------------------------------------------------------- */

struct look {
    uint64_t size, blocks;
};

static struct look look_at(copse_node *node)
{
    struct look look = {0};
    struct copse_stat st;

    ok(copse_stat(node, &st));
    look.size = st.size;
    look.blocks = st.blocks;
    return look;
}

static void check_bytes(const char *name, copse_node *node, uint64_t size)
{
    static uint8_t got[DATA_SIZE + 5000];
    size_t done;

    assert_true(size <= sizeof(got));
    ok(copse_pread(node, got, size, 0, &done));
    assert_int_equal(done, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(got[i], errno_byte(name, i));
}

static bool is_file(const char *name)
{
    return strcmp(name, "dir") != 0 && strcmp(name, "fifo") != 0;
}

static void one_case(void **state)
{
    const struct errno_case *c = *state;
    struct look before, after;
    uint64_t done = 0;

    dst = find(c->dst);
    src = c->src ? find(c->src) : NULL;
    before = look_at(dst);
    int answer = make_call(c, &done);
    if (answer != c->answer || done != c->done)
        print_error("%s: %d, %llu bytes; Linux says %d, %llu: %s\n", errno_case_text(c), answer,
                    (unsigned long long)done, c->answer, (unsigned long long)c->done,
                    copse_error());
    assert_int_equal(answer, c->answer);
    assert_int_equal(done, c->done);
    if (answer != 0) {
        after = look_at(dst);
        assert_memory_equal(&before, &after, sizeof(after));
        if (is_file(c->dst))
            check_bytes(strchr(c->dst, '/') ? "data" : c->dst, dst, after.size);
    }
}

static int make_files(void **state)
{
    (void)state;
    make_all();
    return 0;
}

/* Also after a failure. */
static int put_files(void **state)
{
    copse_node **all[] = {&dst, &src, &snap, &files};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        copse_node_put(*all[i]);
        *all[i] = NULL;
    }
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    side_open(&here, "errno");
    side_open(&far, "errno-far");
    make_file(far.root, "data", DATA_SIZE, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    side_close(&far);
    side_close(&here);
    return 0;
}

int main(void)
{
    struct CMUnitTest *tests = calloc(errno_case_count, sizeof(*tests));

    for (size_t i = 0; i < errno_case_count; i++)
        tests[i] = (struct CMUnitTest){
            .name = strdup(errno_case_text(&errno_cases[i])),
            .test_func = one_case,
            .setup_func = make_files,
            .teardown_func = put_files,
            .initial_state = (void *)&errno_cases[i],
        };
    return _cmocka_run_group_tests("errno of Linux", tests, errno_case_count, set_up, tear_down);
}
