#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: wrong usage exits 2, failure exits 1, each with one line that says what and why.
load common

setup() {
    setup_image
}

@test "an unknown command is wrong usage" {
    fails 2 '^copse: nope: unknown command' "$copse" nope
}

@test "no command is wrong usage" {
    fails 2 '^copse: no command' "$copse"
}

@test "an ambiguous beginning names the candidates" {
    fails 2 '^copse: s: ambiguous: stat, shell, sync, subvolume' "$copse" s
}

@test "a group without a command is wrong usage" {
    fails 2 '^copse: subvolume: which' "$copse" sub
}

@test "an unknown option is named" {
    fails 2 '^copse ls: -z: unknown option' "$copse" ls -z $image:/
    fails 2 '^copse du: --nope: unknown option' "$copse" du --nope $image:/
}

@test "too few and too many arguments are wrong usage" {
    for command in ls cat stat df du mkdir rm chattr lsattr 'xattr get' 'property get' shell; do
        # shellcheck disable=SC2086
        fails 2 "^copse $command: too few arguments|^copse chattr: no" "$copse" $command
    done
    fails 2 '^copse version: too many' "$copse" version more
}

@test "unambiguous beginnings name a command" {
    run -0 "$copse" sub li $image:/
    run -0 "$copse" inspect-internal rootid $image:/
    [ "$output" = 5 ]
    run -0 "$copse" inspect-i root $image:/
    run -0 "$copse" fi df $image
}

@test "a plain path that is in no mount names both forms" {
    touch plain
    fails 1 '^copse ls: plain: neither IMAGE:/PATH nor a path in a mounted copse.*: Invalid argument$' "$copse" ls plain
    fails 1 'No such file or directory$' "$copse" ls absent
}

@test "errors end with the text of the errno" {
    fails 1 '^copse ls: absent.img: No such file or directory$' "$copse" ls absent.img:/
    fails 1 "^copse cat: $image:/x: No such file or directory$" "$copse" cat $image:/x
    fails 1 "^copse cat: $image:/: Is a directory$" "$copse" cat $image:/
    fails 1 "^copse mkdir: $image:/a/b: .*No such file or directory$" "$copse" mkdir $image:/a/b
    "$copse" touch $image:/f
    fails 1 "^copse mkdir: $image:/f: File exists$" "$copse" mkdir $image:/f
    fails 1 "^copse ls: $image:/f/g: Not a directory$" "$copse" ls $image:/f/g
    fails 1 "^copse mkdir: $image:/n{256}: .*File name too long$" "$copse" mkdir "$image:/$(printf 'n%.0s' {1..256})"
}

@test "what is no btrfs is an error of one line" {
    truncate -s 1M zeros
    fails 1 '^copse ls: zeros: .*Invalid argument$' "$copse" ls zeros:/
    : >empty
    fails 1 '^copse ls: empty: ' "$copse" ls empty:/
    fails 1 '^copse ls: \.: ' "$copse" ls .:/
}

@test "help knows every command that it lists" {
    run -0 "$copse" help
    while read -r name; do
        # shellcheck disable=SC2086
        run -0 "$copse" help $name
        [[ $output == "usage: copse $name"* ]]
    done < <("$copse" help | sed -n 's/^  \([a-z][a-z -]*[a-z]\)   *.*/\1/p')
}

@test "every command is in the manual page" {
    while read -r name; do
        grep -q "\*$name\*\|\*$name " "$COPSE_SOURCE/man/copse.1.scd" || {
            echo "$name is not"
            return 1
        }
    done < <("$copse" help | sed -n 's/^  \([a-z][a-z -]*[a-z]\)   *.*/\1/p')
}

@test "--format json is taken before and behind the command" {
    "$copse" touch $image:/f
    run -0 "$copse" --format json ls $image:/
    first=$output
    run -0 "$copse" ls $image:/ --format=json
    [ "$output" = "$first" ]
    [[ $first == *'"name": "f"'* ]]
    fails 2 'neither json nor text' "$copse" --format xml ls $image:/
}

@test "commas, colons and backslashes in the name of an image are escaped" {
    name='a,b:/c\d'
    mkdir -p 'a,b:'
    cp $image "$name"
    run -0 "$copse" ls 'a\,b\:/c\\d:/'
    run -0 "$copse" touch 'a\,b\:/c\\d:/f'
    [ "$("$copse" ls 'a\,b\:/c\\d:')" = f ]
}

@test "every list has JSON" {
    command -v python3 >/dev/null || skip "no python3"
    echo text >t
    "$copse" cp t $image:/f
    "$copse" quota enable $image
    "$copse" subvolume create $image:/sv
    "$copse" xattr set $image:/f user.a b
    for list in "ls $image:/" "ls -lR $image:/" "stat $image:/f" "df $image" "du $image:/" \
        "lsattr $image:/f" "xattr list $image:/f" "subvolume list $image" "subvolume show $image:/sv" \
        "subvolume get-default $image" "property get $image:/f" "property list $image:/f" \
        "qgroup show $image" "quota status $image" "filesystem usage $image" version \
        "filesystem label $image" "inspect dump-super -f $image" \
        "inspect inode-resolve 257 $image:/" "inspect rootid $image:/f"; do
        # shellcheck disable=SC2086
        "$copse" --format json $list >out || { echo "$list"; return 1; }
        python3 -c 'import json, sys; json.load(open("out"))' || { echo "$list"; return 1; }
    done
}
