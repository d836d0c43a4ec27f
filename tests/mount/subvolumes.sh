#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: subvolumes are made, snapshotted, protected and deleted through a mount, by the
# commands and by Linux's own ioctls, with the rights and the errno of Linux.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"

by_commands() {
    new_image 256M
    try "mounted" mounted || return
    try "create" user "$copse" subvolume create "$dir/a"
    user sh -c "echo one >'$dir/a/file'"
    try "snapshot" user "$copse" subvolume snapshot "$dir/a" "$dir/s"
    user sh -c "echo two >'$dir/a/file'"
    is "what was written before is in it" "$(user cat "$dir/s/file")" one
    try "read-only snapshot" user "$copse" subvolume snapshot -r "$dir/a" "$dir/r"
    refused "which refuses changes" "*Read-only file system" user touch "$dir/r/new"
    is "a file opened before is refused after the switch" \
        "$(user "$python" - "$dir/s/file" "$copse" "$dir/s" <<-'END'
	import os, subprocess, sys
	fd = os.open(sys.argv[1], os.O_WRONLY)
	subprocess.check_call([sys.argv[2], "property", "set", sys.argv[3], "ro", "true"])
	try:
	    os.write(fd, b"more")
	    print("written")
	except OSError as error:
	    print(os.strerror(error.errno))
	END
        )" "Read-only file system"
    try "delete" user "$copse" subvolume delete "$dir/s"
    is "the name is gone" "$(user ls "$dir")" $'a\nr'
    try "undelete" user "$copse" subvolume undelete 257 "$dir/back"
    is "and all in it is back" "$(user cat "$dir/back/file")" one
    try "delete again" user "$copse" subvolume delete "$dir/back"
    try "sync" user "$copse" subvolume sync "$dir"
    is "nothing is left of it" "$(user "$copse" subvolume list "$dir" | sed 's/.* //')" $'a\nr'
    user rm "$dir/a/file"
    try "rmdir removes an empty one" user rmdir "$dir/a"
    try "unmounted" unmounted
    judged "after subvolumes came and went"
}

# Every refusal, by ioctl: what Linux answers to the same.
by_ioctls() {
    new_image 256M
    try "mounted" mounted || return
    tap_of "by ioctl" user "$python" "$scratch/bin/subvolumes.py" "$dir"
    try "unmounted" unmounted
    judged "after ioctls"
}

others() {
    ((EUID == 0)) || {
        skip "what others may do" "not root"
        return
    }
    new_image 256M
    chown root "$image"
    try "root mounts for all" "$COPSE" mount -o allow_other "$image" "$dir" || return
    mkdir "$dir/theirs"
    chown "$test_uid" "$dir/theirs"
    "$COPSE" subvolume create "$dir/roots" >/dev/null
    try "others create where they may" user "$copse" subvolume create "$dir/theirs/a"
    is "what belongs to them" "$(stat -c %u "$dir/theirs/a")" "$test_uid"
    refused "and nowhere else" "*Permission denied" user "$copse" subvolume create "$dir/b"
    try "snapshot what is theirs" user "$copse" subvolume snapshot "$dir/theirs/a" "$dir/theirs/s"
    refused "and nothing else" "*Operation not permitted" \
        user "$copse" subvolume snapshot "$dir/roots" "$dir/theirs/r"
    refused "nor protect it" "*Operation not permitted" \
        user "$copse" property set "$dir/roots" ro true
    refused "delete nothing" "*Operation not permitted" \
        user "$copse" subvolume delete "$dir/theirs/s"
    try "but an empty one by rmdir" user rmdir "$dir/theirs/s"
    try "unmounted" "$COPSE" umount "$dir"
    try "mounted with user_subvol_rm_allowed" "$COPSE" mount \
        -o allow_other,user_subvol_rm_allowed "$image" "$dir" || return
    try "others delete what is theirs" user "$copse" subvolume delete "$dir/theirs/a"
    refused "and nothing else" "*Permission denied" user "$copse" subvolume delete "$dir/roots"
    try "unmounted" "$COPSE" umount "$dir"
    judged "after what others did"
}

# What was stored through shared mappings, never synced, is in a snapshot, in a subvolume that
# becomes read-only, and where dedupe compares; also when more snapshots wait for the kernel than
# there are workers to serve its writes.
by_mapping() {
    new_image 256M
    try "mounted" mounted || return
    user "$copse" subvolume create "$dir/a" >/dev/null
    user "$copse" subvolume create "$dir/b" >/dev/null
    tap_of "stores through mappings" user "$python" "$scratch/bin/mappings.py" "$dir"
    try "unmounted" unmounted
    try "mounted again" mounted || return
    tap_of "and mounted again" user "$python" "$scratch/bin/mappings.py" "$dir" look
    try "unmounted" unmounted
    judged "after mappings"
}

cp "$mount_tests/subvolumes.py" "$mount_tests/mappings.py" "$scratch/bin/"
groups=(by_commands by_ioctls by_mapping others)
(($#)) && groups=("$@")
for group in "${groups[@]}"; do
    "$group"
done
done_testing
