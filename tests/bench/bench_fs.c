// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library's world: a file system made in an image file, opened and changed in this process.
 *
 *     bench_fs IMAGE [-c CACHE_MIB] [-k]
 * [group|lookup|small|data|tree|rewrite|reflink|fsync|hot|growth
 * ...]
 *
 * IMAGE is made anew (16 GiB, sparse) and stays, so that it can be checked.
 */
#include <copse/copse.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define IMAGE_BYTES (16ULL << 30)

static copse_fs *fs;
static const struct copse_cred cred = {0, 0};

static void must(int ret, const char *what)
{
    if (ret < 0)
        bench_die(what, copse_error());
}

static copse_node *node_of(handle *h)
{
    return (copse_node *)h;
}

static handle *lib_root(void)
{
    return (handle *)copse_root(fs);
}

static void lib_put(handle *h)
{
    copse_node_put(node_of(h));
}

static handle *lib_make_dir(handle *dir, const char *name)
{
    copse_node *node;

    must(copse_mkdir(node_of(dir), name, strlen(name), 0755, &cred, &node), "mkdir");
    return (handle *)node;
}

static handle *lib_create_open(handle *dir, const char *name)
{
    copse_node *node;

    must(copse_mknod(node_of(dir), name, strlen(name), S_IFREG | 0644, 0, &cred, &node), "mknod");
    return (handle *)node;
}

static void lib_create(handle *dir, const char *name)
{
    lib_put(lib_create_open(dir, name));
}

static copse_node *find(handle *dir, const char *path)
{
    copse_node *node;

    if (strchr(path, '/'))
        must(copse_walk(fs, node_of(dir), path, 0, &node), "walk");
    else
        must(copse_lookup(node_of(dir), path, strlen(path), &node), "lookup");
    return node;
}

static void lib_lookup(handle *dir, const char *path)
{
    copse_node_put(find(dir, path));
}

static void lib_stat(handle *dir, const char *path)
{
    copse_node *node = find(dir, path);
    struct copse_stat st;

    must(copse_stat(node, &st), "stat");
    copse_node_put(node);
}

static int count_entry(void *arg, const struct copse_dirent *entry)
{
    (void)entry;
    ++*(uint64_t *)arg;
    return 0;
}

static uint64_t lib_list(handle *dir)
{
    uint64_t count = 0;

    must(copse_readdir(node_of(dir), 0, count_entry, &count), "readdir");
    return count;
}

static void lib_unlink(handle *dir, const char *name)
{
    must(copse_unlink(node_of(dir), name, strlen(name)), "unlink");
}

static void lib_remove_dir(handle *dir, const char *name)
{
    must(copse_rmdir(node_of(dir), name, strlen(name)), "rmdir");
}

static void lib_read(handle *file, void *buf, size_t len, uint64_t offset)
{
    size_t done;

    must(copse_pread(node_of(file), buf, len, offset, &done), "read");
    if (done != len)
        bench_die("read", "the file is shorter than it was made");
}

static void lib_write(handle *file, const void *buf, size_t len, uint64_t offset)
{
    size_t done;

    must(copse_pwrite(node_of(file), buf, len, offset, &done), "write");
}

static void lib_sync(void)
{
    must(copse_sync(fs), "sync");
}

static void lib_fsync(handle *file)
{
    must(copse_fsync(node_of(file), false), "fsync");
}

static void lib_fdatasync(handle *file)
{
    must(copse_fsync(node_of(file), true), "fdatasync");
}

static void lib_reserve(handle *file, uint64_t len)
{
    must(copse_fallocate(node_of(file), 0, 0, len), "fallocate");
}

static void lib_clone(handle *src, handle *dst, uint64_t len)
{
    must(copse_clone_range(node_of(src), 0, len, node_of(dst), 0), "clone");
}

static void lib_clone_range(handle *src, uint64_t src_offset, uint64_t len, handle *dst,
                            uint64_t dst_offset)
{
    must(copse_clone_range(node_of(src), src_offset, len, node_of(dst), dst_offset), "clone");
}

static int lib_dedupe_range(handle *src, uint64_t src_offset, uint64_t len, handle *dst,
                            uint64_t dst_offset)
{
    struct copse_dedupe_target target = {.node = node_of(dst), .offset = dst_offset};

    must(copse_dedupe_range(node_of(src), src_offset, len, &target, 1), "dedupe");
    must(target.status, "dedupe");
    if (target.bytes_deduped != len)
        bench_die("dedupe", "the ranges differ");
    return 1;
}

static int lib_set_nocow(handle *file)
{
    must(copse_set_flags(node_of(file), FS_NOCOW_FL), "chattr");
    return 1;
}

static const char *image;
static uint64_t usual_cache; /* bytes; 0: the library's own choice */

static void open_image(uint64_t cache_bytes)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;

    options.cache_bytes = cache_bytes;
    must(copse_open(&image, 1, &options, &fs), "open");
}

static void lib_reopen(uint64_t cache_mib)
{
    must(copse_close(fs), "close");
    open_image(cache_mib ? cache_mib << 20 : usual_cache);
}

static uint64_t lib_written_beside(void)
{
    struct copse_usage usage;

    must(copse_usage(fs, &usage), "usage");
    return usage.written_beside;
}

static const struct world library = {
    .root = lib_root,
    .put = lib_put,
    .make_dir = lib_make_dir,
    .create = lib_create,
    .create_open = lib_create_open,
    .lookup = lib_lookup,
    .stat = lib_stat,
    .list = lib_list,
    .unlink = lib_unlink,
    .remove_dir = lib_remove_dir,
    .read = lib_read,
    .write = lib_write,
    .sync = lib_sync,
    .fsync = lib_fsync,
    .fdatasync = lib_fdatasync,
    .reserve = lib_reserve,
    .clone = lib_clone,
    .clone_range = lib_clone_range,
    .dedupe_range = lib_dedupe_range,
    .set_nocow = lib_set_nocow,
    .reopen = lib_reopen,
    .written_beside = lib_written_beside,
};

int main(int argc, char **argv)
{
    struct copse_mkfs_options mkfs = COPSE_MKFS_OPTIONS_INIT;
    int opt;

    while ((opt = getopt(argc, argv, "c:")) != -1) {
        if (opt != 'c')
            return 2;
        usual_cache = strtoull(optarg, NULL, 10) << 20;
    }
    if (optind == argc) {
        fprintf(stderr, "usage: bench_fs [-c CACHE_MIB] IMAGE [what ...]\n");
        return 2;
    }
    image = argv[optind];
    unlink(image);
    mkfs.byte_count = IMAGE_BYTES;
    must(copse_mkfs(image, &mkfs), "mkfs");
    open_image(usual_cache);
    bench_main(&library, argc - optind - 1, argv + optind + 1);
    must(copse_close(fs), "close");
    return 0;
}
