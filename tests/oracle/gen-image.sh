#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes a btrfs image that the kernel has filled with everything a file can be, and a manifest of
# what the kernel then sees in it. One seed gives one tree (times, uuids and places on disk apart).

set -u
usage() {
    cat <<'END'
usage: gen-image.sh -o IMAGE [OPTION]...
writes IMAGE and IMAGE.manifest
  --csum crc32c|xxhash|sha256|blake2    --nodesize 4k|8k|16k|32k|64k
  --compress none|zlib|lzo|zstd         (mount -o compress-force)
  --mixed 0|1  --no-holes 0|1  --skinny 0|1  --extref 0|1  --bgt 0|1
  --space fst|v1|none                   free-space tree, v1 cache, neither
  --data single|dup  --meta single|dup  profiles
  --metadata-uuid                       change the fsid afterwards (btrfstune -m)
  --quota full|simple                   with some groups and limits
  --default-subvol                      make a subvolume the default one
  --orphan                              copied while an unlinked file was still open
  --size SIZE  --seed N  --sections A,B --without A,B  --quick
  --props                               compression properties too
  --progs old|new|auto                  which mkfs.btrfs (auto: 6.14 where it can be had)
  --mount-options A,B
END
    exit 2
}

# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
own_mounts "$0" "$@"

runtime=()
image='' csum=crc32c nodesize=16k compress=none mixed=0 no_holes=1 skinny=1 extref=1 bgt=0
space=fst data=single meta=dup metadata_uuid=0 quota='' default_subvol=0 orphan=0 size=256M seed=1
sections='' without='' quick=0 props=0 progs=auto mount_options=''
while (($#)); do
    case $1 in
    -o) image=$2 && shift ;;
    --csum | --nodesize | --compress | --mixed | --no-holes | --skinny | --extref | --bgt | --space | \
        --data | --meta | --quota | --size | --seed | --sections | --without | --progs | --mount-options)
        (($# > 1)) || usage
        var=${1#--}
        printf -v "${var//-/_}" %s "$2"
        shift
        ;;
    --metadata-uuid | --default-subvol | --orphan | --quick | --props)
        var=${1#--}
        printf -v "${var//-/_}" 1
        ;;
    *) usage ;;
    esac
    shift
done
[[ -n $image ]] || usage

say() {
    echo "gen-image.sh: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Where mkfs.btrfs, btrfs and btrfstune come from.
choose_progs() {
    prefix=
    [[ $progs == old ]] && return
    find_new_progs
    [[ -z $btrfs_new && $progs == new ]] && fail "needs btrfs-progs 6.14"
    [[ -z $btrfs_new ]] || prefix=$btrfs_new/
}

# Prints `^name` where the feature is to be off.
feature() {
    (($2)) && echo "$1" || echo "^$1"
}

make_fs() {
    local features fst args
    features=$(feature no-holes "$no_holes"),$(feature skinny-metadata "$skinny")
    features+=,$(feature extref "$extref")
    fst=$(feature free-space-tree $(($([[ $space == fst ]] && echo 1 || echo 0))))
    args=(-q -f -n "$nodesize" --csum "$csum" -L "seed $seed" -U "$(uuid)" -b "$size")
    ((mixed)) && args+=(-M) || args+=(-d "$data" -m "$meta")
    if [[ $("${prefix}mkfs.btrfs" --version) =~ v([1-5]\.|6\.[0-2](\.|$)) ]]; then
        ((bgt)) && fail "the block group tree needs btrfs-progs 6.14"
        runtime=(-R "$fst")
    else
        features+=,$(feature block-group-tree "$bgt"),$fst
    fi
    rm -f "$image"
    truncate -s "$size" "$image"
    "${prefix}mkfs.btrfs" "${args[@]}" -O "$features" "${runtime[@]}" "$image" >/dev/null
}

# A uuid that depends on the seed and on the parameters alone.
uuid() {
    md5sum <<<"$seed $csum $nodesize $compress $mixed $no_holes $space $skinny $extref $bgt" |
        sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-4\3-8\4-\5/'
}

options() {
    local o=noatime
    [[ $compress == none ]] || o+=,compress-force=$compress
    [[ $space == v1 ]] && o+=,space_cache=v1
    [[ $space == none ]] && o+=,nospace_cache
    echo "$o${mount_options:+,$mount_options}"
}

enable_quota() {
    local btrfs=${prefix}btrfs simple=
    [[ $quota == simple ]] && simple=-s
    "$btrfs" quota enable $simple "$1" || fail "quota enable"
    "$btrfs" qgroup create 1/100 "$1"
    "$btrfs" qgroup create 2/200 "$1"
    "$btrfs" qgroup assign --no-rescan 1/100 2/200 "$1"
    "$btrfs" subvolume create "$1/limited" >/dev/null
    "$btrfs" qgroup assign --no-rescan "0/$("$btrfs" inspect-internal rootid "$1/limited")" 1/100 "$1"
    "$btrfs" qgroup limit 20M "$1/limited"
    "$btrfs" qgroup limit -e 30M 1/100 "$1"
    "$(tool mktree)" -s "$seed" -q -S data,links "$1/limited"
    "$btrfs" filesystem sync "$1"
    [[ $quota == simple ]] || "$btrfs" quota rescan -w "$1" >/dev/null
}

fill() {
    local dir=$1 args=(-s "$seed")
    ((quick)) && args+=(-q)
    ((props)) && args+=(-c)
    [[ -n $sections ]] && args+=(-S "$sections")
    [[ -n $without ]] && args+=(-X "$without")
    [[ -z $quota ]] || enable_quota "$dir"
    "$(tool mktree)" "${args[@]}" "$dir" || fail "mktree"
    if ((default_subvol)); then
        btrfs subvolume create "$dir/the-default" >/dev/null &&
            echo "in the default subvolume" >"$dir/the-default/file" &&
            btrfs subvolume set-default "$dir/the-default" || fail "set-default"
    fi
}

# The image as it stands on disk while a file that has no name any more is still in use.
keep_orphan() {
    local dir=$1
    exec 9<>"$dir/orphan" 8<>"$dir/truncated-orphan"
    head -c 100000 /dev/zero | tr '\0' o >&9
    echo small >&8
    rm "$dir/orphan" "$dir/truncated-orphan"
    btrfs filesystem sync "$dir"
    cp --sparse=always "$image" "$image.orphan"
    exec 8>&- 9>&-
}

why=$(why_no_kernel)
[[ -z $why ]] || fail "$why"
make_scratch
choose_progs
make_fs || fail "mkfs.btrfs"
mount_image "$image" "$scratch/mnt" "$(options)" || fail "mount"
fill "$scratch/mnt"
((orphan)) && keep_orphan "$scratch/mnt"
umount "$scratch/mnt" || fail "umount"
((orphan)) && mv "$image.orphan" "$image"
if ((metadata_uuid)); then
    out=$("${prefix}btrfstune" -f -m "$image" 2>&1) || fail "btrfstune: $out"
fi
# With an orphan a mount that may write cleans up, so the kernel looks at a copy.
cp --sparse=always "$image" "$scratch/copy.img"
kernel_manifest "$scratch/copy.img" "$image.manifest" || fail "manifest"
