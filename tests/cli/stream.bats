#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: a subvolume that is sent arrives byte for byte, with what was written a moment before; a
# chain of streams is received by whoever may write the image; what is broken or cannot be is said in
# one line and leaves nothing that looks whole.

load common

setup() {
    setup_image
    "$copse" mkfs -q -b 128M other.img
}

# What is where, with every attribute that a stream carries.
listing() {
    "$copse" ls -lR "$1" | sed "s|^${1}||"
}

alike() { # SUBVOL-PATH
    diff <(listing "$image:$1") <(listing "other.img:$1")
}

@test "data written before the switch to read-only is in the stream" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	io -f /sv/foo -c "pwrite -q -S 0xea 0 108k"
	property set /sv ro true
	send -q -f s /sv
	END
    "$copse" receive -q -f s other.img:/
    cmp <("$copse" cat "$image:/sv/foo") <("$copse" cat other.img:/sv/foo)
    [ "$("$copse" cat other.img:/sv/foo | tr -d '\352' | wc -c)" -eq 0 ]
    [ "$("$copse" cat other.img:/sv/foo | wc -c)" -eq 110592 ]
    judge other.img
}

@test "a chain of snapshots arrives as it was" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	mkdir /sv/dir /sv/dir/below
	io -f /sv/dir/file -c "pwrite -q -S 1 0 300k"
	io -f /sv/clone -c "reflink /sv/dir/file"
	io -f /sv/holes -c "pwrite -q -S 2 1m 4k" -c "truncate 3m"
	ln /sv/dir/file /sv/dir/below/link
	ln -s ../else /sv/symlink
	mknod -m 600 /sv/null c 1 3
	mknod /sv/fifo p
	chown 5:6 /sv/dir/file
	chmod 4755 /sv/dir/file
	xattr set /sv/dir/file security.capability 0x0100000200200000000000000000000000000000
	xattr set /sv/dir user.name value
	touch -d @1.5 /sv/dir
	subvolume snapshot -r /sv /s1
	mv /sv/dir/below /sv/moved
	mv /sv/dir /sv/moved/dir
	rm /sv/fifo
	mkdir /sv/fifo
	io /sv/clone -c "pwrite -q -S 3 100k 10k"
	subvolume snapshot -r /sv /s2
	send -q -f full /s1
	send -q --proto 2 -p /s1 -f more /s2
	END
    cat full more | "$copse" receive other.img:/ 2>said
    [ "$(cat said)" = $'At subvol s1\nAt snapshot s2' ]
    alike /s1
    alike /s2
    for file in clone moved/dir/file holes; do
        cmp <("$copse" cat "$image:/s2/$file") <("$copse" cat "other.img:/s2/$file")
    done
    [ "$("$copse" xattr get other.img:/s2/moved/dir user.name)" = value ]
    [ "$("$copse" xattr get -x other.img:/s2/moved/dir/file security.capability)" = \
        0x0100000200200000000000000000000000000000 ]
    [ "$("$copse" property get other.img:/s2 ro)" = ro=true ]
    judge other.img
}

@test "what is received can be sent on, and its parent is found" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	io -f /sv/file -c "pwrite -q -S 1 0 100k"
	subvolume snapshot -r /sv /s1
	io /sv/file -c "pwrite -q -S 2 50k 10k"
	subvolume snapshot -r /sv /s2
	send -q -f a /s1
	send -q -f b -p /s1 /s2
	END
    "$copse" receive -q -f a other.img:/
    "$copse" receive -q -f b other.img:/
    "$copse" mkfs -q -b 128M third.img
    "$copse" send -q other.img:/s1 | "$copse" receive -q third.img:/
    "$copse" receive -q -f b third.img:/
    cmp <("$copse" cat "$image:/s2/file") <("$copse" cat third.img:/s2/file)
}

@test "compressed extents stay compressed" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	property set /sv compression zstd
	io -f /sv/file -c "pwrite -q -S 1 0 1m"
	subvolume snapshot -r /sv /s
	send -q --compressed-data -f s /s
	END
    [ "$(wc -c <s)" -lt 100000 ]
    "$copse" receive --dump -f s | grep -q '^encoded_write .*compression=2'
    "$copse" receive -q -f s other.img:/
    cmp <("$copse" cat "$image:/s/file") <("$copse" cat other.img:/s/file)
    [ "$("$copse" df --raw other.img | awk '/^Data/ {print $NF}' | tr -dc 0-9)" -lt 200000 ]
    judge other.img
}

@test "several subvolumes in one stream, and where -e stops" {
    "$copse" shell "$image" <<-END
	subvolume create /a
	subvolume create /b
	subvolume snapshot -r /a /ra
	subvolume snapshot -r /b /rb
	send -q -e -f both /ra /rb
	send -q -f two /ra
	END
    [ "$("$copse" receive --dump -f both | grep -c '^subvol')" -eq 2 ]
    "$copse" send -q "$image:/rb" >>two
    "$copse" receive -q -e -f two other.img:/
    [ "$("$copse" subvolume list other.img | wc -l)" -eq 1 ]
    "$copse" mkfs -q -f other.img
    "$copse" receive -q -f both other.img:/
    [ "$("$copse" subvolume list -r other.img | wc -l)" -eq 2 ]
}

@test "only read-only subvolumes are sent" {
    "$copse" subvolume create "$image:/sv"
    fails 1 'copse send: .*not read-only: Operation not permitted$' "$copse" send -q -f s "$image:/sv"
    "$copse" subvolume snapshot -r "$image:/sv" "$image:/r"
    fails 1 'Operation not permitted$' "$copse" send -q -f s -p "$image:/sv" "$image:/r"
    fails 1 'Operation not permitted$' "$copse" send -q -f s -c "$image:/sv" "$image:/r"
    "$copse" mkdir "$image:/dir"
    fails 1 'not a subvolume: Invalid argument$' "$copse" send -q -f s "$image:/dir"
    fails 2 'proto' "$copse" send --proto 4 "$image:/r"
    fails 1 'needs protocol 2' "$copse" send -q --proto 1 --compressed-data -f s "$image:/r"
    fails 2 'too few' "$copse" send
}

@test "a pipe that closes ends the send" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	io -f /sv/file -c "pwrite -q -S 1 0 4m"
	subvolume snapshot -r /sv /r
	END
    run bash -c "trap '' PIPE; '$copse' send -q '$image:/r' 2>said | head -c 1000 >/dev/null; exit \${PIPESTATUS[0]}"
    [ "$status" -eq 1 ]
    [ "$(wc -l <said)" -eq 1 ]
    grep -q 'Broken pipe$' said
}

@test "without its parent an increment is refused" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	subvolume snapshot -r /sv /s1
	subvolume snapshot -r /sv /s2
	send -q -f b -p /s1 /s2
	END
    fails 1 'parent of s2.*No such file or directory$' "$copse" receive -q -f b other.img:/
    [ -z "$("$copse" subvolume list other.img)" ]
}

@test "a stream that is cut, bent or no stream" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	io -f /sv/file -c "pwrite -q -S 1 0 100k"
	subvolume snapshot -r /sv /s
	send -q -f s /s
	END
    head -c 50000 s >cut
    fails 1 'Broken pipe$' "$copse" receive -q -f cut other.img:/
    [ "$("$copse" property get other.img:/s ro)" = ro=false ]
    "$copse" subvolume list -R other.img | grep -q 'received_uuid - '
    fails 1 'File exists$' "$copse" receive -q -f s other.img:/
    "$copse" mkdir other.img:/dir
    "$copse" receive -q -f s other.img:/dir
    printf '\377' | dd of=s bs=1 seek=30000 conv=notrunc status=none
    "$copse" mkdir other.img:/dir2
    fails 1 'checksum' "$copse" receive -q -f s other.img:/dir2
    fails 1 'no send stream' "$copse" receive -q -f "$BATS_TEST_FILENAME" other.img:/
    fails 1 'empty' "$copse" receive -q -f /dev/null other.img:/
    fails 1 'No such file or directory$' "$copse" receive -f none other.img:/
    fails 1 'Not a directory$' bash -c "'$copse' touch other.img:/x && '$copse' receive -q -f s other.img:/x"
    judge other.img
}

@test "dump: lines, and JSON" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	mkdir "/sv/with space"
	subvolume snapshot -r /sv /s
	send -q --proto 3 -f s /s
	END
    "$copse" receive --dump -f s | grep -q '^mkdir           \./s/with\\ space$'
    "$copse" receive --dump --format json <s | grep -q '{"command": "mkdir", .*"path": "with space"}'
    fails 2 'too many' "$copse" receive --dump -f s "$image:/"
}

@test "where there is no btrfs: into a directory, or as a tar archive" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	mkdir /sv/dir /sv/$(printf 'long-name-%.0s' {1..15})
	io -f /sv/dir/file -c "pwrite -q -S 1 0 300k"
	ln /sv/dir/file /sv/link
	ln -s dir/file /sv/symlink
	chmod 750 /sv/dir
	touch -d @1000000000.5 /sv/dir/file
	subvolume snapshot -r /sv /s1
	mv /sv/dir /sv/moved
	io /sv/moved/file -c "pwrite -q -S 2 100k 100k"
	touch -d @1000000001.25 /sv/moved/file
	subvolume snapshot -r /sv /s2
	send -q -f full /s1
	send -q -p /s1 -f more /s2
	chown -R -h $(id -u):$(id -g) /sv
	END
    mkdir there
    cat full more | "$copse" receive -q --to-tar all.tar
    tar -xf all.tar -C there
    "$copse" cp -a "$image:/s2" wanted
    diff --no-dereference -r wanted there
    [ "$(stat -c '%a %h %Y' there/moved/file)" = "644 2 1000000001" ]
    [ "$(stat -c %a there/moved)" = 750 ]
    if ((EUID == 0)); then
        mkdir to
        cat full more | "$copse" receive -q --to-dir to
        diff --no-dereference -r wanted to/s2
        [ "$(find to | wc -l)" -eq $(($(find there | wc -l) + 1)) ]
    fi
    [ -z "$(find . -name '.copse-receive*')" ]
    fails 1 'No such file or directory$' "$copse" receive -q -f full --to-dir none
    fails 1 'parent of s2' "$copse" receive -q -f more --to-tar x.tar
    fails 2 'only one of' "$copse" receive -q -f full --to-dir there --dump
}

@test "clone sources: a relative is the parent, others are cloned from" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	io -f /sv/file -c "pwrite -q -S 1 0 300k"
	subvolume snapshot -r /sv /s1
	mkdir /sv/dir
	subvolume snapshot -r /sv /s2
	subvolume create /else
	io -f /else/copy -c "reflink /sv/file"
	subvolume snapshot -r /else /e1
	send -q -f one /s1
	send -q -c /s1 -f two /s2
	send -q -c /s1 -f clones /e1
	END
    "$copse" receive --dump -f two | grep -q '^snapshot .*s2'
    "$copse" receive --dump -f clones | grep -q '^subvol .*e1'
    "$copse" receive --dump -f clones | grep -q '^clone .*/copy .*len=307200'
    cat one two clones | "$copse" receive -q other.img:/
    cmp <("$copse" cat "$image:/e1/copy") <("$copse" cat other.img:/e1/copy)
    [ "$("$copse" io -r other.img:/e1/copy -c fiemap | tail -n +2)" =         "$("$copse" io -r other.img:/s1/file -c fiemap | tail -n +2)" ]
    judge other.img
}

@test "reparent: the parent goes by another uuid" {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	subvolume snapshot -r /sv /s1
	subvolume snapshot -r /sv /s2
	send -q -p /s1 --reparent 00112233-4455-6677-8899-AABBCCDDEEFF -f s /s2
	END
    "$copse" receive --dump -f s | grep -q 'parent_uuid=00112233-4455-6677-8899-aabbccddeeff'
    fails 1 'no parent' "$copse" send -q --reparent 00112233-4455-6677-8899-AABBCCDDEEFF -f s "$image:/s2"
    fails 2 'not a uuid' "$copse" send -q --reparent 0011 -f s "$image:/s2"
}

# Where the commands of a stream end: bytes.
boundaries() { # FILE
    local at=17 len size
    size=$(wc -c <"$1")
    while ((at < size)); do
        len=$(od -An -tu4 -j "$at" -N 4 "$1")
        at=$((at + 10 + len))
        echo "$at"
    done
}

resumable_streams() {
    "$copse" shell "$image" <<-END
	subvolume create /sv
	mkdir /sv/dir
	io -f /sv/dir/file -c "pwrite -q -S 1 0 100k"
	io -f /sv/clone -c "reflink /sv/dir/file"
	io -f /sv/holes -c "pwrite -q -S 2 1m 4k" -c "truncate 3m"
	ln /sv/dir/file /sv/link
	mknod -m 600 /sv/null c 1 3
	subvolume snapshot -r /sv /s1
	mv /sv/dir /sv/moved
	rm /sv/null
	io /sv/clone -c "pwrite -q -S 3 50k 10k"
	xattr set /sv/moved user.name value
	subvolume snapshot -r /sv /s2
	send -q -f full /s1
	send -q -p /s1 -f more /s2
	END
}

# Names, attributes, extents and bytes of a subvolume.
content_of() { # SUBVOL
    # The transaction it became what it is in may be another.
    "$copse" send -q "$1" | "$copse" receive --dump | sed '1s/transid=.*//'
    for file in moved/file clone holes; do
        "$copse" cat "$1/$file" | md5sum
    done
}

@test "an interrupted receive goes on, after a crash at every command, as if nothing had been" {
    resumable_streams
    "$copse" receive -q -f full other.img:/
    cp --sparse=always other.img one.img
    "$copse" receive -q -f more other.img:/
    content_of other.img:/s2 >wanted
    local at count=0 token
    for at in $(boundaries more | head -n -1); do
        cp --sparse=always one.img broken.img
        head -c "$at" more >cut
        "$copse" shell -k broken.img <<<$'receive --resume --checkpoint 1 -q -f cut /\ncrash' 2>/dev/null || :
        [ -z "$("$copse" subvolume list -R broken.img | grep -v 's1$' | grep -v 'received_uuid - ')" ]
        btrfs check broken.img >/dev/null 2>&1 || judge broken.img
        token=$("$copse" receive --token broken.img:/)
        if ((count++ % 2)); then
            "$copse" send -q -p "$image:/s1" --resume-from "$token" -f rest "$image:/s2"
            [ "$(wc -c <rest)" -lt "$(($(wc -c <more) - at + 300))" ]
            "$copse" receive -q --resume -f rest broken.img:/
        else
            "$copse" receive -q --resume -f more broken.img:/
        fi
        [ "$("$copse" ls -a broken.img:/)" = "$("$copse" ls -a other.img:/)" ]
        content_of broken.img:/s2 >got
        cmp got wanted
        [ "$("$copse" subvolume list -q broken.img | grep -o 'parent_uuid.*s2$')" = \
            "$("$copse" subvolume list -q other.img | grep -o 'parent_uuid.*s2$')" ]
    done
    [ "$count" -gt 5 ]
    judge broken.img
}

@test "what cannot be gone on with is said" {
    resumable_streams
    [ -z "$("$copse" receive --token other.img:/)" ]
    head -c 60000 full >cut
    fails 1 'Broken pipe$' "$copse" receive --resume --checkpoint 1 -q -f cut other.img:/
    local token
    token=$("$copse" receive --token other.img:/)
    fails 1 'of another subvolume: Invalid argument$' \
        "$copse" send -q -f x --resume-from "$token" "$image:/s2"
    fails 1 'not the stream that was received in part.*Invalid argument$' \
        "$copse" send -q --no-data -f x --resume-from "$token" "$image:/s1"
    fails 1 'digit of it is wrong: Invalid argument$' \
        "$copse" send -q -f x --resume-from "0${token:0:119}" "$image:/s1"
    fails 2 'not a token' "$copse" send -q -f x --resume-from 1234 "$image:/s1"
    "$copse" send -q --no-data -f bare "$image:/s1"
    fails 1 'not the stream of which s1 was received' \
        "$copse" receive --resume -q -f bare other.img:/
    head -c 1000 full >shorter
    fails 1 'Broken pipe$' "$copse" receive --resume -q -f shorter other.img:/
    [ "$("$copse" receive --token other.img:/)" = "$token" ]
    "$copse" receive --resume -q -f full other.img:/
    "$copse" receive --resume -q -f full other.img:/ # once more: it is there
    [ "$("$copse" ls -a other.img:/ | tail -n +3)" = s1 ]
    judge other.img
}
