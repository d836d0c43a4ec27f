#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the table of tests/errno says about Linux is what this machine's Linux answers: btrfs, and
# XFS for the calls that btrfs does not have.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing chattr mkfs.btrfs)
[[ -z $why ]] || skip_all "$why"
own_mounts "$0" "$@"
make_scratch
judge=${COPSE_TEST_ERRNO:-$COPSE_BUILD/tests/errno/errno-kernel}
[[ -x $judge ]] || skip_all "errno-kernel is not built"

# Two mounted file systems of a kind, one in the other.
mount_two() {
    local type=$1 side
    for side in here far; do
        truncate -s 1G "$scratch/$type-$side.img"
        "mkfs.$type" -q "$scratch/$type-$side.img" >/dev/null 2>&1 || return 1
    done
    mkdir "$scratch/$type" && mount -o loop "$scratch/$type-here.img" "$scratch/$type" &&
        mkdir "$scratch/$type/far" && mount -o loop "$scratch/$type-far.img" "$scratch/$type/far"
}

# Its cases become cases of ours.
on() {
    local type=$1 line
    if ! grep -qw "$type" /proc/filesystems && ! modprobe -q "$type" || [[ -n $(why_missing "mkfs.$type") ]]; then
        skip "$type of the kernel" "no $type here"
        return
    fi
    if ! mount_two "$type"; then
        not_ok "$type of the kernel is mounted"
        return
    fi
    if [[ $type == btrfs ]]; then
        btrfs -q subvolume create "$scratch/$type/files" >/dev/null
    else
        mkdir "$scratch/$type/files"
    fi
    "$judge" "$type" "$scratch/$type" >"$scratch/out" || not_ok "$type: the judge ended early"
    while IFS= read -r line; do
        case $line in
        "ok "*) ok "$type: ${line#ok * - }" ;;
        "not ok "*) not_ok "$type: ${line#not ok * - }" ;;
        "# "*) diag "${line#\# }" ;;
        "Bail out!"*) not_ok "$type: $line" ;;
        esac
    done <"$scratch/out"
    umount "$scratch/$type/far" "$scratch/$type"
}

on btrfs
on xfs
done_testing
