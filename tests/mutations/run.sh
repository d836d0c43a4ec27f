#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh [NAME...]: breaks the code on purpose, one mutation at a time, in a copy of the tree, and
# shows which test notices. Each NAME.patch says in its head which promise it breaks (Promise:), what
# is built (Build:, ninja targets) and what must fail (Run:, from within the build directory). The
# same command must succeed on the code as it is. A mutation that no longer applies, builds, or is
# noticed is a failure here.
set -u
here=$(dirname "$(readlink -f "$0")")
top=$(readlink -f "$here/../..")
# shellcheck source=../lib/tap.sh
. "$top/tests/lib/tap.sh"

copy=$(mktemp -d "${TMPDIR:-/tmp}/copse-mutations.XXXXXX") || exit 1
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM
export CMOCKA_MESSAGE_OUTPUT=TAP LC_ALL=C.UTF-8

field() { # NAME FIELD
    sed -n "/^--- /q; s/^$2: *//p" "$here/$1.patch"
}

(cd "$top" && git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$copy") || exit 1
cd "$copy" || exit 1
meson setup build -Dwerror=false >setup.out 2>&1 || { cat setup.out; exit 1; }

if (($#)); then
    names=("$@")
else
    mapfile -t names < <(cd "$here" && ls -- *.patch | sed 's/\.patch$//')
fi

# noticed NAME: runs its test; 0: it failed as it should. A test that never ran notices nothing.
runs_well() {
    (cd build && timeout --signal=KILL 900 bash -c "$(field "$1" Run)") >run.out 2>&1
    local rc=$?
    ((rc == 0)) && ! grep -q '^not ok' run.out
}

declare -A well
for name in "${names[@]}"; do
    read -ra targets < <(field "$name" Build)
    command=$(field "$name" Run)
    title="$(field "$name" Promise): $name"
    if [[ -z ${well[$command]:-} ]]; then
        ninja -C build "${targets[@]}" >build.out 2>&1 && runs_well "$name" && well[$command]=yes
    fi
    if [[ -z ${well[$command]:-} ]]; then
        not_ok "$title"
        diag "the test does not succeed on the code as it is: $command" "$(tail -n 5 run.out)"
        continue
    fi
    if ! patch -p1 --fuzz=3 --no-backup-if-mismatch <"$here/$name.patch" >patch.out 2>&1; then
        not_ok "$title"
        diag "does not apply any more: $(cat patch.out)"
    elif ! ninja -C build "${targets[@]}" >build.out 2>&1; then
        not_ok "$title"
        diag "does not build any more: $(tail -n 5 build.out)"
    elif runs_well "$name"; then
        not_ok "$title"
        diag "nobody noticed: $command"
    else
        ok "$title"
        diag "noticed by: $command" "$(grep -m 1 -iE 'not ok|I[0-9]+:|violations|error|assert' run.out)"
    fi
    # Back to the code as it is.
    lines=$(sed -n 's,^--- a/,,p' "$here/$name.patch")
    while read -r file; do
        cp "$top/$file" "$copy/$file"
    done <<<"$lines"
done
done_testing
