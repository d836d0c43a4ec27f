#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: what is asked of quota groups and cannot be is refused with the kernel's errno, and
# leaves the groups as the kernel leaves them. One table, asked of both.

set -u
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/images.sh
. "$(dirname "$0")/../lib/images.sh"
why=$(why_no_kernel)
[[ -z $why ]] || skip_all "$why"
why=$(why_missing python3)
[[ -z $why ]] || skip_all "$why"
[[ -x $COPSE ]] || skip_all "no $COPSE"
own_mounts "$0" "$@"
make_scratch
theirs=$scratch/theirs.img ours=$scratch/ours.img at=$scratch/mnt
mkdir -p "$at"

# Every call of the table in turn, of which some have to succeed for the next to mean anything.
calls() {
    cat <<'END'
destroy 1/1
assign 0/5 1/1
remove 0/5 1/1
limit 5242880 0/5
rescan
disable
enable
enable
create 1/1
create 1/1
create 1/2
create 2/1
create 65535/281474976710655
assign 1/1 1/2
assign 2/1 1/1
assign 1/1 1/1
assign 1/1 0/5
assign 0/5 1/9
assign 0/77 1/1
assign 0/5 1/1
assign 0/5 1/1
assign 1/1 2/1
assign 2/1 0/5
assign 0/5 2/1
assign 2/1 65535/281474976710655
assign 65535/281474976710655 2/1
remove 0/5 1/2
remove 0/5 9/9
remove 7/7 9/9
destroy 1/1
destroy 2/1
destroy 0/5
destroy 1/77
limit 0 1/2
limit 17293822569102704640 1/2
limit 5242880 1/33
limit 5242880 0/77
limit 18446744073709551614 1/1
limit none 1/2
remove 2/1 65535/281474976710655
destroy 65535/281474976710655
remove 0/5 2/1
END
}

# The ioctls of Linux, as such: its own program refuses some before it asks.
kernel_says() { # DIR
    calls | python3 -c '
import errno, fcntl, os, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
def group(text):
    level, number = text.split("/")
    return int(level) << 48 | int(number)
def ask(word, *args):
    if word in ("enable", "disable"):
        return fcntl.ioctl(fd, 0xc0109428, struct.pack("QQ", 1 if word == "enable" else 2, 0))
    if word == "rescan":
        return fcntl.ioctl(fd, 0x4040942c, bytes(64))
    if word in ("create", "destroy"):
        return fcntl.ioctl(fd, 0x4010942a, struct.pack("QQ", word == "create", group(args[0])))
    if word in ("assign", "remove"):
        return fcntl.ioctl(fd, 0x40189429,
                           struct.pack("QQQ", word == "assign", group(args[0]), group(args[1])))
    size = 2**64 - 1 if args[0] == "none" else int(args[0])
    return fcntl.ioctl(fd, 0x8030942b, struct.pack("QQQQQQ", group(args[1]), 1, size, 0, 0, 0))
for line in sys.stdin:
    try:
        ask(*line.split())
        said = "done"
    except OSError as e:
        said = os.strerror(e.errno)
    fcntl.ioctl(fd, 0x942e)  # a rescan that runs is waited for
    print(line.strip() + ": " + said)
' "$1"
}

copse_says() {
    local words said group=qgroup
    while read -ra words; do
        case ${words[0]} in
        enable | disable | rescan) group=quota ;;
        *) group=qgroup ;;
        esac
        if said=$("$COPSE" "$group" "${words[@]}" "$ours" 2>&1 >/dev/null); then
            said=done
        elif (($(wc -l <<<"$said") != 1)); then
            said="more than one line: $said"
        fi
        echo "${words[*]}: ${said##*: }"
    done < <(calls)
}

show() { # IMAGE
    "$COPSE" qgroup show -pcre --raw "$1" 2>&1 | sed "s|$1||"
}

fresh() { # IMAGE
    truncate -s 300M "$1" && mkfs.btrfs -q "$1" >/dev/null 2>&1
}

same() { # NAME THEIRS OURS
    if diff "$2" "$3" >"$scratch/diff"; then ok "$1"; else not_ok "$1" && diag "$(cat "$scratch/diff")"; fi
}

fresh "$theirs" && fresh "$ours" && mount -o loop "$theirs" "$at" || skip_all "no image can be mounted"
kernel_says "$at" >"$scratch/kernel"
umount "$at"
copse_says >"$scratch/copse"
echo 1..2
same "every call is answered as the kernel answers it" "$scratch/kernel" "$scratch/copse"
show "$theirs" >"$scratch/kernel" && show "$ours" >"$scratch/copse"
same "and leaves the same groups" "$scratch/kernel" "$scratch/copse"
