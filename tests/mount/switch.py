#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Seeded timings of: write, store through a mapping, switch to read-only, send, write again through
descriptors from before the switch. switch.py COPSE MOUNT SCRATCH COUNT SEED; speaks TAP.

The promise (I9): what was accepted before the switch is received, what comes after it is refused."""
import errno, mmap, os, random, subprocess, sys, threading

copse, top, scratch, count, seed = sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:6])
number = 0


def result(good, name, why=""):
    global number
    number += 1
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    if not good and why:
        print(f"# {why}", file=sys.stderr)


def run(*args):
    subprocess.run([copse, *args], check=True, stdout=subprocess.DEVNULL)


def generation(path):
    shown = subprocess.run([copse, "subvolume", "show", path], check=True, capture_output=True,
                           text=True).stdout
    return next(line.split()[-1] for line in shown.splitlines() if "Generation:" in line)


class Scene:
    """A subvolume with files that are written in every way, and what must be in them."""

    def __init__(self, rng, name):
        self.rng, self.path = rng, f"{top}/{name}"
        run("subvolume", "create", self.path)
        self.files = {}
        for i in range(rng.randint(1, 4)):
            fd = os.open(f"{self.path}/f{i}", os.O_RDWR | os.O_CREAT, 0o600)
            size = rng.choice([0, 1, 4095, 65536, 110592, rng.randint(1, 1 << 20)])
            self.files[i] = [fd, bytearray(rng.randbytes(size)), None]
            os.pwrite(fd, self.files[i][1], 0)
            if size and rng.random() < 0.6:
                self.files[i][2] = mmap.mmap(fd, size)

    def change(self):
        """A write or a store somewhere; known as soon as it is accepted."""
        i = self.rng.randrange(len(self.files))
        fd, data, mapping = self.files[i]
        piece = self.rng.randbytes(self.rng.randint(1, 70000))
        at = self.rng.randint(0, len(data))
        if mapping is not None and self.rng.random() < 0.6:
            piece = piece[:len(mapping) - min(at, len(mapping))]
            mapping[at:at + len(piece)] = piece
        else:
            os.pwrite(fd, piece, at)
        data[at:at + len(piece)] = piece

    def refused(self):
        """Whether writing through each old descriptor is now."""
        for fd, _, _ in self.files.values():
            try:
                os.pwrite(fd, b"late", 0)
                return False
            except OSError as error:
                if error.errno != errno.EROFS:
                    return False
        return True

    def equals(self, path):
        return all(open(f"{path}/f{i}", "rb").read() == bytes(data)
                   for i, (_, data, _) in self.files.items())

    def close(self):
        for fd, _, mapping in self.files.values():
            if mapping is not None:
                mapping.close()
            os.close(fd)


def background(rng, stop):
    """Writeback and commits at any time."""
    while not stop.is_set():
        fd = os.open(f"{top}/noise", os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(fd, rng.randbytes(100), 0)
        os.fsync(fd)
        os.close(fd)


def one(rng, at):
    scene = Scene(rng, "sv")
    stop = threading.Event()
    noise = threading.Thread(target=background, args=(random.Random(at), stop))
    if rng.random() < 0.5:
        noise.start()
    why = ""
    for _ in range(rng.randint(0, 20)):
        scene.change()
    if rng.random() < 0.3:
        run("sync", top)
        scene.change()
    run("property", "set", scene.path, "ro", "true")
    before = generation(scene.path)
    send = subprocess.Popen([copse, "send", "-q", "-f", f"{scratch}/s", scene.path])
    if not scene.refused():
        why = "a write behind the switch was accepted"
    if send.wait() != 0:
        why = "send failed"
    if not scene.refused():
        why = "a write behind send was accepted"
    if generation(scene.path) != before:
        why = "the generation of its root changed"
    run("subvolume", "snapshot", "-r", scene.path, f"{top}/later")
    run("send", "-q", "-p", scene.path, "-f", f"{scratch}/i", f"{top}/later")
    os.makedirs(f"{top}/in", exist_ok=True)
    run("receive", "-q", "-f", f"{scratch}/s", f"{top}/in")
    run("receive", "-q", "-f", f"{scratch}/i", f"{top}/in")
    for name in ("sv", "in/sv", "in/later"):
        if not why and not scene.equals(f"{top}/{name}"):
            why = f"{name} has other bytes than were accepted"
    stop.set()
    if noise.ident:
        noise.join()
    scene.close()
    run("subvolume", "delete", scene.path, f"{top}/later", f"{top}/in/sv", f"{top}/in/later")
    return why


for at in range(seed, seed + count):
    why = one(random.Random(at), at)
    if why:
        result(False, f"seed {at}", why)
        break
else:
    result(True, f"{count} timings, from seed {seed}")
print(f"1..{number}")
