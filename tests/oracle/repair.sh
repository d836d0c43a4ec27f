#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: what `copse check --repair` calls repaired `btrfs check` calls clean, and Linux mounts
# it, reads it, changes it, and leaves it clean. REPAIR_KINDS=all: each kind of damage that is
# repaired, about two minutes; by default every twelfth.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing btrfs)
[[ -z $why ]] || skip_all "$why"
damage=$COPSE_BUILD/tests/damage/damage-kinds
[[ -x $damage ]] || skip_all "no $damage"
own_mounts "$0" "$@"
make_scratch
dir=$scratch/mnt

step=12
[[ ${REPAIR_KINDS:-} != all ]] || step=1
mapfile -t kinds < <(sed -n 's/^    {"\([^"]*\)", "[^"]*", true},$/\1/p' \
    "$tests_lib/../damage/kinds_check.c" | awk -v step=$step 'NR % step == 1 || step == 1')
COPSE_DUMP_REPAIRED=$scratch "$damage" "${kinds[@]}" >"$scratch/said" 2>&1 ||
    diag "damage-kinds failed: $(tail -n 3 "$scratch/said")"

# Files that the damage itself has made unreadable may stay so: that is not what is asked here.
used() { # IMAGE
    mount_image "$1" "$dir" || return 1
    find "$dir" -type f -exec cat {} + >/dev/null 2>&1
    mkdir "$dir/new" && echo new >"$dir/new/file" && rm -r "$dir/new"
    local rc=$?
    umount "$dir" && return $rc
}

for kind in "${kinds[@]}"; do
    image=$scratch/$kind.img
    try "$kind: repaired, btrfs check is content" btrfs check --check-data-csum "$image" || continue
    try "$kind: Linux mounts and changes it" used "$image"
    try "$kind: and btrfs check is still content" btrfs check "$image"
    rm -f "$image"
done
done_testing
