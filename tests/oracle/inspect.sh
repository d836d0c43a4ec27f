#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: asked who has an address, what an inode is called or which subvolumes there are, copse
# says of an image what btrfs says of it while Linux has it mounted; and through a mount of its own
# the same. With names, only those golden images.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
oracle=$(cd "$(dirname "$0")" && pwd)
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing btrfs fusermount3)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
lists=("subvolume list" "subvolume list -apcuqR" "subvolume list -o" "subvolume list -t"
    "subvolume list -s" "subvolume list -r" "subvolume get-default")
image=$scratch/image kernel=$scratch/kernel mount=$scratch/mount

# Addresses to ask about: where data extents begin, and a place inside of the longer ones.
data_addresses() {
    "$COPSE" inspect dump-tree -t extent "$image" |
        sed -n 's/.*key (\([0-9]*\) EXTENT_ITEM \([0-9]*\)).*/\1 \2/p' |
        awk -v most="${INSPECT_ADDRESSES:-40}" '
            {starts[++n] = $1; lengths[n] = $2}
            END {
                step = n > most ? n / most : 1
                for (i = 1; i <= n; i += step) {
                    j = int(i)
                    print starts[j]
                    if (lengths[j] > 8192)
                        print starts[j] + 8192
                }
            }'
}

# Linux counts a subvolume that is being deleted among the owners, and btrfs names paths of the top
# level only: the others would have to be mounted, too.
only_seen() {
    awk -v roots="$roots" '
        BEGIN {n = split(roots, list); for (i = 1; i <= n; i++) seen[list[i]]}
        /^inode .* root / && !($NF in seen) {next}
        /could not be accessed|^\/subvolumes\// {next}
        {print}'
}

# answers PLACE COMMAND...: what COMMAND ADDRESS PLACE says of each, in any order; refusals as such.
answers() {
    local place=$1 address
    shift
    while read -r address; do
        echo "$address:"
        "$@" "$address" "$place" 2>/dev/null | sed "s#^$kernel##; s#^$mount##" |
            only_seen | sort
        ((PIPESTATUS[0] == 0)) || echo refused
    done <"$scratch/addresses"
}

compare_image() {
    local name=$1 options command
    "$(tool unpack)" "$oracle/../golden/$name.img.zst" "$image"
    mkdir -p "$kernel" "$mount"
    data_addresses >"$scratch/addresses"
    roots="5 $("$COPSE" subvolume list "$image" | awk '{print $2}')"
    # Neither a data extent nor anything.
    echo 1 >>"$scratch/addresses"
    mount_image "$image" "$kernel" "ro,noatime,subvolid=5" || {
        not_ok "$name: mounted by Linux"
        return
    }
    for options in -P -Po ''; do
        # shellcheck disable=SC2086
        answers "$kernel" btrfs inspect-internal logical-resolve $options >"$scratch/linux$options"
    done
    for command in "${lists[@]}"; do
        # shellcheck disable=SC2086
        btrfs $command "$kernel" >"$scratch/linux $command"
    done
    umount "$kernel"
    # It gives up on names in a subvolume that is being deleted, after the others.
    sed -i /refused/d "$scratch/linux"
    for options in -P -Po ''; do
        # shellcheck disable=SC2086
        answers "$image" "$COPSE" inspect logical-resolve $options >"$scratch/got"
        [[ -n $options ]] || sed -i /refused/d "$scratch/got"
        same "$name: logical-resolve $options" "$scratch/got" "$scratch/linux$options"
    done
    for command in "${lists[@]}"; do
        # shellcheck disable=SC2086
        "$COPSE" $command "$image" >"$scratch/got"
        same "$name: $command" "$scratch/got" "$scratch/linux $command"
    done
    "$COPSE" mount -o ro,subvolid=5 "$image" "$mount" || not_ok "$name: mounted by copse"
    answers "$mount" "$COPSE" inspect logical-resolve >"$scratch/got"
    sed -i /refused/d "$scratch/got"
    same "$name: logical-resolve in a mount" "$scratch/got" "$scratch/linux"
    "$COPSE" umount "$mount"
}

names=(everything zstd full-metadata mixed)
(($#)) && names=("$@")
for name in "${names[@]}"; do
    compare_image "$name"
done
done_testing
