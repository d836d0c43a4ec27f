// SPDX-License-Identifier: GPL-2.0-or-later
/* fiemap, seek, stat. */
#include <linux/fiemap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "text.h"

/* fiemap counts in blocks of 512 bytes. */
#define BLOCK_SHIFT 9

struct extents {
    struct copse_extent *list;
    size_t count, room;
};

static int keep_extent(void *arg, const struct copse_extent *extent)
{
    struct extents *extents = arg;

    if (extents->count == extents->room) {
        extents->room = extents->room ? extents->room * 2 : 32;
        extents->list = need_memory(realloc(extents->list, extents->room * sizeof(*extents->list)));
    }
    extents->list[extents->count++] = *extent;
    return 0;
}

static unsigned kernel_flags(unsigned flags, bool last)
{
    return (flags & COPSE_EXTENT_INLINE ? FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_NOT_ALIGNED
                                        : 0) |
           (flags & COPSE_EXTENT_PREALLOC ? FIEMAP_EXTENT_UNWRITTEN : 0) |
           (flags & COPSE_EXTENT_COMPRESSED ? FIEMAP_EXTENT_ENCODED : 0) |
           (flags & COPSE_EXTENT_SHARED ? FIEMAP_EXTENT_SHARED : 0) |
           (flags & COPSE_EXTENT_DELALLOC ? FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN : 0) |
           (last ? FIEMAP_EXTENT_LAST : 0);
}

struct map_printer {
    bool verbose;
    unsigned number;
    int range_width, block_width, total_width;
};

static uint64_t block_of(uint64_t bytes)
{
    return bytes >> BLOCK_SHIFT;
}

static void print_hole(struct map_printer *out, uint64_t from, uint64_t to)
{
    char range[64];

    snprintf(range, sizeof(range), "[%llu..%llu]:", LLU(block_of(from)), LLU(block_of(to) - 1));
    if (out->verbose)
        printf("%4u: %-*s %-*s %*llu\n", out->number, out->range_width, range, out->block_width,
               "hole", out->total_width, LLU(block_of(to - from)));
    else
        printf("\t%u: %s hole\n", out->number, range);
    out->number++;
}

static void print_extent(struct map_printer *out, const struct copse_extent *extent, bool last)
{
    uint64_t first = block_of(extent->address), count = block_of(extent->len);
    char range[64], blocks[64], flags[16];

    snprintf(range, sizeof(range), "[%llu..%llu]:", LLU(block_of(extent->offset)),
             LLU(block_of(extent->offset + extent->len) - 1));
    snprintf(flags, sizeof(flags), "0x%x", kernel_flags(extent->flags, last));
    snprintf(blocks, sizeof(blocks), "%llu..%llu", LLU(first), LLU(first + count - 1));
    if (out->verbose)
        printf("%4u: %-*s %-*s %*llu %5s\n", out->number, out->range_width, range, out->block_width,
               blocks, out->total_width, LLU(count), flags);
    else
        printf("\t%u: %s %s\n", out->number, range, blocks);
    out->number++;
}

static void widen(int *width, int wanted)
{
    if (wanted > *width)
        *width = wanted;
}

/* Columns as wide as their widest cell. */
static void measure(struct map_printer *out, const struct extents *extents)
{
    char text[64];

    out->range_width = 16;
    out->block_width = 16;
    out->total_width = 5;
    for (size_t i = 0; i < extents->count; i++) {
        const struct copse_extent *extent = &extents->list[i];
        uint64_t first = block_of(extent->address), count = block_of(extent->len);
        widen(&out->range_width,
              snprintf(text, sizeof(text), "[%llu..%llu]:", LLU(block_of(extent->offset)),
                       LLU(block_of(extent->offset + extent->len) - 1)));
        widen(&out->block_width,
              snprintf(text, sizeof(text), "%llu..%llu", LLU(first), LLU(first + count - 1)));
        widen(&out->total_width, snprintf(text, sizeof(text), "%llu", LLU(count)));
    }
}

static void print_map(const struct io *io, const struct extents *extents, uint64_t size,
                      bool verbose)
{
    struct map_printer out = {.verbose = verbose};
    uint64_t at = 0;

    measure(&out, extents);
    printf("%s:\n", io->path);
    if (verbose)
        printf("%4s: %-*s %-*s %*s %5s\n", " EXT", out.range_width, "FILE-OFFSET", out.block_width,
               "BLOCK-RANGE", out.total_width, "TOTAL", "FLAGS");
    for (size_t i = 0; i < extents->count; i++) {
        const struct copse_extent *extent = &extents->list[i];
        if (extent->offset > at)
            print_hole(&out, at, extent->offset);
        print_extent(&out, extent, i + 1 == extents->count);
        at = extent->offset + extent->len;
    }
    if (at < size)
        print_hole(&out, at, (size + 511) & ~511ULL);
}

int io_fiemap(struct io *io, int argc, char **argv)
{
    struct extents extents = {0};
    bool started = false, verbose = false;
    struct copse_stat st;
    int option, ret;

    while ((option = io_option(io, argc, argv, "v", &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        verbose = true;
    }
    if (io_count(io, argc, argv, 0, 0) != 0)
        return EXIT_USAGE;
    ret = file_stat(&io->file, &st);
    if (ret == 0)
        ret = file_fiemap(&io->file, keep_extent, &extents);
    if (ret == 0)
        print_map(io, &extents, st.size, verbose);
    free(extents.list);
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}

int io_seek(struct io *io, int argc, char **argv)
{
    bool started = false;
    uint64_t offset, found;
    int option, whence = -1, ret;

    while ((option = io_option(io, argc, argv, "dh", &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        whence = option == 'd' ? SEEK_DATA : SEEK_HOLE;
    }
    if (io_count(io, argc, argv, 1, 1) != 0)
        return EXIT_USAGE;
    if (whence < 0)
        return cli_usage(io->cli, "seek: neither -d nor -h");
    if (io_offset(io, argv[0], argv[optind], &offset) != 0)
        return EXIT_USAGE;
    ret = file_seek(&io->file, offset, whence, &found);
    if (ret < 0 && ret != -ENXIO)
        return io_failed(io, argv[0], ret);
    puts("Whence\tResult");
    fputs(whence == SEEK_DATA ? "DATA\t" : "HOLE\t", stdout);
    if (ret == -ENXIO)
        puts("EOF");
    else
        printf("%llu\n", LLU(found));
    return 0;
}

static void print_time(const char *name, const struct timespec *time)
{
    char buf[32];

    if (ctime_r(&time->tv_sec, buf))
        printf("stat.%s = %s", name, buf);
}

int io_stat(struct io *io, int argc, char **argv)
{
    bool started = false, verbose = false;
    struct copse_stat st;
    int option, ret;

    while ((option = io_option(io, argc, argv, "v", &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        verbose = true;
    }
    if (io_count(io, argc, argv, 0, 0) != 0)
        return EXIT_USAGE;
    ret = file_stat(&io->file, &st);
    if (ret < 0)
        return io_failed(io, argv[0], ret);
    printf("fd.path = \"%s\"\n", io->path);
    printf("fd.flags = non-sync,%s,%s%s\n", io->direct ? "direct" : "non-direct",
           io->readonly ? "read-only" : "read-write", io->append ? ",append-only" : "");
    printf("stat.ino = %llu\nstat.type = %s\nstat.size = %llu\nstat.blocks = %llu\n", LLU(st.ino),
           type_text(st.mode), LLU(st.size), LLU(st.blocks));
    if (verbose) {
        print_time("atime", &st.atime);
        print_time("mtime", &st.mtime);
        print_time("ctime", &st.ctime);
    }
    return 0;
}
