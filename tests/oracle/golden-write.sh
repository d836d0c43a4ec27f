#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: every golden image can be opened for writing and changed, and Linux then finds
# nothing wrong with it: no feature, orphan, half-deleted subvolume or log tree is lost or left
# stale by a commit of ours. A log that copse replayed gives the tree that Linux's replay gives.
# With names (without .img.zst), only those images.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
# shellcheck source=../lib/judge.sh
. "$tests_lib/judge.sh"
golden=$tests_lib/../golden
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
find_new_progs
image=$scratch/image

# A bit of everything that a commit has to update: new names and data, a freed extent, a removed
# directory, more than one transaction.
write_edit() {
    local dir
    yes 'some text' | head -c 300000 >"$scratch/text"
    cat <<END
mkdir /.copse
cp host:$scratch/text /.copse/text
io -f /.copse/file -c 'pwrite -q -S 0x42 0 70000' -c 'pwrite -q -S 0x43 1m 100'
sync
io /.copse/text -c 'pwrite -q -S 0x44 10000 5000' -c 'truncate 200000'
touch /.copse/empty
mv /.copse/empty /.copse/renamed
sync
END
    # There / is another subvolume than where these are.
    [[ $1 == default-subvol ]] && return
    for dir in data gaps links; do
        grep -q "^$dir"$'\t' "$scratch/before" && echo "rm -r /$dir"
    done
}

# verdict NAME TEST: judges the image, leaves what the kernel sees in $scratch/seen. The kernel's
# answer for larger sectors is not to be had.
verdict() {
    if [[ $1 != sector-* ]]; then
        judged "$1: $2" "$image" "$scratch/seen"
    elif [[ -n $btrfs_new ]]; then
        try "$1: $2" judge_check "$btrfs_new/btrfs" "$image"
    else
        skip "$1: $2" "needs btrfs-progs 6.14"
    fi
}

replay() {
    local name=$1 since
    since=$(date +%s.%N)
    try "$name: opened for writing" "$COPSE" sync "$image:/" || return
    verdict "$name" "what replay made is sound" || return
    "$(tool unpack)" "$golden/$name.manifest.zst" "$scratch/expected"
    hide_replay_times "$scratch/seen" "$since" >"$scratch/got"
    same "$name: and what Linux makes of it" "$scratch/got" "$scratch/expected"
}

change() {
    local name=$1
    "$(tool unpack)" "$golden/$name.manifest.zst" "$scratch/before"
    write_edit "$name" >"$scratch/edit"
    if "$COPSE" shell "$image" -f "$scratch/edit" >"$scratch/said" 2>&1; then
        ok "$name: changed"
    elif grep -q 'can be read but not written' "$scratch/said"; then
        skip "$name: changed" "$(sed -n 's/.*opened read-only: //p' "$scratch/said")"
        return
    else
        not_ok "$name: changed"
        diag "$(tail -n 5 "$scratch/said")"
        return
    fi
    verdict "$name" "Linux finds nothing wrong" || return
    [[ $name == sector-* || $name == default-subvol ]] && return
    # What the edit did not touch is as it was.
    local touched='^(\.|\.copse|data|gaps|links)(/|\t)'
    grep -vP "$touched" "$scratch/before" >"$scratch/expected"
    grep -vP "$touched" "$scratch/seen" >"$scratch/got"
    compare_columns "$name: all else is as before" "" "$scratch/got" "$scratch/expected"
}

if (($#)); then
    names=("$@")
else
    names=("$golden"/*.img.zst)
fi
for name in "${names[@]}"; do
    name=$(basename "$name" .img.zst)
    [[ $name == damage-* ]] && continue
    "$(tool unpack)" "$golden/$name.img.zst" "$image" || { not_ok "$name: unpack"; continue; }
    case $name in
    log-*) replay "$name" ;;
    *) change "$name" ;;
    esac
done
done_testing
