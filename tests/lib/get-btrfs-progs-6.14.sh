#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prints the directory of a btrfs-progs of at least 6.14, without installing anything: the one in
# PATH if it is new enough, else Debian's package, fetched by apt with a configuration of its own
# and unpacked below the cache directory. Exit 0 with the directory on standard output, exit 1
# with the reason on standard error.
#
#   COPSE_TEST_CACHE   where to keep it (default: build/cache in the source tree)
#   COPSE_BTRFS_PROGS  a directory to use instead of looking any further

set -u
WANT=6.14
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${COPSE_TEST_CACHE:-$here/../../build/cache}
dest=$cache/btrfs-progs-$WANT

give_up() {
    echo "btrfs-progs $WANT: $*" >&2
    exit 1
}

# The version of the `btrfs` in directory $1 (empty: from PATH), or nothing.
version_in() {
    "${1:+$1/}btrfs" --version 2>/dev/null | sed -n '1s/.*v\([0-9][0-9.]*\).*/\1/p'
}

new_enough() {
    local v
    v=$(version_in "$1")
    [[ -n $v && $(printf '%s\n%s\n' "$WANT" "$v" | sort -V | head -n 1) == "$WANT" ]]
}

# Debian 12 has 6.14 in its backports, Debian 13 in its main archive. The first that runs wins:
# the newer package may ask for a newer C library than this machine has.
fetch_from() {
    local suite=$1 scratch=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [[ -r $keyring ]] || { echo "no $keyring" >&2; return 1; }
    mkdir -p "$scratch"/{lists/partial,archives/partial,parts,deb,root}
    echo "deb [signed-by=$keyring] http://deb.debian.org/debian $suite main" >"$scratch/sources.list"
    local apt=(apt-get -q
        -o "Dir::Etc::SourceList=$scratch/sources.list" -o "Dir::Etc::SourceParts=$scratch/parts"
        -o "Dir::Etc::Preferences=/dev/null" -o "Dir::Etc::PreferencesParts=$scratch/parts"
        -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch"
        -o "Dir::Cache::Archives=$scratch/archives" -o "APT::Sandbox::User="
        -o "Acquire::Languages=none" -o "Acquire::Retries=2")
    "${apt[@]}" update >"$scratch/log" 2>&1 || { tail -n 3 "$scratch/log" >&2; return 1; }
    (cd "$scratch/deb" && "${apt[@]}" download btrfs-progs) >>"$scratch/log" 2>&1 ||
        { tail -n 3 "$scratch/log" >&2; return 1; }
    local deb=("$scratch"/deb/btrfs-progs_*.deb)
    dpkg-deb -x "${deb[0]}" "$scratch/root" || return 1
}

# Debian keeps mkfs.btrfs in sbin and btrfs in bin; callers want one directory.
one_directory() {
    local root=$1 out=$2 f
    mkdir -p "$out"
    for f in "$root"/{,usr/}{bin,sbin}/*; do
        [[ -f $f && -x $f ]] && cp -a "$f" "$out/"
    done
}

if [[ -n ${COPSE_BTRFS_PROGS:-} ]]; then
    new_enough "$COPSE_BTRFS_PROGS" || give_up "COPSE_BTRFS_PROGS=$COPSE_BTRFS_PROGS has no such btrfs"
    echo "$COPSE_BTRFS_PROGS"
    exit 0
fi
if new_enough ""; then
    dirname "$(command -v btrfs)"
    exit 0
fi
if new_enough "$dest/bin"; then
    (cd "$dest/bin" && pwd)
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    give_up "not in PATH, and this machine has no apt to fetch Debian's package"
mkdir -p "$cache" || give_up "cannot make $cache"
work=$(mktemp -d "$cache/fetch.XXXXXX") || give_up "cannot make a directory in $cache"
trap 'rm -rf "$work"' EXIT
for suite in bookworm-backports trixie; do
    if fetch_from "$suite" "$work/$suite"; then
        one_directory "$work/$suite/root" "$work/$suite/bin"
        if new_enough "$work/$suite/bin"; then
            rm -rf "$dest"
            mkdir -p "$dest"
            mv "$work/$suite/bin" "$dest/bin"
            (cd "$dest/bin" && pwd)
            exit 0
        fi
        echo "$suite: the package does not run here or is too old" >&2
    fi
done
give_up "could not be had from Debian (see the lines above)"
