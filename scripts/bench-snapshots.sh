#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench-snapshots.sh BUILD: snapshots of a subvolume with many files, by the library and by the
# kernel's btrfs, on copies of one image, one after the other: making them, writing once to each,
# deleting half of them; with quotas and without. Started by WHAT=snapshots make bench.
#
#   SNAPSHOTS=1000 SNAPSHOT_FILES=100000   how many
#   BENCH_DIR=    where the images lie (default: BUILD/bench); needs 8 GiB
set -euo pipefail

build=$(readlink -f "$1")
snapshots=${SNAPSHOTS:-1000} files=${SNAPSHOT_FILES:-100000}
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=../tests/lib/images.sh
COPSE_BUILD=$build . "$here/../tests/lib/images.sh"
why=$(why_no_kernel)
[[ -z $why ]] || { echo "SKIPPED: snapshots: $why"; exit 0; }
own_mounts "$0" "$@"
mkdir -p "${BENCH_DIR:=$build/bench}"
TMPDIR=$BENCH_DIR make_scratch
mkdir "$scratch/mnt"
library=$(ldd "$build/copse" | awk '$1 ~ /^libcopse\.so/ {print $3}')

truncate -s 16G "$scratch/base"
mkfs.btrfs -q "$scratch/base" >/dev/null 2>&1
mount_image "$scratch/base" "$scratch/mnt" noatime
btrfs -q subvolume create "$scratch/mnt/src"
python3 - "$scratch/mnt/src" "$files" <<'END'
import os, sys
for i in range(int(sys.argv[2])):
    if i % 1000 == 0:
        here = "%s/d%d" % (sys.argv[1], i // 1000)
        os.mkdir(here)
    with open("%s/f%d" % (here, i), "wb") as f:
        f.write(b"x" * 4096 if i % 4 == 0 else b"x" * 100)
END
umount "$scratch/mnt"

failed=0
for quotas in off on; do
    for world in copse kernel; do
        cp --sparse=always "$scratch/base" "$scratch/image"
        if [[ $world == kernel ]]; then
            mount_image "$scratch/image" "$scratch/mnt" noatime
            python3 "$here/bench-snapshots.py" kernel "$scratch/mnt" $quotas "$snapshots" \
                >"$scratch/$world.$quotas"
            umount "$scratch/mnt"
        else
            python3 "$here/bench-snapshots.py" "$library" "$scratch/image" $quotas "$snapshots" \
                >"$scratch/$world.$quotas"
        fi
        if [[ $quotas == on ]] &&
            { ! btrfs check --qgroup-report "$scratch/image" >"$scratch/check" 2>&1 ||
                grep -q 'are different' "$scratch/check"; }; then
            echo "bench: FAILED: $world: quotas are not what btrfs check counts"
            failed=1
        fi
        rm -f "$scratch/image"
    done
    echo "$files files, $snapshots snapshots, quotas $quotas: milliseconds, and kernel / copse"
    paste "$scratch/copse.$quotas" "$scratch/kernel.$quotas" | awk -F'\t' '
        {printf "%-34s %12.3f %12.3f %8.2f\n", $1, $2, $4, ($2 > 0 ? $4 / $2 : 0)}'
done
exit $failed
