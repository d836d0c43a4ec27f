#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: copse check finds nothing in what Linux or copse made, finds damage, says what it means
# for the files, and changes no byte.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

golden() { # NAME
    zstd -dqf "$COPSE_SOURCE/tests/golden/$1.img.zst" -o golden.img
}

@test "nothing is found in what copse made, and nothing changed" {
    "$COPSE" mkfs -b 256M t.img >/dev/null
    "$COPSE" cp -r "$COPSE_SOURCE/src" t.img:/
    "$COPSE" subvolume snapshot t.img:/ t.img:/snap
    "$COPSE" rm -r t.img:/src/base
    sha256sum t.img >before
    run "$COPSE" check --readonly --check-data-csum t.img
    [ "$status" = 0 ]
    [ "$output" = "no problem found" ]
    run "$COPSE" check -q --memory 8m t.img
    [ "$status" = 0 ]
    [ -z "$output" ]
    sha256sum -c before
}

# CHECK_GOLDEN=all: each of them, minutes.
@test "nothing is found in images that Linux made" {
    local name bad= names="balanced converted everything half-deleted holes log-many-4k mixed oldest
        orphan sector-16k space-v1"
    [ "${CHECK_GOLDEN:-}" != all ] ||
        names=$(cd "$COPSE_SOURCE/tests/golden" && ls | sed -n 's/\.img\.zst$//p' | grep -v '^damage-')
    for name in $names; do
        golden "$name"
        "$COPSE" check -q --check-data-csum golden.img >said 2>&1 || { bad+=" $name"; cat said; }
    done
    [ -z "$bad" ]
}

@test "every damaged image is found to be so" {
    local image name
    for image in "$COPSE_SOURCE"/tests/golden/damage-*.img.zst; do
        name=$(basename "$image" .img.zst)
        golden "$name"
        run "$COPSE" check --check-data-csum golden.img
        [ "$status" = 1 ] || { echo "$name: $output"; return 1; }
    done
}

@test "it says what is wrong, where, and what that means" {
    golden damage-leaf-one-copy
    run "$COPSE" check golden.img
    [ "$status" = 1 ]
    [[ $output == *"error block-copy-bad: files are safe; one copy"*"copy 0 of tree block"*"checksum is wrong"* ]]
    run "$COPSE" --format json check golden.img
    [ "$status" = 1 ]
    [[ $output == *'"errors":1'*'"code":"block-copy-bad"'*'"severity":"error"'*'"block":'* ]]
}

@test "bad data is told from a bad copy of it" {
    golden damage-data
    run "$COPSE" check golden.img
    [ "$status" = 0 ]
    run "$COPSE" check --check-data-csum golden.img
    [[ $status == 1 && $output == *"error data-bad:"*"in all copies"* ]]
    golden damage-data-one-copy
    run "$COPSE" check --check-data-csum golden.img
    [[ $status == 1 && $output == *"error data-copy-bad:"* ]]
}

@test "what is no file system, and wrong usage" {
    head -c 1M /dev/zero >zero
    run "$COPSE" check zero
    [ "$status" = 1 ]
    [[ $output == "copse check: zero: "* ]]
    run "$COPSE" check
    [ "$status" = 2 ]
    run "$COPSE" check --memory lots zero
    [ "$status" = 2 ]
    run "$COPSE" check --repair zero
    [ "$status" = 1 ]
    [[ $output == "copse check: zero: "* ]]
    [ ! -e zero.undo* ]
    run "$COPSE" check --undo-file undo zero
    [ "$status" = 2 ]
}

@test "checksums in one item over two neighbouring chunks are fine" {
    "$COPSE" mkfs -b 512M t.img >/dev/null
    "$COPSE" io -f t.img:/f -c 'pwrite -q -b 8m 0 150m'
    run "$COPSE" check t.img
    echo "$output"
    [ "$status" = 0 ]
}

@test "a repair says what it did, and can be taken back" {
    golden damage-leaf-one-copy
    cp golden.img before.img
    run "$COPSE" check --repair --undo-file undo golden.img
    [ "$status" = 0 ]
    [[ $output == *"repaired: copy 0 of tree block"*"what was overwritten is in undo"*"1 repaired, 0 errors"* ]]
    run "$COPSE" check --check-data-csum golden.img
    [ "$status" = 0 ]
    ! cmp -s golden.img before.img
    truncate -s +1M golden.img
    "$COPSE" check --undo undo golden.img
    cmp golden.img before.img
    # Without a name of its own the undo file lies beside the image.
    run "$COPSE" --format json check --repair golden.img
    [ "$status" = 0 ]
    [[ $output == *'"repaired":1'*'"undo_file":"golden.img.undo-'*'"repaired":true'* ]]
    "$COPSE" check -q --undo golden.img.undo-* golden.img
    cmp golden.img before.img
}

@test "what is sound is not written to, and what cannot be repaired is said to be so" {
    "$COPSE" mkfs -b 256M t.img >/dev/null
    sha256sum t.img >sum
    run "$COPSE" check --repair t.img
    [ "$status" = 0 ]
    [ "$output" = "no problem found" ]
    sha256sum -c sum
    [ -z "$(ls | grep undo)" ]
    golden damage-data
    sha256sum golden.img >sum
    run "$COPSE" check --repair --check-data-csum golden.img
    [ "$status" = 1 ]
    [[ $output == *"not repaired: data at"* ]]
    sha256sum -c sum
    [ -z "$(ls | grep undo)" ]
}

@test "an undo file of something else is refused, and nothing written" {
    golden damage-leaf-one-copy
    "$COPSE" check -q --repair --undo-file undo golden.img >/dev/null
    "$COPSE" mkfs -b "$(stat -c %s golden.img)" other.img >/dev/null
    sha256sum golden.img other.img >sum
    run "$COPSE" check --undo undo other.img
    [ "$status" = 1 ]
    [[ $output == *"another file system"* ]]
    truncate -s -1 undo
    run "$COPSE" check --undo undo golden.img
    [ "$status" = 1 ]
    [[ $output == *"cut off or damaged"* ]]
    run "$COPSE" check --repair --undo-file undo golden.img
    [ "$status" = 1 ]
    [[ $output == *"File exists"* ]]
    run "$COPSE" check --repair --readonly golden.img
    [ "$status" = 2 ]
    sha256sum -c sum
}
