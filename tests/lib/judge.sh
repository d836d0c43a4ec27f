# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The oracle's verdict on an image, to be sourced after tap.sh and images.sh: what both versions of btrfs check
# say, and what the kernel says when it mounts, scrubs and writes.

# Feature bits that btrfs-progs 6.2 cannot know: block-group tree; raid stripe tree, simple quotas.
judge_new_compat_ro=0x8
judge_new_incompat=0x14000

judge_known_to_old() {
    local ro in
    read -r ro in < <(btrfs inspect-internal dump-super "$1" |
        awk '$1 == "compat_ro_flags" {r = $2} $1 == "incompat_flags" {i = $2} END {print r, i}')
    ((!(ro & judge_new_compat_ro) && !(in & judge_new_incompat)))
}

# Warnings that say nothing against an image: btrfs-convert lays out chunks so, and Linux takes them.
judge_harmless='is not fully aligned to BTRFS_STRIPE_LEN|nodesize aligned, may cause problem for 64K'
judge_bad='^(ERROR|WARNING)|mismatch|not (match|exist)|different'

# judge_check PROGRAM IMAGE: "no error found" is what it takes; some complaints do not change the
# exit status. Quotas that say themselves that they must be counted again may be wrong.
judge_check() {
    local out rc=0
    out=$("$1" check --check-data-csum "$2" 2>&1) || rc=$?
    out=$(grep -vE "$judge_harmless" <<<"$out")
    if grep -q 'a difference in qgroup accounting is expected' <<<"$out"; then
        out=$(grep -vE '^Counts for qgroup id|^(our|disk|diff):' <<<"$out")
    fi
    if ((rc)) || ! grep -q 'no error found' <<<"$out" || grep -qE "$judge_bad" <<<"$out"; then
        echo "$("$1" --version | head -n 1) check, exit $rc:"
        grep -vE '^(Opening|Checking|UUID|\[[0-9]/|(total|btree|file|found| *referenced) )' \
            <<<"$out" | head -n 12
        return 1
    fi
}

# What the kernel has complained about since the marker $1, of loop device $2.
judge_kernel_log() {
    dmesg | awk -v marker="$1" 'index($0, marker) {on = 1} on' |
        grep -E "BTRFS (error|critical|alert|emerg).*device ${2#/dev/}|BTRFS warning.*device ${2#/dev/}.*(csum|mismatch|corrupt|rebuilt|rebuild|inconsistent)" |
        head -n 8
}

# judge_mount IMAGE MANIFEST: mounts for writing, scrubs, writes and deletes something, and leaves a
# manifest of what was there.
judge_mount() {
    local dir marker out rc=0
    dir=$(mktemp -d "$scratch/judge.XXXXXX")
    marker="copse-judge-$$-$RANDOM$RANDOM"
    echo "$marker" >/dev/kmsg
    if ! mount_image "$1" "$dir" noatime,subvolid=5; then
        dmesg | tail -n 5
        echo "the kernel does not mount it"
        return 1
    fi
    "$(tool manifest)" -o "$2" "$dir" || { echo "the kernel cannot read all of it"; rc=1; }
    out=$(btrfs scrub start -B "$dir" 2>&1) || rc=1
    grep -q 'no errors found' <<<"$out" || { echo "$out"; rc=1; }
    if ! { mkdir "$dir/.judge" && echo written >"$dir/.judge/file" && btrfs filesystem sync "$dir" &&
        rm -r "$dir/.judge"; }; then
        echo "the kernel cannot write to it"
        rc=1
    fi
    umount "$dir" || rc=1
    out=$(judge_kernel_log "$marker" "$loop_device")
    [[ -z $out ]] || { echo "the kernel complains: $out"; rc=1; }
    rmdir "$dir"
    return $rc
}

# Whether some btrfs check here can judge an image. Where none can, the kernel still does, and the
# test says that the rest was skipped.
judge_can_check() {
    [[ -n $btrfs_new ]] || judge_known_to_old "$1"
}

# judge IMAGE MANIFEST: prints what is wrong, nothing when all is well; writes what the kernel sees
# in it to MANIFEST. The image itself stays as it is. find_new_progs comes first.
judge() {
    local rc=0 copy=$scratch/judged.img
    if judge_known_to_old "$1"; then
        judge_check btrfs "$1" || rc=1
    fi
    [[ -z $btrfs_new ]] || judge_check "$btrfs_new/btrfs" "$1" || rc=1
    cp --sparse=always "$1" "$copy"
    judge_mount "$copy" "$2" || rc=1
    if ((rc == 0)) && judge_can_check "$copy"; then
        judge_check "${btrfs_new:+$btrfs_new/}btrfs" "$copy" || { echo "(after the kernel wrote)"; rc=1; }
    fi
    rm -f "$copy"
    return $rc
}

# judged NAME IMAGE MANIFEST: the same as a test.
judged() {
    local out
    judge_can_check "$2" || skip "$1: btrfs check" "none here knows the features of this image"
    if out=$(judge "$2" "$3"); then
        ok "$1"
    else
        not_ok "$1"
        diag "$out"
        return 1
    fi
}
