#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prints where a tarball of a large source tree is: Debian's or Ubuntu's linux-source package,
# fetched with apt and kept in the cache, never installed. Exit 1 with the reason otherwise.
#
#   COPSE_TEST_CACHE   where to keep it (default: build/cache in the source tree)
#   COPSE_SOURCE_TREE  a tarball to use instead

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${COPSE_TEST_CACHE:-$here/../../build/cache}

give_up() {
    echo "source tree: $*" >&2
    exit 1
}

if [[ -n ${COPSE_SOURCE_TREE:-} ]]; then
    [[ -r $COPSE_SOURCE_TREE ]] || give_up "cannot read COPSE_SOURCE_TREE=$COPSE_SOURCE_TREE"
    echo "$COPSE_SOURCE_TREE"
    exit 0
fi
shopt -s nullglob
kept=("$cache"/linux-source-*.tar.*)
if ((${#kept[@]})); then
    echo "${kept[0]}"
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "no apt here"
package=$(apt-cache depends linux-source 2>/dev/null | awk '$1 == "Depends:" {print $2; exit}')
[[ -n $package ]] || give_up "apt knows no linux-source"
mkdir -p "$cache" && work=$(mktemp -d "$cache/fetch.XXXXXX") || give_up "cannot write to $cache"
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -q -o APT::Sandbox::User= download "$package") >"$work/log" 2>&1 ||
    give_up "$(tail -n 1 "$work/log")"
dpkg-deb -x "$work/$package"_*.deb "$work/root" || give_up "cannot unpack $package"
found=("$work"/root/usr/src/*/*.tar.* "$work"/root/usr/src/*.tar.*)
((${#found[@]})) || give_up "no tarball in $package"
mv "${found[0]}" "$cache/$(basename "${found[0]}")"
echo "$cache/$(basename "${found[0]}")"
