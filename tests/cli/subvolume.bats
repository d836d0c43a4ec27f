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
