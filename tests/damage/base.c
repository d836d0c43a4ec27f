// SPDX-License-Identifier: GPL-2.0-or-later
#include "base.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "ops/mkfs/mkfs.h"

#define BASE_SIZE (128 * MIB)
#define CACHE_BYTES (4 * MIB)
#define DIR_FILES 100
#define ORPHANS 12

static const struct copse_cred root_cred;

static void ok(int ret)
{
    if (ret < 0)
        fprintf(stderr, "making a base image: %d: %s\n", ret, fail_message());
    INVARIANT(ret >= 0, "a sound file system takes what it is given");
}

int base_open(struct env *env, const struct image *image, bool readonly, struct mount **out)
{
    const struct copse_open_options options = {
        .size = sizeof(options),
        .readonly = readonly,
        .cache_bytes = CACHE_BYTES,
    };
    struct dev *dev = image_dev(image);

    return mount_open(env, &dev, 1, &options, out);
}

/* ---- filling -----------------------------------------------------------------------------------
 */

static struct inode *make_file(struct mount *m, struct inode *dir, const char *name)
{
    struct inode *inode;

    ok(mount_mknod(m, dir, name, strlen(name), S_IFREG | 0644, 0, &root_cred, &inode));
    return inode;
}

static void write_at(struct mount *m, struct inode *inode, const void *buf, size_t len,
                     uint64_t offset)
{
    size_t done;

    ok(mount_pwrite(m, inode, buf, len, offset, &done));
    INVARIANT(done == len, "what is written is written whole");
}

static uint8_t *noise(size_t len, uint64_t seed)
{
    uint8_t *buf = malloc(len);
    struct rng rng;

    rng_seed(&rng, seed);
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)rng_next(&rng);
    return buf;
}

static uint8_t *text(size_t len)
{
    uint8_t *buf = malloc(len);

    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)('a' + (i / 7 + i / 1000) % 26);
    return buf;
}

static void make_plain(struct mount *m)
{
    AUTO_FREE uint8_t *buf = noise(400000, 1);
    struct inode *plain = make_file(m, m->root, "plain"), *clone, *link, *nocow;

    write_at(m, plain, buf, 200000, 0);
    ok(mount_sync(m));
    write_at(m, plain, buf + 200000, 200000, 200000);
    ok(mount_sync(m));
    clone = make_file(m, m->root, "clone");
    ok(file_clone_range(plain, 4096, 131072, clone, 8192));
    ok(mount_link(m, plain, m->root, "link", 4));
    ok(mount_lookup(m, m->root, "link", 4, &link));
    mount_put(m, link);
    nocow = make_file(m, m->root, "nocow");
    ok(mount_set_flags(m, nocow, FS_NOCOW_FL));
    write_at(m, nocow, buf, 50000, 0);
    mount_put(m, nocow);
    mount_put(m, clone);
    mount_put(m, plain);
}

static void make_compressed(struct mount *m, const char *name, const char *how, size_t len)
{
    AUTO_FREE uint8_t *buf = text(len);
    struct inode *inode = make_file(m, m->root, name);

    ok(mount_set_flags(m, inode, FS_COMPR_FL));
    ok(mount_setxattr(m, inode, "btrfs.compression", how, strlen(how), 0));
    write_at(m, inode, buf, len, 0);
    mount_put(m, inode);
}

static void make_holes(struct mount *m)
{
    AUTO_FREE uint8_t *buf = noise(65536, 2);
    struct inode *sparse = make_file(m, m->root, "sparse");
    struct inode *prealloc = make_file(m, m->root, "prealloc");
    struct copse_stat st = {.size = 3 * MIB};

    write_at(m, sparse, buf, 65536, 0);
    write_at(m, sparse, buf, 65536, MIB);
    ok(mount_setattr(m, sparse, COPSE_SET_SIZE, &st));
    ok(file_fallocate(prealloc, 0, 0, 262144));
    write_at(m, prealloc, buf, 65536, 65536);
    mount_put(m, prealloc);
    mount_put(m, sparse);
}

static void make_small(struct mount *m)
{
    AUTO_FREE uint8_t *buf = noise(4096, 3);
    struct inode *inode = make_file(m, m->root, "inline");

    write_at(m, inode, buf, 100, 0);
    mount_put(m, inode);
    inode = make_file(m, m->root, "xattrs");
    ok(mount_setxattr(m, inode, "user.small", "value", 5, 0));
    ok(mount_setxattr(m, inode, "user.large", buf, 2000, 0));
    ok(mount_setxattr(m, inode, "security.capability", buf, 20, 0));
    mount_put(m, inode);
    ok(mount_symlink(m, m->root, "symlink", 7, "dir/sub/deep", &root_cred, &inode));
    mount_put(m, inode);
    ok(mount_mknod(m, m->root, "fifo", 4, S_IFIFO | 0600, 0, &root_cred, &inode));
    mount_put(m, inode);
    ok(mount_mknod(m, m->root, "device", 6, S_IFCHR | 0600, 0x103, &root_cred, &inode));
    mount_put(m, inode);
}

static void make_dirs(struct mount *m)
{
    struct inode *dir, *sub, *inode;
    char name[16];

    ok(mount_mkdir(m, m->root, "dir", 3, 0755, &root_cred, &dir));
    for (unsigned i = 0; i < DIR_FILES; i++) {
        snprintf(name, sizeof(name), "file%03u", i);
        inode = make_file(m, dir, name);
        write_at(m, inode, name, strlen(name), 0);
        mount_put(m, inode);
    }
    ok(mount_mkdir(m, dir, "sub", 3, 0755, &root_cred, &sub));
    inode = make_file(m, sub, "deep");
    write_at(m, inode, "deep", 4, 0);
    mount_put(m, inode);
    mount_put(m, sub);
    mount_put(m, dir);
}

static void fill(struct mount *m)
{
    make_plain(m);
    make_compressed(m, "zlib", "zlib", 300000);
    make_compressed(m, "lzo", "lzo", 300000);
    make_compressed(m, "zstd", "zstd", 300000);
    make_compressed(m, "zinline", "zlib", 1500);
    ok(mount_sync(m));
    make_holes(m);
    make_small(m);
    ok(mount_sync(m));
    make_dirs(m);
}

static void make_subvolumes(struct mount *m)
{
    const struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct inode *subvol, *inode;

    ok(mount_subvol_create(m, m->root, "subvol", 6, &options, &root_cred, &subvol));
    inode = make_file(m, subvol, "inside");
    write_at(m, inode, "inside", 6, 0);
    mount_put(m, inode);
    mount_put(m, subvol);
    /* Counted anew wherever references were repaired behind their back. */
    ok(mount_quota_enable(m, false));
    ok(mount_sync(m));
    ok(mount_subvol_snapshot(m, m->root, m->root, "snap", 4, &options, &inode));
    mount_put(m, inode);
}

static struct mkfs_options options_of(enum base_kind kind)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;

    options.nodesize = 4096;
    if (kind == BASE_OLD) {
        options.meta = MKFS_PROFILE_SINGLE;
        options.features_off =
            MKFS_NO_HOLES | MKFS_SKINNY_METADATA | MKFS_FREE_SPACE_TREE | MKFS_BLOCK_GROUP_TREE;
    }
    if (kind == BASE_MIXED)
        options.features_on = MKFS_MIXED_BG;
    return options;
}

/*
 * Files without names in leaves of their own, held while what is durable then is copied to *out.
 */
static void leave_orphans(struct mount *m, const struct image *image, struct image *out)
{
    static const uint8_t value[1500];
    struct inode *orphans[ORPHANS];

    for (unsigned i = 0; i < ORPHANS; i++) {
        ok(mount_tmpfile(m, m->root, S_IFREG | 0600, &root_cred, &orphans[i]));
        ok(mount_setxattr(m, orphans[i], "user.fills", value, sizeof(value), 0));
    }
    ok(mount_sync(m));
    image_clone(image, out);
    for (unsigned i = 0; i < ORPHANS; i++)
        inode_put(orphans[i]);
}

void base_make(enum base_kind kind, struct image *out)
{
    struct mkfs_options options = options_of(kind);
    struct env *env = env_seeded_new(1);
    struct dev *disk = dev_mem_new(BASE_SIZE);
    struct image bare = {.disk = disk, .size = BASE_SIZE}, bare_copy;
    struct mount *m;

    if (kind == BASE_HALF_DELETED) {
        bool there = base_golden("half-deleted", out);

        INVARIANT(there, "the golden images are there");
        dev_close(disk);
        env_seeded_free(env);
        return;
    }
    ok(mkfs_run(env, disk, &options, NULL));
    ok(base_open(env, &bare, false, &m));
    fill(m);
    if (kind == BASE_SNAPSHOTS)
        make_subvolumes(m);
    if (kind == BASE_ORPHANS) {
        leave_orphans(m, &bare, &bare_copy);
        ok(mount_close(m));
        dev_close(disk);
        disk = bare_copy.disk;
    } else {
        ok(mount_close(m));
    }
    env_seeded_free(env);
    image_init(out, disk);
}

/* ---- golden ------------------------------------------------------------------------------------
 */

static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *buf = NULL;
    long size;

    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0) {
        rewind(file);
        buf = malloc((size_t)size);
        *len = fread(buf, 1, (size_t)size, file);
    }
    if (file)
        fclose(file);
    return buf;
}

static bool is_zero(const uint8_t *b, size_t len)
{
    return len == 0 || (b[0] == 0 && memcmp(b, b + 1, len - 1) == 0);
}

/* Writes out what is not zero, a page at a time. */
static void put_pages(struct dev *disk, uint64_t at, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i += 4096) {
        size_t n = MIN(len - i, (size_t)4096);

        if (!is_zero(buf + i, n))
            ok(dev_write(disk, at + i, buf + i, n));
    }
}

static struct dev *unpack(const uint8_t *packed, size_t len)
{
    unsigned long long size = ZSTD_getFrameContentSize(packed, len);
    ZSTD_DCtx *context = ZSTD_createDCtx();
    static uint8_t buf[MIB];
    ZSTD_inBuffer in = {packed, len, 0};
    ZSTD_outBuffer out = {buf, sizeof(buf), 0};
    uint64_t at = 0;
    size_t left = 1;

    INVARIANT(size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN,
              "a golden image says how large it is");
    struct dev *disk = dev_mem_new(size);
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27);
    while (left != 0) {
        left = ZSTD_decompressStream(context, &out, &in);
        INVARIANT(!ZSTD_isError(left), "a golden image can be unpacked");
        if (out.pos == out.size || left == 0) {
            put_pages(disk, at, buf, out.pos);
            at += out.pos;
            out.pos = 0;
        }
    }
    ZSTD_freeDCtx(context);
    return disk;
}

bool base_golden(const char *name, struct image *out)
{
    char path[512];
    size_t len;

    snprintf(path, sizeof(path), GOLDEN_DIR "/%s.img.zst", name);
    AUTO_FREE uint8_t *packed = read_file(path, &len);
    if (!packed)
        return false;
    image_init(out, unpack(packed, len));
    return true;
}
