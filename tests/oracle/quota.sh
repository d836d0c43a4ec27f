#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: quota groups that the kernel counted, and that copse changed, still say what the
# kernel's rescan and btrfs check count; and the other way round. The same for simple quotas, which
# nobody counts anew: there btrfs check has the last word.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
find_new_progs
own_mounts "$0" "$@"
make_scratch
image=$scratch/quota.img
at=$scratch/mnt
mkdir -p "$at"

groups_of_copse() {
    "$COPSE" qgroup show --raw "$image" | awk '/^[0-9]/ {print $1, $2, $3}'
}

groups_of_kernel() { # DIR
    btrfs qgroup show --raw "$1" | awk '/^[0-9]/ {print $1, $2, $3}'
}

report_agrees() {
    ! "${btrfs_new:+$btrfs_new/}btrfs" check --qgroup-report "$image" 2>&1 | grep -E 'are different|^diff|^ERROR' >&2
}

# Some of everything, by the kernel, in a mounted file system.
change_by_kernel() { # DIR ROUND
    btrfs -q subvolume create "$1/k$2" &&
        head -c 3000000 /dev/urandom >"$1/k$2/data" &&
        for i in $(seq 200); do echo "$i" >"$1/k$2/small-$i" || return 1; done &&
        sync -f "$1" &&
        btrfs -q subvolume snapshot "$1/k$2" "$1/ks$2" &&
        cp --reflink=always "$1/k$2/data" "$1/ks$2/clone" &&
        head -c 100000 /dev/urandom | dd of="$1/ks$2/data" conv=notrunc bs=4k seek=20 status=none
}

change_by_copse() { # ROUND
    "$COPSE" shell "$image" -f /dev/stdin >/dev/null <<EOF
subvolume create /c$1
io -f /c$1/data -c 'pwrite -q 0 2m'
subvolume snapshot /k$1 /cs$1
io /cs$1/data -c 'pwrite -q 1m 200k' -c 'reflink /c$1/data 0 2m 1m'
rm /cs$1/small-7
sync
subvolume snapshot /cs$1 /css$1
io /css$1/data -c 'pwrite -q 0 64k'
subvolume delete /ks$1
subvolume sync /
EOF
}

mount_it() {
    mount -o loop "$image" "$at"
}

run_case() { # NAME COMMAND...
    local name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name"; fi
}

kernel_then_copse() {
    rm -f "$image"
    truncate -s 400M "$image"
    mkfs.btrfs -q "$image" >/dev/null 2>&1 && mount_it || return 1
    btrfs quota enable "$at" && btrfs -q quota rescan -w "$at" && change_by_kernel "$at" 1
    local ret=$?
    sync -f "$at"
    groups_of_kernel "$at" >"$scratch/kernel" 2>/dev/null
    umount "$at"
    ((ret == 0)) && diff "$scratch/kernel" <(groups_of_copse) >&2 &&
        change_by_copse 1 && report_agrees
}

# What copse left is what the kernel counts anew, and what it goes on from.
back_to_kernel() {
    groups_of_copse >"$scratch/copse"
    mount_it || return 1
    groups_of_kernel "$at" >"$scratch/kernel" 2>"$scratch/warned"
    btrfs -q quota rescan -w "$at" && groups_of_kernel "$at" >"$scratch/rescanned"
    local ret=$?
    change_by_kernel "$at" 2 || ret=1
    umount "$at"
    ((ret == 0)) && ! grep -q inconsistent "$scratch/warned" &&
        diff "$scratch/copse" "$scratch/kernel" >&2 && diff "$scratch/copse" "$scratch/rescanned" >&2
}

copse_again() {
    change_by_copse 2 && report_agrees
}

# ---- simple quotas ------------------------------------------------------------------------------

simple_kernel_then_copse() {
    rm -f "$image"
    truncate -s 400M "$image"
    mkfs.btrfs -q "$image" >/dev/null 2>&1 && mount_it || return 1
    btrfs -q subvolume create "$at/k0" && head -c 1000000 /dev/urandom >"$at/k0/data" && sync -f "$at" &&
        "$btrfs_new/btrfs" quota enable --simple "$at" && change_by_kernel "$at" 1 &&
        btrfs -q subvolume snapshot "$at/k0" "$at/ks0" && btrfs -q subvolume delete -c "$at/k0" &&
        btrfs subvolume sync "$at" >/dev/null
    local ret=$?
    sync -f "$at"
    groups_of_kernel "$at" >"$scratch/kernel" 2>/dev/null
    umount "$at"
    ((ret == 0)) && diff "$scratch/kernel" <(groups_of_copse) >&2 &&
        change_by_copse 1 && report_agrees
}

simple_back_to_kernel() {
    groups_of_copse >"$scratch/copse"
    mount_it || return 1
    groups_of_kernel "$at" >"$scratch/kernel" 2>"$scratch/warned"
    change_by_kernel "$at" 2 && btrfs -q subvolume delete -c "$at/cs1" && rm "$at/css1/data" &&
        btrfs subvolume sync "$at" >/dev/null
    local ret=$?
    umount "$at"
    ((ret == 0)) && [[ ! -s $scratch/warned ]] && diff "$scratch/copse" "$scratch/kernel" >&2 &&
        report_agrees
}

# Each step, and how the kernel's tools say it: what either counts is the same.
simple_steps_of_copse() {
    cat <<'EOF'
quota enable -s
subvolume create /a
io -f /a/f -c 'pwrite -q 0 2m'
qgroup create 1/1
qgroup assign 0/256 1/1
sync
subvolume create /a/in
io -f /a/in/g -c 'pwrite -q 0 1m'
subvolume snapshot /a /s
sync
io /s/f -c 'pwrite -q 0 64k'
sync
subvolume delete /a/in
subvolume delete /a
subvolume sync
sync
rm /s/f
sync
EOF
}

simple_steps_of_kernel() {
    "$btrfs_new/btrfs" quota enable -s "$at" && btrfs -q subvolume create "$at/a" &&
        xfs_io -f -c 'pwrite -q 0 2m' "$at/a/f" && btrfs qgroup create 1/1 "$at" &&
        btrfs qgroup assign 0/256 1/1 "$at" && sync -f "$at" &&
        btrfs -q subvolume create "$at/a/in" && xfs_io -f -c 'pwrite -q 0 1m' "$at/a/in/g" &&
        btrfs -q subvolume snapshot "$at/a" "$at/s" && sync -f "$at" &&
        xfs_io -c 'pwrite -q 0 64k' "$at/s/f" && sync -f "$at" &&
        btrfs -q subvolume delete -c "$at/a/in" && btrfs -q subvolume delete -c "$at/a" &&
        btrfs subvolume sync "$at" >/dev/null && sync -f "$at" && rm "$at/s/f" && sync -f "$at"
}

simple_same_numbers() {
    rm -f "$image"
    truncate -s 300M "$image"
    mkfs.btrfs -q "$image" >/dev/null 2>&1 && mount_it || return 1
    simple_steps_of_kernel
    local ret=$?
    groups_of_kernel "$at" >"$scratch/kernel" 2>/dev/null
    umount "$at"
    ((ret == 0)) || return 1
    mkfs.btrfs -q -f "$image" >/dev/null 2>&1 &&
        "$COPSE" shell "$image" -f <(simple_steps_of_copse) >/dev/null &&
        diff "$scratch/kernel" <(groups_of_copse) >&2 && report_agrees
}

echo 1..6
run_case "copse goes on from what the kernel counted" kernel_then_copse
run_case "the kernel finds copse's numbers right, and goes on" back_to_kernel
run_case "and copse after it" copse_again

simple_case() { # NAME COMMAND
    if [[ -n $btrfs_new ]]; then run_case "$@"; else skip "$1" "no btrfs-progs 6.14 here"; fi
}
simple_case "simple quotas: copse goes on from what the kernel counted" simple_kernel_then_copse
simple_case "simple quotas: the kernel goes on from what copse counted" simple_back_to_kernel
simple_case "simple quotas: step by step, the kernel's numbers" simple_same_numbers
