#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: io speaks the language of xfs_io and prints as it does.
load common

setup() {
    setup_image
}

io() {
    "$copse" io $image:/f "$@"
}

# Without what takes time.
untimed() {
    "$@" | sed 's/;.*//'
}

@test "pwrite and pread report as xfs_io does" {
    run -0 untimed io -f -c 'pwrite -S 0x61 1m 128k' -c 'pread 0 4k' -c 'pread -v 1048570 20'
    [ "$output" = 'wrote 131072/131072 bytes at offset 1048576
128 KiB, 32 ops
read 4096/4096 bytes at offset 0
4 KiB, 1 ops
000ffffa:  00 00 00 00 00 00 61 61 61 61 61 61 61 61 61 61  ......aaaaaaaaaa
0010000a:  61 61 61 61  aaaa
read 20/20 bytes at offset 1048570
20.000000 bytes, 1 ops' ]
    run -0 untimed io -c 'pread 1m 1m' -c 'pread 100m 10' -c 'pread -q 0 1'
    [ "$output" = 'read 131072/1048576 bytes at offset 1048576
128 KiB, 32 ops
read 0/10 bytes at offset 104857600
0.000000 bytes, 0 ops' ]
    judge
}

@test "pwrite writes 0xcd, a pattern, or a file of the host" {
    io -f -c 'pwrite -q 0 4'
    [ "$("$copse" cat $image:/f | od -An -tx1)" = ' cd cd cd cd' ]
    printf 'abcdef' >host
    io -t -c 'pwrite -q -i host 2 4'
    [ "$("$copse" cat $image:/f | od -An -c)" = '  \0  \0   a   b   c   d' ]
    io -a -c 'pwrite -q -S 0x7a 0 1'
    [ "$("$copse" cat $image:/f | tail -c 1)" = z ]
}

@test "holes, preallocation and seeking" {
    io -f -c 'pwrite -q 0 64k' -c 'fpunch 8k 8k' -c 'fzero 32k 4k' -c 'falloc 64k 64k' -c 'falloc -k 128k 4k' -c sync
    run -0 io -c 'seek -h 0' -c 'seek -d 8k' -c 'seek -d 10m'
    [ "$output" = "$(printf 'Whence\tResult\nHOLE\t8192\nWhence\tResult\nDATA\t16384\nWhence\tResult\nDATA\tEOF')" ]
    [[ $("$copse" stat $image:/f) == *"Size: 131072 "* ]]
    io -c 'truncate 10'
    [[ $("$copse" stat $image:/f) == *"Size: 10 "* ]]
    judge
}

@test "fcollapse takes a range out, finsert puts a hole in" {
    io -f -c 'pwrite -q -S 0x61 0 16k' -c 'pwrite -q -S 0x62 16k 16k' -c 'pwrite -q -S 0x63 32k 100' -c fsync
    io -c 'fcollapse 8k 16k'
    cmp <("$copse" cat $image:/f) <(head -c 8192 /dev/zero | tr '\0' a; head -c 8192 /dev/zero | tr '\0' b
        head -c 100 /dev/zero | tr '\0' c)
    judge
    io -c 'finsert 4k 8k'
    cmp <("$copse" cat $image:/f) <(head -c 4096 /dev/zero | tr '\0' a; head -c 8192 /dev/zero
        head -c 4096 /dev/zero | tr '\0' a; head -c 8192 /dev/zero | tr '\0' b; head -c 100 /dev/zero | tr '\0' c)
    judge
    "$copse" io -f $image:/small -c 'pwrite -q -S 0x61 0 100' -c fsync -c 'finsert 0 4k'
    cmp <("$copse" cat $image:/small) <(head -c 4096 /dev/zero; head -c 100 /dev/zero | tr '\0' a)
    fails 1 'fcollapse: .*Invalid argument$' io -c 'fcollapse 1 4k'
    fails 1 'fcollapse: .*Invalid argument$' io -c 'fcollapse 20k 8k'
    fails 1 'finsert: .*Invalid argument$' io -c 'finsert 1m 4k'
    fails 2 'bad argument count' io -c 'finsert 4k'
    judge
}

@test "fiemap shows extents, holes and flags" {
    io -f -c 'pwrite -q 4k 4k' -c 'falloc 16k 4k' -c fsync
    run -0 io -c fiemap
    [[ ${lines[1]} =~ ^.0:\ \[0\.\.7\]:\ hole$ ]]
    [[ ${lines[2]} =~ ^.1:\ \[8\.\.15\]:\ [0-9]+\.\.[0-9]+$ ]]
    [[ ${lines[3]} =~ ^.2:\ \[16\.\.31\]:\ hole$ ]]
    run -0 io -c 'fiemap -v'
    [[ ${lines[1]} == " EXT: FILE-OFFSET      BLOCK-RANGE      TOTAL FLAGS" ]]
    [[ ${lines[5]} == *" 0x801" ]]
}

@test "reflink and copy_range share" {
    io -f -c 'pwrite -q -S 1 0 64k' -c 'pwrite -q -S 2 64k 64k'
    run -0 untimed "$copse" io -f $image:/g -c 'reflink /f' -c 'reflink /f 64k 0 64k' -c "copy_range -s 0 -d 64k -l 64k $image:/f"
    [ "$output" = 'linked 0/0 bytes at offset 0
0.000000 bytes, 1 ops
linked 65536/65536 bytes at offset 0
64 KiB, 1 ops' ]
    cmp <("$copse" cat $image:/g) <(head -c 65536 /dev/zero | tr '\0' '\2'; head -c 65536 /dev/zero | tr '\0' '\1')
    [ "$("$copse" df --raw $image | sed -n 's/^Data.*used=//p')" = 131072 ]
    fails 1 'Invalid argument$' io -c 'reflink /f 1 1 1'
    fails 1 'absent: No such file or directory$' io -c 'reflink /absent'
    judge
}

@test "it stops at the first command that fails" {
    io -f -c 'truncate 1'
    fails 1 'Bad file descriptor$' io -r -c 'pwrite 0 1' -c 'truncate 5'
    fails 2 'command "nope" not found' io -c nope -c 'truncate 5'
    fails 2 'bad argument count 1 to pwrite' io -c 'pwrite 0'
    fails 2 'non-numeric offset argument -- z' io -c 'pwrite z 1'
    fails 2 'no -c COMMAND' io
    [[ $("$copse" stat $image:/f) == *"Size: 1 "* ]]
    fails 1 'No such file or directory$' "$copse" io $image:/absent -c stat
}

@test "what was written before a full disk stays" {
    run -1 io -f -c 'pwrite -b 1m 0 1g'
    [[ $output == *"No space left on device" ]]
    size=$("$copse" --format json stat $image:/f | sed -n 's/.*"size": \([0-9]*\).*/\1/p')
    [ "$size" -gt 30000000 ]
    judge
}

@test "dedupe shares what reads the same, and nothing else" {
    io -f -c 'pwrite -q -S 1 0 64k'
    "$copse" io -f $image:/g -c 'pwrite -q -S 1 0 64k' -c sync -c 'pwrite -q -S 2 64k 4k'
    [ "$("$copse" df --raw $image | sed -n 's/^Data.*used=//p')" = 135168 ]
    run -0 untimed "$copse" io $image:/g -c 'dedupe /f 0 0 64k'
    [ "$output" = 'deduped 65536/65536 bytes at offset 0
64 KiB, 1 ops' ]
    [ "$("$copse" df --raw $image | sed -n 's/^Data.*used=//p')" = 69632 ]
    fails 1 'dedupe: Extents did not match' "$copse" io $image:/g -c 'dedupe /f 0 64k 4k'
    fails 1 'Invalid argument$' "$copse" io $image:/g -c 'dedupe /f 1 0 4k'
    fails 2 'bad argument count' "$copse" io $image:/g -c 'dedupe /f 0 0'
    judge
}

@test "shutdown drops what is not durable, -f keeps it" {
    io -f -c 'pwrite -q -S 0x61 0 8k' -c fsync -c 'pwrite -q -S 0x62 0 4k' -c shutdown
    "$copse" sync $image:/ # what was fsynced is in a log, which who may write replays
    [ "$("$copse" cat $image:/f | tr -d '\n' | cut -c 1)" = a ]
    io -c 'pwrite -q -S 0x63 0 4k' -c 'shutdown -f'
    [ "$("$copse" cat $image:/f | cut -c 1)" = c ]
    judge
    fails 1 'Read-only file system$' io -c shutdown -c 'pwrite 0 4k'
    printf 'io /f -c "pwrite -q -S 0x64 0 4k" -c shutdown\n' | "$copse" shell $image
    [ "$("$copse" cat $image:/f | cut -c 1)" = c ]
    judge
}

@test "fiemap says which part is shared" {
    io -f -c 'pwrite -q 0 64k' -c fsync
    "$copse" io -f $image:/g -c 'reflink /f 16k 0 8k'
    run -0 io -c 'fiemap -v'
    [ "$(awk 'NR > 2 {print $2, $NF}' <<<"$output")" = '[0..31]: 0x0
[32..47]: 0x2000
[48..127]: 0x1' ]
}
