#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: subvolumes and snapshots that copse makes Linux mounts, lists, snapshots and deletes,
# and the other way round; a deletion that is interrupted after any commit is finished by either,
# and btrfs check finds nothing. FILES: how many there are in what is deleted.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
# shellcheck source=../lib/judge.sh
. "$tests_lib/judge.sh"
oracle=$(cd "$(dirname "$0")" && pwd)
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing python3 btrfs)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
find_new_progs
image=$scratch/image
dir=$scratch/mnt
files=${FILES:-4000}
COPSE_LIBRARY=$(ldd "$COPSE" | awk '$1 ~ /^libcopse\.so/ {print $3}')

checked() { # WHAT
    try "$1" btrfs check --check-data-csum "$image"
}

# What btrfs prints of all subvolumes, without what only one of the two knows.
kernel_list() {
    mount_image "$image" "$dir" subvolid=5
    btrfs subvolume list -pcuqR "$dir"
    umount "$dir"
}

copse_list() {
    "$COPSE" subvolume list -pcuqR "$image"
}

# Times are shown in the kernel's words only where there are any.
show_fields() {
    sed -n '/Send time\|Receive time/d; s/[[:space:]]\+/ /gp'
}

kernel_show() { # PATH...
    mount_image "$image" "$dir" subvolid=5
    for path; do
        btrfs subvolume show "$dir/$path"
    done | show_fields
    umount "$dir"
}

copse_show() { # PATH...
    for path; do
        "$COPSE" subvolume show "$image:/$path"
    done | show_fields
}

alike() { # WHAT
    is "$1: listed alike" "$(copse_list)" "$(kernel_list)"
    is "$1: shown alike" "$(copse_show snap one/d/nested)" "$(kernel_show snap one/d/nested)"
}

script() {
    cat <<'END'
subvolume create /one
mkdir /one/d
subvolume create /one/d/nested
io -f /one/file -c "pwrite -q 0 300k"
io -f /one/small -c "pwrite -q 0 30"
subvolume snapshot /one /snap
io -f /one/file -c "pwrite -q -S 3 100k 10k"
subvolume snapshot -r /one /one/inside
subvolume snapshot -r /snap /ro
subvolume snapshot /ro /rw
io -f /rw/file -c "pwrite -q 0k 10k"
END
}

copse_first() {
    "$COPSE" mkfs -q -b 300M "$image"
    script | "$COPSE" shell "$image" >/dev/null
    checked "made by copse"
    alike "made by copse"
    mount_image "$image" "$dir" subvolid=5
    is "Linux reads them" "$(md5sum <"$dir/one/file")" "$(md5sum <"$dir/one/inside/file")"
    try "Linux snapshots them" btrfs -q subvolume snapshot "$dir/one" "$dir/linux"
    echo more >>"$dir/linux/small"
    echo more >>"$dir/rw/small"
    btrfs -q subvolume delete "$dir/one/inside" "$dir/snap" "$dir/one/d/nested" "$dir/one"
    btrfs subvolume sync "$dir" >/dev/null
    is "Linux deleted them" "$(ls "$dir")" $'linux\nro\nrw'
    umount "$dir"
    checked "after Linux"
    "$COPSE" subvolume delete "$image:/linux" "$image:/ro" "$image:/rw" >/dev/null
    is "nothing is left" "$("$COPSE" df --raw "$image" | sed -n 's/^Data.*used=//p')" 0
    checked "after copse"
}

kernel_first() {
    rm -f "$image"
    truncate -s 300M "$image"
    mkfs.btrfs -q "$image" >/dev/null 2>&1
    mount_image "$image" "$dir"
    btrfs -q subvolume create "$dir/one"
    mkdir "$dir/one/d"
    btrfs -q subvolume create "$dir/one/d/nested"
    head -c 300k /dev/urandom >"$dir/one/file"
    btrfs -q subvolume snapshot "$dir/one" "$dir/snap"
    btrfs -q subvolume snapshot -r "$dir/snap" "$dir/one/d/ro"
    echo more >>"$dir/snap/file"
    umount "$dir"
    alike "made by Linux"
    "$COPSE" subvolume snapshot "$image:/one" "$image:/again" >/dev/null
    "$COPSE" touch "$image:/again/new"
    "$COPSE" subvolume delete "$image:/one/d/ro" "$image:/one/d/nested" "$image:/one" >/dev/null
    checked "copse snapshots and deletes what Linux made"
    mount_image "$image" "$dir"
    is "Linux sees that" "$(ls "$dir" "$dir/again")" \
        "$(printf '%s\n' "$dir:" again snap '' "$dir/again:" d file new)"
    umount "$dir"
}

# ---- interrupted deletions

big_tree() {
    rm -f "$image"
    truncate -s 1G "$image"
    mkfs.btrfs -q -n 4096 -m single "$image" >/dev/null 2>&1
    mount_image "$image" "$dir"
    btrfs -q subvolume create "$dir/big"
    python3 - "$dir/big" "$files" <<-'END'
	import os, sys
	for i in range(int(sys.argv[2])):
	    if i % 500 == 0:
	        here = os.path.join(sys.argv[1], str(i))
	        os.mkdir(here)
	    with open(os.path.join(here, "file%d" % i), "wb") as f:
	        f.write(os.urandom(5000 if i % 10 == 0 else 50))
	END
    [[ $1 != shared ]] || btrfs -q subvolume snapshot "$dir/big" "$dir/other"
    [[ $1 != shared ]] || touch "$dir/big/0/"* "$dir/other/500/"*
    umount "$dir"
}

# A commit and a copy of the image after each step; prints how many.
delete_in_steps() {
    python3 - "$COPSE_LIBRARY" "$image" <<-'END'
	import ctypes, shutil, sys
	copse = ctypes.CDLL(sys.argv[1])
	image = sys.argv[2].encode()
	fs, root, left = ctypes.c_void_p(), None, ctypes.c_uint(1)
	copse.copse_root.restype = ctypes.c_void_p
	assert copse.copse_open((ctypes.c_char_p * 1)(image), 1, None, ctypes.byref(fs)) == 0
	root = ctypes.c_void_p(copse.copse_root(fs))
	assert copse.copse_subvol_delete(root, b"big", 3) == 0
	copse.copse_node_put(root)
	steps = 0
	assert copse.copse_sync(fs) == 0
	while left.value:
	    shutil.copyfile(sys.argv[2], "%s.%d" % (sys.argv[2], steps))
	    assert copse.copse_subvol_clean(fs, ctypes.byref(left)) == 0
	    assert copse.copse_sync(fs) == 0
	    steps += 1
	copse.copse_crash(fs)
	print(steps)
	END
}

rest_is_there() { # WHAT BEFORE
    mount_image "$image" "$dir" ro
    is "$1: the rest is as it was" "$(cd "$dir" && find . -type f -exec md5sum {} + | sort | md5sum)" "$2"
    umount "$dir"
}

interrupted() { # KIND
    local steps step before
    big_tree "$1"
    mount_image "$image" "$dir" ro
    before=$(cd "$dir" && find . -path ./big -prune -o -type f -exec md5sum {} + | sort | md5sum)
    umount "$dir"
    steps=$(delete_in_steps)
    ((${steps:-0} > 2)) && ok "$1: deleted in $steps steps" || not_ok "$1: deleted in $steps steps"
    checked "$1: deleted"
    for ((step = 0; step < ${steps:-0}; step += (steps + 3) / 4)); do
        mv "$image.$step" "$image"
        checked "$1: interrupted after step $step"
        cp "$image" "$scratch/copy"
        try "$1: copse finishes" "$COPSE" subvolume sync "$image"
        checked "$1: finished by copse"
        rest_is_there "$1, by copse" "$before"
        mv "$scratch/copy" "$image"
        mount_image "$image" "$dir"
        try "$1: Linux finishes" btrfs subvolume sync "$dir"
        umount "$dir"
        checked "$1: finished by Linux"
        rest_is_there "$1, by Linux" "$before"
        is "$1: nothing is left" "$("$COPSE" subvolume list "$image" | grep -c big)" 0
    done
    rm -f "$image".*
}

# Linux stops cleaning up when it is unmounted.
left_by_linux() {
    local before
    big_tree shared
    mount_image "$image" "$dir"
    before=$(cd "$dir" && find . -path ./big -prune -o -type f -exec md5sum {} + | sort | md5sum)
    btrfs -q subvolume delete -c "$dir/big"
    umount "$dir"
    diag "left by Linux at: $(btrfs inspect-internal dump-tree -t root "$image" |
        sed -n 's/.*\(drop_progress key ([1-9].*\)/\1/p' | tr '\n' ' ')"
    try "copse finishes what Linux began" "$COPSE" subvolume sync "$image"
    checked "finished"
    rest_is_there "begun by Linux" "$before"
}

mkdir -p "$dir"
groups=(copse_first kernel_first alone shared left_by_linux)
(($#)) && groups=("$@")
for group in "${groups[@]}"; do
    case $group in
    alone | shared) interrupted "$group" ;;
    *) "$group" ;;
    esac
done
done_testing
