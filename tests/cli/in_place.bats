#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: what was preallocated or is NODATACOW is written where it is, as long as that very range
# is unshared, also on a full file system; what a clone shares is written first, and no more of it.
load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    image=test.img
    "$copse" mkfs -q -b 256M "$image"
}

# Disk sectors (of 512 bytes) that hold a range of a file: "FROM..TO" for each extent, holes left out.
layout() {
    "$copse" io "$image:$1" -c fiemap | sed -n 's/^\t[0-9]*: \[\([0-9]*\.\.[0-9]*\)\]: \([0-9]*\.\.[0-9]*\).*/\1 \2/p'
}

# The first disk sector at a file sector.
place_of() {
    layout "$1" | awk -v at="$2" '{
        split($1, f, /\.\./); split($2, d, /\.\./)
        if (f[1] <= at && at <= f[2]) print d[1] + at - f[1]
    }'
}

counter() {
    awk -F= -v name="$1" '$1 == name { print $2 }'
}

@test "writes into a preallocated extent stay there when another part of it is cloned" {
    run -0 "$copse" shell $image <<'END'
io -f /file1 -c "falloc 8k 24k" -c "pwrite 12k 8k"
io /file1 -c "reflink /file1 8k 0 4k"
END
    first=$(place_of /file1 16)
    [ "$(place_of /file1 0)" = "$first" ]
    [ "$(place_of /file1 24)" = $((first + 8)) ]
    [ "$(place_of /file1 39)" = $((first + 23)) ]
    [ "$(place_of /file1 40)" = $((first + 24)) ]
    [ "$("$copse" io $image:/file1 -c 'pread -v 12k 2' | head -1)" = '00003000:  cd cd  ..' ]
    judge
}

@test "so they do beside compressed data" {
    "$copse" mkdir $image:/d
    "$copse" property set $image:/d compression zstd
    run -0 "$copse" shell $image <<'END'
io -f /d/file1 -c "falloc 8k 24k" -c "pwrite 12k 8k" -c "pwrite 64k 256k"
io /d/file1 -c "reflink /d/file1 8k 0 4k" -c "reflink /d/file1 64k 1m 128k"
END
    first=$(place_of /d/file1 16)
    [ "$(place_of /d/file1 24)" = $((first + 8)) ]
    [ "$(place_of /d/file1 40)" = $((first + 24)) ]
    "$copse" io $image:/d/file1 -c fiemap >map
    judge
}

@test "what was written into a full file system's preallocated space survives a clone and fsync" {
    run -0 "$copse" shell -k $image <<'END' || true
io -f /file1 -c "falloc 8k 64m"
END
    run -1 "$copse" shell -k $image <<'END'
io -f /padding -c "pwrite 0 512M"
sync
io /file1 -c "pwrite -S 0x11 1m 16m"
io /file1 -c "reflink /file1 8k 0 4k" -c fsync
io /file1 -c "pwrite -S 0x22 32m 16m"
io /file1 -c "pwrite -S 0x33 20m 4k"
io -d /file1 -c "pwrite -S 0x44 24m 4m"
io -f /other -c "reflink /file1 8k 0 4k"
io /file1 -c "pwrite -S 0x55 28m 4k" -c fsync
df --reserved --raw
END
    # Only the padding was refused.
    [ "$(grep -c 'No space left' <<<"$output")" -eq 1 ]
    [ "$(counter written-anew <<<"$output")" -ge $((100 << 20)) ]
    [ "$(counter written-in-place <<<"$output")" -eq $(((16 << 20) + (16 << 20) + 4096 + (4 << 20) + 4096)) ]
    first=$(place_of /file1 16)
    for at in 2048 34000 65536 98303 40960 49152 57344; do
        [ "$(place_of /file1 $at)" = $((first + at - 16)) ]
    done
    "$copse" cat $image:/file1 | cmp - <(
        fill() { head -c "$2" /dev/zero | tr '\0' "\\$1"; }
        head -c 1M /dev/zero
        fill 021 16M
        head -c 3M /dev/zero
        fill 063 4k
        head -c $(((4 << 20) - 4096)) /dev/zero
        fill 104 4M
        fill 125 4k
        head -c $(((4 << 20) - 4096)) /dev/zero
        fill 042 16M
        head -c $(((16 << 20) + 8192)) /dev/zero
    )
    judge
}

@test "a written NODATACOW extent is overwritten in place on a full file system" {
    run -1 "$copse" shell -k $image <<'END'
mkdir /d
chattr +C /d
io -f /d/file -c "pwrite -S 1 0 32m" -c fsync
io -f /padding -c "pwrite 0 512M"
sync
io /d/file -c "pwrite -S 2 0 8m" -c "pwrite -S 3 100k 100k" -c fsync
io -f /d/clone -c "reflink /d/file 16m 0 4k"
io /d/file -c "pwrite -S 4 12m 4m" -c "pwrite -S 5 16388k 4m" -c fsync
END
    [ "$(grep -c 'No space left' <<<"$output")" -eq 1 ]
    # The one block that is shared has to go elsewhere, and there is no room.
    run -1 "$copse" io $image:/d/file -c 'pwrite -S 6 16m 4k'
    [ "$("$copse" io $image:/d/file -c 'pread -v 16m 1' | head -1 | awk '{print $2}')" = 01 ]
    "$copse" cat $image:/d/file | cmp - <(
        fill() { head -c "$2" /dev/zero | tr '\0' "\\$1"; }
        fill 2 100k
        fill 3 100k
        fill 2 $(((8 << 20) - 204800))
        fill 1 4M
        fill 4 4M
        fill 1 4k
        fill 5 4M
        fill 1 $(((12 << 20) - 4096))
    )
    judge
}

@test "after a snapshot all of it is shared, and a full file system says so at the write" {
    run -1 "$copse" shell -k $image <<'END'
subvolume create /s
io -f /s/file -c "falloc 0 32m"
io -f /padding -c "pwrite 0 512M"
sync
io /s/file -c "pwrite -S 1 0 1m"
subvolume snapshot /s /snap
io /s/file -c fsync
END
    [ "$(grep -c 'No space left' <<<"$output")" -eq 1 ]
    run -1 "$copse" io $image:/s/file -c 'pwrite -S 2 0 4k' -c fsync
    run -1 "$copse" io $image:/s/file -c 'pwrite -S 2 16m 4k' -c fsync
    [ "$("$copse" io $image:/snap/file -c 'pread -v 0 1' | head -1 | awk '{print $2}')" = 01 ]
    "$copse" cmp $image:/s/file $image:/snap/file 2>/dev/null || cmp <("$copse" cat $image:/s/file) <("$copse" cat $image:/snap/file)
    judge
}

@test "a clone writes back the range it shares and nothing else" {
    run -0 "$copse" shell $image <<'END'
io -f /file -c "pwrite -S 1 0 32m" -c fsync
io /file -c "pwrite -S 2 0 8m"
io -f /clone -c "reflink /file 1m 0 64k"
df --reserved --raw
END
    [ "$(counter written-to-share <<<"$output")" -eq 65536 ]
    [ "$(counter written-anew <<<"$output")" -eq $(((32 << 20) + 65536)) ]
    cmp <("$copse" cat $image:/clone) <(head -c 64k /dev/zero | tr '\0' '\2')
    judge
}

@test "copying on write asks nobody what is shared, writing in place asks little" {
    run -0 "$copse" shell $image <<'END'
io -f /file -c "pwrite 0 4m" -c fsync
io -f /clone -c "reflink /file"
io /file -c "pwrite 0 1m" -c "pwrite 2m 4k" -c fsync
df --reserved --raw
END
    [ "$(counter sharing-asked <<<"$output")" -eq 0 ]
    run -0 "$copse" shell $image <<'END'
io -f /pre -c "falloc 0 4m" -c "pwrite -b 4k 0 2m" -c fsync -c "pwrite -b 4k 2m 1m" -c fsync
df --reserved --raw
END
    [ "$(counter sharing-walks <<<"$output")" -eq 0 ]
    [ "$(counter sharing-lookups <<<"$output")" -le 1 ]
    judge
}

@test "nothing stays reserved" {
    run -1 "$copse" shell -k $image <<'END'
io -f /a -c "falloc 0 8m" -c "pwrite 0 4m"
io -f /b -c "pwrite 0 512M"
io /a -c "pwrite 4m 4m"
io /b -c "truncate 10m" -c "fpunch 1m 2m"
rm /a
sync
df --reserved --raw
END
    [ "$(grep -c 'reserved=0, pinned=0' <<<"$output")" -eq 3 ]
    [[ $output == *quota-reserved=0* ]]
    judge
}
