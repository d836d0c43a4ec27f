// SPDX-License-Identifier: GPL-2.0-or-later
/* The content of files: shared where it can be, else read and written, holes left out. */
#include <stdlib.h>
#include <unistd.h>

#include "copy.h"

/* Bytes [from, to), of which not all need be there any more. */
static int copy_bytes(struct copy *copy, struct file *src, struct file *dst, uint64_t from,
                      uint64_t to, enum copy_side *side)
{
    while (from < to && !cli_interrupted()) {
        size_t want = to - from < COPY_BUFFER ? (size_t)(to - from) : COPY_BUFFER, got, wrote;
        int ret = file_pread(src, copy->buffer, want, from, &got);

        *side = SIDE_SOURCE;
        if (ret < 0 || got == 0)
            return ret;
        *side = SIDE_COPY;
        ret = file_pwrite(dst, copy->buffer, got, from, &wrote);
        progress_add(&copy->progress, wrote);
        if (ret < 0)
            return ret;
        from += got;
    }
    return 0;
}

/* The next range with data at or after *from; false: none, or nobody can tell (then all of it). */
static bool next_data(struct file *src, uint64_t *from, uint64_t *to, uint64_t size, int *err)
{
    uint64_t start, end;
    int ret = file_seek(src, *from, SEEK_DATA, &start);

    *err = 0;
    if (ret == -ENXIO || *from >= size)
        return false;
    if (ret == 0)
        ret = file_seek(src, start, SEEK_HOLE, &end);
    if (ret == -EINVAL || ret == -EOPNOTSUPP || ret == -ESPIPE) {
        *to = size;
        return true;
    }
    *err = ret;
    if (ret < 0)
        return false;
    *from = start;
    *to = end < size ? end : size;
    return *from < *to;
}

static int copy_ranges(struct copy *copy, struct file *src, struct file *dst, uint64_t size,
                       enum copy_side *side)
{
    uint64_t from = 0, to;
    int err = 0;

    *side = SIDE_SOURCE;
    while (!cli_interrupted() && next_data(src, &from, &to, size, &err)) {
        int ret = copy_bytes(copy, src, dst, from, to, side);
        if (ret < 0)
            return ret;
        from = to;
        *side = SIDE_SOURCE;
    }
    return from < size ? err : 0;
}

/* Errors of a reflink that only say that these two files cannot share. */
static bool cannot_share(int err)
{
    return err == -EINVAL || err == -EOPNOTSUPP || err == -EXDEV || err == -ENOTTY;
}

int copy_content(struct copy *copy, struct file *src, struct file *dst, uint64_t size,
                 enum copy_side *side)
{
    const struct copse_stat end = {.size = size};
    int ret;

    *side = SIDE_COPY;
    if (size == 0)
        return 0;
    if (file_same_tree(src, dst)) {
        ret = file_clone(src, 0, 0, dst, 0);
        if (ret == 0)
            progress_add(&copy->progress, size);
        if (!cannot_share(ret))
            return ret;
    }
    /* The size first: a file that ends in a hole has it without another write. */
    ret = file_set(dst, COPSE_SET_SIZE, &end);
    return ret < 0 ? ret : copy_ranges(copy, src, dst, size, side);
}

int copy_stream(struct copy *copy, struct file *dst, enum copy_side *side)
{
    uint64_t offset = 0;

    while (!cli_interrupted()) {
        ssize_t got = read(STDIN_FILENO, copy->buffer, COPY_BUFFER);
        size_t wrote;
        int ret;

        *side = SIDE_SOURCE;
        cli_failed_in_library(false);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        *side = SIDE_COPY;
        ret = file_pwrite(dst, copy->buffer, (size_t)got, offset, &wrote);
        progress_add(&copy->progress, wrote);
        if (ret < 0)
            return ret;
        offset += (uint64_t)got;
    }
    return 0;
}
