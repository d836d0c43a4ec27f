#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Trees for tests of send and receive.

stream_tree.py change SEED COUNT DIR      random operations in DIR, on btrfs
stream_tree.py compare A B [WHAT...]      exit 1 and the first differences unless B is a copy of A;
                                          WHAT: ctime, seek (SEEK_DATA), prealloc, sharing,
                                          root-times
"""
import ctypes
import errno
import fcntl
import hashlib
import os
import random
import shutil
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
FICLONERANGE, FS_IOC_FIEMAP = 0x4020940D, 0xC020660B
BLOCK = 4096
FIEMAP_UNWRITTEN, FIEMAP_NO_ADDRESS = 0x800, 0x20E


# ---- changing ------------------------------------------------------------------------------------

def names(top):
    """Directories, files and everything else below top, as paths."""
    dirs, files, others = [top], [], []
    for at, below, rest in os.walk(top):
        dirs += [os.path.join(at, name) for name in below
                 if not os.path.islink(os.path.join(at, name))]
        others += [os.path.join(at, name) for name in below
                   if os.path.islink(os.path.join(at, name))]
        for name in rest:
            path = os.path.join(at, name)
            (files if stat.S_ISREG(os.lstat(path).st_mode) else others).append(path)
    return sorted(dirs), sorted(files), sorted(others)


class Changer:
    def __init__(self, seed, top):
        self.rng = random.Random(seed)
        self.top = top

    def fresh(self, dirs):
        """A name that may be taken: few names, so that they meet again."""
        name = self.rng.choice(["a", "b", "c", "d", "e", "f", "gg", "long-" + "x" * 90,
                                "o257-7-0", "sp ace", "\\x"])
        return os.path.join(self.rng.choice(dirs), name)

    def offset(self):
        at = self.rng.choice([0, 1, 100, 4096, 8192, 20000, 65536, 131072, 200000, 300000])
        return at if self.rng.random() < 0.7 else at // BLOCK * BLOCK

    def data(self, length):
        if self.rng.random() < 0.4:
            return bytes([self.rng.randrange(256)]) * length
        return self.rng.randbytes(length)

    def length(self):
        return self.rng.choice([1, 50, 3000, 4096, 5000, 16384, 70000, 140000, 262144])

    def make(self, dirs, path):
        kind = self.rng.randrange(12)
        if kind < 5:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(fd, self.data(self.length()))
            os.close(fd)
        elif kind < 8:
            os.mkdir(path)
        elif kind == 8:
            os.symlink(self.rng.choice(["x", "../y", "/etc/passwd", "z" * 300]), path)
        elif kind == 9:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(self.rng.randrange(300), 7))
        elif kind == 10:
            os.mkfifo(path)
        else:
            at = path
            for _ in range(self.rng.randrange(2, 30)):
                os.mkdir(at)
                at = os.path.join(at, "deep")

    def write(self, path):
        fd = os.open(path, os.O_RDWR)
        os.pwrite(fd, self.data(self.length()), self.offset())
        os.close(fd)

    def allocate(self, path):
        mode = self.rng.choice([0, 1, 3, 3, 3, 16, 17])
        fd = os.open(path, os.O_RDWR)
        libc.fallocate(fd, mode, ctypes.c_long(self.offset()), ctypes.c_long(self.length()))
        os.close(fd)

    def clone(self, source, target):
        src, dst = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR)
        size = os.fstat(src).st_size
        start = self.offset() // BLOCK * BLOCK
        length = min(self.length() // BLOCK * BLOCK or BLOCK, max(0, size // BLOCK * BLOCK - start))
        if self.rng.random() < 0.3:
            start, length = 0, 0
        to = 0 if length == 0 else self.offset() // BLOCK * BLOCK
        try:
            fcntl.ioctl(dst, FICLONERANGE, struct.pack("=qQQQ", src, start, length, to))
        finally:
            os.close(src)
            os.close(dst)

    def attribute(self, path):
        name = self.rng.choice(["user.a", "user.b", "trusted.c", "security.capability"])
        if name == "security.capability" and not stat.S_ISREG(os.lstat(path).st_mode):
            name = "trusted.c"
        if name.startswith("user.") and not stat.S_ISREG(os.lstat(path).st_mode) and \
                not stat.S_ISDIR(os.lstat(path).st_mode):
            name = "trusted.c"
        if self.rng.random() < 0.3:
            os.removexattr(path, name, follow_symlinks=False)
        elif name == "security.capability":
            value = struct.pack("<5L", 0x02000001, 1 << self.rng.randrange(30), 0, 0, 0)
            os.setxattr(path, name, value)
        else:
            os.setxattr(path, name, self.data(self.rng.choice([0, 1, 10, 500])),
                        follow_symlinks=False)

    def step(self):
        dirs, files, others = names(self.top)
        every = dirs[1:] + files + others
        kind = self.rng.randrange(100)
        pick = self.rng.choice
        if kind < 22 or not every:
            self.make(dirs, self.fresh(dirs))
        elif kind < 40:
            os.rename(pick(every), self.fresh(dirs))
        elif kind < 48:
            one, other = os.fsencode(pick(every)), os.fsencode(pick(every))
            if libc.renameat2(-100, one, -100, other, 2) < 0:
                raise OSError(ctypes.get_errno(), "exchange")
        elif kind < 53 and files:
            os.link(pick(files), self.fresh(dirs))
        elif kind < 60 and files + others:
            os.unlink(pick(files + others))
        elif kind < 63 and len(dirs) > 1:
            shutil.rmtree(pick(dirs[1:]))
        elif kind < 66 and every:
            victim = pick(every)
            shutil.rmtree(victim) if victim in dirs else os.unlink(victim)
            self.make(dirs, victim)
        elif kind < 74 and files:
            self.write(pick(files))
        elif kind < 78 and files:
            os.truncate(pick(files), self.offset())
        elif kind < 83 and files:
            self.allocate(pick(files))
        elif kind < 90 and files:
            self.clone(pick(files), pick(files))
        elif kind < 94:
            self.attribute(pick(every + [self.top]))
        elif kind < 96:
            os.chown(pick(every + [self.top]), self.rng.randrange(3), self.rng.randrange(3),
                     follow_symlinks=False)
        elif kind < 98:
            path = pick(dirs + files)
            os.chmod(path, pick([0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o600]))
        else:
            when = self.rng.randrange(1 << 31) * 10**9 + self.rng.randrange(10**9)
            os.utime(pick(every + [self.top]), ns=(when, when + 1), follow_symlinks=False)


def change(seed, count, top):
    changer = Changer(seed, top)
    for _ in range(count):
        try:
            changer.step()
        except OSError as error:
            # What cannot be done (a name that is taken, a directory below itself) is left out.
            if error.errno in (errno.EIO, errno.EROFS, errno.EUCLEAN, errno.ENOSPC):
                raise


# ---- comparing -----------------------------------------------------------------------------------

def extents(fd):
    start = 0
    while True:
        buf = bytearray(struct.pack("=QQLLLL", start, (1 << 64) - 1 - start, 1, 0, 64, 0) +
                        bytes(56 * 64))
        fcntl.ioctl(fd, FS_IOC_FIEMAP, buf)
        count = struct.unpack_from("=L", buf, 20)[0]
        for i in range(count):
            offset, address, length = struct.unpack_from("=QQQ", buf, 32 + 56 * i)
            flags = struct.unpack_from("=L", buf, 32 + 56 * i + 40)[0]
            yield offset, address, length, flags
            start = offset + length
        if count == 0 or flags & 1:
            return


def merged(ranges):
    out = []
    for begin, end in ranges:
        if out and out[-1][1] == begin:
            out[-1] = (out[-1][0], end)
        else:
            out.append((begin, end))
    return out


def data_segments(fd, size):
    at = 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        yield begin, at


def describe_file(fd, path, what, blocks):
    size = os.fstat(fd).st_size
    digest = hashlib.sha1()
    os.lseek(fd, 0, os.SEEK_SET)
    while chunk := os.read(fd, 1 << 20):
        digest.update(chunk)
    out = {"size": size, "data": digest.hexdigest()}
    if "seek" in what:
        out["segments"] = list(data_segments(fd, size))
    found = list(extents(fd))
    if "prealloc" in what:
        # Where the block at the end has no data, no stream can say what lies behind the end: Linux
        # would write that block.
        limit = size + -size % BLOCK
        if limit == size or any(end == size for _, end in data_segments(fd, size)):
            limit = 1 << 63
        out["prealloc"] = merged((o, min(o + n, limit)) for o, _, n, f in found
                                 if f & FIEMAP_UNWRITTEN and o < limit)
    for offset, address, length, flags in found:
        if not flags & (FIEMAP_NO_ADDRESS | FIEMAP_UNWRITTEN):
            # A block with the end of a file in it cannot be cloned between files of other sizes.
            for at in range(0, min(length, size - offset) // BLOCK * BLOCK, BLOCK):
                blocks.setdefault(address + at, set()).add((path, offset + at))
    return out


def describe_one(path, shown, what, blocks):
    st = os.lstat(path)
    out = {"mode": oct(st.st_mode), "owner": (st.st_uid, st.st_gid), "mtime": st.st_mtime_ns}
    if "ctime" in what:
        out["ctime"] = st.st_ctime_ns
    # Linux moves things through the root and does not say afterwards what its times were.
    if shown == "." and "root-times" not in what:
        out.pop("mtime"), out.pop("ctime", None)
    out["xattrs"] = {name: os.getxattr(path, name, follow_symlinks=False)
                     for name in os.listxattr(path, follow_symlinks=False)}
    if stat.S_ISDIR(st.st_mode):
        return out
    out["links"], out["atime"] = st.st_nlink, st.st_atime_ns
    if stat.S_ISLNK(st.st_mode):
        out["target"] = os.readlink(path)
    elif stat.S_ISREG(st.st_mode):
        fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
        out.update(describe_file(fd, shown, what, blocks))
        os.close(fd)
    else:
        out["device"] = st.st_rdev
    return out


def describe(top, what):
    tree, linked, blocks = {}, {}, {}
    for at, below, rest in os.walk(top):
        for name in [""] + sorted(rest) + [n for n in below
                                           if os.path.islink(os.path.join(at, n))]:
            path = os.path.join(at, name) if name else at
            shown = os.path.relpath(path, top)
            tree[shown] = describe_one(path, shown, what, blocks)
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                linked.setdefault(os.lstat(path).st_ino, []).append(shown)
    groups = sorted(sorted(group) for group in linked.values() if len(group) > 1)
    shared = [sorted(places) for places in blocks.values() if len(places) > 1]
    return tree, groups, shared


def compare(a, b, what):
    tree_a, links_a, shared_a = describe(a, what)
    tree_b, links_b, shared_b = describe(b, what)
    wrong = []
    for path in sorted(set(tree_a) | set(tree_b)):
        one, other = tree_a.get(path), tree_b.get(path)
        if one is None or other is None:
            wrong.append(f"{path}: only in {a if other is None else b}")
        elif one != other:
            wrong += [f"{path}: {key}: {one.get(key)} {other.get(key)}"
                      for key in sorted(set(one) | set(other)) if one.get(key) != other.get(key)]
    if links_a != links_b:
        wrong.append(f"links: {links_a} {links_b}")
    if "sharing" in what:
        groups = {}
        for number, places in enumerate(shared_b):
            for place in places:
                groups[place] = number
        for places in shared_a:
            if len({groups.get(place, place) for place in places}) > 1:
                wrong.append(f"no longer shared: {places[:3]}")
                break
    for line in wrong[:10]:
        print(line[:300])
    return 1 if wrong else 0


def main(args):
    if args[0] == "change":
        change(int(args[1]), int(args[2]), args[3])
        return 0
    return compare(args[1], args[2], args[3:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
