# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Images, loop devices and mounts for tests, to be sourced. Everything a script attaches or mounts
# lives in a mount namespace of its own and on loop devices that detach themselves at unmount, so
# nothing stays behind however the script ends.
#
#   COPSE_BUILD       the build directory (default build)
#   COPSE             the program under test (default copse in there)
#   COPSE_TEST_TOOLS  where manifest, mktree and the others are (default: tests/lib in the build
#                     directory; those not found there are compiled into the cache)
#   COPSE_TEST_CACHE  build/cache
#   COPSE_TEST_KEEP   keep the scratch directory

tests_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_root=$(cd "$tests_lib/../.." && pwd)
export COPSE_TEST_CACHE=${COPSE_TEST_CACHE:-$source_root/build/cache}
COPSE_BUILD=${COPSE_BUILD:-$source_root/build}
COPSE=${COPSE:-$COPSE_BUILD/copse}
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

# Why kernel mounts cannot be tried here, or nothing.
why_no_kernel() {
    if ((EUID != 0)); then
        echo "not root"
    elif [[ ! -e /dev/loop-control ]]; then
        echo "no loop devices"
    elif ! grep -qw btrfs /proc/filesystems && ! modprobe -q btrfs; then
        echo "the kernel has no btrfs"
    elif ! command -v mkfs.btrfs >/dev/null; then
        echo "no mkfs.btrfs"
    fi
}

# The first of these programs that is missing, as a reason; or nothing.
why_missing() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || { echo "no $program"; return; }
    done
}

# First of all in a script that mounts: starts it again in a mount namespace of its own.
#   own_mounts "$0" "$@"
own_mounts() {
    [[ ${COPSE_TEST_NAMESPACE:-} == "$1" ]] && return
    COPSE_TEST_NAMESPACE=$1 exec unshare --mount --propagation private -- "$BASH" "$@"
}

# Makes $scratch, which goes away with everything mounted in it when the script ends.
make_scratch() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/copse-test.XXXXXX") || exit 1
    trap 'drop_scratch' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

drop_scratch() {
    local dir
    # The deepest first. No mount is no failure, which would end a script with "set -e" right here.
    awk -v in_it="$scratch/" 'index($5, in_it) == 1 {print $5}' /proc/self/mountinfo | sort -r |
        while read -r dir; do
            umount "$(printf '%b' "$dir")" 2>/dev/null || umount -l "$(printf '%b' "$dir")"
        done
    if [[ -n ${COPSE_TEST_KEEP:-} ]]; then
        echo "# kept: $scratch" >&2
    else
        rm -rf "$scratch"
    fi
}

# mount_image IMAGE DIR [OPTIONS]: the loop device detaches itself when DIR is unmounted. Its name is
# in $loop_device then.
mount_image() {
    local image=$1 dir=$2 options=${3:-} rc=0
    mkdir -p "$dir"
    loop_device=$(losetup --find --show "$image") || return 1
    mount -t "${mount_type:-btrfs}" ${options:+-o "$options"} "$loop_device" "$dir" || rc=$?
    losetup --detach "$loop_device"
    return $rc
}

# kernel_manifest IMAGE FILE [MOUNT-OPTIONS]: what the kernel sees in the whole file system. With
# a log tree pending the kernel replays it first, which changes the image.
kernel_manifest() {
    local image=$1 file=$2 options=${3:-} dir rc=0
    dir=$(mktemp -d "$scratch/look.XXXXXX")
    mount_image "$image" "$dir" "ro,noatime,subvolid=5${options:+,$options}" || return 1
    "$(tool manifest)" -o "$file" "$dir" || rc=1
    umount "$dir" && rmdir "$dir"
    return $rc
}

# Prints where a helper program of this directory is, compiling it if no build has made it.
tool() {
    local name=$1 dir=${COPSE_TEST_TOOLS:-$COPSE_BUILD/tests/lib} out=$COPSE_TEST_CACHE/tools
    local sources libraries=()
    if [[ -x $dir/$name ]]; then
        echo "$dir/$name"
        return
    fi
    sources=("$tests_lib/$name"*.c)
    case $name in
    mktree | collide) sources+=("$tests_lib/name_hash.c") ;;
    manifest) libraries=(-lxxhash) ;;
    unpack) libraries=(-lzstd) ;;
    esac
    if [[ ! -x $out/$name || -n $(find "$tests_lib" -name '*.[ch]' -newer "$out/$name") ]]; then
        mkdir -p "$out"
        "${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -O2 -o "$out/$name.$$" "${sources[@]}" \
            "${libraries[@]}" >&2 && mv "$out/$name.$$" "$out/$name" || return 1
    fi
    echo "$out/$name"
}

# The same for a program that only a build can make.
tool_of_build() {
    local dir=${COPSE_TEST_TOOLS:-$COPSE_BUILD/tests/lib}
    [[ -x $dir/$1 ]] && echo "$dir/$1"
}

# Sets $btrfs_new to the directory of a btrfs-progs 6.14, or to nothing; says so when it cannot.
find_new_progs() {
    btrfs_new=$("$tests_lib/get-btrfs-progs-6.14.sh") || btrfs_new=
}

# Columns that no copy onto another file system keeps; inode numbers, subvolumes, flags and holes.
copy_loses=ino,blocks,ctime,atime,otime,dirsize,dirlinks,flags,subvol,svro,data,x:btrfs
# Columns that FUSE does not carry, or that copse numbers in its own way.
mount_loses=ino,otime,subvol,svro,dirlinks

# Columns that mkfs.btrfs --rootdir does not keep, or that have no counterpart in the directory.
# shellcheck disable=SC2034
rootdir_loses=ino,rdev,blocks,ctime,atime,otime,dirsize,dirlinks,flags,subvol,svro,data

# compare_columns NAME LEFT-OUT GOT EXPECTED: a test that two manifests agree on the other columns.
# Where the kernel makes a directory's times up, nothing is expected of them.
compare_columns() {
    local name=$1 without=$2 got=$3 expected=$4
    "$(tool manifest)" -x "$without" -f "$expected" -o "$expected.columns"
    "$(tool manifest)" -x "$without" -f "$got" |
        awk -F '\t' -v OFS='\t' 'NR == FNR {if (!/\t[mca]time=/) no_times[$1] = 1; next}
            $1 in no_times {gsub(/\t[mcao]time=[^\t]*/, "")} {print}' "$expected" - >"$got.columns"
    same "$name" "$got.columns" "$expected.columns"
}

# Replaying a log, the kernel and copse stamp some inodes with the time of that day. Prints a
# manifest with times from $2 (seconds.nanoseconds) on written as `replay`.
hide_replay_times() {
    awk -F '\t' -v OFS='\t' -v since="$2" '{
        for (i = 2; i <= NF; i++)
            if (split($i, kv, "=") == 2 && kv[1] ~ /^[cma]time$/ && kv[2] "" >= since "")
                $i = kv[1] "=replay"
        print
    }' "$1"
}
