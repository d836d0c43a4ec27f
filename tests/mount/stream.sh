#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise (I9): a mount sends and receives for who mounted it. What was accepted or stored before
# the switch to read-only is in the stream, what is being sent stays as it is, and however a job ends
# the file system is whole and nothing half-received looks complete.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"
export TAP_DIFF_LINES=10

send() {
    user "$copse" send -q "$@"
}

receive() {
    user "$copse" receive -q "$@"
}

# Owners, modes, names, times and bytes of a tree.
tree_of() { # DIR
    user bash -c 'cd "$1" && find . -printf "%P %y %m %U:%G %n %T@ %l\n" | sort &&
        find . -type f -print0 | sort -z | xargs -0r sha256sum' - "$1"
}

populate() { # SUBVOL
    user "$copse" subvolume create "$1" >/dev/null
    user "$python" - "$1" <<'END'
import os, sys
top = sys.argv[1]
for d in range(20):
    os.makedirs(f"{top}/d{d}/below")
    for f in range(10):
        with open(f"{top}/d{d}/f{f}", "wb") as file:
            file.write(os.urandom(1 + 3001 * f))
os.symlink("../else", f"{top}/link")
os.link(f"{top}/d0/f3", f"{top}/d1/hard")
os.setxattr(f"{top}/d2", "user.name", b"value")
with open(f"{top}/big", "wb") as file:
    file.write(os.urandom(6 << 20))
END
}

round_trip() {
    new_image 512M
    try "mounted" mounted || return
    populate "$dir/sv"
    user "$copse" subvolume snapshot -r "$dir/sv" "$dir/s1" >/dev/null
    user mv "$dir/sv/d3" "$dir/sv/d4/moved"
    user cp --reflink=never "$dir/sv/big" "$dir/sv/copy"
    user rm -r "$dir/sv/d5"
    user "$copse" subvolume snapshot -r "$dir/sv" "$dir/s2" >/dev/null
    user mkdir "$dir/in"
    user ls "$dir/in/s1" >/dev/null 2>&1 # it is remembered that there is none
    try "a whole one" send -f "$scratch/home/full" "$dir/s1"
    try "an increment" send -p "$dir/s1" -f "$scratch/home/more" "$dir/s2"
    try "through a pipe, and received" user bash -c \
        "cat '$scratch/home/full' '$scratch/home/more' | '$copse' receive -q '$dir/in'"
    is "the first arrived" "$(tree_of "$dir/in/s1")" "$(tree_of "$dir/s1")"
    is "the second too" "$(tree_of "$dir/in/s2")" "$(tree_of "$dir/s2")"
    is "read-only, as complete ones are" "$(user "$copse" property get "$dir/in/s2" ro)" ro=true
    is "and there is something in it" "$(tree_of "$dir/in/s2" | wc -l)" 426
    refused "the name is taken" "*File exists" receive -f "$scratch/home/full" "$dir/in"
    refused "no parent, no increment" "*parent of s2*" receive_elsewhere "$scratch/home/more"
    refused "a directory is no subvolume" "*not a subvolume: Invalid argument" \
        send -f "$scratch/home/x" "$dir/sv/d0"
    refused "nor is what is writable sent" "*not read-only: Operation not permitted" \
        send -f "$scratch/home/x" "$dir/sv"
    refused "nothing across file systems" "*Invalid cross-device link" \
        send -f "$scratch/home/x" -p "$image.2:/" "$dir/s2"
    user "$copse" send -q -e -f "$scratch/home/both" "$dir/s1" "$dir/s2"
    is "several in one stream" "$(user "$copse" receive --dump -f "$scratch/home/both" | grep -c '^subvol')" 2
    user bash -c "cat '$scratch/home/full' '$scratch/home/more' >'$scratch/home/all'; mkdir '$dir/in3'"
    try "-e ends behind the first" user "$copse" receive -q -e -f "$scratch/home/all" "$dir/in3"
    is "which is all there is" "$(user ls "$dir/in3")" s1
    try "unmounted" unmounted
    judged "sent and received"
}

receive_elsewhere() {
    user cp "$image" "$image.2" && user "$copse" mkfs -q -f "$image.2" &&
        user "$copse" receive -q -f "$1" "$image.2:/"
}

# A stream that breaks in the middle, while somebody looks on.
broken() {
    new_image 256M
    try "mounted" mounted || return
    populate "$dir/sv"
    user "$copse" subvolume snapshot -r "$dir/sv" "$dir/s" >/dev/null
    send -f "$scratch/home/full" "$dir/s"
    user mkdir "$dir/in" "$dir/cut"
    mkfifo -m 666 "$scratch/fifo"
    receive -f "$scratch/fifo" "$dir/in" &
    local job=$!
    exec 7>"$scratch/fifo"
    head -c 3000000 "$scratch/home/full" >&7
    until user ls -l "$dir/in/s/d19/below" >"$scratch/seen" 2>/dev/null; do :; done
    user find "$dir/in/s" -type f -exec cat {} + >/dev/null
    user ls "$dir/in/s/copied-later" 2>/dev/null
    tail -c +3000001 "$scratch/home/full" >&7
    exec 7>&-
    wait $job
    is "received under somebody's eyes" $? 0
    is "who sees all of it afterwards" "$(tree_of "$dir/in/s")" "$(tree_of "$dir/s")"
    head -c 2000000 "$scratch/home/full" >"$scratch/home/half"
    refused "cut short" "*Broken pipe" receive -f "$scratch/home/half" "$dir/cut"
    is "does not look complete" "$(user "$copse" property get "$dir/cut/s" ro)" ro=false
    is "nor is it known by its uuid" \
        "$(user "$copse" subvolume list -R "$dir" | grep -c 'received_uuid - .*cut/s$')" 1
    user mkdir "$dir/again"
    refused "cut short, to be gone on with" "*Broken pipe" user "$copse" receive -q --resume \
        --checkpoint 1m -f "$scratch/home/half" "$dir/again"
    local token
    token=$(user "$copse" receive --token "$dir/again")
    is "there is a token" "${#token}" 120
    try "the rest of it" user "$copse" send -q --resume-from "$token" -f "$scratch/home/rest" "$dir/s"
    try "is received" user "$copse" receive -q --resume -f "$scratch/home/rest" "$dir/again"
    is "and all is there" "$(tree_of "$dir/again/s")" "$(tree_of "$dir/s")"
    is "and nothing else" "$(user ls -A "$dir/again")" s
    try "unmounted" unmounted
    judged "a broken stream"
}

# A send that waits for its reader.
stuck() {
    rm -f "$scratch/fifo"
    mkfifo -m 666 "$scratch/fifo"
    exec 8<>"$scratch/fifo"
    become_user "$copse" send -q -f "$scratch/fifo" "$dir/s" 2>"$scratch/send.err" &
    sender=$!
    # It has begun when something has come.
    dd of="$scratch/first" bs=1 count=1 status=none <&8
}

held() {
    new_image 256M
    try "mounted" mounted || return
    populate "$dir/sv"
    user "$copse" subvolume snapshot -r "$dir/sv" "$dir/s" >/dev/null
    stuck
    refused "it cannot become writable" "*Operation not permitted" \
        user "$copse" property set "$dir/s" ro false
    refused "it cannot be deleted" "*Operation not permitted" user "$copse" subvolume delete "$dir/s"
    refused "nor can its directory" "*rmdir*" user rmdir "$dir/s"
    refused "nothing is deduplicated into it" "*Resource temporarily unavailable" \
        user "$copse" io "$dir/s/big" -c "dedupe $dir/sv/big 0 0 128k"
    user bash -c "echo more >'$dir/sv/new'"
    is "other subvolumes are written to" "$(user cat "$dir/sv/new")" more
    refused "the mount is busy" "*busy*" unmounted
    kill -INT $sender
    wait $sender
    is "interrupted, it ends" $? 130
    exec 8>&-
    is "and says so" "$(grep -c 'stopped: Operation canceled$' "$scratch/send.err")" 1
    try "now it can be deleted" user "$copse" subvolume delete "$dir/s"
    user "$copse" subvolume snapshot -r "$dir/sv" "$dir/s" >/dev/null
    stuck
    kill -KILL $sender
    wait $sender 2>/dev/null
    exec 8>&-
    until user "$copse" property set "$dir/s" ro false 2>/dev/null; do :; done
    ok "killed, it lets go of the subvolume"
    user "$copse" property set "$dir/s" ro true
    refused "a reader that goes" "*Broken pipe" user bash -c \
        "set -o pipefail; '$copse' send -q '$dir/s' | head -c 1000 >/dev/null"
    try "unmounted" unmounted
    served_by_pid || { not_ok "served by a process we know"; return; }
    stuck
    kill -TERM $server
    wait $sender
    is "the end of the mount ends it" $? 1
    exec 8>&-
    wait $server
    is "and the mount ends well" $? 0
    judged "jobs that were ended"
}

# A file descriptor from before the switch; dirty pages at the switch; seed 004.
switched() {
    new_image 512M
    try "mounted, writing back by itself" mounted || return
    tap_of "writeback running" user "$python" "$scratch/bin/switch.py" "$copse" "$dir" "$scratch/home" \
        "${SEND_TIMINGS:-10}" "${SEND_SEED:-1}"
    try "unmounted" unmounted
    new_image 512M
    try "mounted, writing back when asked only" mounted -o commit=300 || return
    tap_of "writeback held back" user "$python" "$scratch/bin/switch.py" "$copse" "$dir" \
        "$scratch/home" "${SEND_TIMINGS:-10}" "${SEND_SEED:-1001}"
    try "unmounted" unmounted
    judged "sent at any moment"
}

others() {
    ((EUID == 0)) || {
        skip "what others may do" "not root"
        return
    }
    new_image 256M
    # As root, because others are let in by allow_other only where fuse.conf says so.
    mount --bind "$dir" "$dir"
    "$COPSE" mount -o allow_other "$image" "$dir" || return
    "$COPSE" subvolume create "$dir/sv" >/dev/null
    chmod 777 "$dir" "$dir/sv"
    "$COPSE" subvolume snapshot -r "$dir/sv" "$dir/s" >/dev/null
    try "the owner sends" "$COPSE" send -q -f "$scratch/full" "$dir/s"
    chmod 644 "$scratch/full"
    refused "others do not" "*Operation not permitted" send -f "$scratch/home/x" "$dir/s"
    refused "nor do they receive" "*Operation not permitted" receive -f "$scratch/full" "$dir/sv"
    "$COPSE" umount "$dir"
    umount "$dir"
}

cp "$mount_tests/switch.py" "$scratch/bin/" 2>/dev/null
parts=(round_trip broken held switched others)
(($#)) && parts=("$@")
for part in "${parts[@]}"; do
    "$part"
done
done_testing
