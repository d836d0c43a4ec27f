#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""checks.py DIR: what a file system on Linux promises to programs, tried in an empty directory.

Prints TAP. It knows nothing of copse: the same checks hold on the kernel's btrfs, and run there
too where that can be mounted. Root is not needed; what needs it is skipped without it.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import random
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
AT_FDCWD = -100
AT_SYMLINK_FOLLOW = 0x400
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Skip(Exception):
    pass


def need(condition, what="what was expected did not hold"):
    if not condition:
        raise AssertionError(what)


def same(got, expected):
    need(got == expected, f"got {got!r:.200}, expected {expected!r:.200}")


def fails(err, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except OSError as e:
        need(e.errno == err, f"failed with {errno.errorcode[e.errno]}, not {errno.errorcode[err]}")
        return
    raise AssertionError(f"succeeded, not {errno.errorcode[err]}")


def checked(ret):
    if ret < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))
    return ret


def renameat2(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags))


def fallocate(fd, mode, offset, length):
    checked(libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


def write_file(name, data, mode=0o666):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        same(os.write(fd, data), len(data))
    finally:
        os.close(fd)


def read_file(name):
    with open(name, "rb") as f:
        return f.read()


def pattern(length, seed):
    return random.Random(seed).randbytes(length)


# ---- names -------------------------------------------------------------------------------------


def check_names():
    """names of 255 arbitrary bytes are kept, longer ones refused"""
    names = [b"a" * 255, bytes(b for b in range(1, 256) if b != ord("/")), b"\xff" * 255, b" ",
             "\u00e4\u65e5".encode() * 51, b"-", b"..."]
    for name in names:
        write_file(name, name)
    same(sorted(os.listdir(b".")), sorted(names))
    for name in names:
        same(read_file(name), name)
    fails(errno.ENAMETOOLONG, os.mkdir, b"a" * 256)
    fails(errno.ENAMETOOLONG, os.stat, b"a" * 256)


def check_lookup_after_miss():
    """a name that was missing is found once it is there, and missing once it is not"""
    for _ in range(3):
        fails(errno.ENOENT, os.stat, "n")
        write_file("n", b"1")
        same(os.stat("n").st_size, 1)
        os.unlink("n")


def check_exclusive():
    """O_EXCL and O_CREAT on what is there"""
    write_file("f", b"abc")
    fails(errno.EEXIST, os.open, "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY))
    same(read_file("f"), b"abc")
    os.mkdir("d")
    fails(errno.EISDIR, os.open, "d", os.O_WRONLY)
    fails(errno.ENOTDIR, os.stat, "f/x")


def check_rename():
    """rename replaces files and empty directories, and nothing else"""
    write_file("a", b"a")
    write_file("b", b"b")
    os.rename("a", "b")
    same((os.listdir("."), read_file("b")), (["b"], b"a"))
    os.makedirs("d/in")
    os.mkdir("e")
    fails(errno.ENOTEMPTY, os.rename, "e", "d")
    fails(errno.EINVAL, os.rename, "d", "d/in/d")
    fails(errno.ENOTDIR, os.rename, "e", "b")
    fails(errno.EISDIR, os.rename, "b", "e")
    os.rename("d", "e")
    same((sorted(os.listdir(".")), os.listdir("e")), (["b", "e"], ["in"]))
    os.rename("e/in", "in")
    same(os.stat("in/..").st_ino, os.stat(".").st_ino)
    os.link("b", "c")
    os.rename("b", "c")  # two names of one file: nothing happens
    same(sorted(os.listdir(".")), ["b", "c", "e", "in"])


def check_rename_flags():
    """renameat2 with NOREPLACE and EXCHANGE"""
    write_file("a", b"a")
    write_file("b", b"b")
    os.makedirs("d/in")
    fails(errno.EEXIST, renameat2, "a", "b", RENAME_NOREPLACE)
    renameat2("a", "c", RENAME_NOREPLACE)
    renameat2("b", "c", RENAME_EXCHANGE)
    same((read_file("b"), read_file("c")), (b"a", b"b"))
    renameat2("b", "d/in", RENAME_EXCHANGE)
    same((read_file("d/in"), stat.S_ISDIR(os.stat("b").st_mode)), (b"a", True))
    fails(errno.ENOENT, renameat2, "b", "nothing", RENAME_EXCHANGE)
    fails(errno.EINVAL, renameat2, "b", "c", RENAME_EXCHANGE | RENAME_NOREPLACE)


def check_whiteout():
    """renameat2 with WHITEOUT leaves a whiteout behind"""
    if os.geteuid() != 0:
        raise Skip("needs root")
    write_file("a", b"a")
    renameat2("a", "b", RENAME_WHITEOUT)
    st = os.stat("a")
    need(stat.S_ISCHR(st.st_mode) and st.st_rdev == 0)
    same(read_file("b"), b"a")


def check_unlinked_open():
    """a file without a name lives as long as it is open"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"before")
    os.unlink("f")
    same(os.listdir("."), [])
    same((os.fstat(fd).st_nlink, os.pread(fd, 10, 0)), (0, b"before"))
    os.pwrite(fd, b"x" * MIB, 5 * MIB)
    os.fsync(fd)
    same(os.fstat(fd).st_size, 6 * MIB)
    same(os.pread(fd, 2, 5 * MIB - 1), b"\0x")
    write_file("f", b"another")
    same(os.pread(fd, 6, 0), b"before")
    os.close(fd)
    same(read_file("f"), b"another")


def check_removed_directory():
    """a removed directory that is somebody's working directory is empty and stays so"""
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    os.rmdir("d")
    fails(errno.ENOENT, os.open, "new", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    same([n for n in os.listdir(fd)], [])
    os.close(fd)


def check_tmpfile():
    """O_TMPFILE: a file without a name, which linkat gives one"""
    try:
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    except OSError as e:
        if e.errno in (errno.EOPNOTSUPP, errno.EISDIR):
            raise Skip("libfuse before 3.17 knows no O_TMPFILE")
        raise
    os.write(fd, b"content")
    same((os.listdir("."), os.fstat(fd).st_nlink), ([], 0))
    checked(libc.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, b"named",
                        AT_SYMLINK_FOLLOW))
    os.close(fd)
    same(read_file("named"), b"content")


def check_links():
    """hard links count, to 1,000 in one directory and in others"""
    write_file("f", b"f")
    for i in range(1000):
        os.link("f", f"l{i}")
    os.mkdir("d")
    os.link("f", "d/l")
    same(os.stat("f").st_nlink, 1002)
    os.unlink("f")
    for i in range(0, 1000, 2):
        os.unlink(f"l{i}")
    same((os.stat("l1").st_nlink, read_file("d/l")), (501, b"f"))
    fails(errno.EPERM, os.link, "d", "e")


def check_symlinks():
    """symlinks keep their target byte by byte, up to 4,094 of them"""
    os.symlink("x" * 4094, "long")
    same(os.readlink("long"), "x" * 4094)
    fails(errno.ENAMETOOLONG, os.symlink, "x" * 4096, "longer")
    os.symlink("loop", "loop")
    fails(errno.ELOOP, os.stat, "loop")
    os.symlink("target", "rel")
    write_file("target", b"t")
    same((read_file("rel"), os.lstat("rel").st_size), (b"t", 6))


def check_special():
    """fifos and sockets"""
    os.mkfifo("fifo", 0o640)
    os.mknod("sock", stat.S_IFSOCK | 0o600)
    need(stat.S_ISFIFO(os.stat("fifo").st_mode) and stat.S_ISSOCK(os.stat("sock").st_mode))
    fd = os.open("fifo", os.O_RDWR)
    os.write(fd, b"through")
    same(os.read(fd, 7), b"through")
    os.close(fd)


def check_devices():
    """device nodes keep their numbers"""
    if os.geteuid() != 0:
        raise Skip("needs root")
    for number in (os.makedev(1, 3), os.makedev(259, 1048575), os.makedev(4095, 0)):
        os.mknod("dev", stat.S_IFBLK | 0o600, number)
        same(os.stat("dev").st_rdev, number)
        os.unlink("dev")


# ---- directories -------------------------------------------------------------------------------


def check_big_directory():
    """of 20,000 entries each is listed once, with its type and number"""
    os.mkdir("d")
    for i in range(20000):
        if i % 10 == 0:
            os.mkdir(f"d/{i}")
        else:
            os.mknod(f"d/{i}", stat.S_IFREG | 0o600)
    for _ in range(2):
        with os.scandir("d") as entries:
            seen = [(e.name, e.is_dir(follow_symlinks=False), e.inode()) for e in entries]
        same(len(seen), 20000)
        same({n for n, _, _ in seen}, {str(i) for i in range(20000)})
        for name, is_dir, ino in seen[::97]:
            st = os.lstat(f"d/{name}")
            same((is_dir, ino), (stat.S_ISDIR(st.st_mode), st.st_ino))
    same(len({ino for _, _, ino in seen}), 20000)


def check_changing_directory():
    """entries removed and added while a directory is read: the others appear exactly once"""
    for i in range(5000):
        os.mknod(f"f{i}", stat.S_IFREG | 0o600)
    seen = []
    with os.scandir(".") as entries:
        for n, entry in enumerate(entries):
            seen.append(entry.name)
            if entry.name.startswith("f") and int(entry.name[1:]) % 2:
                os.unlink(entry.name)
            if n % 100 == 0:
                os.mknod(f"new{n}", stat.S_IFREG | 0o600)
    even = [n for n in seen if n.startswith("f") and int(n[1:]) % 2 == 0]
    same((len(even), len(set(even))), (2500, 2500))
    same(len(seen), len(set(seen)))
    same(sorted(n for n in os.listdir(".") if n.startswith("f")), sorted(even))


def check_remove_while_reading():
    """a directory is emptied by reading and removing, again and again"""
    for _ in range(3):
        for i in range(3000):
            os.mknod(f"some-longer-name-{i}", stat.S_IFREG | 0o600)
        with os.scandir(".") as entries:
            for entry in entries:
                os.unlink(entry.name)
        same(os.listdir("."), [])


def check_dir_times():
    """what is done in a directory shows in its times and its size"""
    os.mkdir("d")
    old = (1_000_000_000 * 10**9, 1_000_000_000 * 10**9)
    for change in (lambda: write_file("d/f", b""), lambda: os.rename("d/f", "d/g"),
                   lambda: os.unlink("d/g"), lambda: os.symlink("x", "d/s")):
        os.utime("d", ns=old)
        change()
        st = os.stat("d")
        need(st.st_mtime_ns > old[1] and st.st_ctime_ns > old[1])
    fails(errno.ENOTEMPTY, os.rmdir, "d")


def check_dotdot():
    """"." and ".." are listed first-class: right numbers, once each"""
    os.makedirs("a/b")
    fd = os.open("a/b", os.O_RDONLY)
    buf = ctypes.create_string_buffer(4096)
    got = checked(libc.syscall(217, fd, buf, 4096))
    os.close(fd)
    at, found = 0, {}
    while at < got:
        ino, _, reclen, dtype = struct.unpack_from("<QqHB", buf, at)
        name = ctypes.string_at(ctypes.addressof(buf) + at + 19)
        found[name] = (ino, dtype)
        at += reclen
    same(found, {b".": (os.stat("a/b").st_ino, 4), b"..": (os.stat("a").st_ino, 4)})


# ---- content -----------------------------------------------------------------------------------


def check_random_writes():
    """random writes, truncations, holes and copies give what they give in memory"""
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"# seed {seed}")
    rnd = random.Random(seed)
    model = bytearray()
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    for step in range(600):
        kind = rnd.randrange(8)
        at, length = rnd.randrange(3 * MIB), rnd.randrange(1, 200 * KIB)
        if rnd.randrange(3) == 0:
            at, length = at & ~4095, (length + 4095) & ~4095
        if kind <= 2:
            data = rnd.randbytes(length)
            os.pwrite(fd, data, at)
            if len(model) < at + length:
                model.extend(bytes(at + length - len(model)))
            model[at:at + length] = data
        elif kind == 3:
            os.ftruncate(fd, at)
            del model[at:]
            model.extend(bytes(at - len(model)))
        elif kind == 4:
            fallocate(fd, KEEP_SIZE | PUNCH_HOLE, at, length)
            end = min(at + length, len(model))
            if at < end:
                model[at:end] = bytes(end - at)
        elif kind == 5:
            fallocate(fd, ZERO_RANGE, at, length)
            if len(model) < at + length:
                model.extend(bytes(at + length - len(model)))
            model[at:at + length] = bytes(length)
        elif kind == 6 and len(model) > 0:
            src = rnd.randrange(len(model))
            if rnd.randrange(2):
                src, at = src & ~4095, at & ~4095
            length = min(length, len(model) - src)
            if max(src, at) < min(src, at) + length:
                continue
            done = os.copy_file_range(fd, fd, length, src, at)
            if len(model) < at + done:
                model.extend(bytes(at + done - len(model)))
            model[at:at + done] = model[src:src + done]
        elif rnd.randrange(10) == 0:
            os.fsync(fd)
        if step % 20 == 0 or kind == 6:
            same(os.fstat(fd).st_size, len(model))
            got = os.pread(fd, len(model) + 10, 0)
            if got != model:
                first = next(i for i, (a, b) in enumerate(zip(got, model)) if a != b)
                raise AssertionError(f"step {step}: differs from byte {first} on")
    os.close(fd)
    same(read_file("f"), bytes(model))


def check_truncate():
    """what a truncation cut off reads as zeros when the file grows again"""
    for size in (1, 100, 4095, 4096, 4097, 100_000, 3 * MIB):
        write_file("f", b"x" * (size + 5000))
        os.truncate("f", size)
        same(os.stat("f").st_size, size)
        os.truncate("f", size + 9000)
        same(read_file("f"), b"x" * size + bytes(9000))
    fd = os.open("f", os.O_WRONLY | os.O_TRUNC)
    os.close(fd)
    same(os.stat("f").st_size, 0)
    fails(errno.EINVAL, os.truncate, "f", -1)


def check_append():
    """O_APPEND writes at the end, whoever else appends"""
    fds = [os.open("f", os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(3)]
    for i in range(300):
        os.write(fds[i % 3], b"%04d\n" % i)
    for fd in fds:
        os.close(fd)
    same(read_file("f"), b"".join(b"%04d\n" % i for i in range(300)))


def check_holes():
    """SEEK_DATA and SEEK_HOLE find what was written, a write far out leaves a hole"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"x" * 65536, MIB)
    os.pwrite(fd, b"y" * 65536, 6 * GIB)
    os.fsync(fd)
    size = 6 * GIB + 65536
    same(os.fstat(fd).st_size, size)
    need(os.fstat(fd).st_blocks * 512 <= MIB)
    same((os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, MIB, os.SEEK_HOLE)), (MIB, MIB + 65536))
    same(os.lseek(fd, 2 * MIB, os.SEEK_DATA), 6 * GIB)
    same(os.lseek(fd, 6 * GIB, os.SEEK_HOLE), size)
    fails(errno.ENXIO, os.lseek, fd, size, os.SEEK_DATA)
    same(os.pread(fd, 4, 6 * GIB - 2), b"\0\0yy")
    same(os.pread(fd, 100, 3 * GIB), bytes(100))
    os.close(fd)


def check_fallocate():
    """fallocate: room beyond the end, punched holes, zeroed ranges"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, pattern(MIB, 1), 0)
    fallocate(fd, KEEP_SIZE, MIB, MIB)
    same(os.fstat(fd).st_size, MIB)
    fallocate(fd, 0, MIB, 2 * MIB)
    same(os.fstat(fd).st_size, 3 * MIB)
    need(os.fstat(fd).st_blocks * 512 >= 3 * MIB)
    fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 100_000, 300_001)
    fallocate(fd, ZERO_RANGE, 500_001, 1000)
    expected = bytearray(pattern(MIB, 1) + bytes(2 * MIB))
    expected[100_000:400_001] = bytes(300_001)
    expected[500_001:501_001] = bytes(1000)
    same(os.pread(fd, 3 * MIB, 0), bytes(expected))
    os.pwrite(fd, b"z" * 5000, 2 * MIB + 1)
    expected[2 * MIB + 1:2 * MIB + 5001] = b"z" * 5000
    os.fsync(fd)
    same(os.pread(fd, 3 * MIB, 0), bytes(expected))
    fails(errno.EINVAL, fallocate, fd, 0, 0, 0)
    os.close(fd)


def check_copy_range():
    """copy_file_range copies at any alignment, and both sides stay independent"""
    data = pattern(3 * MIB + 777, 2)
    write_file("a", data)
    src = os.open("a", os.O_RDWR)
    dst = os.open("b", os.O_RDWR | os.O_CREAT)
    os.pwrite(dst, b"old" * MIB, 0)
    same(os.pread(dst, 3, 0), b"old")
    done = 0
    while done < len(data):
        n = os.copy_file_range(src, dst, len(data) - done, done, done)
        need(n > 0)
        done += n
    same(os.pread(dst, len(data), 0), data)
    same(os.copy_file_range(src, dst, 100_000, 12345, 54321), 100_000)
    same(os.pread(dst, 100_000, 54321), data[12345:112345])
    os.pwrite(src, b"!" * 10_000, 0)
    same(os.pread(dst, 10_000, 0), data[:10_000])
    os.fsync(dst)
    same(os.pread(dst, 10_000, 0), data[:10_000])
    same(os.copy_file_range(src, dst, 10, 4 * MIB, 0), 0)
    os.close(src)
    os.close(dst)


def check_mmap():
    """what is stored through a shared mapping is in the file, and the other way round"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, MIB)
    with mmap.mmap(fd, MIB) as m:
        m[5000:5010] = b"0123456789"
        same(os.pread(fd, 10, 5000), b"0123456789")
        os.pwrite(fd, b"abc", 100_000)
        same(m[100_000:100_003], b"abc")
        m[MIB - 1:MIB] = b"E"
        m.flush()
        os.fsync(fd)
    os.close(fd)
    data = read_file("f")
    same((len(data), data[5000:5010], data[-1:]), (MIB, b"0123456789", b"E"))


def check_direct():
    """O_DIRECT reads what was written with the cache, and the other way round"""
    write_file("f", pattern(MIB, 3))
    fd = os.open("f", os.O_RDWR | os.O_DIRECT)
    buf = mmap.mmap(-1, 65536)
    same(os.preadv(fd, [buf], 65536), 65536)
    same(bytes(buf), pattern(MIB, 3)[65536:131072])
    buf[:] = b"d" * 65536
    same(os.pwritev(fd, [buf], 131072), 65536)
    os.close(fd)
    expected = bytearray(pattern(MIB, 3))
    expected[131072:196608] = b"d" * 65536
    same(read_file("f"), bytes(expected))


# ---- attributes --------------------------------------------------------------------------------


def check_times():
    """times keep their nanoseconds, before 1970 and after 2038, and follow changes"""
    write_file("f", b"1")
    for ns in (123_456_789, -1_234_567_890_123_456_789 // 4, 5_000_000_000_987_654_321):
        os.utime("f", ns=(ns, ns + 1))
        st = os.stat("f")
        same((st.st_atime_ns, st.st_mtime_ns), (ns, ns + 1))
    old = (10**18, 10**18)
    os.utime("f", ns=old)
    os.chmod("f", 0o600)
    st = os.stat("f")
    need(st.st_mtime_ns == 10**18 and st.st_ctime_ns > 10**18)
    with open("f", "ab") as f:
        f.write(b"2")
    need(os.stat("f").st_mtime_ns > 10**18)
    os.utime("f", ns=old)
    same(read_file("f"), b"12")
    same(os.stat("f").st_mtime_ns, 10**18)


def check_modes():
    """the umask is applied, chmod sets what it says, set-group-ID directories hand it on"""
    old = os.umask(0o027)
    try:
        os.mkdir("d")
        write_file("f", b"")
        same((os.stat("d").st_mode & 0o7777, os.stat("f").st_mode & 0o7777), (0o750, 0o640))
    finally:
        os.umask(old)
    for mode in (0, 0o7, 0o4711, 0o1777, 0o644):
        os.chmod("f", mode)
        same(os.stat("f").st_mode & 0o7777, mode)
    os.chmod("d", 0o2775)
    os.mkdir("d/sub")
    need(os.stat("d/sub").st_mode & stat.S_ISGID)


def check_set_id():
    """an ordinary user's write and truncation take the set-user-ID bit away"""
    if os.geteuid() == 0:
        raise Skip("root keeps it")
    for change in (lambda fd: os.write(fd, b"x"), lambda fd: os.ftruncate(fd, 1)):
        write_file("f", b"program")
        os.chmod("f", 0o6755)
        fd = os.open("f", os.O_RDWR)
        change(fd)
        os.close(fd)
        same(os.stat("f").st_mode & 0o7777, 0o755)
    write_file("f", b"program")
    os.chmod("f", 0o4755)
    os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))
    same(os.stat("f").st_mode & 0o7777, 0o755)


def check_owner():
    """an ordinary user cannot give files away"""
    write_file("f", b"")
    if os.geteuid() == 0:
        os.chown("f", 1234, 4321)
        st = os.stat("f")
        same((st.st_uid, st.st_gid), (1234, 4321))
        return
    fails(errno.EPERM, os.chown, "f", os.geteuid() + 1, -1)
    os.chown("f", os.geteuid(), os.getegid())


def check_xattr():
    """extended attributes: set, replace, list, remove, up to 3,900 bytes and empty"""
    write_file("f", b"")
    os.setxattr("f", "user.one", b"1")
    os.setxattr("f", "user.empty", b"")
    big = pattern(3900, 4)
    os.setxattr("f", "user.big", big)
    same(sorted(n for n in os.listxattr("f") if n.startswith("user.")),
         ["user.big", "user.empty", "user.one"])
    same((os.getxattr("f", "user.one"), os.getxattr("f", "user.empty"),
          os.getxattr("f", "user.big")), (b"1", b"", big))
    fails(errno.EEXIST, os.setxattr, "f", "user.one", b"2", os.XATTR_CREATE)
    fails(errno.ENODATA, os.setxattr, "f", "user.two", b"2", os.XATTR_REPLACE)
    os.setxattr("f", "user.one", big, os.XATTR_REPLACE)
    same(os.getxattr("f", "user.one"), big)
    os.removexattr("f", "user.one")
    fails(errno.ENODATA, os.getxattr, "f", "user.one")
    fails(errno.ENODATA, os.removexattr, "f", "user.one")
    fails(errno.EOPNOTSUPP, os.setxattr, "f", "made.up", b"")
    buf = ctypes.create_string_buffer(2)
    need(libc.getxattr(b"f", b"user.big", buf, 2) < 0 and ctypes.get_errno() == errno.ERANGE)
    for i in range(100):
        os.setxattr("f", f"user.n{i}", b"%d" % i)
    same(len(os.listxattr("f")), 102)


ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER = 1, 2, 4, 16, 32


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, perm, uid) for tag, perm, uid in entries)


NOBODY = 0xFFFFFFFF
DEFAULT_ACL = acl((ACL_USER_OBJ, 7, NOBODY), (ACL_USER, 6, 4242), (ACL_GROUP_OBJ, 5, NOBODY),
                  (ACL_MASK, 7, NOBODY), (ACL_OTHER, 0, NOBODY))


def check_acl():
    """a directory's default ACL is handed on and takes the place of the umask"""
    os.mkdir("d")
    os.setxattr("d", "system.posix_acl_default", DEFAULT_ACL)
    old = os.umask(0o077)
    try:
        write_file("d/f", b"", 0o666)
        os.mkdir("d/sub", 0o777)
    finally:
        os.umask(old)
    same(os.getxattr("d/sub", "system.posix_acl_default"), DEFAULT_ACL)
    same(os.getxattr("d/sub", "system.posix_acl_access"), DEFAULT_ACL)
    same(os.getxattr("d/f", "system.posix_acl_access"),
         acl((ACL_USER_OBJ, 6, NOBODY), (ACL_USER, 6, 4242), (ACL_GROUP_OBJ, 5, NOBODY),
             (ACL_MASK, 6, NOBODY), (ACL_OTHER, 0, NOBODY)))
    same((os.stat("d/f").st_mode & 0o777, os.stat("d/sub").st_mode & 0o777), (0o660, 0o770))
    os.chmod("d/f", 0o604)
    same(os.getxattr("d/f", "system.posix_acl_access"),
         acl((ACL_USER_OBJ, 6, NOBODY), (ACL_USER, 6, 4242), (ACL_GROUP_OBJ, 5, NOBODY),
             (ACL_MASK, 0, NOBODY), (ACL_OTHER, 4, NOBODY)))
    os.setxattr("d/f", "system.posix_acl_access",
                acl((ACL_USER_OBJ, 7, NOBODY), (ACL_GROUP_OBJ, 4, NOBODY), (ACL_OTHER, 1, NOBODY)))
    same(os.stat("d/f").st_mode & 0o777, 0o741)
    fails(errno.ENODATA, os.getxattr, "d/f", "system.posix_acl_access")


def check_flags():
    """inode flags: nodump and NOCOW can be set and are shown"""
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, NODUMP, NOCOW = 0x80086601, 0x40086602, 0x40, 0x800000
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("i", NODUMP | NOCOW))
    same(struct.unpack("i", fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(4)))[0] & (NODUMP | NOCOW),
         NODUMP | NOCOW)
    os.close(fd)
    fd = os.open("d/f", os.O_CREAT | os.O_RDWR)
    need(struct.unpack("i", fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(4)))[0] & NOCOW)
    fails(errno.ENOTTY, fcntl.ioctl, fd, 0x1234567)
    for i in range(20):
        os.pwrite(fd, pattern(100_000, i), i * 50_000)
        os.fsync(fd)
    same(os.pread(fd, 50_000, 400_000), pattern(100_000, 8)[:50_000])
    os.close(fd)


def check_immutable():
    """an immutable file cannot be changed, an append-only one only grows"""
    if os.geteuid() != 0:
        raise Skip("needs root")
    FS_IOC_SETFLAGS = 0x40086602
    write_file("f", b"fixed")
    write_file("a", b"log\n")
    fds = {name: os.open(name, os.O_RDONLY) for name in "fa"}
    fcntl.ioctl(fds["f"], FS_IOC_SETFLAGS, struct.pack("i", 0x10))
    fcntl.ioctl(fds["a"], FS_IOC_SETFLAGS, struct.pack("i", 0x20))
    try:
        fails(errno.EPERM, os.unlink, "f")
        fails(errno.EPERM, os.rename, "f", "g")
        fails(errno.EPERM, os.chmod, "f", 0o600)
        fails(errno.EPERM, os.unlink, "a")
        fails(errno.EPERM, os.truncate, "a", 0)
        fd = os.open("a", os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"more\n")
        os.close(fd)
    finally:
        for fd in fds.values():
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("i", 0))
            os.close(fd)
    same((read_file("f"), read_file("a")), (b"fixed", b"log\nmore\n"))


def check_locks():
    """flock and POSIX locks exclude other processes"""
    write_file("f", b"1")
    fd = os.open("f", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    fcntl.lockf(fd, fcntl.LOCK_EX, 1, 0)
    pid = os.fork()
    if pid == 0:
        refused = 0
        other = os.open("f", os.O_RDWR)
        for lock in (lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB),
                     lambda: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)):
            try:
                lock()
            except OSError:
                refused += 1
        os._exit(refused)
    same(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 2)
    os.close(fd)


def check_statfs():
    """statfs adds up, and a written file takes its space"""
    before = os.statvfs(".")
    need(0 < before.f_bavail <= before.f_blocks and before.f_namemax == 255)
    write_file("f", pattern(20 * MIB, 5))
    fd = os.open(".", os.O_RDONLY)
    need(ctypes.CDLL(None).syncfs(fd) == 0)  # of the whole machine os.sync() would be
    os.close(fd)
    after = os.statvfs(".")
    taken = (before.f_bavail - after.f_bavail) * before.f_frsize
    need(15 * MIB <= taken <= 60 * MIB, f"{taken} bytes taken by a file of 20 MiB")


def check_many_writers():
    """eight processes making, writing, renaming and removing at once"""
    pids = []
    for worker in range(8):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.mkdir(f"w{worker}")
                for i in range(200):
                    name = f"w{worker}/f{i}"
                    data = pattern(1 + (i * 977) % 70_000, worker * 1000 + i)
                    write_file(name, data)
                    os.rename(name, f"shared-{worker}-{i}")
                    same(read_file(f"shared-{worker}-{i}"), data)
                    if i % 3 == 0:
                        os.unlink(f"shared-{worker}-{i}")
                os.rmdir(f"w{worker}")
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    same([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids], [0] * 8)
    same(len(os.listdir(".")), 8 * 133)
    for worker in range(8):
        for i in range(200):
            if i % 3:
                same(read_file(f"shared-{worker}-{i}"),
                     pattern(1 + (i * 977) % 70_000, worker * 1000 + i))


# ------------------------------------------------------------------------------------------------


def run(number, name, check, top):
    where = os.path.join(top, name)
    os.mkdir(where)
    os.chdir(where)
    title = (check.__doc__ or name).strip()
    try:
        check()
        print(f"ok {number} - {title}")
    except Skip as why:
        print(f"ok {number} - {title} # SKIP {why}")
    except Exception as e:  # whatever it is, it is this check's
        print(f"not ok {number} - {title}")
        print(f"# {name}: {type(e).__name__}: {e}", file=sys.stderr)
        line = e.__traceback__
        while line:
            if line.tb_frame.f_code.co_name.startswith("check_"):
                print(f"# {name}: line {line.tb_lineno}", file=sys.stderr)
            line = line.tb_next
        return 1
    finally:
        sys.stdout.flush()
        os.chdir(top)
    return 0


def main():
    top = os.path.abspath(sys.argv[1])
    wanted = sys.argv[2:]
    checks = [(n, c) for n, c in globals().items() if n.startswith("check_")]
    checks = [(n, c) for n, c in checks if not wanted or n[6:] in wanted]
    print(f"1..{len(checks)}")
    bad = sum([run(i + 1, n, c, top) for i, (n, c) in enumerate(checks)])
    sys.exit(bad > 0)


main()
