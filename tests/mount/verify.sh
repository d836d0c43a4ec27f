#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: what is written through a mount reads back, however it is written. fio's verification
# (psync, mmap, libaio with O_DIRECT; plain, compressed and NOCOW) and stress-ng's stressors of file
# systems that verify themselves. COPSE_STRESS multiplies how much is done (default 1: seconds).

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"
times=${COPSE_STRESS:-1}

verified_by_fio() { # WHAT, the directory in the mount
    local what=$1 where=$2 job
    for job in "randwrite --bs=4k-64k --ioengine=psync" "randrw --bs=4k --ioengine=mmap" \
        "randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8" "write --bs=1m --ioengine=psync --end_fsync=1"; do
        # shellcheck disable=SC2086
        try "fio verifies $what: $job" user fio --name=job --directory="$where" --size=$((16 * times))m \
            --numjobs=2 --verify=crc32c --do_verify=1 --verify_fatal=1 --buffer_compress_percentage=60 \
            --refill_buffers --rw=$job --output-format=terse
        user sh -c "rm -f '$where'/job.*"
    done
}

with_fio() {
    local why
    why=$(why_missing fio)
    if [[ -n $why ]]; then
        skip "fio" "$why"
        return
    fi
    new_image 2G
    try "mounted" mounted "$@" || return
    user mkdir "$dir/plain" "$dir/nocow"
    user "$copse" chattr +C "$dir/nocow"
    verified_by_fio "files${2:+ with $2}" "$dir/plain"
    [[ -n ${2:-} ]] || verified_by_fio "NOCOW files" "$dir/nocow"
    try "unmounted" unmounted
    judged "after fio${2:+ with $2}"
}

# Those of its class "filesystem" that need neither root nor what FUSE does not carry; without fpunch,
# whose parents were seen to wait for ever beside children that had ended: not yet known whose fault.
stressors=(access chdir chmod copy-file dentry dir dirdeep dirmany dup fallocate fcntl fiemap filename flock fstat getdent hdd io iomix link lockf metamix mknod open readahead rename seek sendfile symlink
    sync-file touch utime verity xattr)

with_stress_ng() {
    local why stressor known
    why=$(why_missing stress-ng)
    if [[ -n $why ]]; then
        skip "stress-ng" "$why"
        return
    fi
    new_image 4G
    try "mounted" mounted || return
    known=" $(stress-ng --stressors) "
    for stressor in "${stressors[@]}"; do
        if [[ $known != *" $stressor "* ]]; then
            skip "stress-ng $stressor" "this stress-ng has none"
            continue
        fi
        try "stress-ng $stressor" user stress-ng --temp-path "$dir" --verify --quiet \
            "--$stressor" 2 "--$stressor-ops" $((20 * times)) --hdd-bytes 16m --iomix-bytes 16m \
            --fallocate-bytes 16m --readahead-bytes 16m --seek-size 16m --copy-file-bytes 128m
    done
    try "unmounted" unmounted
    judged "after stress-ng"
}

compressed() {
    with_fio -o compress-force=zstd
}

groups=(with_fio compressed with_stress_ng)
(($#)) && groups=("$@")
for group in "${groups[@]}"; do
    "$group"
done
done_testing
