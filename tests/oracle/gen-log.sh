#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the image that a crash after fsync leaves behind: a log tree is pending. Writes IMAGE, what
# the kernel shows after replaying it (IMAGE.manifest), and what it shows without replay
# (IMAGE.before). See log-scenarios.sh.

set -u
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
# shellcheck source=log-scenarios.sh
. "$tests_lib/../oracle/log-scenarios.sh"

scenarios() {
    declare -F | sed -n 's/^declare -f log_//p'
}

usage() {
    echo "usage: gen-log.sh -o IMAGE [-s SIZE] SCENARIO | gen-log.sh -l" >&2
    exit 2
}

fail() {
    echo "gen-log.sh: ${name:-}: $*" >&2
    exit 1
}

image='' size=128M
while getopts o:s:l option; do
    case $option in
    o) image=$OPTARG ;;
    s) size=$OPTARG ;;
    l) scenarios && exit 0 ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[[ -n $image && $# == 1 ]] || usage
name=$1
declare -F "log_$name" >/dev/null || fail "no such scenario"
own_mounts "$0" -o "$image" -s "$size" "$name"
why=$(why_no_kernel)
[[ -z $why ]] || fail "$why"

log_root() {
    btrfs inspect-internal dump-super "$1" | awk '$1 == "log_root" {print $2}'
}

make_scratch
find_new_progs
declare -n mkfs_options=mkfs_$name mount_options=mount_$name
rm -f "$image"
truncate -s "$size" "$image"
"${btrfs_new:+$btrfs_new/}mkfs.btrfs" -q -f "${mkfs_options[@]}" "$image" >/dev/null || fail "mkfs"
# Nothing commits but what a scenario does itself.
mount_image "$image" "$scratch/mnt" "noatime,commit=3000${mount_options:+,$mount_options}" ||
    fail "mount"
(
    cd "$scratch/mnt" || exit 1
    if declare -F "base_$name" >/dev/null; then
        "base_$name" || exit 1
    fi
    btrfs filesystem sync . && "log_$name" && cp --sparse=always "$image" "$scratch/crashed.img"
) || fail "the scenario failed"
umount "$scratch/mnt" || fail "umount"
mv "$scratch/crashed.img" "$image"
(($(log_root "$image"))) || fail "the kernel committed: no log tree is pending"

kernel_manifest "$image" "$image.before" rescue=nologreplay || fail "manifest before replay"
cp --sparse=always "$image" "$scratch/replayed.img"
since=$(date +%s.%N)
mount_image "$scratch/replayed.img" "$scratch/mnt" noatime || fail "the kernel cannot replay"
umount "$scratch/mnt"
kernel_manifest "$scratch/replayed.img" "$scratch/replayed" || fail "manifest after replay"
hide_replay_times "$scratch/replayed" "$since" >"$image.manifest"
cmp -s "$image.before" "$image.manifest" && fail "the replay changed nothing"
exit 0
