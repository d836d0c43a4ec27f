#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a power cut leaves after a short sequence of operations and a sync (tests/bounded), judged by
# Linux (power-cut.sh). BOUNDED_IMAGES=40 of them, from BOUNDED_SEED on.
set -u
# shellcheck source=power-cut.sh
. "$(dirname "$(readlink -f "$0")")/power-cut.sh"

images=${BOUNDED_IMAGES:-40}
bounded=$COPSE_BUILD/tests/bounded/bounded
[[ -x $bounded ]] || skip_all "$bounded is not built"

mkdir "$scratch/images"
BOUNDED_KEEP=$scratch/images BOUNDED_KEEP_MAX=$images BOUNDED_SINGLES=no BOUNDED_PAIRS=$images \
    BOUNDED_TRIPLES=0 "$bounded" >"$scratch/out" || diag "$(cat "$scratch/out")"
judge_images "$scratch/images"
diag "$judged images, $logs of them with a log tree"
is "Linux and copse find the same in $judged images" "$failed" 0
done_testing
