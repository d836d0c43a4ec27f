// SPDX-License-Identifier: GPL-2.0-or-later
/* falloc, fpunch, fzero, fcollapse, finsert, truncate, reflink, dedupe, copy_range: commands that
 * change what is mapped. */
#include <linux/falloc.h>
#include <stdio.h>

#include "io.h"
#include "text.h"

/* [-k] off len */
static int allocate(struct io *io, int argc, char **argv, int mode, bool may_keep)
{
    bool started = false;
    uint64_t offset = 0, len = 0;
    int option, result = 0, ret;

    while (result == 0 &&
           (option = io_option(io, argc, argv, may_keep ? "k" : "", &started)) >= 0) {
        if (option == '?')
            result = EXIT_USAGE;
        else
            mode |= FALLOC_FL_KEEP_SIZE;
    }
    if (result == 0)
        result = io_count(io, argc, argv, 2, 2);
    if (result == 0)
        result = io_offset(io, argv[0], argv[optind], &offset);
    if (result == 0)
        result = io_length(io, argv[0], argv[optind + 1], &len);
    if (result != 0)
        return result;
    ret = file_fallocate(&io->file, mode, offset, len);
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}

int io_falloc(struct io *io, int argc, char **argv)
{
    return allocate(io, argc, argv, 0, true);
}

int io_fpunch(struct io *io, int argc, char **argv)
{
    return allocate(io, argc, argv, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, false);
}

int io_fzero(struct io *io, int argc, char **argv)
{
    return allocate(io, argc, argv, FALLOC_FL_ZERO_RANGE, true);
}

int io_fcollapse(struct io *io, int argc, char **argv)
{
    return allocate(io, argc, argv, FALLOC_FL_COLLAPSE_RANGE, false);
}

int io_finsert(struct io *io, int argc, char **argv)
{
    return allocate(io, argc, argv, FALLOC_FL_INSERT_RANGE, false);
}

int io_truncate(struct io *io, int argc, char **argv)
{
    struct copse_stat st = {0};
    int result = io_offset(io, argv[0], argv[1], &st.size), ret;

    (void)argc;
    if (result != 0)
        return result;
    ret = file_set(&io->file, COPSE_SET_SIZE, &st);
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}

int io_reflink(struct io *io, int argc, char **argv)
{
    uint64_t from = 0, to = 0, len = 0;
    struct timespec start;
    struct file src;
    int result = 0, ret;

    if (argc != 2 && argc != 5)
        return cli_usage(io->cli, "bad argument count %d to reflink, expected 1 or 4", argc - 1);
    if (argc == 5) {
        result = io_offset(io, argv[0], argv[2], &from);
        if (result == 0)
            result = io_offset(io, argv[0], argv[3], &to);
        if (result == 0)
            result = io_length(io, argv[0], argv[4], &len);
    }
    if (result == 0)
        result = io_open_source(io, argv[0], argv[1], &src);
    if (result != 0)
        return result;
    clock_gettime(CLOCK_MONOTONIC, &start);
    ret = file_clone(&src, from, len, &io->file, to);
    file_close(&src);
    if (ret < 0)
        return io_failed(io, argv[0], ret);
    io_report("linked", &start, to, len, len, 1);
    return 0;
}

int io_dedupe(struct io *io, int argc, char **argv)
{
    uint64_t from = 0, to = 0, len = 0;
    struct timespec start;
    bool same = false;
    struct file src;
    int result, ret;

    (void)argc;
    result = io_offset(io, argv[0], argv[2], &from);
    if (result == 0)
        result = io_offset(io, argv[0], argv[3], &to);
    if (result == 0)
        result = io_length(io, argv[0], argv[4], &len);
    if (result == 0)
        result = io_open_source(io, argv[0], argv[1], &src);
    if (result != 0)
        return result;
    clock_gettime(CLOCK_MONOTONIC, &start);
    ret = file_dedupe(&src, from, len, &io->file, to, &same);
    file_close(&src);
    if (ret < 0)
        return io_failed(io, argv[0], ret);
    if (!same)
        return io_differs(io, argv[0]);
    io_report("deduped", &start, to, len, len, 1);
    return 0;
}

/* To the end of the source unless a length was given, as far as each call gets. */
static int copy_all(struct io *io, struct file *src, uint64_t from, uint64_t to, uint64_t len)
{
    while (len > 0 && !cli_interrupted()) {
        uint64_t done;
        int ret = file_copy_range(src, from, &io->file, to, len, &done);

        if (ret < 0)
            return ret;
        if (done == 0)
            return 0;
        from += done;
        to += done;
        len -= done;
    }
    return 0;
}

int io_copy_range(struct io *io, int argc, char **argv)
{
    uint64_t from = 0, to = 0, len = UINT64_MAX;
    bool started = false;
    struct copse_stat st;
    struct file src;
    int option, result = 0, ret;

    while (result == 0 && (option = io_option(io, argc, argv, "s:d:l:", &started)) >= 0) {
        if (option == 's')
            result = io_offset(io, argv[0], optarg, &from);
        else if (option == 'd')
            result = io_offset(io, argv[0], optarg, &to);
        else if (option == 'l')
            result = io_length(io, argv[0], optarg, &len);
        else
            result = EXIT_USAGE;
    }
    if (result == 0)
        result = io_count(io, argc, argv, 1, 1);
    if (result == 0)
        result = io_open_source(io, argv[0], argv[optind], &src);
    if (result != 0)
        return result;
    ret = file_stat(&src, &st);
    if (ret == 0 && len == UINT64_MAX)
        len = st.size > from ? st.size - from : 0;
    if (ret == 0)
        ret = copy_all(io, &src, from, to, len);
    file_close(&src);
    return ret < 0 ? io_failed(io, argv[0], ret) : 0;
}
