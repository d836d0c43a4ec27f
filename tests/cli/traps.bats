#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: what others fell into, and no other test shows (docs/testing.md lists all of them).

load common

setup() {
    setup_image
}

@test "nothing wraps at 4 GiB, neither in a file nor on the device" {
    "$copse" mkfs -q -b 16G large.img
    "$copse" io -f large.img:/f -c 'falloc 0 6g' -c 'pwrite -q -S 1 0 8k' \
        -c 'pwrite -q -S 2 4294963200 8k' -c 'pwrite -q -S 3 5g 4k' -c 'fsync'
    "$copse" io -f large.img:/behind -c 'pwrite -q -S 4 0 64k'
    [ "$("$copse" io large.img:/f -c 'fiemap -v' |
        awk 'NR > 2 && $3 != "hole" {split($3, at, "[.]"); if (at[1] > 8388608) n++} END {print (n > 0)}')" = 1 ]
    for at in 0:1 4096:1 4294963200:2 4294967296:2 5368709120:3; do
        run -0 "$copse" io large.img:/f -c "pread -v ${at%:*} 16"
        [[ ${lines[0]} == *"0${at#*:} 0${at#*:} 0${at#*:} 0${at#*:}"* ]]
    done
    for at in 8192 4294971392 5368713216 5368705024; do
        run -0 "$copse" io large.img:/f -c "pread -v $at 16"
        [[ ${lines[0]} == *"00 00 00 00 00 00 00 00"* ]]
    done
    judge large.img
}

@test "deduplication between snapshots does not break the next increment" {
    "$copse" mkfs -q -b 128M other.img
    "$copse" shell "$image" <<-'END'
	subvolume create /sv
	io -f /sv/a -c "pwrite -q -S 1 0 256k"
	io -f /sv/b -c "pwrite -q -S 2 0 256k"
	subvolume snapshot -r /sv /s1
	io /sv/b -c "pwrite -q -S 1 0 128k" -c "pwrite -q -S 3 192k 10k"
	io -f /sv/c -c "pwrite -q -S 1 0 256k" -c "fsync"
	io /sv/b -c "dedupe /s1/a 0 0 128k"
	io /sv/c -c "dedupe /s1/a 0 0 256k"
	io /sv/a -c "dedupe /sv/c 0 0 256k"
	subvolume snapshot -r /sv /s2
	io /sv/c -c "pwrite -q -S 4 100k 50k"
	io /sv/a -c "dedupe /s2/c 0 0 100k"
	subvolume snapshot -r /sv /s3
	send -q -f full /s1
	send -q -p /s1 -f second /s2
	send -q -p /s2 -f third /s3
	END
    for stream in full second third; do
        "$copse" receive -q -f $stream other.img:/
    done
    for file in s1/a s1/b s2/a s2/b s2/c s3/a s3/b s3/c; do
        cmp <("$copse" cat "$image:/$file") <("$copse" cat "other.img:/$file")
    done
    judge
    judge other.img
}

@test "what is compressed no better than it was is read as it was written" {
    head -c 300000 /dev/urandom >noise
    (head -c 100000 /dev/zero; cat noise) >mixed
    for alg in zlib lzo zstd; do
        "$copse" touch "$image:/$alg"
        "$copse" property set "$image:/$alg" compression $alg
        "$copse" io "$image:/$alg" -c 'pwrite -q -i mixed 0 400000'
        "$copse" io "$image:/$alg" -c 'pwrite -q -i noise 0 300000'
        cmp <("$copse" cat "$image:/$alg" | head -c 300000) noise
        cmp <("$copse" cat "$image:/$alg" | tail -c 100000) <(tail -c 100000 noise)
    done
    judge
}

@test "an image that ends before its file system does is refused" {
    truncate -s 100M "$image"
    fails 1 'truncated' "$copse" ls "$image:/"
    fails 1 'truncated' "$copse" touch "$image:/f"
}
