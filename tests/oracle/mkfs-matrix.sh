#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: whatever the options, `btrfs check` finds nothing to say about what `copse mkfs` makes,
# the kernel mounts it and fills it, and then `btrfs check` still finds nothing.
#
# The kernel mounts sector sizes of its page size only; larger ones are judged by `btrfs check`.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"

why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
find_new_progs
image=$scratch/image
page=$(getconf PAGESIZE)

# check IMAGE [OPTION]...: both versions that can be had; silent unless something is wrong.
check() {
    local progs out all=("" ${btrfs_new:+"$btrfs_new"})
    [[ -z ${only_new:-} ]] || all=("$btrfs_new")
    for progs in "${all[@]}"; do
        out=$("${progs:+$progs/}btrfs" check "${@:2}" "$1" 2>&1) &&
            ! grep -v 'no error found' <<<"$out" | grep -qiE 'error|warning|mismatch' && continue
        echo "btrfs check of ${progs:-PATH}:"
        echo "$out"
        return 1
    done
}

# Enough to need new leaves, and compressed, shared and checksummed extents.
fill() {
    local dir=$1 i
    mkdir -p "$dir/many" && for i in {1..500}; do echo "$i" >"$dir/many/$i" || return 1; done
    head -c 700000 /dev/urandom >"$dir/random" &&
        cp --reflink=always "$dir/random" "$dir/shared" &&
        setfattr -n user.test -v value "$dir/random" &&
        btrfs subvolume snapshot "$dir" "$dir/snapshot" >/dev/null &&
        sync -f "$dir" && rm -r "$dir/many" && sync -f "$dir"
}

# made SIZE SECTORSIZE OPTION...
made() {
    local size=$1 sector=$2
    shift 2
    rm -f "$image"
    "$COPSE" mkfs -b "$size" -s "$sector" "$@" "$image" && check "$image" || return 1
    ((sector == page)) || return 0
    mount_image "$image" "$scratch/mnt" || return 1
    fill "$scratch/mnt" || { umount "$scratch/mnt"; return 1; }
    umount "$scratch/mnt" && check "$image" --check-data-csum
}

one() {
    try "mkfs $*" made "$@"
}

for size in 114294784 1073741824 60000000000 300000000000; do one $size 4096; done
for size in 16777216 209715200 2147483648; do one $size 4096 -M; done
one 300000000 4096 -M -d dup -m dup
one 47185920 4096 -m single
one 1000000000 4096 -m single -d single
one 240123904 4096 -d dup
for csum in crc32c xxhash sha256 blake2; do
    for node in 4096 8192 16384 32768 65536; do
        one 200000000 4096 --csum $csum -n $node
    done
done
for features in ^block-group-tree ^no-holes ^free-space-tree ^extref ^skinny-metadata \
    ^no-holes,^free-space-tree,^skinny-metadata,^extref; do
    one 200000000 4096 -O $features
    one 200000000 4096 -n 4096 -O $features
    one 200000000 4096 -M -O $features
done
one 200000000 4096 -O quota
one 200000000 4096 -n 4096 -R quota
one 200000000 4096 -M -O quota
for options in "-O squota" "-n 4096 -R squota"; do
    # shellcheck disable=SC2086
    if [[ -n $btrfs_new ]]; then
        only_new=yes one 200000000 4096 $options
    else
        skip "mkfs $options" "no btrfs-progs that know simple quotas"
    fi
done
for sector in 8192 16384 32768 65536; do
    one 200000000 $sector
    one 200000000 $sector -n 65536
    one 200000000 $sector -M
done

# The label and uuid are seen by others.
uuid=3e4b2c1d-0f5a-4b6c-8d7e-112233445566
rm -f "$image"
try "mkfs -L -U" "$COPSE" mkfs -b 200000000 -L 'a label' -U $uuid "$image"
is "blkid sees the label and uuid" \
    "$(blkid -p -o value -s LABEL -s UUID "$image" | sort | tr '\n' ' ')" "$uuid a label "

# What is there is refused without -f, and named.
is "an existing file system is refused" "$("$COPSE" mkfs "$image" >/dev/null 2>&1; echo $?)" 1
same "refused without changing a byte" "$image" <(
    cp "$image" "$scratch/copy"
    "$COPSE" mkfs "$scratch/copy" >/dev/null 2>&1
    cat "$scratch/copy"
)
try "-f makes it anyway" "$COPSE" mkfs -f "$image"
done_testing
