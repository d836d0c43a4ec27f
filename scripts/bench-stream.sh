#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench-stream.sh BUILD: send and receive beside the kernel's `btrfs send` and `btrfs receive`, of a
# source tree of 80,000 files and of one large file, whole and after few changes. Everybody reads the
# same image, made by the kernel, from the page cache; each receives into a new image, until it is
# durable. One after another and over again; medians of the clock, and what is asked of them:
# send 1, of few changes in the tree 2, receive 3 times as fast, in less than 256 MiB.
#
#   RUNS=3                    how often
#   BENCH_STREAM_SIZE=10G     the large file ("0": none)
#   COPSE_SOURCE_TREE=        a tarball of the tree (default: Debian's kernel sources)
#   BENCH_DIR=                where the images lie (default: BUILD/bench); needs 4 GiB and 4 times
#                             the size of the large file
set -euo pipefail

build=$(readlink -f "$1")
runs=${RUNS:-3} size=${BENCH_STREAM_SIZE:-10G}
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=../tests/lib/images.sh
COPSE_BUILD=$build . "$here/../tests/lib/images.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing btrfs python3)
[[ -z $why ]] || { echo "SKIPPED: send and receive: $why"; exit 0; }
own_mounts "$0" "$@"
mkdir -p "${BENCH_DIR:=$build/bench}"
TMPDIR=$BENCH_DIR make_scratch
image=$scratch/source.img mnt=$scratch/source

measure() { # NAME WHO COMMAND...
    local out="$scratch/$1.$2"
    shift 2
    python3 "$here/../tests/bench/measure.py" "$out" "$@"
}

# ---- what is sent ----------------------------------------------------------------------------

change_tree() { # DIR: two hundred files in a few places
    find "$1/kernel" "$1/lib" -name '*.c' | sort | head -n 200 | while read -r file; do
        echo '/* changed */' >>"$file"
    done
    mv "$1/samples" "$1/examples"
    rm -r "$1/sound/core"
}

make_source() {
    local tarball
    truncate -s 64G "$image"
    mkfs.btrfs -q "$image" >/dev/null
    mount_image "$image" "$mnt" noatime
    if tarball=$("$here/../tests/lib/get-source-tree.sh"); then
        btrfs -q subvolume create "$mnt/sv"
        tar -C "$mnt/sv" --strip-components=1 -xf "$tarball"
        btrfs -q subvolume snapshot -r "$mnt/sv" "$mnt/tree1"
        change_tree "$mnt/sv"
        btrfs -q subvolume snapshot -r "$mnt/sv" "$mnt/tree2"
        subjects+=(tree)
    fi
    if [[ $size != 0 ]]; then
        btrfs -q subvolume create "$mnt/large"
        head -c "$size" /dev/urandom >"$mnt/large/file"
        sync -f "$mnt"
        btrfs -q subvolume snapshot -r "$mnt/large" "$mnt/file1"
        python3 -c 'import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
step = os.fstat(fd).st_size // 100
for i in range(100):
    os.pwrite(fd, bytes([i]) * 65536, i * step // 4096 * 4096)' "$mnt/large/file"
        btrfs -q subvolume snapshot -r "$mnt/large" "$mnt/file2"
        subjects+=(file)
    fi
    umount "$mnt"
}

# ---- one run ---------------------------------------------------------------------------------

kernel_sends() { # SUBJECT
    mount_image "$image" "$mnt" ro,noatime
    # Once for the caches, and for those who receive it.
    if [[ ! -e $scratch/$1.full ]]; then
        btrfs -q send -f "$scratch/$1.full" "$mnt/${1}1"
        btrfs -q send -f "$scratch/$1.more" -p "$mnt/${1}1" "$mnt/${1}2"
    fi
    # The kernel moves pages into a file, and into nowhere without looking at them: as it does for
    # a receiver, somebody takes the bytes.
    measure "send $1" kernel sh -c 'btrfs -q send "$1" | cat >/dev/null' - "$mnt/${1}1"
    measure "send $1, changes" kernel sh -c 'btrfs -q send -p "$1" "$2" | cat >/dev/null' - \
        "$mnt/${1}1" "$mnt/${1}2"
    umount "$mnt"
}

copse_sends() { # SUBJECT
    measure "send $1" copse sh -c '"$0" send -q "$1" | cat >/dev/null' \
        "$COPSE" "$image:/${1}1"
    measure "send $1, changes" copse sh -c '"$0" send -q -p "$1" "$2" | cat >/dev/null' \
        "$COPSE" "$image:/${1}1" "$image:/${1}2"
    # Alone, for its memory.
    measure "send $1" memory "$COPSE" send -q -f /dev/null "$image:/${1}1"
    measure "send $1, changes" memory "$COPSE" send -q -f /dev/null -p "$image:/${1}1" \
        "$image:/${1}2"
}

new_image() {
    rm -f "$scratch/to.img"
    truncate -s 64G "$scratch/to.img"
    mkfs.btrfs -q "$scratch/to.img" >/dev/null
}

kernel_receives() { # SUBJECT
    new_image
    mount_image "$scratch/to.img" "$scratch/to" noatime
    measure "receive $1" kernel sh -c 'btrfs -q receive -f "$1" "$2" && sync -f "$2"' - \
        "$scratch/$1.full" "$scratch/to"
    measure "receive $1, changes" kernel sh -c 'btrfs -q receive -f "$1" "$2" && sync -f "$2"' - \
        "$scratch/$1.more" "$scratch/to"
    umount "$scratch/to"
}

copse_receives() { # SUBJECT
    new_image
    measure "receive $1" copse "$COPSE" receive -q -f "$scratch/$1.full" "$scratch/to.img:/"
    measure "receive $1, changes" copse "$COPSE" receive -q -f "$scratch/$1.more" \
        "$scratch/to.img:/"
    ((run > 1)) || btrfs check --readonly "$scratch/to.img" >"$scratch/check" 2>&1 ||
        { cat "$scratch/check" >&2; exit 1; }
}

subjects=()
make_source
for ((run = 1; run <= runs; run++)); do
    for subject in "${subjects[@]}"; do
        echo "# run $run of $runs: $subject" >&2
        kernel_sends "$subject"
        copse_sends "$subject"
        kernel_receives "$subject"
        copse_receives "$subject"
    done
done
rm -f "$scratch/to.img"

# ---- the table -------------------------------------------------------------------------------

median() { # FILE COLUMN
    awk -v c="$2" '{print $c}' "$1" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

most() { # FILE...: MiB
    cat "$@" | awk '$3 > most {most = $3} END {printf "%.0f", most / 1024}'
}

printf '\nseconds of the clock, median of %d runs\n%-24s %9s %9s %9s %6s %9s %9s %9s\n' "$runs" \
    "" copse kernel "as fast" asked "CPU copse" "kernel" "most MiB"
for subject in "${subjects[@]}"; do
    for what in "send $subject" "send $subject, changes" "receive $subject" \
        "receive $subject, changes"; do
        case $what in
        "send tree, changes") asked=2 ;;
        send*) asked=1 ;;
        *) asked=3 ;;
        esac
        memory="$scratch/$what.memory"
        [[ -e $memory ]] || memory="$scratch/$what.copse"
        ours=$(median "$scratch/$what.copse" 1) theirs=$(median "$scratch/$what.kernel" 1)
        printf '%-24s %9.3f %9.3f %9s %6s %9.3f %9.3f %9s\n' "$what" "$ours" "$theirs" \
            "$(awk -v a="$theirs" -v b="$ours" 'BEGIN {printf "%.2f", a / b}')" "$asked" \
            "$(median "$scratch/$what.copse" 2)" "$(median "$scratch/$what.kernel" 2)" "$(most "$memory")"
    done
done
