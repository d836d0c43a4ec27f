#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: what cp copies is what was there, whichever side is in an image.
load common

setup() {
    setup_image
    mkdir -p tree/sub/empty
    head -c 300000 /dev/urandom >tree/large
    echo small >tree/sub/small
    : >tree/none
    truncate -s 10M tree/sparse
    printf data | dd of=tree/sparse bs=1 seek=5000000 conv=notrunc status=none
    ln tree/large tree/sub/link
    ln -s ../large tree/sub/symlink
    ln -s /absent tree/dangling
    mkfifo tree/pipe
    chmod 1755 tree/sub
    chmod 600 tree/large
    touch -h -d @1000000001.5 tree/large tree/dangling
    touch -d @1000000002.25 tree/sub
}

# Everything that cp -a keeps, a line a file. A directory's size and link count are the host's.
describe() {
    (cd "$1" && find . -printf '%p %y %m %T@ %l ' \( -type d -printf '\n' -o -printf '%n %s\n' \) |
        sort)
}

@test "a tree goes in and comes out the same" {
    "$copse" cp -a tree $image:/
    "$copse" cp -a $image:/tree out
    diff <(describe tree) <(describe out)
    diff -r --no-dereference --exclude=pipe tree out
    [ "$(stat -c %i out/large)" = "$(stat -c %i out/sub/link)" ]
    judge
}

@test "holes stay holes" {
    "$copse" cp tree/sparse $image:/
    [ "$("$copse" io $image:/sparse -c 'seek -d 0' | tail -1)" != "$(printf 'DATA\t0')" ]
    "$copse" cp $image:/sparse out
    cmp tree/sparse out
    [ "$(stat -c %b out)" -lt 1000 ]
}

@test "a root has no name: its contents are copied" {
    "$copse" cp -r tree/. $image:/
    [ "$("$copse" ls $image:/sub)" = "$(printf 'empty\nlink\nsmall\nsymlink')" ]
    mkdir there
    "$copse" cp -r $image:/ there
    "$copse" cp -r $image:/ absent
    diff <(cd there && find . | sort) <(cd absent && find . | sort)
    [ -f there/large ]
}

@test "an absent destination becomes the copy, an existing directory takes it" {
    "$copse" cp -r tree/sub $image:/new
    "$copse" cp -r tree/sub $image:/new
    [ "$("$copse" ls $image:/new)" = "$(printf 'empty\nlink\nsmall\nsub\nsymlink')" ]
    "$copse" cp tree/large tree/none $image:/new
    fails 1 'Not a directory$' "$copse" cp tree/large tree/none $image:/new/large
    fails 1 'tree: Is a directory$' "$copse" cp tree $image:/x
}

@test "within one file system it reflinks" {
    "$copse" cp tree/large $image:/a
    "$copse" cp $image:/a $image:/b
    used=$("$copse" df --raw $image | sed -n 's/^Data.*used=//p')
    [ "$used" -lt 400000 ]
    [[ $("$copse" io $image:/b -c 'fiemap -v') == *0x2001 ]]
    cmp tree/large <("$copse" cat $image:/b)
    judge
}

@test "across file systems it copies" {
    "$copse" mkfs -q -b 128M other.img
    "$copse" cp -a tree $image:/
    "$copse" cp -a $image:/tree other.img:/
    "$copse" cp -a other.img:/tree out
    diff <(describe tree) <(describe out)
    judge other.img
}

@test "standard input becomes a file" {
    head -c 3000000 /dev/urandom >input
    "$copse" cp - $image:/f <input
    cmp input <("$copse" cat $image:/f)
    echo short | "$copse" cp - $image:/f
    [ "$("$copse" cat $image:/f)" = short ]
    fails 1 'Is a directory$' "$copse" cp - $image:/ <input
}

@test "owners are set by --owner and kept by -a" {
    "$copse" cp --owner 5:6 tree/none $image:/f
    [[ $("$copse" ls -l $image:/f) == *" 5 6 "* ]]
    "$copse" cp -a $image:/f $image:/g
    [[ $("$copse" ls -l $image:/g) == *" 5 6 "* ]]
    "$copse" cp $image:/f $image:/h
    [[ $("$copse" ls -l $image:/h) == *" 0 0 "* ]]
}

@test "a directory is not copied into itself" {
    "$copse" mkdir -p $image:/a/b
    fails 1 'a directory cannot be copied into itself: Invalid argument$' "$copse" cp -r $image:/a $image:/a/b
    judge
}

@test "a full file system is an error that keeps what was copied" {
    "$copse" mkdir $image:/d
    head -c 30000000 /dev/urandom >big
    "$copse" cp big $image:/d/1
    fails 1 'No space left on device$' "$copse" cp big $image:/d/2
    cmp big <("$copse" cat $image:/d/1)
    judge
}

@test "what an open image holds is not copied on top of it" {
    image=image.img # in this directory, by its own name
    "$copse" mkfs -q -b 128M $image
    head -c 300000 /dev/urandom >big
    "$copse" cp big $image:/big
    "$copse" cp big $image:/$image
    ln $image hard
    ln -s $image symbolic
    for onto in $image hard symbolic; do
        fails 1 "^copse cp: $onto: a file system that is open: Device or resource busy$" \
            "$copse" cp $image:/big $onto
    done
    fails 1 "$image: a file system that is open" "$copse" cp -r $image:/ .
    "$copse" rm $image:/$image
    "$copse" ln -s big $image:/$image
    fails 1 "$image: a file system that is open" "$copse" cp -a $image:/$image .
    [ "$(stat -c %s $image)" = $((128 << 20)) ]
    fails 1 'the same file: File exists$' "$copse" cp $image:/big $image:/big
    "$copse" subvolume snapshot -r $image:/ $image:/snapshot
    fails 1 "^copse send: $image: a file system that is open" "$copse" send -q -f $image $image:/snapshot
    cmp big <("$copse" cat $image:/big)
    judge $image
}
