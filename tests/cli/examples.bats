#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: the example programs do what their README says.
load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    examples=$COPSE_BUILD/examples
    mkdir -p tree/sub
    echo one >tree/one
    echo two >tree/sub/two
    ln -s one tree/link
}

@test "an image is built, written to and listed" {
    "$examples/build_image" new.img 128 tree
    [ "$("$examples/write_read" new.img three 'third text')" = 'third text' ]
    run -0 "$examples/list_tree" new.img
    [ "$(sort <<<"$output")" = "$(sort <<'END'
         4 /one
         4 /sub/two
         3 /link
         6 /sub
        10 /three
END
)" ]
    [ "$("$copse" cat new.img:/sub/two)" = two ]
    judge new.img
}

@test "they say what went wrong" {
    fails 1 'absent.img' "$examples/list_tree" absent.img
    fails 2 '^usage' "$examples/list_tree"
}
