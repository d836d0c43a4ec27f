#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: on a full file system, through a mount, what was preallocated or is NODATACOW takes
# writes of every kind (buffered, direct, by mmap) where it lies, beside clones of other parts, and
# fsync never fails for want of space. What is shared is refused at the write.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"

io() {
    user "$copse" io "$@"
}

# The disk sector that holds a sector (of 512 bytes) of a file.
place_of() { # FILE SECTOR
    io "$1" -c fiemap | awk -v at="$2" '
        match($0, /\[[0-9.]*\]: [0-9.]*/) {
            split(substr($0, RSTART, RLENGTH), part, /[][. :]+/)
            if (part[2] <= at && at <= part[3]) print part[4] + at - part[2]
        }'
}

# Fills what is left, and all of it is on the disk.
fill_up() {
    io -f "$dir/padding" -c "pwrite -q 0 1g" 2>/dev/null
    user "$copse" sync "$dir/padding"
}

# Stores into [offset, offset + len) of a mapping, and msync.
store() { # FILE OFFSET LEN BYTE
    user "$python" - "$@" <<'END'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
at, n, byte = (int(a) for a in sys.argv[2:])
with mmap.mmap(fd, 0) as m:
    m[at:at + n] = bytes([byte]) * n
    m.flush()
os.fsync(fd)
END
}

# copy_file_range, as programs call it.
copy_range() { # SOURCE FROM DESTINATION TO LEN
    user "$python" - "$@" <<'END'
import os, sys
src, dst = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[3], os.O_RDWR | os.O_CREAT, 0o600)
os.copy_file_range(src, dst, int(sys.argv[5]), int(sys.argv[2]), int(sys.argv[4]))
END
}

content() { # FILE: bytes at the start of some blocks
    local at
    for at in 1m 12m 20m 24m 28m 32m 40m 52m; do
        io -r "$1" -c "pread -v $at 1" | awk 'NR == 1 {printf "%s ", $2}'
    done
}

preallocated() {
    new_image 512M
    try "mounted" mounted || return
    try "preallocated" io -f "$dir/file1" -c "falloc 8k 64m"
    fill_up
    local first
    first=$(place_of "$dir/file1" 16)
    try "written" io "$dir/file1" -c "pwrite -q -S 0x11 1m 16m"
    try "cloned in part, and fsynced" io "$dir/file1" -c "reflink $dir/file1 8k 0 4k" -c fsync
    try "16 MiB more" io "$dir/file1" -c "pwrite -q -S 0x22 32m 16m" -c fsync
    try "one block" io "$dir/file1" -c "pwrite -q -S 0x33 20m 4k" -c fsync
    try "direct" io -d "$dir/file1" -c "pwrite -q -b 1m -S 0x44 24m 4m"
    try "another file holds a block of it" io -f "$dir/other" -c "reflink $dir/file1 8k 0 4k"
    try "a block is written then, too" io "$dir/file1" -c "pwrite -q -S 0x55 28m 4k" -c fsync
    try "stores through a mapping" store "$dir/file1" $((52 << 20)) 1048576 $((0x66))
    try "what a mapping stores into unwritten space" store "$dir/file1" $((50 << 20)) 65536 $((0x77))
    is "all in place" "$(for at in 2048 34000 40960 49152 57344 65536 102400 106496; do
        echo $(($(place_of "$dir/file1" $at) - first - at + 16))
    done | sort -u)" 0
    refused "what is shared has no room" "*No space left on device" \
        io "$dir/file1" -c "pwrite -q 8k 4k"
    is "nothing is promised when synced" "$(user "$copse" sync "$dir/file1" &&
        user "$copse" df --reserved --raw "$dir" | grep -c 'reserved=0, pinned=0')" 3
    try "unmounted" unmounted
    judged "full and written in place"
    try "mounted again" mounted -o ro || return
    is "everything is there" "$(content "$dir/file1")" "11 11 33 44 55 22 22 66 "
    try "unmounted again" unmounted
}

nodatacow() {
    new_image 512M
    try "mounted" mounted -o nodatacow || return
    try "written" io -f "$dir/file" -c "pwrite -q -S 0x11 0 56m" -c fsync
    is "as NODATACOW" "$(user "$copse" lsattr "$dir/file" | cut -c1-22 | grep -c C)" 1
    fill_up
    local before
    before=$(place_of "$dir/file" 0)
    try "cloned in part by copy_file_range" copy_range "$dir/file" 0 "$dir/clone" 0 4096
    try "overwritten" io "$dir/file" -c "pwrite -q -S 0x22 32m 8m" -c fsync
    try "overwritten directly" io -d "$dir/file" -c "pwrite -q -S 0x33 20m 4k"
    try "overwritten through a mapping" store "$dir/file" $((40 << 20)) 1048576 $((0x66))
    is "all in place" "$(place_of "$dir/file" 65536) $(place_of "$dir/file" 40960)" \
        "$((before + 65536)) $((before + 40960))"
    refused "what is shared has no room" "*No space left on device" \
        io "$dir/file" -c "pwrite -q 0 4k"
    refused "nor has a store into it, says msync" "*No space left on device*" \
        store_quietly "$dir/file" 0 4096 1
    try "unmounted" unmounted
    judged "full and overwritten in place"
    try "mounted again" mounted -o ro || return
    is "everything is there" "$(content "$dir/file")" "11 11 33 11 11 22 66 11 "
    try "unmounted again" unmounted
}

# The last line that Python says.
store_quietly() {
    local said
    said=$(store "$@" 2>&1) && return 0
    tail -1 <<<"$said"
    return 1
}

preallocated
nodatacow
done_testing
