# SPDX-License-Identifier: GPL-2.0-or-later
"""What Linux answers to the ioctls of subvolumes, asked of the directory named; prints TAP."""
import errno
import fcntl
import os
import struct
import sys


def _ioc(direction, number, size):
    return direction << 30 | size << 16 | 0x94 << 8 | number


SNAP_CREATE = _ioc(1, 1, 4096)
SUBVOL_CREATE = _ioc(1, 14, 4096)
SNAP_DESTROY = _ioc(1, 15, 4096)
INO_LOOKUP = _ioc(3, 18, 4096)
SNAP_CREATE_V2 = _ioc(1, 23, 4096)
SUBVOL_CREATE_V2 = _ioc(1, 24, 4096)
GETFLAGS = _ioc(2, 25, 8)
SETFLAGS = _ioc(1, 26, 8)
SNAP_DESTROY_V2 = _ioc(1, 63, 4096)
GET_INFO = _ioc(2, 60, 504)
READ_ONLY = 2

count = 0


def ask(directory, command, data):
    """The errno's name, or the bytes that came back."""
    fd = os.open(directory, os.O_RDONLY)
    data = bytearray(data)
    try:
        fcntl.ioctl(fd, command, data)
        return bytes(data)
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.close(fd)


def args(name, fd=0):
    return struct.pack("<q4088s", fd, name)


def args_v2(name, fd=0, flags=0, subvol=None):
    if subvol is not None:
        return struct.pack("<qQQ4QQ4032s", 0, 0, 16, 0, 0, 0, 0, subvol, b"")
    return struct.pack("<qQQ4Q4040s", fd, 0, flags, 0, 0, 0, 0, name)


def check(what, got, expected):
    global count
    count += 1
    if isinstance(got, bytes):
        got = "done" if expected in ("done",) else got
    good = got == expected
    print(f"{'ok' if good else 'not ok'} {count} - {what}")
    if not good:
        print(f"#   got {got!r}, expected {expected!r}")


def main(top):
    path = lambda *names: os.path.join(top, *names)
    opened = lambda *names: os.open(path(*names), os.O_RDONLY)

    os.mkdir(path("dir"))
    open(path("file"), "w").close()
    check("create", ask(top, SUBVOL_CREATE, args(b"one")), "done")
    check("create, second form", ask(top, SUBVOL_CREATE_V2, args_v2(b"two")), "done")
    check("both are there", sorted(os.listdir(top)), ["dir", "file", "one", "two"])
    for name, expected in [(b"", "EACCES"), (b".", "EEXIST"), (b"..", "EEXIST"),
                           (b"a/b", "EINVAL"), (b"x" * 256, "ENAMETOOLONG"), (b"dir", "EEXIST"),
                           (b"one", "EEXIST")]:
        check(f"create {name[:10]}", ask(top, SUBVOL_CREATE, args(name)), expected)
    check("create in a file", ask(path("file"), SUBVOL_CREATE, args(b"q")), "ENOTDIR")
    open(path("one", "inside"), "w").close()
    check("snapshot", ask(top, SNAP_CREATE, args(b"snap", opened("one"))), "done")
    check("has what was there", os.listdir(path("snap")), ["inside"])
    check("read-only", ask(top, SNAP_CREATE_V2, args_v2(b"ro", opened("one"), READ_ONLY)), "done")
    check("of a read-only one", ask(top, SNAP_CREATE, args(b"rw", opened("ro"))), "done")
    check("into itself", ask(path("one"), SNAP_CREATE, args(b"self", opened("one"))), "done")
    check("in which it is not", os.listdir(path("one", "self")), ["inside"])
    check("of a directory", ask(top, SNAP_CREATE, args(b"q", opened("dir"))), "EINVAL")
    check("of a file", ask(top, SNAP_CREATE, args(b"q", opened("file"))), "EINVAL")
    check("of nothing", ask(top, SNAP_CREATE, args(b"q", 999)), "EBADF")
    other = os.open("/proc", os.O_RDONLY)
    check("of another file system", ask(top, SNAP_CREATE, args(b"q", other)), "EXDEV")
    check("over something", ask(top, SNAP_CREATE, args(b"dir", opened("one"))), "EEXIST")
    check("in a read-only one", ask(path("ro"), SNAP_CREATE, args(b"q", opened("one"))), "EROFS")
    check("unknown flags", ask(top, SNAP_CREATE_V2, args_v2(b"q", opened("one"), 512)), "ENOTSUP")

    check("flags", ask(path("ro"), GETFLAGS, bytes(8)), struct.pack("<Q", READ_ONLY))
    check("flags of a directory", ask(path("dir"), GETFLAGS, bytes(8)), "EINVAL")
    check("writable", ask(path("ro"), SETFLAGS, struct.pack("<Q", 0)), "done")
    open(path("ro", "new"), "w").close()
    check("read-only again", ask(path("ro"), SETFLAGS, struct.pack("<Q", READ_ONLY)), "done")
    check("unknown flags", ask(path("ro"), SETFLAGS, struct.pack("<Q", 4)), "ENOTSUP")
    answer = ask(path("one", "self"), INO_LOOKUP, struct.pack("<QQ4080s", 0, 256, b""))
    tree = struct.unpack_from("<Q", answer)[0]
    info = ask(path("one", "self"), GET_INFO, bytes(504))
    check("tree and name", (tree, info[8:12]), (struct.unpack_from("<Q", info)[0], b"self"))

    for name, expected in [(b"dir", "EINVAL"), (b"file", "ENOTDIR"), (b"none", "ENOENT"),
                           (b".", "EACCES"), (b"..", "EINVAL"), (b"", "EACCES"), (b"a/b", "EINVAL"),
                           (b"x" * 256, "ENAMETOOLONG"), (b"one", "ENOTEMPTY")]:
        check(f"delete {name[:10]}", ask(top, SNAP_DESTROY, args(name)), expected)
    check("delete the top level", ask(top, SNAP_DESTROY_V2, args_v2(b"", subvol=5)), "EINVAL")
    check("delete what is not there", ask(top, SNAP_DESTROY_V2, args_v2(b"", subvol=999)), "ENOENT")
    check("delete by id", ask(top, SNAP_DESTROY_V2, args_v2(b"", subvol=tree)), "done")
    check("it is gone", os.listdir(path("one")), ["inside"])
    held = os.open(path("snap", "inside"), os.O_RDWR)
    for name in [b"snap", b"ro", b"rw", b"one"]:
        check(f"delete {name}", ask(top, SNAP_DESTROY, args(name)), "done")
    try:
        os.write(held, b"more")
        check("a file of it", "written", "ESTALE")
    except OSError as error:
        check("a file of it", errno.errorcode[error.errno], "ESTALE")
    os.close(held)
    check("the rest is there", sorted(os.listdir(top)), ["dir", "file", "two"])
    print(f"1..{count}")


main(sys.argv[1])
