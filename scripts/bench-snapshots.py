# SPDX-License-Identifier: GPL-2.0-or-later
"""bench-snapshots.py kernel|LIBRARY WHERE on|off COUNT: one world of bench-snapshots.sh.

Prints lines "what<TAB>milliseconds" (a mean of one, or of all), and the memory taken, in MiB."""
import ctypes
import fcntl
import os
import resource
import struct
import subprocess
import sys
import time


class Copse:
    def __init__(self, library, image, quotas):
        self.lib = ctypes.CDLL(library)
        self.lib.copse_root.restype = ctypes.c_void_p
        self.fs = ctypes.c_void_p()
        self.check(self.lib.copse_open((ctypes.c_char_p * 1)(image.encode()), 1, None,
                                       ctypes.byref(self.fs)))
        self.root = ctypes.c_void_p(self.lib.copse_root(self.fs))
        if quotas:
            self.check(self.lib.copse_quota_enable(self.fs, False))
            self.check(self.lib.copse_quota_rescan(self.fs, True))
        self.src = self.walk("/src")

    @staticmethod
    def check(ret):
        if ret < 0:
            raise OSError(-ret, os.strerror(-ret))

    def walk(self, path):
        node = ctypes.c_void_p()
        self.check(self.lib.copse_walk(self.fs, None, path.encode(), 0, ctypes.byref(node)))
        return node

    def snapshot(self, name):
        node = ctypes.c_void_p()
        self.check(self.lib.copse_subvol_snapshot(self.src, self.root, name.encode(), len(name),
                                                  None, ctypes.byref(node)))
        self.lib.copse_node_put(node)

    def write(self, path):
        node, done = self.walk(path), ctypes.c_size_t()
        self.check(self.lib.copse_pwrite(node, b"y" * 4096, ctypes.c_size_t(4096),
                                         ctypes.c_uint64(0), ctypes.byref(done)))
        self.lib.copse_node_put(node)

    def delete(self, name):
        self.check(self.lib.copse_subvol_delete(self.root, name.encode(), len(name)))

    def sync(self):
        self.check(self.lib.copse_sync(self.fs))

    def clean(self):
        left = ctypes.c_uint(1)
        while left.value:
            self.check(self.lib.copse_subvol_clean(self.fs, ctypes.byref(left)))

    def close(self):
        self.lib.copse_node_put(self.src)
        self.lib.copse_node_put(self.root)
        self.check(self.lib.copse_close(self.fs))

    @staticmethod
    def memory():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Kernel:
    SNAP_CREATE_V2, SNAP_DESTROY = 0x50009417, 0x5000940F

    def __init__(self, mount, quotas):
        self.mount = mount
        if quotas:
            subprocess.check_call(["btrfs", "quota", "enable", mount])
            subprocess.check_call(["btrfs", "quota", "rescan", "-w", mount],
                                  stdout=subprocess.DEVNULL)
        self.root = os.open(mount, os.O_RDONLY)
        self.src = os.open(mount + "/src", os.O_RDONLY)

    def snapshot(self, name):
        args = bytearray(struct.pack("=qQQ32x4040s", self.src, 0, 0, name.encode()))
        fcntl.ioctl(self.root, self.SNAP_CREATE_V2, args)

    def write(self, path):
        with open(self.mount + path, "r+b", buffering=0) as file:
            file.write(b"y" * 4096)

    def delete(self, name):
        fcntl.ioctl(self.root, self.SNAP_DESTROY,
                    bytearray(struct.pack("=q4088s", 0, name.encode())))

    def sync(self):
        subprocess.check_call(["btrfs", "filesystem", "sync", self.mount])

    def clean(self):
        subprocess.check_call(["btrfs", "subvolume", "sync", self.mount],
                              stdout=subprocess.DEVNULL)

    def close(self):
        os.close(self.src)
        os.close(self.root)

    @staticmethod
    def memory():
        return 0


def timed(what):
    start = time.monotonic()
    what()
    return (time.monotonic() - start) * 1000


def say(what, value):
    print("%s\t%.3f" % (what, value), flush=True)


def edges(what, times):
    say(what + ", first ten", sum(times[:10]) / len(times[:10]))
    say(what + ", last ten", sum(times[-10:]) / len(times[-10:]))


def main():
    kind, where, quotas, count = sys.argv[1], sys.argv[2], sys.argv[3] == "on", int(sys.argv[4])
    world = Kernel(where, quotas) if kind == "kernel" else Copse(kind, where, quotas)
    names = ["s%d" % i for i in range(count)]

    times = [timed(lambda name=name: world.snapshot(name)) for name in names]
    edges("a snapshot", times)
    say("all snapshots and a sync", sum(times) + timed(world.sync))
    durable = ["d%d" % i for i in range(min(count, 20))]
    times = []
    for name in durable:
        times.append(timed(lambda name=name: (world.snapshot(name), world.sync())))
    say("a durable snapshot after these", sum(times) / len(times))
    times = [timed(lambda name=name: world.write("/%s/d0/f0" % name)) for name in names]
    edges("a write to each", times)
    say("all writes and a sync", sum(times) + timed(world.sync))
    start = time.monotonic()
    for name in names[::2]:
        world.delete(name)
    world.sync()
    world.clean()
    world.sync()
    say("deleting half of them", (time.monotonic() - start) * 1000)
    world.close()
    say("memory of the process, MiB", world.memory())


main()
