#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# copse reclaim, and that what is cut out of a file becomes free without being asked for.

setup() {
    cd "$BATS_TEST_TMPDIR"
    "$COPSE" mkfs -b 128M t.img >/dev/null
}

used() {
    "$COPSE" df --raw "$1" | sed -n 's/^Data, .*used=//p'
}

@test "a hole punched into an extent is free when the command is done" {
    "$COPSE" io -f t.img:/f -c 'pwrite -q 0 12m'
    [ "$(used t.img)" = $((12 << 20)) ]
    "$COPSE" io t.img:/f -c 'fpunch 4m 4m'
    [ "$(used t.img)" = $((8 << 20)) ]
    # Both ends are what they were.
    run "$COPSE" io t.img:/f -c 'pread -q -v 8m 16'
    [[ $output == *"cd cd cd cd"* ]]
}

@test "little is had back when asked for, of a file or of all" {
    "$COPSE" io -f t.img:/f -c 'pwrite -q 0 4m' -c fsync -c 'fpunch 1m 8k'
    "$COPSE" io -f t.img:/g -c 'pwrite -q 0 4m' -c fsync -c 'fpunch 1m 16k'
    [ "$(used t.img)" = $((8 << 20)) ]
    run "$COPSE" reclaim --raw t.img:/f
    [ "$status" = 0 ]
    [ "$output" = "Freed: 8192" ]
    run "$COPSE" --format json reclaim t.img
    [ "$status" = 0 ]
    [[ $output == *'"freed": 16384'* ]]
    run "$COPSE" reclaim --raw t.img
    [ "$output" = "Freed: 0" ]
    [ "$(used t.img)" = $(((8 << 20) - 24576)) ]
}

@test "what a snapshot shares waits for it" {
    "$COPSE" subvolume create t.img:/s
    "$COPSE" io -f t.img:/s/f -c 'pwrite -q 0 4m'
    "$COPSE" subvolume snapshot t.img:/s t.img:/snap
    "$COPSE" io t.img:/s/f -c 'fpunch 1m 1m'
    run "$COPSE" reclaim --raw t.img:/s
    [ "$output" = "Freed: 0" ]
    [ "$(used t.img)" = $((4 << 20)) ]
}

@test "what is left of a snapshot is had back when the original is gone" {
    "$COPSE" subvolume create t.img:/s
    "$COPSE" io -f t.img:/s/f -c 'pwrite -q 0 4m'
    "$COPSE" subvolume snapshot t.img:/s t.img:/snap
    "$COPSE" io t.img:/s/f -c 'pwrite -q 0 4m'
    "$COPSE" io t.img:/snap/f -c 'fpunch 1m 8k'
    "$COPSE" subvolume delete t.img:/s
    "$COPSE" subvolume sync t.img:/
    run "$COPSE" reclaim --raw t.img
    [ "$output" = "Freed: 8192" ]
    [ "$(used t.img)" = $(((4 << 20) - 8192)) ]
}

@test "neither a file nor a subvolume is refused, and so is what is not there" {
    "$COPSE" mkdir t.img:/d
    run "$COPSE" reclaim t.img:/d
    [ "$status" = 1 ]
    [[ $output == *"Invalid argument" ]]
    run "$COPSE" reclaim t.img:/nothing
    [ "$status" = 1 ]
    [[ $output == *"No such file or directory" ]]
    run "$COPSE" reclaim
    [ "$status" = 2 ]
}

judge() {
    ! command -v btrfs >/dev/null || btrfs check "$1" >/dev/null 2>&1
}

# One shell: nothing is dropped between its lines but for want of space.
@test "what a deleted subvolume holds is had back before there is no space for data" {
    "$COPSE" mkfs -q -b 256M -m single full.img
    "$COPSE" shell full.img <<'END'
subvolume create /s
io -f /s/f -c "pwrite -q 0 150m"
sync
subvolume delete /s
io -f /g -c "pwrite -q 0 150m" -c fsync
END
    judge full.img
}

# Lines that make so many small files, which live in the tree itself.
small_files() { # DIR, COUNT
    awk -v dir="$1" -v count="$2" 'BEGIN {
        print "subvolume create " dir
        for (i = 0; i < count; i++)
            print "io -f " dir "/" i " -c \"pwrite -q 0 2000\""
    }'
}

# Fills a file system with them, and once more when their subvolume is deleted: all within one shell.
twice_full() { # NODESIZE
    "$COPSE" mkfs -q -b 64M -m single -n "$1" first.img
    {
        echo 'io -f /big -c "falloc 0 16m"'
        small_files /s 20000
    } >fill
    run "$COPSE" shell first.img -f fill
    [ "$status" = 1 ]
    [[ $output = *"No space left on device" ]]
    most=$(($("$COPSE" ls first.img:/s | wc -l) * 9 / 10))
    "$COPSE" mkfs -q -b 64M -m single -n "$1" full.img
    {
        echo 'io -f /big -c "falloc 0 16m"'
        small_files /s "$most"
        echo 'subvolume delete /s'
        small_files /t "$most"
    } >fill
    "$COPSE" shell full.img -f fill
    [ "$("$COPSE" ls full.img:/t | wc -l)" = "$most" ]
    judge full.img
}

@test "nor for names and small files" {
    twice_full 4k
}
