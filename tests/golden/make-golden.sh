#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the golden images again: root, a kernel with btrfs, and btrfs-progs 6.14. With names, only
# those. Every NAME.img.zst gets NAME.manifest.zst, what the kernel saw in it.

set -u
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
own_mounts "$0" "$@"
golden=$(cd "$(dirname "$0")" && pwd)
oracle=$golden/../oracle

fail() {
    echo "make-golden.sh: $*" >&2
    exit 1
}

# NAME and options for gen-image.sh
table() {
    cat <<'END'
everything       --props --size 128M
block-group-tree --bgt 1 --sections data,overwritten,sparse,prealloc,reflinks,churn,subvolumes
csum-xxhash      --csum xxhash --bgt 1 --sections data,overwritten,prealloc,links
csum-sha256      --csum sha256 --sections data,overwritten,prealloc,links
csum-blake2      --csum blake2 --sections data,overwritten,prealloc,links
node-4k          --nodesize 4k --props --without many
node-8k          --nodesize 8k --sections data,links,xattrs,symlinks,names,collisions,flags
node-32k         --nodesize 32k --size 256M --sections data,links,xattrs,symlinks,names,collisions,acls
node-64k         --nodesize 64k --size 400M --sections data,links,xattrs,symlinks,gaps,subvolumes
mixed            --mixed 1 --nodesize 4k --size 48M --sections data,overwritten,sparse,prealloc,reflinks,links,subvolumes
holes            --no-holes 0 --sections data,overwritten,sparse,prealloc,reflinks,compressed --props
full-metadata    --skinny 0 --sections data,links,gaps,subvolumes
no-extref        --extref 0 --sections data,links
oldest           --skinny 0 --extref 0 --no-holes 0 --space v1 --nodesize 4k --meta single --sections data,sparse,links,subvolumes
zlib             --compress zlib --sections data,overwritten,sparse,prealloc,reflinks,subvolumes
lzo              --compress lzo --sections data,overwritten,sparse,prealloc,reflinks,subvolumes
zstd             --compress zstd --sections data,overwritten,sparse,prealloc,reflinks,subvolumes
lzo-holes-4k     --compress lzo --no-holes 0 --nodesize 4k --sections data,overwritten,sparse
space-v1         --space v1 --sections data,churn
space-none       --space none --sections data,churn
metadata-uuid    --metadata-uuid --sections data,names
dup-data         --data dup --size 256M --sections data,links
single-metadata  --meta single --sections data,links,times,modes
quota            --quota full --sections subvolumes
simple-quota     --quota simple --bgt 1 --sections subvolumes
default-subvol   --default-subvol --sections data,special
orphan           --orphan --sections data
END
}

# keep NAME: takes $work/NAME.img and $work/NAME.img.manifest (and .before) into the repository.
keep() {
    local suffix name=${1//_/-}
    for suffix in img img.manifest img.before; do
        [[ -e $work/$1.$suffix ]] || continue
        zstd -q -f -19 --ultra --long=27 "$work/$1.$suffix" -o "$golden/$name.${suffix/img./}.zst" ||
            fail "zstd"
    done
    echo "$name: $(stat -c %s "$golden/$name.img.zst") bytes"
    rm -f "$work/$1".*
}

wanted() {
    local name
    ((${#only[@]} == 0)) && return 0
    for name in "${only[@]}"; do
        [[ $name == "${1//_/-}" ]] && return 0
    done
    return 1
}

from_table() {
    local name args
    while read -r name args; do
        wanted "$name" || continue
        # shellcheck disable=SC2086
        "$oracle/gen-image.sh" -o "$work/$name.img" --size 112M --quick --seed 7 --progs new $args ||
            fail "$name"
        keep "$name"
    done < <(table)
}

logs() {
    local name
    for name in $("$oracle/gen-log.sh" -l); do
        wanted "log-$name" || continue
        "$oracle/gen-log.sh" -o "$work/log-$name.img" "$name" || fail "log-$name"
        keep "log-$name"
    done
}

# This kernel mounts sectors of its page size only: the tree that mkfs copied is the reference.
# mkfs takes no ACLs apart and sets no inode flags, so the sections have none.
larger_sectors() {
    local name=$1 dir=$scratch/rootdir-$1
    shift
    wanted "$name" || return 0
    mkdir -p "$dir"
    "$(tool mktree)" -q -l -s 7 -S data,sparse,names,links,xattrs,symlinks,special,modes,times "$dir" 2>/dev/null ||
        fail "$name"
    rm -f "$dir"/sparse/beyond-*
    mkdir "$dir/subvolume" && echo inside >"$dir/subvolume/file"
    truncate -s 200M "$work/$name.img"
    "$btrfs_new/mkfs.btrfs" -q -f "$@" --rootdir "$dir" --subvol rw:subvolume \
        "$work/$name.img" 2>/dev/null ||
        fail "$name"
    # It keeps the second of a change.
    "$(tool manifest)" -x "$rootdir_loses" "$dir" |
        sed 's/\(\tmtime=[-0-9]*\)\.[0-9]*/\1.000000000/' >"$work/$name.img.manifest"
    keep "$name"
}

# One extent, many references, everything moved once: keyed and shared back references.
balanced() {
    wanted balanced || return 0
    "$oracle/gen-image.sh" -o "$work/balanced.img" --size 256M --quick --seed 7 --progs new \
        --sections reflinks,subvolumes || fail balanced
    mount_image "$work/balanced.img" "$scratch/mnt" noatime || fail balanced
    btrfs -q balance start --full-balance "$scratch/mnt" >/dev/null || fail balanced
    "$(tool mktree)" -q -s 8 -S data "$scratch/mnt"
    umount "$scratch/mnt"
    kernel_manifest "$work/balanced.img" "$work/balanced.img.manifest" || fail balanced
    keep balanced
}

# A subvolume whose deletion was under way: its root item says how far it had come. Each commit
# makes the cleaner note where it is; a reflink of the backing file catches the disk at one moment.
half_deleted() {
    wanted half-deleted || return 0
    local i host=$scratch/host image=$scratch/host/a.img mnt=$scratch/mnt
    truncate -s 2G "$scratch/host.img"
    mkfs.xfs -q -m reflink=1 "$scratch/host.img" && mkdir -p "$host" &&
        mount -o loop "$scratch/host.img" "$host" || fail "half-deleted: needs XFS"
    truncate -s 256M "$image"
    "$btrfs_new/mkfs.btrfs" -q -f -n 4k "$image" >/dev/null
    mount_image "$image" "$mnt" noatime,commit=1 || fail half-deleted
    btrfs -q subvolume create "$mnt/doomed"
    "$(tool mktree)" -q -s 7 -S links,reflinks "$mnt/doomed"
    btrfs -q subvolume snapshot "$mnt/doomed" "$mnt/stays"
    "$(tool mktree)" -s 8 -S many "$mnt/doomed"
    "$(tool mktree)" -s 9 -S many "$mnt/doomed"
    btrfs filesystem sync "$mnt"
    btrfs -q subvolume delete "$mnt/doomed" >/dev/null
    for i in {1..40}; do
        btrfs filesystem sync "$mnt"
        cp --reflink=always "$image" "$host/$i.img"
    done
    umount "$mnt"
    for i in {1..40}; do
        "$btrfs_new/btrfs" inspect-internal dump-tree -t root "$host/$i.img" |
            grep -q 'drop_progress key ([1-9]' || continue
        cp --sparse=always "$host/$i.img" "$work/half-deleted.img"
        umount "$host"
        cp --sparse=always "$work/half-deleted.img" "$scratch/copy.img"
        kernel_manifest "$scratch/copy.img" "$work/half-deleted.img.manifest" || fail half-deleted
        keep half-deleted
        return
    done
    fail "half-deleted: never caught it"
}

# What btrfs-convert makes of ext4: block groups and chunks laid around what was there.
converted() {
    wanted converted || return 0
    local image=$work/converted.img
    truncate -s 256M "$image"
    mkfs.ext4 -q -b 4096 "$image" || fail converted
    mkdir -p "$scratch/mnt"
    mount -o loop "$image" "$scratch/mnt" || fail converted
    "$(tool mktree)" -q -l -s 7 -S data,sparse,links,symlinks,times "$scratch/mnt" 2>/dev/null
    # The kernel refuses the longest symlink as btrfs-convert writes it.
    rm -f "$scratch"/mnt/sparse/beyond-* "$scratch/mnt/symlinks/length-4095"
    umount "$scratch/mnt"
    btrfs-convert --no-progress "$image" >"$work/log" 2>&1 || fail "converted: $(<"$work/log")"
    kernel_manifest "$image" "$image.manifest" || fail converted
    keep converted
}

# flip IMAGE OFFSET...: turns over the bytes there.
flip() {
    local image=$1 at byte
    shift
    for at in "$@"; do
        byte=$(od -An -tu1 -j "$at" -N 1 "$image")
        printf "\\x$(printf %02x $((255 - byte)))" |
            dd of="$image" bs=1 seek="$at" conv=notrunc status=none
    done
}

# Where on the device the copies of a logical address are, one a line.
copies_of() {
    "$btrfs_new/btrfs-map-logical" -l "$2" "$1" | sed -n 's/.*physical \([0-9]*\) .*/\1/p'
}

tree_root() { # IMAGE TREE-ID
    "$btrfs_new/btrfs" inspect-internal dump-tree -t "$2" "$1" | awk '/^(leaf|node) /{print $2; exit}'
}

extent_of() { # IMAGE FILE-SIZE: the address of the one extent of a file of that many bytes on disk
    "$btrfs_new/btrfs" inspect-internal dump-tree -t 5 "$1" |
        sed -n "s/.*extent data disk byte \([0-9]*\) nr $2\$/\1/p" | head -n 1
}

# Each takes an undamaged image, and says after it whether anything can still be read.
damage_super() { flip "$1" $((0x10000 + 0x50)); }
damage_super_all() { flip "$1" $((0x10000 + 0x50)) $((0x4000000 + 0x50)); }
damage_super_magic() { flip "$1" $((0x10000 + 0x40)) $((0x4000000 + 0x40)); }
damage_leaf_one_copy() { flip "$1" $(($(copies_of "$1" "$(tree_root "$1" 5)" | head -n 1) + 5000)); }
damage_leaf() {
    local at
    for at in $(copies_of "$1" "$(tree_root "$1" 5)"); do flip "$1" $((at + 5000)); done
}
damage_chunk_root() {
    local at
    for at in $(copies_of "$1" "$(tree_root "$1" 3)"); do flip "$1" $((at + 200)); done
}
damage_csum_root() {
    local at
    for at in $(copies_of "$1" "$(tree_root "$1" 7)"); do flip "$1" $((at + 16000)); done
}
damage_data_one_copy() { flip "$1" $(($(copies_of "$1" "$(extent_of "$1" 12288)" | head -n 1) + 4097)); }
damage_data() {
    local at
    for at in $(copies_of "$1" "$(extent_of "$1" 12288)"); do flip "$1" $((at + 4097)); done
}
damage_truncated() { truncate -s 30M "$1"; }
damage_no_btrfs() { head -c 1M /dev/zero | tr '\0' x >"$1"; }
damage_empty() { : >"$1"; }

# What is still readable is what the kernel says; without a manifest nothing is. The kernel does not
# fall back to another superblock: there the undamaged image is the reference.
damaged() {
    local name image base=$work/undamaged.img
    "$oracle/gen-image.sh" -o "$base" --size 256M --seed 7 --progs new --data dup --quick \
        --sections modes,times || fail undamaged
    mount_image "$base" "$scratch/mnt" noatime || fail undamaged
    head -c 12000 /dev/zero | tr '\0' d >"$scratch/mnt/three-blocks"
    umount "$scratch/mnt"
    kernel_manifest "$base" "$base.manifest" || fail undamaged
    for name in $(declare -F | sed -n 's/^declare -f damage_//p'); do
        wanted "damage-$name" || continue
        image=$work/damage-$name.img
        cp --sparse=always "$base" "$image"
        "damage_$name" "$image" || fail "damage-$name"
        case $name in
        super) cp "$base.manifest" "$image.manifest" ;;
        *)
            # On a copy: the kernel mends what it can, even mounted read-only.
            cp --sparse=always "$image" "$scratch/copy.img"
            kernel_manifest "$scratch/copy.img" "$image.manifest" 2>/dev/null
            ;;
        esac
        [[ -s $image.manifest ]] && grep -q '^three-blocks' "$image.manifest" ||
            rm -f "$image.manifest"
        keep "damage-$name"
    done
}

why=$(why_no_kernel)
[[ -z $why ]] || fail "$why"
find_new_progs
[[ -n $btrfs_new ]] || fail "needs btrfs-progs 6.14"
make_scratch
work=$scratch/work
mkdir -p "$work"
only=("$@")
from_table
balanced
half_deleted
converted
larger_sectors sector-8k -s 8k -n 16k
larger_sectors sector-16k -s 16k -n 64k
larger_sectors sector-64k -s 64k -n 64k
larger_sectors sector-16k-zstd -s 16k -n 16k --compress zstd
larger_sectors sector-16k-lzo -s 16k -n 16k --compress lzo
larger_sectors sector-16k-zlib -s 16k -n 32k --csum xxhash --compress zlib
logs
damaged
