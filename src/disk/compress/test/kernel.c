// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards: Linux reads what we compress, and we read what it compresses, byte for byte. The
 * compressed bytes go through its encoded read and write, so nothing else of ours is involved.
 * Needs root, loop devices and mkfs.btrfs; says what is missing and skips.
 */
#include "base/test/unit.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/env.h"
#include "disk/compress/compress.h"

#define SECTOR 4096u

static char directory[] = "/tmp/copse-compress-XXXXXX";
static char image[64], place[64], path[96];
static const char *missing; /* why nothing can be tested */
static bool mounted;

/* How the encoded ioctls number them. */
static const struct {
    enum compress_type type;
    uint32_t encoded;
    int levels[6];
} kinds[] = {
    {COMPRESS_ZLIB, BTRFS_ENCODED_IO_COMPRESSION_ZLIB, {1, 3, 6, 9}},
    {COMPRESS_LZO, BTRFS_ENCODED_IO_COMPRESSION_LZO_4K, {1}},
    {COMPRESS_ZSTD, BTRFS_ENCODED_IO_COMPRESSION_ZSTD, {-15, -1, 1, 3, 9, 15}},
};

static int run(const char *const argv[])
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int setup(void **state)
{
    const char *const mkfs[] = {"mkfs.btrfs", "-q", image, NULL};
    const char *const mount[] = {"mount", "-o", "loop", "-t", "btrfs", image, place, NULL};

    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(image, sizeof(image), "%s/disk.img", directory);
    snprintf(place, sizeof(place), "%s/place", directory);
    snprintf(path, sizeof(path), "%s/file", place);
    int fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 256 << 20) < 0 || mkdir(place, 0700) < 0)
        return -1;
    close(fd);
    if (geteuid() != 0)
        missing = "not root";
    else if (run(mkfs) != 0)
        missing = "no mkfs.btrfs";
    else if (run(mount) != 0)
        missing = "the kernel mounts no btrfs image here";
    if (missing)
        printf("# skipped: %s\n", missing);
    mounted = !missing;
    return 0;
}

static int teardown(void **state)
{
    const char *const unmount[] = {"umount", place, NULL};

    (void)state;
    if (mounted && run(unmount) != 0)
        return -1;
    unlink(image);
    rmdir(place);
    return rmdir(directory);
}

/* Words of a small vocabulary, with some noise so that lzo segments vary in length. */
static void fill(struct rng *rng, uint8_t *p, size_t len)
{
    uint64_t noise = rng_below(rng, 50);

    for (size_t i = 0; i < len;) {
        uint64_t word = rng_below(rng, 300) * 0x9e3779b97f4a7c15ull;

        for (int n = 0; n < 6 && i < len; n++, word >>= 5)
            p[i++] = (uint8_t)('a' + (word & 15));
        if (i < len)
            p[i++] = rng_below(rng, 100) < noise ? (uint8_t)rng_next(rng) : ' ';
    }
}

static void forget_cached(int fd)
{
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static void linux_reads(uint32_t encoded, const uint8_t *packed, size_t packed_len,
                        const uint8_t *data, size_t len)
{
    AUTO_CLOSE int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    AUTO_FREE uint8_t *back = malloc(len);
    struct iovec iov = {(void *)(uintptr_t)packed, packed_len};
    struct btrfs_ioctl_encoded_io_args args = {
        .iov = &iov, .iovcnt = 1, .len = len, .unencoded_len = len, .compression = encoded};

    assert_int_equal(ioctl(fd, BTRFS_IOC_ENCODED_WRITE, &args), packed_len);
    forget_cached(fd);
    assert_int_equal(pread(fd, back, len, 0), len);
    assert_memory_equal(back, data, len);
    assert_int_equal(unlink(path), 0);
}

static void linux_reads_ours(void **state)
{
    struct rng rng;

    (void)state;
    if (missing)
        skip();
    rng_seed(&rng, unit_seed(1));
    for (int round = 0; round < 60; round++) {
        size_t len = round % 10 == 0 ? COMPRESS_EXTENT_MAX
                                     : SECTOR + 1 + rng_below(&rng, COMPRESS_EXTENT_MAX - SECTOR);
        AUTO_FREE uint8_t *data = malloc(len), *packed = malloc(len);

        fill(&rng, data, len);
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            for (size_t l = 0; l < ARRAY_LEN(kinds[k].levels) && kinds[k].levels[l]; l++) {
                size_t packed_len;
                int ret = compress_extent(kinds[k].type, kinds[k].levels[l], SECTOR, data, len,
                                          packed, len, &packed_len);

                if (ret == 0)
                    linux_reads(kinds[k].encoded, packed, packed_len, data, len);
                else
                    assert_int_equal(ret, -E2BIG);
            }
        }
    }
}

/* Decodes every compressed extent of the file; returns how many there were. */
static int read_extents(int fd, enum compress_type type, uint32_t encoded, const uint8_t *data,
                        size_t len)
{
    AUTO_FREE uint8_t *packed = malloc(COMPRESS_EXTENT_MAX), *back = malloc(COMPRESS_EXTENT_MAX);
    int extents = 0;

    for (size_t off = 0; off < len;) {
        struct iovec iov = {packed, COMPRESS_EXTENT_MAX};
        struct btrfs_ioctl_encoded_io_args args = {
            .iov = &iov, .iovcnt = 1, .offset = (int64_t)off};
        long got = ioctl(fd, BTRFS_IOC_ENCODED_READ, &args);
        size_t out_len;

        assert_true(got > 0 && args.len > 0);
        if (args.compression == encoded) {
            memset(back, 0, COMPRESS_EXTENT_MAX);
            assert_int_equal(decompress_extent(type, SECTOR, packed, (size_t)got, back,
                                               args.unencoded_len, &out_len),
                             0);
            assert_memory_equal(back + args.unencoded_offset, data + off, args.len);
            extents++;
        }
        off += args.len;
    }
    return extents;
}

static void we_read_linux(void **state)
{
    struct rng rng;

    (void)state;
    if (missing)
        skip();
    rng_seed(&rng, unit_seed(2));
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        const char *name = compress_name(kinds[k].type);
        int extents = 0;

        for (int round = 0; round < 20; round++) {
            /* Short files are stored inline. */
            size_t len = round < 5 ? 300 + rng_below(&rng, 1500) : 1 + rng_below(&rng, 1 << 20);
            AUTO_CLOSE int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
            AUTO_FREE uint8_t *data = malloc(len);

            fill(&rng, data, len);
            assert_int_equal(fsetxattr(fd, "btrfs.compression", name, strlen(name), 0), 0);
            assert_int_equal(pwrite(fd, data, len, 0), len);
            forget_cached(fd);
            extents += read_extents(fd, kinds[k].type, kinds[k].encoded, data, len);
            assert_int_equal(unlink(path), 0);
        }
        printf("# %s: %d extents of Linux read\n", name, extents);
        assert_true(extents > 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_reads_ours),
        cmocka_unit_test(we_read_linux),
    };

    return cmocka_run_group_tests_name("compress/kernel", tests, setup, teardown);
}
