# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

# What the command-line tests share: an image of their own for each test, and how failures look.

COPSE_SOURCE=${COPSE_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
COPSE_BUILD=${COPSE_BUILD:-$COPSE_SOURCE/build}
copse=${COPSE:-$COPSE_BUILD/copse}

# No test may depend on the umask or the locale of whoever runs it.
umask 022
export LC_ALL=C.UTF-8 TZ=UTC

# Makes $image, 128 MiB, and goes to a directory of its own.
setup_image() {
    cd "$BATS_TEST_TMPDIR" || return 1
    image=test.img
    "$copse" mkfs -q -b 128M "$image"
}

# Where there is a btrfs check, it must find nothing to say.
judge() {
    if command -v btrfs >/dev/null; then
        btrfs check --check-data-csum "${1:-$image}" >check.out 2>&1 || {
            cat check.out
            return 1
        }
    fi
}

# fails STATUS REGEX COMMAND...: exit status, one line on standard error that matches, nothing else.
fails() {
    local status=$1 pattern=$2 got=0
    shift 2
    "$@" >fails.out 2>fails.err || got=$?
    [ "$got" -eq "$status" ] || {
        echo "exit $got, not $status: $*"
        cat fails.err
        return 1
    }
    [ "$(wc -l <fails.err)" -eq 1 ] && grep -Eq "$pattern" fails.err || {
        echo "says: $(cat fails.err)"
        return 1
    }
}
