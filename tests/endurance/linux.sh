#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# linux.sh IMAGE ROUND: btrfs check judges the image, the kernel mounts it, finds what it wrote in
# earlier rounds, writes and deletes, and btrfs check judges again. Exit 77: not possible here.
set -u
image=$1 round=$2
# shellcheck source=../lib/images.sh
. "$(dirname "$(readlink -f "$0")")/../lib/images.sh"

why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing btrfs)
[[ -z $why ]] || { echo "# the kernel cannot judge: $why"; exit 77; }
own_mounts "$0" "$@"
make_scratch
find_new_progs
check=${btrfs_new:+$btrfs_new/}btrfs

checked() {
    "$check" check --check-data-csum "$image" >"$scratch/check" 2>&1 &&
        ! grep -qE '^(ERROR|WARNING)|mismatch' "$scratch/check" && return
    sed 's/^/# /' "$scratch/check"
    echo "# btrfs check complains, $1"
    exit 1
}

# content N: what the kernel writes in round N.
content() {
    seq -f "$1 %.0f" 1 20000
}

checked "before the kernel mounts it"
mount_image "$image" "$scratch/mnt" || { echo "# the kernel does not mount it"; exit 1; }
for file in "$scratch"/mnt/linux/*; do
    [[ -e $file ]] || continue
    cmp -s "$file" <(content "${file##*/}") || { echo "# ${file##*/} has changed"; exit 1; }
done
mkdir -p "$scratch/mnt/linux"
content "$round" >"$scratch/mnt/linux/$round"
# Some go again, and what copse wrote is shared (where it is NODATACOW, copied).
find "$scratch/mnt/linux" -type f | sort -V | head -n -3 | xargs -r rm
mkdir -p "$scratch/mnt/shared"
for file in "$scratch"/mnt/worker0/name*; do
    [[ ! -e $file ]] || cp --reflink=auto "$file" "$scratch/mnt/shared/" || exit 1
done
cat "$scratch"/mnt/worker*/* >/dev/null || { echo "# the kernel cannot read all of it"; exit 1; }
# A deletion that the kernel is half through at its unmount has numbers in its quota group of which
# btrfs check says they are a block off; once it is done, whoever does it, they are right.
"$check" subvolume sync "$scratch/mnt" >/dev/null || exit 1
umount "$scratch/mnt" || exit 1
checked "after the kernel wrote to it"
