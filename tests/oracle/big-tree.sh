#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: what holds for small trees holds for a source tree of 80,000 files. The kernel writes
# it with every compression and snapshots, copse reads it; copse writes it by its command line and
# through its mount, Linux judges and compares; half is deleted, and Linux judges again.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
# shellcheck source=../lib/judge.sh
. "$tests_lib/judge.sh"
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
tarball=$("$tests_lib/get-source-tree.sh") || skip_all "no source tree"
own_mounts "$0" "$@"
make_scratch
find_new_progs
source_image=$scratch/kernel.img
image=$scratch/copse.img
kernel=$scratch/kernel
stamp_columns=ino,blocks,ctime,atime,otime,dirsize,dirlinks,data,flags,subvol,svro,x:btrfs

# Some files by each compression, some by none; two snapshots with changes on both sides.
fill_by_kernel() {
    truncate -s 8G "$source_image"
    "${btrfs_new:+$btrfs_new/}mkfs.btrfs" -q "$source_image" >/dev/null &&
        mount_image "$source_image" "$kernel" noatime,compress-force=zstd || return 1
    btrfs -q subvolume create "$kernel/source"
    tar -C "$kernel/source" --strip-components=1 -xf "$tarball" || return 1
    mount -o remount,compress-force=lzo "$kernel"
    cp -a "$kernel/source/fs" "$kernel/fs-lzo"
    mount -o remount,compress-force=zlib "$kernel"
    cp -a "$kernel/source/net" "$kernel/net-zlib"
    mount -o remount,compress=no "$kernel"
    cp -a "$kernel/source/sound" "$kernel/sound-plain"
    cp -a --reflink=always "$kernel/source/mm" "$kernel/mm-reflinked"
    btrfs -q subvolume snapshot "$kernel/source" "$kernel/snapshot"
    btrfs -q subvolume snapshot -r "$kernel/source" "$kernel/read-only"
    find "$kernel/snapshot/lib" -name '*.c' -exec sh -c 'echo "/* changed */" >>"$1"' - {} \;
    rm -r "$kernel/source/arch/arm" "$kernel/snapshot/arch/mips"
    find "$kernel/source/kernel" -type f -exec setfattr -n user.test -v yes {} +
    mkdir "$kernel/features"
    "$(tool mktree)" -c -s 11 -q "$kernel/features"
    umount "$kernel"
}

read_all() {
    local reader
    kernel_manifest "$source_image" "$scratch/expected"
    if reader=$(tool_of_build copse-manifest); then
        "$reader" -o "$scratch/got" "$source_image" 2>"$scratch/said"
        compare_columns "the library reads every file" '' "$scratch/got" "$scratch/expected"
        [[ -s $scratch/said ]] && diag "$(head -n 5 "$scratch/said")"
    else
        skip "the library reads every file" "copse-manifest is not built"
    fi
}

# below FILE DIR: the part of a manifest below a directory, as if that were the whole.
below() {
    awk -F '\t' -v dir="$2" 'index($1, dir "/") == 1 {print substr($0, length(dir) + 2)}' "$1" |
        sed "s|\tlink=$2/|\tlink=|"
}

same_as_source() { # NAME DIR: in $scratch/seen
    below "$scratch/seen" "$2" >"$scratch/part"
    below "$scratch/expected" snapshot >"$scratch/part-expected"
    compare_columns "$1" "$stamp_columns" "$scratch/part" "$scratch/part-expected"
}

write_by_command() {
    mount_image "$source_image" "$kernel" ro,noatime || return
    try "copse mkfs" "$COPSE" mkfs -b 8G "$image"
    try "copse cp -a brings the tree in" "$COPSE" cp -a "$kernel/snapshot" "$image:/tree"
    judged "Linux finds nothing wrong" "$image" "$scratch/seen"
    same_as_source "and sees the same tree" tree
}

write_by_mount() {
    local dir=$scratch/fuse
    mkdir -p "$dir"
    if ! try "copse mount" "$COPSE" mount "$image" "$dir"; then
        return
    fi
    try "cp -a through the mount" cp -a "$kernel/snapshot" "$dir/mounted"
    try "half of the first tree is deleted" rm -r "$dir"/tree/{drivers,arch,Documentation,include}
    try "copse umount" "$COPSE" umount "$dir"
    judged "Linux finds nothing wrong after the mount" "$image" "$scratch/seen"
    same_as_source "and sees the tree the mount wrote" mounted
}

if try "a source tree, written by the kernel" fill_by_kernel; then
    read_all
    write_by_command
    write_by_mount
fi
done_testing
