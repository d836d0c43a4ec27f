#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: copse reads what Linux wrote, every byte and every attribute, for every two values of
# checksum, node size, compression, mixed groups, no-holes and free-space form together. With
# numbers, only those rows of pairs.txt.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
oracle=$(cd "$(dirname "$0")" && pwd)
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
reader=$(tool_of_build copse-manifest) || reader=
image=$scratch/row.img
expected=$image.manifest

# The library, without any mount.
by_library() {
    if [[ -z $reader ]]; then
        skip "$1: by the library" "copse-manifest is not built"
        return
    fi
    "$reader" -o "$scratch/library" "$image" 2>"$scratch/said"
    compare_columns "$1: by the library" '' "$scratch/library" "$expected"
    [[ -s $scratch/said ]] && diag "$(head -n 5 "$scratch/said")"
}

# copse cp -a to a file system that can hold it all; but cp(1) too ends where a path has no name for
# the kernel any more, so that one directory stays behind.
by_cp() {
    local disk=$scratch/out.img out=$scratch/out from=()
    truncate -s 2G "$disk"
    mkfs.btrfs -q -f -n 64k "$disk" >/dev/null 2>&1 && mount_image "$disk" "$out" noatime || return
    mapfile -t from < <(cut -f 1 "$expected" | grep -vE '^(\.|.*/.*|path-max)$' | sed "s|^|$image:/|")
    if "$COPSE" cp -a "${from[@]}" "$out/" 2>"$scratch/said"; then
        "$(tool manifest)" "$out" | grep -v $'^\\.\t' >"$scratch/copied"
        grep -vE $'^(\\.|path-max|path-max/.*)\t' "$expected" >"$scratch/to-copy"
        compare_columns "$1: copse cp -a" "$copy_loses" "$scratch/copied" "$scratch/to-copy"
    else
        not_ok "$1: copse cp -a"
    fi
    [[ -s $scratch/said ]] && diag "$(head -n 5 "$scratch/said")"
    umount "$out"
    rm -f "$disk"
}

by_mount() {
    local dir=$scratch/fuse
    if [[ ! -e /dev/fuse ]]; then
        skip "$1: copse mount" "no /dev/fuse"
        return
    fi
    mkdir -p "$dir"
    if "$COPSE" mount -o ro,subvolid=5 "$image" "$dir" 2>"$scratch/said"; then
        "$(tool manifest)" -o "$scratch/mounted" "$dir"
        "$COPSE" umount "$dir" || diag "copse umount failed"
        compare_columns "$1: copse mount" "$mount_loses" "$scratch/mounted" "$expected"
    else
        not_ok "$1: copse mount"
    fi
    [[ -s $scratch/said ]] && diag "$(head -n 5 "$scratch/said")"
}

row() {
    local name="$*" args=() stamp
    args=(--csum "$1" --nodesize "$2" --compress "$3" --mixed "$4" --no-holes "$5" --space "$6")
    [[ $3 == none ]] || args+=(--props)
    # Features that are no part of the pairs come along in turn.
    [[ $5$6 == 1fst && -n $btrfs_new ]] && ((number % 2)) && args+=(--bgt 1)
    ((number % 3)) || args+=(--skinny 0)
    ((number % 4)) || args+=(--extref 0)
    if ! "$oracle/gen-image.sh" -o "$image" --size 512M --seed "$number" --quick "${args[@]}" \
        >"$scratch/said" 2>&1; then
        not_ok "$name: an image by the kernel"
        diag "$(<"$scratch/said")"
        return
    fi
    stamp=$(stat -c '%Y.%y %s' "$image")
    by_library "$name"
    by_cp "$name"
    by_mount "$name"
    is "$name: nothing was changed" "$(stat -c '%Y.%y %s' "$image")" "$stamp"
}

find_new_progs
try "the table has every pair" "$oracle/pairs-table.sh" -c "$oracle/pairs.txt"
number=0
while read -r -a values; do
    [[ ${values[0]} == '#' ]] && continue
    number=$((number + 1))
    (($#)) && [[ " $* " != *" $number "* ]] && continue
    row "${values[@]}"
done <"$oracle/pairs.txt"
done_testing
