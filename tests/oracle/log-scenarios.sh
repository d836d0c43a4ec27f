# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # the arrays are looked up by name
#
# What a log tree can hold. A scenario NAME is up to four things, found by name:
#   mkfs_NAME    options for mkfs.btrfs        mount_NAME   mount options
#   base_NAME    what is committed before      log_NAME     what is done then, ending in fsyncs
# All run in the directory of the mount. sync(1) with a name is fsync of that file or directory.

text() { # text BYTES [WORD]: lines that compress well
    yes "this is ${2:-text} and no more" | head -c "$1"
}

log_new_file() {
    text 100 >inline
    text 9999 >regular
    text 10 >not-synced
    sync inline regular
}

base_new_in_dir() {
    mkdir dir
    text 5000 >dir/old
}
log_new_in_dir() {
    local i
    for i in {1..40}; do text "$((i * 100))" >"dir/new-$i"; done
    mkdir dir/sub
    text 10 >dir/sub/file
    sync dir
}

base_append() {
    text 10000 >grows
    text 500 >inline-grows
}
log_append() {
    local i
    for i in {1..12}; do
        text 5000 "append $i" >>grows
        sync grows
    done
    text 9000 more >>inline-grows
    sync inline-grows
}

base_overwrite() {
    text 1048576 >file
}
log_overwrite() {
    xfs_io -c 'pwrite -q -S 0x11 100000 50000' -c 'pwrite -q -S 0x12 300001 7' \
        -c 'pwrite -q -S 0x13 4096 4096' -c fsync -c 'pwrite -q -S 0x14 110000 10000' \
        -c 'pwrite -q -S 0x15 1048000 5000' -c fsync file
}

base_truncate() {
    text 300000 >shrinks
    text 300000 >grows
    text 200 >inline
    text 300000 >both
}
log_truncate() {
    truncate -s 123457 shrinks
    truncate -s 500001 grows
    truncate -s 50 inline
    truncate -s 4097 both && truncate -s 200000 both
    sync shrinks grows inline both
}

base_prealloc() {
    text 5000 >past-the-end
    xfs_io -f -c 'falloc 0 1m' partly
}
log_prealloc() {
    xfs_io -f -c 'falloc 0 512k' -c 'pwrite -q -S 0x21 64k 10000' -c fsync new
    xfs_io -c 'falloc -k 0 256k' -c fsync past-the-end
    xfs_io -c 'pwrite -q -S 0x22 100k 64k' -c 'pwrite -q -S 0x23 300001 1' -c fsync partly
}

base_punch() {
    text 400000 >file
    text 400000 >zeroed
    xfs_io -f -c 'pwrite -q 0 1m' large
}
log_punch() {
    xfs_io -c 'fpunch 50001 100000' -c 'fpunch 200k 4k' -c fsync file
    xfs_io -c 'fzero 10001 200000' -c fsync zeroed
    xfs_io -c 'fpunch 0 1m' -c 'pwrite -q -S 0x31 512k 4k' -c fsync large
}
mkfs_punch_holes=(-O ^no-holes)
base_punch_holes() { base_punch; }
log_punch_holes() { log_punch; }
mkfs_truncate_holes=(-O ^no-holes)
base_truncate_holes() { base_truncate; }
log_truncate_holes() { log_truncate; }
mkfs_sparse_holes=(-O ^no-holes)
log_sparse_holes() { log_sparse; }

log_sparse() {
    xfs_io -f -c 'pwrite -q 5g 5000' -c fsync far
    xfs_io -f -c 'pwrite -q 64k 4k' -c 'pwrite -q 256k 4k' -c 'truncate 1m' -c fsync holes
    truncate -s 3m only-a-hole
    sync only-a-hole
}

base_rename() {
    mkdir a b
    text 5000 >a/file
    text 6000 >a/other
    text 10 >stays
}
log_rename() {
    mv a/file b/file
    sync b/file
    mv a/other a/renamed
    sync a/renamed
}

base_rename_over() {
    text 5000 >old
    text 100 >loses
}
log_rename_over() {
    text 7000 new >new
    sync new
    mv new old
    sync old
    text 50 >tmp && mv tmp loses
    sync loses
}

base_rename_swap() {
    mkdir one two
    text 100 a >one/file
    text 200 b >two/file
    text 300 c >x
    text 400 d >y
}
log_rename_swap() {
    mv one/file two/moved
    sync two/moved
    mv two/file one/file
    sync one/file
    mv x z
    mv y x
    sync x
}

base_link() {
    mkdir dir
    text 5000 >one
    text 6000 >loses-a-name
    ln loses-a-name second-name
}
log_link() {
    ln one dir/two
    ln one three
    sync one
    rm loses-a-name
    sync second-name
}

base_unlink() {
    mkdir dir
    for i in {1..60}; do text "$i" >"dir/file-$i"; done
}
log_unlink() {
    local i
    for i in {1..60..3}; do rm "dir/file-$i"; done
    text 77 >dir/new
    sync dir
}

base_recreate() {
    text 5000 old >name
    mkdir dir
    text 100 old >dir/name
}
log_recreate() {
    rm name && text 300 new >name
    sync name
    rm dir/name && mkdir dir/name && text 5 >dir/name/inside
    sync dir/name/inside dir/name
}

base_xattr() {
    text 100 >file
    setfattr -n user.stays -v stays file
    setfattr -n user.changes -v before file
    setfattr -n user.goes -v goes file
    mkdir dir
    setfattr -n user.goes -v goes dir
}
log_xattr() {
    setfattr -n user.changes -v "after and longer" file
    setfattr -x user.goes file
    setfattr -n user.new -v "$(text 900)" file
    setfattr -n trusted.new -v t file
    sync file
    setfattr -x user.goes dir
    setfattr -n user.dir -v new dir
    sync dir
}

base_acl() {
    mkdir dir
    text 100 >file
}
log_acl() {
    setfacl -m u:1000:rw,g:2000:r file
    setfacl -d -m u:1000:rwx dir
    text 5 >dir/inherits
    sync file dir dir/inherits
}

base_attributes() {
    text 100 >file
    text 100 >other
    mkdir dir
}
log_attributes() {
    chmod 4711 file
    chown 1000:2000 file
    touch -d '1999-01-02 03:04:05.678901234Z' file
    sync file
    chmod 1777 dir
    sync dir
    chattr +A other
    sync other
}

base_symlink() { mkdir dir; }
log_symlink() {
    ln -s target dir/short
    ln -s "$(head -c 1000 /dev/zero | tr '\0' l)" dir/long
    sync dir
}

base_special() { mkdir dir; }
log_special() {
    mknod dir/char c 1 3
    mknod dir/block b 300 70000
    mkfifo dir/fifo
    chmod 640 dir/fifo
    sync dir
}

base_deep() { mkdir -p a/b; }
log_deep() {
    mkdir -p a/b/c/d/e a/b/x
    text 5000 >a/b/c/d/e/file
    text 10 >a/b/x/unrelated
    sync a/b/c/d/e/file
}

base_rmdir() {
    mkdir -p dir/empty dir/full
    text 5 >dir/full/file
}
log_rmdir() {
    rmdir dir/empty
    rm dir/full/file && rmdir dir/full
    sync dir
}

base_reflink() {
    text 500000 >source
}
log_reflink() {
    cp --reflink=always source clone
    sync clone
    xfs_io -f -c 'reflink -q source 12k 40k 20k' -c 'pwrite -q 44k 100' -c fsync pieces
    xfs_io -c 'reflink -q source 0 256k 64k' -c fsync source
}

mount_compressed=compress-force=zstd
log_compressed() {
    text 1900 >inline
    text 700000 >file
    sync inline file
    xfs_io -c 'pwrite -q -S 0x41 200001 3000' -c fsync file
}
mount_compressed_lzo=compress-force=lzo
log_compressed_lzo() { log_compressed; }
mount_compressed_zlib=compress-force=zlib
log_compressed_zlib() { log_compressed; }

base_subvolumes() {
    btrfs -q subvolume create one
    btrfs -q subvolume create two
    text 5000 >one/file
    text 5000 >two/file
    btrfs -q subvolume snapshot one three
}
log_subvolumes() {
    text 6000 changed >one/file
    text 10 >two/new
    text 20000 changed >three/file
    text 10 >top
    sync one/file two/new three/file top
}

base_many() { mkdir dir; }
log_many() {
    local i
    for i in {1..700}; do echo "$i" >"dir/file-$i"; done
    sync dir
    for i in {1..700..10}; do sync "dir/file-$i"; done
}
mkfs_many_4k=(-n 4k)
base_many_4k() { base_many; }
log_many_4k() { log_many; }

base_big_dir() {
    local i
    mkdir dir
    for i in {1..1500}; do : >"dir/a-name-that-takes-room-$i"; done
}
log_big_dir() {
    local i
    (cd dir && seq -f 'a-name-that-takes-room-%g' 1 2 1500 | xargs rm)
    for i in {1..300}; do : >"dir/new-$i"; done
    sync dir
}

base_fragments() {
    text 4194304 >file
}
log_fragments() {
    local i args=()
    for i in {1..150}; do args+=(-c "pwrite -q -S $((i % 256)) $((i * 7919 % 1024 * 4096)) 4096"); done
    xfs_io "${args[@]}" -c fsync file
    xfs_io -c 'pwrite -q -S 0x51 1m 8k' -c fsync file
}

base_nocow() {
    : >file
    chattr +C file
    text 300000 >>file
}
log_nocow() {
    : >new
    chattr +C new
    text 50000 >>new
    sync new
    xfs_io -c 'pwrite -q -S 0x61 100000 5000' -c 'pwrite -q -S 0x62 400000 5000' -c fsync file
}

base_extref() {
    local i
    text 100 >file
    mkdir dir
    for i in {1..100}; do ln file "dir/$i-$(head -c 200 /dev/zero | tr '\0' n)"; done
}
mkfs_extref=(-n 4k)
log_extref() {
    text 9000 more >>file
    sync file
}

base_collisions() {
    mkdir dir
    (cd dir && "$(tool collide)" -k 3 | head -n 3 | xargs touch)
}
log_collisions() {
    (cd dir && "$(tool collide)" -k 3 | tail -n 4 | xargs touch && rm "$("$(tool collide)" -k 3 | head -n 1)")
    sync dir
}

base_tmpfile() { mkdir dir; }
log_tmpfile() {
    xfs_io -T -c 'pwrite -q 0 9000' -c 'flink dir/linked' -c fsync dir
}

mkfs_mixed=(-M)
base_mixed() { base_overwrite; }
log_mixed() { log_overwrite; log_new_file; }
mkfs_full_metadata=(-O ^skinny-metadata)
base_full_metadata() { base_overwrite; }
log_full_metadata() { log_overwrite; log_new_file; }
mkfs_blake2=(--csum blake2)
base_blake2() { base_overwrite; }
log_blake2() { log_overwrite; log_new_file; }
mkfs_v1_cache=(-O '^free-space-tree')
mount_v1_cache=space_cache=v1
base_v1_cache() { base_overwrite; }
log_v1_cache() { log_overwrite; log_new_file; }
