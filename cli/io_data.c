// SPDX-License-Identifier: GPL-2.0-or-later
/* pwrite and pread. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "size.h"
#include "text.h"

/* As much at once as xfs_io does unless -b says otherwise: this shows in its count of operations.
 */
#define IO_BLOCK 4096
/* -b beyond it is done in several calls. */
#define IO_BLOCK_MAX (64U << 20)
/* What direct I/O wants of buffers. */
#define IO_ALIGN 4096
#define PATTERN 0xcd

struct transfer {
    uint64_t offset, len, block;
    uint64_t done, operations;
    bool quiet, verbose;
    int host; /* -i, or -1 */
    const char *host_name;
    uint8_t *buf;
};

static uint8_t *block_buffer(size_t block)
{
    void *buf = NULL;

    if (posix_memalign(&buf, IO_ALIGN, block) != 0)
        buf = NULL;
    return need_memory(buf);
}

static int take_block(struct io *io, const char *command, struct transfer *transfer,
                      const char *text)
{
    if (parse_size(text, &transfer->block) && transfer->block > 0 &&
        transfer->block <= IO_BLOCK_MAX)
        return 0;
    return io_length(io, command, "-b", &transfer->block);
}

/* Fills the buffer from the host file of -i; *got 0 at its end. */
static int read_host(struct transfer *transfer, uint64_t at, size_t want, size_t *got)
{
    ssize_t ret = pread(transfer->host, transfer->buf, want, (off_t)at);

    cli_failed_in_library(false);
    if (ret < 0)
        return -errno;
    *got = (size_t)ret;
    return 0;
}

static int write_all(struct io *io, struct transfer *transfer, uint64_t at)
{
    while (transfer->done < transfer->len && !cli_interrupted()) {
        uint64_t left = transfer->len - transfer->done;
        size_t want = left < transfer->block ? (size_t)left : (size_t)transfer->block, wrote;
        int ret = 0;

        if (transfer->host >= 0)
            ret = read_host(transfer, transfer->done, want, &want);
        if (ret < 0 || want == 0)
            return ret;
        ret = file_pwrite(&io->file, transfer->buf, want, at + transfer->done, &wrote);
        transfer->done += wrote;
        transfer->operations += wrote > 0;
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int run_pwrite(struct io *io, struct transfer *transfer, uint8_t pattern)
{
    struct timespec start;
    struct copse_stat st;
    uint64_t at = transfer->offset;
    int ret = 0;

    transfer->buf = block_buffer(transfer->block);
    memset(transfer->buf, pattern, transfer->block);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (io->append) {
        ret = file_stat(&io->file, &st);
        at = st.size;
    }
    if (ret == 0)
        ret = write_all(io, transfer, at);
    free(transfer->buf);
    if (ret < 0)
        return io_failed(io, "pwrite", ret);
    if (!transfer->quiet)
        io_report("wrote", &start, transfer->offset, transfer->len, transfer->done,
                  transfer->operations);
    return 0;
}

int io_pwrite(struct io *io, int argc, char **argv)
{
    struct transfer transfer = {.block = IO_BLOCK, .host = -1};
    uint64_t pattern = PATTERN;
    bool started = false;
    int option, result = 0;

    while (result == 0 && (option = io_option(io, argc, argv, "qS:b:i:d", &started)) >= 0) {
        if (option == 'q')
            transfer.quiet = true;
        else if (option == 'S')
            result = io_offset(io, argv[0], optarg, &pattern);
        else if (option == 'b')
            result = take_block(io, argv[0], &transfer, optarg);
        else if (option == 'i')
            transfer.host_name = optarg;
        else if (option == '?')
            result = EXIT_USAGE;
    }
    if (result == 0)
        result = io_count(io, argc, argv, 2, 2);
    if (result == 0)
        result = io_offset(io, argv[0], argv[optind], &transfer.offset);
    if (result == 0)
        result = io_length(io, argv[0], argv[optind + 1], &transfer.len);
    if (result == 0 && transfer.host_name) {
        transfer.host = open(transfer.host_name, O_RDONLY | O_CLOEXEC);
        cli_failed_in_library(false);
        if (transfer.host < 0)
            return cli_fail(io->cli, transfer.host_name, -errno);
    }
    if (result == 0)
        result = run_pwrite(io, &transfer, (uint8_t)pattern);
    if (transfer.host >= 0)
        close(transfer.host);
    return result;
}

/* ---- pread ----------------------------------------------------------------------------------- */

#define DUMP_WIDTH 16

static void dump_line(uint64_t offset, const uint8_t *bytes, size_t len)
{
    printf("%08llx: ", LLU(offset));
    for (size_t i = 0; i < len; i++)
        printf(" %02x", bytes[i]);
    fputs("  ", stdout);
    for (size_t i = 0; i < len; i++)
        putchar(isgraph(bytes[i]) ? bytes[i] : '.');
    putchar('\n');
}

static void dump(uint64_t offset, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len; at += DUMP_WIDTH) {
        size_t width = len - at < DUMP_WIDTH ? len - at : DUMP_WIDTH;
        dump_line(offset + at, bytes + at, width);
    }
}

static int read_all(struct io *io, struct transfer *transfer)
{
    while (transfer->done < transfer->len && !cli_interrupted()) {
        uint64_t left = transfer->len - transfer->done;
        size_t want = left < transfer->block ? (size_t)left : (size_t)transfer->block, got;
        int ret =
            file_pread(&io->file, transfer->buf, want, transfer->offset + transfer->done, &got);

        if (ret < 0)
            return ret;
        if (got == 0)
            return 0;
        if (transfer->verbose)
            dump(transfer->offset + transfer->done, transfer->buf, got);
        transfer->done += got;
        transfer->operations++;
        if (got < want)
            return 0;
    }
    return 0;
}

int io_pread(struct io *io, int argc, char **argv)
{
    struct transfer transfer = {.block = IO_BLOCK, .host = -1};
    struct timespec start;
    bool started = false;
    int option, result = 0, ret;

    while (result == 0 && (option = io_option(io, argc, argv, "qvb:", &started)) >= 0) {
        if (option == 'q')
            transfer.quiet = true;
        else if (option == 'v')
            transfer.verbose = true;
        else if (option == 'b')
            result = take_block(io, argv[0], &transfer, optarg);
        else
            result = EXIT_USAGE;
    }
    if (result == 0)
        result = io_count(io, argc, argv, 2, 2);
    if (result == 0)
        result = io_offset(io, argv[0], argv[optind], &transfer.offset);
    if (result == 0)
        result = io_length(io, argv[0], argv[optind + 1], &transfer.len);
    if (result != 0)
        return result;
    transfer.buf = block_buffer(transfer.block);
    clock_gettime(CLOCK_MONOTONIC, &start);
    ret = read_all(io, &transfer);
    free(transfer.buf);
    if (ret < 0)
        return io_failed(io, argv[0], ret);
    if (!transfer.quiet)
        io_report("read", &start, transfer.offset, transfer.len, transfer.done,
                  transfer.operations);
    return 0;
}
