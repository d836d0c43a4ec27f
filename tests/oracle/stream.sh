#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: a subvolume that is sent arrives as it was, whoever sends and whoever receives. Linux
# makes a tree, a snapshot, random changes, a snapshot, and so on; the chain goes from Linux to
# copse, from copse to Linux and from copse to copse, in protocol 1 or 2. The streams of copse are
# at most a twentieth longer than those of Linux. btrfs check judges what copse received.
#
#   STREAM_PAIRS   how many seeds (default 8; the long run has 500)
#   STREAM_SEED    the first one (default 1)

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing btrfs python3 setpriv)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
trees=$tests_lib/stream_tree.py
steps=3

make_source() { # SEED: $scratch/source with snapshots s1, s2 ... and Linux's streams of them
    local seed=$1 mnt=$scratch/mnt i options=noatime
    ((seed % 3 == 0)) && options+=,compress-force=zstd
    rm -f "$scratch"/*.img "$scratch"/linux.* "$scratch"/copse.*
    truncate -s 400M "$scratch/source.img" "$scratch/from-linux.img" "$scratch/to-linux.img" \
        "$scratch/own.img" "$scratch/both-linux.img"
    for i in source from-linux to-linux own both-linux; do
        mkfs.btrfs -q "$scratch/$i.img" || return 1
    done
    mount_image "$scratch/source.img" "$mnt" $options && btrfs -q subvolume create "$mnt/sv" ||
        return 1
    for ((i = 1; i <= steps; i++)); do
        python3 "$trees" change "$((seed * 100 + i))" 60 "$mnt/sv" &&
            btrfs -q subvolume snapshot -r "$mnt/sv" "$mnt/s$i" || return 1
    done
    for ((i = 1; i <= steps; i++)); do
        # shellcheck disable=SC2046
        btrfs -q send $(linux_options "$seed") $( ((i > 1)) && echo -p "$mnt/s$((i - 1))") \
            -f "$scratch/linux.$i" "$mnt/s$i" || return 1
    done
    umount "$mnt"
}

linux_options() {
    (($1 % 2)) && echo "--proto 1" || echo "--proto 2 $( (($1 % 4)) || echo --compressed-data)"
}

copse_streams() { # SEED
    local seed=$1 i source=$scratch/source.img
    for ((i = 1; i <= steps; i++)); do
        # shellcheck disable=SC2046
        "$COPSE" send -q $(linux_options "$seed") $( ((i > 1)) && echo -p "$source:/s$((i - 1))") \
            -f "$scratch/copse.$i" "$source:/s$i" || return 1
    done
}

# As an ordinary user, with all the owners, devices and capabilities in the streams.
copse_receives() { # STREAMS IMAGE
    chmod 755 "$scratch"
    chown nobody "$scratch/$2.img"
    cat "$scratch/$1".[0-9]* |
        setpriv --reuid=nobody --clear-groups "$COPSE" receive -q "$scratch/$2.img:/" &&
        btrfs check --readonly --check-data-csum "$scratch/$2.img" >"$scratch/said" 2>&1 ||
        { cat "$scratch/said"; return 1; }
}

linux_receives() { # STREAMS IMAGE
    local i
    mount_image "$scratch/$2.img" "$scratch/mnt" noatime || return 1
    for ((i = 1; i <= steps; i++)); do
        btrfs -q receive -f "$scratch/$1.$i" "$scratch/mnt" ||
            { umount "$scratch/mnt"; return 1; }
    done
    umount "$scratch/mnt"
}

all_alike() { # IMAGE IMAGE WHAT...
    local one=$1 two=$2 i rc=0
    shift 2
    mount_image "$scratch/$one.img" "$scratch/one" ro,noatime &&
        mount_image "$scratch/$two.img" "$scratch/two" ro,noatime || return 1
    for ((i = 1; i <= steps; i++)); do
        python3 "$trees" compare "$scratch/one/s$i" "$scratch/two/s$i" "$@" ||
            { echo "snapshot $i"; rc=1; break; }
    done
    umount "$scratch/one" "$scratch/two"
    return $rc
}

# Of the whole chain: where new directories are nested many levels deep, Linux gives them short names
# until they are done, and a stream of little else is shorter by a few percent.
not_longer() {
    local ours theirs
    ours=$(cat "$scratch"/copse.[0-9]* | wc -c) theirs=$(cat "$scratch"/linux.[0-9]* | wc -c)
    echo "$seed $ours $theirs" >>"$scratch/sizes"
    ((ours * 100 <= theirs * 105)) || { echo "$ours, Linux $theirs"; return 1; }
}

readable() {
    local i
    for ((i = 1; i <= steps; i++)); do
        cmp <(btrfs receive --dump -f "$scratch/copse.$i") \
            <("$COPSE" receive --dump -f "$scratch/copse.$i") || return 1
    done
}

one_seed() { # SEED
    local seed=$1 holes=
    # Protocol 1 cannot say that a hole was punched.
    ((seed % 2)) || holes=seek
    try "seed $seed: the snapshots" make_source "$seed" || return
    try "seed $seed: Linux sends, copse receives" copse_receives linux from-linux &&
        try "seed $seed: and it is the same" all_alike source from-linux ctime
    # Linux does not find everything that is shared: what it sends is held against what it receives.
    ((seed % 4 != 1)) || { try "seed $seed: Linux receives it, too" linux_receives linux both-linux &&
        try "seed $seed: with the same sharing" all_alike both-linux from-linux seek prealloc sharing; }
    try "seed $seed: copse sends" copse_streams "$seed" || return
    try "seed $seed: not much longer than Linux" not_longer
    try "seed $seed: the streams say the same to btrfs and copse" readable
    try "seed $seed: Linux receives" linux_receives copse to-linux &&
        try "seed $seed: and it is the same" all_alike source to-linux sharing root-times $holes
    try "seed $seed: copse receives" copse_receives copse own &&
        try "seed $seed: and it is the same" all_alike source own ctime root-times sharing $holes ${holes:+prealloc}
}

for ((n = 0; n < ${STREAM_PAIRS:-8}; n++)); do
    one_seed $((${STREAM_SEED:-1} + n))
done
# What long runs have found: preallocation behind an end that has no data.
[[ -n ${STREAM_SEED:-} ]] || one_seed 2044
[[ ! -s $scratch/sizes ]] || diag "$(awk '
    {ours += $2; theirs += $3}
    $2 / $3 > worst {worst = $2 / $3; seed = $1}
    END {printf "bytes of copse to those of Linux: %.3f; the most %.3f (seed %d)",
        ours / theirs, worst, seed}' "$scratch/sizes")"
done_testing
