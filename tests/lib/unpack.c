// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unpack FILE.zst OUT: decompresses, leaving holes where blocks are zero, so that an image of
 * hundreds of megabytes takes the few that it holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { BLOCK = 4096, OUT_BLOCKS = 32, WINDOW_LOG_MAX = 27 };

static unsigned char out_buf[OUT_BLOCKS * BLOCK];
static unsigned char in_buf[1 << 16];

static int die(const char *what, const char *why)
{
    fprintf(stderr, "unpack: %s: %s\n", what, why);
    return 1;
}

static bool is_zero(const unsigned char *b, size_t len)
{
    return len == 0 || (b[0] == 0 && memcmp(b, b + 1, len - 1) == 0);
}

static bool write_blocks(int fd, size_t len, off_t at)
{
    for (size_t i = 0; i < len; i += BLOCK) {
        size_t n = len - i < BLOCK ? len - i : BLOCK;

        if (!is_zero(out_buf + i, n) && pwrite(fd, out_buf + i, n, at + (off_t)i) != (ssize_t)n)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    FILE *in = argc == 3 ? fopen(argv[1], "rbe") : NULL;
    ZSTD_inBuffer src = {in_buf, 0, 0};
    ZSTD_outBuffer dst = {out_buf, sizeof(out_buf), 0};
    size_t left = 1;
    off_t at = 0;
    int fd;

    if (!in)
        return die(argc == 3 ? argv[1] : "usage", argc == 3 ? strerror(errno) : "FILE.zst OUT");
    fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return die(argv[2], strerror(errno));
    ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    while (left != 0) {
        if (src.pos == src.size) {
            src = (ZSTD_inBuffer){in_buf, fread(in_buf, 1, sizeof(in_buf), in), 0};
            if (src.size == 0 && dst.pos < dst.size && dst.pos == 0)
                return die(argv[1], "ends too early");
        }
        left = ZSTD_decompressStream(ctx, &dst, &src);
        if (ZSTD_isError(left))
            return die(argv[1], ZSTD_getErrorName(left));
        if (dst.pos == dst.size || left == 0) {
            if (!write_blocks(fd, dst.pos, at))
                return die(argv[2], strerror(errno));
            at += (off_t)dst.pos;
            dst.pos = 0;
        }
    }
    if (ftruncate(fd, at) < 0 || close(fd) < 0)
        return die(argv[2], strerror(errno));
    fclose(in);
    ZSTD_freeDCtx(ctx);
    return 0;
}
