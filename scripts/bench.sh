#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench.sh BUILD: times the library, the mount and the kernel's btrfs on a loop device, one after
# another and over again, and prints medians and ratios. Machines are noisy: believe the ratios.
#
#   RUNS=3        how often each is run
#   WHAT=         which benchmarks of tests/bench/work.c (default: all, and growth once)
#                 "fsync" has XFS beside it, and SQLite. "hot" is run only when it is asked for: an
#                 image under writes while it is shared, XFS beside it; HOT_* in
#                 tests/bench/work_hot.c. "stream", alone: send and receive,
#                 by bench-stream.sh; "check", alone: copse check and btrfs check, by bench-check.sh;
#                 "snapshots", alone: making, writing to and deleting many, by bench-snapshots.sh
#   GROWTH=yes    whether a directory is grown to a million files, too
#   BENCH_DIR=    where the images lie (default: BUILD/bench); needs 4 GiB
set -euo pipefail

build=$(readlink -f "$1") here=$(dirname "$(readlink -f "$0")")
runs=${RUNS:-3} growth=${GROWTH:-yes}
read -ra what <<<"${WHAT:-}"
[[ ${WHAT:-} != check ]] || exec "$here/bench-check.sh" "$build"
[[ ${WHAT:-} != snapshots ]] || exec "$here/bench-snapshots.sh" "$build"
[[ ${WHAT:-} != stream ]] || exec "$here/bench-stream.sh" "$build"

# shellcheck source=../tests/lib/images.sh
COPSE_BUILD=$build . "$here/../tests/lib/images.sh"

why_kernel=$(why_no_kernel) why_mount=
if [[ ! -x $build/copse ]]; then
    why_mount="$build/copse is not built"
elif [[ ! -e /dev/fuse ]]; then
    why_mount="no /dev/fuse"
elif ! "$build/copse" help mount >/dev/null 2>&1; then
    why_mount="built without mount"
fi
[[ -n $why_kernel ]] || own_mounts "$0" "$@"

ninja -C "$build" tests/bench/bench_fs tests/bench/bench_posix >/dev/null
mkdir -p "${BENCH_DIR:=$build/bench}"
TMPDIR=$BENCH_DIR make_scratch
shm=
if [[ -d /dev/shm && -w /dev/shm ]]; then
    shm=$(mktemp -d /dev/shm/copse-bench.XXXXXX)
    trap 'rm -rf "$shm"; drop_scratch' EXIT
fi

# ---- one run in each world: lines "name µs CPU-µs count" in $scratch/WORLD.RUN -------------------

judge() { # IMAGE
    command -v btrfs >/dev/null || return 0
    btrfs check "$1" >"$scratch/check" 2>&1 || {
        cat "$scratch/check" >&2
        echo "bench: btrfs check complains about $1" >&2
        exit 1
    }
}

wanted() { # BENCHMARK [WHAT...]: without WHAT all but those that are only run when asked for
    local name=$1
    shift
    [[ " $* " == *" $name "* || ($# = 0 && $name != hot && $name != growth) ]]
}

in_directory() { # [BENCHMARK...]
    "$build/tests/bench/bench_posix" "$scratch/mnt" "$@"
    ! wanted fsync "$@" || python3 "$here/../tests/bench/sqlite.py" "$scratch/mnt"
}

run_file() {
    "$build/tests/bench/bench_fs" "$scratch/image" "$@"
    [[ $run != 1 ]] || judge "$scratch/image"
    rm -f "$scratch/image"
}

run_memory() {
    "$build/tests/bench/bench_fs" "$shm/image" "$@"
    rm -f "$shm/image"
}

run_kernel() {
    truncate -s 16G "$scratch/image"
    mkfs.btrfs -q -f "$scratch/image" >/dev/null 2>&1
    mount_image "$scratch/image" "$scratch/mnt" noatime
    in_directory "$@"
    umount "$scratch/mnt"
    rm -f "$scratch/image"
}

run_xfs() {
    local part also=()
    for part in fsync hot; do
        ! wanted "$part" "$@" || also+=("$part")
    done
    truncate -s 16G "$scratch/image"
    mkfs.xfs -q -f -m reflink=1 "$scratch/image" >/dev/null
    mount_type=xfs mount_image "$scratch/image" "$scratch/mnt" noatime
    in_directory "${also[@]}"
    umount "$scratch/mnt"
    rm -f "$scratch/image"
}

run_mount() {
    truncate -s 16G "$scratch/image"
    "$build/copse" mkfs -q -f "$scratch/image" >/dev/null
    mkdir -p "$scratch/mnt"
    "$build/copse" mount "$scratch/image" "$scratch/mnt" -o noatime
    in_directory "$@"
    "$build/copse" umount "$scratch/mnt"
    [[ $run != 1 ]] || judge "$scratch/image"
    rm -f "$scratch/image"
}

worlds=(file)
[[ -z $shm ]] || worlds+=(memory)
[[ -n $why_kernel ]] || worlds+=(kernel)
[[ -n $why_mount ]] || worlds+=(mount)
if [[ -z $why_kernel ]] && { wanted fsync "${what[@]}" || wanted hot "${what[@]}"; }; then
    why_xfs=$(why_missing mkfs.xfs)
    [[ -n $why_xfs ]] || grep -qw xfs /proc/filesystems || modprobe -q xfs || why_xfs="the kernel has no XFS"
    [[ -n $why_xfs ]] && echo "SKIPPED: XFS: $why_xfs." || worlds+=(xfs)
fi

# A world that fails, for want of space perhaps, says so; what the others measured is shown, too.
status=0
in_world() { # WORLD FILE [BENCHMARK...]
    ("run_$1" "${@:3}") >"$2" & # not "if": there a command that fails would not end it
    wait $! && return
    echo "bench: FAILED: $1 ${*:3}" >&2
    umount "$scratch/mnt" 2>/dev/null || :
    rm -f "$scratch/image" ${shm:+"$shm/image"}
    status=1
}

for ((run = 1; run <= runs; run++)); do
    for world in "${worlds[@]}"; do
        echo "# run $run of $runs: $world" >&2
        in_world "$world" "$scratch/$world.$run" "${what[@]}"
    done
done
if [[ $growth = yes && ${#what[@]} = 0 ]]; then
    for world in "${worlds[@]}"; do
        [[ $world != mount && $world != xfs ]] || continue
        echo "# growth: $world" >&2
        in_world "$world" "$scratch/$world.growth" growth
    done
fi

# ---- the table --------------------------------------------------------------------------------

column() { # WORLD: "name<TAB>median of the clock", in the order of the work
    cat "$scratch/$1".* | awk '
        /^growth of|^#/ { next }
        {
            name = substr($0, 1, 24)
            sub(/ +$/, "", name)
            n = split(substr($0, 25), field, " ")
            if (n != 3)
                next
            if (!(name in count))
                order[++names] = name
            times[name, ++count[name]] = field[1]
        }
        END {
            for (i = 1; i <= names; i++) {
                name = order[i]
                k = count[name]
                for (a = 1; a <= k; a++)
                    for (b = a + 1; b <= k; b++)
                        if (times[name, b] + 0 < times[name, a] + 0) {
                            t = times[name, a]; times[name, a] = times[name, b]; times[name, b] = t
                        }
                print name "\t" times[name, int((k + 1) / 2)]
            }
        }'
}

for world in "${worlds[@]}"; do
    column "$world" >"$scratch/$world.column"
done

echo
echo "µs for one, median of $runs runs; file: the library on an image file, memory: on tmpfs,"
echo "kernel: its btrfs on a loop device over a file, mount: through the mount"
awk -F'\t' -v worlds="${worlds[*]}" -v dir="$scratch" '
    function cell(world, name) {
        return (world, name) in time ? sprintf("%.2f", time[world, name]) : "-"
    }
    function ratio(world, name) {
        if (!((world, name) in time) || !(("kernel", name) in time))
            return "-"
        return sprintf("%.2f", time[world, name] / time["kernel", name])
    }
    BEGIN {
        n = split(worlds, list, " ")
        for (i = 1; i <= n; i++) {
            file = dir "/" list[i] ".column"
            while ((getline <file) > 0) {
                time[list[i], $1] = $2
                if (!seen[$1]++)
                    order[++rows] = $1
            }
        }
        printf "%-24s", ""
        for (w = 1; w <= n; w++)
            printf " %10s", list[w]
        printf "   %11s %12s\n", "file/kernel", "mount/kernel"
        for (i = 1; i <= rows; i++) {
            name = order[i]
            printf "%-24s", name
            for (w = 1; w <= n; w++)
                printf " %10s", cell(list[w], name)
            printf "   %11s %12s\n", ratio("file", name), ratio("mount", name)
        }
    }'
for world in "${worlds[@]}"; do
    cat "$scratch/$world".[0-9]* | sed -n "s/^# /$world: /p"
    cat "$scratch/$world".* | sed -n "s/^growth of/$world: &/p"
done
[[ -z $why_kernel ]] || echo "SKIPPED: the kernel's btrfs: $why_kernel. There are no ratios."
[[ -z $why_mount ]] || echo "SKIPPED: the mount: $why_mount."
exit $status
