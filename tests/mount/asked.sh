#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: wherever a command takes TARGET:/path it takes a path in a mount as well, and the
# running mount answers what the command itself would have found in the image.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"

# The command's @PATH is IMAGE:PATH or DIR/PATH; what it says of places is made the same.
said_about() { # PREFIX COMMAND...
    local prefix=$1
    shift
    user "$copse" "${@//@/$prefix}" 2>&1 |
        sed -e "s|copse \(.*\): $prefix|copse \1: @|g" -e "s|$prefix/|/|g; s|$prefix\$|/|g"
    echo "exit ${PIPESTATUS[0]}"
}

all_answer_alike() { # the commands, one a line
    local line words
    while read -r line; do
        read -ra words <<<"$line"
        is "copse $line" "$(said_about "$dir" "${words[@]}")" "${expected[$line]}"
    done
}

looking() {
    local commands=(
        "df @" "df --raw --format json @/data" "filesystem usage @" "filesystem label @"
        "subvolume list @" "subvolume list -t @" "subvolume list -psuqR @/data"
        "subvolume list --format json @"
        "subvolume show @" "subvolume show @/subvolumes/snapshot-ro"
        "subvolume show --format json @/subvolumes/base/nested" "subvolume show -r 260 @"
        "subvolume show @/data" "subvolume show @/none" "subvolume get-default @"
        "inspect rootid @" "inspect rootid @/subvolumes/base/nested"
        "inspect inode-resolve 257 @" "inspect logical-resolve @AT @"
        "inspect logical-resolve -Po @AT @"
        "inspect logical-resolve --format json @AT @"
        "property get @" "property get @/subvolumes/snapshot-ro ro" "property get @/data"
        "du -s @/reflinks" "du --raw @/data @/prealloc" "du @/compressed" "lsattr @/flags/plain"
        "stat @/data" "stat @/special/fifo" "stat @/symlinks/length-100"
        "stat --format json @/subvolumes/base"
        "ls -lR @/links" "xattr list @/xattrs" "cat @/data/none"
    )
    local line words address
    declare -A expected
    "$(tool unpack)" "$mount_tests/../golden/everything.img.zst" "$image"
    ((EUID != 0)) || chown "$test_uid:$test_uid" "$image"
    address=$("$COPSE" io -r "$image:/reflinks/source" -c fiemap |
        awk 'NR == 2 {split($3, at, "."); print at[1] * 512}')
    commands=("${commands[@]/@AT/$address}")
    for line in "${commands[@]}"; do
        read -ra words <<<"$line"
        expected[$line]=$(said_about "$image:" "${words[@]}")
    done
    try "mounted read-only" mounted -o ro || return
    all_answer_alike < <(printf '%s\n' "${commands[@]}")
    try "unmounted" unmounted
}

changing() {
    new_image 256M
    mounted || not_ok "mounted"
    try "a label is set" user "$copse" filesystem label "$dir" "a new one"
    is "and seen at once" "$(user "$copse" property get "$dir" label)" "label=a new one"
    refused "which is not too long" "*Invalid argument" \
        user "$copse" filesystem label "$dir" "$(printf '%0300d' 0)"
    try "the default subvolume is set" user "$copse" subvolume set-default 5 "$dir"
    refused "to one that is there" "copse subvolume set-default: $dir: *No such file*" \
        user "$copse" subvolume set-default 777 "$dir"
    user sh -c "head -c 100000 /dev/urandom >'$dir/file'"
    is "space that is only promised yet counts as the file's" \
        "$(user "$copse" du --raw -s "$dir/file" | awk 'END {print $1}')" 102400
    try "synced" user "$copse" sync "$dir/file"
    try "unmounted" unmounted
    is "the label is kept" "$(user "$copse" filesystem label "$image")" "a new one"
    judged "after changes asked of a mount"
}

# Linux lets neither of these through to a FUSE file system.
ranges() {
    new_image 256M
    mounted || not_ok "mounted"
    user "$copse" io -f "$dir/a" -c 'pwrite -q -S 1 0 64k'
    user "$copse" io -f "$dir/b" -c 'pwrite -q -S 1 0 64k'
    user "$copse" io -f "$dir/c" -c 'pwrite -q -S 2 0 64k'
    user "$copse" sync "$dir" # what is used is counted by a commit
    is "before" "$(user "$copse" df --raw "$dir" | sed -n 's/^Data.*used=//p')" 196608
    try "what is the same is deduplicated" user "$copse" io "$dir/b" -c "dedupe $dir/a 0 0 64k"
    try "synced" user "$copse" sync "$dir"
    is "and held once" "$(user "$copse" df --raw "$dir" | sed -n 's/^Data.*used=//p')" 131072
    refused "what differs is not" "*Extents did not match." \
        user "$copse" io "$dir/c" -c "dedupe $dir/a 0 0 64k"
    refused "nor what is not a range" "*Invalid argument" \
        user "$copse" io "$dir/b" -c "dedupe $dir/a 1 0 4k"
    refused "collapse does not get as far as us" "*Operation not supported" \
        user "$copse" io "$dir/a" -c 'fcollapse 0 4k'
    try "unmounted" unmounted
    judged "after ranges were shared through a mount"
}

others() {
    ((EUID == 0)) || {
        skip "what others may ask" "not root"
        return
    }
    new_image 256M
    chown root "$image"
    "$COPSE" mount -o allow_other "$image" "$dir" || not_ok "mounted"
    try "others may ask for space" user "$copse" df "$dir"
    refused "but not for all names" "*Operation not permitted" user "$copse" subvolume list "$dir"
    refused "nor change the label" "*Operation not permitted" \
        user "$copse" filesystem label "$dir" other
    refused "nor the default subvolume" "*Operation not permitted" \
        user "$copse" subvolume set-default 5 "$dir"
    try "unmounted" "$COPSE" umount "$dir"
}

groups=(looking changing ranges others)
(($#)) && groups=("$@")
for group in "${groups[@]}"; do
    "$group"
done
done_testing
