#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench-check.sh BUILD: copse check beside btrfs check on one image, one after the other, in time
# (wall and processor), memory and verdict. Started by WHAT=check make bench.
#
#   CHECK_FILES=500000 CHECK_SNAPSHOTS=1000 CHECK_CHANGES=200   files, snapshots, and how many files
#                 are written anew before each of these
#   CHECK_IMAGE=  an image to be used instead
#   BENCH_DIR=    where the image lies (default: BUILD/bench); needs 8 GiB
set -euo pipefail

build=$(readlink -f "$1")
files=${CHECK_FILES:-500000} snapshots=${CHECK_SNAPSHOTS:-1000} changes=${CHECK_CHANGES:-200}
command -v btrfs >/dev/null || { echo "bench: no btrfs here to compare with"; exit 0; }
[[ -x /usr/bin/time ]] || { echo "bench: /usr/bin/time is missing"; exit 0; }

mkdir -p "${BENCH_DIR:=$build/bench}"
scratch=$(mktemp -d "$BENCH_DIR/check.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
image=${CHECK_IMAGE:-$scratch/image}
if [[ -z ${CHECK_IMAGE:-} ]]; then
    ninja -C "$build" tests/bench/make_snapshots >/dev/null
    "$build/copse" mkfs -q -b 64G "$image"
    "$build/tests/bench/make_snapshots" "$image" "$files" "$snapshots" "$changes"
    echo "$files files, $snapshots snapshots, $changes files written anew before each"
fi

# NAME COMMAND…: leaves "wall cpu KiB status" in $scratch/NAME.
measure() {
    local name=$1 status=0
    shift
    /usr/bin/time -q -o "$scratch/time" -f '%e %U %S %M' "$@" >"$scratch/$name.said" 2>&1 || status=$?
    awk -v status=$status '{print $1, $2 + $3, $4, status}' "$scratch/time" >"$scratch/$name"
}

measure copse "$build/copse" check "$image"
measure btrfs btrfs check "$image"
for name in copse btrfs; do
    awk -v name="$name check" '{printf "%-12s %9.1f s %9.1f s CPU %9.1f MiB  %s\n", name, $1, $2,
        $3 / 1024, $4 ? "damaged" : "clean"}' "$scratch/$name"
done
paste -d' ' "$scratch/copse" "$scratch/btrfs" | awk '{
    printf "%-12s %9.2f   %9.2f       %9.2f\n", "copse/btrfs", $1 / $5, $2 / $6, $3 / $7
    exit ($4 != $8)}'
