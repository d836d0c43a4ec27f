// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: what quota groups count is what walking all trees finds, after any sequence of writes,
 * reflinks, snapshots, deletions and changes of the groups (even seeds: simple quotas); nothing
 * stays reserved; and nothing is called inconsistent.
 *
 *   quota                QUOTA_RUNS runs from QUOTA_FIRST on
 *   QUOTA_SEED=S quota   one run, told operation by operation
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "tests/model/verify.h"
#include "disk/compress/compress.h"
#include "disk/dev/dev.h"
#include "ops/mkfs/mkfs.h"
#include "tests/quota/count.h"

#define RUNS 60
#define OPS 150
#define DEVICE_BYTES (1 * GIB)
#define SUBVOLS 12
#define FILES 8
#define GROUPS 5
#define PIECE (256 * KIB)
#define KEPT_MAX 64
/* Tree blocks that one removal copies at most, here where trees are small. */
#define REMOVAL_NODES 24

struct subvol {
    char name[16];
    struct inode *root; /* NULL: free */
};

/* A group that must stay within its limit on referenced bytes. */
struct kept {
    uint64_t id;
    /*
     * A removal asks nobody, and with simple quotas what it copies of a snapshot's tree counts for
     * the snapshot, where before it counted for another subvolume.
     */
    uint64_t removals;
};

struct run {
    uint64_t seed, state;
    bool told;
    struct env *env;
    struct dev *disk;
    struct mount *m;
    struct subvol subvols[SUBVOLS];
    unsigned made; /* for names */
    struct kept kept[KEPT_MAX];
    size_t kept_count;
    uint8_t data[PIECE];
    char error[512];
};

static uint64_t below(struct run *run, uint64_t max)
{
    run->state += 0x9e3779b97f4a7c15ULL;
    uint64_t z = run->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % max;
}

static void tell(const struct run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(const struct run *run, const char *fmt, ...)
{
    va_list args;

    if (!run->told)
        return;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    fflush(stdout);
}

/* What may be refused; anything else is a failure of the test. */
static int allow(struct run *run, const char *what, int ret)
{
    tell(run, " -> %d\n", ret);
    if (ret >= 0 || ret == -ENOENT || ret == -EEXIST || ret == -EINVAL || ret == -EDQUOT ||
        ret == -EBUSY || ret == -ENOTEMPTY)
        return 0;
    if (!run->error[0])
        snprintf(run->error, sizeof(run->error), "%s: %d: %s", what, ret, fail_message());
    return -1;
}

/* ---- the world ------------------------------------------------------------------------------- */

static const struct copse_cred nobody = {0, 0};

static int open_fs(struct run *run)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct dev *dev = dev_borrow(run->disk);

    options.cache_bytes = 4 * MIB;
    TRY(mount_open(run->env, &dev, 1, &options, &run->m));
    for (size_t i = 0; i < SUBVOLS; i++) {
        struct subvol *subvol = &run->subvols[i];

        if (subvol->name[0] == '\0')
            continue;
        int ret = 0;
        if (i == 0)
            subvol->root = inode_ref(run->m->root);
        else
            ret = mount_lookup(run->m, run->m->root, subvol->name, strlen(subvol->name),
                               &subvol->root);
        /* A crash takes away what was just made. */
        if (ret == -ENOENT)
            subvol->name[0] = '\0';
        else
            TRY(ret);
    }
    return 0;
}

static void put_all(struct run *run)
{
    for (size_t i = 0; i < SUBVOLS; i++)
        if (run->subvols[i].root) {
            mount_put(run->m, run->subvols[i].root);
            run->subvols[i].root = NULL;
        }
}

static int start(struct run *run)
{
    static const uint32_t nodes[] = {4096, 4096, 16384};
    struct mkfs_options options = {.nodesize = nodes[below(run, 3)], .sectorsize = 4096};

    run->env = env_seeded_new(run->seed);
    run->disk = dev_mem_new(DEVICE_BYTES);
    if (below(run, 4) == 0)
        options.features_off |= MKFS_SKINNY_METADATA;
    TRY(mkfs_run(run->env, run->disk, &options, NULL));
    strcpy(run->subvols[0].name, "/");
    TRY(open_fs(run));
    return 0;
}

static int note_limit(void *arg, const struct copse_qgroup *group)
{
    struct run *run = arg;

    if ((group->limits & COPSE_QGROUP_MAX_RFER) && group->referenced <= group->max_referenced &&
        run->kept_count < KEPT_MAX)
        run->kept[run->kept_count++] = (struct kept){group->id, 0};
    return 0;
}

/* Groups that are within their limit now must stay so. */
static int note_limits(struct run *run)
{
    run->kept_count = 0;
    return mount_qgroup_list(run->m, note_limit, run);
}

/* Before something of a subvolume is removed. */
static int note_removal(struct run *run, const struct subvol *subvol)
{
    struct copse_quota_status status;

    TRY(mount_quota_status(run->m, &status));
    for (size_t i = 0; status.mode == COPSE_QUOTA_SIMPLE && i < run->kept_count; i++) {
        bool member;

        TRY(simple_is_member(run->m, subvol->root->tree->root.id, run->kept[i].id, &member));
        run->kept[i].removals += member;
    }
    return 0;
}

static bool is_kept(const struct run *run, const struct copse_qgroup *group)
{
    uint64_t over = group->referenced - group->max_referenced;

    if (!(group->limits & COPSE_QGROUP_MAX_RFER) || group->referenced <= group->max_referenced)
        return true;
    for (size_t i = 0; i < run->kept_count; i++)
        if (run->kept[i].id == group->id &&
            over > run->kept[i].removals * REMOVAL_NODES * run->m->fs.store->engine.nodesize)
            return false;
    return true;
}

static int keeps_limit(void *arg, const struct copse_qgroup *group)
{
    struct run *run = arg;

    if (!is_kept(run, group))
        snprintf(run->error, sizeof(run->error), "group %llx: %llu bytes, over its limit of %llu",
                 (unsigned long long)group->id, (unsigned long long)group->referenced,
                 (unsigned long long)group->max_referenced);
    return 0;
}

/* Quotas are right about trees that are. */
static int structure(struct run *run)
{
    return verify_device(run->env, run->disk, 0, run->error, sizeof(run->error));
}

static int check(struct run *run)
{
    struct copse_quota_status status;
    struct store_promised promised;

    TRY(mount_sync(run->m));
    TRY(structure(run));
    store_promised(run->m->fs.store, &promised);
    if (promised.overdrawn > 0) {
        snprintf(run->error, sizeof(run->error), "%llu bytes of metadata more than promised",
                 (unsigned long long)promised.overdrawn);
        return -1;
    }
    TRY(exclusive_compare(run->m, run->error, sizeof(run->error)));
    TRY(mount_quota_status(run->m, &status));
    if (status.mode == COPSE_QUOTA_OFF)
        return 0;
    if (status.inconsistent || status.reserved != 0) {
        snprintf(run->error, sizeof(run->error), "inconsistent: %d, reserved: %llu",
                 status.inconsistent, (unsigned long long)status.reserved);
        return -1;
    }
    TRY((status.mode == COPSE_QUOTA_SIMPLE ? simple_compare : count_compare)(run->m, run->error,
                                                                             sizeof(run->error)));
    TRY(mount_qgroup_list(run->m, keeps_limit, run));
    return run->error[0] ? -1 : note_limits(run);
}

static int reopen(struct run *run, bool crash)
{
    put_all(run);
    if (crash) {
        mount_crash(run->m);
        run->kept_count = 0; /* limits are gone that were not durable */
    } else {
        TRY(mount_close(run->m));
    }
    run->m = NULL;
    TRY(open_fs(run));
    return check(run);
}

/* ---- operations ------------------------------------------------------------------------------ */

static struct subvol *some_subvol(struct run *run)
{
    for (;;) {
        struct subvol *subvol = &run->subvols[below(run, SUBVOLS)];

        if (subvol->root)
            return subvol;
    }
}

static void some_name(struct run *run, char name[16])
{
    snprintf(name, 16, "f%llu", (unsigned long long)below(run, FILES));
}

/* A file of the subvolume, made when it is not there. */
static int some_file(struct run *run, struct subvol *subvol, struct inode **out)
{
    char name[16];

    some_name(run, name);
    tell(run, " %s:%s", subvol->name, name);
    int ret = mount_lookup(run->m, subvol->root, name, strlen(name), out);
    if (ret == -ENOENT)
        ret =
            mount_mknod(run->m, subvol->root, name, strlen(name), S_IFREG | 0644, 0, &nobody, out);
    return ret;
}

static int do_write(struct run *run)
{
    uint64_t at = below(run, 256) * 4096, len = 1 + below(run, PIECE);
    struct inode *file;
    size_t done;

    if (below(run, 3) == 0)
        len = 1 + below(run, 6000);
    tell(run, "write %llu+%llu", (unsigned long long)at, (unsigned long long)len);
    TRY(some_file(run, some_subvol(run), &file));
    memset(run->data, (int)below(run, 255), len);
    int ret = mount_pwrite(run->m, file, run->data, len, at, &done);
    mount_put(run->m, file);
    return ret;
}

static int do_many(struct run *run)
{
    struct subvol *subvol = some_subvol(run);
    size_t done;

    tell(run, "many in %s", subvol->name);
    for (unsigned i = 0; i < 40; i++) {
        char name[32];
        struct inode *file;

        snprintf(name, sizeof(name), "small-%u-%llu", i, (unsigned long long)below(run, 4));
        int ret = mount_mknod(run->m, subvol->root, name, strlen(name), S_IFREG | 0644, 0, &nobody,
                              &file);
        if (ret == -EEXIST)
            continue;
        TRY(ret);
        ret = mount_pwrite(run->m, file, run->data, 1 + below(run, 3000), 0, &done);
        mount_put(run->m, file);
        TRY(ret);
    }
    return 0;
}

static int do_truncate(struct run *run)
{
    struct copse_stat st = {.size = below(run, MIB)};
    struct subvol *subvol = some_subvol(run);
    struct inode *file;

    tell(run, "truncate %llu", (unsigned long long)st.size);
    TRY(note_removal(run, subvol));
    TRY(some_file(run, subvol, &file));
    int ret = mount_setattr(run->m, file, COPSE_SET_SIZE, &st);
    mount_put(run->m, file);
    return ret;
}

static int do_unlink(struct run *run)
{
    struct subvol *subvol = some_subvol(run);
    char name[16];

    some_name(run, name);
    tell(run, "unlink %s:%s", subvol->name, name);
    TRY(note_removal(run, subvol));
    return mount_unlink(run->m, subvol->root, name, strlen(name));
}

static int do_clone(struct run *run)
{
    uint64_t from = below(run, 128) * 4096, to = below(run, 256) * 4096;
    uint64_t len = (1 + below(run, 64)) * 4096;
    struct inode *src, *dst;
    struct copse_stat st;

    tell(run, "clone %llu+%llu to %llu", (unsigned long long)from, (unsigned long long)len,
         (unsigned long long)to);
    TRY(some_file(run, some_subvol(run), &src));
    int ret = some_file(run, some_subvol(run), &dst);
    if (ret == 0) {
        ret = mount_stat(run->m, src, &st);
        if (ret == 0 && from + len > st.size)
            ret = -EINVAL;
        if (ret == 0)
            ret = file_clone_range(src, from, len, dst, to);
        mount_put(run->m, dst);
    }
    mount_put(run->m, src);
    return ret;
}

static int do_falloc(struct run *run)
{
    static const int modes[] = {0, 1, 3, 0x11, 0x8, 0x20};
    uint64_t at = below(run, 256) * 4096, len = (1 + below(run, 64)) * 4096;
    int mode = modes[below(run, ARRAY_LEN(modes))];
    struct inode *file;

    tell(run, "falloc %x %llu+%llu", mode, (unsigned long long)at, (unsigned long long)len);
    TRY(some_file(run, some_subvol(run), &file));
    int ret = file_fallocate(file, mode, at, len);
    mount_put(run->m, file);
    return ret;
}

/* A packed extent as it is, as received streams have them. */
static int do_encoded(struct run *run)
{
    struct file_encoded what = {.offset = below(run, 256) * 4096, .compression = COMPRESS_ZLIB};
    uint8_t packed[16 * KIB];
    struct inode *file;
    size_t len;

    what.ram_bytes = what.file_len = (2 + below(run, 30)) * 4096;
    for (uint64_t i = 0; i < what.ram_bytes; i++)
        run->data[i] = i % 8 == 0 ? (uint8_t)below(run, 255) : 0;
    if (compress_extent(COMPRESS_ZLIB, 1, 4096, run->data, what.ram_bytes, packed, sizeof(packed),
                        &len) != 0)
        return 0;
    what.data = packed;
    what.len = len;
    tell(run, "encoded %llu, %llu of %llu", (unsigned long long)what.offset,
         (unsigned long long)what.len, (unsigned long long)what.ram_bytes);
    TRY(some_file(run, some_subvol(run), &file));
    int ret = file_write_encoded(file, &what);
    mount_put(run->m, file);
    return ret;
}

/* All of two files that may or may not be the same. */
static int do_dedupe(struct run *run)
{
    uint64_t at = below(run, 64) * 4096, len = (1 + below(run, 16)) * 4096;
    struct inode *src, *dst;
    bool same;

    tell(run, "dedupe %llu+%llu", (unsigned long long)at, (unsigned long long)len);
    TRY(some_file(run, some_subvol(run), &src));
    int ret = some_file(run, some_subvol(run), &dst);
    if (ret == 0) {
        if (src != dst)
            ret = file_dedupe_range(src, at, len, dst, at, &same);
        mount_put(run->m, dst);
    }
    mount_put(run->m, src);
    return ret;
}

/* Off, and on again in the same or the other way. */
static int do_switch(struct run *run)
{
    bool simple = below(run, 2) == 0;

    if (below(run, 8) > 0)
        return 0;
    tell(run, "quotas off and on%s", simple ? ", simple" : "");
    run->kept_count = 0;
    TRY(mount_quota_disable(run->m));
    TRY(check(run));
    return mount_quota_enable(run->m, simple);
}

static int do_subvol(struct run *run)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct subvol *subvol = NULL, *src = some_subvol(run);
    uint64_t group = (1 + below(run, 2)) << QGROUP_LEVEL_SHIFT | below(run, GROUPS);

    if (below(run, 4) == 0) {
        options.groups = &group;
        options.group_count = 1;
        run->kept_count = 0; /* what a snapshot has comes into the group with it */
    }

    for (size_t i = 1; i < SUBVOLS && !subvol; i++)
        if (!run->subvols[i].root)
            subvol = &run->subvols[i];
    if (!subvol)
        return -EBUSY;
    snprintf(subvol->name, sizeof(subvol->name), "s%u", run->made++);
    if (below(run, 4) == 0) {
        tell(run, "create %s", subvol->name);
        return mount_subvol_create(run->m, run->m->root, subvol->name, strlen(subvol->name),
                                   &options, &nobody, &subvol->root);
    }
    tell(run, "snapshot %s of %s", subvol->name, src->name);
    return mount_subvol_snapshot(run->m, src->root, run->m->root, subvol->name,
                                 strlen(subvol->name), &options, &subvol->root);
}

/* A group: a subvolume's, or one of the upper levels. */
static uint64_t some_group(struct run *run, bool upper)
{
    if (!upper && below(run, 2) == 0)
        return some_subvol(run)->root->tree->root.id;
    return (1 + below(run, 2)) << QGROUP_LEVEL_SHIFT | below(run, GROUPS);
}

static int do_group(struct run *run)
{
    uint64_t member = some_group(run, false), group = some_group(run, true);

    /* Assigning may pass a limit. */
    run->kept_count = 0;
    tell(run, "group %llx %llx", (unsigned long long)member, (unsigned long long)group);
    switch (below(run, 8)) {
    case 0:
        tell(run, " destroy");
        return mount_qgroup_destroy(run->m, group);
    case 1:
        tell(run, " remove");
        return mount_qgroup_remove(run->m, member, group);
    case 2:
    case 3:
    case 4:
        tell(run, " assign");
        return mount_qgroup_assign(run->m, member, group);
    default:
        tell(run, " create");
        return mount_qgroup_create(run->m, group);
    }
}

static int do_delete(struct run *run)
{
    struct subvol *subvol = some_subvol(run);

    if (subvol == &run->subvols[0])
        return -EBUSY;
    tell(run, "delete %s", subvol->name);
    TRY(note_removal(run, &run->subvols[0]));
    mount_put(run->m, subvol->root);
    subvol->root = NULL;
    return mount_subvol_delete(run->m, run->m->root, subvol->name, strlen(subvol->name));
}

static int do_clean(struct run *run)
{
    unsigned left;

    tell(run, "clean");
    return mount_subvol_clean(run->m, &left);
}

/* A limit that some of what follows will meet. */
static int do_limit(struct run *run)
{
    uint64_t group = some_group(run, below(run, 2) == 0);
    uint64_t bytes = below(run, 4) == 0 ? COPSE_QGROUP_NO_LIMIT : below(run, 6 * MIB);
    bool rfer = below(run, 3) > 0;

    tell(run, "limit %llx %llu %s", (unsigned long long)group, (unsigned long long)bytes,
         rfer ? "referenced" : "exclusive");
    TRY(check(run));
    int ret = mount_qgroup_limit(run->m, group,
                                 rfer ? COPSE_QGROUP_MAX_RFER : COPSE_QGROUP_MAX_EXCL, bytes);
    TRY(note_limits(run));
    return ret;
}

static int do_rescan(struct run *run)
{
    tell(run, "rescan");
    /* Simple quotas: -EINVAL. */
    return mount_quota_rescan(run->m, true);
}

static int one(struct run *run)
{
    static int (*const often[])(struct run * run) = {do_write, do_write,  do_clone,    do_unlink,
                                                     do_many,  do_subvol, do_truncate, do_falloc};
    uint64_t what = below(run, 24);

    if (what == 0)
        return below(run, 2) == 0 ? do_rescan(run) : do_switch(run);
    if (what >= 22)
        return what == 22 ? do_encoded(run) : do_dedupe(run);
    if (what < 4)
        return do_group(run);
    if (what < 5)
        return do_delete(run);
    if (what < 6)
        return do_clean(run);
    if (what < 8)
        return do_limit(run);
    return often[below(run, ARRAY_LEN(often))](run);
}

static int try_run(struct run *run)
{
    TRY(start(run));
    TRY(mount_quota_enable(run->m, run->seed % 2 == 0));
    for (unsigned i = 0; i < OPS; i++) {
        tell(run, "%u: ", i);
        fail_clear();
        if (allow(run, "operation", one(run)) < 0)
            return -1;
        uint64_t now = below(run, 40);
        if (now > 6)
            continue;
        tell(run, "check\n");
        TRY(now < 5 ? check(run) : reopen(run, now == 5));
    }
    return reopen(run, false);
}

/* For a look at what went wrong. */
static void keep_image(struct run *run)
{
    const char *path = getenv("QUOTA_IMAGE");
    FILE *file = path ? fopen(path, "w") : NULL;

    for (uint64_t at = 0; file && at < DEVICE_BYTES; at += PIECE)
        if (dev_read(run->disk, at, run->data, PIECE) < 0 ||
            fwrite(run->data, 1, PIECE, file) != PIECE)
            break;
    if (file)
        fclose(file);
}

static bool run_seed(uint64_t seed, bool told)
{
    struct run *run = calloc(1, sizeof(*run));

    run->seed = run->state = seed;
    run->told = told;
    int ret = try_run(run);
    if (ret < 0)
        printf("# QUOTA_SEED=%llu: %s\n", (unsigned long long)seed,
               run->error[0] ? run->error : fail_message());
    if (run->m) {
        put_all(run);
        mount_crash(run->m);
    }
    if (run->disk && (ret < 0 || told))
        keep_image(run);
    if (run->disk)
        dev_close(run->disk);
    if (run->env)
        env_seeded_free(run->env);
    free(run);
    return ret == 0;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

int main(void)
{
    uint64_t runs = number_from("QUOTA_RUNS", RUNS), first = number_from("QUOTA_FIRST", 1);
    unsigned failed = 0;

    if (getenv("QUOTA_SEED"))
        return run_seed(number_from("QUOTA_SEED", 0), true) ? 0 : 1;
    printf("1..1\n");
    for (uint64_t i = 0; i < runs && failed < 5; i++)
        failed += !run_seed(first + i, false);
    printf("%s 1 - quotas count what there is, in %llu runs of %d operations\n",
           failed ? "not ok" : "ok", (unsigned long long)runs, OPS);
    return failed ? 1 : 0;
}
