#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: the shell runs lines on one open file system, commits at its end, and forgets what a
# crash would.
load common

setup() {
    setup_image
}

@test "lines are commands, quoted as in sh, with comments" {
    echo host >file
    run -0 "$copse" shell $image <<'END'
# a comment
mkdir "/with space" '/it''s' /back\ slash   # another
cp host:file /f
ls /
cat /f
END
    [ "$output" = "$(printf 'back slash\nf\nits\nwith space\nhost')" ]
    [ "$("$copse" ls $image:/)" = "$(printf 'back slash\nf\nits\nwith space')" ]
    judge
}

@test "it stops at the first failure and keeps what came before" {
    run -1 "$copse" shell $image <<<$'mkdir /a\nmkdir /a\nmkdir /b'
    [ "$("$copse" ls $image:/)" = a ]
}

@test "-k goes on, and the exit status tells" {
    run -1 "$copse" shell -k $image <<<$'mkdir /a\nmkdir /a\nmkdir /b'
    [ "$("$copse" ls $image:/)" = "$(printf 'a\nb')" ]
}

@test "wrong usage inside is wrong usage outside" {
    fails 2 'nope: unknown command' "$copse" shell $image <<<nope
    fails 2 'a quote is not closed' "$copse" shell $image <<<'mkdir "/a'
    fails 2 'not inside the shell' "$copse" shell $image <<<'mkfs x'
}

@test "exit ends it, a script is read by -f" {
    printf 'mkdir /a\nexit\nmkdir /b\n' >script
    run -0 "$copse" shell -f script $image
    [ "$("$copse" ls $image:/)" = a ]
    fails 1 '^copse shell: absent: No such file or directory$' "$copse" shell -f absent $image
}

@test "crash drops what is not durable" {
    run -0 "$copse" shell $image <<'END'
mkdir /durable
sync
mkdir /lost
crash
ls /
mkdir /after
END
    [ "$output" = durable ]
    [ "$("$copse" ls $image:/)" = "$(printf 'after\ndurable')" ]
    judge
}

@test "fsync of one file survives a crash" {
    run -0 "$copse" shell $image <<'END'
io -f /f -c "pwrite -q 0 10000" -c fsync
crash
stat /f
END
    [[ $output == *"Size: 10000 "* ]]
    judge
}

@test "what is written to a file with chattr +S survives a crash" {
    run -0 "$copse" shell $image <<'END'
touch /plain /synchronous
chattr +S /synchronous
sync
io /plain -c "pwrite -q 0 10000"
io /synchronous -c "pwrite -q 0 10000"
io /plain -c "pwrite -q 10000 10000"
crash
stat /synchronous
END
    [[ $output == *"Size: 10000 "* ]]
    run -0 "$copse" stat $image:/plain
    [[ $output != *"Size: 20000 "* ]]
    judge
}
