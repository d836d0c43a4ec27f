// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guards promise 10 towards the kernel: what it has mounted is refused, to readers too, with the
 * place in the message. Needs root, loop devices and mkfs.btrfs; says what is missing and skips.
 */
#include "base/test/unit.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk/dev/dev.h"

static char directory[] = "/tmp/copse-mounted-XXXXXX";
static char image[64], hard_link[64], place[64];
static char loop[32];
static int loop_fd = -1;
static const char *missing; /* why nothing can be tested */

static int run(const char *program, const char *argument)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        /* What it prints is no TAP. */
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp(program, program, "-q", argument, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static bool attach_loop(void)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    int backing = open(image, O_RDWR | O_CLOEXEC);
    struct loop_config config = {.fd = (uint32_t)backing};

    snprintf(loop, sizeof(loop), "/dev/loop%d", number);
    loop_fd = number < 0 ? -1 : open(loop, O_RDWR | O_CLOEXEC);
    bool attached = loop_fd >= 0 && backing >= 0 && ioctl(loop_fd, LOOP_CONFIGURE, &config) == 0;
    close(backing);
    close(control);
    if (!attached) {
        close(loop_fd);
        loop_fd = -1;
    }
    return attached;
}

/* The image is made while nothing is attached; mkfs.btrfs settles whether it is there. */
static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(image, sizeof(image), "%s/disk.img", directory);
    snprintf(hard_link, sizeof(hard_link), "%s/link.img", directory);
    snprintf(place, sizeof(place), "%s/a place", directory);
    int fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 128 << 20) < 0 || mkdir(place, 0700) < 0)
        return -1;
    close(fd);
    if (geteuid() != 0)
        missing = "not root";
    else if (run("mkfs.btrfs", image) != 0)
        missing = "no mkfs.btrfs";
    else if (!attach_loop())
        missing = "no loop devices";
    if (missing)
        printf("# skipped: %s\n", missing);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (loop_fd >= 0) {
        ioctl(loop_fd, LOOP_CLR_FD);
        close(loop_fd);
    }
    unlink(hard_link);
    unlink(image);
    rmdir(place);
    return rmdir(directory);
}

static void expect_mounted(const char *path, bool through)
{
    char want[256];
    struct dev *dev;

    snprintf(want, sizeof(want), "%s: mounted by the kernel at %s%s%s", path, place,
             through ? " through " : "", through ? loop : "");
    for (int readonly = 0; readonly < 2; readonly++) {
        assert_int_equal(dev_file_open(path, readonly, &dev), -EBUSY);
        assert_string_equal(fail_message(), want);
    }
}

static void expect_free(const char *path)
{
    struct dev *dev;

    for (int readonly = 0; readonly < 2; readonly++) {
        int ret = dev_file_open(path, readonly, &dev);

        if (ret < 0)
            print_error("%s\n", fail_message());
        assert_int_equal(ret, 0);
        dev_close(dev);
    }
}

static int mount_it(void **state)
{
    (void)state;
    return missing ? 0 : mount(loop, place, "btrfs", MS_RDONLY, NULL);
}

static int unmount_it(void **state)
{
    (void)state;
    return missing ? 0 : umount(place);
}

static void attached_but_not_mounted(void **state)
{
    (void)state;
    if (missing)
        skip();
    expect_free(image);
    expect_free(loop);
}

static void image_under_a_mount(void **state)
{
    (void)state;
    if (missing)
        skip();
    expect_mounted(image, true);
    /* Another name of the same file. */
    assert_int_equal(link(image, hard_link), 0);
    expect_mounted(hard_link, true);
}

/* Seeing that a mount is there needs no rights. */
static void seen_by_ordinary_users(void **state)
{
    const uid_t nobody = 65534;
    int status;

    (void)state;
    if (missing)
        skip();
    assert_int_equal(chmod(directory, 0755), 0);
    assert_int_equal(chmod(image, 0644), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct dev *dev;
        char want[256];

        snprintf(want, sizeof(want), "%s: mounted by the kernel at %s through %s", image, place,
                 loop);
        if (setgid(nobody) < 0 || setuid(nobody) < 0)
            _exit(1);
        _exit(dev_file_open(image, true, &dev) == -EBUSY && strcmp(fail_message(), want) == 0 ? 0
                                                                                              : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void block_device_under_a_mount(void **state)
{
    (void)state;
    if (missing)
        skip();
    expect_mounted(loop, false);
}

#define NO_MOUNT_POINT 77

/* Runs in a mount namespace that does not have the mount; the refusal stays. */
static void mount_out_of_sight(void **state)
{
    int status;

    (void)state;
    if (missing)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        struct dev *dev;
        char want[256];

        snprintf(want, sizeof(want), "%s: mounted by the kernel through %s", image, loop);
        if (unshare(CLONE_NEWNS) < 0)
            _exit(1);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(errno == EINVAL ? NO_MOUNT_POINT : 1);
        if (umount(place) < 0)
            _exit(1);
        _exit(dev_file_open(image, true, &dev) == -EBUSY && strcmp(fail_message(), want) == 0 ? 0
                                                                                              : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNT_POINT) {
        print_message(
            "# SKIP / is no mount point here (a chroot), so mounts cannot be made private\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* While a writer has a block device, neither a mount nor a second opener gets it. */
static void writer_keeps_the_kernel_out(void **state)
{
    struct dev *dev, *second;
    char want[128];

    (void)state;
    if (missing)
        skip();
    assert_int_equal(dev_file_open(loop, false, &dev), 0);
    assert_int_equal(mount(loop, place, "btrfs", MS_RDONLY, NULL), -1);
    assert_int_equal(errno, EBUSY);
    snprintf(want, sizeof(want), "%s: in use by process %d", loop, (int)getpid());
    for (int readonly = 0; readonly < 2; readonly++) {
        assert_int_equal(dev_file_open(loop, readonly, &second), -EBUSY);
        assert_string_equal(fail_message(), want);
    }
    dev_file_release_claim(dev);
    assert_int_equal(mount(loop, place, "btrfs", MS_RDONLY, NULL), 0);
    assert_int_equal(umount(place), 0);
    assert_int_equal(dev_file_open(loop, true, &second), -EBUSY);
    assert_string_equal(fail_message(), want);
    dev_close(dev);
    expect_free(loop);
}

static void block_device_io(void **state)
{
    struct dev *dev;
    uint8_t buf[5000], back[5000];

    (void)state;
    if (missing)
        skip();
    assert_int_equal(dev_file_open(loop, false, &dev), 0);
    assert_int_equal(dev->size, 128 << 20);
    memset(buf, 9, sizeof(buf));
    assert_int_equal(dev_write(dev, (100 << 20) + 77, buf, sizeof(buf)), 0);
    assert_int_equal(dev_flush(dev), 0);
    assert_int_equal(dev_read(dev, (100 << 20) + 77, back, sizeof(back)), 0);
    assert_memory_equal(buf, back, sizeof(buf));
    assert_int_equal(dev_discard(dev, (100 << 20) + 1, 8192), 0);
    assert_int_equal(dev_discard(dev, (100 << 20) + 1, 100), 0);
    dev_close(dev);
    assert_int_equal(dev_file_create(loop, 64 << 20, &dev), 0);
    assert_int_equal(dev->size, 64 << 20);
    dev_close(dev);
    assert_int_equal(dev_file_create(loop, 256 << 20, &dev), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attached_but_not_mounted),
        cmocka_unit_test_setup_teardown(image_under_a_mount, mount_it, unmount_it),
        cmocka_unit_test_setup_teardown(seen_by_ordinary_users, mount_it, unmount_it),
        cmocka_unit_test_setup_teardown(block_device_under_a_mount, mount_it, unmount_it),
        cmocka_unit_test_setup_teardown(mount_out_of_sight, mount_it, unmount_it),
        cmocka_unit_test(attached_but_not_mounted),
        cmocka_unit_test(writer_keeps_the_kernel_out),
        cmocka_unit_test(block_device_io),
    };

    return cmocka_run_group_tests_name("dev/mounted", tests, setup, teardown);
}
