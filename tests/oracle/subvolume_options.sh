#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: `copse subvolume` prints what `btrfs subvolume` prints of the same file system, for
# every option, on the image and in a mount of it.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing btrfs)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
image=$scratch/image
dir=$scratch/mnt
mine=$scratch/mine
mkdir -p "$dir" "$mine"

make_image() {
    truncate -s 300M "$image"
    mkfs.btrfs -q "$image" >/dev/null 2>&1
    mount_image "$image" "$dir"
    btrfs -q subvolume create "$dir/b"
    btrfs -q subvolume create "$dir/a"
    btrfs -q subvolume create "$dir/c"
    mkdir "$dir/a/d"
    btrfs -q subvolume create "$dir/a/d/nest"
    sync -f "$dir"
    btrfs -q subvolume snapshot -r "$dir/a" "$dir/b/snapa"
    sync -f "$dir"
    touch "$dir/a/x"
    sync -f "$dir"
    btrfs -q subvolume snapshot "$dir/c" "$dir/zc"
    btrfs -q subvolume create "$dir/b/snapb"
    btrfs -q subvolume create "$dir/b/snapb/deep"
    sync -f "$dir"
    btrfs quota enable "$dir"
    btrfs quota rescan -w "$dir" >/dev/null
    btrfs qgroup limit 10M 0/257 "$dir"
    btrfs qgroup limit -e 1G 0/256 "$dir"
    umount "$dir"
}

# Linux dates what was never sent like the subvolume; we say there was no sending.
same_words() {
    sed '/Send time/d'
}

lists=(-p -c -g -o -u -q -R -t -s -r -d -a "-t -p -u -q -R" "-t -c" "-t -s" "-p -c -g -u -q -R" "-s -r"
    "-G +9" "-G 9" "-G -9" "-C +8" "-C 8" "-C -8" "-G +8 -C -9 -r" "-t -G +8" --sort=gen
    --sort=-gen,path --sort=ogen,-rootid --sort=+path --sort=-path --sort=rootid "-a --sort=-ogen")
shows=("" -b --raw -h -H --iec --si -k -m -g -t)

everything() { # COMMAND PREFIX
    local options path
    for options in "${lists[@]}"; do
        for path in "" b a/d b/snapb; do
            echo "list $options $path"
            # shellcheck disable=SC2086
            $1 subvolume list $options "$2$path"
        done
    done
    for path in "" a b b/snapa a/d/nest zc; do
        for options in "${shows[@]}"; do
            echo "show $options $path"
            # shellcheck disable=SC2086
            $1 subvolume show $options "$2$path" | same_words
        done
    done
    echo "show by id"
    $1 subvolume show -r 260 "$2" | same_words
    $1 subvolume show --rootid 257 "$2b" | same_words
    $1 subvolume show -u "$uuid" "$2" | same_words
    $1 subvolume show --uuid "$uuid" "$2b" | same_words
    echo "default"
    $1 subvolume get-default "$2"
    $1 subvolume get-default "$2b"
}

make_image
mount_image "$image" "$dir" subvolid=5
uuid=$(btrfs subvolume show "$dir/b" | sed -n 's/^[[:space:]]UUID:[[:space:]]*//p')
everything btrfs "$dir/" >"$scratch/linux"
umount "$dir"
everything "$COPSE" "$image:/" >"$scratch/copse"
try "the same on the image" diff "$scratch/linux" "$scratch/copse"
sizes() { # PREFIX
    "$COPSE" subvolume list --sizes --raw "$1"
    "$COPSE" du --exclusive --raw "$1a" "$1b" "$1a/d" | sed 's/ [^ ]*$//'
}
before=$(sizes "$image:/")
if "$COPSE" mount "$image" "$mine" 2>"$scratch/why"; then
    everything "$COPSE" "$mine/" >"$scratch/mounted"
    mounted=$(sizes "$mine/")
    "$COPSE" umount "$mine"
    is "the same sizes in a mount" "$mounted" "$before"
    try "the same in a mount" diff "$scratch/linux" "$scratch/mounted"
else
    skip "the same in a mount" "$(cat "$scratch/why")"
fi
mount_image "$image" "$dir" subvolid=5
btrfs subvolume set-default 257 "$dir"
btrfs subvolume get-default "$dir" >"$scratch/linux"
umount "$dir"
try "another default" diff "$scratch/linux" <("$COPSE" subvolume get-default "$image")
done_testing
