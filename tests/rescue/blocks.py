# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tree blocks a sound image has, where their copies lie, and which items are in them. It looks
with its own eyes: nothing here is shared with what is tested."""

import struct

HEADER = 101
NODE_SIZE_MAX = 65536
ROOT_TREE, EXTENT_TREE, CHUNK_TREE, DEV_TREE, FS_TREE = 1, 2, 3, 4, 5
INODE_ITEM, INODE_REF, DIR_ITEM, DIR_INDEX, EXTENT_DATA, ROOT_ITEM, CHUNK_ITEM = 1, 12, 84, 96, 108, 132, 228


class Block:
    def __init__(self, bytenr, owner, generation, level, keys, copies):
        self.bytenr, self.owner, self.generation, self.level = bytenr, owner, generation, level
        self.keys, self.copies = keys, copies


class Image:
    def __init__(self, path):
        self.file = open(path, "rb")
        sb = self.read(65536, 4096)
        self.generation, self.root, self.chunk_root = struct.unpack_from("<QQQ", sb, 72)
        self.sectorsize, self.nodesize = struct.unpack_from("<II", sb, 144)
        self.chunks = []  # (logical, length, type, [physical, ...])
        size, at = struct.unpack_from("<I", sb, 160)[0], 811
        while at < 811 + size:
            logical = struct.unpack_from("<Q", sb, at + 9)[0]
            at += 17 + self.add_chunk(logical, sb[at + 17:])
        self.blocks = {}
        self.trees = {}  # id: {addresses of its blocks}
        self.leaves = {}  # id: {key: address of the leaf}
        self.roots = {}
        self.walk(CHUNK_TREE, self.chunk_root, self.see_chunk)
        self.walk(ROOT_TREE, self.root, self.see_root)
        for tree, bytenr in list(self.roots.items()):
            self.walk(tree, bytenr, None)

    def read(self, offset, size):
        self.file.seek(offset)
        return self.file.read(size)

    def add_chunk(self, logical, item):
        length, _, _, kind = struct.unpack_from("<QQQQ", item)
        stripes = struct.unpack_from("<H", item, 44)[0]
        copies = [struct.unpack_from("<QQ", item, 48 + 32 * i)[1] for i in range(stripes)]
        if all(chunk[0] != logical for chunk in self.chunks):
            self.chunks.append((logical, length, kind, copies))
        return 48 + 32 * stripes

    def places(self, logical):
        for start, length, _, copies in self.chunks:
            if start <= logical < start + length:
                return [copy + logical - start for copy in copies]
        raise ValueError(logical)

    def see_chunk(self, key, item):
        if key[1] == CHUNK_ITEM:
            self.add_chunk(key[2], item)

    def see_root(self, key, item):
        if key[1] == ROOT_ITEM:
            self.roots[key[0]] = struct.unpack_from("<Q", item, 176)[0]

    def walk(self, tree, bytenr, see):
        self.trees.setdefault(tree, set()).add(bytenr)
        copies = self.places(bytenr)
        data = self.read(copies[0], self.nodesize)
        generation, owner, count, level = struct.unpack_from("<QQIB", data, 80)
        keys = []
        for i in range(count):
            at = HEADER + i * (33 if level else 25)
            key = struct.unpack_from("<QBQ", data, at)
            keys.append(key)
            if level:
                self.walk(tree, struct.unpack_from("<Q", data, at + 17)[0], see)
                continue
            self.leaves.setdefault(tree, {})[key] = bytenr
            if see:
                offset, size = struct.unpack_from("<II", data, at + 17)
                see(key, data[HEADER + offset:HEADER + offset + size])
        if bytenr not in self.blocks:
            self.blocks[bytenr] = Block(bytenr, owner, generation, level, keys, copies)
