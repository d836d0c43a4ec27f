# SPDX-License-Identifier: GPL-2.0-or-later
"""Stores through shared mappings, then snapshots and the like, in a mount with subvolumes a and b.

DIR: makes them; DIR look: says what is there after another mount. Prints TAP."""
import errno
import fcntl
import mmap
import os
import struct
import sys
import threading


def _ioc(direction, letter, number, size):
    return direction << 30 | size << 16 | letter << 8 | number


SNAP_CREATE = _ioc(1, 0x94, 1, 4096)
SETFLAGS = _ioc(1, 0x94, 26, 8)
DEDUPE = _ioc(3, 0xC0, 7, 56)
READ_ONLY = 2

FILES = 3
SIZE = 3 << 20
STEP = SIZE // 4  # few pages: the kernel soon writes many by itself
AT_ONCE = 40  # more than the mount has workers
count = 0


def check(what, got, expected):
    global count
    count += 1
    print(f"{'ok' if got == expected else 'not ok'} {count} - {what}")
    if got != expected:
        print(f"#   got {got!r}, expected {expected!r}")


def mapped(path, size=SIZE):
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, size)
    memory = mmap.mmap(fd, size)
    os.close(fd)
    return memory


def fill(memory, byte):
    for at in range(0, len(memory), STEP):
        memory[at:at + 8] = byte * 8


def content(path):
    """The bytes found at the places that fill() stores into, and the size."""
    with open(path, "rb") as file:
        data = file.read()
    return {bytes(data[at:at + 8]) for at in range(0, len(data), STEP)}, len(data)


def ask(path, command, data):
    """By ioctl, because a child process closes what it inherits, which writes the pages.

    0 with what came back in data, or the errno's name."""
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, command, data)
        return 0
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.close(fd)


def make(top):
    path = lambda *names: os.path.join(top, *names)
    source = os.open(path("a"), os.O_RDONLY)

    def snapshot(name):
        return ask(top, SNAP_CREATE, bytearray(struct.pack("<q4088s", source, name.encode())))

    many = [mapped(path("a", f"f{i}")) for i in range(FILES)]
    for memory in many:
        fill(memory, b"1")
    check("snapshot", snapshot("s"), 0)
    for memory in many:
        fill(memory, b"2")
    for i in range(FILES):
        check(f"has the stores made before and none made later, file {i}",
              content(path("s", f"f{i}")), ({b"1" * 8}, SIZE))

    answers = []
    threads = []
    for i in range(AT_ONCE):
        fill(many[i % FILES], b"%c" % (65 + i))
        threads.append(threading.Thread(target=lambda name: answers.append(snapshot(name)),
                                        args=(f"s{i}",)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    check("many at once", answers, [0] * AT_ONCE)

    with open(path("b", "x"), "wb") as file:
        file.write(b"d" * STEP)
    same = mapped(path("b", "y"), STEP)
    with open(path("b", "y"), "r+b") as file:
        file.write(b"d" * (STEP - 8))
    same[STEP - 8:] = b"d" * 8
    data = bytearray(struct.pack("<QQQQQQiI", os.stat(path("b")).st_ino >> 40,
                                 os.stat(path("b", "x")).st_ino & (1 << 40) - 1, 0, STEP, 0, 0, 0,
                                 0))
    check("dedupe", ask(path("b", "y"), DEDUPE, data), 0)
    check("sees what was stored", struct.unpack("<QQQQQQiI", data)[5:7], (STEP, 0))

    memory = mapped(path("b", "f"))
    fill(memory, b"3")
    check("read-only", ask(path("b"), SETFLAGS, bytearray(struct.pack("<Q", READ_ONLY))), 0)
    fill(memory, b"4")
    try:
        memory.flush()
        check("a store after that is refused by msync", "taken", "EROFS")
    except OSError as error:
        check("a store after that is refused by msync", errno.errorcode[error.errno], "EROFS")


def look(top):
    check("the snapshot has the stores made before", content(os.path.join(top, "s", "f0")),
          ({b"1" * 8}, SIZE))
    check("the last of many has its store",
          content(os.path.join(top, f"s{AT_ONCE - 1}", f"f{(AT_ONCE - 1) % FILES}")),
          ({b"%c" % (64 + AT_ONCE) * 8}, SIZE))
    check("the subvolume has those made before it became read-only",
          content(os.path.join(top, "b", "f")), ({b"3" * 8}, SIZE))


(look if len(sys.argv) > 2 else make)(sys.argv[1])
print(f"1..{count}")
