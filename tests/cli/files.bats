#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: each command on files does what its namesake does, and leaves a valid file system.
load common

setup() {
    setup_image
}

@test "mkdir makes directories, with -p their parents" {
    "$copse" mkdir $image:/a $image:/b
    "$copse" mkdir -p $image:/a/b/c $image:/a
    "$copse" mkdir -m 1770 $image:/m
    [ "$("$copse" ls -R $image:/a)" = "$(printf '/a:\nb\n\n/a/b:\nc\n\n/a/b/c:')" ]
    [[ $("$copse" ls -ld $image:/m) == drwxrwx--T* ]]
    judge
}

@test "ls sorts by bytes, hides dot names, counts inodes" {
    "$copse" touch $image:/b $image:/a $image:/.hidden $image:/B
    [ "$("$copse" ls $image:/)" = "$(printf 'B\na\nb')" ]
    [ "$("$copse" ls -a $image:/)" = "$(printf '.\n..\n.hidden\nB\na\nb')" ]
    [[ $("$copse" ls -i $image:/a) =~ ^[0-9]+\ /a$ ]]
}

@test "rm removes files, with -r directories, and -f forgives" {
    "$copse" mkdir -p $image:/a/b
    "$copse" touch $image:/a/b/f $image:/g
    fails 1 'Is a directory$' "$copse" rm $image:/a
    "$copse" rm -r $image:/a $image:/g
    [ -z "$("$copse" ls $image:/)" ]
    "$copse" rm -f $image:/a
    fails 1 'No such file or directory$' "$copse" rm $image:/a
    fails 1 'Device or resource busy$' "$copse" rm -r $image:/
    judge
}

@test "mv renames, moves into directories, and -n keeps what is there" {
    "$copse" mkdir $image:/d
    echo one | "$copse" cp - $image:/one
    echo two | "$copse" cp - $image:/two
    "$copse" mv -n $image:/one $image:/two
    [ "$("$copse" cat $image:/two)" = two ]
    "$copse" mv $image:/one $image:/two
    [ "$("$copse" cat $image:/two)" = one ]
    "$copse" mv $image:/two $image:/d
    [ "$("$copse" ls $image:/d)" = two ]
    fails 1 '.' "$copse" mv $image:/d $image:/d/e
    judge
}

@test "ln makes hard links and symlinks" {
    echo text | "$copse" cp - $image:/f
    "$copse" ln $image:/f $image:/g
    "$copse" ln -s f $image:/s
    "$copse" ln -s /absent $image:/dangling
    "$copse" ln -s loop $image:/loop
    [ "$("$copse" cat $image:/s)" = text ]
    [[ $("$copse" stat $image:/g) == *"Links: 2"* ]]
    [[ $("$copse" ls -l $image:/s) == *"/s -> f" ]]
    fails 1 'No such file or directory$' "$copse" cat $image:/dangling
    fails 1 'Too many levels of symbolic links$' "$copse" cat $image:/loop
    fails 1 'File exists$' "$copse" ln -s f $image:/s
    "$copse" ln -sf g $image:/s
    judge
}

@test "chmod takes octal and symbolic modes" {
    "$copse" touch $image:/f
    while read -r change shown; do
        "$copse" chmod "$change" $image:/f
        [[ $("$copse" ls -l $image:/f) == "$shown "* ]]
    done <<'END'
640 -rw-r-----
u+x,go=r -rwxr--r--
a-x -rw-r--r--
-w -r--r--r--
u+w,g+s,+t -rw-r-Sr-T
4755 -rwsr-xr-x
g=u -rwsrwxr-x
END
}

@test "chown, touch and truncate change what stat shows" {
    "$copse" touch -d @1000000000.123456789 $image:/f
    "$copse" chown 1000:100 $image:/f
    "$copse" truncate -s 5k $image:/f
    "$copse" truncate -s +1k $image:/f
    "$copse" touch -a -d '2001-02-03 04:05:06' $image:/f
    run -0 "$copse" --format json stat $image:/f
    [[ $output == *'"size": 6144'* ]]
    [[ $output == *'"uid": 1000'* ]]
    [[ $output == *'"gid": 100'* ]]
    [[ $output == *'"atime": "2001-02-03 04:05:06.000000000 +0000"'* ]]
    "$copse" touch -c $image:/absent
    [ "$("$copse" ls $image:/)" = f ]
    judge
}

@test "mknod makes special files, chattr sets flags, xattr sets attributes" {
    "$copse" mknod -m 600 $image:/null c 1 3
    "$copse" mknod $image:/disk b 8 255
    "$copse" mknod $image:/pipe p
    "$copse" mknod $image:/socket s
    [[ $("$copse" ls -l $image:/null) == "crw------- 1 0 0 1, 3 "* ]]
    fails 2 '.' "$copse" mknod $image:/x b 8
    "$copse" touch $image:/f
    "$copse" chattr +CA $image:/f
    [[ $("$copse" lsattr $image:/f) == *A*C*"/f" ]]
    "$copse" chattr -A $image:/f
    [[ $("$copse" lsattr $image:/f) != *A*"/f" ]]
    "$copse" chattr +i $image:/f
    fails 1 'Operation not permitted$' "$copse" rm $image:/f
    "$copse" chattr -i $image:/f
    "$copse" xattr set $image:/f user.text value
    "$copse" xattr set $image:/f user.hex 0x0001ff
    "$copse" xattr set $image:/f user.base64 0sAQID
    [ "$("$copse" xattr get $image:/f user.text)" = value ]
    [ "$("$copse" xattr get -x $image:/f user.hex)" = 0x0001ff ]
    [ "$("$copse" xattr get -x $image:/f user.base64)" = 0x010203 ]
    [ "$("$copse" xattr list $image:/f | sort)" = "$(printf 'user.base64\nuser.hex\nuser.text')" ]
    "$copse" xattr rm $image:/f user.hex
    fails 1 'No data available$' "$copse" xattr get $image:/f user.hex
    judge
}

@test "commands that only look change no byte" {
    echo text | "$copse" cp - $image:/f
    before=$(sha256sum <$image)
    for command in "ls -l $image:/" "cat $image:/f" "stat $image:/f" "df $image" "du $image:/" \
        "lsattr $image:/f" "subvolume list $image" "subvolume show $image:/" "cp $image:/f out" \
        "property get $image:/" "inspect dump-super $image" "inspect dump-tree $image" \
        "inspect rootid $image:/f" "inspect inode-resolve 257 $image:/" "filesystem usage $image"; do
        # shellcheck disable=SC2086
        "$copse" $command >/dev/null
        [ "$(sha256sum <$image)" = "$before" ] || {
            echo "$command changed it"
            return 1
        }
    done
}
