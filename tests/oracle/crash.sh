#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# States of the crash explorer (tests/crash), judged by Linux (power-cut.sh): CRASH_IMAGES=40 of
# them, and on to the end of a workload; CRASH_FIRST is the first.
set -u
# shellcheck source=power-cut.sh
. "$(dirname "$(readlink -f "$0")")/power-cut.sh"

images=${CRASH_IMAGES:-40} workload=${CRASH_FIRST:-1}
crash=$COPSE_BUILD/tests/crash/crash
[[ -x $crash ]] || skip_all "$crash is not built"

# A workload at a time, so that few images stand around: one state in ten of its 200.
mkdir "$scratch/images"
while ((judged < images)); do
    CRASH_STATES=1 CRASH_FIRST=$workload CRASH_KEEP=$scratch/images CRASH_KEEP_EACH=${CRASH_KEEP_EACH:-10} "$crash" >"$scratch/out" ||
        diag "$(cat "$scratch/out")"
    judge_images "$scratch/images"
    workload=$((workload + 1))
done
diag "$judged states up to workload $((workload - 1)): $logs with a log tree, $torn mended by copse first," \
    "$unmounted with sectors that Linux cannot mount"
is "Linux and copse find the same in $judged states" "$failed" 0
done_testing
