#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: an ordinary user receives the backups of a whole system, one full stream and many
# increments made by Linux, into an image: owners, modes, set-id bits, devices, capabilities, ACLs,
# links. The kernel mounts it, and every snapshot is what was sent.
#
#   CHAIN_STEPS   how many increments (default 4; the long run has 30)
#   CHAIN_FILES   how many programs of this system are in it (default 60; "all" takes minutes)

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -n $why ]] || why=$(why_missing btrfs python3 setpriv setfacl)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
trees=$tests_lib/stream_tree.py
steps=${CHAIN_STEPS:-4} files=${CHAIN_FILES:-60}
root=$scratch/source/root

capable() { # FILE BIT
    python3 -c 'import os, struct, sys
os.setxattr(sys.argv[1], "security.capability",
            struct.pack("<5L", 0x02000001, 1 << int(sys.argv[2]), 0, 0, 0))' "$@"
}

# What debootstrap leaves behind, in small.
make_system() {
    mkdir -p "$root"/{dev,etc/init.d,proc,sys,tmp,root,home/user,usr/{bin,lib,sbin,share/doc},var/{lib,log,mail}} &&
        ln -s usr/bin "$root/bin" && ln -s usr/lib "$root/lib" && ln -s /proc/mounts "$root/etc/mtab" ||
        return 1
    chmod 1777 "$root/tmp" && chmod 700 "$root/root" && chown -R 1000:1000 "$root/home/user"
    chown 0:8 "$root/var/mail" && chmod 2775 "$root/var/mail"
    mknod -m 666 "$root/dev/null" c 1 3 && mknod -m 600 "$root/dev/console" c 5 1 &&
        mknod -m 660 "$root/dev/sda" b 8 0 && mknod -m 666 "$root/dev/huge" c 4095 1048575 &&
        chown 0:6 "$root/dev/sda" && mkfifo -m 600 "$root/dev/initctl" || return 1
    find /usr/bin -xdev -type f | sort |
        { [[ $files = all ]] && cat || head -n "$files"; } |
        xargs -r cp -a -t "$root/usr/bin" &&
        cp -a /etc/init.d/. "$root/etc/init.d" || return 1
    cp /bin/true "$root/usr/bin/su" && chmod 4755 "$root/usr/bin/su" &&
        cp /bin/true "$root/usr/bin/ping" && capable "$root/usr/bin/ping" 13 &&
        ln "$root/usr/bin/su" "$root/usr/sbin/su" &&
        cp --reflink=always "$root/usr/bin/ping" "$root/usr/bin/ping6" || return 1
    setfacl -m u:7:rwx,d:u:7:rx "$root/var/lib" && setfacl -m g:9:r "$root/usr/bin/su"
    mkdir "$root/var/lib/random"
}

# An upgrade, a day of logs, and anything.
live_on() { # STEP
    local n=$1 file
    for file in $(find "$root/usr/bin" -type f -links 1 | sort | awk -v n="$n" 'NR % 13 == n % 13'); do
        cp --remove-destination /bin/false "$file.new" && touch -d "@$((n * 1000))" "$file.new" &&
            mv "$file.new" "$file" || return 1
    done
    [[ ! -e $root/var/log/syslog ]] || mv "$root/var/log/syslog" "$root/var/log/syslog.$n"
    head -c "$((n * 7777))" /dev/urandom >"$root/var/log/syslog"
    rm -f "$root/var/log/syslog.$((n - 3))"
    cp /bin/true "$root/usr/sbin/su.new" && chmod 4711 "$root/usr/sbin/su.new" &&
        capable "$root/usr/bin/ping" $((n % 30)) || return 1
    mv "$root/usr/sbin/su.new" "$root/usr/sbin/su"
    python3 "$trees" change "$n" 15 "$root/var/lib/random"
}

make_streams() {
    local i
    truncate -s 8G "$scratch/source.img"
    mkfs.btrfs -q "$scratch/source.img" >/dev/null 2>&1 &&
        mount_image "$scratch/source.img" "$scratch/source" noatime &&
        btrfs -q subvolume create "$root" && make_system || return 1
    for ((i = 0; i <= steps; i++)); do
        ((i == 0)) || live_on "$i" || return 1
        btrfs -q subvolume snapshot -r "$root" "$scratch/source/day$i" || return 1
        # The kernel does not append to a file.
        # shellcheck disable=SC2046
        btrfs -q send $( ((i > 0)) && echo -p "$scratch/source/day$((i - 1))") \
            -f "$scratch/stream" "$scratch/source/day$i" &&
            cat "$scratch/stream" >>"$scratch/streams" && rm "$scratch/stream" || return 1
    done
}

receive_them() {
    chmod 755 "$scratch" && chmod 644 "$scratch/streams" && mkdir -m 777 "$scratch/user" || return 1
    setpriv --reuid=nobody --clear-groups "$COPSE" mkfs -q -b 8G "$scratch/user/backup.img" &&
        setpriv --reuid=nobody --clear-groups "$COPSE" receive -q -f "$scratch/streams" \
            "$scratch/user/backup.img:/"
}

all_the_same() {
    local i
    mount_image "$scratch/user/backup.img" "$scratch/backup" ro,noatime || return 1
    for ((i = 0; i <= steps; i++)); do
        python3 "$trees" compare "$scratch/source/day$i" "$scratch/backup/day$i" ctime ||
            { echo "day $i"; return 1; }
        [[ $(btrfs property get "$scratch/backup/day$i" ro) = ro=true ]] || return 1
    done
    umount "$scratch/backup"
}

is_clean() {
    btrfs check --readonly --check-data-csum "$scratch/user/backup.img"
}

try "a system, and $steps days of it, sent by Linux" make_streams &&
    try "an ordinary user receives them into an image" receive_them &&
    try "btrfs check finds nothing" is_clean &&
    try "the kernel mounts it, and every day is what was sent" all_the_same
umount "$scratch/source" 2>/dev/null
done_testing
