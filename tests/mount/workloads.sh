#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: programs that people use work in a mount as elsewhere, and Linux finds afterwards
# what they left. git, rsync, SQLite, fio with its verification, a build, a directory of 100,000
# files, 65,535 names of one file.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
in_own_world "$0" "$@"

without() { # NAME PROGRAM...: skips and says true when one is missing
    local name=$1 why
    shift
    why=$(why_missing "$@")
    [[ -n $why ]] && skip "$name" "$why"
}

in_mount() { # COMMANDS: in sh, in the mount
    user sh -ec "cd '$dir'; $1"
}

# A repository without anybody's configuration.
git_env="export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b \
GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; git config --file '$scratch/home/.gitconfig' \
safe.directory '*' || :"

with_git() {
    without "git" git && return
    try "git: a history is made" in_mount "$git_env
        mkdir origin; cd origin; git init -q; cp -r /usr/include/linux .
        for i in 1 2 3 4 5; do
            find linux -name \"*[\$i].h\" -exec sh -c 'echo more >>\"\$1\"' - {} \\;
            git add .; git commit -q -m \"change \$i\"
        done"
    try "git: cloned, packed, checked" in_mount "$git_env
        git clone -q --no-hardlinks origin clone; cd clone; git gc -q; git fsck --full --strict
        git diff --exit-code HEAD; test -z \"\$(git status --porcelain)\""
}

with_rsync() {
    without "rsync" rsync && return
    try "rsync: a tree is copied" in_mount "rsync -aH /usr/include/ include/"
    try "rsync: with nothing left to copy" in_mount \
        "test -z \"\$(rsync -aHnc --omit-dir-times --itemize-changes /usr/include/ include/)\""
}

with_sqlite() {
    without "SQLite" sqlite3 && return
    local mode
    for mode in delete wal; do
        try "SQLite with journal_mode=$mode" in_mount "
            sqlite3 $mode.db 'pragma journal_mode=$mode;
                create table t(a integer primary key, b text); create index i on t(b);
                with recursive c(x) as (select 1 union all select x + 1 from c where x < 50000)
                    insert into t select x, hex(randomblob(40)) from c;
                delete from t where a % 3 = 0; update t set b = b || b where a % 5 = 0;'
            for i in \$(seq 20); do sqlite3 $mode.db \"insert into t(b) values('\$i')\"; done
            sqlite3 $mode.db 'vacuum'
            test \"\$(sqlite3 $mode.db 'pragma integrity_check; select count(*) from t')\" = \
                \"\$(printf 'ok\\n33354')\""
    done
}

with_fio() {
    without "fio" fio && return
    local job
    for job in "randwrite --bs=4k-64k --ioengine=psync" "randrw --bs=4k --direct=1 --ioengine=libaio --iodepth=8" \
        "randwrite --bs=4k --ioengine=mmap" "randwrite --bs=4k --fsync=32 --ioengine=psync" \
        "write --bs=1m --ioengine=psync --end_fsync=1"; do
        # shellcheck disable=SC2086
        try "fio verifies $job" user fio --name=job --directory="$dir" --size=48m --numjobs=2 \
            --verify=crc32c --do_verify=1 --rw=$job --output-format=terse
        user sh -c "rm -f '$dir'/job.*"
    done
}

with_a_build() {
    without "a build" cc make && return
    try "a program is built and run" in_mount '
        mkdir build; cd build
        for i in $(seq 100); do
            printf "int f%d(int x) { return x + %d; }\n" $i $i >f$i.c
            printf "int f%d(int);\n" $i >>all.h
            printf "x = f%d(x);\n" $i >>calls.h
        done
        printf "#include <stdio.h>\n#include \"all.h\"\nint main(void) { int x = 0;\n#include \"calls.h\"\nprintf(\"%%d\", x); }\n" >main.c
        printf "prog: \$(patsubst %%.c,%%.o,\$(wildcard *.c))\n\tcc -o \$@ \$^\n" >Makefile
        make -s -j4
        test "$(./prog)" = 5050
        make -q'
}

with_many() {
    try "100,000 files in one directory, and gone again" user "$python" -c '
import os, sys
os.mkdir(sys.argv[1] + "/many"); os.chdir(sys.argv[1] + "/many")
for i in range(100000):
    os.close(os.open(f"{i:x}", os.O_CREAT | os.O_WRONLY))
assert len(set(os.listdir("."))) == 100000
for i in range(0, 100000, 2):
    os.unlink(f"{i:x}")
assert len(set(os.listdir("."))) == 50000
for name in os.listdir("."):
    os.unlink(name)
assert os.listdir(".") == []' "$dir"
    try "one file has 65,535 names and no more" user "$python" -c '
import errno, os, sys
os.mkdir(sys.argv[1] + "/links"); os.chdir(sys.argv[1] + "/links")
open("0", "w").close()
for i in range(1, 65535):
    os.link("0", str(i))
assert os.stat("0").st_nlink == 65535
try:
    os.link("0", "one more")
    sys.exit(1)
except OSError as e:
    assert e.errno == errno.EMLINK, e' "$dir"
}

new_image 6G
try "mounted" mounted || done_testing
groups=(with_git with_rsync with_sqlite with_fio with_a_build with_many)
(($#)) && groups=("$@")
for group in "${groups[@]}"; do
    "$group"
done
try "unmounted" unmounted
judged "after all that"
if [[ -z $(why_no_kernel) ]]; then
    mounted -o ro && {
        user sh -c "cd '$dir' && find . -type f -exec cksum {} + | LC_ALL=C sort" >"$scratch/ours"
        unmounted
    }
    mount_image "$image" "$scratch/kernel" ro
    (cd "$scratch/kernel" && find . -type f -exec cksum {} + | LC_ALL=C sort) >"$scratch/theirs"
    [[ ! -e $scratch/kernel/clone ]] ||
        try "git finds nothing wrong under the kernel" git -c safe.directory='*' \
            -C "$scratch/kernel/clone" fsck --full --strict
    umount "$scratch/kernel"
    same "the kernel reads every file as the mount does" "$scratch/ours" "$scratch/theirs"
else
    skip "the kernel reads every file as the mount does" "$(why_no_kernel)"
fi
done_testing
