# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Images as a power cut left them, judged by Linux; to be sourced first of all. Linux mounts each,
# replaying a log that copse wrote, and finds what copse finds after its own replay; btrfs check is
# content with both. With COMPARE_EACH=N copse's replay is tried on one in N, and Linux's on all.

power_cut=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=../lib/tap.sh
. "$power_cut/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$power_cut/../lib/images.sh"

why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
own_mounts "$0" "$@"
make_scratch
find_new_progs
check=${btrfs_new:+$btrfs_new/}btrfs

sound() { # IMAGE
    "$check" check --check-data-csum "$1" >"$scratch/check" 2>&1 &&
        ! grep -qE '^(ERROR|WARNING)|mismatch' "$scratch/check" && return
    diag "$(cat "$scratch/check")"
    return 1
}

field() { # NAME
    awk -v name="$1" '$1 == name {print $2}' "$scratch/super"
}

# What Linux makes of it, and whether that is sound.
by_linux() { # IMAGE
    mount_image "$1" "$scratch/mnt" noatime && umount "$scratch/mnt" && sound "$1"
}

by_copse() { # IMAGE
    "$COPSE" sync "$1:/" && sound "$1"
}

# Both clear up after the power cut, each a copy of its own, and show the same.
by_both() { # IMAGE
    local ours=$scratch/ours.img since
    since=$(date +%s.%N)
    cp --sparse=always "$1" "$ours"
    by_copse "$ours" && by_linux "$1" && kernel_manifest "$ours" "$scratch/a" &&
        kernel_manifest "$1" "$scratch/b" || return
    hide_replay_times "$scratch/a" "$since" >"$scratch/ours"
    hide_replay_times "$scratch/b" "$since" >"$scratch/linux"
    cmp -s "$scratch/ours" "$scratch/linux" && return
    diag "copse < and Linux > replay differently" \
        "$(diff "$scratch/ours" "$scratch/linux" | cut -c 1-300)"
    return 1
}

# One image. Linux reads no superblock but the primary: where that is torn copse opens and mends it
# first ($torn). It mounts no sectors larger than a page: those are btrfs check's alone ($unmounted).
judge_one() { # IMAGE
    "$check" inspect-internal dump-super "$1" >"$scratch/super" 2>/dev/null
    if grep -qE "bad magic|DON.T MATCH" "$scratch/super" || [[ ! -s $scratch/super ]]; then
        torn=$((torn + 1))
        "$COPSE" sync "$1:/" || return
        "$check" inspect-internal dump-super "$1" >"$scratch/super"
    fi
    [[ $(field log_root) == 0 ]] || logs=$((logs + 1))
    if (($(field sectorsize) > $(getconf PAGESIZE))); then
        unmounted=$((unmounted + 1))
        by_copse "$1"
    elif ((judged % ${COMPARE_EACH:-1} == 0)); then
        by_both "$1"
    else
        by_linux "$1"
    fi
}

# All images of a folder, by its list; they are gone afterwards. Sets $judged, $failed and the counts above.
judge_images() { # DIR
    local number what
    while read -r number what; do
        judged=$((judged + 1))
        judge_one "$1/$number.img" || {
            failed=$((failed + 1))
            diag "$what"
        }
        rm -f "$1/$number.img"
    done <"$1/list"
    rm "$1/list"
}
judged=0 failed=0 logs=0 torn=0 unmounted=0
