#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: what nobody reaches is had back, and Linux finds nothing odd in what is left. On
# images by Linux (with extents used in part, clones and snapshots) and by copse, seeded edits by
# copse with splits in between; then no checksum lies over free space, every item has the size of its
# extent, the kernel sees the files it saw before the last split, scrubs, balances all of it, sees
# them again, and btrfs check is clean each time.
#
# SPLIT_SEEDS=N: so many seeds (6); SPLIT_FIRST: the first one.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
# shellcheck source=../lib/judge.sh
. "$tests_lib/judge.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing xfs_io)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
find_new_progs
image=$scratch/split.img
first=${SPLIT_FIRST:-1}
seeds=${SPLIT_SEEDS:-6}
check_progs=${btrfs_new:+$btrfs_new/}btrfs

# How the file system of a seed is made.
forms=("kernel" "copse" "kernel -M -n 4k" "kernel -O ^no-holes --csum xxhash" "copse -n 4k" "copse -M")

below() { # N: a random number below it
    echo $(((RANDOM << 15 | RANDOM) % $1))
}

# OFFSET and LENGTH of whole blocks in the first 4 MiB.
some_range() { # MOST-BLOCKS
    echo "$(($(below 1024) * 4096)) $((($(below "$1") + 1) * 4096))"
}

# What Linux leaves behind: extents of which parts are used, by several files, in two subvolumes.
fill_by_kernel() { # DIR
    local f off len
    btrfs -q subvolume create "$1/sub"
    for f in a b sub/c; do
        xfs_io -f -c 'pwrite -q -S 0x61 0 4m' -c fsync "$1/$f" || return 1
        for _ in 1 2 3 4; do
            read -r off len < <(some_range 128)
            xfs_io -c "fpunch $off $len" "$1/$f" || return 1
            read -r off len < <(some_range 32)
            xfs_io -c "pwrite -q -S 0x62 $off $len" -c fsync "$1/$f" || return 1
        done
    done
    cp --reflink=always "$1/a" "$1/d" && btrfs -q subvolume snapshot "$1/sub" "$1/snap"
}

make_image() { # FORM...
    rm -f "$image"
    if [[ $1 == copse ]]; then
        "$COPSE" mkfs -q -b 256M "${@:2}" "$image" || return 1
        printf '%s\n' 'subvolume create /sub' 'io -f /a -c "pwrite -q 0 4m"' \
            'io -f /b -c "pwrite -q 0 4m"' 'io -f /sub/c -c "pwrite -q 0 4m"' 'cp /a /d' \
            'subvolume snapshot /sub /snap' >"$scratch/fill"
        "$COPSE" shell "$image" -f "$scratch/fill" >/dev/null
    else
        truncate -s 256M "$image" && mkfs.btrfs -q "${@:2}" "$image" >/dev/null &&
            mount_image "$image" "$scratch/mnt" noatime && fill_by_kernel "$scratch/mnt" &&
            umount "$scratch/mnt"
    fi
}

# Lines for copse shell.
edits() {
    local files=(/a /b /d /sub/c /e) f g off len at
    echo 'io -f /e -c "falloc 0 2m"'
    for ((i = 0; i < 60; i++)); do
        f=${files[$(below 5)]}
        g=${files[$(below 5)]}
        read -r off len < <(some_range 64)
        at=$(($(below 512) * 4096))
        case $(below 12) in
        0 | 1 | 2 | 3) echo "io $f -c \"pwrite -q -S $((i + 1)) $off $len\"" ;;
        4) echo "io $f -c \"pwrite -q -S $((i + 1)) $((off + 100)) 5000\" -c fsync" ;;
        5 | 6) echo "io $f -c \"fpunch $off $len\"" ;;
        7) echo "io $f -c \"truncate $((off + len))\" -c \"truncate 4m\"" ;;
        # From a file of at least 4 MiB: the ranges are inside.
        8 | 9) [[ $g != /e && $f != "$g" ]] &&
            echo "io $g -c \"truncate 5m\"" && echo "io $f -c \"reflink $g $off $at $len\"" ;;
        10) echo sync ;;
        11) echo "reclaim ${files[$(below 4)]}" ;;
        esac
    done
    echo 'io /e -c "fpunch 64k 4k"'
    (($(below 2))) && echo 'reclaim /'
    return 0
}

# btrfs check does not look for these two. Both come sorted by address; neighbours are merged first.
stale_sums() {
    {
        "$check_progs" inspect-internal dump-tree -t extent "$image" | awk '
            $5 == "EXTENT_ITEM" {start = substr($4, 2) + 0; end = start + $6}
            $1 == "refs" && /flags DATA/ {print "data", start, end}'
        "$check_progs" inspect-internal dump-tree -t csum "$image" |
            awk '$1 == "range" && $2 == "start" {print "sums", $3, $5}'
    } | awk '
        $1 == "data" && n && to[n] == $2 {to[n] = $3; next}
        $1 == "data" {n++; from[n] = $2; to[n] = $3; next}
        {
            seen++
            while (at < n && to[at + 1] <= $2) at++
            if (at == n || $2 < from[at + 1] || $3 > to[at + 1])
                print "checksums of " $2 " to " $3 " lie over nothing"
        }
        END {if (!seen) print "there are no checksums"}'
}

wrong_sizes() {
    local tree
    for tree in 5 $("$COPSE" subvolume list "$image:/" | awk '{print $2}'); do
        "$check_progs" inspect-internal dump-tree -t "$tree" "$image" | awk -v tree="$tree" '
            /extent data disk byte/ {disk = $5; nr = $7}
            /extent data offset/ {ram = $8}
            /extent compression 0/ && disk != 0 && ram != nr {
                print "tree " tree ": ram " ram " of " nr}'
    done
}

# The kernel moves everything, and it is the same afterwards.
balanced() { # NAME
    local rc=0 out
    out=$({ mount_image "$image" "$scratch/mnt" noatime,subvolid=5 &&
        btrfs balance start --full-balance "$scratch/mnt" && btrfs scrub start -B "$scratch/mnt"; } 2>&1) || rc=1
    grep -q 'no errors found' <<<"$out" || rc=1
    umount "$scratch/mnt" || rc=1
    kernel_manifest "$image" "$scratch/balanced" || rc=1
    if ((rc)); then
        not_ok "$1"
        diag "$out"
        return 1
    fi
    compare_columns "$1" blocks,dev "$scratch/balanced" "$scratch/after"
}

one_seed() {
    local seed=$1 name form
    read -ra form <<<"${forms[seed % ${#forms[@]}]}"
    name="seed $seed, ${form[*]}"
    RANDOM=$seed
    try "$name: made" make_image "${form[@]}" || return
    edits >"$scratch/edits"
    try "$name: edits" "$COPSE" shell "$image" -f "$scratch/edits" || { diag "$(<"$scratch/edits")"; return; }
    kernel_manifest "$image" "$scratch/before" || diag "the kernel does not read it"
    try "$name: all is split" "$COPSE" reclaim "$image" || return
    is "$name: nothing is left to be split" "$("$COPSE" reclaim --raw "$image")" "Freed: 0"
    is "$name: no checksum over nothing" "$(stale_sums)" ""
    is "$name: items have the size of their extents" "$(wrong_sizes)" ""
    judged "$name: judged" "$image" "$scratch/after" || return
    compare_columns "$name: the kernel sees what it saw" blocks,dev "$scratch/after" "$scratch/before"
    balanced "$name: balanced" || return
    judged "$name: judged again" "$image" "$scratch/seen"
}

for ((seed = first; seed < first + seeds; seed++)); do
    one_seed "$seed"
done
done_testing
