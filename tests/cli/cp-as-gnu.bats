#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: cp leaves behind what GNU cp leaves, and fails where it fails: copying in, out and within.
# Each row is tried in one of the three ways in turn, with CP_ALL=1 in all of them.
load common

# OPTIONS|SOURCES|DESTINATION
rows=(
    '|f|absent'
    '|f|file'
    '|f|existing'
    '|f|existing/'
    '|f|absent/'
    '|f|file/'
    '|f|absent/deeper'
    '|f|clash'
    '|f|tofile'
    '|f|todangling'
    '|f|todir'
    '|f|todir/'
    '|f|ro'
    '|f g|existing'
    '|f g|existing/'
    '|f g|file'
    '|f g|absent'
    '|f two/f|full'
    '|f none g|full'
    '|dir|absent'
    '|link|absent'
    '|link|existing'
    '|dangling|absent'
    '|f/|absent'
    '|none|absent'
    '|sparse|absent'
    '-r|dir|absent'
    '-r|dir|absent/'
    '-r|dir/|absent'
    '-r|dir/|full'
    '-r|dir/.|full'
    '-r|dir/.|absent'
    '-r|dir|full'
    '-r|dir|file'
    '-r|dir|existing'
    '-r|dir|todir'
    '-r|dir empty|full'
    '-r|dir f|absent'
    '-r|.|absent'
    '-r|.|full'
    '-r|dir/..|full'
    '-r|link|absent'
    '-r|dangling|absent'
    '-r|dlink|absent'
    '-r|dlink/|absent'
    '-r|fifo|absent'
    '-r|f|absent/'
    '-r|f|clash'
    '-a|dir|absent'
    '-a|.|full'
    '-a|link|absent'
    '-a|dlink|todir'
    '-a|f g|full'
    '-a|g dir|full'
    '-a|dangling|todangling'
    '-a|link|tofile'
    '-a|link|todir'
    '-a|fifo|file'
    '-r|link|file'
    '-r|empty|file'
    '-r|empty|absent/x'
    '-a|empty|full/dir'
    '-r|two/f f|full'
    '-a|f|tofile'
    '-r|f|tofile'
    '-a|f|todangling'
    '-a|dlink/|absent'
    '-r|dir dir|full'
    '|f f|full'
)

# Sources in s, in d what is there before.
make_trees() {
    rm -rf s d
    mkdir -p s/dir/sub s/empty s/two d/existing/dir d/clash/f d/full/dir/sub
    echo f >s/f && chmod 640 s/f
    echo g >s/g && ln s/g s/dir/hard
    echo deep >s/dir/sub/x && chmod 750 s/dir
    echo other >s/two/f
    ln -s ../f s/dir/l && ln -s f s/link && ln -s nowhere s/dangling && ln -s dir s/dlink
    mkfifo s/fifo
    truncate -s 1M s/sparse && echo end >>s/sparse
    echo old >d/file && chmod 600 d/file
    echo old2 >d/existing/f && echo old3 >d/existing/dir/sub
    echo keep >d/full/keep && echo old >d/full/dir/sub/x
    ln -s file d/tofile && ln -s nope d/todangling && ln -s existing d/todir
    echo ro >d/ro && chmod 444 d/ro
}

# Every command commits, which waits for a disk: in memory where there is such a place.
setup() {
    work=$(mktemp -d -p /dev/shm copse-cp.XXXXXX 2>/dev/null) || work=$BATS_TEST_TMPDIR
}

teardown() {
    rm -rf "$work"
}

# What is in a directory, but for the directory's own attributes.
picture() {
    (cd "$1" && find . -mindepth 1 -printf '%P %y %m %l ' \( -type f -printf '%s %n ' -exec cksum {} \; \
        -o -printf '\n' \) | sort)
}

# with PREFIX NAME...: each with the prefix in front, in the array `named`.
with() {
    local prefix=$1
    shift
    named=("${@/#/$prefix}")
}

# Each sets got: the exit status, and leaves the picture in got.tree.
copy_in() {
    "$copse" cp -a d/. t.img:/
    with s/ $sources
    got=0 && "$copse" cp $options "${named[@]}" "t.img:/$destination" 2>got.err || got=$?
    "$copse" cp -a t.img:/ out && picture out >got.tree
}

copy_out() {
    "$copse" cp -a s/. t.img:/
    with t.img:/ $sources
    got=0 && "$copse" cp $options "${named[@]}" "d/$destination" 2>got.err || got=$?
    picture d >got.tree
}

copy_within() {
    "$copse" cp -a s d t.img:/
    with t.img:/s/ $sources
    got=0 && "$copse" cp $options "${named[@]}" "t.img:/d/$destination" 2>got.err || got=$?
    "$copse" cp -a t.img:/d out && picture out >got.tree
}

@test "cp does as GNU cp" {
    cp --version | grep -q GNU || skip "cp is not GNU's"
    [ "$(id -u)" = 0 ] || rows=("${rows[@]/%|ro/|absent}") # root alone writes to a read-only file
    local ways=(copy_in copy_out copy_within) n=0 row way expected got named
    cd "$work"
    "$copse" mkfs -q -b 128M empty.img
    for row in "${rows[@]}"; do
        IFS='|' read -r options sources destination <<<"$row"
        make_trees
        with s/ $sources
        expected=0 && cp $options "${named[@]}" "d/$destination" 2>expected.err || expected=$?
        picture d >expected.tree
        for way in "${ways[@]}"; do
            ((n++ % 3 == 0)) || [ -n "${CP_ALL-}" ] || continue
            make_trees
            rm -rf out t.img && cp --sparse=always empty.img t.img
            $way
            [ $got = $expected ] && cmp -s expected.tree got.tree || {
                echo "$way: cp $row: exit $got, GNU $expected"
                cat expected.err got.err
                diff expected.tree got.tree
                return 1
            }
        done
        ((++n))
    done
}
