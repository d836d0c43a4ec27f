#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh BUILD: the main job, shown step by step on an image file: an image that Linux wrote is
# opened, changed by commands and through a mount, and handed back to Linux. Everything happens in
# a directory that is gone afterwards. Exit 1 if a step failed; what cannot be shown here says so.
set -u

build=$(readlink -f "${1:?usage: demo.sh BUILD}")
PATH=$build:$PATH:/usr/sbin:/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/copse-demo.XXXXXX") || exit 1
image=$work/disk.img dir=$work/mnt linux=$work/linux
failed=0 skipped=0

if [ -t 1 ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    bold='' plain=''
fi

clean_up() {
    cd /
    mountpoint -q "$linux" 2>/dev/null && umount "$linux"
    mountpoint -q "$dir" 2>/dev/null && copse umount "$dir"
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

title() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# Shows a command with short names for the long paths, and runs it.
run() {
    local shown="$*" status
    shown=${shown//"$work/"/}
    printf '  $ %s\n' "$shown"
    "$@" 2>&1 | sed "s|$work/||g; s/^/    /"
    status=${PIPESTATUS[0]}
    if [ "$status" -ne 0 ]; then
        printf '    FAILED with exit status %s\n' "$status"
        failed=$((failed + 1))
    fi
    return "$status"
}

# Shows a command that is to be refused.
refuse() {
    local shown="$*"
    printf '  $ %s\n' "${shown//"$work/"/}"
    if "$@" >"$work/said" 2>&1; then
        printf '    FAILED: it was not refused\n'
        failed=$((failed + 1))
    else
        sed "s|$work/||g; s/^/    /" "$work/said"
    fi
}

# Says whether what a step promises holds.
promise() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then
        printf '    -> %s\n' "$what"
    else
        printf '    FAILED: not true that %s\n' "$what"
        failed=$((failed + 1))
    fi
}

not_here() {
    printf '  NOT SHOWN: %s\n' "$*"
    skipped=$((skipped + 1))
}

missing() {
    command -v "$1" >/dev/null || { not_here "no $1 on this machine"; return 0; }
    return 1
}

can_loop_mount() {
    [ "$(id -u)" -eq 0 ] && [ -e /dev/loop-control ] && command -v mkfs.btrfs >/dev/null &&
        { grep -qw btrfs /proc/filesystems || modprobe -q btrfs; }
}

by_linux() { # OPTIONS: mounts the image at $linux by the kernel
    mkdir -p "$linux"
    mount -t btrfs -o "loop,$1" "$image" "$linux"
}

identical() {
    diff -r --no-dereference "$1" "$2"
}

# Whether both checkers find nothing; where there is no Linux's, only ours is asked.
sane() {
    copse check -q --check-data-csum "$1" || return
    ! command -v btrfs >/dev/null || btrfs check --check-data-csum "$1"
}

data_used() {
    copse df --raw "$1" | sed -n 's/^Data.*used=\([0-9]*\).*/\1/p'
}

source_tree=$(dirname "$(dirname "$(readlink -f "$0")")")

title "1. An image that Linux wrote"
if can_loop_mount; then
    run truncate -s 1G "$image"
    printf '  $ mkfs.btrfs -L demo disk.img\n'
    mkfs.btrfs -q -L demo "$image" >/dev/null 2>&1
    if by_linux compress=zstd; then
        cp -r "$source_tree/src" "$linux/source"
        btrfs -q subvolume snapshot -r "$linux" "$linux/snapshot"
        umount "$linux"
        printf '    (the kernel mounted it, copied a source tree in, compressed, and took a snapshot)\n'
    else
        not_here "the kernel cannot mount an image here"
    fi
else
    not_here "the kernel may write an image for root only; copse makes one instead"
    run copse mkfs -b 1G -L demo "$image"
    run copse cp -r "$source_tree/src" "$image:/source"
fi

title "2. Looked at and changed by commands, not mounted, no root needed"
run copse ls -l "$image:/"
run copse ls "$image:/source/base"
run copse cp "$image:/source/base/err.h" "$work/err.h"
promise "the file is the one that was put in" cmp "$work/err.h" "$source_tree/src/base/err.h"
printf 'written by copse\n' >"$work/note.txt"
run copse cp "$work/note.txt" "$image:/note.txt"
run copse cat "$image:/note.txt"
run copse mkdir "$image:/made"
run copse mv "$image:/note.txt" "$image:/made/note.txt"
run copse subvolume list "$image"
run copse df "$image"

title "3. Mounted, and worked in with any program"
mkdir "$dir"
if [ ! -e /dev/fuse ] || ! { : <>/dev/fuse; } 2>/dev/null; then
    not_here "/dev/fuse cannot be opened by this user"
elif [ "$(id -u)" -ne 0 ] && missing fusermount3; then
    :
elif run copse mount "$([ "$(id -u)" -eq 0 ] && echo -ofsname=disk.img || echo -ofakeroot)" "$image" "$dir"; then
    run cat "$dir/made/note.txt"
    run cp -r "$dir/source" "$dir/copy"
    run sh -c "find '$dir/copy' -name '*.c' | tar -cf '$dir/archive.tar' -T - 2>/dev/null && ls -s '$dir/archive.tar'"
    run ln "$dir/made/note.txt" "$dir/hard-link"
    run truncate -s 10G "$dir/sparse"
    run rm -r "$dir/source/base"
    run df -h "$dir"
    run copse umount "$dir"
fi

title "4. A full disk keeps its promise"
run copse mkfs -q -b 256M "$work/full.img"
run copse io -f "$work/full.img:/reserved" -c "falloc 0 64m"
refuse copse io -f "$work/full.img:/filler" -c "pwrite -q -b 1m 0 1g"
run copse io "$work/full.img:/reserved" -c "pwrite -q 0 32m" -c "fsync"
run copse io -f "$work/full.img:/clone" -c "reflink /reserved 0 0 4k"
run copse io "$work/full.img:/reserved" -c "pwrite -q 32m 32m" -c "fsync"
promise "what was reserved could be written, also beside a clone, with no block free" \
    sane "$work/full.img"

title "5. A reflink costs nothing"
run copse mkfs -q -b 1G "$work/quota.img"
run copse io -f "$work/quota.img:/large" -c "pwrite -q 0 200m" -c "fsync"
used=$(data_used "$work/quota.img")
run copse cp "$work/quota.img:/large" "$work/quota.img:/copy"
promise "two files of 200 MiB take $used bytes, as one did" \
    test "$(data_used "$work/quota.img")" = "$used"
run copse io "$work/quota.img:/copy" -c "pwrite -q 0 1m"
promise "a MiB written to one of them takes a MiB" \
    test "$(data_used "$work/quota.img")" = "$((used + 1048576))"

title "6. A quota that counts right"
cat >"$work/quota.txt" <<'END'
subvolume create /sub
quota enable /
qgroup limit 16m /sub
io -f /sub/file -c "pwrite -q 0 2m"
END
for _ in 1 2 3 4 5 6 7 8 9; do
    echo 'io /sub/file -c "pwrite -q 0 2m"' >>"$work/quota.txt"
done
printf 'sync\nqgroup show -r /sub\n' >>"$work/quota.txt"
run cat "$work/quota.txt"
run copse shell "$work/quota.img" -f "$work/quota.txt"
refuse copse io -f "$work/quota.img:/sub/more" -c "pwrite -q 0 16m"
run copse rm "$work/quota.img:/sub/more"
promise "the same 2 MiB ten times are 2 MiB, and the limit holds" sane "$work/quota.img"

title "7. A stream sent and received without root"
run copse mkfs -q -b 1G "$work/backup.img"
run copse subvolume snapshot -r "$work/quota.img:/sub" "$work/quota.img:/monday"
run copse io -f "$work/quota.img:/sub/news" -c "pwrite -q 0 100k"
run copse subvolume snapshot -r "$work/quota.img:/sub" "$work/quota.img:/tuesday"
run copse send -q -f "$work/full.stream" "$work/quota.img:/monday"
run copse send -q -p "$work/quota.img:/monday" -f "$work/more.stream" "$work/quota.img:/tuesday"
run copse receive -q -f "$work/full.stream" "$work/backup.img:/"
run copse receive -q -f "$work/more.stream" "$work/backup.img:/"
run copse subvolume list "$work/backup.img"
mkdir -p "$work/sent" "$work/received"
copse cp -r "$work/quota.img:/tuesday" "$work/sent"
copse cp -r "$work/backup.img:/tuesday" "$work/received"
promise "what was received is what was sent" identical "$work/sent" "$work/received"
promise "the image received into is in order" sane "$work/backup.img"

title "8. What both checkers and Linux say of it afterwards"
run copse check --check-data-csum "$image"
if ! missing btrfs; then
    printf '  $ btrfs check --check-data-csum disk.img\n'
    btrfs check --check-data-csum "$image" >"$work/said" 2>&1
    promise "btrfs check finds no error" grep -q 'no error found' "$work/said"
fi
if can_loop_mount; then
    if by_linux rw; then
        printf '  $ mount -o loop disk.img linux\n'
        run ls "$linux"
        [ ! -d "$linux/snapshot" ] ||
            promise "the snapshot still holds the whole tree" \
                identical "$source_tree/src" "$linux/snapshot/source"
        [ ! -d "$linux/copy" ] ||
            promise "the copy made in the mount is the same tree" \
                identical "$source_tree/src" "$linux/copy"
        run sh -c "echo 'and by Linux again' >>'$linux/made/note.txt'"
        run umount "$linux"
        run copse cat "$image:/made/note.txt"
    else
        not_here "the kernel cannot mount an image here"
    fi
else
    not_here "mounting it by the kernel needs root"
fi

title "$([ $failed -eq 0 ] && echo "The demo worked" || echo "The demo FAILED in $failed steps")$([ $skipped -eq 0 ] || echo "; $skipped parts could not be shown here, see NOT SHOWN above")."
[ $failed -eq 0 ]
