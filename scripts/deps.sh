#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deps.sh [--list] GROUP...: installs the packages of these groups (see packages.txt) that are
# missing; with --list only names them. Does nothing, quickly, when nothing is missing.
set -u

here=$(dirname "$(readlink -f "$0")")

wanted() {
    local groups=" $* "
    while read -r group package _; do
        [[ $group == \#* || -z $group ]] && continue
        [[ $groups == *" $group "* ]] && echo "$package"
    done <"$here/packages.txt"
}

missing() {
    local have
    have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
    wanted "$@" | grep -vxF -f <(echo "$have") | paste -sd' '
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        return 1
    fi
}

install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

list=no
if [ "${1-}" = --list ]; then
    list=yes
    shift
fi
[ $# -gt 0 ] || set -- build run test

if ! command -v dpkg-query >/dev/null; then
    echo "deps: this is no Debian or Ubuntu; copse needs what these packages hold:" >&2
    wanted "$@" | paste -sd' ' >&2
    exit 0
fi

need=$(missing "$@")
[ -n "$need" ] || exit 0
if [ "$list" = yes ]; then
    echo "$need"
    exit 0
fi

echo "deps: installing $need"
# shellcheck disable=SC2086
if ! install $need </dev/null; then
    echo "deps: could not install them; as root, run:" >&2
    echo "    apt-get update && apt-get install -y --no-install-recommends $need" >&2
    exit 1
fi
