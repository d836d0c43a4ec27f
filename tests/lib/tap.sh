# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The Test Anything Protocol, to be sourced. A script calls plan or done_testing, and one of ok,
# not_ok, skip, is or same a test. What is said about a failure goes to standard error as comments.

tap_count=0
tap_failed=0
tap_planned=

plan() {
    tap_planned=$1
    echo "1..$1"
}

# Nothing of this script can be tried here: $1 is why.
skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

ok() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1"
}

not_ok() {
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $1"
}

# skip NAME REASON
skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

diag() {
    sed 's/^/# /' <<<"$*" >&2
}

# is NAME GOT EXPECTED
is() {
    if [[ $2 == "$3" ]]; then
        ok "$1"
    else
        not_ok "$1"
        diag "got:      $2"
        diag "expected: $3"
    fi
}

# same NAME GOT-FILE EXPECTED-FILE: the first differing lines are shown, < got, > expected.
same() {
    if cmp -s "$2" "$3"; then
        ok "$1"
    else
        not_ok "$1"
        diff "$2" "$3" | head -n "${TAP_DIFF_LINES:-20}" | cut -c 1-400 | sed 's/^/# /' >&2
    fi
}

# try NAME COMMAND...: the command's output is shown when it fails.
try() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        ok "$name"
    else
        not_ok "$name"
        diag "$* said:"
        diag "$(tail -n "${TAP_DIFF_LINES:-20}" <<<"$out")"
        return 1
    fi
}

# Ends the script: 0 when nothing failed and as many ran as were planned.
done_testing() {
    if [[ -z $tap_planned ]]; then
        echo "1..$tap_count"
    elif [[ $tap_planned != "$tap_count" ]]; then
        diag "planned $tap_planned, ran $tap_count"
        exit 1
    fi
    exit $((tap_failed > 0))
}
