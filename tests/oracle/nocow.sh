#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: what copse writes in place (preallocated and NODATACOW space, beside clones, holes
# and snapshots) Linux reads as copse does and writes on, and btrfs check --check-data-csum finds
# nothing before and after.
#
# NOCOW_SEEDS=N: so many seeds (6); NOCOW_FIRST: the first one.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
# shellcheck source=../lib/judge.sh
. "$tests_lib/judge.sh"
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
image=$scratch/nocow.img
mnt=$scratch/mnt
mkdir "$mnt"
first=${NOCOW_FIRST:-1}
seeds=${NOCOW_SEEDS:-6}

# Lines for copse shell: nine files, a third of them NODATACOW, and what is done with them.
edits() { # SEED
    awk -v seed="$1" -v files=9 '
        function block(most) { return int(rand() * most) * 4 }
        BEGIN {
            srand(seed)
            print "subvolume create /s"
            for (f = 0; f < files; f++) {
                name[f] = "/s/f" f
                if (f % 3 == 1) {
                    print "mkdir /s/d" f "\nchattr +C /s/d" f
                    name[f] = "/s/d" f "/f" f
                }
                print "io -f " name[f] " -c \"falloc 0 " 1 + int(rand() * 4) "m\""
            }
            for (i = 0; i < 250; i++) {
                file = name[int(rand() * files)]
                what = rand()
                if (what < .6)
                    print "io " file " -c \"pwrite -q -S " 1 + i % 255 " " int(rand() * 4000) "k " \
                        1 + int(rand() * 160) "k\""
                else if (what < .8)
                    print "io -f " file ".c -c \"reflink " file " " block(200) "k " block(400) "k " \
                        4 + block(40) "k\""
                else if (what < .9)
                    print "io " file " -c fsync"
                else if (what < .97)
                    print "io " file " -c \"fpunch " int(rand() * 1000) "k " 1 + int(rand() * 90) "k\""
                else
                    print "subvolume snapshot /s /snap" i
            }
        }'
}

# Every file with the sum of its bytes, as copse and as Linux read it.
seen_by_copse() {
    local file
    while read -r file; do
        echo "$file $("$COPSE" cat "$image:/$file" | md5sum)"
    done <"$scratch/files"
}

seen_by_linux() {
    local file
    while read -r file; do
        echo "$file $(md5sum <"$mnt/$file")"
    done <"$scratch/files"
}

checked() { # NAME
    try "$1: btrfs check finds nothing" btrfs check --check-data-csum "$image"
}

linux_writes_on() {
    local file n=0
    while read -r file; do
        dd if=/dev/zero of="$mnt/$file" bs=20k count=1 seek=$((n++ % 9)) conv=notrunc status=none ||
            return 1
    done < <(grep '^s/' "$scratch/files")
}

one_seed() {
    local name="seed $seed"
    rm -f "$image"
    try "$name: made" "$COPSE" mkfs -q -b 256M "$image" || return
    edits "$seed" >"$scratch/edits"
    # Refusals (an unaligned clone beyond the end of its source) are answers, too.
    "$COPSE" shell -k "$image" -f "$scratch/edits" >"$scratch/said" 2>&1
    checked "$name"
    try "$name: Linux mounts it" mount_image "$image" "$mnt" || return
    (cd "$mnt" && find . -type f -printf '%P\n') | sort >"$scratch/files"
    seen_by_linux >"$scratch/linux"
    try "$name: there is something to see" test -s "$scratch/linux"
    umount "$mnt"
    is "$name: both read the same" "$(seen_by_copse | diff - "$scratch/linux")" ""
    try "$name: mounted again" mount_image "$image" "$mnt" || return
    try "$name: Linux writes on" linux_writes_on
    seen_by_linux >"$scratch/linux"
    umount "$mnt"
    checked "$name, written on by Linux"
    is "$name: and both read the same again" "$(seen_by_copse | diff - "$scratch/linux")" ""
}

for ((seed = first; seed < first + seeds; seed++)); do
    one_seed
done
done_testing
