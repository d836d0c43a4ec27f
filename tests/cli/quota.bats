#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: quota groups count what there is; what a limit lets in is kept, and what fits is let in.
load common

setup() {
    setup_image
}

# The numbers of a group, as one open file system shows them behind the lines given.
session() {
    "$copse" shell "$image" -f /dev/stdin
}

numbers() {
    "$copse" qgroup show --raw "$image" | awk -v id="$1" '$1 == id { print $2, $3 }'
}

# One node, and that much data.
is_data() {
    [ "$(numbers 0/5)" = "$(($1 + 16384)) $(($1 + 16384))" ]
}

count_judge() {
    judge
    command -v btrfs >/dev/null || skip "no btrfs here"
    ! btrfs check --qgroup-report "$image" 2>&1 | grep -E 'are different|^diff'
}

nothing_reserved() {
    session <<<'quota status' | grep -q '^Reserved: *0$'
}

@test "the same 2 MiB ten times under a limit of 16 MiB" {
    {
        echo 'quota enable'
        echo 'qgroup limit -e 16M /'
        for ((i = 0; i < 10; i++)); do echo "io -f /f -c 'pwrite -q 0 2m'"; done
        echo sync
        echo 'quota status'
    } >script
    run session <script
    [ "$status" = 0 ]
    grep -q '^Reserved: *0$' <<<"$output"
    is_data $((2 << 20))
    count_judge
}

@test "the same at overlapping offsets, by one byte, over prealloc, with truncate and punch between" {
    {
        echo 'quota enable'
        echo 'qgroup limit 16M /'
        for ((i = 0; i < 40; i++)); do echo "io -f /f -c 'pwrite -q ${i}k 2m'"; done
        for ((i = 0; i < 40; i++)); do echo "io -f /f -c 'pwrite -q $i 2m'"; done
        for ((i = 0; i < 8; i++)); do
            echo "io -f /g -c 'falloc 0 5m' -c 'pwrite -q 0 2m' -c 'fpunch 0 1m' -c 'truncate 1m'"
            echo "io -f /h -c 'pwrite -q 0 2m' -c 'reflink /f'"
        done
        echo sync
        echo 'rm /g'
        echo 'rm /h'
        echo sync
    } >script
    run session <script
    [ "$status" = 0 ]
    is_data $(((2 << 20) + (40 << 10)))
    nothing_reserved
    count_judge
}

@test "8 MiB rewritten six times, each durable, under 16 MiB" {
    {
        echo 'quota enable'
        echo 'qgroup limit 16M /'
        for ((i = 0; i < 6; i++)); do echo "io -f /f -c 'pwrite -q 0 8m' -c fsync"; done
    } >script
    run session <script
    [ "$status" = 0 ]
    is_data $((8 << 20))
    count_judge
}

@test "two files of 7 MiB, one rewritten in pieces, under 16 MiB" {
    {
        echo 'quota enable'
        echo 'qgroup limit 16M /'
        for f in a b; do echo "io -f /$f -c 'pwrite -q 0 7m' -c fsync"; done
        for ((i = 0; i < 7; i++)); do echo "io -f /a -c 'pwrite -q ${i}m 1m'"; done
    } >script
    run session <script
    [ "$status" = 0 ]
    is_data $((14 << 20))
}

@test "12 MiB of which 4 are punched out leave room for 7" {
    session <<'EOF'
quota enable
qgroup limit 16M /
io -f /a -c 'pwrite -q 0 12m' -c fsync -c 'fpunch 4m 4m'
io -f /b -c 'pwrite -q 0 7m' -c fsync
EOF
    is_data $((15 << 20))
    count_judge
}

@test "two subvolumes under one group, with reflinks between" {
    {
        echo 'quota enable'
        echo 'qgroup create 1/1'
        for s in x y; do echo "subvolume create /$s"; done
        for s in 256 257; do echo "qgroup assign 0/$s 1/1"; done
        echo 'qgroup limit 12M 1/1'
        for ((i = 0; i < 10; i++)); do
            echo "io -f /x/f -c 'pwrite -q 0 2m'"
            echo "io -f /y/f -c 'pwrite -q 0 2m'"
            echo "io -f /y/g -c 'reflink /x/f'"
        done
        echo sync
    } >script
    run session <script
    [ "$status" = 0 ]
    [ "$(numbers 1/1)" = "$(((4 << 20) + 32768)) $(((4 << 20) + 32768))" ]
    fails 1 'Disk quota exceeded$' "$copse" io -f $image:/x/more -c 'pwrite -q 0 9m'
    read -r referenced _ <<<"$(numbers 1/1)"
    [ "$referenced" -le $((12 << 20)) ]
    count_judge
}

@test "whoever asks is refused, removing never is, and what was let in stays" {
    "$copse" quota enable $image
    "$copse" qgroup limit 4M $image:/
    fails 1 'limit of 4194304 bytes referenced: Disk quota exceeded$' \
        "$copse" io -f $image:/a -c 'pwrite -q 0 12m'
    read -r referenced _ <<<"$(numbers 0/5)"
    [ "$referenced" -le $((4 << 20)) ]
    fails 1 'Disk quota exceeded$' "$copse" io -f $image:/b -c 'falloc 0 4m'
    "$copse" rm $image:/a
    "$copse" io -f $image:/b -c 'falloc 0 3m'
    nothing_reserved
    count_judge
}

@test "a reflink from another subvolume is asked for too" {
    "$copse" quota enable $image
    "$copse" subvolume create $image:/s
    "$copse" io -f $image:/a -c 'pwrite -q 0 4m'
    "$copse" qgroup limit 2M $image:/s
    fails 1 'Disk quota exceeded$' "$copse" io -f $image:/s/b -c "reflink /a"
    "$copse" qgroup limit 5M $image:/s
    "$copse" io -f $image:/s/b -c "reflink /a"
    "$copse" io $image:/s/b -c "reflink /a"
    count_judge
}

@test "snapshots share, and each group counts its part" {
    session <<'EOF'
quota enable
subvolume create /a
io -f /a/f -c 'pwrite -q 0 3m'
sync
qgroup create 1/7
qgroup assign 0/256 1/7
subvolume snapshot /a /b
subvolume snapshot /b /c
io /b/f -c 'pwrite -q 0 1m'
sync
EOF
    [ "$(numbers 0/256)" = "3162112 16384" ]
    [ "$(numbers 0/257)" = "4210688 1064960" ]
    [ "$(numbers 1/7)" = "3162112 16384" ]
    count_judge
}

@test "bad input is refused as Linux does, and changes nothing" {
    fails 1 'quotas are not enabled: Transport endpoint is not connected$' "$copse" qgroup show $image
    fails 1 'not connected$' "$copse" qgroup create 1/1 $image
    fails 1 'not connected$' "$copse" quota rescan $image
    "$copse" quota disable $image
    "$copse" quota enable $image
    "$copse" quota enable $image
    "$copse" qgroup create 1/1 $image
    "$copse" qgroup create 1/2 $image
    "$copse" qgroup assign 0/5 1/1 $image
    before=$("$copse" qgroup show -pcre --raw $image)
    fails 1 'Invalid argument$' "$copse" qgroup create 0/300 $image
    fails 1 'Invalid argument$' "$copse" qgroup create 0/0 $image
    fails 1 'File exists$' "$copse" qgroup create 1/1 $image
    fails 1 'Invalid argument$' "$copse" qgroup assign 1/1 1/2 $image
    fails 1 'Invalid argument$' "$copse" qgroup assign 1/1 0/5 $image
    fails 1 'Invalid argument$' "$copse" qgroup assign 1/1 1/1 $image
    fails 1 'Invalid argument$' "$copse" qgroup assign 0/5 1/9 $image
    fails 1 'File exists$' "$copse" qgroup assign 0/5 1/1 $image
    fails 1 'busy$' "$copse" qgroup destroy 1/1 $image
    fails 1 'busy$' "$copse" qgroup destroy 0/5 $image
    fails 1 'No such file or directory$' "$copse" qgroup destroy 1/77 $image
    fails 1 'No such file or directory$' "$copse" qgroup remove 0/5 1/2 $image
    fails 1 'No such file or directory$' "$copse" qgroup limit 5M 1/33 $image
    for bad in -5 99999999999999999999 16E abc ''; do
        fails 2 '' "$copse" qgroup limit -- "$bad" 1/2 $image
    done
    for bad in abc 1/99999999999999999 70000/1 1/ /1 1/1/1; do
        fails 2 'not a quota group' "$copse" qgroup create "$bad" $image
    done
    [ "$("$copse" qgroup show -pcre --raw $image)" = "$before" ]
}

@test "limits: none, zero and huge ones" {
    "$copse" quota enable $image
    "$copse" qgroup limit 15E $image:/
    "$copse" io -f $image:/f -c 'pwrite -q 0 1m'
    "$copse" qgroup limit 0 $image:/
    fails 1 'Disk quota exceeded$' "$copse" io $image:/f -c 'pwrite -q 2m 4k'
    "$copse" qgroup limit none $image:/
    "$copse" io $image:/f -c 'pwrite -q 2m 4k'
    "$copse" qgroup show -r $image | grep -q '^0/5 .* none '
}

@test "show: columns, order, and JSON" {
    session <<'EOF' >/dev/null
quota enable
subvolume create /s
qgroup create 1/1
qgroup assign 0/256 1/1
qgroup limit 1G /s
qgroup limit -e 2G 1/1
EOF
    "$copse" qgroup show -pcre $image >out
    grep -qE '^0/256 +16.00KiB +16.00KiB +1.00GiB +none 1/1 +- +s$' out
    grep -qE '^1/1 +16.00KiB +16.00KiB +none +2.00GiB - +0/256 +<1 member qgroup>$' out
    [ "$("$copse" qgroup show --sort=-qgroupid $image | awk 'NR == 3 { print $1 }')" = 1/1 ]
    [ "$("$copse" qgroup show -f $image:/s | wc -l)" = 3 ]
    [ "$("$copse" qgroup show -F $image:/s | wc -l)" = 4 ]
    "$copse" --format json qgroup show $image | grep -q '"max_referenced": *"none"'
}

@test "off and on again, and a rescan" {
    "$copse" quota enable $image
    "$copse" io -f $image:/f -c 'pwrite -q 0 1m'
    is_data $((1 << 20))
    "$copse" quota rescan -w $image
    is_data $((1 << 20))
    "$copse" quota rescan -s $image | grep -q '^no rescan operation in progress$'
    "$copse" quota disable $image
    judge
    "$copse" quota enable $image
    is_data $((1 << 20))
    count_judge
}

@test "simple quotas: an extent counts for who made it, from when they were switched on, until it is gone" {
    session <<'SHELL'
subvolume create /a
io -f /a/old -c 'pwrite -q 0 1m'
sync
quota enable -s
io -f /a/new -c 'pwrite -q 0 2m'
subvolume snapshot /a /b
io -f /b/clone -c 'reflink /a/new'
sync
SHELL
    # What is older counts for nobody, what is shared for one.
    [ "$(numbers 0/256)" = "$((2097152 + 16384)) $((2097152 + 16384))" ]
    [ "$(numbers 0/257)" = "16384 16384" ]
    "$copse" quota status "$image" | grep -q squota
    fails 1 'Invalid argument$' "$copse" quota rescan "$image"
    # The subvolume goes, its group stays as long as somebody uses what it made.
    session <<'SHELL'
subvolume delete /a
subvolume sync
sync
SHELL
    [ "$(numbers 0/256)" = "2097152 2097152" ]
    "$copse" qgroup show "$image" | grep -q '^0/256 .*<squota space holder>$'
    fails 1 'busy$' "$copse" qgroup destroy 0/256 "$image"
    "$copse" rm "$image:/b/clone" "$image:/b/new"
    [ "$(numbers 0/256)" = "0 0" ]
    "$copse" qgroup show "$image" | grep -q '^0/256 .*<stale>$'
    "$copse" qgroup destroy 0/256 "$image"
    [ "$(numbers 0/256)" = "" ]
}

@test "simple quotas: limits are kept at the door, new subvolumes join their parent's groups" {
    session <<'SHELL'
quota enable -s
subvolume create /a
qgroup create 1/1
qgroup assign 0/256 1/1
qgroup limit 4M 1/1
subvolume create /a/in
io -f /a/f -c 'pwrite -q 0 2m'
io -f /a/f -c 'pwrite -q 0 2m'
SHELL
    "$copse" qgroup show -p --raw "$image" | grep -q '^0/257 .* 1/1 '
    fails 1 'Disk quota exceeded$' "$copse" io -f "$image:/a/in/g" -c 'pwrite -q 0 2m'
    [ "$("$copse" stat "$image:/a/in/g" | sed -n 's/.*Size: \([0-9]*\).*/\1/p')" -lt 2097152 ]
    [ "$(numbers 1/1 | cut -d' ' -f1)" -le 4194304 ]
    "$copse" quota disable "$image"
    "$copse" quota enable "$image"
    "$copse" io -f "$image:/a/in/g" -c 'pwrite -q 0 4m'
    [ "$(numbers 0/257)" = "$((4194304 + 16384)) $((4194304 + 16384))" ]
}

# Under a limit that everything has used up: bytes referenced stay below it whatever is called.
@test "moved ranges, growing, cutting out and received extents are asked for as well" {
    session <<'SHELL'
quota enable
subvolume create /a
io -f /a/f -c 'pwrite -q 0 1m' -c 'fsync' -c 'pwrite -q 256k 4k' -c 'fsync'
sync
SHELL
    limit=$(numbers 0/256 | cut -d' ' -f1)
    "$copse" qgroup limit "$limit" 0/256 "$image"
    for call in 'fcollapse 64k 64k' 'finsert 64k 64k' 'truncate 3m' 'fpunch 128k 64k' 'falloc 4m 4k'; do
        fails 1 'Disk quota exceeded$' "$copse" io "$image:/a/f" -c "$call"
    done
    # To shrink and to remove are always allowed.
    "$copse" io "$image:/a/f" -c 'truncate 1000001'
    "$copse" io "$image:/a/f" -c 'truncate 9'
    [ "$(numbers 0/256 | cut -d' ' -f1)" -le "$limit" ]
    "$copse" rm "$image:/a/f"
    nothing_reserved
    count_judge
}

@test "clear-stale removes groups of subvolumes that are gone, and only those" {
    session <<'SHELL'
subvolume create /a
subvolume create /b
io -f /a/f -c 'pwrite -q 0 1m'
quota enable -s
io -f /b/f -c 'pwrite -q 0 1m'
subvolume snapshot /b /c
sync
subvolume delete /b
subvolume sync
sync
rm /c/f
sync
qgroup clear-stale
SHELL
    run -0 "$copse" qgroup show "$image"
    [ "$(grep -c '^0/' <<<"$output")" = 3 ]
    ! grep '^0/257' <<<"$output"
}
