#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: what copse writes Linux takes. On images by Linux and by copse, copse makes the edits
# of edits/*.edit; then btrfs check (both versions) and scrub find nothing, the kernel's tree equals
# the one where the kernel made the same edits, the kernel writes on, and copse reads that and
# writes again. With names, only those cases.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
# shellcheck source=../lib/judge.sh
. "$tests_lib/judge.sh"
oracle=$(cd "$(dirname "$0")" && pwd)
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing xfs_io setfattr)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
find_new_progs
image=$scratch/copse.img
twin=$scratch/kernel.img
INPUT=$scratch/input
sections=data,overwritten,sparse,prealloc,links,names,collisions,many,xattrs,symlinks,subvolumes

# NAME, who makes the file system, and how.
cases() {
    cat <<'END'
plain       kernel
bgt         kernel --bgt 1 --csum xxhash
oldest      kernel --skinny 0 --extref 0 --no-holes 0 --space v1 --nodesize 4k
no-cache    kernel --space none --nodesize 8k --csum sha256
mixed       kernel --mixed 1 --nodesize 4k
wide        kernel --nodesize 64k --csum blake2 --skinny 0
compressed  kernel --compress zstd --props
single      kernel --meta single
dup         kernel --data dup --size 1G
own         copse
own-4k      copse -n 4k --csum xxhash
own-64k     copse -n 64k --csum blake2
own-mixed   copse -M
own-plain   copse -O ^block-group-tree,^free-space-tree,^no-holes,^skinny-metadata,^extref -m single
END
}

# Host files that the edits copy in.
make_input() {
    mkdir "$INPUT"
    yes 'a line of text that compresses' | head -c 100 >"$INPUT/small"
    yes 'a line of text that compresses' | head -c 100000 >"$INPUT/text"
    "$(tool mktree)" -s 99 -S data "$INPUT"
    mv "$INPUT/data/text-large" "$INPUT/large"
    mv "$INPUT/data/random-large" "$INPUT/noise"
    rm -r "$INPUT/data"
}

# Sets $image and $twin: the same tree twice, for copse and for the kernel to edit.
make_pair() {
    local by=$1
    shift
    if [[ $by == kernel ]]; then
        "$oracle/gen-image.sh" -o "$image" --size 512M --seed 3 --quick --sections "$sections" "$@" ||
            return 1
    else
        rm -f "$image"
        "$COPSE" mkfs -b 512M "$@" "$image" && mount_image "$image" "$scratch/fill" noatime &&
            "$(tool mktree)" -s 3 -q -S "$sections" "$scratch/fill" && umount "$scratch/fill" ||
            return 1
    fi
    cp --sparse=always "$image" "$twin"
}

# One line of an edit, done on the kernel mount at $mnt.
kernel_command() {
    local words=() w command
    for w in "$@"; do
        case $w in
        /*) words+=("$mnt$w") ;;
        host:*) words+=("${w#host:}") ;;
        *) words+=("$w") ;;
        esac
    done
    command=${words[0]}
    case $command in
    io)
        # xfs_io wants the file last.
        local file="" rest=()
        for w in "${words[@]:1}"; do
            [[ -z $file && $w == "$mnt"/* ]] && file=$w || rest+=("$w")
        done
        # It would make files with a mode of its own.
        [[ " ${rest[*]} " == *' -f '* && ! -e $file ]] && : >"$file"
        xfs_io "${rest[@]}" "$file"
        ;;
    xattr)
        case ${words[1]} in
        set) setfattr -n "${words[3]}" -v "${words[4]}" "${words[2]}" ;;
        rm) setfattr -x "${words[3]}" "${words[2]}" ;;
        esac
        ;;
    ln)
        # What a symlink says is not a path of the mount.
        if [[ ${words[1]} == -s ]]; then ln -s "$3" "${words[3]}"; else "${words[@]}"; fi
        ;;
    chown) chown -h "${words[@]:1}" ;;
    sync) btrfs filesystem sync "$mnt" ;;
    *) "${words[@]}" ;;
    esac
}

kernel_edit() { # EDIT
    local line rc=0 mnt=$scratch/twin
    mount_image "$twin" "$mnt" noatime,subvolid=5 || return 1
    while IFS= read -r line; do
        [[ $line == '' || $line == '#'* ]] && continue
        eval "kernel_command ${line//\\\$INPUT/$INPUT}" || { echo "kernel: $line"; rc=1; break; }
    done <"$1"
    umount "$mnt" || rc=1
    return $rc
}

copse_edit() {
    sed "s|\$INPUT|$INPUT|g" "$1" >"$scratch/edit"
    "$COPSE" shell "$image" -f "$scratch/edit"
}

# What depends on when and how it was written: times, places, allocated blocks.
differs_by_writer=ino,blocks,mtime,ctime,atime,otime,data,dirsize

read_by_copse() { # NAME: copse sees what the kernel saw ($scratch/seen)
    local reader
    if reader=$(tool_of_build copse-manifest); then
        "$reader" -o "$scratch/library" "$image" 2>"$scratch/said" || diag "$(<"$scratch/said")"
        compare_columns "$1" '' "$scratch/library" "$scratch/seen"
    else
        skip "$1" "copse-manifest is not built"
    fi
}

one_edit() { # CASE EDIT
    local name edit=$2
    name="$1: $(basename "$edit" .edit)"
    try "$name: done by the kernel" kernel_edit "$edit" || return 1
    try "$name: done by copse" copse_edit "$edit" || return 1
    judged "$name: check, kernel and scrub find nothing" "$image" "$scratch/seen"
    kernel_manifest "$twin" "$scratch/wanted"
    compare_columns "$name: the same tree" "$differs_by_writer" "$scratch/seen" "$scratch/wanted"
    read_by_copse "$name: copse reads it back"
}

kernel_goes_on() { # CASE
    local mnt=$scratch/on
    if mount_image "$image" "$mnt" noatime,subvolid=5 && mkdir "$mnt/kernel" &&
        "$(tool mktree)" -s 5 -q -S data,links,churn,prealloc,reflinks,subvolumes "$mnt/kernel" &&
        umount "$mnt"; then
        ok "$1: the kernel writes on"
    else
        not_ok "$1: the kernel writes on"
    fi
    rm -f "$twin"
    cp --sparse=always "$image" "$twin"
    judged "$1: and nothing is wrong with it" "$image" "$scratch/seen"
    read_by_copse "$1: and copse reads it"
}

make_input
while read -r name how; do
    (($#)) && [[ " $* " != *" $name "* ]] && continue
    # shellcheck disable=SC2086
    if ! make_pair $how >"$scratch/said" 2>&1; then
        if grep -q 'needs btrfs-progs 6.14' "$scratch/said"; then
            skip "$name" "needs btrfs-progs 6.14"
            continue
        fi
        not_ok "$name: an image to begin with"
        diag "$(tail -n 5 "$scratch/said")"
        continue
    fi
    judged "$name: the image to begin with" "$image" "$scratch/seen"
    one_edit "$name" "$oracle/edits/names.edit" || continue
    one_edit "$name" "$oracle/edits/data.edit" || continue
    # Without no-holes Linux 6.18 forgets the new size of such a file at unmount.
    [[ $how == *no-holes* ]] || one_edit "$name" "$oracle/edits/past-the-end.edit" || continue
    kernel_goes_on "$name"
    one_edit "$name" "$oracle/edits/snapshots.edit" || continue
    one_edit "$name" "$oracle/edits/remove.edit" || continue
done < <(cases)
done_testing
