// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards promise 10 (one owner) between openers in this and other processes, and that image files
 * are made, extended, read, written and punched as the header says.
 */
#include "base/test/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/dev/dev.h"

static char directory[] = "/tmp/copse-dev-XXXXXX";
static char image[64];

static int setup_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(image, sizeof(image), "%s/disk.img", directory);
    return 0;
}

static int teardown_directory(void **state)
{
    (void)state;
    unlink(image);
    return rmdir(directory);
}

static struct stat stat_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st;
}

static int make_image(void **state)
{
    int fd = open(image, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    (void)state;
    int ret = fd >= 0 && ftruncate(fd, 1 << 20) == 0 ? 0 : -1;
    close(fd);
    return ret;
}

static void read_and_write(void **state)
{
    struct dev *dev;
    uint8_t buf[9000], back[9000];

    (void)state;
    assert_int_equal(dev_file_open(image, false, &dev), 0);
    assert_int_equal(dev->size, 1 << 20);
    assert_false(dev->readonly);
    assert_string_equal(dev->label, image);
    memset(buf, 7, sizeof(buf));
    assert_int_equal(dev_write(dev, 12345, buf, sizeof(buf)), 0);
    assert_int_equal(dev_flush(dev), 0);
    assert_int_equal(dev_read(dev, 12345, back, sizeof(back)), 0);
    assert_memory_equal(buf, back, sizeof(buf));
    assert_int_equal(dev_read(dev, (1 << 20) - 1, back, 2), -EIO);
    dev_close(dev);

    assert_int_equal(dev_file_open(image, true, &dev), 0);
    assert_int_equal(dev_read(dev, 12345, back, sizeof(back)), 0);
    assert_memory_equal(buf, back, sizeof(buf));
    assert_int_equal(dev_write(dev, 0, buf, 1), -EROFS);
    dev_close(dev);
}

/* Discarded space goes back to the host; what is around it stays. */
static void discard_punches(void **state)
{
    enum { LEN = 1 << 19 };
    struct dev *dev;
    uint8_t *buf = malloc(LEN), byte;

    (void)state;
    memset(buf, 5, LEN);
    assert_int_equal(dev_file_open(image, false, &dev), 0);
    assert_int_equal(dev_write(dev, 0, buf, LEN), 0);
    assert_int_equal(dev_flush(dev), 0);
    blkcnt_t full = stat_of(image).st_blocks;
    assert_int_equal(dev_discard(dev, LEN / 4, LEN / 2), 0);
    assert_int_equal(dev_flush(dev), 0);
    assert_true(stat_of(image).st_blocks < full);
    assert_int_equal(stat_of(image).st_size, 1 << 20);
    assert_int_equal(dev_read(dev, LEN / 4 - 1, &byte, 1), 0);
    assert_int_equal(byte, 5);
    assert_int_equal(dev_read(dev, LEN / 4, &byte, 1), 0);
    assert_int_equal(byte, 0);
    assert_int_equal(dev_read(dev, LEN * 3 / 4, &byte, 1), 0);
    assert_int_equal(byte, 5);
    dev_close(dev);
    free(buf);
}

static void create_missing(void **state)
{
    const uint64_t size = 1ull << 40;
    struct dev *dev;

    (void)state;
    unlink(image);
    assert_int_equal(dev_file_create(image, size, &dev), 0);
    assert_int_equal(dev->size, size);
    assert_int_equal(stat_of(image).st_size, size);
    assert_in_range(stat_of(image).st_blocks, 0, 8);
    dev_close(dev);
}

static void create_extends_but_never_cuts(void **state)
{
    struct dev *dev;
    uint8_t byte = 3;

    (void)state;
    assert_int_equal(dev_file_create(image, 2 << 20, &dev), 0);
    assert_int_equal(dev->size, 2 << 20);
    assert_int_equal(stat_of(image).st_size, 2 << 20);
    dev_close(dev);
    assert_int_equal(dev_file_create(image, 1 << 20, &dev), 0);
    assert_int_equal(dev->size, 1 << 20);
    assert_int_equal(stat_of(image).st_size, 2 << 20);
    assert_int_equal(dev_write(dev, 1 << 20, &byte, 1), -EIO);
    dev_close(dev);
}

/* A create that cannot be leaves no file behind. */
static void create_impossible(void **state)
{
    struct dev *untouched = (struct dev *)image;

    (void)state;
    unlink(image);
    assert_int_equal(dev_file_create(image, 0, &untouched), -EINVAL);
    assert_int_equal(dev_file_create(image, UINT64_MAX, &untouched), -EINVAL);
    /* A host that refuses the size. */
    struct rlimit old, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(dev_file_create(image, 2 << 20, &untouched), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(access(image, F_OK), -1);
    assert_ptr_equal(untouched, image);
}

static void not_a_device(void **state)
{
    struct dev *dev;
    char path[96];

    (void)state;
    assert_int_equal(dev_file_open(directory, true, &dev), -EISDIR);
    assert_int_equal(dev_file_open("/dev/null", true, &dev), -EINVAL);
    snprintf(path, sizeof(path), "%s/missing", directory);
    assert_int_equal(dev_file_open(path, true, &dev), -ENOENT);
    assert_non_null(strstr(fail_message(), path));
    /* A fifo must not make the opener wait. */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(dev_file_open(path, true, &dev), -EINVAL);
    unlink(path);
}

static void file_cut_short(void **state)
{
    struct dev *dev;
    uint8_t buf[512];

    (void)state;
    assert_int_equal(dev_file_open(image, true, &dev), 0);
    assert_int_equal(truncate(image, 1000), 0);
    assert_int_equal(dev_read(dev, 512, buf, 512), -EIO);
    assert_int_equal(dev_read(dev, 0, buf, 512), 0);
    dev_close(dev);
}

static void expect_in_use(bool readonly, pid_t holder)
{
    char want[128];
    struct dev *dev;

    snprintf(want, sizeof(want), "%s: in use by process %d", image, (int)holder);
    assert_int_equal(dev_file_open(image, readonly, &dev), -EBUSY);
    assert_string_equal(fail_message(), want);
}

static void same_process(void **state)
{
    struct dev *writer, *reader, *second;

    (void)state;
    assert_int_equal(dev_file_open(image, false, &writer), 0);
    expect_in_use(false, getpid());
    expect_in_use(true, getpid());
    assert_int_equal(dev_file_create(image, 1 << 20, &second), -EBUSY);
    dev_close(writer);

    assert_int_equal(dev_file_open(image, true, &reader), 0);
    assert_int_equal(dev_file_open(image, true, &second), 0);
    expect_in_use(false, getpid());
    dev_close(reader);
    expect_in_use(false, getpid());
    dev_close(second);
    assert_int_equal(dev_file_open(image, false, &writer), 0);
    dev_close(writer);
}

/* Forks a process that opens the image and keeps it until *release is closed. */
static pid_t holder_start(bool readonly, int *release)
{
    int ready[2], done[2];
    char byte;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct dev *dev;

        close(done[1]);
        if (dev_file_open(image, readonly, &dev) < 0)
            _exit(1);
        if (write(ready[1], "x", 1) != 1)
            _exit(2);
        _exit(read(done[0], &byte, 1) == 0 ? 0 : 3);
    }
    close(ready[1]);
    close(done[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *release = done[1];
    return pid;
}

static void holder_end(pid_t pid, int release)
{
    int status;

    close(release);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void other_process(void **state)
{
    struct dev *dev;
    int release;

    (void)state;
    pid_t pid = holder_start(false, &release);
    expect_in_use(false, pid);
    expect_in_use(true, pid);
    holder_end(pid, release);
    /* Its end, not an orderly close, gave the lock back. */
    assert_int_equal(dev_file_open(image, false, &dev), 0);
    dev_close(dev);

    pid = holder_start(true, &release);
    expect_in_use(false, pid);
    assert_int_equal(dev_file_open(image, true, &dev), 0);
    dev_close(dev);
    holder_end(pid, release);
}

/* A daemon: the process that opened the image has gone, its child holds it. */
static void holder_that_forked(void **state)
{
    int ready[2], done[2], status;
    pid_t daemon_pid;

    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct dev *dev;
        char byte;

        close(done[1]);
        if (dev_file_open(image, false, &dev) < 0)
            _exit(1);
        if (fork() > 0)
            _exit(0);
        pid_t self = getpid();
        if (write(ready[1], &self, sizeof(self)) != sizeof(self))
            _exit(2);
        _exit(read(done[0], &byte, 1) == 0 ? 0 : 3);
    }
    close(ready[1]);
    close(done[0]);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(status, 0);
    assert_int_equal(read(ready[0], &daemon_pid, sizeof(daemon_pid)), sizeof(daemon_pid));
    expect_in_use(false, daemon_pid);
    close(done[1]);
    /* Its end of the pipe closes when it is gone. */
    assert_int_equal(read(ready[0], &daemon_pid, sizeof(daemon_pid)), 0);
    close(ready[0]);
}

/* Another user may not look into our descriptors, but the list of locks names us. */
static void holder_of_another_user(void **state)
{
    const uid_t nobody = 65534;
    struct dev *dev;
    int status;

    (void)state;
    if (geteuid() != 0) {
        printf("# skipped: not root\n");
        skip();
    }
    assert_int_equal(chmod(directory, 0755), 0);
    assert_int_equal(chmod(image, 0666), 0);
    assert_int_equal(dev_file_open(image, false, &dev), 0);
    pid_t holder = getpid(), pid = fork();
    if (pid == 0) {
        struct dev *second;
        char want[128];

        /* Its copy of the descriptor would make the child a holder as well. */
        dev_close(dev);
        snprintf(want, sizeof(want), "%s: in use by process %d", image, (int)holder);
        if (setgid(nobody) < 0 || setuid(nobody) < 0)
            _exit(1);
        if (dev_file_open(image, false, &second) != -EBUSY || strcmp(fail_message(), want) != 0)
            _exit(2);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    dev_close(dev);
}

/* Reading the image with other programs is nobody's business; they are not blamed either. */
static void bystanders_are_not_blamed(void **state)
{
    int bystander = open(image, O_RDONLY | O_CLOEXEC), release;
    struct dev *dev;

    (void)state;
    assert_int_equal(dev_file_open(image, false, &dev), 0);
    dev_close(dev);
    pid_t pid = holder_start(false, &release);
    expect_in_use(false, pid);
    holder_end(pid, release);
    close(bystander);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(read_and_write, make_image),
        cmocka_unit_test_setup(discard_punches, make_image),
        cmocka_unit_test(create_missing),
        cmocka_unit_test_setup(create_extends_but_never_cuts, make_image),
        cmocka_unit_test(create_impossible),
        cmocka_unit_test(not_a_device),
        cmocka_unit_test_setup(file_cut_short, make_image),
        cmocka_unit_test_setup(same_process, make_image),
        cmocka_unit_test_setup(other_process, make_image),
        cmocka_unit_test_setup(holder_that_forked, make_image),
        cmocka_unit_test_setup(holder_of_another_user, make_image),
        cmocka_unit_test_setup(bystanders_are_not_blamed, make_image),
    };

    return cmocka_run_group_tests_name("dev/file", tests, setup_directory, teardown_directory);
}
