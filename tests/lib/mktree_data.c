// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mktree.h"

enum { KIB = 1024, MIB = 1024 * KIB, BLOCK = 4 * KIB };

static size_t scaled(size_t full, size_t quick)
{
    return opt.quick ? quick : full;
}

static void sync_fd(int fd)
{
    must(fsync(fd), "fsync", "a file");
}

/* Sizes around every border: inline, block, the 128 KiB of a compressed extent. */
void make_data(void)
{
    static const size_t sizes[] = {0,    1,     100,       2000,          2047,     2048,
                                   2049, 3000,  4095,      4096,          4097,     8191,
                                   8193, 65536, 128 * KIB, 128 * KIB + 1, 300 * KIB};
    char name[32];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (opt.quick && sizes[i] > 129 * KIB)
            continue;
        snprintf(name, sizeof(name), "text-%zu", sizes[i]);
        write_file(name, TEXT, sizes[i]);
        if (sizes[i] <= scaled(MIB, 5 * KIB)) {
            snprintf(name, sizeof(name), "random-%zu", sizes[i]);
            write_file(name, RANDOM, sizes[i]);
        }
    }
    write_file("text-large", TEXT, scaled(5 * MIB + 777, 300 * KIB + 777));
    write_file("random-large", RANDOM, scaled(2 * MIB + 333, 20 * KIB + 333));
}

/* Extents of which only parts are still in use, small appended ones, sizes changed both ways. */
void make_overwritten(void)
{
    int fd = make_file("patched");
    size_t len = scaled(MIB, 256 * KIB);

    append_content(fd, TEXT, 0, len);
    sync_fd(fd);
    for (size_t at = 5000; at + 6000 < len; at += 61234)
        append_content(fd, RANDOM, at, scaled(6000, 60));
    sync_fd(fd);
    append_content(fd, TEXT, len / 3 + 1, len / 5);
    close(fd);

    fd = make_file("appended");
    for (size_t i = 0, at = 0; i < 20; i++, at += 3001) {
        append_content(fd, TEXT, at, 3001);
        sync_fd(fd);
    }
    close(fd);

    fd = make_file("shrunk");
    append_content(fd, TEXT, 0, 200 * KIB);
    sync_fd(fd);
    must(ftruncate(fd, 77777), "truncate", "shrunk");
    close(fd);

    fd = make_file("shrunk-and-grown");
    append_content(fd, TEXT, 0, 100 * KIB);
    sync_fd(fd);
    must(ftruncate(fd, 10001), "truncate", "shrunk-and-grown");
    must(ftruncate(fd, 50001), "truncate", "shrunk-and-grown");
    close(fd);

    fd = make_file("inline-and-grown");
    append_content(fd, TEXT, 0, 700);
    sync_fd(fd);
    must(ftruncate(fd, 20000), "truncate", "inline-and-grown");
    sync_fd(fd);
    append_content(fd, TEXT, 12000, 3000);
    close(fd);
}

void make_sparse(void)
{
    int fd = make_file("holes");

    for (uint64_t at = 0; at < 2 * MIB; at += 256 * KIB)
        append_content(fd, TEXT, at + 64 * KIB, scaled(64 * KIB, 4 * KIB));
    must(ftruncate(fd, 2 * MIB + 12345), "truncate", "holes");
    close(fd);

    fd = make_file("only-a-hole");
    must(ftruncate(fd, 10 * MIB + 1), "truncate", "only-a-hole");
    close(fd);

    fd = make_file("beyond-4g");
    append_content(fd, TEXT, 5ULL << 30, 5000);
    append_content(fd, TEXT, (4ULL << 30) - 2, 4);
    close(fd);

    fd = make_file("beyond-4e");
    append_content(fd, TEXT, (1ULL << 62) + 1, 5000);
    close(fd);

    fd = make_file("punched");
    append_content(fd, TEXT, 0, 400 * KIB);
    sync_fd(fd);
    must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 50001, 150000), "punch",
         "punched");
    must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 300 * KIB, BLOCK), "punch",
         "punched");
    close(fd);

    fd = make_file("first-block-missing");
    append_content(fd, TEXT, 3 * BLOCK + 5, 10);
    close(fd);
}

void make_prealloc(void)
{
    int fd = make_file("unwritten");

    must(fallocate(fd, 0, 0, MIB), "fallocate", "unwritten");
    close(fd);

    fd = make_file("partly-written");
    must(fallocate(fd, 0, 0, MIB), "fallocate", "partly-written");
    sync_fd(fd);
    append_content(fd, TEXT, 100 * KIB, 64 * KIB);
    append_content(fd, RANDOM, 300 * KIB + 5, scaled(20000, 500));
    append_content(fd, TEXT, 700001, 1);
    sync_fd(fd);
    append_content(fd, TEXT, 120 * KIB, 5000);
    close(fd);

    fd = make_file("past-the-end");
    append_content(fd, TEXT, 0, 10000);
    must(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 500 * KIB), "fallocate", "past-the-end");
    close(fd);

    fd = make_file("zeroed");
    append_content(fd, TEXT, 0, 300 * KIB);
    sync_fd(fd);
    must(fallocate(fd, FALLOC_FL_ZERO_RANGE, 10001, 200000), "zero range", "zeroed");
    close(fd);
}

static void clone_range(int from, uint64_t from_at, uint64_t len, int to, uint64_t to_at)
{
    struct file_clone_range range = {
        .src_fd = from, .src_offset = from_at, .src_length = len, .dest_offset = to_at};

    must(ioctl(to, FICLONERANGE, &range), "clone range to", "a file");
}

/* One extent seen through windows at different offsets, also from inside its own file. */
static void clone_pieces(int source)
{
    int fd = make_file("pieces");

    clone_range(source, 3 * BLOCK, 5 * BLOCK, fd, 7 * BLOCK);
    clone_range(source, 10 * BLOCK, BLOCK, fd, 0);
    clone_range(source, 0, 4 * BLOCK, fd, 20 * BLOCK);
    append_content(fd, TEXT, 9 * BLOCK + 100, 200);
    close(fd);

    fd = make_file("own-pieces");
    append_content(fd, TEXT, 0, 16 * BLOCK);
    sync_fd(fd);
    clone_range(fd, 2 * BLOCK, 4 * BLOCK, fd, 20 * BLOCK);
    clone_range(fd, 3 * BLOCK, 4 * BLOCK, fd, 8 * BLOCK);
    close(fd);
}

void make_reflinks(void)
{
    size_t len = scaled(MIB, 200 * KIB) + 1000;
    int source = make_file("source"), fd, small;

    append_content(source, TEXT, 0, len);
    append_content(source, RANDOM, 40 * BLOCK, scaled(8 * BLOCK, BLOCK));
    sync_fd(source);

    fd = make_file("whole");
    must(ioctl(fd, FICLONE, source), "clone", "whole");
    close(fd);

    fd = make_file("whole-then-written");
    must(ioctl(fd, FICLONE, source), "clone", "whole-then-written");
    append_content(fd, TEXT, 30001, 20000);
    close(fd);

    clone_pieces(source);

    fd = make_file("tail");
    clone_range(source, 2 * BLOCK, 0, fd, BLOCK);
    close(fd);

    small = make_file("inline-source");
    append_content(small, TEXT, 0, 900);
    sync_fd(small);
    fd = make_file("inline-clone");
    must(ioctl(fd, FICLONE, small), "clone", "inline-clone");
    close(fd);
    close(small);

    fd = make_file("prealloc-source");
    must(fallocate(fd, 0, 0, 64 * BLOCK), "fallocate", "prealloc-source");
    append_content(fd, TEXT, 10 * BLOCK, 5 * BLOCK);
    sync_fd(fd);
    small = make_file("prealloc-clone");
    clone_range(fd, 8 * BLOCK, 16 * BLOCK, small, 0);
    /* Of a clone as large as what is allocated to it Linux says that it ends in data. */
    must(ftruncate(small, 40 * BLOCK), "truncate", "prealloc-clone");
    close(small);
    close(fd);

    append_content(source, TEXT, 5 * BLOCK + 9, 100);
    close(source);
}

/* One file and one directory an algorithm, whatever the mount says. */
void make_compressed(void)
{
    static const char *const algorithms[] = {"zlib", "lzo", "zstd"};
    char name[64];

    for (size_t i = 0; opt.compression && i < 3; i++) {
        const char *a = algorithms[i];
        int fd;

        enter(a);
        must(setxattr(".", "btrfs.compression", a, strlen(a), 0), "compression of", a);
        write_file("inline", TEXT, 1900);
        write_file("one-block", TEXT, BLOCK);
        write_file("odd", TEXT, 5001);
        write_file("extents", TEXT, scaled(2 * MIB, 300 * KIB) + 77);
        fd = make_file("incompressible-in-between");
        append_content(fd, TEXT, 0, 128 * KIB);
        append_content(fd, RANDOM, 128 * KIB, scaled(128 * KIB, 6 * KIB));
        append_content(fd, TEXT, 256 * KIB, 50 * KIB);
        sync_fd(fd);
        append_content(fd, TEXT, 30001, 5000);
        must(ftruncate(fd, 290 * KIB + 3), "truncate", a);
        close(fd);
        snprintf(name, sizeof(name), "../%s-file", a);
        close(make_file(name));
        must(setxattr(name, "btrfs.compression", a, strlen(a), 0), "compression of", name);
        write_file(name, TEXT, 150 * KIB);
        leave();
    }
    write_file("plain", TEXT, 150 * KIB);
}

/* Leaves free space in many small pieces. */
void make_churn(void)
{
    char name[32];
    int nr = opt.quick ? 400 : 600;

    for (int i = 0; i < nr; i++) {
        snprintf(name, sizeof(name), "piece-%03d", i);
        write_file(name, opt.quick || i % 3 ? TEXT : RANDOM, BLOCK + 100 + (random_u64() & 8191));
    }
    sync_here();
    for (int i = 0; i < nr; i++) {
        if (i % 2 == 0)
            continue;
        snprintf(name, sizeof(name), "piece-%03d", i);
        must(unlink(name), "unlink", name);
    }
}
