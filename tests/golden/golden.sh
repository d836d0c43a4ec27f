#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: whatever Linux has put on a device copse reads as Linux does, without root, and
# reading changes no byte; a log tree is replayed as Linux replays it; damage is an error, never
# more. With names (without .img.zst), only those images.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
golden=$(cd "$(dirname "$0")" && pwd)

reader=$(tool_of_build copse-manifest) || skip_all "the library is not built"

# expected NAME: unpacks what NAME (x.manifest, x.before) should look like to $scratch/expected.
expected() {
    "$(tool unpack)" "$golden/$1.zst" "$scratch/expected"
}

# read_image OPTION... : the manifest as copse sees it, to $scratch/got; what it said, to $scratch/said.
read_image() {
    : >"$scratch/got"
    "$reader" "$@" -o "$scratch/got" "$scratch/image" >"$scratch/said" 2>&1
    status=$?
    if ((status > 2)); then
        diag "exit status $status"
        return 1
    fi
}

show_said() {
    ((tap_failed > $1)) && diag "$(head -n 5 "$scratch/said")"
    return 0
}

unchanged() { # NAME: the image is as it was when it was unpacked
    is "$1: reading changes nothing" "$(stat -c '%Y.%y %s' "$scratch/image")" "$stamp"
}

try_tree() {
    local name=$1 without=${2:-} failed=$tap_failed
    expected "$name.manifest"
    if read_image; then
        compare_columns "$name: every attribute and byte" "$without" "$scratch/got" "$scratch/expected"
    else
        not_ok "$name: every attribute and byte"
    fi
    show_said "$failed"
    unchanged "$name"
}

try_log() {
    local name=$1 since failed=$tap_failed
    expected "$name.before"
    read_image || :
    compare_columns "$name: read-only shows the last commit" '' "$scratch/got" "$scratch/expected"
    unchanged "$name"
    expected "$name.manifest"
    since=$(date +%s.%N)
    read_image -w || :
    hide_replay_times "$scratch/got" "$since" >"$scratch/got.hidden"
    same "$name: replayed as Linux does" "$scratch/got.hidden" "$scratch/expected"
    show_said "$failed"
    read_image || :
    hide_replay_times "$scratch/got" "$since" >"$scratch/got.hidden"
    same "$name: and what was replayed is durable" "$scratch/got.hidden" "$scratch/expected"
}

try_damage() {
    local name=$1 failed=$tap_failed
    if [[ -e $golden/$name.manifest.zst ]]; then
        expected "$name.manifest"
        read_image || :
        compare_columns "$name: what Linux can read" '' "$scratch/got" "$scratch/expected"
        [[ -s $scratch/said ]] && ok "$name: and it is said" || not_ok "$name: and it is said"
    else
        read_image
        is "$name: refused with an error" "$status" 1
        [[ -s $scratch/said ]] && ok "$name: and a reason" || not_ok "$name: and a reason"
    fi
    show_said "$failed"
    unchanged "$name"
}

make_scratch
if (($#)); then
    names=("$@")
else
    names=("$golden"/*.img.zst)
fi
for name in "${names[@]}"; do
    name=$(basename "$name" .img.zst)
    rm -f "$scratch/got"* "$scratch/expected"*
    "$(tool unpack)" "$golden/$name.img.zst" "$scratch/image" || { not_ok "$name: unpack"; continue; }
    stamp=$(stat -c '%Y.%y %s' "$scratch/image")
    case $name in
    log-*) try_log "$name" ;;
    damage-*) try_damage "$name" ;;
    sector-*) try_tree "$name" "$rootdir_loses" ;;
    *) try_tree "$name" ;;
    esac
done
done_testing
