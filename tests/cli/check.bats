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
    [ "$status" = 2 ]
}

@test "checksums in one item over two neighbouring chunks are fine" {
    "$COPSE" mkfs -b 512M t.img >/dev/null
    "$COPSE" io -f t.img:/f -c 'pwrite -q -b 8m 0 150m'
    run "$COPSE" check t.img
    echo "$output"
    [ "$status" = 0 ]
}
