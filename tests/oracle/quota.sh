#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: quota groups that the kernel counted, and that copse changed, still say what the
# kernel's rescan and btrfs check count; and the other way round.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
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
    ! btrfs check --qgroup-report "$image" 2>&1 | grep -E 'are different|^diff|^ERROR' >&2
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

echo 1..3
run_case "copse goes on from what the kernel counted" kernel_then_copse
run_case "the kernel finds copse's numbers right, and goes on" back_to_kernel
run_case "and copse after it" copse_again
