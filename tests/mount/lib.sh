# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Tests through a mount, to be sourced. They run as an ordinary user: as root they take the user
# "nobody", in a mount namespace of their own where everybody may open /dev/fuse.
#
#   in_own_world "$0" "$@"   first of all: namespace, $scratch, $image, $dir, $copse, $python
#   user COMMAND...          runs a command as the ordinary user
#   mounted OPTION... / served_by_pid OPTION... / unmounted

mount_tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/tap.sh
. "$mount_tests/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$mount_tests/../lib/images.sh"

test_uid=65534

why_no_fuse() {
    if [[ ! -e /dev/fuse ]]; then
        echo "no /dev/fuse"
    elif ((EUID != 0)) && ! { : <>/dev/fuse; } 2>/dev/null; then
        echo "this user may not open /dev/fuse"
    else
        why_missing fusermount3 python3 setpriv btrfs mkfs.btrfs
    fi
}

in_own_world() {
    local why
    why=$(why_no_fuse)
    [[ -z $why ]] || skip_all "$why"
    [[ -x $COPSE ]] || skip_all "no $COPSE"
    "$COPSE" version | grep -qw -- +fuse || skip_all "built without FUSE"
    ((EUID != 0)) || unshare --mount true 2>/dev/null || skip_all "no mount namespaces here"
    ((EUID != 0)) || own_mounts "$@"
    make_scratch
    chmod 755 "$scratch"
    image=$scratch/image dir=$scratch/mnt
    mkdir "$dir" "$scratch/home" "$scratch/bin"
    # The build may lie where this user cannot look.
    local library
    cp "$COPSE" "$scratch/bin/copse"
    library=$(ldd "$COPSE" | awk '$1 ~ /^libcopse\.so/ && $3 ~ /^\// {print $3}')
    [[ -z $library ]] || cp -L "$library" "$scratch/bin/"
    cp "$mount_tests/checks.py" "$scratch/bin/"
    copse=$scratch/bin/copse
    ((EUID == 0)) || {
        find_python
        return
    }
    mknod -m 666 "$scratch/fuse-device" c 10 229 &&
        mount --bind "$scratch/fuse-device" /dev/fuse 2>/dev/null ||
        skip_all "/dev/fuse cannot be opened to an ordinary user here"
    chown -R "$test_uid:$test_uid" "$dir" "$scratch/home"
    chmod 1777 "$scratch"
    find_python
}

# A Python that the user may run, too: root's own may lie in root's home.
find_python() {
    for python in $(type -ap python3); do
        ! user "$python" -c 'import ctypes, mmap' 2>/dev/null || return 0
    done
    skip_all "no python3 that an ordinary user can run"
}

# Becomes the command: for a job whose process id is then the command's own.
become_user() {
    local as=()
    ((EUID != 0)) || as=(setpriv --reuid=$test_uid --regid=$test_uid --clear-groups)
    export HOME=$scratch/home LD_LIBRARY_PATH=$scratch/bin${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    exec "${as[@]}" "$@"
}

user() {
    (become_user "$@")
}

# What the kernel says about the mount at $dir: its options, its type, what is mounted; or nothing.
# Root may not look into the mount itself.
mount_options() {
    awk -v dir="$dir" '$5 == dir {print $6}' /proc/self/mountinfo
}

mount_what() {
    awk -v dir="$dir" '$5 == dir {sub(/.* - /, ""); print $1, $2}' /proc/self/mountinfo
}

# new_image SIZE: an empty file system for the user, made by Linux's tools.
new_image() {
    rm -f "$image"
    user truncate -s "$1" "$image"
    user mkfs.btrfs -q "$image" >"$scratch/mkfs.said" 2>&1 || diag "$(cat "$scratch/mkfs.said")"
}

# mounted OPTION...: at $dir, by the user, in the background.
mounted() {
    user "$copse" mount "$@" "$image" "$dir"
}

# The same in the foreground, as a job of ours: sets $server.
served_by_pid() {
    become_user "$copse" mount -f "$@" "$image" "$dir" 2>"$scratch/server.err" &
    server=$!
    until [[ -n $(mount_what) ]]; do
        kill -0 "$server" 2>/dev/null || return 1
    done
}

unmounted() {
    user "$copse" umount "$dir"
}

judged() { # NAME
    try "$1: btrfs check finds nothing wrong" btrfs check --check-data-csum "$image"
}

# refused NAME PATTERN COMMAND...: fails with one line that matches.
refused() { # NAME PATTERN COMMAND...
    local name=$1 pattern=$2 out
    shift 2
    if out=$("$@" 2>&1); then
        not_ok "$name"
        diag "succeeded, and said: $out"
    elif [[ $out == $pattern && $out != *$'\n'* ]]; then
        ok "$name"
    else
        not_ok "$name"
        diag "said: $out"
    fi
}

# Passes the lines of another TAP program on, numbered anew. What it said goes with a failure.
tap_of() { # NAME COMMAND...
    local name=$1 line seen=0 planned=-1
    shift
    while IFS= read -r line; do
        case $line in
        1..*) planned=${line#1..} ;;
        "ok "*"# SKIP"*) seen=$((seen + 1)); line=${line#*- }; skip "$name: ${line%% # SKIP*}" "${line##*# SKIP }" ;;
        "ok "*) seen=$((seen + 1)); ok "$name: ${line#*- }" ;;
        "not ok "*) seen=$((seen + 1)); not_ok "$name: ${line#*- }" ;;
        "#"*) echo "$line" ;;
        esac
    done < <("$@" 2>"$scratch/tap.err" || :)
    [[ $seen == "$planned" ]] || not_ok "$name: ended early"
    [[ ! -s $scratch/tap.err ]] || diag "$(tail -n 40 "$scratch/tap.err")"
}
