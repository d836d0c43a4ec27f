#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: an ordinary user works in an image through a mount as on any file system of Linux;
# options do what they say; however the mount ends, what was promised to be durable is, and Linux
# finds nothing wrong.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"

# ---- working in a mount

what_programs_expect() {
    new_image 12G
    try "an ordinary user mounts an image" mounted || return
    is "the mount has neither set-id programs nor devices" \
        "$(mount_options | tr , '\n' | grep -cxE 'nosuid|nodev')" 2
    is "and says what and of whom it is" "$(mount_what)" "fuse.copse $image"
    user mkdir "$dir/checks"
    tap_of "in a mount" user "$python" "$scratch/bin/checks.py" "$dir/checks"
    try "copse umount" unmounted
    is "nothing is mounted any more" "$(mount_what)" ""
    judged "after all that"
}

with_permissions() {
    new_image 12G
    mounted -o fakeroot && user mkdir -m 700 "$dir/checks" "$dir/closed" &&
        user chown "$test_uid:$test_uid" "$dir/checks" && unmounted
    ((EUID == 0)) || {
        skip "with permissions checked by the kernel" "not root, so that owners are the same"
        return
    }
    try "mounted with default_permissions" mounted -o default_permissions || return
    refused "what belongs to others is closed" "*Permission denied" user ls "$dir/closed"
    refused "and the root directory, too" "*Permission denied" user touch "$dir/file"
    tap_of "with permissions" user "$python" "$scratch/bin/checks.py" "$dir/checks"
    try "unmounted" unmounted
    judged "with permissions"
}

as_root() {
    ((EUID == 0)) || {
        skip "root's mounts" "not root"
        return
    }
    new_image 12G
    try "root mounts for all with allow_other" "$COPSE" mount -o allow_other "$image" "$dir" ||
        return
    mkdir "$dir/checks"
    tap_of "as root" "$python" "$scratch/bin/checks.py" "$dir/checks"
    echo secret >"$dir/secret" && chmod 600 "$dir/secret"
    refused "others are kept to permissions" "*Permission denied" user cat "$dir/secret"
    try "others may do what they may" user ls "$dir"
    try "unmounted" "$COPSE" umount "$dir"
    judged "as root"
}

# ---- what Linux wrote, and what Linux reads

with_the_kernel() {
    local kernel=$scratch/kernel why
    why=$(why_no_kernel)
    [[ -z $why ]] || {
        skip "with the kernel" "$why"
        return
    }
    new_image 2G
    mount_image "$image" "$kernel" noatime,compress-force=zstd
    "$(tool mktree)" -c -s 5 -q "$kernel" >/dev/null
    btrfs -q subvolume create "$kernel/sub"
    echo inside >"$kernel/sub/file"
    btrfs -q subvolume snapshot "$kernel/sub" "$kernel/snap"
    umount "$kernel"
    kernel_manifest "$image" "$scratch/expected"
    try "an image that Linux filled is mounted" "$COPSE" mount -o noatime "$image" "$dir" || return
    "$(tool manifest)" -o "$scratch/got" "$dir"
    compare_columns "all in it is as Linux shows it" "$mount_loses" "$scratch/got" \
        "$scratch/expected"
    cp -a "$dir/snap" "$dir/copied" && mv "$dir/sub/file" "$dir/sub/moved"
    is "a name does not move into another subvolume" \
        "$(mv "$dir/sub/moved" "$dir/moved" && cat "$dir/moved")" inside
    "$(tool mktree)" -c -s 6 -q "$dir/copied" >/dev/null 2>&1
    try "unmounted" "$COPSE" umount "$dir"
    judged "both wrote"
    "$COPSE" mount -o noatime "$image" "$dir"
    "$(tool manifest)" -o "$scratch/got" "$dir"
    "$COPSE" umount "$dir"
    kernel_manifest "$image" "$scratch/expected"
    compare_columns "Linux sees what the mount shows" "$mount_loses" "$scratch/got" \
        "$scratch/expected"
    "$COPSE" mount -o subvol=snap "$image" "$dir" && is "-o subvol=" "$(cat "$dir/file")" inside
    "$COPSE" umount "$dir"
    "$COPSE" mount -o subvolid=5 "$image" "$dir" &&
        is "-o subvolid=" "$(cat "$dir/snap/file")" inside
    "$COPSE" umount "$dir"
}

# ---- options

read_only() {
    local before
    new_image 256M
    mounted && user sh -c "echo kept >'$dir/file'" && unmounted
    before=$(cksum <"$image")
    mounted -o ro
    is "-o ro shows what there is" "$(user cat "$dir/file")" kept
    refused "-o ro refuses changes" "*Read-only file system" user touch "$dir/other"
    unmounted
    is "-o ro changes no byte" "$(cksum <"$image")" "$before"
}

owners() {
    new_image 256M
    mounted -o fakeroot
    is "-o fakeroot: new files are root's" "$(user touch "$dir/f" && stat_in_mount %u:%g f)" 0:0
    is "-o fakeroot: files can be given away" \
        "$(user chown 12:34 "$dir/f" && stat_in_mount %u:%g f)" 12:34
    unmounted
    mounted
    is "and that is recorded" "$(stat_in_mount %u:%g f)" 12:34
    is "new files are the user's" "$(user touch "$dir/g" && stat_in_mount %u g)" "$(user id -u)"
    unmounted
    mounted -o uid=77,gid=78
    is "-o uid=, gid= show other owners" "$(stat_in_mount %u:%g f) $(stat_in_mount %u:%g g)" \
        "77:78 77:78"
    unmounted
    refused "fakeroot is for oneself alone" "copse mount: *fakeroot*" \
        mounted -o fakeroot,allow_other
}

stat_in_mount() {
    user stat -c "$1" "$dir/$2"
}

refusals() {
    new_image 256M
    refused "an unknown option is refused by name" "copse mount: *nonsense*" \
        mounted -o rw,nonsense,relatime
    refused "and a value that makes no sense" "copse mount: *cache=much*" mounted -o cache=much
    refused "a missing directory" "copse mount: *$scratch/none*No such file*" \
        user "$copse" mount "$image" "$scratch/none"
    refused "a missing image" "copse mount: *$scratch/none*No such file*" \
        user "$copse" mount "$scratch/none" "$dir"
    user sh -c "head -c 1000000 /dev/zero >'$scratch/zeros'"
    refused "what is no btrfs" "copse mount: *$scratch/zeros*" \
        user "$copse" mount "$scratch/zeros" "$dir"
    is "nothing is mounted after all that" "$(mount_what)" ""
    refused "unmounting what is not mounted" "copse umount: *" unmounted
    mounted
    refused "a second mount of the same image" "copse mount: *in use*" \
        user "$copse" mount "$image" "$scratch/home"
    unmounted
}

by_mount_8() {
    new_image 256M
    ln -s copse "$scratch/bin/mount.fuse.copse"
    try "mount.fuse.copse DEV DIR -o, as mount(8) calls it" \
        user "$scratch/bin/mount.fuse.copse" "$image" "$dir" -o rw,relatime,commit=5
    is "works when it returns" "$(user touch "$dir/f" && user ls "$dir")" f
    try "unmounted" unmounted
}

# ---- how a mount ends

# write_and_hold: a program that stores through a mapping and keeps the file open until told to end.
write_and_hold() {
    coproc hold (user "$python" -c '
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
m = mmap.mmap(fd, 1 << 20)
m[5000:5008] = b"by store"
os.pwrite(fd, b"by write", 0)
print("written", flush=True)
sys.stdin.read()
os._exit(0)
' "$dir/held")
    read -r -u "${hold[0]}"
}

let_go() {
    local pid=$hold_PID
    exec {hold[1]}>&-
    wait "$pid"
}

held() {
    mounted || return
    user "$python" -c '
import sys
d = open(sys.argv[1], "rb").read()
print(d[:8].decode(), d[5000:5008].decode(), len(d))' "$dir/held"
    unmounted
}

endings() {
    local status
    new_image 1G
    served_by_pid || not_ok "-f serves"
    write_and_hold
    refused "umount of a mount in use" "copse umount: *busy*" unmounted
    is "leaves it working" "$(user head -c 8 "$dir/held")" "by write"
    kill -TERM "$server"
    wait "$server"
    status=$?
    is "SIGTERM ends a mount, in use or not" "$status $(mount_what)" "0 "
    let_go
    is "and what was written is durable, also through a mapping" "$(held)" \
        "by write by store 1048576"
    judged "after SIGTERM"

    served_by_pid
    user sh -c "head -c 150000000 /dev/urandom >'$dir/random'"
    sum=$(user cksum "$dir/random")
    try "copse umount" unmounted
    # No waiting here: the image is ready for others at once.
    judged "as soon as umount returns"
    wait "$server"
    is "the server ended well" $? 0
    mounted
    is "and nothing was lost" "$(user cksum "$dir/random")" "$sum"
    unmounted

    served_by_pid
    user sh -c "echo unsynced >'$dir/unsynced'"
    user fusermount3 -u "$dir"
    wait "$server"
    is "a plain unmount ends in a commit too" $? 0
    mounted
    is "that kept what was written" "$(user cat "$dir/unsynced")" unsynced
    unmounted

    served_by_pid
    user sh -c "echo interrupted >'$dir/interrupted'"
    kill -INT "$server"
    wait "$server"
    is "SIGINT ends a mount" "$? $(mount_what)" "0 "
    judged "after SIGINT"
}

killed() {
    new_image 1G
    served_by_pid
    user "$python" -c '
import os, sys
for i in range(50):
    fd = os.open(f"{sys.argv[1]}/f{i}", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"%d" % i * 1000)
    if i % 10 == 9:
        os.fsync(fd)
    os.close(fd)
fd = os.open(sys.argv[1], os.O_RDONLY)
os.fsync(fd)
os.close(fd)
open(f"{sys.argv[1]}/after", "w").write("not synced")' "$dir"
    kill -KILL "$server"
    wait "$server" 2>/dev/null
    refused "a mount whose server was killed is unmounted, and said to be" \
        "copse umount: *gone already*" unmounted
    is "it is unmounted" "$(mount_what)" ""
    judged "after SIGKILL"
    mounted
    is "what was synced is there" \
        "$(user sh -c "cat '$dir/f9' '$dir'/f?9 | wc -c")" $(((1 + 4 * 2) * 1000))
    try "it works again" user sh -c "echo more >'$dir/more'"
    try "unmounted" unmounted
    judged "after SIGKILL and a new mount"
}

synced() {
    new_image 1G
    served_by_pid
    user "$python" -c '
import mmap, os, sys
fd = os.open(sys.argv[1] + "/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8192)
m = mmap.mmap(fd, 8192)
m[:6] = b"stored"
open(sys.argv[1] + "/written", "w").write("written")
os._exit(os.spawnv(os.P_WAIT, sys.argv[2], ["copse", "sync", sys.argv[1]]))' "$dir" "$copse"
    is "copse sync of a mount" $? 0
    kill -KILL "$server"
    wait "$server" 2>/dev/null
    user fusermount3 -u "$dir"
    mounted
    is "made everything durable" \
        "$(user sh -c "head -c 6 '$dir/mapped'; cat '$dir/written'")" storedwritten
    unmounted
}

# The image lies where there is less room than it promises.
without_room() {
    ((EUID == 0)) || {
        skip "a commit that fails" "not root"
        return
    }
    local small=$scratch/small image=$scratch/small/image
    mkdir "$small"
    mount -t tmpfs -o size=40m,mode=777 none "$small"
    user truncate -s 1G "$image"
    user mkfs.btrfs -q "$image" >/dev/null 2>&1
    mounted || not_ok "mounted"
    user sh -c "head -c 100000000 /dev/urandom >'$dir/file'" 2>/dev/null
    refused "copse umount says that the last commit failed" "copse umount: $dir: *" unmounted
    is "and unmounts all the same" "$(mount_what)" ""
    judged "after a failed commit"
}

full() {
    local written
    new_image 200M
    mounted
    written=$(user "$python" - "$dir" <<'PYTHON'
import errno, os, sys
fd = os.open(sys.argv[1] + "/big", os.O_WRONLY | os.O_CREAT)
data, total = os.urandom(1 << 20), 0
try:
    while True:
        total += os.write(fd, data)
except OSError as e:
    assert e.errno == errno.ENOSPC, e
os.fsync(fd)
os.close(fd)
print("refused" if total > 50 << 20 else f"after {total} bytes")
assert os.stat(sys.argv[1] + "/big").st_size == total
PYTHON
    )
    is "a full file system refuses the write, and no later call" "$written" refused
    try "what is there can be removed" user rm "$dir/big"
    try "and its room used again" user sh -c "head -c 50000000 /dev/zero >'$dir/again'"
    try "unmounted" unmounted
    judged "once full"
}

groups=(what_programs_expect with_permissions as_root with_the_kernel read_only owners refusals
    by_mount_8 endings killed synced without_room full)
(($#)) && groups=("$@")
for group in "${groups[@]}"; do
    "$group"
done
done_testing
