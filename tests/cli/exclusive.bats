#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: what deleting a subvolume, a directory or a file would free is known without quotas, and
# is what deleting it frees.

load common

setup() {
    setup_image
}

freed() { # PATH: data that deleting it would free
    "$copse" du --exclusive --raw "$image:$1" | awk 'NR == 2 {print $2}'
}

used() {
    "$copse" df --raw "$image" | sed -n 's/^Data.*used=//p'
}

made() {
    "$copse" shell "$image" <<-'END'
	subvolume create /a
	mkdir /a/dir
	io -f /a/dir/file -c "pwrite -q 0 1m" -c fsync
	io -f /a/dir/other -c "pwrite -q 0 64k"
	io -f /a/alone -c "pwrite -q 0 128k"
	io -f /a/copy -c "reflink /a/dir/file 0 0 512k"
	ln /a/dir/other /a/name
	subvolume create /a/dir/nested
	io -f /a/dir/nested/file -c "pwrite -q 0 256k"
	END
}

@test "du --exclusive: files, links, reflinks, and subvolumes inside" {
    made
    [ "$(freed /a/alone)" -eq 131072 ]
    # The copy has some of it, another name is elsewhere; the nested subvolume goes.
    [ "$(freed /a/dir/file)" -eq 0 ]
    [ "$(freed /a/dir)" -eq 262144 ]
    "$copse" rm "$image:/a/name" "$image:/a/copy"
    [ "$(freed /a/dir/file)" -eq 1048576 ]
    [ "$(freed /a/dir)" -eq $((1048576 + 65536 + 262144)) ]
    [ "$(freed /a)" -eq "$(used)" ]
    [ "$(freed /)" -eq "$(used)" ]
}

@test "what a snapshot has too is not freed, and what is said is what deleting frees" {
    made
    "$copse" subvolume snapshot "$image:/a" "$image:/s"
    [ "$(freed /a/alone)" -eq 0 ]
    [ "$(freed /a/dir)" -eq 262144 ]
    [ "$(freed /)" -eq "$(used)" ]
    "$copse" io "$image:/s/alone" -c "pwrite -q -S 1 0 128k"
    before=$(used)
    freed=$(freed /s)
    [ "$freed" -eq 131072 ]
    "$copse" subvolume delete "$image:/s"
    [ "$(used)" -eq $((before - freed)) ]
}

@test "subvolume list --sizes" {
    made
    run -0 "$copse" subvolume list --sizes --raw "$image"
    [[ ${lines[0]} == "ID 256 "*" exclusive "*" path a" ]]
    [ "$("$copse" --format json subvolume list --sizes "$image" |
        jq '."subvolume-list"[0]."exclusive-data"')" -eq $((1048576 + 65536 + 131072)) ]
    run -0 "$copse" subvolume list --sizes -t "$image"
    [[ ${lines[0]} == *$'\texclusive\tpath\t' ]]
    [[ ${lines[3]} == *$'\t272.00KiB\ta/dir/nested' ]]
}

@test "what is left of a deleted one" {
    made
    "$copse" subvolume delete --keep "$image:/a/dir/nested"
    run -0 "$copse" subvolume list -d --sizes --raw "$image"
    [[ ${lines[0]} == *" exclusive $((262144 + 16384)) path DELETED" ]]
}

@test "nothing there" {
    fails 1 'No such file or directory$' "$copse" du --exclusive "$image:/none"
    fails 2 '.' "$copse" du --exclusive
}
