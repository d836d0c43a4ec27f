#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Promise: of a file system with damaged metadata, `copse restore` brings out every file of which all
blocks still exist, as it was, by its name where that can be known; and at least what `btrfs restore`
brings out. The image is not changed.

seeds.py COPSE: TAP. RESTORE_SEEDS: how many (6); COPSE_SEED: the first one. RESTORE_BTRFS=no: without
the comparison."""

import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import blocks  # noqa: E402

COPSE = os.path.abspath(sys.argv[1])
SEEDS = int(os.environ.get("RESTORE_SEEDS", "6"))
FIRST = int(os.environ.get("COPSE_SEED", "1"), 0)
BTRFS = shutil.which("btrfs") if os.environ.get("RESTORE_BTRFS") != "no" else None


def run(*args, **more):
    return subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def copse(*args):
    done = run(COPSE, *args)
    if done.returncode != 0:
        sys.exit("copse %s: %s" % (" ".join(args), done.stderr.decode()))


# ---- file systems to be damaged ------------------------------------------------------------------


def fill(path, rng, files, tag):
    """Files none of which is like another."""
    os.makedirs(path)
    folders = [path]
    for i in range(files // 8):
        folder = os.path.join(rng.choice(folders[-8:]), "folder-%s-%d" % (tag, i))
        os.mkdir(folder)
        folders.append(folder)
    for i in range(files):
        name = os.path.join(rng.choice(folders), "file-%s-%d-%s" % (tag, i, "x" * rng.randrange(60)))
        size = rng.choice([rng.randrange(20, 1500), rng.randrange(20, 1500), rng.randrange(3000, 60000)])
        with open(name, "wb") as out:
            out.write(("%s %d " % (tag, i)).encode() + rng.randbytes(size))
            if rng.random() < 0.1:
                out.seek(1 << 20)
                out.write(rng.randbytes(5000))
        os.chmod(name, rng.choice([0o644, 0o600, 0o755, 0o4711]))
        if rng.random() < 0.2:
            os.setxattr(name, "user.tag", rng.randbytes(rng.randrange(1, 300)))
        if rng.random() < 0.05:
            os.link(name, os.path.join(rng.choice(folders), "link-%s-%d" % (tag, i)))


def make(image, rng, *options):
    """Several transactions, a subvolume, a snapshot, changes on both sides of it."""
    with tempfile.TemporaryDirectory() as host:
        copse("mkfs", "-q", "--seed", "1", "-b", "160M", *options, image)
        for i, (tag, where, files) in enumerate([("a", "/", 160), ("b", "/sub", 90), ("c", "/", 40), ("d", "/sub", 50)]):
            if i == 1:
                copse("subvolume", "create", image + ":/sub")
            if i == 3:
                copse("subvolume", "snapshot", image + ":/sub", image + ":/snap")
            source = os.path.join(host, tag)
            fill(source, rng, files, tag)
            copse("cp", "-aq", source, image + ":" + where)
        for tag, where in [("a", "/a"), ("b", "/sub/b")]:
            gone = sorted(os.path.relpath(os.path.join(at, name), os.path.join(host, tag))
                    for at, _, names in os.walk(os.path.join(host, tag)) for name in names)
            copse("rm", *("%s:%s/%s" % (image, where, name) for name in rng.sample(gone, 12)))


# ---- what there is and what comes out --------------------------------------------------------------


def look(top):
    """All files below, by what is in them: {(content, mode, xattrs): {path, ...}}"""
    found = {}
    for at, _, names in os.walk(top):
        for name in names:
            path = os.path.join(at, name)
            st = os.lstat(path)
            if not stat.S_ISREG(st.st_mode):
                continue
            with open(path, "rb") as file:
                content = hashlib.sha1(file.read()).digest()
            xattrs = tuple((key, os.getxattr(path, key)) for key in sorted(os.listxattr(path)) if key.startswith("user."))
            found.setdefault((content, stat.S_IMODE(st.st_mode), xattrs), set()).add(os.path.relpath(path, top))
    return found


class Truth:
    """One base image: what is in it, and in which blocks."""

    def __init__(self, path):
        self.path = path
        self.image = blocks.Image(path)
        self.digest = self.sum()
        self.whole = {}
        with tempfile.TemporaryDirectory() as out:
            copse("cp", "-aq", path + ":/", out)
            for what, paths in look(out).items():
                self.whole[what] = paths
            self.by_path = {name: what for what, paths in self.whole.items() for name in paths}
            self.inodes = self.find_inodes(out)

    def sum(self):
        with open(self.path, "rb") as file:
            total = 0
            for data in iter(lambda: file.read(1 << 20), b""):
                total = zlib.crc32(data, total)
        return total

    def find_inodes(self, out):
        """path: (tree, inode), of files and directories"""
        listed, ids = {}, {"": 5}
        for line in run(COPSE, "subvolume", "list", self.path + ":/").stdout.decode().splitlines():
            words = line.split()
            ids[words[-1]] = int(words[1])
        for at, folders, names in os.walk(out):
            for name in folders + names:
                path = os.path.relpath(os.path.join(at, name), out)
                top = path.split("/")[0]
                tree = ids[top] if top in ids else 5
                listed[path] = (tree, None)
        args = sorted(listed)
        for i in range(0, len(args), 200):
            part = args[i:i + 200]
            lines = run(COPSE, "ls", "-di", *("%s:/%s" % (self.path, name) for name in part)).stdout.decode().splitlines()
            for name, line in zip(part, lines):
                listed[name] = (listed[name][0], int(line.split()[0]) & ((1 << 40) - 1))
        return listed

    def demand(self, lost):
        """Files of which all blocks still exist: [(what, path, name must be right)]"""
        image, gone = self.image, {}
        for tree, leaves in image.leaves.items():
            for key, bytenr in leaves.items():
                if bytenr in lost:
                    gone.setdefault(tree, set()).add(key[0])
        for path, (tree, ino) in self.inodes.items():
            if path not in self.by_path or ino in gone.get(tree, ()):
                continue
            if all(b in lost for b in image.trees[tree] if image.blocks[b].owner == tree):
                # Nothing that is its own is left: that the tree was there cannot be known.
                continue
            up, named = os.path.dirname(path), True
            while up:
                at = self.inodes[up]
                named &= at[1] not in gone.get(at[0], ())
                up = os.path.dirname(up)
            named &= not any(gone_top in gone.get(t, ()) for t, gone_top in [(tree, 256), (5, 256)])
            named &= not any(b in lost for b in image.trees[blocks.ROOT_TREE])
            yield self.by_path[path], path, named


# ---- damage ------------------------------------------------------------------------------------------


def damage(truth, rng):
    """Sectors to be changed: {offset: new bytes}; and the blocks that are lost by it."""
    image, changes, lost = truth.image, {}, set()
    all_blocks = sorted(image.blocks)
    sector = 4096
    for _ in range(rng.choice([1, 2, 5, 10, rng.randrange(1, 51), 50])):
        block = image.blocks[rng.choice(all_blocks)]
        within = rng.randrange(image.nodesize // sector) * sector
        how, both = rng.choice(["zero", "flip", "noise"]), rng.random() < 0.6
        for copy in block.copies if both else [rng.choice(block.copies)]:
            old = changes.get(copy + within) or image.read(copy + within, sector)
            if how == "zero":
                new = bytes(sector)
            elif how == "noise":
                new = rng.randbytes(sector)
            else:
                at = rng.randrange(sector)
                new = old[:at] + bytes([old[at] ^ (1 << rng.randrange(8))]) + old[at + 1:]
            changes[copy + within] = new
    for block in image.blocks.values():
        def touched(copy):
            return any(copy + at in changes and changes[copy + at] != image.read(copy + at, sector)
                       for at in range(0, image.nodesize, sector))
        if all(touched(copy) for copy in block.copies):
            lost.add(block.bytenr)
    return changes, lost


class Damaged:
    """The image with the changes, for a while."""

    def __init__(self, truth, changes):
        self.path, self.changes = truth.path, changes
        self.old = {offset: truth.image.read(offset, len(data)) for offset, data in changes.items()}

    def write(self, changes):
        with open(self.path, "r+b") as file:
            for offset, data in changes.items():
                file.seek(offset)
                file.write(data)

    def __enter__(self):
        self.write(self.changes)

    def __exit__(self, *_):
        self.write(self.old)


def by_map(image, lost):
    """Whether the places of chunks can be known: from the chunk tree, or else from the device tree."""
    def whole(tree):
        return not any(b in lost for b in image.trees[tree])
    return whole(blocks.CHUNK_TREE) or whole(blocks.DEV_TREE)


# ---- one seed ----------------------------------------------------------------------------------------

totals = {"demanded": 0, "out": 0, "btrfs": 0, "blocks": 0}


def try_seed(truths, seed, scratch):
    rng = random.Random(seed)
    truth = truths[seed % len(truths)]
    changes, lost = damage(truth, rng)
    out, other, wrong = os.path.join(scratch, "out"), os.path.join(scratch, "btrfs"), []
    os.mkdir(out)
    os.mkdir(other)
    try:
        with Damaged(truth, changes):
            done = run(COPSE, "restore", "-s", truth.path, out)
            if BTRFS:
                run(BTRFS, "restore", "-smxSi", truth.path, other)
        if done.returncode not in (0, 1):
            wrong.append("exit status %d: %s" % (done.returncode, done.stderr.decode()[-300:]))
        found, theirs = look(out), look(other)
        demanded = list(truth.demand(lost)) if by_map(truth.image, lost) else []
        if done.returncode == 0 and any(what not in found for what in truth.whole):
            wrong.append("exit status 0 though something is lost")
        for what, path, named in demanded:
            if what not in found:
                wrong.append("not brought out: " + path)
            elif named and path not in found[what]:
                wrong.append("brought out as %s: %s" % (sorted(found[what]), path))
        # What a file was is compared with nothing but its content: btrfs restore makes modes up.
        contents, true = {what[0] for what in found}, {what[0] for what in truth.whole}
        for what in theirs:
            if what[0] in true and what[0] not in contents:
                wrong.append("btrfs restore has it: %s" % sorted(theirs[what]))
        totals["demanded"] += len({what for what, _, _ in demanded})
        totals["out"] += len(contents & true)
        totals["btrfs"] += len({what[0] for what in theirs} & true)
        totals["blocks"] += len(lost)
        if wrong and os.environ.get("RESTORE_SHOW"):
            wrong.append(done.stderr.decode())
        if wrong:
            wrong.append("lost: " + " ".join("%d(tree %d level %d)" % (b, truth.image.blocks[b].owner, truth.image.blocks[b].level) for b in sorted(lost)))
    finally:
        shutil.rmtree(out)
        shutil.rmtree(other)
    return wrong


def main():
    bases = [["-n", "4096"], ["-n", "16384"], ["-n", "4096", "-m", "single"]]
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        truths = []
        for i, options in enumerate(bases):
            path = os.path.join(scratch, "base%d.img" % i)
            make(path, random.Random(1000 + i), *options)
            truths.append(Truth(path))
        print("1..%d" % (SEEDS + 1 + (0 if BTRFS else 1)))
        for seed in range(FIRST, FIRST + SEEDS):
            wrong = try_seed(truths, seed, scratch)
            bad += bool(wrong)
            print("%s %d - seed %d" % ("not ok" if wrong else "ok", seed - FIRST + 1, seed))
            for line in wrong[:12] + wrong[-1:]:
                print("# " + line.replace("\n", "\n# "))
            if wrong:
                print("# replay: COPSE_SEED=%d RESTORE_SEEDS=1 %s" % (seed, sys.argv[0]), flush=True)
        same = all(truth.sum() == truth.digest for truth in truths)
        print("%s %d - the images are not changed" % ("ok" if same else "not ok", SEEDS + 1))
        if not BTRFS:
            print("ok %d - at least what btrfs restore brings out # SKIP no btrfs" % (SEEDS + 2))
        print("# %d blocks lost; %d files all of whose blocks exist; brought out: %d by copse, %d by btrfs restore"
              % (totals["blocks"], totals["demanded"], totals["out"], totals["btrfs"]))
    sys.exit(1 if bad or not same else 0)


main()
