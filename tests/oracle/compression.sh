#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What copse compresses Linux reads: every kind and level, by property and by mount option, in items,
# in short and in full extents, overwritten and cloned in part; btrfs check verifies all checksums.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing filefrag)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
image=$scratch/image
input=$scratch/input
kernel=$scratch/kernel

kinds() {
    local level
    echo lzo
    for level in '' :{1..9}; do
        echo "zlib$level"
    done
    for level in '' :{-15..-1} :{1..15}; do
        echo "zstd$level"
    done
}

make_input() {
    mkdir "$input"
    yes 'a line of text that compresses' | head -c 100 >"$input/tiny"
    yes 'another line of text' | head -c 4096 >"$input/sector"
    seq 1 40000 | head -c 131072 >"$input/extent"
    seq 1 200000 >"$input/text"
    head -c 300000 /dev/urandom >"$input/noise"
    { cat "$input/text"; head -c 200000 /dev/urandom; cat "$input/text"; } >"$input/both"
}


make_input
script() {
    local kind dir
    kinds | while read -r kind; do
        dir=/${kind/:/_}
        echo "mkdir $dir"
        echo "property set $dir compression $kind"
        echo "cp -r host:$input/. $dir/"
        echo "io $dir/text -c 'pwrite -q -S 0x61 100000 5000' -c 'fpunch 200k 64k'" \
            "-c 'reflink $dir/text 64k 512k 64k' -c 'fcollapse 128k 4k' -c 'finsert 300k 8k'"
    done
    echo "cp -r host:$input /plain"
    echo "io /plain/text -c 'pwrite -q -S 0x61 100000 5000' -c 'fpunch 200k 64k'" \
        "-c 'reflink /plain/text 64k 512k 64k' -c 'fcollapse 128k 4k' -c 'finsert 300k 8k'"
}
"$COPSE" mkfs -q -b 1G "$image" && script >"$scratch/script"
try "files are written with every kind and level" "$COPSE" shell "$image" -f "$scratch/script"
try "btrfs check verifies them" btrfs check --check-data-csum "$image"
mount_image "$image" "$kernel" ro || not_ok "the kernel mounts it"
while read -r kind; do
    dir=$kernel/${kind/:/_}
    try "the kernel reads $kind" diff -r "$kernel/plain" "$dir"
    is "and finds $kind compressed" \
        "$(filefrag -v "$dir/both" | awk '/encoded/ {n++} / [0-9]+:/ && !/encoded/ {m++} END {print (n > 5), (m > 0)}')" "1 1"
done < <(kinds)
is "what is plain is not" "$(filefrag -v "$kernel/plain/text" | grep -c encoded)" 0
umount "$kernel"

# The same by what a mount says.
if [[ -e /dev/fuse ]] && "$COPSE" version | grep -qi fuse; then
    mkdir "$scratch/mount"
    for kind in lzo zlib:9 zstd:-5 zstd:15; do
        for option in compress compress-force; do
            "$COPSE" mkfs -q -f -b 256M "$image"
            "$COPSE" mount -o "$option=$kind" "$image" "$scratch/mount" &&
                cp -r "$input" "$scratch/mount/in" && "$COPSE" umount "$scratch/mount" ||
                not_ok "-o $option=$kind"
            btrfs check --check-data-csum "$image" >"$scratch/check" 2>&1 || not_ok "check of $option=$kind"
            mount_image "$image" "$kernel" ro
            try "the kernel reads what -o $option=$kind wrote" diff -r "$input" "$kernel/in"
            is "and finds it compressed" "$(filefrag -v "$kernel/in/text" | grep -c encoded)" 10
            umount "$kernel"
        done
    done
else
    skip "by mount option" "no FUSE"
fi
done_testing
