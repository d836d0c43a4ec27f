#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: copse image and btrfs-image read each other's dumps, no content of files is in them, and
# with -s no name of more than four bytes.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

populate() {
    mkdir -p in/directory-one
    printf 'secret-content' >in/directory-one/secret-name
    head -c 100000 /dev/urandom >in/large-file
    ln -s secret-target in/symbolic-link
    printf x >in/abc
    setfattr -n user.attribute -v secret-value in/large-file
    for i in $(seq 300); do printf "$i" >"in/directory-one/numbered-file-$i"; done
    "$COPSE" mkfs -q -n 4k -b 160M t.img
    "$COPSE" cp -aq in/. t.img:/
    "$COPSE" subvolume create t.img:/subvolume >/dev/null
    "$COPSE" cp -aq in/. t.img:/subvolume
    "$COPSE" subvolume snapshot t.img:/subvolume t.img:/snapshot-one >/dev/null
}

need() {
    command -v "$1" >/dev/null || skip "no $1"
}

@test "a dump restored has the same tree, and changes nothing before" {
    populate
    sha256sum t.img >before
    "$COPSE" image t.img plain
    "$COPSE" image -c 9 t.img packed
    sha256sum -c before
    [ "$(stat -c %s packed)" -lt "$(($(stat -c %s plain) / 2))" ]
    "$COPSE" ls -lR t.img:/ | sed "s/ -> .*//" >want # where a link leads is content
    for dump in plain packed; do
        "$COPSE" image -r $dump $dump.img
        "$COPSE" ls -lR $dump.img:/ 2>/dev/null | sed "s/ -> .*//" | diff want -
        "$COPSE" check $dump.img
        run "$COPSE" image -r $dump $dump.img
        [ "$status" = 1 ]
        [[ $output == *"not without -f: File exists"* ]]
        run "$COPSE" mkdir $dump.img:/new
        [ "$status" = 1 ]
    done
    ! grep -aq secret-content plain plain.img
    grep -aq secret-name plain
}

@test "with -s names are others, and everything still fits" {
    populate
    "$COPSE" image -s t.img dump
    for word in secret-content secret-name secret-target secret-value directory-one numbered-file large-file \
        snapshot-one; do
        ! grep -aq "$word" dump || { echo "$word"; return 1; }
    done
    "$COPSE" image -r dump out.img
    "$COPSE" check out.img
    "$COPSE" ls out.img:/ | grep -qx abc
    [ "$("$COPSE" ls -R t.img:/ | wc -l)" = "$("$COPSE" ls -R out.img:/ | wc -l)" ]
    "$COPSE" image -ss t.img more
    "$COPSE" image -r more more.img
    ! "$COPSE" check -q more.img >/dev/null 2>&1
}

@test "btrfs-image restores what copse dumped, and btrfs check accepts it" {
    need btrfs-image
    need btrfs
    populate
    for how in "" "-c 5" "-s"; do
        rm -f dump out.img
        # shellcheck disable=SC2086
        "$COPSE" image $how t.img dump
        btrfs-image -r dump out.img
        btrfs check out.img
        "$COPSE" ls -R out.img:/ >seen
        [ -n "$how" ] && [ "$how" = -s ] || "$COPSE" ls -R t.img:/ | diff - seen
    done
}

@test "copse restores what btrfs-image dumped" {
    need btrfs-image
    need btrfs
    populate
    "$COPSE" ls -lR t.img:/ | sed "s/ -> .*//" >want # where a link leads is content
    for level in 0 9; do
        rm -f dump out.img
        btrfs-image -c $level t.img dump
        "$COPSE" image -r dump out.img
        "$COPSE" ls -lR out.img:/ 2>/dev/null | sed "s/ -> .*//" | diff want -
        btrfs check out.img
    done
}

@test "of a damaged file system everything readable is dumped; what is no dump is refused" {
    zstd -dqf "$COPSE_SOURCE/tests/golden/damage-leaf.img.zst" -o bad.img
    run "$COPSE" image bad.img dump
    [ "$status" = 0 ]
    [[ $output == *"checksum is wrong"* ]]
    "$COPSE" image -r dump out.img
    run "$COPSE" image -r bad.img none.img
    [ "$status" = 1 ]
    [[ $output == *"no metadata dump"* ]]
    head -c 3000 dump >short
    run "$COPSE" image -r short none.img
    [ "$status" = 1 ]
    run "$COPSE" image -c 12 bad.img dump
    [ "$status" = 2 ]
}
