#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a power cut leaves after a short sequence of operations and a sync (tests/bounded): Linux mounts
# it, replaying the log that copse wrote, and finds what copse finds after its own replay; btrfs check
# is content with both. BOUNDED_IMAGES=40 of them, from BOUNDED_SEED on.
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$here/../lib/images.sh"

why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
own_mounts "$0" "$@"
make_scratch
find_new_progs
check=${btrfs_new:+$btrfs_new/}btrfs
images=${BOUNDED_IMAGES:-40}
bounded=$COPSE_BUILD/tests/bounded/bounded
[[ -x $bounded ]] || skip_all "$bounded is not built"

mkdir "$scratch/images"
BOUNDED_KEEP=$scratch/images BOUNDED_KEEP_MAX=$images BOUNDED_SINGLES=no BOUNDED_PAIRS=$images \
    BOUNDED_TRIPLES=0 "$bounded" >"$scratch/out" || diag "$(cat "$scratch/out")"

sound() { # IMAGE
    "$check" check --check-data-csum "$1" >"$scratch/check" 2>&1 &&
        ! grep -qE '^(ERROR|WARNING)|mismatch' "$scratch/check" && return
    diag "$(cat "$scratch/check")"
    return 1
}

logs=0 failed=0
while read -r number sequence; do
    image=$scratch/images/$number.img ours=$scratch/ours.img
    read -r log < <("$check" inspect-internal dump-super "$image" | awk '$1 == "log_root" {print $2}')
    ((log == 0)) || logs=$((logs + 1))
    since=$(date +%s.%N)
    cp --sparse=always "$image" "$ours"
    if ! "$COPSE" sync "$ours:/" || ! sound "$ours" || ! kernel_manifest "$ours" "$scratch/a"; then
        diag "copse: $sequence"
        failed=$((failed + 1))
        continue
    fi
    if ! mount_image "$image" "$scratch/mnt" noatime; then
        diag "Linux does not mount it: $sequence"
        failed=$((failed + 1))
        continue
    fi
    umount "$scratch/mnt"
    if ! sound "$image" || ! kernel_manifest "$image" "$scratch/b"; then
        diag "after Linux: $sequence"
        failed=$((failed + 1))
        continue
    fi
    hide_replay_times "$scratch/a" "$since" >"$scratch/ours"
    hide_replay_times "$scratch/b" "$since" >"$scratch/linux"
    if ! cmp -s "$scratch/ours" "$scratch/linux"; then
        diag "copse < and Linux > replay differently: $sequence" \
            "$(diff "$scratch/ours" "$scratch/linux" | cut -c 1-300)"
        failed=$((failed + 1))
    fi
done <"$scratch/images/list"
diag "$images images, $logs of them with a log tree"
is "Linux and copse find the same in $images images" "$failed" 0
done_testing
