#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: subvolumes are made, snapshotted, protected, deleted and listed as with btrfs, on an
# unmounted image and in the shell, with one clear line and Linux's errno for what cannot be.

load common

setup() {
    setup_image
}

@test "create: an empty subvolume, also nested" {
    run "$copse" subvolume create "$image:/a" "$image:/a/b"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "Create subvolume '$image:/a'" ]
    [ "$("$copse" subvolume list "$image" | sed 's/.* path //')" = $'a\na/b' ]
    [ -z "$("$copse" ls "$image:/a/b")" ]
}

@test "create: what cannot be" {
    "$copse" subvolume create "$image:/a"
    "$copse" touch "$image:/file"
    fails 1 'File exists$' "$copse" subvolume create "$image:/a"
    fails 1 'File exists$' "$copse" subvolume create "$image:/a/.."
    fails 1 'File name too long$' "$copse" subvolume create "$image:/$(printf 'x%.0s' {1..256})"
    fails 1 'Not a directory$' "$copse" subvolume create "$image:/file/b"
    fails 1 'No such file or directory$' "$copse" subvolume create "$image:/no/b"
    fails 2 'too few' "$copse" subvolume create
}

@test "snapshot: what was there stays, whatever happens to the source" {
    "$copse" shell "$image" <<-END
	subvolume create /a
	subvolume create /a/nested
	io -f /a/file -c "pwrite -q -S 1 0 300k"
	subvolume snapshot /a /s
	subvolume snapshot -r /a /a/inside
	io /a/file -c "pwrite -q -S 2 0 300k"
	END
    [ "$("$copse" cat "$image:/s/file" | tr -d '\001' | wc -c)" -eq 0 ]
    [ "$("$copse" cat "$image:/a/inside/file" | tr -d '\001' | wc -c)" -eq 0 ]
    [ "$("$copse" cat "$image:/a/file" | tr -d '\002' | wc -c)" -eq 0 ]
    # Nested ones are empty directories there, and a snapshot does not contain itself.
    [ "$("$copse" ls "$image:/a/inside")" = $'file\nnested' ]
    [ -z "$("$copse" ls "$image:/s/nested")" ]
    [ "$("$copse" property get "$image:/a/inside" ro)" = ro=true ]
    [ "$("$copse" property get "$image:/s" ro)" = ro=false ]
    fails 1 'Read-only file system$' "$copse" touch "$image:/a/inside/new"
    judge
}

@test "snapshot: into a directory, under the name of the source" {
    "$copse" subvolume create "$image:/a"
    "$copse" mkdir "$image:/backup"
    "$copse" subvolume snapshot "$image:/a" "$image:/backup"
    "$copse" subvolume snapshot "$image:/backup/a" "$image:/again"
    [ "$("$copse" subvolume list "$image" | sed 's/.* path //')" = $'a\nbackup/a\nagain' ]
    fails 1 'File exists$' "$copse" subvolume snapshot "$image:/a" "$image:/backup"
}

@test "snapshot: of what is no subvolume, and across file systems" {
    "$copse" subvolume create "$image:/a"
    "$copse" mkdir "$image:/a/dir"
    "$copse" touch "$image:/a/file"
    fails 1 'Invalid argument$' "$copse" subvolume snapshot "$image:/a/dir" "$image:/s"
    fails 1 'Invalid argument$' "$copse" subvolume snapshot "$image:/a/file" "$image:/s"
    "$copse" mkfs -q -b 300M other.img
    fails 1 'Invalid cross-device link$' "$copse" subvolume snapshot "$image:/a" other.img:/s
    [ "$("$copse" ls "$image:/")" = a ]
}

@test "delete: the name and the space are gone" {
    "$copse" shell "$image" <<-END
	subvolume create /a
	io -f /a/file -c "pwrite -q -S 1 0 9m"
	subvolume snapshot -r /a /s
	END
    used=$("$copse" df --raw "$image" | sed -n 's/^Data.*used=//p')
    [ "$used" -ge 9437184 ]
    run -0 "$copse" subvolume delete "$image:/a"
    [ "$output" = "Delete subvolume (no-commit): '$image:/a'" ]
    [ "$("$copse" df --raw "$image" | sed -n 's/^Data.*used=//p')" -eq "$used" ]
    judge
    "$copse" subvolume delete -c "$image:/s"
    [ "$("$copse" df --raw "$image" | sed -n 's/^Data.*used=//p')" -eq 0 ]
    [ -z "$("$copse" ls "$image:/")" ]
    judge
}

@test "delete: what cannot be" {
    "$copse" subvolume create "$image:/a" "$image:/a/b"
    "$copse" mkdir "$image:/dir"
    "$copse" touch "$image:/file"
    fails 1 'Directory not empty$' "$copse" subvolume delete "$image:/a"
    fails 1 'Invalid argument$' "$copse" subvolume delete "$image:/dir"
    fails 1 'Not a directory$' "$copse" subvolume delete "$image:/file"
    fails 1 'No such file or directory$' "$copse" subvolume delete "$image:/none"
    fails 1 'Invalid argument$' "$copse" subvolume delete "$image:/"
    fails 1 'Invalid argument$' "$copse" subvolume delete -i 5 "$image"
    fails 1 'No such file or directory$' "$copse" subvolume delete -i 999 "$image"
    "$copse" subvolume set-default "$image:/a/b"
    fails 1 'Operation not permitted$' "$copse" subvolume delete -i 257 "$image"
    [ "$("$copse" subvolume list "$image" | wc -l)" -eq 2 ]
    judge
}

@test "undelete brings back what nothing is gone of" {
    "$copse" subvolume create "$image:/a"
    echo content | "$copse" cp - "$image:/a/file"
    "$copse" subvolume delete --keep "$image:/a"
    [[ $("$copse" subvolume list -d "$image") == "ID 256 gen "*"path DELETED" ]]
    [ -z "$("$copse" ls "$image:/")" ]
    run -0 "$copse" subvolume undelete 256 "$image:/again"
    [ "$output" = "Undelete subvolume 256 as '$image:/again'" ]
    [ "$("$copse" cat "$image:/again/file")" = content ]
    fails 1 'Invalid argument$' "$copse" subvolume undelete 256 "$image:/more"
    judge
    "$copse" subvolume delete "$image:/again"
    fails 1 'No such file or directory$' "$copse" subvolume undelete 256 "$image:/again"
    judge
}

@test "in the shell deleted subvolumes stay until sync" {
    "$copse" shell "$image" >out <<-END
	subvolume create /a
	io -f /a/file -c "pwrite -q 0 5m"
	sync
	subvolume delete /a
	subvolume undelete 256 /b
	subvolume delete /b
	subvolume sync
	df
	END
    grep -q '^Data.*used=0.00B' out
    judge
}

@test "read-only: set, refused, cleared" {
    "$copse" subvolume create "$image:/a"
    "$copse" touch "$image:/a/file"
    "$copse" property set "$image:/a" ro true
    [ "$("$copse" property get "$image:/a" ro)" = ro=true ]
    fails 1 'Read-only file system$' "$copse" touch "$image:/a/new"
    fails 1 'Read-only file system$' "$copse" rm "$image:/a/file"
    fails 1 'Read-only file system$' "$copse" mv "$image:/a/file" "$image:/a/other"
    fails 1 'Read-only file system$' "$copse" chmod 600 "$image:/a/file"
    fails 1 'Read-only file system$' "$copse" xattr set "$image:/a/file" user.a b
    fails 1 'Read-only file system$' "$copse" chattr +C "$image:/a/file"
    fails 1 'Read-only file system$' "$copse" truncate -s 5 "$image:/a/file"
    fails 1 'Read-only file system$' "$copse" subvolume create "$image:/a/sub"
    fails 1 'Read-only file system$' "$copse" subvolume snapshot "$image:/a" "$image:/a/sub"
    fails 1 'Invalid argument$' "$copse" property set "$image:/a/file" ro true
    fails 2 'true or false' "$copse" property set "$image:/a" ro maybe
    "$copse" property set "$image:/a" ro false
    "$copse" rm "$image:/a/file"
    judge
}

@test "rmdir removes an empty subvolume, rm -r those with something in them" {
    "$copse" subvolume create "$image:/a" "$image:/b"
    "$copse" touch "$image:/b/file"
    "$copse" rm -r "$image:/a" "$image:/b"
    [ -z "$("$copse" subvolume list "$image")" ]
    judge
}

@test "an id is not given again while the file system is open" {
    "$copse" subvolume create "$image:/a"
    "$copse" shell "$image" <<-END
	subvolume delete /a
	subvolume sync
	subvolume create /b
	touch /b/file
	subvolume delete /b
	subvolume sync
	subvolume create /c
	touch /c/file
	END
    [ "$("$copse" ls "$image:/c")" = file ]
    judge
}

@test "list: filters by generation, and orders" {
    "$copse" subvolume create "$image:/b" "$image:/a"
    "$copse" subvolume create "$image:/c"
    "$copse" touch "$image:/b/new"
    names() { "$copse" subvolume list "$@" "$image" | sed 's/.* path //' | xargs; }
    [ "$(names)" = "b a c" ]
    [ "$(names --sort=path)" = "a b c" ]
    [ "$(names --sort=-path)" = "c b a" ]
    [ "$(names --sort=-gen,path)" = "b c a" ]
    [ "$(names --sort=ogen,-rootid)" = "a b c" ]
    gen=$("$copse" subvolume list "$image" | sed -n 's/.* gen \([0-9]*\) .* path c$/\1/p')
    [ "$(names -G "$gen")" = "c" ]
    [ "$(names -G "+$gen")" = "b c" ]
    [ "$(names -G "-$gen")" = "a c" ]
    [ "$(names -C "+$gen")" = "c" ]
    [[ "$("$copse" subvolume list -C "+$gen" "$image")" == *" cgen $gen "* ]]
    fails 2 'not a number' "$copse" subvolume list -G abc "$image"
    fails 2 'no such order' "$copse" subvolume list --sort=path,size "$image"
    fails 2 'no such order' "$copse" subvolume list --sort= "$image"
}

@test "sync: says what it waits for" {
    "$copse" subvolume create "$image:/a" "$image:/b" "$image:/c"
    [ -z "$("$copse" subvolume sync "$image")" ]
    "$copse" subvolume delete --keep "$image:/a" "$image:/b"
    run -0 "$copse" subvolume sync "$image" 256
    [ "$output" = $'Waiting for 1 subvolume\nSubvolume id 256 is gone (1/1)' ]
    "$copse" subvolume delete --keep "$image:/c"
    run -0 "$copse" subvolume sync "$image"
    [[ $output == "Waiting for "*"Subvolume id 258 is gone"* ]]
    run -0 "$copse" subvolume sync "$image" 999
    [ "${lines[1]}" = "Subvolume id 999 is gone (1/1)" ]
    fails 2 'not a number of seconds' "$copse" subvolume sync -s 0 "$image"
    fails 2 'not a subvolume id' "$copse" subvolume sync "$image" abc
}

@test "show: the quota group, and sizes in the unit asked for" {
    "$copse" quota enable "$image"
    "$copse" subvolume create "$image:/a"
    "$copse" qgroup limit 10M 0/256 "$image"
    run -0 "$copse" subvolume show "$image:/a"
    [[ $output == *$'\tQuota group:\t\t0/256\n\t  Limit referenced:\t10.00MiB\n\t  Limit exclusive:\t-\n\t  Usage referenced:\t16.00KiB\n\t  Usage exclusive:\t16.00KiB' ]]
    [[ "$("$copse" subvolume show --si "$image:/a")" == *$'Limit referenced:\t10.48MB'* ]]
    [[ "$("$copse" subvolume show -b --rootid 256 "$image")" == *$'Limit referenced:\t10485760'* ]]
}
