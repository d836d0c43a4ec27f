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
    have=" $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | tr '\n' ' ') "
    for package in $(wanted "$@"); do
        [[ $have == *" $package "* ]] || echo "$package"
    done | paste -sd' '
}

# How to become root, as a command to put in front; fails when there is no way without a password
# that nobody could type.
root_prefix() {
    if [ "$(id -u)" -eq 0 ]; then
        echo env
    elif command -v sudo >/dev/null && { sudo -n true || : </dev/tty; } 2>/dev/null; then
        echo sudo
    else
        return 1
    fi
}

install() {
    local as_root
    as_root=$(root_prefix) || return 1
    echo "deps: installing $*"
    $as_root DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null &&
        $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
            "$@" </dev/null
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

# fusermount3 of Debian 13 unmounts nothing without /etc/mtab. Booting makes that link; a root made
# by debootstrap was never booted.
link_mtab() {
    local as_root
    [[ $list = no && " $* " == *" run "* && ! -e /etc/mtab && -e /proc/self/mounts ]] || return 0
    as_root=$(root_prefix) && $as_root ln -sf ../proc/self/mounts /etc/mtab && return
    echo "deps: there is no /etc/mtab, and users cannot unmount; as root, run:" >&2
    echo "    ln -s ../proc/self/mounts /etc/mtab" >&2
}

need=$(missing "$@")
[ -n "$need" ] || link_mtab "$@"
[ -n "$need" ] || exit 0
if [ "$list" = yes ]; then
    echo "$need"
    exit 0
fi

# shellcheck disable=SC2086
if ! install $need; then
    echo "deps: packages are missing and could not be installed; as root, run:" >&2
    echo "    apt-get update && apt-get install -y --no-install-recommends $need" >&2
    exit 1
fi
link_mtab "$@"
