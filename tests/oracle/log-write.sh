#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: the log trees that fsync writes, Linux replays, and comes to the same tree as copse.
# Seeded workloads of the crash explorer leave an image for each log they wrote; the kernel mounts
# one copy, copse opens another, and the kernel shows both: no difference. btrfs check is clean.
#
# LOG_SEEDS=N: so many workloads (4); LOG_FIRST: the first one; LOG_EACH=N: one image in N (8).

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
crash=$(dirname "$COPSE")/tests/crash/crash
[[ -x $crash ]] || skip_all "no $crash"
own_mounts "$0" "$@"
make_scratch
find_new_progs
manifest=$(tool manifest)
progs=${btrfs_new:+$btrfs_new/}btrfs

show() { # IMAGE MANIFEST: what the kernel sees
    mount_image "$1" "$scratch/mnt" "noatime" || return 1
    "$manifest" "$scratch/mnt" >"$2"
    local rc=$?
    umount "$scratch/mnt" && return $rc
}

check() { # IMAGE
    local out
    out=$("$progs" check "$1" 2>&1) && grep -q 'no error found' <<<"$out" &&
        ! grep -qE '^(ERROR|WARNING)|mismatch' <<<"$out" && return
    echo "$1:" && tail -n 20 <<<"$out"
    return 1
}

judge() { # IMAGE
    cp --sparse=always "$1" "$scratch/kernel.img" && cp --sparse=always "$1" "$scratch/copse.img"
    show "$scratch/kernel.img" "$scratch/kernel.txt" || {
        echo "the kernel does not mount $(basename "$1"):" && dmesg | tail -n 5
        return 1
    }
    "$COPSE" sync "$scratch/copse.img" || return 1
    show "$scratch/copse.img" "$scratch/copse.txt" || {
        echo "the kernel does not mount what copse made of $(basename "$1")"
        return 1
    }
    check "$scratch/kernel.img" && check "$scratch/copse.img" || return 1
    diff "$scratch/kernel.txt" "$scratch/copse.txt" | head -n 20
    cmp -s "$scratch/kernel.txt" "$scratch/copse.txt"
}

# 4096 is all that this kernel may know of sector sizes.
sector_of() {
    btrfs inspect-internal dump-super "$1" | awk '$1 == "sectorsize" {print $2}'
}

seed=${LOG_FIRST:-1} tried=0 nth=0
last=$((seed + ${LOG_SEEDS:-4} - 1))
for (( ; seed <= last; seed++)); do
    rm -f "$scratch"/*-*.img
    CRASH_LOGS=$scratch CRASH_SEED=$seed "$crash" || {
        not_ok "workload $seed"
        continue
    }
    for image in "$scratch"/*-*.img; do
        [[ -e $image ]] && ((nth++ % ${LOG_EACH:-8} == 0)) || continue
        [[ $(sector_of "$image") == 4096 ]] || continue
        tried=$((tried + 1))
        try "log $(basename "$image" .img): Linux and copse come to the same" judge "$image" ||
            [[ -z ${LOG_KEEP:-} ]] || cp --sparse=always "$image" "$LOG_KEEP/"
    done
done
diag "$tried logs"
done_testing
