#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# crash.sh BUILD: states that a power cut may leave, on all cores; see tests/crash. Ends with one
# line, `N states, N violations`, and fails if there were any.
#
#   N=100000    how many
#   FIRST=1     the first workload
set -euo pipefail

build=$(readlink -f "$1")
n=${N:-100000} first=${FIRST:-1} shards=$(nproc)
ninja -C "$build" tests/crash/crash >/dev/null
out=$(mktemp -d "${TMPDIR:-/tmp}/copse-crash.XXXXXX")
trap 'rm -rf "$out"' EXIT

for ((i = 0; i < shards; i++)); do
    CRASH_STATES=$n CRASH_FIRST=$first "$build/tests/crash/crash" "$i" "$shards" >"$out/$i" || : &
done
wait
grep -hE '^# CRASH_' "$out"/* || :
awk -v shards="$shards" '
    match($0, /[0-9]+ states, [0-9]+ violations/) {
        split(substr($0, RSTART, RLENGTH), field, " ")
        states += field[1]
        violations += field[3]
        ended++
    }
    END {
        # A shard that says nothing has died: that is one, too.
        violations += shards - ended
        printf "%d states, %d violations\n", states, violations
        exit violations > 0 || states == 0
    }' "$out"/*
