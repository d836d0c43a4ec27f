// SPDX-License-Identifier: GPL-2.0-or-later
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mktree.h"
#include "name_hash.h"

/* The largest of a few sizes that fits a leaf of this node size. */
static void set_largest_xattr(const char *file)
{
    static const size_t sizes[] = {65000, 32000, 16000, 8000, 3800, 3500};
    static unsigned char value[65536];

    fill(TEXT, value, sizeof(value), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (setxattr(file, "user.large", value, sizes[i], 0) == 0)
            return;
        if (errno != ENOSPC && errno != E2BIG && errno != ERANGE)
            break;
    }
    must(-1, "large xattr of", file);
}

static void set_capability(const char *file)
{
    struct vfs_cap_data cap = {.magic_etc = htole32(VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE),
                               .data = {{.permitted = htole32(1U << CAP_NET_BIND_SERVICE)}}};

    must(setxattr(file, "security.capability", &cap, XATTR_CAPS_SZ_2, 0), "capability of", file);
}

void make_xattrs(void)
{
    struct collision pairs[4];
    size_t nr = find_collisions(pairs, 4);
    char name[XATTR_NAME_MAX + 1];

    write_file("small", TEXT, 10);
    must(setxattr("small", "user.empty", "", 0, 0), "xattr of", "small");
    must(setxattr("small", "user.one", "1", 1, 0), "xattr of", "small");
    must(setxattr("small", "user.binary", "\0\xff\n\t=", 5, 0), "xattr of", "small");
    must(setxattr("small", "trusted.test", "trusted", 7, 0), "xattr of", "small");
    must(setxattr("small", "security.test", "security", 8, 0), "xattr of", "small");
    must(setxattr("small", "user.odd \xff\n name", "odd", 3, 0), "xattr of", "small");
    name_of_length(name, XATTR_NAME_MAX, "user.");
    must(setxattr("small", name, "long name", 9, 0), "xattr of", "small");

    write_file("large", TEXT, 5000);
    set_largest_xattr("large");
    write_file("capability", TEXT, 100);
    must(chmod("capability", 0755), "chmod", "capability");
    set_capability("capability");

    write_file("many", TEXT, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "user.number-%03d", i);
        must(setxattr("many", name, name, strlen(name) - (size_t)i % 10, 0), "xattr of", "many");
    }
    for (int i = 0; i < 100; i += 3) {
        snprintf(name, sizeof(name), "user.number-%03d", i);
        must(removexattr("many", name), "xattr of", "many");
    }

    write_file("colliding", TEXT, 100);
    for (unsigned i = 0; i < 1U << nr; i++) {
        strcpy(name, "user.");
        collision_product(pairs, nr, i, name + 5);
        must(setxattr("colliding", name, &i, 1, 0), "xattr of", "colliding");
    }

    must(mkdir("directory", 0755), "mkdir", "directory");
    must(setxattr("directory", "user.dir", "of a directory", 14, 0), "xattr of", "directory");
    must(symlink("nowhere", "symlink"), "symlink", "symlink");
    must(lsetxattr("symlink", "trusted.link", "of a symlink", 12, 0), "xattr of", "symlink");
}

/* user::rwx user:1000:rw- group::r-x group:2000:--x mask::rwx other::r-- as the kernel takes it */
static void set_acl(const char *file, const char *which)
{
    struct {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entry[6];
    } acl = {{htole32(POSIX_ACL_XATTR_VERSION)},
             {
                 {htole16(0x01), htole16(7), htole32(UINT32_MAX)},
                 {htole16(0x02), htole16(6), htole32(1000)},
                 {htole16(0x04), htole16(5), htole32(UINT32_MAX)},
                 {htole16(0x08), htole16(1), htole32(2000)},
                 {htole16(0x10), htole16(7), htole32(UINT32_MAX)},
                 {htole16(0x20), htole16(4), htole32(UINT32_MAX)},
             }};

    must(setxattr(file, which, &acl, sizeof(acl), 0), which, file);
}

void make_acls(void)
{
    write_file("file", TEXT, 10);
    set_acl("file", "system.posix_acl_access");
    enter("inheriting");
    set_acl(".", "system.posix_acl_access");
    set_acl(".", "system.posix_acl_default");
    write_file("file", TEXT, 20);
    must(mkdir("directory", 0755), "mkdir", "directory");
    write_file("directory/file", TEXT, 30);
    leave();
}

void make_symlinks(void)
{
    static const size_t lengths[] = {1, 100, 1000, 2048, 3500, PATH_MAX - 1};
    char target[PATH_MAX], name[32];

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        name_of_length(target, lengths[i], "/to/");
        snprintf(name, sizeof(name), "length-%zu", lengths[i]);
        /* A node of 4 KiB has no room for the longest. */
        must_or(symlink(target, name), ENAMETOOLONG, "symlink", name);
    }
    must(symlink("odd \xff\n\\ target", "odd"), "symlink", "odd");
    must(symlink("..", "up"), "symlink", "up");
    must(symlink("self", "self"), "symlink", "self");
}

void make_special(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(mknod("null", S_IFCHR | 0666, makedev(1, 3)), "mknod", "null");
    must(mknod("large-numbers", S_IFCHR | 0600, makedev(4095, 1048575)), "mknod", "large-numbers");
    must(mknod("block", S_IFBLK | 0660, makedev(7, 200)), "mknod", "block");
    must(mkfifo("fifo", 0640), "mkfifo", "fifo");
    must(fd, "socket", "socket");
    must(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind", "socket");
    close(fd);
}

void make_modes(void)
{
    static const mode_t modes[] = {0, 0444, 0600, 0755, 0777, 01777, 02755, 04755, 06777, 07777};
    static const uid_t ids[] = {0, 1, 1000, 65534, 65536, 4294967294};
    char name[32];

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        snprintf(name, sizeof(name), "file-%04o", modes[i]);
        write_file(name, TEXT, i);
        must(chmod(name, modes[i]), "chmod", name);
        snprintf(name, sizeof(name), "dir-%04o", modes[i]);
        must(mkdir(name, 0755), "mkdir", name);
        must(chmod(name, modes[i]), "chmod", name);
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        snprintf(name, sizeof(name), "owner-%u", ids[i]);
        write_file(name, TEXT, i);
        must(chown(name, ids[i], ids[sizeof(ids) / sizeof(ids[0]) - 1 - i]), "chown", name);
    }
    must(symlink("nobody", "symlink"), "symlink", "symlink");
    must(lchown("symlink", 1000, 2000), "lchown", "symlink");
}

static void set_flags(const char *name, unsigned int add)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    unsigned int flags = 0;

    must(fd, "open", name);
    if (must(ioctl(fd, FS_IOC_GETFLAGS, &flags), "flags of", name)) {
        flags |= add;
        must(ioctl(fd, FS_IOC_SETFLAGS, &flags), "flags of", name);
    }
    close(fd);
}

void make_flags(void)
{
    static const struct {
        const char *name;
        unsigned int flag;
    } kinds[] = {
        {"sync", FS_SYNC_FL},       {"nodump", FS_NODUMP_FL},       {"noatime", FS_NOATIME_FL},
        {"append", FS_APPEND_FL},   {"immutable", FS_IMMUTABLE_FL}, {"nocompress", FS_NOCOMP_FL},
        {"dirsync", FS_DIRSYNC_FL},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].flag == FS_DIRSYNC_FL)
            must(mkdir(kinds[i].name, 0755), "mkdir", kinds[i].name);
        else
            write_file(kinds[i].name, TEXT, 5000 + i);
        set_flags(kinds[i].name, kinds[i].flag);
    }
    if (opt.compression) {
        close(make_file("compress"));
        set_flags("compress", FS_COMPR_FL);
        write_file("compress", TEXT, 40000);
    }
    close(make_file("nocow"));
    set_flags("nocow", FS_NOCOW_FL);
    write_file("nocow", TEXT, 100000);
    must(mkdir("nocow-dir", 0755), "mkdir", "nocow-dir");
    set_flags("nocow-dir", FS_NOCOW_FL);
    write_file("nocow-dir/inherits", TEXT, 70000);
    write_file("nocow-dir/inline", TEXT, 700);
    must(mkdir("immutable-dir", 0755), "mkdir", "immutable-dir");
    write_file("immutable-dir/file", TEXT, 7);
    set_flags("immutable-dir", FS_IMMUTABLE_FL);
}

void make_times(void)
{
    static const struct timespec times[] = {
        {0, 0},
        {0, 1},
        {-1, 999999999},
        {-2147483648LL, 1},
        {-62135596800LL, 500000000},
        {1LL << 31, 123456789},
        {1LL << 34, 7},
        {1LL << 40, 999999999},
        {1234567890, 987654321},
    };
    char name[32];

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct timespec both[2] = {times[i], times[(i + 1) % 9]};

        snprintf(name, sizeof(name), "file-%zu", i);
        write_file(name, TEXT, i);
        must(utimensat(AT_FDCWD, name, both, 0), "times of", name);
        snprintf(name, sizeof(name), "dir-%zu", i);
        must(mkdir(name, 0755), "mkdir", name);
        must(utimensat(AT_FDCWD, name, both, 0), "times of", name);
        snprintf(name, sizeof(name), "symlink-%zu", i);
        must(symlink("x", name), "symlink", name);
        must(utimensat(AT_FDCWD, name, both, AT_SYMLINK_NOFOLLOW), "times of", name);
    }
}
