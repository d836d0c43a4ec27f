#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check.sh BUILD LOGS [--meson-only]: runs the tests of a build directory and leaves their TAP in
# LOGS for tap-sum.sh. The tests that meson knows, then the bats files of tests/*/ (--meson-only: the
# first without those of the sources themselves, and fuzzing, for a second build of the same tree).
# Says nothing about the outcome by its exit status except that something could not be run at all.
set -u

top=$(dirname "$(dirname "$(readlink -f "$0")")")
build=$(readlink -f "$1") logs=$2 only=${3-}
jobs=${JOBS:-$(($(nproc) + 1))} # some wait for a device, or a kernel

rm -rf "$logs"
mkdir -p "$logs"
logs=$(readlink -f "$logs")

export COPSE_BUILD=$build COPSE=$build/copse COPSE_SOURCE=$top
export PATH=$build:$PATH
export TAP_RUN=$top/scripts/tap-run.sh

[ "$only" = --meson-only ] && suites=(--no-suite rules --no-suite fuzz) || suites=()
meson test -C "$build" --no-rebuild "${suites[@]}" --print-errorlogs --num-processes "$jobs" \
    --wrapper "$top/scripts/tap-run.sh $logs/meson -" </dev/null >"$logs/meson.out" 2>&1
meson_status=$?
grep -vE '^$|^(Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout):|^ninja:|^Full log' "$logs/meson.out"

if [ $meson_status -ne 0 ] && ! grep -qE '^(Fail|Timeout|Unexpected Pass): +[1-9]' "$logs/meson.out"; then
    echo "check: meson could not run its tests" >&2
    exit 2
fi
# A test program that died together with its wrapper is in meson's count alone.
timeouts=$(sed -n 's/^Timeout: *//p' "$logs/meson.out")
for ((i = 0; i < ${timeouts:-0}; i++)); do
    echo "## exit 124 timeout $i" >"$logs/timeout.$i.tap"
done

[ "$only" = --meson-only ] && exit 0

find "$top/tests" -name '*.bats' -print0 | sort -z |
    xargs -0r -P "$jobs" -I{} sh -c '"$TAP_RUN" -q "$0/bats" "${1#"$COPSE_SOURCE"/tests/}" bats --tap "$1" || :' "$logs" {}
exit 0
