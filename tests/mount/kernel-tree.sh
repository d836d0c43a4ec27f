#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: a source tree of 80,000 files is unpacked in a mount by an ordinary user, something
# is built in it, half of it deleted; Linux finds nothing wrong, shows the identical tree and writes
# to it; copse reads that.
#
#   kernel-tree.sh [TARBALL]   otherwise the one that get-source-tree.sh finds or fetches

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tarball=${1:-$("$tests_lib/get-source-tree.sh")} || skip_all "no source tree"
in_own_world "$0" "$@"
kernel=$scratch/kernel

# As the user sees it: attributes and content of all files.
user_manifest() {
    user "$(tool manifest)" -o "$scratch/home/$1" "$dir"
}

kernel_agrees() { # NAME
    [[ -z $(why_no_kernel) ]] || {
        skip "$1" "$(why_no_kernel)"
        return
    }
    kernel_manifest "$image" "$scratch/expected"
    compare_columns "$1" "$mount_loses" "$scratch/home/seen" "$scratch/expected"
}

tool manifest >/dev/null
new_image 8G
try "mounted" mounted -o noatime
# The tarball may lie where the user cannot look.
unpack() {
    case $tarball in
    *.xz) xz -dc "$tarball" ;;
    *.zst) zstd -qdc "$tarball" ;;
    *.bz2) bzip2 -dc "$tarball" ;;
    *.gz) gzip -dc "$tarball" ;;
    *) cat "$tarball" ;;
    esac | user tar -C "$dir" -xf -
    [[ "${PIPESTATUS[*]}" == "0 0" ]]
}
try "the tree is unpacked" unpack
top=$(user sh -c "ls -d '$dir'/*/ | head -n 1")
if [[ -z $(why_missing make gcc rsync perl) ]]; then
    try "headers are built and installed" user make -s -C "$top" headers_install \
        INSTALL_HDR_PATH="$dir/headers"
else
    skip "headers are built and installed" "$(why_missing make gcc rsync perl)"
fi
try "unmounted" unmounted
judged "with the whole tree"
mounted -o noatime
user_manifest seen
try "half of it is deleted" user rm -r "$top"/{drivers,arch,Documentation,include}
unmounted
judged "with half of it deleted"
mounted -o noatime
user_manifest seen
unmounted
kernel_agrees "Linux shows the identical tree"
if [[ -z $(why_no_kernel) ]]; then
    mount_image "$image" "$kernel" noatime
    try "Linux writes to it" sh -c "cp -a '$kernel/${top#"$dir"/}/fs' '$kernel/by-linux' &&
        rm -r '$kernel/${top#"$dir"/}/net' && chown -R $test_uid '$kernel/by-linux'"
    umount "$kernel"
    try "mounted after that" mounted -o noatime
    user_manifest seen
    unmounted
    kernel_agrees "copse shows what Linux wrote"
    judged "after Linux wrote"
fi
done_testing
