#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: mkfs takes the options of mkfs.btrfs and refuses by name what it cannot do; commands about
# the whole file system print what btrfs prints.
load common

setup() {
    setup_image
}

@test "mkfs makes what it is asked for" {
    run -0 "$copse" mkfs -b 200M -L name -U 11111111-2222-3333-4444-555555555555 -n 8k --csum sha256 -d single -m single new.img
    [[ $output == *"Label:              name"* ]]
    [[ $output == *"Node size:          8192"* ]]
    [[ $output == *"Checksum:           sha256"* ]]
    [[ $output == *"11111111-2222-3333-4444-555555555555"* ]]
    [ "$(stat -c %s new.img)" = 209715200 ]
    judge new.img
}

@test "options may follow the device" {
    "$copse" mkfs new.img -q -b 128M -L behind
    [ "$("$copse" filesystem label new.img)" = behind ]
}

@test "mkfs: features add up, and are listed" {
    run -0 "$copse" mkfs -O list-all
    [[ $output == *"block-group-tree"* && $output != *raid56* ]]
    "$copse" mkfs -q -b 128M -O ^no-holes -O ^block-group-tree -R ^free-space-tree few.img
    run -0 "$copse" inspect dump-super few.img
    [[ $output != *NO_HOLES* && $output != *BLOCK_GROUP_TREE* && $output != *FREE_SPACE_TREE* ]]
    run -0 "$copse" inspect dump-super $image
    [[ $output == *NO_HOLES* && $output == *BLOCK_GROUP_TREE* && $output == *FREE_SPACE_TREE* ]]
}

@test "mkfs refuses by name" {
    fails 1 'test.img: .*File exists$' "$copse" mkfs $image
    fails 2 'rootdir' "$copse" mkfs -f -r . $image
    fails 2 'more than one device' "$copse" mkfs -f $image other.img
    fails 1 'raid1.*Operation not supported$' "$copse" mkfs -f -m raid1 $image
    fails 1 'nope.*Invalid argument$' "$copse" mkfs -f -O nope $image
    fails 1 'nope.*Invalid argument$' "$copse" mkfs -f --csum nope $image
    fails 2 'not a size' "$copse" mkfs -b 1X new.img
    [ ! -e new.img ]
    fails 1 'new.img: ' "$copse" mkfs -b 1M new.img
    [ ! -e new.img ]
    judge
}

@test "the same seed makes the same bytes" {
    "$copse" mkfs -q -b 128M --seed 7 a.img
    "$copse" mkfs -q -b 128M --seed 7 b.img
    cmp a.img b.img
}

@test "df prints as btrfs does" {
    run -0 "$copse" df --raw $image
    [[ ${lines[0]} =~ ^Data,\ single:\ total=[0-9]+,\ used=0$ ]]
    [[ ${lines[1]} =~ ^System,\ DUP:\ total=[0-9]+,\ used=16384$ ]]
    [[ ${lines[2]} =~ ^Metadata,\ DUP:\ total=[0-9]+,\ used=[0-9]+$ ]]
    [[ ${lines[3]} =~ ^GlobalReserve,\ single:\ total=[0-9]+,\ used=0$ ]]
    run -0 "$copse" df $image
    [[ ${lines[1]} =~ ^System,\ DUP:\ total=[0-9.]+MiB,\ used=16.00KiB$ ]]
    run -0 "$copse" df --si $image
    [[ ${lines[1]} =~ used=16.38kB$ ]]
    run -0 "$copse" df --reserved --raw $image
    [[ ${lines[0]} == *", reserved=0, pinned=0, readonly=0" ]]
    run -0 "$copse" df --format json $image
    [[ $output == *'"bg-type": "Data"'* ]]
}

@test "labels are set and shown" {
    "$copse" filesystem label $image 'a label'
    [ "$("$copse" filesystem label $image)" = 'a label' ]
    "$copse" property set $image:/ label other
    [ "$("$copse" property get $image:/ label)" = label=other ]
    judge
}

@test "compression is a property" {
    "$copse" mkdir $image:/d
    "$copse" property set $image:/d compression zstd
    [ "$("$copse" property get $image:/d compression)" = compression=zstd ]
    "$copse" touch $image:/d/f
    [ "$("$copse" property get $image:/d/f compression)" = compression=zstd ]
    "$copse" touch $image:/plain
    "$copse" chattr +c $image:/plain
    [ "$("$copse" property get $image:/plain compression)" = compression=zlib ]
    "$copse" property set $image:/plain compression none
    [[ $("$copse" lsattr $image:/plain) == *m* ]]
    "$copse" chattr -m $image:/plain
    [ -z "$("$copse" property get $image:/plain compression)" ]
    fails 1 'Invalid argument$' "$copse" property set $image:/d compression rubbish
    run -0 "$copse" property list $image:/d
    [ "$output" = 'compression         compression algorithm for the file or directory' ]
    [ "$("$copse" property list $image:/ | cut -d' ' -f1 | tr '\n' ' ')" = 'ro label compression ' ]
    "$copse" property set $image:/d compression ''
    [ -z "$("$copse" property get $image:/d compression)" ]
    judge
}

@test "subvolumes are listed, shown and made the default" {
    [ -z "$("$copse" subvolume list $image)" ]
    [ "$("$copse" subvolume get-default $image)" = 'ID 5 (FS_TREE)' ]
    run -0 "$copse" subvolume show $image:/
    [[ $output == *'<FS_TREE>'* ]]
    "$copse" mkdir $image:/d
    fails 1 'not a subvolume: Invalid argument$' "$copse" subvolume show $image:/d
    fails 1 'not a subvolume: Invalid argument$' "$copse" subvolume set-default $image:/d
    fails 1 '.' "$copse" subvolume set-default 300 $image
    "$copse" subvolume set-default 5 $image
    judge
}

@test "inspect shows what lies on the device" {
    "$copse" mkdir -p $image:/a/b
    run -0 "$copse" inspect dump-super $image
    [[ $output == *'magic'*'_BHRfS_M [match]'* ]]
    [ "$("$copse" inspect dump-super -a $image | grep -c ^superblock)" = 2 ]
    run -0 "$copse" inspect dump-tree -t fs $image
    [[ $output == *'fs tree key (FS_TREE ROOT_ITEM 0)'*'name: a'* ]]
    fails 1 'no tree 999' "$copse" inspect dump-tree -t 999 $image
    fails 2 'unknown tree' "$copse" inspect dump-tree -t nope $image
    [ "$("$copse" inspect inode-resolve 258 $image:/)" = /a/b ]
    fails 1 '.' "$copse" inspect inode-resolve 9999 $image:/
    [ "$("$copse" inspect rootid $image:/a)" = 5 ]
}

@test "a second writer is refused while the first has it" {
    mkfifo hold said
    "$copse" shell $image <hold >said &
    exec 9>hold 8<said
    # Once the shell answers it has the image.
    echo 'ls -a /' >&9
    read -r _ <&8
    run -1 --separate-stderr "$copse" ls $image:/
    [[ $stderr =~ ^"copse ls: $image: in use by process "[0-9]+$ ]]
    exec 9>&-
    wait
    exec 8<&-
    run -0 "$copse" ls $image:/
}
