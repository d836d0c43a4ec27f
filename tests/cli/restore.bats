#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: copse restore brings out what can be read, says what cannot, and changes no byte.
# (tests/rescue/seeds.py damages at random; here are the options, and one case of each kind.)

setup() {
    cd "$BATS_TEST_TMPDIR"
}

golden() { # NAME
    zstd -dqf "$COPSE_SOURCE/tests/golden/$1.img.zst" -o golden.img
}

# t.img: files of many kinds, a subvolume, a snapshot.
populate() {
    mkdir -p in/dir
    seq 5000 >in/dir/numbers
    head -c 300000 /dev/urandom >in/noise
    printf small >in/dir/small
    ln in/noise in/dir/hard
    ln -s dir/small in/link
    truncate -s 3M in/sparse
    printf end >>in/sparse
    mkfifo in/fifo
    setfattr -n user.colour -v blue in/noise
    chmod 4711 in/dir/small
    touch -d 2001-02-03T04:05:06Z in/dir/numbers in/dir
    "$COPSE" mkfs -q -n 4k -b 160M t.img
    "$COPSE" cp -aq in/. t.img:/
    "$COPSE" subvolume create t.img:/sub >/dev/null
    "$COPSE" cp -aq in/dir t.img:/sub/
    "$COPSE" subvolume snapshot t.img:/sub t.img:/snap >/dev/null
    sha256sum t.img >before
}

# Where the superblock has a number of 8 bytes: root tree 80, chunk tree 88.
super_number() { # OFFSET
    od -An -tu8 -j $((65536 + $1)) -N 8 t.img | tr -d ' '
}

# Zeroes a block in all copies, wherever its header names its own address.
zero_block() { # ADDRESS
    python3 - "$1" <<'END'
import struct, sys
address, size = int(sys.argv[1]), 4096
with open("t.img", "r+b") as file:
    data = file.read()
    for at in range(0, len(data), size):
        if struct.unpack_from("<Q", data, at + 48)[0] == address:
            file.seek(at)
            file.write(bytes(size))
END
}

shape() { # DIR
    (cd "$1" && find . -path ./sub -prune -o -path ./snap -prune -o -printf '%P %y %m %n %l %s %T@\n' | grep -v '^ ' | sort)
}

@test "a sound file system comes out as it is, snapshots with -s" {
    populate
    mkdir out all
    run "$COPSE" restore t.img out
    [ "$status" = 0 ]
    [[ $output == *"1 snapshots left out"* ]]
    sha256sum -c before
    diff <(shape in) <(shape out)
    diff -r --no-dereference in/dir out/sub/dir
    cmp in/noise out/noise
    [ "$(getfattr --only-values -n user.colour out/noise)" = blue ]
    [ "$(stat -c %i out/noise)" = "$(stat -c %i out/dir/hard)" ]
    [ "$(stat -c %b out/sparse)" -lt 100 ]
    [ ! -e out/snap ]
    "$COPSE" restore -s t.img all
    diff -r in/dir all/snap/dir
}

@test "filters, one subvolume, dry run, what is there stays" {
    populate
    mkdir a b c d
    "$COPSE" restore --include 'num*' t.img a 2>/dev/null
    [ "$(cd a && find . -type f | sort | xargs)" = "./dir/numbers ./sub/dir/numbers" ]
    [ ! -e a/fifo ]
    "$COPSE" restore --exclude dir --exclude sparse t.img b 2>/dev/null
    [ "$(cd b && find . -mindepth 1 | sort | xargs)" = "./fifo ./link ./noise ./sub" ]
    "$COPSE" restore --path-regex '^/(|dir(|/small))$' t.img c 2>/dev/null
    [ "$(cd c && find . -type f | xargs)" = ./dir/small ]
    "$COPSE" restore -r 256 t.img d
    diff -r in/dir d/dir
    run "$COPSE" restore -D t.img
    [ "$status" = 0 ]
    [[ $output == *dir/numbers* ]]
    run "$COPSE" restore -r 256 t.img d
    [ "$status" = 1 ]
    [[ $output == *"dir/numbers: not without -o: File exists"* ]]
    "$COPSE" restore -o -r 256 t.img d
    run "$COPSE" restore -r 999 t.img d
    [ "$status" = 1 ]
    [[ $output == *"no subvolume 999"* ]]
}

@test "without root tree, chunk tree, extent tree and checksum tree" {
    local tree
    populate
    zero_block "$(super_number 80)"
    zero_block "$(super_number 88)"
    for tree in extent csum free-space block-group uuid; do
        for block in $("$COPSE" --format json inspect find-roots -t "$tree" t.img 2>/dev/null |
            sed -n 's/.*"bytenr": *\([0-9]*\).*/\1/p'); do
            zero_block "$block"
        done
    done
    mkdir out
    run "$COPSE" restore -s t.img out
    [ "$status" = 0 ] || [ "$status" = 1 ]
    diff -r --no-dereference in/dir out/dir
    cmp in/noise out/noise
    [ -n "$(find out -path '*/dir/numbers' | sed -n 3p)" ]
}

@test "a lost leaf is said by name, what is around it comes out" {
    populate
    block=$("$COPSE" inspect dump-tree -t 5 t.img | sed -n 's/^leaf \([0-9]*\) .*/\1/p' | tail -1)
    zero_block "$block"
    sha256sum t.img >before
    mkdir out
    run "$COPSE" restore t.img out
    [ "$status" = 1 ]
    [[ $output == *"tree FS_TREE block $block"* ]]
    [[ $output == *": lost: "* ]]
    sha256sum -c before
}

@test "data with a wrong checksum is left out, or taken when asked for" {
    populate
    python3 - <<'END'
noise = open("in/noise", "rb").read(4096)
with open("t.img", "r+b") as file:
    data = file.read()
    at = data.find(noise)
    while at >= 0:
        file.seek(at)
        file.write(b"X")
        at = data.find(noise, at + 1)
END
    mkdir out taken
    run "$COPSE" restore t.img out
    [ "$status" = 1 ]
    # It has two names, of which either may come first.
    [[ $output == *": lost: bytes 0 to 4096: no good copy"* ]]
    cmp -i 4096 in/noise out/noise
    [ "$(head -c 1 out/noise | od -An -tx1)" = " 00" ]
    "$COPSE" restore --ignore-checksums t.img taken
    cmp -i 1 in/noise taken/noise
    [ "$(head -c 1 taken/noise)" = X ]
}

@test "images that Linux made come out as copse sees them" {
    local name
    for name in lzo sector-64k oldest mixed converted; do
        [ -e "$COPSE_SOURCE/tests/golden/$name.img.zst" ] || continue
        golden "$name"
        rm -rf out seen
        mkdir out
        "$COPSE" rm -f golden.img:/sparse/beyond-4e # too large for most hosts
        run "$COPSE" restore -s golden.img out
        [ "$status" = 0 ] || { echo "$name: $output"; return 1; }
        "$COPSE" cp -aq golden.img:/ seen
        diff <(cd out && find . -type f -exec sha256sum {} + | sort) <(cd seen && find . -type f -exec sha256sum {} + | sort)
    done
}

@test "find-roots shows the roots of now and of before" {
    populate
    run "$COPSE" inspect find-roots t.img
    [ "$status" = 0 ]
    [[ $output == *"tree 1 (root)"*"block $(super_number 80) generation "*" in use current"* ]]
    run "$COPSE" --format json inspect find-roots -t root t.img
    [ "$status" = 0 ]
    [[ $output == *'"bytenr": '"$(super_number 80)"* ]]
    run "$COPSE" inspect find-roots -t nonsense t.img
    [ "$status" = 2 ]
}

@test "what is no btrfs is refused" {
    truncate -s 1M none.img
    mkdir out
    run "$COPSE" restore none.img out
    [ "$status" = 1 ]
    [[ $output == *"not btrfs"* || $output == *"superblock"* ]]
    run "$COPSE" restore none.img
    [ "$status" = 2 ]
}
