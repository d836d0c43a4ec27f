#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: quotas through a mount are what they are by command. What a limit lets in is kept,
# what fits is let in however often it is written, by one or by two threads; and every quota command
# on a path in the mount asks the running mount, as do the ioctls of Linux.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"

M=1048576
node=16384

io() {
    user "$copse" io "$@"
}

quota() {
    user "$copse" "$@"
}

# quota_mount OPTION...: a fresh file system with quotas on, mounted; options go to quota enable.
quota_mount() {
    new_image 512M
    try "mounted" mounted || return
    try "quotas on" quota quota enable "$@" "$dir"
}

# What group $1 says after a sync: "referenced exclusive", without that many nodes.
data_of() { # GROUP NODES
    quota sync "$dir" && quota qgroup show --raw "$dir" |
        awk -v id="$1" -v less=$(($2 * node)) '$1 == id {print $2 - less, $3 - less}'
}

reserved() {
    quota quota status "$dir" | awk '$1 == "Reserved:" {print $2}'
}

ended() { # NAME
    is "$1: nothing reserved" "$(reserved)" 0
    try "$1: unmounted" unmounted
    is "$1: btrfs counts the same" \
        "$(btrfs check --qgroup-report "$image" 2>&1 | grep -cE 'are different|^diff')" 0
}

times() { # COUNT COMMAND...: all succeed; % in arguments is the round
    local count=$1 i
    shift
    for ((i = 0; i < count; i++)); do
        "${@//%/$i}" || return 1
    done
}

seed() {
    quota_mount "$@"
    try "limit" quota qgroup limit -e 16M 0/5 "$dir"
    try "2 MiB ten times" times 10 io -f "$dir/f" -c "pwrite -q 0 2m"
    is "exactly 2 MiB" "$(data_of 0/5 1)" "$((2 * M)) $((2 * M))"
    ended "seed 002"
}

variants() {
    quota_mount
    try "limit" quota qgroup limit 16M "$dir"
    try "overlapping" times 40 io -f "$dir/f" -c "pwrite -q %k 2m"
    try "by single bytes" times 40 io -f "$dir/f" -c "pwrite -q % 2m"
    is "as much as it covers" "$(data_of 0/5 1)" "$((2 * M + 40960)) $((2 * M + 40960))"
    try "over prealloc, with truncate and punch between" times 8 io -f "$dir/g" -c "falloc 0 5m" \
        -c "pwrite -q 0 2m" -c "fpunch 0 1m" -c "truncate 1m" -c "truncate 3m"
    try "reflinks between" times 8 io -f "$dir/h" -c "pwrite -q 0 2m" -c "reflink $dir/f"
    quota touch "$dir/n"
    try "NOCOW" quota chattr +C "$dir/n"
    try "NOCOW written" times 10 io "$dir/n" -c "pwrite -q 0 2m" -c fsync
    user rm "$dir/f" "$dir/g" "$dir/h"
    is "the rest goes with its files" "$(data_of 0/5 1)" "$((2 * M)) $((2 * M))"
    ended "variants"
}

# What Linux 6.18 refuses although it fits.
what_fits() {
    quota_mount
    try "limit" quota qgroup limit -e 16M 0/5 "$dir"
    try "8 MiB rewritten six times, each durable" times 6 io -f "$dir/a" -c "pwrite -q 0 8m" -c fsync
    user rm "$dir/a"
    io -f "$dir/b" -c "pwrite -q 0 7m"
    io -f "$dir/c" -c "pwrite -q 0 7m"
    try "one of two 7 MiB files rewritten in pieces" times 7 io "$dir/c" -c "pwrite -q %m 1m"
    user rm "$dir/b" "$dir/c"
    io -f "$dir/d" -c "pwrite -q 0 12m" -c fsync -c "fpunch 4m 4m" -c fsync
    try "12 MiB without 4 leave room for 7" io -f "$dir/e" -c "pwrite -q 0 7m"
    refused "and not for one more" "*Disk quota exceeded" io -f "$dir/e" -c "pwrite -q 7m 4m"
    ended "what fits"
}

# Two threads, the same ranges again and again.
two_threads() {
    user "$python" - "$dir" <<'END'
import os, sys, threading
def run(name):
    fd = os.open(f"{sys.argv[1]}/{name}", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(20):
        for at in range(0, 3 << 20, 1 << 20):
            assert os.pwrite(fd, bytes([7]) * (1 << 20), at) == 1 << 20
    os.close(fd)
threads = [threading.Thread(target=lambda n=n: failed.append(n) if not ok(n) else None) for n in ("p/f", "q/f")]
failed = []
def ok(name):
    try:
        run(name)
        return True
    except OSError as e:
        print(name, e, file=sys.stderr)
        return False
for t in threads: t.start()
for t in threads: t.join()
sys.exit(1 if failed else 0)
END
}

one_parent() {
    quota_mount
    try "two subvolumes" quota subvolume create "$dir/p"
    quota subvolume create "$dir/q" >/dev/null
    try "a group" quota qgroup create 1/1 "$dir"
    quota qgroup assign 0/256 1/1 "$dir"
    try "both in it" quota qgroup assign 0/257 1/1 "$dir"
    try "its limit" quota qgroup limit 8M 1/1 "$dir"
    try "two threads, twenty times 3 MiB each" two_threads
    is "the parent has both" "$(data_of 1/1 2)" "$((6 * M)) $((6 * M))"
    refused "3 MiB more are refused" "*Disk quota exceeded" io -f "$dir/q/g" -c "pwrite -q 0 3m"
    is "within the limit" "$(($(data_of 1/1 0 | cut -d' ' -f1) <= 8 * M))" 1
    try "parents, members, limits are shown" \
        grep -q '^1/1 .* 8.00MiB .* 0/256,0/257 ' <(quota qgroup show -pcre "$dir")
    is "the same as by command" "$(quota qgroup show -pcre --raw --sort=-rfer,path "$dir" | md5sum)" \
        "$(quota sync "$dir" && unmounted && quota qgroup show -pcre --raw --sort=-rfer,path "$image" |
            md5sum; mounted)"
    try "JSON" user "$python" -c 'import json, sys; assert len(json.load(sys.stdin)["qgroup-show"]) == 4' \
        < <(quota --format json qgroup show "$dir")
    try "only what concerns a subvolume" test "$(quota qgroup show -F "$dir/p" | grep -c /)" = 2
    try "a subvolume goes" quota subvolume delete "$dir/q"
    try "and is gone" quota subvolume sync "$dir"
    try "nothing stale is left" quota qgroup clear-stale "$dir"
    is "nor its group" "$(quota qgroup show "$dir" | grep -c ^0/257)" 0
    ended "one parent"
}

# What other programs ask by the ioctls of Linux. (btrfs itself asks nothing of a file system whose
# statfs says FUSE.)
by_ioctl() {
    user "$python" - "$dir" <<'END'
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
def ask(number, form, *values):
    fcntl.ioctl(fd, number, struct.pack(form, *values))
def refused(errno, *args):
    try:
        ask(*args)
    except OSError as e:
        return e.errno == errno
    return False
CTL, ASSIGN, CREATE, RESCAN = 0xc0109428, 0x40189429, 0x4010942a, 0x4040942c
group = 1 << 48 | 1
ask(CTL, "QQ", 1, 0)
ask(CREATE, "QQ", 1, group)
assert refused(17, CREATE, "QQ", 1, group)
ask(ASSIGN, "QQQ", 1, 5, group)
assert refused(17, ASSIGN, "QQQ", 1, 5, group)
assert refused(22, ASSIGN, "QQQ", 1, group, 5)
assert refused(16, CREATE, "QQ", 0, group)
ask(ASSIGN, "QQQ", 0, 5, group)
ask(CREATE, "QQ", 0, group)
ask(RESCAN, "QQ6Q", *[0] * 8)
ask(CTL, "QQ", 2, 0)
assert refused(107, CREATE, "QQ", 1, group)
assert refused(22, CTL, "QQ", 9, 0)
END
}

ioctls() {
    new_image 512M
    try "mounted" mounted || return
    try "the ioctls of Linux" by_ioctl
    refused "off" "*not connected" quota qgroup show "$dir"
    try "unmounted" unmounted
}

seed
seed -s
variants
what_fits
one_parent
ioctls
done_testing
