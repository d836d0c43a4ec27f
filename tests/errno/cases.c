// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/errno/cases.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>

#define KEEP FALLOC_FL_KEEP_SIZE
#define PUNCH FALLOC_FL_PUNCH_HOLE
#define ZERO FALLOC_FL_ZERO_RANGE
#define COLLAPSE FALLOC_FL_COLLAPSE_RANGE
#define INSERT FALLOC_FL_INSERT_RANGE
#define MAX INT64_MAX
#define K *1024LL

#define WRITE(file, to, len, answer)                                                               \
    {                                                                                              \
        CALL_WRITE, 0, NULL, file, 0, len, to, answer, 0, ON_BTRFS                                 \
    }
#define TRUNCATE(file, size, answer)                                                               \
    {                                                                                              \
        CALL_TRUNCATE, 0, NULL, file, 0, 0, size, answer, 0, ON_BTRFS                              \
    }
#define FALLOC(mode, file, to, len, answer)                                                        \
    {                                                                                              \
        CALL_FALLOCATE, mode, NULL, file, 0, len, to, answer, 0, ON_BTRFS                          \
    }
#define SHIFT(mode, file, to, len, answer)                                                         \
    {                                                                                              \
        CALL_FALLOCATE, mode, NULL, file, 0, len, to, answer, 0, ON_XFS                            \
    }
#define CLONE(src, from, len, dst, to, answer)                                                     \
    {                                                                                              \
        CALL_CLONE, 0, src, dst, from, len, to, answer, 0, ON_BTRFS                                \
    }
#define COPY(src, from, len, dst, to, answer)                                                      \
    {                                                                                              \
        CALL_COPY, 0, src, dst, from, len, to, answer, 0, ON_BTRFS                                 \
    }
#define DEDUPE(src, from, len, dst, to, answer, done)                                              \
    {                                                                                              \
        CALL_DEDUPE, 0, src, dst, from, len, to, answer, done, ON_BTRFS                            \
    }

/* clang-format off */
const struct errno_case errno_cases[] = {
    WRITE("data", MAX, 1, EINVAL),
    WRITE("data", MAX - 1, 1, 0),
    WRITE("data", -1, 1, EINVAL),
    WRITE("fixed", 0, 1, EPERM),
    WRITE("dir", 0, 1, EISDIR),
    WRITE("snap/data", 0, 1, EROFS),

    TRUNCATE("data", MAX, 0),
    TRUNCATE("data", -1, EINVAL),
    TRUNCATE("fixed", 0, EPERM),
    TRUNCATE("append", 0, EPERM),
    TRUNCATE("dir", 0, EISDIR),
    TRUNCATE("fifo", 0, EINVAL),
    TRUNCATE("snap/data", 0, EROFS),

    FALLOC(0, "data", -1, 4096, EINVAL),
    FALLOC(0, "data", 0, 0, EINVAL),
    FALLOC(0, "data", 0, -1, EINVAL),
    FALLOC(0, "data", MAX, 1, EFBIG),
    FALLOC(0, "data", MAX - 4096, 8192, EFBIG),
    FALLOC(0, "data", 1, MAX, EFBIG),
    FALLOC(0, "data", 0, 1LL << 40, ENOSPC),
    FALLOC(KEEP, "data", 0, 1LL << 40, ENOSPC),
    FALLOC(PUNCH, "data", 0, 4096, EOPNOTSUPP),
    FALLOC(PUNCH | KEEP, "data", MAX - 4096, 8192, EFBIG),
    FALLOC(PUNCH | KEEP, "data", 1LL << 40, 4096, 0),
    FALLOC(PUNCH | ZERO | KEEP, "data", 0, 4096, EOPNOTSUPP),
    FALLOC(ZERO, "data", 0, 0, EINVAL),
    FALLOC(ZERO, "data", MAX, 4096, EFBIG),
    FALLOC(0x400, "data", 0, 4096, EOPNOTSUPP),
    FALLOC(0, "fixed", 0, 4096, EPERM),
    FALLOC(PUNCH | KEEP, "fixed", 0, 4096, EPERM),
    FALLOC(0, "append", 0, 4096, 0),
    FALLOC(PUNCH | KEEP, "append", 0, 4096, EPERM),
    FALLOC(ZERO, "append", 0, 4096, EPERM),
    FALLOC(0, "dir", 0, 4096, EISDIR),
    FALLOC(0, "fifo", 0, 4096, ESPIPE),
    FALLOC(0, "snap/data", 0, 4096, EROFS),

    SHIFT(COLLAPSE, "data", 4096, 4096, 0),
    SHIFT(COLLAPSE, "data", 1, 4096, EINVAL),
    SHIFT(COLLAPSE, "data", 4096, 1000, EINVAL),
    SHIFT(COLLAPSE, "data", 0, 0, EINVAL),
    SHIFT(COLLAPSE, "data", 60 K, 8 K, EINVAL),
    SHIFT(COLLAPSE, "data", 64 K, 4 K, EINVAL),
    SHIFT(COLLAPSE, "data", 1 K K, 4 K, EINVAL),
    SHIFT(COLLAPSE, "data", MAX - 4095, 4 K, EFBIG),
    SHIFT(COLLAPSE | KEEP, "data", 0, 4096, EOPNOTSUPP),
    SHIFT(COLLAPSE | PUNCH | KEEP, "data", 0, 4096, EOPNOTSUPP),
    SHIFT(COLLAPSE, "fixed", 0, 4096, EPERM),
    SHIFT(COLLAPSE, "append", 0, 4096, EPERM),
    SHIFT(COLLAPSE, "empty", 0, 4096, EINVAL),
    SHIFT(COLLAPSE, "dir", 0, 4096, EISDIR),
    SHIFT(INSERT, "data", 4096, 4096, 0),
    SHIFT(INSERT, "data", 64 K, 4096, 0),
    SHIFT(INSERT, "data", 1, 4096, EINVAL),
    SHIFT(INSERT, "data", 4096, 1000, EINVAL),
    SHIFT(INSERT, "data", 68 K, 4 K, EINVAL),
    SHIFT(INSERT, "data", 1 K K, 4 K, EINVAL),
    SHIFT(INSERT, "data", 0, MAX - 4095, EFBIG),
    SHIFT(INSERT, "data", 4096, MAX - 4095, EFBIG),
    SHIFT(INSERT | KEEP, "data", 0, 4096, EOPNOTSUPP),
    SHIFT(INSERT | COLLAPSE, "data", 0, 4096, EOPNOTSUPP),
    SHIFT(INSERT, "fixed", 0, 4096, EPERM),
    SHIFT(INSERT, "append", 0, 4096, EPERM),
    SHIFT(INSERT, "empty", 0, 4096, EINVAL),

    CLONE("data", 0, 4096, "other", 0, 0),
    CLONE("data", 0, 0, "other", 0, 0),
    CLONE("data", 1, 4096, "other", 0, EINVAL),
    CLONE("data", 0, 4096, "other", 1, EINVAL),
    CLONE("data", 0, 1000, "other", 0, EINVAL),
    CLONE("data", 64 K, 1000, "other", 64 K, 0),
    CLONE("data", 64 K, 1000, "other", 0, EINVAL),
    CLONE("data", 64 K, 1000, "other", 128 K, 0),
    CLONE("data", 64 K, 1000, "tail", 64 K, EINVAL),
    CLONE("data", 64 K, 4096, "other", 0, EINVAL),
    CLONE("data", 128 K, 4096, "other", 0, EINVAL),
    CLONE("data", 128 K, 0, "other", 0, EINVAL),
    CLONE("data", -4096, 4096, "other", 0, EINVAL),
    CLONE("data", 0, 4096, "other", -4096, EINVAL),
    CLONE("data", 0, -4096, "other", 0, EINVAL),
    CLONE("data", 0, 4096, "other", MAX - 4095, EINVAL),
    CLONE("data", 0, 8192, "other", MAX - 4095, EINVAL),
    CLONE("data", 0, 8192, "data", 4096, EINVAL),
    CLONE("data", 0, 4096, "data", 0, EINVAL),
    CLONE("data", 0, 8192, "data", 8192, 0),
    CLONE("nosum", 0, 4096, "other", 0, EINVAL),
    CLONE("data", 0, 4096, "nosum", 0, EINVAL),
    CLONE("data", 0, 4096, "fixed", 0, EPERM),
    CLONE("data", 0, 4096, "append", 0, EPERM),
    CLONE("fixed", 0, 4096, "other", 0, 0),
    CLONE("data", 0, 4096, "dir", 0, EISDIR),
    CLONE("dir", 0, 4096, "data", 0, EISDIR),
    CLONE("fifo", 0, 4096, "data", 0, EINVAL),
    CLONE("data", 0, 4096, "fifo", 0, EINVAL),
    CLONE("far/data", 0, 4096, "data", 0, EXDEV),
    CLONE("data", 0, 4096, "snap/data", 0, EROFS),
    CLONE("snap/data", 0, 4096, "other", 0, 0),
    CLONE("empty", 0, 4096, "other", 0, EINVAL),
    CLONE("empty", 0, 0, "other", 0, 0),

    COPY("data", 0, 4096, "data", 0, EINVAL),
    COPY("data", 0, 8192, "data", 100, EINVAL),
    COPY("data", 1 K K, 4096, "other", 0, 0),
    COPY("data", -1, 4096, "other", 0, EOVERFLOW),
    COPY("data", 0, 4096, "other", MAX, EFBIG),
    COPY("data", 0, 4096, "fixed", 0, EPERM),
    COPY("data", 0, 4096, "append", 0, EPERM),
    COPY("dir", 0, 4096, "data", 0, EISDIR),
    COPY("data", 0, 4096, "snap/data", 0, EROFS),

    DEDUPE("data", 0, 4096, "twin", 0, 0, 4096),
    DEDUPE("data", 0, DATA_SIZE, "twin", 0, 0, DATA_SIZE),
    DEDUPE("data", 0, DATA_SIZE, "tail", 0, 0, DATA_SIZE),
    DEDUPE("data", 0, 4196, "twin", 0, 0, 4196),
    DEDUPE("data", 0, 1000, "twin", 0, 0, 1000),
    DEDUPE("data", 0, 4096, "other", 0, DIFFERS, 0),
    DEDUPE("data", 64 K, 1000, "other", 0, 0, 1000),
    DEDUPE("data", 0, 4096, "data", 64 K, EINVAL, 0),
    DEDUPE("data", 0, 4096, "data", 0, EINVAL, 0),
    DEDUPE("data", 0, 4096, "data", 4096, DIFFERS, 0),
    DEDUPE("data", 1, 4096, "twin", 0, EINVAL, 0),
    DEDUPE("data", 0, 4096, "twin", 1, EINVAL, 0),
    DEDUPE("data", 0, 0, "twin", 0, 0, 0),
    DEDUPE("data", 64 K, 4096, "twin", 0, EINVAL, 0),
    DEDUPE("data", 0, 4096, "twin", 64 K, EINVAL, 0),
    DEDUPE("data", 128 K, 4096, "twin", 0, EINVAL, 0),
    DEDUPE("data", 0, 4096, "twin", 128 K, EINVAL, 0),
    DEDUPE("data", 0, 4096, "twin", -4096, EINVAL, 0),
    DEDUPE("data", -4096, 4096, "twin", 0, EINVAL, 0),
    DEDUPE("data", 0, -4096, "twin", 0, EINVAL, 0),
    DEDUPE("nosum", 0, 4096, "twin", 0, EINVAL, 0),
    DEDUPE("data", 0, 4096, "fixed", 0, EPERM, 0),
    DEDUPE("data", 0, 4096, "append", 0, 0, 4096),
    DEDUPE("data", 0, 4096, "dir", 0, EISDIR, 0),
    DEDUPE("dir", 0, 4096, "data", 0, EISDIR, 0),
    DEDUPE("fifo", 0, 4096, "data", 0, EINVAL, 0),
    DEDUPE("data", 0, 4096, "fifo", 0, EINVAL, 0),
    DEDUPE("far/data", 0, 4096, "data", 0, EXDEV, 0),
    DEDUPE("data", 0, 4096, "snap/data", 0, 0, 4096),
    DEDUPE("data", 0, 4096, "empty", 0, EINVAL, 0),
};
/* clang-format on */

const size_t errno_case_count = sizeof(errno_cases) / sizeof(*errno_cases);

const char *errno_case_text(const struct errno_case *which)
{
    static const char *const names[] = {"write", "truncate", "fallocate",
                                        "clone", "copy",     "dedupe"};
    static char text[200];
    char mode[16] = "", src[80] = "";

    if (which->call == CALL_FALLOCATE)
        snprintf(mode, sizeof(mode), " mode %#x", (unsigned)which->mode);
    if (which->src)
        snprintf(src, sizeof(src), " %s+%lld", which->src, (long long)which->from);
    snprintf(text, sizeof(text), "%s%s%s, %lld bytes, %s+%lld", names[which->call], mode, src,
             (long long)which->len, which->dst, (long long)which->to);
    return text;
}
