#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: defrag makes few extents of many, compresses when asked to, and leaves every byte alone.
load common

setup() {
    setup_image
    {
        echo "mkdir /d"
        for i in {0..31}; do
            echo "io -f /f -c 'pwrite -q -S 0x61 $((i * 16))k 16k' -c fsync"
            echo "io -f /d/g -c 'pwrite -q -S 0x62 $((i * 16))k 16k' -c fsync"
        done
    } >script
    "$copse" shell $image -f script
}

extents() {
    "$copse" io $image:"$1" -c 'fiemap -v' | awk 'NR > 2 && $2 ~ /^\[/' | wc -l
}

@test "few extents of many" {
    [ "$(extents /f)" -eq 32 ]
    "$copse" cat $image:/f >before
    "$copse" defrag $image:/f
    [ "$(extents /f)" -eq 1 ]
    cmp before <("$copse" cat $image:/f)
    [ "$(extents /d/g)" -eq 32 ]
    run -0 "$copse" filesystem defragment -r -v $image:/d
    [ "$output" = $image:/d/g ]
    [ "$(extents /d/g)" -eq 1 ]
    judge
}

@test "extents that are large enough, and what is shared, stay" {
    "$copse" defrag -t 16k $image:/f
    [ "$(extents /f)" -eq 32 ]
    "$copse" cp $image:/f $image:/copy
    "$copse" defrag $image:/f
    [ "$(extents /f)" -eq 32 ]
    judge
}

@test "compressed, and plain again" {
    "$copse" defrag -c zstd -L 9 $image:/f
    [ "$("$copse" io $image:/f -c 'fiemap -v' | grep -c ' 0x[89]$')" -eq 4 ]
    judge
    "$copse" defrag --nocomp $image:/f
    [ "$(extents /f)" -eq 1 ]
    "$copse" defrag -czlib $image:/f
    judge
    fails 1 'Is a directory$' "$copse" defrag $image:/d
    fails 2 'no such compression' "$copse" defrag -cgzip $image:/f
    fails 2 'a level without -c' "$copse" defrag -L 3 $image:/f
}
