#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: with --rescue (Linux's rescue= by name) commands that only look open what is damaged beside
# the trees of files; nothing can be changed then.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

populate() {
    head -c 50000 /dev/urandom >data
    "$COPSE" mkfs -q -n 4k -b 160M t.img
    "$COPSE" cp data t.img:/data
    "$COPSE" mkdir t.img:/later
}

# The first bytes of a tree's root, in all copies.
spoil() { # ADDRESS
    python3 - "$1" <<'END'
import struct, sys
with open("t.img", "r+b") as file:
    data = file.read()
    for at in range(0, len(data), 4096):
        if struct.unpack_from("<Q", data, at + 48)[0] == int(sys.argv[1]):
            file.seek(at)
            file.write(bytes(100))
END
}

root_of() { # TREE
    "$COPSE" --format json inspect find-roots -t "$1" t.img 2>/dev/null |
        sed -n 's/.*"bytenr": *\([0-9]*\).*/\1/p' | head -1
}

@test "without trees that files do not need" {
    local tree
    populate
    for tree in extent dev csum uuid free-space block-group; do
        spoil "$(root_of $tree)"
    done
    run "$COPSE" cat t.img:/data
    [ "$status" = 1 ]
    "$COPSE" --rescue=ignorebadroots cat t.img:/data 2>said | cmp - data
    grep -q "no checksums" said
    [ "$("$COPSE" ls --rescue all t.img:/ 2>/dev/null | xargs)" = "data later" ]
    run "$COPSE" --rescue=all mkdir t.img:/new
    [ "$status" = 2 ]
    [[ $output == *"nothing can be changed"* ]]
}

@test "data with a wrong checksum on request" {
    populate
    python3 - <<'END'
head = open("data", "rb").read(4096)
with open("t.img", "r+b") as file:
    at = file.read().find(head)
    file.seek(at)
    file.write(b"X")
END
    run "$COPSE" cat t.img:/data
    [ "$status" = 1 ]
    "$COPSE" --rescue=ignoredatacsums cat t.img:/data | cmp -i 1 - data
}

@test "the root tree of an older transaction" {
    populate
    spoil "$(root_of root)"
    run "$COPSE" ls t.img:/
    [ "$status" = 1 ]
    run "$COPSE" --rescue=usebackuproot:nologreplay ls t.img:/
    [ "$status" = 0 ]
    [[ $output == *"root tree of transaction"*data* ]]
    [[ $output != *later* ]]
}

@test "other words are refused" {
    populate
    run "$COPSE" --rescue=everything ls t.img:/
    [ "$status" = 2 ]
    run "$COPSE" --rescue ls
    [ "$status" = 2 ]
    mkdir m
    run "$COPSE" mount -o rescue=all t.img m
    [ "$status" != 0 ]
    [[ $output == *"only with ro"* || $output == *"built without FUSE"* ]]
    run "$COPSE" mount -o ro,rescue=nonsense t.img m
    [ "$status" != 0 ]
}
