#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tap-run.sh [-q] DIR NAME COMMAND [ARG...]: runs one test program and keeps what it printed and
# how it ended and what processor time it took in DIR, for tap-sum.sh and tap-cost.sh. NAME - takes the name from the command (meson's --wrapper
# cannot tell it). With -q the output is kept only, and one line says how it went.
quiet=no
if [ "$1" = -q ]; then
    quiet=yes
    shift
fi
dir=$1 name=$2
shift 2
if [ "$name" = - ]; then
    name=
    for arg in "$@"; do
        [ "${arg##*/}" = bash ] || name+="${name:+ }${arg##*/}"
    done
fi

mkdir -p "$dir"
file=$(mktemp "$dir/$(printf %.80s "$name" | tr -c 'A-Za-z0-9.\n-' _).XXXXXX") || exit 1
trap 'rm -f "$file"' EXIT

if [ $quiet = yes ]; then
    "$@" >"$file" 2>"$file.err" </dev/null
    status=$?
else
    # cmocka 1.1.5 calls a skipped case "not ok".
    "$@" </dev/null | sed -u 's/^not ok \([0-9]* # SKIP\)/ok \1/' | tee "$file"
    status=${PIPESTATUS[0]}
fi
# Of this shell's children; in a shell of its own it would have had none.
times >"$file.times"
cpu=$(awk 'NR == 2 {split($1 "m" $2, t, /[ms]+/); print t[1] * 60 + t[2] + t[3] * 60 + t[4]}' "$file.times")
rm -f "$file.times"
# A file that reaches the final name is complete: a program that takes this script along in its
# death leaves none, and meson's own count tells.
{
    [ -z "$(tail -c1 "$file")" ] || echo
    echo "## cpu $cpu $name"
    echo "## exit $status $name"
} >>"$file"
mv "$file" "$file.tap"
if [ $quiet = yes ]; then
    if [ "$status" -eq 0 ] || [ "$status" -eq 77 ]; then
        skipped=$(grep -ci '^\(ok\|1\.\.0\)\b.*# *skip' "$file.tap")
        printf '%-40s %s passed%s\n' "$name" "$(grep -vi '# *skip' "$file.tap" | grep -c '^ok\b')" \
            "$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")"
        rm -f "$file.err"
    else
        printf '%-40s FAILED\n' "$name"
        grep -v '^ok ' "$file.tap" | tail -n 60
        tail -n 20 "$file.err"
    fi
fi
exit "$status"
